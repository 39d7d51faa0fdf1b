/* Each sample several times, so that augmentation makes another view of it each time. */
#include "base/checked.h"
#include "data/dataset.h"

enum { MOST_VIEWS = 64 };

fm_status fm_dataset_repeat(fm_context *context, const fm_dataset *dataset, int64_t views,
                            fm_dataset **repeated)
{
    *repeated = NULL;
    const fm_dataset_info *info = &dataset->info;
    if (views < 1 || views > MOST_VIEWS) {
        return fm_fail(context, FM_ERROR_ARGUMENT,
                       "data set \"%s\": 1 to %d views of each sample are possible, received %lld",
                       info->name, MOST_VIEWS, (long long)views);
    }
    if (info->rows > 0 || info->group > 1 || info->text) {
        return fm_fail(context, FM_ERROR_ARGUMENT,
                       "data set \"%s\": texts, and samples that have a place of their own in a "
                       "batch, cannot be repeated",
                       info->name);
    }
    int64_t count = info->count * views;
    if (count > (int64_t)UINT32_MAX) {
        return fm_fail(context, FM_ERROR_LIMIT,
                       "data set \"%s\": %lld views of %lld samples; %u samples are possible",
                       info->name, (long long)views, (long long)info->count, UINT32_MAX);
    }
    uint32_t *indices = fm_allocate_array(context, (size_t)count, sizeof *indices);
    if (!indices) return FM_ERROR_MEMORY;
    for (int64_t i = 0; i < count; i++) indices[i] = (uint32_t)(i / views);
    fm_status status = fm_dataset_view(context, dataset, indices, count, repeated);
    fm_release(context, indices);
    if (status == FM_OK) (*repeated)->info.group = views;
    return status;
}
