/* Numbers rounded to bfloat16: a float's sign and exponent and the first 7 bits of its fraction,
 * ties to even. Subnormal numbers are zeros, as in AVX512_BF16's and AMX's instructions; NaN stays
 * NaN. A product of two such numbers has 16 significant bits: it is exact in float. Kalamkar et
 * al., "A Study of BFLOAT16 for Deep Learning Training", 2019. */
#ifndef FM_KERNEL_BFLOAT16_H
#define FM_KERNEL_BFLOAT16_H

#include <math.h>
#include <stdint.h>
#include <string.h>

static inline float kernel_bf16_f32(float x)
{
    uint32_t bits;
    if (x != x) return x;
    memcpy(&bits, &x, sizeof bits);
    if ((bits & 0x7f800000) == 0) bits &= 0x80000000;
    bits = (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000;
    memcpy(&x, &bits, sizeof bits);
    return x;
}

/* The same number for a float as a double. */
static inline double kernel_bf16_f64(double x)
{
    const double smallest = 0x1p-126, beyond = 0x1p128;
    uint64_t bits;
    if (x != x) return x;
    if (fabs(x) < smallest) return copysign(0, x);
    memcpy(&bits, &x, sizeof bits);
    bits = (bits + ((UINT64_C(1) << 44) - 1) + (bits >> 45 & 1)) >> 45 << 45;
    memcpy(&x, &bits, sizeof bits);
    return fabs(x) < beyond ? x : copysign(INFINITY, x);
}

/* An operand of a product as its precision says. */
static inline float kernel_read_f32(float x, int bf16)
{
    return bf16 ? kernel_bf16_f32(x) : x;
}

static inline double kernel_read_f64(double x, int bf16)
{
    return bf16 ? kernel_bf16_f64(x) : x;
}

/* The upper half of a rounded float: bfloat16 as it is stored. */
static inline uint16_t kernel_bf16_bits(float x)
{
    uint32_t bits;
    x = kernel_bf16_f32(x);
    memcpy(&bits, &x, sizeof bits);
    return (uint16_t)(bits >> 16 | (x != x) << 6);
}

#endif
