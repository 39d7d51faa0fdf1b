/* Vocabularies of words. */
#include "data/text/vocabulary.h"
#include "base/memory.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

/* ---- characters of words --------------------------------------------------------------------- */

/* Unicode's White_Space, and the zero. */
static bool is_space(uint32_t code)
{
    return code == 0 || code == ' ' || (code >= 0x09 && code <= 0x0d) || code == 0x85 ||
           code == 0xa0 || code == 0x1680 || (code >= 0x2000 && code <= 0x200a) || code == 0x2028 ||
           code == 0x2029 || code == 0x202f || code == 0x205f || code == 0x3000;
}

static bool is_punctuation(uint32_t code)
{
    return code > ' ' && code < 0x7f && strchr("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", (int)code);
}

/* Capitals whose small letters are `distance` further on; `step` 2: every other one. */
static uint32_t lower_case(uint32_t code)
{
    static const struct {
        uint32_t first, last, distance, step;
    } ranges[] = {{'A', 'Z', 32, 1},     {0xc0, 0xd6, 32, 1},   {0xd8, 0xde, 32, 1},
                  {0x100, 0x12e, 1, 2},  {0x391, 0x3a1, 32, 1}, {0x3a3, 0x3ab, 32, 1},
                  {0x400, 0x40f, 80, 1}, {0x410, 0x42f, 32, 1}, {0x460, 0x480, 1, 2},
                  {0x1e00, 0x1e94, 1, 2}};
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        bool inside = code >= ranges[i].first && code <= ranges[i].last;
        if (inside && (code - ranges[i].first) % ranges[i].step == 0) {
            return code + ranges[i].distance;
        }
    }
    return code;
}

static bool separates(const fm_vocabulary *v, uint32_t code)
{
    return is_space(code) ||
           (v->options.punctuation == FM_PUNCTUATION_DROP && is_punctuation(code));
}

/* A text, word by word. */
typedef struct reading {
    const fm_vocabulary *v;
    const char *text;
    size_t size, at;
    size_t begin, end; /* where the word stands */
    fm_text word;      /* as the vocabulary has it */
} reading;

/* The next word from `at` on, which moves behind it; false when there is none. */
static bool next_word(reading *r)
{
    const fm_vocabulary_options *options = &r->v->options;
    uint32_t code = 0;
    fm_text_clear(&r->word);
    while (r->at < r->size) {
        size_t length = fm_utf8_next(r->text + r->at, r->size - r->at, &code);
        if (separates(r->v, code)) {
            r->at += length;
            if (r->word.size) return true;
            continue;
        }
        bool alone = options->punctuation == FM_PUNCTUATION_SEPARATE && is_punctuation(code);
        if (alone && r->word.size) return true;
        char bytes[4];
        if (r->word.size == 0) r->begin = r->at;
        fm_text_add_bytes(&r->word, bytes,
                          fm_utf8_put(options->keep_case ? code : lower_case(code), bytes));
        r->at += length;
        r->end = r->at;
        if (alone) return true;
    }
    return r->word.size > 0;
}

/* ---- learning -------------------------------------------------------------------------------- */

typedef struct counting {
    fm_map words; /* their places in counts */
    uint64_t *counts;
    size_t capacity;
} counting;

static fm_status count_word(counting *c, const char *word)
{
    uint32_t place;
    if (!fm_map_get(&c->words, word, &place)) {
        place = (uint32_t)c->words.count;
        fm_status status = fm_map_set(&c->words, word, place);
        if (status == FM_OK) {
            status = fm_grow(c->words.context, &c->counts, &c->capacity, (size_t)place + 1,
                             sizeof *c->counts);
        }
        if (status != FM_OK) return status;
        c->counts[place] = 0;
    }
    c->counts[place]++;
    return FM_OK;
}

static fm_status count_words(const fm_vocabulary *v, fm_texts texts, counting *c)
{
    reading r = {.v = v, .word = FM_TEXT(v->context)};
    fm_status status = FM_OK;
    for (int64_t i = 0; status == FM_OK && (r.text = texts.at(texts.user, i, &r.size)); i++) {
        for (r.at = 0; status == FM_OK && next_word(&r);) {
            status = fm_text_status(&r.word);
            if (status == FM_OK) status = count_word(c, fm_text_string(&r.word));
        }
    }
    if (status == FM_OK) status = fm_text_status(&r.word);
    fm_text_release(&r.word);
    return status;
}

typedef struct ranked {
    const char *word;
    uint64_t count;
} ranked;

static int by_rank(const void *a, const void *b)
{
    const ranked *p = a, *q = b;
    if (p->count != q->count) return p->count > q->count ? -1 : 1;
    return strcmp(p->word, q->word);
}

static fm_status add_most_frequent(fm_vocabulary *v, const counting *c)
{
    size_t count = c->words.count;
    ranked *list = fm_allocate_array(v->context, count, sizeof *list);
    if (!list) return FM_ERROR_MEMORY;
    for (size_t i = 0; i < count; i++) list[i] = (ranked){c->words.entries[i].key, c->counts[i]};
    qsort(list, count, sizeof *list, by_rank);
    fm_status status = FM_OK;
    for (size_t i = 0; i < count && status == FM_OK; i++) {
        if (list[i].count < (uint64_t)v->options.min_count || v->size == v->options.size) break;
        status = fm_vocabulary_add(v, list[i].word, strlen(list[i].word));
    }
    fm_release(v->context, list);
    return status;
}

static fm_status learn_words(fm_vocabulary *v, fm_texts texts)
{
    counting c = {.words = {.context = v->context}};
    fm_status status = count_words(v, texts, &c);
    if (status == FM_OK) status = add_most_frequent(v, &c);
    fm_map_release(&c.words);
    fm_release(v->context, c.counts);
    return status;
}

/* ---- finding --------------------------------------------------------------------------------- */

static fm_status index_words(fm_vocabulary *v)
{
    fm_text word = FM_TEXT(v->context);
    fm_status status = FM_OK;
    for (int64_t token = FM_FIRST_TOKEN; token < v->size && status == FM_OK; token++) {
        size_t size;
        const char *bytes = fm_vocabulary_token(v, (int32_t)token, &size);
        fm_text_clear(&word);
        fm_text_add_bytes(&word, bytes, size);
        status = fm_text_status(&word);
        if (status == FM_OK) status = fm_map_set(&v->words, fm_text_string(&word), (uint32_t)token);
    }
    fm_text_release(&word);
    return status;
}

static fm_status encode_words(fm_context *context, const fm_vocabulary *v, const char *text,
                              size_t size, fm_token_sink *sink)
{
    reading r = {.v = v, .text = text, .size = size, .word = FM_TEXT(context)};
    fm_status status = FM_OK;
    while (status == FM_OK && next_word(&r)) {
        uint32_t token;
        if (fm_map_get(&v->words, fm_text_string(&r.word), &token)) {
            fm_token_put(sink, (int32_t)token);
        } else {
            fm_token_put_unknown(sink, text + r.begin, r.end - r.begin);
        }
        status = fm_text_status(&r.word);
    }
    if (status == FM_OK) status = fm_text_status(&r.word);
    fm_text_release(&r.word);
    return status;
}

const fm_vocabulary_record fm_words_record = {.name = "words",
                                              .default_size = 20000,
                                              .default_min_count = 1,
                                              .utf8 = true,
                                              .learn = learn_words,
                                              .index = index_words,
                                              .encode = encode_words};
