/* Copying a value: what the planner needs where a variable's next value is another variable. */
#include "op/copy.h"

#include <string.h>

static fm_status infer_copy(fm_infer *infer)
{
    infer->output_shapes[0] = infer->shapes[0];
    infer->output_dtypes[0] = infer->dtypes[0];
    return FM_OK;
}

static void copy_vjp(fm_graph *graph, fm_vjp *vjp)
{
    (void)graph;
    vjp->input_grads[0] = vjp->output_grads[0];
}

static void run_copy(const fm_call *call)
{
    size_t bytes = (size_t)call->outputs[0].count * fm_dtype_size(call->outputs[0].dtype);
    if (call->outputs[0].data != call->inputs[0].data) {
        memcpy(call->outputs[0].data, call->inputs[0].data, bytes);
    }
}

static double no_flops(const fm_call *call)
{
    (void)call;
    return 0;
}

const fm_op fm_op_copy = {
    .name = "copy",
    .doc = "y = x",
    .onnx = "Identity",
    .min_inputs = 1,
    .outputs = 1,
    .flags = FM_OP_ELEMENTWISE,
    .infer = infer_copy,
    .vjp = copy_vjp,
    .run = run_copy,
    .flops = no_flops,
    .in_place = {1},
    .cases = (const fm_case[]){{"f(3,4)", NULL}, {"f()", NULL}, {NULL, NULL}},
};
