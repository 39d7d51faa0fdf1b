/* Includes the template KERNEL_FILE of src/kernel in f32, with the mathematics of this folder: as
 * kernel/instantiate.h does it with libm's. sin, cos and pow stay libm's; they are rare in
 * training. A file may have an exp and a tanh of its own: KERNEL_EXP and KERNEL_TANH, defined
 * before. */
#include "backend/cpu/vector/vector_math.h"

#define REAL            float
#define KERNEL(name)    name##_f32
#define KERNEL_ABS(x)   fabsf(x)
#define KERNEL_FLOOR(x) floorf(x)
#define KERNEL_SQRT(x)  sqrtf(x)
#ifndef KERNEL_EXP
#define KERNEL_EXP(x) vector_exp(x)
#endif
#define KERNEL_EXPM1(x)  vector_expm1(x)
#define KERNEL_LOG(x)    vector_log(x)
#define KERNEL_LOG1P(x)  vector_log1p(x)
#define KERNEL_POW(x, y) powf(x, y)
#define KERNEL_SIN(x)    sinf(x)
#define KERNEL_COS(x)    cosf(x)
#ifndef KERNEL_TANH
#define KERNEL_TANH(x) vector_tanh(x)
#endif
#define KERNEL_ERF(x)    vector_erf(x)
#define KERNEL_NORMAL(x) vector_normal(x)
#define KERNEL_BELL(x)   vector_bell(x)
#include KERNEL_FILE
#include "kernel/instantiate_end.h"

#undef KERNEL_FILE
