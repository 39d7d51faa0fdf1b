#include "data/dataset.h"
#include "base/checked.h"
#include "fathom/text_data.h"

#include <stdio.h>
#include <string.h>

enum { TRANSLATED = 256 }; /* positions translated at a time, on the stack */

const fm_dataset_info *fm_dataset_about(const fm_dataset *dataset)
{
    return &dataset->info;
}

fm_dataset *fm_dataset_retain(const fm_dataset *dataset)
{
    fm_dataset *held = (fm_dataset *)(uintptr_t)dataset; /* the count is not part of the value */
    held->references++;
    return held;
}

void fm_dataset_destroy(fm_dataset *dataset)
{
    if (!dataset || --dataset->references > 0) return;
    fm_context *context = dataset->context;
    if (dataset->source && dataset->source->release) {
        dataset->source->release(dataset->state, context);
    }
    fm_arena_release(&dataset->words);
    fm_dataset_destroy(dataset->root);
    fm_release(context, dataset->indices);
    fm_release(context, dataset);
}

int64_t fm_dataset_classes(const fm_dataset *dataset, const char *const **names)
{
    if (names) *names = NULL;
    const fm_dataset_info *info = &dataset->info;
    if (info->field_count < 2) return 0;
    const fm_column *column = info->fields[1].columns;
    if (!column || fm_field_columns(&info->fields[1]) != 1) return 0;
    if (column->kind != FM_COLUMN_CATEGORICAL) return 0;
    if (names) *names = column->categories;
    return column->category_count;
}

const char *fm_column_category(const fm_column *column, int64_t number, char buffer[24])
{
    if (column && column->categories && number >= 0 && number < column->category_count) {
        return column->categories[number];
    }
    snprintf(buffer, 24, "%lld", (long long)number);
    return buffer;
}

/* ---- Describing ---- */

static const char *name_of(const fm_dataset_info *info)
{
    return info->name ? info->name : "unnamed";
}

static fm_status copy_column(fm_arena *words, const fm_column *from, fm_column *to)
{
    *to = *from;
    if (from->name && !(to->name = fm_arena_string(words, from->name))) return FM_ERROR_MEMORY;
    if (!from->categories) return FM_OK;
    size_t bytes;
    if (!fm_checked_mul((size_t)from->category_count, sizeof(char *), &bytes)) {
        return fm_fail(words->context, FM_ERROR_LIMIT, "%lld categories do not fit into memory",
                       (long long)from->category_count);
    }
    const char **names = fm_arena_allocate(words, bytes);
    if (!names) return FM_ERROR_MEMORY;
    for (int64_t i = 0; i < from->category_count; i++) {
        if (!(names[i] = fm_arena_string(words, from->categories[i]))) return FM_ERROR_MEMORY;
    }
    to->categories = names;
    return FM_OK;
}

static fm_status copy_field(fm_arena *words, const fm_data_field *from, fm_data_field *to)
{
    *to = *from;
    if (!(to->name = fm_arena_string(words, from->name))) return FM_ERROR_MEMORY;
    if (!from->columns) return FM_OK;
    size_t count = (size_t)fm_field_columns(from), bytes;
    fm_column *columns = NULL;
    if (fm_checked_mul(count, sizeof *columns, &bytes)) columns = fm_arena_allocate(words, bytes);
    if (!columns) return FM_ERROR_MEMORY;
    for (size_t i = 0; i < count; i++) {
        fm_status status = copy_column(words, &from->columns[i], &columns[i]);
        if (status != FM_OK) return status;
    }
    to->columns = columns;
    return FM_OK;
}

fm_status fm_dataset_copy_info(fm_arena *words, const fm_dataset_info *from, fm_dataset_info *to)
{
    *to = *from;
    to->name = fm_arena_string(words, name_of(from));
    to->origin = fm_arena_string(words, from->origin ? from->origin : "");
    if (!to->name || !to->origin) return FM_ERROR_MEMORY;
    if (from->text) {
        fm_text_form *form = fm_arena_allocate(words, sizeof *form);
        if (!form) return FM_ERROR_MEMORY;
        *form = *from->text;
        to->text = form;
    }
    for (int i = 0; i < from->field_count; i++) {
        fm_status status = copy_field(words, &from->fields[i], &to->fields[i]);
        if (status != FM_OK) return status;
    }
    return FM_OK;
}

