/* Principal components, by the cheapest way to the eigenvectors of the covariance. */
#include "train/embedding/point_rows.h"
#include "train/embedding/symmetric_eigen.h"
#include "base/fields.h"
#include "base/random.h"

#include <string.h>

enum {
    DEFAULT_COMPONENTS = 2,
    WHOLE = 96,    /* a matrix of this side is diagonalised as a whole */
    STORED = 2048, /* one of this side is stored, beyond it is a product */
    SPARE = 8,     /* directions more than wanted: they make the iteration faster */
    MOST_ROUNDS = 400
};

const fm_field fm_pca_fields[] = {
    {"components", "directions of the largest variance", offsetof(fm_pca_options, components),
     .type = FM_FIELD_INT, .default_value = DEFAULT_COMPONENTS, .minimum = 1, .maximum = 1 << 20},
    {"tolerance", "residual of a direction as a share of the largest variance",
     offsetof(fm_pca_options, tolerance), .type = FM_FIELD_REAL, .default_value = 1e-9,
     .minimum = 1e-14, .maximum = 1},
    {"seed", "same seed, same first directions", offsetof(fm_pca_options, seed),
     .type = FM_FIELD_INT},
    {0},
};

/* S = A A^T / (rows - 1), (side, side): the covariance of columns, or the Gram matrix of rows,
 * which has the same eigenvalues (Sirovich 1987). Where both sides are large S is not stored, A is
 * (rows, columns), and a product with the covariance goes through it. */
typedef struct problem {
    fm_context *context;
    fm_pca_options options; /* complete */
    int64_t rows, columns, side;
    bool gram, stored;
    fm_arena arena;
    double *centred; /* (rows, columns) */
    double *matrix;  /* S, if it is stored */
    double *between; /* (directions, rows) for products through A */
} problem;

typedef struct pca_result {
    fm_pca pca;
    fm_arena arena;
} pca_result;

/* ---- the matrix ------------------------------------------------------------------------------ */

static fm_status centre(problem *p, const double *x, double *mean)
{
    p->centred = fm_points_take(&p->arena, p->rows, p->columns);
    if (!p->centred) return FM_ERROR_MEMORY;
    for (int64_t r = 0; r < p->rows; r++) {
        for (int64_t c = 0; c < p->columns; c++) mean[c] += x[r * p->columns + c];
    }
    for (int64_t c = 0; c < p->columns; c++) mean[c] /= (double)p->rows;
    for (int64_t r = 0; r < p->rows; r++) {
        for (int64_t c = 0; c < p->columns; c++) {
            p->centred[r * p->columns + c] = x[r * p->columns + c] - mean[c];
        }
    }
    return FM_OK;
}

typedef struct products {
    const double *vectors; /* (side, length) */
    int64_t side, length;
    double factor;
    double *matrix;
} products;

/* Rows of the matrix, against blocks of vectors that stay in the cache. */
static void fill_rows(const void *argument, int64_t begin, int64_t end)
{
    enum { BLOCK = 32 };
    const products *w = argument;
    for (int64_t from = 0; from < end; from += BLOCK) {
        for (int64_t i = begin; i < end; i++) {
            for (int64_t j = from; j < from + BLOCK && j <= i; j++) {
                w->matrix[i * w->side + j] =
                    w->factor *
                    fm_dot(w->vectors + i * w->length, w->vectors + j * w->length, w->length);
            }
        }
    }
}

static fm_status fill_matrix(problem *p)
{
    products w = {.side = p->side,
                  .length = p->gram ? p->columns : p->rows,
                  .factor = 1 / (double)(p->rows - 1),
                  .matrix = fm_points_take(&p->arena, p->side, p->side)};
    double *turned = p->gram ? p->centred : fm_points_take(&p->arena, p->columns, p->rows);
    if (!w.matrix || !turned) return FM_ERROR_MEMORY;
    for (int64_t c = 0; c < p->columns && !p->gram; c++) {
        for (int64_t r = 0; r < p->rows; r++) {
            turned[c * p->rows + r] = p->centred[r * p->columns + c];
        }
    }
    w.vectors = turned;
    fm_in_ranges(fm_context_threads(p->context), p->side, 16,
                 0.5 * (double)p->side * (double)w.length, fill_rows, &w);
    for (int64_t i = 0; i < p->side; i++) {
        for (int64_t j = 0; j < i; j++) w.matrix[j * p->side + i] = w.matrix[i * p->side + j];
    }
    p->matrix = w.matrix;
    return FM_OK;
}

