#include "data/audio_bytes.h"

enum { RATE = 8000, COUNT = 400 };

static fm_status decode(fixture *f, const void *bytes, size_t size,
                        const fm_recording_options *options, fm_recording *recording)
{
    return fm_recording_decode(f->context, "a.wav", bytes, size, options, recording);
}

/* ---- every form ---- */

static void forms_are_read(void **state)
{
    fixture *f = *state;
    static const struct {
        int format;
        float tolerance;
    } rows[] = {
        {SF_FORMAT_WAV | SF_FORMAT_PCM_U8, 1.0f / 120},
        {SF_FORMAT_WAV | SF_FORMAT_PCM_16, 1.0f / 32000},
        {SF_FORMAT_WAV | SF_FORMAT_PCM_24, 2e-7f},
        {SF_FORMAT_WAV | SF_FORMAT_PCM_32, 1e-7f},
        {SF_FORMAT_WAV | SF_FORMAT_FLOAT, 0},
        {SF_FORMAT_WAV | SF_FORMAT_DOUBLE, 0},
        {SF_FORMAT_WAV | SF_FORMAT_ULAW, 0.02f},
        {SF_FORMAT_WAV | SF_FORMAT_ALAW, 0.02f},
        {SF_FORMAT_WAV | SF_FORMAT_PCM_16 | SF_ENDIAN_BIG, 1.0f / 32000},
        {SF_FORMAT_WAVEX | SF_FORMAT_PCM_24, 2e-7f},
        {SF_FORMAT_RF64 | SF_FORMAT_PCM_16, 1.0f / 32000},
        {SF_FORMAT_AIFF | SF_FORMAT_PCM_S8, 1.0f / 120},
        {SF_FORMAT_AIFF | SF_FORMAT_PCM_16, 1.0f / 32000},
        {SF_FORMAT_AIFF | SF_FORMAT_FLOAT, 0},
        {SF_FORMAT_AU | SF_FORMAT_PCM_16, 1.0f / 32000},
        {SF_FORMAT_FLAC | SF_FORMAT_PCM_16, 1.0f / 32000},
        {SF_FORMAT_FLAC | SF_FORMAT_PCM_24, 2e-7f},
        {SF_FORMAT_OGG | SF_FORMAT_VORBIS, 0.1f},
    };
    float samples[COUNT];
    make_tone(samples, COUNT, RATE, 500);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        sound_bytes file = make_sound(rows[i].format, RATE, 1, samples, COUNT);
        fm_recording r;
        assert_ok(f->context, decode(f, file.bytes, file.size, NULL, &r));
        assert_int_equal(r.count, COUNT);
        assert_int_equal(r.rate, RATE);
        for (int k = 0; k < COUNT; k++) {
            if (fabsf(r.samples[k] - samples[k]) <= rows[i].tolerance) continue;
            fail_msg("form 0x%x, sample %d: %g, expected %g", (unsigned)rows[i].format, k,
                     (double)r.samples[k], (double)samples[k]);
        }
        fm_recording_release(f->context, &r);
        free(file.bytes);
    }
}

static void opus_is_read(void **state)
{
    fixture *f = *state;
    static float samples[48000];
    make_tone(samples, 48000, 48000, 500);
    sound_bytes file = make_sound(SF_FORMAT_OGG | SF_FORMAT_OPUS, 48000, 1, samples, 48000);
    fm_recording r;
    assert_ok(f->context,
              decode(f, file.bytes, file.size, &(fm_recording_options){.rate = 16000}, &r));
    assert_int_equal(r.count, 16000);
    double power = 0;
    for (int i = 0; i < 16000; i++) power += (double)r.samples[i] * (double)r.samples[i];
    assert_true(fabs(power / 16000 - 0.125) < 0.01);
    fm_recording_release(f->context, &r);
    free(file.bytes);
}

/* ---- MP3 ---- */

enum { MP3 = SF_FORMAT_MPEG | SF_FORMAT_MPEG_LAYER_III, MP3_COUNT = 16000 };

static sound_bytes make_mp3(int rate, int channels)
{
    static float samples[2 * MP3_COUNT];
    make_tone(samples, MP3_COUNT, rate, rate / 20.0);
    for (int i = MP3_COUNT - 1; i >= 0 && channels == 2; i--) {
        samples[2 * i] = samples[2 * i + 1] = samples[i];
    }
    return make_sound(MP3, rate, channels, samples, MP3_COUNT);
}

