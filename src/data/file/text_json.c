#include "data/file/text_json.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "data/text/text_fields.h"
#include "data/text/text_samples.h"
#include "fathom/data_files.h"

#include <string.h>

/* ---- writing --------------------------------------------------------------------------------- */

static json_t *token_string(const fm_vocabulary *v, int64_t first, int64_t last)
{
    size_t begin = v->ends[first - 1], end = v->ends[last];
    return json_stringn(v->bytes.bytes + begin, end - begin);
}

static json_t *write_characters(const fm_vocabulary *v, bool *failed)
{
    (void)failed;
    return v->size == FM_FIRST_TOKEN ? json_string("")
                                     : token_string(v, FM_FIRST_TOKEN, v->size - 1);
}

static json_t *write_words(const fm_vocabulary *v, bool *failed)
{
    json_t *list = json_array();
    for (int64_t token = FM_FIRST_TOKEN; token < v->size; token++) {
        fm_json_append(list, token_string(v, token, token), failed);
    }
    return list;
}

/* Two numbers for each merge, in their order. */
static json_t *write_merges(const fm_vocabulary *v, bool *failed)
{
    json_t *list = json_array();
    size_t numbers = 2 * (size_t)(v->size - FM_BYTE_TOKENS);
    for (size_t i = 0; i < numbers; i++) fm_json_append(list, json_integer(0), failed);
    for (size_t i = 0; i < v->pairs.slot_count && !*failed; i++) {
        const fm_pair_slot *slot = &v->pairs.slots[i];
        if (!slot->used) continue;
        size_t place = 2 * (size_t)(slot->value - FM_BYTE_TOKENS);
        json_integer_set(json_array_get(list, place), slot->a);
        json_integer_set(json_array_get(list, place + 1), slot->b);
    }
    return list;
}

json_t *fm_text_form_write(const fm_text_form *form, int64_t rows, bool *failed)
{
    json_t *object = json_object();
    fm_json_set(object, "running", json_boolean(form->running), failed);
    fm_json_set(object, "length", json_integer(form->length), failed);
    if (form->running) {
        fm_json_set(object, "stride", json_integer(form->stride), failed);
        fm_json_set(object, "stateful", json_boolean(form->stateful), failed);
        fm_json_set(object, "rows", json_integer(rows), failed);
    } else {
        fm_json_set(object, "truncate", json_string(fm_text_side_names[form->truncate]), failed);
        fm_json_set(object, "pad", json_string(fm_text_side_names[form->pad]), failed);
    }
    if (form->bucket_lengths.count == 0) return object;
    json_t *buckets = json_array();
    for (int i = 0; i < form->bucket_lengths.count; i++) {
        fm_json_append(buckets, json_integer(form->bucket_lengths.at[i]), failed);
    }
    fm_json_set(object, "buckets", buckets, failed);
    return object;
}

/* ---- reading --------------------------------------------------------------------------------- */

static fm_status fail_json(fm_context *context, const char *words)
{
    return fm_fail(context, FM_ERROR_FORMAT, "vocabulary: %s", words);
}

static fm_status read_characters(fm_vocabulary *v, const json_t *tokens)
{
    const char *text = json_string_value(tokens);
    size_t size = json_string_length(tokens);
    uint32_t before = 0, code = 0;
    if (!text) return fail_json(v->context, "characters are a string");
    fm_status status = FM_OK;
    for (size_t at = 0, length; at < size && status == FM_OK; at += length, before = code) {
        length = fm_utf8_next(text + at, size - at, &code);
        if (length == 0 || code <= before) {
            return fail_json(v->context, "characters are in the order of their code points");
        }
        status = fm_vocabulary_add(v, text + at, length);
    }
    return status;
}

static fm_status read_words(fm_vocabulary *v, const json_t *tokens)
{
    fm_status status = FM_OK;
    if (!json_is_array(tokens)) return fail_json(v->context, "words are a list");
    for (size_t i = 0; i < json_array_size(tokens) && status == FM_OK; i++) {
        const json_t *word = json_array_get(tokens, i);
        if (!json_is_string(word) || json_string_length(word) == 0 ||
            strlen(json_string_value(word)) != json_string_length(word)) {
            return fail_json(v->context, "a word is a string that is not empty");
        }
        status = fm_vocabulary_add(v, json_string_value(word), json_string_length(word));
    }
    return status;
}

static fm_status read_merges(fm_vocabulary *v, const json_t *tokens)
{
    size_t count = json_array_size(tokens);
    fm_status status = FM_OK;
    if (!json_is_array(tokens) || count % 2 != 0) {
        return fail_json(v->context, "merges are a list of two numbers each");
    }
    for (size_t i = 0; i < count && status == FM_OK; i += 2) {
        int64_t pair[2];
        for (size_t k = 0; k < 2; k++) {
            const json_t *number = json_array_get(tokens, i + k);
            pair[k] = json_is_integer(number) ? json_integer_value(number) : 0;
            if (pair[k] < 1 || pair[k] >= v->size) {
                return fail_json(v->context, "a merge is of two tokens before it");
            }
        }
        if (fm_pair_get(&v->pairs, (uint32_t)pair[0], (uint32_t)pair[1])) {
            return fail_json(v->context, "a pair is merged once");
        }
        status = fm_vocabulary_add_pair(v, (uint32_t)pair[0], (uint32_t)pair[1]);
    }
    return status;
}

/* ---- kinds ----------------------------------------------------------------------------------- */

/* Where a kind keeps its tokens, and how they are read. */
typedef struct kind_json {
    const char *key;
    json_t *(*write)(const fm_vocabulary *v, bool *failed);
    fm_status (*read)(fm_vocabulary *v, const json_t *tokens);
} kind_json;

