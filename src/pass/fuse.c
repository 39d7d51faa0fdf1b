#include "pass/fuse.h"
#include "pass/fuse_rules.h"
#include "op/fused_loss.h"
#include "op/fused_ops.h"
#include "op/op_table.h"
#include "op/op_attributes.h"
#include "op/optimizer_ops.h"

#include <string.h>

void fm_fuse_count_uses(fm_fuser *f)
{
    const fm_graph *graph = f->graph;
    memset(f->uses, 0, graph->value_count * sizeof *f->uses);
    memset(f->first_use, 0xff, graph->value_count * sizeof *f->first_use);
    for (uint32_t i = 0; i < graph->node_count; i++) {
        const fm_node *node = &graph->nodes[i];
        for (int k = 0; !node->dead && k < node->input_count; k++) {
            uint32_t id = node->inputs[k].id;
            f->uses[id]++;
            if (f->first_use[id] > i) f->first_use[id] = i;
        }
    }
    for (size_t i = 0; i < graph->output_count; i++) f->uses[graph->outputs[i].value.id]++;
    for (size_t i = 0; i < graph->variable_count; i++) f->uses[graph->variables[i].next.id]++;
}

fm_node *fm_fuse_made_by(const fm_fuser *f, fm_val value, const fm_op *op)
{
    const fm_value *record = fm_value_of(f->graph, value);
    if (record->kind != FM_TEMPORARY) return NULL;
    fm_node *node = &f->graph->nodes[record->producer];
    return node->op == op && !node->dead ? node : NULL;
}

fm_node *fm_fuse_swallowable(const fm_fuser *f, fm_val value, const fm_op *op)
{
    return f->uses[value.id] == 1 ? fm_fuse_made_by(f, value, op) : NULL;
}

bool fm_fuse_rewrite(fm_fuser *f, fm_node *node, const fm_op *op, const void *attributes,
                     const fm_val *inputs, int count)
{
    fm_arena *arena = &f->graph->arena;
    fm_val *list = fm_arena_allocate(arena, (size_t)count * sizeof *list);
    void *copy = fm_arena_allocate(arena, op->attributes_size + 1);
    if (!list || !copy) {
        f->failed = true;
        return false;
    }
    memcpy(list, inputs, (size_t)count * sizeof *list);
    if (op->attributes_size) memcpy(copy, attributes, op->attributes_size);
    node->op = op;
    node->inputs = list;
    node->input_count = count;
    node->attributes = copy;
    return true;
}

bool fm_fuse_rewrite_all(fm_fuser *f, fm_node *node, const fm_op *op, const void *attributes,
                         const fm_val *inputs, int count, const fm_val *outputs, int output_count)
{
    fm_val *list = fm_arena_allocate(&f->graph->arena, (size_t)output_count * sizeof *list);
    if (!list) f->failed = true;
    if (!list || !fm_fuse_rewrite(f, node, op, attributes, inputs, count)) return false;
    node->outputs = list;
    node->output_count = output_count;
    for (int k = 0; k < output_count; k++) fm_node_take_output(f->graph, node, k, outputs[k]);
    return true;
}

/* ---- product + bias, + activation, x mask ---------------------------------------------------- */

static bool is_real_matrix_product(const fm_fuser *f, const fm_node *product)
{
    fm_shape b = fm_val_shape(f->graph, product->inputs[1]);
    return b.rank == 2 && fm_val_shape(f->graph, product->inputs[0]).rank >= 2;
}

/* A product, fused or not, as a fused one. */
static fm_fused_matmul_attributes as_fused(const fm_node *node)
{
    if (node->op == &fm_op_fused_matmul) {
        return *(const fm_fused_matmul_attributes *)node->attributes;
    }
    const fm_matmul_attributes *product = node->attributes;
    return (fm_fused_matmul_attributes){.transpose_a = product->transpose_a,
                                        .transpose_b = product->transpose_b};
}

/* add(matmul(a, b), bias (n)) -> fused_matmul(a, b, bias) */
static bool fuse_bias(fm_fuser *f, fm_node *node)
{
    if (node->op != &fm_op_add) return false;
    for (int side = 0; side < 2; side++) {
        fm_node *product = fm_fuse_swallowable(f, node->inputs[side], &fm_op_matmul);
        if (!product || !is_real_matrix_product(f, product)) continue;
        fm_val bias = node->inputs[1 - side];
        fm_shape shape = fm_val_shape(f->graph, bias);
        fm_shape y = fm_val_shape(f->graph, node->outputs[0]);
        if (!fm_shape_equal(y, fm_val_shape(f->graph, product->outputs[0]))) continue;
        if (shape.rank != 1 || shape.dims[0] != y.dims[y.rank - 1]) continue;
        fm_fused_matmul_attributes attributes = as_fused(product);
        attributes.bias = true;
        fm_val inputs[] = {product->inputs[0], product->inputs[1], bias};
        if (!fm_fuse_rewrite(f, node, &fm_op_fused_matmul, &attributes, inputs, 3)) return false;
        product->dead = true;
        return true;
    }
    return false;
}

