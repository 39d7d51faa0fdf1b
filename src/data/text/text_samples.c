#include "data/text/text_samples.h"
#include "data/buckets.h"
#include "base/checked.h"
#include "base/fields.h"
#include "base/utf8.h"
#include "data/text/text_fields.h"

#include <stdlib.h>
#include <string.h>

enum { DEFAULT_WINDOW = 64, MOST_BY_DEFAULT = 512, DEFAULT_BATCH = 32 };

const char *const fm_text_side_names[] = {"end", "start", NULL};

/* The last bucket is the length of the set: it is put there where it is missing. */
static fm_status complete_buckets(fm_context *context, const char *owner, fm_text_form *form)
{
    fm_ints *lengths = &form->bucket_lengths;
    if (form->running && (form->buckets != 0 || lengths->count > 0)) {
        return fm_fail(context, FM_ERROR_ARGUMENT,
                       "%s: buckets are for texts of several lengths, windows have one", owner);
    }
    if (form->buckets < 0 || form->buckets > FM_MAX_LIST) {
        return fm_fail(context, FM_ERROR_ARGUMENT, "%s: at most %d buckets, received %lld", owner,
                       FM_MAX_LIST, (long long)form->buckets);
    }
    if (lengths->count == 0) return FM_OK;
    if (form->buckets != 0) {
        return fm_fail(context, FM_ERROR_ARGUMENT,
                       "%s: give buckets, their number, or bucket_lengths, not both", owner);
    }
    const int64_t longest = lengths->at[lengths->count - 1];
    if (form->length == 0) form->length = longest;
    bool good = lengths->count <= FM_MAX_LIST && longest <= form->length;
    for (int i = 0; i < lengths->count && good; i++) {
        good = lengths->at[i] > (i > 0 ? lengths->at[i - 1] : 0);
    }
    if (good && longest < form->length) {
        good = lengths->count < FM_MAX_LIST;
        if (good) lengths->at[lengths->count++] = form->length;
    }
    if (good) return FM_OK;
    return fm_fail(context, FM_ERROR_ARGUMENT,
                   "%s: bucket_lengths ascend, from 1 to length, %lld, and are at most %d with it",
                   owner, (long long)form->length, FM_MAX_LIST);
}

fm_status fm_text_form_complete(fm_context *context, const char *owner, fm_text_form *form)
{
    if (form->running) {
        form->length = fm_or_int(form->length, DEFAULT_WINDOW);
        form->stride = fm_or_int(form->stride, form->length);
    }
    fm_status status = fm_fields_complete(context, fm_vocabulary_fields, &form->vocabulary, owner);
    if (status != FM_OK) return status;
    if (form->length < 0 || form->stride < 0 || form->length > FM_MOST_TOKENS) {
        return fm_fail(context, FM_ERROR_ARGUMENT,
                       "%s: length is at most %d tokens, neither it nor stride is negative; "
                       "received %lld and %lld",
                       owner, FM_MOST_TOKENS, (long long)form->length, (long long)form->stride);
    }
    status = complete_buckets(context, owner, form);
    if (status != FM_OK) return status;
    if (form->stateful && form->stride != form->length) {
        return fm_fail(context, FM_ERROR_ARGUMENT,
                       "%s: stateful windows follow each other: the stride is the length, %lld, "
                       "received %lld",
                       owner, (long long)form->length, (long long)form->stride);
    }
    return FM_OK;
}

static const char *kind_of(const fm_text_form *text)
{
    return !text ? "numbers" : text->running ? "a running text" : "a text a sample";
}

fm_status fm_text_match(fm_context *context, const fm_dataset_info *received,
                        const fm_dataset_info *wanted)
{
    const fm_text_form *have = received->text, *want = wanted->text;
    bool same = !have == !want && (!have || have->running == want->running);
    if (same) return FM_OK;
    return fm_fail(context, FM_ERROR_SHAPE,
                   "data set \"%s\": \"x\" is %s, the transform was fitted on %s", received->name,
                   kind_of(have), kind_of(want));
}

/* ---- running texts --------------------------------------------------------------------------- */

