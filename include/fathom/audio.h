/* fathom/audio.h: recordings: reading them, what a network hears of them, and data sets of them.
 *
 *     data:
 *       set: recordings
 *       folder: fsdd                          fsdd/recordings/7_theo_12.wav, or a .tar of them
 *       pattern: "{class}_{speaker}_{index}"
 *       test: index=0-4
 *       rate: 8000
 *       features: log_mel
 *       normalize: standardize
 *       augment: [{time_shift: 0.1}, {speed: 0.1}, {frequency_mask: 6}]
 *
 * Invariants
 *  - A recording in memory is one channel of f32 samples, 1 being full scale; a sample of a data
 *    set is made of as many of them as `duration` says.
 *  - A recording's file is trusted in nothing: seconds, channels and rates have limits, and what is
 *    broken, cut off or not a number is an FM_ERROR_FORMAT that names the file and says how.
 *  - Features are a function of the samples and of nothing else; they are computed where a sample
 *    is read, so on a loader's workers, and are the same bits for any number of them.
 *  - Built with FATHOM_AUDIO (libsndfile, libmpg123, libsamplerate, kissfft), which needs
 *    FATHOM_FILES. What these libraries need while they work comes from malloc, everything else
 *    from the context. libsndfile keeps the number of its last error in a variable of its own,
 *    which nothing here reads.
 *  - May be NULL: options, `like`, `places`, `test`.
 */
#ifndef FATHOM_AUDIO_H
#define FATHOM_AUDIO_H

#include "fathom/data_files.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Files ---------------------------------------------------------------------------------- */

typedef struct fm_recording {
    int64_t count, rate; /* samples; samples per second */
    float *samples;
} fm_recording;

/* WAV (also RF64 and big endian), MP3, AIFF, AU, FLAC, and Ogg with Vorbis or Opus. Samples of 8,
 * 16, 24 and 32 bits, floats, mu-law and A-law. Whole numbers become [-1, 1); floats stay as they
 * are. What an MP3 encoder has put around the sound, and says so, is left out.
 *  channel        1 is the first; 0: the mean of all of them
 *  rate           samples per second that are wanted; 0: as it is stored
 *  max_samples    of one channel, as stored; beyond them FM_ERROR_LIMIT. Default 2^26:
 *                 70 minutes at 16 kHz
 *  max_channels   default 64 */
typedef struct fm_recording_options {
    int64_t channel, rate, max_samples, max_channels;
} fm_recording_options;

/* options may be NULL. FM_ERROR_FORMAT: not a recording, a broken or an empty one;
 * FM_ERROR_UNSUPPORTED: samples in a form that is not listed above. */
FM_API fm_status fm_recording_read(fm_context *context, const char *path,
                                   const fm_recording_options *options, fm_recording *recording);
/* The same for bytes in memory; `name` stands for the file in errors. */
FM_API fm_status fm_recording_decode(fm_context *context, const char *name, const void *bytes,
                                     size_t size, const fm_recording_options *options,
                                     fm_recording *recording);
FM_API void fm_recording_release(fm_context *context, fm_recording *recording);

/* The name ends with .wav, .mp3, .flac, .ogg, .oga, .opus, .aif, .aiff, .aifc, .au or .snd, in
 * small or capital letters. */
FM_API bool fm_recording_is_named(const char *path);

/* To another rate by a windowed sinc (libsamplerate's SRC_SINC_MEDIUM_QUALITY: nothing above 121 dB
 * below the signal is added, 90 % of the band stays). ceil(count rate / recording->rate) samples.
 * FM_ERROR_ARGUMENT when one rate is more than 256 times the other. */
FM_API fm_status fm_recording_resample(fm_context *context, int64_t rate, fm_recording *recording);

/* Leaves out what is more than `decibels` below the loudest at both ends: the power of windows of
 * `frame` samples around every `hop`-th one, as librosa.effects.trim. Silence as a whole stays. */
FM_API fm_status fm_recording_trim(fm_context *context, double decibels, int64_t frame, int64_t hop,
                                   fm_recording *recording);

