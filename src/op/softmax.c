/* Softmax, its logarithm, and the logarithm of a sum of exponentials: over the last axis. */
#include "op/op_table.h"
#include "op/op_tools.h"

#define KERNEL_FILE "kernel/softmax.h"
#include "kernel/instantiate.h"

static fm_status softmax_infer(fm_infer *infer)
{
    fm_status status = fm_infer_rank(infer, 0, 1);
    return status == FM_OK ? fm_infer_like_first(infer) : status;
}

static fm_status logsumexp_infer(fm_infer *infer)
{
    fm_status status = softmax_infer(infer);
    if (status != FM_OK) return status;
    fm_shape *shape = &infer->output_shapes[0];
    shape->dims[--shape->rank] = 0;
    return FM_OK;
}

#define ROWS_RUN(name)                                                                             \
    static void name##_run(const fm_call *call)                                                    \
    {                                                                                              \
        const fm_tensor *x = call->inputs;                                                         \
        FM_RUN_REAL(name, x->dtype, fm_tensor_rows(x), fm_shape_last(x->shape), x->data,           \
                    call->outputs[0].data);                                                        \
    }

ROWS_RUN(softmax)
ROWS_RUN(log_softmax)
ROWS_RUN(logsumexp)

/* y (dy - sum(dy y)) */
static void softmax_vjp(fm_graph *g, fm_vjp *vjp)
{
    fm_val y = vjp->outputs[0], dy = vjp->output_grads[0];
    fm_val mean = fm_sum_last(g, fm_mul(g, dy, y));
    vjp->input_grads[0] = fm_mul(g, y, fm_sub(g, dy, mean));
}

/* dy - e^y sum(dy) */
static void log_softmax_vjp(fm_graph *g, fm_vjp *vjp)
{
    fm_val y = vjp->outputs[0], dy = vjp->output_grads[0];
    vjp->input_grads[0] = fm_sub(g, dy, fm_mul(g, fm_exp(g, y), fm_sum_last(g, dy)));
}

static void logsumexp_vjp(fm_graph *g, fm_vjp *vjp)
{
    fm_val dy = fm_expand_last(g, vjp->output_grads[0]);
    vjp->input_grads[0] = fm_mul(g, fm_softmax(g, vjp->inputs[0]), dy);
}

#define RECORD(name_, doc_, onnx_, rule, ...)                                                      \
    const fm_op fm_op_##name_ = {.name = #name_,                                                   \
                                 .doc = doc_,                                                      \
                                 .onnx = onnx_,                                                    \
                                 .min_inputs = 1,                                                  \
                                 .max_inputs = 1,                                                  \
                                 .outputs = 1,                                                     \
                                 .infer = rule,                                                    \
                                 .vjp = name_##_vjp,                                               \
                                 .run = name_##_run,                                               \
                                 .flops = fm_softmax_flops,                                        \
                                 .cases = (const fm_case[]){{"f(3,4)", NULL},                      \
                                                            {"w(2,3,5)", NULL},                    \
                                                            {"f(4)", NULL},                        \
                                                            {"f(2,100)", NULL},                    \
                                                            {NULL, NULL}},                         \
                                 __VA_ARGS__};                                                     \
    fm_val fm_##name_(fm_graph *g, fm_val x)                                                       \
    {                                                                                              \
        return fm_node_add(g, &fm_op_##name_, &x, 1, NULL, NULL);                                  \
    }

RECORD(softmax, "e^x / sum e^x, over the last axis", "Softmax", softmax_infer, .in_place = {1})
RECORD(log_softmax, "x - log sum e^x, over the last axis", "LogSoftmax", softmax_infer,
       .in_place = {1})
RECORD(logsumexp, "log sum e^x, over the last axis", "ReduceLogSumExp", logsumexp_infer,
       .in_place = {0})
