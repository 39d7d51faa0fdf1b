/* From strings to numbers; keeps the order of insertion. Zero-initialise with the context. */
#ifndef FM_BASE_MAP_H
#define FM_BASE_MAP_H

#include "base/context.h"

typedef struct fm_map_entry {
    char *key; /* owned */
    uint32_t hash;
    uint32_t value;
} fm_map_entry;

typedef struct fm_map {
    fm_context *context;
    fm_map_entry *entries; /* in order of insertion */
    size_t count, capacity;
    uint32_t *slots; /* open addressing: index of an entry plus 1, 0 is empty */
    size_t slot_count;
} fm_map;

/* false when the key is absent; *value may be NULL. */
bool fm_map_get(const fm_map *map, const char *key, uint32_t *value);
/* Adds or replaces. */
fm_status fm_map_set(fm_map *map, const char *key, uint32_t value);
/* Takes back the newest entry. */
void fm_map_forget_last(fm_map *map);
void fm_map_release(fm_map *map);

#endif
