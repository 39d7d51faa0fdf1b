#include "data/audio/audio_source.h"
#include "base/checked.h"
#include "base/timeline.h"
#include "data/audio/recording.h"
#include "data/audio/sound.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

enum { EMPTY, FILLING, READY }; /* of what may be kept of a sound */

typedef struct entry {
    int64_t of; /* the maker's number */
    int32_t label;
    _Atomic(uint8_t) sample_state, wave_state;
    fm_recording wave; /* kept, when its state says so */
} entry;

typedef struct sound_set {
    fm_sound_options sound;
    const fm_sound_maker *maker;
    void *state;
    fm_features *features;
    int64_t samples; /* of a fitted recording */
    size_t outputs;  /* numbers of "x" */
    entry *entries;
    int64_t count;
    bool labels;
    float *cache;          /* `outputs` numbers for each of the maker's sounds, or NULL */
    _Atomic(int64_t) room; /* bytes that waves may still take */
} sound_set;

/* ---- waves ---- */

static fm_status load(const sound_set *set, fm_context *context, const entry *e, fm_recording *wave)
{
    const fm_sound_options *o = &set->sound;
    double began = fm_span_begin(context);
    fm_status status = set->maker->load(set->state, context, e->of, wave);
    if (status == FM_OK && o->trim > 0) {
        double samples = (double)o->rate / 1000;
        int64_t frame = llround(samples * o->features.frame_length);
        int64_t hop = llround(samples * o->features.hop_length);
        status =
            fm_recording_trim(context, o->trim, frame < 1 ? 1 : frame, hop < 1 ? 1 : hop, wave);
    }
    if (status == FM_OK && o->peak) fm_sound_peak(wave);
    fm_span_end_part(context, FM_DECODING, began);
    return status;
}

/* A copy, where there is room for it. */
static fm_status keep_wave(sound_set *set, fm_context *context, entry *e, const fm_recording *wave)
{
    int64_t bytes = wave->count * (int64_t)sizeof(float);
    uint8_t empty = EMPTY;
    if (atomic_load_explicit(&set->room, memory_order_relaxed) < bytes) return FM_OK;
    if (!atomic_compare_exchange_strong(&e->wave_state, &empty, FILLING)) return FM_OK;
    bool fits = atomic_fetch_sub(&set->room, bytes) >= bytes;
    if (fits) {
        e->wave = *wave;
        e->wave.samples = (float *)(void *)fm_copy_bytes(context, wave->samples, (size_t)bytes);
    }
    bool kept = fits && e->wave.samples;
    if (!kept) atomic_fetch_add(&set->room, bytes);
    atomic_store_explicit(&e->wave_state, kept ? READY : EMPTY, memory_order_release);
    return fits && !kept ? FM_ERROR_MEMORY : FM_OK;
}

/* ---- samples ---- */

static fm_status compute(const sound_set *set, fm_context *context, const fm_recording *wave,
                         const fm_wave_change *change, float *x)
{
    float *fitted = fm_allocate_array(context, (size_t)set->samples, sizeof *fitted);
    if (!fitted) return fm_error_status(context);
    double began = fm_span_begin(context);
    int64_t shift = change ? llround(change->shift * (double)set->sound.rate) : 0;
    fm_sound_place place = fm_sound_fit(wave, set->sound.align, shift, set->samples, fitted);
    if (change && change->change) {
        change->change(change->user, fitted, set->samples, place.first, place.last);
        fm_span_end_part(context, FM_AUGMENTING, began);
        began = fm_span_begin(context);
    }
    fm_status status = fm_features_compute(context, set->features, fitted, 1, x);
    fm_span_end_part(context, FM_FEATURES, began);
    fm_release(context, fitted);
    return status;
}

static fm_status read_unchanged(const sound_set *set, fm_context *context, entry *e, float *x)
{
    float *place = set->cache ? set->cache + (size_t)e->of * set->outputs : NULL;
    size_t bytes = set->outputs * sizeof *x;
    uint8_t empty = EMPTY;
    if (place && atomic_load_explicit(&e->sample_state, memory_order_acquire) == READY) {
        memcpy(x, place, bytes);
        return FM_OK;
    }
    fm_recording wave = {0};
    fm_status status = load(set, context, e, &wave);
    if (status == FM_OK) status = compute(set, context, &wave, NULL, x);
    fm_recording_release(context, &wave);
    if (status != FM_OK || !place) return status;
    if (!atomic_compare_exchange_strong(&e->sample_state, &empty, FILLING)) return FM_OK;
    memcpy(place, x, bytes);
    atomic_store_explicit(&e->sample_state, READY, memory_order_release);
    return FM_OK;
}

/* Speed first, which makes another recording. */
static fm_status read_changed(const sound_set *set, fm_context *context, const fm_recording *wave,
                              const fm_wave_change *change, float *x)
{
    if (change->speed == 1) return compute(set, context, wave, change, x);
    double began = fm_span_begin(context);
    fm_recording other = *wave;
    other.samples =
        (float *)(void *)fm_copy_bytes(context, wave->samples, (size_t)wave->count * sizeof(float));
    if (!other.samples) return FM_ERROR_MEMORY;
    fm_status status = fm_sound_stretch(context, 1 / change->speed, &other);
    fm_span_end_part(context, FM_AUGMENTING, began);
    if (status == FM_OK) status = compute(set, context, &other, change, x);
    fm_recording_release(context, &other);
    return status;
}

