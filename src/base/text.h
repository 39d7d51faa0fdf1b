/* A growing string. A failed allocation sticks: the text stays valid, `failed` is set, and
 * fm_text_status tells it once at the end. */
#ifndef FM_BASE_TEXT_H
#define FM_BASE_TEXT_H

#include "base/context.h"

typedef struct fm_text {
    fm_context *context;
    char *bytes; /* NULL or ends with '\0' */
    size_t size, capacity;
    bool failed;
} fm_text;

#define FM_TEXT(context_) ((fm_text){.context = (context_)})

/* Numbers are written plainly, in any locale. */
__attribute__((format(printf, 2, 3))) void fm_text_add(fm_text *text, const char *format, ...);
void fm_text_add_bytes(fm_text *text, const void *bytes, size_t size);
/* "" while empty. */
const char *fm_text_string(const fm_text *text);
fm_status fm_text_status(const fm_text *text);
void fm_text_clear(fm_text *text);
void fm_text_release(fm_text *text);

#endif
