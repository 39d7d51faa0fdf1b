/* Normalisation over the last axes with gamma and beta of their shape: layer norm. x is (rows, n).
 * A row stays in the cache while it is read again: its mean, the squares about it, the result. */
#include "backend/cpu/vector/kernels.h"
#include "base/memory.h"
#include "op/op_table.h"
#include "op/op_tools.h"
#include "op/vision_attributes.h"

#include <math.h>
#include <string.h>

enum { V = VECTOR_LENGTH, ABREAST = 4, MOST_PARTS = 32 };

#define NANOSECONDS 0.3 /* an element, roughly */

typedef struct layers {
    int64_t rows, n, parts;
    float epsilon;
} layers;

typedef struct work {
    layers g;
    const float *x, *gamma, *beta, *dy;
    float *y, *mean, *rstd, *dx, *parts; /* parts: sums of dy u and of dy, n each */
} work;

/* Sums over a row by ABREAST vectors at a time; the last elements in a vector filled with zeros. */
#define EACH_VECTOR(n, body)                                                                       \
    do {                                                                                           \
        int64_t j = 0;                                                                             \
        for (; j + ABREAST * V <= (n); j += ABREAST * V) {                                         \
            for (int u = 0; u < ABREAST; u++) body(j + u * V, u, V);                               \
        }                                                                                          \
        for (; j + V <= (n); j += V) body(j, 0, V);                                                \
        if (j < (n)) body(j, 0, (size_t)((n)-j));                                                  \
    } while (0)

INLINE vector take(const float *from, size_t count)
{
    return count == V ? load(from) : load_first(from, count);
}

INLINE void put(float *to, vector value, size_t count)
{
    if (count == V) {
        store(to, value);
    } else {
        store_first(to, value, count);
    }
}

INLINE float sum_of(const vector *sums)
{
    return sum_of_lanes((sums[0] + sums[1]) + (sums[2] + sums[3]));
}

INLINE vector less(vector x, float mean, size_t count)
{
    const vector d = x - broadcast(mean);
    return count == V ? d : keep_where(d, lane_numbers < (int32_t)count);
}

static void normalize_row(const work *w, int64_t row)
{
    const int64_t n = w->g.n;
    const float *x = w->x + row * n;
    float *y = w->y + row * n;
    vector sums[ABREAST] = {0}, squares[ABREAST] = {0};
#define ADD(j, u, count) sums[u] += take(x + (j), count)
    EACH_VECTOR(n, ADD);
    const float mean = sum_of(sums) / (float)n;
#define SQUARE(j, u, count)                                                                        \
    do {                                                                                           \
        const vector d = less(take(x + (j), count), mean, count);                                  \
        squares[u] = multiply_add(d, d, squares[u]);                                               \
    } while (0)
    EACH_VECTOR(n, SQUARE);
    const float rstd = 1 / sqrtf(sum_of(squares) / (float)n + w->g.epsilon);
#define APPLY(j, u, count)                                                                         \
    do {                                                                                           \
        const vector unit = less(take(x + (j), count), mean, count) * broadcast(rstd);             \
        put(y + (j), multiply_add(unit, take(w->gamma + (j), count), take(w->beta + (j), count)),  \
            count);                                                                                \
    } while (0)
    EACH_VECTOR(n, APPLY);
    w->mean[row] = mean;
    w->rstd[row] = rstd;
}

static void normalize_rows(const void *argument, int64_t begin, int64_t end)
{
    for (int64_t row = begin; row < end; row++) normalize_row(argument, row);
}

/* With u = (x - mean) rstd and s = gamma dy:  dx = rstd (s - mean(s) - u mean(s u)) */
static void gradient_row(const work *w, int64_t row, float *dgamma, float *dbeta)
{
    const int64_t n = w->g.n;
    const float *x = w->x + row * n, *dy = w->dy + row * n, mean = w->mean[row];
    const float rstd = w->rstd[row];
    float *dx = w->dx + row * n;
    vector sums[ABREAST] = {0}, products[ABREAST] = {0};
#define SUMS(j, u, count)                                                                          \
    do {                                                                                           \
        const vector unit = less(take(x + (j), count), mean, count) * broadcast(rstd);             \
        const vector slope = take(dy + (j), count), s = slope * take(w->gamma + (j), count);       \
        sums[u] += s;                                                                              \
        products[u] = multiply_add(s, unit, products[u]);                                          \
        put(dgamma + (j), multiply_add(slope, unit, take(dgamma + (j), count)), count);            \
        put(dbeta + (j), slope + take(dbeta + (j), count), count);                                 \
    } while (0)
    EACH_VECTOR(n, SUMS);
    const vector even = broadcast(sum_of(sums) / (float)n);
    const vector tilt = broadcast(sum_of(products) / (float)n);
#define GRADIENT(j, u, count)                                                                      \
    do {                                                                                           \
        const vector unit = less(take(x + (j), count), mean, count) * broadcast(rstd);             \
        const vector s = take(dy + (j), count) * take(w->gamma + (j), count) - even;               \
        put(dx + (j), (s - unit * tilt) * broadcast(rstd), count);                                 \
    } while (0)
    EACH_VECTOR(n, GRADIENT);
}

