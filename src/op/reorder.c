#include "op/reorder.h"

static fm_status infer_reorder(fm_infer *infer)
{
    infer->output_shapes[0] = infer->shapes[0];
    infer->output_dtypes[0] = infer->dtypes[0];
    return FM_OK;
}

static void run_reorder(const fm_call *call)
{
    const fm_reorder_attributes *layouts = call->attributes;
    const void *from = call->inputs[0].data;
    void *to = call->outputs[0].data;
    if (layouts->from.type) {
        layouts->from.type->unpack(&layouts->from, from, to, call->threads);
    } else {
        layouts->to.type->pack(&layouts->to, from, to, call->threads);
    }
}

static double no_flops(const fm_call *call)
{
    (void)call;
    return 0;
}

const fm_op fm_op_reorder = {
    .name = "reorder",
    .doc = "y = x in another physical layout",
    .min_inputs = 1,
    .outputs = 1,
    .flags = FM_OP_NOT_DIFFERENTIABLE,
    .attributes_size = sizeof(fm_reorder_attributes),
    .infer = infer_reorder,
    .run = run_reorder,
    .flops = no_flops,
};
