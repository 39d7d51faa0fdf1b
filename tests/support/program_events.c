#include "support/program_events.h"

json_t *last_event(const program_result *r)
{
    json_t *event = NULL;
    if (r->code != 0) fail_msg("exit code %d: %s%s", r->code, r->out, r->err);
    for (const char *line = r->out; *line;) {
        size_t size = strcspn(line, "\n");
        json_error_t error;
        json_decref(event);
        event = json_loadb(line, size, 0, &error);
        if (!event) fail_msg("%.*s: %s", (int)size, line, error.text);
        assert_non_null(json_string_value(json_object_get(event, "event")));
        line += size + (line[size] == '\n');
    }
    assert_non_null(event);
    return event;
}

double number_at(const json_t *object, const char *key, const char *inner)
{
    const json_t *value = json_object_get(object, key);
    if (inner) value = json_object_get(value, inner);
    if (!json_is_number(value)) fail_msg("no number %s %s", key, inner ? inner : "");
    return json_number_value(value);
}

const char *text_at(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    if (!text) fail_msg("no text %s", key);
    return text;
}