static void gradient_parts(const void *argument, int64_t begin, int64_t end)
{
    const work *w = argument;
    const int64_t n = w->g.n, rows = w->g.rows, parts = w->g.parts;
    for (int64_t part = begin; part < end; part++) {
        float *sums = w->parts + part * 2 * n;
        memset(sums, 0, 2 * (size_t)n * sizeof *sums);
        for (int64_t row = rows * part / parts; row < rows * (part + 1) / parts; row++) {
            gradient_row(w, row, sums, sums + n);
        }
    }
}

/* ---- kernels --------------------------------------------------------------------------------- */

/* The first of the last axes, which are all that is normalised over; 0: it is not so. */
static int first_axis(const fm_site *site)
{
    const fm_ints *axes = &((const fm_normalize_attributes *)site->attributes)->axes;
    const int rank = site->inputs[0].shape.rank, first = rank - axes->count;
    for (int i = 0; i < axes->count; i++) {
        if (axes->at[i] != first + i) return 0;
    }
    return first;
}

static const char *match_rows(const fm_site *site)
{
    const char *refusal = refuse_unless_f32(site);
    if (refusal) return refusal;
    const fm_shape x = site->inputs[0].shape, gamma = site->inputs[1].shape;
    const int first = first_axis(site), own = x.rank - first;
    if (first == 0) return "the axes are not the last ones";
    bool alike = gamma.rank >= own && site->inputs[1].count == fm_shape_span(x, first, x.rank);
    for (int i = 1; alike && i <= own; i++)
        alike = gamma.dims[gamma.rank - i] == x.dims[x.rank - i];
    return alike ? NULL : "gamma does not have the shape of the axes";
}

static fm_status prepare_rows(const fm_site *site, fm_need *need)
{
    const fm_shape x = site->inputs[0].shape;
    const fm_normalize_attributes *a = site->attributes;
    layers *g = need->state = fm_allocate(site->context, sizeof *g);
    if (!g) return FM_ERROR_MEMORY;
    *g = (layers){.rows = fm_shape_span(x, 0, first_axis(site)),
                  .n = fm_shape_span(x, first_axis(site), x.rank),
                  .epsilon = (float)a->epsilon};
    g->parts = g->rows < MOST_PARTS ? g->rows : MOST_PARTS;
    if (site->op == &fm_op_normalize_grad) {
        need->scratch_bytes = (size_t)(2 * g->parts * g->n) * sizeof(float);
    }
    return FM_OK;
}

static void run_normalize(const fm_call *call)
{
    const work w = {.g = *(const layers *)call->state,
                    .x = call->inputs[0].data,
                    .gamma = call->inputs[1].data,
                    .beta = call->inputs[2].data,
                    .y = call->outputs[0].data,
                    .mean = call->outputs[1].data,
                    .rstd = call->outputs[2].data};
    const double row = (double)w.g.n * NANOSECONDS;
    fm_in_ranges(call->threads, w.g.rows, 1, row, normalize_rows, &w);
}

static void run_normalize_grad(const fm_call *call)
{
    const work w = {.g = *(const layers *)call->state,
                    .x = call->inputs[0].data,
                    .gamma = call->inputs[1].data,
                    .mean = call->inputs[2].data,
                    .rstd = call->inputs[3].data,
                    .dy = call->inputs[4].data,
                    .dx = call->outputs[0].data,
                    .parts = call->scratch};
    float *dgamma = call->outputs[1].data, *dbeta = call->outputs[2].data;
    const int64_t n = w.g.n;
    const double part = (double)(w.g.rows / w.g.parts * n) * NANOSECONDS;
    fm_in_ranges(call->threads, w.g.parts, 1, part, gradient_parts, &w);
    memcpy(dgamma, w.parts, (size_t)n * sizeof *dgamma);
    memcpy(dbeta, w.parts + n, (size_t)n * sizeof *dbeta);
    for (int64_t i = 1; i < w.g.parts; i++) {
        const float *more = w.parts + 2 * i * n;
        for (int64_t j = 0; j < n; j++) dgamma[j] += more[j];
        for (int64_t j = 0; j < n; j++) dbeta[j] += more[n + j];
    }
}

#define KERNEL_ROW(name_, kernel)                                                                  \
    {                                                                                              \
        .name = KERNEL_NAME(kernel), .op = &fm_op_##name_, .match = match_rows,                    \
        .prepare = prepare_rows, .run = run_##name_, .release = fm_release                         \
    }
static const fm_kernel kernels[] = {
    KERNEL_ROW(normalize, "normalize_rows"),
    KERNEL_ROW(normalize_grad, "normalize_rows_grad"),
};

const fm_kernel_family FM_ISA_SYMBOL(fm_cpu_normalize_rows) = FAMILY(kernels);
