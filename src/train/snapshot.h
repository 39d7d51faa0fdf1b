/* A copy of all variables of a store. */
#ifndef FM_TRAIN_SNAPSHOT_H
#define FM_TRAIN_SNAPSHOT_H

#include "fathom/program.h"

/* Zero is empty. */
typedef struct fm_snapshot {
    fm_context *context;
    void **data; /* by index in the store */
    int count, capacity;
    bool taken;
    uint64_t step;
} fm_snapshot;

/* Makes room for what the store holds now, so that taking allocates nothing. */
fm_status fm_snapshot_reserve(fm_context *context, fm_store *store, fm_snapshot *snapshot);
fm_status fm_snapshot_take(fm_context *context, fm_store *store, fm_snapshot *snapshot);
/* The variables; the step stays as it is. */
fm_status fm_snapshot_restore(const fm_snapshot *snapshot, fm_store *store);
void fm_snapshot_release(fm_snapshot *snapshot);

#endif
