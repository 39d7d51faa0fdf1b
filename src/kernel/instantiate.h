/* Includes the template KERNEL_FILE twice: for float with names ending in _f32, for double in _f64.
 *
 *     #define KERNEL_FILE "kernel/softmax.h"
 *     #include "kernel/instantiate.h"
 *
 * A template sees REAL, KERNEL(name) and the mathematics as KERNEL_EXP(x) and so on; whoever has
 * faster ones (a vectorised backend) defines these macros itself and includes the template. */
#include <math.h>

#define REAL             float
#define KERNEL(name)     name##_f32
#define KERNEL_ABS(x)    fabsf(x)
#define KERNEL_FLOOR(x)  floorf(x)
#define KERNEL_SQRT(x)   sqrtf(x)
#define KERNEL_EXP(x)    expf(x)
#define KERNEL_EXPM1(x)  expm1f(x)
#define KERNEL_LOG(x)    logf(x)
#define KERNEL_LOG1P(x)  log1pf(x)
#define KERNEL_POW(x, y) powf(x, y)
#define KERNEL_SIN(x)    sinf(x)
#define KERNEL_COS(x)    cosf(x)
#define KERNEL_TANH(x)   tanhf(x)
#define KERNEL_ERF(x)    erff(x)
#define KERNEL_NORMAL(x) (0.5f * (1 + erff((x)*0.70710678118654752440f)))
#define KERNEL_BELL(x)   (0.39894228040143267794f * expf(-0.5f * (x) * (x)))
#include KERNEL_FILE
#include "kernel/instantiate_end.h"

#define REAL             double
#define KERNEL(name)     name##_f64
#define KERNEL_ABS(x)    fabs(x)
#define KERNEL_FLOOR(x)  floor(x)
#define KERNEL_SQRT(x)   sqrt(x)
#define KERNEL_EXP(x)    exp(x)
#define KERNEL_EXPM1(x)  expm1(x)
#define KERNEL_LOG(x)    log(x)
#define KERNEL_LOG1P(x)  log1p(x)
#define KERNEL_POW(x, y) pow(x, y)
#define KERNEL_SIN(x)    sin(x)
#define KERNEL_COS(x)    cos(x)
#define KERNEL_TANH(x)   tanh(x)
#define KERNEL_ERF(x)    erf(x)
#define KERNEL_NORMAL(x) (0.5 * (1 + erf((x)*0.70710678118654752440)))
#define KERNEL_BELL(x)   (0.39894228040143267794 * exp(-0.5 * (x) * (x)))
#include KERNEL_FILE
#include "kernel/instantiate_end.h"

#undef KERNEL_FILE