/* A position moved to the next beginning of a character. */
static int64_t character_at(const char *text, int64_t count, int64_t at)
{
    enum { MOST = 3 };
    for (int i = 0; i < MOST && at > 0 && at < count; i++, at++) {
        if (!fm_utf8_continues(text[at])) break;
    }
    return at;
}

/* The part of a running text that the set is. */
static fm_status find_part(fm_context *context, const fm_dataset *dataset, const char **text,
                           size_t *size)
{
    if (dataset->indices) {
        return fm_fail(
            context, FM_ERROR_ARGUMENT,
            "data set \"%s\": a running text is split by position: its parts are not drawn "
            "(shuffle)",
            dataset->info.name);
    }
    const fm_dataset *root = dataset->root ? dataset->root : dataset;
    const char *all = fm_dataset_memory(root, 0);
    if (!all) {
        return fm_fail(context, FM_ERROR_UNSUPPORTED,
                       "data set \"%s\": a running text must lie in memory in one piece",
                       dataset->info.name);
    }
    int64_t begin = character_at(all, root->info.count, dataset->first);
    int64_t end = character_at(all, root->info.count, dataset->first + dataset->info.count);
    *text = all + begin;
    *size = (size_t)(end - begin);
    return FM_OK;
}

typedef struct windows {
    int32_t *tokens;
    int64_t length, stride;
    int64_t rows, steps; /* rows 0: window i begins at i * stride */
} windows;

static int64_t window_start(const windows *w, int64_t i)
{
    if (w->rows == 0) return i * w->stride;
    return (i % w->rows * w->steps + i / w->rows) * w->length;
}

static fm_status read_windows(const void *state, fm_context *context,
                              const fm_data_request *request)
{
    (void)context;
    const windows *w = state;
    size_t bytes = (size_t)w->length * sizeof *w->tokens;
    for (int64_t i = 0; i < request->count; i++) {
        int64_t number = request->indices ? (int64_t)request->indices[i] : request->first + i;
        int64_t start = window_start(w, number);
        for (int field = 0; field < 2; field++) {
            char *to = request->fields[field];
            if (to) memcpy(to + (size_t)i * bytes, w->tokens + start + field, bytes);
        }
    }
    return FM_OK;
}

static void release_windows(void *state, fm_context *context)
{
    windows *w = state;
    fm_release(context, w->tokens);
    fm_release(context, w);
}

static const fm_data_source window_source = {
    .kind = "text", .read = read_windows, .release = release_windows};

static fm_status fail_short(fm_context *context, const fm_dataset *dataset, const windows *w,
                            int64_t tokens)
{
    if (w->rows == 0) {
        return fm_fail(
            context, FM_ERROR_ARGUMENT,
            "data set \"%s\": %lld tokens; a window of %lld and the token behind it need "
            "%lld. Take a smaller length, or more text",
            dataset->info.name, (long long)tokens, (long long)w->length, (long long)w->length + 1);
    }
    return fm_fail(context, FM_ERROR_ARGUMENT,
                   "data set \"%s\": %lld tokens; %lld rows (batch_size) of a window of %lld need "
                   "%lld. Take a smaller length or batch_size, or more text",
                   dataset->info.name, (long long)tokens, (long long)w->rows, (long long)w->length,
                   (long long)(w->rows * w->length + 1));
}

static fm_status encode_running(fm_context *context, const fm_dataset *dataset,
                                const fm_transform *transform, windows *w, int64_t *count)
{
    const char *text;
    size_t size;
    fm_status status = find_part(context, dataset, &text, &size);
    if (status != FM_OK) return status;
    /* a token has a byte at least */
    w->tokens = fm_allocate_array(context, size, sizeof *w->tokens);
    if (!w->tokens) return fm_error_status(context);
    return fm_vocabulary_encode(context, transform->vocabulary, text, size, w->tokens,
                                (int64_t)size, count);
}

static fm_status make_windows(fm_context *context, const fm_dataset *dataset,
                              const fm_transform *transform, windows *w, int64_t *count)
{
    const fm_text_form *form = transform->input.text;
    int64_t tokens;
    w->length = form->length;
    w->stride = form->stride;
    w->rows = transform->rows;
    fm_status status = encode_running(context, dataset, transform, w, &tokens);
    if (status != FM_OK) return status;
    if (w->rows == 0) {
        *count = tokens > w->length ? (tokens - 1 - w->length) / w->stride + 1 : 0;
    } else {
        w->steps = (tokens - 1) / (w->rows * w->length);
        *count = w->rows * w->steps;
    }
    return *count > 0 ? FM_OK : fail_short(context, dataset, w, tokens);
}

