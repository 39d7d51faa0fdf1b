/* The kinds of augmentation and their options. */
#include "base/fields.h"
#include "data/augment/augment.h"

#include <string.h>

static const char *const fill_names[] = {"constant", "edge", "reflect", NULL};
static const char *const paint_names[] = {"mean", "noise", "constant", NULL};

#define REALS(member_, doc_, ...)                                                                  \
    {                                                                                              \
        .name = #member_, .doc = doc_, .offset = offsetof(fm_augment, member_),                    \
        .type = FM_FIELD_REALS, __VA_ARGS__                                                        \
    }
#define NAMED_RANGE(name_, doc_, ...)                                                              \
    {                                                                                              \
        .name = name_, .doc = doc_, .offset = offsetof(fm_augment, range), .type = FM_FIELD_REALS, \
        __VA_ARGS__                                                                                \
    }
#define REAL(member_, doc_, ...)                                                                   \
    {                                                                                              \
        .name = #member_, .doc = doc_, .offset = offsetof(fm_augment, member_),                    \
        .type = FM_FIELD_REAL, __VA_ARGS__                                                         \
    }
#define PROBABILITY(default_)                                                                      \
    REAL(probability, "of being applied to a sample", .default_value = default_, .maximum = 1)
#define FILL                                                                                       \
    {.name = "fill",                                                                               \
     .doc = "what lies outside of the image",                                                      \
     .offset = offsetof(fm_augment, fill),                                                         \
     .type = FM_FIELD_ENUM,                                                                        \
     .choices = fill_names},                                                                       \
        REAL(value, "with fill: constant, as a share of white", .maximum = 1)

static const fm_field flip_fields[] = {PROBABILITY(0.5), {0}};
static const fm_field shift_fields[] = {
    NAMED_RANGE("fraction",
                "at most this share of the height and width, or a share for each "
                "(default 0.1)",
                .maximum = 1),
    FILL,
    PROBABILITY(1),
    {0}};
static const fm_field scale_fields[] = {
    NAMED_RANGE("factor", "r for 1 - r to 1 + r, or both ends (default 0.1)", .maximum = 100),
    FILL,
    PROBABILITY(1),
    {0}};
static const fm_field rotate_fields[] = {
    NAMED_RANGE("degrees", "at most so many either way, or both ends (default 15)", .minimum = -360,
                .maximum = 360),
    FILL,
    PROBABILITY(1),
    {0}};
static const fm_field shear_fields[] = {
    NAMED_RANGE("degrees", "at most so many either way, or both ends (default 10)", .minimum = -80,
                .maximum = 80),
    FILL,
    PROBABILITY(1),
    {0}};
static const fm_field crop_fields[] = {{.name = "padding",
                                        .doc = "pixels around the image, before the cut",
                                        .offset = offsetof(fm_augment, padding),
                                        .type = FM_FIELD_INT,
                                        .default_value = 4,
                                        .minimum = 1,
                                        .maximum = 16384},
                                       FILL,
                                       PROBABILITY(1),
                                       {0}};
static const fm_field part_fields[] = {
    NAMED_RANGE("area", "share of the image's area, both ends (default [0.08, 1])", .maximum = 1),
    REALS(ratio, "width over height, both ends (default [0.75, 1.3333])", .minimum = 0.01,
          .maximum = 100),
    PROBABILITY(1),
    {0}};
static const fm_field factor_fields[] = {
    NAMED_RANGE("factor", "r for 1 - r to 1 + r, or both ends (default 0.2)", .maximum = 100),
    PROBABILITY(1),
    {0}};
static const fm_field hue_fields[] = {
    NAMED_RANGE("turn",
                "of the color circle, at most so much either way, or both ends (default "
                "0.05)",
                .minimum = -0.5, .maximum = 0.5),
    PROBABILITY(1),
    {0}};
static const fm_field jitter_fields[] = {
    REAL(brightness, "factor of 1 - r to 1 + r (default: 0.2 when none of the four is given)",
         .maximum = 1),
    REAL(contrast, "likewise (default: as brightness)", .maximum = 1),
    REAL(saturation, "likewise (default: as brightness; 0 for grey images)", .maximum = 1),
    REAL(hue, "turn of the color circle, at most", .maximum = 0.5),
    PROBABILITY(1),
    {0}};
