/* A data set that is transformed while it is read: rows come from the parent's memory where it has
 * any, else through a small buffer. */
#include "base/checked.h"
#include "base/map.h"
#include "base/parallel.h"
#include "base/timeline.h"
#include "data/convert.h"
#include "data/text/text_samples.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

enum { BUFFER_SIZE = 16 * 1024, UNKNOWN = -1 };

/* What a byte of a result takes, roughly: most of the time goes to fetching the row. */
#define BYTE_NANOSECONDS 0.25

typedef struct prepared {
    fm_dataset *parent;
    fm_transform *transform;
    fm_arena words;
    int32_t **codes;     /* of each column of "x": from the parent's category to the transform's */
    int32_t *classes;    /* the same for "y"; NULL: it holds numbers */
    int64_t class_count; /* of the parent */
    int32_t *tokens;     /* of texts: all samples; NULL: "x" is numbers */
    int32_t *lengths;    /* of texts: the tokens of each that are no padding */
} prepared;

/* ---- Rows ---- */

static void convert_table_row(const prepared *p, const void *raw, fm_dtype dtype, float *to)
{
    const fm_transform *t = p->transform;
    for (int64_t c = 0; c < t->elements; c++) {
        const fm_column *column = &t->input.fields[0].columns[c];
        const fm_column_code *code = &t->codes[c];
        double value = fm_element(raw, dtype, (size_t)c);
        if (!p->codes[c]) {
            fm_convert_row(&value, FM_F64, 1, t->rules[c], to + code->output);
            continue;
        }
        bool known =
            value >= 0 && value < (double)p->parent->info.fields[0].columns[c].category_count;
        int64_t category = known           ? p->codes[c][(int64_t)value]
                           : code->missing ? column->category_count
                                           : UNKNOWN;
        if (t->encode == FM_ENCODE_ORDINAL) {
            to[code->output] = (float)category;
            continue;
        }
        for (int64_t k = 0; k < code->width; k++) to[code->output + k] = k == category ? 1 : 0;
    }
}

static void convert_each(const fm_transform *t, const void *raw, fm_dtype dtype, float *to)
{
    for (int64_t e = 0; e < t->elements; e++) {
        double value = fm_element(raw, dtype, (size_t)e);
        fm_convert_row(&value, FM_F64, 1, t->rules[fm_rule_group(t, e)], to + e);
    }
}

static bool convert_x(const prepared *p, const void *raw, void *to)
{
    const fm_transform *t = p->transform;
    fm_dtype dtype = p->parent->info.fields[0].dtype;
    if (t->codes) {
        convert_table_row(p, raw, dtype, to);
    } else if (t->groups == 1) {
        fm_convert_row(raw, dtype, t->elements, t->rules[0], to);
    } else if (t->statistics == FM_STATISTICS_CHANNEL && t->groups <= FM_MOST_CONVERT_CHANNELS) {
        fm_convert_channels(raw, dtype, t->elements, t->rules, t->groups, to);
    } else {
        convert_each(t, raw, dtype, to);
    }
    return true;
}

static void store_class(const fm_transform *t, int32_t category, int64_t e, void *to)
{
    int64_t count = t->input.fields[1].columns->category_count;
    float *row = (float *)to + e * count;
    switch (t->target) {
    case FM_TARGET_INDEX:
        ((int32_t *)to)[e] = category;
        break;
    case FM_TARGET_ONE_HOT:
        for (int64_t k = 0; k < count; k++) row[k] = k == category ? 1 : 0;
        break;
    default:
        ((float *)to)[e] = (float)category;
        break;
    }
}

static bool convert_y(const prepared *p, const void *raw, void *to)
{
    const fm_transform *t = p->transform;
    const fm_data_field *y = &p->parent->info.fields[1];
    int64_t elements = fm_shape_elements(y->shape), columns = fm_field_columns(y);
    for (int64_t e = 0; e < elements; e++) {
        double value = fm_element(raw, y->dtype, (size_t)e);
        if (!p->classes) {
            fm_rule rule = t->target_rules ? t->target_rules[e % columns] : (fm_rule){NAN, 0, 1};
            ((float *)to)[e] = (float)((value - rule.center) * rule.factor);
            continue;
        }
        if (!(value >= 0 && value < (double)p->class_count)) return false;
        store_class(t, p->classes[(int64_t)value], e, to);
    }
    return true;
}

