/* exp, expm1, log, log1p, tanh, erf and the normal distribution of one float without branches, so
 * that the compiler turns a loop over them into vectors; a number's result does not depend on its
 * place in the loop.
 *
 * Each argument is reduced to a short interval (Muller, "Elementary Functions", 3rd edition 2016,
 * chapter 11) and the rest is a polynomial whose coefficients were fitted for the smallest largest
 * error (Lawson's iteration; see Trefethen, "Approximation Theory and Approximation Practice").
 * tests/backend/kernels_test.c bounds the errors, by 1 to 2 units in the last place. */
#ifndef FM_BACKEND_CPU_VECTOR_MATH_H
#define FM_BACKEND_CPU_VECTOR_MATH_H

#include "backend/cpu/vector/vector.h"

#include <math.h>

typedef union float_bits {
    float number;
    int32_t bits;
} float_bits;

INLINE int32_t bits_of(float x)
{
    return (float_bits){.number = x}.bits;
}

INLINE float float_of(int32_t bits)
{
    return (float_bits){.bits = bits}.number;
}

/* x y + z, rounded once where the processor does that. */
INLINE float fused(float x, float y, float z)
{
#ifdef __FMA__
    return __builtin_fmaf(x, y, z);
#else
    return x * y + z;
#endif
}

#define LOG2_E   0x1.715476p+0f
#define LN2      0x1.62e43p-1f
#define LN2_HIGH 0x1.63p-1f /* nine bits: times a small integer exact */
#define LN2_LOW  -0x1.bd0106p-13f
#define ROUNDER  0x1.8p+23f /* adding it rounds to an integer, which the last bits then are */

/* -126 <= n <= 127 */
INLINE float power_of_two(int32_t n)
{
    return float_of((int32_t)(((uint32_t)n + 127) << 23));
}

/* x = n ln 2 + r, |r| <= ln 2 / 2; anything for an x beyond the range of results. */
INLINE float reduce_exponent(float x, int32_t *n)
{
    const float shifted = x * LOG2_E + ROUNDER, whole = shifted - ROUNDER;
    *n = (int32_t)((uint32_t)bits_of(shifted) - (uint32_t)bits_of(ROUNDER));
    return fused(whole, -LN2_LOW, fused(whole, -LN2_HIGH, x));
}

/* e^r - 1 = r + r^2 (1/2 + r/6 + ...) */
INLINE float expm1_near_0(float r)
{
    float p = 0x1.6d99bep-10f;
    p = fused(p, r, 0x1.12288p-7f);
    p = fused(p, r, 0x1.555486p-5f);
    p = fused(p, r, 0x1.5554aep-3f);
    p = fused(p, r, 0.5f);
    return fused(r * r, p, r);
}

/* 2^n in two factors: a result below the normal numbers is rounded once, one above is infinite. */
INLINE float vector_exp(float x)
{
    int32_t n;
    const float r = reduce_exponent(x, &n), e = 1 + expm1_near_0(r);
    const int32_t half = n >> 1;
    const float y = e * power_of_two(half) * power_of_two((int32_t)((uint32_t)n - (uint32_t)half));
    return x > 89 ? INFINITY : x < -104 ? 0 : y;
}

/* For x <= 0: what lies below the normal numbers is 0, as it is while a program runs. */
INLINE float vector_exp_down(float x)
{
    int32_t n;
    const float r = reduce_exponent(x, &n), y = (1 + expm1_near_0(r)) * power_of_two(n);
    return x < -87 ? 0 : y;
}

/* The same of each lane: what softmax and attention need, whose largest number is 0. */
INLINE vector exp_down_lanes(vector x)
{
    float lane[VECTOR_LENGTH];
    store(lane, x);
    for (int i = 0; i < VECTOR_LENGTH; i++) lane[i] = vector_exp_down(lane[i]);
    return load(lane);
}

/* 2^n (e^r - 1) + 2^n - 1, halved until the end: 2^128 is no float. */
INLINE float vector_expm1(float x)
{
    int32_t n;
    const float r = reduce_exponent(x, &n);
    const float scale = power_of_two((int32_t)((uint32_t)n - 1));
    const float y = 2 * fused(scale, expm1_near_0(r), scale - 0.5f);
    return x > 89 ? INFINITY : x < -20 ? -1 : y;
}

/* log(1 + f) + k ln 2 for sqrt(1/2) <= 1 + f < sqrt(2) */
INLINE float log_near_1(float f, float k)
{
    const float square = f * f;
    float q = 0x1.1b3ec6p-4f;
    q = fused(q, f, -0x1.e2e804p-4f);
    q = fused(q, f, 0x1.e6519p-4f);
    q = fused(q, f, -0x1.fb4384p-4f);
    q = fused(q, f, 0x1.2332b4p-3f);
    q = fused(q, f, -0x1.5562ep-3f);
    q = fused(q, f, 0x1.99a546p-3f);
    q = fused(q, f, -0x1.ffffeep-3f);
    q = fused(q, f, 0x1.555546p-2f);
    const float tail = fused(k, LN2_LOW, square * f * q);
    return fused(k, LN2_HIGH, f - fused(0.5f, square, -tail));
}

