#define _GNU_SOURCE
#include "data/audio_bytes.h"
#include "data/audio/name_pattern.h"
#include "fathom/augmentation.h"

#include <sys/stat.h>

enum { RATE = 8000 };

/* ---- names ---- */

static bool match(const char *pattern_words, const char *name, char *out)
{
    fm_context *context;
    fm_name_pattern pattern;
    fm_name_fields fields;
    if (fm_context_create(NULL, &context) != FM_OK) fail_msg("no context");
    assert_ok(context, fm_name_pattern_read(context, "pattern", pattern_words, &pattern));
    bool fits = fm_name_pattern_match(&pattern, name, (int)strlen(name), &fields);
    *out = '\0';
    for (int i = 0; fits && i < pattern.count - 1; i++) {
        out += sprintf(out, "%s=%.*s ", pattern.pieces[i].field, fields.size[i], fields.at[i]);
    }
    fm_context_destroy(context);
    return fits;
}

static void names_tell_fields(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *name, *fields; /* NULL: does not fit */
    } rows[] = {
        {"{class}_{speaker}_{index}", "a/b/7_theo_12", "class=7 speaker=theo index=12 "},
        {"{class}_{speaker}_{index}", "7_theo", NULL},
        {"{class}_{speaker}_{index}", "7_theo_1_2", "class=7 speaker=theo index=1_2 "},
        {"{class}_{speaker}_{index}", "_theo_1", NULL},
        {"{class}", "x/yes", "class=yes "},
        {"{speaker}/{class}", "all/lea/yes", "speaker=lea class=yes "},
        {"{speaker}/{class}", "yes", NULL},
        {"{class}/*", "yes/1", "class=yes *=1 "},
        {"{class}/*", "b/yes/1", "class=yes *=1 "},
        {"rec-{class}.{n}x", "rec-a.12x", "class=a n=12 "},
        {"rec-{class}.{n}x", "rec-a.12", NULL},
        {"rec-{class}.{n}x", "rec-a.x", NULL},
        {"rec-{class}.{n}x", "tec-a.1x", NULL},
        {"{class}ab", "abab", "class=ab "},
        {"{class}ab", "ab", NULL},
        {"{a}/{b}-{class}", "x/y/1-2", "a=y b=1 class=2 "},
    };
    char fields[200];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        bool fits = match(rows[i].pattern, rows[i].name, fields);
        if (fits != (rows[i].fields != NULL)) fail_msg("row %zu: fits: %d", i, fits);
        if (fits) assert_string_equal(fields, rows[i].fields);
    }
}

static void patterns_are_checked(void **state)
{
    fixture *f = *state;
    fm_name_pattern pattern;
    static const char *const wrong[][2] = {
        {"{class}{n}", "two fields need a text between them"},
        {"{cl ass}", "a field is a word of letters"},
        {"{class", "a field is a word of letters"},
        {"class}", "a '}' without its '{'"},
        {"{a}.{b}.{c}.{d}.{e}.{f}.{g}.{h}.{i}", "more than 8 fields"},
        {"{aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa}", "name is too long"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_fails(f->context, FM_ERROR_ARGUMENT, wrong[i][1],
                     fm_name_pattern_read(f->context, "pattern", wrong[i][0], &pattern));
    }
    char longest[400];
    memset(longest, 'a', sizeof longest);
    longest[399] = '\0';
    assert_fails(f->context, FM_ERROR_ARGUMENT, "it is too long",
                 fm_name_pattern_read(f->context, "pattern", longest, &pattern));
}

static void conditions_are_met(void **state)
{
    fixture *f = *state;
    static const struct {
        const char *words, *value;
        bool met;
    } rows[] = {
        {"i=0-4", "3", true},       {"i=0-4", "03", true},
        {"i=0-4", "5", false},      {"i=0-4", "x", false},
        {"i=a-c", "b", false},      {"i=a-c", "a-c", true},
        {"i=1,7", "7", true},       {"i = 1, 7", "7", true},
        {"i=th*", "theo", true},    {"i=th?", "theo", false},
        {"i=1-2,9-10", "10", true}, {"i=99999999999999999999-2", "1", false},
    };
    fm_name_condition condition;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_ok(f->context,
                  fm_name_condition_read(f->context, "test", rows[i].words, &condition));
        assert_string_equal(condition.field, "i");
        if (fm_name_condition_met(&condition, rows[i].value) != rows[i].met) {
            fail_msg("%s with %s", rows[i].words, rows[i].value);
        }
    }
    assert_ok(f->context, fm_name_condition_read(f->context, "test", NULL, &condition));
    assert_true(fm_name_condition_met(&condition, "anything"));
    assert_fails(f->context, FM_ERROR_ARGUMENT, "a field and its values are wanted",
                 fm_name_condition_read(f->context, "test", "index", &condition));
    assert_fails(f->context, FM_ERROR_ARGUMENT, "test '=3': a field and its values",
                 fm_name_condition_read(f->context, "test", "=3", &condition));
}

