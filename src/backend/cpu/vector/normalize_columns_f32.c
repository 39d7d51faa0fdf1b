/* Normalisation with gamma and beta along the last axis, over axes before it: batch norm, instance
 * norm, and group norm, whose groups are made of columns. x is (outer, rows, columns) with one mean
 * for each of outer and `sharing` neighbouring columns.
 *
 * Work is cut into parts of whole blocks of rows, as many as the shape says. Statistics: of each
 * block the mean, then the squares about it while the block is in the cache, joined block by block
 * (Chan, Golub, LeVeque 1983, "Algorithms for computing the sample variance"), so nothing
 * cancels. */
#include "backend/cpu/vector/kernels.h"
#include "backend/cpu/vector/streamed.h"
#include "base/memory.h"
#include "op/fused_normalize.h"
#include "op/op_table.h"
#include "op/op_tools.h"
#include "op/vision_attributes.h"

#include <math.h>
#include <string.h>

/* Rows of a block: of wide ones fewer, for they lie 4 KiB apart and more, in the same few sets of
 * the cache, and are better read as a few streams. */
enum { BLOCK = 16, WIDE_COLUMNS = 512, WIDE_BLOCK = 8, WIDE_STREAMS = 4 };
enum { MOST_PARTS = 32, V = VECTOR_LENGTH };
enum { WIDE = VECTOR_LENGTH == 16 ? 4 : 2 }; /* vectors of a row at a time: what registers hold */

#define NANOSECONDS 0.2 /* an element of a pass, roughly */

typedef struct geometry {
    int64_t outer, rows, columns;
    int64_t sharing;          /* neighbouring columns share a mean */
    int end;                  /* the first dimension of x that belongs to columns */
    int64_t parts, part_rows; /* of each of outer */
    int64_t block, streams;   /* rows at a time: of sums, and of what has none */
    float epsilon, ceiling;   /* of relu6; of relu not a number, which nothing is above or cut to */
    bool relu, large;         /* large: the result is not in the cache when it is read */
} geometry;

/* One call. Scratch: two lines of `columns` for each part,
 * then the coefficients of each of outer. */
typedef struct work {
    geometry g;
    const float *x, *gamma, *beta, *dy;
    const float *residual; /* added; backward the mask */
    const float *variance; /* given with the mean, or NULL */
    float *again;          /* backward y, maybe over x, or NULL */
    float *y, *dx, *dz, *mean, *rstd, *dgamma, *dbeta;
    float *parts, *coefficients;
} work;

enum { FIRST, SECOND, PART_LINES }; /* mean and squares; sums of dy and of dy (x - mean) */
enum { MEAN, SCALE, BETA, SLOPE, OFFSET, LINES }; /* what applying reads */

static float *part_line(const work *w, int64_t part, int line)
{
    return w->parts + (part * PART_LINES + line) * w->g.columns;
}

static float *coefficient_line(const work *w, int64_t outer, int line)
{
    return w->coefficients + (outer * LINES + line) * w->g.columns;
}

/* ---- vectors --------------------------------------------------------------------------------- */

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

INLINE void put_result(float *to, vector value, size_t count, bool large)
{
    if (large && count == V) {
        stream(to, value);
    } else {
        put(to, value, count);
    }
}

/* body(j, vectors, count): the columns from j on, `vectors` vectors of `count` lanes. */
#define EACH_CHUNK(columns, body, ...)                                                             \
    do {                                                                                           \
        int64_t j = 0;                                                                             \
        for (; j + WIDE * V <= (columns); j += WIDE * V) body(__VA_ARGS__, j, WIDE, V);            \
        for (; j + V <= (columns); j += V) body(__VA_ARGS__, j, 1, V);                             \
        if (j < (columns)) body(__VA_ARGS__, j, 1, (size_t)((columns)-j));                         \
    } while (0)

/* The rows of part `part`, block by block. Backwards: what the op before wrote last, and what the
 * pass over x read last, is in the cache. */
typedef struct span {
    int64_t begin, end; /* rows from the first of all */
} span;

static span rows_of(const geometry *g, int64_t part)
{
    const int64_t first = part / g->parts * g->rows, begin = part % g->parts * g->part_rows;
    const int64_t end = begin + g->part_rows < g->rows ? begin + g->part_rows : g->rows;
    return (span){first + begin, first + end};
}

