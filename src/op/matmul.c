/* Matrix products, batched. */
#include "op/op_table.h"
#include "op/op_tools.h"
#include "kernel/walk.h"

#define KERNEL_FILE "kernel/matmul.h"
#include "kernel/instantiate.h"

/* One operand's last two dimensions as it is read: rows, columns and their strides. */
typedef struct matrix {
    int64_t rows, columns, row_stride, column_stride;
} matrix;

static matrix matrix_of(fm_shape shape, bool transposed)
{
    int64_t rows = shape.dims[shape.rank - 2], columns = shape.dims[shape.rank - 1];
    return transposed ? (matrix){columns, rows, 1, columns} : (matrix){rows, columns, columns, 1};
}

static fm_shape batch_of(fm_shape shape)
{
    shape.rank -= 2;
    return shape;
}

static fm_status matmul_infer(fm_infer *infer)
{
    const fm_matmul_attributes *attributes = infer->attributes;
    fm_status status = fm_infer_rank(infer, 0, 2);
    if (status == FM_OK) status = fm_infer_rank(infer, 1, 2);
    if (status != FM_OK) return status;
    matrix a = matrix_of(infer->shapes[0], attributes->transpose_a);
    matrix b = matrix_of(infer->shapes[1], attributes->transpose_b);
    if (a.columns != b.rows) {
        return fm_infer_fail(infer, "inner dimensions differ: %lld columns meet %lld rows%s",
                             (long long)a.columns, (long long)b.rows,
                             attributes->transpose_a || attributes->transpose_b
                                 ? " (read transposed where asked)"
                                 : "");
    }
    fm_shape shape;
    if (!fm_shapes_broadcast(batch_of(infer->shapes[0]), batch_of(infer->shapes[1]), &shape)) {
        return fm_infer_fail(infer, "leading dimensions do not broadcast");
    }
    shape.dims[shape.rank++] = a.rows;
    shape.dims[shape.rank++] = b.columns;
    infer->output_shapes[0] = shape;
    infer->output_dtypes[0] = infer->dtypes[0];
    return fm_infer_reals(infer);
}

/* y (m, n) = a (m, k) b (k, n): one matrix of the batch. */
static void multiply(const fm_call *call, const matrix *a, const void *a_data, const matrix *b,
                     const void *b_data, void *y)
{
    FM_RUN_REAL(matmul, call->outputs->dtype, a->rows, b->columns, a->columns, a_data,
                a->row_stride, a->column_stride, b_data, b->row_stride, b->column_stride,
                call->precision == FM_PRECISION_BF16, y);
}

static void matmul_run(const fm_call *call)
{
    const fm_matmul_attributes *attributes = call->attributes;
    const fm_tensor *in = call->inputs, *y = call->outputs;
    if (y->count == 0) return;
    matrix a = matrix_of(in[0].shape, attributes->transpose_a);
    matrix b = matrix_of(in[1].shape, attributes->transpose_b);
    int64_t a_strides[FM_MAX_RANK], b_strides[FM_MAX_RANK];
    fm_shape batch = batch_of(y->shape);
    kernel_broadcast_strides(in[0].shape.rank - 2, in[0].shape.dims, batch.rank, a_strides);
    kernel_broadcast_strides(in[1].shape.rank - 2, in[1].shape.dims, batch.rank, b_strides);
    kernel_walk walk =
        kernel_walk_make(batch.rank, batch.dims, 2, (const int64_t *[]){a_strides, b_strides});

    int64_t element = (int64_t)fm_dtype_size(y->dtype);
    int64_t a_bytes = a.rows * a.columns * element, b_bytes = b.rows * b.columns * element;
    char *to = y->data;
    for (int64_t row = 0; row < walk.rows; row++) {
        int64_t at[KERNEL_MAX_OPERANDS];
        kernel_walk_row(&walk, row, at);
        const char *a_data = (const char *)in[0].data + at[0] * a_bytes;
        const char *b_data = (const char *)in[1].data + at[1] * b_bytes;
        for (int64_t i = 0; i < walk.row_size; i++) {
            multiply(call, &a, a_data, &b, b_data, to);
            a_data += kernel_walk_step(&walk, 0) * a_bytes;
            b_data += kernel_walk_step(&walk, 1) * b_bytes;
            to += a.rows * b.columns * element;
        }
    }
}