/* As many samples as went in, and in the same places: what the encoder added is cut off. One place
 * off would be wrong by 0.1. */
static void mp3_is_read(void **state)
{
    fixture *f = *state;
    static const int rates[] = {8000, 11025, 16000, 22050, 24000, 32000, 44100, 48000};
    static float tone[MP3_COUNT];
    for (int k = 0; k < 16; k++) {
        int rate = rates[k / 2];
        sound_bytes file = make_mp3(rate, 1 + k % 2);
        make_tone(tone, MP3_COUNT, rate, rate / 20.0);
        fm_recording r;
        assert_ok(f->context, decode(f, file.bytes, file.size, NULL, &r));
        assert_int_equal(r.rate, rate);
        assert_int_equal(r.count, MP3_COUNT);
        double wrong = 0;
        for (int i = 1000; i < MP3_COUNT - 1000; i++) {
            wrong += fabs((double)r.samples[i] - (double)tone[i]) / (MP3_COUNT - 2000);
        }
        if (wrong > 0.03) fail_msg("%d samples a second: they are %g away", rate, wrong);
        fm_recording_release(f->context, &r);
        free(file.bytes);
    }
}

/* Tags on both sides are no sound: (tag) file (tag). */
static void mp3_may_have_tags(void **state)
{
    fixture *f = *state;
    static const char id3[] = "ID3\x04\0\0\0\0\1\x02";
    sound_bytes file = make_mp3(16000, 1);
    enum { BEFORE = 10 + 130 + 7, BEHIND = 128 };
    size_t size = BEFORE + file.size + BEHIND;
    uint8_t *tagged = calloc(size, 1);
    memcpy(tagged, id3, sizeof id3 - 1);
    memset(tagged + 10, 0xff, 130); /* what looks like a frame is none within a tag */
    memcpy(tagged + BEFORE, file.bytes, file.size);
    memcpy(tagged + BEFORE + file.size, "TAGtitle", 8);
    fm_recording r;
    assert_ok(f->context, decode(f, tagged, size, NULL, &r));
    assert_int_equal(r.count, MP3_COUNT);
    fm_recording_release(f->context, &r);
    assert_fails(f->context, FM_ERROR_FORMAT, "a.wav: broken MP3 file: it ends within its ID3 tag",
                 decode(f, tagged, 100, NULL, &r));
    assert_fails(f->context, FM_ERROR_FORMAT, "no frame of layer III follows its tags",
                 decode(f, tagged, BEFORE, NULL, &r));
    free(tagged);
    free(file.bytes);
}

static void broken_mp3_is_told(void **state)
{
    fixture *f = *state;
    sound_bytes file = make_mp3(16000, 1);
    enum { FRAMES = MP3_COUNT / 576 + 2 }; /* and one that only counts them */
    size_t frame = file.size / (FRAMES + 1);
    fm_recording r;
    assert_fails(f->context, FM_ERROR_FORMAT, "a.wav: broken MP3 file: it ends within frame ",
                 decode(f, file.bytes, file.size - 1, NULL, &r));
    for (size_t at = frame; at < file.size; at++) {
        if (file.bytes[at] != 0xff || memcmp(file.bytes + at, file.bytes, 2) != 0) continue;
        assert_fails(f->context, FM_ERROR_FORMAT, "it ends early: 0 of ",
                     decode(f, file.bytes, at, NULL, &r));
        file.bytes[at] = 0;
        assert_fails(f->context, FM_ERROR_FORMAT, "broken MP3 file: frame 1 does not begin as one",
                     decode(f, file.bytes, file.size, NULL, &r));
        file.bytes[at] = 0xff;
        file.bytes[at + 2] ^= 4; /* another rate, and with it another size */
        assert_int_equal(decode(f, file.bytes, file.size, NULL, &r), FM_ERROR_FORMAT);
        assert_non_null(strstr(fm_error_message(f->context), "frame "));
        break;
    }
    assert_null(r.samples);
    free(file.bytes);
}

