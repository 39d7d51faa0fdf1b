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

/* -t log sigmoid(x) - (1 - t) log(1 - sigmoid(x)) without overflow. a: logit x, b: target t. */
BINARY(sigmoid_cross_entropy)
{
    return (a < 0 ? 0 : a) - a * b + KERNEL_LOG1P(KERNEL_EXP(-KERNEL_ABS(a)));
}