/* With y = op(a) op(b): d op(a) = dy op(b)^T, d op(b) = op(a)^T dy. */
static void matmul_vjp(fm_graph *g, fm_vjp *vjp)
{
    const fm_matmul_attributes *t = vjp->attributes;
    fm_val a = vjp->inputs[0], b = vjp->inputs[1], dy = vjp->output_grads[0];
    if (vjp->wanted[0]) {
        fm_vjp_give(g, vjp, 0,
                    t->transpose_a ? fm_matmul_transposed(g, b, dy, t->transpose_b, true)
                                   : fm_matmul_transposed(g, dy, b, false, !t->transpose_b));
    }
    if (vjp->wanted[1]) {
        fm_vjp_give(g, vjp, 1,
                    t->transpose_b ? fm_matmul_transposed(g, dy, a, true, t->transpose_a)
                                   : fm_matmul_transposed(g, a, dy, !t->transpose_a, false));
    }
}

static double matmul_flops(const fm_call *call)
{
    const fm_matmul_attributes *attributes = call->attributes;
    matrix a = matrix_of(call->inputs[0].shape, attributes->transpose_a);
    return 2 * (double)call->outputs[0].count * (double)a.columns;
}

#define MATMUL_CASE(text, a, b)                                                                    \
    {                                                                                              \
        text, &(const fm_matmul_attributes)                                                        \
        {                                                                                          \
            a, b                                                                                   \
        }                                                                                          \
    }

const fm_op fm_op_matmul = {
    .name = "matmul",
    .doc = "(..., m, k) (..., k, n) -> (..., m, n)",
    .onnx = "MatMul",
    .min_inputs = 2,
    .max_inputs = 2,
    .outputs = 1,
    .flags = FM_OP_PRODUCT,
    .attributes_size = sizeof(fm_matmul_attributes),
    .attributes = (const fm_field[]){{.name = "transpose_a",
                                      .doc = "read a's last two dimensions exchanged",
                                      .offset = offsetof(fm_matmul_attributes, transpose_a),
                                      .type = FM_FIELD_BOOL},
                                     {.name = "transpose_b",
                                      .doc = "read b's last two dimensions exchanged",
                                      .offset = offsetof(fm_matmul_attributes, transpose_b),
                                      .type = FM_FIELD_BOOL},
                                     {.name = NULL}},
    .infer = matmul_infer,
    .vjp = matmul_vjp,
    .run = matmul_run,
    .flops = matmul_flops,
    .cases = (const fm_case[]){{"f(3,4) f(4,5)", NULL},
                               MATMUL_CASE("f(4,3) f(4,5)", true, false),
                               MATMUL_CASE("f(3,4) f(5,4)", false, true),
                               MATMUL_CASE("f(4,3) f(5,4)", true, true),
                               {"f(2,3,4) f(2,4,5)", NULL},
                               {"f(2,1,3,2) f(3,2,2)", NULL},
                               MATMUL_CASE("f(3,2) f(2,4,3)", true, true),
                               {"f(3,70) f(70,2)", NULL},
                               {"f(2,3) f(3,35)", NULL},
                               {NULL, NULL}},
};

fm_val fm_matmul(fm_graph *g, fm_val a, fm_val b)
{
    return fm_matmul_transposed(g, a, b, false, false);
}

/* (..., k) (k, n) is one product of (rows, k): larger,
 * and b's gradient needs no sum over batches. */
fm_val fm_matmul_transposed(fm_graph *g, fm_val a, fm_val b, bool transpose_a, bool transpose_b)
{
    if (a.id == 0 || b.id == 0) return (fm_val){0};
    fm_matmul_attributes attributes = {transpose_a, transpose_b};
    fm_shape shape = fm_val_shape(g, a);
    bool flat = shape.rank > 2 && fm_val_shape(g, b).rank == 2 && !transpose_a;
    if (flat) a = fm_rows_of(g, a);
    fm_val y = fm_node_add(g, &fm_op_matmul, (fm_val[]){a, b}, 2, &attributes, NULL);
    if (!flat || y.id == 0) return y;
    shape.dims[shape.rank - 1] = fm_shape_last(fm_val_shape(g, y));
    return fm_reshape_to(g, y, shape);
}
