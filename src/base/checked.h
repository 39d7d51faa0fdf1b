/* Arithmetic that reports overflow. Every size that comes
 * from a file or a user goes through here. */
#ifndef FM_BASE_CHECKED_H
#define FM_BASE_CHECKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* true: *result holds the exact value. false: it overflowed and *result is not to be used. */
static inline bool fm_checked_add(size_t a, size_t b, size_t *result)
{
    return !__builtin_add_overflow(a, b, result);
}

static inline bool fm_checked_mul(size_t a, size_t b, size_t *result)
{
    return !__builtin_mul_overflow(a, b, result);
}

static inline bool fm_checked_add_i64(int64_t a, int64_t b, int64_t *result)
{
    return !__builtin_add_overflow(a, b, result);
}

static inline bool fm_checked_mul_i64(int64_t a, int64_t b, int64_t *result)
{
    return !__builtin_mul_overflow(a, b, result);
}

/* value rounded up to a multiple of step (a power of two); the caller knows it cannot overflow. */
static inline size_t fm_round_up(size_t value, size_t step)
{
    return (value + step - 1) & ~(step - 1);
}

#endif