static fm_status check_field(fm_context *context, const fm_dataset_info *info, int index)
{
    const fm_data_field *field = &info->fields[index];
    char text[FM_SHAPE_TEXT];
    if (!field->name || !*field->name) {
        return fm_fail(context, FM_ERROR_ARGUMENT, "data set \"%s\": a field has no name",
                       name_of(info));
    }
    for (int i = 0; i < index; i++) {
        if (strcmp(info->fields[i].name, field->name) != 0) continue;
        return fm_fail(context, FM_ERROR_ARGUMENT,
                       "data set \"%s\": fields %d and %d are both called \"%s\"", name_of(info), i,
                       index, field->name);
    }
    int64_t bytes = fm_shape_bytes(field->shape, field->dtype), all;
    if (bytes < 0 || field->shape.rank >= FM_MAX_RANK) {
        return fm_fail(context, FM_ERROR_SHAPE,
                       "data set \"%s\", field \"%s\": %s %s is not a possible sample (the rank is "
                       "at most %d)",
                       name_of(info), field->name, fm_dtype_name(field->dtype),
                       fm_shape_text(field->shape, text), FM_MAX_RANK - 1);
    }
    if (!fm_checked_mul_i64(bytes, info->count, &all)) {
        return fm_fail(context, FM_ERROR_LIMIT,
                       "data set \"%s\", field \"%s\": %lld samples of %s do not fit into memory",
                       name_of(info), field->name, (long long)info->count,
                       fm_shape_text(field->shape, text));
    }
    return FM_OK;
}

static fm_status check_buckets(fm_context *context, const fm_dataset_info *info)
{
    const fm_ints *buckets = &info->buckets;
    const fm_shape x = info->fields[0].shape;
    bool good = buckets->count >= 0 && buckets->count <= FM_MAX_LIST;
    for (int i = 0; i < buckets->count && good; i++) {
        good = buckets->at[i] > (i > 0 ? buckets->at[i - 1] : 0);
    }
    if (good && buckets->count > 0) {
        good = x.rank > 0 && buckets->at[buckets->count - 1] == x.dims[0];
    }
    if (good) return FM_OK;
    return fm_fail(context, FM_ERROR_ARGUMENT,
                   "data set \"%s\": at most %d buckets, ascending lengths that end with the first "
                   "dimension of \"x\", %s",
                   name_of(info), FM_MAX_LIST, fm_shape_text(x, (char[FM_SHAPE_TEXT]){0}));
}

fm_status fm_dataset_check_info(fm_context *context, const fm_dataset_info *info)
{
    if (info->count < 0 || info->count > (int64_t)UINT32_MAX) {
        return fm_fail(context, FM_ERROR_LIMIT,
                       "data set \"%s\": %lld samples; 0 to %u are possible", name_of(info),
                       (long long)info->count, UINT32_MAX);
    }
    if (info->group < 0 || (info->group > 1 && info->count % info->group != 0)) {
        return fm_fail(context, FM_ERROR_ARGUMENT,
                       "data set \"%s\": %lld samples are no groups of %lld", name_of(info),
                       (long long)info->count, (long long)info->group);
    }
    if (info->rows < 0 || info->gap < 0) {
        return fm_fail(context, FM_ERROR_ARGUMENT,
                       "data set \"%s\": rows and gap must be at least 0, received %lld and %lld",
                       name_of(info), (long long)info->rows, (long long)info->gap);
    }
    if (info->field_count < 1 || info->field_count > FM_MAX_DATA_FIELDS) {
        return fm_fail(context, FM_ERROR_ARGUMENT,
                       "data set \"%s\": %d fields; 1 to %d are possible", name_of(info),
                       info->field_count, FM_MAX_DATA_FIELDS);
    }
    for (int i = 0; i < info->field_count; i++) {
        fm_status status = check_field(context, info, i);
        if (status != FM_OK) return status;
    }
    return check_buckets(context, info);
}