/* ---- statistics ------------------------------------------------------------------------------ */

/* Joins a block's mean and squares about it to those of `before` rows. */
INLINE void join_block(const float *x, int64_t stride, int64_t rows, int64_t before, float *mean,
                       float *squares, int64_t j, int vectors, size_t count)
{
    vector sums[WIDE] = {0}, about[WIDE] = {0};
    for (int64_t r = 0; r < rows; r++) {
        for (int v = 0; v < vectors; v++) sums[v] += take(x + r * stride + j + v * V, count);
    }
    for (int v = 0; v < vectors; v++) sums[v] *= broadcast(1.0f / (float)rows);
    for (int64_t r = 0; r < rows; r++) {
        for (int v = 0; v < vectors; v++) {
            const vector d = take(x + r * stride + j + v * V, count) - sums[v];
            about[v] = multiply_add(d, d, about[v]);
        }
    }
    const float share = (float)rows / (float)(before + rows);
    for (int v = 0; v < vectors; v++) {
        const int64_t at = j + v * V;
        const vector old = before ? take(mean + at, count) : sums[v];
        const vector d = sums[v] - old;
        if (before) about[v] += take(squares + at, count);
        put(mean + at, multiply_add(d, broadcast(share), old), count);
        put(squares + at, multiply_add(d * d, broadcast((float)before * share), about[v]), count);
    }
}

static void part_statistics(const void *argument, int thread, int64_t begin, int64_t end)
{
    (void)thread;
    const work *w = argument;
    const int64_t columns = w->g.columns;
    for (int64_t part = end; part-- > begin;) {
        const span rows = rows_of(&w->g, part);
        float *mean = part_line(w, part, FIRST), *squares = part_line(w, part, SECOND);
        for (int64_t r = rows.end; r > rows.begin;) {
            const int64_t left = r - rows.begin, n = left < w->g.block ? left : w->g.block;
            const int64_t before = rows.end - r;
            r -= n;
            EACH_CHUNK(columns, join_block, w->x + r * columns, columns, n, before, mean, squares);
        }
    }
}

/* The parts of one of outer, joined in order into the first. */
static void join_parts(const work *w, int64_t outer)
{
    const geometry *g = &w->g;
    float *mean = part_line(w, outer * g->parts, FIRST);
    float *squares = part_line(w, outer * g->parts, SECOND);
    float before = (float)(rows_of(g, outer * g->parts).end - outer * g->rows);
    for (int64_t part = outer * g->parts + 1; part < (outer + 1) * g->parts; part++) {
        const span rows = rows_of(g, part);
        const float *m = part_line(w, part, FIRST), *s = part_line(w, part, SECOND);
        const float n = (float)(rows.end - rows.begin), share = n / (before + n);
        for (int64_t j = 0; j < g->columns; j++) {
            const float d = m[j] - mean[j];
            mean[j] += d * share;
            squares[j] += s[j] + d * d * (before * share);
        }
        before += n;
    }
}

/* Columns that share a mean: equally many rows each. */
static void join_columns(const geometry *g, float *mean, float *squares)
{
    const float n = (float)g->sharing, rows = (float)g->rows;
    for (int64_t j = 0; j < g->columns; j += g->sharing) {
        float m = 0, s = 0, about = 0;
        for (int64_t l = 0; l < g->sharing; l++) m += mean[j + l];
        m /= n;
        for (int64_t l = 0; l < g->sharing; l++) {
            const float d = mean[j + l] - m;
            s += squares[j + l];
            about += d * d;
        }
        for (int64_t l = 0; l < g->sharing; l++) {
            mean[j + l] = m;
            squares[j + l] = s + about * rows;
        }
    }
}

static void finish_statistics(const void *argument, int64_t begin, int64_t end)
{
    const work *w = argument;
    const geometry *g = &w->g;
    const int64_t groups = g->columns / g->sharing;
    const float share = 1.0f / ((float)g->rows * (float)g->sharing);
    for (int64_t outer = begin; outer < end; outer++) {
        float *mean = part_line(w, outer * g->parts, FIRST);
        float *squares = part_line(w, outer * g->parts, SECOND);
        float *means = coefficient_line(w, outer, MEAN), *scale = coefficient_line(w, outer, SCALE);
        float *beta = coefficient_line(w, outer, BETA);
        join_parts(w, outer);
        if (g->sharing > 1) join_columns(g, mean, squares);
        for (int64_t i = 0; i < groups; i++) {
            w->mean[outer * groups + i] = mean[i * g->sharing];
            w->rstd[outer * groups + i] = 1 / sqrtf(squares[i * g->sharing] * share + g->epsilon);
        }
        for (int64_t j = 0; j < g->columns; j++) {
            means[j] = mean[j];
            scale[j] = w->gamma[j] * w->rstd[outer * groups + j / g->sharing];
            beta[j] = w->beta[j];
        }
    }
}

