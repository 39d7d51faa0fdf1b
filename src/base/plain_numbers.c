#define _GNU_SOURCE /* strtod_l */
#include "base/plain_numbers.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>

/* A C library makes the locale "C" from what it has: without memory of its own. Where it cannot,
 * the thread's locale stays. */
static locale_t plain_locale(void)
{
    return newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

int fm_plain_print(char *buffer, size_t size, const char *format, va_list arguments)
{
    locale_t plain = plain_locale();
    locale_t before = plain ? uselocale(plain) : (locale_t)0;
    int length = vsnprintf(buffer, size, format, arguments);
    if (plain) {
        uselocale(before);
        freelocale(plain);
    }
    return length;
}

int fm_plain_format(char *buffer, size_t size, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = fm_plain_print(buffer, size, format, arguments);
    va_end(arguments);
    return length;
}

bool fm_plain_number(const char *text, const char **end, double *value)
{
    locale_t plain = plain_locale();
    char *after;
    *value = plain ? strtod_l(text, &after, plain) : strtod(text, &after);
    if (plain) freelocale(plain);
    *end = after;
    return after != text;
}
