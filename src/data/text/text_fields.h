/* Options of texts, for the records of sets that have them. */
#ifndef FM_DATA_TEXT_FIELDS_H
#define FM_DATA_TEXT_FIELDS_H

#include "fathom/text_data.h"

extern const char *const fm_vocabulary_kind_names[];
extern const char *const fm_punctuation_names[];
extern const char *const fm_text_side_names[];
extern const fm_field fm_vocabulary_fields[]; /* of fm_vocabulary_options */

/* path: where the vocabulary's options are in the owner, with its dot. */
#define FM_VOCABULARY_FIELDS(owner, path)                                                          \
    {"vocabulary", "what the tokens are", offsetof(owner, path kind), .type = FM_FIELD_ENUM,       \
     .choices = fm_vocabulary_kind_names},                                                         \
        {"vocabulary_size", "the most tokens (default: 20000 words, 1024 byte pairs)",             \
         offsetof(owner, path size), .type = FM_FIELD_INT, .maximum = FM_MOST_TOKENS},             \
        {"min_count", "what is seen less often is unknown (default: 1; 2 for byte pairs)",         \
         offsetof(owner, path min_count), .type = FM_FIELD_INT, .maximum = 1e15},                  \
        {"lowercase", "words: capitals become small", offsetof(owner, path keep_case),             \
         .type = FM_FIELD_NOT, .default_value = 1},                                                \
    {                                                                                              \
        "punctuation", "words: what becomes of it", offsetof(owner, path punctuation),             \
            .type = FM_FIELD_ENUM, .choices = fm_punctuation_names                                 \
    }

#define FM_RUNNING_FIELDS(owner)                                                                   \
    FM_VOCABULARY_FIELDS(owner, form.vocabulary.),                                                 \
        {"length",                                                                                 \
         "tokens of a window",                                                                     \
         offsetof(owner, form.length),                                                             \
         .type = FM_FIELD_INT,                                                                     \
         .default_value = 64,                                                                      \
         .minimum = 1,                                                                             \
         .maximum = FM_MOST_TOKENS},                                                               \
        {"stride", "tokens from one window to the next (default: length)",                         \
         offsetof(owner, form.stride), .type = FM_FIELD_INT, .maximum = FM_MOST_TOKENS},           \
    {                                                                                              \
        "stateful", "each row of a batch goes on where it ended in the batch before",              \
            offsetof(owner, form.stateful), .type = FM_FIELD_BOOL                                  \
    }

#define FM_SAMPLE_FIELDS(owner)                                                                    \
    FM_VOCABULARY_FIELDS(owner, form.vocabulary.),                                                 \
        {"length", "tokens of a sample (default: what holds 95 in 100 texts, at most 512)",        \
         offsetof(owner, form.length), .type = FM_FIELD_INT, .maximum = FM_MOST_TOKENS},           \
        {"truncate", "where a text that is too long loses tokens", offsetof(owner, form.truncate), \
         .type = FM_FIELD_ENUM, .choices = fm_text_side_names},                                    \
        {"pad", "where a text that is too short gets padding", offsetof(owner, form.pad),          \
         .type = FM_FIELD_ENUM, .choices = fm_text_side_names},                                    \
        {"buckets", "how many lengths batches may have (default: one)",                            \
         offsetof(owner, form.buckets), .type = FM_FIELD_INT, .maximum = FM_MAX_LIST},             \
    {                                                                                              \
        "bucket_lengths", "the lengths that batches may have; the longest is length",              \
            offsetof(owner, form.bucket_lengths), .type = FM_FIELD_INTS                            \
    }

#endif
