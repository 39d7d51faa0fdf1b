/* From the public rules to the update ops. */
#ifndef FM_NN_OPTIMIZER_RULES_H
#define FM_NN_OPTIMIZER_RULES_H

#include "fathom/optimizer.h"
#include "op/optimizer_ops.h"

/* The rule with every default filled in, or a failure in words. */
fm_status fm_optimizer_complete(fm_context *context, const fm_optimizer *given,
                                fm_optimizer *filled);

/* Of a completed optimizer: the op, and the names of its slots (NULL at the end). */
const fm_op *fm_optimizer_op(const fm_optimizer *filled);
const char *const *fm_optimizer_slots(const fm_optimizer *filled);

#endif
