#include "base/text.h"
#include "base/checked.h"
#include "base/memory.h"
#include "base/plain_numbers.h"

#include <stdarg.h>
#include <string.h>

static bool make_room(fm_text *text, size_t more)
{
    size_t wanted;
    if (text->failed) return false;
    if (!fm_checked_add(text->size, more, &wanted) || !fm_checked_add(wanted, 1, &wanted) ||
        fm_grow(text->context, &text->bytes, &text->capacity, wanted, 1) != FM_OK) {
        text->failed = true;
        return false;
    }
    return true;
}

void fm_text_add_bytes(fm_text *text, const void *bytes, size_t size)
{
    if (!make_room(text, size)) return;
    if (size) memcpy(text->bytes + text->size, bytes, size);
    text->size += size;
    text->bytes[text->size] = '\0';
}

void fm_text_add(fm_text *text, const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int length = fm_plain_print(NULL, 0, format, arguments);
    va_end(arguments);
    if (length >= 0 && make_room(text, (size_t)length)) {
        fm_plain_print(text->bytes + text->size, (size_t)length + 1, format, again);
        text->size += (size_t)length;
    }
    va_end(again);
}

const char *fm_text_string(const fm_text *text)
{
    return text->bytes ? text->bytes : "";
}

fm_status fm_text_status(const fm_text *text)
{
    return text->failed ? FM_ERROR_MEMORY : FM_OK;
}

void fm_text_clear(fm_text *text)
{
    text->size = 0;
    text->failed = false;
    if (text->bytes) text->bytes[0] = '\0';
}

void fm_text_release(fm_text *text)
{
    fm_release(text->context, text->bytes);
    *text = FM_TEXT(text->context);
}