static void channels_are_mixed_or_chosen(void **state)
{
    fixture *f = *state;
    static const float samples[] = {0.5f, 0.25f, 0, -0.5f, 0.25f, 0, 0.5f, 0, 1};
    sound_bytes file = make_sound(SF_FORMAT_WAV | SF_FORMAT_FLOAT, RATE, 3, samples, 3);
    fm_recording r;
    assert_ok(f->context, decode(f, file.bytes, file.size, NULL, &r));
    assert_int_equal(r.count, 3);
    assert_true(r.samples[0] == 0.25f && r.samples[2] == 0.5f);
    fm_recording_release(f->context, &r);
    assert_ok(f->context,
              decode(f, file.bytes, file.size, &(fm_recording_options){.channel = 3}, &r));
    assert_memory_equal(r.samples, ((float[]){0, 0, 1}), sizeof(float[3]));
    fm_recording_release(f->context, &r);
    assert_fails(f->context, FM_ERROR_ARGUMENT, "a.wav: has no channel 4: it has 3",
                 decode(f, file.bytes, file.size, &(fm_recording_options){.channel = 4}, &r));
    assert_fails(f->context, FM_ERROR_LIMIT, "a.wav: has 3 channels; accepted are 2",
                 decode(f, file.bytes, file.size, &(fm_recording_options){.max_channels = 2}, &r));
    assert_fails(f->context, FM_ERROR_LIMIT, "is longer than 2 samples",
                 decode(f, file.bytes, file.size, &(fm_recording_options){.max_samples = 2}, &r));
    assert_fails(f->context, FM_ERROR_ARGUMENT, "channel is 0 (the mean) or counts from 1",
                 decode(f, file.bytes, file.size, &(fm_recording_options){.channel = -1}, &r));
    assert_null(r.samples);
    free(file.bytes);
}

/* ---- torture ---- */

typedef struct wav {
    uint8_t bytes[64 + 2 * COUNT];
    size_t size;
} wav;

static void put(uint8_t *to, uint32_t number, int size)
{
    for (int i = 0; i < size; i++) to[i] = (uint8_t)(number >> 8 * i);
}

/* The plainest file: 44 bytes and 16-bit samples. */
static wav plain_wav(int count)
{
    wav w = {.size = 44 + 2 * (size_t)count};
    memcpy(w.bytes, "RIFF....WAVEfmt ", 16);
    put(w.bytes + 4, (uint32_t)w.size - 8, 4);
    put(w.bytes + 16, 16, 4);
    put(w.bytes + 20, 1, 2);
    put(w.bytes + 22, 1, 2);
    put(w.bytes + 24, RATE, 4);
    put(w.bytes + 28, 2 * RATE, 4);
    put(w.bytes + 32, 2, 2);
    put(w.bytes + 34, 16, 2);
    memcpy(w.bytes + 36, "data", 4);
    put(w.bytes + 40, 2 * (uint32_t)count, 4);
    for (int i = 0; i < count; i++) put(w.bytes + 44 + 2 * i, (uint32_t)(37 * i), 2);
    return w;
}

