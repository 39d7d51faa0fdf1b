/* A model's file without a model. */
#include "train/file/model_format.h"

#include <string.h>

static fm_status check_version(const fm_model_file *file)
{
    const char *version = fm_safetensors_metadata(file->tensors, "fathom.format");
    if (!version || strcmp(version, FM_FORMAT_VERSION) == 0) return FM_OK;
    return fm_fail(file->context, FM_ERROR_UNSUPPORTED,
                   "%s: written in version '%.20s' of the format; this fathom (" FM_VERSION
                   ") reads version " FM_FORMAT_VERSION,
                   fm_safetensors_path(file->tensors), version);
}

fm_status fm_model_file_open(fm_context *context, const char *path, fm_model_file **file)
{
    *file = NULL;
    fm_model_file *made = fm_allocate_zeroed(context, sizeof *made);
    if (!made) return FM_ERROR_MEMORY;
    made->context = context;
    fm_status status = fm_safetensors_open(context, path, &made->tensors);
    if (status == FM_OK) status = check_version(made);
    if (status == FM_OK) {
        *file = made;
    } else {
        fm_model_file_close(made);
    }
    return status;
}

void fm_model_file_close(fm_model_file *file)
{
    if (!file) return;
    fm_safetensors_close(file->tensors);
    fm_release(file->context, file);
}

const char *fm_model_file_note(const fm_model_file *file, const char *key)
{
    return fm_safetensors_metadata(file->tensors, key);
}

fm_variable_info fm_model_file_variable(const fm_model_file *file, int index)
{
    for (int i = 0; i < fm_safetensors_count(file->tensors); i++) {
        const fm_safetensors_entry *entry = fm_safetensors_at(file->tensors, i);
        if (entry->name[0] == '@' || index-- > 0) continue;
        return (fm_variable_info){.path = entry->name,
                                  .dtype = entry->dtype,
                                  .shape = entry->shape,
                                  .trainable = !fm_is_slot(entry->name)};
    }
    return (fm_variable_info){0};
}

/* Digits and a sign, in any locale. */
static bool parse_number(const char *text, int64_t *number)
{
    bool negative = *text == '-';
    uint64_t value = 0, limit = (uint64_t)INT64_MAX + negative;
    const char *digit = text + negative;
    if (!*digit) return false;
    for (; *digit; digit++) {
        if (*digit < '0' || *digit > '9') return false;
        uint64_t next = (uint64_t)(*digit - '0');
        if (value > (limit - next) / 10) return false;
        value = value * 10 + next;
    }
    *number = negative ? (int64_t)(0 - value) : (int64_t)value;
    return true;
}

fm_status fm_model_file_number(const fm_model_file *file, const char *key, int64_t *number)
{
    const char *text = fm_safetensors_metadata(file->tensors, key);
    if (text && parse_number(text, number)) return FM_OK;
    return fm_fail(file->context, FM_ERROR_FORMAT, "%s: '%s' in the metadata is %s%.40s%s",
                   fm_safetensors_path(file->tensors), key, text ? "'" : "", text ? text : "absent",
                   text ? "', not a number" : "");
}

void fm_model_file_position(const fm_model_file *file, uint64_t *step, int64_t *epoch,
                            int64_t *batch)
{
    int64_t numbers[3] = {0};
    static const char *const keys[3] = {"fathom.step", "fathom.epoch", "fathom.batch"};
    for (int i = 0; i < 3; i++) {
        const char *text = fm_safetensors_metadata(file->tensors, keys[i]);
        if (!text || !parse_number(text, &numbers[i])) numbers[i] = 0;
    }
    *step = (uint64_t)numbers[0];
    *epoch = numbers[1];
    *batch = numbers[2];
}
