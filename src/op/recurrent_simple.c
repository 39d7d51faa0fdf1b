/* The simple recurrent network over a sequence, and back through it. */
#include "op/op_table.h"
#include "op/recurrent_cells.h"
#include "op/recurrent_unrolled.h"

#define KERNEL_FILE "kernel/recurrent_simple.h"
#include "kernel/instantiate.h"

const fm_recurrent_cell fm_simple_cell = {
    .forward = &fm_op_simple_rnn,
    .backward = &fm_op_simple_rnn_grad,
    .gates = 1,
    .is_allowed = {[FM_RECURRENT_MASK] = true,
                   [FM_RECURRENT_SCALE] = true,
                   [FM_RECURRENT_DY] = true,
                   [FM_RECURRENT_DLAST] = true},
    .pull = fm_unrolled_simple,
};

static void simple_rnn_run(const fm_call *call)
{
    const fm_tensor *in = call->inputs, *out = call->outputs;
    kernel_recurrence r = fm_recurrence_of(call);
#define RUN(suffix)                                                                                \
    simple_rnn_##suffix(&r, &(simple_rnn_tensors_##suffix){                                        \
                                .x = in[0].data,                                                   \
                                .R = in[1].data,                                                   \
                                .state = in[2].data,                                               \
                                .mask = fm_recurrent_data(call, 3, FM_RECURRENT_MASK),             \
                                .scale = fm_recurrent_data(call, 3, FM_RECURRENT_SCALE),           \
                                .y = out[0].data,                                                  \
                                .last = out[1].data,                                               \
                            })
    if (in[0].dtype == FM_F64)
        RUN(f64);
    else
        RUN(f32);
#undef RUN
}

const fm_op fm_op_simple_rnn = {
    .name = "simple_rnn",
    .doc = "h' = f(x + h R) along a sequence; the states and the last",
    .min_inputs = 3,
    .max_inputs = 5,
    .outputs = 2,
    .flags = FM_OP_PRODUCT,
    .attributes_size = sizeof(fm_recurrent_attributes),
    .attributes = fm_recurrent_fields,
    .infer = fm_recurrent_infer,
    .vjp = fm_recurrent_vjp,
    .run = simple_rnn_run,
    .flops = fm_recurrent_flops,
    .cases =
        (const fm_case[]){FM_RECURRENT_CASE("f(1,2,2) f(2,2) f(1,2)", .reverse = false),
                          FM_RECURRENT_CASE("f(2,3,3) f(3,3) f(2,3) u(2,3) p(2,3)", .reverse = true,
                                            FM_RECURRENT_HAS(MASK), FM_RECURRENT_HAS(SCALE)),
                          FM_RECURRENT_CASE("f(2,3,2) f(2,2) f(2,2)", .activation = FM_CELL_RELU),
                          FM_RECURRENT_CASE("f(2,2,2) f(2,2) f(2,2)", .activation = FM_CELL_SIGMOID,
                                            .reverse = true),
                          FM_RECURRENT_CASE("f(1,3,2) f(2,2) f(1,2) u(1,3)",
                                            .activation = FM_CELL_LINEAR, FM_RECURRENT_HAS(MASK)),
                          {NULL, NULL}},
};

fm_val fm_simple_rnn_sequence(fm_graph *g, fm_val x, fm_val recurrent_kernel, fm_val state,
                              const fm_recurrence *recurrence, fm_val *final_state)
{
    fm_val results[FM_RECURRENT_MOST_RESULTS];
    fm_recurrent_add(g, &fm_simple_cell, (fm_val[]){x, recurrent_kernel, state}, recurrence,
                     results);
    if (final_state) *final_state = results[1];
    return results[0];
}

/* ---- simple_rnn_grad ------------------------------------------------------------------------- */

static void simple_rnn_grad_run(const fm_call *call)
{
    const fm_tensor *in = call->inputs, *out = call->outputs;
    kernel_recurrence r = fm_recurrence_of(call);
#define RUN(suffix)                                                                                \
    simple_rnn_grad_##suffix(&r, &(simple_rnn_grad_tensors_##suffix){                              \
                                     .R = in[0].data,                                              \
                                     .state = in[1].data,                                          \
                                     .y = in[2].data,                                              \
                                     .mask = fm_recurrent_data(call, 3, FM_RECURRENT_MASK),        \
                                     .scale = fm_recurrent_data(call, 3, FM_RECURRENT_SCALE),      \
                                     .dy = fm_recurrent_data(call, 3, FM_RECURRENT_DY),            \
                                     .dlast = fm_recurrent_data(call, 3, FM_RECURRENT_DLAST),      \
                                     .dx = out[0].data,                                            \
                                     .dR = out[1].data,                                            \
                                     .dstate = out[2].data,                                        \
                                     .dscale = fm_recurrent_result(call, 3),                       \
                                 })
    if (in[0].dtype == FM_F64)
        RUN(f64);
    else
        RUN(f32);
#undef RUN
}

const fm_op fm_op_simple_rnn_grad = {
    .name = "simple_rnn_grad",
    .doc = "back through time: the gradients of x, R, the state and the recurrent scale",
    .min_inputs = 3,
    .max_inputs = 7,
    .outputs = 4,
    .flags = FM_OP_PRODUCT,
    .attributes_size = sizeof(fm_recurrent_attributes),
    .attributes = fm_recurrent_fields,
    .infer = fm_recurrent_grad_infer,
    .vjp = fm_recurrent_grad_vjp,
    .run = simple_rnn_grad_run,
    .flops = fm_recurrent_grad_flops,
    .cases =
        (const fm_case[]){
            FM_RECURRENT_CASE("f(2,2) f(1,2) u(1,1,2) f(1,1,2)", FM_RECURRENT_HAS(DY)),
            FM_RECURRENT_CASE("f(2,2) f(2,2) u(2,3,2) u(2,3) p(2,2) f(2,3,2) f(2,2)",
                              .reverse = true, FM_RECURRENT_HAS(MASK), FM_RECURRENT_HAS(SCALE),
                              FM_RECURRENT_HAS(DY), FM_RECURRENT_HAS(DLAST)),
            FM_RECURRENT_CASE("f(3,3) f(2,3) n(2,2,3) f(2,3)", .activation = FM_CELL_RELU,
                              FM_RECURRENT_HAS(DLAST)),
            FM_RECURRENT_CASE("f(2,2) f(1,2) u(1,2,2) f(1,2,2)", .activation = FM_CELL_SIGMOID,
                              FM_RECURRENT_HAS(DY)),
            FM_RECURRENT_CASE("f(2,2) f(1,2) f(1,2,2) f(1,2,2)", .activation = FM_CELL_LINEAR,
                              FM_RECURRENT_HAS(DY)),
            {NULL, NULL}},
};
