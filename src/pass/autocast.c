#include "pass/autocast.h"
#include "base/context.h"
#include "op/fused_convolve.h"
#include "op/op_table.h"
#include "op/op_tools.h"

enum { LEAST_DEPTH = 32, LEAST_COLUMNS = 32 };

/* The kernel of a convolution or of what is made of one; of rank 0 if the node is neither. */
static fm_shape kernel_of(const fm_graph *graph, const fm_node *node)
{
    static const fm_op *const read[] = {&fm_op_convolve, &fm_op_convolve_transposed,
                                        &fm_op_fused_convolve, &fm_op_fused_convolve_transposed};
    for (size_t i = 0; i < sizeof read / sizeof *read; i++) {
        if (node->op == read[i]) return fm_val_shape(graph, node->inputs[1]);
    }
    const bool made = node->op == &fm_op_convolve_kernel_grad || node->op == &fm_op_convolve_grad;
    return made ? fm_val_shape(graph, node->outputs[0]) : (fm_shape){0};
}

static bool is_3x3_at_every_pixel(const fm_window *window, fm_shape kernel)
{
    if (kernel.rank != 4) return false;
    for (int i = 0; i < 2; i++) {
        if (kernel.dims[i] != 3 || window->strides.at[i] != 1 || window->dilations.at[i] != 1)
            return false;
    }
    return true;
}

static bool rounds(const fm_graph *graph, const fm_node *node)
{
    if (!(node->op->flags & FM_OP_PRODUCT)) return false;
    const fm_shape kernel = kernel_of(graph, node);
    if (kernel.rank == 0) return true;
    const fm_window *window = &((const fm_convolve_attributes *)node->attributes)->window;
    const bool adjoint =
        node->op == &fm_op_convolve_transposed || node->op == &fm_op_fused_convolve_transposed;
    const int64_t columns = kernel.dims[kernel.rank - (adjoint ? 2 : 1)];
    return window->groups <= 1 && kernel.rank <= 4 && !is_3x3_at_every_pixel(window, kernel) &&
           fm_shape_span(kernel, 0, kernel.rank - 1) >= LEAST_DEPTH && columns >= LEAST_COLUMNS;
}

fm_status fm_autocast(fm_graph *graph, int precision)
{
    if (precision < FM_PRECISION_F32 || precision > FM_PRECISION_BF16) {
        return fm_fail(graph->context, FM_ERROR_ARGUMENT, "there is no precision %d", precision);
    }
    for (size_t i = 0; i < graph->node_count; i++) {
        fm_node *node = &graph->nodes[i];
        if (rounds(graph, node)) node->precision = (fm_precision)precision;
    }
    return FM_OK;
}
