/* A data set whose samples are varied while they are read. */
#include "base/checked.h"
#include "base/timeline.h"
#include "data/augment/augment.h"
#include "data/dataset.h"

#include <string.h>

/* The counters that one step of one sample may use: 2^24 of four words. */
enum { COUNTER_BITS = 24 };

typedef struct augmented {
    fm_dataset *parent;
    fm_augment list[FM_MAX_AUGMENT];
    int count;
    int64_t height, width, channels;
    size_t from_bytes, to_bytes; /* of "x" in the parent, and here */
    size_t mask_item;            /* bytes of a class number where "y" is a mask, else 0 */
    bool from_parts;             /* the first step cuts the pixels of files */
    int hearing;                 /* so many steps at the beginning vary recordings */
    bool to_floats;
} augmented;

/* ---- random numbers ---- */

typedef struct draw_key {
    uint64_t seed;
    uint32_t epoch;
    int64_t sample;
} draw_key;

static fm_random random_of(draw_key key, int step)
{
    fm_random random = fm_random_at(key.seed, key.epoch, fm_stream_of("augment"));
    random.index = ((uint64_t)key.sample * FM_MAX_AUGMENT + (uint64_t)step) << COUNTER_BITS;
    return random;
}

/* Whether the step is applied; the next numbers are its own. */
static bool applies(const fm_augment *step, draw_key key, int number, fm_random *random)
{
    *random = random_of(key, number);
    return fm_random_uniform(random) < step->probability;
}

/* ---- steps ---- */

/* What is gathered from neighbouring steps that move pixels. */
typedef struct pending {
    fm_affine map;
    bool any, bounded; /* bounded: fill and value are chosen */
    int fill;
    double value;
} pending;

static void move_now(const augmented *a, fm_canvas *canvas, void **mask, void **spare_mask,
                     pending *p)
{
    if (p->any && canvas) fm_canvas_move(canvas, &p->map, p->fill, (float)p->value);
    if (p->any && *mask) {
        fm_mask_move(*mask, a->mask_item, a->height, a->width, &p->map, p->fill, *spare_mask);
        void *moved = *spare_mask;
        *spare_mask = *mask;
        *mask = moved;
    }
    *p = (pending){.map = fm_affine_identity};
}

static bool looks_outside(int kind)
{
    return kind != FM_AUGMENT_HORIZONTAL_FLIP && kind != FM_AUGMENT_VERTICAL_FLIP &&
           kind != FM_AUGMENT_RANDOM_RESIZED_CROP;
}

static bool same_outside(const pending *p, const fm_augment *step)
{
    return !p->bounded || !looks_outside(step->kind) ||
           (p->fill == step->fill && fabs(p->value) == fabs(step->value));
}

static void add_move(const augmented *a, const fm_augment *step, fm_random *random, pending *p)
{
    p->map = fm_affine_after(p->map, fm_augment_affine(step, random, a->height, a->width));
    p->any = true;
    if (!looks_outside(step->kind)) return;
    p->bounded = true;
    p->fill = step->fill;
    p->value = fabs(step->value);
}

static void change(fm_canvas *canvas, const fm_augment *step, fm_random *random)
{
    switch (step->kind) {
    case FM_AUGMENT_GAUSSIAN_NOISE:
        fm_canvas_noise(canvas, step, random);
        break;
    case FM_AUGMENT_GAUSSIAN_BLUR:
        fm_canvas_blur(canvas, step, random);
        break;
    case FM_AUGMENT_RANDOM_ERASING:
        fm_canvas_erase(canvas, step, random);
        break;
    case FM_AUGMENT_TIME_MASK:
    case FM_AUGMENT_FREQUENCY_MASK:
        fm_canvas_hide(canvas, step, random);
        break;
    default:
        fm_canvas_color(canvas, step, random);
        break;
    }
}

