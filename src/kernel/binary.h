/* y = f(a, b): the formulas of the elementwise ops with two operands. */
#include <math.h>

#ifndef FM_KERNEL_BINARY_H
#define FM_KERNEL_BINARY_H
#define BINARY(name) static inline REAL KERNEL(name)(REAL a, REAL b)
#endif

BINARY(add)
{
    return a + b;
}

BINARY(sub)
{
    return a - b;
}

BINARY(mul)
{
    return a * b;
}

BINARY(div)
{
    return a / b;
}

BINARY(pow)
{
    return KERNEL_POW(a, b);
}

/* A NaN on either side stays. */
BINARY(maximum)
{
    return a >= b || a != a ? a : b;
}

BINARY(minimum)
{
    return a <= b || a != a ? a : b;
}

BINARY(greater)
{
    return a > b ? 1 : 0;
}

BINARY(less)
{
    return a < b ? 1 : 0;
}

BINARY(equal)
{
    return a == b ? 1 : 0;
}

/* a is the gradient that flows in, b is relu's output. */
BINARY(relu_grad)
{
    return b > 0 ? a : 0;
}

/* likewise, b is relu6's output. */
BINARY(relu6_grad)
{
    return b > 0 && b < 6 ? a : 0;
}

/* a is the gradient that flows in, b is gelu's input: F(b) + b f(b) with the normal distribution F
 * and its density f. */
BINARY(gelu_grad)
{
    return a * (KERNEL_NORMAL(b) + b * KERNEL_BELL(b));
}

/* (1 + t) / 2 + b / 2 (1 - t^2) u', t = tanh(u), u = sqrt(2 / pi) (b + 0.044715 b^3). */
BINARY(gelu_tanh_grad)
{
    const REAL c = (REAL)0.79788456080286535588, cubic = (REAL)0.044715 * c;
    REAL x = b > 16 ? 16 : b < -16 ? -16 : b; /* t is 1 or -1 long before */
    REAL t = KERNEL_TANH(x * (c + cubic * x * x)), slope = c + 3 * cubic * x * x;
    return a * ((REAL)0.5 * (1 + t) + (REAL)0.5 * x * (1 - t * t) * slope);
}

/* s (1 + b (1 - s)), s = sigmoid(b). */
BINARY(silu_grad)
{
    REAL s = 1 / (1 + KERNEL_EXP(-b));
    return a * s * (1 + b * (1 - s));
}

/* -t log sigmoid(x) - (1 - t) log(1 - sigmoid(x)) without overflow. a: logit x, b: target t. */
BINARY(sigmoid_cross_entropy)
{
    return (a < 0 ? 0 : a) - a * b + KERNEL_LOG1P(KERNEL_EXP(-KERNEL_ABS(a)));
}
