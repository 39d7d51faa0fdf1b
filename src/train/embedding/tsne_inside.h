/* t-SNE's inside: the gradient, for the loop and for tests. */
#ifndef FM_TRAIN_EMBEDDING_TSNE_INSIDE_H
#define FM_TRAIN_EMBEDDING_TSNE_INSIDE_H

#include "train/embedding/affinity.h"
#include "train/embedding/quadtree.h"

typedef struct fm_tsne_forces {
    int threads;
    const fm_affinities *affinities;
    fm_quadtree *tree; /* NULL: all pairs */
    double angle;
    const double *places;           /* (rows, 2) */
    double *attraction, *repulsion; /* (rows, 2): sums of p w d and of w^2 d */
    double *weights;                /* (rows): sum of w */
    double *divergences;            /* (rows): sum of p log(p / w) */
} fm_tsne_forces;

fm_status fm_tsne_forces_open(fm_arena *arena, const fm_affinities *affinities, bool exact,
                              double angle, fm_tsne_forces *forces);

/* At these places: gradient (rows, 2) of KL(exaggeration P || Q), as van der Maaten and Hinton 2008
 * have it in equation 5, and *divergence (may be NULL) KL(P || Q). */
void fm_tsne_gradient(fm_tsne_forces *forces, const double *places, double exaggeration,
                      double *gradient, double *divergence);

#endif