static void vary(const augmented *a, draw_key key, fm_canvas *canvas, void **mask,
                 void **spare_mask)
{
    pending p = {.map = fm_affine_identity};
    for (int i = a->from_parts ? 1 : a->hearing; i < a->count; i++) {
        const fm_augment *step = &a->list[i];
        fm_random random;
        if (!applies(step, key, i, &random)) continue;
        if (fm_augment_moves(step->kind)) {
            if (!same_outside(&p, step)) move_now(a, canvas, mask, spare_mask, &p);
            add_move(a, step, &random, &p);
            continue;
        }
        move_now(a, canvas, mask, spare_mask, &p);
        change(canvas, step, &random);
    }
    move_now(a, canvas, mask, spare_mask, &p);
    if (a->to_floats) fm_canvas_to_floats(canvas);
}

/* ---- a sample ---- */

/* Memory of one request: two buffers for "x", two for a mask. */
typedef struct workspace {
    void *pixels, *spare, *mask, *spare_mask;
} workspace;

typedef struct part_choice {
    const fm_augment *step;
    fm_random random;
} part_choice;

static fm_box choose_part(void *user, int64_t height, int64_t width)
{
    part_choice *choice = user;
    double part[4];
    fm_augment_part(choice->step, &choice->random, height, width, part);
    return (fm_box){part[0], part[1], part[2], part[3]};
}

static const fm_dataset *root_of(const fm_dataset *dataset)
{
    return dataset->root ? dataset->root : dataset;
}

static fm_status read_recording(const augmented *a, fm_context *context, draw_key key,
                                const fm_data_request *one)
{
    fm_wave_steps steps;
    fm_wave_steps_begin(&steps);
    for (int i = 0; i < a->hearing; i++) {
        fm_random random;
        if (applies(&a->list[i], key, i, &random)) {
            fm_wave_steps_add(&steps, &a->list[i], random);
        }
    }
    const fm_dataset *root = root_of(a->parent);
    return root->source->read_wave(root->state, context, fm_dataset_position(a->parent, one, 0),
                                   &steps.change, one->fields[0]);
}

static fm_status read_parent(const augmented *a, fm_context *context, draw_key key,
                             const workspace *w, bool with_mask)
{
    uint32_t index = (uint32_t)key.sample;
    fm_data_request one = {.indices = &index, .count = 1, .seed = key.seed, .epoch = key.epoch};
    one.fields[0] = w->pixels;
    if (with_mask) one.fields[1] = w->mask;
    if (a->hearing > 0) return read_recording(a, context, key, &one);
    part_choice choice = {.step = &a->list[0]};
    if (!a->from_parts || !applies(choice.step, key, 0, &choice.random)) {
        return fm_dataset_read(context, a->parent, &one);
    }
    const fm_dataset *root = root_of(a->parent);
    int64_t position = fm_dataset_position(a->parent, &one, 0);
    return root->source->read_part(root->state, context, position, choose_part, &choice, w->pixels,
                                   one.fields[1]);
}

static fm_status make_sample(const augmented *a, fm_context *context, draw_key key, workspace *w,
                             void *x, void *y)
{
    fm_status status = read_parent(a, context, key, w, y != NULL);
    if (status != FM_OK) return status;
    bool bytes = a->parent->info.fields[0].dtype == FM_U8;
    fm_canvas canvas = {.height = a->height,
                        .width = a->width,
                        .channels = a->channels,
                        .white = bytes ? 255 : 1,
                        .bytes = bytes,
                        .clip = bytes,
                        .pixels = w->pixels,
                        .spare = w->spare};
    void *mask = y ? w->mask : NULL, *spare_mask = w->spare_mask;
    double began = fm_span_begin(context);
    vary(a, key, &canvas, &mask, &spare_mask);
    fm_span_end_part(context, FM_AUGMENTING, began);
    if (x) memcpy(x, canvas.pixels, a->to_bytes);
    if (y) memcpy(y, mask, (size_t)(a->height * a->width) * a->mask_item);
    return FM_OK;
}

/* ---- the source ---- */

