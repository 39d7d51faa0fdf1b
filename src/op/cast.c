/* From one dtype to another. */
#include "op/op_table.h"
#include "op/op_tools.h"

static const char *const dtype_names[] = {"f32", "f64", "i32", "i64", "u8", "bool", NULL};

static fm_status cast_infer(fm_infer *infer)
{
    infer->output_shapes[0] = infer->shapes[0];
    infer->output_dtypes[0] = (fm_dtype)((const fm_cast_attributes *)infer->attributes)->dtype;
    if (fm_dtype_size(infer->output_dtypes[0]) > 0) return FM_OK;
    return fm_infer_fail(infer, "there is no dtype number %d", (int)infer->output_dtypes[0]);
}

/* Integers pass as int64_t, reals as double: both exact. */
static int64_t load_integer(const fm_tensor *x, int64_t i)
{
    switch (x->dtype) {
    case FM_I32:
        return ((const int32_t *)x->data)[i];
    case FM_I64:
        return ((const int64_t *)x->data)[i];
    default:
        return ((const uint8_t *)x->data)[i];
    }
}

static double load_real(const fm_tensor *x, int64_t i)
{
    return x->dtype == FM_F64 ? ((const double *)x->data)[i] : (double)((const float *)x->data)[i];
}

static void store_real(const fm_tensor *y, int64_t i, double value)
{
    if (y->dtype == FM_F64)
        ((double *)y->data)[i] = value;
    else
        ((float *)y->data)[i] = (float)value;
}

/* Values outside of the target's range stop at its ends. */
static void store_integer(const fm_tensor *y, int64_t i, int64_t value)
{
    switch (y->dtype) {
    case FM_I32:
        value = value < INT32_MIN ? INT32_MIN : value > INT32_MAX ? INT32_MAX : value;
        ((int32_t *)y->data)[i] = (int32_t)value;
        break;
    case FM_I64:
        ((int64_t *)y->data)[i] = value;
        break;
    case FM_BOOL:
        ((uint8_t *)y->data)[i] = value != 0;
        break;
    default:
        value = value < 0 ? 0 : value > UINT8_MAX ? UINT8_MAX : value;
        ((uint8_t *)y->data)[i] = (uint8_t)value;
    }
}

/* Towards zero; NaN is 0; the ends of int64_t hold what lies beyond. */
static int64_t integer_of(double value, fm_dtype to)
{
    if (to == FM_BOOL) return value != 0;
    if (value != value) return 0;
    if (value >= 0x1p63) return INT64_MAX;
    return value < -0x1p63 ? INT64_MIN : (int64_t)value;
}

static void cast_run(const fm_call *call)
{
    const fm_tensor *x = call->inputs, *y = call->outputs;
    bool from_real = fm_dtype_is_real(x->dtype), to_real = fm_dtype_is_real(y->dtype);
    for (int64_t i = 0; i < y->count; i++) {
        if (from_real && to_real)
            store_real(y, i, load_real(x, i));
        else if (from_real)
            store_integer(y, i, integer_of(load_real(x, i), y->dtype));
        else if (to_real)
            store_real(y, i, (double)load_integer(x, i));
        else
            store_integer(y, i, load_integer(x, i));
    }
}

/* Integers have no gradient. */
static void cast_vjp(fm_graph *g, fm_vjp *vjp)
{
    fm_dtype from = fm_val_dtype(g, vjp->inputs[0]), to = fm_val_dtype(g, vjp->outputs[0]);
    if (!fm_dtype_is_real(from) || !fm_dtype_is_real(to)) return;
    vjp->input_grads[0] = fm_cast(g, vjp->output_grads[0], from);
}

const fm_op fm_op_cast = {
    .name = "cast",
    .doc = "x in another dtype: reals towards zero, clamped to the range of an integer",
    .onnx = "Cast",
    .min_inputs = 1,
    .max_inputs = 1,
    .outputs = 1,
    .flags = FM_OP_ELEMENTWISE,
    .attributes_size = sizeof(fm_cast_attributes),
    .attributes = (const fm_field[]){{.name = "dtype",
                                      .doc = "of the output",
                                      .offset = offsetof(fm_cast_attributes, dtype),
                                      .type = FM_FIELD_ENUM,
                                      .choices = dtype_names},
                                     {.name = NULL}},
    .infer = cast_infer,
    .vjp = cast_vjp,
    .run = cast_run,
    .flops = fm_no_flops,
    .cases = (const fm_case[]){{"f(3,4)", &(const fm_cast_attributes){FM_F64}},
                               {"i5(3,4)", &(const fm_cast_attributes){FM_F64}},
                               {"i5(3,4)", &(const fm_cast_attributes){FM_I64}},
                               {NULL, NULL}},
};

fm_val fm_cast(fm_graph *g, fm_val x, fm_dtype dtype)
{
    if (x.id == 0 || fm_val_dtype(g, x) == dtype) return x;
    fm_cast_attributes attributes = {(int)dtype};
    return fm_node_add(g, &fm_op_cast, &x, 1, &attributes, NULL);
}