static const fm_field grayscale_fields[] = {PROBABILITY(0.1), {0}};
static const fm_field noise_fields[] = {
    REAL(deviation, "as a share of white", .default_value = 0.05, .maximum = 10),
    PROBABILITY(1),
    {0}};
static const fm_field blur_fields[] = {
    NAMED_RANGE("sigma", "the deviation in pixels, one number or both ends (default [0.1, 2])",
                .maximum = 100),
    PROBABILITY(1),
    {0}};
static const fm_field erasing_fields[] = {
    PROBABILITY(0.5),
    NAMED_RANGE("area", "share of the image's area, both ends (default [0.02, 0.33])",
                .maximum = 1),
    REALS(ratio, "width over height, both ends (default [0.3, 3.3])", .minimum = 0.01,
          .maximum = 100),
    {.name = "paint",
     .doc = "the mean color, noise, or value",
     .offset = offsetof(fm_augment, paint),
     .type = FM_FIELD_ENUM,
     .choices = paint_names},
    REAL(value, "with paint: constant, as a share of white", .maximum = 1),
    {0}};
static const fm_field mixup_fields[] = {REAL(alpha, "of the Beta distribution of shares",
                                             .default_value = 0.2, .minimum = 1e-6,
                                             .maximum = 1000),
                                        PROBABILITY(1),
                                        {0}};
static const fm_field cutmix_fields[] = {REAL(alpha, "of the Beta distribution of shares",
                                              .default_value = 1, .minimum = 1e-6, .maximum = 1000),
                                         PROBABILITY(1),
                                         {0}};

static const fm_field time_shift_fields[] = {
    NAMED_RANGE("seconds", "at most so many either way, or both ends (default 0.1)", .minimum = -60,
                .maximum = 60),
    PROBABILITY(1),
    {0}};
static const fm_field speed_fields[] = {
    NAMED_RANGE("factor", "r for 1 - r to 1 + r, or both ends (default 0.1)", .maximum = 16),
    PROBABILITY(1),
    {0}};
static const fm_field gain_fields[] = {
    NAMED_RANGE("decibels", "at most so many either way, or both ends (default 6)", .minimum = -100,
                .maximum = 100),
    PROBABILITY(1),
    {0}};
static const fm_field sound_noise_fields[] = {
    NAMED_RANGE("snr", "decibels of the recording above the noise, both ends (default [10, 40])",
                .minimum = -100, .maximum = 200),
    PROBABILITY(1),
    {0}};
#define MASK_FIELDS(of_, width_)                                                                   \
    {.name = "width",                                                                              \
     .doc = "at most so many " of_,                                                                \
     .offset = offsetof(fm_augment, width),                                                        \
     .type = FM_FIELD_INT,                                                                         \
     .default_value = width_,                                                                      \
     .minimum = 1,                                                                                 \
     .maximum = 1e6},                                                                              \
        {.name = "count",                                                                          \
         .doc = "masks",                                                                           \
         .offset = offsetof(fm_augment, count),                                                    \
         .type = FM_FIELD_INT,                                                                     \
         .default_value = 1,                                                                       \
         .minimum = 1,                                                                             \
         .maximum = 100},                                                                          \
        REAL(share, "at most this share of all " of_, .default_value = 1, .maximum = 1),           \
        PROBABILITY(1),                                                                            \
    {                                                                                              \
        0                                                                                          \
    }
static const fm_field time_mask_fields[] = {MASK_FIELDS("frames", 20)};
static const fm_field frequency_mask_fields[] = {MASK_FIELDS("columns", 8)};

/* How one number of a range becomes two. */
typedef enum meaning { NO_RANGE, AROUND_ZERO, AROUND_ONE, BOTH_AXES, AS_IT_IS } meaning;

/* moves, hears, keeps_bytes, color: see augment.h */
typedef struct traits {
    fm_augment_record record;
    meaning meaning;
    double range[2], ratio[2]; /* defaults */
    bool moves, hears, keeps_bytes, color;
} traits;

#define KIND(kind, name_, alias, doc_, fields_, ...)                                               \
    [FM_AUGMENT_##                                                                                 \
        kind] = {.record = {.name = name_, .aliases = {alias}, .doc = doc_, .fields = fields_},    \
                 __VA_ARGS__}

