#include "base/memory.h"
#include "base/checked.h"
#include "base/plain_numbers.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* The hook promises only malloc's alignment: we take more and keep its pointer before ours. */
void *fm_allocate(fm_context *context, size_t size)
{
    size_t padded;
    void *raw = NULL;
    if (fm_checked_add(size, FM_ALIGNMENT + sizeof(void *), &padded)) {
        raw = context->options.allocate(context->options.allocator_user, padded);
    }
    if (!raw) {
        fm_fail(context, FM_ERROR_MEMORY, "out of memory: %zu bytes could not be allocated", size);
        return NULL;
    }
    uintptr_t aligned = fm_round_up((uintptr_t)raw + sizeof(void *), FM_ALIGNMENT);
    memcpy((char *)aligned - sizeof raw, &raw, sizeof raw);
    return (void *)aligned;
}

void *fm_allocate_zeroed(fm_context *context, size_t size)
{
    void *pointer = fm_allocate(context, size);
    if (pointer) memset(pointer, 0, size);
    return pointer;
}

void *fm_allocate_array(fm_context *context, size_t count, size_t size)
{
    size_t bytes;
    if (!fm_checked_mul(count, size, &bytes)) {
        fm_fail(context, FM_ERROR_LIMIT, "%zu elements of %zu bytes do not fit into memory", count,
                size);
        return NULL;
    }
    return fm_allocate(context, bytes);
}

void fm_release(fm_context *context, void *pointer)
{
    if (!pointer) return;
    void *raw;
    memcpy(&raw, (char *)pointer - sizeof raw, sizeof raw);
    context->options.release(context->options.allocator_user, raw);
}

char *fm_copy_bytes(fm_context *context, const void *bytes, size_t size)
{
    size_t with_end;
    if (!fm_checked_add(size, 1, &with_end)) {
        fm_fail(context, FM_ERROR_LIMIT, "%zu bytes do not fit into memory", size);
        return NULL;
    }
    char *copy = fm_allocate(context, with_end);
    if (!copy) return NULL;
    if (size) memcpy(copy, bytes, size);
    copy[size] = '\0';
    return copy;
}

char *fm_copy_string(fm_context *context, const char *string)
{
    return fm_copy_bytes(context, string, strlen(string));
}

fm_status fm_grow(fm_context *context, void *items, size_t *capacity, size_t wanted, size_t size)
{
    if (wanted <= *capacity) return FM_OK;
    size_t larger = *capacity ? *capacity : 8;
    while (larger < wanted) {
        if (!fm_checked_mul(larger, 2, &larger)) larger = wanted;
    }
    void *made = fm_allocate_array(context, larger, size);
    if (!made) return fm_error_status(context);
    void *old;
    memcpy(&old, items, sizeof old);
    if (old) memcpy(made, old, *capacity * size);
    memset((char *)made + *capacity * size, 0, (larger - *capacity) * size);
    fm_release(context, old);
    memcpy(items, &made, sizeof made);
    *capacity = larger;
    return FM_OK;
}

enum { ARENA_BLOCK_SIZE = 16 * 1024 - 128, ARENA_STEP = 16 };

struct fm_arena_block {
    struct fm_arena_block *next;
    size_t used, size; /* of the bytes that follow this header, rounded up to FM_ALIGNMENT */
};

static char *block_bytes(struct fm_arena_block *block)
{
    return (char *)block + fm_round_up(sizeof *block, FM_ALIGNMENT);
}

void *fm_arena_allocate(fm_arena *arena, size_t size)
{
    size_t padded;
    if (!fm_checked_add(size, ARENA_STEP + FM_ALIGNMENT, &padded)) {
        fm_fail(arena->context, FM_ERROR_LIMIT, "%zu bytes do not fit into memory", size);
        return NULL;
    }
    size_t rounded = fm_round_up(size, ARENA_STEP);
    struct fm_arena_block *block = arena->blocks;
    if (!block || block->size - block->used < rounded) {
        size_t wanted = rounded > ARENA_BLOCK_SIZE ? rounded : ARENA_BLOCK_SIZE;
        block = fm_allocate(arena->context, fm_round_up(sizeof *block, FM_ALIGNMENT) + wanted);
        if (!block) return NULL;
        *block = (struct fm_arena_block){.next = arena->blocks, .size = wanted};
        arena->blocks = block;
    }
    void *pointer = block_bytes(block) + block->used;
    block->used += rounded;
    return memset(pointer, 0, rounded);
}

char *fm_arena_string(fm_arena *arena, const char *string)
{
    size_t size = strlen(string) + 1;
    char *copy = fm_arena_allocate(arena, size);
    return copy ? memcpy(copy, string, size) : NULL;
}

char *fm_arena_format(fm_arena *arena, const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int length = fm_plain_print(NULL, 0, format, arguments);
    va_end(arguments);
    char *text = length < 0 ? NULL : fm_arena_allocate(arena, (size_t)length + 1);
    if (text) fm_plain_print(text, (size_t)length + 1, format, again);
    va_end(again);
    return text;
}

void fm_arena_release(fm_arena *arena)
{
    while (arena->blocks) {
        struct fm_arena_block *next = arena->blocks->next;
        fm_release(arena->context, arena->blocks);
        arena->blocks = next;
    }
}