/* ---- Reading ---- */

typedef bool (*convert_row)(const prepared *p, const void *raw, void *to);

static const convert_row converters[] = {convert_x, convert_y};

static fm_status fail_class(fm_context *context, const prepared *p, const fm_data_request *request,
                            int64_t i)
{
    int64_t sample = request->indices ? (int64_t)request->indices[i] : request->first + i;
    return fm_fail(context, FM_ERROR_ARGUMENT,
                   "data set \"%s\": sample %lld has a \"y\" that is none of its %lld classes",
                   p->parent->info.name, (long long)sample, (long long)p->class_count);
}

/* Rows that lie in memory, cut into ranges for threads. */
typedef struct memory_rows {
    const prepared *p;
    const fm_data_request *request;
    const char *memory;
    int field;
    size_t from, to;
    _Atomic(int64_t) *refused; /* the first that could not be converted, else the request's count */
} memory_rows;

static void convert_range(const void *argument, int64_t begin, int64_t end)
{
    const memory_rows *m = argument;
    const fm_data_request *request = m->request;
    char *to = (char *)request->fields[m->field];
    for (int64_t i = begin; i < end; i++) {
        size_t at = (size_t)fm_dataset_position(m->p->parent, request, i);
        if (request->indices && i + 1 < end) {
            size_t next = (size_t)fm_dataset_position(m->p->parent, request, i + 1);
            fm_fetch_row(m->memory + next * m->from, m->from);
        }
        if (converters[m->field](m->p, m->memory + at * m->from, to + (size_t)i * m->to)) continue;
        int64_t first = atomic_load(m->refused);
        while (i < first && !atomic_compare_exchange_weak(m->refused, &first, i)) continue;
        return;
    }
}

static fm_status read_memory(const prepared *p, fm_context *context, const fm_data_request *request,
                             int field, const char *memory)
{
    _Atomic(int64_t) refused = request->count;
    const memory_rows rows = {p,
                              request,
                              memory,
                              field,
                              fm_field_bytes(&p->parent->info.fields[field]),
                              fm_field_bytes(&p->transform->output.fields[field]),
                              &refused};
    double began = fm_span_begin(context);
    fm_in_ranges(fm_context_threads(context), request->count, 1, (double)rows.to * BYTE_NANOSECONDS,
                 convert_range, &rows);
    fm_span_end_fine(context, "collate", began);
    int64_t first = atomic_load(&refused);
    return first < request->count ? fail_class(context, p, request, first) : FM_OK;
}

static fm_status convert_rows(const prepared *p, fm_context *context,
                              const fm_data_request *request, int field, int64_t start,
                              int64_t count, const char *raw)
{
    size_t from = fm_field_bytes(&p->parent->info.fields[field]);
    size_t to = fm_field_bytes(&p->transform->output.fields[field]);
    char *rows = (char *)request->fields[field] + (size_t)start * to;
    double began = fm_span_begin(context);
    for (int64_t i = 0; i < count; i++) {
        if (!converters[field](p, raw + (size_t)i * from, rows + (size_t)i * to)) {
            return fail_class(context, p, request, start + i);
        }
    }
    fm_span_end_fine(context, "collate", began);
    return FM_OK;
}

/* raw: memory for "x" and "y", NULL for what is not wanted. */
static fm_status read_piece(const prepared *p, fm_context *context, const fm_data_request *request,
                            int64_t start, int64_t count, char *const raw[2])
{
    fm_data_request piece = {.indices = request->indices ? request->indices + start : NULL,
                             .first = request->first + start,
                             .count = count,
                             .fields = {raw[0], raw[1]},
                             .seed = request->seed,
                             .epoch = request->epoch};
    fm_status status = fm_dataset_read(context, p->parent, &piece);
    for (int field = 0; field < 2 && status == FM_OK; field++) {
        if (!raw[field]) continue;
        status = convert_rows(p, context, request, field, start, count, raw[field]);
    }
    return status;
}

