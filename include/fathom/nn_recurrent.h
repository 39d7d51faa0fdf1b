/* fathom/nn_recurrent.h: recurrent layers: simple_rnn, lstm, gru, and the mask of padded sequences.
 *
 *     x = fm_lstm(g, x, .units = 64, .return_sequences = true);     (batch, time, features)
 *     x = fm_lstm(g, x, .units = 64);                               (batch, 64)
 *
 * Invariants
 *  - Sequences are (batch, time, features). Without return_sequences a layer gives the state behind
 *    the last step, so a stack of layers needs return_sequences in all but the last.
 *  - Variables and their columns are Keras's: `kernel` (features, gates units), `recurrent_kernel`
 *    (units, gates units), `bias`. Gates are i, f, c, o of an LSTM (PyTorch's order, too) and z, r,
 *    h of a GRU (PyTorch has r, z, h). Formulas and sources: recurrent_ops.h.
 *  - A mask of the input (graph.h) is kept: masked steps leave the state as it is. With
 *    return_sequences the output repeats there and has the input's mask.
 *  - Runs in FM_TRAIN keep what back-propagation through time needs, others do not.
 *  - May be NULL: options, and in them `name`, `final_state`, `final_cell`.
 */
#ifndef FATHOM_NN_RECURRENT_H
#define FATHOM_NN_RECURRENT_H

#include "fathom/nn.h"
#include "fathom/recurrent_ops.h"

