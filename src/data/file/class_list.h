/* Classes by name, numbered in the order of their names: what labels in files' names become. */
#ifndef FM_DATA_CLASS_LIST_H
#define FM_DATA_CLASS_LIST_H

#include "base/map.h"
#include "base/memory.h"

typedef struct fm_class_list {
    fm_context *context;
    const char **names; /* sorted, once they are */
    int64_t count;
    size_t capacity;
    fm_map numbers;
    fm_arena words;
} fm_class_list;

#define FM_CLASS_LIST(context_)                                                                    \
    ((fm_class_list){.context = (context_),                                                        \
                     .numbers = {.context = (context_)},                                           \
                     .words = {.context = (context_)}})

/* A name may come again. It is copied. */
fm_status fm_class_list_add(fm_class_list *list, const char *name);
/* Gives the numbers; once, after the last name. */
fm_status fm_class_list_sort(fm_class_list *list);
/* -1: there is no such class. */
int32_t fm_class_list_number(const fm_class_list *list, const char *name);
void fm_class_list_release(fm_class_list *list);

#endif
