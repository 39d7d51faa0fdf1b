/* The sum over a window that slides along the last axis; turned round, it is its own adjoint. */
#include "op/op_table.h"
#include "op/op_tools.h"
#include "op/vision_attributes.h"

#define KERNEL_FILE "kernel/window_sum.h"
#include "kernel/instantiate.h"

static const fm_field window_sum_fields[] = {
    {.name = "before",
     .doc = "entries in front that count",
     .offset = offsetof(fm_window_sum_attributes, before),
     .type = FM_FIELD_INT},
    {.name = "after",
     .doc = "entries behind that count",
     .offset = offsetof(fm_window_sum_attributes, after),
     .type = FM_FIELD_INT},
    {.name = NULL},
};

static fm_status window_sum_infer(fm_infer *infer)
{
    const fm_window_sum_attributes *attributes = infer->attributes;
    fm_status status = fm_infer_rank(infer, 0, 1);
    if (status != FM_OK) return status;
    if (attributes->before < 0 || attributes->after < 0) {
        return fm_infer_fail(infer, "before and after must be at least 0, received %lld and %lld",
                             (long long)attributes->before, (long long)attributes->after);
    }
    return fm_infer_like_first(infer);
}

static void window_sum_run(const fm_call *call)
{
    const fm_window_sum_attributes *attributes = call->attributes;
    const fm_tensor *x = call->inputs;
    FM_RUN_REAL(window_sum, x->dtype, fm_tensor_rows(x), fm_shape_last(x->shape),
                attributes->before, attributes->after, x->data, call->outputs[0].data);
}

static double window_sum_flops(const fm_call *call)
{
    const fm_window_sum_attributes *attributes = call->attributes;
    return (double)call->outputs[0].count *
           ((double)attributes->before + (double)attributes->after + 1);
}

static void window_sum_vjp(fm_graph *g, fm_vjp *vjp)
{
    const fm_window_sum_attributes *attributes = vjp->attributes;
    vjp->input_grads[0] =
        fm_window_sum(g, vjp->output_grads[0], attributes->after, attributes->before);
}

const fm_op fm_op_window_sum = {
    .name = "window_sum",
    .doc = "the sum of x[i - before] ... x[i + after] along the last axis",
    .min_inputs = 1,
    .max_inputs = 1,
    .outputs = 1,
    .attributes_size = sizeof(fm_window_sum_attributes),
    .attributes = window_sum_fields,
    .infer = window_sum_infer,
    .vjp = window_sum_vjp,
    .run = window_sum_run,
    .flops = window_sum_flops,
    .cases = (const fm_case[]){{"f(2,3,7)", &(const fm_window_sum_attributes){2, 2}},
                               {"f(3,5)", &(const fm_window_sum_attributes){2, 1}},
                               {"f(2,3)", &(const fm_window_sum_attributes){0, 9}},
                               {"f(4)", NULL},
                               {NULL, NULL}},
};

fm_val fm_window_sum(fm_graph *g, fm_val x, int64_t before, int64_t after)
{
    fm_window_sum_attributes attributes = {before, after};
    return fm_node_add(g, &fm_op_window_sum, &x, 1, &attributes, NULL);
}