/* With outer 1 and no neighbours that share. */
static void give_statistics(const work *w)
{
    float *scale = coefficient_line(w, 0, SCALE);
    memcpy(coefficient_line(w, 0, MEAN), w->mean, (size_t)w->g.columns * sizeof(float));
    memcpy(coefficient_line(w, 0, BETA), w->beta, (size_t)w->g.columns * sizeof(float));
    for (int64_t j = 0; j < w->g.columns; j++) {
        w->rstd[j] = 1 / sqrtf(w->variance[j] + w->g.epsilon);
        scale[j] = w->gamma[j] * w->rstd[j];
    }
}

/* ---- y --------------------------------------------------------------------------------------- */

/* gamma (x - mean) rstd + beta; the mask of its relu is computed from it again, bit by bit. */
INLINE vector affine(vector x_less_mean, vector scale, vector beta)
{
    return multiply_add(x_less_mean, scale, beta);
}

/* relu, or below a ceiling relu6 */
INLINE vector activated(vector y, vector ceiling)
{
    return smaller_of(ceiling, larger_of((vector){0}, y));
}

INLINE void apply_block(const work *w, const float *lines, int64_t row, int64_t rows, bool residual,
                        bool relu, int64_t j, int vectors, size_t count)
{
    const int64_t columns = w->g.columns;
    const vector ceiling = broadcast(w->g.ceiling);
    vector mean[WIDE], scale[WIDE], beta[WIDE];
    for (int v = 0; v < vectors; v++) {
        mean[v] = take(lines + MEAN * columns + j + v * V, count);
        scale[v] = take(lines + SCALE * columns + j + v * V, count);
        beta[v] = take(lines + BETA * columns + j + v * V, count);
    }
    for (int64_t r = row; r < row + rows; r++) {
        for (int v = 0; v < vectors; v++) {
            const int64_t at = r * columns + j + v * V;
            vector y = affine(take(w->x + at, count) - mean[v], scale[v], beta[v]);
            if (residual) y += take(w->residual + at, count);
            if (relu) y = activated(y, ceiling);
            put_result(w->y + at, y, count, w->g.large);
        }
    }
}

static void apply_rows(const work *w, const float *lines, int64_t row, int64_t rows)
{
    const int64_t columns = w->g.columns;
    if (w->residual && w->g.relu) {
        EACH_CHUNK(columns, apply_block, w, lines, row, rows, true, true);
    } else if (w->residual) {
        EACH_CHUNK(columns, apply_block, w, lines, row, rows, true, false);
    } else if (w->g.relu) {
        EACH_CHUNK(columns, apply_block, w, lines, row, rows, false, true);
    } else {
        EACH_CHUNK(columns, apply_block, w, lines, row, rows, false, false);
    }
}

typedef void block_body(const work *w, const float *lines, int64_t row, int64_t rows);

static void each_block(const work *w, block_body *body, int64_t begin, int64_t end)
{
    for (int64_t part = begin; part < end; part++) {
        const span rows = rows_of(&w->g, part);
        const float *lines = coefficient_line(w, part / w->g.parts, 0);
        for (int64_t r = rows.begin; r < rows.end; r += w->g.streams) {
            const int64_t left = rows.end - r;
            body(w, lines, r, left < w->g.streams ? left : w->g.streams);
        }
        if (w->g.large) end_streams();
    }
}

static void apply_parts(const void *argument, int thread, int64_t begin, int64_t end)
{
    (void)thread;
    each_block(argument, apply_rows, begin, end);
}

/* ---- sums of the gradient -------------------------------------------------------------------- */

/* dz where y lies between 0 and the ceiling: relu's gradient, or relu6's. */
INLINE vector let_through(vector dz, vector y, vector ceiling)
{
    return keep_where(dz, (y > (vector){0}) & ~(y >= ceiling));
}

