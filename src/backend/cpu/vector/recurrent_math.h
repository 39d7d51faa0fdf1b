/* The functions of recurrent cells on vectors. What is beyond the range is clamped, and one
 * exponential serves both: 2^n (1 + p), p by reference, of x log2 e = n + f. Its error is a unit or
 * two in the last place near zero and grows with x, to ten where the sigmoid is 1e-37. NaN stays
 * NaN. */
#ifndef FM_BACKEND_CPU_RECURRENT_MATH_H
#define FM_BACKEND_CPU_RECURRENT_MATH_H

#include <math.h>

#include "backend/cpu/vector/vector_math.h"

/* 2^f - 1 = f (ln 2 + f (...)), |f| <= 1/2. */
INLINE vector exp2m1_near_0(vector f)
{
    vector p = broadcast(0x1.415fcap-13f);
    p = multiply_add(p, f, broadcast(0x1.5f0934p-10f));
    p = multiply_add(p, f, broadcast(0x1.3b2dfap-7f));
    p = multiply_add(p, f, broadcast(0x1.c6af7ap-5f));
    p = multiply_add(p, f, broadcast(0x1.ebfbdcp-3f));
    p = multiply_add(p, f, broadcast(0x1.62e430p-1f));
    return f * p;
}

/* e^x = 2^n (1 + p): 2^n; |x| <= 86. */
INLINE vector split_exp(vector x, vector *p)
{
    const vector shifted = multiply_add(x, broadcast(LOG2_E), broadcast(ROUNDER));
    const vector whole = shifted - ROUNDER;
    *p = exp2m1_near_0(multiply_add(x, broadcast(LOG2_E), -whole));
    const lanes n = (lanes)shifted - bits_of(ROUNDER) + 127;
    return (vector)(n << 23);
}

/* x in [-most, most]; NaN as it is. */
INLINE vector clamped(vector x, float most)
{
    return larger_of(broadcast(-most), smaller_of(broadcast(most), x));
}

/* 1 / (1 + e^-x) */
INLINE vector sigmoid_lanes(vector x)
{
    vector p;
    const vector scale = split_exp(clamped(-x, 86), &p);
    return 1 / multiply_add(scale, p, scale + 1);
}

/* m / (m + 2) with m = e^2x - 1, which keeps its digits near zero. */
INLINE vector tanh_lanes(vector x)
{
    vector p;
    const vector scale = split_exp(clamped(x + x, 30), &p);
    return multiply_add(scale, p, scale - 1) / multiply_add(scale, p, scale + 1);
}

#endif