/* ---- subspace iteration ---------------------------------------------------------------------- */

typedef struct multiplication {
    const problem *p;
    const double *from; /* (count, side) */
    double *to;
} multiplication;

static void multiply_one(const problem *p, int64_t k, const double *from, double *to)
{
    if (p->stored) {
        for (int64_t i = 0; i < p->side; i++)
            to[i] = fm_dot(p->matrix + i * p->side, from, p->side);
        return;
    }
    double *between = p->between + k * p->rows;
    memset(to, 0, (size_t)p->side * sizeof *to);
    for (int64_t r = 0; r < p->rows; r++) {
        const double *row = p->centred + r * p->columns;
        between[r] = fm_dot(row, from, p->columns) / (double)(p->rows - 1);
        for (int64_t c = 0; c < p->columns; c++) to[c] += between[r] * row[c];
    }
}

static void multiply_range(const void *argument, int64_t begin, int64_t end)
{
    const multiplication *m = argument;
    for (int64_t k = begin; k < end; k++) {
        multiply_one(m->p, k, m->from + k * m->p->side, m->to + k * m->p->side);
    }
}

/* Modified Gram and Schmidt, twice; what is left of a direction that lies in the others is zero. */
static void orthonormalise(double *q, int64_t count, int64_t side)
{
    const double rounding = 1e-10;
    for (int64_t k = 0; k < count; k++) {
        double *own = q + k * side, before = sqrt(fm_dot(own, own, side));
        for (int pass = 0; pass < 2; pass++) {
            for (int64_t j = 0; j < k; j++) {
                double share = fm_dot(own, q + j * side, side);
                for (int64_t i = 0; i < side; i++) own[i] -= share * q[j * side + i];
            }
        }
        double length = sqrt(fm_dot(own, own, side));
        double factor = length > rounding * before ? 1 / length : 0;
        for (int64_t i = 0; i < side; i++) own[i] *= factor;
    }
}

/* Linear combinations: row k of `to` is sum_j weights[k][j] from[j]. */
static void combine(const double *weights, const double *from, int64_t count, int64_t side,
                    double *to)
{
    memset(to, 0, (size_t)(count * side) * sizeof *to);
    for (int64_t k = 0; k < count; k++) {
        for (int64_t j = 0; j < count; j++) {
            double w = weights[k * count + j];
            for (int64_t i = 0; i < side; i++) to[k * side + i] += w * from[j * side + i];
        }
    }
}

static double residual(const double *q, const double *product, double value, int64_t side)
{
    double squares = 0;
    for (int64_t i = 0; i < side; i++) {
        double off = product[i] - value * q[i];
        squares += off * off;
    }
    return sqrt(squares);
}

typedef struct subspace {
    int64_t count;
    double *q, *product, *turned; /* (count, side) */
    double *small, *weights;      /* (count, count) */
} subspace;

static fm_status open_subspace(problem *p, int64_t wanted, subspace *s)
{
    int64_t count = wanted + SPARE < p->side ? wanted + SPARE : p->side;
    *s = (subspace){.count = count,
                    .q = fm_points_take(&p->arena, count, p->side),
                    .product = fm_points_take(&p->arena, count, p->side),
                    .turned = fm_points_take(&p->arena, count, p->side),
                    .small = fm_points_take(&p->arena, count, count),
                    .weights = fm_points_take(&p->arena, count, count)};
    if (!p->stored) p->between = fm_points_take(&p->arena, count, p->rows);
    bool all = s->q && s->product && s->turned && s->small && s->weights;
    if (!all || (!p->stored && !p->between)) return FM_ERROR_MEMORY;
    fm_random random = fm_random_at((uint64_t)p->options.seed, 0, fm_stream_of("pca"));
    for (int64_t i = 0; i < count * p->side; i++) s->q[i] = fm_random_normal(&random);
    return FM_OK;
}

