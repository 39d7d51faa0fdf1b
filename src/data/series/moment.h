/* Times as people write them, and seconds. The calendar is the Gregorian one, also before 1582;
 * there are no time zones and no leap seconds. */
#ifndef FM_DATA_MOMENT_H
#define FM_DATA_MOMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FM_MOMENT_TEXT = 40 };

/* How a time is written. */
typedef struct fm_moment_style {
    int parts;      /* 2: year and month, 3: the day too, 5: hour and minute, 6: the second too */
    char separator; /* between year, month and day */
    bool day_first; /* 31.01.2020 */
    char between;   /* in front of the hour: ' ', 'T' */
    bool zone;      /* ends with Z */
} fm_moment_style;

typedef struct fm_moment {
    int64_t year;
    int month, day, hour, minute, second;
} fm_moment;

/* False when the text is no time. */
bool fm_moment_parse(const char *text, size_t size, fm_moment_style *style, fm_moment *moment);
const char *fm_moment_print(fm_moment_style style, fm_moment moment, char text[FM_MOMENT_TEXT]);

/* Seconds since the beginning of 1970. */
int64_t fm_moment_seconds(fm_moment moment);
fm_moment fm_moment_from_seconds(int64_t seconds);
/* The same day and time `months` later; a day that the month does not have is its last. */
fm_moment fm_moment_add_months(fm_moment moment, int64_t months);
int fm_month_days(int64_t year, int month);

#endif
