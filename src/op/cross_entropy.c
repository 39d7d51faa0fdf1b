/* Cross-entropy of softmax(logits), fused: exact where probabilities vanish, and one pass. The
 * gradient with respect to the logits is an op of its own; its own gradient is made of softmax. */
#include "op/op_table.h"
#include "op/op_tools.h"

#define KERNEL_FILE "kernel/softmax.h"
#include "kernel/instantiate.h"
#define KERNEL_FILE "kernel/cross_entropy.h"
#include "kernel/instantiate.h"

static fm_shape rows_shape(fm_shape logits)
{
    logits.dims[--logits.rank] = 0;
    return logits;
}

static fm_status fail_unless_equal(const fm_infer *infer, int i, fm_shape wanted, const char *what)
{
    if (fm_shape_equal(infer->shapes[i], wanted)) return FM_OK;
    return fm_infer_fail(infer, "%s must have the shape %s", what,
                         fm_shape_text(wanted, (char[FM_SHAPE_TEXT]){0}));
}

/* Softmax's pull-back of the gradient h of the probabilities p: p (h - sum(p h)). */
static fm_val softmax_pull(fm_graph *g, fm_val p, fm_val h)
{
    return fm_mul(g, p, fm_sub(g, h, fm_sum_last(g, fm_mul(g, p, h))));
}

/* (..., c) -> (...): the sums of the rows. */
static fm_val row_sums(fm_graph *g, fm_val x)
{
    return fm_sum(g, x, (fm_ints){.count = 1, .at = {-1}}, false);
}

/* ---- labels ---------------------------------------------------------------------------------- */

const fm_field fm_smoothing_fields[] = {
    {.name = "label_smoothing",
     .doc = "the part of the target that is spread over all classes",
     .offset = offsetof(fm_smoothing_attributes, label_smoothing),
     .type = FM_FIELD_REAL,
     .maximum = 1},
    {.name = NULL},
};

static fm_status sparse_check(const fm_infer *infer)
{
    double s = ((const fm_smoothing_attributes *)infer->attributes)->label_smoothing;
    fm_status status = fm_infer_rank(infer, 0, 1);
    if (status == FM_OK) status = fm_infer_dtype(infer, 1, FM_I32);
    if (status != FM_OK) return status;
    if (!fm_dtype_is_real(infer->dtypes[0])) {
        return fm_infer_fail(infer, "logits must be f32 or f64, but they are %s",
                             fm_dtype_name(infer->dtypes[0]));
    }
    if (!(s >= 0 && s <= 1)) {
        return fm_infer_fail(infer, "label_smoothing must be in [0, 1], received %g", s);
    }
    if (fm_shape_last(infer->shapes[0]) < 1) return fm_infer_fail(infer, "there are no classes");
    return fail_unless_equal(infer, 1, rows_shape(infer->shapes[0]), "labels");
}

static fm_status sparse_infer(fm_infer *infer)
{
    infer->output_shapes[0] = infer->shapes[1];
    infer->output_dtypes[0] = infer->dtypes[0];
    return sparse_check(infer);
}

static fm_status sparse_grad_infer(fm_infer *infer)
{
    infer->output_shapes[0] = infer->shapes[0];
    infer->output_dtypes[0] = infer->dtypes[0];
    fm_status status = sparse_check(infer);
    if (status == FM_OK) status = fm_infer_dtype(infer, 2, infer->dtypes[0]);
    return status == FM_OK ? fail_unless_equal(infer, 2, infer->shapes[1], "dy") : status;
}

static void sparse_run(const fm_call *call)
{
    const fm_smoothing_attributes *attributes = call->attributes;
    const fm_tensor *in = call->inputs;
    int64_t rows = in[1].count, classes = fm_shape_last(in[0].shape);
    if (in->dtype == FM_F64) {
        sparse_cross_entropy_f64(rows, classes, attributes->label_smoothing, in[0].data, in[1].data,
                                 call->outputs[0].data);
    } else {
        sparse_cross_entropy_f32(rows, classes, (float)attributes->label_smoothing, in[0].data,
                                 in[1].data, call->outputs[0].data);
    }
}