static const traits kinds[] = {
    KIND(HORIZONTAL_FLIP, "horizontal_flip", NULL, "left becomes right", flip_fields, .moves = true,
         .keeps_bytes = true),
    KIND(VERTICAL_FLIP, "vertical_flip", NULL, "top becomes bottom", flip_fields, .moves = true,
         .keeps_bytes = true),
    KIND(SHIFT, "shift", "translate", "moved up, down and sideways", shift_fields,
         .meaning = BOTH_AXES, .range = {0.1, 0.1}, .moves = true),
    KIND(SCALE, "scale", "zoom", "larger or smaller", scale_fields, .meaning = AROUND_ONE,
         .range = {0.9, 1.1}, .moves = true),
    KIND(ROTATE, "rotate", "rotation", "turned around the middle", rotate_fields,
         .meaning = AROUND_ZERO, .range = {-15, 15}, .moves = true),
    KIND(SHEAR, "shear", NULL, "rows moved sideways, each a little further", shear_fields,
         .meaning = AROUND_ZERO, .range = {-10, 10}, .moves = true),
    KIND(CROP, "crop", "random_crop", "padded, then cut to its size anywhere", crop_fields,
         .moves = true, .keeps_bytes = true),
    KIND(RANDOM_RESIZED_CROP, "random_resized_crop", NULL, "a part, resized to the sample's size",
         part_fields, .meaning = AS_IT_IS, .range = {0.08, 1}, .ratio = {3.0 / 4, 4.0 / 3},
         .moves = true),
    KIND(BRIGHTNESS, "brightness", NULL, "brighter or darker", factor_fields, .meaning = AROUND_ONE,
         .range = {0.8, 1.2}),
    KIND(CONTRAST, "contrast", NULL, "nearer to or further from the mean grey", factor_fields,
         .meaning = AROUND_ONE, .range = {0.8, 1.2}),
    KIND(SATURATION, "saturation", NULL, "paler or stronger colors", factor_fields,
         .meaning = AROUND_ONE, .range = {0.8, 1.2}, .color = true),
    KIND(HUE, "hue", NULL, "other colors", hue_fields, .meaning = AROUND_ZERO,
         .range = {-0.05, 0.05}, .color = true),
    KIND(COLOR_JITTER, "color_jitter", NULL, "brightness, contrast, saturation and hue",
         jitter_fields, .meaning = NO_RANGE),
    KIND(GRAYSCALE, "grayscale", "random_grayscale", "without color", grayscale_fields,
         .color = true),
    KIND(GAUSSIAN_NOISE, "gaussian_noise", NULL, "noise on each number", noise_fields,
         .meaning = NO_RANGE),
    KIND(GAUSSIAN_BLUR, "gaussian_blur", NULL, "out of focus", blur_fields, .meaning = AS_IT_IS,
         .range = {0.1, 2}),
    KIND(RANDOM_ERASING, "random_erasing", "cutout", "a rectangle painted over", erasing_fields,
         .meaning = AS_IT_IS, .range = {0.02, 0.33}, .ratio = {0.3, 3.3}, .keeps_bytes = true),
    KIND(MIXUP, "mixup", NULL, "mixed with another sample, labels too", mixup_fields,
         .meaning = NO_RANGE),
    KIND(CUTMIX, "cutmix", NULL, "a rectangle of another sample, labels by its area", cutmix_fields,
         .meaning = NO_RANGE),
    KIND(TIME_SHIFT, "time_shift", NULL, "a recording begins earlier or later", time_shift_fields,
         .meaning = AROUND_ZERO, .range = {-0.1, 0.1}, .hears = true),
    KIND(SPEED, "speed", "speed_perturbation", "a recording runs faster or slower", speed_fields,
         .meaning = AROUND_ONE, .range = {0.9, 1.1}, .hears = true),
    KIND(GAIN, "gain", NULL, "a recording gets louder or softer", gain_fields,
         .meaning = AROUND_ZERO, .range = {-6, 6}, .hears = true),
    KIND(NOISE, "noise", NULL, "white noise over a recording", sound_noise_fields,
         .meaning = AS_IT_IS, .range = {10, 40}, .hears = true),
    KIND(TIME_MASK, "time_mask", NULL, "frames of features are hidden", time_mask_fields,
         .meaning = NO_RANGE),
    KIND(FREQUENCY_MASK, "frequency_mask", NULL, "columns of features are hidden",
         frequency_mask_fields, .meaning = NO_RANGE),
};
enum { KIND_COUNT = sizeof kinds / sizeof kinds[0] };

