/* Sets that come in two parts, and what the generated ones share. */
#ifndef FM_DATA_PARTS_H
#define FM_DATA_PARTS_H

#include "base/random.h"
#include "fathom/data.h"

#include <stdio.h>

typedef enum fm_data_part { FM_DATA_TRAIN, FM_DATA_TEST } fm_data_part;

enum { FM_SAMPLE_COUNTERS = 4096 }; /* of four words each: what one sample may draw */

/* Sample i of a part depends on (seed, part, i) alone. */
static inline fm_random fm_sample_stream(int64_t seed, fm_data_part part, uint32_t set, int64_t i)
{
    fm_random random = fm_random_at((uint64_t)seed, (uint32_t)part, set);
    random.index = (uint64_t)i * FM_SAMPLE_COUNTERS;
    return random;
}

typedef struct fm_part_words {
    char name[32], origin[48];
} fm_part_words;

static inline fm_part_words fm_name_part(const char *set, fm_data_part part, int64_t seed)
{
    fm_part_words words;
    snprintf(words.name, sizeof words.name, "%s %s", set, part == FM_DATA_TRAIN ? "train" : "test");
    snprintf(words.origin, sizeof words.origin, "built in, seed %lld", (long long)seed);
    return words;
}

/* Both parts by make(context, argument, part, &dataset); test may be NULL. */
typedef fm_status (*fm_make_part)(fm_context *context, const void *argument, fm_data_part part,
                                  fm_dataset **dataset);
fm_status fm_make_parts(fm_context *context, fm_make_part make, const void *argument,
                        fm_dataset **train, fm_dataset **test);

#endif