/* ---- files ---- */

static void write_tone(fixture *f, const char *name, double hertz, int count)
{
    float samples[4000];
    make_tone(samples, count, RATE, hertz);
    sound_bytes file = make_sound(SF_FORMAT_WAV | SF_FORMAT_PCM_16, RATE, 1, samples, count);
    fixture_file(f, name, file.bytes, file.size);
    free(file.bytes);
}

/* high and low tones of two speakers, four takes each, of different lengths. */
static const char *write_digits(fixture *f)
{
    mkdir(fixture_path(f, "set"), 0755);
    for (int i = 0; i < 16; i++) {
        char name[64];
        bool high = i & 1;
        snprintf(name, sizeof name, "set/%s_%s_%d.wav", high ? "high" : "low",
                 i & 2 ? "lea" : "max", i / 4);
        write_tone(f, name, (high ? 2000 : 400) + 10 * i, 1000 + 150 * i);
    }
    fixture_file(f, "set/README.txt", "x", 1);
    return fixture_path(f, "set");
}

static const fm_sound_options short_sound = {
    .rate = RATE, .duration = 0.25, .features = {.bands = 12}};

static void names_make_classes_and_parts(void **state)
{
    fixture *f = *state;
    fm_recordings_options options = {.sound = short_sound,
                                     .folder = write_digits(f),
                                     .pattern = "{class}_{speaker}_{index}.wav",
                                     .test = "index=0,3"};
    fm_dataset *train, *test;
    const char *const *names;
    assert_ok(f->context, fm_dataset_recordings(f->context, &options, NULL, &train, &test));
    assert_int_equal(fm_dataset_about(train)->count, 8);
    assert_int_equal(fm_dataset_about(test)->count, 8);
    assert_true(fm_shape_equal(fm_dataset_about(train)->fields[0].shape, FM_SHAPE(23, 12)));
    assert_int_equal(fm_dataset_classes(train, &names), 2);
    assert_string_equal(names[0], "high");
    assert_string_equal(names[1], "low");
    assert_non_null(strstr(fm_recording_file_name(train, 0), "set/high_lea_1.wav"));
    assert_non_null(strstr(fm_recording_file_name(test, 7), "set/low_max_3.wav"));
    assert_null(fm_recording_file_name(test, 8));
    int32_t y[8];
    float x[8 * 23 * 12];
    fm_data_request all = {.count = 8, .fields = {x, y}};
    assert_ok(f->context, fm_dataset_read(f->context, test, &all));
    assert_memory_equal(y, ((int32_t[]){0, 0, 0, 0, 1, 1, 1, 1}), sizeof y);
    for (int i = 0; i < 8; i++) { /* where the loudest band is */
        int best = 0;
        for (int b = 0; b < 12; b++) {
            if (x[i * 276 + 60 + b] > x[i * 276 + 60 + best]) best = b;
        }
        assert_true(y[i] == 0 ? best > 6 : best < 5);
    }
    fm_dataset_destroy(train);
    fm_dataset_destroy(test);
    options.test = NULL;
    options.only = "speaker=m*";
    assert_ok(f->context, fm_dataset_recordings(f->context, &options, NULL, &train, &test));
    assert_int_equal(fm_dataset_about(train)->count, 8);
    assert_null(test);
    fm_dataset_destroy(train);
}

static void folders_are_classes_too(void **state)
{
    fixture *f = *state;
    static const char *const folders[] = {"all",          "all/train",     "all/test",
                                          "all/train/no", "all/train/yes", "all/test/yes"};
    for (int i = 0; i < 6; i++) mkdir(fixture_path(f, folders[i]), 0755);
    write_tone(f, "all/train/no/1.wav", 300, 1000);
    write_tone(f, "all/train/yes/1.wav", 900, 1000);
    write_tone(f, "all/test/yes/2.wav", 900, 1000);
    fm_recordings_options options = {.sound = short_sound, .folder = fixture_path(f, "all")};
    fm_dataset *train, *test;
    assert_ok(f->context, fm_dataset_recordings(f->context, &options, NULL, &train, &test));
    assert_int_equal(fm_dataset_about(train)->count, 2);
    int32_t y;
    fm_data_request one = {.count = 1, .fields = {NULL, &y}};
    assert_ok(f->context, fm_dataset_read(f->context, test, &one));
    assert_int_equal(y, 1);
    fm_dataset_destroy(train);
    fm_dataset_destroy(test);
}