/* A product whose only reader is `node`, without a mask or an activation yet. */
static fm_node *open_product(const fm_fuser *f, fm_val value,
                             fm_fused_matmul_attributes *attributes)
{
    fm_node *product = fm_fuse_swallowable(f, value, &fm_op_fused_matmul);
    if (!product) product = fm_fuse_swallowable(f, value, &fm_op_matmul);
    if (!product || !is_real_matrix_product(f, product)) return NULL;
    *attributes = as_fused(product);
    return attributes->mask || attributes->activation ? NULL : product;
}

/* relu(product) and kin -> the product with an activation */
static bool fuse_activation(fm_fuser *f, fm_node *node)
{
    int activation = fm_fused_activation_of(node->op);
    if (activation == FM_FUSED_NONE) return false;
    fm_fused_matmul_attributes attributes;
    fm_node *product = open_product(f, node->inputs[0], &attributes);
    if (!product) return false;
    attributes.activation = activation;
    if (!fm_fuse_rewrite(f, node, &fm_op_fused_matmul, &attributes, product->inputs,
                         product->input_count)) {
        return false;
    }
    product->dead = true;
    return true;
}

/* relu_grad(product, y) -> the product masked by y */
static bool fuse_mask(fm_fuser *f, fm_node *node)
{
    if (node->op != &fm_op_relu_grad) return false;
    fm_fused_matmul_attributes attributes;
    fm_node *product = open_product(f, node->inputs[0], &attributes);
    if (!product || !fm_shape_equal(fm_val_shape(f->graph, node->inputs[1]),
                                    fm_val_shape(f->graph, node->outputs[0]))) {
        return false;
    }
    fm_val inputs[4];
    memcpy(inputs, product->inputs, (size_t)product->input_count * sizeof *inputs);
    inputs[product->input_count] = node->inputs[1];
    attributes.mask = true;
    if (!fm_fuse_rewrite(f, node, &fm_op_fused_matmul, &attributes, inputs,
                         product->input_count + 1)) {
        return false;
    }
    product->dead = true;
    return true;
}

/* The node that drops elements of `h` as `drop` drops them, in front of `drop`; NULL:
 * there is none. */
static const fm_node *same_drop(const fm_graph *graph, const fm_node *drop, fm_val h)
{
    for (const fm_node *node = graph->nodes; node < drop; node++) {
        if (node->op == &fm_op_drop && !node->dead && node->inputs[0].id == h.id &&
            memcmp(node->attributes, drop->attributes, sizeof(fm_drop_attributes)) == 0) {
            return node;
        }
    }
    return NULL;
}

/* relu_grad(drop(dy), h), where d = drop(h) with the same numbers -> mul(relu_grad(dy, d), scale):
 * d is positive where h is and was kept, so nothing is drawn again, and h is not needed for it. */
static bool fuse_drop_mask(fm_fuser *f, fm_node *node)
{
    fm_graph *graph = f->graph;
    if (node->op != &fm_op_relu_grad) return false;
    fm_node *drop = fm_fuse_swallowable(f, node->inputs[0], &fm_op_drop);
    if (!drop) return false;
    const fm_val h = node->inputs[1], dropped = drop->outputs[0];
    const fm_node *forward = same_drop(graph, drop, h);
    if (!forward || !fm_shape_equal(fm_val_shape(graph, h), fm_val_shape(graph, dropped))) {
        return false;
    }
    const fm_val masked[] = {drop->inputs[0], forward->outputs[0]};
    const double rate = ((const fm_drop_attributes *)drop->attributes)->rate;
    const fm_val scale = fm_scalar_as(graph, fm_val_dtype(graph, dropped), 1 / (1 - rate));
    if (scale.id == 0) f->failed = true;
    if (scale.id == 0 || !fm_fuse_rewrite(f, drop, &fm_op_relu_grad, NULL, masked, 2)) return false;
    node->op = &fm_op_mul; /* nothing that could fail, and leave one of the two */
    node->inputs[1] = scale;
    return true;
}

/* ---- two nodes with one reason --------------------------------------------------------------- */

bool fm_fuse_join(fm_fuser *f, fm_node *first, fm_node *second, const fm_op *op,
                  const void *attributes, const fm_val *inputs, int count)
{
    fm_node *earlier = first < second ? first : second, *later = first < second ? second : first;
    uint32_t later_index = (uint32_t)(later - f->graph->nodes);
    if (f->first_use[earlier->outputs[0].id] < later_index) return false;
    const fm_val outputs[] = {first->outputs[0], second->outputs[0]};
    if (!fm_fuse_rewrite_all(f, later, op, attributes, inputs, count, outputs, 2)) return false;
    earlier->dead = true;
    return true;
}

