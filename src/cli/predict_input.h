/* Samples to predict: from files of several formats, from stdin, or from the recipe's test data. */
#ifndef FM_CLI_PREDICT_INPUT_H
#define FM_CLI_PREDICT_INPUT_H

#include "cli/invocation.h"

typedef struct predict_input {
    const char *name;
    fm_dataset *raw, *prepared;
    uint32_t *numbers; /* of the samples in their set; NULL: 0, 1, 2, ... */
} predict_input;

/* The format is told by the name's end; "-" is CSV on stdin. For models of texts: a
 * table, a line a text on stdin, or a file that is one text. */
fm_status predict_input_open(invocation *s, const saved_model *saved, const char *path,
                             predict_input *input);
/* --text TEXT, for models of texts. */
fm_status predict_input_text(invocation *s, const saved_model *saved, const char *text,
                             predict_input *input);
/* `list` is "7", "0-9" or "0,5,8": samples of the test data. */
fm_status predict_input_sample(invocation *s, const saved_model *saved, const char *list,
                               predict_input *input);
/* All that comes from stdin; the caller releases it. */
fm_status predict_input_stdin(invocation *s, char **bytes, size_t *size);
/* Of sample i, where it is a file of its own (an image, a recording); else NULL. */
const char *predict_input_file(const predict_input *input, int64_t i);
void predict_input_close(invocation *s, predict_input *input);

#endif