static fm_status read_wave(const void *state, fm_context *context, int64_t position,
                           const fm_wave_change *change, void *x)
{
    sound_set *set = (sound_set *)(uintptr_t)state;
    entry *e = &set->entries[position];
    if (atomic_load_explicit(&e->wave_state, memory_order_acquire) == READY) {
        return read_changed(set, context, &e->wave, change, x);
    }
    fm_recording wave = {0};
    fm_status status = load(set, context, e, &wave);
    if (status == FM_OK) status = keep_wave(set, context, e, &wave);
    if (status == FM_OK) status = read_changed(set, context, &wave, change, x);
    fm_recording_release(context, &wave);
    return status;
}

/* ---- the source ---- */

static fm_status read_set(const void *state, fm_context *context, const fm_data_request *request)
{
    const sound_set *set = state;
    float *x = request->fields[0];
    int32_t *y = request->fields[1];
    fm_status status = FM_OK;
    for (int64_t i = 0; i < request->count && status == FM_OK; i++) {
        int64_t at = request->indices ? (int64_t)request->indices[i] : request->first + i;
        entry *e = &set->entries[at];
        if (y) y[i] = e->label;
        if (x) status = read_unchanged(set, context, e, x + (size_t)i * set->outputs);
    }
    return status;
}

static void release_set(void *state, fm_context *context)
{
    sound_set *set = state;
    for (int64_t i = 0; set->entries && i < set->count; i++) {
        fm_release(context, set->entries[i].wave.samples);
    }
    if (set->maker->release) set->maker->release(set->state, context);
    fm_features_destroy(set->features);
    fm_release(context, set->entries);
    fm_release(context, set->cache);
    fm_release(context, set);
}

static const fm_data_source audio_source = {
    .kind = "recordings", .read = read_set, .read_wave = read_wave, .release = release_set};

const char *fm_recording_file_name(const fm_dataset *dataset, int64_t index)
{
    const fm_dataset *root = dataset->root ? dataset->root : dataset;
    if (root->source != &audio_source) return NULL;
    if (index < 0 || index >= dataset->info.count) return NULL;
    const sound_set *set = root->state;
    fm_data_request request = {.first = index, .count = 1};
    const entry *e = &set->entries[fm_dataset_position(dataset, &request, 0)];
    return set->maker->name(set->state, e->of);
}

/* ---- making ---- */

/* Everything is read once; what cannot be is named and left out. */
static fm_status leave_out_broken(sound_set *set, fm_context *context, const char *name)
{
    float *x = fm_allocate_array(context, set->outputs, sizeof *x);
    if (!x) return fm_error_status(context);
    int64_t kept = 0;
    fm_status status = FM_OK;
    for (int64_t i = 0; i < set->count; i++) {
        status = read_unchanged(set, context, &set->entries[i], x);
        if (status == FM_ERROR_MEMORY) break;
        if (status != FM_OK) {
            fm_left_out_tell(context, i + 1 - kept);
            continue;
        }
        entry *to = &set->entries[kept++];
        to->of = set->entries[i].of;
        to->label = set->entries[i].label;
        to->sample_state = set->entries[i].sample_state;
    }
    fm_release(context, x);
    if (status == FM_ERROR_MEMORY) return status;
    fm_left_out_count(context, name, &fm_recording_files, set->count - kept, set->count);
    set->count = kept;
    return FM_OK;
}

static fm_status make_cache(sound_set *set, fm_context *context)
{
    int64_t most = set->sound.cache < 0 ? 0 : set->sound.cache << 20;
    size_t bytes;
    set->room = most;
    bool fits = fm_checked_mul((size_t)set->count, set->outputs * sizeof(float), &bytes) &&
                bytes <= (size_t)most;
    if (!fits || set->count == 0) return FM_OK;
    set->cache = fm_allocate(context, bytes);
    return set->cache ? FM_OK : FM_ERROR_MEMORY;
}

static fm_status fill_set(sound_set *set, fm_context *context, const fm_sound_set_options *o)
{
    double samples = set->sound.duration * (double)set->sound.rate;
    set->samples = llround(samples);
    fm_status status = fm_features_create(context, &set->sound.features, set->sound.rate,
                                          set->samples, &set->features);
    if (status != FM_OK) return status;
    set->outputs = (size_t)fm_shape_elements(fm_features_shape(set->features));
    set->entries = fm_allocate_zeroed(context, (size_t)o->count * sizeof *set->entries);
    if (!set->entries) return FM_ERROR_MEMORY;
    set->count = o->count;
    for (int64_t i = 0; i < o->count; i++) {
        set->entries[i].of = i;
        set->entries[i].label = o->labels ? o->labels[i] : 0;
    }
    status = make_cache(set, context);
    if (status != FM_OK || !o->leave_out_broken) return status;
    return leave_out_broken(set, context, o->name);
}

fm_status fm_sound_set_create(fm_context *context, const fm_sound_set_options *options,
                              fm_dataset **dataset)
{
    *dataset = NULL;
    sound_set *set = fm_allocate_zeroed(context, sizeof *set);
    if (!set) {
        if (options->maker->release) options->maker->release(options->state, context);
        return FM_ERROR_MEMORY;
    }
    set->sound = *options->sound;
    set->maker = options->maker;
    set->state = options->state;
    fm_status status = fill_set(set, context, options);
    if (status != FM_OK) {
        release_set(set, context);
        return status;
    }
    fm_dataset_info info = {.name = options->name,
                            .origin = options->origin,
                            .count = set->count,
                            .costly = true,
                            .field_count = options->labels ? 2 : 1};
    info.fields[0] = (fm_data_field){"x", FM_F32, fm_features_shape(set->features), NULL};
    info.fields[1] = (fm_data_field){"y", FM_I32, FM_SHAPE(), options->classes};
    return fm_dataset_create(context, &audio_source, set, &info, dataset);
}
