/* Normalisation over any set of axes, and its gradient. */
#include "op/op_table.h"
#include "op/op_tools.h"
#include "op/vision_attributes.h"

#define KERNEL_FILE "kernel/normalize.h"
#include "kernel/instantiate.h"

static const fm_field normalize_fields[] = {
    {.name = "axes",
     .doc = "over which mean and variance are taken, in rising order",
     .offset = offsetof(fm_normalize_attributes, axes),
     .type = FM_FIELD_INTS},
    {.name = "epsilon",
     .doc = "added to the variance",
     .offset = offsetof(fm_normalize_attributes, epsilon),
     .type = FM_FIELD_REAL},
    {.name = NULL},
};

/* x's shape with 1 along the axes. */
static fm_shape statistics_shape(fm_shape x, const fm_ints *axes)
{
    for (int i = 0; i < axes->count; i++) x.dims[axes->at[i]] = 1;
    return x;
}

static int64_t reduced_count(fm_shape x, const fm_ints *axes)
{
    int64_t count = 1;
    for (int i = 0; i < axes->count; i++) count *= x.dims[axes->at[i]];
    return count;
}

/* ---- shape rules ----------------------------------------------------------------------------- */

static fm_status check_axes(const fm_infer *infer)
{
    const fm_normalize_attributes *attributes = infer->attributes;
    const fm_ints *axes = &attributes->axes;
    if (axes->count == 0) return fm_infer_fail(infer, "there are no axes to normalise over");
    for (int i = 0; i < axes->count; i++) {
        fm_status status = fm_infer_axis(infer, axes->at[i]);
        if (status != FM_OK) return status;
        if (i > 0 && axes->at[i] <= axes->at[i - 1]) {
            return fm_infer_fail(infer, "axes must be different and in rising order");
        }
    }
    if (reduced_count(infer->shapes[0], axes) < 1) {
        return fm_infer_fail(infer, "there is nothing to normalise over: an axis is empty");
    }
    if (attributes->epsilon >= 0) return FM_OK;
    return fm_infer_fail(infer, "epsilon must be at least 0, received %g", attributes->epsilon);
}

/* gamma (operand 1) broadcasts to x without widening it. */
static fm_status check_gamma(const fm_infer *infer)
{
    fm_shape x = infer->shapes[0], common = {0};
    if (fm_shapes_broadcast(x, infer->shapes[1], &common) && fm_shape_equal(common, x))
        return FM_OK;
    return fm_infer_fail(infer, "gamma must broadcast to x: aligned at the last dimension, each "
                                "dimension must be equal or 1");
}

static fm_status check_statistics(const fm_infer *infer, int operand, const char *name)
{
    const fm_normalize_attributes *attributes = infer->attributes;
    fm_shape wanted = statistics_shape(infer->shapes[0], &attributes->axes);
    if (fm_shape_equal(infer->shapes[operand], wanted)) return FM_OK;
    return fm_infer_fail(infer, "%s must have the shape %s", name,
                         fm_shape_text(wanted, (char[FM_SHAPE_TEXT]){0}));
}

/* ---- running --------------------------------------------------------------------------------- */

/* The strides of a tensor that broadcasts to x, along x's dimensions. */
static void strides_along(fm_shape x, fm_shape other, int64_t *strides)
{
    kernel_broadcast_strides(other.rank, other.dims, x.rank, strides);
}

/* x cut at the axes, with gamma. */
static kernel_split statistics_split(const fm_normalize_attributes *attributes, fm_shape x,
                                     fm_shape gamma)
{
    int is_reduced[FM_MAX_RANK] = {0};
    int64_t strides[FM_MAX_RANK] = {0};
    for (int i = 0; i < attributes->axes.count; i++) is_reduced[attributes->axes.at[i]] = 1;
    strides_along(x, gamma, strides);
    return kernel_split_make(x.rank, x.dims, is_reduced, strides);
}

/* x cut where gamma stretches, with mean and rstd. */
static kernel_split scale_split(fm_shape x, fm_shape gamma, fm_shape statistics)
{
    int is_reduced[FM_MAX_RANK] = {0};
    int64_t strides[FM_MAX_RANK] = {0};
    strides_along(x, gamma, strides);
    for (int i = 0; i < x.rank; i++) is_reduced[i] = strides[i] == 0;
    strides_along(x, statistics, strides);
    return kernel_split_make(x.rank, x.dims, is_reduced, strides);
}

