/* Batch normalisation with the residual sum and the relu or relu6 behind it,
 * forward and backward. */
#include "op/fused_normalize.h"
#include "op/op_table.h"
#include "op/vision_attributes.h"
#include "pass/fuse_rules.h"

enum { X, GAMMA, BETA, RESIDUAL };          /* of fused_normalize; of normalize all but the last */
enum { GRAD_MEAN = 2, GRAD_RSTD, GRAD_DY }; /* of normalize_grad */
enum { DX, DGAMMA, DBETA, DZ, GRADIENT_OUTPUTS }; /* of fused_normalize_add_grad */

static uint32_t index_of(const fm_fuser *f, const fm_node *node)
{
    return (uint32_t)(node - f->graph->nodes);
}

static bool is_batch(const fm_fuser *f, const fm_node *node)
{
    return fm_normalizes_channels(node->attributes, fm_val_shape(f->graph, node->inputs[X]),
                                  fm_val_shape(f->graph, node->inputs[GAMMA]));
}

/* The normalisation whose y is `value`, read by nobody else. */
static fm_node *open_normalize(const fm_fuser *f, fm_val value)
{
    fm_node *node = fm_fuse_swallowable(f, value, &fm_op_normalize);
    return node && node->outputs[0].id == value.id && is_batch(f, node) ? node : NULL;
}

/* true when `value` exists before `node` runs. */
static bool is_earlier(const fm_fuser *f, fm_val value, const fm_node *node)
{
    const fm_value *record = fm_value_of(f->graph, value);
    return record->kind != FM_TEMPORARY || record->producer < index_of(f, node);
}

/* `normalize` becomes the fused op in its place, for its mean and rstd may be read before `last`
 * runs, whose output it takes over. */
static bool become_fused(fm_fuser *f, fm_node *normalize, fm_node *last, const fm_val *residual,
                         int activation)
{
    const fm_normalize_attributes *plain = normalize->attributes;
    const fm_fused_normalize_attributes a = {plain->epsilon, activation};
    const fm_val *in = normalize->inputs;
    const fm_val inputs[] = {in[X], in[GAMMA], in[BETA], residual ? *residual : (fm_val){0}};
    const int count = residual ? 4 : 3;
    if (!fm_fuse_rewrite(f, normalize, &fm_op_fused_normalize, &a, inputs, count)) return false;
    fm_node_take_output(f->graph, normalize, 0, last->outputs[0]);
    return true;
}

/* The sum of a normalisation and a residual that exists before it. */
static fm_node *normalize_of_sum(const fm_fuser *f, const fm_node *sum, fm_val *residual)
{
    const fm_val *in = sum->inputs;
    for (int side = 1; side >= 0; side--) {
        fm_node *normalize = open_normalize(f, in[side]);
        if (!normalize || !is_earlier(f, in[1 - side], normalize)) continue;
        if (!fm_shape_equal(fm_val_shape(f->graph, in[0]), fm_val_shape(f->graph, in[1]))) continue;
        *residual = in[1 - side];
        return normalize;
    }
    return NULL;
}

/* FM_FUSED_NONE when fused_normalize does not have the op. */
static int activation_of(const fm_op *op)
{
    return op == &fm_op_relu ? FM_FUSED_RELU : op == &fm_op_relu6 ? FM_FUSED_RELU6 : FM_FUSED_NONE;
}

/* relu(normalize) and relu(normalize + residual) -> fused_normalize; of relu6 likewise */
bool fm_fuse_normalize_relu(fm_fuser *f, fm_node *node)
{
    const int activation = activation_of(node->op);
    if (activation == FM_FUSED_NONE) return false;
    fm_node *normalize = open_normalize(f, node->inputs[0]);
    if (normalize) {
        if (!become_fused(f, normalize, node, NULL, activation)) return false;
        node->dead = true;
        return true;
    }
    fm_val residual;
    fm_node *sum = fm_fuse_swallowable(f, node->inputs[0], &fm_op_add);
    normalize = sum ? normalize_of_sum(f, sum, &residual) : NULL;
    if (!normalize || !become_fused(f, normalize, node, &residual, activation)) return false;
    sum->dead = node->dead = true;
    return true;
}

/* normalize + residual -> fused_normalize */
bool fm_fuse_normalize_add(fm_fuser *f, fm_node *node)
{
    fm_val residual;
    fm_node *normalize = node->op == &fm_op_add ? normalize_of_sum(f, node, &residual) : NULL;
    if (!normalize || !become_fused(f, normalize, node, &residual, FM_FUSED_NONE)) return false;
    node->dead = true;
    return true;
}

/* The forward op, with `activation` and `inputs` operands,
 * whose activation's gradient `mask` is. */
static fm_node *masked_by_fused(const fm_fuser *f, const fm_node *mask, int activation, int inputs)
{
    fm_node *forward = fm_fuse_made_by(f, mask->inputs[1], &fm_op_fused_normalize);
    if (!forward || forward->outputs[0].id != mask->inputs[1].id) return NULL;
    const fm_fused_normalize_attributes *a = forward->attributes;
    return a->activation == activation && forward->input_count == inputs ? forward : NULL;
}