static void mistakes_are_told(void **state)
{
    fixture *f = *state;
    const char *folder = write_digits(f);
    static const struct {
        fm_recordings_options options;
        fm_status status;
        const char *words;
    } rows[] = {
        {{.pattern = "{word}_*"}, FM_ERROR_ARGUMENT, "pattern '{word}_*': has no field {class}"},
        {{.pattern = "{class}_*", .test = "index=1"},
         FM_ERROR_ARGUMENT,
         "test asks for the field 'index', which the pattern '{class}_*' does not have"},
        {{.only = "speaker=lea"}, FM_ERROR_ARGUMENT, "only asks for the field 'speaker'"},
        {{.pattern = "{class}-{n}"},
         FM_ERROR_FORMAT,
         "no recording for training: names are to be "
         "like {class}-{n}, not like "},
        {{.pattern = NULL}, FM_ERROR_FORMAT, "names are to be like CLASS/NAME or train/CLASS/NAME"},
        {{.pattern = "{class}_*", .sound = {.trim = 900}}, FM_ERROR_ARGUMENT, "trim"},
        {{.pattern = "{class}_*", .sound = {.rate = 8000, .features = {.fft_size = 64}}},
         FM_ERROR_ARGUMENT,
         "fft_size of 64 is less than a frame"},
        {{.pattern = "{class}_{who}_{n}", .test = "class=low"},
         FM_ERROR_FORMAT,
         "class \"low\" is not among the training recordings"},
    };
    fm_dataset *train, *test;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        fm_recordings_options options = rows[i].options;
        options.folder = folder;
        assert_fails(f->context, rows[i].status, rows[i].words,
                     fm_dataset_recordings(f->context, &options, NULL, &train, &test));
        assert_null(train);
    }
    fm_recordings_options options = {.folder = "/nowhere/at/all"};
    assert_fails(f->context, FM_ERROR_NOT_FOUND, "/nowhere/at/all",
                 fm_dataset_recordings(f->context, &options, NULL, &train, &test));
    fixture_file(f, "set/strange.wav", "x", 1);
    options = (fm_recordings_options){.folder = folder, .pattern = "{class}_{who}_{n}"};
    assert_ok(f->context, fm_dataset_recordings(f->context, &options, NULL, &train, &test));
    assert_non_null(strstr(f->last_log, "1 of 17 names do not fit {class}_{who}_{n}"));
    assert_int_equal(fm_dataset_about(train)->count, 16);
    fm_dataset_destroy(train);
}

static void broken_files_fail_or_are_left_out(void **state)
{
    fixture *f = *state;
    fm_recordings_options options = {
        .sound = short_sound, .folder = write_digits(f), .pattern = "{class}_{who}_{n}"};
    fixture_file(f, "set/high_zoe_1.wav", "RIFF\0\0\0\0WAVE", 12);
    fm_dataset *train;
    static float x[17 * 276];
    assert_ok(f->context, fm_dataset_recordings(f->context, &options, NULL, &train, NULL));
    fm_data_request all = {.count = 17, .fields = {x}};
    assert_fails(f->context, FM_ERROR_FORMAT, "high_zoe_1.wav: broken WAV file: it has no chunk",
                 fm_dataset_read(f->context, train, &all));
    fm_dataset_destroy(train);
    options.on_broken = FM_BROKEN_SKIP;
    assert_ok(f->context, fm_dataset_recordings(f->context, &options, NULL, &train, NULL));
    assert_non_null(strstr(f->last_log, "1 of 17 recordings cannot be read"));
    assert_int_equal(fm_dataset_about(train)->count, 16);
    all.count = 16;
    assert_ok(f->context, fm_dataset_read(f->context, train, &all));
    fm_dataset_destroy(train);
}

/* ---- the same for any number of workers, with and without a cache, with augmentation ---- */

