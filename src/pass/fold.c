#include "pass/fold.h"
#include "fathom/ops.h"
#include "op/op_attributes.h"
#include "op/op_table.h"
#include "op/vision_attributes.h"
#include "pass/steady.h"

#include <string.h>

/* A fold adds at most so many nodes, each with one value. */
enum { MOST_ADDED = 7 };

typedef struct folder {
    fm_graph *graph;
    size_t nodes;              /* before any was added */
    uint32_t *uses;            /* by value id, with room for what is added */
    bool *steady;              /* by node, with room */
    uint32_t *before;          /* by added node: the node in front of which it goes */
    const void *no_attributes; /* of an addition */
} folder;

/* What `value` is made of: a product, a bias per channel behind it, and the shape that its rows
 * have: a dense layer on (batch, time, features) multiplies the matrix of all rows. */
typedef struct biased_product {
    fm_node *product;
    fm_node *add; /* NULL: no bias */
    fm_val bias;
    fm_node *shaped; /* NULL: as they are */
} biased_product;

/* ---- looking --------------------------------------------------------------------------------- */

static fm_node *only_reader_of(const folder *f, fm_val value, const fm_op *op)
{
    const fm_value *record = fm_value_of(f->graph, value);
    if (record->kind != FM_TEMPORARY || f->uses[value.id] != 1) return NULL;
    fm_node *node = &f->graph->nodes[record->producer];
    return node->op == op && !node->dead ? node : NULL;
}

/* The shape that makes a number for each output channel a factor of the kernel; rank 0:
 * none does. */
static fm_shape factor_shape(const folder *f, const fm_node *product)
{
    fm_shape kernel = fm_val_shape(f->graph, product->inputs[1]);
    fm_shape none = {0};
    if (product->op == &fm_op_convolve) return FM_SHAPE(kernel.dims[kernel.rank - 1]);
    if (product->op == &fm_op_matmul) {
        const fm_matmul_attributes *attributes = product->attributes;
        bool plain = kernel.rank == 2 && !attributes->transpose_b;
        return plain ? FM_SHAPE(kernel.dims[1]) : none;
    }
    if (product->op == &fm_op_convolve_transposed) {
        const fm_convolve_attributes *attributes = product->attributes;
        bool plain = attributes->window.groups <= 1;
        return plain ? FM_SHAPE(kernel.dims[kernel.rank - 2], 1) : none;
    }
    return none;
}

static fm_node *steady_product(const folder *f, fm_val value)
{
    static const fm_op *const products[] = {&fm_op_convolve, &fm_op_matmul,
                                            &fm_op_convolve_transposed};
    for (size_t i = 0; i < sizeof products / sizeof *products; i++) {
        fm_node *product = only_reader_of(f, value, products[i]);
        if (!product) continue;
        bool foldable = factor_shape(f, product).rank > 0 &&
                        fm_value_is_steady(f->graph, product->inputs[1], f->steady) &&
                        !fm_value_is_steady(f->graph, product->inputs[0], f->steady);
        return foldable ? product : NULL;
    }
    return NULL;
}

/* A steady value with one number for each channel of y, the last dimension, or one for all. */
static bool is_per_channel(const folder *f, fm_val value, fm_val y)
{
    fm_shape shape = fm_val_shape(f->graph, value), of = fm_val_shape(f->graph, y);
    int64_t count = fm_shape_elements(shape);
    if (!fm_value_is_steady(f->graph, value, f->steady) || shape.rank > of.rank) return false;
    if (count == 1) return true;
    return count == of.dims[of.rank - 1] && shape.dims[shape.rank - 1] == count;
}

static bool same_shape(const folder *f, fm_val a, fm_val b)
{
    return fm_shape_equal(fm_val_shape(f->graph, a), fm_val_shape(f->graph, b));
}

static int64_t channel_count(const folder *f, fm_val value)
{
    fm_shape shape = fm_val_shape(f->graph, value);
    return shape.rank > 0 ? shape.dims[shape.rank - 1] : 0;
}

/* A view that leaves the last dimension as it is: what holds for each channel holds behind it. */
static fm_node *shaped_rows(const folder *f, fm_val value)
{
    fm_node *view = only_reader_of(f, value, &fm_op_reshape);
    bool keeps = view && channel_count(f, view->inputs[0]) == channel_count(f, value);
    return keeps ? view : NULL;
}