/* Adds a block's sums of dz and dz (x - mean); dz is dy where relu let it through. What it let
 * through is computed again (`relu`), with the residual (`masked`), or is the residual (`masked`
 * alone). */
INLINE void add_block(const work *w, const float *lines, float *sums, int64_t row, int64_t rows,
                      bool relu, bool masked, int64_t j, int vectors, size_t count)
{
    const int64_t columns = w->g.columns;
    const vector ceiling = broadcast(w->g.ceiling);
    vector mean[WIDE], scale[WIDE], beta[WIDE], first[WIDE] = {0}, second[WIDE] = {0};
    for (int v = 0; v < vectors; v++) {
        mean[v] = take(lines + MEAN * columns + j + v * V, count);
        if (!relu) continue;
        scale[v] = take(lines + SCALE * columns + j + v * V, count);
        beta[v] = take(lines + BETA * columns + j + v * V, count);
    }
    for (int64_t r = row; r < row + rows; r++) {
        for (int v = 0; v < vectors; v++) {
            const int64_t at = r * columns + j + v * V;
            const vector x = take(w->x + at, count) - mean[v];
            vector dz = take(w->dy + at, count);
            vector y = {0};
            if (relu) y = affine(x, scale[v], beta[v]);
            if (relu && !masked) dz = let_through(dz, y, ceiling);
            if (masked) {
                vector sum = take(w->residual + at, count);
                if (relu) sum += y;
                dz = keep_where(dz, sum > (vector){0});
                put(w->dz + at, dz, count);
            }
            first[v] += dz;
            second[v] = multiply_add(dz, x, second[v]);
        }
    }
    for (int v = 0; v < vectors; v++) {
        float *to = sums + j + v * V;
        put(to, take(to, count) + first[v], count);
        put(to + columns, take(to + columns, count) + second[v], count);
    }
}

static void part_sums(const void *argument, int thread, int64_t begin, int64_t end)
{
    (void)thread;
    const work *w = argument;
    const int64_t columns = w->g.columns;
    for (int64_t part = end; part-- > begin;) {
        const span rows = rows_of(&w->g, part);
        const float *lines = coefficient_line(w, part / w->g.parts, 0);
        float *sums = part_line(w, part, FIRST);
        memset(sums, 0, PART_LINES * (size_t)columns * sizeof *sums);
        for (int64_t r = rows.end; r > rows.begin;) {
            const int64_t left = r - rows.begin, n = left < w->g.block ? left : w->g.block;
            r -= n;
            if (w->dz && w->again) {
                EACH_CHUNK(columns, add_block, w, lines, sums, r, n, true, true);
            } else if (w->dz) {
                EACH_CHUNK(columns, add_block, w, lines, sums, r, n, false, true);
            } else if (w->g.relu) {
                EACH_CHUNK(columns, add_block, w, lines, sums, r, n, true, false);
            } else {
                EACH_CHUNK(columns, add_block, w, lines, sums, r, n, false, false);
            }
        }
    }
}

/* ---- dx -------------------------------------------------------------------------------------- */

/* The lines that the sums and dx read: mean, gamma rstd, beta. */
static void begin_gradient(const work *w)
{
    const geometry *g = &w->g;
    const int64_t groups = g->columns / g->sharing;
    for (int64_t outer = 0; outer < g->outer; outer++) {
        float *mean = coefficient_line(w, outer, MEAN), *scale = coefficient_line(w, outer, SCALE);
        float *beta = coefficient_line(w, outer, BETA);
        for (int64_t j = 0; j < g->columns; j++) {
            mean[j] = w->mean[outer * groups + j / g->sharing];
            scale[j] = w->gamma[j] * w->rstd[outer * groups + j / g->sharing];
            beta[j] = w->beta ? w->beta[j] : 0;
        }
    }
}

/* With s = sum of gamma dz and t = sum of gamma dz (x - mean) over what shares a mean, n elements:
 *     dx = gamma rstd dz - rstd^3 t / n (x - mean) - rstd s / n */