static void workers_change_nothing(void **state)
{
    fixture *f = *state;
    fm_recordings_options options = {
        .sound = short_sound, .folder = write_digits(f), .pattern = "{class}_{who}_{n}"};
    const fm_augment list[] = {{.kind = FM_AUGMENT_SPEED},     {.kind = FM_AUGMENT_TIME_SHIFT},
                               {.kind = FM_AUGMENT_GAIN},      {.kind = FM_AUGMENT_NOISE},
                               {.kind = FM_AUGMENT_TIME_MASK}, {.kind = FM_AUGMENT_FREQUENCY_MASK}};
    static float expected[2][16 * 276];
    for (int way = 0; way < 6; way++) {
        fm_dataset *train, *varied;
        fm_loader *loader;
        options.sound.cache = way % 2 ? -1 : 0;
        assert_ok(f->context, fm_dataset_recordings(f->context, &options, NULL, &train, NULL));
        assert_ok(f->context, fm_dataset_augment(f->context, train, list, 6, &varied));
        fm_loader_options how = {.batch_size = 3, .workers = way / 2, .shuffle = true, .seed = 5};
        assert_ok(f->context, fm_loader_create(f->context, varied, &how, &loader));
        for (int epoch = 0; epoch < 2; epoch++) {
            fm_batch batch;
            assert_ok(f->context, fm_loader_begin(loader, epoch, 0));
            for (;;) {
                assert_ok(f->context, fm_loader_next(loader, &batch));
                if (batch.count == 0) break;
                for (int64_t i = 0; i < batch.count; i++) {
                    const float *x = (const float *)batch.x + i * 276;
                    float *to = expected[epoch] + batch.indices[i] * 276;
                    if (way == 0) memcpy(to, x, 276 * sizeof *x);
                    assert_memory_equal(to, x, 276 * sizeof *x);
                }
            }
        }
        fm_loader_destroy(loader);
        fm_dataset_destroy(varied);
        fm_dataset_destroy(train);
    }
    assert_memory_not_equal(expected[0], expected[1], sizeof expected[0]);
}

static fm_status open_and_read(fm_context *context, void *argument)
{
    fm_dataset *train, *test, *varied = NULL;
    static float x[16 * 276];
    int32_t y[16];
    fm_status status = fm_dataset_recordings(context, argument, NULL, &train, &test);
    if (status != FM_OK) return status;
    const fm_augment list[] = {{.kind = FM_AUGMENT_SPEED}, {.kind = FM_AUGMENT_NOISE}};
    fm_data_request all = {.count = 2, .fields = {x, y}};
    status = fm_dataset_read(context, train, &all);
    if (status == FM_OK) status = fm_dataset_augment(context, train, list, 2, &varied);
    if (status == FM_OK) status = fm_dataset_read(context, varied, &all);
    fm_dataset_destroy(varied);
    fm_dataset_destroy(train);
    fm_dataset_destroy(test);
    return status;
}

static void memory_may_fail(void **state)
{
    fixture *f = *state;
    fm_recordings_options options = {.sound = short_sound,
                                     .folder = write_digits(f),
                                     .pattern = "{class}_{who}_{n}",
                                     .test = "n=3"};
    assert_true(fail_each_allocation(f, open_and_read, &options) > 60);
    options.on_broken = FM_BROKEN_SKIP;
    assert_true(fail_each_allocation(f, open_and_read, &options) > 60);
}

/* ---- archives and single files ---- */

static void archives_and_files_serve(void **state)
{
    fixture *f = *state;
    char command[400];
    const char *folder = write_digits(f);
    snprintf(command, sizeof command, "cd %s/.. && tar cf set.tar set", folder);
    assert_int_equal(system(command), 0);
    fm_recordings_options options = {
        .sound = short_sound, .folder = fixture_path(f, "set.tar"), .pattern = "{class}_{who}_{n}"};
    fm_dataset *packed, *files;
    static float x[2][16 * 276];
    assert_ok(f->context, fm_dataset_recordings(f->context, &options, NULL, &packed, NULL));
    fm_data_request all = {.count = 16, .fields = {x[0]}};
    assert_ok(f->context, fm_dataset_read(f->context, packed, &all));
    assert_ok(f->context, fm_dataset_recording_files(f->context, &folder, 1, &short_sound, &files));
    assert_int_equal(fm_dataset_about(files)->count, 16);
    assert_int_equal(fm_dataset_about(files)->field_count, 1);
    all.fields[0] = x[1];
    assert_ok(f->context, fm_dataset_read(f->context, files, &all));
    assert_memory_equal(x[0], x[1], sizeof x[0]);
    assert_non_null(strstr(fm_recording_file_name(packed, 0), "set.tar:set/high_lea_0.wav"));
    fm_dataset_destroy(packed);
    fm_dataset_destroy(files);
    assert_fails(f->context, FM_ERROR_ARGUMENT, "no files are named",
                 fm_dataset_recording_files(f->context, NULL, 0, NULL, &files));
}

