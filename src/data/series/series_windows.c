/* Windows of a series as samples. */
#include "data/series/series_inside.h"
#include "data/transform.h"

#include <stdio.h>
#include <string.h>

/* starts: rows where windows begin, NULL: first, first + stride, ... */
typedef struct window_set {
    fm_series *series;
    int64_t first;
    uint32_t *starts;
} window_set;

static int64_t start_of(const window_set *set, int64_t sample)
{
    return set->starts ? (int64_t)set->starts[sample]
                       : set->first + sample * set->series->info.stride;
}

/* ---- Reading ---- */

static void copy_rows(const fm_series *s, int64_t row, int64_t rows, const int *columns, int count,
                      double *to)
{
    for (int64_t i = 0; i < rows; i++) {
        const double *from = s->worked + (row + i) * s->columns;
        for (int c = 0; c < count; c++) *to++ = from[columns[c]];
    }
}

static fm_status read_windows(const void *state, fm_context *context,
                              const fm_data_request *request)
{
    (void)context;
    const window_set *set = state;
    const fm_series *s = set->series;
    const fm_series_info *info = &s->info;
    for (int64_t i = 0; i < request->count; i++) {
        int64_t sample = request->indices ? (int64_t)request->indices[i] : request->first + i;
        int64_t start = start_of(set, sample);
        if (request->fields[0]) {
            double *x = (double *)request->fields[0] + i * info->window * info->input_count;
            copy_rows(s, start, info->window, s->inputs, info->input_count, x);
        }
        if (request->fields[1]) {
            double *y = (double *)request->fields[1] + i * info->horizon * info->target_count;
            copy_rows(s, start + info->window, info->horizon, s->targets, info->target_count, y);
        }
    }
    return FM_OK;
}

static void release_windows(void *state, fm_context *context)
{
    window_set *set = state;
    fm_series_destroy(set->series);
    fm_release(context, set->starts);
    fm_release(context, set);
}

static const fm_data_source window_source = {
    .kind = "windows", .read = read_windows, .release = release_windows};

/* ---- Which windows there are ---- */

static bool row_is_whole(const fm_series *s, int64_t row, const int *columns, int count)
{
    const double *values = s->worked + row * s->columns;
    for (int c = 0; c < count; c++) {
        if (isnan(values[columns[c]])) return false;
    }
    return true;
}

/* For each row how many rows up to it lack an input; and a target, behind those. */
static fm_status count_holes(const fm_series *s, uint32_t **holes)
{
    size_t rows = (size_t)s->info.known + 1;
    *holes = fm_allocate_array(s->context, rows, 2 * sizeof **holes);
    if (!*holes) return fm_error_status(s->context);
    uint32_t *x = *holes, *y = x + rows;
    x[0] = y[0] = 0;
    for (int64_t row = 0; row < s->info.known; row++) {
        x[row + 1] = x[row] + !row_is_whole(s, row, s->inputs, s->info.input_count);
        y[row + 1] = y[row] + !row_is_whole(s, row, s->targets, s->info.target_count);
    }
    return FM_OK;
}

/* Windows without holes; *starts stays NULL where none has any. */
static fm_status find_whole(const fm_series *s, int64_t first, int64_t *count, uint32_t **starts)
{
    uint32_t *holes, *made = NULL;
    int64_t possible = *count, window = s->info.window, reach = window + s->info.horizon;
    fm_status status = count_holes(s, &holes);
    if (status != FM_OK) return status;
    const uint32_t *x = holes, *y = holes + s->info.known + 1;
    bool none = x[s->info.known] == x[first] && y[s->info.known] == y[first];
    if (!none) {
        made = fm_allocate_array(s->context, (size_t)possible, sizeof *made);
        status = made ? FM_OK : fm_error_status(s->context);
        *count = 0;
    }
    for (int64_t i = 0; made && i < possible; i++) {
        int64_t at = first + i * s->info.stride;
        bool whole = x[at + window] == x[at] && y[at + reach] == y[at + window];
        if (whole) made[(*count)++] = (uint32_t)at;
    }
    fm_release(s->context, holes);
    *starts = made;
    return status;
}