/* ---- normalize ------------------------------------------------------------------------------- */

static fm_status normalize_infer(fm_infer *infer)
{
    const fm_normalize_attributes *attributes = infer->attributes;
    fm_status status = fm_infer_reals(infer);
    if (status == FM_OK) status = check_axes(infer);
    if (status == FM_OK) status = check_gamma(infer);
    if (status != FM_OK) return status;
    if (!fm_shape_equal(infer->shapes[1], infer->shapes[2])) {
        return fm_infer_fail(infer, "gamma and beta must have one shape");
    }
    infer->output_shapes[0] = infer->shapes[0];
    for (int i = 1; i < 3; i++) {
        infer->output_shapes[i] = statistics_shape(infer->shapes[0], &attributes->axes);
    }
    for (int i = 0; i < 3; i++) infer->output_dtypes[i] = infer->dtypes[0];
    return FM_OK;
}

static void normalize_run(const fm_call *call)
{
    const fm_normalize_attributes *attributes = call->attributes;
    const fm_tensor *in = call->inputs, *out = call->outputs;
    kernel_split split = statistics_split(attributes, in[0].shape, in[1].shape);
    if (in[0].count == 0) return;
    FM_RUN_REAL(normalize, in[0].dtype, &split, attributes->epsilon, in[0].data, in[1].data,
                in[2].data, out[0].data, out[1].data, out[2].data);
}

/* With gradients m of mean and s of rstd, for which d rstd / dx = -rstd^3 (x - mean) / count:
 * what they add to dx is (m - s rstd^3 (x - mean)) / count. */
static fm_val statistics_pull(fm_graph *g, const fm_vjp *vjp)
{
    const fm_normalize_attributes *attributes = vjp->attributes;
    fm_val x = vjp->inputs[0], mean = vjp->outputs[1], rstd = vjp->outputs[2], pull = {0};
    fm_shape shape = fm_val_shape(g, x);
    double share = 1 / (double)reduced_count(shape, &attributes->axes);
    if (vjp->output_grads[2].id) {
        fm_val cube = fm_mul(g, rstd, fm_square(g, rstd));
        fm_val slope = fm_mul_scalar(g, fm_mul(g, vjp->output_grads[2], cube), -share);
        pull = fm_mul(g, slope, fm_sub(g, x, mean));
    }
    if (vjp->output_grads[1].id) {
        fm_val even = fm_mul_scalar(g, vjp->output_grads[1], share);
        pull = pull.id ? fm_add(g, pull, even) : fm_broadcast_to(g, even, shape);
    }
    return pull;
}

static void normalize_vjp(fm_graph *g, fm_vjp *vjp)
{
    fm_val grads[3] = {0}, pull = {0};
    if (vjp->output_grads[0].id) {
        const fm_val operands[] = {vjp->inputs[0], vjp->inputs[1], vjp->outputs[1], vjp->outputs[2],
                                   vjp->output_grads[0]};
        fm_node_add(g, &fm_op_normalize_grad, operands, 5, vjp->attributes, grads);
    }
    if (vjp->wanted[0]) pull = statistics_pull(g, vjp);
    vjp->input_grads[0] = pull.id && grads[0].id ? fm_add(g, grads[0], pull)
                          : pull.id              ? pull
                                                 : grads[0];
    vjp->input_grads[1] = grads[1];
    vjp->input_grads[2] = grads[2];
}

/* About eight per element, whatever the axes. */
static double normalize_flops(const fm_call *call)
{
    return 8 * (double)call->inputs[0].count;
}

