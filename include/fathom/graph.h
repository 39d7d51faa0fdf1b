/* fathom/graph.h: a model as a graph of values, and its gradients.
 *
 * Invariants
 *  - Building executes nothing. A graph is written once by C code, compiled by fm_program_create
 *    (program.h) and run many times.
 *  - Ops are pure functions of values. State lives in variables and changes only by the graph's
 *    updates: all of a step's updates see the variables' values of before the step.
 *  - Building needs no `if`. A builder that fails returns the poisoned value {0}, builders that
 *    receive one return one, and the first mistake is kept with its words: fm_graph_status tells
 *    it, and fm_program_create returns it. A {0} that no mistake stands behind (a look-up found
 *    nothing) is a mistake itself, of the builder that was to read it.
 *  - Shapes are logical, channels last, fixed while building: the model function is called once for
 *    each batch size and mode, and its variables are found by path in the store.
 *  - May be NULL: options, `freeze`.
 */
#ifndef FATHOM_GRAPH_H
#define FATHOM_GRAPH_H

#include "fathom/base.h"
#include "fathom/schema.h"
#include "fathom/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A handle of a value. id 0 is the poisoned one;
 * others mean something in the graph that made them only. */
typedef struct fm_val {
    uint32_t id;
} fm_val;

typedef struct fm_graph fm_graph;
typedef struct fm_op fm_op;

/* What the graph is built for; layers ask it (dropout is the identity unless training). */
typedef enum fm_mode { FM_PREDICT, FM_EVALUATE, FM_TRAIN } fm_mode;

/* dtype   of weights and activations: FM_F32, or FM_F64 for checks
 * freeze  patterns of variables' paths, "resnet18/" and a star, with commas between them ('*' any
 *         characters, '?' one): such a variable keeps its value. It is not trainable, and updates
 *         of it are not recorded. Must stay alive while the graph is built.
 * stream_length  FM_PREDICT: the graph reads a sequence piece by piece, run after run, and layers
 *         with a memory carry it along: states, the keys and values of up to so many positions. 0:
 *         each run reads a whole sequence. */
typedef struct fm_graph_options {
    fm_mode mode;
    fm_dtype dtype;
    const char *freeze;
    int64_t stream_length;
} fm_graph_options;

FM_API fm_status fm_graph_create(fm_context *context, const fm_graph_options *options,
                                 fm_graph **graph);
FM_API void fm_graph_destroy(fm_graph *graph);
FM_API fm_context *fm_graph_context(const fm_graph *graph);
FM_API fm_mode fm_graph_mode(const fm_graph *graph);
FM_API fm_dtype fm_graph_dtype(const fm_graph *graph);
FM_API int64_t fm_graph_stream_length(const fm_graph *graph);

/* The first mistake made while building, FM_OK without one; its words are in the context. */
FM_API fm_status fm_graph_status(const fm_graph *graph);

/* Records a mistake (kept if it is the first) with the current scope in front; returns {0}. For
 * layers and ops written outside the library. */
FM_API __attribute__((format(printf, 3, 4))) fm_val fm_graph_fail(fm_graph *graph, fm_status status,
                                                                  const char *format, ...);

/* ---- values ---------------------------------------------------------------------------------- */

/* A tensor fed before each run. */
FM_API fm_val fm_input(fm_graph *graph, const char *name, fm_dtype dtype, fm_shape shape);

/* Copies the elements. */
FM_API fm_val fm_constant(fm_graph *graph, fm_dtype dtype, fm_shape shape, const void *elements);

/* A rank-0 constant of the graph's dtype. */
FM_API fm_val fm_scalar(fm_graph *graph, double value);

/* A constant of the graph's dtype with every element equal. */
FM_API fm_val fm_full(fm_graph *graph, fm_shape shape, double value);

/* How a variable starts; see nn.h for Glorot and kin. `fill` writes `count` elements of `dtype`;
 * seed and stream (a hash of the path) are all the randomness it may use. */
typedef struct fm_initializer {
    const char *name;
    fm_status (*fill)(fm_context *context, const struct fm_initializer *self, fm_dtype dtype,
                      fm_shape shape, uint64_t seed, uint32_t stream, void *elements);
    double a, b; /* the scheme's numbers: gain, value, mean and deviation, limits */
    int fan;     /* the scheme's choice of fan */
} fm_initializer;

/* carried: the state of a running sequence. Its memory is the program's and not the store's: it
 * starts at its initial value, updates change it from run to run, fm_program_reset starts it anew,
 * and no model file has it. Never trainable, never frozen; of any shape from program to program. */
typedef struct fm_variable_options {
    fm_initializer initializer; /* zeros by default */
    bool not_trainable;         /* statistics, counters, optimiser slots */
    bool carried;
} fm_variable_options;

