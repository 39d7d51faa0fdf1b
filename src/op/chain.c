#include "op/chain.h"
#include "base/fields.h"
#include "op/op_table.h"
#include "op/op_tools.h"

#include <string.h>

static const fm_op *const members[] = {
#define ROW(name, ...) &fm_op_##name,
    FM_UNARY_OPS(ROW) FM_PARAMETER_OPS(ROW) FM_BINARY_OPS(ROW)
#undef ROW
        & fm_op_equal,
    &fm_op_where,
    &fm_op_drop,
};

bool fm_chain_takes(const fm_op *op)
{
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        if (members[i] == op) return true;
    }
    return false;
}

const fm_op *fm_chain_op(const fm_chain_attributes *attributes)
{
    uint32_t some = 0, all = ~UINT32_C(0);
    for (int i = 0; i < attributes->count; i++) {
        some |= attributes->steps[i].op->flags;
        all &= attributes->steps[i].op->flags;
    }
    if (some & FM_OP_RANDOM) return &fm_op_random_chain;
    return all & FM_OP_ANY_LAYOUT ? &fm_op_stored_chain : &fm_op_chain;
}

/* ---- as text --------------------------------------------------------------------------------- */

static void write_result(fm_text *text, const fm_chain_attributes *a, int step)
{
    const int output = a->steps[step].output;
    if (output == FM_CHAIN_NO_OUTPUT)
        fm_text_add(text, "t%d", step);
    else
        fm_text_add(text, "y%d", output);
}

static void write_source(fm_text *text, const fm_chain_attributes *a, int source)
{
    if (source < FM_MAX_INPUTS)
        fm_text_add(text, "x%d", source);
    else
        write_result(text, a, source - FM_MAX_INPUTS);
}

void fm_chain_write(fm_text *text, const fm_chain_attributes *a)
{
    for (int i = 0; i < a->count; i++) {
        const fm_chain_step *step = &a->steps[i];
        fm_text_add(text, i ? ", " : "");
        write_result(text, a, i);
        fm_text_add(text, " = %s(", step->op->name);
        for (int k = 0; k < step->op->max_inputs; k++) {
            fm_text_add(text, k ? ", " : "");
            write_source(text, a, step->sources[k]);
        }
        if (step->op->attributes) {
            fm_text_add(text, "; ");
            fm_fields_print(text, step->op->attributes, step->attributes, true);
        }
        fm_text_add(text, ")");
    }
}

/* ---- inference ------------------------------------------------------------------------------- */

static bool is_step(const fm_chain_attributes *a, int index, int operands)
{
    const fm_chain_step *step = &a->steps[index];
    if (!step->op || !fm_chain_takes(step->op)) return false;
    for (int k = 0; k < step->op->max_inputs; k++) {
        const int source = step->sources[k];
        const bool operand = source >= 0 && source < operands;
        const bool result = source >= FM_MAX_INPUTS && source < FM_MAX_INPUTS + index;
        if (!operand && !result) return false;
    }
    return step->output >= FM_CHAIN_NO_OUTPUT && step->output < FM_MAX_OUTPUTS;
}

static fm_status infer_chain(fm_infer *infer)
{
    const fm_chain_attributes *a = infer->attributes;
    fm_status status = fm_infer_broadcast(infer);
    bool valid = a->count > 0 && a->count <= FM_CHAIN_STEPS;
    for (int i = 0; status == FM_OK && valid && i < a->count; i++) {
        valid = is_step(a, i, infer->input_count);
        if (!valid || a->steps[i].output <= 0) continue;
        infer->output_shapes[a->steps[i].output] = infer->output_shapes[0];
        infer->output_dtypes[a->steps[i].output] = infer->output_dtypes[0];
    }
    if (status != FM_OK || valid) return status;
    return fm_infer_fail(infer,
                         "wants steps of elementwise ops that read operands and earlier steps");
}

/* ---- the portable kernel --------------------------------------------------------------------- */

enum { TILE = 64 };

/* Elements of the output's shape that are worked on together, and every result in them. */
typedef struct chain_tile {
    int64_t begin, count;
    kernel_walk walks[FM_MAX_INPUTS]; /* of operands that stretch */
    fm_tensor values[FM_MAX_INPUTS + FM_CHAIN_STEPS];
    _Alignas(64) double memory[FM_MAX_INPUTS + FM_CHAIN_STEPS][TILE];
} chain_tile;

static void *element(const fm_tensor *tensor, int64_t index)
{
    return (char *)tensor->data + (size_t)index * fm_dtype_size(tensor->dtype);
}

/* Operand k's elements of the tile: where they lie, or stretched into the tile's own memory. */
static void open_operand(chain_tile *tile, const fm_call *call, int k)
{
    const fm_tensor *x = &call->inputs[k];
    tile->values[k] =
        (fm_tensor){element(x, tile->begin), x->dtype, FM_SHAPE(tile->count), tile->count};
    if (x->count == call->outputs[0].count) return;
    if (x->count == 1) {
        tile->values[k] = (fm_tensor){x->data, x->dtype, {0}, 1};
        return;
    }
    const kernel_walk *walk = &tile->walks[k];
    tile->values[k].data = tile->memory[k];
    for (int64_t i = 0; i < tile->count; i++) {
        int64_t at[KERNEL_MAX_OPERANDS], column = (tile->begin + i) % walk->row_size;
        kernel_walk_row(walk, (tile->begin + i) / walk->row_size, at);
        memcpy(element(&tile->values[k], i), element(x, at[0] + column * kernel_walk_step(walk, 0)),
               fm_dtype_size(x->dtype));
    }
}