/* Rayleigh and Ritz: the best directions within the subspace, and their products. */
static void project(problem *p, subspace *s)
{
    int64_t n = s->count, side = p->side;
    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = 0; j <= i; j++) {
            s->small[i * n + j] = s->small[j * n + i] =
                fm_dot(s->q + i * side, s->product + j * side, side);
        }
    }
    fm_symmetric_eigen(s->small, n, s->weights);
    combine(s->weights, s->q, n, side, s->turned);
    memcpy(s->q, s->turned, (size_t)(n * side) * sizeof *s->q);
    combine(s->weights, s->product, n, side, s->turned);
    memcpy(s->product, s->turned, (size_t)(n * side) * sizeof *s->product);
}

/* The first `wanted` eigenvectors in rows of s->q, their values on the diagonal of s->small. */
static fm_status iterate(problem *p, int64_t wanted, subspace *s)
{
    fm_status status = open_subspace(p, wanted, s);
    for (int round = 0; round < MOST_ROUNDS && status == FM_OK; round++) {
        const multiplication m = {p, s->q, s->product};
        orthonormalise(s->q, s->count, p->side);
        fm_in_ranges(fm_context_threads(p->context), s->count, 1,
                     (double)p->side * (double)(p->stored ? p->side : 2 * p->rows), multiply_range,
                     &m);
        project(p, s);
        bool done = true;
        for (int64_t k = 0; k < wanted && done; k++) {
            double value = s->small[k * s->count + k];
            done = residual(s->q + k * p->side, s->product + k * p->side, value, p->side) <=
                   p->options.tolerance * fabs(s->small[0]);
        }
        if (done) break;
        memcpy(s->q, s->product, (size_t)(s->count * p->side) * sizeof *s->q);
        if (round + 1 == MOST_ROUNDS) orthonormalise(s->q, s->count, p->side);
    }
    return status;
}

/* ---- axes ------------------------------------------------------------------------------------ */

static void choose_sign(double *axis, int64_t columns)
{
    int64_t largest = 0;
    for (int64_t c = 1; c < columns; c++) {
        if (fabs(axis[c]) > fabs(axis[largest])) largest = c;
    }
    if (axis[largest] >= 0) return;
    for (int64_t c = 0; c < columns; c++) axis[c] = -axis[c];
}

/* From an eigenvector of S: itself, or of the Gram matrix the combination of rows that it tells. */
static void make_axis(const problem *p, const double *vector, double *axis)
{
    if (!p->gram) {
        memcpy(axis, vector, (size_t)p->columns * sizeof *axis);
    } else {
        for (int64_t r = 0; r < p->rows; r++) {
            for (int64_t c = 0; c < p->columns; c++) {
                axis[c] += vector[r] * p->centred[r * p->columns + c];
            }
        }
    }
    double length = sqrt(fm_dot(axis, axis, p->columns));
    for (int64_t c = 0; c < p->columns && length > 0; c++) axis[c] /= length;
    choose_sign(axis, p->columns);
}

static void make_axes(const problem *p, const double *vectors, const double *values,
                      int64_t value_step, pca_result *made, double *axes, double *variances)
{
    const double rounding = 1e-13;
    int64_t most = p->rows - 1 < p->side ? p->rows - 1 : p->side;
    for (int64_t k = 0; k < made->pca.components && k < most; k++) {
        double variance = values[k * value_step];
        if (!(variance > rounding * values[0])) break; /* beyond the rank */
        variances[k] = variance;
        make_axis(p, vectors + k * p->side, axes + k * p->columns);
    }
}