static void broken_waves_are_told(void **state)
{
    fixture *f = *state;
    static const struct {
        int at, size;
        uint32_t number;
        size_t cut; /* bytes that are left; 0: all */
        fm_status status;
        const char *words;
    } rows[] = {
        {0, 0, 0, 4, FM_ERROR_FORMAT, "not a recording: it begins neither as WAV"},
        {0, 0, 0, 12, FM_ERROR_FORMAT, "broken WAV file: it has no chunk 'fmt '"},
        {0, 0, 0, 30, FM_ERROR_FORMAT, "it ends within chunk 'fmt '"},
        {0, 0, 0, 36, FM_ERROR_FORMAT, "it has no chunk 'data'"},
        {0, 0, 0, 44, FM_ERROR_FORMAT, "a.wav: holds no samples"},
        {0, 0, 0, 144, FM_ERROR_FORMAT, "it ends early: 100 of 800 bytes of samples are there"},
        {40, 4, 0x70000000, 0, FM_ERROR_FORMAT, "it ends early: 800 of 1879048192 bytes"},
        {16, 4, 0xfffffff0, 0, FM_ERROR_FORMAT, "it ends within chunk 'fmt '"},
        {16, 4, 2, 0, FM_ERROR_FORMAT, "its chunk 'fmt ' has 2 bytes"},
        {22, 2, 0, 0, FM_ERROR_FORMAT, "broken WAV file: "},
        {22, 2, 65535, 0, FM_ERROR_FORMAT, "broken WAV file: "},
        {22, 2, 200, 0, FM_ERROR_LIMIT, "has 200 channels; accepted are 64"},
        {24, 4, 0, 0, FM_ERROR_FORMAT, "broken WAV file: "},
        {34, 2, 0, 0, FM_ERROR_FORMAT, "broken WAV file: "},
        {34, 2, 77, 0, FM_ERROR_FORMAT, "broken WAV file: "},
        {20, 2, 0x3333, 0, FM_ERROR_FORMAT, "libsndfile finds no sound in it"},
        {36, 4, 0x20202020, 0, FM_ERROR_FORMAT, "it has no chunk 'data'"},
        {36, 4, 0x20746d66, 0, FM_ERROR_FORMAT, "it has no chunk 'data'"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        wav w = plain_wav(COUNT);
        fm_recording r = {0};
        put(w.bytes + rows[i].at, rows[i].number, rows[i].size);
        if (rows[i].cut) w.size = rows[i].cut;
        fm_status status = decode(f, w.bytes, w.size, NULL, &r);
        if (status != rows[i].status || !strstr(fm_error_message(f->context), rows[i].words)) {
            fail_msg("row %zu: %s: %s", i, fm_status_name(status), fm_error_message(f->context));
        }
        assert_null(r.samples);
    }
    fm_recording r;
    assert_fails(f->context, FM_ERROR_FORMAT, "a.wav: is empty", decode(f, "", 0, NULL, &r));
    assert_fails(f->context, FM_ERROR_FORMAT, "not a recording",
                 decode(f, "RIFF....AVI LIST", 16, NULL, &r));
    float samples[COUNT] = {0};
    sound_bytes gsm = make_sound(SF_FORMAT_WAV | SF_FORMAT_GSM610, RATE, 1, samples, COUNT);
    assert_fails(f->context, FM_ERROR_UNSUPPORTED, "a.wav: samples in form 0x20 of libsndfile",
                 decode(f, gsm.bytes, gsm.size, NULL, &r));
    free(gsm.bytes);
    assert_fails(f->context, FM_ERROR_NOT_FOUND, "/nowhere.wav",
                 fm_recording_read(f->context, "/nowhere.wav", NULL, &r));
}

/* Sizes that writers leave open, chunks before and behind, an odd one. */
static void honest_oddities_are_read(void **state)
{
    fixture *f = *state;
    static const uint32_t open_sizes[] = {0xffffffff, 0x7fffffff, 2 * COUNT};
    for (int i = 0; i < 3; i++) {
        wav w = plain_wav(COUNT);
        fm_recording r;
        put(w.bytes + 40, open_sizes[i], 4);
        put(w.bytes + 4, i ? 0xffffffff : 0, 4); /* RIFF's own size is not needed */
        assert_ok(f->context, decode(f, w.bytes, w.size, NULL, &r));
        assert_int_equal(r.count, COUNT);
        assert_true(r.samples[1] == 37.0f / 32768);
        fm_recording_release(f->context, &r);
    }
    wav w = plain_wav(COUNT);
    uint8_t longer[sizeof w.bytes + 12];
    memcpy(longer, w.bytes, 36);
    memcpy(longer + 36, "LIST\3\0\0\0abc\0", 12);
    memcpy(longer + 48, w.bytes + 36, w.size - 36);
    fm_recording r;
    assert_ok(f->context, decode(f, longer, w.size + 12, NULL, &r));
    assert_int_equal(r.count, COUNT);
    fm_recording_release(f->context, &r);
}

static void numbers_are_numbers(void **state)
{
    fixture *f = *state;
    const float samples[] = {0, 0.5f, 3, NAN, 0};
    sound_bytes file = make_sound(SF_FORMAT_WAV | SF_FORMAT_FLOAT, RATE, 1, samples, 5);
    fm_recording r;
    assert_fails(f->context, FM_ERROR_FORMAT, "a.wav: sample 3 is not a finite number",
                 decode(f, file.bytes, file.size, NULL, &r));
    free(file.bytes);
    file = make_sound(SF_FORMAT_WAV | SF_FORMAT_FLOAT, RATE, 1, samples, 3);
    assert_ok(f->context, decode(f, file.bytes, file.size, NULL, &r));
    assert_true(r.samples[2] == 3); /* beyond full scale is no mistake */
    fm_recording_release(f->context, &r);
    free(file.bytes);
}

/* Every cut of every kind of file fails or gives what is there, and says why. */
static void cut_files_fail_in_words(void **state)
{
    fixture *f = *state;
    static const int formats[] = {
        SF_FORMAT_WAV | SF_FORMAT_PCM_24, SF_FORMAT_AIFF | SF_FORMAT_PCM_16,
        SF_FORMAT_FLAC | SF_FORMAT_PCM_16, SF_FORMAT_OGG | SF_FORMAT_VORBIS,
        SF_FORMAT_AU | SF_FORMAT_PCM_16};
    float samples[COUNT];
    make_tone(samples, COUNT, RATE, 500);
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        sound_bytes file = make_sound(formats[i], RATE, 1, samples, COUNT);
        for (size_t size = 0; size < file.size; size += 1 + file.size / 100) {
            fm_recording r;
            uint8_t *cut = malloc(size + 1);
            memcpy(cut, file.bytes, size);
            fm_status status = decode(f, cut, size, NULL, &r);
            if (status == FM_OK) {
                assert_true(r.count > 0 && r.count <= COUNT);
                assert_true(formats[i] != (SF_FORMAT_WAV | SF_FORMAT_PCM_24));
                assert_true(formats[i] != (SF_FORMAT_FLAC | SF_FORMAT_PCM_16));
                assert_true(formats[i] != (SF_FORMAT_OGG | SF_FORMAT_VORBIS));
            } else {
                assert_int_equal(status, FM_ERROR_FORMAT);
                assert_non_null(strstr(fm_error_message(f->context), "a.wav"));
            }
            fm_recording_release(f->context, &r);
            free(cut);
        }
        free(file.bytes);
    }
}

