/* Sums and maxima over axes, argmax: the loops of kernel/reduce.h, vectorised by the compiler and
 * shared out where the textbook's order of additions leaves it free, so the bits are the
 * textbook's. */
#include "backend/cpu/vector/kernels.h"
#include "op/op_table.h"
#include "op/op_tools.h"

#define KERNEL_FILE "kernel/reduce.h"
#include "backend/cpu/vector/instantiate_vector.h"

/* x (outer, reduced, inner) -> y (outer, inner) */
typedef struct reduction {
    int64_t outer, reduced, inner;
    const float *x;
    float *y;
    int32_t *index;
} reduction;

static reduction reduction_of(const fm_call *call)
{
    const fm_tensor *x = call->inputs;
    const fm_reduced r = fm_reduced_of(call->attributes, x->shape);
    return (reduction){r.outer, r.reduced, r.inner, x->data, call->outputs[0].data, NULL};
}

/* ---- sum ------------------------------------------------------------------------------------- */

enum { PIECES = 8 }; /* into which the textbook cuts a sum by halving it three times */
enum {
    STRIP = 512
}; /* columns at a time: the textbook's tiles side by side, so that memory is read in its order; a
      column's additions are the same */
enum { V = VECTOR_LENGTH };

INLINE void sum_few_rows(int64_t rows, int64_t stride, const float *x, float *y, int vectors,
                         size_t count)
{
    vector sum[4] = {0};
    for (int64_t r = 0; r < rows; r++) {
        for (int v = 0; v < vectors; v++) {
            const float *from = x + r * stride + v * V;
            sum[v] += count == V ? load(from) : load_first(from, count);
        }
    }
    for (int v = 0; v < vectors; v++) {
        if (count == V) {
            store(y + v * V, sum[v]);
        } else {
            store_first(y + v * V, sum[v], count);
        }
    }
}

/* As sum_rows of kernel/reduce.h, for at most STRIP columns. */
static void sum_strip(int64_t rows, int64_t stride, int64_t width, const float *x, float *y)
{
    if (rows > KERNEL_SUM_ROWS) {
        float upper[STRIP];
        const int64_t half = rows / 2;
        sum_strip(half, stride, width, x, y);
        sum_strip(rows - half, stride, width, x + half * stride, upper);
        for (int64_t j = 0; j < width; j++) y[j] += upper[j];
        return;
    }
    int64_t j = 0;
    for (; j + 4 * V <= width; j += 4 * V) sum_few_rows(rows, stride, x + j, y + j, 4, V);
    for (; j + V <= width; j += V) sum_few_rows(rows, stride, x + j, y + j, 1, V);
    if (j < width) sum_few_rows(rows, stride, x + j, y + j, 1, (size_t)(width - j));
}

/* A sum that is cut: part p of outer o begins at begin[p] and
 * sums to parts + (o PIECES + p) inner. */
typedef struct cut_sum {
    reduction r;
    int pieces;
    int64_t begin[PIECES + 1];
    float *parts;
} cut_sum;

static void cut(cut_sum *c, int first, int count, int64_t begin, int64_t end)
{
    c->begin[first] = begin;
    c->begin[first + count] = end;
    if (count == 1) return;
    const int64_t n = end - begin, half = c->r.inner == 1 ? KERNEL_SUM_HALF(n) : n / 2;
    cut(c, first, count / 2, begin, begin + half);
    cut(c, first + count / 2, count / 2, begin + half, end);
}

static int64_t strips_of(const reduction *r)
{
    return (r->inner + STRIP - 1) / STRIP;
}

/* Strips of pieces of outer, numbered through. */
static void sum_range(const void *argument, int64_t begin, int64_t end)
{
    const cut_sum *c = argument;
    const reduction *r = &c->r;
    const int64_t strips = strips_of(r);
    for (int64_t at = begin; at < end; at++) {
        const int64_t first = at % strips * STRIP, left = r->inner - first;
        const int64_t piece = at / strips % c->pieces, outer = at / strips / c->pieces;
        const int64_t rows = c->begin[piece + 1] - c->begin[piece];
        const float *x = r->x + (outer * r->reduced + c->begin[piece]) * r->inner + first;
        float *y = c->parts + (outer * c->pieces + piece) * r->inner + first;
        if (r->inner == 1) {
            *y = sum_run_f32(rows, x);
        } else {
            sum_strip(rows, r->inner, left < STRIP ? left : STRIP, x, y);
        }
    }
}