static bool sums_rows(const fm_graph *graph, const fm_node *node)
{
    const fm_axes_attributes *attributes = node->attributes;
    return node->op == &fm_op_sum && !node->dead && attributes->axes.count == 1 &&
           attributes->axes.at[0] == 0 && !attributes->keep_dims &&
           fm_val_shape(graph, node->inputs[0]).rank == 2;
}

/* matmul(x^T, dy) and sum(dy, rows) -> dense_grad(x, dy) */
static bool fuse_dense_grad(fm_fuser *f, fm_node *node)
{
    fm_graph *graph = f->graph;
    const fm_matmul_attributes *product = node->attributes;
    if (node->op != &fm_op_matmul || !product->transpose_a || product->transpose_b) return false;
    if (!is_real_matrix_product(f, node) || fm_val_shape(graph, node->inputs[0]).rank != 2) {
        return false;
    }
    fm_val dy = node->inputs[1];
    for (size_t i = 0; i < graph->node_count; i++) {
        fm_node *sum = &graph->nodes[i];
        if (!sums_rows(graph, sum) || sum->inputs[0].id != dy.id) continue;
        return fm_fuse_join(f, node, sum, &fm_op_dense_grad, NULL, node->inputs, 2);
    }
    return false;
}

static bool is_plain_sgd(const fm_node *node)
{
    if (node->op != &fm_op_sgd || node->dead) return false;
    const fm_update_attributes *a = node->attributes;
    return a->l1 == 0 && a->l2 == 0 && a->weight_decay == 0 && a->l1_decay == 0;
}

enum { PARAMETER, GRADIENT, RATE, ITERATION };

/* sgd(kernel, dense_grad:0) and sgd(bias, dense_grad:1) -> dense_sgd */
static bool fuse_dense_sgd(fm_fuser *f, fm_node *node)
{
    fm_graph *graph = f->graph;
    if (!is_plain_sgd(node)) return false;
    fm_node *gradients = fm_fuse_swallowable(f, node->inputs[GRADIENT], &fm_op_dense_grad);
    if (!gradients || gradients->outputs[0].id != node->inputs[GRADIENT].id) return false;
    fm_val bias_gradient = gradients->outputs[1];
    if (f->uses[bias_gradient.id] != 1) return false;
    fm_node *bias = &graph->nodes[f->first_use[bias_gradient.id]];
    if (!is_plain_sgd(bias) || bias->inputs[RATE].id != node->inputs[RATE].id ||
        bias->inputs[ITERATION].id != node->inputs[ITERATION].id) {
        return false;
    }
    fm_val inputs[] = {node->inputs[PARAMETER], bias->inputs[PARAMETER], gradients->inputs[0],
                       gradients->inputs[1],    node->inputs[RATE],      node->inputs[ITERATION]};
    if (!fm_fuse_join(f, node, bias, &fm_op_dense_sgd, NULL, inputs, 6)) return false;
    gradients->dead = true;
    return true;
}

/* Beyond so many rows a gradient's way through memory is nothing beside making it, and the kernels
 * make it in several blocks of rows. */
enum { MOST_UPDATED_ROWS = 383 };

/* dense_grad(x, dy) and the update that alone reads its first output -> dense_update */
static bool fuse_dense_update(fm_fuser *f, fm_node *node)
{
    static const fm_op *const ops[FM_MAX_SLOTS + 1] = {
        NULL, &fm_op_dense_update_1, &fm_op_dense_update_2, &fm_op_dense_update_3};
    const int rule = fm_update_rule_of(node->op), slots = node->output_count - 1;
    const uint32_t index = (uint32_t)(node - f->graph->nodes);
    if (!rule || !ops[slots]) return false;
    fm_node *gradients = fm_fuse_swallowable(f, node->inputs[GRADIENT], &fm_op_dense_grad);
    if (!gradients || gradients->outputs[0].id != node->inputs[GRADIENT].id) return false;
    const fm_val x = gradients->inputs[0], sums = gradients->outputs[1];
    if (fm_val_shape(f->graph, x).dims[0] > MOST_UPDATED_ROWS) return false;
    if (f->first_use[sums.id] < index) return false;

    fm_val inputs[FM_MAX_INPUTS];
    const int before = FM_UPDATE_SLOTS + slots;
    memcpy(inputs, node->inputs, (size_t)before * sizeof *inputs);
    inputs[GRADIENT] = x;
    inputs[before] = gradients->inputs[1];
    for (int i = before; i < node->input_count; i++) inputs[i + 1] = node->inputs[i];
    fm_val outputs[FM_MAX_OUTPUTS];
    memcpy(outputs, node->outputs, (size_t)(slots + 1) * sizeof *outputs);
    outputs[slots + 1] = sums;
    fm_update_attributes attributes = *(const fm_update_attributes *)node->attributes;
    attributes.rule = rule;
    if (!fm_fuse_rewrite_all(f, node, ops[slots], &attributes, inputs, node->input_count + 1,
                             outputs, slots + 2)) {
        return false;
    }
    gradients->dead = true;
    return true;
}

