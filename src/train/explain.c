/* Explanations by gradients at points: the sample, noisy copies of it, the way from a baseline. */
#include "train/explain_inside.h"
#include "base/element.h"
#include "base/fields.h"
#include "base/random.h"

#include <math.h>
#include <string.h>

enum { DEFAULT_STEPS = 64, DEFAULT_SAMPLES = 50 };

const fm_field fm_explain_fields[] = {
    {"steps", "steps of integrated gradients", offsetof(fm_explain_options, steps),
     .type = FM_FIELD_INT, .default_value = DEFAULT_STEPS, .minimum = 1, .maximum = 1e6},
    {"samples", "noisy copies of smoothgrad", offsetof(fm_explain_options, samples),
     .type = FM_FIELD_INT, .default_value = DEFAULT_SAMPLES, .minimum = 1, .maximum = 1e6},
    {"noise", "deviation of smoothgrad's noise, as a share of the range",
     offsetof(fm_explain_options, noise), .type = FM_FIELD_REAL, .default_value = 0.15,
     .maximum = 100},
    {"window", "side of occlusion's window", offsetof(fm_explain_options, window),
     .type = FM_FIELD_INTS, .minimum = 1, .maximum = 1 << 20},
    {"stride", "elements from one window to the next", offsetof(fm_explain_options, stride),
     .type = FM_FIELD_INTS, .minimum = 1, .maximum = 1 << 20},
    {"seed", "same seed, same noise", offsetof(fm_explain_options, seed), .type = FM_FIELD_INT},
    {0},
};

static const fm_field explainer_fields[] = {
    {"batch_size", "points that are computed at once", offsetof(fm_explainer_options, batch_size),
     .type = FM_FIELD_INT, .default_value = 16, .minimum = 1, .maximum = 4096},
    {0},
};

/* ---- create ---------------------------------------------------------------------------------- */

fm_status fm_explainer_create(fm_model *model, const fm_explainer_options *options,
                              fm_explainer **explainer)
{
    fm_explainer_options asked = options ? *options : (fm_explainer_options){0};
    *explainer = NULL;
    fm_status status = fm_fields_complete(model->context, explainer_fields, &asked, "explain");
    if (status != FM_OK) return status;
    fm_explainer *made = fm_allocate_zeroed(model->context, sizeof *made);
    if (!made) return FM_ERROR_MEMORY;
    made->context = made->arena.context = made->results.context = model->context;
    made->model = model;
    made->batch = asked.batch_size;
    if (asked.layer && !(made->layer = fm_arena_string(&made->arena, asked.layer))) {
        fm_explainer_destroy(made);
        return FM_ERROR_MEMORY;
    }
    *explainer = made;
    return FM_OK;
}

void fm_explainer_destroy(fm_explainer *explainer)
{
    if (!explainer) return;
    for (int i = 0; i < FM_EXPLAIN_KINDS; i++) fm_explain_program_close(&explainer->programs[i]);
    fm_program_destroy(explainer->attention.program);
    fm_arena_release(&explainer->results);
    fm_arena_release(&explainer->arena);
    fm_release(explainer->context, explainer);
}

/* ---- running points -------------------------------------------------------------------------- */

static size_t sample_bytes(const fm_model *model)
{
    return (size_t)fm_shape_bytes(model->options.input_shape, model->options.input_dtype);
}

fm_status fm_explainer_prepare(fm_explainer *e, fm_explain_kind kind, fm_explain_program **program)
{
    fm_explain_program *made = &e->programs[kind];
    fm_model *model = e->model;
    if (!made->program) {
        fm_status status =
            fm_explain_program_open(model, kind, e->batch, e->layer, &e->arena, &e->found, made);
        if (status != FM_OK) return status;
    }
    size_t bytes = sample_bytes(model);
    int64_t outputs = fm_shape_elements(model->output);
    memset(made->selected, 0, (size_t)(e->batch * outputs) * fm_dtype_size(model->options.dtype));
    for (int64_t i = 0; i < e->batch; i++) {
        memcpy((char *)made->x + (size_t)i * bytes, e->sample, bytes);
        fm_element_put(made->selected, model->options.dtype,
                       (size_t)(i * outputs + e->options.output), e->options.opposite ? -1 : 1);
    }
    *program = made;
    return FM_OK;
}

