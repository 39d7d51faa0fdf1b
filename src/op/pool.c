/* Pooling. max_pool remembers each window's winner; its gradient adds at the winners, and the
 * adjoint of that picks there. An average's gradient is linear, with the average for its
 * adjoint. */
#include "op/op_table.h"
#include "op/op_tools.h"
#include "op/window_rules.h"

#define KERNEL_FILE "kernel/pool.h"
#include "kernel/instantiate.h"

#define POOL_INTS(name_, place, doc_)                                                              \
    {                                                                                              \
        .name = name_, .doc = doc_, .offset = offsetof(fm_pool_attributes, place),                 \
        .type = FM_FIELD_INTS                                                                      \
    }

static const fm_field pool_fields[] = {
    POOL_INTS("kernel_size", pool.kernel_size, "places of the window"),
    POOL_INTS("strides", pool.window.strides, "from window to window"),
    POOL_INTS("dilations", pool.window.dilations, "from place to place in the window"),
    POOL_INTS("padding_begin", pool.window.padding_begin, "in front"),
    POOL_INTS("padding_end", pool.window.padding_end, "behind"),
    POOL_INTS("output_size", pool.output_size, "adaptive: windows that share x evenly"),
    {.name = "count_padding",
     .doc = "padding counts as zeros in an average",
     .offset = offsetof(fm_pool_attributes, pool.count_padding),
     .type = FM_FIELD_BOOL},
    POOL_INTS("spatial", spatial, "of a gradient: the spatial size of x"),
    {.name = NULL},
};

static bool is_adaptive(const fm_pool *pool)
{
    return pool->output_size.count > 0;
}

