/* Dropout and uniform numbers: Philox (base/philox.h) for many counters at once, the same bits. */
#include "backend/cpu/vector/kernels.h"
#include "backend/cpu/vector/vector_math.h"
#include "base/philox.h"
#include "kernel/walk.h"
#include "op/op_attributes.h"
#include "op/op_table.h"

/* Two counters in a 128-bit lane. x holds c0 and above it c1 of each, y holds c2 and c3: a round is
 *     c0' = high(c2 * M1) ^ c1 ^ k0, c1' = low(c2 * M1), and the same with x and y exchanged,
 * which is the product with its halves exchanged, c1 moved down, and the key. Some vectors of
 * counters take turns, since each waits for its products. */
typedef uint64_t counters __attribute__((vector_size(4 * VECTOR_LENGTH)));
enum { COUNTERS = VECTOR_LENGTH / 2, TURNS = 4, BLOCK = TURNS * 4 * COUNTERS };
#if VECTOR_LENGTH == 16
#define FIRST 0, 4, 1, 5, 2, 6, 3, 7
#define EVEN  0, 8, 2, 10, 4, 12, 6, 14
#define ODD   1, 9, 3, 11, 5, 13, 7, 15
#elif VECTOR_LENGTH == 8
#define FIRST 0, 2, 1, 3
#define EVEN  0, 4, 2, 6
#define ODD   1, 5, 3, 7
#else
#define FIRST 0, 1
#define EVEN  0, 2
#define ODD   1, 3
#endif
#define DRAW_NANOSECONDS 0.25 /* an element */
#define EACH_TURN        _Pragma("GCC unroll 4") for (int i = 0; i < TURNS; i++)

INLINE counters multiply_low_halves(counters x, uint32_t y)
{
#if defined(__AVX512F__)
    return (counters)_mm512_mul_epu32((__m512i)x, _mm512_set1_epi64(y));
#elif VECTOR_LENGTH == 8
    return (counters)_mm256_mul_epu32((__m256i)x, _mm256_set1_epi64x(y));
#elif defined(__SSE2__)
    return (counters)_mm_mul_epu32((__m128i)x, _mm_set1_epi64x(y));
#else
    return (x & 0xffffffffu) * y;
#endif
}

INLINE void philox_round(counters *x, counters *y, uint32_t k0, uint32_t k1)
{
    const counters of_x = multiply_low_halves(*x, 0xD2511F53u);
    const counters of_y = multiply_low_halves(*y, 0xCD9E8D57u);
    *x = (of_y << 32 | of_y >> 32) ^ (*x >> 32) ^ k0;
    *y = (of_x << 32 | of_x >> 32) ^ (*y >> 32) ^ k1;
}

/* The words of the counters first, first + 1, ... */
INLINE void philox_block(fm_random_key key, uint64_t first, uint32_t words[BLOCK])
{
    uint32_t k0 = (uint32_t)key.seed, k1 = (uint32_t)(key.seed >> 32);
    counters x[TURNS], y[TURNS];
    EACH_TURN
    {
        x[i] = (const counters){FIRST} + (first + (uint64_t)(i * COUNTERS));
        y[i] = ((uint64_t)key.step << 32 | key.stream) - (counters){0};
    }
    for (int round = 0; round < 10; round++) {
        EACH_TURN philox_round(&x[i], &y[i], k0, k1);
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    EACH_TURN /* each counter's four words side by side */
    {
        const counters low = __builtin_shufflevector(x[i], y[i], EVEN);
        const counters high = __builtin_shufflevector(x[i], y[i], ODD);
        __builtin_memcpy(words + i * 4 * COUNTERS, &low, sizeof low);
        __builtin_memcpy(words + (2 * i + 1) * 2 * COUNTERS, &high, sizeof high);
    }
}

typedef struct random_range {
    fm_random_key key;
    uint32_t threshold; /* of the 24 bits that a number has */
    float scale;
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
        const float *x = range.x + at;
        float *y = range.y + at;
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
static void run_drop(const fm_call *call)
{
    const fm_drop_attributes *attributes = call->attributes;
    const random_range range = {.key = key_of(call, attributes->stream),
                                .threshold = (uint32_t)ceil(attributes->rate * 0x1p24),
                                .scale = (float)(1 / (1 - attributes->rate)),
                                .x = call->inputs[0].data,
                                .y = call->outputs[0].data};
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
