#include "train/embedding/tsne_inside.h"
#include "base/fields.h"
#include "base/random.h"

#include <string.h>

enum { DEFAULT_ITERATIONS = 1000, EARLY_ITERATIONS = 250, EXACT_ROWS = 1000, REDUCE = 50 };

const fm_field fm_tsne_fields[] = {
    {"perplexity", "neighbours of a sample, softly (default 30, less for few samples)",
     offsetof(fm_tsne_options, perplexity), .type = FM_FIELD_REAL, .maximum = 1e6},
    {"iterations", "steps downhill", offsetof(fm_tsne_options, iterations), .type = FM_FIELD_INT,
     .default_value = DEFAULT_ITERATIONS, .minimum = 1, .maximum = 1e6},
    {"early_iterations", "the first ones, with attraction enlarged",
     offsetof(fm_tsne_options, early_iterations), .type = FM_FIELD_INT,
     .default_value = EARLY_ITERATIONS, .minimum = 1, .maximum = 1e6},
    {"early_exaggeration", "by this factor", offsetof(fm_tsne_options, early_exaggeration),
     .type = FM_FIELD_REAL, .default_value = 12, .minimum = 1, .maximum = 1e6},
    {"learning_rate", "of a step (default: by the number of samples)",
     offsetof(fm_tsne_options, learning_rate), .type = FM_FIELD_REAL, .maximum = 1e12},
    {"angle", "largest size over distance of a cell that counts as one point",
     offsetof(fm_tsne_options, angle), .type = FM_FIELD_REAL, .default_value = 0.5, .maximum = 0.7},
    {"exact_rows", "up to so many samples nothing is approximated",
     offsetof(fm_tsne_options, exact_rows), .type = FM_FIELD_INT, .default_value = EXACT_ROWS,
     .minimum = 1, .maximum = 1 << 20},
    {"reduce", "principal components that wider data is projected on first",
     offsetof(fm_tsne_options, reduce), .type = FM_FIELD_INT, .default_value = REDUCE, .minimum = 2,
     .maximum = 1 << 20},
    {"random_start", "begin with random numbers, not with principal components",
     offsetof(fm_tsne_options, random_start), .type = FM_FIELD_BOOL},
    {"seed", "same seed, same map", offsetof(fm_tsne_options, seed), .type = FM_FIELD_INT},
    {0},
};

/* ---- forces ---------------------------------------------------------------------------------- */

fm_status fm_tsne_forces_open(fm_arena *arena, const fm_affinities *affinities, bool exact,
                              double angle, fm_tsne_forces *forces)
{
    int64_t rows = affinities->rows;
    *forces = (fm_tsne_forces){.threads = fm_context_threads(arena->context),
                               .affinities = affinities,
                               .angle = angle,
                               .attraction = fm_points_take(arena, rows, 2),
                               .repulsion = fm_points_take(arena, rows, 2),
                               .weights = fm_points_take(arena, rows, 1),
                               .divergences = fm_points_take(arena, rows, 1)};
    bool all = forces->attraction && forces->repulsion && forces->weights && forces->divergences;
    if (!all) return FM_ERROR_MEMORY;
    if (exact) return FM_OK;
    forces->tree = fm_arena_allocate(arena, sizeof *forces->tree);
    return forces->tree ? fm_quadtree_open(arena, (uint32_t)rows, forces->tree) : FM_ERROR_MEMORY;
}

static void attract(const fm_tsne_forces *f, int64_t i)
{
    const fm_affinities *a = f->affinities;
    const double *y = f->places;
    double force[2] = {0}, divergence = 0;
    for (int64_t k = a->first[i]; k < a->first[i + 1]; k++) {
        uint32_t j = a->to[k];
        double dx = y[2 * i] - y[2 * j], dy = y[2 * i + 1] - y[2 * j + 1];
        double spread = 1 + dx * dx + dy * dy, pull = a->p[k] / spread;
        force[0] += pull * dx;
        force[1] += pull * dy;
        if (a->p[k] > 0) divergence += a->p[k] * log(a->p[k] * spread);
    }
    f->attraction[2 * i] = force[0];
    f->attraction[2 * i + 1] = force[1];
    f->divergences[i] = divergence;
}