static int64_t greatest_common_divisor(int64_t a, int64_t b)
{
    while (b) {
        int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* The largest of ceil((o + 1) x / y) - floor(o x / y). With x = q y + r, o x / y has a fractional
 * part of at most (y - gcd(x, y)) / y, and the rest of the window reaches r / y further than q. */
static int64_t widest_adaptive(int64_t x, int64_t y)
{
    int64_t rest = x % y;
    if (rest == 0) return x / y;
    return x / y + (rest > greatest_common_divisor(x, y) ? 2 : 1);
}

/* The most places that a window has. */
static int64_t largest_window(const fm_pool *pool, fm_ints x)
{
    double places = 1; /* a product that cannot overflow */
    for (int d = 0; d < x.count; d++) {
        places *= (double)(is_adaptive(pool) ? widest_adaptive(x.at[d], pool->output_size.at[d])
                                             : pool->kernel_size.at[d]);
    }
    return places < 1e9 ? (int64_t)places : 1000000000;
}

/* The outputs' spatial size for an x of this one. */
static fm_status pool_outputs(const fm_infer *infer, fm_ints x, bool remembers, fm_ints *outputs)
{
    const fm_pool *pool = &((const fm_pool_attributes *)infer->attributes)->pool;
    fm_status status;
    if (is_adaptive(pool)) {
        *outputs = pool->output_size;
        status = fm_infer_list(infer, outputs, "output_size", x.count, 1);
        for (int d = 0; status == FM_OK && d < x.count; d++) {
            bool fits = x.at[d] > 0 && x.at[d] <= INT32_MAX && outputs->at[d] <= INT32_MAX;
            if (!fits)
                status = fm_infer_fail(infer, "spatial dimension %d is empty or too large", d);
        }
    } else {
        status = fm_window_outputs(infer, &pool->window, x, pool->kernel_size, outputs);
    }
    if (status != FM_OK || !remembers) return status;
    int64_t places = largest_window(pool, x);
    if (places <= KERNEL_MAX_PLACES) return FM_OK;
    return fm_infer_fail(infer,
                         "a window has %lld elements, but at most %d are remembered; use a "
                         "reduction over the axes instead",
                         (long long)places, KERNEL_MAX_PLACES);
}

/* y has as many windows as a pooled x of the spatial size `x`. */
static fm_status check_windows(const fm_infer *infer, fm_ints x, int operand, bool remembers)
{
    fm_ints outputs = {0}, received = fm_spatial_of(infer->shapes[operand]);
    fm_status status = pool_outputs(infer, x, remembers, &outputs);
    if (status != FM_OK) return status;
    if (fm_shape_equal(fm_ints_shape(outputs), fm_ints_shape(received))) return FM_OK;
    char wanted[FM_SHAPE_TEXT], text[FM_SHAPE_TEXT];
    return fm_infer_fail(infer, "%s has %s windows, but operand %d has %s",
                         fm_shape_text(fm_ints_shape(x), text),
                         fm_shape_text(fm_ints_shape(outputs), wanted), operand + 1,
                         fm_shape_text(fm_ints_shape(received), (char[FM_SHAPE_TEXT]){0}));
}

/* Operand 0 is an image of f32 or f64. */
static fm_status check_image(const fm_infer *infer)
{
    fm_status status = fm_infer_image(infer, 0);
    if (status != FM_OK || fm_dtype_is_real(infer->dtypes[0])) return status;
    return fm_infer_fail(infer, "works on f32 and f64, but operand 1 is %s",
                         fm_dtype_name(infer->dtypes[0]));
}

/* x -> y */
static fm_status forward_infer(fm_infer *infer, bool remembers)
{
    fm_ints outputs = {0};
    fm_shape x = infer->shapes[0];
    fm_status status = check_image(infer);
    if (status == FM_OK) status = pool_outputs(infer, fm_spatial_of(x), remembers, &outputs);
    if (status != FM_OK) return status;
    infer->output_shapes[0] = fm_image_shape(x.dims[0], outputs, fm_shape_last(x));
    infer->output_dtypes[0] = infer->dtypes[0];
    return FM_OK;
}

/* dy -> dx of the attribute's spatial size */
static fm_status backward_infer(fm_infer *infer, bool remembers)
{
    fm_ints spatial = ((const fm_pool_attributes *)infer->attributes)->spatial;
    fm_shape dy = infer->shapes[0];
    fm_status status = check_image(infer);
    if (status == FM_OK) status = fm_infer_list(infer, &spatial, "spatial", dy.rank - 2, 1);
    if (status == FM_OK) status = check_windows(infer, spatial, 0, remembers);
    if (status != FM_OK) return status;
    infer->output_shapes[0] = fm_image_shape(dy.dims[0], spatial, fm_shape_last(dy));
    infer->output_dtypes[0] = infer->dtypes[0];
    return FM_OK;
}

static kernel_window geometry(const fm_call *call, const fm_tensor *x, const fm_tensor *y)
{
    const fm_pool *pool = &((const fm_pool_attributes *)call->attributes)->pool;
    kernel_window w = fm_kernel_window(&pool->window, fm_spatial_of(x->shape),
                                       fm_spatial_of(y->shape), pool->kernel_size);
    w.adaptive = is_adaptive(pool);
    return w;
}

/* The attributes with defaults filled in; those that an
 * adaptive window does not look at are none. */
static fm_pool_attributes complete(const fm_pool *pool, int spatial)
{
    fm_pool_attributes attributes = {0};
    if (pool) attributes.pool = *pool;
    attributes.pool.window = fm_window_complete(&attributes.pool.window, spatial);
    attributes.pool.window.groups = 0;
    if (!is_adaptive(&attributes.pool)) return attributes;
    attributes.pool.kernel_size = (fm_ints){0};
    attributes.pool.window = (fm_window){0};
    return attributes;
}

/* A node of the gradient of a pooling of x. */
static fm_val add_grad(fm_graph *g, const fm_op *op, fm_val x, const fm_val *inputs, int count,
                       const fm_pool_attributes *forward)
{
    if (x.id == 0) return x;
    fm_pool_attributes attributes = *forward;
    attributes.spatial = fm_spatial_of(fm_val_shape(g, x));
    return fm_node_add(g, op, inputs, count, &attributes, NULL);
}

/* One per place of each window. */
static double pool_flops(const fm_call *call, const fm_tensor *x, const fm_tensor *y)
{
    const fm_pool *pool = &((const fm_pool_attributes *)call->attributes)->pool;
    fm_ints extents = fm_spatial_of(x->shape);
    double places = is_adaptive(pool) ? (double)largest_window(pool, extents) : 1;
    for (int d = 0; d < pool->kernel_size.count; d++) places *= (double)pool->kernel_size.at[d];
    return places * (double)y->count;
}

static double forward_flops(const fm_call *call)
{
    return pool_flops(call, call->inputs, call->outputs);
}

static double average_grad_flops(const fm_call *call)
{
    return pool_flops(call, call->outputs, call->inputs);
}

#define CASE(text, ...)                                                                            \
    {                                                                                              \
        text, &(const fm_pool_attributes)                                                          \
        {                                                                                          \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }
#define WINDOW_1(k, s, d, b, e)                                                                    \
    {                                                                                              \
        .kernel_size = {1, {k}}, .window = { {1, {s}}, {1, {d}}, {1, {b}}, {1, {e}}, 0 }           \
    }
#define WINDOW_2(k0, k1, s0, s1, b0, b1, e0, e1, ...)                                              \
    {                                                                                              \
        .kernel_size = {2, {k0, k1}},                                                              \
        .window = {{2, {s0, s1}}, {2, {1, 1}}, {2, {b0, b1}}, {2, {e0, e1}}, 0}, __VA_ARGS__       \
    }
#define WINDOW_3(k, s, b)                                                                          \
    {                                                                                              \
        .kernel_size = {3, {k, k, k}}, .window = {                                                 \
            {3, {s, s, s}},                                                                        \
            {3, {1, 1, 1}},                                                                        \
            {3, {b, b, b}},                                                                        \
            {3, {b, b, b}},                                                                        \
            0                                                                                      \
        }                                                                                          \
    }
#define ADAPTIVE(...)                                                                              \
    {                                                                                              \
        .output_size = {(int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), {__VA_ARGS__} } \
    }
#define SPATIAL(...)                                                                               \
    {                                                                                              \
        (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)),                                 \
        {                                                                                          \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }

/* ---- max_pool -------------------------------------------------------------------------------- */

static fm_status max_pool_infer(fm_infer *infer)
{
    fm_status status = forward_infer(infer, true);
    infer->output_shapes[1] = infer->output_shapes[0];
    infer->output_dtypes[1] = FM_U8;
    return status;
}

static void max_pool_run(const fm_call *call)
{
    const fm_tensor *x = call->inputs, *y = call->outputs;
    kernel_window w = geometry(call, x, y);
    FM_RUN_REAL(max_pool, x->dtype, &w, x->shape.dims[0], fm_shape_last(x->shape), x->data,
                y[0].data, y[1].data);
}

static void max_pool_vjp(fm_graph *g, fm_vjp *vjp)
{
    const fm_val operands[] = {vjp->output_grads[0], vjp->outputs[1]};
    vjp->input_grads[0] =
        add_grad(g, &fm_op_max_pool_grad, vjp->inputs[0], operands, 2, vjp->attributes);
}

const fm_op fm_op_max_pool = {
    .name = "max_pool",
    .doc = "the largest of each window, and its place there",
    .onnx = "MaxPool",
    .min_inputs = 1,
    .max_inputs = 1,
    .outputs = 2,
    .attributes_size = sizeof(fm_pool_attributes),
    .attributes = pool_fields,
    .infer = max_pool_infer,
    .vjp = max_pool_vjp,
    .run = max_pool_run,
    .flops = forward_flops,
    .cases = (const fm_case[]){CASE("d(2,8,2)", .pool = WINDOW_1(3, 2, 1, 1, 0)),
                               CASE("d(1,4,6,3)", .pool = WINDOW_2(2, 2, 2, 2, 0, 0, 0, 0)),
                               CASE("d(2,5,4,2)", .pool = WINDOW_2(3, 2, 2, 1, 1, 0, 1, 1)),
                               CASE("d(1,8,5,2)", .pool = ADAPTIVE(3, 2)),
                               CASE("d(1,4,4,4,1)", .pool = WINDOW_3(2, 1, 1)),
                               {NULL, NULL}},
};

fm_val fm_max_pool(fm_graph *g, fm_val x, const fm_pool *pool)
{
    if (x.id == 0) return x;
    fm_pool_attributes attributes = complete(pool, fm_val_shape(g, x).rank - 2);
    attributes.pool.count_padding = false;
    return fm_node_add(g, &fm_op_max_pool, &x, 1, &attributes, NULL);
}

/* ---- max_pool_grad: dy, winners -> dx -------------------------------------------------------- */

static fm_status check_winners(const fm_infer *infer)
{
    return fm_infer_dtype(infer, 1, FM_U8);
}

static fm_status max_pool_grad_infer(fm_infer *infer)
{
    fm_status status = check_winners(infer);
    if (status == FM_OK && !fm_shape_equal(infer->shapes[0], infer->shapes[1])) {
        status = fm_infer_fail(infer, "dy and the winners must have one shape");
    }
    return status == FM_OK ? backward_infer(infer, true) : status;
}

static void max_pool_grad_run(const fm_call *call)
{
    const fm_tensor *in = call->inputs, *dx = call->outputs;
    kernel_window w = geometry(call, dx, in);
    FM_RUN_REAL(max_pool_grad, dx->dtype, &w, dx->shape.dims[0], fm_shape_last(dx->shape),
                in[0].data, in[1].data, dx->data);
}

static void max_pool_grad_vjp(fm_graph *g, fm_vjp *vjp)
{
    if (!vjp->wanted[0]) return;
    const fm_val operands[] = {vjp->output_grads[0], vjp->inputs[1]};
    vjp->input_grads[0] = fm_node_add(g, &fm_op_max_pool_pick, operands, 2, vjp->attributes, NULL);
}

const fm_op fm_op_max_pool_grad = {
    .name = "max_pool_grad",
    .doc = "zeros, plus each of dy at its window's winner",
    .min_inputs = 2,
    .max_inputs = 2,
    .outputs = 1,
    .attributes_size = sizeof(fm_pool_attributes),
    .attributes = pool_fields,
    .infer = max_pool_grad_infer,
    .vjp = max_pool_grad_vjp,
    .run = max_pool_grad_run,
    .flops = fm_input_flops,
    .cases =
        (const fm_case[]){
            CASE("f(2,4,2) b3(2,4,2)", .pool = WINDOW_1(3, 2, 1, 1, 0), .spatial = SPATIAL(8)),
            CASE("f(1,2,3,3) b4(1,2,3,3)", .pool = WINDOW_2(2, 2, 2, 2, 0, 0, 0, 0),
                 .spatial = SPATIAL(4, 6)),
            CASE("f(2,3,4,2) b6(2,3,4,2)", .pool = WINDOW_2(3, 2, 2, 1, 1, 0, 1, 1),
                 .spatial = SPATIAL(5, 4)),
            CASE("f(1,3,2,2) b9(1,3,2,2)", .pool = ADAPTIVE(3, 2), .spatial = SPATIAL(7, 5)),
            {NULL, NULL}},
};

/* ---- max_pool_pick: x, winners -> y ---------------------------------------------------------- */

static fm_status max_pool_pick_infer(fm_infer *infer)
{
    fm_shape x = infer->shapes[0], winners = infer->shapes[1];
    fm_status status = check_winners(infer);
    if (status == FM_OK) status = check_image(infer);
    if (status != FM_OK) return status;
    if (winners.rank != x.rank || winners.dims[0] != x.dims[0] ||
        fm_shape_last(winners) != fm_shape_last(x)) {
        return fm_infer_fail(infer, "x and the winners must agree in batch size and channels");
    }
    infer->output_shapes[0] = winners;
    infer->output_dtypes[0] = infer->dtypes[0];
    return check_windows(infer, fm_spatial_of(x), 1, true);
}

static void max_pool_pick_run(const fm_call *call)
{
    const fm_tensor *in = call->inputs, *y = call->outputs;
    kernel_window w = geometry(call, in, y);
    FM_RUN_REAL(max_pool_pick, y->dtype, &w, y->shape.dims[0], fm_shape_last(y->shape), in[0].data,
                in[1].data, y->data);
}

static void max_pool_pick_vjp(fm_graph *g, fm_vjp *vjp)
{
    if (!vjp->wanted[0]) return;
    const fm_val operands[] = {vjp->output_grads[0], vjp->inputs[1]};
    vjp->input_grads[0] =
        add_grad(g, &fm_op_max_pool_grad, vjp->inputs[0], operands, 2, vjp->attributes);
}

const fm_op fm_op_max_pool_pick = {
    .name = "max_pool_pick",
    .doc = "x at each window's winner",
    .min_inputs = 2,
    .max_inputs = 2,
    .outputs = 1,
    .attributes_size = sizeof(fm_pool_attributes),
    .attributes = pool_fields,
    .infer = max_pool_pick_infer,
    .vjp = max_pool_pick_vjp,
    .run = max_pool_pick_run,
    .flops = fm_no_flops,
    .cases =
        (const fm_case[]){CASE("f(2,8,2) b3(2,4,2)", .pool = WINDOW_1(3, 2, 1, 1, 0)),
                          CASE("f(2,5,4,2) b6(2,3,4,2)", .pool = WINDOW_2(3, 2, 2, 1, 1, 0, 1, 1)),
                          CASE("f(1,7,5,2) b9(1,3,2,2)", .pool = ADAPTIVE(3, 2)),
                          {NULL, NULL}},
};

/* ---- average_pool ---------------------------------------------------------------------------- */

static fm_status average_pool_infer(fm_infer *infer)
{
    return forward_infer(infer, false);
}

static int counts_padding(const fm_call *call)
{
    return ((const fm_pool_attributes *)call->attributes)->pool.count_padding;
}

static void average_pool_run(const fm_call *call)
{
    const fm_tensor *x = call->inputs, *y = call->outputs;
    kernel_window w = geometry(call, x, y);
    FM_RUN_REAL(average_pool, x->dtype, &w, x->shape.dims[0], fm_shape_last(x->shape),
                counts_padding(call), x->data, y->data);
}

static void average_pool_vjp(fm_graph *g, fm_vjp *vjp)
{
    vjp->input_grads[0] = add_grad(g, &fm_op_average_pool_grad, vjp->inputs[0], vjp->output_grads,
                                   1, vjp->attributes);
}

const fm_op fm_op_average_pool = {
    .name = "average_pool",
    .doc = "the mean of each window",
    .onnx = "AveragePool",
    .min_inputs = 1,
    .max_inputs = 1,
    .outputs = 1,
    .attributes_size = sizeof(fm_pool_attributes),
    .attributes = pool_fields,
    .infer = average_pool_infer,
    .vjp = average_pool_vjp,
    .run = average_pool_run,
    .flops = forward_flops,
    .cases = (const fm_case[]){CASE("f(2,8,2)", .pool = WINDOW_1(3, 2, 1, 1, 0)),
                               CASE("f(1,4,6,3)", .pool = WINDOW_2(2, 2, 2, 2, 0, 0, 0, 0)),
                               CASE("f(2,5,4,2)", .pool = WINDOW_2(3, 2, 2, 1, 1, 0, 1, 1)),
                               CASE("f(2,5,4,2)", .pool = WINDOW_2(3, 3, 2, 1, 1, 1, 1, 1,
                                                                   .count_padding = true)),
                               CASE("f(1,7,5,2)", .pool = ADAPTIVE(3, 2)),
                               CASE("f(2,3,4,3)", .pool = ADAPTIVE(1, 1)),
                               CASE("f(1,4,4,4,1)", .pool = WINDOW_3(2, 1, 1)),
                               {NULL, NULL}},
};

fm_val fm_average_pool(fm_graph *g, fm_val x, const fm_pool *pool)
{
    if (x.id == 0) return x;
    fm_pool_attributes attributes = complete(pool, fm_val_shape(g, x).rank - 2);
    return fm_node_add(g, &fm_op_average_pool, &x, 1, &attributes, NULL);
}

/* ---- average_pool_grad: dy -> dx ------------------------------------------------------------- */

static fm_status average_pool_grad_infer(fm_infer *infer)
{
    return backward_infer(infer, false);
}

static void average_pool_grad_run(const fm_call *call)
{
    const fm_tensor *dy = call->inputs, *dx = call->outputs;
    kernel_window w = geometry(call, dx, dy);
    FM_RUN_REAL(average_pool_grad, dx->dtype, &w, dx->shape.dims[0], fm_shape_last(dx->shape),
                counts_padding(call), dy->data, dx->data);
}

static void average_pool_grad_vjp(fm_graph *g, fm_vjp *vjp)
{
    fm_pool_attributes attributes = *(const fm_pool_attributes *)vjp->attributes;
    attributes.spatial = (fm_ints){0};
    vjp->input_grads[0] =
        fm_node_add(g, &fm_op_average_pool, vjp->output_grads, 1, &attributes, NULL);
}

const fm_op fm_op_average_pool_grad = {
    .name = "average_pool_grad",
    .doc = "each of dy in equal parts to its window's places",
    .min_inputs = 1,
    .max_inputs = 1,
    .outputs = 1,
    .attributes_size = sizeof(fm_pool_attributes),
    .attributes = pool_fields,
    .infer = average_pool_grad_infer,
    .vjp = average_pool_grad_vjp,
    .run = average_pool_grad_run,
    .flops = average_grad_flops,
    .cases =
        (const fm_case[]){CASE("f(2,4,2)", .pool = WINDOW_1(3, 2, 1, 1, 0), .spatial = SPATIAL(8)),
                          CASE("f(2,3,4,2)",
                               .pool = WINDOW_2(3, 3, 2, 1, 1, 1, 1, 1, .count_padding = true),
                               .spatial = SPATIAL(5, 4)),
                          CASE("f(1,3,2,2)", .pool = ADAPTIVE(3, 2), .spatial = SPATIAL(7, 5)),
                          {NULL, NULL}},
};
