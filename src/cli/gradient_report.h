/* `--gradients`: the size of the gradient in each layer, as a table or as a JSON event. */
#ifndef FM_CLI_GRADIENT_REPORT_H
#define FM_CLI_GRADIENT_REPORT_H

#include "cli/invocation.h"

/* For fm_fit_options.callbacks: reports whatever gradients fit has measured. */
fm_callback gradient_report_callback(invocation *s);

#endif