static void finish_sums(const work *w, int64_t outer)
{
    const geometry *g = &w->g;
    const int64_t groups = g->columns / g->sharing, first = outer * g->parts;
    const float share = 1.0f / ((float)g->rows * (float)g->sharing);
    float *sums = part_line(w, first, FIRST);
    float *slope = coefficient_line(w, outer, SLOPE), *offset = coefficient_line(w, outer, OFFSET);
    for (int64_t part = first + 1; part < first + g->parts; part++) {
        const float *more = part_line(w, part, FIRST);
        for (int64_t j = 0; j < PART_LINES * g->columns; j++) sums[j] += more[j];
    }
    for (int64_t j = 0; j < g->columns; j += g->sharing) {
        const float rstd = w->rstd[outer * groups + j / g->sharing];
        float s = 0, t = 0;
        for (int64_t l = j; l < j + g->sharing; l++) {
            s += w->gamma[l] * sums[l];
            t += w->gamma[l] * sums[g->columns + l];
        }
        for (int64_t l = j; l < j + g->sharing; l++) {
            slope[l] = -(rstd * share * t) * rstd * rstd;
            offset[l] = -rstd * share * s;
            w->dbeta[l] += sums[l];
            w->dgamma[l] += rstd * sums[g->columns + l];
        }
    }
}

/* `again`: y as well, behind whose relu dz may already be. */
INLINE void gradient_block(const work *w, const float *lines, int64_t row, int64_t rows, bool relu,
                           bool again, int64_t j, int vectors, size_t count)
{
    const int64_t columns = w->g.columns;
    const float *dy = w->dz ? w->dz : w->dy;
    const vector ceiling = broadcast(w->g.ceiling);
    vector at[LINES][WIDE];
    for (int v = 0; v < vectors; v++) {
        for (int line = 0; line < LINES; line++) {
            at[line][v] = take(lines + line * columns + j + v * V, count);
        }
    }
    for (int64_t r = row; r < row + rows; r++) {
        for (int v = 0; v < vectors; v++) {
            const int64_t i = r * columns + j + v * V;
            const vector x = take(w->x + i, count) - at[MEAN][v];
            vector dz = take(dy + i, count);
            vector y = {0};
            if (relu) y = affine(x, at[SCALE][v], at[BETA][v]);
            if (again && w->residual) y += take(w->residual + i, count);
            if (relu) dz = let_through(dz, y, ceiling);
            if (again) put_result(w->again + i, activated(y, ceiling), count, w->g.large);
            const vector rest = multiply_add(x, at[SLOPE][v], at[OFFSET][v]);
            put_result(w->dx + i, multiply_add(dz, at[SCALE][v], rest), count, w->g.large);
        }
    }
}

static void gradient_rows(const work *w, const float *lines, int64_t row, int64_t rows)
{
    if (w->again) {
        EACH_CHUNK(w->g.columns, gradient_block, w, lines, row, rows, true, true);
    } else if (w->g.relu && !w->dz) {
        EACH_CHUNK(w->g.columns, gradient_block, w, lines, row, rows, true, false);
    } else {
        EACH_CHUNK(w->g.columns, gradient_block, w, lines, row, rows, false, false);
    }
}

static void gradient_parts(const void *argument, int thread, int64_t begin, int64_t end)
{
    (void)thread;
    each_block(argument, gradient_rows, begin, end);
}

/* ---- kernels --------------------------------------------------------------------------------- */

/* x cut at dimensions `first` and `end`: one mean for each of outer and of columns / sharing. */
static geometry measure(fm_shape x, int first, int end, int64_t sharing)
{
    geometry g = {.outer = fm_shape_span(x, 0, first),
                  .rows = fm_shape_span(x, first, end),
                  .columns = fm_shape_span(x, end, x.rank),
                  .sharing = sharing,
                  .end = end};
    const bool wide = g.columns >= WIDE_COLUMNS;
    g.block = wide ? WIDE_BLOCK : BLOCK;
    g.streams = wide ? WIDE_STREAMS : BLOCK;
    g.large = fm_shape_elements(x) >= STREAMED_BESIDE && g.columns % V == 0;
    const int64_t blocks = (g.rows + g.block - 1) / g.block;
    const int64_t most = g.outer < MOST_PARTS ? MOST_PARTS / g.outer : 1;
    const int64_t parts = blocks < most ? blocks : most;
    g.part_rows = (blocks + parts - 1) / parts * g.block;
    g.parts = (g.rows + g.part_rows - 1) / g.part_rows;
    return g;
}

