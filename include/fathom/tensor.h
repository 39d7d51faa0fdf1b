/* fathom/tensor.h: element types, shapes and precision: the facts that values,
 * files and batches share.
 *
 * Invariants
 *  - A shape is logical and row-major (C order, the last dimension is contiguous); images are
 *    channels last.
 *  - rank is 0 (a scalar, one element) to FM_MAX_RANK; dims beyond the rank are zero.
 *  - No function here allocates or fails into a context.
 *  - May be NULL: nothing.
 */
#ifndef FATHOM_TENSOR_H
#define FATHOM_TENSOR_H

#include "fathom/base.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum fm_dtype { FM_F32, FM_F64, FM_I32, FM_I64, FM_U8, FM_BOOL } fm_dtype;

enum {
    FM_DTYPE_COUNT = FM_BOOL + 1,
    FM_MAX_RANK = 8,
    FM_SHAPE_TEXT = 192 /* room for the longest text of a shape */
};

/* How products (FM_OP_PRODUCT, op.h) read their real operands.
 *   f32   as they are
 *   bf16  each rounded to bfloat16: 8 significant bits, ties to even, the range of f32; NaN stays
 *         NaN, and what is smaller than 2^-126 is zero, as in the instructions of processors that
 *         have them. Results, and the sums that lead to them, are of the operands' dtype: products
 *         of two such numbers are exact in f32. Since the range is f32's, gradients neither vanish
 *         nor overflow as they do in half precision, and a loss needs no scaling (Kalamkar et al.
 *         2019). */
typedef enum fm_precision { FM_PRECISION_F32, FM_PRECISION_BF16 } fm_precision;

/* "f32", "bf16", NULL: the choices of an option. */
FM_API extern const char *const fm_precision_names[];

typedef struct fm_shape {
    int rank;
    int64_t dims[FM_MAX_RANK];
} fm_shape;

/* FM_SHAPE(128, 784); FM_SHAPE() is a scalar's. */
#ifdef __cplusplus
extern "C++" {
template <typename... Dims> constexpr fm_shape fm_shape_of(Dims... dims)
{
    return fm_shape{static_cast<int>(sizeof...(dims)), {static_cast<int64_t>(dims)...}};
}
}
#define FM_SHAPE(...) (fm_shape_of(__VA_ARGS__))
#else
#define FM_SHAPE(...)                                                                              \
    ((fm_shape){.rank = (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)),                 \
                .dims = {__VA_ARGS__}})
#endif

/* Bytes of an element; a bool is one byte, 0 or 1. 0 for a value outside of the enum. */
FM_API size_t fm_dtype_size(fm_dtype dtype);
/* "f32", "f64", "i32", "i64", "u8", "bool". Never NULL. */
FM_API const char *fm_dtype_name(fm_dtype dtype);
/* The reverse; false when no dtype is called so. */
FM_API bool fm_dtype_from_name(const char *name, fm_dtype *dtype);
FM_API bool fm_dtype_is_real(fm_dtype dtype); /* f32 and f64 */

/* The product of the dimensions, 1 for a scalar. -1 when a dimension is negative, when the rank is
 * none, or when the product does not fit. */
FM_API int64_t fm_shape_elements(fm_shape shape);
/* elements * fm_dtype_size; -1 as above. */
FM_API int64_t fm_shape_bytes(fm_shape shape, fm_dtype dtype);
FM_API bool fm_shape_equal(fm_shape a, fm_shape b);

/* The shape with `count` as a new first dimension: a batch of it. The rank must be below
 * FM_MAX_RANK. */
FM_API fm_shape fm_shape_batch(int64_t count, fm_shape sample);
/* The shape without its first dimension: one sample of the batch. Of rank 0: itself. */
FM_API fm_shape fm_shape_sample(fm_shape batch);

/* Writes "(128, 784)" and returns the buffer, to be used within a call:
 *     fm_shape_text(shape, (char[FM_SHAPE_TEXT]){0}) */
FM_API const char *fm_shape_text(fm_shape shape, char buffer[FM_SHAPE_TEXT]);

#ifdef __cplusplus
}
#endif
#endif
