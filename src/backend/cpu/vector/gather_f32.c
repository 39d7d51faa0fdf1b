/* Rows by index, and rows added at their index. They have the textbook's bits: a row of a sum is
 * added up in the order of the indices, by one thread for each range of columns. */
#include "backend/cpu/vector/kernels.h"
#include "op/op_table.h"

#include <math.h>
#include <string.h>

/* Of gather x (n, width), y (count, width); of scatter_add x (count, width), y (n, width). */
typedef struct rows_by_index {
    const float *x;
    const int32_t *indices;
    float *y;
    int64_t n, width, count;
} rows_by_index;

static void gather_rows(const void *argument, int64_t begin, int64_t end)
{
    const rows_by_index *r = argument;
    for (int64_t i = begin; i < end; i++) {
        float *y = r->y + i * r->width;
        const int64_t at = r->indices[i];
        if (at >= 0 && at < r->n) {
            memcpy(y, r->x + at * r->width, (size_t)r->width * sizeof *y);
        } else {
            for (int64_t j = 0; j < r->width; j++) y[j] = NAN;
        }
    }
}

static void add_columns(const void *argument, int64_t begin, int64_t end)
{
    const rows_by_index *r = argument;
    const size_t bytes = (size_t)(end - begin) * sizeof(float);
    for (int64_t i = 0; i < r->n; i++) memset(r->y + i * r->width + begin, 0, bytes);
    for (int64_t i = 0; i < r->count; i++) {
        const int64_t at = r->indices[i];
        if (at < 0 || at >= r->n) continue;
        const float *restrict x = r->x + i * r->width;
        float *restrict y = r->y + at * r->width;
        for (int64_t j = begin; j < end; j++) y[j] += x[j];
    }
}

static void run_gather(const fm_call *call)
{
    const int64_t n = call->inputs[0].shape.dims[0];
    const rows_by_index r = {.x = call->inputs[0].data,
                             .indices = call->inputs[1].data,
                             .y = call->outputs[0].data,
                             .n = n,
                             .width = call->inputs[0].count / n,
                             .count = call->inputs[1].count};
    fm_in_ranges(call->threads, r.count, 1, (double)r.width * LIGHT_NANOSECONDS, gather_rows, &r);
}

static void run_scatter_add(const fm_call *call)
{
    const int64_t n = call->outputs[0].shape.dims[0];
    const rows_by_index r = {.x = call->inputs[0].data,
                             .indices = call->inputs[1].data,
                             .y = call->outputs[0].data,
                             .n = n,
                             .width = call->outputs[0].count / n,
                             .count = call->inputs[1].count};
    fm_in_ranges(call->threads, r.width, LINE, (double)(r.count + r.n) * LIGHT_NANOSECONDS,
                 add_columns, &r);
}

static const char *match_rows(const fm_site *site)
{
    if (site->inputs[0].dtype != FM_F32) return "f32 only";
    return site->inputs[0].count == 0 || site->outputs[0].count == 0 ? "there are no elements"
                                                                     : NULL;
}

static const fm_kernel kernels[] = {
    {.name = KERNEL_NAME("gather"), .op = &fm_op_gather, .match = match_rows, .run = run_gather},
    {.name = KERNEL_NAME("scatter_add"),
     .op = &fm_op_scatter_add,
     .match = match_rows,
     .run = run_scatter_add},
};

const fm_kernel_family FM_ISA_SYMBOL(fm_cpu_gather) = FAMILY(kernels);
