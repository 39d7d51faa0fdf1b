/* fathom/augmentation.h: how training varies its samples, pictures and recordings.
 *
 *     data:
 *       augment: [horizontal_flip, {rotate: 10}, {mixup: 0.2}]
 *
 * Invariants
 *  - A list of steps is applied in its order, to the training part alone.
 *  - Sample i of epoch e is a function of (seed, e, i): of nothing else,
 *    and of no number of threads.
 *  - May be NULL: nothing.
 */
#ifndef FATHOM_AUGMENTATION_H
#define FATHOM_AUGMENTATION_H

#include "fathom/data.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Ways to vary a training sample. A list of them is applied in its order; neighbours in it that
 * move pixels become one affine map, so that pixels are interpolated (bilinearly) once. Where a
 * number is drawn from a range [a, b], one number r stands for [-r, r], and [1 - r, 1 + r] for
 * factors. Masks ("y" of (height, width, 1)) move with their images, to the nearest pixel; what
 * comes from outside has class 0. time_shift, speed, gain and noise vary recordings, before
 * features are computed from them, so they come before the other steps; what speed and time_shift
 * cut off is what lies outside of the sample afterwards. Features (frames, columns) are varied as
 * images are, too. */
typedef enum fm_augment_kind {
    FM_AUGMENT_HORIZONTAL_FLIP,
    FM_AUGMENT_VERTICAL_FLIP,
    FM_AUGMENT_SHIFT,  /* range: share of the height and of the width, or one for both */
    FM_AUGMENT_SCALE,  /* range: factors; 2 doubles what is to be seen */
    FM_AUGMENT_ROTATE, /* range: degrees, against the clock */
    FM_AUGMENT_SHEAR,  /* range: degrees; rows move sideways */
    FM_AUGMENT_CROP,   /* padding pixels around the image, then a cut of its size anywhere */
    FM_AUGMENT_RANDOM_RESIZED_CROP, /* a part with this share of the area (range) and width over
                                       height (ratio) becomes the sample (C. Szegedy et al., "Going
                                       deeper with convolutions", 2015). First in the list of a set
                                       of image files, it cuts the file's pixels, else those of the
                                       sample */
    FM_AUGMENT_BRIGHTNESS,          /* range: factors */
    FM_AUGMENT_CONTRAST,            /* range: factors of the distance to the mean grey */
    FM_AUGMENT_SATURATION,          /* range: factors of the distance to grey; 3 channels */
    FM_AUGMENT_HUE,                 /* range: turns of the color circle, at most 0.5; 3 channels */
    FM_AUGMENT_COLOR_JITTER,   /* brightness, contrast, saturation, hue, in an order of chance */
    FM_AUGMENT_GRAYSCALE,      /* probability; 3 channels stay */
    FM_AUGMENT_GAUSSIAN_NOISE, /* deviation: as a share of white */
    FM_AUGMENT_GAUSSIAN_BLUR,  /* range: the deviation in pixels */
    FM_AUGMENT_RANDOM_ERASING, /* a rectangle with this share of the area and width over height is
                                  painted over (Z. Zhong et al., "Random erasing", 2017) */
    FM_AUGMENT_MIXUP,  /* sample and label with those of a partner, shares drawn from Beta(alpha,
                          alpha) (H. Zhang et al., "mixup", 2018) */
    FM_AUGMENT_CUTMIX, /* a rectangle of the partner, labels by its area (S. Yun et al., "CutMix",
                          2019) */
    FM_AUGMENT_TIME_SHIFT, /* range: seconds that a recording begins later within its sample */
    FM_AUGMENT_SPEED, /* range: factors; a recording gets shorter and higher, as a faster tape's */
    FM_AUGMENT_GAIN,  /* range: decibels */
    FM_AUGMENT_NOISE, /* range: decibels that the recording's mean power is above white noise's */
    FM_AUGMENT_TIME_MASK, /* `count` runs of 0 to `width` frames of the features, at most `share` of
                             them, become the sample's mean (D. Park et al., "SpecAugment", 2019) */
    FM_AUGMENT_FREQUENCY_MASK, /* likewise `count` runs of columns */
} fm_augment_kind;

typedef enum fm_augment_fill { FM_FILL_CONSTANT, FM_FILL_EDGE, FM_FILL_REFLECT } fm_augment_fill;
typedef enum fm_augment_paint { FM_PAINT_MEAN, FM_PAINT_NOISE, FM_PAINT_CONSTANT } fm_augment_paint;

/* probability  of being applied to a sample. Default 1; for flips and erasing 0.5, grayscale 0.1
 * fill, value  what lies outside of the image: fm_augment_fill; value as a share of white
 * paint        of random_erasing: the image's mean color, noise, or `value`
 * The rest as above; defaults: 'fathom show augmentations'. A kind's record tells what it reads. */
typedef struct fm_augment {
    int kind;
    double probability;
    fm_reals range, ratio;
    int64_t padding;
    int fill, paint;
    double value;
    double brightness, contrast, saturation, hue; /* one number each: see ranges */
    double deviation, alpha;
    int64_t width, count; /* of masks */
    double share;
} fm_augment;

typedef struct fm_augment_record {
    const char *name;
    const char *aliases[2];
    const char *doc;
    const fm_field *fields; /* of fm_augment; a lone value is the first one's */
} fm_augment_record;

enum { FM_MAX_AUGMENT = 32 };

/* NULL behind the last kind. */
FM_API const fm_augment_record *fm_augment_at(int kind);
FM_API const fm_augment_record *fm_augment_find(const char *name);
/* Fills defaults in: range has both ends then. FM_ERROR_ARGUMENT says what does not fit. */
FM_API fm_status fm_augment_check(fm_context *context, fm_augment *step);
/* Whether the list holds mixup or cutmix. */
FM_API bool fm_augment_mixes(const fm_augment *list, int count);

/* A set whose samples are varied while they are read, but for mixup and cutmix: "x" u8 or f32, (h,
 * w) or (h, w, channels); steps that vary recordings need a set of them (audio.h). Bytes stay bytes
 * where pixels are only moved or painted, else "x" becomes f32 with the same numbers, 0 to 255; f32
 * images are taken to go from 0 to 1. The numbers drawn for sample i depend on the request's seed
 * and epoch, on i, and on the place in the list. */
FM_API fm_status fm_dataset_augment(fm_context *context, const fm_dataset *dataset,
                                    const fm_augment *list, int count, fm_dataset **augmented);

/* mixup and cutmix of the list, for a prepared set: "x" f32, "y" f32 (classes), one-hot. The
 * partner is drawn by seed, epoch and i. With several of them one is drawn for each sample. */
FM_API fm_status fm_dataset_mix(fm_context *context, const fm_dataset *dataset,
                                const fm_augment *list, int count, fm_dataset **mixed);

#ifdef __cplusplus
}
#endif
#endif