/* false: the axes are not those of batch, instance or group norm. */
static bool measure_axes(const fm_site *site, geometry *g)
{
    const fm_normalize_attributes *a = site->attributes;
    const fm_shape shape = site->inputs[0].shape;
    const int last = shape.rank - 1, count = (int)a->axes.count;
    const bool grouped = count > 1 && a->axes.at[count - 1] == last;
    const int rows = count - grouped, end = last - grouped; /* past the last of the rows' axes */
    if (rows < 1 || a->axes.at[rows - 1] != end - 1) return false;
    for (int i = 1; i < rows; i++) {
        if (a->axes.at[i] != a->axes.at[i - 1] + 1) return false;
    }
    *g = measure(shape, (int)a->axes.at[0], end, grouped ? fm_shape_last(shape) : 1);
    g->epsilon = (float)a->epsilon;
    return true;
}

/* gamma is input 1 everywhere. */
static const char *match_columns(const fm_site *site)
{
    geometry g;
    const char *refusal = refuse_unless_f32(site);
    if (refusal) return refusal;
    if (!measure_axes(site, &g)) return "the axes are not those before the last ones";
    const fm_shape gamma = site->inputs[1].shape;
    const int own = site->inputs[0].shape.rank - g.end;
    const bool is_row = site->inputs[1].count == g.columns && gamma.rank >= own &&
                        fm_shape_span(gamma, gamma.rank - own, gamma.rank) == g.columns;
    return is_row ? NULL : "gamma is not a row of the last axes";
}

static fm_status prepare_with(const fm_site *site, const geometry *g, fm_need *need)
{
    geometry *state = need->state = fm_allocate(site->context, sizeof *state);
    if (!state) return FM_ERROR_MEMORY;
    *state = *g;
    const int64_t lines = g->outer * (g->parts * PART_LINES + LINES);
    need->scratch_bytes = (size_t)(lines * g->columns) * sizeof(float);
    return FM_OK;
}

static fm_status prepare_columns(const fm_site *site, fm_need *need)
{
    geometry g;
    return measure_axes(site, &g) ? prepare_with(site, &g, need) : FM_ERROR_INTERNAL;
}

static fm_status prepare_activated(const fm_site *site, int activation, float epsilon,
                                   fm_need *need)
{
    const fm_shape x = site->inputs[0].shape;
    geometry g = measure(x, 0, x.rank - 1, 1);
    g.epsilon = epsilon;
    g.relu = activation != FM_FUSED_NONE;
    g.ceiling = activation == FM_FUSED_RELU6 ? 6 : NAN;
    return prepare_with(site, &g, need);
}

static fm_status prepare_fused(const fm_site *site, fm_need *need)
{
    const fm_fused_normalize_attributes *a = site->attributes;
    return prepare_activated(site, a->activation, (float)a->epsilon, need);
}

static fm_status prepare_fused_grad(const fm_site *site, fm_need *need)
{
    const fm_fused_normalize_grad_attributes *a = site->attributes;
    return prepare_activated(site, a->activation, 0, need);
}

static fm_status prepare_fused_add_grad(const fm_site *site, fm_need *need)
{
    return prepare_activated(site, FM_FUSED_RELU, 0, need);
}

static work work_of(const fm_call *call)
{
    const geometry *g = call->state;
    float *parts = call->scratch;
    return (work){.g = *g,
                  .x = call->inputs[0].data,
                  .gamma = call->inputs[1].data,
                  .parts = parts,
                  .coefficients = parts + g->outer * g->parts * PART_LINES * g->columns};
}

static void in_parts(const fm_call *call, fm_piece_body *body, bool backwards, const work *w)
{
    const int64_t parts = w->g.outer * w->g.parts;
    const double elements = (double)(parts * w->g.part_rows * w->g.columns);
    const bool alone = elements * NANOSECONDS < FM_PARALLEL_NANOSECONDS;
    fm_in_pieces(alone ? 1 : call->threads, &(fm_pieces){parts, 1, backwards, body, w});
}

static void forward(const fm_call *call, work *w)
{
    w->beta = call->inputs[2].data;
    w->y = call->outputs[0].data;
    w->mean = call->outputs[1].data;
    w->rstd = call->outputs[2].data;
    in_parts(call, part_statistics, true, w);
    const double joining = (double)(w->g.parts * w->g.columns) * NANOSECONDS;
    fm_in_ranges(call->threads, w->g.outer, 1, joining, finish_statistics, w);
    in_parts(call, apply_parts, false, w);
}