static double repel_all(const double *y, int64_t rows, int64_t i, double force[2])
{
    double total = -1; /* the point itself has w = 1 and d = 0 */
    for (int64_t j = 0; j < rows; j++) {
        double dx = y[2 * i] - y[2 * j], dy = y[2 * i + 1] - y[2 * j + 1];
        double w = 1 / (1 + dx * dx + dy * dy);
        total += w;
        force[0] += w * w * dx;
        force[1] += w * w * dy;
    }
    return total;
}

/* In the tree's order neighbours follow each other, and read the same cells. */
static void add_forces(const void *argument, int64_t begin, int64_t end)
{
    const fm_tsne_forces *f = argument;
    for (int64_t n = begin; n < end; n++) {
        int64_t i = f->tree ? f->tree->order[n] : n;
        double force[2] = {0};
        attract(f, i);
        f->weights[i] = f->tree ? fm_quadtree_repulsion(f->tree, (uint32_t)i, f->angle, force)
                                : repel_all(f->places, f->affinities->rows, i, force);
        f->repulsion[2 * i] = force[0];
        f->repulsion[2 * i + 1] = force[1];
    }
}

void fm_tsne_gradient(fm_tsne_forces *f, const double *places, double exaggeration,
                      double *gradient, double *divergence)
{
    int64_t rows = f->affinities->rows;
    double total = 0, sum = 0;
    f->places = places;
    if (f->tree) fm_quadtree_build(f->tree, places);
    fm_in_ranges(f->threads, rows, 16, f->tree ? 3000 : 3 * (double)rows, add_forces, f);
    for (int64_t i = 0; i < rows; i++) {
        total += f->weights[i];
        sum += f->divergences[i];
    }
    for (int64_t k = 0; k < 2 * rows; k++) {
        gradient[k] = 4 * (exaggeration * f->attraction[k] - f->repulsion[k] / total);
    }
    if (divergence) *divergence = sum + log(total); /* P has the sum 1 */
}

/* ---- the way downhill ------------------------------------------------------------------------ */

typedef struct descent {
    fm_tsne_options options; /* complete */
    int64_t rows;
    double *places, *gradient, *velocity, *gains; /* (rows, 2) */
} descent;

/* Jacobs 1988: a number whose slope keeps its sign goes faster. */
static void step(descent *d, double momentum)
{
    const double least_gain = 0.01;
    double middle[2] = {0};
    for (int64_t k = 0; k < 2 * d->rows; k++) {
        bool overshot = d->gradient[k] * d->velocity[k] > 0;
        d->gains[k] = overshot ? fmax(0.8 * d->gains[k], least_gain) : d->gains[k] + 0.2;
        d->velocity[k] =
            momentum * d->velocity[k] - d->options.learning_rate * d->gains[k] * d->gradient[k];
        d->places[k] += d->velocity[k];
        middle[k % 2] += d->places[k] / (double)d->rows;
    }
    for (int64_t k = 0; k < 2 * d->rows; k++) d->places[k] -= middle[k % 2];
}

static fm_status descend(fm_context *context, descent *d, fm_tsne_forces *forces)
{
    const fm_tsne_options *o = &d->options;
    for (int64_t i = 0; i < o->iterations; i++) {
        bool early = i < o->early_iterations;
        if (o->watch && !o->watch(o->user, i, o->iterations)) {
            return fm_fail(context, FM_ERROR_CANCELLED, "tsne: stopped after %lld iterations",
                           (long long)i);
        }
        fm_tsne_gradient(forces, d->places, early ? o->early_exaggeration : 1, d->gradient, NULL);
        step(d, early ? 0.5 : 0.8);
    }
    return FM_OK;
}

/* ---- the beginning --------------------------------------------------------------------------- */

static const double start_deviation = 1e-4;

/* Two principal components, the first of deviation 1e-4, and a hundredth of that as noise. */
static void start(descent *d, const double *components, int64_t columns)
{
    const double share = d->options.random_start ? 1 : 0.01;
    fm_random random = fm_random_at((uint64_t)d->options.seed, 0, fm_stream_of("tsne"));
    double squares = 0;
    for (int64_t i = 0; i < d->rows; i++)
        squares += components[i * columns] * components[i * columns];
    double scale = squares > 0 ? start_deviation / sqrt(squares / (double)d->rows) : 0;
    for (int64_t i = 0; i < d->rows; i++) {
        for (int k = 0; k < 2; k++) {
            double place =
                d->options.random_start || k >= columns ? 0 : scale * components[i * columns + k];
            d->places[2 * i + k] = place + share * start_deviation * fm_random_normal(&random);
        }
    }
}

