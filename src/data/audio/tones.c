/* Made sounds of eight kinds: tones whose pitch and loudness move in ways of their own. */
#include "base/fields.h"
#include "base/memory.h"
#include "data/audio/audio_source.h"
#include "data/audio/sound_fields.h"
#include "data/parts.h"

#include <math.h>
#include <string.h>

enum { DEFAULT_RATE = 8000, MOST_TONES = 10000000, DRAWS_BITS = 32 };

#define TONES_FIELD(name_, type_, doc_, ...)                                                       \
    FM_SOUND_FIELD(fm_tones_options, #name_, name_, type_, doc_, __VA_ARGS__)

const fm_field fm_tones_fields[] = {
    TONES_FIELD(train_size, INT, "recordings for training", .default_value = 2000, .minimum = 1,
                .maximum = MOST_TONES),
    TONES_FIELD(test_size, INT, "recordings for testing", .default_value = 500, .minimum = 1,
                .maximum = MOST_TONES),
    TONES_FIELD(seed, INT, "another seed, other recordings", .default_value = 0),
    TONES_FIELD(noise, REAL, "deviation of the background, 1 is full scale", .default_value = 0.05,
                .maximum = 1),
    FM_SOUND_FIELDS(DEFAULT_RATE),
    {0}};

static const char *const kind_names[] = {"arch",   "chord",  "falling", "noise",
                                         "pulses", "rising", "steady",  "warble"};
enum { ARCH, CHORD, FALLING, NOISE, PULSES, RISING, STEADY, WARBLE, KINDS };

typedef struct tone_set {
    uint64_t seed;
    fm_data_part part;
    int64_t rate, samples;
    double noise;
    int32_t *labels;
} tone_set;

/* What chance decides of a sound. */
typedef struct tone {
    int kind;
    double pitch, bend, loudness, start, length, beat;
    double overtones[4]; /* of the first to the fourth multiple of the pitch */
} tone;

static tone draw_tone(fm_random *random, int kind, double seconds)
{
    tone t = {.kind = kind};
    t.pitch = 200 * pow(3.5, fm_random_uniform(random)); /* 200 to 700 Hz */
    t.bend = fm_random_range(random, 0.5, 1.1);
    t.loudness = pow(10, fm_random_range(random, -1.2, -0.3));
    t.length = seconds * fm_random_range(random, 0.45, 0.85);
    t.start = fm_random_uniform(random) * (seconds - t.length);
    t.beat = fm_random_range(random, 6, 11) / seconds;
    double sum = 0;
    for (int k = 0; k < 4; k++) {
        t.overtones[k] = fm_random_range(random, 0.1, 1) / (k + 1);
        sum += t.overtones[k];
    }
    for (int k = 0; k < 4; k++) t.overtones[k] /= sum;
    return t;
}

/* Hertz at the share u of the sound. */
static double pitch_at(const tone *t, double u)
{
    double octaves = t->kind == RISING    ? t->bend * (u - 0.5)
                     : t->kind == FALLING ? t->bend * (0.5 - u)
                     : t->kind == ARCH    ? t->bend * (sin(M_PI * u) - 0.5)
                     : t->kind == WARBLE  ? 0.2 * sin(2 * M_PI * t->beat * t->length * u)
                                          : 0;
    return t->pitch * exp2(octaves);
}

static double loudness_at(const tone *t, double u)
{
    double edge = fmin(1, fmin(u, 1 - u) / 0.08);
    if (t->kind == PULSES && sin(2 * M_PI * t->beat * t->length * u) < 0) return 0;
    return t->loudness * edge;
}

static double voice(const tone *t, double turns)
{
    double sum = 0;
    for (int k = 0; k < 4; k++) sum += t->overtones[k] * sin(2 * M_PI * (k + 1) * turns);
    return sum;
}

static void play(const tone *t, fm_random *random, int64_t rate, int64_t samples, float *to)
{
    static const double chord[] = {1, 1.26, 1.5};
    double turns = 0, step = 1 / (double)rate;
    for (int64_t i = 0; i < samples; i++) {
        double u = ((double)i * step - t->start) / t->length;
        if (u < 0 || u > 1) continue;
        turns += pitch_at(t, u) * step;
        double value = 0;
        if (t->kind == NOISE) value = 0.4 * fm_random_normal(random);
        for (int k = 0; t->kind == CHORD && k < 3; k++) value += voice(t, chord[k] * turns) / 3;
        if (t->kind != NOISE && t->kind != CHORD) value = voice(t, turns);
        to[i] += (float)(loudness_at(t, u) * value);
    }
}

static fm_random random_of(const tone_set *set, int64_t i)
{
    fm_random random = fm_random_at(set->seed, (uint32_t)set->part, fm_stream_of("tones"));
    random.index = (uint64_t)i << DRAWS_BITS;
    return random;
}

static int draw_kind(fm_random *random)
{
    return (int)fm_random_below(random, KINDS);
}

static fm_status load_tone(const void *state, fm_context *context, int64_t i,
                           fm_recording *recording)
{
    const tone_set *set = state;
    float *samples = fm_allocate_array(context, (size_t)set->samples, sizeof *samples);
    if (!samples) return fm_error_status(context);
    fm_random random = random_of(set, i);
    int kind = draw_kind(&random);
    tone t = draw_tone(&random, kind, (double)set->samples / (double)set->rate);
    for (int64_t k = 0; k < set->samples; k++) {
        samples[k] = (float)(set->noise * fm_random_normal(&random));
    }
    play(&t, &random, set->rate, set->samples, samples);
    *recording = (fm_recording){set->samples, set->rate, samples};
    return FM_OK;
}

static const char *no_name(const void *state, int64_t i)
{
    (void)state;
    (void)i;
    return NULL;
}

static void release_tones(void *state, fm_context *context)
{
    fm_release(context, state);
}

static const fm_sound_maker tone_maker = {load_tone, no_name, release_tones};

static fm_status make_part(fm_context *context, const void *argument, fm_data_part part,
                           fm_dataset **dataset)
{
    const fm_tones_options *o = argument;
    int64_t count = part == FM_DATA_TRAIN ? o->train_size : o->test_size;
    fm_part_words words = fm_name_part("tones", part, o->seed);
    int32_t *labels = fm_allocate_array(context, (size_t)count, sizeof *labels);
    tone_set *set = fm_allocate_zeroed(context, sizeof *set);
    if (!labels || !set) {
        fm_release(context, labels);
        fm_release(context, set);
        return FM_ERROR_MEMORY;
    }
    *set = (tone_set){.seed = (uint64_t)o->seed,
                      .part = part,
                      .rate = o->sound.rate,
                      .samples = llround(o->sound.duration * (double)o->sound.rate),
                      .noise = o->noise};
    for (int64_t i = 0; i < count; i++) {
        fm_random random = random_of(set, i);
        labels[i] = draw_kind(&random);
    }
    fm_column column = {
        .kind = FM_COLUMN_CATEGORICAL, .category_count = KINDS, .categories = kind_names};
    fm_sound_set_options made = {.name = words.name,
                                 .origin = words.origin,
                                 .sound = &o->sound,
                                 .maker = &tone_maker,
                                 .state = set,
                                 .count = count,
                                 .labels = labels,
                                 .classes = &column};
    fm_status status = fm_sound_set_create(context, &made, dataset);
    fm_release(context, labels);
    return status;
}

fm_status fm_dataset_tones(fm_context *context, const fm_tones_options *options, fm_dataset **train,
                           fm_dataset **test)
{
    fm_tones_options filled = options ? *options : (fm_tones_options){0};
    *train = NULL;
    if (test) *test = NULL;
    fm_status status = fm_fields_complete(context, fm_tones_fields, &filled, "tones");
    if (status == FM_OK && llround(filled.sound.duration * (double)filled.sound.rate) < 1) {
        status = fm_fail(context, FM_ERROR_ARGUMENT, "tones: %g seconds hold no sample",
                         filled.sound.duration);
    }
    if (status != FM_OK) return status;
    return fm_make_parts(context, make_part, &filled, train, test);
}
