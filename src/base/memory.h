/* Allocation through the context's hooks. Every function fails into the context with the size it
 * wanted. Pointers are aligned to FM_ALIGNMENT: a vector register, a cache line. */
#ifndef FM_BASE_MEMORY_H
#define FM_BASE_MEMORY_H

#include "base/context.h"

enum { FM_ALIGNMENT = 64 };

/* NULL (and the words) on failure. Size 0 gives a valid pointer. */
void *fm_allocate(fm_context *context, size_t size);
void *fm_allocate_zeroed(fm_context *context, size_t size);
/* count * size with the product checked. */
void *fm_allocate_array(fm_context *context, size_t count, size_t size);
void fm_release(fm_context *context, void *pointer);
char *fm_copy_string(fm_context *context, const char *string);
char *fm_copy_bytes(fm_context *context, const void *bytes, size_t size); /* adds a '\0' */

/* Makes room for `wanted` elements of `size` bytes in *items, doubling *capacity; new bytes are
 * zero. On failure *items is unchanged. */
fm_status fm_grow(fm_context *context, void *items, size_t *capacity, size_t wanted, size_t size);

/* Many small allocations with one lifetime. Zero-initialise; release frees all of it. */
typedef struct fm_arena {
    fm_context *context;
    struct fm_arena_block *blocks;
} fm_arena;

void *fm_arena_allocate(fm_arena *arena, size_t size); /* zeroed, aligned to 16 */
char *fm_arena_string(fm_arena *arena, const char *string);
__attribute__((format(printf, 2, 3))) char *fm_arena_format(fm_arena *arena, const char *format,
                                                            ...);
void fm_arena_release(fm_arena *arena);

#endif
