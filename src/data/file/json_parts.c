#include "data/file/json_parts.h"
#include "base/text.h"

#include <string.h>

void fm_json_set(json_t *object, const char *key, json_t *value, bool *failed)
{
    if (json_object_set_new(object, key, value) != 0) *failed = true;
}

void fm_json_append(json_t *list, json_t *value, bool *failed)
{
    if (json_array_append_new(list, value) != 0) *failed = true;
}

static int add_text(const char *bytes, size_t size, void *text)
{
    fm_text_add_bytes(text, bytes, size);
    return 0;
}

fm_status fm_json_text(fm_context *context, json_t *object, bool failed, const char *what,
                       char **json)
{
    fm_text text = FM_TEXT(context);
    size_t flags = JSON_COMPACT | JSON_REAL_PRECISION(17);
    *json = NULL;
    failed = failed || json_dump_callback(object, add_text, &text, flags) != 0;
    json_decref(object);
    fm_status status =
        failed ? fm_fail(context, FM_ERROR_MEMORY, "out of memory: the JSON of a %s", what)
               : fm_text_status(&text);
    if (status == FM_OK) {
        *json = text.bytes; /* the text's memory is the caller's now */
        return FM_OK;
    }
    fm_text_release(&text);
    return status;
}

int fm_json_choice(const char *const *names, const json_t *value)
{
    const char *name = json_string_value(value);
    for (int i = 0; name && names[i]; i++) {
        if (strcmp(names[i], name) == 0) return i;
    }
    return -1;
}
