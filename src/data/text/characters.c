/* Vocabularies of code points and of bytes. */
#include "data/text/vocabulary.h"
#include "base/memory.h"
#include "base/utf8.h"

#include <stdlib.h>

enum { CODE_POINTS = 0x110000, PAGE = 256 };

/* ---- characters ------------------------------------------------------------------------------ */

/* How often each code point occurs; a page is there when one of its code points does. */
typedef struct counting {
    fm_context *context;
    uint64_t *pages[CODE_POINTS / PAGE];
    size_t different;
} counting;

typedef struct seen {
    uint32_t code;
    uint64_t count;
} seen;

static int more_often(const void *a, const void *b)
{
    const seen *p = a, *q = b;
    if (p->count != q->count) return p->count > q->count ? -1 : 1;
    return p->code < q->code ? -1 : 1;
}

static int by_code(const void *a, const void *b)
{
    const seen *p = a, *q = b;
    return p->code < q->code ? -1 : 1;
}

static fm_status count_character(counting *c, uint32_t code)
{
    uint64_t **page = &c->pages[code / PAGE];
    if (!*page) *page = fm_allocate_zeroed(c->context, PAGE * sizeof **page);
    if (!*page) return FM_ERROR_MEMORY;
    if ((*page)[code % PAGE]++ == 0) c->different++;
    return FM_OK;
}

static fm_status count_characters(fm_texts texts, counting *c)
{
    size_t size;
    const char *text;
    fm_status status = FM_OK;
    for (int64_t i = 0; status == FM_OK && (text = texts.at(texts.user, i, &size)); i++) {
        uint32_t code = 0;
        for (size_t at = 0; at < size && status == FM_OK;) {
            at += fm_utf8_next(text + at, size - at, &code);
            status = count_character(c, code);
        }
    }
    return status;
}

/* The most frequent ones, in the order of their code points. A zero is no character. */
static fm_status add_most_frequent(fm_vocabulary *v, const counting *c)
{
    size_t count = 0, most = (size_t)v->options.size - FM_FIRST_TOKEN;
    seen *list = fm_allocate_array(v->context, c->different, sizeof *list);
    if (!list) return FM_ERROR_MEMORY;
    for (uint32_t code = 1; code < CODE_POINTS; code++) {
        const uint64_t *page = c->pages[code / PAGE];
        uint64_t times = page ? page[code % PAGE] : 0;
        if (times > 0 && times >= (uint64_t)v->options.min_count) {
            list[count++] = (seen){code, times};
        }
    }
    qsort(list, count, sizeof *list, more_often);
    if (count > most) count = most;
    qsort(list, count, sizeof *list, by_code);
    fm_status status = FM_OK;
    for (size_t i = 0; i < count && status == FM_OK; i++) {
        char bytes[4];
        status = fm_vocabulary_add(v, bytes, fm_utf8_put(list[i].code, bytes));
    }
    fm_release(v->context, list);
    return status;
}

static fm_status learn_characters(fm_vocabulary *v, fm_texts texts)
{
    counting *c = fm_allocate_zeroed(v->context, sizeof *c);
    if (!c) return FM_ERROR_MEMORY;
    c->context = v->context;
    fm_status status = count_characters(texts, c);
    if (status == FM_OK) status = add_most_frequent(v, c);
    for (size_t i = 0; i < CODE_POINTS / PAGE; i++) fm_release(v->context, c->pages[i]);
    fm_release(v->context, c);
    return status;
}

static fm_status index_characters(fm_vocabulary *v)
{
    v->codes = fm_allocate_array(v->context, (size_t)v->size, sizeof *v->codes);
    if (!v->codes) return fm_error_status(v->context);
    for (int64_t token = FM_FIRST_TOKEN; token < v->size; token++) {
        size_t size;
        const char *bytes = fm_vocabulary_token(v, (int32_t)token, &size);
        fm_utf8_next(bytes, size, &v->codes[token - FM_FIRST_TOKEN]);
    }
    return FM_OK;
}

static int32_t find_character(const fm_vocabulary *v, uint32_t code)
{
    int64_t low = 0, high = v->size - FM_FIRST_TOKEN;
    while (low < high) {
        int64_t middle = (low + high) / 2;
        if (v->codes[middle] < code) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    bool found = low < v->size - FM_FIRST_TOKEN && v->codes[low] == code;
    return found ? (int32_t)low + FM_FIRST_TOKEN : FM_TOKEN_UNKNOWN;
}

static fm_status encode_characters(fm_context *context, const fm_vocabulary *v, const char *text,
                                   size_t size, fm_token_sink *sink)
{
    (void)context;
    uint32_t code = 0;
    for (size_t at = 0; at < size;) {
        size_t length = fm_utf8_next(text + at, size - at, &code);
        int32_t token = find_character(v, code);
        if (token == FM_TOKEN_UNKNOWN) {
            fm_token_put_unknown(sink, text + at, length);
        } else {
            fm_token_put(sink, token);
        }
        at += length;
    }
    return FM_OK;
}

const fm_vocabulary_record fm_characters_record = {.name = "characters",
                                                   .default_size = 65536,
                                                   .default_min_count = 1,
                                                   .utf8 = true,
                                                   .learn = learn_characters,
                                                   .index = index_characters,
                                                   .encode = encode_characters};

/* ---- bytes ----------------------------------------------------------------------------------- */

static fm_status learn_bytes(fm_vocabulary *v, fm_texts texts)
{
    (void)v;
    (void)texts;
    return FM_OK;
}

static fm_status index_bytes(fm_vocabulary *v)
{
    (void)v;
    return FM_OK;
}

static fm_status encode_bytes(fm_context *context, const fm_vocabulary *v, const char *text,
                              size_t size, fm_token_sink *sink)
{
    (void)context;
    (void)v;
    for (size_t i = 0; i < size; i++) fm_token_put(sink, (unsigned char)text[i] + 1);
    return FM_OK;
}

const fm_vocabulary_record fm_bytes_record = {.name = "bytes",
                                              .default_size = FM_BYTE_TOKENS,
                                              .default_min_count = 1,
                                              .learn = learn_bytes,
                                              .index = index_bytes,
                                              .encode = encode_bytes};
