#include "op/fused_loss.h"
#include "op/op_table.h"
#include "op/op_tools.h"

static fm_status infer_both(fm_infer *infer, const fm_op *loss, const fm_op *gradient)
{
    fm_infer value = *infer;
    fm_shape shape;
    fm_dtype dtype;
    value.op = loss;
    value.input_count = 2;
    value.output_shapes = &shape;
    value.output_dtypes = &dtype;
    fm_status status = loss->infer(&value);
    if (status == FM_OK) status = gradient->infer(infer);
    if (status != FM_OK) return status;
    infer->output_shapes[FM_LOSS_VALUE] = shape;
    infer->output_dtypes[FM_LOSS_VALUE] = dtype;
    return FM_OK;
}

/* The losses first: the gradient may lie over the logits. */
static void run_both(const fm_call *call, const fm_op *loss, const fm_op *gradient)
{
    fm_run_part(loss, call->attributes, call, call->inputs, 2, &call->outputs[FM_LOSS_VALUE], 1);
    fm_run_part(gradient, call->attributes, call, call->inputs, 3, &call->outputs[FM_LOSS_GRADIENT],
                1);
}

#define DEFINE_BOTH(name_)                                                                         \
    static fm_status infer_##name_(fm_infer *infer)                                                \
    {                                                                                              \
        return infer_both(infer, &fm_op_##name_, &fm_op_##name_##_grad);                           \
    }                                                                                              \
    static void run_##name_(const fm_call *call)                                                   \
    {                                                                                              \
        run_both(call, &fm_op_##name_, &fm_op_##name_##_grad);                                     \
    }
DEFINE_BOTH(sparse_softmax_cross_entropy)
DEFINE_BOTH(softmax_cross_entropy)

const fm_op fm_op_fused_sparse_softmax_cross_entropy = {
    .name = "fused_sparse_softmax_cross_entropy",
    .doc = "dy (softmax(logits) - target), and -log softmax(logits)[label] of each row",
    .min_inputs = 3,
    .max_inputs = 3,
    .outputs = 2,
    .attributes_size = sizeof(fm_smoothing_attributes),
    .attributes = fm_smoothing_fields,
    .infer = infer_sparse_softmax_cross_entropy,
    .run = run_sparse_softmax_cross_entropy,
    .flops = fm_softmax_flops,
    .in_place = {1},
    .cases = (const fm_case[]){{"f(4,5) i5(4) f(4)", NULL},
                               {"f(2,3,40) i40(2,3) f(2,3)", &(const fm_smoothing_attributes){0.1}},
                               {"w(3,1500) i1500(3) f(3)", &(const fm_smoothing_attributes){0.2}},
                               {NULL, NULL}},
};

/* Not in place: the losses want the logits once more. */
const fm_op fm_op_fused_softmax_cross_entropy = {
    .name = "fused_softmax_cross_entropy",
    .doc = "dy (softmax(logits) sum(targets) - targets), and -sum targets log softmax(logits)",
    .min_inputs = 3,
    .max_inputs = 3,
    .outputs = 2,
    .infer = infer_softmax_cross_entropy,
    .run = run_softmax_cross_entropy,
    .flops = fm_softmax_flops,
    .cases = (const fm_case[]){{"f(4,5) u(4,5) f(4)", NULL},
                               {"f(2,3,40) u(2,3,40) f(2,3)", NULL},
                               {NULL, NULL}},
};
