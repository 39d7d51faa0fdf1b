#include "pass/autocast.h"
#include "base/context.h"

fm_status fm_autocast(fm_graph *graph, int precision)
{
    if (precision < FM_PRECISION_F32 || precision > FM_PRECISION_BF16) {
        return fm_fail(graph->context, FM_ERROR_ARGUMENT, "there is no precision %d", precision);
    }
    for (size_t i = 0; i < graph->node_count; i++) {
        fm_node *node = &graph->nodes[i];
        if (node->op->flags & FM_OP_PRODUCT) node->precision = (fm_precision)precision;
    }
    return FM_OK;
}