/* Bytes of one row of what `place` writes. */
static size_t row_bytes(const fm_explainer *e, const fm_explain_program *p)
{
    bool split = p->gradient && p->point != p->x;
    return split ? (size_t)fm_shape_bytes(p->shape, p->dtype) : sample_bytes(e->model);
}

fm_status fm_explain_run(fm_explainer *e, fm_explain_program *p, const fm_explain_sweep *sweep)
{
    size_t bytes = row_bytes(e, p);
    size_t gradient = p->gradient ? (size_t)fm_shape_bytes(p->shape, p->dtype) : 0;
    for (int64_t first = 0; first < sweep->count; first += e->batch) {
        int64_t left = sweep->count - first, rows = left < e->batch ? left : e->batch;
        for (int64_t i = 0; i < rows; i++) {
            sweep->place(sweep->user, first + i, (char *)p->point + (size_t)i * bytes);
        }
        fm_status status = fm_program_reset(p->program);
        if (status == FM_OK) status = fm_program_run(p->program);
        if (status != FM_OK) return status;
        for (int64_t i = 0; i < rows; i++) {
            sweep->collect(sweep->user, first + i,
                           fm_element(p->score, e->model->options.dtype, (size_t)i),
                           gradient ? (const char *)p->gradient + (size_t)i * gradient : NULL);
        }
    }
    return FM_OK;
}

double *fm_explain_numbers(fm_explainer *e, fm_shape shape)
{
    return fm_arena_allocate(&e->results, (size_t)fm_shape_elements(shape) * sizeof(double));
}

/* The point of the sample as f64, in `results`: the sample, or its embedding,
 * for which the program runs once. */
static fm_status find_point(fm_explainer *e, const fm_explain_program *p, double **point)
{
    const void *from = e->sample;
    if (p->point != p->x) {
        fm_status status = fm_program_run(p->program);
        if (status != FM_OK) return status;
        from = p->value;
    }
    *point = fm_explain_numbers(e, p->shape);
    if (!*point) return FM_ERROR_MEMORY;
    int64_t count = fm_shape_elements(p->shape);
    for (int64_t i = 0; i < count; i++) (*point)[i] = fm_element(from, p->dtype, (size_t)i);
    return FM_OK;
}

/* ---- gradients at points --------------------------------------------------------------------- */

/* What place and collect of the gradient methods share. */
typedef struct gradients {
    const fm_explainer *explainer;
    const fm_explain_program *program;
    const double *point, *baseline; /* baseline NULL: zeros */
    double *sum;                    /* of the gradients */
    int64_t elements;
    double deviation;
    double score, baseline_score;
} gradients;

static void add_gradient(gradients *g, const void *gradient)
{
    for (int64_t k = 0; k < g->elements; k++) {
        g->sum[k] += fm_element(gradient, g->program->dtype, (size_t)k);
    }
}

static void place_point(void *user, int64_t i, void *row)
{
    const gradients *g = user;
    (void)i;
    for (int64_t k = 0; k < g->elements; k++) {
        fm_element_put(row, g->program->dtype, (size_t)k, g->point[k]);
    }
}

static void collect_point(void *user, int64_t i, double score, const void *gradient)
{
    gradients *g = user;
    (void)i;
    g->score = score;
    add_gradient(g, gradient);
}

static fm_status run_saliency(fm_explainer *e, fm_explain_program *p, gradients *g)
{
    return fm_explain_run(e, p, &(fm_explain_sweep){1, place_point, collect_point, g});
}

static fm_status run_gradient_x_input(fm_explainer *e, fm_explain_program *p, gradients *g)
{
    fm_status status = run_saliency(e, p, g);
    for (int64_t k = 0; k < g->elements; k++) g->sum[k] *= g->point[k];
    return status;
}

/* Point 0 is the sample itself, for its score; the copies follow. */
static void place_noisy(void *user, int64_t i, void *row)
{
    const gradients *g = user;
    if (i == 0) {
        place_point(user, i, row);
        return;
    }
    fm_random random =
        fm_random_at((uint64_t)g->explainer->options.seed, (uint32_t)i, fm_stream_of("smoothgrad"));
    for (int64_t k = 0; k < g->elements; k++) {
        double noise = g->deviation * fm_random_normal(&random);
        fm_element_put(row, g->program->dtype, (size_t)k, g->point[k] + noise);
    }
}

