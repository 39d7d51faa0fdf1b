/* Labelled texts from files in a folder or an archive: a folder for each class. */
#include "base/utf8.h"
#include "data/file/class_list.h"
#include "data/file/text_records.h"
#include "data/parts.h"
#include "data/text/text_samples.h"
#include "data/text/vocabulary.h"

static bool is_text_file(const char *name)
{
    static const char *const endings[] = {"txt", NULL};
    return fm_has_ending(name, endings);
}

static const fm_file_kind text_files = {"texts", "names that end with .txt", is_text_file};

typedef struct opening {
    fm_context *context;
    const fm_text_classes_options *options;
    const char *folder;
    fm_file_list *list;
    fm_file_parts parts;
    fm_class_list classes;
    int64_t bytes; /* of all texts so far */
    bool utf8;     /* the vocabulary wants it */
    /* of the part that is read; with room for all files */
    const char **texts;
    char **owned; /* of a folder's files; an archive has its texts in memory */
    size_t *sizes;
    int32_t *labels;
    size_t count;
} opening;

static fm_status take_text(opening *o, const fm_listed_file *file, int32_t label)
{
    size_t n = o->count;
    int64_t left = o->options->memory_limit - o->bytes;
    fm_status status = FM_OK;
    if (file->bytes) {
        o->texts[n] = (const char *)file->bytes;
        o->sizes[n] = file->size;
        fm_utf8_skip_mark(&o->texts[n], &o->sizes[n]);
        if (o->sizes[n] > (size_t)left) status = FM_ERROR_LIMIT;
    } else {
        status = fm_text_file_read(o->context, file->path, left, &o->owned[n], &o->sizes[n]);
        o->texts[n] = o->owned[n];
    }
    if (status == FM_ERROR_LIMIT) {
        return fm_fail(o->context, status,
                       "%s: the texts take more than the %lld bytes accepted here", o->folder,
                       (long long)o->options->memory_limit);
    }
    if (status == FM_OK && o->utf8) {
        status = fm_text_check(o->context, file->path, o->texts[n], o->sizes[n]);
    }
    if (status != FM_OK) return status;
    o->bytes += (int64_t)o->sizes[n];
    o->labels[n] = label;
    o->count++;
    return FM_OK;
}

static fm_status take_part(opening *o, const char *part)
{
    fm_status status = FM_OK;
    for (size_t i = 0; i < o->list->count && status == FM_OK; i++) {
        int32_t label;
        status = fm_class_list_label(&o->classes, o->list, i, part, &label);
        if (label >= 0) status = take_text(o, &o->list->files[i], label);
    }
    if (status != FM_OK || o->count > 0) return status;
    return fm_fail(o->context, FM_ERROR_FORMAT, "%s: holds no texts in folders of classes in %s",
                   o->folder, part);
}

static void release_texts(opening *o)
{
    for (size_t i = 0; o->owned && i < o->list->count; i++) {
        fm_release(o->context, o->owned[i]);
        o->owned[i] = NULL;
    }
    o->count = 0;
}

static fm_status make_part(fm_context *context, const void *argument, fm_data_part part,
                           fm_dataset **dataset)
{
    opening *o = (opening *)(uintptr_t)argument;
    *dataset = NULL;
    if (!o->parts.folder[part]) return FM_OK;
    fm_status status = take_part(o, o->parts.folder[part]);
    fm_column column = {.kind = FM_COLUMN_CATEGORICAL,
                        .category_count = o->classes.count,
                        .categories = o->classes.names};
    fm_labelled_texts texts = {.name = part == FM_DATA_TRAIN ? "texts train" : "texts test",
                               .origin = o->folder,
                               .count = (int64_t)o->count,
                               .texts = o->texts,
                               .sizes = o->sizes,
                               .labels = o->labels,
                               .classes = &column};
    if (status == FM_OK) {
        status = fm_dataset_from_texts(context, &texts, &o->options->form, dataset);
    }
    release_texts(o);
    return status;
}

static fm_status ask_vocabulary(opening *o)
{
    fm_text_form form = o->options->form;
    fm_status status = fm_text_form_complete(o->context, o->folder, &form);
    if (status == FM_OK) o->utf8 = fm_vocabulary_kind_at(form.vocabulary.kind)->utf8;
    return status;
}

static fm_status take_memory(opening *o)
{
    size_t count = o->list->count;
    o->texts = fm_allocate_array(o->context, count, sizeof *o->texts);
    o->sizes = fm_allocate_array(o->context, count, sizeof *o->sizes);
    o->labels = fm_allocate_array(o->context, count, sizeof *o->labels);
    o->owned = fm_allocate_array(o->context, count, sizeof *o->owned);
    if (!o->texts || !o->sizes || !o->labels || !o->owned) return fm_error_status(o->context);
    for (size_t i = 0; i < count; i++) o->owned[i] = NULL;
    return FM_OK;
}

fm_status fm_text_folder_open(fm_context *context, const char *folder,
                              const fm_text_classes_options *options, fm_dataset **train,
                              fm_dataset **test)
{
    opening o = {.context = context,
                 .options = options,
                 .folder = folder,
                 .classes = FM_CLASS_LIST(context)};
    *train = NULL;
    if (test) *test = NULL;
    fm_status status = ask_vocabulary(&o);
    if (status == FM_OK) status = fm_file_list_open(context, &text_files, folder, &o.list);
    if (status == FM_OK) {
        o.parts = fm_file_list_parts(o.list);
        status = fm_class_list_take_folders(&o.classes, o.list, o.parts.folder[0], folder);
    }
    if (status == FM_OK) status = take_memory(&o);
    if (status == FM_OK) status = fm_make_parts(context, make_part, &o, train, test);
    fm_release(context, o.texts);
    fm_release(context, o.owned);
    fm_release(context, o.sizes);
    fm_release(context, o.labels);
    fm_class_list_release(&o.classes);
    fm_file_list_release(o.list);
    return status;
}
