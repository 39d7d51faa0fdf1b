/* The activations as one list, in the order of the enum: X(name, doc, builder). */
#ifndef FM_NN_ACTIVATION_H
#define FM_NN_ACTIVATION_H

#include "fathom/nn.h"

#define FM_ACTIVATIONS(X) X(linear, "x", fm_linear_activation) FM_OTHER_ACTIVATIONS(X)
#define FM_OTHER_ACTIVATIONS(X)                                                                    \
    X(relu, "max(x, 0)", fm_relu)                                                                  \
    X(relu6, "min(max(x, 0), 6)", fm_relu6)                                                        \
    X(leaky_relu, "x where x > 0, else 0.2 x", fm_leaky_relu_activation)                           \
    X(prelu, "x where x > 0, else alpha x, alpha a variable", fm_prelu_activation)                 \
    X(elu, "x where x > 0, else exp(x) - 1", fm_elu_activation)                                    \
    X(selu, "1.0507 (x where x > 0, else 1.6733 (exp(x) - 1))", fm_selu)                           \
    X(gelu, "x (1 + erf(x / sqrt(2))) / 2", fm_gelu)                                               \
    X(gelu_tanh, "x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2", fm_gelu_tanh)                \
    X(sigmoid, "1 / (1 + exp(-x))", fm_sigmoid)                                                    \
    X(tanh, "tanh(x)", fm_tanh)                                                                    \
    X(silu, "x sigmoid(x)", fm_silu)                                                               \
    X(mish, "x tanh(softplus(x))", fm_mish)                                                        \
    X(softplus, "log(1 + exp(x))", fm_softplus)                                                    \
    X(softsign, "x / (1 + |x|)", fm_softsign)                                                      \
    X(hard_sigmoid, "min(max(x + 3, 0), 6) / 6", fm_hard_sigmoid)                                  \
    X(hard_swish, "x hard_sigmoid(x)", fm_hard_swish)                                              \
    X(softmax, "exp(x) / sum exp(x), over the last axis", fm_softmax)                              \
    X(log_softmax, "x - log sum exp(x), over the last axis", fm_log_softmax)                       \
    X(identity, "another name of linear", fm_linear_activation)                                    \
    X(swish, "another name of silu", fm_silu)                                                      \
    X(hard_silu, "another name of hard_swish", fm_hard_swish)

fm_val fm_linear_activation(fm_graph *g, fm_val x);
fm_val fm_leaky_relu_activation(fm_graph *g, fm_val x);
fm_val fm_prelu_activation(fm_graph *g, fm_val x);
fm_val fm_elu_activation(fm_graph *g, fm_val x);

/* The names in the same order, for fields; ends with NULL. */
extern const char *const fm_activation_choices[];

/* x where x > 0, else alpha x. */
fm_val fm_prelu_of(fm_graph *g, fm_val x, fm_val alpha);

#endif