static void collect_noisy(void *user, int64_t i, double score, const void *gradient)
{
    gradients *g = user;
    if (i == 0) {
        g->score = score;
    } else {
        add_gradient(g, gradient);
    }
}

static fm_status run_smoothgrad(fm_explainer *e, fm_explain_program *p, gradients *g)
{
    double low = g->point[0], high = g->point[0];
    for (int64_t k = 1; k < g->elements; k++) {
        low = fmin(low, g->point[k]);
        high = fmax(high, g->point[k]);
    }
    g->deviation = e->options.noise * (high - low);
    int64_t samples = e->options.samples;
    fm_explain_sweep sweep = {samples + 1, place_noisy, collect_noisy, g};
    fm_status status = fm_explain_run(e, p, &sweep);
    for (int64_t k = 0; k < g->elements; k++) g->sum[k] /= (double)samples;
    return status;
}

static double baseline_at(const gradients *g, int64_t k)
{
    return g->baseline ? g->baseline[k] : 0;
}

/* Points 0 and 1 are the ends of the way, for their scores. */
static void place_on_the_way(void *user, int64_t i, void *row)
{
    const gradients *g = user;
    double steps = (double)g->explainer->options.steps;
    double share = i < 2 ? (double)i : ((double)(i - 2) + 0.5) / steps;
    for (int64_t k = 0; k < g->elements; k++) {
        double from = baseline_at(g, k);
        fm_element_put(row, g->program->dtype, (size_t)k, from + share * (g->point[k] - from));
    }
}

static void collect_on_the_way(void *user, int64_t i, double score, const void *gradient)
{
    gradients *g = user;
    if (i == 0) {
        g->baseline_score = score;
    } else if (i == 1) {
        g->score = score;
    } else {
        add_gradient(g, gradient);
    }
}

static fm_status run_integrated_gradients(fm_explainer *e, fm_explain_program *p, gradients *g)
{
    int64_t steps = e->options.steps;
    if (e->options.baseline && p->point == p->x) {
        double *baseline = fm_explain_numbers(e, p->shape);
        if (!baseline) return FM_ERROR_MEMORY;
        for (int64_t k = 0; k < g->elements; k++) {
            baseline[k] = fm_element(e->options.baseline, p->dtype, (size_t)k);
        }
        g->baseline = baseline;
    }
    fm_explain_sweep sweep = {steps + 2, place_on_the_way, collect_on_the_way, g};
    fm_status status = fm_explain_run(e, p, &sweep);
    for (int64_t k = 0; k < g->elements; k++) {
        g->sum[k] *= (g->point[k] - baseline_at(g, k)) / (double)steps;
    }
    e->result.baseline_score = g->baseline_score;
    return status;
}

/* ---- one number for each position ------------------------------------------------------------ */

static double join(int method, bool embedding, const double *values, int64_t count)
{
    double sum = 0, largest = 0, squares = 0;
    for (int64_t k = 0; k < count; k++) {
        sum += values[k];
        largest = fmax(largest, fabs(values[k]));
        squares += values[k] * values[k];
    }
    if (fm_explain_at(method)->is_signed) return sum;
    return embedding ? sqrt(squares) : largest;
}

/* Channels of images and features of embeddings are joined; other elements are positions. */
static fm_status make_map(fm_explainer *e, bool embedding)
{
    fm_explanation *r = &e->result;
    int64_t joined = 1;
    r->map_shape = r->shape;
    if (r->shape.rank == 3 || (embedding && r->shape.rank > 0)) {
        joined = r->shape.dims[r->shape.rank - 1];
        r->map_shape.dims[--r->map_shape.rank] = 0;
    }
    double *map = fm_explain_numbers(e, r->map_shape);
    if (!map) return FM_ERROR_MEMORY;
    int64_t count = fm_shape_elements(r->map_shape);
    for (int64_t i = 0; i < count; i++) {
        map[i] = join(e->options.method, embedding, r->values + i * joined, joined);
    }
    r->map = map;
    return FM_OK;
}

typedef fm_status gradient_method(fm_explainer *e, fm_explain_program *p, gradients *g);

