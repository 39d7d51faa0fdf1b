/* Convolutions and their adjoints as products over windows: the geometry, worked out once.
 *
 *     result[pixel][column] =
 *         sum over taps and depth of source[pixel's window][tap][d] * B[tap, d][column]
 *
 * A forward convolution reads x and has a tap for each position of the kernel. Its adjoint in x
 * reads dy; with strides the pixels of dx fall into phases (their position modulo the stride), each
 * of which sees only the taps that reach it. In both the taps of a phase are ordered by where they
 * read, so that neighbours in a row, with all their channels, are one contiguous chunk of depth.
 *
 * The work is cut into bands: some rows of one image's pixels, or some whole images. What a band
 * reads lies in the caches while all columns are computed from it, and where windows reach into the
 * padding, a copy of it with the zeros in place: then the offset of a pixel's window from the start
 * of the band is the same in every band, and one table of offsets serves them all (compare Dukhan,
 * "The indirect convolution algorithm", 2019, which keeps pointers). */
#ifndef FM_BACKEND_CPU_WINDOW_PLAN_H
#define FM_BACKEND_CPU_WINDOW_PLAN_H

#include "base/memory.h"

/* A convolution in two spatial dimensions; one has size 1 where there is only one. */
typedef struct fm_convolution {
    int64_t images, groups, channels, filters;
    int64_t x[2], y[2], kernel[2], strides[2], dilations[2], padding[2];
} fm_convolution;

typedef struct fm_window_phase {
    int64_t taps;
    int32_t *tap_kernel;       /* the tap's position in the kernel, row-major */
    int64_t along[2];          /* taps along each dimension, */
    const int64_t *offsets[2]; /* and where they read, relative to the pixel's place */
    ptrdiff_t *chunks;         /* where they begin in the window */
    int64_t chunk_count, chunk_length;
    int64_t grid[2];     /* rows and columns of pixels */
    int64_t first[2];    /* pixel (0, 0) in the result */
    int32_t *from, *to;  /* by pixel of a band: its window in the band, its place in the result */
    int64_t first_b_row; /* its rows of B follow those of the phases before */
} fm_window_phase;

typedef struct fm_window_plan {
    fm_arena arena;
    int64_t images, groups;
    int64_t source[2], result[2];             /* spatial sizes */
    int64_t source_channels, result_channels; /* of all groups */
    int64_t depth, columns;                   /* channels of one group, read and written */
    int64_t positions;                        /* of the kernel */
    int64_t b_rows;                           /* of one group: the taps of all phases times depth */
    fm_window_phase *phases;
    int64_t phase_count;
    int64_t source_step[2], result_step[2]; /* from one pixel of a phase to the next */
    int64_t lowest[2], reach[2]; /* the first tap relative to its pixel's; to the last one's */
    bool copied;                 /* windows reach into the padding: bands are copies */
    bool edges;                  /* they do, and who reads the source itself minds it */
    int64_t pixels_in_row;       /* of a depthwise tile, see below; 0: any pixels */
    int64_t bands, band_rows, band_images; /* band_images > 1 only with all rows of the images */
    int64_t band_size[2];               /* positions of the source that a band of one image sees */
    ptrdiff_t row_stride, image_stride; /* of what tiles read */
    size_t copy_floats;                 /* of a band's copy; 0: the source is read itself */
} fm_window_plan;

/* Depthwise tiles with pixels of one row: of 7 where images are those of 224 pixels, halved, with
 * strides up to 2, else of 8, with stride 1. For the one phase of a kernel with three columns side
 * by side, and channels in whole vectors of any instruction set. */
enum {
    FM_TAPS_IN_ROW = 3,
    FM_HALVED_PIXELS = 7,
    FM_PIXELS_IN_ROW = 8,
    FM_WHOLE_VECTORS = 16,
};

/* The adjoint in x when `adjoint`. least_bands: so many bands or more where they have some dozens
 * of pixels; pixels: what a band should have where that many fit the cache. edges_minded: rows of
 * depthwise tiles may read the source itself though windows reach into the padding, one position at
 * most to the left and right; the rows of the kernel that do are left out. On success release with
 * the arena. */
fm_status fm_window_plan_make(fm_context *context, const fm_convolution *convolution, bool adjoint,
                              bool edges_minded, int64_t least_bands, int64_t pixels,
                              fm_window_plan *plan);

/* Only the phases, all above the bands: for those who need no tables. When `trimmed`, the pixels
 * of a phase see the same taps inside of the source, so no window reaches into the padding, and
 * what a small image's windows find there is not multiplied: of 2x2 pixels with a padded 3x3
 * kernel each sees four taps of nine. */
fm_status fm_window_phases_make(fm_context *context, const fm_convolution *convolution,
                                bool adjoint, bool trimmed, fm_window_plan *plan);

/* Which part of the work a band is. */
typedef struct fm_window_band {
    int64_t image, images, row, rows; /* rows: of the phase with the most */
} fm_window_band;
fm_window_band fm_window_band_at(const fm_window_plan *plan, int64_t index);

/* The part of the source that a band reads, as floats that follow each other; nothing where it
 * leaves most of them out. */
typedef struct fm_window_region {
    int64_t from, floats;
} fm_window_region;
fm_window_region fm_window_band_source(const fm_window_plan *plan, fm_window_band band);

/* Where the tiles of a band read: in the source itself, or in `copy`, which is filled. */
const float *fm_window_band_read(const fm_window_plan *plan, fm_window_band band,
                                 const float *source, float *copy);

/* Each channel is a group of its own. */
static inline bool fm_window_plan_is_depthwise(const fm_window_plan *plan)
{
    return plan->depth == 1 && plan->columns == 1 && plan->groups > 1;
}

/* How many pixels of a phase the band has: entries of its tables. */
static inline int64_t fm_window_band_pixels(const fm_window_phase *phase, fm_window_band band)
{
    const int64_t left = phase->grid[0] - band.row, rows = left < band.rows ? left : band.rows;
    return rows <= 0 ? 0 : band.images * rows * phase->grid[1];
}

/* Elements from the result's start to the band's. */
static inline ptrdiff_t fm_window_band_result(const fm_window_plan *plan, fm_window_band band)
{
    const int64_t row = band.image * plan->result[0] + band.row * plan->result_step[0];
    return row * plan->result[1] * plan->result_channels;
}

#endif