static bool is_gradient_of(const fm_node *grad, const fm_node *forward)
{
    return grad->inputs[X].id == forward->inputs[X].id &&
           grad->inputs[GAMMA].id == forward->inputs[GAMMA].id &&
           grad->inputs[GRAD_MEAN].id == forward->outputs[1].id &&
           grad->inputs[GRAD_RSTD].id == forward->outputs[2].id;
}

/* normalize_grad(.., relu_grad(dy, y)), y = relu(normalize) -> fused_normalize_grad, which needs no
 * y; of relu6 likewise */
bool fm_fuse_normalize_grad(fm_fuser *f, fm_node *node)
{
    if (node->op != &fm_op_normalize_grad) return false;
    const fm_val *in = node->inputs;
    fm_fused_normalize_grad_attributes a = {FM_FUSED_RELU};
    fm_node *mask = fm_fuse_swallowable(f, in[GRAD_DY], &fm_op_relu_grad);
    if (!mask) {
        mask = fm_fuse_swallowable(f, in[GRAD_DY], &fm_op_relu6_grad);
        a.activation = FM_FUSED_RELU6;
    }
    fm_node *forward = mask ? masked_by_fused(f, mask, a.activation, 3) : NULL;
    if (!forward || !is_gradient_of(node, forward)) return false;
    const fm_val inputs[] = {in[X],         in[GAMMA],     forward->inputs[BETA],
                             in[GRAD_MEAN], in[GRAD_RSTD], mask->inputs[0]};
    if (!fm_fuse_rewrite(f, node, &fm_op_fused_normalize_grad, &a, inputs, 6)) return false;
    mask->dead = true;
    return true;
}

/* dz = relu_grad(dy, y), y = relu(normalize + residual), and normalize_grad(.., dz) ->
 * fused_normalize_add_grad, in the mask's place: others read dz, too. */
bool fm_fuse_normalize_add_grad(fm_fuser *f, fm_node *mask)
{
    fm_graph *graph = f->graph;
    if (mask->op != &fm_op_relu_grad) return false;
    const fm_node *forward = masked_by_fused(f, mask, FM_FUSED_RELU, 4);
    fm_node *grad = NULL;
    for (size_t i = index_of(f, mask); forward && !grad && i < graph->node_count; i++) {
        fm_node *node = &graph->nodes[i];
        const bool reads = !node->dead && node->op == &fm_op_normalize_grad &&
                           node->inputs[GRAD_DY].id == mask->outputs[0].id;
        if (reads && is_gradient_of(node, forward)) grad = node;
    }
    if (!grad) return false;
    const fm_val inputs[] = {forward->inputs[X],  forward->inputs[GAMMA], forward->outputs[1],
                             forward->outputs[2], mask->inputs[0],        mask->inputs[1]};
    const fm_val outputs[] = {[DX] = grad->outputs[DX],
                              [DGAMMA] = grad->outputs[DGAMMA],
                              [DBETA] = grad->outputs[DBETA],
                              [DZ] = mask->outputs[0]};
    if (!fm_fuse_rewrite_all(f, mask, &fm_op_fused_normalize_add_grad, NULL, inputs, 6, outputs,
                             GRADIENT_OUTPUTS)) {
        return false;
    }
    grad->dead = true;
    return true;
}

/* relu_grad(max_pool_grad(dy, winner), x), x being what was pooled -> max_pool_grad(relu_grad(dy,
 * y), winner): the winner is positive where y is. A smaller mask, and x is not kept for it. */
bool fm_fuse_pool_mask(fm_fuser *f, fm_node *node)
{
    if (node->op != &fm_op_relu_grad) return false;
    fm_node *unpool = fm_fuse_swallowable(f, node->inputs[0], &fm_op_max_pool_grad);
    fm_node *pool = unpool ? fm_fuse_made_by(f, unpool->inputs[1], &fm_op_max_pool) : NULL;
    if (!pool || pool->inputs[0].id != node->inputs[1].id) return false;
    const fm_val dy = unpool->inputs[0], winner = unpool->inputs[1], masked = unpool->outputs[0];
    if (!fm_shape_equal(fm_val_shape(f->graph, dy), fm_val_shape(f->graph, pool->outputs[0]))) {
        return false;
    }
    const fm_val mask_inputs[] = {dy, pool->outputs[0]}, pool_inputs[] = {masked, winner};
    const void *attributes = unpool->attributes;
    if (!fm_fuse_rewrite(f, node, &fm_op_max_pool_grad, attributes, pool_inputs, 2)) return false;
    if (!fm_fuse_rewrite(f, unpool, &fm_op_relu_grad, NULL, mask_inputs, 2)) return false;
    fm_value_of(f->graph, masked)->shape = fm_val_shape(f->graph, dy);
    return true;
}
