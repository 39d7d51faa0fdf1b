/* Outputs of a saved model that are no numbers: how many, and what to look at. */
#ifndef FM_CLI_BROKEN_OUTPUTS_H
#define FM_CLI_BROKEN_OUTPUTS_H

#include "cli/predict_input.h"

bool is_broken(const float *outputs, int64_t width);

/* FM_ERROR_NONFINITE with words: the weights are broken, or the first of these samples is, or
 * neither. `input` may be NULL: of a forecast. */
fm_status broken_outputs_fail(invocation *s, const saved_model *saved, const predict_input *input,
                              int64_t first, int64_t broken);

#endif
