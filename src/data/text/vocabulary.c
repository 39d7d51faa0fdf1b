/* What all vocabularies share: their tokens, options, and texts that are none. */
#define _GNU_SOURCE
#include "data/text/vocabulary.h"
#include "base/fields.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "data/text/text_fields.h"

#include <stdio.h>
#include <string.h>

const char *const fm_vocabulary_kind_names[] = {"characters", "bytes", "words", "bpe", NULL};
const char *const fm_punctuation_names[] = {"separate", "drop", "keep", NULL};

const fm_field fm_vocabulary_fields[] = {FM_VOCABULARY_FIELDS(fm_vocabulary_options, ), {0}};

static const fm_vocabulary_record *const records[] = {
    [FM_VOCABULARY_CHARACTERS] = &fm_characters_record,
    [FM_VOCABULARY_BYTES] = &fm_bytes_record,
    [FM_VOCABULARY_WORDS] = &fm_words_record,
    [FM_VOCABULARY_BPE] = &fm_byte_pairs_record,
};

const fm_vocabulary_record *fm_vocabulary_kind_at(int kind)
{
    return records[kind];
}

/* ---- texts that are none --------------------------------------------------------------------- */

fm_status fm_text_check(fm_context *context, const char *name, const char *text, size_t size)
{
    size_t at = fm_utf8_check(text, size);
    if (at == size) return FM_OK;
    long long line = 1;
    for (size_t i = 0; i < at; i++) line += text[i] == '\n';
    return fm_fail(
        context, FM_ERROR_FORMAT,
        "%s: byte %zu (line %lld) is 0x%02x, which is no UTF-8 text; convert it (iconv -t "
        "UTF-8), or take 'vocabulary: bytes' or 'bpe', which read any bytes",
        name, at, line, (unsigned char)text[at]);
}

/* ---- tokens ---------------------------------------------------------------------------------- */

fm_status fm_vocabulary_add(fm_vocabulary *v, const char *bytes, size_t size)
{
    if (v->size == FM_MOST_TOKENS || v->bytes.size + size > UINT32_MAX) {
        return fm_fail(v->context, FM_ERROR_LIMIT, "a vocabulary of more than %d tokens",
                       FM_MOST_TOKENS);
    }
    fm_status status =
        fm_grow(v->context, &v->ends, &v->ends_capacity, (size_t)v->size + 1, sizeof *v->ends);
    fm_text_add_bytes(&v->bytes, bytes, size);
    if (status == FM_OK) status = fm_text_status(&v->bytes);
    if (status == FM_OK) v->ends[v->size++] = (uint32_t)v->bytes.size;
    return status;
}

fm_status fm_vocabulary_add_pair(fm_vocabulary *v, uint32_t a, uint32_t b)
{
    char both[FM_LONGEST_PIECE];
    size_t left, right;
    const char *bytes = fm_vocabulary_token(v, (int32_t)a, &left);
    memcpy(both, bytes, left);
    bytes = fm_vocabulary_token(v, (int32_t)b, &right);
    if (left + right > FM_LONGEST_PIECE) {
        return fm_fail(v->context, FM_ERROR_LIMIT, "a token of more than %d bytes",
                       FM_LONGEST_PIECE);
    }
    memcpy(both + left, bytes, right);
    fm_status status = fm_pair_add(v->context, &v->pairs, a, b, (uint32_t)v->size);
    return status == FM_OK ? fm_vocabulary_add(v, both, left + right) : status;
}

const char *fm_vocabulary_token(const fm_vocabulary *v, int32_t token, size_t *size)
{
    *size = 0;
    if (token <= FM_TOKEN_PADDING || token >= v->size) return "";
    size_t begin = v->ends[token - 1];
    *size = v->ends[token] - begin;
    return v->bytes.bytes + begin;
}

int64_t fm_vocabulary_size(const fm_vocabulary *vocabulary)
{
    return vocabulary->size;
}

