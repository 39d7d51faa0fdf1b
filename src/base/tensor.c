#include "fathom/tensor.h"
#include "base/checked.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    size_t size;
    bool real;
} dtypes[FM_DTYPE_COUNT] = {
    [FM_F32] = {"f32", 4, true},  [FM_F64] = {"f64", 8, true}, [FM_I32] = {"i32", 4, false},
    [FM_I64] = {"i64", 8, false}, [FM_U8] = {"u8", 1, false},  [FM_BOOL] = {"bool", 1, false},
};

const char *const fm_precision_names[] = {
    [FM_PRECISION_F32] = "f32", [FM_PRECISION_BF16] = "bf16", NULL};

static bool known(fm_dtype dtype)
{
    return (unsigned)dtype < FM_DTYPE_COUNT;
}

size_t fm_dtype_size(fm_dtype dtype)
{
    return known(dtype) ? dtypes[dtype].size : 0;
}

const char *fm_dtype_name(fm_dtype dtype)
{
    return known(dtype) ? dtypes[dtype].name : "unknown dtype";
}

bool fm_dtype_from_name(const char *name, fm_dtype *dtype)
{
    for (int i = 0; i < FM_DTYPE_COUNT; i++) {
        if (strcmp(name, dtypes[i].name) != 0) continue;
        *dtype = (fm_dtype)i;
        return true;
    }
    return false;
}

bool fm_dtype_is_real(fm_dtype dtype)
{
    return known(dtype) && dtypes[dtype].real;
}

int64_t fm_shape_elements(fm_shape shape)
{
    if (shape.rank < 0 || shape.rank > FM_MAX_RANK) return -1;
    int64_t elements = 1;
    for (int i = 0; i < shape.rank; i++) {
        if (shape.dims[i] < 0) return -1;
        if (!fm_checked_mul_i64(elements, shape.dims[i], &elements)) return -1;
    }
    return elements;
}

int64_t fm_shape_bytes(fm_shape shape, fm_dtype dtype)
{
    int64_t elements = fm_shape_elements(shape), bytes;
    if (elements < 0 || !known(dtype)) return -1;
    return fm_checked_mul_i64(elements, (int64_t)fm_dtype_size(dtype), &bytes) ? bytes : -1;
}

bool fm_shape_equal(fm_shape a, fm_shape b)
{
    if (a.rank != b.rank) return false;
    for (int i = 0; i < a.rank; i++) {
        if (a.dims[i] != b.dims[i]) return false;
    }
    return true;
}

fm_shape fm_shape_batch(int64_t count, fm_shape sample)
{
    fm_shape shape = {.rank = sample.rank + 1, .dims = {count}};
    for (int i = 0; i < sample.rank && i + 1 < FM_MAX_RANK; i++) shape.dims[i + 1] = sample.dims[i];
    return shape;
}

fm_shape fm_shape_sample(fm_shape batch)
{
    fm_shape sample = {.rank = batch.rank > 0 ? batch.rank - 1 : 0};
    for (int i = 0; i < sample.rank; i++) sample.dims[i] = batch.dims[i + 1];
    return sample;
}

const char *fm_shape_text(fm_shape shape, char buffer[FM_SHAPE_TEXT])
{
    size_t used = 1;
    memcpy(buffer, "(", 2);
    for (int i = 0; i < shape.rank && i < FM_MAX_RANK; i++) {
        int written = snprintf(buffer + used, FM_SHAPE_TEXT - used, i ? ", %lld" : "%lld",
                               (long long)shape.dims[i]);
        used += (size_t)written;
    }
    memcpy(buffer + used, ")", 2);
    return buffer;
}
