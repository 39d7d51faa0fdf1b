/* Whether what is to be done fits into the machine's memory, asked before it is tried: a process
 * that takes more is killed without words. */
#ifndef FM_CLI_MEMORY_CHECK_H
#define FM_CLI_MEMORY_CHECK_H

#include "cli/invocation.h"

/* Bytes that are free for this process; infinity when nobody says. */
double memory_free(void);

/* Fails with the figures when training in batches of `batch_size` takes more than is free. Compiles
 * the training program, which stays the model's. */
fm_status memory_check(invocation *s, fm_model *model, int64_t batch_size);

#endif
