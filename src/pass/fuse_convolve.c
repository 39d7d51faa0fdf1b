/* Convolutions, forward and transposed, with bias, residual sum, activation and relu's mask; the
 * gradients of kernel and bias in one. */
#include "op/fused_convolve.h"
#include "op/op_attributes.h"
#include "op/op_table.h"
#include "pass/fuse_rules.h"

#include <string.h>

static const fm_op *const pairs[][2] = {
    {&fm_op_convolve, &fm_op_fused_convolve},
    {&fm_op_convolve_transposed, &fm_op_fused_convolve_transposed},
};

/* A convolution that is open to more: its only reader can swallow it. */
typedef struct open_convolution {
    fm_node *node;
    const fm_op *fused;
    fm_fused_convolve_attributes attributes;
    fm_val inputs[5];
    int count;
} open_convolution;

/* Nothing can follow an activation or a mask. */
static bool open_at(const fm_fuser *f, fm_val value, open_convolution *c)
{
    for (int i = 0; i < 2; i++) {
        *c = (open_convolution){.fused = pairs[i][1]};
        fm_node *plain = fm_fuse_swallowable(f, value, pairs[i][0]);
        fm_node *fused = fm_fuse_swallowable(f, value, pairs[i][1]);
        if (!plain && !fused) continue;
        c->node = plain ? plain : fused;
        c->count = c->node->input_count;
        memcpy(c->inputs, c->node->inputs, (size_t)c->count * sizeof *c->inputs);
        if (plain) {
            memcpy(&c->attributes.convolve, plain->attributes, sizeof c->attributes.convolve);
        } else {
            memcpy(&c->attributes, fused->attributes, sizeof c->attributes);
        }
        return !c->attributes.mask && c->attributes.activation == FM_FUSED_NONE;
    }
    return false;
}

static bool swallow(fm_fuser *f, fm_node *node, const open_convolution *c)
{
    if (!fm_fuse_rewrite(f, node, c->fused, &c->attributes, c->inputs, c->count)) return false;
    c->node->dead = true;
    return true;
}

static bool same_shape(const fm_fuser *f, fm_val a, fm_val b)
{
    return fm_shape_equal(fm_val_shape(f->graph, a), fm_val_shape(f->graph, b));
}

/* convolution + bias (channels), before any residual */
static bool takes_bias(const fm_fuser *f, const open_convolution *c, fm_val y, fm_val bias)
{
    const fm_shape shape = fm_val_shape(f->graph, bias), whole = fm_val_shape(f->graph, y);
    return !c->attributes.bias && !c->attributes.residual && shape.rank == 1 &&
           shape.dims[0] == whole.dims[whole.rank - 1];
}

bool fm_fuse_convolve_bias(fm_fuser *f, fm_node *node)
{
    if (node->op != &fm_op_add) return false;
    for (int side = 0; side < 2; side++) {
        open_convolution c;
        const fm_val other = node->inputs[1 - side];
        if (!open_at(f, node->inputs[side], &c)) continue;
        if (!same_shape(f, node->inputs[side], node->outputs[0])) continue;
        if (!takes_bias(f, &c, node->outputs[0], other)) continue;
        c.attributes.bias = true;
        c.inputs[c.count++] = other;
        return swallow(f, node, &c);
    }
    return false;
}

/* convolution + tensor */
bool fm_fuse_convolve_residual(fm_fuser *f, fm_node *node)
{
    if (node->op != &fm_op_add || !same_shape(f, node->inputs[0], node->inputs[1])) return false;
    if (node->inputs[0].id == node->inputs[1].id) return false;
    for (int side = 1; side >= 0; side--) {
        open_convolution c;
        if (!open_at(f, node->inputs[side], &c) || c.attributes.residual) continue;
        c.attributes.residual = true;
        c.inputs[c.count++] = node->inputs[1 - side];
        return swallow(f, node, &c);
    }
    return false;
}

bool fm_fuse_convolve_activation(fm_fuser *f, fm_node *node)
{
    open_convolution c;
    const int activation = fm_fused_activation_of(node->op);
    if (activation == FM_FUSED_NONE || !open_at(f, node->inputs[0], &c)) return false;
    c.attributes.activation = activation;
    return swallow(f, node, &c);
}

/* relu_grad(convolution, y) */
bool fm_fuse_convolve_mask(fm_fuser *f, fm_node *node)
{
    open_convolution c;
    if (node->op != &fm_op_relu_grad || !open_at(f, node->inputs[0], &c)) return false;
    if (!same_shape(f, node->inputs[1], node->outputs[0])) return false;
    c.attributes.mask = true;
    c.inputs[c.count++] = node->inputs[1];
    return swallow(f, node, &c);
}

static bool sums_pixels(const fm_graph *graph, const fm_node *node)
{
    if (node->op != &fm_op_sum || node->dead) return false;
    const fm_axes_attributes *a = node->attributes;
    const int axes = fm_val_shape(graph, node->inputs[0]).rank - 1;
    if (a->keep_dims || a->axes.count != axes) return false;
    for (int i = 0; i < axes; i++) {
        if (a->axes.at[i] != i) return false;
    }
    return true;
}

/* convolve_kernel_grad(x, dy) and sum(dy, pixels) -> convolve_grad(x, dy) */
bool fm_fuse_convolve_grad(fm_fuser *f, fm_node *node)
{
    fm_graph *graph = f->graph;
    if (node->op != &fm_op_convolve_kernel_grad) return false;
    for (size_t i = 0; i < graph->node_count; i++) {
        fm_node *sum = &graph->nodes[i];
        if (!sums_pixels(graph, sum) || sum->inputs[0].id != node->inputs[1].id) continue;
        return fm_fuse_join(f, node, sum, &fm_op_convolve_grad, node->attributes, node->inputs, 2);
    }
    return false;
}