const fm_vocabulary_options *fm_vocabulary_about(const fm_vocabulary *vocabulary)
{
    return &vocabulary->options;
}

/* ---- making and ending ----------------------------------------------------------------------- */

static fm_status complete(fm_context *context, fm_vocabulary_options *options)
{
    fm_status status = fm_fields_complete(context, fm_vocabulary_fields, options, "vocabulary");
    if (status != FM_OK) return status;
    const fm_vocabulary_record *kind = records[options->kind];
    int64_t least = options->kind == FM_VOCABULARY_BPE || options->kind == FM_VOCABULARY_BYTES
                        ? FM_BYTE_TOKENS
                        : FM_FIRST_TOKEN + 1;
    options->size = fm_or_int(options->size, kind->default_size);
    options->min_count = fm_or_int(options->min_count, kind->default_min_count);
    if (options->size >= least && options->min_count >= 1) return FM_OK;
    return fm_fail(context, FM_ERROR_ARGUMENT,
                   "vocabulary: %s need a vocabulary_size of %lld or more and a min_count of 1 or "
                   "more; received %lld and %lld",
                   kind->name, (long long)least, (long long)options->size,
                   (long long)options->min_count);
}

static fm_status add_first(fm_vocabulary *v)
{
    fm_status status = fm_vocabulary_add(v, "", 0);
    if (status != FM_OK) return status;
    if (v->kind->utf8) return fm_vocabulary_add(v, FM_REPLACEMENT_BYTES, 3);
    for (int byte = 0; byte < 256 && status == FM_OK; byte++) {
        status = fm_vocabulary_add(v, &(char){(char)byte}, 1);
    }
    return status;
}

fm_status fm_vocabulary_begin(fm_context *context, const fm_vocabulary_options *options,
                              fm_vocabulary **vocabulary)
{
    fm_vocabulary_options filled = options ? *options : (fm_vocabulary_options){0};
    *vocabulary = NULL;
    fm_status status = complete(context, &filled);
    if (status != FM_OK) return status;
    fm_vocabulary *v = fm_allocate_zeroed(context, sizeof *v);
    if (!v) return FM_ERROR_MEMORY;
    v->context = v->bytes.context = v->words.context = context;
    v->kind = records[filled.kind];
    v->options = filled;
    status = add_first(v);
    if (status == FM_OK) {
        *vocabulary = v;
    } else {
        fm_vocabulary_destroy(v);
    }
    return status;
}

void fm_vocabulary_destroy(fm_vocabulary *v)
{
    if (!v) return;
    fm_text_release(&v->bytes);
    fm_map_release(&v->words);
    fm_pair_release(v->context, &v->pairs);
    fm_release(v->context, v->ends);
    fm_release(v->context, v->codes);
    fm_release(v->context, v);
}

static fm_status check_texts(fm_context *context, fm_texts texts)
{
    size_t size;
    for (int64_t i = 0;; i++) {
        const char *text = texts.at(texts.user, i, &size);
        if (!text) return FM_OK;
        char name[48];
        snprintf(name, sizeof name, "text %lld", (long long)i);
        fm_status status = fm_text_check(context, name, text, size);
        if (status != FM_OK) return status;
    }
}

fm_status fm_vocabulary_learn(fm_context *context, fm_texts texts,
                              const fm_vocabulary_options *options, fm_vocabulary **vocabulary)
{
    fm_vocabulary *v;
    *vocabulary = NULL;
    fm_status status = fm_vocabulary_begin(context, options, &v);
    if (status == FM_OK && v->kind->utf8) status = check_texts(context, texts);
    if (status == FM_OK) status = v->kind->learn(v, texts);
    if (status == FM_OK) status = v->kind->index(v);
    if (status == FM_OK) {
        *vocabulary = v;
    } else {
        fm_vocabulary_destroy(v);
    }
    return status;
}

