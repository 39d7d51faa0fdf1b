/* Explanations by regions: windows that are covered, and the maps of a convolutional layer. */
#include "train/explain_inside.h"
#include "base/fields.h"

#include <math.h>
#include <string.h>

/* ---- occlusion ------------------------------------------------------------------------------- */

/* The first two dimensions of a sample are covered window by window, all of the rest with them.
 * Point 0 is the sample itself. */
typedef struct cover {
    const fm_explainer *explainer;
    int64_t side[2], window[2], stride[2], places[2];
    size_t element; /* bytes of a position: its channels */
    double score;
    double *sum, *covered; /* for each position */
} cover;

static int64_t place_of(const cover *c, int axis, int64_t i)
{
    int64_t last = c->side[axis] - c->window[axis], at = i * c->stride[axis];
    return at < last ? at : last;
}

static void place_cover(void *user, int64_t i, void *row)
{
    const cover *c = user;
    const char *sample = c->explainer->sample, *baseline = c->explainer->options.baseline;
    memcpy(row, sample, (size_t)(c->side[0] * c->side[1]) * c->element);
    if (i == 0) return;
    int64_t top = place_of(c, 0, (i - 1) / c->places[1]);
    int64_t left = place_of(c, 1, (i - 1) % c->places[1]);
    size_t bytes = (size_t)c->window[1] * c->element;
    for (int64_t r = top; r < top + c->window[0]; r++) {
        size_t at = (size_t)(r * c->side[1] + left) * c->element;
        if (baseline) {
            memcpy((char *)row + at, baseline + at, bytes);
        } else {
            memset((char *)row + at, 0, bytes);
        }
    }
}

static void collect_cover(void *user, int64_t i, double score, const void *gradient)
{
    cover *c = user;
    (void)gradient;
    if (i == 0) {
        c->score = score;
        return;
    }
    int64_t top = place_of(c, 0, (i - 1) / c->places[1]);
    int64_t left = place_of(c, 1, (i - 1) % c->places[1]);
    for (int64_t r = top; r < top + c->window[0]; r++) {
        for (int64_t k = left; k < left + c->window[1]; k++) {
            c->sum[r * c->side[1] + k] += c->score - score;
            c->covered[r * c->side[1] + k] += 1;
        }
    }
}

/* One number for each dimension, or one for both. */
static int64_t asked(const fm_ints *list, int axis, int64_t usual)
{
    if (list->count == 0) return usual;
    return list->at[axis < list->count ? axis : list->count - 1];
}

static int64_t at_least_one(int64_t number)
{
    return number > 0 ? number : 1;
}

static fm_status measure(const fm_explainer *e, fm_shape shape, cover *c)
{
    char words[FM_SHAPE_TEXT];
    if (shape.rank < 1 || shape.rank > 3) {
        return fm_fail(e->context, FM_ERROR_UNSUPPORTED,
                       "occlusion: samples are %s; wanted are at most (height, width, channels)",
                       fm_shape_text(shape, words));
    }
    int axes = shape.rank == 1 ? 1 : 2;
    for (int i = 0; i < 2; i++) {
        c->side[i] = i < axes ? shape.dims[i] : 1;
        int64_t usual = axes == 1 ? 1 : at_least_one((c->side[i] + 2) / 5);
        c->window[i] = i < axes ? asked(&e->options.window, i, usual) : 1;
        c->stride[i] = asked(&e->options.stride, i, at_least_one(c->window[i] / 2));
        if (c->window[i] < 1 || c->window[i] > c->side[i] || c->stride[i] < 1) {
            return fm_fail(e->context, FM_ERROR_ARGUMENT,
                           "occlusion: a window of %lld, moved by %lld, was asked for in a "
                           "dimension of %lld",
                           (long long)c->window[i], (long long)c->stride[i], (long long)c->side[i]);
        }
        c->places[i] = (c->side[i] - c->window[i] + c->stride[i] - 1) / c->stride[i] + 1;
    }
    c->element = fm_dtype_size(e->model->options.input_dtype);
    if (shape.rank == 3) c->element *= (size_t)shape.dims[2];
    return FM_OK;
}

