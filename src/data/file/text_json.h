/* Vocabularies and forms of text as JSON: parts of a transform's. */
#ifndef FM_DATA_TEXT_JSON_H
#define FM_DATA_TEXT_JSON_H

#include "data/text/vocabulary.h"

#include <jansson.h>

/* jansson reports memory that it did not get at each call: *failed keeps it to the end. */
json_t *fm_vocabulary_write(const fm_vocabulary *vocabulary, bool *failed);
json_t *fm_text_form_write(const fm_text_form *form, int64_t rows, bool *failed);

/* What is read is checked as if an enemy had written it. */
fm_status fm_vocabulary_read(fm_context *context, const json_t *object, fm_vocabulary **vocabulary);
/* Without the vocabulary's options. */
fm_status fm_text_form_read(fm_context *context, const json_t *object, fm_text_form *form,
                            int64_t *rows);

/* The text of an object, released by fm_data_release; takes the object over. */
fm_status fm_json_text(fm_context *context, json_t *object, bool failed, const char *what,
                       char **json);

#endif