/* ---- there and back -------------------------------------------------------------------------- */

static fm_status encode(fm_context *context, const fm_vocabulary *v, const char *text, size_t size,
                        fm_token_sink *sink)
{
    fm_status status = v->kind->utf8 ? fm_text_check(context, "text", text, size) : FM_OK;
    return status == FM_OK ? v->kind->encode(context, v, text, size, sink) : status;
}

fm_status fm_vocabulary_encode(fm_context *context, const fm_vocabulary *v, const char *text,
                               size_t size, int32_t *tokens, int64_t most, int64_t *count)
{
    fm_token_sink sink = {.tokens = tokens, .most = most};
    fm_status status = encode(context, v, text, size, &sink);
    *count = sink.count;
    return status;
}

fm_status fm_vocabulary_written(fm_context *context, const fm_vocabulary *v, const char *text,
                                size_t size, fm_written *written, int64_t most, int64_t *count)
{
    fm_token_sink sink = {.written = written, .most = most};
    fm_status status = encode(context, v, text, size, &sink);
    *count = sink.count;
    return status;
}

void fm_token_put_unknown(fm_token_sink *sink, const char *bytes, size_t size)
{
    enum { MOST_NAMED = 256 };
    if (sink->written && sink->count < sink->most) {
        sink->written[sink->count] = (fm_written){bytes, size};
    }
    fm_token_put(sink, FM_TOKEN_UNKNOWN);
    if (!sink->unknown || sink->unknown->size > MOST_NAMED) return;
    fm_text *names = sink->unknown;
    size_t before = names->size;
    fm_text_add(names, "%s'%.*s'", before ? ", " : "", (int)size, bytes);
    const char *name = names->bytes ? names->bytes + before + (before ? 2 : 0) : "";
    if (before == 0 || names->failed) return;
    if (memmem(names->bytes, before, name, strlen(name))) { /* it is there already */
        names->size = before;
        names->bytes[before] = '\0';
    }
}

fm_status fm_vocabulary_unknown(fm_context *context, const fm_vocabulary *v, const char *text,
                                size_t size, char **names)
{
    fm_text made = FM_TEXT(context);
    fm_token_sink sink = {.unknown = &made};
    *names = NULL;
    fm_status status = encode(context, v, text, size, &sink);
    if (status == FM_OK) status = fm_text_status(&made);
    if (status == FM_OK && made.size > 0) {
        *names = made.bytes; /* the text's memory is the caller's now */
    } else {
        fm_text_release(&made);
    }
    return status;
}

bool fm_vocabulary_spaced(const fm_vocabulary *v, int32_t before, int32_t after)
{
    size_t size;
    if (v->options.kind != FM_VOCABULARY_WORDS) return false;
    const char *word = fm_vocabulary_token(v, after, &size);
    if (before <= FM_TOKEN_PADDING || size == 0) return false;
    return size != 1 || !strchr(".,;:!?)]}", word[0]);
}

fm_status fm_vocabulary_decode(fm_context *context, const fm_vocabulary *v, const int32_t *tokens,
                               int64_t count, char **text, size_t *size)
{
    fm_text made = FM_TEXT(context);
    int32_t before = FM_TOKEN_PADDING;
    fm_text_add_bytes(&made, "", 0);
    for (int64_t i = 0; i < count; i++) {
        size_t length;
        const char *bytes = fm_vocabulary_token(v, tokens[i], &length);
        if (fm_vocabulary_spaced(v, before, tokens[i])) fm_text_add_bytes(&made, " ", 1);
        fm_text_add_bytes(&made, bytes, length);
        if (length > 0) before = tokens[i];
    }
    *text = NULL;
    *size = made.size;
    fm_status status = fm_text_status(&made);
    if (status == FM_OK) {
        *text = made.bytes; /* the text's memory is the caller's now */
    } else {
        fm_text_release(&made);
    }
    return status;
}
