/* fathom/text_data.h: text as data. Vocabularies, sets of texts,
 * and how a transform makes tokens of them.
 *
 *     fm_dataset_open_text(context, "novel.txt", &(fm_text_form){.length = 64}, &text);
 *     fm_dataset_split(context, text, &(fm_split_options){.fraction = 0.1}, &train, &validation);
 *     fm_transform_fit(context, train, NULL, &transform);     learns the vocabulary
 *     fm_dataset_transform(context, train, transform, &windows);   x i32 (64), y i32 (64): the next
 *     fm_transform_vocabulary(transform)                      characters of these and back
 *
 * Invariants
 *  - Token 0 is padding in every vocabulary and stands for no text. Token 1 is the unknown token of
 *    characters and words; bytes and byte pairs know everything.
 *  - What a vocabulary learns depends on the training texts and the options alone: same texts, same
 *    tokens with the same numbers. It travels in the transform's JSON, so in a model's file.
 *  - Text is UTF-8. Characters and words refuse broken bytes by offset and line; bytes and byte
 *    pairs take any bytes.
 *  - A running text is split by position: the validation part is its end. A cut is moved to the
 *    next character's beginning.
 *  - All samples of a set have one length: shorter ones are filled with padding. With buckets the
 *    loader leaves padding out that a batch does not need (data.h).
 *  - May be NULL: options, `form`, `test`, and where it is said `tokens`, `sizes`, `classes`.
 */
#ifndef FATHOM_TEXT_DATA_H
#define FATHOM_TEXT_DATA_H

#include "fathom/data.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- vocabularies ---------------------------------------------------------------------------- */

typedef enum fm_vocabulary_kind {
    FM_VOCABULARY_CHARACTERS, /* Unicode code points, numbered in their order */
    FM_VOCABULARY_BYTES,      /* byte b is token b + 1 */
    FM_VOCABULARY_WORDS,      /* the most frequent first */
    FM_VOCABULARY_BPE         /* byte pairs: bytes, then merges of two tokens, the most frequent
                                 pair first (Sennrich, Haddow, Birch 2016; over bytes: Radford et
                                 al. 2019) */
} fm_vocabulary_kind;

typedef enum fm_punctuation {
    FM_PUNCTUATION_SEPARATE, /* every ASCII punctuation character is a word of its own */
    FM_PUNCTUATION_DROP,     /* it separates words and is left out */
    FM_PUNCTUATION_KEEP      /* it belongs to its word: words are what white space separates */
} fm_punctuation;

/*  kind         fm_vocabulary_kind
 *  size         the most tokens, padding and unknown included. Default: 20,000 words, 1,024 byte
 *               pairs, 65,536 characters; 257 bytes always
 *  min_count    characters and words seen less often are unknown; byte pairs seen less often are
 *               not merged. Default 1; 2 for byte pairs
 *  keep_case    words: "The" and "the" differ. Otherwise ASCII, Latin-1, Greek and Cyrillic
 *               capitals become small
 *  punctuation  words: fm_punctuation
 * Byte pairs are merged within pieces only: a space and the letters, digits or signs behind it, or
 * white space; at most 64 bytes. Among pairs seen equally often the one of smaller numbers is
 * first. */
typedef struct fm_vocabulary_options {
    int kind;
    int64_t size, min_count;
    bool keep_case;
    int punctuation;
} fm_vocabulary_options;

enum { FM_TOKEN_PADDING = 0, FM_TOKEN_UNKNOWN = 1, FM_MOST_TOKENS = 1 << 20 };

typedef struct fm_vocabulary fm_vocabulary;

/* Texts to learn from: the i-th, or NULL behind the last.
 * Bytes are borrowed until the next call. */
typedef struct fm_texts {
    const char *(*at)(const void *user, int64_t i, size_t *size);
    const void *user;
} fm_texts;

