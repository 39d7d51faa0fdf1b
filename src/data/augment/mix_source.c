/* A prepared data set whose samples are mixed with others of it: mixup and cutmix. */
#include "base/checked.h"
#include "base/timeline.h"
#include "data/augment/augment.h"
#include "data/dataset.h"

#include <string.h>

typedef struct mixed {
    fm_dataset *parent;
    fm_augment list[FM_MAX_AUGMENT];
    int count;
    int64_t elements, height, width, inner; /* of "x"; inner numbers stand together at a place */
    int64_t classes;
} mixed;

/* What becomes of a sample. */
typedef struct mix {
    const fm_augment *step; /* NULL: nothing */
    uint32_t partner;
    double share;                     /* of the sample itself */
    int64_t top, left, bottom, right; /* with cutmix: the partner's rectangle */
} mix;

/* ---- drawing ---- */

/* Gamma(a, 1), a at least 1 (G. Marsaglia, W. W. Tsang, "A simple method for generating gamma
 * variables", 2000). */
static double draw_gamma(fm_random *random, double a)
{
    double d = a - 1.0 / 3, c = 1 / sqrt(9 * d);
    for (;;) {
        double x = fm_random_normal(random), v = 1 + c * x;
        if (v <= 0) continue;
        v = v * v * v;
        double u = 1 - fm_random_uniform(random);
        if (log(u) < 0.5 * x * x + d - d * v + d * log(v)) return d * v;
    }
}

/* Beta(alpha, alpha) of two gammas; below 1 by Gamma(a) = Gamma(a + 1) u^(1 / a), in logarithms. */
static double draw_share(fm_random *random, double alpha)
{
    double logs[2];
    for (int i = 0; i < 2; i++) {
        double u = 1 - fm_random_uniform(random);
        logs[i] = log(draw_gamma(random, alpha + 1)) + log(u) / alpha;
    }
    return 1 / (1 + exp(logs[1] - logs[0]));
}

static int64_t clamp(double value, int64_t most)
{
    return value < 0 ? 0 : value > (double)most ? most : (int64_t)value;
}

static void draw_rectangle(const mixed *m, fm_random *random, mix *how)
{
    double side = sqrt(1 - how->share), h = (double)m->height, w = (double)m->width;
    double y = floor(fm_random_uniform(random) * h), x = floor(fm_random_uniform(random) * w);
    double half_h = floor(h * side) / 2, half_w = floor(w * side) / 2;
    how->top = clamp(floor(y - half_h), m->height);
    how->left = clamp(floor(x - half_w), m->width);
    how->bottom = clamp(floor(y + half_h), m->height);
    how->right = clamp(floor(x + half_w), m->width);
    double area = (double)(how->bottom - how->top) * (double)(how->right - how->left);
    how->share = 1 - area / (h * w);
}

/* Depends on seed, epoch and sample alone. */
static mix draw(const mixed *m, const fm_data_request *request, uint32_t sample)
{
    fm_random random = fm_random_at(request->seed, request->epoch, fm_stream_of("mix"));
    random.index = (uint64_t)sample << 16;
    mix how = {.share = 1};
    int number = (int)fm_random_below(&random, (uint64_t)m->count);
    const fm_augment *step = &m->list[number];
    if (!(fm_random_uniform(&random) < step->probability)) return how;
    how.step = step;
    how.partner = (uint32_t)fm_random_below(&random, (uint64_t)m->parent->info.count);
    how.share = draw_share(&random, step->alpha);
    if (step->kind == FM_AUGMENT_CUTMIX) draw_rectangle(m, &random, &how);
    return how;
}

/* ---- mixing ---- */

static void blend(float *to, const float *other, int64_t count, float share)
{
    for (int64_t i = 0; i < count; i++) to[i] = other[i] + share * (to[i] - other[i]);
}

static void mix_x(const mixed *m, const mix *how, float *to, const float *other)
{
    if (how->step->kind == FM_AUGMENT_MIXUP) {
        blend(to, other, m->elements, (float)how->share);
        return;
    }
    size_t bytes = (size_t)((how->right - how->left) * m->inner) * sizeof *to;
    for (int64_t r = how->top; r < how->bottom && bytes; r++) {
        int64_t at = (r * m->width + how->left) * m->inner;
        memcpy(to + at, other + at, bytes);
    }
}

/* ---- reading ---- */

enum { AT_ONCE = 16 };

