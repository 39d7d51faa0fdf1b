#include "data/image/image_source.h"
#include "base/checked.h"
#include "base/timeline.h"
#include "data/image/decode.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

enum { EMPTY, FILLING, READY }; /* of a place in the cache */

typedef struct entry {
    fm_image_entry of;
    int64_t slot; /* its place in the cache */
} entry;

typedef struct image_set {
    fm_image_set_options options;
    fm_file_list *list;
    entry *entries;
    int64_t count, class_count;
    size_t sample, plane;     /* bytes of "x", and of a mask */
    uint8_t *cache;           /* `sample` (and `plane`) bytes for each entry, or NULL */
    _Atomic(uint8_t) *states; /* of the places in the cache */
} image_set;

/* ---- one picture ---- */

typedef fm_box (*choose_box)(void *user, int64_t height, int64_t width);

typedef struct reading {
    const image_set *set;
    choose_box choose;
    void *user;
    fm_box box;
} reading;

static fm_box whole_box(int64_t height, int64_t width)
{
    return (fm_box){.height = (double)height, .width = (double)width};
}

static fm_box fitted_box(const image_set *set, int64_t height, int64_t width)
{
    const fm_image_set_options *o = &set->options;
    if (o->fit == FM_FIT_STRETCH) return whole_box(height, width);
    return fm_center_box(height, width, o->shorter_side, o->height, o->width);
}

static void plan_reading(void *user, int64_t height, int64_t width, fm_image_plan *plan)
{
    reading *r = user;
    const fm_image_set_options *o = &r->set->options;
    r->box = r->choose ? r->choose(r->user, height, width) : fitted_box(r->set, height, width);
    plan->least_height = (int64_t)ceil((double)(height * o->height) / r->box.height);
    plan->least_width = (int64_t)ceil((double)(width * o->width) / r->box.width);
}

static fm_status decode(fm_decoding *d, const fm_listed_file *picture)
{
    d->name = picture->path;
    d->bytes = picture->bytes;
    d->size = picture->size;
    return picture->bytes ? fm_image_decode_planned(d) : fm_image_read_planned(d);
}

/* The box in the pixels of what was decoded, which may have less detail. */
static fm_box in_pixels(fm_box box, const fm_decoding *d)
{
    double y = (double)d->image.height / (double)d->full_height;
    double x = (double)d->image.width / (double)d->full_width;
    return (fm_box){box.top * y, box.left * x, box.height * y, box.width * x};
}

static fm_status read_mask(const image_set *set, fm_context *context, const fm_image_entry *e,
                           const fm_decoding *picture, fm_box box, uint8_t *to)
{
    const fm_image_set_options *o = &set->options;
    fm_decoding d = {.context = context, .options = {.indices = true}};
    fm_status status = decode(&d, &e->mask);
    if (status != FM_OK) return status;
    if (d.full_height != picture->full_height || d.full_width != picture->full_width) {
        status = fm_fail(context, FM_ERROR_FORMAT,
                         "%s: a mask of %lld x %lld pixels for an image of %lld x %lld", d.name,
                         (long long)d.full_width, (long long)d.full_height,
                         (long long)picture->full_width, (long long)picture->full_height);
    } else {
        fm_resize_numbers(d.image.pixels, d.image.height, d.image.width, box, to, o->height,
                          o->width);
    }
    fm_image_release(context, &d.image);
    for (size_t i = 0; status == FM_OK && i < set->plane; i++) {
        if (to[i] < set->class_count) continue;
        status = fm_fail(context, FM_ERROR_FORMAT, "%s: a pixel of class %d; there are %lld",
                         d.name, to[i], (long long)set->class_count);
    }
    return status;
}

static fm_status decode_picture(const image_set *set, fm_context *context, const fm_image_entry *e,
                                reading *r, uint8_t *pixels, uint8_t *mask)
{
    const fm_image_set_options *o = &set->options;
    fm_decoding d = {
        .context = context, .options = {.channels = o->channels}, .plan = plan_reading, .user = r};
    fm_status status = decode(&d, &e->picture);
    if (status != FM_OK) return status;
    status = fm_resize_bytes(context, d.image.pixels, d.image.height, d.image.width, o->channels,
                             in_pixels(r->box, &d), pixels, o->height, o->width);
    fm_image_release(context, &d.image);
    if (status != FM_OK || !mask) return status;
    return read_mask(set, context, e, &d, r->box, mask);
}

