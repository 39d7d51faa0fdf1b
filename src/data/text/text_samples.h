/* From texts to samples: what a transform of texts learns and does. */
#ifndef FM_DATA_TEXT_SAMPLES_H
#define FM_DATA_TEXT_SAMPLES_H

#include "data/text/vocabulary.h"
#include "data/transform.h"

/* Defaults filled in and numbers checked; `owner` names what the form belongs to. */
fm_status fm_text_form_complete(fm_context *context, const char *owner, fm_text_form *form);

/* Learns vocabulary, length, buckets and rows from the set that the transform was begun with. */
fm_status fm_text_fit(fm_transform *transform, const fm_dataset *training, int64_t batch_size);

/* FM_ERROR_SHAPE unless both are text of one kind, or numbers both. */
fm_status fm_text_match(fm_context *context, const fm_dataset_info *received,
                        const fm_dataset_info *wanted);

/* The windows of a running text. */
fm_status fm_text_windows(fm_context *context, const fm_dataset *dataset,
                          const fm_transform *transform, fm_dataset **windows);

/* The tokens of all texts of a set, (count, length), truncated and padded, and how many of each are
 * no padding, (count). fm_release frees both. */
fm_status fm_text_encode_all(fm_context *context, const fm_dataset *dataset,
                             const fm_transform *transform, int32_t **tokens, int32_t **lengths);

/* For the sample that becomes of this text, (length): what stands in the text for each token that
 * is the unknown one, nothing for the others. */
fm_status fm_text_written(fm_context *context, const fm_transform *transform, const char *text,
                          size_t size, fm_written *written);

#endif