static fm_status fail_short(const fm_series *s)
{
    return fm_fail(s->context, FM_ERROR_ARGUMENT,
                   "%s: a window of %lld rows and a horizon of %lld need %lld rows, but there are "
                   "%lld%s%.0lld%s",
                   s->info.name, (long long)s->info.window, (long long)s->info.horizon,
                   (long long)(s->info.window + s->info.horizon),
                   (long long)(s->info.known - s->info.lost > 0 ? s->info.known - s->info.lost : 0),
                   s->info.lost ? " besides the " : "", (long long)s->info.lost,
                   s->info.lost ? " that difference uses up" : "");
}

static fm_status find_windows(const fm_series *s, window_set *set, int64_t *count)
{
    int64_t room = s->info.known - s->info.lost - s->info.window - s->info.horizon;
    set->first = s->info.lost;
    if (room < 0) return fail_short(s);
    *count = room / s->info.stride + 1;
    if (s->info.known > (int64_t)UINT32_MAX - 1) {
        return fm_fail(s->context, FM_ERROR_LIMIT, "%s: %lld rows; at most %u are possible",
                       s->info.name, (long long)s->info.known, UINT32_MAX - 1);
    }
    fm_status status = find_whole(s, set->first, count, &set->starts);
    if (status != FM_OK || *count > 0) return status;
    return fm_fail(s->context, FM_ERROR_ARGUMENT,
                   "%s: each window of %lld rows and %lld to forecast holds a missing value; a "
                   "shorter window may not, or fill: forward",
                   s->info.name, (long long)s->info.window, (long long)s->info.horizon);
}

/* ---- Describing ---- */

/* "Passengers+3" where the last dimension are steps. */
static const char *target_name(fm_arena *arena, const fm_series *s, int64_t i)
{
    bool steps = s->info.target_count == 1 && s->info.horizon > 1;
    if (!steps) return s->info.targets[i];
    return fm_arena_format(arena, "%s+%lld", s->info.targets[0], (long long)i + 1);
}

static fm_status describe(fm_arena *arena, const fm_series *s, int64_t count, fm_dataset_info *info)
{
    const fm_series_info *about = &s->info;
    fm_shape y = about->target_count == 1 ? FM_SHAPE(about->horizon)
                 : about->horizon == 1    ? FM_SHAPE(about->target_count)
                                          : FM_SHAPE(about->horizon, about->target_count);
    int64_t last = y.dims[y.rank - 1];
    fm_column *inputs = fm_arena_allocate(arena, (size_t)about->input_count * sizeof *inputs);
    fm_column *targets = fm_arena_allocate(arena, (size_t)last * sizeof *targets);
    if (!inputs || !targets) return FM_ERROR_MEMORY;
    for (int i = 0; i < about->input_count; i++) {
        inputs[i] = (fm_column){.name = about->inputs[i], .kind = FM_COLUMN_NUMERIC};
    }
    for (int64_t i = 0; i < last; i++) {
        targets[i] = (fm_column){.name = target_name(arena, s, i), .kind = FM_COLUMN_NUMERIC};
        if (!targets[i].name) return FM_ERROR_MEMORY;
    }
    *info = (fm_dataset_info){
        .name = about->name,
        .origin = s->origin,
        .count = count,
        .field_count = 2,
        .ordered = true,
        .gap = (about->horizon - 1) / about->stride,
        .fields = {{.name = "x",
                    .dtype = FM_F64,
                    .shape = FM_SHAPE(about->window, about->input_count),
                    .columns = inputs},
                   {.name = "y", .dtype = FM_F64, .shape = y, .columns = targets}}};
    return FM_OK;
}

fm_status fm_dataset_series(fm_context *context, const fm_series *series, fm_dataset **windows)
{
    fm_dataset_info info;
    int64_t count = 0;
    fm_arena arena = {.context = context};
    *windows = NULL;
    window_set *set = fm_allocate_zeroed(context, sizeof *set);
    if (!set) return FM_ERROR_MEMORY;
    set->series = fm_series_retain(series);
    fm_status status = find_windows(series, set, &count);
    if (status == FM_OK) status = describe(&arena, series, count, &info);
    if (status == FM_OK) {
        status = fm_dataset_create(context, &window_source, set, &info, windows);
    } else {
        release_windows(set, context);
    }
    fm_arena_release(&arena);
    return status;
}

/* ---- The test part ---- */

