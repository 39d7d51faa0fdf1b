/* Where a streaming graph stands in its sequence. */
#include "fathom/nn.h"
#include "fathom/ops.h"
#include "ir/ir.h"

static fm_val advance(fm_graph *g)
{
    fm_val position = fm_variable(g, "position", fm_graph_dtype(g), (fm_shape){0},
                                  &(fm_variable_options){.carried = true});
    fm_shape x = g->input_count ? fm_val_shape(g, g->inputs[0].value) : (fm_shape){0};
    if (x.rank < 2) {
        return fm_graph_fail(g, FM_ERROR_SHAPE,
                             "a stream reads pieces (batch, time, ...), received %s",
                             fm_shape_text(x, (char[FM_SHAPE_TEXT]){0}));
    }
    fm_update(g, position, fm_add_scalar(g, position, (double)x.dims[1]));
    return position;
}

fm_val fm_graph_position(fm_graph *g)
{
    uint32_t index;
    if (fm_graph_stream_length(g) < 1) {
        return fm_graph_fail(g, FM_ERROR_ARGUMENT, "only a stream has a position");
    }
    if (fm_map_get(&g->variable_by_path, "position", &index)) return g->variables[index].value;
    fm_scope_enter_at(g, "");
    fm_val position = advance(g);
    fm_scope_leave(g);
    return position;
}
