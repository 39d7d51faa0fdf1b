/* The inside of augmentation: one sample on its way through the list. */
#ifndef FM_DATA_AUGMENT_H
#define FM_DATA_AUGMENT_H

#include "base/random.h"
#include "fathom/augmentation.h"
#include "fathom/data_source.h"

#include <math.h>

/* A sample: (height, width, channels) bytes or floats, in one of two buffers. */
typedef struct fm_canvas {
    int64_t height, width, channels;
    float white; /* the number of white */
    bool bytes;  /* what `pixels` holds */
    bool clip;   /* numbers stay between 0 and white */
    void *pixels, *spare;
} fm_canvas;

static inline int64_t fm_canvas_elements(const fm_canvas *canvas)
{
    return canvas->height * canvas->width * canvas->channels;
}

static inline void fm_canvas_swap(fm_canvas *canvas)
{
    void *pixels = canvas->pixels;
    canvas->pixels = canvas->spare;
    canvas->spare = pixels;
}

/* Bytes become floats. */
void fm_canvas_to_floats(fm_canvas *canvas);

/* From a point of the result to one of the source, both from the images' middles in pixels:
 * source_y = yy y + yx x + y0, source_x = xy y + xx x + x0. */
typedef struct fm_affine {
    double yy, yx, y0, xy, xx, x0;
} fm_affine;

static const fm_affine fm_affine_identity = {.yy = 1, .xx = 1};

/* First `inner` of the result's point, then `outer`. */
fm_affine fm_affine_after(fm_affine outer, fm_affine inner);

/* The map of one step, drawn from `random`; kind is one that moves pixels. */
fm_affine fm_augment_affine(const fm_augment *step, fm_random *random, int64_t height,
                            int64_t width);
/* The part of a height x width image that random_resized_crop takes. */
void fm_augment_part(const fm_augment *step, fm_random *random, int64_t height, int64_t width,
                     double part[4]); /* top, left, height, width */

/* Moves pixels into the spare buffer and swaps. Bytes become floats unless the map is exact. */
void fm_canvas_move(fm_canvas *canvas, const fm_affine *map, int fill, float value);
/* (height, width) class numbers of `size` bytes each. */
void fm_mask_move(const void *from, size_t size, int64_t height, int64_t width,
                  const fm_affine *map, int fill, void *to);

/* A step that moves nothing. Bytes become floats where it computes. */
void fm_canvas_color(fm_canvas *canvas, const fm_augment *step, fm_random *random);
void fm_canvas_blur(fm_canvas *canvas, const fm_augment *step, fm_random *random);
void fm_canvas_noise(fm_canvas *canvas, const fm_augment *step, fm_random *random);
void fm_canvas_erase(fm_canvas *canvas, const fm_augment *step, fm_random *random);

/* The steps that vary one recording, for fm_data_source's read_wave. */
typedef struct fm_wave_step {
    const fm_augment *step;
    fm_random random;
} fm_wave_step;

typedef struct fm_wave_steps {
    fm_wave_change change; /* its user is the struct itself */
    int count;
    fm_wave_step at[FM_MAX_AUGMENT];
} fm_wave_steps;

void fm_wave_steps_begin(fm_wave_steps *steps);
void fm_wave_steps_add(fm_wave_steps *steps, const fm_augment *step, fm_random random);

/* time_mask and frequency_mask. */
void fm_canvas_hide(fm_canvas *canvas, const fm_augment *step, fm_random *random);

/* A number of a list that was completed: two entries are the ends. */
static inline double fm_augment_draw(const fm_reals *range, fm_random *random)
{
    return fm_random_range(random, range->at[0], range->at[1]);
}

/* Pixels move; then fm_augment_affine knows the kind. */
bool fm_augment_moves(int kind);
/* Recordings are varied, not samples. */
bool fm_augment_hears(int kind);
/* Bytes stay bytes. */
bool fm_augment_keeps_bytes(int kind);
bool fm_augment_needs_color(const fm_augment *step);

#endif
