/* Elementwise ops with two operands from the rows of binary_table.h, and equal and where. */
#include "op/binary_table.h"
#include "op/op_table.h"
#include "op/op_tools.h"
#include "kernel/loops.h"

#define KERNEL_FILE "kernel/binary.h"
#include "kernel/instantiate.h"

#define E    FM_OP_ELEMENTWISE
#define Z    (FM_OP_ELEMENTWISE | FM_OP_ANY_LAYOUT)
#define C    FM_OP_COMMUTATIVE
#define N    FM_OP_NOT_DIFFERENTIABLE
#define NONE ((fm_val){0})

#define CASES(letter_a, letter_b)                                                                  \
    {letter_a "(3,4) " letter_b "(3,4)", NULL}, {letter_a "(2,3,4) " letter_b "(3,1)", NULL},      \
        {letter_a "() " letter_b "(2,3)", NULL}, {letter_a "(5) " letter_b "(4,1)", NULL},         \
    {                                                                                              \
        NULL, NULL                                                                                 \
    }

static const fm_case ANY_CASES[] = {CASES("f", "f")};
static const fm_case AWAY_FROM_ZERO_CASES[] = {CASES("n", "n")};
static const fm_case POSITIVE_CASES[] = {CASES("p", "f")};
static const fm_case LOSS_CASES[] = {{"w(3,4) u(3,4)", NULL}, {NULL, NULL}};

/* A loss never broadcasts: labels of another shape are a mistake. */
static fm_status infer_alike(fm_infer *infer)
{
    if (!fm_shape_equal(infer->shapes[0], infer->shapes[1])) {
        return fm_infer_fail(infer, "logits and targets must have the same shape");
    }
    return fm_infer_like_first(infer);
}

/* b a^(b - 1) */
static fm_val pow_grad_a(fm_graph *g, fm_val a, fm_val b, fm_val dy)
{
    return fm_mul(g, dy, fm_mul(g, b, fm_pow(g, a, fm_add_scalar(g, b, -1))));
}

/* ---- second derivatives ---------------------------------------------------------------------- */

/* f(x) (2 - x^2) with the normal distribution's density f */
static fm_val gelu_bend(fm_graph *g, fm_val x)
{
    fm_val square = fm_square(g, x), density = fm_exp(g, fm_mul_scalar(g, square, -0.5));
    fm_val scaled = fm_mul_scalar(g, density, 0.39894228040143267794); /* 1 / sqrt(2 pi) */
    return fm_mul(g, scaled, fm_scalar_minus(g, 2, square));
}

/* (1 - t^2) (u' + x u'' / 2 - x t u'^2), t = tanh(u), u = c (x + 0.044715 x^3) */
static fm_val gelu_tanh_bend(fm_graph *g, fm_val x)
{
    const double c = 0.79788456080286535588, cubic = 0.044715 * c;
    fm_val square = fm_square(g, x);
    fm_val u = fm_mul(g, x, fm_add_scalar(g, fm_mul_scalar(g, square, cubic), c));
    fm_val slope = fm_add_scalar(g, fm_mul_scalar(g, square, 3 * cubic), c);
    fm_val t = fm_tanh(g, u);
    fm_val first = fm_add(g, slope, fm_mul_scalar(g, square, 3 * cubic));
    fm_val last = fm_mul(g, fm_mul(g, x, t), fm_square(g, slope));
    return fm_mul(g, fm_scalar_minus(g, 1, fm_square(g, t)), fm_sub(g, first, last));
}

/* s (1 - s) (2 + x (1 - 2 s)), s = sigmoid(x) */
static fm_val silu_bend(fm_graph *g, fm_val x)
{
    fm_val s = fm_sigmoid(g, x), rest = fm_scalar_minus(g, 1, s);
    fm_val tilt = fm_mul(g, x, fm_sub(g, rest, s));
    return fm_mul(g, fm_mul(g, s, rest), fm_add_scalar(g, tilt, 2));
}

static kernel_walk walk_of(const fm_call *call)
{
    return fm_broadcast_walk(call->inputs, call->input_count, call->outputs[0].shape);
}

KERNEL_BINARY_RANGE(float, f32)
KERNEL_BINARY_RANGE(double, f64)

