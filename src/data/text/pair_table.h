/* From pairs of numbers to a number: open addressing, linear probing. Zero-initialise. */
#ifndef FM_DATA_PAIR_TABLE_H
#define FM_DATA_PAIR_TABLE_H

#include "base/context.h"

typedef struct fm_pair_slot {
    uint32_t a, b, value, used;
} fm_pair_slot;

typedef struct fm_pair_table {
    fm_pair_slot *slots;
    size_t slot_count, count;
} fm_pair_table;

/* NULL when the pair is absent. */
const uint32_t *fm_pair_get(const fm_pair_table *table, uint32_t a, uint32_t b);
/* The pair must be absent. */
fm_status fm_pair_add(fm_context *context, fm_pair_table *table, uint32_t a, uint32_t b,
                      uint32_t value);
void fm_pair_release(fm_context *context, fm_pair_table *table);

#endif
