#include "data/table_options.h"
#include "base/fields.h"

#include <stdlib.h>
#include <string.h>

const char *const fm_table_header_names[] = {"auto", "yes", "no", NULL};
const char *const fm_table_separator_names[] = {"auto", "comma", "semicolon", "tab", "space", NULL};
const char *const fm_column_kind_names[] = {"auto", "numeric", "categorical", NULL};

int64_t fm_column_of_name(const char *word, const char *(*next)(const void *list, int index),
                          const void *list)
{
    const char *name;
    for (int i = 0; (name = next(list, i)); i++) {
        if (strcmp(name, word) == 0) return i;
    }
    return -1;
}

int64_t fm_column_of_number(const char *word, int64_t count)
{
    char *end;
    long long number = strtoll(word, &end, 10);
    if (*end || end == word) return -1;
    if (number < 0) number += count;
    return number >= 0 && number < count ? number : -1;
}

fm_status fm_column_unknown(fm_context *context, const char *file, const char *option,
                            const char *word, const char *(*next)(const void *list, int index),
                            const void *list)
{
    int count = 0;
    while (next(list, count)) count++;
    const char *near = fm_nearest(word, next, list);
    return fm_fail(context, FM_ERROR_NOT_FOUND,
                   "%s: %s names the column '%s'; there is none of that name or number among the "
                   "%d%s%s%s",
                   file, option, word, count, near ? "; did you mean '" : "", near ? near : "",
                   near ? "'?" : "");
}
