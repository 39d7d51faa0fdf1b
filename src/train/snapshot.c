#include "train/snapshot.h"
#include "base/memory.h"

#include <string.h>

fm_status fm_snapshot_reserve(fm_context *context, fm_store *store, fm_snapshot *snapshot)
{
    int wanted = fm_store_count(store);
    size_t capacity = (size_t)snapshot->capacity;
    snapshot->context = context;
    fm_status status =
        fm_grow(context, &snapshot->data, &capacity, (size_t)wanted, sizeof *snapshot->data);
    if (status != FM_OK) return status;
    snapshot->capacity = (int)capacity;
    for (int i = snapshot->count; i < wanted; i++) {
        fm_variable_info info = fm_store_info(store, i);
        snapshot->data[i] = fm_allocate(context, (size_t)fm_shape_bytes(info.shape, info.dtype));
        if (!snapshot->data[i]) return FM_ERROR_MEMORY;
        snapshot->count = i + 1;
    }
    return FM_OK;
}

fm_status fm_snapshot_take(fm_context *context, fm_store *store, fm_snapshot *snapshot)
{
    fm_status status = fm_snapshot_reserve(context, store, snapshot);
    for (int i = 0; i < snapshot->count && status == FM_OK; i++) {
        status = fm_store_read(store, i, snapshot->data[i]);
    }
    snapshot->taken = status == FM_OK;
    snapshot->step = fm_store_step(store);
    return status;
}

fm_status fm_snapshot_restore(const fm_snapshot *snapshot, fm_store *store)
{
    for (int i = 0; i < snapshot->count; i++) {
        fm_status status = fm_store_write(store, i, snapshot->data[i]);
        if (status != FM_OK) return status;
    }
    return FM_OK;
}

void fm_snapshot_release(fm_snapshot *snapshot)
{
    for (int i = 0; i < snapshot->count; i++) fm_release(snapshot->context, snapshot->data[i]);
    if (snapshot->data) fm_release(snapshot->context, snapshot->data);
    *snapshot = (fm_snapshot){0};
}
