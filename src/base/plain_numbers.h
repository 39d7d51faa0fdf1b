/* Numbers in files have a decimal point whatever the host program's locale says. */
#ifndef FM_BASE_PLAIN_NUMBERS_H
#define FM_BASE_PLAIN_NUMBERS_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

/* vsnprintf; the calling thread's locale is put back. */
__attribute__((format(printf, 3, 0))) int fm_plain_print(char *buffer, size_t size,
                                                         const char *format, va_list arguments);

/* snprintf. */
__attribute__((format(printf, 3, 4))) int fm_plain_format(char *buffer, size_t size,
                                                          const char *format, ...);

/* strtod. false when no number stands at `text`; *end is behind it. */
bool fm_plain_number(const char *text, const char **end, double *value);

#endif