/* Operand `side` of the node as a product with a bias or without one. */
static bool find_product(const folder *f, const fm_node *node, int side, biased_product *found)
{
    fm_val value = node->inputs[side];
    *found = (biased_product){0};
    if (!same_shape(f, value, node->outputs[0])) return false;
    found->shaped = shaped_rows(f, value);
    if (found->shaped) value = found->shaped->inputs[0];
    found->product = steady_product(f, value);
    if (found->product) return true;
    found->add = only_reader_of(f, value, &fm_op_add);
    for (int k = 0; found->add && k < 2; k++) {
        found->bias = found->add->inputs[1 - k];
        if (!same_shape(f, found->add->inputs[k], value)) continue;
        if (!is_per_channel(f, found->bias, value)) continue;
        found->product = steady_product(f, found->add->inputs[k]);
        if (found->product) return true;
    }
    return false;
}

/* ---- rewriting ------------------------------------------------------------------------------- */

/* The newest node was added for node `index`, and has one reader, which is made next. */
static fm_val settle(folder *f, uint32_t index, fm_val made, bool steady)
{
    if (!made.id) return made;
    uint32_t producer = fm_value_of(f->graph, made)->producer;
    f->before[producer - f->nodes] = index;
    f->steady[producer] = steady;
    f->uses[made.id] = 1;
    return made;
}

static fm_val reshaped(folder *f, uint32_t index, fm_val value, fm_shape shape)
{
    fm_shape had = fm_val_shape(f->graph, value);
    bool possible = fm_shape_elements(had) == fm_shape_elements(shape);
    if (!possible || fm_shape_equal(had, shape)) return value;
    return settle(f, index, fm_reshape_to(f->graph, value, shape), true);
}

static fm_val combined(folder *f, uint32_t index, const fm_op *op, fm_val a, fm_val b)
{
    return settle(f, index, fm_node_add(f->graph, op, (fm_val[]){a, b}, 2, NULL, NULL), true);
}

static fm_shape channels_of(const folder *f, uint32_t index)
{
    return FM_SHAPE(channel_count(f, f->graph->nodes[index].outputs[0]));
}

/* What replaces the node: `op` of two operands, under the shape of a view, NULL: without one. */
typedef struct replacement {
    const fm_op *op;
    const void *attributes, *shape;
    fm_val a, b;
} replacement;

/* Node `index` becomes that; its output stays. */
static void become(folder *f, uint32_t index, replacement r)
{
    fm_val *list = fm_arena_allocate(&f->graph->arena, 2 * sizeof *list);
    if (r.shape && r.a.id && r.b.id) {
        r.a =
            settle(f, index,
                   fm_node_add(f->graph, r.op, (fm_val[]){r.a, r.b}, 2, r.attributes, NULL), false);
        r.op = &fm_op_reshape;
        r.attributes = r.shape;
    }
    if (!list || !r.a.id || !r.b.id) {
        if (f->graph->status == FM_OK) f->graph->status = FM_ERROR_MEMORY;
        return;
    }
    fm_node *node = &f->graph->nodes[index];
    list[0] = r.a;
    list[1] = r.b;
    node->op = r.op;
    node->attributes = r.attributes;
    node->inputs = list;
    node->input_count = r.shape ? 1 : 2;
}

/* What was folded into others. */
static void retire(const biased_product *from)
{
    if (from->add) from->add->dead = true;
    if (from->shaped) from->shaped->dead = true;
}

static const void *shape_of(const biased_product *from)
{
    return from->shaped ? from->shaped->attributes : NULL;
}