static void sparse_grad_run(const fm_call *call)
{
    const fm_smoothing_attributes *attributes = call->attributes;
    const fm_tensor *in = call->inputs;
    int64_t rows = in[1].count, classes = fm_shape_last(in[0].shape);
    if (in->dtype == FM_F64) {
        sparse_cross_entropy_grad_f64(rows, classes, attributes->label_smoothing, in[0].data,
                                      in[1].data, in[2].data, call->outputs[0].data);
    } else {
        sparse_cross_entropy_grad_f32(rows, classes, (float)attributes->label_smoothing, in[0].data,
                                      in[1].data, in[2].data, call->outputs[0].data);
    }
}

static fm_val sparse_grad(fm_graph *g, fm_val logits, fm_val labels, fm_val dy,
                          const fm_smoothing_attributes *attributes)
{
    return fm_node_add(g, &fm_op_sparse_softmax_cross_entropy_grad, (fm_val[]){logits, labels, dy},
                       3, attributes, NULL);
}

static void sparse_vjp(fm_graph *g, fm_vjp *vjp)
{
    if (!vjp->wanted[0]) return;
    vjp->input_grads[0] =
        sparse_grad(g, vjp->inputs[0], vjp->inputs[1], vjp->output_grads[0], vjp->attributes);
}

/* y = dy (p - t), h its gradient: d logits = softmax_pull(dy h), d dy = sum(h (p - t)). */
static void sparse_grad_vjp(fm_graph *g, fm_vjp *vjp)
{
    fm_val logits = vjp->inputs[0], labels = vjp->inputs[1], dy = vjp->inputs[2];
    fm_val h = vjp->output_grads[0];
    if (vjp->wanted[0]) {
        fm_val scaled = fm_mul(g, h, fm_expand_last(g, dy));
        vjp->input_grads[0] = softmax_pull(g, fm_softmax(g, logits), scaled);
    }
    if (vjp->wanted[2]) {
        fm_val ones = fm_broadcast_to(g, fm_scalar_like(g, dy, 1), fm_val_shape(g, dy));
        fm_val slope = sparse_grad(g, logits, labels, ones, vjp->attributes);
        vjp->input_grads[2] = row_sums(g, fm_mul(g, h, slope));
    }
}

const fm_op fm_op_sparse_softmax_cross_entropy = {
    .name = "sparse_softmax_cross_entropy",
    .doc = "-log softmax(logits)[label] of each row",
    .min_inputs = 2,
    .max_inputs = 2,
    .outputs = 1,
    .attributes_size = sizeof(fm_smoothing_attributes),
    .attributes = fm_smoothing_fields,
    .infer = sparse_infer,
    .vjp = sparse_vjp,
    .run = sparse_run,
    .flops = fm_softmax_flops,
    .cases = (const fm_case[]){{"f(4,5) i5(4)", NULL},
                               {"f(2,3,4) i4(2,3)", &(const fm_smoothing_attributes){0.1}},
                               {"w(3) i3()", NULL},
                               {NULL, NULL}},
};

const fm_op fm_op_sparse_softmax_cross_entropy_grad = {
    .name = "sparse_softmax_cross_entropy_grad",
    .doc = "dy (softmax(logits) - target): logits, labels, dy",
    .min_inputs = 3,
    .max_inputs = 3,
    .outputs = 1,
    .attributes_size = sizeof(fm_smoothing_attributes),
    .attributes = fm_smoothing_fields,
    .infer = sparse_grad_infer,
    .vjp = sparse_grad_vjp,
    .run = sparse_grad_run,
    .flops = fm_softmax_flops,
    .in_place = {1},
    .cases = (const fm_case[]){{"f(4,5) i5(4) f(4)", NULL},
                               {"f(2,3,4) i4(2,3) f(2,3)", &(const fm_smoothing_attributes){0.1}},
                               {NULL, NULL}},
};

fm_val fm_sparse_softmax_cross_entropy(fm_graph *g, fm_val logits, fm_val labels,
                                       double label_smoothing)
{
    fm_smoothing_attributes attributes = {label_smoothing};
    return fm_node_add(g, &fm_op_sparse_softmax_cross_entropy, (fm_val[]){logits, labels}, 2,
                       &attributes, NULL);
}

/* ---- targets --------------------------------------------------------------------------------- */

static fm_status dense_infer(fm_infer *infer)
{
    fm_status status = fm_infer_rank(infer, 0, 1);
    if (status == FM_OK) status = fail_unless_equal(infer, 1, infer->shapes[0], "targets");
    if (status != FM_OK) return status;
    infer->output_shapes[0] = rows_shape(infer->shapes[0]);
    infer->output_dtypes[0] = infer->dtypes[0];
    return fm_infer_reals(infer);
}

