#include "base/csv_text.h"

#include <string.h>

void fm_csv_add_cell(fm_text *to, const char *cell)
{
    if (!strpbrk(cell, ",\"\r\n")) {
        fm_text_add(to, "%s", cell);
        return;
    }
    fm_text_add(to, "\"");
    for (; *cell; cell++) fm_text_add(to, *cell == '"' ? "\"\"" : "%c", *cell);
    fm_text_add(to, "\"");
}