/* The variable of path scope/name. Asking for the same path again gives the same value, with equal
 * shape and dtype or a mistake that shows both. */
FM_API fm_val fm_variable(fm_graph *graph, const char *name, fm_dtype dtype, fm_shape shape,
                          const fm_variable_options *options);

FM_API fm_shape fm_val_shape(const fm_graph *graph, fm_val value);
FM_API fm_dtype fm_val_dtype(const fm_graph *graph, fm_val value);
/* The variable's path, the input's name, or "" for a temporary. */
FM_API const char *fm_val_name(const fm_graph *graph, fm_val value);

/* Variables in order of creation: i from 0 while the result's id is not 0. */
FM_API fm_val fm_graph_variable(const fm_graph *graph, int i);
FM_API bool fm_val_trainable(const fm_graph *graph, fm_val variable);
/* Does it match `freeze`? A layer that keeps statistics uses them as they are then,
 * in training too. */
FM_API bool fm_val_frozen(const fm_graph *graph, fm_val variable);
/* A mistake of the graph unless every pattern of `freeze` matches a variable:
 * when all are there. */
FM_API void fm_graph_check_freeze(fm_graph *graph);

/* ---- masks ----------------------------------------------------------------------------------- */

/* Which steps of a sequence (batch, time, ...) are real: mask (batch, time) of the graph's dtype, 1
 * for a step, 0 for padding. It stays with the value; a layer whose result has rank 3 or more and
 * the batch and time of its first input passes that one's mask on. {0}: nothing is set. */
FM_API void fm_mask_set(fm_graph *graph, fm_val value, fm_val mask);
FM_API fm_val fm_mask_of(const fm_graph *graph, fm_val value); /* {0} without one */

/* ---- scopes ---------------------------------------------------------------------------------- */

/* Names nest: "encoder/dense_1". A fresh scope never repeats a name (dense, dense_1, ...), so a
 * model function that is called again for another program names its variables the same; a named
 * scope is entered as it is, so entering it twice shares its variables. */
FM_API void fm_scope_enter(fm_graph *graph, const char *name);
FM_API void fm_scope_enter_fresh(fm_graph *graph, const char *base);
FM_API void fm_scope_leave(fm_graph *graph);
FM_API const char *fm_scope_path(const fm_graph *graph);

/* ---- what a program computes ----------------------------------------------------------------- */

/* After each run the variable takes next's value. One update a variable. */
FM_API void fm_update(fm_graph *graph, fm_val variable, fm_val next);

/* Keeps a value readable after the run, under a name unique in the graph. */
FM_API void fm_output(fm_graph *graph, const char *name, fm_val value);
FM_API fm_val fm_graph_output(const fm_graph *graph, const char *name); /* {0} when absent */
FM_API fm_val fm_graph_input(const fm_graph *graph, const char *name);  /* {0} when absent */

/* A second prediction of the same labels, of the output's shape: while training fit adds its loss,
 * times weight > 0, to what it minimises (auxiliary heads: Szegedy et al. 2014). In order of
 * adding: i from 0 while the result's id is not 0. */
FM_API void fm_add_auxiliary(fm_graph *graph, fm_val prediction, double weight);
FM_API fm_val fm_graph_auxiliary(const fm_graph *graph, int i, double *weight);

/* Layers' penalties (weight decay), each of rank 0, that training adds to the
 * loss; their sum, or {0} without one. */
FM_API void fm_add_penalty(fm_graph *graph, fm_val penalty);
FM_API fm_val fm_graph_penalty(const fm_graph *graph);

/* A number of the batch, rank 0, that fit and evaluate tell beside the metrics: its mean, weighted
 * by the batches' samples, under this name (of letters, digits and '_'). Numbers of one name are
 * added up. It is the output "metric/NAME" of the graph, and is to be added in FM_TRAIN and in
 * FM_EVALUATE. */
FM_API void fm_add_metric(fm_graph *graph, const char *name, fm_val value);

/* ---- gradients ------------------------------------------------------------------------------- */

/* grads[i] = d loss / d wrt[i], with the shape of wrt[i]; zeros where loss does not depend on it.
 * loss has rank 0. The gradient is made of nodes, so it can be differentiated again. A missing rule
 * is a mistake that names the op and the path from the loss to it.
 * Reverse accumulation: Linnainmaa 1970; Griewank and Walther, "Evaluating Derivatives", 2008. */
FM_API void fm_grad(fm_graph *graph, fm_val loss, const fm_val *wrt, int count, fm_val *grads);

/* ---- looking --------------------------------------------------------------------------------- */

/* The graph as text, a line a node, in the caller's hands: release with fm_text_free. */
FM_API fm_status fm_graph_print(const fm_graph *graph, char **text);
FM_API void fm_text_free(fm_context *context, char *text);

#ifdef __cplusplus
}
#endif
#endif
