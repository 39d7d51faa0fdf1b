#include "data/audio/sound_fields.h"

const char *const fm_features_names[] = {"log_mel", "mfcc", "spectrogram", "waveform", NULL};
const char *const fm_window_names[] = {"hann", "hamming", "rectangular", NULL};
const char *const fm_edges_names[] = {"cut", "zeros", "reflect", NULL};
const char *const fm_mel_scale_names[] = {"htk", "slaney", NULL};
const char *const fm_mel_norm_names[] = {"none", "area", NULL};
const char *const fm_logarithm_names[] = {"natural", "decibel", "none", NULL};
const char *const fm_per_recording_names[] = {"none", "mean", "standardize", NULL};
const char *const fm_align_names[] = {"start", "center", "end", NULL};
