/* A quadtree over points in a plane, for sums over all of them at once (Barnes, Hut 1986). */
#ifndef FM_TRAIN_EMBEDDING_QUADTREE_H
#define FM_TRAIN_EMBEDDING_QUADTREE_H

#include "base/memory.h"

/* Cells in preorder; every inner one has at least two parts, so there are at most 2 count - 1.
 * `next` is behind everything within the cell: a leaf's is the following cell. */
typedef struct fm_quadtree_cell {
    double center[2], count, side2; /* the middle of its points; the square of its side */
    uint32_t next, first, end;      /* its points: order[first] to order[end - 1] */
} fm_quadtree_cell;

typedef struct fm_quadtree {
    const double *points; /* (count, 2) */
    uint32_t count, cell_count;
    double side;     /* of the whole square */
    uint32_t *order; /* the points along Morton's curve */
    uint64_t *codes; /* along it */
    fm_quadtree_cell *cells;
    uint32_t *spare_order;
    uint64_t *spare_codes;
} fm_quadtree;

/* Memory for `count` points (at least 1), in the arena. */
fm_status fm_quadtree_open(fm_arena *arena, uint32_t count, fm_quadtree *tree);
void fm_quadtree_build(fm_quadtree *tree, const double *points);

/* Over all other points j, with d their difference y_i - y_j and w = 1 / (1 + |d|^2): adds w^2 d to
 * force and returns the sum of w. A cell whose side over its distance is below `angle` (at most
 * 0.7: so it never holds point i) counts as one point of its weight. */
double fm_quadtree_repulsion(const fm_quadtree *tree, uint32_t i, double angle, double force[2]);

#endif