static fm_status take_workspace(const augmented *a, fm_context *context, workspace *w)
{
    size_t floats = (size_t)(a->height * a->width * a->channels) * sizeof(float);
    size_t mask = (size_t)(a->height * a->width) * a->mask_item;
    size_t each = fm_round_up(floats, FM_ALIGNMENT), each_mask = fm_round_up(mask, FM_ALIGNMENT);
    char *memory = fm_allocate(context, 2 * (each + each_mask));
    if (!memory) return FM_ERROR_MEMORY;
    *w = (workspace){memory, memory + each, memory + 2 * each, memory + 2 * each + each_mask};
    return FM_OK;
}

/* Labels and other fields are the parent's. */
static fm_status read_others(const augmented *a, fm_context *context,
                             const fm_data_request *request)
{
    fm_data_request others = *request;
    bool any = false;
    others.fields[0] = NULL;
    if (a->mask_item) others.fields[1] = NULL;
    for (int i = 0; i < a->parent->info.field_count; i++) any = any || others.fields[i];
    return any ? fm_dataset_read(context, a->parent, &others) : FM_OK;
}

static fm_status read_augmented(const void *state, fm_context *context,
                                const fm_data_request *request)
{
    const augmented *a = state;
    char *x = request->fields[0], *y = a->mask_item ? request->fields[1] : NULL;
    fm_status status = read_others(a, context, request);
    if (status != FM_OK || (!x && !y)) return status;
    workspace w;
    status = take_workspace(a, context, &w);
    if (status != FM_OK) return status;
    size_t mask_bytes = (size_t)(a->height * a->width) * a->mask_item;
    for (int64_t i = 0; i < request->count && status == FM_OK; i++) {
        int64_t sample = request->indices ? (int64_t)request->indices[i] : request->first + i;
        draw_key key = {request->seed, request->epoch, sample};
        status = make_sample(a, context, key, &w, x ? x + (size_t)i * a->to_bytes : NULL,
                             y ? y + (size_t)i * mask_bytes : NULL);
    }
    fm_release(context, w.pixels);
    return status;
}

static void release_augmented(void *state, fm_context *context)
{
    augmented *a = state;
    fm_dataset_destroy(a->parent);
    fm_release(context, a);
}

static const fm_data_source augment_source = {
    .kind = "augmented", .read = read_augmented, .release = release_augmented};

/* ---- making ---- */

static fm_status check_image(fm_context *context, const fm_dataset *dataset, augmented *a)
{
    const fm_data_field *x = &dataset->info.fields[0];
    char text[FM_SHAPE_TEXT];
    bool image = (x->shape.rank == 2 || x->shape.rank == 3) && fm_shape_elements(x->shape) > 0 &&
                 (x->dtype == FM_U8 || x->dtype == FM_F32);
    if (!image) {
        return fm_fail(context, FM_ERROR_SHAPE,
                       "augment: \"%s\" has samples of %s %s; images are u8 or f32 (height, width) "
                       "or (height, width, channels)",
                       dataset->info.name, fm_dtype_name(x->dtype), fm_shape_text(x->shape, text));
    }
    a->height = x->shape.dims[0];
    a->width = x->shape.dims[1];
    a->channels = x->shape.rank == 3 ? x->shape.dims[2] : 1;
    a->from_bytes = fm_field_bytes(x);
    return FM_OK;
}

static void find_mask(const fm_dataset *dataset, augmented *a)
{
    const fm_data_field *y = &dataset->info.fields[1];
    bool mask = dataset->info.field_count > 1 && y->shape.rank == 3 &&
                y->shape.dims[0] == a->height && y->shape.dims[1] == a->width &&
                y->shape.dims[2] == 1 && fm_dataset_classes(dataset, NULL) > 0;
    if (mask) a->mask_item = fm_field_bytes(y) / (size_t)(a->height * a->width);
}

