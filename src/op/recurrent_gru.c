/* The gated recurrent unit over a sequence, and back through it. */
#include "op/op_table.h"
#include "op/recurrent_cells.h"
#include "op/recurrent_unrolled.h"

#define KERNEL_FILE "kernel/recurrent_gru.h"
#include "kernel/instantiate.h"

const fm_recurrent_cell fm_gru_cell = {
    .forward = &fm_op_gru,
    .backward = &fm_op_gru_grad,
    .gates = 3,
    .keeps_gates = true,
    .is_allowed = {[FM_RECURRENT_BIAS] = true,
                   [FM_RECURRENT_MASK] = true,
                   [FM_RECURRENT_SCALE] = true,
                   [FM_RECURRENT_DY] = true,
                   [FM_RECURRENT_DLAST] = true,
                   [FM_RECURRENT_DGATES] = true},
    .pull = fm_unrolled_gru,
};

static void gru_run(const fm_call *call)
{
    const fm_tensor *in = call->inputs, *out = call->outputs;
    kernel_recurrence r = fm_recurrence_of(call);
#define RUN(suffix)                                                                                \
    gru_##suffix(&r, &(gru_tensors_##suffix){                                                      \
                         .x = in[0].data,                                                          \
                         .R = in[1].data,                                                          \
                         .state = in[2].data,                                                      \
                         .bias = fm_recurrent_data(call, 3, FM_RECURRENT_BIAS),                    \
                         .mask = fm_recurrent_data(call, 3, FM_RECURRENT_MASK),                    \
                         .scale = fm_recurrent_data(call, 3, FM_RECURRENT_SCALE),                  \
                         .y = out[0].data,                                                         \
                         .last = out[1].data,                                                      \
                         .gates = fm_recurrent_result(call, 2),                                    \
                     })
    if (in[0].dtype == FM_F64)
        RUN(f64);
    else
        RUN(f32);
#undef RUN
}

const fm_op fm_op_gru = {
    .name = "gru",
    .doc = "h' = z h + (1 - z) n along a sequence; the states, the last, gates",
    .min_inputs = 3,
    .max_inputs = 6,
    .outputs = 3,
    .flags = FM_OP_PRODUCT,
    .attributes_size = sizeof(fm_recurrent_attributes),
    .attributes = fm_recurrent_fields,
    .infer = fm_recurrent_infer,
    .vjp = fm_recurrent_vjp,
    .run = gru_run,
    .flops = fm_recurrent_flops,
    .cases =
        (const fm_case[]){FM_RECURRENT_CASE("f(1,2,3) f(1,3) f(1,1)", .keeps = true),
                          FM_RECURRENT_CASE("f(2,3,6) f(2,6) f(2,2)", .keeps = false),
                          FM_RECURRENT_CASE("f(2,3,6) f(2,6) f(2,2) f(6)", .reset_after = true,
                                            .keeps = true, FM_RECURRENT_HAS(BIAS)),
                          FM_RECURRENT_CASE("f(2,3,6) f(2,6) f(2,2) f(6) u(2,3) p(2,2)",
                                            .reset_after = true, .reverse = true, .keeps = true,
                                            FM_RECURRENT_HAS(BIAS), FM_RECURRENT_HAS(MASK),
                                            FM_RECURRENT_HAS(SCALE)),
                          FM_RECURRENT_CASE("f(2,3,6) f(2,6) f(2,2) u(2,3) p(2,2)", .keeps = true,
                                            FM_RECURRENT_HAS(MASK), FM_RECURRENT_HAS(SCALE)),
                          FM_RECURRENT_CASE("f(1,3,6) f(2,6) f(1,2)", .reset_after = true,
                                            .activation = FM_CELL_LINEAR,
                                            .gate_activation = FM_GATE_HARD_SIGMOID, .keeps = true),
                          {NULL, NULL}},
};

fm_val fm_gru_sequence(fm_graph *g, fm_val x, fm_val recurrent_kernel, fm_val state,
                       const fm_recurrence *recurrence, fm_val *final_state)
{
    fm_val results[FM_RECURRENT_MOST_RESULTS];
    fm_recurrent_add(g, &fm_gru_cell, (fm_val[]){x, recurrent_kernel, state}, recurrence, results);
    if (final_state) *final_state = results[1];
    return results[0];
}

