/* Vectors of words: two bfloat16 numbers, the first in the lower half. With FM_NATIVE_BF16 the
 * processor rounds to pairs and multiplies them (AVX512_BF16); else the halves are multiplied in
 * f32, one after the other. */
#ifndef FM_BACKEND_CPU_BF16_PAIRS_H
#define FM_BACKEND_CPU_BF16_PAIRS_H

#include "backend/cpu/vector/vector.h"

typedef uint32_t words __attribute__((vector_size(4 * VECTOR_LENGTH)));
typedef uint32_t loose_word __attribute__((may_alias));

INLINE words broadcast_pair(const float *at)
{
    return *(const loose_word *)at - (words){0};
}

#if FM_NATIVE_BF16

#define PAIRED(j, s) (s) + (j) / 2 + (j) % 2 * 16

/* first[0], second[0], first[1], second[1], ... */
INLINE words pair_of(vector first, vector second)
{
    typedef uint16_t halves __attribute__((vector_size(64)));
    const halves both = (halves)_mm512_cvtne2ps_pbh((__m512)second, (__m512)first);
    return (words)__builtin_shufflevector(both, both, LANES_16(PAIRED, 0, 0),
                                          LANES_16(PAIRED, 16, 0));
}

/* first[0], first[1], ..., second[0], ... */
INLINE words pairs_of_row(vector first, vector second)
{
    return (words)_mm512_cvtne2ps_pbh((__m512)second, (__m512)first);
}

INLINE vector add_pairs(vector sum, words a, words b)
{
    return (vector)_mm512_dpbf16_ps((__m512)sum, (__m512bh)a, (__m512bh)b);
}

#else

#define UPPER_HALF 0xffff0000u

/* As kernel_bf16_f32, in the upper half; what is below it is of no meaning. */
INLINE words rounded(vector x)
{
    const words bits = (words)x, nan = (words)(x != x);
    const words tiny = (words)((bits & 0x7f800000u) == 0);
    const words up = bits + 0x7fffu + (bits >> 16 & 1);
    return (((nan & (bits | 0x400000u)) | (~nan & up)) & ~tiny) | (tiny & bits & 0x80000000u);
}

INLINE words pair_of(vector first, vector second)
{
    return rounded(first) >> 16 | (rounded(second) & UPPER_HALF);
}

#define EVEN(j, s) (2 * (j) + (s))

INLINE words pairs_of_row(vector first, vector second)
{
    return pair_of(__builtin_shufflevector(first, second, LANES(EVEN, 0)),
                   __builtin_shufflevector(first, second, LANES(EVEN, 1)));
}

INLINE vector add_pairs(vector sum, words a, words b)
{
    sum = multiply_add((vector)(a << 16), (vector)(b << 16), sum);
    return multiply_add((vector)(a & UPPER_HALF), (vector)(b & UPPER_HALF), sum);
}

#endif

#endif