/* statistics: which input the mean is; rstd and dy lie behind it. */
static void backward(const fm_call *call, int statistics, work *w)
{
    const size_t line = (size_t)w->g.columns * sizeof(float);
    w->mean = call->inputs[statistics].data;
    w->rstd = call->inputs[statistics + 1].data;
    w->dy = call->inputs[statistics + 2].data;
    w->dx = call->outputs[0].data;
    w->dgamma = call->outputs[1].data;
    w->dbeta = call->outputs[2].data;
    memset(w->dgamma, 0, line);
    memset(w->dbeta, 0, line);
    begin_gradient(w);
    in_parts(call, part_sums, true, w);
    for (int64_t outer = 0; outer < w->g.outer; outer++) finish_sums(w, outer);
    in_parts(call, gradient_parts, false, w);
}

static void run_normalize(const fm_call *call)
{
    work w = work_of(call);
    forward(call, &w);
}

static void run_normalize_grad(const fm_call *call)
{
    work w = work_of(call);
    backward(call, 2, &w);
}

static void run_fused_normalize(const fm_call *call)
{
    work w = work_of(call);
    if (call->input_count == 4) w.residual = call->inputs[3].data;
    forward(call, &w);
}

/* Backwards: who made x wrote its end last. */
static void run_normalize_by_moments(const fm_call *call)
{
    work w = work_of(call);
    w.beta = call->inputs[2].data;
    w.mean = call->inputs[3].data;
    w.variance = call->inputs[4].data;
    if (call->input_count == 6) w.residual = call->inputs[5].data;
    w.y = call->outputs[0].data;
    w.rstd = call->outputs[1].data;
    give_statistics(&w);
    in_parts(call, apply_parts, true, &w);
}

static void gradient_of_relu(const fm_call *call, work *w)
{
    w->beta = call->inputs[2].data;
    backward(call, 3, w);
}

static void run_fused_normalize_grad(const fm_call *call)
{
    work w = work_of(call);
    gradient_of_relu(call, &w);
}

static void run_fused_normalize_add_grad(const fm_call *call)
{
    work w = work_of(call);
    w.residual = call->inputs[5].data;
    w.dz = call->outputs[3].data;
    backward(call, 2, &w);
}

static void run_normalize_grad_again(const fm_call *call)
{
    work w = work_of(call);
    w.again = call->outputs[3].data;
    gradient_of_relu(call, &w);
}

static void run_normalize_add_grad_again(const fm_call *call)
{
    work w = work_of(call);
    w.residual = call->inputs[6].data;
    w.dz = call->outputs[3].data;
    w.again = call->outputs[4].data;
    gradient_of_relu(call, &w);
}

#define KERNEL_ROW(name_, kernel, match_, prepare_)                                                \
    {                                                                                              \
        .name = KERNEL_NAME(kernel), .op = &fm_op_##name_, .match = match_, .prepare = prepare_,   \
        .run = run_##name_, .release = fm_release                                                  \
    }
static const fm_kernel kernels[] = {
    KERNEL_ROW(normalize, "normalize_columns", match_columns, prepare_columns),
    KERNEL_ROW(normalize_grad, "normalize_columns_grad", match_columns, prepare_columns),
    KERNEL_ROW(fused_normalize, "fused_normalize", refuse_unless_f32, prepare_fused),
    KERNEL_ROW(normalize_by_moments, "normalize_by_moments", refuse_unless_f32, prepare_fused),
    KERNEL_ROW(fused_normalize_grad, "fused_normalize_grad", refuse_unless_f32, prepare_fused_grad),
    KERNEL_ROW(fused_normalize_add_grad, "fused_normalize_add_grad", refuse_unless_f32,
               prepare_fused_add_grad),
    KERNEL_ROW(normalize_grad_again, "normalize_grad_again", refuse_unless_f32, prepare_fused_grad),
    KERNEL_ROW(normalize_add_grad_again, "normalize_add_grad_again", refuse_unless_f32,
               prepare_fused_add_grad),
};

const fm_kernel_family FM_ISA_SYMBOL(fm_cpu_normalize_columns) = FAMILY(kernels);