static fm_status fill_root(fm_dataset *made, const fm_dataset_info *info)
{
    fm_status status = fm_dataset_check_info(made->context, info);
    if (status == FM_OK) status = fm_dataset_copy_info(&made->words, info, &made->info);
    if (!made->source->length) made->info.buckets.count = 0; /* all samples have one length */
    return status;
}

fm_status fm_dataset_create(fm_context *context, const fm_data_source *source, void *state,
                            const fm_dataset_info *info, fm_dataset **dataset)
{
    *dataset = NULL;
    fm_dataset *made = fm_allocate_zeroed(context, sizeof *made);
    if (!made) {
        if (source->release) source->release(state, context);
        return FM_ERROR_MEMORY;
    }
    *made = (fm_dataset){.context = context,
                         .references = 1,
                         .source = source,
                         .state = state,
                         .words = {.context = context}};
    fm_status status = fill_root(made, info);
    if (status != FM_OK) {
        fm_dataset_destroy(made);
        return status;
    }
    *dataset = made;
    return FM_OK;
}

const char *fm_dataset_text(const fm_dataset *dataset, int64_t i, size_t *size)
{
    const fm_dataset *root = dataset->root ? dataset->root : dataset;
    fm_data_request one = {.first = i};
    *size = 0;
    if (!root->source->text || i < 0 || i >= dataset->info.count) return NULL;
    return root->source->text(root->state, fm_dataset_position(dataset, &one, 0), size);
}

int64_t fm_dataset_length(const fm_dataset *dataset, int64_t i)
{
    const fm_dataset *root = dataset->root ? dataset->root : dataset;
    const fm_shape x = dataset->info.fields[0].shape;
    fm_data_request one = {.first = i};
    if (x.rank == 0 || i < 0 || i >= dataset->info.count) return 0;
    if (!root->source->length) return x.dims[0];
    return root->source->length(root->state, fm_dataset_position(dataset, &one, 0));
}

/* ---- Views ---- */

static fm_dataset *create_view(fm_context *context, const fm_dataset *dataset, int64_t count)
{
    fm_dataset *made = fm_allocate_zeroed(context, sizeof *made);
    if (!made) return NULL;
    const fm_dataset *root = dataset->root ? dataset->root : dataset;
    *made = (fm_dataset){.context = context,
                         .references = 1,
                         .info = dataset->info,
                         .words = {.context = context},
                         .root = fm_dataset_retain(root),
                         .first = dataset->first};
    made->info.count = count;
    made->info.rows = 0; /* of a part nothing goes on, and groups may be cut */
    made->info.group = 0;
    return made;
}

static fm_status fill_indices(fm_dataset *view, const fm_dataset *dataset,
                              const fm_data_request *request)
{
    view->indices = fm_allocate_array(view->context, (size_t)request->count, sizeof *view->indices);
    if (!view->indices) return FM_ERROR_MEMORY;
    for (int64_t i = 0; i < request->count; i++) {
        view->indices[i] = (uint32_t)fm_dataset_position(dataset, request, i);
    }
    return FM_OK;
}

static fm_status view_of(fm_context *context, const fm_dataset *dataset,
                         const fm_data_request *request, fm_dataset **view)
{
    *view = NULL;
    fm_status status = fm_dataset_check_request(context, dataset, request);
    if (status != FM_OK) return status;
    fm_dataset *made = create_view(context, dataset, request->count);
    if (!made) return FM_ERROR_MEMORY;
    bool range = !request->indices && !dataset->indices;
    if (range) {
        made->first += request->first;
    } else {
        status = fill_indices(made, dataset, request);
    }
    if (status != FM_OK) {
        fm_dataset_destroy(made);
        return status;
    }
    *view = made;
    return FM_OK;
}

fm_status fm_dataset_view(fm_context *context, const fm_dataset *dataset, const uint32_t *indices,
                          int64_t count, fm_dataset **view)
{
    static const uint32_t none[1]; /* a view of nothing is a list too, not a range */
    fm_data_request request = {.indices = indices ? indices : none, .count = count};
    return view_of(context, dataset, &request, view);
}

