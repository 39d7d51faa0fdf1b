/* The option fields of sounds and of their features, for every table that has them. */
#ifndef FM_DATA_SOUND_FIELDS_H
#define FM_DATA_SOUND_FIELDS_H

#include "fathom/audio.h"

extern const char *const fm_features_names[];
extern const char *const fm_window_names[];
extern const char *const fm_edges_names[];
extern const char *const fm_mel_scale_names[];
extern const char *const fm_mel_norm_names[];
extern const char *const fm_logarithm_names[];
extern const char *const fm_per_recording_names[];
extern const char *const fm_align_names[];

#define FM_SOUND_FIELD(owner_, name_, member_, type_, doc_, ...)                                   \
    {                                                                                              \
        .name = name_, .doc = doc_, .offset = offsetof(owner_, member_), .type = FM_FIELD_##type_, \
        __VA_ARGS__                                                                                \
    }

/* path_ is where fm_features_options lies in the owner: "features." or nothing. */
#define FM_FEATURES_FIELDS(owner_, path_)                                                          \
    FM_SOUND_FIELD(owner_, "features", path_ kind, ENUM, "what the network hears",                 \
                   .choices = fm_features_names),                                                  \
        FM_SOUND_FIELD(owner_, "frame_length", path_ frame_length, REAL, "milliseconds",           \
                       .default_value = 25, .minimum = 0.1, .maximum = 10000),                     \
        FM_SOUND_FIELD(owner_, "hop_length", path_ hop_length, REAL,                               \
                       "milliseconds from a frame to the next", .default_value = 10,               \
                       .minimum = 0.1, .maximum = 10000),                                          \
        FM_SOUND_FIELD(owner_, "window", path_ window, ENUM, "that a frame is multiplied by",      \
                       .choices = fm_window_names),                                                \
        FM_SOUND_FIELD(owner_, "edges", path_ edges, ENUM,                                         \
                       "frames within the samples, or around them with zeros or mirrored samples", \
                       .choices = fm_edges_names),                                                 \
        FM_SOUND_FIELD(owner_, "fft_size", path_ fft_size, INT,                                    \
                       "samples (default: the power of two that holds a frame)", .maximum = 1e6),  \
        FM_SOUND_FIELD(owner_, "pre_emphasis", path_ pre_emphasis, REAL,                           \
                       "share of the sample before that is taken away", .maximum = 1),             \
        FM_SOUND_FIELD(owner_, "power", path_ power, REAL, "of magnitudes", .default_value = 2,    \
                       .minimum = 0.1, .maximum = 4),                                              \
        FM_SOUND_FIELD(owner_, "bands", path_ bands, INT, "mel bands", .default_value = 40,        \
                       .minimum = 1, .maximum = 4096),                                             \
        FM_SOUND_FIELD(owner_, "fmin", path_ fmin, REAL, "hertz where the bands begin",            \
                       .maximum = 1e6),                                                            \
        FM_SOUND_FIELD(owner_, "fmax", path_ fmax, REAL,                                           \
                       "hertz where they end (default: half the rate)", .maximum = 1e6),           \
        FM_SOUND_FIELD(owner_, "mel_scale", path_ mel_scale, ENUM, "how bands are spread",         \
                       .choices = fm_mel_scale_names),                                             \
        FM_SOUND_FIELD(owner_, "mel_norm", path_ mel_norm, ENUM,                                   \
                       "triangles of height 1, or of area 1 in hertz",                             \
                       .choices = fm_mel_norm_names),                                              \
        FM_SOUND_FIELD(owner_, "log", path_ logarithm, ENUM, "natural, or 20 / power log10",       \
                       .choices = fm_logarithm_names),                                             \
        FM_SOUND_FIELD(owner_, "floor", path_ floor, REAL, "of numbers before the logarithm",      \
                       .default_value = 1e-10, .minimum = 1e-30, .maximum = 1e6),                  \
        FM_SOUND_FIELD(owner_, "top_db", path_ top_db, REAL,                                       \
                       "decibels below the sample's largest that are kept apart; 0: all",          \
                       .maximum = 1000),                                                           \
        FM_SOUND_FIELD(owner_, "coefficients", path_ coefficients, INT, "of MFCC",                 \
                       .default_value = 13, .minimum = 1, .maximum = 4096),                        \
        FM_SOUND_FIELD(owner_, "deltas", path_ deltas, INT,                                        \
                       "1: slopes over time as well, 2: and theirs", .maximum = 2),                \
        FM_SOUND_FIELD(owner_, "delta_width", path_ delta_width, INT,                              \
                       "frames of a slope, an odd number", .default_value = 5, .minimum = 3,       \
                       .maximum = 1001),                                                           \
        FM_SOUND_FIELD(owner_, "per_recording", path_ per_recording, ENUM,                         \
                       "what each column loses by itself: nothing, its mean, its scale as well",   \
                       .choices = fm_per_recording_names)

/* owner_ begins with fm_sound_options. */
#define FM_SOUND_FIELDS(rate_)                                                                     \
    FM_SOUND_FIELD(fm_sound_options, "rate", rate, INT, "samples per second",                      \
                   .default_value = rate_, .minimum = 100, .maximum = 1 << 20),                    \
        FM_SOUND_FIELD(fm_sound_options, "duration", duration, REAL, "seconds of a sample",        \
                       .default_value = 1, .minimum = 0.001, .maximum = 3600),                     \
        FM_SOUND_FIELD(fm_sound_options, "channel", channel, INT,                                  \
                       "1 is the first; 0: the mean of all", .maximum = 1024),                     \
        FM_SOUND_FIELD(fm_sound_options, "align", align, ENUM,                                     \
                       "which end of a longer recording is kept, or where a shorter one stands",   \
                       .choices = fm_align_names),                                                 \
        FM_SOUND_FIELD(fm_sound_options, "trim", trim, REAL,                                       \
                       "decibels below the loudest that are left out at both ends; 0: nothing is", \
                       .maximum = 200),                                                            \
        FM_SOUND_FIELD(fm_sound_options, "peak", peak, BOOL, "the largest sample becomes 1"),      \
        FM_FEATURES_FIELDS(fm_sound_options, features.),                                           \
        FM_SOUND_FIELD(fm_sound_options, "cache", cache, INT,                                      \
                       "MiB of samples and of recordings that may be kept; -1: none",              \
                       .default_value = 1024, .minimum = -1, .maximum = 1e9)

#endif
