/* Long short-term memory over a sequence, and back through it. */
#include "op/op_table.h"
#include "op/recurrent_cells.h"
#include "op/recurrent_unrolled.h"

#define KERNEL_FILE "kernel/recurrent_lstm.h"
#include "kernel/instantiate.h"

const fm_recurrent_cell fm_lstm_cell = {
    .forward = &fm_op_lstm,
    .backward = &fm_op_lstm_grad,
    .gates = 4,
    .has_cell = true,
    .keeps_gates = true,
    .is_allowed = {[FM_RECURRENT_PEEPHOLE] = true,
                   [FM_RECURRENT_PROJECTION] = true,
                   [FM_RECURRENT_MASK] = true,
                   [FM_RECURRENT_SCALE] = true,
                   [FM_RECURRENT_DY] = true,
                   [FM_RECURRENT_DLAST] = true,
                   [FM_RECURRENT_DLAST_CELL] = true,
                   [FM_RECURRENT_DGATES] = true,
                   [FM_RECURRENT_DCELLS] = true},
    .pull = fm_unrolled_lstm,
};

static void lstm_run(const fm_call *call)
{
    const fm_tensor *in = call->inputs, *out = call->outputs;
    kernel_recurrence r = fm_recurrence_of(call);
#define RUN(suffix)                                                                                \
    lstm_##suffix(&r, &(lstm_tensors_##suffix){                                                    \
                          .x = in[0].data,                                                         \
                          .R = in[1].data,                                                         \
                          .state = in[2].data,                                                     \
                          .memory = in[3].data,                                                    \
                          .peephole = fm_recurrent_data(call, 4, FM_RECURRENT_PEEPHOLE),           \
                          .projection = fm_recurrent_data(call, 4, FM_RECURRENT_PROJECTION),       \
                          .mask = fm_recurrent_data(call, 4, FM_RECURRENT_MASK),                   \
                          .scale = fm_recurrent_data(call, 4, FM_RECURRENT_SCALE),                 \
                          .y = out[0].data,                                                        \
                          .last = out[1].data,                                                     \
                          .last_memory = out[2].data,                                              \
                          .gates = fm_recurrent_result(call, 3),                                   \
                          .cells = fm_recurrent_result(call, 4),                                   \
                      })
    if (in[0].dtype == FM_F64)
        RUN(f64);
    else
        RUN(f32);
#undef RUN
}

const fm_op fm_op_lstm = {
    .name = "lstm",
    .doc =
        "c' = f c + i g, h' = o tanh(c') [P] along a sequence; the states, the last, gates, cells",
    .min_inputs = 4,
    .max_inputs = 8,
    .outputs = 5,
    .flags = FM_OP_PRODUCT,
    .attributes_size = sizeof(fm_recurrent_attributes),
    .attributes = fm_recurrent_fields,
    .infer = fm_recurrent_infer,
    .vjp = fm_recurrent_vjp,
    .run = lstm_run,
    .flops = fm_recurrent_flops,
    .cases =
        (const fm_case[]){
            FM_RECURRENT_CASE("f(1,2,4) f(1,4) f(1,1) f(1,1)", .keeps = true),
            FM_RECURRENT_CASE("f(2,3,8) f(2,8) f(2,2) f(2,2)", .keeps = false),
            FM_RECURRENT_CASE("f(2,3,8) f(3,8) f(2,3) f(2,2) f(3,2) f(2,3) u(2,3) p(2,3)",
                              .reverse = true, .keeps = true, FM_RECURRENT_HAS(PEEPHOLE),
                              FM_RECURRENT_HAS(PROJECTION), FM_RECURRENT_HAS(MASK),
                              FM_RECURRENT_HAS(SCALE)),
            FM_RECURRENT_CASE("f(2,2,8) f(2,8) f(2,2) f(2,2)", .activation = FM_CELL_SIGMOID,
                              .gate_activation = FM_GATE_HARD_SIGMOID, .keeps = true),
            {NULL, NULL}},
};

fm_val fm_lstm_sequence(fm_graph *g, fm_val x, fm_val recurrent_kernel, fm_val state,
                        fm_val cell_state, const fm_recurrence *recurrence, fm_val *final_state,
                        fm_val *final_cell)
{
    fm_val results[FM_RECURRENT_MOST_RESULTS];
    const fm_val fixed[] = {x, recurrent_kernel, state, cell_state};
    fm_recurrent_add(g, &fm_lstm_cell, fixed, recurrence, results);
    if (final_state) *final_state = results[1];
    if (final_cell) *final_cell = results[2];
    return results[0];
}

