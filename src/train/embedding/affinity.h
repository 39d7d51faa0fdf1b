/* How much each sample belongs to each other one: the P of t-SNE. */
#ifndef FM_TRAIN_EMBEDDING_AFFINITY_H
#define FM_TRAIN_EMBEDDING_AFFINITY_H

#include "train/embedding/point_rows.h"

/* Symmetric, of sum 1, zero on the diagonal: row i has the entries first[i] to first[i + 1] - 1. */
typedef struct fm_affinities {
    int64_t rows;
    int64_t *first;
    uint32_t *to;
    double *p;
} fm_affinities;

/* p_j of one sample from its squared distances: proportional to exp(-beta d_j), with beta by
 * bisection such that their perplexity, 2 to the entropy in bits, is the one that is asked for (van
 * der Maaten, Hinton 2008, section 2); uniform where no beta has it. Returns beta. */
double fm_affinity_row(const double *distance2, int64_t count, double perplexity, double *p);

/* p_ij = (p_j|i + p_i|j) / 2 rows, from the `neighbors` nearest of each sample (rows - 1: all). */
fm_status fm_affinities_make(fm_arena *arena, const double *x, int64_t rows, int64_t columns,
                             int64_t neighbors, double perplexity, fm_affinities *made);

#endif