fm_status fm_text_windows(fm_context *context, const fm_dataset *dataset,
                          const fm_transform *transform, fm_dataset **result)
{
    *result = NULL;
    windows *w = fm_allocate_zeroed(context, sizeof *w);
    if (!w) return FM_ERROR_MEMORY;
    fm_dataset_info info = transform->output;
    info.name = dataset->info.name;
    info.origin = dataset->info.origin;
    fm_status status = make_windows(context, dataset, transform, w, &info.count);
    if (status != FM_OK) {
        release_windows(w, context);
        return status;
    }
    return fm_dataset_create(context, &window_source, w, &info, result);
}

/* ---- a text a sample ------------------------------------------------------------------------- */

/* Which of a text's tokens are kept, from which on, and where they stand in the sample. */
typedef struct fitted_text {
    int64_t kept, from, at;
} fitted_text;

static fitted_text fit_text(const fm_text_form *form, int64_t count)
{
    fitted_text fitted = {.kept = count < form->length ? count : form->length};
    if (form->truncate == FM_TEXT_START) fitted.from = count - fitted.kept;
    if (form->pad == FM_TEXT_START) fitted.at = form->length - fitted.kept;
    return fitted;
}

static fm_status encode_text(fm_context *context, const fm_transform *transform, const char *text,
                             size_t size, int32_t *scratch, int32_t *to, int32_t *real)
{
    const fm_text_form *form = transform->input.text;
    int64_t count;
    fm_status status = fm_vocabulary_encode(context, transform->vocabulary, text, size, scratch,
                                            (int64_t)size, &count);
    if (status != FM_OK) return status;
    const fitted_text fitted = fit_text(form, count);
    for (int64_t i = 0; i < form->length; i++) to[i] = FM_TOKEN_PADDING;
    memcpy(to + fitted.at, scratch + fitted.from, (size_t)fitted.kept * sizeof *to);
    *real = (int32_t)fitted.kept;
    return FM_OK;
}

fm_status fm_text_written(fm_context *context, const fm_transform *transform, const char *text,
                          size_t size, fm_written *written)
{
    const fm_text_form *form = transform->input.text;
    int64_t count;
    fm_written *all =
        fm_allocate_array(context, size, sizeof *all); /* a token has a byte at least */
    if (!all) return fm_error_status(context);
    for (size_t i = 0; i < size; i++) all[i] = (fm_written){0};
    fm_status status = fm_vocabulary_written(context, transform->vocabulary, text, size, all,
                                             (int64_t)size, &count);
    const fitted_text fitted = fit_text(form, status == FM_OK ? count : 0);
    for (int64_t i = 0; i < form->length; i++) written[i] = (fm_written){0};
    if (fitted.kept > 0) {
        memcpy(written + fitted.at, all + fitted.from, (size_t)fitted.kept * sizeof *written);
    }
    fm_release(context, all);
    return status;
}

static size_t longest_text(const fm_dataset *dataset)
{
    size_t longest = 0, size;
    for (int64_t i = 0; i < dataset->info.count; i++) {
        fm_dataset_text(dataset, i, &size);
        if (size > longest) longest = size;
    }
    return longest;
}

static fm_status encode_each(fm_context *context, const fm_dataset *dataset,
                             const fm_transform *transform, int32_t *scratch, int32_t *tokens,
                             int32_t *lengths)
{
    int64_t length = transform->input.text->length;
    fm_status status = FM_OK;
    for (int64_t i = 0; i < dataset->info.count && status == FM_OK; i++) {
        size_t size;
        const char *text = fm_dataset_text(dataset, i, &size);
        status =
            encode_text(context, transform, text, size, scratch, tokens + i * length, &lengths[i]);
    }
    return status;
}

