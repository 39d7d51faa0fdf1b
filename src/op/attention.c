/* Attention, and its gradient: from three values, or from one that holds queries,
 * keys and values. */
#include "op/attention_parts.h"
#include "fathom/attention_ops.h"
#include "ir/ir.h"
#include "op/op_table.h"
#include "op/op_tools.h"

#include <string.h>

#define KERNEL_FILE "kernel/attention.h"
#include "kernel/instantiate.h"

/* ---- shape rules ----------------------------------------------------------------------------- */

static fm_status check_packed(const fm_infer *infer, const fm_attention_attributes *o)
{
    const fm_shape x = infer->shapes[0];
    if (x.rank != 4) {
        return fm_infer_fail(infer, "qkv must be (batch, time, heads + 2 key_heads, dim)");
    }
    const int64_t rest = x.dims[2] - o->heads;
    if (o->heads < 1 || rest < 2 || rest % 2 || o->heads % (rest / 2)) {
        return fm_infer_fail(infer,
                             "%lld heads of queries leave %lld for keys and values, which must be "
                             "two equal parts of a size that divides the queries' heads",
                             (long long)o->heads, (long long)rest);
    }
    return FM_OK;
}

static fm_status check_separate(const fm_infer *infer)
{
    const fm_shape q = infer->shapes[0], k = infer->shapes[1], v = infer->shapes[2];
    if (q.rank != 4 || k.rank != 4 || v.rank != 4) {
        return fm_infer_fail(infer, "q, k and v must be (batch, time, heads, dim)");
    }
    if (q.dims[0] != k.dims[0] || k.dims[0] != v.dims[0]) {
        return fm_infer_fail(infer, "q, k and v must have one batch");
    }
    if (k.dims[1] != v.dims[1] || k.dims[2] != v.dims[2]) {
        return fm_infer_fail(infer, "k and v must have the same time and heads");
    }
    if (q.dims[3] != k.dims[3]) return fm_infer_fail(infer, "q and k must have one dim");
    if (k.dims[2] < 1 || q.dims[2] % k.dims[2] != 0) {
        return fm_infer_fail(infer, "%lld heads of keys do not divide %lld heads of queries",
                             (long long)k.dims[2], (long long)q.dims[2]);
    }
    return FM_OK;
}

/* The operands behind q, k, v. */
static fm_status check_others(const fm_infer *infer, const kernel_attention *a)
{
    const fm_attention_attributes *o = infer->attributes;
    int next = fm_attention_is_packed(infer->op) ? 1 : 3;
    if (o->mask) {
        const fm_shape mask = infer->shapes[next++];
        const fm_shape rows = FM_SHAPE(a->batch, a->keys);
        const fm_shape whole = FM_SHAPE(a->batch, a->queries, a->keys);
        if (!fm_shape_equal(mask, rows) && !fm_shape_equal(mask, whole)) {
            return fm_infer_fail(infer, "the mask must be %s or %s",
                                 fm_shape_text(rows, (char[FM_SHAPE_TEXT]){0}),
                                 fm_shape_text(whole, (char[FM_SHAPE_TEXT]){0}));
        }
    }
    if (o->position) {
        if (infer->shapes[next].rank != 0) {
            return fm_infer_fail(infer, "the position must be one number");
        }
        if (!o->causal) return fm_infer_fail(infer, "a position is for causal attention");
        if (a->queries > a->keys) {
            return fm_infer_fail(infer, "with a position there must be at least as many keys as "
                                        "queries");
        }
    }
    if (o->rate >= 0 && o->rate < 1) return FM_OK;
    return fm_infer_fail(infer, "dropout must be in [0, 1), received %g", o->rate);
}

static fm_status check_attention(const fm_infer *infer, kernel_attention *a)
{
    const fm_attention_attributes *o = infer->attributes;
    const bool packed = fm_attention_is_packed(infer->op);
    const int wanted =
        fm_attention_operands(infer->op, o) + (fm_attention_is_grad(infer->op) ? 3 : 0);
    fm_status status = fm_infer_reals(infer);
    if (status != FM_OK) return status;
    if (infer->input_count != wanted) {
        return fm_infer_fail(infer, "the attributes want %d operands, there are %d", wanted,
                             infer->input_count);
    }
    status = packed ? check_packed(infer, o) : check_separate(infer);
    if (status != FM_OK) return status;
    fm_tensor inputs[FM_MAX_INPUTS];
    for (int i = 0; i < infer->input_count; i++) inputs[i].shape = infer->shapes[i];
    *a = fm_attention_sizes(infer->op, o, inputs);
    return check_others(infer, a);
}