/* ---- gru_grad -------------------------------------------------------------------------------- */

static void gru_grad_run(const fm_call *call)
{
    const fm_tensor *in = call->inputs, *out = call->outputs;
    kernel_recurrence r = fm_recurrence_of(call);
#define RUN(suffix)                                                                                \
    gru_grad_##suffix(&r, &(gru_grad_tensors_##suffix){                                            \
                              .R = in[0].data,                                                     \
                              .state = in[1].data,                                                 \
                              .y = in[2].data,                                                     \
                              .gates = in[3].data,                                                 \
                              .mask = fm_recurrent_data(call, 4, FM_RECURRENT_MASK),               \
                              .scale = fm_recurrent_data(call, 4, FM_RECURRENT_SCALE),             \
                              .dy = fm_recurrent_data(call, 4, FM_RECURRENT_DY),                   \
                              .dlast = fm_recurrent_data(call, 4, FM_RECURRENT_DLAST),             \
                              .dgates = fm_recurrent_data(call, 4, FM_RECURRENT_DGATES),           \
                              .dx = out[0].data,                                                   \
                              .dR = out[1].data,                                                   \
                              .dstate = out[2].data,                                               \
                              .dbias = fm_recurrent_result(call, 3),                               \
                              .dscale = fm_recurrent_result(call, 4),                              \
                          })
    if (in[0].dtype == FM_F64)
        RUN(f64);
    else
        RUN(f32);
#undef RUN
}

const fm_op fm_op_gru_grad = {
    .name = "gru_grad",
    .doc = "back through time: the gradients of x, R, the state, the recurrent bias and the scale",
    .min_inputs = 4,
    .max_inputs = 10,
    .outputs = 5,
    .flags = FM_OP_PRODUCT,
    .attributes_size = sizeof(fm_recurrent_attributes),
    .attributes = fm_recurrent_fields,
    .infer = fm_recurrent_grad_infer,
    .vjp = fm_recurrent_grad_vjp,
    .run = gru_grad_run,
    .flops = fm_recurrent_grad_flops,
    .cases =
        (const fm_case[]){
            FM_RECURRENT_CASE("f(1,3) f(1,1) f(1,1,1) u(1,1,3) f(1,1,1)", FM_RECURRENT_HAS(DY)),
            FM_RECURRENT_CASE("f(2,6) f(2,2) f(2,3,2) u(2,3,8) f(6) f(2,3,2) f(2,2)",
                              .reset_after = true, FM_RECURRENT_HAS(BIAS), FM_RECURRENT_HAS(DY),
                              FM_RECURRENT_HAS(DLAST)),
            FM_RECURRENT_CASE(
                "f(2,6) f(2,2) f(2,3,2) u(2,3,8) f(6) u(2,3) p(2,2) f(2,3,2) f(2,2) f(2,3,8)",
                .reset_after = true, .reverse = true, FM_RECURRENT_HAS(BIAS),
                FM_RECURRENT_HAS(MASK), FM_RECURRENT_HAS(SCALE), FM_RECURRENT_HAS(DY),
                FM_RECURRENT_HAS(DLAST), FM_RECURRENT_HAS(DGATES)),
            FM_RECURRENT_CASE("f(2,6) f(2,2) f(2,3,2) u(2,3,6) u(2,3) p(2,2) f(2,3,2) f(2,3,6)",
                              FM_RECURRENT_HAS(MASK), FM_RECURRENT_HAS(SCALE), FM_RECURRENT_HAS(DY),
                              FM_RECURRENT_HAS(DGATES)),
            FM_RECURRENT_CASE("f(2,6) f(1,2) f(1,2,2) u(1,2,8) f(1,2)", .reset_after = true,
                              .activation = FM_CELL_SIGMOID,
                              .gate_activation = FM_GATE_HARD_SIGMOID, FM_RECURRENT_HAS(DLAST)),
            {NULL, NULL}},
};
