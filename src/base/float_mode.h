/* Subnormal numbers as zeros. Arithmetic on them takes many times as long on most processors, and
 * training makes them in numbers: the moment of a weight whose gradient is zero shrinks into their
 * range and stays there. A mode belongs to a thread; whoever changes it restores it. */
#ifndef FM_BASE_FLOAT_MODE_H
#define FM_BASE_FLOAT_MODE_H

#include <stdint.h>

#if defined(__SSE2__)
#include <xmmintrin.h>
#endif

typedef uint64_t fm_float_mode;

static inline fm_float_mode fm_float_mode_get(void)
{
#if defined(__SSE2__)
    return _mm_getcsr();
#elif defined(__aarch64__)
    fm_float_mode mode;
    __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
    return mode;
#else
    return 0;
#endif
}

static inline void fm_float_mode_set(fm_float_mode mode)
{
#if defined(__SSE2__)
    _mm_setcsr((unsigned)mode);
#elif defined(__aarch64__)
    __asm__ volatile("msr fpcr, %0" : : "r"(mode));
#else
    (void)mode;
#endif
}

#if defined(__SSE2__)
#define FM_FLUSH_BITS UINT64_C(0x8040) /* FTZ and DAZ */
#elif defined(__aarch64__)
#define FM_FLUSH_BITS (UINT64_C(1) << 24) /* FZ */
#else
#define FM_FLUSH_BITS UINT64_C(0)
#endif

/* Subnormal operands and results are zeros from here on (where the processor can do that); returns
 * the mode before. */
static inline fm_float_mode fm_flush_subnormals(void)
{
    const fm_float_mode before = fm_float_mode_get();
    fm_float_mode_set(before | FM_FLUSH_BITS);
    return before;
}

/* The reverse. */
static inline fm_float_mode fm_keep_subnormals(void)
{
    const fm_float_mode before = fm_float_mode_get();
    fm_float_mode_set(before & ~FM_FLUSH_BITS);
    return before;
}

#endif
