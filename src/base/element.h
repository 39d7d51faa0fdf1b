/* Elements of arrays of any dtype as numbers. */
#ifndef FM_BASE_ELEMENT_H
#define FM_BASE_ELEMENT_H

#include "fathom/tensor.h"

static inline double fm_element(const void *data, fm_dtype dtype, size_t i)
{
    switch (dtype) {
    case FM_F32:
        return (double)((const float *)data)[i];
    case FM_F64:
        return ((const double *)data)[i];
    case FM_I32:
        return (double)((const int32_t *)data)[i];
    case FM_I64:
        return (double)((const int64_t *)data)[i];
    default:
        return (double)((const uint8_t *)data)[i];
    }
}

/* Of f32 or f64. */
static inline void fm_element_put(void *data, fm_dtype dtype, size_t i, double value)
{
    if (dtype == FM_F64) {
        ((double *)data)[i] = value;
    } else {
        ((float *)data)[i] = (float)value;
    }
}

#endif