/* ---- a loss and its gradient ----------------------------------------------------------------- */

static const struct {
    const fm_op *loss, *gradient, *both;
} losses[] = {
    {&fm_op_sparse_softmax_cross_entropy, &fm_op_sparse_softmax_cross_entropy_grad,
     &fm_op_fused_sparse_softmax_cross_entropy},
    {&fm_op_softmax_cross_entropy, &fm_op_softmax_cross_entropy_grad,
     &fm_op_fused_softmax_cross_entropy},
};

/* Of the same operands, computed when what flows into the gradient is known. */
static bool is_loss_of(const fm_graph *graph, const fm_node *loss, const fm_op *op,
                       const fm_node *gradient)
{
    const fm_value *dy = fm_value_of(graph, gradient->inputs[2]);
    if (loss->op != op || loss->dead) return false;
    if (dy->kind == FM_TEMPORARY && dy->producer > loss - graph->nodes) return false;
    return loss->inputs[0].id == gradient->inputs[0].id &&
           loss->inputs[1].id == gradient->inputs[1].id &&
           memcmp(loss->attributes, gradient->attributes, op->attributes_size) == 0;
}

/* loss(x, t) and loss_grad(x, t, dy) -> both, in the place of the first */
static bool fuse_loss(fm_fuser *f, fm_node *node)
{
    fm_graph *graph = f->graph;
    size_t kind = 0;
    while (kind < sizeof losses / sizeof *losses && losses[kind].gradient != node->op) kind++;
    if (kind == sizeof losses / sizeof *losses) return false;
    for (fm_node *loss = graph->nodes; loss < node; loss++) {
        if (!is_loss_of(graph, loss, losses[kind].loss, node)) continue;
        const fm_val outputs[] = {
            [FM_LOSS_GRADIENT] = node->outputs[0], [FM_LOSS_VALUE] = loss->outputs[0]};
        if (!fm_fuse_rewrite_all(f, loss, losses[kind].both, node->attributes, node->inputs, 3,
                                 outputs, 2)) {
            return false;
        }
        node->dead = true;
        return true;
    }
    return false;
}

/* ---- the pass -------------------------------------------------------------------------------- */

/* One rule over the whole graph, before the next: later rules build on earlier ones. */
static fm_fuse_rule *const rules[] = {
    fuse_bias,
    fuse_activation,
    fuse_drop_mask,
    fuse_dense_grad,
    fuse_dense_sgd,
    fuse_dense_update,
    fuse_loss,
    fm_fuse_pool_mask,
    fuse_drop_mask, /* of what pool_mask has brought together */
    fm_fuse_normalize_relu,
    fm_fuse_normalize_add,
    fm_fuse_normalize_grad,
    fm_fuse_normalize_add_grad,
    fuse_mask, /* behind those, whose masks need no y */
    fm_fuse_convolve_bias,
    fm_fuse_convolve_residual,
    fm_fuse_convolve_activation,
    fm_fuse_convolve_mask,
    fm_fuse_convolve_grad,
};

fm_status fm_fuse(fm_graph *graph)
{
    fm_context *context = graph->context;
    fm_fuser f = {.graph = graph};
    size_t values = graph->value_count; /* fuse_drop_mask adds a number for a drop */
    for (size_t i = 0; i < graph->node_count; i++) values += graph->nodes[i].op == &fm_op_drop;
    f.uses = fm_allocate_array(context, values, sizeof *f.uses);
    f.first_use = fm_allocate_array(context, values, sizeof *f.first_use);
    fm_status status = f.uses && f.first_use ? FM_OK : FM_ERROR_MEMORY;
    for (size_t rule = 0; status == FM_OK && rule < sizeof rules / sizeof *rules; rule++) {
        fm_fuse_count_uses(&f);
        for (size_t i = 0; i < graph->node_count; i++) {
            if (!graph->nodes[i].dead && rules[rule](&f, &graph->nodes[i])) fm_fuse_count_uses(&f);
        }
        if (f.failed) status = FM_ERROR_MEMORY;
    }
    fm_release(context, f.uses);
    fm_release(context, f.first_use);
    return status;
}