static fm_shape result_shape(const kernel_attention *a)
{
    return FM_SHAPE(a->batch, a->queries, a->heads, a->value_dim);
}

static fm_status attention_infer(fm_infer *infer)
{
    kernel_attention a;
    fm_status status = check_attention(infer, &a);
    if (status != FM_OK) return status;
    infer->output_shapes[0] = result_shape(&a);
    infer->output_shapes[1] = FM_SHAPE(a.batch, a.heads, a.queries);
    infer->output_dtypes[0] = infer->output_dtypes[1] = infer->dtypes[0];
    return FM_OK;
}

static fm_status attention_grad_infer(fm_infer *infer)
{
    kernel_attention a;
    fm_status status = check_attention(infer, &a);
    if (status != FM_OK) return status;
    const fm_shape *last = infer->shapes + infer->input_count - 3;
    if (!fm_shape_equal(last[0], result_shape(&a)) || !fm_shape_equal(last[2], last[0]) ||
        !fm_shape_equal(last[1], FM_SHAPE(a.batch, a.heads, a.queries))) {
        return fm_infer_fail(infer, "y, lse and dy must have the shapes of the results");
    }
    for (int i = 0; i < infer->op->outputs; i++) {
        infer->output_shapes[i] = infer->shapes[i];
        infer->output_dtypes[i] = infer->dtypes[0];
    }
    return FM_OK;
}

/* ---- running --------------------------------------------------------------------------------- */

static void attention_run(const fm_call *call)
{
    const fm_attention_call c = fm_attention_read(call);
    FM_RUN_REAL(attention, call->inputs[0].dtype, &c.sizes, c.q, c.k, c.v, c.mask, c.dq, c.dk);
}

static void attention_grad_run(const fm_call *call)
{
    const fm_attention_call c = fm_attention_read(call);
    for (int i = 0; i < call->output_count; i++) {
        const fm_tensor *out = &call->outputs[i];
        if (out->count) memset(out->data, 0, (size_t)out->count * fm_dtype_size(out->dtype));
    }
    FM_RUN_REAL(attention_grad, call->inputs[0].dtype, &c.sizes, c.q, c.k, c.v, c.mask, c.y, c.lse,
                c.dy, c.dq, c.dk, c.dv);
}

/* Of a query and a key: the products with k and v; backward also those with dy, ds and p. */
static double attention_flops(const fm_call *call)
{
    const kernel_attention a = fm_attention_sizes(call->op, call->attributes, call->inputs);
    const double pairs = fm_attention_pairs(&a), k = (double)a.key_dim, v = (double)a.value_dim;
    return fm_attention_is_grad(call->op) ? pairs * (6 * k + 4 * v) : pairs * (2 * k + 2 * v + 5);
}

/* ---- gradients ------------------------------------------------------------------------------- */

/* q, k and v, or what belongs to them, of a packed value; of others the three that they are. */
static void take_apart(fm_graph *g, const fm_op *op, const fm_attention_attributes *attributes,
                       const fm_val *values, fm_val parts[3])
{
    if (!fm_attention_is_packed(op)) {
        memcpy(parts, values, 3 * sizeof *parts);
        return;
    }
    const int64_t heads = attributes->heads;
    const int64_t all = fm_val_shape(g, values[0]).dims[2], keys = heads + (all - heads) / 2;
    parts[0] = fm_slice(g, values[0], 2, 0, heads);
    parts[1] = fm_slice(g, values[0], 2, heads, keys);
    parts[2] = fm_slice(g, values[0], 2, keys, all);
}

fm_attention_values fm_attention_values_of(fm_graph *g, const fm_op *op,
                                           const fm_attention_attributes *attributes,
                                           const fm_val *in)
{
    fm_val parts[3];
    take_apart(g, op, attributes, in, parts);
    fm_attention_values values = {.q = parts[0], .k = parts[1], .v = parts[2]};
    int next = fm_attention_is_packed(op) ? 1 : 3;
    if (attributes->mask) values.mask = in[next++];
    if (attributes->position) values.position = in[next++];
    if (fm_attention_is_grad(op)) {
        values.y = in[next];
        values.lse = in[next + 1];
        values.dy = in[next + 2];
    }
    return values;
}

