/* Random ops. Numbers are keyed by (seed, step, stream): a builder draws a fresh stream from the
 * graph, and whoever names the same stream again draws the same numbers. */
#include "op/op_table.h"
#include "op/op_tools.h"
#include "ir/ir.h"

#define KERNEL_FILE "kernel/drop.h"
#include "kernel/instantiate.h"

static fm_random_key key_of(const fm_call *call, int64_t stream)
{
    return (fm_random_key){*call->seed, (uint32_t)*call->step, (uint32_t)stream};
}

#define STREAM_FIELD(type_)                                                                        \
    {                                                                                              \
        .name = "stream", .doc = "equal streams draw equal numbers",                               \
        .offset = offsetof(type_, stream), .type = FM_FIELD_INT                                    \
    }

/* ---- uniform and normal ---------------------------------------------------------------------- */

#define RANDOM_LIKE(name_, doc_)                                                                   \
    static void name_##_run(const fm_call *call)                                                   \
    {                                                                                              \
        const fm_random_attributes *attributes = call->attributes;                                 \
        const fm_tensor *y = call->outputs;                                                        \
        FM_RUN_REAL(name_, y->dtype, y->count, key_of(call, attributes->stream), y->data);         \
    }                                                                                              \
    const fm_op fm_op_##name_##_like = {                                                           \
        .name = #name_ "_like",                                                                    \
        .doc = doc_,                                                                               \
        .min_inputs = 1,                                                                           \
        .max_inputs = 1,                                                                           \
        .outputs = 1,                                                                              \
        .flags = FM_OP_RANDOM | FM_OP_NOT_DIFFERENTIABLE,                                          \
        .attributes_size = sizeof(fm_random_attributes),                                           \
        .attributes = (const fm_field[]){STREAM_FIELD(fm_random_attributes), {.name = NULL}},      \
        .infer = fm_infer_like_first,                                                              \
        .run = name_##_run,                                                                        \
        .in_place = {1},                                                                           \
        .cases = (const fm_case[]){{"f(3,5)", &(const fm_random_attributes){3}}, {NULL, NULL}},    \
    };                                                                                             \
    fm_val fm_##name_##_like(fm_graph *g, fm_val x)                                                \
    {                                                                                              \
        fm_random_attributes attributes = {fm_graph_next_stream(g)};                               \
        return fm_node_add(g, &fm_op_##name_##_like, &x, 1, &attributes, NULL);                    \
    }

RANDOM_LIKE(random_uniform, "uniform in [0, 1), shape of x")
RANDOM_LIKE(random_normal, "normal with mean 0 and deviation 1, shape of x")

/* ---- dropout --------------------------------------------------------------------------------- */

static fm_status drop_infer(fm_infer *infer)
{
    double rate = ((const fm_drop_attributes *)infer->attributes)->rate;
    if (rate >= 0 && rate < 1) return fm_infer_like_first(infer);
    return fm_infer_fail(infer, "rate must be in [0, 1), received %g", rate);
}

void fm_run_drop(const fm_call *call, const fm_drop_attributes *attributes, int64_t first,
                 const fm_tensor *x, const fm_tensor *y)
{
    FM_RUN_REAL(drop, y->dtype, first, y->count, key_of(call, attributes->stream), attributes->rate,
                x->data, y->data);
}

static void drop_run(const fm_call *call)
{
    fm_run_drop(call, call->attributes, 0, call->inputs, call->outputs);
}

/* Linear in x given the mask, which the same stream draws again. */
static void drop_vjp(fm_graph *g, fm_vjp *vjp)
{
    vjp->input_grads[0] =
        fm_node_add(g, &fm_op_drop, &vjp->output_grads[0], 1, vjp->attributes, NULL);
}

const fm_op fm_op_drop = {
    .name = "drop",
    .doc = "x / (1 - rate) with probability 1 - rate, else 0",
    .onnx = "Dropout",
    .min_inputs = 1,
    .max_inputs = 1,
    .outputs = 1,
    .flags = FM_OP_RANDOM,
    .attributes_size = sizeof(fm_drop_attributes),
    .attributes = (const fm_field[]){{.name = "rate",
                                      .doc = "the part that becomes 0",
                                      .offset = offsetof(fm_drop_attributes, rate),
                                      .type = FM_FIELD_REAL,
                                      .maximum = 1},
                                     STREAM_FIELD(fm_drop_attributes),
                                     {.name = NULL}},
    .infer = drop_infer,
    .vjp = drop_vjp,
    .run = drop_run,
    .in_place = {1},
    .cases = (const fm_case[]){{"f(3,5)", &(const fm_drop_attributes){0.4, 7}},
                               {"f(6)", NULL},
                               {NULL, NULL}},
};

fm_val fm_drop(fm_graph *g, fm_val x, double rate)
{
    fm_drop_attributes attributes = {rate, fm_graph_next_stream(g)};
    return fm_node_add(g, &fm_op_drop, &x, 1, &attributes, NULL);
}
