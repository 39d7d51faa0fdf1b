/* Walking several tensors of one shape with strides of their own: broadcasting (stride 0) and
 * transposing. Neighbouring dimensions that every operand walks alike are merged, so operands of
 * equal shape, a scalar, or a row vector become one or two plain loops. */
#ifndef FM_KERNEL_WALK_H
#define FM_KERNEL_WALK_H

#include <stdint.h>

/* Put before a loop whose iterations are independent; operands may be the same memory. */
#if defined(__clang__)
#define KERNEL_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define KERNEL_INDEPENDENT _Pragma("GCC ivdep")
#endif

enum { KERNEL_MAX_RANK = 8, KERNEL_MAX_OPERANDS = 3 };

typedef struct kernel_walk {
    int rank; /* at least 1 */
    int operands;
    int64_t sizes[KERNEL_MAX_RANK];
    int64_t strides[KERNEL_MAX_OPERANDS][KERNEL_MAX_RANK]; /* in elements */
    int64_t rows;                                          /* sizes[0] ... sizes[rank - 2] */
    int64_t row_size;                                      /* sizes[rank - 1] */
} kernel_walk;

/* Strides of a row-major tensor (own_rank dims) seen as a shape of `rank` dims aligned at the last:
 * 0 where it stretches. */
static inline void kernel_broadcast_strides(int own_rank, const int64_t *own, int rank,
                                            int64_t *strides)
{
    int64_t stride = 1;
    for (int i = rank - 1; i >= 0; i--) {
        int j = i - (rank - own_rank);
        strides[i] = j < 0 || own[j] == 1 ? 0 : stride;
        if (j >= 0) stride *= own[j];
    }
}

/* Whether dimension `dim` continues the walk's last one in every operand. */
static inline int kernel_walk_merges(const kernel_walk *walk, const int64_t *const *strides,
                                     int dim, int64_t size)
{
    for (int k = 0; k < walk->operands; k++) {
        if (walk->strides[k][walk->rank - 1] != strides[k][dim] * size) return 0;
    }
    return 1;
}

/* sizes (rank); strides[k] (rank) of operand k. */
static inline kernel_walk kernel_walk_make(int rank, const int64_t *sizes, int operands,
                                           const int64_t *const *strides)
{
    kernel_walk walk = {.operands = operands};
    for (int i = 0; i < rank; i++) {
        if (sizes[i] == 1) continue;
        if (walk.rank > 0 && kernel_walk_merges(&walk, strides, i, sizes[i])) {
            walk.sizes[walk.rank - 1] *= sizes[i];
        } else {
            walk.sizes[walk.rank++] = sizes[i];
        }
        for (int k = 0; k < operands; k++) walk.strides[k][walk.rank - 1] = strides[k][i];
    }
    if (walk.rank == 0) walk.sizes[walk.rank++] = 1;
    walk.rows = 1;
    for (int i = 0; i < walk.rank - 1; i++) walk.rows *= walk.sizes[i];
    walk.row_size = walk.sizes[walk.rank - 1];
    return walk;
}

/* Where row number `row` begins in each operand. */
static inline void kernel_walk_row(const kernel_walk *walk, int64_t row, int64_t *offsets)
{
    for (int k = 0; k < walk->operands; k++) offsets[k] = 0;
    for (int i = walk->rank - 2; i >= 0; i--) {
        int64_t index = row % walk->sizes[i];
        row /= walk->sizes[i];
        for (int k = 0; k < walk->operands; k++) offsets[k] += index * walk->strides[k][i];
    }
}

/* The stride of operand k inside a row. */
static inline int64_t kernel_walk_step(const kernel_walk *walk, int k)
{
    return walk->strides[k][walk->rank - 1];
}

#endif
