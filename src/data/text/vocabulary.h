/* The inside of a vocabulary: tokens' bytes, and what finds tokens in a text. */
#ifndef FM_DATA_VOCABULARY_H
#define FM_DATA_VOCABULARY_H

#include "base/map.h"
#include "base/text.h"
#include "data/text/pair_table.h"
#include "fathom/text_data.h"

enum {
    FM_FIRST_TOKEN = 2,   /* of characters and words */
    FM_BYTE_TOKENS = 257, /* padding, then the bytes: byte b is token b + 1 */
    FM_LONGEST_PIECE = 64 /* bytes: within it byte pairs are merged */
};

/* Bytes of a text. */
typedef struct fm_written {
    const char *bytes;
    size_t size;
} fm_written;

/* Where encoded tokens go: the first `most` of them are kept, all are counted. */
typedef struct fm_token_sink {
    int32_t *tokens;     /* NULL: not wanted */
    fm_written *written; /* NULL, or of each token that is the unknown one what stands there */
    int64_t most, count;
    fm_text *unknown; /* NULL, or names of what is unknown: 'x', 'y' */
} fm_token_sink;

static inline void fm_token_put(fm_token_sink *sink, int32_t token)
{
    if (sink->tokens && sink->count < sink->most) sink->tokens[sink->count] = token;
    sink->count++;
}

/* The unknown token, for these bytes of the text. */
void fm_token_put_unknown(fm_token_sink *sink, const char *bytes, size_t size);

/* What a kind does.
 *  learn   fills the tokens from texts
 *  index   makes what encode looks into, from tokens that were learned or read
 *  encode  any text; broken UTF-8 was refused before where `utf8` says so */
typedef struct fm_vocabulary_record {
    const char *name;
    int64_t default_size, default_min_count;
    bool utf8;
    fm_status (*learn)(fm_vocabulary *v, fm_texts texts);
    fm_status (*index)(fm_vocabulary *v);
    fm_status (*encode)(fm_context *context, const fm_vocabulary *v, const char *text, size_t size,
                        fm_token_sink *sink);
} fm_vocabulary_record;

struct fm_vocabulary {
    fm_context *context;
    const fm_vocabulary_record *kind;
    fm_vocabulary_options options; /* complete */
    int64_t size;
    fm_text bytes;  /* of all tokens, one behind the other */
    uint32_t *ends; /* where each token's bytes end */
    size_t ends_capacity;
    uint32_t *codes;     /* characters: the code point of token FM_FIRST_TOKEN + i, ascending */
    fm_map words;        /* words: the token of each */
    fm_pair_table pairs; /* byte pairs: the token that a pair of tokens becomes */
};

extern const fm_vocabulary_record fm_characters_record, fm_bytes_record, fm_words_record,
    fm_byte_pairs_record;
/* By fm_vocabulary_kind. */
const fm_vocabulary_record *fm_vocabulary_kind_at(int kind);

/* One with padding (and the unknown token) and nothing else; options are completed. */
fm_status fm_vocabulary_begin(fm_context *context, const fm_vocabulary_options *options,
                              fm_vocabulary **vocabulary);
fm_status fm_vocabulary_add(fm_vocabulary *v, const char *bytes, size_t size);
/* The token of two tokens, behind the last; FM_ERROR_LIMIT when it is longer than a piece. */
fm_status fm_vocabulary_add_pair(fm_vocabulary *v, uint32_t a, uint32_t b);
/* Of the first `most` tokens that are the unknown one the bytes of the text that they stand for;
 * the others' stay as they are. */
fm_status fm_vocabulary_written(fm_context *context, const fm_vocabulary *v, const char *text,
                                size_t size, fm_written *written, int64_t most, int64_t *count);
/* What the vocabulary does not know of a text: "'x', 'y'", each once, or NULL;
 * fm_release frees it. */
fm_status fm_vocabulary_unknown(fm_context *context, const fm_vocabulary *v, const char *text,
                                size_t size, char **names);

/* FM_ERROR_FORMAT: "NAME: byte 17 (line 2) ..." for the first broken byte of a text. */
fm_status fm_text_check(fm_context *context, const char *name, const char *text, size_t size);

fm_status fm_byte_pairs_learn(fm_vocabulary *v, fm_texts texts);
/* The end of the piece of byte pairs that begins at `at`. */
size_t fm_piece_end(const char *text, size_t size, size_t at);

#endif