static void damaged_pages_are_told(void **state)
{
    fixture *f = *state;
    float samples[COUNT];
    make_tone(samples, COUNT, RATE, 500);
    sound_bytes file = make_sound(SF_FORMAT_OGG | SF_FORMAT_VORBIS, RATE, 1, samples, COUNT);
    fm_recording r;
    file.bytes[40] ^= 1;
    assert_fails(f->context, FM_ERROR_FORMAT, "broken Ogg file: the check sum of page 0 is wrong",
                 decode(f, file.bytes, file.size, NULL, &r));
    file.bytes[40] ^= 1;
    file.bytes[58] ^= 1;
    assert_fails(f->context, FM_ERROR_FORMAT, "broken Ogg file: page 1 does not begin as one",
                 decode(f, file.bytes, file.size, NULL, &r));
    assert_fails(f->context, FM_ERROR_FORMAT, "broken Ogg file: it ends within page 0",
                 decode(f, file.bytes, 57, NULL, &r));
    free(file.bytes);
}

static fm_status read_stereo(fm_context *context, void *argument)
{
    const sound_bytes *file = argument;
    fm_recording r;
    fm_status status = fm_recording_decode(context, "a.wav", file->bytes, file->size,
                                           &(fm_recording_options){.rate = 16000}, &r);
    fm_recording_release(context, &r);
    return status;
}

static void memory_may_fail(void **state)
{
    fixture *f = *state;
    static float samples[2 * 20000];
    sound_bytes file = make_sound(SF_FORMAT_WAV | SF_FORMAT_PCM_16, RATE, 2, samples, 20000);
    assert_true(fail_each_allocation(f, read_stereo, &file) >= 4);
    free(file.bytes);
    file = make_mp3(RATE, 2);
    assert_true(fail_each_allocation(f, read_stereo, &file) >= 3);
    free(file.bytes);
}

static void names_are_known(void **state)
{
    (void)state;
    assert_true(fm_recording_is_named("a/b.WAV"));
    assert_true(fm_recording_is_named("b.flac"));
    assert_true(fm_recording_is_named("b.Mp3"));
    assert_true(fm_recording_is_named("b.x.opus"));
    assert_false(fm_recording_is_named("wav"));
    assert_false(fm_recording_is_named("a.wav.txt"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(forms_are_read),
        fixture_test(opus_is_read),
        fixture_test(mp3_is_read),
        fixture_test(mp3_may_have_tags),
        fixture_test(broken_mp3_is_told),
        fixture_test(channels_are_mixed_or_chosen),
        fixture_test(broken_waves_are_told),
        fixture_test(honest_oddities_are_read),
        fixture_test(numbers_are_numbers),
        fixture_test(cut_files_fail_in_words),
        fixture_test(memory_may_fail),
        fixture_test(names_are_known),
        fixture_test(damaged_pages_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
