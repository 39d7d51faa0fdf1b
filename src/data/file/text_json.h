/* Vocabularies and forms of text as JSON: parts of a transform's. */
#ifndef FM_DATA_TEXT_JSON_H
#define FM_DATA_TEXT_JSON_H

#include "data/file/json_parts.h"
#include "data/text/vocabulary.h"

/* *failed as in json_parts.h. */
json_t *fm_vocabulary_write(const fm_vocabulary *vocabulary, bool *failed);
json_t *fm_text_form_write(const fm_text_form *form, int64_t rows, bool *failed);

/* What is read is checked as if an enemy had written it. */
fm_status fm_vocabulary_read(fm_context *context, const json_t *object, fm_vocabulary **vocabulary);
/* Without the vocabulary's options. */
fm_status fm_text_form_read(fm_context *context, const json_t *object, fm_text_form *form,
                            int64_t *rows);

#endif