/* The data on its principal components: distances stay, or nearly. (rows,
 * *columns) in the arena. */
static fm_status project(fm_arena *arena, const double *x, int64_t rows, int64_t *columns,
                         const fm_tsne_options *o, double **projected)
{
    fm_pca *pca;
    const fm_pca_options how = {.components = *columns < o->reduce ? *columns : o->reduce,
                                .tolerance = 1e-5,
                                .seed = o->seed};
    fm_status status = fm_pca_fit(arena->context, x, rows, *columns, &how, &pca);
    if (status != FM_OK) return status;
    *projected = fm_points_take(arena, rows, how.components);
    if (*projected) fm_pca_apply(pca, x, rows, *projected);
    *columns = how.components;
    fm_pca_destroy(pca);
    return *projected ? FM_OK : FM_ERROR_MEMORY;
}

/* ---- all of it ------------------------------------------------------------------------------- */

static fm_status check(fm_context *context, const double *x, int64_t rows, int64_t columns,
                       fm_tsne_options *o)
{
    enum { LEAST_ROWS = 4, USUAL_PERPLEXITY = 30, LEAST_RATE = 50 };
    const double most = (double)(rows - 1) / 3;
    fm_status status = fm_fields_complete(context, fm_tsne_fields, o, "tsne");
    if (status == FM_OK) status = fm_points_check(context, "tsne", x, rows, columns, LEAST_ROWS);
    if (status != FM_OK) return status;
    if (o->perplexity == 0) o->perplexity = fmin(USUAL_PERPLEXITY, most);
    if (o->perplexity < 1 || o->perplexity > most) {
        return fm_fail(context, FM_ERROR_ARGUMENT,
                       "tsne: a perplexity of %g was asked for, %lld samples allow 1 to %g",
                       o->perplexity, (long long)rows, most);
    }
    if (o->learning_rate == 0) {
        o->learning_rate = fmax((double)rows / o->early_exaggeration / 4, LEAST_RATE);
    }
    if (o->angle == 0) o->exact_rows = rows;
    return FM_OK;
}

static fm_status make_map(fm_arena *arena, const double *x, int64_t columns, descent *d,
                          fm_tsne_result *result)
{
    double *projected;
    fm_affinities affinities;
    fm_tsne_forces forces;
    const fm_tsne_options *o = &d->options;
    result->exact = d->rows <= o->exact_rows;
    result->perplexity = o->perplexity;
    fm_status status = project(arena, x, d->rows, &columns, o, &projected);
    if (status != FM_OK) return status;
    result->columns = columns;
    start(d, projected, columns);
    int64_t nearest = (int64_t)ceil(3 * o->perplexity);
    bool all = result->exact || nearest > d->rows - 1;
    status = fm_affinities_make(arena, projected, d->rows, columns, all ? d->rows - 1 : nearest,
                                o->perplexity, &affinities);
    if (status == FM_OK) {
        status = fm_tsne_forces_open(arena, &affinities, result->exact, o->angle, &forces);
    }
    if (status == FM_OK) status = descend(arena->context, d, &forces);
    if (status == FM_OK) {
        fm_tsne_gradient(&forces, d->places, 1, d->gradient, &result->divergence);
    }
    return status;
}

fm_status fm_tsne(fm_context *context, const double *x, int64_t rows, int64_t columns,
                  const fm_tsne_options *options, double *places, fm_tsne_result *result)
{
    fm_arena arena = {.context = context};
    fm_tsne_result unused;
    descent d = {.rows = rows, .places = places};
    if (options) d.options = *options;
    if (!result) result = &unused;
    *result = (fm_tsne_result){.divergence = NAN};
    fm_status status = check(context, x, rows, columns, &d.options);
    if (status != FM_OK) return status;
    d.gradient = fm_points_take(&arena, rows, 2);
    d.velocity = fm_points_take(&arena, rows, 2);
    d.gains = fm_points_take(&arena, rows, 2);
    status = d.gradient && d.velocity && d.gains ? FM_OK : FM_ERROR_MEMORY;
    for (int64_t k = 0; k < 2 * rows && status == FM_OK; k++) d.gains[k] = 1;
    if (status == FM_OK) status = make_map(&arena, x, columns, &d, result);
    fm_arena_release(&arena);
    return status;
}