static const kind_json kinds[] = {
    [FM_VOCABULARY_CHARACTERS] = {"characters", write_characters, read_characters},
    [FM_VOCABULARY_BYTES] = {NULL, NULL, NULL},
    [FM_VOCABULARY_WORDS] = {"words", write_words, read_words},
    [FM_VOCABULARY_BPE] = {"merges", write_merges, read_merges},
};

json_t *fm_vocabulary_write(const fm_vocabulary *v, bool *failed)
{
    const fm_vocabulary_options *o = &v->options;
    json_t *object = json_object();
    fm_json_set(object, "kind", json_string(fm_vocabulary_kind_names[o->kind]), failed);
    fm_json_set(object, "size", json_integer(o->size), failed);
    fm_json_set(object, "min_count", json_integer(o->min_count), failed);
    if (o->kind == FM_VOCABULARY_WORDS) {
        fm_json_set(object, "lowercase", json_boolean(!o->keep_case), failed);
        fm_json_set(object, "punctuation", json_string(fm_punctuation_names[o->punctuation]),
                    failed);
    }
    const kind_json *kind = &kinds[o->kind];
    if (kind->key) fm_json_set(object, kind->key, kind->write(v, failed), failed);
    return object;
}

fm_status fm_vocabulary_to_json(fm_context *context, const fm_vocabulary *vocabulary, char **json)
{
    bool failed = false;
    json_t *object = fm_vocabulary_write(vocabulary, &failed);
    return fm_json_text(context, object, failed, "vocabulary", json);
}

static int64_t whole(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return json_is_integer(value) ? json_integer_value(value) : -1;
}

static fm_status read_options(fm_context *context, const json_t *object,
                              fm_vocabulary_options *options)
{
    *options = (fm_vocabulary_options){
        .kind = fm_json_choice(fm_vocabulary_kind_names, json_object_get(object, "kind")),
        .size = whole(object, "size"),
        .min_count = whole(object, "min_count")};
    if (options->kind < 0 || options->size < 1 || options->min_count < 1) {
        return fail_json(context, "a vocabulary has a kind, a size and a min_count");
    }
    if (options->kind != FM_VOCABULARY_WORDS) return FM_OK;
    options->keep_case = !json_is_true(json_object_get(object, "lowercase"));
    options->punctuation =
        fm_json_choice(fm_punctuation_names, json_object_get(object, "punctuation"));
    return options->punctuation < 0 ? fail_json(context, "words have a punctuation") : FM_OK;
}

fm_status fm_vocabulary_read(fm_context *context, const json_t *object, fm_vocabulary **vocabulary)
{
    fm_vocabulary_options options;
    fm_vocabulary *v;
    *vocabulary = NULL;
    fm_status status = read_options(context, object, &options);
    if (status == FM_OK) status = fm_vocabulary_begin(context, &options, &v);
    if (status != FM_OK) return status;
    const kind_json *kind = &kinds[options.kind];
    if (kind->key) status = kind->read(v, json_object_get(object, kind->key));
    if (status == FM_OK && v->size > options.size) {
        status = fail_json(context, "there are more tokens than its size says");
    }
    if (status == FM_OK) status = v->kind->index(v);
    if (status == FM_OK && options.kind == FM_VOCABULARY_WORDS &&
        (int64_t)v->words.count != v->size - FM_FIRST_TOKEN) {
        status = fail_json(context, "a word is there once");
    }
    if (status == FM_OK) {
        *vocabulary = v;
    } else {
        fm_vocabulary_destroy(v);
    }
    return status;
}

fm_status fm_vocabulary_from_json(fm_context *context, const char *json, size_t size,
                                  fm_vocabulary **vocabulary)
{
    json_error_t error;
    *vocabulary = NULL;
    json_t *object = json_loadb(json, size, JSON_REJECT_DUPLICATES, &error);
    if (!object) {
        return fm_fail(context, FM_ERROR_FORMAT, "vocabulary: JSON line %d, column %d: %s",
                       error.line, error.column, error.text);
    }
    fm_status status = fm_vocabulary_read(context, object, vocabulary);
    json_decref(object);
    return status;
}

/* Their order is checked with the form. */
static bool read_buckets(const json_t *list, fm_ints *buckets)
{
    size_t count = json_array_size(list);
    if (list && (!json_is_array(list) || count > FM_MAX_LIST)) return false;
    for (size_t i = 0; i < count; i++) {
        const json_t *length = json_array_get(list, i);
        buckets->at[i] = json_is_integer(length) ? json_integer_value(length) : -1;
    }
    buckets->count = (int)count;
    return true;
}

fm_status fm_text_form_read(fm_context *context, const json_t *object, fm_text_form *form,
                            int64_t *rows)
{
    enum { MOST_ROWS = 1 << 24 };
    *form = (fm_text_form){.running = json_is_true(json_object_get(object, "running")),
                           .length = whole(object, "length")};
    *rows = 0;
    if (form->running) {
        form->stride = whole(object, "stride");
        form->stateful = json_is_true(json_object_get(object, "stateful"));
        *rows = whole(object, "rows");
    } else {
        form->truncate = fm_json_choice(fm_text_side_names, json_object_get(object, "truncate"));
        form->pad = fm_json_choice(fm_text_side_names, json_object_get(object, "pad"));
    }
    bool good = form->length >= 1 && form->truncate >= 0 && form->pad >= 0 && *rows >= 0 &&
                *rows <= MOST_ROWS && (*rows > 0) == form->stateful &&
                (!form->running || form->stride >= 1) &&
                read_buckets(json_object_get(object, "buckets"), &form->bucket_lengths);
    if (!good) {
        return fail_json(
            context, "a text has a length, a stride, rows, truncate and pad, buckets are a list");
    }
    return fm_text_form_complete(context, "transform", form);
}