/* options may be NULL: characters. FM_ERROR_FORMAT: broken UTF-8. */
FM_API fm_status fm_vocabulary_learn(fm_context *context, fm_texts texts,
                                     const fm_vocabulary_options *options,
                                     fm_vocabulary **vocabulary);
FM_API void fm_vocabulary_destroy(fm_vocabulary *vocabulary);

FM_API const fm_vocabulary_options *fm_vocabulary_about(const fm_vocabulary *vocabulary);
/* Tokens, padding included: what a last layer and an embedding need. */
FM_API int64_t fm_vocabulary_size(const fm_vocabulary *vocabulary);

/* The bytes of a token (none for padding and numbers outside of the vocabulary; U+FFFD for the
 * unknown one), not ended by a zero, valid with the vocabulary. */
FM_API const char *fm_vocabulary_token(const fm_vocabulary *vocabulary, int32_t token,
                                       size_t *size);
/* Is a space written between these two? Words only; not before closing punctuation. */
FM_API bool fm_vocabulary_spaced(const fm_vocabulary *vocabulary, int32_t before, int32_t after);

/* The tokens of a text, at most `most` of them into `tokens` (which may be NULL with 0); *count is
 * how many there are. Thread-safe with contexts of their own. FM_ERROR_FORMAT names the first
 * broken byte by offset and line. */
FM_API fm_status fm_vocabulary_encode(fm_context *context, const fm_vocabulary *vocabulary,
                                      const char *text, size_t size, int32_t *tokens, int64_t most,
                                      int64_t *count);
/* The text of tokens, ended by a zero: for characters, bytes and byte pairs exactly what was
 * encoded, unless something was unknown; for words with single spaces. The caller releases *text
 * with fm_text_free. */
FM_API fm_status fm_vocabulary_decode(fm_context *context, const fm_vocabulary *vocabulary,
                                      const int32_t *tokens, int64_t count, char **text,
                                      size_t *size);

/* ---- how a set's texts become samples -------------------------------------------------------- */

typedef enum fm_text_side { FM_TEXT_END, FM_TEXT_START } fm_text_side;

/*  running     one text: a sample is a window of it and "y" the tokens that follow each of the
 *              window's; else each sample is a text
 *  vocabulary  to be learned when a transform is fitted
 *  length      tokens of a sample. Default: 64 running, else what holds 95 in 100 texts of
 *              training, at most 512
 *  stride      running: tokens from one window to the next. Default: length
 *  stateful    running: windows in such an order that row r of a batch goes on where row r of the
 *              batch before ended; for recurrent layers that carry their state. Batches have
 *              fm_transform_options.batch_size rows and are not shuffled
 *  truncate    fm_text_side: where a text that is too long loses tokens
 *  pad         fm_text_side: where one that is too short gets padding
 *  buckets     texts: how many lengths batches may have, at most FM_MAX_LIST; those are chosen with
 *              which the training texts take the fewest tokens. 0 and 1: one length
 *  bucket_lengths  these instead; the longest is `length`, which may be left out of one of the two.
 *              What a fitted transform has (fm_transform_input), chosen ones too */
typedef struct fm_text_form {
    bool running;
    fm_vocabulary_options vocabulary;
    int64_t length, stride;
    bool stateful;
    int truncate, pad;
    int64_t buckets;
    fm_ints bucket_lengths;
} fm_text_form;

/* NULL unless the transform is one of texts. */
FM_API const fm_vocabulary *fm_transform_vocabulary(const fm_transform *transform);

/* ---- sets of texts --------------------------------------------------------------------------- */

/* A running text from memory: "x" u8 (), a sample a byte; copied. form->running is implied. name
 * stands for it in errors. FM_ERROR_FORMAT: broken UTF-8, where the vocabulary wants characters or
 * words; nothing in it. */
FM_API fm_status fm_dataset_from_text(fm_context *context, const char *name, const char *text,
                                      size_t size, const fm_text_form *form, fm_dataset **dataset);

/* Texts, each a sample: "x" i64 (), its size in bytes (fm_dataset_text has the bytes themselves);
 * "y" i32 (), the class, unless classes is NULL. Everything is copied. */