static fm_status read_buffered(const prepared *p, fm_context *context,
                               const fm_data_request *request, const bool wanted[2])
{
    _Alignas(FM_ALIGNMENT) char small[BUFFER_SIZE];
    size_t bytes[2] = {0}, room = sizeof small - FM_ALIGNMENT; /* "y" is aligned, too */
    for (int i = 0; i < 2; i++) {
        if (wanted[i]) bytes[i] = fm_field_bytes(&p->parent->info.fields[i]);
    }
    size_t each = bytes[0] + bytes[1];
    bool fits = each <= room;
    char *buffer = fits ? small : fm_allocate(context, each + FM_ALIGNMENT);
    if (!buffer) return FM_ERROR_MEMORY;
    int64_t at_once = each > 0 && fits ? (int64_t)(room / each) : 1;
    char *second = buffer + fm_round_up((size_t)at_once * bytes[0], FM_ALIGNMENT);
    char *const raw[2] = {wanted[0] ? buffer : NULL, wanted[1] ? second : NULL};
    fm_status status = FM_OK;
    for (int64_t start = 0; start < request->count && status == FM_OK; start += at_once) {
        int64_t rest = request->count - start;
        status = read_piece(p, context, request, start, rest < at_once ? rest : at_once, raw);
    }
    if (buffer != small) fm_release(context, buffer);
    return status;
}

/* A shorter request leaves padding out, where it is. */
static void read_tokens(const prepared *p, const fm_data_request *request, char *to)
{
    size_t length = (size_t)p->transform->output.fields[0].shape.dims[0];
    size_t wanted = request->length ? (size_t)request->length : length;
    size_t from = p->transform->input.text->pad == FM_TEXT_START ? length - wanted : 0;
    size_t bytes = wanted * sizeof *p->tokens;
    for (int64_t i = 0; i < request->count; i++) {
        int64_t sample = request->indices ? (int64_t)request->indices[i] : request->first + i;
        memcpy(to + (size_t)i * bytes, p->tokens + (size_t)sample * length + from, bytes);
    }
}

static int64_t prepared_length(const void *state, int64_t position)
{
    const prepared *p = state;
    return p->lengths ? p->lengths[position] : p->transform->output.fields[0].shape.dims[0];
}

static fm_status read_field(const prepared *p, fm_context *context, const fm_data_request *request,
                            int field)
{
    const void *memory = fm_dataset_memory(p->parent, field);
    const bool wanted[2] = {field == 0, field == 1};
    return memory ? read_memory(p, context, request, field, memory)
                  : read_buffered(p, context, request, wanted);
}

/* A picture and its mask are decoded, and varied, once. */
static bool made_together(const prepared *p, const fm_data_request *request)
{
    return p->parent->info.field_count > 1 && p->transform->output.field_count > 1 &&
           request->fields[0] && request->fields[1] && !p->tokens &&
           fm_target_reads_y(p->transform->target) && !fm_dataset_memory(p->parent, 0) &&
           !fm_dataset_memory(p->parent, 1);
}

/* "x" in the place of "y". */
static fm_status read_input_again(const prepared *p, fm_context *context,
                                  const fm_data_request *request)
{
    fm_data_request again = *request;
    if (request->fields[0]) {
        size_t bytes = fm_field_bytes(&p->transform->output.fields[0]);
        memcpy(request->fields[1], request->fields[0], (size_t)request->count * bytes);
        return FM_OK;
    }
    again.fields[0] = request->fields[1];
    return read_field(p, context, &again, 0);
}

static void read_sample_numbers(const prepared *p, const fm_data_request *request)
{
    int64_t group = p->parent->info.group > 1 ? p->parent->info.group : 1;
    int32_t *to = request->fields[1];
    for (int64_t i = 0; i < request->count; i++) {
        int64_t sample = request->indices ? (int64_t)request->indices[i] : request->first + i;
        to[i] = (int32_t)(sample / group);
    }
}

