/* Dropout and uniform numbers: Philox for many counters at once, the textbook's bits. */
#include "backend/cpu/vector/kernels.h"
#include "backend/cpu/vector/philox_vector.h"
#include "backend/cpu/vector/vector_math.h"
#include "kernel/walk.h"
#include "op/op_attributes.h"
#include "op/op_table.h"

enum { BLOCK = PHILOX_BLOCK };

typedef struct random_range {
    fm_random_key key;
    uint32_t threshold; /* of the 24 bits that a number has */
    float scale;
    int64_t first; /* the element where x and y begin */
    const float *x;
    float *y;
} random_range;

/* begin is a multiple of 4: a counter's. */
static void drop_range(const void *argument, int64_t begin, int64_t end)
{
    const random_range range = *(const random_range *)argument;
    for (int64_t at = begin; at < end; at += BLOCK) {
        uint32_t words[BLOCK];
        const int64_t n = end - at < BLOCK ? end - at : BLOCK;
        const float *x = range.x + (at - range.first);
        float *y = range.y + (at - range.first);
        philox_block(range.key, (uint64_t)at / 4, words);
        KERNEL_INDEPENDENT
        for (int64_t i = 0; i < n; i++) {
            const float kept = x[i] * range.scale;
            y[i] = words[i] >> 8 >= range.threshold ? kept : 0;
        }
    }
}

static void uniform_range(const void *argument, int64_t begin, int64_t end)
{
    const random_range range = *(const random_range *)argument;
    for (int64_t at = begin; at < end; at += BLOCK) {
        uint32_t words[BLOCK];
        const int64_t n = end - at < BLOCK ? end - at : BLOCK;
        philox_block(range.key, (uint64_t)at / 4, words);
        for (int64_t i = 0; i < n; i++) range.y[at + i] = fm_uniform_f32(words[i]);
    }
}

static fm_random_key key_of(const fm_call *call, int64_t stream)
{
    return (fm_random_key){*call->seed, (uint32_t)*call->step, (uint32_t)stream};
}

/* u >= rate for u = n 2^-24 with an integer n: n >= rate 2^24. */
static random_range drop_of(const fm_call *call, const fm_drop_attributes *attributes)
{
    return (random_range){.key = key_of(call, attributes->stream),
                          .threshold = (uint32_t)ceil(attributes->rate * 0x1p24),
                          .scale = (float)(1 / (1 - attributes->rate))};
}

void FM_ISA_SYMBOL(fm_cpu_drop)(const fm_call *call, const fm_drop_attributes *attributes,
                                int64_t first, int64_t count, const float *x, float *y)
{
    random_range range = drop_of(call, attributes);
    range.first = first;
    range.x = x;
    range.y = y;
    drop_range(&range, first, first + count);
}

static void run_drop(const fm_call *call)
{
    random_range range = drop_of(call, call->attributes);
    range.x = call->inputs[0].data;
    range.y = call->outputs[0].data;
    fm_in_ranges(call->threads, call->outputs[0].count, BLOCK, DRAW_NANOSECONDS, drop_range,
                 &range);
}

static void run_uniform(const fm_call *call)
{
    const fm_random_attributes *attributes = call->attributes;
    const random_range range = {.key = key_of(call, attributes->stream),
                                .y = call->outputs[0].data};
    fm_in_ranges(call->threads, call->outputs[0].count, BLOCK, DRAW_NANOSECONDS, uniform_range,
                 &range);
}

static const fm_kernel kernels[] = {
    {.name = KERNEL_NAME("drop"), .op = &fm_op_drop, .match = refuse_unless_f32, .run = run_drop},
    {.name = KERNEL_NAME("random_uniform_like"),
     .op = &fm_op_random_uniform_like,
     .match = refuse_unless_f32,
     .run = run_uniform},
};

const fm_kernel_family FM_ISA_SYMBOL(fm_cpu_random) = FAMILY(kernels);