static fm_status read_picture(const image_set *set, fm_context *context, const fm_image_entry *e,
                              reading *r, uint8_t *pixels, uint8_t *mask)
{
    double began = fm_span_begin(context);
    fm_status status = decode_picture(set, context, e, r, pixels, mask);
    fm_span_end_part(context, FM_DECODING, began);
    return status;
}

/* ---- with the cache ---- */

static uint8_t *cached(const image_set *set, const entry *e)
{
    return set->cache + (size_t)e->slot * (set->sample + set->plane);
}

static fm_status read_fitted(const image_set *set, fm_context *context, const entry *e,
                             uint8_t *pixels, uint8_t *mask)
{
    reading r = {.set = set};
    if (!set->cache) return read_picture(set, context, &e->of, &r, pixels, mask);
    _Atomic(uint8_t) *state = &set->states[e->slot];
    uint8_t *place = cached(set, e), empty = EMPTY;
    if (atomic_load_explicit(state, memory_order_acquire) != READY) {
        uint8_t *made_mask = set->plane ? mask : NULL;
        fm_status status = read_picture(set, context, &e->of, &r, pixels, made_mask);
        bool whole = !set->plane || mask; /* both halves are there to be kept */
        if (status != FM_OK || !whole) return status;
        if (!atomic_compare_exchange_strong(state, &empty, FILLING)) return FM_OK;
        memcpy(place, pixels, set->sample);
        if (set->plane) memcpy(place + set->sample, mask, set->plane);
        atomic_store_explicit(state, READY, memory_order_release);
        return FM_OK;
    }
    memcpy(pixels, place, set->sample);
    if (mask) memcpy(mask, place + set->sample, set->plane);
    return FM_OK;
}

static fm_status read_part(const void *state, fm_context *context, int64_t position,
                           choose_box choose, void *user, void *x, void *y)
{
    const image_set *set = state;
    reading r = {.set = set, .choose = choose, .user = user};
    return read_picture(set, context, &set->entries[position].of, &r, x, y);
}

/* ---- the source ---- */

static int64_t position_of(const fm_data_request *request, int64_t i)
{
    return request->indices ? (int64_t)request->indices[i] : request->first + i;
}

static fm_status read_set(const void *state, fm_context *context, const fm_data_request *request)
{
    const image_set *set = state;
    uint8_t *x = request->fields[0], *unwanted = NULL;
    if (!x && set->plane) { /* masks alone: the picture tells its size */
        x = unwanted = fm_allocate(context, set->sample);
        if (!x) return FM_ERROR_MEMORY;
    }
    fm_status status = FM_OK;
    for (int64_t i = 0; i < request->count && status == FM_OK; i++) {
        const entry *e = &set->entries[position_of(request, i)];
        uint8_t *mask = NULL;
        if (request->fields[1]) {
            if (set->plane) mask = (uint8_t *)request->fields[1] + (size_t)i * set->plane;
            if (!set->plane) ((int32_t *)request->fields[1])[i] = e->of.label;
        }
        uint8_t *pixels = unwanted || !x ? unwanted : x + (size_t)i * set->sample;
        if (pixels) status = read_fitted(set, context, e, pixels, mask);
    }
    fm_release(context, unwanted);
    return status;
}

static void release_set(void *state, fm_context *context)
{
    image_set *set = state;
    fm_release(context, set->cache);
    fm_release(context, (void *)(uintptr_t)set->states);
    fm_release(context, set->entries);
    fm_file_list_release(set->list);
    fm_release(context, set);
}

static const fm_data_source image_source = {
    .kind = "images", .read = read_set, .read_part = read_part, .release = release_set};

const char *fm_image_file_name(const fm_dataset *dataset, int64_t index)
{
    const fm_dataset *root = dataset->root ? dataset->root : dataset;
    if (root->source != &image_source) return NULL;
    if (index < 0 || index >= dataset->info.count) return NULL;
    const image_set *set = root->state;
    fm_data_request request = {.first = index, .count = 1};
    return set->entries[fm_dataset_position(dataset, &request, 0)].of.picture.path;
}