static fm_status read_prepared(const void *state, fm_context *context,
                               const fm_data_request *request)
{
    const prepared *p = state;
    const bool both[2] = {true, true};
    if (made_together(p, request)) return read_buffered(p, context, request, both);
    fm_status status = FM_OK;
    for (int i = 0; i < p->transform->output.field_count && status == FM_OK; i++) {
        if (i >= p->parent->info.field_count || !request->fields[i]) continue;
        if (i == 0 && p->tokens) {
            read_tokens(p, request, request->fields[0]);
            continue;
        }
        if (i == 1 && p->transform->target == FM_TARGET_SAMPLE) {
            read_sample_numbers(p, request);
            continue;
        }
        status = i == 1 && p->transform->target == FM_TARGET_INPUT
                     ? read_input_again(p, context, request)
                     : read_field(p, context, request, i);
    }
    return status;
}

static void release_prepared(void *state, fm_context *context)
{
    prepared *p = state;
    fm_dataset_destroy(p->parent);
    fm_transform_destroy(p->transform);
    fm_arena_release(&p->words);
    fm_release(context, p->tokens);
    fm_release(context, p->lengths);
    fm_release(context, p);
}

static const fm_data_source prepared_source = {.kind = "transformed",
                                               .read = read_prepared,
                                               .length = prepared_length,
                                               .release = release_prepared};

const fm_dataset *fm_dataset_raw(const fm_dataset *root)
{
    return root->source == &prepared_source ? ((const prepared *)root->state)->parent : NULL;
}

/* ---- Matching categories by name ---- */

static fm_status map_categories(prepared *p, const fm_column *from, const fm_column *to,
                                int32_t **result)
{
    fm_map known = {.context = p->words.context};
    fm_status status = FM_OK;
    char number[24];
    for (int64_t k = 0; k < to->category_count && status == FM_OK; k++) {
        status = fm_map_set(&known, fm_column_category(to, k, number), (uint32_t)k);
    }
    int32_t *codes = NULL;
    if (status == FM_OK) {
        codes = fm_arena_allocate(&p->words, (size_t)from->category_count * sizeof *codes);
        if (!codes) status = FM_ERROR_MEMORY;
    }
    for (int64_t k = 0; k < from->category_count && status == FM_OK; k++) {
        uint32_t code;
        bool found = fm_map_get(&known, fm_column_category(from, k, number), &code);
        codes[k] = found ? (int32_t)code : UNKNOWN;
    }
    fm_map_release(&known);
    *result = codes;
    return status;
}

static fm_status map_columns(prepared *p)
{
    const fm_data_field *from = &p->parent->info.fields[0], *to = &p->transform->input.fields[0];
    if (!p->transform->codes) return FM_OK;
    size_t columns = (size_t)fm_field_columns(to);
    p->codes = fm_arena_allocate(&p->words, columns * sizeof *p->codes);
    if (!p->codes) return FM_ERROR_MEMORY;
    fm_status status = FM_OK;
    for (size_t c = 0; c < columns && status == FM_OK; c++) {
        if (to->columns[c].kind != FM_COLUMN_CATEGORICAL) continue;
        status = map_categories(p, &from->columns[c], &to->columns[c], &p->codes[c]);
    }
    return status;
}

static fm_status map_classes(prepared *p, fm_context *context)
{
    const fm_dataset_info *from = &p->parent->info, *to = &p->transform->input;
    if (from->field_count < 2 || to->field_count < 2) return FM_OK;
    if (!fm_transform_has_categories(&to->fields[1])) return FM_OK;
    if (!fm_target_reads_y(p->transform->target)) return FM_OK;
    p->class_count = from->fields[1].columns->category_count;
    fm_status status =
        map_categories(p, from->fields[1].columns, to->fields[1].columns, &p->classes);
    for (int64_t k = 0; k < p->class_count && status == FM_OK; k++) {
        char number[24];
        if (p->classes[k] != UNKNOWN) continue;
        status = fm_fail(context, FM_ERROR_ARGUMENT,
                         "data set \"%s\": class \"%s\" was not in the data that the model learned "
                         "from",
                         from->name, fm_column_category(from->fields[1].columns, k, number));
    }
    return status;
}