static void join_pieces(const cut_sum *c)
{
    const int64_t n = c->r.inner;
    for (int64_t outer = 0; outer < c->r.outer; outer++) {
        const float *s = c->parts + outer * PIECES * n;
        float *y = c->r.y + outer * n;
        for (int64_t j = 0; j < n; j++, s++) {
            y[j] = ((s[0] + s[n]) + (s[2 * n] + s[3 * n])) +
                   ((s[4 * n] + s[5 * n]) + (s[6 * n] + s[7 * n]));
        }
    }
}

/* Cut are sums whose strips are too few for threads and whose pieces the textbook cuts, too. */
static bool is_cut(const reduction *r)
{
    const int64_t least = r->inner == 1 ? PIECES * KERNEL_SUM_BLOCK : PIECES * KERNEL_SUM_ROWS;
    return r->outer * strips_of(r) < PIECES && r->reduced > least;
}

static fm_status prepare_sum(const fm_site *site, fm_need *need)
{
    const fm_reduced s = fm_reduced_of(site->attributes, site->inputs[0].shape);
    const reduction r = {.outer = s.outer, .reduced = s.reduced, .inner = s.inner};
    if (is_cut(&r)) need->scratch_bytes = (size_t)(r.outer * PIECES * r.inner) * sizeof(float);
    return FM_OK;
}

static void run_sum(const fm_call *call)
{
    cut_sum c = {.r = reduction_of(call), .pieces = 1};
    const bool cuts = is_cut(&c.r);
    c.pieces = cuts ? PIECES : 1;
    c.parts = cuts ? call->scratch : c.r.y;
    cut(&c, 0, c.pieces, 0, c.r.reduced);
    const int64_t items = c.r.outer * c.pieces * strips_of(&c.r);
    const double item = (double)(c.r.outer * c.r.reduced * c.r.inner) / (double)items;
    fm_in_ranges(call->threads, items, 1, item * LIGHT_NANOSECONDS, sum_range, &c);
    if (cuts) join_pieces(&c);
}

/* ---- max ------------------------------------------------------------------------------------- */

static void max_range(const void *argument, int64_t begin, int64_t end)
{
    const reduction *r = argument;
    reduce_max_f32(end - begin, r->reduced, r->inner, r->x + begin * r->reduced * r->inner,
                   r->y + begin * r->inner);
}

static void run_max(const fm_call *call)
{
    const reduction r = reduction_of(call);
    const double item = (double)(r.reduced * r.inner) * LIGHT_NANOSECONDS;
    fm_in_ranges(call->threads, r.outer, 1, item, max_range, &r);
}

static void argmax_range(const void *argument, int64_t begin, int64_t end)
{
    const reduction *r = argument;
    argmax_f32(end - begin, r->reduced, r->x + begin * r->reduced, r->index + begin);
}

static void run_argmax(const fm_call *call)
{
    const fm_tensor *x = call->inputs;
    const reduction r = {.outer = fm_tensor_rows(x),
                         .reduced = fm_shape_last(x->shape),
                         .x = x->data,
                         .index = call->outputs[0].data};
    fm_in_ranges(call->threads, r.outer, LINE, (double)r.reduced, argmax_range, &r);
}

/* ---------------------------------------------------------------------------------------------- */

static const char *match_reduction(const fm_site *site)
{
    if (site->inputs[0].dtype != FM_F32) return "f32 only";
    return site->inputs[0].count == 0 ? "there are no elements" : NULL;
}

#define KERNEL_ROW(name_, run_)                                                                    \
    {                                                                                              \
        .name = KERNEL_NAME(#name_), .op = &fm_op_##name_, .match = match_reduction, .run = run_   \
    }
static const fm_kernel kernels[] = {
    {.name = KERNEL_NAME("sum"),
     .op = &fm_op_sum,
     .match = match_reduction,
     .prepare = prepare_sum,
     .run = run_sum},
    KERNEL_ROW(reduce_max, run_max),
    KERNEL_ROW(argmax, run_argmax),
};

const fm_kernel_family FM_ISA_SYMBOL(fm_cpu_reductions) = FAMILY(kernels);