static fm_status explain_by_gradients(fm_explainer *e, gradient_method *method)
{
    fm_explain_program *p;
    double *point;
    fm_status status = fm_explainer_prepare(e, FM_EXPLAIN_POINT, &p);
    if (status == FM_OK) status = find_point(e, p, &point);
    if (status != FM_OK) return status;
    gradients g = {.explainer = e,
                   .program = p,
                   .point = point,
                   .sum = fm_explain_numbers(e, p->shape),
                   .elements = fm_shape_elements(p->shape)};
    if (!g.sum) return FM_ERROR_MEMORY;
    status = method(e, p, &g);
    if (status != FM_OK) return status;
    e->result.shape = p->shape;
    e->result.values = g.sum;
    e->result.score = g.score;
    return make_map(e, p->point != p->x);
}

static fm_status explain_saliency(fm_explainer *e)
{
    return explain_by_gradients(e, run_saliency);
}

static fm_status explain_gradient_x_input(fm_explainer *e)
{
    return explain_by_gradients(e, run_gradient_x_input);
}

static fm_status explain_smoothgrad(fm_explainer *e)
{
    return explain_by_gradients(e, run_smoothgrad);
}

static fm_status explain_integrated_gradients(fm_explainer *e)
{
    return explain_by_gradients(e, run_integrated_gradients);
}

/* ---- the methods ----------------------------------------------------------------------------- */

static const struct {
    fm_explain_record about;
    fm_status (*explain)(fm_explainer *e);
} methods[FM_EXPLAIN_METHOD_COUNT] = {
    {{"saliency", "the gradient of the output (Simonyan et al. 2014)", false}, explain_saliency},
    {{"gradient_x_input", "gradient times input (Shrikumar et al. 2016)", true},
     explain_gradient_x_input},
    {{"smoothgrad", "the mean gradient of noisy copies (Smilkov et al. 2017)", false},
     explain_smoothgrad},
    {{"integrated_gradients", "from a baseline to the input (Sundararajan et al. 2017)", true},
     explain_integrated_gradients},
    {{"occlusion", "how the output falls when a part is covered (Zeiler, Fergus 2014)", true},
     fm_explain_occlusion},
    {{"grad_cam", "where a convolutional layer speaks for the output (Selvaraju et al. 2017)",
      true},
     fm_explain_grad_cam},
};

const fm_explain_record *fm_explain_at(int method)
{
    return method >= 0 && method < FM_EXPLAIN_METHOD_COUNT ? &methods[method].about : NULL;
}

const fm_explain_record *fm_explain_find(const char *name)
{
    for (int i = 0; i < FM_EXPLAIN_METHOD_COUNT; i++) {
        if (strcmp(methods[i].about.name, name) == 0) return &methods[i].about;
    }
    return NULL;
}

static fm_status check_options(fm_explainer *e, const fm_explain_options *options)
{
    e->options = options ? *options : (fm_explain_options){0};
    fm_status status = fm_fields_complete(e->context, fm_explain_fields, &e->options, "explain");
    if (status != FM_OK) return status;
    int64_t outputs = fm_shape_elements(e->model->output);
    if (!fm_explain_at(e->options.method)) {
        return fm_fail(e->context, FM_ERROR_ARGUMENT, "explain: there is no method %d",
                       e->options.method);
    }
    if (e->options.output >= 0 && e->options.output < outputs) return FM_OK;
    return fm_fail(e->context, FM_ERROR_ARGUMENT,
                   "explain: output %lld was asked for, the prediction has 0 to %lld",
                   (long long)e->options.output, (long long)outputs - 1);
}

fm_status fm_explain(fm_explainer *e, const void *sample, const fm_explain_options *options,
                     const fm_explanation **explanation)
{
    *explanation = NULL;
    fm_arena_release(&e->results);
    e->sample = sample;
    fm_status status = check_options(e, options);
    if (status != FM_OK) return status;
    e->result = (fm_explanation){.method = e->options.method, .baseline_score = NAN};
    status = fm_model_swap_averages(e->model);
    if (status != FM_OK) return status;
    status = methods[e->options.method].explain(e);
    fm_status swapped = fm_model_swap_averages(e->model);
    if (status == FM_OK) status = swapped;
    if (status != FM_OK) return status;
    int64_t count = fm_shape_elements(e->result.shape);
    for (int64_t i = 0; i < count; i++) e->result.sum += e->result.values[i];
    *explanation = &e->result;
    return FM_OK;
}