/* Windows whose first target lies in front of the row. */
static int64_t count_before(const fm_dataset *windows, int64_t row)
{
    int64_t low = 0, high = fm_dataset_about(windows)->count;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (fm_series_origin(windows, middle) < row) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

fm_status fm_dataset_series_parts(fm_context *context, const fm_series *series,
                                  const char *test_from, fm_dataset **train, fm_dataset **test)
{
    fm_dataset *windows;
    int64_t row;
    *train = *test = NULL;
    if (!fm_time_axis_find(&series->times, test_from, &row)) {
        char time[FM_SERIES_TIME_TEXT];
        return fm_fail(context, FM_ERROR_ARGUMENT,
                       "%s: test_from: '%s' is neither a row's number nor a time like %s",
                       series->info.name, test_from, fm_series_time(series, 0, time));
    }
    fm_status status = fm_dataset_series(context, series, &windows);
    if (status != FM_OK) return status;
    int64_t count = fm_dataset_about(windows)->count, from = count_before(windows, row);
    int64_t kept = count_before(windows, row - series->info.horizon + 1);
    if (kept < 1 || from >= count) {
        status = fm_fail(context, FM_ERROR_ARGUMENT,
                         "%s: test_from: '%s' leaves no window in the %s part", series->info.name,
                         test_from, kept < 1 ? "training" : "test");
    }
    if (status == FM_OK) status = fm_dataset_range(context, windows, 0, kept, train);
    if (status == FM_OK) status = fm_dataset_range(context, windows, from, count - from, test);
    fm_dataset_destroy(windows);
    if (status == FM_OK) return FM_OK;
    fm_dataset_destroy(*train);
    *train = NULL;
    return status;
}

/* ---- The series behind a set ---- */

/* The set of windows that a set was made from, and the sample in it. */
static const window_set *windows_behind(const fm_dataset *dataset, int64_t *index)
{
    while (dataset) {
        const fm_dataset *root = dataset->root ? dataset->root : dataset;
        fm_data_request request = {.first = *index, .count = 1};
        bool inside = *index >= 0 && *index < dataset->info.count;
        if (inside) *index = fm_dataset_position(dataset, &request, 0);
        if (root->source == &window_source) return root->state;
        dataset = fm_dataset_raw(root);
    }
    return NULL;
}

const fm_series *fm_dataset_series_of(const fm_dataset *dataset)
{
    int64_t index = 0;
    const window_set *set = windows_behind(dataset, &index);
    return set ? set->series : NULL;
}

int64_t fm_series_origin(const fm_dataset *dataset, int64_t index)
{
    if (index < 0 || index >= fm_dataset_about(dataset)->count) return -1;
    const window_set *set = windows_behind(dataset, &index);
    return set ? start_of(set, index) + set->series->info.window : -1;
}

/* ---- The way back ---- */

/* One sample; `rows` has room for the rows that differencing looks back on and the horizon's. */
static void restore_sample(const fm_series *s, int64_t origin, double *rows, float *values)
{
    const fm_series_info *info = &s->info;
    size_t row_bytes = (size_t)s->columns * sizeof *rows;
    memcpy(rows, s->values + (origin - info->lost) * s->columns, (size_t)info->lost * row_bytes);
    for (int64_t h = 0; h < info->horizon; h++) {
        int64_t row = info->lost + h;
        for (int i = 0; i < info->target_count; i++) {
            int64_t column = s->targets[i];
            double value = fm_series_undo(s, rows, row, column, (double)*values);
            rows[row * s->columns + column] = value;
            *values++ = (float)value;
        }
    }
}

fm_status fm_series_restore(fm_context *context, const fm_dataset *dataset, int64_t first,
                            int64_t count, float *values)
{
    const fm_series *s = fm_dataset_series_of(dataset);
    if (!s) return FM_OK;
    if (first < 0 || count < 0 || first > fm_dataset_about(dataset)->count - count) {
        return fm_fail(context, FM_ERROR_ARGUMENT,
                       "%s: samples %lld to %lld are to be restored, of %lld", s->info.name,
                       (long long)first, (long long)(first + count - 1),
                       (long long)fm_dataset_about(dataset)->count);
    }
    size_t rows = (size_t)(s->info.lost + s->info.horizon);
    double *around = fm_allocate_array(context, rows, (size_t)s->columns * sizeof *around);
    if (!around) return fm_error_status(context);
    for (int64_t i = 0; i < count; i++) {
        restore_sample(s, fm_series_origin(dataset, first + i), around,
                       values + i * s->info.horizon * s->info.target_count);
    }
    fm_release(context, around);
    return FM_OK;
}
