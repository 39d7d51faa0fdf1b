#include "base/map.h"
#include "base/memory.h"
#include "base/random.h"

#include <string.h>

static size_t find_slot(const fm_map *map, const char *key, uint32_t hash)
{
    size_t mask = map->slot_count - 1, slot = hash & mask;
    while (map->slots[slot]) {
        const fm_map_entry *entry = &map->entries[map->slots[slot] - 1];
        if (entry->hash == hash && strcmp(entry->key, key) == 0) break;
        slot = (slot + 1) & mask;
    }
    return slot;
}

bool fm_map_get(const fm_map *map, const char *key, uint32_t *value)
{
    if (!map->slot_count) return false;
    uint32_t index = map->slots[find_slot(map, key, fm_stream_of(key))];
    if (index && value) *value = map->entries[index - 1].value;
    return index != 0;
}

static fm_status rehash(fm_map *map, size_t slot_count)
{
    uint32_t *slots = fm_allocate_array(map->context, slot_count, sizeof *slots);
    if (!slots) return fm_error_status(map->context);
    memset(slots, 0, slot_count * sizeof *slots);
    fm_release(map->context, map->slots);
    map->slots = slots;
    map->slot_count = slot_count;
    for (size_t i = 0; i < map->count; i++) {
        slots[find_slot(map, map->entries[i].key, map->entries[i].hash)] = (uint32_t)i + 1;
    }
    return FM_OK;
}

fm_status fm_map_set(fm_map *map, const char *key, uint32_t value)
{
    fm_status status;
    if (map->slot_count < 2 * (map->count + 1)) {
        status = rehash(map, map->slot_count ? 2 * map->slot_count : 16);
        if (status != FM_OK) return status;
    }
    uint32_t hash = fm_stream_of(key);
    size_t slot = find_slot(map, key, hash);
    if (map->slots[slot]) {
        map->entries[map->slots[slot] - 1].value = value;
        return FM_OK;
    }
    status =
        fm_grow(map->context, &map->entries, &map->capacity, map->count + 1, sizeof *map->entries);
    if (status != FM_OK) return status;
    char *copy = fm_copy_string(map->context, key);
    if (!copy) return fm_error_status(map->context);
    map->entries[map->count++] = (fm_map_entry){.key = copy, .hash = hash, .value = value};
    map->slots[slot] = (uint32_t)map->count;
    return FM_OK;
}

/* No later entry probed past its slot, so that emptying it breaks no chain. */
void fm_map_forget_last(fm_map *map)
{
    if (!map->count) return;
    fm_map_entry *entry = &map->entries[map->count - 1];
    map->slots[find_slot(map, entry->key, entry->hash)] = 0;
    fm_release(map->context, entry->key);
    map->count--;
}

void fm_map_release(fm_map *map)
{
    for (size_t i = 0; i < map->count; i++) fm_release(map->context, map->entries[i].key);
    fm_release(map->context, map->entries);
    fm_release(map->context, map->slots);
    *map = (fm_map){.context = map->context};
}
