/* train, predict and show on recordings, through the built program. */
#include "data/audio_bytes.h"
#include "support/program_run.h"
#include "fathom/image.h"

enum { RATE = 8000 };

static void write_tone(fixture *f, const char *name, int format, int rate, double hertz)
{
    float samples[4000];
    make_tone(samples, 2000 + (int)hertz, rate, hertz);
    sound_bytes file = make_sound(format, rate, 1, samples, 2000 + (int)hertz);
    fixture_file(f, name, file.bytes, file.size);
    free(file.bytes);
}

/* Low and high tones by two players, and a recipe for them. */
static void write_set(fixture *f)
{
    static const char recipe[] =
        "data:\n"
        "  set: recordings\n"
        "  folder: set\n"
        "  pattern: \"{class}_{player}_{take}.wav\"\n"
        "  test: take=0\n"
        "  rate: 8000\n"
        "  duration: 0.25\n"
        "  bands: 12\n"
        "  normalize: standardize\n"
        "  augment: [{speed: 0.02}, {time_shift: 0.02}, {gain: 3},\n"
        "            {noise: [30, 50]}, {time_mask: {width: 3, count: 2}}]\n"
        "model: [flatten, {dense: 2}]\n"
        "loss: sparse_categorical_crossentropy\n"
        "optimizer: {adam: {learning_rate: 0.01}}\n"
        "metrics: [accuracy]\n"
        "train: {epochs: 8, batch_size: 8, workers: 2}\n";
    fixture_file(f, "set.yaml", recipe, strlen(recipe));
    program_run(f, "mkdir -p $HERE/set $HERE/others");
    for (int i = 0; i < 24; i++) {
        char name[64];
        bool high = i & 1;
        snprintf(name, sizeof name, "set/%s_%s_%d.wav", high ? "high" : "low",
                 i & 2 ? "ann" : "bob", i / 4);
        write_tone(f, name, SF_FORMAT_WAV | SF_FORMAT_PCM_16, RATE, (high ? 1800 : 400) + 8 * i);
    }
    write_tone(f, "others/a.flac", SF_FORMAT_FLAC | SF_FORMAT_PCM_16, RATE, 450);
    write_tone(f, "others/b.WAV", SF_FORMAT_WAV | SF_FORMAT_ULAW, 16000, 1900);
}

static void recordings_are_named_by_their_class(void **state)
{
    fixture *f = *state;
    write_set(f);
    const program_result *r =
        program_run_well(f, "cd $HERE && $FATHOM train set.yaml -o m.safetensors");
    assert_non_null(strstr(r->out, "accuracy 1.0000"));
    r = program_run_well(f, "cd $HERE && $FATHOM predict m.safetensors others set/low_ann_0.wav");
    assert_non_null(strstr(r->out, "others/a.flac   low"));
    assert_non_null(strstr(r->out, "others/b.WAV   high"));
    assert_non_null(strstr(r->out, "set/low_ann_0.wav   low"));
    r = program_run(f, "cd $HERE && $FATHOM predict m.safetensors others/a.flac --json");
    assert_non_null(strstr(r->out, "\"others/a.flac\""));
    assert_non_null(strstr(r->out, "\"low\""));
    fixture_file(f, "bad.wav", "RIFF\0\0\0\0WAVEdata", 16);
    r = program_run(f, "cd $HERE && $FATHOM predict m.safetensors bad.wav");
    assert_true(r->code != 0);
    assert_non_null(strstr(r->err, "bad.wav: broken WAV file: it has no chunk 'fmt '"));
    r = program_run(f, "cd $HERE && $FATHOM eval m.safetensors");
    assert_int_equal(r->code, 0);
    assert_non_null(strstr(r->out, "accuracy"));
}

static void models_of_recordings_see_nothing(void **state)
{
    fixture *f = *state;
    write_set(f);
    fixture_file(f, "a.pgm", "P5\n2 2\n255\nabcd", 15);
    program_run_well(f, "cd $HERE && $FATHOM train set.yaml -q -o m.safetensors");
    const program_result *r = program_run(f, "cd $HERE && $FATHOM predict m.safetensors a.pgm");
    assert_int_equal(r->code, 3);
    assert_non_null(strstr(r->err, "a.pgm: an image, but the model has learned from the data set "
                                   "recordings: recordings"));
}

static void models_of_tables_hear_nothing(void **state)
{
    fixture *f = *state;
    write_tone(f, "a.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, RATE, 450);
    const program_result *r =
        program_run(f, "$FATHOM train recipes/spirals.yaml --epochs 1 -q -o $HERE/s.safetensors && "
                       "$FATHOM predict $HERE/s.safetensors $HERE/a.wav");
    assert_true(r->code != 0);
    assert_non_null(strstr(r->err,
                           "a.wav: a recording, but the model has learned from the data set "
                           "spirals, which holds none"));
}

static void spectrograms_are_drawn(void **state)
{
    fixture *f = *state;
    write_set(f);
    const program_result *r =
        program_run_well(f, "cd $HERE && $FATHOM show set.yaml --samples s.png");
    assert_non_null(strstr(r->out, "20 training samples of set.yaml: s.png"));
    fm_image sheet;
    assert_ok(f->context, fm_image_read(f->context, fixture_path(f, "s.png"), NULL, &sheet));
    assert_int_equal(sheet.width, 6 + 8 * (115 + 6)); /* 23 frames, 12 bands, five times each */
    assert_int_equal(sheet.height, 6 + 3 * (60 + 11 + 6));
    fm_image_release(f->context, &sheet);
    r = program_run(f, "cd $HERE && $FATHOM show set.yaml --samples s.png "
                       "--set data.features=waveform --set data.augment=null");
    assert_non_null(strstr(r->err, "waveforms are not drawn"));
}

static void recipes_are_checked(void **state)
{
    fixture *f = *state;
    write_set(f);
    const program_result *r =
        program_run(f, "cd $HERE && $FATHOM train set.yaml --set data.test=tako=0");
    assert_true(r->code != 0);
    assert_non_null(strstr(r->err, "test asks for the field 'tako'"));
    r = program_run(f, "cd $HERE && $FATHOM train set.yaml --set data.feature=mfcc");
    assert_non_null(strstr(r->err, "features"));
    r = program_run(f, "cd $HERE && $FATHOM train set.yaml --set data.fft_size=210");
    assert_non_null(strstr(r->err, "product of 2, 3 and 5"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(recordings_are_named_by_their_class),
        fixture_test(models_of_recordings_see_nothing),
        fixture_test(models_of_tables_hear_nothing),
        fixture_test(spectrograms_are_drawn),
        fixture_test(recipes_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
