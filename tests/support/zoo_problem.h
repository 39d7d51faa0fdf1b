/* A network of the zoo with weights, images and labels that C and Python make alike, and the
 * gradients of its loss: what tests/golden/zoo_networks.py computes with PyTorch.
 *
 *     u(s, i)    golden_uniform of mnist_parity_golden.h: stream s, index i, in [0, 1)
 *     s(path)    FNV-1a (Fowler, Noll, Vo), 32 bits, of the variable's path
 *     v          2 u(s(path), i) - 1 for element i, and with it
 *     kernel     v sqrt(6 / (all dimensions but the last)): He et al. 2015, uniform
 *     gamma      1 + v / 5;  beta  3 + v / 10;  bias  v / 10
 *     bn3        (the last of a bottleneck) gamma  (1 + v / 5) / 10;  beta  v / 10
 *     images     2 u(images, i) - 1
 *     labels     i 7 mod classes for the i-th of the batch (of its pixels, U-Net)
 * Dropout is off, GoogLeNet has no auxiliary heads; batch normalisation trains.
 *
 * Beta keeps most pre-activations away from the kink of ReLU: one that lies within rounding of 0
 * counts in one f32 program and not in another, which changes the gradient of a whole filter by a
 * part in the square root of its positions. Small last gammas keep a deep residual network well
 * conditioned. */
#ifndef TESTS_SUPPORT_ZOO_PROBLEM_H
#define TESTS_SUPPORT_ZOO_PROBLEM_H

#include "fathom/program.h"

typedef struct zoo_problem {
    const char *network;
    int64_t height, classes, batch;
    uint32_t images; /* their stream */
} zoo_problem;

/* Outputs: logits, loss, and the gradient of each trainable variable under its path. */
fm_status zoo_problem_build(fm_context *context, const zoo_problem *problem, fm_dtype dtype,
                            fm_graph **graph);
/* Writes the variables of the store and feeds the program. */
fm_status zoo_problem_fill(const zoo_problem *problem, fm_dtype dtype, const fm_graph *graph,
                           fm_store *store, fm_program *program);

uint32_t zoo_problem_stream(const char *path);
/* 2 u(stream, i) - 1 */
double zoo_problem_value(uint32_t stream, int64_t i);

#endif
