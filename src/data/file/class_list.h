/* Classes by name, numbered in the order of their names: what labels in files' names become. */
#ifndef FM_DATA_CLASS_LIST_H
#define FM_DATA_CLASS_LIST_H

#include "base/map.h"
#include "data/file/file_list.h"

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

/* A name may come again. It is copied. FM_ERROR_FORMAT when it is no UTF-8, which models keep. */
fm_status fm_class_list_add(fm_class_list *list, const char *name);
/* Gives the numbers; once, after the last name. */
fm_status fm_class_list_sort(fm_class_list *list);
/* -1: there is no such class. */
int32_t fm_class_list_number(const fm_class_list *list, const char *name);
void fm_class_list_release(fm_class_list *list);

/* Where folders are classes, "rose/1.jpg" within a part is of class "rose". The classes of a part
 * (fm_file_parts), sorted; FM_ERROR_FORMAT names `path`, which was opened, when there are none. */
fm_status fm_class_list_take_folders(fm_class_list *list, const fm_file_list *files,
                                     const char *part, const char *path);
/* The class of a file of these: -1 when it is not in the part, or in none of its folders; where its
 * folder is no class, FM_ERROR_FORMAT says so. */
fm_status fm_class_list_label(fm_class_list *list, const fm_file_list *files, size_t file,
                              const char *part, int32_t *label);

#endif
