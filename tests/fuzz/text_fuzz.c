/* Text on any bytes: labelled texts of a table, a running text, or a vocabulary's JSON; learned,
 * written as JSON and back, encoded and decoded. The first two bytes choose among the options. */
#include "data/dataset.h"
#include "data/text/vocabulary.h"
#include "fathom/data_files.h"

#include <string.h>

static fm_vocabulary_options choose_vocabulary(uint8_t byte)
{
    int kind = byte & 3;
    return (fm_vocabulary_options){.kind = kind,
                                   .size = byte & 4 ? 300 : 0,
                                   .keep_case = byte & 8,
                                   .punctuation = (byte >> 4) % 3,
                                   .min_count = byte >> 6};
}

/* Bytes and byte pairs know everything; characters whatever they were learned from,
 * but for zeros. */
static void check_round_trip(fm_context *context, const fm_vocabulary *v, const char *text,
                             size_t size)
{
    int32_t *tokens = fm_allocate_array(context, size, sizeof *tokens);
    int64_t count;
    char *back;
    size_t length;
    if (!tokens) __builtin_trap();
    if (fm_vocabulary_encode(context, v, text, size, tokens, (int64_t)size, &count) != FM_OK) {
        if (!v->kind->utf8) __builtin_trap();
        fm_release(context, tokens);
        return;
    }
    if (count < 0 || count > (int64_t)size) __builtin_trap();
    for (int64_t i = 0; i < count; i++) {
        if (tokens[i] < 1 || tokens[i] >= fm_vocabulary_size(v)) __builtin_trap();
    }
    if (fm_vocabulary_decode(context, v, tokens, count, &back, &length) != FM_OK) __builtin_trap();
    bool exact = !v->kind->utf8;
    if (exact && (length != size || (size > 0 && memcmp(back, text, size) != 0))) __builtin_trap();
    fm_release(context, back);
    fm_release(context, tokens);
}

static void read_all(fm_context *context, const fm_dataset *dataset, const fm_transform *transform)
{
    fm_dataset *prepared;
    if (fm_dataset_transform(context, dataset, transform, &prepared) != FM_OK) return;
    const fm_dataset_info *info = fm_dataset_about(prepared);
    void *fields[FM_MAX_DATA_FIELDS] = {0};
    for (int i = 0; i < info->field_count; i++) {
        fields[i] = fm_allocate(context, fm_field_bytes(&info->fields[i]));
    }
    for (int64_t k = 0; k < info->count && k < 64; k++) {
        fm_data_request request = {.first = k, .count = 1};
        memcpy(request.fields, fields, sizeof fields);
        if (fm_dataset_read(context, prepared, &request) != FM_OK) __builtin_trap();
    }
    for (int i = 0; i < info->field_count; i++) fm_release(context, fields[i]);
    fm_dataset_destroy(prepared);
}

static void use(fm_context *context, const fm_dataset *dataset, const char *text, size_t size)
{
    fm_transform *transform, *read;
    fm_transform_options options = {.batch_size = 2};
    if (fm_transform_fit(context, dataset, &options, &transform) != FM_OK) return;
    char *json;
    if (fm_transform_to_json(context, transform, &json) != FM_OK) __builtin_trap();
    if (fm_transform_from_json(context, json, strlen(json), &read) != FM_OK) __builtin_trap();
    fm_data_release(context, json);
    check_round_trip(context, fm_transform_vocabulary(read), text, size);
    read_all(context, dataset, read);
    fm_transform_destroy(read);
    fm_transform_destroy(transform);
}

static void run_table(fm_context *context, const uint8_t how[2], const char *text, size_t size)
{
    static const char *const columns[] = {NULL, "0", "a", "-1"};
    fm_text_classes_options options = {.text = columns[how[1] & 3],
                                       .label = columns[how[1] >> 2 & 3],
                                       .header = (how[1] >> 4) % 3,
                                       .quotes = (how[1] >> 6) % 3,
                                       .form = {.vocabulary = choose_vocabulary(how[0]),
                                                .length = how[1] & 15,
                                                .pad = how[1] & 1,
                                                .truncate = how[1] >> 1 & 1}};
    fm_dataset *dataset;
    if (fm_dataset_parse_text_classes(context, "input", text, size, &options, NULL, &dataset) ==
        FM_OK) {
        use(context, dataset, text, size);
    }
    fm_dataset_destroy(dataset);
}

static void run_running(fm_context *context, const uint8_t how[2], const char *text, size_t size)
{
    fm_text_form form = {.vocabulary = choose_vocabulary(how[0]),
                         .length = how[1] & 7,
                         .stateful = how[1] & 64,
                         .stride = how[1] & 64 ? 0 : how[1] >> 3 & 3};
    fm_dataset *dataset, *first = NULL, *second = NULL;
    if (fm_dataset_from_text(context, "input", text, size, &form, &dataset) == FM_OK) {
        use(context, dataset, text, size);
        if (fm_dataset_split(context, dataset, &(fm_split_options){.fraction = 0.3}, &first,
                             &second) == FM_OK) {
            use(context, first, text, size);
        }
    }
    fm_dataset_destroy(first);
    fm_dataset_destroy(second);
    fm_dataset_destroy(dataset);
}

static void run_json(fm_context *context, const char *text, size_t size)
{
    fm_vocabulary *v, *again;
    if (fm_vocabulary_from_json(context, text, size, &v) == FM_OK) {
        char *json;
        if (fm_vocabulary_to_json(context, v, &json) != FM_OK) __builtin_trap();
        if (fm_vocabulary_from_json(context, json, strlen(json), &again) != FM_OK) {
            __builtin_trap();
        }
        fm_data_release(context, json);
        if (fm_vocabulary_size(v) != fm_vocabulary_size(again)) __builtin_trap();
        check_round_trip(context, again, text, size);
        fm_vocabulary_destroy(again);
    }
    fm_vocabulary_destroy(v);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    fm_context *context;
    if (size < 2 || size > 1 << 15) return 0;
    if (fm_context_create(&(fm_context_options){.threads = 1}, &context) != FM_OK) return 0;
    const char *text = (const char *)bytes + 2;
    if (text[-1] & 0x80 && bytes[0] & 0x80) {
        run_json(context, text, size - 2);
    } else if (bytes[0] & 0x80) {
        run_running(context, bytes, text, size - 2);
    } else {
        run_table(context, bytes, text, size - 2);
    }
    fm_context_destroy(context);
    return 0;
}
