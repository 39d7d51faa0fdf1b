/* Sets of texts in memory. */
#include "base/checked.h"
#include "data/array_source.h"
#include "data/text/text_samples.h"

#include <stdio.h>
#include <string.h>

/* ---- a running text -------------------------------------------------------------------------- */

fm_status fm_dataset_from_text(fm_context *context, const char *name, const char *text, size_t size,
                               const fm_text_form *form, fm_dataset **dataset)
{
    fm_text_form filled = form ? *form : (fm_text_form){0};
    *dataset = NULL;
    filled.running = true;
    fm_status status = fm_text_form_complete(context, name, &filled);
    if (status != FM_OK) return status;
    if (size == 0) return fm_fail(context, FM_ERROR_FORMAT, "%s: the text is empty", name);
    if (fm_vocabulary_kind_at(filled.vocabulary.kind)->utf8) {
        status = fm_text_check(context, name, text, size);
        if (status != FM_OK) return status;
    }
    void *copy = fm_copy_bytes(context, text, size);
    if (!copy) return FM_ERROR_MEMORY;
    fm_dataset_info info = {.name = name,
                            .origin = name,
                            .count = (int64_t)size,
                            .field_count = 1,
                            .text = &filled,
                            .fields = {{.name = "x", .dtype = FM_U8}}};
    return fm_dataset_adopt_arrays(context, &info, &copy, dataset);
}

/* ---- a text a sample ------------------------------------------------------------------------- */

typedef struct labelled {
    char *bytes;
    size_t *ends; /* where each text ends in bytes */
    int32_t *labels;
} labelled;

static const char *labelled_text(const void *state, int64_t position, size_t *size)
{
    const labelled *l = state;
    size_t begin = position > 0 ? l->ends[position - 1] : 0;
    *size = l->ends[position] - begin;
    return l->bytes + begin;
}

static fm_status read_labelled(const void *state, fm_context *context,
                               const fm_data_request *request)
{
    (void)context;
    const labelled *l = state;
    int64_t *sizes = request->fields[0];
    int32_t *labels = request->fields[1];
    for (int64_t i = 0; i < request->count; i++) {
        int64_t position = request->indices ? (int64_t)request->indices[i] : request->first + i;
        size_t size;
        labelled_text(l, position, &size);
        if (sizes) sizes[i] = (int64_t)size;
        if (labels) labels[i] = l->labels[position];
    }
    return FM_OK;
}

static void release_labelled(void *state, fm_context *context)
{
    labelled *l = state;
    fm_release(context, l->bytes);
    fm_release(context, l->ends);
    fm_release(context, l->labels);
    fm_release(context, l);
}

static const fm_data_source labelled_source = {
    .kind = "texts", .read = read_labelled, .text = labelled_text, .release = release_labelled};

static size_t size_of(const fm_labelled_texts *texts, int64_t i)
{
    return texts->sizes ? texts->sizes[i] : strlen(texts->texts[i]);
}

static fm_status check_labelled(fm_context *context, const fm_labelled_texts *texts, bool utf8,
                                size_t *total)
{
    fm_status status = FM_OK;
    *total = 0;
    for (int64_t i = 0; i < texts->count && status == FM_OK; i++) {
        if (!fm_checked_add(*total, size_of(texts, i), total)) {
            return fm_fail(context, FM_ERROR_LIMIT, "%s: the texts do not fit into memory",
                           texts->name);
        }
        if (utf8 && texts->texts[i]) {
            char name[256];
            snprintf(name, sizeof name, "%.200s, text %lld", texts->name, (long long)i);
            status = fm_text_check(context, name, texts->texts[i], size_of(texts, i));
        }
        if (status == FM_OK && texts->classes &&
            (texts->labels[i] < 0 || texts->labels[i] >= texts->classes->category_count)) {
            status = fm_fail(context, FM_ERROR_ARGUMENT,
                             "%s: text %lld has the label %d, classes go from 0 to %lld",
                             texts->name, (long long)i, (int)texts->labels[i],
                             (long long)texts->classes->category_count - 1);
        }
    }
    return status;
}

static fm_status copy_labelled(fm_context *context, const fm_labelled_texts *texts, size_t total,
                               labelled *l)
{
    size_t count = (size_t)texts->count, at = 0;
    l->bytes = fm_allocate(context, total);
    l->ends = fm_allocate_array(context, count, sizeof *l->ends);
    if (!l->bytes || !l->ends) return fm_error_status(context);
    for (size_t i = 0; i < count; i++) {
        size_t size = size_of(texts, (int64_t)i);
        if (size) memcpy(l->bytes + at, texts->texts[i], size);
        l->ends[i] = at += size;
    }
    if (!texts->classes) return FM_OK;
    l->labels = fm_allocate_array(context, count, sizeof *l->labels);
    if (!l->labels) return fm_error_status(context);
    if (count) memcpy(l->labels, texts->labels, count * sizeof *l->labels);
    return FM_OK;
}

fm_status fm_dataset_from_texts(fm_context *context, const fm_labelled_texts *texts,
                                const fm_text_form *form, fm_dataset **dataset)
{
    fm_text_form filled = form ? *form : (fm_text_form){0};
    size_t total;
    *dataset = NULL;
    filled.running = false;
    fm_status status = fm_text_form_complete(context, texts->name, &filled);
    if (status != FM_OK) return status;
    bool utf8 = fm_vocabulary_kind_at(filled.vocabulary.kind)->utf8;
    status = check_labelled(context, texts, utf8, &total);
    if (status != FM_OK) return status;
    labelled *l = fm_allocate_zeroed(context, sizeof *l);
    if (!l) return FM_ERROR_MEMORY;
    status = copy_labelled(context, texts, total, l);
    if (status != FM_OK) {
        release_labelled(l, context);
        return status;
    }
    fm_dataset_info info = {.name = texts->name,
                            .origin = texts->origin ? texts->origin : texts->name,
                            .count = texts->count,
                            .field_count = texts->classes ? 2 : 1,
                            .text = &filled,
                            .fields = {{.name = "x", .dtype = FM_I64},
                                       {.name = "y", .dtype = FM_I32, .columns = texts->classes}}};
    return fm_dataset_create(context, &labelled_source, l, &info, dataset);
}
