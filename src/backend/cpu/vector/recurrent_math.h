/* The functions of recurrent cells: as those of vector_math.h, with shorter ways for what is beyond the
 * range (a clamp) and near zero. Errors stay within a few units in the last place. NaN stays NaN. */
#ifndef FM_BACKEND_CPU_RECURRENT_MATH_H
#define FM_BACKEND_CPU_RECURRENT_MATH_H

#include <math.h>

#include "backend/cpu/vector/vector_math.h"

/* e^x = 2^n (1 + p): 2^n, and p by reference; |x| < 87. */
INLINE float split_exp(float x, float *p)
{
    const float shifted = fused(x, LOG2_E, ROUNDER), whole = shifted - ROUNDER;
    const int32_t n = (int32_t)((uint32_t)bits_of(shifted) - (uint32_t)bits_of(ROUNDER));
    *p = expm1_near_0(fused(whole, -LN2_LOW, fused(whole, -LN2_HIGH, x)));
    return power_of_two(n);
}

INLINE float clamp_to(float x, float most)
{
    const float below = x > most ? most : x;
    return below < -most ? -most : below;
}

/* Of the sigmoid 1 / (1 + e^-x), which nothing beyond 86 changes. */
INLINE float cell_exp(float x)
{
    float p;
    const float scale = split_exp(clamp_to(x, 86), &p);
    return fused(scale, p, scale);
}

/* m / (m + 2) with m = e^2x - 1, which keeps its digits near zero. */
INLINE float cell_tanh(float x)
{
    float p;
    const float scale = split_exp(clamp_to(2 * x, 30), &p);
    const float m = fused(scale, p, scale - 1);
    return m / (m + 2);
}

#endif