static fm_status solve(problem *p, pca_result *made, double *axes, double *variances)
{
    int64_t wanted = made->pca.components < p->side ? made->pca.components : p->side;
    fm_status status = p->stored ? fill_matrix(p) : FM_OK;
    if (status != FM_OK) return status;
    if (p->stored && (p->side <= WHOLE || wanted + SPARE >= p->side)) {
        double *vectors = fm_points_take(&p->arena, p->side, p->side);
        if (!vectors) return FM_ERROR_MEMORY;
        fm_symmetric_eigen(p->matrix, p->side, vectors);
        make_axes(p, vectors, p->matrix, p->side + 1, made, axes, variances);
        return FM_OK;
    }
    subspace s;
    status = iterate(p, wanted, &s);
    if (status == FM_OK) make_axes(p, s.q, s.small, s.count + 1, made, axes, variances);
    return status;
}

static fm_status fit(problem *p, const double *x, pca_result *made)
{
    fm_pca *pca = &made->pca;
    double *mean = fm_points_take(&made->arena, 1, p->columns);
    double *axes = fm_points_take(&made->arena, pca->components, p->columns);
    double *variances = fm_points_take(&made->arena, 1, pca->components);
    if (!mean || !axes || !variances) return FM_ERROR_MEMORY;
    fm_status status = centre(p, x, mean);
    if (status == FM_OK) status = solve(p, made, axes, variances);
    if (status != FM_OK) return status;
    for (int64_t r = 0; r < p->rows; r++) {
        const double *row = p->centred + r * p->columns;
        pca->total_variance += fm_dot(row, row, p->columns) / (double)(p->rows - 1);
    }
    pca->mean = mean;
    pca->axes = axes;
    pca->variances = variances;
    return FM_OK;
}

static fm_status check(fm_context *context, const double *x, int64_t rows, int64_t columns,
                       fm_pca_options *options)
{
    fm_status status = fm_fields_complete(context, fm_pca_fields, options, "pca");
    if (status == FM_OK) status = fm_points_check(context, "pca", x, rows, columns, 2);
    if (status != FM_OK || options->components <= columns) return status;
    return fm_fail(context, FM_ERROR_ARGUMENT,
                   "pca: %lld components were asked for, samples have %lld number%s",
                   (long long)options->components, (long long)columns, columns == 1 ? "" : "s");
}

fm_status fm_pca_fit(fm_context *context, const double *x, int64_t rows, int64_t columns,
                     const fm_pca_options *options, fm_pca **pca)
{
    problem p = {.context = context, .rows = rows, .columns = columns, .arena = {context, NULL}};
    if (options) p.options = *options;
    *pca = NULL;
    fm_status status = check(context, x, rows, columns, &p.options);
    if (status != FM_OK) return status;
    p.gram = rows < columns;
    p.side = p.gram ? rows : columns;
    p.stored = p.side <= STORED;
    if (!p.stored) {
        p.gram = false;
        p.side = columns;
    }
    pca_result *made = fm_allocate_zeroed(context, sizeof *made);
    if (!made) return FM_ERROR_MEMORY;
    made->arena.context = context;
    made->pca.columns = columns;
    made->pca.components = p.options.components;
    status = fit(&p, x, made);
    if (status == FM_OK) {
        *pca = &made->pca;
    } else {
        fm_pca_destroy(&made->pca);
    }
    fm_arena_release(&p.arena);
    return status;
}

void fm_pca_destroy(fm_pca *pca)
{
    if (!pca) return;
    pca_result *made = (pca_result *)pca; /* which begins with it */
    fm_context *context = made->arena.context;
    fm_arena_release(&made->arena);
    fm_release(context, made);
}

void fm_pca_apply(const fm_pca *pca, const double *x, int64_t rows, double *places)
{
    for (int64_t r = 0; r < rows; r++) {
        for (int64_t k = 0; k < pca->components; k++) {
            double sum = 0;
            for (int64_t c = 0; c < pca->columns; c++) {
                sum += (x[r * pca->columns + c] - pca->mean[c]) * pca->axes[k * pca->columns + c];
            }
            places[r * pca->components + k] = sum;
        }
    }
}