/* mul(x * k + b, s) -> x * (k s) + b s */
static void fold_factor(folder *f, uint32_t index, biased_product from, fm_val factor)
{
    const fm_node product = *from.product; /* adding nodes moves the array */
    const void *shape = shape_of(&from);
    fm_shape channels = channels_of(f, index);
    from.product->dead = true;
    retire(&from);
    fm_val aligned = reshaped(f, index, factor, factor_shape(f, &product));
    fm_val kernel = combined(f, index, &fm_op_mul, product.inputs[1], aligned);
    if (!from.add) {
        become(f, index,
               (replacement){product.op, product.attributes, shape, product.inputs[0], kernel});
        return;
    }
    fm_val bias = reshaped(f, index, from.bias, channels);
    bias = combined(f, index, &fm_op_mul, bias, reshaped(f, index, factor, channels));
    fm_val y = fm_node_add(f->graph, product.op, (fm_val[]){product.inputs[0], kernel}, 2,
                           product.attributes, NULL);
    become(f, index,
           (replacement){&fm_op_add, f->no_attributes, shape, settle(f, index, y, false), bias});
}

/* x * k + b + t -> x * k + (b + t); with sub: b - t, and x * k - t -> x * k + -t. A term behind a
 * view moves in front of it, where it is the product's bias. */
static void fold_term(folder *f, uint32_t index, biased_product from, const fm_op *op, fm_val term)
{
    const void *shape = shape_of(&from);
    fm_shape channels = channels_of(f, index);
    fm_val y = from.product->outputs[0];
    retire(&from);
    term = reshaped(f, index, term, channels);
    fm_val bias = term;
    if (from.add) {
        bias = combined(f, index, op, reshaped(f, index, from.bias, channels), term);
    } else if (op == &fm_op_sub) {
        bias = settle(f, index, fm_neg(f->graph, term), true);
    }
    become(f, index, (replacement){&fm_op_add, f->no_attributes, shape, y, bias});
}

static void fold_node(folder *f, uint32_t index)
{
    const fm_node *node = &f->graph->nodes[index];
    bool factor = node->op == &fm_op_mul;
    bool term = node->op == &fm_op_add || node->op == &fm_op_sub;
    if (!factor && !term) return;
    fm_scope_enter_at(f->graph, node->scope);
    for (int side = 0; side < (node->op == &fm_op_sub ? 1 : 2); side++) {
        biased_product from;
        fm_val other = node->inputs[1 - side];
        if (!find_product(f, node, side, &from)) continue;
        if (!is_per_channel(f, other, node->outputs[0])) continue;
        if (factor) {
            fold_factor(f, index, from, other);
        } else if (from.add || from.shaped || node->op == &fm_op_sub) {
            fold_term(f, index, from, node->op, other);
        }
        break;
    }
    fm_scope_leave(f->graph);
}

/* ---- the pass -------------------------------------------------------------------------------- */

static void count_uses(folder *f)
{
    const fm_graph *graph = f->graph;
    for (size_t i = 0; i < graph->node_count; i++) {
        const fm_node *node = &graph->nodes[i];
        for (int k = 0; !node->dead && k < node->input_count; k++) f->uses[node->inputs[k].id]++;
    }
    for (size_t i = 0; i < graph->output_count; i++) f->uses[graph->outputs[i].value.id]++;
    for (size_t i = 0; i < graph->variable_count; i++) f->uses[graph->variables[i].next.id]++;
}

static fm_status fold_all(folder *f)
{
    fm_graph *graph = f->graph;
    count_uses(f);
    fm_steady_find(graph, f->steady);
    fm_role role = graph->role;
    graph->role = FM_FORWARD;
    for (uint32_t i = 0; i < f->nodes && graph->status == FM_OK; i++) {
        if (!graph->nodes[i].dead && !f->steady[i]) fold_node(f, i);
    }
    graph->role = role;
    return graph->status == FM_OK ? fm_graph_settle(graph, f->nodes, f->before) : graph->status;
}

fm_status fm_fold(fm_graph *graph)
{
    fm_context *context = graph->context;
    size_t added = MOST_ADDED * graph->node_count + 1;
    folder f = {.graph = graph, .nodes = graph->node_count, .no_attributes = ""};
    f.uses = fm_allocate_zeroed(context, (graph->value_count + added) * sizeof *f.uses);
    f.steady = fm_allocate_zeroed(context, graph->node_count + added);
    f.before = fm_allocate_zeroed(context, added * sizeof *f.before);
    fm_status status = f.uses && f.steady && f.before ? fold_all(&f) : FM_ERROR_MEMORY;
    fm_release(context, f.uses);
    fm_release(context, f.steady);
    fm_release(context, f.before);
    return status;
}
