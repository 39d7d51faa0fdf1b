/* Vectors for the files of this folder, which are compiled once for each instruction set: one
 * source in GNU C vector extensions. FM_ISA names the set being compiled: avx512, avx2, baseline.
 *
 * The compiler is not allowed to join a product and a sum by itself (-ffp-contract=off), so that
 * a number never depends on which of several inlined copies computed it; multiply_add says where
 * they are joined. It rounds once with AVX2 and AVX-512, which therefore agree bit for bit, and
 * twice in the baseline. */
#ifndef FM_BACKEND_CPU_VECTOR_H
#define FM_BACKEND_CPU_VECTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifndef FM_ISA
#define FM_ISA baseline
#endif
#define FM_ISA_JOIN(name, isa)   name##_##isa
#define FM_ISA_EXPAND(name, isa) FM_ISA_JOIN(name, isa)
#define FM_ISA_SYMBOL(name)      FM_ISA_EXPAND(name, FM_ISA)
#define FM_ISA_QUOTE(isa)        #isa
#define FM_ISA_STRING(isa)       FM_ISA_QUOTE(isa)
#define FM_ISA_NAME              FM_ISA_STRING(FM_ISA)

#if defined(__AVX512F__)
#include <immintrin.h>
#define VECTOR_LENGTH 16
#elif defined(__AVX2__) && defined(__FMA__)
#include <immintrin.h>
#define VECTOR_LENGTH 8
#else
#if defined(__SSE2__)
#include <emmintrin.h>
#endif
#define VECTOR_LENGTH 4
#endif

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 17")

typedef float vector __attribute__((vector_size(4 * VECTOR_LENGTH), may_alias));
typedef float loose_vector __attribute__((vector_size(4 * VECTOR_LENGTH), may_alias, aligned(4)));
typedef int32_t lanes __attribute__((vector_size(4 * VECTOR_LENGTH)));

/* f(0, s), f(1, s), ...: the lanes of a shuffle. */
#define LANES_4(f, j, s)  f(j, s), f(j + 1, s), f(j + 2, s), f(j + 3, s)
#define LANES_8(f, j, s)  LANES_4(f, j, s), LANES_4(f, j + 4, s)
#define LANES_16(f, j, s) LANES_8(f, j, s), LANES_8(f, j + 8, s)
#if VECTOR_LENGTH == 16
#define LANES(f, s) LANES_16(f, 0, s)
#elif VECTOR_LENGTH == 8
#define LANES(f, s) LANES_8(f, 0, s)
#else
#define LANES(f, s) LANES_4(f, 0, s)
#endif

#define LANE_NUMBER(j, s) j
static const lanes lane_numbers = {LANES(LANE_NUMBER, 0)};

INLINE vector load(const float *from)
{
    return *(const loose_vector *)from;
}

INLINE void store(float *to, vector value)
{
    *(loose_vector *)to = value;
}

INLINE vector broadcast(float value)
{
    return value - (vector){0};
}

/* Past the caches, to a multiple of a vector's size: for results that are larger than they are. The
 * thread ends them before it is done. */
INLINE void stream(float *to, vector value)
{
#if defined(__AVX512F__)
    _mm512_stream_ps(to, (__m512)value);
#elif VECTOR_LENGTH == 8
    _mm256_stream_ps(to, (__m256)value);
#elif defined(__SSE2__)
    _mm_stream_ps(to, (__m128)value);
#else
    store(to, value);
#endif
}

INLINE void end_streams(void)
{
#if defined(__SSE2__)
    _mm_sfence();
#endif
}

INLINE vector multiply_add(vector x, vector y, vector z)
{
#if defined(__AVX512F__)
    return (vector)_mm512_fmadd_ps((__m512)x, (__m512)y, (__m512)z);
#elif VECTOR_LENGTH == 8
    return (vector)_mm256_fmadd_ps((__m256)x, (__m256)y, (__m256)z);
#else
    return x * y + z;
#endif
}

/* The first `count` < VECTOR_LENGTH numbers; the other lanes are zero, their memory is not read. */
INLINE vector load_first(const float *from, size_t count)
{
#if defined(__AVX512F__)
    return (vector)_mm512_maskz_loadu_ps((__mmask16)((1u << count) - 1), from);
#else
    vector value = {0};
    for (size_t i = 0; i < count; i++) value[i] = from[i];
    return value;
#endif
}

