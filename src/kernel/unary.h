/* y = f(x): the formulas of the elementwise ops with one operand; `alpha` is the parameter of those
 * that have one. Written to stay finite for every finite x wherever the function does. */
#include <math.h>

#ifndef FM_KERNEL_UNARY_H
#define FM_KERNEL_UNARY_H
#define UNARY(name) static inline REAL KERNEL(name)(REAL x, REAL alpha __attribute__((unused)))
#endif

UNARY(neg)
{
    return -x;
}

UNARY(abs)
{
    return KERNEL_ABS(x);
}

UNARY(sign)
{
    return (REAL)((x > 0) - (x < 0));
}

UNARY(step)
{
    return x > 0 ? 1 : 0;
}

UNARY(square)
{
    return x * x;
}

UNARY(sqrt)
{
    return KERNEL_SQRT(x);
}

UNARY(rsqrt)
{
    return 1 / KERNEL_SQRT(x);
}

UNARY(reciprocal)
{
    return 1 / x;
}

UNARY(exp)
{
    return KERNEL_EXP(x);
}

UNARY(expm1)
{
    return KERNEL_EXPM1(x);
}

UNARY(log)
{
    return KERNEL_LOG(x);
}

UNARY(log1p)
{
    return KERNEL_LOG1P(x);
}

UNARY(sin)
{
    return KERNEL_SIN(x);
}

UNARY(cos)
{
    return KERNEL_COS(x);
}

UNARY(erf)
{
    return KERNEL_ERF(x);
}

UNARY(floor)
{
    return KERNEL_FLOOR(x);
}

/* exp(-x) may overflow to infinity: 1 / infinity is the right 0. */
UNARY(sigmoid)
{
    return 1 / (1 + KERNEL_EXP(-x));
}

UNARY(tanh)
{
    return KERNEL_TANH(x);
}

/* Nair, Hinton 2010. NaN stays NaN. */
UNARY(relu)
{
    return x < 0 ? 0 : x;
}

/* Krizhevsky 2010, "Convolutional deep belief networks on CIFAR-10". NaN stays NaN. */
UNARY(relu6)
{
    return x < 0 ? 0 : x > 6 ? 6 : x;
}

/* Maas, Hannun, Ng 2013. */
UNARY(leaky_relu)
{
    return x > 0 ? x : alpha * x;
}

/* Clevert, Unterthiner, Hochreiter 2015. */
UNARY(elu)
{
    return x > 0 ? x : alpha * KERNEL_EXPM1(x);
}

/* Klambauer, Unterthiner, Mayr, Hochreiter 2017: scale * elu(x, 1.67326...). */
UNARY(selu)
{
    const REAL scale = (REAL)1.0507009873554804934, slope = (REAL)1.6732632423543772848;
    return scale * (x > 0 ? x : slope * KERNEL_EXPM1(x));
}

/* Hendrycks, Gimpel 2016: x times the normal distribution function. */
UNARY(gelu)
{
    return x * KERNEL_NORMAL(x);
}

/* The same paper's approximation, u = sqrt(2 / pi) (x + 0.044715 x^3). */
UNARY(gelu_tanh)
{
    REAL u = (REAL)0.79788456080286535588 * (x + (REAL)0.044715 * x * x * x);
    return (REAL)0.5 * x * (1 + KERNEL_TANH(u));
}

/* Elfwing, Uchibe, Doya 2017; Ramachandran et al. 2017. */
UNARY(silu)
{
    return x / (1 + KERNEL_EXP(-x));
}

/* Misra 2019: x tanh(log(1 + e^x)). With n = e^-|x| the tanh is a ratio of polynomials:
 * x > 0: (1 + 2n) / (1 + 2n + 2n^2); else: (n^2 + 2n) / (n^2 + 2n + 2). */
UNARY(mish)
{
    REAL n = KERNEL_EXP(-KERNEL_ABS(x));
    REAL top = x > 0 ? 1 + 2 * n : n * (n + 2);
    return x * (top / (top + (x > 0 ? 2 * n * n : 2)));
}

/* Dugas et al. 2001: log(1 + e^x). */
UNARY(softplus)
{
    return (x < 0 ? 0 : x) + KERNEL_LOG1P(KERNEL_EXP(-KERNEL_ABS(x)));
}

/* Bergstra et al. 2009. */
UNARY(softsign)
{
    return x / (1 + KERNEL_ABS(x));
}

/* Courbariaux et al. 2015, with the slope 1/6 of Howard et al. 2019. */
UNARY(hard_sigmoid)
{
    REAL shifted = x + 3;
    return (shifted < 0 ? 0 : shifted > 6 ? 6 : shifted) / 6;
}

/* Howard et al. 2019. */
UNARY(hard_swish)
{
    REAL shifted = x + 3;
    return x * (shifted < 0 ? 0 : shifted > 6 ? 6 : shifted) / 6;
}