/* The gradients of q, k and v as those of the op's first operands, added to what is there. */
static void give(fm_graph *g, fm_vjp *vjp, const fm_val *grads)
{
    const bool packed = fm_attention_is_packed(vjp->op);
    fm_val made[3] = {grads[0], grads[1], grads[2]};
    if (packed && grads[0].id) made[0] = fm_concat(g, grads, 3, 2);
    for (int i = 0; i < (packed ? 1 : 3); i++) {
        fm_val *grad = &vjp->input_grads[i];
        *grad = grad->id && made[i].id ? fm_add(g, *grad, made[i]) : grad->id ? *grad : made[i];
    }
}

static void attention_vjp(fm_graph *g, fm_vjp *vjp)
{
    const fm_attention_attributes *o = vjp->attributes;
    const fm_op *grad =
        fm_attention_is_packed(vjp->op) ? &fm_op_packed_attention_grad : &fm_op_attention_grad;
    if (vjp->output_grads[0].id) {
        fm_val operands[FM_MAX_INPUTS];
        const int count = fm_attention_operands(vjp->op, o);
        memcpy(operands, vjp->inputs, (size_t)count * sizeof *operands);
        operands[count] = vjp->outputs[0];
        operands[count + 1] = vjp->outputs[1];
        operands[count + 2] = vjp->output_grads[0];
        fm_node_add(g, grad, operands, count + 3, o, vjp->input_grads);
    }
    if (vjp->output_grads[1].id) {
        fm_val grads[3] = {0};
        const fm_attention_values values = fm_attention_values_of(g, vjp->op, o, vjp->inputs);
        fm_attention_lse_grads(g, o, &values, vjp->output_grads[1], grads);
        give(g, vjp, grads);
    }
}

static void attention_grad_vjp(fm_graph *g, fm_vjp *vjp)
{
    const fm_attention_attributes *o = vjp->attributes;
    const fm_attention_values values = fm_attention_values_of(g, vjp->op, o, vjp->inputs);
    fm_val given[3], grads[FM_ATTENTION_GRADS] = {0};
    take_apart(g, vjp->op, o, vjp->output_grads, given);
    fm_attention_second(g, o, &values, given, grads);
    give(g, vjp, grads);
    memcpy(vjp->input_grads + fm_attention_operands(vjp->op, o), grads + 3, 3 * sizeof *grads);
}

/* ---- records --------------------------------------------------------------------------------- */

#define FLAG(name_, doc_)                                                                          \
    {                                                                                              \
        .name = #name_, .doc = doc_, .offset = offsetof(fm_attention_attributes, name_),           \
        .type = FM_FIELD_BOOL                                                                      \
    }
#define NUMBER(name_, type_, doc_)                                                                 \
    {                                                                                              \
        .name = #name_, .doc = doc_, .offset = offsetof(fm_attention_attributes, name_),           \
        .type = type_                                                                              \
    }

static const fm_field attention_fields[] = {
    NUMBER(heads, FM_FIELD_INT, "packed: how many of the heads are queries"),
    FLAG(causal, "a query sees no key behind it"),
    FLAG(mask, "an operand says which keys are seen"),
    FLAG(position, "an operand says where the queries begin"),
    NUMBER(scale, FM_FIELD_REAL, "of the scores; 0: 1 / sqrt(key_dim)"),
    NUMBER(rate, FM_FIELD_REAL, "the part of the weights that become 0"),
    NUMBER(stream, FM_FIELD_INT, "equal streams draw equal numbers"),
    {.name = NULL},
};