#ifdef __cplusplus
extern "C" {
#endif

/* How the outputs of both directions become one. */
typedef enum fm_bidirectional_merge {
    FM_BIDIRECTIONAL_CONCAT, /* forward first */
    FM_BIDIRECTIONAL_SUM,
    FM_BIDIRECTIONAL_MUL,
    FM_BIDIRECTIONAL_AVE
} fm_bidirectional_merge;

/* Names are Keras's, and so are the results unless a line says otherwise.
 *
 *  activation            fm_activation; zero stands for tanh, FM_IDENTITY for none
 *  recurrent_activation  of gates (LSTM, GRU); zero stands for sigmoid. tanh, relu, sigmoid and
 *                        none, with gates of sigmoid or hard_sigmoid, are one op for the whole
 *                        sequence; any other pair is built step by step from ordinary ops, which is
 *                        slower and makes a graph that grows with the sequence.
 *  return_sequences      (batch, time, units) instead of the state behind the last step, (batch,
 *                        units)
 *  go_backwards          from the last step to the first; sequences come out in the order of
 *                        reading
 *  bidirectional         a second set of variables reads in reverse; variables below forward/ and
 *                        backward/. Sequences are merged step by step, in the order of the input,
 *                        and else the state behind the last step with that behind the first:
 *                        Keras's Bidirectional, PyTorch's bidirectional=True with
 *                        FM_BIDIRECTIONAL_CONCAT.
 *  merge_mode            fm_bidirectional_merge
 *  stateful              each batch goes on where the one before it ended: sample i of a batch
 *                        continues sample i of the last one. Gradients end at the batch's border:
 *                        truncated back-propagation through time (Williams, Peng 1990).
 *                        fm_program_reset, fm_model_reset (which fit calls before each epoch) begin
 *                        anew.
 *  zero_output_for_mask  sequences are zero at masked steps, as PyTorch's padded outputs are
 *  dropout               of the input's features, the same ones at all steps
 *  recurrent_dropout     of the state where it enters the recurrent product, the same at all steps
 *                        (both: Gal, Ghahramani 2016)
 *  no_bias               (recipe: use_bias: false)
 *  initial_state, initial_cell  values (batch, units) to begin with instead of zeros, and where the
 *                        final ones go; with bidirectional (batch, 2 units), forward first. The
 *                        cell is an LSTM's. Also as the layer's inputs behind x; and in a recipe as
 *                        `initial_state: NAME` from the final states of the recurrent layer NAME
 *                        above: an encoder and its decoder (Sutskever et al. 2014).
 *  final_state, final_cell  what Keras's return_state gives, stored there unless NULL
 *
 * kernel_initializer glorot_uniform, recurrent_initializer orthogonal, bias_initializer zeros;
 * kernel_l1 ... add penalties as a dense layer's do. Ranges are checked; units are required.
 *
 * Of an LSTM:
 *  no_unit_forget_bias   without the 1 that the forget gate's bias begins with (Jozefowicz et al.
 *                        2015); a bias_initializer of one's own fills the whole bias
 *  peepholes             a variable `peephole` (3, units), zeros at first: the cell's elements into
 *                        the gates i, f and o (Gers et al. 2002); neither Keras nor PyTorch has it
 *  projection            a variable `projection_kernel` (units, projection): the state, and so the
 *                        output, has that many elements (Sak et al. 2014; PyTorch's proj_size)
 *  layer_normalization   the input's product, the recurrent product and the cell are normalised (Ba
 *                        et al. 2016, equations 20 to 22), each with gamma and beta; built step by
 *                        step
 * Of a GRU:
 *  reset_before          the reset gate multiplies the state before the recurrent product (Cho et
 *                        al. 2014; Keras's reset_after=False). Without it, behind: PyTorch, cuDNN
 *                        and Keras's default, and the bias is (2, 3 units), the second row being
 *                        added to the recurrent product. (Recipe: reset_after: false)
 *
 * In a graph that streams (graph.h) the states are carried from piece to piece; bidirectional and
 * go_backwards layers, which need the whole sequence, refuse. */
typedef struct fm_recurrent_options {
    const char *name;
    int64_t units; /* required */
    int activation, recurrent_activation;
    bool return_sequences, go_backwards, bidirectional, stateful, zero_output_for_mask;
    int merge_mode;
    double dropout, recurrent_dropout;
    bool no_bias, no_unit_forget_bias, peepholes, layer_normalization, reset_before;
    int64_t projection;
    fm_initializer kernel_initializer, recurrent_initializer, bias_initializer;
    double kernel_l1, kernel_l2, recurrent_l1, recurrent_l2;
    fm_val initial_state, initial_cell;
    fm_val *final_state, *final_cell;
    const char *initial_state_of; /* a recipe's initial_state */
} fm_recurrent_options;

#define FM_RECURRENT_(kind, g, x, ...)                                                             \
    fm_##kind##_with((g), (x), FM_OPTIONS(fm_recurrent_options, __VA_ARGS__))
#define fm_simple_rnn(g, x, ...) FM_RECURRENT_(simple_rnn, g, x, __VA_ARGS__)
#define fm_lstm(g, x, ...)       FM_RECURRENT_(lstm, g, x, __VA_ARGS__)
#define fm_gru(g, x, ...)        FM_RECURRENT_(gru, g, x, __VA_ARGS__)

FM_API fm_val fm_simple_rnn_with(fm_graph *g, fm_val x, const fm_recurrent_options *options);
FM_API fm_val fm_lstm_with(fm_graph *g, fm_val x, const fm_recurrent_options *options);
FM_API fm_val fm_gru_with(fm_graph *g, fm_val x, const fm_recurrent_options *options);

/* The mask (batch, time) of sequences with these lengths (batch), i32 or the graph's dtype: 1 for
 * the steps in front of a sequence's length. fm_mask_set(g, x, fm_length_mask(g, lengths,
 * time)). */
FM_API fm_val fm_length_mask(fm_graph *g, fm_val lengths, int64_t time);

/* x (batch, time, features) with a mask: a step counts as padding when all its features are
 * mask_value. Such steps are zero in the output. Keras's Masking. */
typedef struct fm_masking_options {
    const char *name;
    double mask_value; /* default 0 */
} fm_masking_options;
#define fm_masking(g, x, ...) fm_masking_with((g), (x), FM_OPTIONS(fm_masking_options, __VA_ARGS__))
FM_API fm_val fm_masking_with(fm_graph *g, fm_val x, const fm_masking_options *options);

#ifdef __cplusplus
}
#endif
#endif
