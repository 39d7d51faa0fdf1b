#include "data/text/pair_table.h"
#include "base/memory.h"

enum { FEWEST_SLOTS = 256 };

/* The slot of the pair, or the free one where it belongs. */
static fm_pair_slot *find(fm_pair_slot *slots, size_t count, uint32_t a, uint32_t b)
{
    uint64_t hash = ((uint64_t)a << 32 | b) * UINT64_C(0x9e3779b97f4a7c15); /* Fibonacci hashing */
    for (size_t i = (size_t)(hash >> 32) & (count - 1);; i = (i + 1) & (count - 1)) {
        fm_pair_slot *slot = &slots[i];
        if (!slot->used || (slot->a == a && slot->b == b)) return slot;
    }
}

const uint32_t *fm_pair_get(const fm_pair_table *table, uint32_t a, uint32_t b)
{
    if (table->slot_count == 0) return NULL;
    const fm_pair_slot *slot = find(table->slots, table->slot_count, a, b);
    return slot->used ? &slot->value : NULL;
}

static fm_status enlarge(fm_context *context, fm_pair_table *table)
{
    size_t count = table->slot_count ? 2 * table->slot_count : FEWEST_SLOTS;
    fm_pair_slot *slots = fm_allocate_zeroed(context, count * sizeof *slots);
    if (!slots) return FM_ERROR_MEMORY;
    for (size_t i = 0; i < table->slot_count; i++) {
        const fm_pair_slot *old = &table->slots[i];
        if (old->used) *find(slots, count, old->a, old->b) = *old;
    }
    fm_release(context, table->slots);
    table->slots = slots;
    table->slot_count = count;
    return FM_OK;
}

fm_status fm_pair_add(fm_context *context, fm_pair_table *table, uint32_t a, uint32_t b,
                      uint32_t value)
{
    if (2 * (table->count + 1) > table->slot_count) {
        fm_status status = enlarge(context, table);
        if (status != FM_OK) return status;
    }
    *find(table->slots, table->slot_count, a, b) = (fm_pair_slot){a, b, value, 1};
    table->count++;
    return FM_OK;
}

void fm_pair_release(fm_context *context, fm_pair_table *table)
{
    fm_release(context, table->slots);
    *table = (fm_pair_table){0};
}