/* x = 2^k (1 + f) as log_near_1 wants it; x positive and normal. */
INLINE float split_exponent(float x, int32_t *k)
{
    const int32_t root = 0x3f3504f3; /* sqrt(1/2) */
    const int32_t above = (int32_t)((uint32_t)bits_of(x) - (uint32_t)root);
    *k = above >> 23;
    return float_of((above & 0x7fffff) + root) - 1;
}

INLINE float vector_log(float x)
{
    int32_t k;
    const int subnormal = x < 0x1p-126f;
    const float f = split_exponent(subnormal ? x * 0x1p23f : x, &k);
    const float log = log_near_1(f, (float)(subnormal ? k - 23 : k));
    const float beyond = x == 0 ? -INFINITY : NAN;
    return x > 0 ? (x < INFINITY ? log : x) : beyond;
}

/* u = 1 + x is rounded; log u is corrected by what the rounding lost, as a fraction of u. */
INLINE float vector_log1p(float x)
{
    int32_t k;
    const float u = 1 + x, f = split_exponent(u, &k);
    const float lost = x > 1 ? 1 - (u - x) : x - (u - 1);
    const float log = log_near_1(k == 0 ? x : f, (float)k) + (k == 0 ? 0 : lost / u);
    const float beyond = x == -1 ? -INFINITY : NAN;
    return x > -1 ? (x < INFINITY ? log : x) : beyond;
}

/* x + x^3 (-1/3 + ...) near 0, else 1 - 2 / (e^2|x| + 1) with x's sign. */
INLINE float vector_tanh(float x)
{
    const float size = x < 0 ? -x : x, square = x * x;
    float t = -0x1.76ac1ap-8f;
    t = fused(t, square, 0x1.5256d8p-6f);
    t = fused(t, square, -0x1.b84448p-5f);
    t = fused(t, square, 0x1.110768p-3f);
    t = fused(t, square, -0x1.555534p-2f);
    const float near = fused(x * square, t, x);
    const float far = 1 - 2 / (vector_exp(2 * size) + 1);
    return size < 0.625f ? near : x < 0 ? -far : far;
}

/* x + x (2 / sqrt(pi) - 1 + ...) up to 1, else 1 - e^(log erfc |x|) with x's sign. */
INLINE float vector_erf(float x)
{
    const float size = x < 0 ? -x : x, square = x * x, t = size > 4 ? 4 : size;
    float e = 0x1.4ae4dp-14f;
    e = fused(e, square, -0x1.a485ecp-11f);
    e = fused(e, square, 0x1.5419f6p-8f);
    e = fused(e, square, -0x1.b7fbb4p-6f);
    e = fused(e, square, 0x1.ce2d2p-4f);
    e = fused(e, square, -0x1.81273ep-2f);
    e = fused(e, square, 0x1.06eba8p-3f);
    float c = -0x1.6bd7e6p-16f;
    c = fused(c, t, 0x1.cec604p-12f);
    c = fused(c, t, -0x1.138cbep-8f);
    c = fused(c, t, 0x1.9d0304p-6f);
    c = fused(c, t, -0x1.bc1516p-4f);
    c = fused(c, t, -0x1.443566p-1f);
    c = fused(c, t, -0x1.212c0cp+0f);
    c = fused(c, t, 0x1.8a576ep-13f);
    const float far = 1 - vector_exp_down(c);
    return size < 1 ? fused(x, e, x) : x < 0 ? -far : far;
}

/* The density of the normal distribution. */
INLINE float vector_bell(float x)
{
    return 0x1.988454p-2f * vector_exp_down(-0.5f * x * x);
}

/* The normal distribution function: e^(-x^2 / 2) r(|x|), or 1 without that, where r is Mills' ratio
 * times 1 / sqrt(2 pi), fitted with the weight e^(-x^2 / 2) that its error has. Beside the density
 * it costs no other exp. */
INLINE float vector_normal(float x)
{
    const float size = x < 0 ? -x : x, t = size > 6 ? 6 : size;
    float r = 0x1.f6c9e4p-25f;
    r = fused(r, t, -0x1.ae798ep-20f);
    r = fused(r, t, 0x1.4dbf2p-16f);
    r = fused(r, t, -0x1.3a2204p-13f);
    r = fused(r, t, 0x1.98c5acp-11f);
    r = fused(r, t, -0x1.90784cp-9f);
    r = fused(r, t, 0x1.3c882cp-7f);
    r = fused(r, t, -0x1.ab1dfep-6f);
    r = fused(r, t, 0x1.fe0dacp-5f);
    r = fused(r, t, -0x1.1036bcp-3f);
    r = fused(r, t, 0x1.fffb56p-3f);
    r = fused(r, t, -0x1.988432p-2f);
    r = fused(r, t, 0.5f);
    const float beyond = vector_exp_down(-0.5f * x * x) * r;
    return x < 0 ? beyond : 1 - beyond;
}

#endif