/* ---- made sounds ---- */

static void tones_need_no_file(void **state)
{
    fixture *f = *state;
    fm_tones_options options = {.train_size = 40, .test_size = 10, .seed = 3};
    fm_dataset *train, *again, *test;
    const char *const *names;
    assert_ok(f->context, fm_dataset_tones(f->context, &options, &train, &test));
    assert_ok(f->context, fm_dataset_tones(f->context, &options, &again, NULL));
    assert_int_equal(fm_dataset_classes(train, &names), 8);
    assert_string_equal(names[7], "warble");
    assert_true(fm_shape_equal(fm_dataset_about(test)->fields[0].shape, FM_SHAPE(98, 40)));
    static float x[2][98 * 40];
    int32_t y[40], seen = 0;
    fm_data_request one = {.first = 17, .count = 1, .fields = {x[0]}};
    assert_ok(f->context, fm_dataset_read(f->context, train, &one));
    one.fields[0] = x[1];
    assert_ok(f->context, fm_dataset_read(f->context, again, &one));
    assert_memory_equal(x[0], x[1], sizeof x[0]);
    one.first = 7;
    assert_ok(f->context, fm_dataset_read(f->context, test, &one));
    assert_memory_not_equal(x[0], x[1], sizeof x[0]);
    fm_data_request labels = {.count = 40, .fields = {NULL, y}};
    assert_ok(f->context, fm_dataset_read(f->context, train, &labels));
    for (int i = 0; i < 40; i++) seen |= 1 << y[i];
    assert_int_equal(seen, 255);
    assert_null(fm_recording_file_name(train, 0));
    fm_dataset_destroy(train);
    fm_dataset_destroy(again);
    fm_dataset_destroy(test);
}

/* ---- augmentation ---- */

/* One waveform of 0.5 from sample 100 to 200 of 400. */
static fm_dataset *block(fixture *f)
{
    float samples[100];
    for (int i = 0; i < 100; i++) samples[i] = 0.5f;
    sound_bytes file = make_sound(SF_FORMAT_WAV | SF_FORMAT_FLOAT, 1000, 1, samples, 100);
    const char *path = fixture_file(f, "block.wav", file.bytes, file.size);
    free(file.bytes);
    fm_sound_options sound = {.rate = 1000,
                              .duration = 0.4,
                              .align = FM_ALIGN_CENTER,
                              .features = {.kind = FM_FEATURES_WAVEFORM}};
    fm_dataset *set;
    assert_ok(f->context, fm_dataset_recording_files(f->context, &path, 1, &sound, &set));
    return set;
}

static void vary(fixture *f, fm_augment step, uint32_t epoch, float *x)
{
    fm_dataset *set = block(f), *varied;
    assert_ok(f->context, fm_dataset_augment(f->context, set, &step, 1, &varied));
    fm_data_request one = {.count = 1, .fields = {x}, .seed = 2, .epoch = epoch};
    assert_ok(f->context, fm_dataset_read(f->context, varied, &one));
    fm_dataset_destroy(varied);
    fm_dataset_destroy(set);
}

static int above(const float *x, float level)
{
    int count = 0;
    for (int i = 0; i < 400; i++) count += x[i] > level;
    return count;
}