const fm_augment_record *fm_augment_at(int kind)
{
    return kind >= 0 && kind < KIND_COUNT ? &kinds[kind].record : NULL;
}

const fm_augment_record *fm_augment_find(const char *name)
{
    for (int k = 0; k < KIND_COUNT; k++) {
        const fm_augment_record *record = &kinds[k].record;
        const char *alias = record->aliases[0];
        if (strcmp(record->name, name) == 0 || (alias && strcmp(alias, name) == 0)) return record;
    }
    return NULL;
}

bool fm_augment_moves(int kind)
{
    return kinds[kind].moves;
}

bool fm_augment_hears(int kind)
{
    return kinds[kind].hears;
}

bool fm_augment_keeps_bytes(int kind)
{
    return kinds[kind].keeps_bytes;
}

bool fm_augment_needs_color(const fm_augment *step)
{
    bool jitter = step->kind == FM_AUGMENT_COLOR_JITTER;
    return kinds[step->kind].color || (jitter && (step->saturation > 0 || step->hue > 0));
}

static bool is_mix(int kind)
{
    return kind == FM_AUGMENT_MIXUP || kind == FM_AUGMENT_CUTMIX;
}

bool fm_augment_mixes(const fm_augment *list, int count)
{
    for (int i = 0; i < count; i++) {
        if (is_mix(list[i].kind)) return true;
    }
    return false;
}

/* ---- completing ---- */

static fm_status fail_range(fm_context *context, const fm_augment *step, const char *words)
{
    const fm_augment_record *record = &kinds[step->kind].record;
    return fm_fail(context, FM_ERROR_ARGUMENT, "%s: %s", record->name, words);
}

static fm_status complete_pair(fm_context *context, const fm_augment *step, fm_reals *pair,
                               meaning how, const double defaults[2])
{
    double r = pair->at[0];
    if (pair->count == 0) *pair = (fm_reals){2, {defaults[0], defaults[1]}};
    if (pair->count == 1) {
        double first = how == AROUND_ZERO ? -fabs(r) : how == AROUND_ONE ? 1 - r : r;
        double second = how == AROUND_ZERO ? fabs(r) : how == AROUND_ONE ? 1 + r : r;
        *pair = (fm_reals){2, {first > 0 || how == AROUND_ZERO ? first : 0, second}};
    }
    if (pair->count > 2) return fail_range(context, step, "a range has one number, or two");
    if (how != BOTH_AXES && pair->at[0] > pair->at[1]) {
        return fail_range(context, step, "a range goes from its lower to its upper end");
    }
    return FM_OK;
}

fm_status fm_augment_check(fm_context *context, fm_augment *step)
{
    if (!fm_augment_at(step->kind)) {
        return fm_fail(context, FM_ERROR_ARGUMENT, "augment: there is no kind %d", step->kind);
    }
    const traits *t = &kinds[step->kind];
    fm_status status = fm_fields_complete(context, t->record.fields, step, t->record.name);
    if (status == FM_OK && t->meaning != NO_RANGE) {
        status = complete_pair(context, step, &step->range, t->meaning, t->range);
    }
    if (status == FM_OK && t->ratio[1] > 0) {
        status = complete_pair(context, step, &step->ratio, AS_IT_IS, t->ratio);
    }
    if (status != FM_OK) return status;
    bool factor = step->kind == FM_AUGMENT_SCALE || step->kind == FM_AUGMENT_SPEED;
    if (factor && step->range.at[0] <= 0) {
        return fail_range(context, step, "factors are larger than 0");
    }
    if (step->kind == FM_AUGMENT_RANDOM_RESIZED_CROP && step->range.at[0] <= 0) {
        return fail_range(context, step, "the share of the area is larger than 0");
    }
    return FM_OK;
}