/* The same with the other lanes filled. */
INLINE vector load_filled(const float *from, size_t count, float fill)
{
#if defined(__AVX512F__)
    return (vector)_mm512_mask_loadu_ps(_mm512_set1_ps(fill), (__mmask16)((1u << count) - 1), from);
#else
    vector value = broadcast(fill);
    for (size_t i = 0; i < count; i++) value[i] = from[i];
    return value;
#endif
}

INLINE vector load_up_to(const float *from, size_t count)
{
    return count >= VECTOR_LENGTH ? load(from) : load_first(from, count);
}

INLINE void store_first(float *to, vector value, size_t count)
{
#if defined(__AVX512F__)
    _mm512_mask_storeu_ps(to, (__mmask16)((1u << count) - 1), (__m512)value);
#else
    for (size_t i = 0; i < count; i++) to[i] = value[i];
#endif
}

INLINE void store_up_to(float *to, vector value, size_t count)
{
    if (count >= VECTOR_LENGTH)
        store(to, value);
    else
        store_first(to, value, count);
}

/* Both: y where they are not ordered. */
INLINE vector larger_of(vector x, vector y)
{
#if defined(__AVX512F__)
    return (vector)_mm512_max_ps((__m512)x, (__m512)y);
#elif VECTOR_LENGTH == 8
    return (vector)_mm256_max_ps((__m256)x, (__m256)y);
#elif defined(__SSE2__)
    return (vector)_mm_max_ps((__m128)x, (__m128)y);
#else
    const lanes first = x > y;
    return (vector)(((lanes)x & first) | ((lanes)y & ~first));
#endif
}

INLINE vector smaller_of(vector x, vector y)
{
#if defined(__AVX512F__)
    return (vector)_mm512_min_ps((__m512)x, (__m512)y);
#elif VECTOR_LENGTH == 8
    return (vector)_mm256_min_ps((__m256)x, (__m256)y);
#elif defined(__SSE2__)
    return (vector)_mm_min_ps((__m128)x, (__m128)y);
#else
    const lanes first = x < y;
    return (vector)(((lanes)x & first) | ((lanes)y & ~first));
#endif
}

/* All lanes into one, by halves. */
#define ROTATED(j, s) (((j) + (s)) % VECTOR_LENGTH)
#define ROTATE(v, s)  __builtin_shufflevector(v, v, LANES(ROTATED, s))

INLINE float sum_of_lanes(vector v)
{
#if VECTOR_LENGTH > 8
    v += ROTATE(v, 8);
#endif
#if VECTOR_LENGTH > 4
    v += ROTATE(v, 4);
#endif
    v += ROTATE(v, 2);
    return v[0] + v[1];
}

INLINE float largest_of_lanes(vector v)
{
#if VECTOR_LENGTH > 8
    v = larger_of(v, ROTATE(v, 8));
#endif
#if VECTOR_LENGTH > 4
    v = larger_of(v, ROTATE(v, 4));
#endif
    v = larger_of(v, ROTATE(v, 2));
    return v[0] > v[1] ? v[0] : v[1];
}

/* Bytes to and from lanes; written out because compilers take them apart. */
INLINE lanes load_bytes(const uint8_t *from)
{
#if defined(__AVX512F__)
    return (lanes)_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i_u *)from));
#elif VECTOR_LENGTH == 8
    return (lanes)_mm256_cvtepu8_epi32(_mm_loadu_si64(from));
#else
    return (lanes){from[0], from[1], from[2], from[3]};
#endif
}

INLINE void store_bytes(uint8_t *to, lanes value)
{
#if defined(__AVX512F__)
    _mm_storeu_si128((__m128i_u *)to, _mm512_cvtepi32_epi8((__m512i)value));
#elif VECTOR_LENGTH == 8
    const __m128i halves = _mm_packs_epi32(_mm256_castsi256_si128((__m256i)value),
                                           _mm256_extracti128_si256((__m256i)value, 1));
    _mm_storeu_si64(to, _mm_packus_epi16(halves, halves));
#else
    for (int i = 0; i < VECTOR_LENGTH; i++) to[i] = (uint8_t)value[i];
#endif
}

INLINE vector keep_where(vector value, lanes condition)
{
    return (vector)((lanes)value & condition);
}

#endif
