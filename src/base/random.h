/* A sequence of random numbers over Philox, for code that draws one after the other: data
 * generators, initialisers, shuffles. */
#ifndef FM_BASE_RANDOM_H
#define FM_BASE_RANDOM_H

#include "base/philox.h"

#include <stddef.h>

typedef struct fm_random {
    fm_random_key key;
    uint64_t index;    /* next counter */
    uint32_t words[4]; /* of the last counter */
    int left;          /* of them, not handed out yet */
} fm_random;

fm_random fm_random_at(uint64_t seed, uint32_t step, uint32_t stream);
uint32_t fm_random_word(fm_random *random);
double fm_random_uniform(fm_random *random);                   /* [0, 1) */
double fm_random_range(fm_random *random, double a, double b); /* [a, b) */
double fm_random_normal(fm_random *random);                    /* Box and Muller, 1958 */
uint64_t fm_random_below(fm_random *random, uint64_t limit);   /* unbiased; limit at least 1 */
/* Fisher and Yates' shuffle (Durstenfeld, 1964). */
void fm_random_shuffle(fm_random *random, uint32_t *items, size_t count);
/* A stream number of a name, so that adding one consumer does not disturb the others. FNV-1a. */
uint32_t fm_stream_of(const char *name);

#endif
