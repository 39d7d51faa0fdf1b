#include "base/fields.h"
#include "data/built_in.h"
#include "data/dataset.h"
#include "fathom/built_in_data.h"
#include "fathom/series.h"
#include "fathom/text_data.h"

#if FATHOM_HAVE_AUDIO
#include "data/audio/audio_records.h"
#endif
#if FATHOM_HAVE_FILES
#include "data/file/file_records.h"
#include "data/file/text_records.h"
#include "data/image/image_records.h"
#endif

#include <string.h>

/* open functions of sets that need no files */
#define BUILT_IN_OPEN(name, options_type)                                                          \
    static fm_status open_##name(fm_context *context, const void *options,                         \
                                 const fm_data_places *places, fm_dataset **train,                 \
                                 fm_dataset **test)                                                \
    {                                                                                              \
        (void)places;                                                                              \
        return fm_dataset_##name(context, (const options_type *)options, train, test);             \
    }

BUILT_IN_OPEN(strokes, fm_strokes_options)
BUILT_IN_OPEN(strokes_masks, fm_strokes_options)
BUILT_IN_OPEN(spirals, fm_points_options)
BUILT_IN_OPEN(moons, fm_points_options)
BUILT_IN_OPEN(sine, fm_points_options)
BUILT_IN_OPEN(grammar, fm_grammar_options)

static fm_status open_sine_series(fm_context *context, const void *options,
                                  const fm_data_places *places, fm_dataset **train,
                                  fm_dataset **test)
{
    (void)places;
    fm_series *series;
    *train = NULL;
    if (test) *test = NULL;
    fm_status status = fm_series_sine(context, options, &series);
    if (status == FM_OK) status = fm_dataset_series(context, series, train);
    fm_series_destroy(series);
    return status;
}

static const char own[] = "Apache-2.0 (generated)";

static const fm_dataset_record records[] = {
    {"strokes", "28x28 images of digits drawn by a model of a pen, built in", own,
     fm_strokes_fields, sizeof(fm_strokes_options), open_strokes},
    {"strokes_masks", "the same digits with a class for each pixel, built in", own,
     fm_strokes_fields, sizeof(fm_strokes_options), open_strokes_masks},
    {"spirals", "points on interleaved spirals, built in", own, fm_spirals_fields,
     sizeof(fm_points_options), open_spirals},
    {"moons", "points on two interleaved half circles, built in", own, fm_moons_fields,
     sizeof(fm_points_options), open_moons},
    {"sine", "a noisy sine to fit, built in", own, fm_sine_fields, sizeof(fm_points_options),
     open_sine},
    {"sine_series", "windows of a noisy sine over time, built in", own, fm_sine_series_fields,
     sizeof(fm_sine_series_options), open_sine_series},
    {"grammar", "sentences of a small grammar as a running text, built in", own, fm_grammar_fields,
     sizeof(fm_grammar_options), open_grammar},
#if FATHOM_HAVE_FILES
#if FATHOM_HAVE_AUDIO
    FM_TONES_RECORD,
    FM_RECORDINGS_RECORD,
#endif
    FM_MNIST_RECORD,
    FM_FASHION_MNIST_RECORD,
    FM_CIFAR10_RECORD,
    FM_CIFAR100_RECORD,
    FM_IMAGES_RECORD,
    FM_MASKS_RECORD,
    FM_CSV_RECORD,
    FM_SERIES_RECORD,
    FM_IDX_RECORD,
    FM_NPY_RECORD,
    FM_TEXT_RECORD,
    FM_TEXT_CLASSES_RECORD,
#endif
    {0},
};

const fm_dataset_record *fm_dataset_records(void)
{
    return records;
}

/* Sets that a build may be without, and the option that it was configured without. */
static const struct {
    const char *name, *option;
} left_out[] = {
#if !FATHOM_HAVE_FILES
    {"mnist", "FATHOM_FILES"},
    {"fashion_mnist", "FATHOM_FILES"},
    {"cifar10", "FATHOM_FILES"},
    {"images", "FATHOM_FILES"},
    {"image_masks", "FATHOM_FILES"},
    {"cifar100", "FATHOM_FILES"},
    {"csv", "FATHOM_FILES"},
    {"idx", "FATHOM_FILES"},
    {"npy", "FATHOM_FILES"},
    {"series", "FATHOM_FILES"},
    {"text", "FATHOM_FILES"},
    {"text_classes", "FATHOM_FILES"},
#endif
#if !FATHOM_HAVE_AUDIO
    {"recordings", "FATHOM_AUDIO"},
    {"tones", "FATHOM_AUDIO"},
#endif
    {NULL, NULL},
};

static const char *next_record(const void *list, int index)
{
    return ((const fm_dataset_record *)list)[index].name;
}

fm_status fm_dataset_record_find(fm_context *context, const char *name,
                                 const fm_dataset_record **record)
{
    *record = NULL;
    for (const fm_dataset_record *r = records; r->name; r++) {
        if (strcmp(r->name, name) != 0) continue;
        *record = r;
        return FM_OK;
    }
    for (size_t i = 0; left_out[i].name; i++) {
        if (strcmp(left_out[i].name, name) != 0) continue;
        return fm_fail(context, FM_ERROR_UNSUPPORTED,
                       "data set '%s': this build does not have it: it was configured without %s",
                       name, left_out[i].option);
    }
    const char *near = fm_nearest(name, next_record, records);
    return fm_fail(context, FM_ERROR_NOT_FOUND, "unknown data set '%s'%s%s%s", name,
                   near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}