/* Without a number for any of the four. */
static void fill_jitter(const fm_augment *given, int64_t channels, fm_augment *step)
{
    bool any =
        given->brightness != 0 || given->contrast != 0 || given->saturation != 0 || given->hue != 0;
    if (any) return;
    step->brightness = step->contrast = 0.2;
    step->saturation = channels == 3 ? 0.2 : 0;
}

/* A step that varies recordings stands before all others, and there are recordings. */
static fm_status check_hearing(fm_context *context, const fm_dataset *dataset, const augmented *a,
                               const fm_augment *step)
{
    const char *name = fm_augment_at(step->kind)->name;
    if (!root_of(dataset)->source->read_wave) {
        return fm_fail(context, FM_ERROR_ARGUMENT,
                       "augment: %s varies recordings; \"%s\" holds none", name,
                       dataset->info.name);
    }
    if (a->count == a->hearing) return FM_OK;
    return fm_fail(context, FM_ERROR_ARGUMENT,
                   "augment: %s varies recordings and comes before %s, which varies what is "
                   "computed from them",
                   name, fm_augment_at(a->list[a->count - 1].kind)->name);
}

static fm_status take_list(fm_context *context, const fm_dataset *dataset, const fm_augment *list,
                           int count, augmented *a)
{
    for (int i = 0; i < count; i++) {
        fm_augment step = list[i];
        if (fm_augment_mixes(&step, 1)) continue;
        if (a->count == FM_MAX_AUGMENT) {
            return fm_fail(context, FM_ERROR_LIMIT, "augment: at most %d steps", FM_MAX_AUGMENT);
        }
        fm_status status = fm_augment_check(context, &step);
        if (status != FM_OK) return status;
        if (fm_augment_hears(step.kind)) {
            status = check_hearing(context, dataset, a, &step);
            if (status != FM_OK) return status;
            a->hearing++;
        }
        if (step.kind == FM_AUGMENT_COLOR_JITTER) fill_jitter(&list[i], a->channels, &step);
        if (fm_augment_needs_color(&step) && a->channels != 3) {
            return fm_fail(context, FM_ERROR_SHAPE,
                           "augment: %s needs samples of 3 channels (red, green, blue), these have "
                           "%lld",
                           fm_augment_at(step.kind)->name, (long long)a->channels);
        }
        a->to_floats = a->to_floats || !fm_augment_keeps_bytes(step.kind);
        a->list[a->count++] = step;
    }
    return FM_OK;
}

/* The first step on files leaves bytes bytes. */
static void choose_parts(const fm_dataset *dataset, augmented *a)
{
    a->from_parts = a->count > 0 && a->list[0].kind == FM_AUGMENT_RANDOM_RESIZED_CROP &&
                    root_of(dataset)->source->read_part;
    if (!a->from_parts) return;
    a->to_floats = false;
    for (int i = 1; i < a->count; i++) {
        a->to_floats = a->to_floats || !fm_augment_keeps_bytes(a->list[i].kind);
    }
}

fm_status fm_dataset_augment(fm_context *context, const fm_dataset *dataset, const fm_augment *list,
                             int count, fm_dataset **result)
{
    *result = NULL;
    augmented *a = fm_allocate_zeroed(context, sizeof *a);
    if (!a) return FM_ERROR_MEMORY;
    fm_status status = check_image(context, dataset, a);
    if (status == FM_OK) status = take_list(context, dataset, list, count, a);
    if (status != FM_OK) {
        fm_release(context, a);
        return status;
    }
    choose_parts(dataset, a);
    find_mask(dataset, a);
    a->parent = fm_dataset_retain(dataset);
    fm_dataset_info info = dataset->info;
    info.costly = true;
    bool bytes = info.fields[0].dtype == FM_U8 && !a->to_floats;
    info.fields[0].dtype = bytes ? FM_U8 : FM_F32;
    a->to_floats = !bytes;
    a->to_bytes = fm_field_bytes(&info.fields[0]);
    return fm_dataset_create(context, &augment_source, a, &info, result);
}