static void waves_are_varied(void **state)
{
    fixture *f = *state;
    float x[400];
    vary(f, (fm_augment){.kind = FM_AUGMENT_TIME_SHIFT, .range = {2, {0.03, 0.03}}}, 0, x);
    assert_true(x[179] == 0 && x[180] == 0.5f && x[279] == 0.5f && x[280] == 0);
    vary(f, (fm_augment){.kind = FM_AUGMENT_GAIN, .range = {2, {6.0206, 6.0206}}}, 0, x);
    assert_near((double)x[200], 1, 1e-4);
    assert_true(x[149] == 0 && above(x, 0.9f) == 100);
    vary(f, (fm_augment){.kind = FM_AUGMENT_SPEED, .range = {2, {2, 2}}}, 0, x);
    assert_true(above(x, 0.25f) >= 48 && above(x, 0.25f) <= 52);
    vary(f, (fm_augment){.kind = FM_AUGMENT_NOISE, .range = {2, {20, 20}}}, 0, x);
    double power = 0;
    for (int i = 0; i < 400; i++) {
        double d = (double)x[i] - (i >= 150 && i < 250 ? 0.5 : 0);
        power += d * d / 400;
    }
    assert_true(power > 0.0018 && power < 0.0033); /* 0.25 / 100 */
    float y[400];
    vary(f, (fm_augment){.kind = FM_AUGMENT_TIME_SHIFT}, 1, x);
    vary(f, (fm_augment){.kind = FM_AUGMENT_TIME_SHIFT}, 1, y);
    assert_memory_equal(x, y, sizeof x);
    vary(f, (fm_augment){.kind = FM_AUGMENT_TIME_SHIFT}, 2, y);
    assert_memory_not_equal(x, y, sizeof x);
}

static void features_are_hidden(void **state)
{
    fixture *f = *state;
    float x[20 * 10], made[200];
    double mean = 0;
    for (int i = 0; i < 200; i++) {
        x[i] = (float)i;
        mean += i / 200.0;
    }
    fm_dataset_info info = {.name = "features", .count = 1, .field_count = 1};
    info.fields[0] = (fm_data_field){"x", FM_F32, FM_SHAPE(20, 10), NULL};
    fm_dataset *set, *varied;
    assert_ok(f->context,
              fm_dataset_from_arrays(f->context, &info, (const void *[]){x}, true, &set));
    for (int kind = 0; kind < 2; kind++) {
        fm_augment step = {.kind = kind ? FM_AUGMENT_FREQUENCY_MASK : FM_AUGMENT_TIME_MASK,
                           .width = 4};
        int rows = kind ? 10 : 20, most = 0;
        assert_ok(f->context, fm_dataset_augment(f->context, set, &step, 1, &varied));
        for (uint32_t epoch = 0; epoch < 50; epoch++) {
            fm_data_request one = {.count = 1, .fields = {made}, .epoch = epoch};
            assert_ok(f->context, fm_dataset_read(f->context, varied, &one));
            int hidden = 0, first = -1, last = -1;
            for (int r = 0; r < rows; r++) {
                int same = 0, others = 200 / rows;
                for (int c = 0; c < others; c++) {
                    int at = kind ? c * 10 + r : r * 10 + c;
                    same += fabs((double)made[at] - mean) < 1e-4;
                    if (made[at] != x[at]) assert_near((double)made[at], mean, 1e-4);
                }
                if (same != others) continue;
                if (first < 0) first = r;
                last = r;
                hidden++;
            }
            assert_true(hidden == 0 || last - first + 1 == hidden);
            if (hidden > most) most = hidden;
        }
        assert_int_equal(most, 4);
        fm_dataset_destroy(varied);
    }
    const fm_augment speed = {.kind = FM_AUGMENT_SPEED};
    assert_fails(f->context, FM_ERROR_ARGUMENT,
                 "augment: speed varies recordings; \"features\" holds none",
                 fm_dataset_augment(f->context, set, &speed, 1, &varied));
    fm_dataset_destroy(set);
    set = block(f);
    const fm_augment late[] = {{.kind = FM_AUGMENT_TIME_MASK}, {.kind = FM_AUGMENT_GAIN}};
    assert_fails(f->context, FM_ERROR_ARGUMENT,
                 "augment: gain varies recordings and comes before time_mask",
                 fm_dataset_augment(f->context, set, late, 2, &varied));
    const fm_augment stop = {.kind = FM_AUGMENT_SPEED, .range = {2, {0, 1}}};
    assert_fails(f->context, FM_ERROR_ARGUMENT, "speed: factors are larger than 0",
                 fm_dataset_augment(f->context, set, &stop, 1, &varied));
    fm_dataset_destroy(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(names_tell_fields),
        fixture_test(patterns_are_checked),
        fixture_test(conditions_are_met),
        fixture_test(names_make_classes_and_parts),
        fixture_test(folders_are_classes_too),
        fixture_test(mistakes_are_told),
        fixture_test(broken_files_fail_or_are_left_out),
        fixture_test(workers_change_nothing),
        fixture_test(memory_may_fail),
        fixture_test(archives_and_files_serve),
        fixture_test(tones_need_no_file),
        fixture_test(waves_are_varied),
        fixture_test(features_are_hidden),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
