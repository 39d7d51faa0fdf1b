#include "cli/html_text.h"
#include "base/utf8.h"

#include <string.h>

static const char *entity_of(uint32_t code)
{
    switch (code) {
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '&':
        return "&amp;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return NULL;
    }
}

void html_add(fm_text *to, const char *bytes, size_t size)
{
    uint32_t code;
    for (size_t at = 0, length; at < size; at += length) {
        length = fm_utf8_next(bytes + at, size - at, &code);
        bool plain = length > 0 && (code >= ' ' || code == '\n' || code == '\t') && code != 0x7f;
        const char *entity = plain ? entity_of(code) : "\xef\xbf\xbd";
        if (length == 0) length = 1;
        if (entity) {
            fm_text_add_bytes(to, entity, strlen(entity));
        } else {
            fm_text_add_bytes(to, bytes + at, length);
        }
    }
}

void html_add_string(fm_text *to, const char *string)
{
    html_add(to, string, strlen(string));
}
