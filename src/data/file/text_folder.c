/* Labelled texts from files: a folder for each class. */
#include "base/file.h"
#include "data/dataset.h"
#include "data/file/file_list.h"
#include "data/file/places.h"
#include "data/file/text_records.h"
#include "data/parts.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_TEXTS = 1 << 26 };

typedef struct names {
    const char **items;
    size_t count, capacity;
} names;

typedef struct opening {
    fm_context *context;
    const fm_text_classes_options *options;
    const char *folder, *parts[2]; /* of the training and the test part; NULL: none */
    fm_arena words;
    names classes;
    char **texts; /* of the part that is read */
    size_t *sizes;
    int32_t *labels;
    size_t count, capacity[3], bytes;
} opening;

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool is_text_file(const char *name)
{
    size_t size = strlen(name);
    return size > 4 && strcmp(name + size - 4, ".txt") == 0;
}

/* What is in a folder, sorted: its folders, or its files that end with .txt. */
static fm_status list_folder(opening *o, const char *folder, bool folders, names *list)
{
    DIR *open_folder = opendir(folder);
    if (!open_folder) return fm_fail_system(o->context, folder, "open");
    fm_text path = FM_TEXT(o->context);
    fm_status status = FM_OK;
    for (const struct dirent *entry; status == FM_OK && (entry = readdir(open_folder));) {
        if (entry->d_name[0] == '.') continue;
        status = fm_path_join(&path, folder, entry->d_name);
        if (status != FM_OK) break;
        bool is_folder = fm_is_folder(fm_text_string(&path));
        if (folders != is_folder || (!folders && !is_text_file(entry->d_name))) continue;
        status = fm_grow(o->context, &list->items, &list->capacity, list->count + 1,
                         sizeof *list->items);
        if (status != FM_OK) break;
        list->items[list->count] = fm_arena_string(&o->words, entry->d_name);
        status = list->items[list->count++] ? FM_OK : FM_ERROR_MEMORY;
    }
    closedir(open_folder);
    fm_text_release(&path);
    if (status == FM_OK && list->count) {
        qsort(list->items, list->count, sizeof *list->items, by_text);
    }
    return status;
}

static fm_status add_text(opening *o, const char *path, size_t label)
{
    size_t n = o->count;
    fm_status status = fm_grow(o->context, &o->texts, &o->capacity[0], n + 1, sizeof *o->texts);
    if (status == FM_OK) {
        status = fm_grow(o->context, &o->sizes, &o->capacity[1], n + 1, sizeof *o->sizes);
    }
    if (status == FM_OK) {
        status = fm_grow(o->context, &o->labels, &o->capacity[2], n + 1, sizeof *o->labels);
    }
    int64_t left = o->options->memory_limit - (int64_t)o->bytes;
    if (status == FM_OK && (left < 1 || n == MOST_TEXTS)) {
        status = fm_fail(o->context, FM_ERROR_LIMIT,
                         "%s: the texts take more than the %lld bytes accepted here", o->folder,
                         (long long)o->options->memory_limit);
    }
    if (status == FM_OK) {
        status = fm_text_file_read(o->context, path, left, &o->texts[n], &o->sizes[n]);
    }
    if (status != FM_OK) return status;
    o->labels[n] = (int32_t)label;
    o->bytes += o->sizes[n];
    o->count++;
    return FM_OK;
}

static fm_status read_class(opening *o, const char *part, size_t label)
{
    names files = {0};
    fm_text folder = FM_TEXT(o->context), path = FM_TEXT(o->context);
    fm_status status = fm_path_join(&folder, part, o->classes.items[label]);
    if (status == FM_OK && fm_is_folder(fm_text_string(&folder))) {
        status = list_folder(o, fm_text_string(&folder), false, &files);
    }
    for (size_t i = 0; i < files.count && status == FM_OK; i++) {
        status = fm_path_join(&path, fm_text_string(&folder), files.items[i]);
        if (status == FM_OK) status = add_text(o, fm_text_string(&path), label);
    }
    fm_release(o->context, files.items);
    fm_text_release(&folder);
    fm_text_release(&path);
    return status;
}

static void clear_texts(opening *o)
{
    for (size_t i = 0; i < o->count; i++) fm_release(o->context, o->texts[i]);
    o->count = 0;
}

static fm_status make_part(fm_context *context, const void *argument, fm_data_part part,
                           fm_dataset **dataset)
{
    opening *o = (opening *)(uintptr_t)argument;
    fm_status status = FM_OK;
    *dataset = NULL;
    if (!o->parts[part]) return FM_OK;
    for (size_t k = 0; k < o->classes.count && status == FM_OK; k++) {
        status = read_class(o, o->parts[part], k);
    }
    if (status == FM_OK && o->count == 0) {
        status = fm_fail(context, FM_ERROR_FORMAT, "%s: holds no .txt files in folders of classes",
                         o->parts[part]);
    }
    fm_column column = {.kind = FM_COLUMN_CATEGORICAL,
                        .category_count = (int64_t)o->classes.count,
                        .categories = o->classes.items};
    fm_labelled_texts texts = {.name = part == FM_DATA_TRAIN ? "texts train" : "texts test",
                               .origin = o->parts[part],
                               .count = (int64_t)o->count,
                               .texts = (const char *const *)o->texts,
                               .sizes = o->sizes,
                               .labels = o->labels,
                               .classes = &column};
    if (status == FM_OK) {
        status = fm_dataset_from_texts(context, &texts, &o->options->form, dataset);
    }
    clear_texts(o);
    return status;
}

/* FOLDER/NAME when it is a folder, else NULL. */
static fm_status inner_folder(opening *o, const char *name, const char **found)
{
    *found = fm_arena_format(&o->words, "%s/%s", o->folder, name);
    if (!*found) return FM_ERROR_MEMORY;
    if (!fm_is_folder(*found)) *found = NULL;
    return FM_OK;
}

/* Without a folder `train` all is one part. */
static fm_status find_parts(opening *o)
{
    static const char *const test_names[] = {"test", "val", "validation", "valid"};
    fm_status status = inner_folder(o, "train", &o->parts[0]);
    if (status != FM_OK || !o->parts[0]) {
        o->parts[0] = o->folder;
        return status;
    }
    for (size_t i = 0; i < 4 && status == FM_OK && !o->parts[1]; i++) {
        status = inner_folder(o, test_names[i], &o->parts[1]);
    }
    return status;
}

fm_status fm_text_folder_open(fm_context *context, const char *folder,
                              const fm_text_classes_options *options, fm_dataset **train,
                              fm_dataset **test)
{
    opening o = {
        .context = context, .options = options, .folder = folder, .words = {.context = context}};
    *train = NULL;
    if (test) *test = NULL;
    fm_status status = find_parts(&o);
    if (status == FM_OK) status = list_folder(&o, o.parts[0], true, &o.classes);
    if (status == FM_OK && o.classes.count == 0) {
        status = fm_fail(context, FM_ERROR_FORMAT,
                         "%s: no folders of classes in it: texts belong into CLASS/NAME.txt or "
                         "train/CLASS/NAME.txt",
                         folder);
    }
    if (status == FM_OK) status = fm_make_parts(context, make_part, &o, train, test);
    clear_texts(&o);
    fm_release(context, o.texts);
    fm_release(context, o.sizes);
    fm_release(context, o.labels);
    fm_release(context, o.classes.items);
    fm_arena_release(&o.words);
    return status;
}
