/* Series on any bytes: read, cut into windows, split, scaled, restored, read again as prediction
 * would. The first byte chooses among the options. */
#include "data/dataset.h"
#include "fathom/series.h"

#include <string.h>

static fm_series_options choose(uint8_t byte)
{
    static const char *const targets[] = {NULL, "-1", "0", "a,b"};
    static const fm_ints lags[] = {{0}, {1, {1}}, {2, {1, 2}}, {1, {3}}};
    return (fm_series_options){.window = 1 + (byte & 1),
                               .horizon = 1 + (byte >> 1 & 1),
                               .stride = 1 + (byte >> 7),
                               .target = targets[byte >> 2 & 3],
                               .difference = lags[byte >> 4 & 3],
                               .log = byte >> 6 & 1 ? "-1" : NULL,
                               .fill = byte % 3};
}

/* What comes back is a number where it was one. */
static void restore_all(fm_context *context, const fm_dataset *set, const fm_transform *transform)
{
    const fm_dataset_info *info = fm_dataset_about(set);
    int64_t size = fm_shape_elements(info->fields[1].shape);
    fm_dataset *prepared;
    if (fm_dataset_transform(context, set, transform, &prepared) != FM_OK) __builtin_trap();
    float *y = fm_allocate_array(context, (size_t)info->count, (size_t)size * sizeof *y);
    fm_data_request request = {.count = info->count, .fields = {NULL, y}};
    if (fm_dataset_read(context, prepared, &request) != FM_OK) __builtin_trap();
    if (fm_series_restore(context, prepared, 0, info->count, y) != FM_OK) __builtin_trap();
    fm_release(context, y);
    fm_dataset_destroy(prepared);
}

static void use(fm_context *context, const fm_series *series, const void *bytes, size_t size)
{
    fm_dataset *windows, *first, *second;
    fm_transform *transform;
    char time[FM_SERIES_TIME_TEXT];
    const fm_series_info *info = fm_series_about(series);
    for (int64_t row = 0; row < info->rows + 3; row++) (void)fm_series_time(series, row, time);
    if (fm_dataset_series(context, series, &windows) != FM_OK) return;
    fm_split_options split = {.fraction = 0.3};
    if (fm_dataset_split(context, windows, &split, &first, &second) == FM_OK) {
        int64_t last = fm_series_origin(first, fm_dataset_about(first)->count - 1);
        if (last + info->horizon > fm_series_origin(second, 0)) __builtin_trap();
    }
    fm_transform_options scaling = {.normalize = FM_NORMALIZE_STANDARDIZE,
                                    .target_normalize = FM_NORMALIZE_MIN_MAX};
    if (fm_transform_fit(context, windows, &scaling, &transform) == FM_OK) {
        restore_all(context, windows, transform);
        fm_series *again;
        fm_series_options like = {.window = info->window, .like = transform};
        if (fm_series_parse(context, "again", bytes, size, &like, &again) == FM_OK) {
            fm_series_destroy(again);
        }
        fm_transform_destroy(transform);
    }
    fm_dataset_destroy(first);
    fm_dataset_destroy(second);
    fm_dataset_destroy(windows);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    fm_context *context;
    fm_series *series;
    if (size == 0 || size > 1 << 14) return 0;
    if (fm_context_create(&(fm_context_options){.threads = 1}, &context) != FM_OK) return 0;
    fm_series_options options = choose(bytes[0]);
    if (fm_series_parse(context, "input", bytes + 1, size - 1, &options, &series) == FM_OK) {
        use(context, series, bytes + 1, size - 1);
    }
    fm_series_destroy(series);
    fm_context_destroy(context);
    return 0;
}
