/* Sums and maxima over axes, argmax: the loops of kernel/reduce.h, vectorised by the compiler and
 * shared out where the textbook's order of additions leaves it free, so the bits are the textbook's. */
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

/* ---- sum ----------------------------------------------------------------------------------------- */

/* Runs and tiles of columns, numbered through. */
static int64_t tiles_of(const reduction *r)
{
    return r->inner == 1 ? 1 : (r->inner + KERNEL_SUM_TILE - 1) / KERNEL_SUM_TILE;
}

static void sum_range(const void *argument, int64_t begin, int64_t end)
{
    const reduction *r = argument;
    const int64_t tiles = tiles_of(r);
    for (int64_t at = begin; at < end; at++) {
        const int64_t first = at % tiles * KERNEL_SUM_TILE, left = r->inner - first;
        const float *x = r->x + at / tiles * r->reduced * r->inner + first;
        float *y = r->y + at / tiles * r->inner + first;
        if (r->inner == 1) {
            *y = sum_run_f32(r->reduced, x);
        } else {
            sum_rows_f32(r->reduced, r->inner, left < KERNEL_SUM_TILE ? (int)left : KERNEL_SUM_TILE,
                         x, y);
        }
    }
}

enum { PIECES = 8 }; /* into which the textbook cuts a run by halving it three times */

typedef struct pieces {
    const float *x[PIECES];
    int64_t n[PIECES];
    float *sums;
} pieces;

static void cut_run(pieces *p, int first, int count, int64_t n, const float *x)
{
    if (count == 1) {
        p->x[first] = x;
        p->n[first] = n;
        return;
    }
    const int64_t half = KERNEL_SUM_HALF(n);
    cut_run(p, first, count / 2, half, x);
    cut_run(p, first + count / 2, count / 2, n - half, x + half);
}

static void sum_pieces(const void *argument, int64_t begin, int64_t end)
{
    const pieces *p = argument;
    for (int64_t i = begin; i < end; i++) p->sums[i] = sum_run_f32(p->n[i], p->x[i]);
}

static void run_sum(const fm_call *call)
{
    const reduction r = reduction_of(call);
    if (r.outer == 1 && r.inner == 1 && r.reduced > PIECES * KERNEL_SUM_BLOCK) {
        float s[PIECES];
        pieces p = {.sums = s};
        cut_run(&p, 0, PIECES, r.reduced, r.x);
        fm_in_ranges(call->threads, PIECES, 1, (double)r.reduced / PIECES * LIGHT_NANOSECONDS,
                     sum_pieces, &p);
        *r.y = ((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7]));
        return;
    }
    const double item = (double)r.reduced * (r.inner == 1 ? 1 : KERNEL_SUM_TILE);
    fm_in_ranges(call->threads, r.outer * tiles_of(&r), 1, item * LIGHT_NANOSECONDS, sum_range, &r);
}

/* ---- max ----------------------------------------------------------------------------------------- */

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

/* -------------------------------------------------------------------------------------------------- */

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
    KERNEL_ROW(sum, run_sum),
    KERNEL_ROW(reduce_max, run_max),
    KERNEL_ROW(argmax, run_argmax),
};

const fm_kernel_family FM_ISA_SYMBOL(fm_cpu_reductions) = FAMILY(kernels);
