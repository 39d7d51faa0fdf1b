#include "data/file/class_list.h"

#include <stdlib.h>
#include <string.h>

fm_status fm_class_list_add(fm_class_list *list, const char *name)
{
    if (fm_map_get(&list->numbers, name, NULL)) return FM_OK;
    const char *copy = fm_arena_string(&list->words, name);
    if (!copy) return FM_ERROR_MEMORY;
    fm_status status = fm_grow(list->context, &list->names, &list->capacity,
                               (size_t)list->count + 1, sizeof *list->names);
    if (status == FM_OK) status = fm_map_set(&list->numbers, copy, (uint32_t)list->count);
    if (status == FM_OK) list->names[list->count++] = copy;
    return status;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

fm_status fm_class_list_sort(fm_class_list *list)
{
    fm_status status = FM_OK;
    if (list->count > 1) qsort(list->names, (size_t)list->count, sizeof *list->names, by_text);
    for (int64_t k = 0; k < list->count && status == FM_OK; k++) {
        status = fm_map_set(&list->numbers, list->names[k], (uint32_t)k);
    }
    return status;
}

int32_t fm_class_list_number(const fm_class_list *list, const char *name)
{
    uint32_t number;
    return fm_map_get(&list->numbers, name, &number) ? (int32_t)number : -1;
}

void fm_class_list_release(fm_class_list *list)
{
    fm_map_release(&list->numbers);
    fm_release(list->context, list->names);
    fm_arena_release(&list->words);
}