/* ---- Features ------------------------------------------------------------------------------- */

typedef enum fm_features_kind {
    FM_FEATURES_LOG_MEL,     /* (frames, bands): the logarithm of the power in mel bands */
    FM_FEATURES_MFCC,        /* (frames, coefficients): its cosine transform */
    FM_FEATURES_SPECTROGRAM, /* (frames, fft_size / 2 + 1): the logarithm of the power */
    FM_FEATURES_WAVEFORM     /* (samples, 1): the samples themselves; of the options below only
                                pre_emphasis and per_recording are for them */
} fm_features_kind;

typedef enum fm_audio_window {
    FM_WINDOW_HANN,
    FM_WINDOW_HAMMING,
    FM_WINDOW_RECTANGULAR
} fm_audio_window;

typedef enum fm_edges {
    FM_EDGES_CUT,    /* frames lie within the samples: 1 + (samples - frame) / hop of them */
    FM_EDGES_ZEROS,  /* frames lie around every hop-th sample, zeros outside: 1 + samples / hop.
                        librosa's and torchaudio's center = true with pad_mode = constant */
    FM_EDGES_REFLECT /* the same with the samples mirrored at both ends */
} fm_edges;

typedef enum fm_mel_scale {
    FM_MEL_HTK,   /* 2595 log10(1 + f / 700) (S. Young et al., "The HTK Book") */
    FM_MEL_SLANEY /* linear below 1 kHz, logarithmic above (M. Slaney, "Auditory Toolbox", 1998) */
} fm_mel_scale;

typedef enum fm_mel_norm {
    FM_MEL_NORM_NONE, /* triangles of height 1 */
    FM_MEL_NORM_AREA  /* of area 1 in hertz: librosa's "slaney" */
} fm_mel_norm;

typedef enum fm_logarithm {
    FM_LOGARITHM_NATURAL, /* log(max(v, floor)) */
    FM_LOGARITHM_DECIBEL, /* 20 / power log10(max(v, floor)) */
    FM_LOGARITHM_NONE
} fm_logarithm;

typedef enum fm_per_recording {
    FM_PER_RECORDING_NONE,
    FM_PER_RECORDING_MEAN,       /* each column minus its mean over the sample's frames */
    FM_PER_RECORDING_STANDARDIZE /* and divided by its deviation, where that is not 0 */
} fm_per_recording;

/* Order of work: pre-emphasis, frames times a window (periodic, as SciPy's fftbins = true), the
 * Fourier transform's magnitude to the power of `power`, mel bands (triangles between points that
 * are equally far apart in mel), logarithm, cosine transform (DCT-II, orthonormal), deltas,
 * per_recording.
 *  frame_length, hop_length   milliseconds. Default 25 and 10
 *  fft_size        samples: frames are filled up with zeros; even, a product of 2, 3 and 5.
 *                  Default: the smallest power of two that holds a frame
 *  pre_emphasis    p: s[i] - p s[i - 1]; the first sample stays. Default 0, usual is 0.97
 *  power           default 2; 1 for magnitudes
 *  bands           default 40
 *  fmin, fmax      hertz, where the bands begin and end. Default 0 and half the rate
 *  floor           of numbers before the logarithm. Default 1e-10
 *  top_db          what is further below the sample's largest number is raised to that; for
 *                  decibels. Default 0: nothing is
 *  coefficients    of MFCC. Default 13
 *  deltas          1: the slope over time of each column behind the columns; 2: and the slopes of
 *                  these (S. Furui, 1986). Edge frames are repeated
 *  delta_width     frames that a slope is taken over, an odd number. Default 5 */
typedef struct fm_features_options {
    int kind;
    double frame_length, hop_length;
    int window, edges;
    int64_t fft_size;
    double pre_emphasis, power;
    int64_t bands;
    double fmin, fmax;
    int mel_scale, mel_norm;
    int logarithm;
    double floor, top_db;
    int64_t coefficients, deltas, delta_width;
    int per_recording;
} fm_features_options;

/* Prepared for recordings of one length; never changes,
 * so that many threads may compute with it. */
typedef struct fm_features fm_features;

