#include "base/fields.h"
#include "data/array_source.h"
#include "data/built_in.h"
#include "data/parts.h"
#include "fathom/built_in_data.h"

#include <math.h>

static const double two_pi = 6.283185307179586;

enum { DEFAULT_TRAIN = 1000, DEFAULT_TEST = 500, DEFAULT_ARMS = 2, MOST_ARMS = 10 };

#define SIZE_FIELDS                                                                                \
    {                                                                                              \
        "train_size",                                                                              \
        "samples for training",                                                                    \
        offsetof(fm_points_options, train_size),                                                   \
        .type = FM_FIELD_INT,                                                                      \
        .default_value = DEFAULT_TRAIN,                                                            \
        .minimum = 1,                                                                              \
        .maximum = 1 << 28},                                                                       \
        {"test_size",                                                                              \
         "samples for testing",                                                                    \
         offsetof(fm_points_options, test_size),                                                   \
         .type = FM_FIELD_INT,                                                                     \
         .default_value = DEFAULT_TEST,                                                            \
         .minimum = 1,                                                                             \
         .maximum = 1 << 28},                                                                      \
    {                                                                                              \
        "seed", "of the random numbers", offsetof(fm_points_options, seed), .type = FM_FIELD_INT   \
    }

#define NOISE_FIELD(deviation)                                                                     \
    {                                                                                              \
        "noise", "deviation of what is added", offsetof(fm_points_options, noise),                 \
            .type = FM_FIELD_REAL, .default_value = (deviation), .minimum = 0, .maximum = 1e6      \
    }

const fm_field fm_spirals_fields[] = {
    SIZE_FIELDS,
    NOISE_FIELD(0.02),
    {"classes", "arms of the spiral", offsetof(fm_points_options, classes), .type = FM_FIELD_INT,
     .default_value = DEFAULT_ARMS, .minimum = 2, .maximum = MOST_ARMS},
    {"turns", "of an arm around the centre", offsetof(fm_points_options, turns),
     .type = FM_FIELD_REAL, .default_value = 1.5, .minimum = 0, .maximum = 100},
    {0},
};

const fm_field fm_moons_fields[] = {SIZE_FIELDS, NOISE_FIELD(0.1), {0}};

const fm_field fm_sine_fields[] = {
    SIZE_FIELDS,
    NOISE_FIELD(0.1),
    {"frequency", "of the sine", offsetof(fm_points_options, frequency), .type = FM_FIELD_REAL,
     .default_value = 1, .minimum = 0, .maximum = 1e6},
    {0},
};

/* A set of points: what it is called, and how one sample is drawn. */
typedef struct point_set {
    const char *name;
    const fm_field *fields;
    int inputs;
    bool classes; /* "y" is i32 (); otherwise f32 (1) */
    void (*draw)(fm_random *random, const fm_points_options *options, int64_t i, float *x, void *y);
} point_set;

static void draw_spiral(fm_random *random, const fm_points_options *options, int64_t i, float *x,
                        void *y)
{
    int32_t arm = (int32_t)(i % options->classes);
    double radius = sqrt(fm_random_uniform(random)); /* even density */
    double angle = two_pi * (options->turns * radius + (double)arm / (double)options->classes);
    x[0] = (float)(radius * cos(angle) + options->noise * fm_random_normal(random));
    x[1] = (float)(radius * sin(angle) + options->noise * fm_random_normal(random));
    *(int32_t *)y = arm;
}

static void draw_moon(fm_random *random, const fm_points_options *options, int64_t i, float *x,
                      void *y)
{
    int32_t lower = (int32_t)(i % 2);
    double angle = two_pi / 2 * fm_random_uniform(random);
    double u = lower ? 1 - cos(angle) : cos(angle), v = lower ? 0.5 - sin(angle) : sin(angle);
    x[0] = (float)(u + options->noise * fm_random_normal(random));
    x[1] = (float)(v + options->noise * fm_random_normal(random));
    *(int32_t *)y = lower;
}

static void draw_sine(fm_random *random, const fm_points_options *options, int64_t i, float *x,
                      void *y)
{
    (void)i;
    double at = fm_random_range(random, -two_pi / 2, two_pi / 2);
    x[0] = (float)at;
    *(float *)y = (float)(sin(options->frequency * at) + options->noise * fm_random_normal(random));
}

static const point_set spirals = {"spirals", fm_spirals_fields, 2, true, draw_spiral};
static const point_set moons = {"moons", fm_moons_fields, 2, true, draw_moon};
static const point_set sine = {"sine", fm_sine_fields, 1, false, draw_sine};

typedef struct point_request {
    const point_set *set;
    fm_points_options options;
} point_request;

static fm_status make_part(fm_context *context, const void *argument, fm_data_part part,
                           fm_dataset **dataset)
{
    const point_set *set = ((const point_request *)argument)->set;
    const fm_points_options *options = &((const point_request *)argument)->options;
    fm_part_words words = fm_name_part(set->name, part, options->seed);
    fm_column column = {.kind = set->classes ? FM_COLUMN_CATEGORICAL : FM_COLUMN_NUMERIC,
                        .category_count = set->classes ? options->classes : 0};
    int64_t count = part == FM_DATA_TRAIN ? options->train_size : options->test_size;
    fm_dataset_info info = {
        .name = words.name,
        .origin = words.origin,
        .count = count,
        .field_count = 2,
        .fields = {{.name = "x", .dtype = FM_F32, .shape = FM_SHAPE(set->inputs)},
                   {.name = "y",
                    .dtype = set->classes ? FM_I32 : FM_F32,
                    .shape = set->classes ? FM_SHAPE() : FM_SHAPE(1),
                    .columns = &column}},
    };
    float *x = fm_allocate_array(context, (size_t)count, (size_t)set->inputs * sizeof *x);
    char *y = fm_allocate_array(context, (size_t)count, sizeof(float));
    if (!x || !y) {
        fm_release(context, x);
        fm_release(context, y);
        return FM_ERROR_MEMORY;
    }
    uint32_t stream = fm_stream_of(set->name);
    for (int64_t i = 0; i < count; i++) {
        fm_random random = fm_sample_stream(options->seed, part, stream, i);
        set->draw(&random, options, i, x + i * set->inputs, y + (size_t)i * sizeof(float));
    }
    return fm_dataset_adopt_arrays(context, &info, (void *[]){x, y}, dataset);
}

static fm_status make_set(fm_context *context, const point_set *set,
                          const fm_points_options *options, fm_dataset **train, fm_dataset **test)
{
    *train = NULL;
    if (test) *test = NULL;
    point_request request = {.set = set};
    if (options) request.options = *options;
    fm_status status = fm_fields_complete(context, set->fields, &request.options, set->name);
    if (status != FM_OK) return status;
    if (!fm_field_find(set->fields, "classes")) request.options.classes = 2;
    return fm_make_parts(context, make_part, &request, train, test);
}

fm_status fm_dataset_spirals(fm_context *context, const fm_points_options *options,
                             fm_dataset **train, fm_dataset **test)
{
    return make_set(context, &spirals, options, train, test);
}

fm_status fm_dataset_moons(fm_context *context, const fm_points_options *options,
                           fm_dataset **train, fm_dataset **test)
{
    return make_set(context, &moons, options, train, test);
}

fm_status fm_dataset_sine(fm_context *context, const fm_points_options *options, fm_dataset **train,
                          fm_dataset **test)
{
    return make_set(context, &sine, options, train, test);
}
