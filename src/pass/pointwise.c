#include "pass/pointwise.h"
#include "fathom/ops.h"
#include "op/op_attributes.h"
#include "op/op_table.h"
#include "op/op_tools.h"
#include "op/vision_attributes.h"

#include <string.h>

enum { MOST_ADDED = 3 }; /* nodes for one convolution */

typedef struct rewriter {
    fm_graph *graph;
    size_t nodes;     /* before any was added */
    uint32_t *before; /* by added node: the node in front of which it goes */
} rewriter;

static bool all_are_one(fm_ints list)
{
    for (int i = 0; i < list.count; i++) {
        if (list.at[i] != 1) return false;
    }
    return true;
}

/* The kernel's (c, filters); of rank 0 when the node is no
 * convolution with windows of one pixel. */
static fm_shape matrix_of(const fm_graph *graph, const fm_node *node)
{
    const fm_shape none = {0};
    const bool grad = node->op == &fm_op_convolve_kernel_grad;
    if (!grad && node->op != &fm_op_convolve && node->op != &fm_op_convolve_transposed) return none;
    const fm_window *w = &((const fm_convolve_attributes *)node->attributes)->window;
    const fm_shape kernel = fm_val_shape(graph, grad ? node->outputs[0] : node->inputs[1]);
    const bool one_pixel = fm_shape_span(kernel, 0, kernel.rank - 2) == 1 && w->groups <= 1;
    if (!one_pixel || !all_are_one(w->strides)) return none; /* such windows have no padding */
    return FM_SHAPE(kernel.dims[kernel.rank - 2], kernel.dims[kernel.rank - 1]);
}

/* Node `index` becomes `op` of these; its output stays. */
static void become(rewriter *r, uint32_t index, const fm_op *op, const void *attributes,
                   const fm_val *inputs, int count)
{
    fm_arena *arena = &r->graph->arena;
    fm_val *list = fm_arena_allocate(arena, (size_t)count * sizeof *list);
    void *copy = fm_arena_allocate(arena, op->attributes_size + 1);
    if (r->graph->status != FM_OK) return;
    if (!list || !copy) {
        r->graph->status = FM_ERROR_MEMORY;
        return;
    }
    memcpy(list, inputs, (size_t)count * sizeof *list);
    memcpy(copy, attributes, op->attributes_size);
    fm_node *node = &r->graph->nodes[index];
    node->op = op;
    node->attributes = copy;
    node->inputs = list;
    node->input_count = count;
}

/* x and dy -> the kernel's gradient: x^T dy, over all pixels */
static void rewrite_gradient(rewriter *r, uint32_t index)
{
    fm_graph *graph = r->graph;
    const fm_node node = graph->nodes[index]; /* adding nodes moves the array */
    const fm_val x = fm_rows_of(graph, node.inputs[0]), dy = fm_rows_of(graph, node.inputs[1]);
    const fm_val product = fm_matmul_transposed(graph, x, dy, true, false);
    const fm_shape_attributes shape = {fm_shape_ints(fm_val_shape(graph, node.outputs[0]))};
    become(r, index, &fm_op_reshape, &shape, &product, 1);
}

static void rewrite(rewriter *r, uint32_t index)
{
    fm_graph *graph = r->graph;
    const fm_node node = graph->nodes[index];
    const fm_shape matrix = matrix_of(graph, &node);
    if (matrix.rank == 0) return;
    fm_scope_enter_at(graph, node.scope);
    graph->role = node.role;
    if (node.op == &fm_op_convolve_kernel_grad) {
        rewrite_gradient(r, index);
    } else {
        const fm_matmul_attributes read = {.transpose_b = node.op == &fm_op_convolve_transposed};
        const fm_val kernel = fm_reshape_to(graph, node.inputs[1], matrix);
        become(r, index, &fm_op_matmul, &read, (fm_val[]){node.inputs[0], kernel}, 2);
    }
    fm_scope_leave(graph);
}

fm_status fm_pointwise(fm_graph *graph)
{
    rewriter r = {.graph = graph, .nodes = graph->node_count};
    const fm_role role = graph->role;
    r.before = fm_allocate_zeroed(graph->context, (MOST_ADDED * r.nodes + 1) * sizeof *r.before);
    if (!r.before) return FM_ERROR_MEMORY;
    for (uint32_t i = 0; i < r.nodes && graph->status == FM_OK; i++) {
        const size_t made = graph->node_count;
        if (!graph->nodes[i].dead) rewrite(&r, i);
        for (size_t k = made; k < graph->node_count; k++) r.before[k - r.nodes] = i;
    }
    graph->role = role;
    fm_status status = graph->status;
    if (status == FM_OK) status = fm_graph_settle(graph, r.nodes, r.before);
    fm_release(graph->context, r.before);
    return status;
}