/* ---- lstm_grad ------------------------------------------------------------------------------- */

static void lstm_grad_run(const fm_call *call)
{
    const fm_tensor *in = call->inputs, *out = call->outputs;
    kernel_recurrence r = fm_recurrence_of(call);
#define RUN(suffix)                                                                                \
    lstm_grad_##suffix(&r,                                                                         \
                       &(lstm_grad_tensors_##suffix){                                              \
                           .R = in[0].data,                                                        \
                           .state = in[1].data,                                                    \
                           .memory = in[2].data,                                                   \
                           .y = in[3].data,                                                        \
                           .gates = in[4].data,                                                    \
                           .cells = in[5].data,                                                    \
                           .peephole = fm_recurrent_data(call, 6, FM_RECURRENT_PEEPHOLE),          \
                           .projection = fm_recurrent_data(call, 6, FM_RECURRENT_PROJECTION),      \
                           .mask = fm_recurrent_data(call, 6, FM_RECURRENT_MASK),                  \
                           .scale = fm_recurrent_data(call, 6, FM_RECURRENT_SCALE),                \
                           .dy = fm_recurrent_data(call, 6, FM_RECURRENT_DY),                      \
                           .dlast = fm_recurrent_data(call, 6, FM_RECURRENT_DLAST),                \
                           .dlast_memory = fm_recurrent_data(call, 6, FM_RECURRENT_DLAST_CELL),    \
                           .dgates = fm_recurrent_data(call, 6, FM_RECURRENT_DGATES),              \
                           .dcells = fm_recurrent_data(call, 6, FM_RECURRENT_DCELLS),              \
                           .dx = out[0].data,                                                      \
                           .dR = out[1].data,                                                      \
                           .dstate = out[2].data,                                                  \
                           .dmemory = out[3].data,                                                 \
                           .dpeephole = fm_recurrent_result(call, 4),                              \
                           .dprojection = fm_recurrent_result(call, 5),                            \
                           .dscale = fm_recurrent_result(call, 6),                                 \
                       })
    if (in[0].dtype == FM_F64)
        RUN(f64);
    else
        RUN(f32);
#undef RUN
}

const fm_op fm_op_lstm_grad = {
    .name = "lstm_grad",
    .doc = "back through time: the gradients of x, R, both states, peephole, P and the scale",
    .min_inputs = 6,
    .max_inputs = 15,
    .outputs = 7,
    .flags = FM_OP_PRODUCT,
    .attributes_size = sizeof(fm_recurrent_attributes),
    .attributes = fm_recurrent_fields,
    .infer = fm_recurrent_grad_infer,
    .vjp = fm_recurrent_grad_vjp,
    .run = lstm_grad_run,
    .flops = fm_recurrent_grad_flops,
    .cases =
        (const fm_case[]){
            FM_RECURRENT_CASE("f(1,4) f(1,1) f(1,1) f(1,1,1) u(1,1,4) f(1,1,1) f(1,1,1)",
                              FM_RECURRENT_HAS(DY)),
            FM_RECURRENT_CASE(
                "f(2,8) f(2,2) f(2,2) f(2,3,2) u(2,3,8) f(2,3,2) f(2,3,2) f(2,2) f(2,2)",
                FM_RECURRENT_HAS(DY), FM_RECURRENT_HAS(DLAST), FM_RECURRENT_HAS(DLAST_CELL)),
            FM_RECURRENT_CASE(
                "f(3,8) f(2,3) f(2,2) f(2,3,3) u(2,3,8) f(2,3,2) f(3,2) f(2,3) u(2,3) p(2,3) "
                "f(2,3,3) f(2,3,8) f(2,3,2)",
                .reverse = true, FM_RECURRENT_HAS(PEEPHOLE), FM_RECURRENT_HAS(PROJECTION),
                FM_RECURRENT_HAS(MASK), FM_RECURRENT_HAS(SCALE), FM_RECURRENT_HAS(DY),
                FM_RECURRENT_HAS(DGATES), FM_RECURRENT_HAS(DCELLS)),
            FM_RECURRENT_CASE("f(1,4) f(2,1) f(2,1) f(2,2,1) u(2,2,4) f(2,2,1) f(2,1)",
                              .activation = FM_CELL_SIGMOID,
                              .gate_activation = FM_GATE_HARD_SIGMOID, FM_RECURRENT_HAS(DLAST)),
            {NULL, NULL}},
};
