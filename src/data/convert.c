#include "data/convert.h"

#include <math.h>

/* The loops are compiled once for each width of vectors that a processor may have. No width rounds
 * differently: there is one multiplication and one addition for each element. */
#if defined(__x86_64__) && defined(__GNUC__)
#define WIDTHS 1
#else
#define WIDTHS 0
#endif

#if defined(__clang__) || !defined(__GNUC__)
#define VECTORISE
#else
#define VECTORISE __attribute__((optimize("O3")))
#endif

static inline __attribute__((always_inline)) void convert_bytes(const uint8_t *restrict from,
                                                                int64_t count, float factor,
                                                                float offset, float *restrict to)
{
    for (int64_t i = 0; i < count; i++) to[i] = (float)from[i] * factor + offset;
}

static inline __attribute__((always_inline)) void convert_floats(const float *restrict from,
                                                                 int64_t count, float fill,
                                                                 float center, float factor,
                                                                 float *restrict to)
{
    for (int64_t i = 0; i < count; i++) {
        float value = from[i] == from[i] ? from[i] : fill;
        to[i] = (value - center) * factor;
    }
}

/* Rules that repeat with a period. */
typedef struct pattern {
    int64_t period;
    float fill[16 * FM_MOST_CONVERT_CHANNELS], center[16 * FM_MOST_CONVERT_CHANNELS];
    float factor[16 * FM_MOST_CONVERT_CHANNELS], offset[16 * FM_MOST_CONVERT_CHANNELS];
} pattern;

static inline __attribute__((always_inline)) void convert_pattern(const uint8_t *restrict from,
                                                                  int64_t count,
                                                                  const pattern *restrict p,
                                                                  float *restrict to)
{
    for (int64_t i = 0; i < count; i += p->period) {
        int64_t rest = count - i < p->period ? count - i : p->period;
        for (int64_t k = 0; k < rest; k++) {
            to[i + k] = (float)from[i + k] * p->factor[k] + p->offset[k];
        }
    }
}

static inline __attribute__((always_inline)) void convert_pattern_floats(const float *restrict from,
                                                                         int64_t count,
                                                                         const pattern *restrict p,
                                                                         float *restrict to)
{
    for (int64_t i = 0; i < count; i += p->period) {
        int64_t rest = count - i < p->period ? count - i : p->period;
        for (int64_t k = 0; k < rest; k++) {
            float value = from[i + k] == from[i + k] ? from[i + k] : p->fill[k];
            to[i + k] = (value - p->center[k]) * p->factor[k];
        }
    }
}

typedef struct kernels {
    void (*bytes)(const uint8_t *from, int64_t count, float factor, float offset, float *to);
    void (*floats)(const float *from, int64_t count, float fill, float center, float factor,
                   float *to);
    void (*pattern)(const uint8_t *from, int64_t count, const pattern *p, float *to);
    void (*pattern_floats)(const float *from, int64_t count, const pattern *p, float *to);
} kernels;

#define WIDTH(name, attribute)                                                                     \
    attribute VECTORISE static void bytes_##name(const uint8_t *from, int64_t count, float factor, \
                                                 float offset, float *to)                          \
    {                                                                                              \
        convert_bytes(from, count, factor, offset, to);                                            \
    }                                                                                              \
    attribute VECTORISE static void floats_##name(const float *from, int64_t count, float fill,    \
                                                  float center, float factor, float *to)           \
    {                                                                                              \
        convert_floats(from, count, fill, center, factor, to);                                     \
    }                                                                                              \
    attribute VECTORISE static void pattern_##name(const uint8_t *from, int64_t count,             \
                                                   const pattern *p, float *to)                    \
    {                                                                                              \
        convert_pattern(from, count, p, to);                                                       \
    }                                                                                              \
    attribute VECTORISE static void pattern_floats_##name(const float *from, int64_t count,        \
                                                          const pattern *p, float *to)             \
    {                                                                                              \
        convert_pattern_floats(from, count, p, to);                                                \
    }                                                                                              \
    static const kernels kernels_##name = {bytes_##name, floats_##name, pattern_##name,            \
                                           pattern_floats_##name};

WIDTH(any, )
#if WIDTHS
WIDTH(avx2, __attribute__((target("avx2"))))
WIDTH(avx512, __attribute__((target("avx512f,avx512bw,avx512vl,prefer-vector-width=512"))))
#endif

static const kernels *choose(void)
{
#if WIDTHS
    if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl")) {
        return &kernels_avx512;
    }
    if (__builtin_cpu_supports("avx2")) return &kernels_avx2;
#endif
    return &kernels_any;
}

void fm_convert_row(const void *from, fm_dtype dtype, int64_t count, fm_rule rule, float *to)
{
    if (dtype == FM_U8 || dtype == FM_BOOL) {
        choose()->bytes(from, count, (float)rule.factor, (float)(-rule.center * rule.factor), to);
        return;
    }
    if (dtype == FM_F32) {
        choose()->floats(from, count, (float)rule.fill, (float)rule.center, (float)rule.factor, to);
        return;
    }
    for (int64_t i = 0; i < count; i++) {
        double value = fm_element(from, dtype, (size_t)i);
        if (isnan(value)) value = rule.fill;
        to[i] = (float)((value - rule.center) * rule.factor);
    }
}

void fm_convert_channels(const void *from, fm_dtype dtype, int64_t count, const fm_rule *rules,
                         int64_t channels, float *to)
{
    pattern p = {.period = 16 * channels};
    for (int64_t k = 0; k < p.period; k++) {
        fm_rule rule = rules[k % channels];
        p.fill[k] = (float)rule.fill;
        p.center[k] = (float)rule.center;
        p.factor[k] = (float)rule.factor;
        p.offset[k] = (float)(-rule.center * rule.factor);
    }
    if (dtype == FM_U8 || dtype == FM_BOOL) {
        choose()->pattern(from, count, &p, to);
    } else if (dtype == FM_F32) {
        choose()->pattern_floats(from, count, &p, to);
    } else {
        size_t size = fm_dtype_size(dtype);
        for (int64_t i = 0; i < count; i++) {
            fm_convert_row((const char *)from + (size_t)i * size, dtype, 1, rules[i % channels],
                           to + i);
        }
    }
}
