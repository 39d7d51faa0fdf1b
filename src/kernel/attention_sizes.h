/* The sizes of an attention, what a query may see, and what dropout keeps:
 * the same for every dtype. */
#ifndef FM_KERNEL_ATTENTION_SIZES_H
#define FM_KERNEL_ATTENTION_SIZES_H

#include "base/philox.h"

#include <stdint.h>

enum { KERNEL_ATTENTION_KEYS = 64 };

typedef struct kernel_attention {
    int64_t batch, heads, key_heads, queries, keys, key_dim, value_dim;
    int64_t q_step, k_step, v_step; /* elements from one position to the next */
    int64_t mask_batch, mask_query; /* the same of the mask; 0 where it repeats */
    int64_t first;                  /* causal: query i sees the keys up to first + i */
    int causal;
    int bf16; /* products round their operands */
    double scale, rate;
    fm_random_key key; /* of the dropout */
} kernel_attention;

/* Element (b, h, i, j) of z is drawn like element number ((b heads + h) queries + i) keys + j of
 * kernel/drop.h. */
static inline double kernel_attention_keeps(const kernel_attention *a, int64_t row, int64_t j)
{
    if (a->rate == 0) return 1;
    uint64_t element = (uint64_t)(row * a->keys + j);
    uint32_t words[4];
    fm_philox(a->key, element / 4, words);
    return (double)fm_uniform_f32(words[element % 4]) >= a->rate ? 1 / (1 - a->rate) : 0;
}

/* How many keys, from the first on, query i may see as far as the order says. */
static inline int64_t kernel_attention_reach(const kernel_attention *a, int64_t i)
{
    int64_t reach = a->causal ? a->first + i + 1 : a->keys;
    return reach < 0 ? 0 : reach < a->keys ? reach : a->keys;
}

#endif