/* FM_ERROR_ARGUMENT or FM_ERROR_SHAPE says which options do not go together.
 * options may be NULL. */
FM_API fm_status fm_features_create(fm_context *context, const fm_features_options *options,
                                    int64_t rate, int64_t samples, fm_features **features);
FM_API fm_shape fm_features_shape(const fm_features *features); /* of one recording: rank 2 */
/* From count recordings, one behind the other, `samples` long each. */
FM_API fm_status fm_features_compute(fm_context *context, const fm_features *features,
                                     const float *recordings, int64_t count, float *to);
FM_API void fm_features_destroy(fm_features *features);

/* ---- Data sets ------------------------------------------------------------------------------ */

typedef enum fm_align {
    FM_ALIGN_START,  /* a longer recording loses its end, a shorter one is followed by silence */
    FM_ALIGN_CENTER, /* both ends */
    FM_ALIGN_END
} fm_align;

/* How a recording becomes a sample: "x" f32 of fm_features_shape.
 *  rate        samples per second. Default 16000 (tones: 8000)
 *  duration    seconds of a sample. Default 1
 *  channel     of fm_recording_options
 *  align       fm_align
 *  trim        decibels of fm_recording_trim, before the cut; 0: nothing is left out
 *  peak        louder or softer, so that the largest sample is 1
 *  cache       MiB: a set whose samples take no more keeps them once they were computed; where
 *              training varies recordings, these are kept up to the same size. Default 1024; -1:
 *              none */
typedef struct fm_sound_options {
    int64_t rate, channel, cache;
    double duration, trim;
    int align;
    bool peak;
    fm_features_options features;
} fm_sound_options;

/* Recordings whose class is in their names. "y" i32 (), classes sorted by name.
 *  folder     a folder, walked through, or an archive (.tar, .tar.gz, .tar.xz; read into memory)
 *  pattern    how names are made, without their ending: "{class}_{speaker}_{index}". A field is
 *             what stands between the texts around it and ends where the text behind it occurs
 *             first; a star is a field without a name. With k slashes the last k folders of the
 *             name count as well. Names that do not fit are left out, with a warning. Default: the
 *             class is the name of a folder; where there is `train`, its classes are in there, and
 *             those of the test set in `test`, `val` or `validation`
 *  test       which recordings are the test set, by a field: "index=0-4", "speaker=theo,lucas",
 *             "take=a*"
 *  only       likewise: all others are left out
 *  on_broken  fm_broken_file */
typedef struct fm_recordings_options {
    fm_sound_options sound;
    const char *folder, *pattern, *test, *only;
    int on_broken;
} fm_recordings_options;

/* Eight kinds of made sounds ("arch", "chord", "falling", "noise", "pulses", "rising", "steady",
 * "warble") of random pitch, length, place, loudness, timbre and background noise. Recording i of a
 * part depends on (seed, part, i) alone. "y" i32 ().
 *  noise   deviation of the background, 1 is full scale. Default 0.05, FM_ZERO: none */
typedef struct fm_tones_options {
    fm_sound_options sound;
    int64_t train_size; /* default 2000 */
    int64_t test_size;  /* default 500 */
    int64_t seed;
    double noise;
} fm_tones_options;

/* test may be NULL. */
FM_API fm_status fm_dataset_recordings(fm_context *context, const fm_recordings_options *options,
                                       const fm_data_places *places, fm_dataset **train,
                                       fm_dataset **test);
FM_API fm_status fm_dataset_tones(fm_context *context, const fm_tones_options *options,
                                  fm_dataset **train, fm_dataset **test);

/* The recordings of these files, one after the other, as samples without "y"; a folder stands for
 * the recordings in it, sorted by name. `like` may be NULL. */
FM_API fm_status fm_dataset_recording_files(fm_context *context, const char *const *paths,
                                            int count, const fm_sound_options *like,
                                            fm_dataset **dataset);
/* NULL when the set is none of files of recordings. */
FM_API const char *fm_recording_file_name(const fm_dataset *dataset, int64_t index);

#ifdef __cplusplus
}
#endif
#endif
