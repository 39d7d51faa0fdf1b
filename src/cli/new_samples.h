/* New samples of a variational autoencoder, for `fathom generate`. */
#ifndef FM_CLI_NEW_SAMPLES_H
#define FM_CLI_NEW_SAMPLES_H

#include "cli/invocation.h"

/* Draws codes from the prior and decodes them: pictures into a PNG file, other samples as lines of
 * numbers on stdout. FM_ERROR_UNSUPPORTED when the model is no such autoencoder. */
fm_status new_samples_generate(invocation *s, const saved_model *saved);

#endif
