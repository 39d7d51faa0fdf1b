/* Byte pairs: cutting a text into pieces, and encoding them by merges. */
#include "data/text/vocabulary.h"

#include <string.h>

/* ---- pieces ---------------------------------------------------------------------------------- */

typedef enum byte_class { SPACE, LETTER, DIGIT, SIGN } byte_class;

/* Whatever is no ASCII counts as a letter. */
static byte_class class_of(char c)
{
    unsigned char byte = (unsigned char)c;
    if (byte == ' ' || (byte >= 0x09 && byte <= 0x0d)) return SPACE;
    if (byte >= '0' && byte <= '9') return DIGIT;
    bool letter = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte >= 0x80;
    return letter ? LETTER : SIGN;
}

/* A space before a word belongs to it. */
static bool leads(const char *text, size_t size, size_t at)
{
    return text[at] == ' ' && at + 1 < size && class_of(text[at + 1]) != SPACE;
}

size_t fm_piece_end(const char *text, size_t size, size_t at)
{
    size_t from = at;
    if (leads(text, size, at)) at++;
    byte_class class = class_of(text[at]);
    while (at < size && at - from < FM_LONGEST_PIECE && class_of(text[at]) == class) {
        if (at > from && leads(text, size, at)) break;
        at++;
    }
    return at;
}

/* ---- encoding -------------------------------------------------------------------------------- */

/* Takes the token at `at` into the one before it. */
static void close_gap(uint32_t *tokens, size_t *count, size_t at)
{
    memmove(&tokens[at], &tokens[at + 1], (*count - at - 1) * sizeof *tokens);
    (*count)--;
}

/* Merges become older as their tokens' numbers fall: the oldest pair is merged everywhere first. */
static void encode_piece(const fm_vocabulary *v, const char *piece, size_t size,
                         fm_token_sink *sink)
{
    uint32_t tokens[FM_LONGEST_PIECE];
    size_t count = size;
    for (size_t i = 0; i < size; i++) tokens[i] = (unsigned char)piece[i] + 1u;
    for (;;) {
        uint32_t oldest = UINT32_MAX;
        size_t place = 0;
        for (size_t i = 0; i + 1 < count; i++) {
            const uint32_t *merged = fm_pair_get(&v->pairs, tokens[i], tokens[i + 1]);
            if (!merged || *merged >= oldest) continue;
            oldest = *merged;
            place = i;
        }
        if (oldest == UINT32_MAX) break;
        uint32_t a = tokens[place], b = tokens[place + 1];
        for (size_t i = place; i + 1 < count; i++) {
            if (tokens[i] != a || tokens[i + 1] != b) continue;
            tokens[i] = oldest;
            close_gap(tokens, &count, i + 1);
        }
    }
    for (size_t i = 0; i < count; i++) fm_token_put(sink, (int32_t)tokens[i]);
}

static fm_status encode_byte_pairs(fm_context *context, const fm_vocabulary *v, const char *text,
                                   size_t size, fm_token_sink *sink)
{
    (void)context;
    for (size_t at = 0, end; at < size; at = end) {
        end = fm_piece_end(text, size, at);
        encode_piece(v, text + at, end - at, sink);
    }
    return FM_OK;
}

/* The pairs were noted when their tokens were added. */
static fm_status index_byte_pairs(fm_vocabulary *v)
{
    (void)v;
    return FM_OK;
}

const fm_vocabulary_record fm_byte_pairs_record = {.name = "byte pairs",
                                                   .default_size = 1024,
                                                   .default_min_count = 2,
                                                   .learn = fm_byte_pairs_learn,
                                                   .index = index_byte_pairs,
                                                   .encode = encode_byte_pairs};