static void run_step(chain_tile *tile, const fm_call *call, const fm_chain_step *step, int index)
{
    fm_tensor sources[FM_CHAIN_ARITY], *y = &tile->values[FM_MAX_INPUTS + index];
    const fm_dtype dtype = call->outputs[0].dtype;
    *y =
        (fm_tensor){tile->memory[FM_MAX_INPUTS + index], dtype, FM_SHAPE(tile->count), tile->count};
    const int count = step->op->max_inputs;
    for (int k = 0; k < count; k++) sources[k] = tile->values[step->sources[k]];
    if (step->op == &fm_op_drop)
        fm_run_drop(call, step->attributes, tile->begin, sources, y);
    else
        fm_run_part(step->op, step->attributes, call, sources, count, y, 1);
}

static void run_chain(const fm_call *call)
{
    const fm_chain_attributes *a = call->attributes;
    const fm_tensor *outputs = call->outputs;
    chain_tile tile;
    for (int k = 0; k < call->input_count; k++) {
        const fm_tensor *x = &call->inputs[k];
        if (x->count != 1 && x->count != outputs->count)
            tile.walks[k] = fm_broadcast_walk(x, 1, outputs->shape);
    }
    for (tile.begin = 0; tile.begin < outputs->count; tile.begin += TILE) {
        const int64_t left = outputs->count - tile.begin;
        tile.count = left < TILE ? left : TILE;
        for (int k = 0; k < call->input_count; k++) open_operand(&tile, call, k);
        for (int i = 0; i < a->count; i++) run_step(&tile, call, &a->steps[i], i);
        for (int i = 0; i < a->count; i++) {
            if (a->steps[i].output == FM_CHAIN_NO_OUTPUT) continue;
            memcpy(element(&outputs[a->steps[i].output], tile.begin),
                   tile.memory[FM_MAX_INPUTS + i],
                   (size_t)tile.count * fm_dtype_size(outputs->dtype));
        }
    }
}

static double chain_flops(const fm_call *call)
{
    const fm_chain_attributes *a = call->attributes;
    return (double)call->outputs[0].count * a->count;
}

/* ---- records --------------------------------------------------------------------------------- */

static const fm_field chain_fields[] = {
    {.name = "steps",
     .doc = "what is computed, in this order",
     .offset = offsetof(fm_chain_attributes, text),
     .type = FM_FIELD_STRING},
    {0},
};

#define OF(step) (FM_MAX_INPUTS + (step))
static const fm_alpha_attributes leak = {0.2};
static const fm_drop_attributes drop_some = {0.3, 9};

static const fm_chain_attributes stored_case = {
    .text = "t0 = relu(x0), t1 = mul(t0, x1), y0 = sub(x2, t1)",
    .count = 3,
    .steps = (const fm_chain_step[]){{&fm_op_relu, NULL, {0}, FM_CHAIN_NO_OUTPUT},
                                     {&fm_op_mul, NULL, {OF(0), 1}, FM_CHAIN_NO_OUTPUT},
                                     {&fm_op_sub, NULL, {2, OF(1)}, 0}}};

static const fm_chain_attributes stretched_case = {
    .text = "t0 = mul(x0, x1), t1 = leaky_relu(t0; negative_slope=0.2), t2 = where(x2, t1, x3), "
            "y0 = div(t2, x1)",
    .count = 4,
    .steps = (const fm_chain_step[]){{&fm_op_mul, NULL, {0, 1}, FM_CHAIN_NO_OUTPUT},
                                     {&fm_op_leaky_relu, &leak, {OF(0)}, FM_CHAIN_NO_OUTPUT},
                                     {&fm_op_where, NULL, {2, OF(1), 3}, FM_CHAIN_NO_OUTPUT},
                                     {&fm_op_div, NULL, {OF(2), 1}, 0}}};

static const fm_chain_attributes random_case = {
    .text = "t0 = add(x0, x1), y0 = drop(t0; rate=0.3, stream=9)",
    .count = 2,
    .steps = (const fm_chain_step[]){{&fm_op_add, NULL, {0, 1}, FM_CHAIN_NO_OUTPUT},
                                     {&fm_op_drop, &drop_some, {OF(0)}, 0}}};

#define RECORD(name_, flags_, ...)                                                                 \
    const fm_op fm_op_##name_ = {                                                                  \
        .name = "chain",                                                                           \
        .doc = "elementwise ops one after the other, a tile of all operands at a time",            \
        .min_inputs = 1,                                                                           \
        .max_inputs = FM_MAX_INPUTS,                                                               \
        .outputs = 1,                                                                              \
        .flags = FM_OP_ELEMENTWISE | (flags_),                                                     \
        .attributes_size = sizeof(fm_chain_attributes),                                            \
        .attributes = chain_fields,                                                                \
        .infer = infer_chain,                                                                      \
        .run = run_chain,                                                                          \
        .flops = chain_flops,                                                                      \
        .in_place = {1, 2, 3, 4, 5, 6, 7, 8},                                                      \
        .cases = (const fm_case[]){__VA_ARGS__, {NULL, NULL}},                                     \
    };

RECORD(chain, 0, {"f(4,5,6) n(6) n(5,6) f(4,1,1)", &stretched_case},
       {"n(130,7) n(130,1) n() f()", &stretched_case},
       {"n(3,700) n(700) n(3,1) f()", &stretched_case})
RECORD(stored_chain, FM_OP_ANY_LAYOUT, {"f(3,4) f(3,4) f()", &stored_case},
       {"f(40,50) f() f(40,50)", &stored_case})
RECORD(random_chain, FM_OP_RANDOM, {"f(3,5) f()", &random_case}, {"f(60,70) f(70)", &random_case})
