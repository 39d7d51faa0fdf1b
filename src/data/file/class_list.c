#include "data/file/class_list.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

fm_status fm_class_list_add(fm_class_list *list, const char *name)
{
    if (fm_map_get(&list->numbers, name, NULL)) return FM_OK;
    if (fm_utf8_check(name, strlen(name)) != strlen(name)) {
        return fm_fail(list->context, FM_ERROR_FORMAT,
                       "the class \"%s\" is called by no UTF-8 text; rename its folder or files "
                       "(convmv -t UTF-8)",
                       name);
    }
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

/* The first folder of a file's name within the part, in words; NULL: there is none. */
static fm_status folder_of(fm_class_list *list, const fm_listed_file *file, const char *part,
                           const char **folder)
{
    const char *name = fm_name_in(part, file->name), *slash = name ? strchr(name, '/') : NULL;
    *folder = NULL;
    if (!slash) return FM_OK;
    *folder = fm_arena_format(&list->words, "%.*s", (int)(slash - name), name);
    return *folder ? FM_OK : FM_ERROR_MEMORY;
}

fm_status fm_class_list_take_folders(fm_class_list *list, const fm_file_list *files,
                                     const char *part, const char *path)
{
    fm_status status = FM_OK;
    for (size_t i = 0; i < files->count && status == FM_OK; i++) {
        const char *folder;
        status = folder_of(list, &files->files[i], part, &folder);
        if (status == FM_OK && folder) status = fm_class_list_add(list, folder);
    }
    if (status == FM_OK && list->count == 0) {
        status = fm_fail(list->context, FM_ERROR_FORMAT,
                         "%s: no folders of classes in it: %s belong into CLASS/NAME or "
                         "train/CLASS/NAME",
                         path, files->kind->plural);
    }
    return status == FM_OK ? fm_class_list_sort(list) : status;
}

fm_status fm_class_list_label(fm_class_list *list, const fm_file_list *files, size_t file,
                              const char *part, int32_t *label)
{
    const char *folder;
    *label = -1;
    fm_status status = folder_of(list, &files->files[file], part, &folder);
    if (status != FM_OK || !folder) return status;
    *label = fm_class_list_number(list, folder);
    if (*label >= 0) return FM_OK;
    return fm_fail(list->context, FM_ERROR_FORMAT,
                   "%s: class \"%s\" has no folder among the training %s", files->files[file].path,
                   folder, files->kind->plural);
}

void fm_class_list_release(fm_class_list *list)
{
    fm_map_release(&list->numbers);
    fm_release(list->context, list->names);
    fm_arena_release(&list->words);
}