static void run_rows(const fm_call *call, binary_row_f32 *row_f32, binary_row_f64 *row_f64)
{
    const fm_tensor *a = &call->inputs[0], *b = &call->inputs[1], *y = &call->outputs[0];
    if (y->count == 0) return;
    const kernel_walk walk = walk_of(call);
    if (a->dtype == FM_F64)
        binary_range_f64(row_f64, &walk, 0, y->count, a->data, b->data, y->data);
    else
        binary_range_f32(row_f32, &walk, 0, y->count, a->data, b->data, y->data);
}

#define RUN(name)                                                                                  \
    KERNEL_BINARY_ROW(name, float, f32)                                                            \
    KERNEL_BINARY_ROW(name, double, f64)                                                           \
    static void name##_run(const fm_call *call)                                                    \
    {                                                                                              \
        run_rows(call, name##_row_f32, name##_row_f64);                                            \
    }

#define RECORD(name_, onnx_, flags_, doc_, rule, cases_, grad_a, grad_b)                           \
    RUN(name_)                                                                                     \
    static void name_##_vjp(fm_graph *g, fm_vjp *vjp)                                              \
    {                                                                                              \
        fm_val a = vjp->inputs[0], b = vjp->inputs[1], y = vjp->outputs[0];                        \
        fm_val dy = vjp->output_grads[0];                                                          \
        (void)a, (void)b, (void)y, (void)dy;                                                       \
        if (vjp->wanted[0]) fm_vjp_give(g, vjp, 0, grad_a);                                        \
        if (vjp->wanted[1]) fm_vjp_give(g, vjp, 1, grad_b);                                        \
    }                                                                                              \
    const fm_op fm_op_##name_ = {                                                                  \
        .name = #name_,                                                                            \
        .doc = doc_,                                                                               \
        .onnx = onnx_,                                                                             \
        .min_inputs = 2,                                                                           \
        .max_inputs = 2,                                                                           \
        .outputs = 1,                                                                              \
        .flags = flags_,                                                                           \
        .infer = rule,                                                                             \
        .vjp = (flags_)&N ? NULL : name_##_vjp,                                                    \
        .run = name_##_run,                                                                        \
        .in_place = {1},                                                                           \
        .cases = cases_,                                                                           \
    };                                                                                             \
    fm_val fm_##name_(fm_graph *g, fm_val a, fm_val b)                                             \
    {                                                                                              \
        return fm_node_add(g, &fm_op_##name_, (fm_val[]){a, b}, 2, NULL, NULL);                    \
    }

FM_BINARY_OPS(RECORD)

/* ---- equal: also i32 ------------------------------------------------------------------------- */

static fm_status equal_infer(fm_infer *infer)
{
    bool integers = infer->dtypes[0] == FM_I32 && infer->dtypes[1] == FM_I32;
    if (!integers) return fm_infer_broadcast(infer);
    if (!fm_shapes_broadcast(infer->shapes[0], infer->shapes[1], &infer->output_shapes[0])) {
        return fm_infer_fail(infer, "shapes do not broadcast");
    }
    infer->output_dtypes[0] = fm_graph_dtype(infer->graph);
    return FM_OK;
}

KERNEL_BINARY_ROW(equal, float, f32)
KERNEL_BINARY_ROW(equal, double, f64)

/* a, b i32 -> y (count) f32 or f64 */
static void equal_run_i32(const fm_call *call, const kernel_walk *walk)
{
    const int32_t *a = call->inputs[0].data, *b = call->inputs[1].data;
    const fm_tensor *y = &call->outputs[0];
    int64_t step_a = kernel_walk_step(walk, 0), step_b = kernel_walk_step(walk, 1);
    for (int64_t row = 0; row < walk->rows; row++) {
        int64_t at[KERNEL_MAX_OPERANDS], first = row * walk->row_size;
        kernel_walk_row(walk, row, at);
        for (int64_t i = 0; i < walk->row_size; i++) {
            bool same = a[at[0] + i * step_a] == b[at[1] + i * step_b];
            if (y->dtype == FM_F64)
                ((double *)y->data)[first + i] = same;
            else
                ((float *)y->data)[first + i] = same;
        }
    }
}

static void equal_run(const fm_call *call)
{
    if (call->inputs[0].dtype != FM_I32) {
        run_rows(call, equal_row_f32, equal_row_f64);
    } else if (call->outputs[0].count) {
        const kernel_walk walk = walk_of(call);
        equal_run_i32(call, &walk);
    }
}

const fm_op fm_op_equal = {
    .name = "equal",
    .doc = "a == b ? 1 : 0",
    .min_inputs = 2,
    .max_inputs = 2,
    .outputs = 1,
    .flags = E | C | N,
    .infer = equal_infer,
    .run = equal_run,
    .cases = (const fm_case[]){{"n(3,4) n(3,4)", NULL},
                               {"i3(3,4) i3(4)", NULL},
                               {"i2(3,1) i2(1,4)", NULL},
                               {NULL, NULL}},
};

fm_val fm_equal(fm_graph *g, fm_val a, fm_val b)
{
    return fm_node_add(g, &fm_op_equal, (fm_val[]){a, b}, 2, NULL, NULL);
}

/* ---- where ----------------------------------------------------------------------------------- */

#define WHERE_ROWS(type, suffix)                                                                   \
    static void where_rows_##suffix(const kernel_walk *walk, const type *condition, const type *a, \
                                    const type *b, type *y)                                        \
    {                                                                                              \
        int64_t n = walk->row_size, step_c = kernel_walk_step(walk, 0);                            \
        int64_t step_a = kernel_walk_step(walk, 1), step_b = kernel_walk_step(walk, 2);            \
        for (int64_t row = 0; row < walk->rows; row++) {                                           \
            int64_t at[KERNEL_MAX_OPERANDS];                                                       \
            kernel_walk_row(walk, row, at);                                                        \
            KERNEL_INDEPENDENT                                                                     \
            for (int64_t i = 0; i < n; i++) {                                                      \
                type from_a = a[at[1] + i * step_a], from_b = b[at[2] + i * step_b];               \
                y[row * n + i] = condition[at[0] + i * step_c] != 0 ? from_a : from_b;             \
            }                                                                                      \
        }                                                                                          \
    }