typedef struct fm_labelled_texts {
    const char *name, *origin;
    int64_t count;
    const char *const *texts;
    const size_t *sizes;      /* NULL: texts end with a zero */
    const int32_t *labels;    /* count of them, with classes */
    const fm_column *classes; /* NULL: no "y" */
} fm_labelled_texts;
FM_API fm_status fm_dataset_from_texts(fm_context *context, const fm_labelled_texts *texts,
                                       const fm_text_form *form, fm_dataset **dataset);

/* The text of sample i, not ended by a zero, valid with the data set; NULL for other sets. */
FM_API const char *fm_dataset_text(const fm_dataset *dataset, int64_t i, size_t *size);

/* Sentences of a small grammar, a line each ("the old fox sees a bird near the river."): what a
 * model of language can learn within a minute. Singular and plural agree, also over what stands
 * between.
 *  sentences, test_sentences   default 4000 and 400 */
typedef struct fm_grammar_options {
    int64_t sentences, test_sentences, seed;
    fm_text_form form;
} fm_grammar_options;

FM_API fm_status fm_dataset_grammar(fm_context *context, const fm_grammar_options *options,
                                    fm_dataset **train, fm_dataset **test);

/* ---- files (with FATHOM_FILES) --------------------------------------------------------------- */

/* A running text from a file, plain, gzip or xz. A byte order mark is skipped.
 *  file, test_file   test_file may be NULL
 *  memory_limit      bytes of a file. Default 1 GiB */
typedef struct fm_text_file_options {
    const char *file, *test_file;
    int64_t memory_limit;
    fm_text_form form;
} fm_text_file_options;

FM_API fm_status fm_dataset_open_text(fm_context *context, const char *path,
                                      const fm_text_form *form, fm_dataset **dataset);

typedef enum fm_text_quotes {
    FM_QUOTES_AUTO, /* as in CSV, but plain characters where tabs separate */
    FM_QUOTES_YES,
    FM_QUOTES_NO
} fm_text_quotes;

/* Labelled texts from a table (CSV as fathom/data_files.h has it) or from a folder that has one for
 * each class: CLASS/NAME.txt, or train/CLASS/NAME.txt and test/CLASS/NAME.txt.
 *  file, test_file   the table; the classes of test_file are those of file
 *  folder            instead of file; an archive (.tar, .tar.gz, .tar.xz) serves as well,
 *                    and is read into memory
 *  text, label       name or number of the column (from 0; -1 is the last). Default, in a table of
 *                    two columns: the label is the one with fewer bytes in all; with more columns
 *                    both must be said. label "none", or a table of one column: no "y"
 *  header            fm_csv_header; auto: yes where columns are named, or where the first line's
 *                    label is no other line's
 *  separator         fm_csv_separator; auto: a tab where the first line has one, else as in CSV
 *  quotes            fm_text_quotes
 *  memory_limit      bytes of all texts. Default 4 GiB */
typedef struct fm_text_classes_options {
    const char *file, *test_file, *folder;
    const char *text, *label;
    int header, separator, quotes;
    int64_t memory_limit;
    fm_text_form form;
} fm_text_classes_options;

/* A table in memory; options->file, test_file and folder are not looked at. classes: the classes
 * that there are, or NULL to take those of the table. */
FM_API fm_status fm_dataset_parse_text_classes(fm_context *context, const char *name,
                                               const void *bytes, size_t size,
                                               const fm_text_classes_options *options,
                                               const fm_column *classes, fm_dataset **dataset);

/* JSON of a vocabulary, and back; as fm_transform_to_json. */
FM_API fm_status fm_vocabulary_to_json(fm_context *context, const fm_vocabulary *vocabulary,
                                       char **json);
FM_API fm_status fm_vocabulary_from_json(fm_context *context, const char *json, size_t size,
                                         fm_vocabulary **vocabulary);

#ifdef __cplusplus
}
#endif
#endif