/* ---- making ---- */

/* Everything is decoded once; what cannot be is named and left out. */
static fm_status leave_out_broken(image_set *set, fm_context *context)
{
    uint8_t *memory = fm_allocate(context, set->sample + set->plane);
    if (!memory) return FM_ERROR_MEMORY;
    uint8_t *mask = set->plane ? memory + set->sample : NULL;
    int64_t kept = 0;
    fm_status status = FM_OK;
    for (int64_t i = 0; i < set->count; i++) {
        status = read_fitted(set, context, &set->entries[i], memory, mask);
        if (status == FM_ERROR_MEMORY) break;
        if (status == FM_OK) {
            set->entries[kept++] = set->entries[i];
        } else {
            fm_left_out_tell(context, i + 1 - kept);
        }
    }
    fm_release(context, memory);
    if (status == FM_ERROR_MEMORY) return status;
    fm_left_out_count(context, set->options.name, &fm_image_files, set->count - kept, set->count);
    set->count = kept;
    return FM_OK;
}

static fm_status make_cache(image_set *set, fm_context *context)
{
    size_t bytes, each = set->sample + set->plane;
    if (set->count == 0 || !fm_checked_mul((size_t)set->count, each, &bytes)) return FM_OK;
    if (set->options.cache < 0 || bytes > (size_t)set->options.cache) return FM_OK;
    set->cache = fm_allocate(context, bytes);
    set->states = fm_allocate_zeroed(context, (size_t)set->count);
    return set->cache && set->states ? FM_OK : FM_ERROR_MEMORY;
}

static fm_status fill_set(image_set *set, fm_context *context)
{
    const fm_image_set_options *o = &set->options;
    size_t pixels;
    if (!fm_checked_mul((size_t)o->height, (size_t)o->width, &pixels) ||
        !fm_checked_mul(pixels, (size_t)o->channels, &set->sample)) {
        return fm_fail(context, FM_ERROR_LIMIT, "%s: a sample does not fit into memory", o->name);
    }
    set->plane = o->masks ? pixels : 0;
    set->entries = fm_allocate_array(context, (size_t)o->count, sizeof *set->entries);
    if (!set->entries) return fm_error_status(context);
    for (int64_t i = 0; i < o->count; i++) set->entries[i] = (entry){o->entries[i], i};
    set->count = o->count;
    fm_status status = make_cache(set, context);
    if (status == FM_OK && o->on_broken == FM_BROKEN_SKIP) status = leave_out_broken(set, context);
    return status;
}

static fm_dataset_info describe(const image_set *set)
{
    const fm_image_set_options *o = &set->options;
    fm_dataset_info info = {.name = o->name,
                            .origin = o->origin,
                            .count = set->count,
                            .field_count = 1,
                            .costly = true};
    info.fields[0] = (fm_data_field){"x", FM_U8, FM_SHAPE(o->height, o->width, o->channels), NULL};
    if (o->without_channels) info.fields[0].shape.rank = 2;
    if (!o->labels && !o->masks) return info;
    info.field_count = 2;
    info.fields[1] = (fm_data_field){"y", FM_I32, FM_SHAPE(), o->classes};
    if (o->masks) {
        info.fields[1].dtype = FM_U8;
        info.fields[1].shape = FM_SHAPE(o->height, o->width, 1);
    }
    return info;
}

fm_status fm_image_set_create(fm_context *context, const fm_image_set_options *options,
                              fm_dataset **dataset)
{
    *dataset = NULL;
    image_set *set = fm_allocate_zeroed(context, sizeof *set);
    if (!set) return FM_ERROR_MEMORY;
    set->options = *options;
    set->list = fm_file_list_retain(options->list);
    if (options->classes) set->class_count = options->classes->category_count;
    fm_status status = fill_set(set, context);
    if (status != FM_OK) {
        release_set(set, context);
        return status;
    }
    fm_dataset_info info = describe(set);
    return fm_dataset_create(context, &image_source, set, &info, dataset);
}