fm_status fm_dataset_range(fm_context *context, const fm_dataset *dataset, int64_t first,
                           int64_t count, fm_dataset **view)
{
    fm_data_request request = {.first = first, .count = count};
    return view_of(context, dataset, &request, view);
}

/* ---- Reading ---- */

static fm_status check_length(fm_context *context, const fm_dataset_info *info, int64_t length)
{
    const fm_ints *buckets = &info->buckets;
    if (length == 0) return FM_OK;
    for (int i = 0; i < buckets->count; i++) {
        if (buckets->at[i] == length) return FM_OK;
    }
    return fm_fail(context, FM_ERROR_ARGUMENT,
                   "data set \"%s\": samples of %lld steps were asked for, which is none of its "
                   "buckets",
                   info->name, (long long)length);
}

fm_status fm_dataset_check_request(fm_context *context, const fm_dataset *dataset,
                                   const fm_data_request *request)
{
    const fm_dataset_info *info = &dataset->info;
    int64_t end;
    fm_status status = check_length(context, info, request->length);
    if (status != FM_OK) return status;
    if (request->count < 0) {
        return fm_fail(context, FM_ERROR_ARGUMENT, "data set \"%s\": a count of %lld samples",
                       info->name, (long long)request->count);
    }
    if (!request->indices) {
        if (request->first >= 0 && fm_checked_add_i64(request->first, request->count, &end) &&
            end <= info->count) {
            return FM_OK;
        }
        return fm_fail(
            context, FM_ERROR_ARGUMENT,
            "data set \"%s\": %lld samples from position %lld were asked for, it has %lld",
            info->name, (long long)request->count, (long long)request->first,
            (long long)info->count);
    }
    for (int64_t i = 0; i < request->count; i++) {
        if (request->indices[i] < info->count) continue;
        return fm_fail(context, FM_ERROR_ARGUMENT,
                       "data set \"%s\": position %u was asked for, it has %lld samples",
                       info->name, request->indices[i], (long long)info->count);
    }
    return FM_OK;
}

static fm_status ask_source(fm_context *context, const fm_dataset *root,
                            const fm_data_request *request)
{
    fm_status status = root->source->read(root->state, context, request);
    if (status == FM_OK || fm_error_status(context) == status) return status;
    return fm_fail(context, status, "data set \"%s\": its source failed without words",
                   root->info.name);
}

/* A piece of a request to a view, as a request to its root. */
static fm_status read_piece(fm_context *context, const fm_dataset *view,
                            const fm_data_request *request, int64_t start)
{
    uint32_t positions[TRANSLATED];
    fm_data_request piece = *request;
    int64_t rest = request->count - start;
    piece.count = rest < TRANSLATED ? rest : TRANSLATED;
    piece.indices = positions;
    for (int64_t i = 0; i < piece.count; i++) {
        positions[i] = (uint32_t)fm_dataset_position(view, request, start + i);
    }
    for (int i = 0; i < view->info.field_count; i++) {
        if (!request->fields[i]) continue;
        size_t skipped = (size_t)start * fm_cut_bytes(&view->info, i, request->length);
        piece.fields[i] = (char *)request->fields[i] + skipped;
    }
    return ask_source(context, view->root, &piece);
}

fm_status fm_dataset_read(fm_context *context, const fm_dataset *dataset,
                          const fm_data_request *request)
{
    fm_status status = fm_dataset_check_request(context, dataset, request);
    if (status != FM_OK || request->count == 0) return status;
    if (!dataset->root) return ask_source(context, dataset, request);
    for (int64_t start = 0; start < request->count && status == FM_OK; start += TRANSLATED) {
        status = read_piece(context, dataset, request, start);
    }
    return status;
}

const void *fm_dataset_memory(const fm_dataset *dataset, int field)
{
    const fm_dataset *root = dataset->root ? dataset->root : dataset;
    return root->source->memory ? root->source->memory(root->state, field) : NULL;
}
