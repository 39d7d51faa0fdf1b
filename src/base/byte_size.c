#include "base/byte_size.h"
#include "base/plain_numbers.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    double bytes;
} units[] = {
    {"", 1},
    {"B", 1},
    {"KB", 1e3},
    {"MB", 1e6},
    {"GB", 1e9},
    {"TB", 1e12},
    {"KiB", 1024.},
    {"MiB", 1024. * 1024},
    {"GiB", 1024. * 1024 * 1024},
    {"TiB", 1024. * 1024 * 1024 * 1024},
    {"K", 1024.},
    {"M", 1024. * 1024},
    {"G", 1024. * 1024 * 1024},
    {"T", 1024. * 1024 * 1024 * 1024},
};

static bool same_letters(const char *a, const char *b)
{
    for (; *a && *b; a++, b++) {
        if (tolower((unsigned char)*a) != tolower((unsigned char)*b)) return false;
    }
    return *a == *b;
}

bool fm_bytes_read(const char *text, size_t *bytes)
{
    double number;
    const char *unit;
    if (!isdigit((unsigned char)*text) || !fm_plain_number(text, &unit, &number)) return false;
    unit += strspn(unit, " ");
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (!same_letters(unit, units[i].name)) continue;
        double size = number * units[i].bytes;
        if (!(size < 0x1p62)) return false;
        *bytes = (size_t)size;
        return true;
    }
    return false;
}

const char *fm_bytes_text(double bytes, char buffer[FM_BYTES_TEXT])
{
    static const char *const names[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    int unit = 0;
    for (; bytes >= 1023.5 && unit < 4; unit++) bytes /= 1024;
    snprintf(buffer, FM_BYTES_TEXT, unit && bytes < 99.95 ? "%.1f %s" : "%.0f %s", bytes,
             names[unit]);
    return buffer;
}