fm_status fm_text_encode_all(fm_context *context, const fm_dataset *dataset,
                             const fm_transform *transform, int32_t **tokens, int32_t **lengths)
{
    size_t length = (size_t)transform->input.text->length, bytes;
    *tokens = *lengths = NULL;
    if (!fm_checked_mul(length, sizeof **tokens, &bytes)) {
        return fm_fail(context, FM_ERROR_LIMIT, "samples of %zu tokens", length);
    }
    *tokens = fm_allocate_array(context, (size_t)dataset->info.count, bytes);
    *lengths = fm_allocate_array(context, (size_t)dataset->info.count, sizeof **lengths);
    int32_t *scratch = fm_allocate_array(context, longest_text(dataset), sizeof *scratch);
    fm_status status = *tokens && *lengths && scratch
                           ? encode_each(context, dataset, transform, scratch, *tokens, *lengths)
                           : fm_error_status(context);
    fm_release(context, scratch);
    if (status == FM_OK) return FM_OK;
    fm_release(context, *tokens);
    fm_release(context, *lengths);
    *tokens = *lengths = NULL;
    return status;
}

/* ---- fitting --------------------------------------------------------------------------------- */

static int ascending(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

/* The tokens of each text, sorted. */
static fm_status count_tokens(const fm_transform *transform, const fm_dataset *training,
                              int64_t *counts)
{
    int64_t count = training->info.count;
    fm_status status = FM_OK;
    for (int64_t i = 0; i < count && status == FM_OK; i++) {
        size_t size;
        const char *text = fm_dataset_text(training, i, &size);
        status = fm_vocabulary_encode(transform->context, transform->vocabulary, text, size, NULL,
                                      0, &counts[i]);
    }
    if (status == FM_OK) qsort(counts, (size_t)count, sizeof *counts, ascending);
    return status;
}

/* length: what holds 95 in 100 texts, at most MOST_BY_DEFAULT. */
static fm_status choose_lengths(const fm_transform *transform, const fm_dataset *training,
                                fm_text_form *form)
{
    int64_t count = training->info.count;
    if (form->length > 0 && form->buckets < 2) return FM_OK;
    int64_t *counts = fm_allocate_array(transform->context, (size_t)count, sizeof *counts);
    if (!counts) return fm_error_status(transform->context);
    fm_status status = count_tokens(transform, training, counts);
    if (status == FM_OK && form->length == 0) {
        int64_t length = counts[(count - 1) * 95 / 100];
        form->length = length < 1 ? 1 : length < MOST_BY_DEFAULT ? length : MOST_BY_DEFAULT;
    }
    if (status == FM_OK && form->buckets > 1) {
        fm_buckets_choose(counts, count, form->length, (int)form->buckets, &form->bucket_lengths);
        form->buckets = 0;
    }
    fm_release(transform->context, counts);
    return status;
}

typedef struct part {
    const char *text;
    size_t size;
} part;

static const char *only_text(const void *user, int64_t i, size_t *size)
{
    const part *p = user;
    *size = p->size;
    return i == 0 ? p->text : NULL;
}

static const char *next_text(const void *user, int64_t i, size_t *size)
{
    return fm_dataset_text(user, i, size);
}

static fm_status learn(fm_transform *transform, const fm_dataset *training,
                       const fm_text_form *form)
{
    fm_context *context = transform->context;
    part p;
    if (!form->running) {
        return fm_vocabulary_learn(context, (fm_texts){next_text, training}, &form->vocabulary,
                                   &transform->vocabulary);
    }
    fm_status status = find_part(context, training, &p.text, &p.size);
    if (status != FM_OK) return status;
    return fm_vocabulary_learn(context, (fm_texts){only_text, &p}, &form->vocabulary,
                               &transform->vocabulary);
}

fm_status fm_text_fit(fm_transform *transform, const fm_dataset *training, int64_t batch_size)
{
    fm_text_form *form = (fm_text_form *)(uintptr_t)transform->input.text; /* our copy */
    fm_status status = learn(transform, training, form);
    if (status != FM_OK) return status;
    form->vocabulary = *fm_vocabulary_about(transform->vocabulary);
    if (form->stateful) transform->rows = fm_or_int(batch_size, DEFAULT_BATCH);
    return choose_lengths(transform, training, form);
}
