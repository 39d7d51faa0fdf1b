#include "pass/autocast.h"
#include "base/context.h"
#include "op/fused_convolve.h"
#include "op/op_table.h"
#include "op/op_tools.h"

enum { LEAST_DEPTH = 32, LEAST_COLUMNS = 32 };

/* A tile of 36 products in f32 takes as long as so many of pairs (measured on a Zen 4). Fewer tiles
 * or larger kernels Winograd's kernels refuse. */
enum { SEEN_OF_TILE = 80, LEAST_TILES = 24, MOST_FILTERED = 600 * 600 };

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

/* How often 3 taps along a dimension of x see a number and not padding, of all pixels of y
 * together. */
static double seen_along(int64_t x, int64_t y, int64_t padding)
{
    double seen = 0;
    for (int64_t tap = 0; tap < 3; tap++) {
        const int64_t first = tap - padding; /* where pixel 0's tap reads */
        const int64_t begin = first < 0 ? -first : 0, end = x - first < y ? x - first : y;
        if (end > begin) seen += (double)(end - begin);
    }
    return seen;
}

/* Whether F(4x4, 3x3) makes these sooner: products of tiles, most of which may be empty. */
static bool is_filtered(const fm_window *window, fm_shape kernel, fm_shape x, fm_shape y)
{
    double tiles = (double)y.dims[0], seen = tiles;
    for (int i = 0; i < 2; i++) {
        tiles *= (double)((y.dims[1 + i] + 3) / 4);
        seen *= seen_along(x.dims[1 + i], y.dims[1 + i], window->padding_begin.at[i]);
    }
    const bool taken = window->groups <= 1 && tiles >= LEAST_TILES &&
                       kernel.dims[2] * kernel.dims[3] <= MOST_FILTERED;
    return taken && seen > SEEN_OF_TILE * tiles;
}

static bool rounds(const fm_graph *graph, const fm_node *node)
{
    if (!(node->op->flags & FM_OP_PRODUCT)) return false;
    const fm_shape kernel = kernel_of(graph, node);
    if (kernel.rank == 0) return true;
    const fm_window *window = &((const fm_convolve_attributes *)node->attributes)->window;
    const bool adjoint =
        node->op == &fm_op_convolve_transposed || node->op == &fm_op_fused_convolve_transposed;
    const bool gradient =
        node->op == &fm_op_convolve_kernel_grad || node->op == &fm_op_convolve_grad;
    const fm_shape out = fm_val_shape(graph, node->outputs[0]);
    const fm_shape in = fm_val_shape(graph, node->inputs[0]);
    const fm_shape x = adjoint ? out : in;
    const fm_shape y = adjoint ? in : gradient ? fm_val_shape(graph, node->inputs[1]) : out;
    const int64_t groups = window->groups > 1 && !adjoint ? window->groups : 1;
    const int64_t columns = kernel.dims[kernel.rank - (adjoint ? 2 : 1)] / groups;
    if (kernel.rank > 4 || columns < LEAST_COLUMNS ||
        fm_shape_span(kernel, 0, kernel.rank - 1) < LEAST_DEPTH) {
        return false;
    }
    return !is_3x3_at_every_pixel(window, kernel) || !is_filtered(window, kernel, x, y);
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