static fm_status dense_grad_infer(fm_infer *infer)
{
    fm_status status = dense_infer(infer);
    if (status != FM_OK) return status;
    infer->output_shapes[0] = infer->shapes[0];
    return fail_unless_equal(infer, 2, rows_shape(infer->shapes[0]), "dy");
}

static void dense_run(const fm_call *call)
{
    const fm_tensor *in = call->inputs;
    FM_RUN_REAL(cross_entropy, in->dtype, fm_tensor_rows(in), fm_shape_last(in->shape), in[0].data,
                in[1].data, call->outputs[0].data);
}

static void dense_grad_run(const fm_call *call)
{
    const fm_tensor *in = call->inputs;
    FM_RUN_REAL(cross_entropy_grad, in->dtype, fm_tensor_rows(in), fm_shape_last(in->shape),
                in[0].data, in[1].data, in[2].data, call->outputs[0].data);
}

static fm_val dense_grad(fm_graph *g, fm_val logits, fm_val targets, fm_val dy)
{
    return fm_node_add(g, &fm_op_softmax_cross_entropy_grad, (fm_val[]){logits, targets, dy}, 3,
                       NULL, NULL);
}

static void dense_vjp(fm_graph *g, fm_vjp *vjp)
{
    fm_val logits = vjp->inputs[0], targets = vjp->inputs[1], dy = vjp->output_grads[0];
    if (vjp->wanted[0]) vjp->input_grads[0] = dense_grad(g, logits, targets, dy);
    if (vjp->wanted[1]) {
        fm_val log_p = fm_log_softmax(g, logits);
        vjp->input_grads[1] = fm_neg(g, fm_mul(g, log_p, fm_expand_last(g, dy)));
    }
}

/* y = dy (p S - t) with S = sum t, h its gradient: d logits = softmax_pull(dy S h),
 * d t = dy (sum(h p) - h), d dy = sum(h (p S - t)). */
static void dense_grad_vjp(fm_graph *g, fm_vjp *vjp)
{
    fm_val logits = vjp->inputs[0], targets = vjp->inputs[1], h = vjp->output_grads[0];
    fm_val dy = fm_expand_last(g, vjp->inputs[2]), p = fm_softmax(g, logits);
    if (vjp->wanted[0]) {
        fm_val scale = fm_mul(g, dy, fm_sum_last(g, targets));
        vjp->input_grads[0] = softmax_pull(g, p, fm_mul(g, h, scale));
    }
    if (vjp->wanted[1]) {
        fm_val mean = fm_sum_last(g, fm_mul(g, h, p));
        vjp->input_grads[1] = fm_mul(g, dy, fm_sub(g, mean, h));
    }
    if (vjp->wanted[2]) {
        fm_val slope = fm_sub(g, fm_mul(g, p, fm_sum_last(g, targets)), targets);
        vjp->input_grads[2] = row_sums(g, fm_mul(g, h, slope));
    }
}

const fm_op fm_op_softmax_cross_entropy = {
    .name = "softmax_cross_entropy",
    .doc = "-sum targets log softmax(logits) of each row",
    .min_inputs = 2,
    .max_inputs = 2,
    .outputs = 1,
    .infer = dense_infer,
    .vjp = dense_vjp,
    .run = dense_run,
    .flops = fm_softmax_flops,
    .cases = (const fm_case[]){{"f(4,5) u(4,5)", NULL},
                               {"f(2,3,4) u(2,3,4)", NULL},
                               {"w(3) p(3)", NULL},
                               {NULL, NULL}},
};

const fm_op fm_op_softmax_cross_entropy_grad = {
    .name = "softmax_cross_entropy_grad",
    .doc = "dy (softmax(logits) sum(targets) - targets): logits, targets, dy",
    .min_inputs = 3,
    .max_inputs = 3,
    .outputs = 1,
    .infer = dense_grad_infer,
    .vjp = dense_grad_vjp,
    .run = dense_grad_run,
    .flops = fm_softmax_flops,
    .in_place = {1},
    .cases = (const fm_case[]){{"f(4,5) u(4,5) f(4)", NULL},
                               {"f(2,3,4) u(2,3,4) f(2,3)", NULL},
                               {NULL, NULL}},
};

fm_val fm_softmax_cross_entropy(fm_graph *g, fm_val logits, fm_val targets)
{
    return fm_node_add(g, &fm_op_softmax_cross_entropy, (fm_val[]){logits, targets}, 2, NULL, NULL);
}