static fm_status read_piece(const mixed *m, fm_context *context, const fm_data_request *request,
                            int64_t start, int64_t count, float *memory)
{
    mix how[AT_ONCE];
    uint32_t partners[AT_ONCE];
    int64_t places[AT_ONCE], chosen = 0; /* of those that are mixed at all */
    for (int64_t i = start; i < start + count; i++) {
        uint32_t sample = request->indices ? request->indices[i] : (uint32_t)(request->first + i);
        how[chosen] = draw(m, request, sample);
        if (!how[chosen].step) continue;
        partners[chosen] = how[chosen].partner;
        places[chosen++] = i;
    }
    float *x = request->fields[0], *y = request->fields[1];
    float *other_y = memory + AT_ONCE * m->elements;
    fm_data_request others = {
        .indices = partners, .count = chosen, .seed = request->seed, .epoch = request->epoch};
    if (x) others.fields[0] = memory;
    if (y) others.fields[1] = other_y;
    fm_status status = fm_dataset_read(context, m->parent, &others);
    double began = fm_span_begin(context);
    for (int64_t i = 0; i < chosen && status == FM_OK; i++) {
        const int64_t at = places[i];
        if (x) mix_x(m, &how[i], x + at * m->elements, memory + i * m->elements);
        if (y) {
            blend(y + at * m->classes, other_y + i * m->classes, m->classes, (float)how[i].share);
        }
    }
    if (chosen > 0) fm_span_end_part(context, FM_AUGMENTING, began);
    return status;
}

static fm_status read_mixed(const void *state, fm_context *context, const fm_data_request *request)
{
    const mixed *m = state;
    fm_status status = fm_dataset_read(context, m->parent, request);
    if (status != FM_OK || (!request->fields[0] && !request->fields[1])) return status;
    float *memory =
        fm_allocate_array(context, AT_ONCE * (size_t)(m->elements + m->classes), sizeof *memory);
    if (!memory) return fm_error_status(context);
    for (int64_t start = 0; start < request->count && status == FM_OK; start += AT_ONCE) {
        int64_t rest = request->count - start;
        status = read_piece(m, context, request, start, rest < AT_ONCE ? rest : AT_ONCE, memory);
    }
    fm_release(context, memory);
    return status;
}

static void release_mixed(void *state, fm_context *context)
{
    mixed *m = state;
    fm_dataset_destroy(m->parent);
    fm_release(context, m);
}

static const fm_data_source mix_source = {
    .kind = "mixed", .read = read_mixed, .release = release_mixed};

/* ---- making ---- */

static fm_status check_set(fm_context *context, const fm_dataset *dataset, mixed *m)
{
    const fm_dataset_info *info = &dataset->info;
    const fm_data_field *x = &info->fields[0], *y = &info->fields[1];
    char text[FM_SHAPE_TEXT];
    bool labels = info->field_count > 1 && y->dtype == FM_F32 && y->shape.rank == 1;
    if (x->dtype != FM_F32 || !labels || info->count == 0) {
        return fm_fail(context, FM_ERROR_SHAPE,
                       "data set \"%s\": mixup and cutmix need f32 samples and labels that are "
                       "shares of classes, f32 (classes): target: one_hot; \"y\" is %s %s",
                       info->name, info->field_count > 1 ? fm_dtype_name(y->dtype) : "absent",
                       info->field_count > 1 ? fm_shape_text(y->shape, text) : "");
    }
    m->elements = fm_shape_elements(x->shape);
    m->classes = y->shape.dims[0];
    m->height = x->shape.rank > 1 ? x->shape.dims[0] : 0;
    m->width = x->shape.rank > 1 ? x->shape.dims[1] : 0;
    m->inner = m->height && m->width ? m->elements / (m->height * m->width) : 0;
    return FM_OK;
}

static fm_status take_list(fm_context *context, const fm_augment *list, int count, mixed *m)
{
    for (int i = 0; i < count; i++) {
        fm_augment step = list[i];
        if (!fm_augment_mixes(&step, 1)) continue;
        fm_status status = fm_augment_check(context, &step);
        if (status != FM_OK) return status;
        if (m->count == FM_MAX_AUGMENT || (step.kind == FM_AUGMENT_CUTMIX && m->inner == 0)) {
            return fm_fail(context, FM_ERROR_SHAPE,
                           "augment: cutmix needs images, samples of (height, width, ...)");
        }
        m->list[m->count++] = step;
    }
    if (m->count > 0) return FM_OK;
    return fm_fail(context, FM_ERROR_ARGUMENT, "augment: neither mixup nor cutmix is in the list");
}

fm_status fm_dataset_mix(fm_context *context, const fm_dataset *dataset, const fm_augment *list,
                         int count, fm_dataset **result)
{
    *result = NULL;
    mixed *m = fm_allocate_zeroed(context, sizeof *m);
    if (!m) return FM_ERROR_MEMORY;
    fm_status status = check_set(context, dataset, m);
    if (status == FM_OK) status = take_list(context, list, count, m);
    if (status != FM_OK) {
        fm_release(context, m);
        return status;
    }
    m->parent = fm_dataset_retain(dataset);
    return fm_dataset_create(context, &mix_source, m, &dataset->info, result);
}
