/* fathom/recurrent_ops.h: recurrent cells over whole sequences, one op each; nn_recurrent.h has the
 * layers that are made of them.
 *
 *     x = fm_add(g, fm_matmul(g, sequence, kernel), bias);     one product for all steps
 *     y = fm_lstm_sequence(g, x, recurrent_kernel, h0, c0, &(fm_recurrence){0}, &h, &c);
 *
 * Invariants
 *  - Sequences are (batch, time, ...). x holds what the input contributes to each gate,
 *    (batch, time, gates units), so its product, the product's gradient and its fusion are those of
 *    any dense layer. The op does what depends on the step before.
 *  - Gates are column blocks of x and of the recurrent kernel, in Keras's order: LSTM i, f, g
 *    (Keras calls it c), o, which is PyTorch's too; GRU z (update), r (reset), n (candidate), where
 *    PyTorch has r, z, n.
 *  - y (batch, time, width) holds the hidden state of each time step at that step's place, also in
 *    reverse. The final states are those after the last step read: step 0's in reverse. width is
 *    `units`, or the projection's.
 *  - A step is real where its mask, (batch, time) of x's dtype, is greater than 1/2. Other steps
 *    are passed over: they leave the states, and so y, as the step before did. Nothing flows
 *    through them to x. A sequence padded behind its end and read in reverse therefore starts at
 *    its end: PyTorch's packed sequences, whose outputs are zero instead where y repeats.
 *  - Gradients exist to any order. The first is an op that goes back through time with what the
 *    forward op has kept; higher ones go through a composite of ordinary ops for each step, which
 *    is exact and meant for short sequences.
 *  - May be NULL: `recurrence`, `final_state`, `final_cell`.
 */
#ifndef FATHOM_RECURRENT_OPS_H
#define FATHOM_RECURRENT_OPS_H

#include "fathom/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

/* f: of candidates and of what leaves a cell. */
typedef enum fm_cell_activation {
    FM_CELL_TANH,
    FM_CELL_RELU,
    FM_CELL_SIGMOID,
    FM_CELL_LINEAR
} fm_cell_activation;

/* s: of gates. hard_sigmoid is relu6(x + 3) / 6, Keras 3's and PyTorch's. */
typedef enum fm_gate_activation { FM_GATE_SIGMOID, FM_GATE_HARD_SIGMOID } fm_gate_activation;

/* What all cells can be asked for; a value that is {0} is not there.
 *  mask             (batch, time), see above
 *  recurrent_scale  (batch, width): multiplies the state where it enters the recurrent product, the
 *                   same at all steps (recurrent dropout: Gal, Ghahramani 2016; Keras's
 *                   recurrent_dropout). What a GRU carries over and an LSTM's cell are not scaled.
 *  reverse          reads from the last step to the first
 *  activation       fm_cell_activation
 *  gate_activation  fm_gate_activation; simple_rnn has no gates
 *  peephole         LSTM: (3, units) for i, f and o, elementwise from the cell to the gates: i and
 *                   f see the one before, o the new one (Gers et al. 2002). Sak et al. 2014 have
 *                   them; neither Keras nor PyTorch.
 *  projection       LSTM: (units, width), h = m projection (Sak et al. 2014; PyTorch's proj_size)
 *  reset_after      GRU: the reset gate multiplies the candidate's recurrent product: cuDNN,
 *                   PyTorch and Keras's default. Without it the gate multiplies the state in front
 *                   of the product: Cho et al. 2014, Keras's reset_after=False.
 *  recurrent_bias   GRU with reset_after: (3 units), added to the recurrent product */
typedef struct fm_recurrence {
    fm_val mask, recurrent_scale;
    bool reverse;
    int activation, gate_activation;
    fm_val peephole, projection;
    bool reset_after;
    fm_val recurrent_bias;
} fm_recurrence;

/* h_t = f(x_t + h_{t-1} R): Elman 1990; PyTorch's RNN, Keras's SimpleRNN. x (batch, time, units),
 * recurrent_kernel R (units, units), state (batch, units). final_state may be NULL. */
FM_API fm_val fm_simple_rnn_sequence(fm_graph *g, fm_val x, fm_val recurrent_kernel, fm_val state,
                                     const fm_recurrence *recurrence, fm_val *final_state);

/* i = s(x_i + h R_i + p_i c), f = s(x_f + h R_f + p_f c), g = f(x_g + h R_g), c' = f c + i g, o =
 * s(x_o + h R_o + p_o c'), h' = o f(c') [projection]: Hochreiter, Schmidhuber 1997; Gers et al.
 * 2000. x (batch, time, 4 units), recurrent_kernel (width, 4 units), state (batch, width), cell
 * (batch, units). final_state and final_cell may be NULL. */
FM_API fm_val fm_lstm_sequence(fm_graph *g, fm_val x, fm_val recurrent_kernel, fm_val state,
                               fm_val cell, const fm_recurrence *recurrence, fm_val *final_state,
                               fm_val *final_cell);

/* z = s(x_z + h R_z), r = s(x_r + h R_r), n = f(x_n + (r h) R_n) or f(x_n + r (h R_n + b_n)), h' =
 * z h + (1 - z) n: Cho et al. 2014. x (batch, time, 3 units), recurrent_kernel (units, 3 units),
 * state (batch, units). final_state may be NULL. */
FM_API fm_val fm_gru_sequence(fm_graph *g, fm_val x, fm_val recurrent_kernel, fm_val state,
                              const fm_recurrence *recurrence, fm_val *final_state);

#ifdef __cplusplus
}
#endif
#endif
