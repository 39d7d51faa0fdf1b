/* A tensor's dimensions cut into kept and reduced ones, for statistics over any set of axes: for
 * each kept index, everything at the reduced indices. The last dimension (the row) is contiguous
 * and is one or the other; rows are worked on in chunks of KERNEL_CHUNK. A second tensor broadcasts
 * along. */
#ifndef FM_KERNEL_SPLIT_H
#define FM_KERNEL_SPLIT_H

#include "kernel/walk.h"

enum { KERNEL_CHUNK = 32 };

typedef struct kernel_split {
    kernel_walk kept, reduced; /* without the row; operand 0 is the tensor, 1 the other one */
    int64_t kept_count, reduced_count;
    int64_t row;        /* elements of the last dimension */
    int64_t row_step;   /* of the other tensor along it: 0 or 1 */
    int row_is_reduced; /* or kept */
    int64_t reduced_elements;
} kernel_split;

static inline int64_t kernel_walk_elements(const kernel_walk *walk)
{
    return walk->rows * walk->row_size;
}

/* sizes (rank), is_reduced (rank); other_strides (rank) of the second tensor,
 * 0 where it stretches. */
static inline kernel_split kernel_split_make(int rank, const int64_t *sizes, const int *is_reduced,
                                             const int64_t *other_strides)
{
    kernel_split split = {.row = 1};
    int64_t strides[KERNEL_MAX_RANK] = {0}, dims[2][KERNEL_MAX_RANK] = {{0}};
    int64_t own[2][KERNEL_MAX_RANK] = {{0}}, other[2][KERNEL_MAX_RANK] = {{0}};
    int ranks[2] = {0, 0}, last = rank - 1;
    kernel_broadcast_strides(rank, sizes, rank, strides);
    while (last >= 0 && sizes[last] == 1) last--;
    if (last >= 0) {
        split.row = sizes[last];
        split.row_step = other_strides[last];
        split.row_is_reduced = is_reduced[last];
    }
    for (int i = 0; i < last; i++) {
        int side = is_reduced[i] != 0, at = ranks[side]++;
        dims[side][at] = sizes[i];
        own[side][at] = strides[i];
        other[side][at] = other_strides[i];
    }
    split.kept = kernel_walk_make(ranks[0], dims[0], 2, (const int64_t *[]){own[0], other[0]});
    split.reduced = kernel_walk_make(ranks[1], dims[1], 2, (const int64_t *[]){own[1], other[1]});
    split.kept_count = kernel_walk_elements(&split.kept);
    split.reduced_count = kernel_walk_elements(&split.reduced);
    split.reduced_elements = split.reduced_count * (split.row_is_reduced ? split.row : 1);
    return split;
}

/* One kept index, or with a kept row a chunk of them: the columns [column, end) of rows. */
typedef struct kernel_group {
    int64_t offsets[KERNEL_MAX_OPERANDS];
    int64_t column, end;
    int64_t result,
        results; /* the first of its results, counted row-major, and how many there are */
} kernel_group;

static inline int64_t kernel_group_count(const kernel_split *split)
{
    int64_t chunks = split->row_is_reduced ? 1 : (split->row + KERNEL_CHUNK - 1) / KERNEL_CHUNK;
    return split->kept_count * chunks;
}

/* Where element number `index` of a walk lies in each operand. */
static inline void kernel_walk_element(const kernel_walk *walk, int64_t index, int64_t *offsets)
{
    kernel_walk_row(walk, index / walk->row_size, offsets);
    for (int k = 0; k < walk->operands; k++) {
        offsets[k] += index % walk->row_size * kernel_walk_step(walk, k);
    }
}

static inline kernel_group kernel_group_at(const kernel_split *split, int64_t index)
{
    kernel_group group = {.end = split->row, .result = index, .results = 1};
    int64_t kept = index;
    if (!split->row_is_reduced) {
        int64_t chunks = (split->row + KERNEL_CHUNK - 1) / KERNEL_CHUNK;
        int64_t left;
        kept = index / chunks;
        group.column = index % chunks * KERNEL_CHUNK;
        left = split->row - group.column;
        group.results = left < KERNEL_CHUNK ? left : KERNEL_CHUNK;
        group.end = group.column + group.results;
        group.result = kept * split->row + group.column;
    }
    kernel_walk_element(&split->kept, kept, group.offsets);
    return group;
}

/* A piece of a row of the group: `width` elements,
 * at `own` in the tensor and `other` in the second. */
typedef struct kernel_piece {
    int64_t own, other;
    int width;
} kernel_piece;

static inline int64_t kernel_piece_count(const kernel_split *split, const kernel_group *group)
{
    return split->reduced_count * ((group->end - group->column + KERNEL_CHUNK - 1) / KERNEL_CHUNK);
}

static inline kernel_piece kernel_piece_at(const kernel_split *split, const kernel_group *group,
                                           int64_t index)
{
    int64_t chunks = (group->end - group->column + KERNEL_CHUNK - 1) / KERNEL_CHUNK;
    int64_t column = group->column + index % chunks * KERNEL_CHUNK, left = group->end - column;
    int64_t offsets[KERNEL_MAX_OPERANDS];
    kernel_walk_element(&split->reduced, index / chunks, offsets);
    return (kernel_piece){.own = group->offsets[0] + offsets[0] + column,
                          .other = group->offsets[1] + offsets[1] + column * split->row_step,
                          .width = (int)(left < KERNEL_CHUNK ? left : KERNEL_CHUNK)};
}

/* lane (KERNEL_CHUNK): one sum a column. Where the row is reduced they are parts of one sum, which
 * every lane receives. */
static inline void kernel_lanes_close(const kernel_split *split, double *lane)
{
    if (!split->row_is_reduced) return;
    for (int width = KERNEL_CHUNK / 2; width > 0; width /= 2) {
        for (int j = 0; j < width; j++) lane[j] += lane[j + width];
    }
    for (int j = 1; j < KERNEL_CHUNK; j++) lane[j] = lane[0];
}

#endif
