#include "data/array_source.h"
#include "base/checked.h"
#include "data/transform.h"

#include <string.h>

typedef struct array_state {
    int field_count;
    const char *data[FM_MAX_DATA_FIELDS];
    size_t bytes[FM_MAX_DATA_FIELDS]; /* of one sample */
    uint32_t *lines;                  /* of a file's rows, owned; NULL: they are none */
    bool owned;
} array_state;

static void gather(const char *from, size_t bytes, const fm_data_request *request, char *to)
{
    if (!request->indices) {
        memcpy(to, from + (size_t)request->first * bytes, (size_t)request->count * bytes);
        return;
    }
    for (int64_t i = 0; i < request->count; i++) {
        if (i + 1 < request->count) fm_fetch_row(from + request->indices[i + 1] * bytes, bytes);
        memcpy(to + (size_t)i * bytes, from + request->indices[i] * bytes, bytes);
    }
}

static fm_status read_arrays(const void *state, fm_context *context, const fm_data_request *request)
{
    (void)context;
    const array_state *arrays = state;
    for (int i = 0; i < arrays->field_count; i++) {
        if (request->fields[i]) {
            gather(arrays->data[i], arrays->bytes[i], request, request->fields[i]);
        }
    }
    return FM_OK;
}

static const void *array_memory(const void *state, int field)
{
    return ((const array_state *)state)->data[field];
}

static void release_arrays(void *state, fm_context *context)
{
    array_state *arrays = state;
    for (int i = 0; arrays->owned && i < arrays->field_count; i++) {
        fm_release(context, (char *)(uintptr_t)arrays->data[i]);
    }
    fm_release(context, arrays->lines);
    fm_release(context, arrays);
}

static const fm_data_source array_source = {
    .kind = "arrays",
    .read = read_arrays,
    .memory = array_memory,
    .release = release_arrays,
};

fm_sample_place fm_dataset_place(const fm_dataset *dataset, int64_t i)
{
    const fm_dataset *root = dataset, *parent = dataset;
    int64_t position = i;
    while (parent) {
        const fm_data_request one = {.first = position};
        position = fm_dataset_position(parent, &one, 0);
        root = parent->root ? parent->root : parent;
        parent = fm_dataset_raw(root);
    }
    const array_state *arrays = root->source == &array_source ? root->state : NULL;
    int64_t line = arrays && arrays->lines ? arrays->lines[position] : 0;
    return (fm_sample_place){position, line};
}

/* ---- Integer labels are classes ---- */

/* max + 1, or 0 when these are not class numbers. */
static int64_t count_classes(const void *labels, fm_dtype dtype, int64_t count)
{
    int64_t classes = 0;
    for (int64_t i = 0; i < count; i++) {
        double label = fm_element(labels, dtype, (size_t)i);
        if (label < 0 || label > FM_MOST_PLAIN_CLASS) return 0;
        if (label >= (double)classes) classes = (int64_t)label + 1;
    }
    return classes;
}

static void describe_labels(fm_dataset_info *info, const void *const *data, fm_column *column)
{
    if (info->field_count < 2) return;
    fm_data_field *y = &info->fields[1];
    bool labels = !y->columns && y->shape.rank == 0 && !fm_dtype_is_real(y->dtype);
    int64_t classes = labels ? count_classes(data[1], y->dtype, info->count) : 0;
    if (classes == 0) return;
    *column = (fm_column){.kind = FM_COLUMN_CATEGORICAL, .category_count = classes};
    y->columns = column;
}

/* ---- Making ---- */

static fm_status create_from(fm_context *context, const fm_dataset_info *info, array_state *state,
                             fm_dataset **dataset)
{
    fm_status status = fm_dataset_check_info(context, info);
    if (status != FM_OK) {
        release_arrays(state, context);
        return status;
    }
    fm_dataset_info described = *info;
    fm_column column;
    const void *data[FM_MAX_DATA_FIELDS] = {0};
    for (int i = 0; i < state->field_count; i++) {
        data[i] = state->data[i];
        state->bytes[i] = fm_field_bytes(&info->fields[i]);
    }
    describe_labels(&described, data, &column);
    return fm_dataset_create(context, &array_source, state, &described, dataset);
}

fm_status fm_dataset_adopt_arrays(fm_context *context, const fm_dataset_info *info, void **data,
                                  fm_dataset **dataset)
{
    return fm_dataset_adopt_rows(context, info, data, NULL, dataset);
}

fm_status fm_dataset_adopt_rows(fm_context *context, const fm_dataset_info *info, void **data,
                                uint32_t *lines, fm_dataset **dataset)
{
    *dataset = NULL;
    array_state *state = fm_allocate_zeroed(context, sizeof *state);
    if (state) {
        *state = (array_state){.field_count = info->field_count, .lines = lines, .owned = true};
    } else {
        fm_release(context, lines);
    }
    for (int i = 0; i < info->field_count; i++) {
        if (state) {
            state->data[i] = data[i];
        } else {
            fm_release(context, data[i]);
        }
        data[i] = NULL;
    }
    return state ? create_from(context, info, state, dataset) : FM_ERROR_MEMORY;
}

static fm_status borrow_arrays(fm_context *context, const fm_dataset_info *info,
                               const void *const *data, fm_dataset **dataset)
{
    array_state *state = fm_allocate_zeroed(context, sizeof *state);
    if (!state) return FM_ERROR_MEMORY;
    state->field_count = info->field_count;
    for (int i = 0; i < info->field_count; i++) state->data[i] = data[i];
    return create_from(context, info, state, dataset);
}

static fm_status copy_arrays(fm_context *context, const fm_dataset_info *info,
                             const void *const *data, fm_dataset **dataset)
{
    void *copies[FM_MAX_DATA_FIELDS] = {0};
    for (int i = 0; i < info->field_count; i++) {
        size_t bytes = (size_t)info->count * fm_field_bytes(&info->fields[i]);
        copies[i] = fm_allocate(context, bytes);
        if (copies[i]) {
            if (bytes) memcpy(copies[i], data[i], bytes);
            continue;
        }
        while (i-- > 0) fm_release(context, copies[i]);
        return FM_ERROR_MEMORY;
    }
    return fm_dataset_adopt_arrays(context, info, copies, dataset);
}

fm_status fm_dataset_from_arrays(fm_context *context, const fm_dataset_info *info,
                                 const void *const *data, bool borrow, fm_dataset **dataset)
{
    *dataset = NULL;
    fm_status status = fm_dataset_check_info(context, info);
    if (status != FM_OK) return status;
    for (int i = 0; i < info->field_count; i++) {
        if (data[i] || info->count == 0) continue;
        return fm_fail(context, FM_ERROR_ARGUMENT, "data set \"%s\": no array for field \"%s\"",
                       info->name ? info->name : "unnamed", info->fields[i].name);
    }
    return borrow ? borrow_arrays(context, info, data, dataset)
                  : copy_arrays(context, info, data, dataset);
}