#define CASE(text, ...)                                                                            \
    {                                                                                              \
        text, &(const fm_normalize_attributes)                                                     \
        {                                                                                          \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }

const fm_op fm_op_normalize = {
    .name = "normalize",
    .doc = "gamma (x - mean) / sqrt(variance + epsilon) + beta over axes; mean and 1 / sqrt(...)",
    .min_inputs = 3,
    .max_inputs = 3,
    .outputs = 3,
    .attributes_size = sizeof(fm_normalize_attributes),
    .attributes = normalize_fields,
    .infer = normalize_infer,
    .vjp = normalize_vjp,
    .run = normalize_run,
    .flops = normalize_flops,
    .cases = (const fm_case[]){CASE("d(3,2,4) f(4) f(4)", {2, {0, 1}}, 1e-3),
                               CASE("d(4,3) f(3) f(3)", {1, {0}}, 1e-5),
                               CASE("d(3,2,5) f(5) f(5)", {1, {2}}, 1e-3),
                               CASE("d(2,5,3) f(3) f(3)", {1, {1}}, 1e-3),
                               CASE("d(2,4,2,3) f(2,3) f(2,3)", {2, {1, 3}}, 1e-3),
                               CASE("d(2,4,3) f(4,1) f(4,1)", {2, {0, 2}}, 1e-3),
                               CASE("d(3,5) f() f()", {2, {0, 1}}, 1e-3),
                               {NULL, NULL}},
};

fm_val fm_normalize_over(fm_graph *g, fm_val x, fm_val gamma, fm_val beta, fm_ints axes,
                         double epsilon, fm_val *mean, fm_val *rstd)
{
    fm_val outputs[3] = {0};
    if (x.id != 0) {
        int rank = fm_val_shape(g, x).rank;
        fm_normalize_attributes attributes = {.axes = {.count = axes.count}, .epsilon = epsilon};
        for (int i = 0; i < axes.count; i++) { /* insertion in rising order */
            int64_t axis = fm_axis_from_front(axes.at[i], rank);
            int k = i;
            for (; k > 0 && attributes.axes.at[k - 1] > axis; k--) {
                attributes.axes.at[k] = attributes.axes.at[k - 1];
            }
            attributes.axes.at[k] = axis;
        }
        fm_node_add(g, &fm_op_normalize, (fm_val[]){x, gamma, beta}, 3, &attributes, outputs);
    }
    if (mean) *mean = outputs[1];
    if (rstd) *rstd = outputs[2];
    return outputs[0];
}

/* ---- normalize_grad -------------------------------------------------------------------------- */

static fm_status normalize_grad_infer(fm_infer *infer)
{
    fm_status status = fm_infer_reals(infer);
    if (status == FM_OK) status = check_axes(infer);
    if (status == FM_OK) status = check_gamma(infer);
    if (status == FM_OK) status = check_statistics(infer, 2, "mean");
    if (status == FM_OK) status = check_statistics(infer, 3, "rstd");
    if (status != FM_OK) return status;
    if (!fm_shape_equal(infer->shapes[0], infer->shapes[4])) {
        return fm_infer_fail(infer, "x and dy must have one shape");
    }
    infer->output_shapes[0] = infer->shapes[0];
    infer->output_shapes[1] = infer->output_shapes[2] = infer->shapes[1];
    for (int i = 0; i < 3; i++) infer->output_dtypes[i] = infer->dtypes[0];
    return FM_OK;
}

static void normalize_grad_run(const fm_call *call)
{
    const fm_tensor *in = call->inputs, *out = call->outputs;
    kernel_split split = statistics_split(call->attributes, in[0].shape, in[1].shape);
    FM_RUN_REAL(normalize_grad, in[0].dtype, &split, in[0].data, in[1].data, in[2].data, in[3].data,
                in[4].data, out[0].data);
    split = scale_split(in[0].shape, in[1].shape, in[2].shape);
    FM_RUN_REAL(normalize_scale_grad, in[0].dtype, &split, in[0].data, in[2].data, in[3].data,
                in[4].data, out[1].data, out[2].data);
}

/* The five operands and what the rule makes of them. */
typedef struct pull_back {
    fm_graph *g;
    fm_shape statistics;
    double count;
    fm_val gamma, rstd, dy;
    fm_val unit;   /* (x - mean) rstd */
    fm_val scaled; /* dy gamma */
    fm_val d_unit; /* gradients of those, {0}: zero so far */
    fm_val d_dy;
} pull_back;

static fm_val plus(fm_graph *g, fm_val a, fm_val b)
{
    return a.id && b.id ? fm_add(g, a, b) : a.id ? a : b;
}

static fm_val mean_over_axes(const pull_back *p, fm_val value)
{
    return fm_mul_scalar(p->g, fm_sum_to(p->g, value, p->statistics), 1 / p->count);
}

/* With dx = rstd P, P = scaled - mean(scaled) - unit mean(scaled unit), and u the gradient of dx. P
 * is self-adjoint in `scaled`; returns the gradient of `scaled`. */
static fm_val pull_dx(pull_back *p, fm_val u)
{
    fm_graph *g = p->g;
    fm_val a = fm_mul(g, u, p->rstd);
    fm_val mean_a = mean_over_axes(p, a), mean_au = mean_over_axes(p, fm_mul(g, a, p->unit));
    fm_val mean_su = mean_over_axes(p, fm_mul(g, p->scaled, p->unit));
    fm_val slope = fm_sub(g, fm_sub(g, a, mean_a), fm_mul(g, p->unit, mean_au));
    p->d_unit = fm_neg(g, fm_add(g, fm_mul(g, a, mean_su), fm_mul(g, p->scaled, mean_au)));
    p->d_dy = fm_mul(g, slope, p->gamma);
    return slope;
}

/* d mean and d rstd from the gradient of unit = (x - mean) rstd; and d x. */
static void pull_unit(const pull_back *p, fm_vjp *vjp)
{
    fm_graph *g = p->g;
    if (!p->d_unit.id) return;
    fm_val through = fm_mul(g, p->d_unit, p->rstd);
    vjp->input_grads[0] = through;
    vjp->input_grads[2] = fm_neg(g, fm_sum_to(g, through, p->statistics));
    fm_val centred = fm_sub(g, vjp->inputs[0], vjp->inputs[2]);
    vjp->input_grads[3] = fm_sum_to(g, fm_mul(g, p->d_unit, centred), p->statistics);
}

/* The operands count as independent here: that mean and rstd
 * depend on x is the graph's knowledge. */
static void normalize_grad_vjp(fm_graph *g, fm_vjp *vjp)
{
    const fm_normalize_attributes *attributes = vjp->attributes;
    fm_val x = vjp->inputs[0], mean = vjp->inputs[2];
    fm_shape shape = fm_val_shape(g, x);
    pull_back p = {.g = g,
                   .statistics = statistics_shape(shape, &attributes->axes),
                   .count = (double)reduced_count(shape, &attributes->axes),
                   .gamma = vjp->inputs[1],
                   .rstd = vjp->inputs[3],
                   .dy = vjp->inputs[4]};
    fm_val u = vjp->output_grads[0], v = vjp->output_grads[1], w = vjp->output_grads[2];
    p.unit = fm_mul(g, fm_sub(g, x, mean), p.rstd);
    p.scaled = fm_mul(g, p.dy, p.gamma);
    if (u.id) {
        fm_val slope = pull_dx(&p, u);
        vjp->input_grads[1] = fm_sum_to(g, fm_mul(g, slope, p.dy), fm_val_shape(g, p.gamma));
    }
    if (v.id) {
        p.d_unit = plus(g, p.d_unit, fm_mul(g, p.dy, v));
        p.d_dy = plus(g, p.d_dy, fm_mul(g, p.unit, v));
    }
    if (w.id) p.d_dy = plus(g, p.d_dy, fm_broadcast_to(g, w, shape));
    pull_unit(&p, vjp);
    if (u.id) { /* rstd is dx's factor, too: u dx / rstd */
        fm_val direct =
            fm_div(g, fm_sum_to(g, fm_mul(g, u, vjp->outputs[0]), p.statistics), p.rstd);
        vjp->input_grads[3] = fm_add(g, vjp->input_grads[3], direct);
    }
    vjp->input_grads[4] = p.d_dy;
}

static double normalize_grad_flops(const fm_call *call)
{
    return 16 * (double)call->inputs[0].count;
}

const fm_op fm_op_normalize_grad = {
    .name = "normalize_grad",
    .doc = "the gradients of x, gamma and beta, mean and rstd depending on x",
    .min_inputs = 5,
    .max_inputs = 5,
    .outputs = 3,
    .attributes_size = sizeof(fm_normalize_attributes),
    .attributes = normalize_fields,
    .infer = normalize_grad_infer,
    .vjp = normalize_grad_vjp,
    .run = normalize_grad_run,
    .flops = normalize_grad_flops,
    .cases = (const fm_case[]){CASE("f(3,2,4) f(4) f(1,1,4) p(1,1,4) f(3,2,4)", {2, {0, 1}}, 1e-3),
                               CASE("f(3,5) f(5) f(3,1) p(3,1) f(3,5)", {1, {1}}, 1e-3),
                               CASE("f(2,3,2,2) f(2,2) f(2,1,2,1) p(2,1,2,1) f(2,3,2,2)",
                                    {2, {1, 3}}, 1e-3),
                               {NULL, NULL}},
};
