/* fathom/built_in_data.h: data sets that need no file: digits that are drawn, points in the plane.
 *
 * Invariants
 *  - Sample i of a part depends on (seed, part, i) alone.
 *  - May be NULL: options, `test`.
 */
#ifndef FATHOM_BUILT_IN_DATA_H
#define FATHOM_BUILT_IN_DATA_H

#include "fathom/data.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Digits "0" to "9" as 28x28 bytes, bright on dark, drawn by a small model of a pen: several ways
 * to write each digit, random slant, size, place, bend, thickness, pressure and noise. "x" u8 (28,
 * 28), "y" u8 (). */
typedef struct fm_strokes_options {
    int64_t train_size; /* default 10000 */
    int64_t test_size;  /* default 2000 */
    int64_t seed;
    double distortion; /* of shape; default 1, FM_ZERO: none */
    double noise;      /* deviation of a pixel as a share of 255; default 0.04 */
} fm_strokes_options;

FM_API fm_status fm_dataset_strokes(fm_context *context, const fm_strokes_options *options,
                                    fm_dataset **train, fm_dataset **test);

/* The same digits, and for each pixel what it belongs to: 0 the background, 1 + d the ink of digit
 * d. "x" as above, "y" u8 (28, 28, 1) of 11 classes. */
FM_API fm_status fm_dataset_strokes_masks(fm_context *context, const fm_strokes_options *options,
                                          fm_dataset **train, fm_dataset **test);

/* Sets of two or one numbers. spirals: `classes` interleaved arms that turn `turns` times; moons:
 * two interleaved half circles; both "x" f32 (2), "y" i32 (). sine: "x" f32 (1) uniform in
 * [-pi, pi], "y" f32 (1) = sin(frequency x). noise is the deviation added to coordinates (to y for
 * sine). */
typedef struct fm_points_options {
    int64_t train_size; /* default 1000 */
    int64_t test_size;  /* default 500 */
    int64_t seed;
    double noise;     /* default 0.02 for spirals, 0.1 for moons and sine; FM_ZERO: none */
    int64_t classes;  /* spirals; default 2, at most 10 */
    double turns;     /* spirals; default 1.5 */
    double frequency; /* sine; default 1 */
} fm_points_options;

FM_API fm_status fm_dataset_spirals(fm_context *context, const fm_points_options *options,
                                    fm_dataset **train, fm_dataset **test);
FM_API fm_status fm_dataset_moons(fm_context *context, const fm_points_options *options,
                                  fm_dataset **train, fm_dataset **test);
FM_API fm_status fm_dataset_sine(fm_context *context, const fm_points_options *options,
                                 fm_dataset **train, fm_dataset **test);

#ifdef __cplusplus
}
#endif
#endif