WHERE_ROWS(float, f32)
WHERE_ROWS(double, f64)

static void where_run(const fm_call *call)
{
    if (call->outputs[0].count == 0) return;
    kernel_walk walk = walk_of(call);
    const fm_tensor *in = call->inputs;
    FM_RUN_REAL(where_rows, in->dtype, &walk, in[0].data, in[1].data, in[2].data,
                call->outputs[0].data);
}

static void where_vjp(fm_graph *g, fm_vjp *vjp)
{
    fm_val condition = vjp->inputs[0], dy = vjp->output_grads[0];
    fm_val zero = fm_scalar_like(g, dy, 0);
    if (vjp->wanted[1]) fm_vjp_give(g, vjp, 1, fm_where(g, condition, dy, zero));
    if (vjp->wanted[2]) fm_vjp_give(g, vjp, 2, fm_where(g, condition, zero, dy));
}

const fm_op fm_op_where = {
    .name = "where",
    .doc = "condition != 0 ? a : b",
    .onnx = "Where",
    .min_inputs = 3,
    .max_inputs = 3,
    .outputs = 1,
    .flags = Z,
    .infer = fm_infer_broadcast,
    .vjp = where_vjp,
    .run = where_run,
    .in_place = {2},
    .cases = (const fm_case[]){{"n(3,4) f(3,4) f(3,4)", NULL},
                               {"n(3,1) f(4) f()", NULL},
                               {"n(4) f(2,3,4) f(3,1)", NULL},
                               {NULL, NULL}},
};

fm_val fm_where(fm_graph *g, fm_val condition, fm_val a, fm_val b)
{
    return fm_node_add(g, &fm_op_where, (fm_val[]){condition, a, b}, 3, NULL, NULL);
}

/* ---- with a number --------------------------------------------------------------------------- */

fm_val fm_add_scalar(fm_graph *g, fm_val x, double c)
{
    return fm_add(g, x, fm_scalar_like(g, x, c));
}

fm_val fm_mul_scalar(fm_graph *g, fm_val x, double c)
{
    return fm_mul(g, x, fm_scalar_like(g, x, c));
}

fm_val fm_clip(fm_graph *g, fm_val x, double low, double high)
{
    fm_val above = fm_maximum(g, x, fm_scalar_like(g, x, low));
    return fm_minimum(g, above, fm_scalar_like(g, x, high));
}