fm_status fm_explain_occlusion(fm_explainer *e)
{
    cover c = {.explainer = e};
    fm_explain_program *p;
    fm_shape shape = e->model->options.input_shape;
    fm_status status = measure(e, shape, &c);
    if (status == FM_OK) status = fm_explainer_prepare(e, FM_EXPLAIN_FORWARD, &p);
    if (status != FM_OK) return status;
    if (shape.rank == 3) shape.dims[--shape.rank] = 0;
    c.sum = fm_explain_numbers(e, shape);
    c.covered = fm_explain_numbers(e, shape);
    if (!c.sum || !c.covered) return FM_ERROR_MEMORY;
    fm_explain_sweep sweep = {1 + c.places[0] * c.places[1], place_cover, collect_cover, &c};
    status = fm_explain_run(e, p, &sweep);
    int64_t count = fm_shape_elements(shape);
    for (int64_t i = 0; i < count; i++) c.sum[i] /= fmax(c.covered[i], 1);
    e->result.shape = e->result.map_shape = shape;
    e->result.values = e->result.map = c.sum;
    e->result.score = c.score;
    return status;
}

/* ---- grad-cam -------------------------------------------------------------------------------- */

static void place_sample(void *user, int64_t i, void *row)
{
    const fm_explainer *e = user;
    (void)i;
    memcpy(row, e->sample,
           (size_t)fm_shape_bytes(e->model->options.input_shape, e->model->options.input_dtype));
}

static void collect_score(void *user, int64_t i, double score, const void *gradient)
{
    fm_explainer *e = user;
    (void)i;
    (void)gradient;
    e->result.score = score;
}

/* The weighted channels at each position; weights are the gradients' means. */
static void weigh_channels(const fm_explain_program *p, double *values)
{
    int64_t positions = p->shape.dims[0] * p->shape.dims[1], channels = p->shape.dims[2];
    for (int64_t k = 0; k < channels; k++) {
        double weight = 0;
        for (int64_t i = 0; i < positions; i++) {
            weight += fm_element(p->gradient, p->dtype, (size_t)(i * channels + k));
        }
        weight /= (double)positions;
        for (int64_t i = 0; i < positions; i++) {
            values[i] += weight * fm_element(p->value, p->dtype, (size_t)(i * channels + k));
        }
    }
    for (int64_t i = 0; i < positions; i++) values[i] = fmax(values[i], 0);
}

/* Between the middles of the source's cells, the edges repeated. */
static void resize(const double *from, const int64_t *had, double *to, const int64_t *has)
{
    for (int64_t r = 0; r < has[0]; r++) {
        for (int64_t c = 0; c < has[1]; c++) {
            double at[2] = {((double)r + 0.5) * (double)had[0] / (double)has[0] - 0.5,
                            ((double)c + 0.5) * (double)had[1] / (double)has[1] - 0.5};
            int64_t low[2], high[2];
            double share[2];
            for (int i = 0; i < 2; i++) {
                double inside = fmin(fmax(at[i], 0), (double)(had[i] - 1));
                low[i] = (int64_t)inside;
                high[i] = low[i] + 1 < had[i] ? low[i] + 1 : low[i];
                share[i] = inside - (double)low[i];
            }
            const double *above = from + low[0] * had[1], *below = from + high[0] * had[1];
            double upper = above[low[1]] + share[1] * (above[high[1]] - above[low[1]]);
            double lower = below[low[1]] + share[1] * (below[high[1]] - below[low[1]]);
            to[r * has[1] + c] = upper + share[0] * (lower - upper);
        }
    }
}

fm_status fm_explain_grad_cam(fm_explainer *e)
{
    fm_explain_program *p;
    char words[FM_SHAPE_TEXT];
    fm_shape input = e->model->options.input_shape;
    if (input.rank < 2 || input.rank > 3) {
        return fm_fail(e->context, FM_ERROR_UNSUPPORTED,
                       "grad_cam: samples are %s; wanted are images, (height, width, channels)",
                       fm_shape_text(input, words));
    }
    fm_status status = fm_explainer_prepare(e, FM_EXPLAIN_LAYER, &p);
    if (status != FM_OK) return status;
    fm_explain_sweep sweep = {1, place_sample, collect_score, e};
    status = fm_explain_run(e, p, &sweep);
    if (status != FM_OK) return status;
    fm_explanation *r = &e->result;
    r->shape = FM_SHAPE(p->shape.dims[0], p->shape.dims[1]);
    r->map_shape = FM_SHAPE(input.dims[0], input.dims[1]);
    double *values = fm_explain_numbers(e, r->shape), *map = fm_explain_numbers(e, r->map_shape);
    if (!values || !map) return FM_ERROR_MEMORY;
    weigh_channels(p, values);
    resize(values, r->shape.dims, map, r->map_shape.dims);
    r->values = values;
    r->map = map;
    r->layer = e->found;
    return FM_OK;
}