/* ---- Checking ---- */

static fm_status check_columns(fm_context *context, const char *name, const fm_data_field *received,
                               const fm_data_field *wanted)
{
    for (int64_t c = 0; wanted->columns && c < fm_field_columns(wanted); c++) {
        const fm_column *want = &wanted->columns[c];
        const fm_column *have = received->columns ? &received->columns[c] : NULL;
        bool want_category = want->kind == FM_COLUMN_CATEGORICAL;
        bool have_category = have && have->kind == FM_COLUMN_CATEGORICAL;
        bool same_name = !have || !have->name || !want->name || strcmp(have->name, want->name) == 0;
        if (want_category == have_category && same_name) continue;
        return fm_fail(
            context, FM_ERROR_SHAPE,
            "data set \"%s\": column %lld of \"%s\" is %s \"%s\", %s \"%s\" was expected", name,
            (long long)c, wanted->name, have_category ? "categorical" : "numeric",
            have && have->name ? have->name : "", want_category ? "categorical" : "numeric",
            want->name ? want->name : "");
    }
    return FM_OK;
}

static fm_status check_field(fm_context *context, const char *name, const fm_data_field *received,
                             const fm_data_field *wanted)
{
    char have[FM_SHAPE_TEXT], want[FM_SHAPE_TEXT];
    if (!fm_shape_equal(received->shape, wanted->shape)) {
        return fm_fail(context, FM_ERROR_SHAPE,
                       "data set \"%s\": \"%s\" has shape %s, the transform was fitted on %s", name,
                       wanted->name, fm_shape_text(received->shape, have),
                       fm_shape_text(wanted->shape, want));
    }
    return check_columns(context, name, received, wanted);
}

static fm_status check_parent(fm_context *context, const fm_dataset *dataset,
                              const fm_transform *transform)
{
    const fm_dataset_info *have = &dataset->info, *want = &transform->input;
    fm_status status = fm_text_match(context, have, want);
    if (status != FM_OK) return status;
    status = check_field(context, have->name, &have->fields[0], &want->fields[0]);
    if (status != FM_OK || have->field_count < 2 || want->field_count < 2) return status;
    return check_field(context, have->name, &have->fields[1], &want->fields[1]);
}

static fm_dataset_info describe(const fm_dataset *dataset, const fm_transform *transform)
{
    fm_dataset_info info = transform->output;
    info.name = dataset->info.name;
    info.origin = dataset->info.origin;
    info.count = dataset->info.count;
    info.ordered = dataset->info.ordered;
    info.gap = dataset->info.gap;
    info.costly = dataset->info.costly;
    info.group = dataset->info.group;
    if (dataset->info.field_count < 2) info.field_count = 1;
    return info;
}

fm_status fm_dataset_transform(fm_context *context, const fm_dataset *dataset,
                               const fm_transform *transform, fm_dataset **result)
{
    *result = NULL;
    fm_status status = check_parent(context, dataset, transform);
    if (status != FM_OK) return status;
    bool texts = transform->vocabulary;
    if (texts && transform->input.text->running) {
        return fm_text_windows(context, dataset, transform, result);
    }
    prepared *p = fm_allocate_zeroed(context, sizeof *p);
    if (!p) return FM_ERROR_MEMORY;
    p->words.context = context;
    p->parent = fm_dataset_retain(dataset);
    p->transform = (fm_transform *)(uintptr_t)transform; /* counted, not changed */
    p->transform->references++;
    status = map_columns(p);
    if (status == FM_OK) status = map_classes(p, context);
    if (status == FM_OK && texts) {
        status = fm_text_encode_all(context, dataset, transform, &p->tokens, &p->lengths);
    }
    if (status != FM_OK) {
        release_prepared(p, context);
        return status;
    }
    fm_dataset_info info = describe(dataset, transform);
    return fm_dataset_create(context, &prepared_source, p, &info, result);
}