#define CASE(text, ...)                                                                            \
    {                                                                                              \
        text, &(const fm_attention_attributes)                                                     \
        {                                                                                          \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }

static const fm_case attention_cases[] = {
    {"f(2,3,1,4) f(2,5,1,4) f(2,5,1,3)", NULL},
    CASE("f(1,4,4,2) f(1,4,2,2) f(1,4,2,3)", .causal = true),
    CASE("f(2,3,2,2) f(2,4,1,2) f(2,4,1,2) f(2,4)", .mask = true, .scale = 0.7),
    CASE("f(1,2,2,2) f(1,5,2,2) f(1,5,2,2) f()", .causal = true, .position = true),
    CASE("f(1,3,2,2) f(1,3,2,2) f(1,3,2,2) f(1,3,3) f()", .causal = true, .mask = true,
         .position = true),
    CASE("f(1,5,2,2) f(1,3,2,2) f(1,3,2,2)", .rate = 0.4, .stream = 5),
    {NULL, NULL}};

static const fm_case packed_attention_cases[] = {
    CASE("f(2,3,6,2)", .heads = 2, .causal = true),
    CASE("f(1,4,4,2)", .heads = 2),
    CASE("f(2,3,6,2) f(2,3)", .heads = 2, .mask = true, .rate = 0.3, .stream = 2),
    {NULL, NULL}};

static const fm_case attention_grad_cases[] = {
    {"u(2,3,1,4) f(2,5,1,4) f(2,5,1,3) f(2,3,1,3) p(2,1,3) f(2,3,1,3)", NULL},
    CASE("u(1,4,4,2) f(1,4,2,2) f(1,4,2,3) f(1,4,4,3) p(1,4,4) f(1,4,4,3)", .causal = true),
    CASE("u(2,3,2,2) f(2,4,1,2) f(2,4,1,2) f(2,4) f(2,3,2,2) p(2,2,3) f(2,3,2,2)", .mask = true,
         .rate = 0.4, .stream = 5),
    {NULL, NULL}};

static const fm_case packed_attention_grad_cases[] = {
    CASE("u(2,3,4,2) f(2,3,2,2) p(2,2,3) f(2,3,2,2)", .heads = 2, .causal = true),
    CASE("u(1,3,6,2) f(1,3) f(1,3,2,2) p(1,2,3) f(1,3,2,2)", .heads = 2, .mask = true),
    {NULL, NULL}};

#define RECORD(name_, doc_, least, most, outputs_, kind)                                           \
    const fm_op fm_op_##name_ = {.name = #name_,                                                   \
                                 .doc = doc_,                                                      \
                                 .min_inputs = least,                                              \
                                 .max_inputs = most,                                               \
                                 .outputs = outputs_,                                              \
                                 .flags = FM_OP_RANDOM | FM_OP_PRODUCT,                            \
                                 .attributes_size = sizeof(fm_attention_attributes),               \
                                 .attributes = attention_fields,                                   \
                                 .infer = kind##_infer,                                            \
                                 .vjp = kind##_vjp,                                                \
                                 .run = kind##_run,                                                \
                                 .flops = attention_flops,                                         \
                                 .cases = name_##_cases};
RECORD(attention, "softmax(scale q k^T) v for each head; the logarithms of the sums", 3, 5, 2,
       attention)
RECORD(packed_attention, "attention of q, k and v that are one value", 1, 3, 2, attention)
RECORD(attention_grad, "the gradients of q, k and v; the scores are made again", 6, 8, 3,
       attention_grad)
RECORD(packed_attention_grad, "the gradient of q, k and v that are one value", 4, 6, 1,
       attention_grad)

/* ---- builders -------------------------------------------------------------------------------- */

static fm_attention_attributes attributes_of(fm_graph *g, const fm_attention_options *o,
                                             int64_t heads)
{
    static const fm_attention_options usual;
    if (!o) o = &usual;
    return (fm_attention_attributes){.heads = heads,
                                     .causal = o->causal,
                                     .mask = o->mask.id != 0,
                                     .position = o->position.id != 0,
                                     .scale = o->scale,
                                     .rate = o->dropout,
                                     .stream = o->dropout != 0 ? fm_graph_next_stream(g) : 0};
}

static fm_val add_node(fm_graph *g, const fm_op *op, fm_val *operands, int count,
                       const fm_attention_options *o, int64_t heads)
{
    fm_val outputs[2] = {0};
    if (!fm_all_valid(g, op->name, operands, count)) return outputs[0];
    const fm_attention_attributes attributes = attributes_of(g, o, heads);
    if (attributes.mask) operands[count++] = o->mask;
    if (attributes.position) operands[count++] = o->position;
    fm_node_add(g, op, operands, count, &attributes, outputs);
    return outputs[0];
}

fm_val fm_attention(fm_graph *g, fm_val q, fm_val k, fm_val v, const fm_attention_options *options)
{
    fm_val operands[5] = {q, k, v};
    return add_node(g, &fm_op_attention, operands, 3, options, 0);
}

fm_val fm_packed_attention(fm_graph *g, fm_val qkv, int64_t heads,
                           const fm_attention_options *options)
{
    fm_val operands[3] = {qkv};
    return add_node(g, &fm_op_packed_attention, operands, 1, options, heads);
}

fm_val fm_attention_by_parts(fm_graph *g, fm_val q, fm_val k, fm_val v,
                             const fm_attention_options *options)
{
    fm_val made = fm_attention(g, q, k, v, options); /* checks the operands; pruned */
    if (!made.id) return made;
    const fm_node *node = &g->nodes[fm_value_of(g, made)->producer];
    const fm_attention_values values = {.q = q,
                                        .k = k,
                                        .v = v,
                                        .mask = options ? options->mask : (fm_val){0},
                                        .position = options ? options->position : (fm_val){0}};
    return fm_attention_parts(g, node->attributes, &values);
}
