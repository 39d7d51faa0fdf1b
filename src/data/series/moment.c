#include "data/series/moment.h"

#include <stdio.h>
#include <string.h>

enum { YEAR_DIGITS = 4, LAST_YEAR = 9999, DAY_SECONDS = 86400 };

/* ---- The calendar ---- */

static bool is_leap(int64_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

int fm_month_days(int64_t year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return month == 2 && is_leap(year) ? 29 : days[month - 1];
}

/* Days from 1970-01-01 to the first of January of a year from 0 to 9999. */
static int64_t days_before(int64_t year)
{
    int64_t past = year - 1; /* -1 in year 0: the divisions below round down by the 400 added */
    int64_t leaps = (past + 400) / 4 - (past + 400) / 100 + (past + 400) / 400 - 97;
    return 365 * year + leaps - (365 * 1970 + 477);
}

int64_t fm_moment_seconds(fm_moment m)
{
    int64_t days = days_before(m.year) + m.day - 1;
    for (int month = 1; month < m.month; month++) days += fm_month_days(m.year, month);
    return ((days * 24 + m.hour) * 60 + m.minute) * 60 + m.second;
}

fm_moment fm_moment_from_seconds(int64_t seconds)
{
    int64_t days = seconds / DAY_SECONDS - (seconds % DAY_SECONDS < 0);
    int64_t rest = seconds - days * DAY_SECONDS;
    int64_t years = days < 0 ? days / 365 - 1 : days / 366; /* not more than there are */
    fm_moment m = {.year = 1970 + years, .month = 1};
    while (days_before(m.year + 1) <= days) m.year++;
    days -= days_before(m.year);
    while (days >= fm_month_days(m.year, m.month)) days -= fm_month_days(m.year, m.month++);
    m.day = (int)days + 1;
    m.hour = (int)(rest / 3600);
    m.minute = (int)(rest / 60 % 60);
    m.second = (int)(rest % 60);
    return m;
}

fm_moment fm_moment_add_months(fm_moment m, int64_t months)
{
    int64_t all = m.year * 12 + m.month - 1 + months;
    m.year = all / 12;
    m.month = (int)(all % 12) + 1;
    if (m.year > LAST_YEAR) m.year = LAST_YEAR;
    int most = fm_month_days(m.year, m.month);
    if (m.day > most) m.day = most;
    return m;
}

/* ---- Reading ---- */

typedef struct scan {
    const char *at, *end;
} scan;

/* A number of exactly this many digits. */
static bool take_number(scan *s, int digits, int64_t *number)
{
    *number = 0;
    for (int i = 0; i < digits; i++, s->at++) {
        if (s->at == s->end || *s->at < '0' || *s->at > '9') return false;
        *number = *number * 10 + (*s->at - '0');
    }
    return true;
}

/* One or two digits; files write 1.2.2020 as well. */
static bool take_short(scan *s, int *number)
{
    int64_t read;
    int digits = 0;
    while (digits < 2 && s->at + digits < s->end && s->at[digits] >= '0' && s->at[digits] <= '9') {
        digits++;
    }
    bool taken = digits > 0 && take_number(s, digits, &read);
    if (taken) *number = (int)read;
    return taken;
}

static bool take_char(scan *s, const char *any, char *found)
{
    if (s->at == s->end || !*s->at || !strchr(any, *s->at)) return false;
    *found = *s->at++;
    return true;
}

static bool starts_with_year(const scan *s)
{
    int digits = 0;
    while (s->at + digits < s->end && s->at[digits] >= '0' && s->at[digits] <= '9') digits++;
    return digits == YEAR_DIGITS;
}

static bool take_date(scan *s, fm_moment_style *style, fm_moment *m)
{
    char again;
    style->day_first = !starts_with_year(s);
    if (style->day_first) {
        style->parts = 3;
        return take_short(s, &m->day) && take_char(s, ".", &style->separator) &&
               take_short(s, &m->month) && take_char(s, ".", &again) &&
               take_number(s, YEAR_DIGITS, &m->year);
    }
    style->parts = 2;
    if (!take_number(s, YEAR_DIGITS, &m->year) || !take_char(s, "-/.", &style->separator)) {
        return false;
    }
    if (!take_short(s, &m->month)) return false;
    const char separator[] = {style->separator, '\0'};
    if (!take_char(s, separator, &again)) return true;
    style->parts = 3;
    return take_short(s, &m->day);
}

static bool take_clock(scan *s, fm_moment_style *style, fm_moment *m)
{
    char colon;
    style->parts = 5;
    if (!take_short(s, &m->hour) || !take_char(s, ":", &colon) || !take_short(s, &m->minute)) {
        return false;
    }
    if (!take_char(s, ":", &colon)) return true;
    style->parts = 6;
    return take_short(s, &m->second);
}

bool fm_moment_parse(const char *text, size_t size, fm_moment_style *style, fm_moment *m)
{
    scan s = {text, text + size};
    char zone;
    *style = (fm_moment_style){0};
    *m = (fm_moment){.month = 1, .day = 1};
    if (!take_date(&s, style, m)) return false;
    if (style->parts == 3 && take_char(&s, "T ", &style->between)) {
        if (!take_clock(&s, style, m)) return false;
        style->zone = take_char(&s, "Z", &zone);
    }
    return s.at == s.end && m->month >= 1 && m->month <= 12 && m->day >= 1 &&
           m->day <= fm_month_days(m->year, m->month) && m->hour < 24 && m->minute < 60 &&
           m->second < 60;
}

/* ---- Writing ---- */

const char *fm_moment_print(fm_moment_style style, fm_moment m, char text[FM_MOMENT_TEXT])
{
    int year = (int)m.year;
    char date[FM_MOMENT_TEXT / 2], clock[FM_MOMENT_TEXT / 2] = "";
    char c = style.separator;
    if (style.day_first) {
        snprintf(date, sizeof date, "%02d%c%02d%c%04d", m.day, c, m.month, c, year);
    } else if (style.parts == 2) {
        snprintf(date, sizeof date, "%04d%c%02d", year, c, m.month);
    } else {
        snprintf(date, sizeof date, "%04d%c%02d%c%02d", year, c, m.month, c, m.day);
    }
    const char *zone = style.zone ? "Z" : "";
    if (style.parts == 5) {
        snprintf(clock, sizeof clock, "%c%02d:%02d%s", style.between, m.hour, m.minute, zone);
    } else if (style.parts == 6) {
        snprintf(clock, sizeof clock, "%c%02d:%02d:%02d%s", style.between, m.hour, m.minute,
                 m.second, zone);
    }
    snprintf(text, FM_MOMENT_TEXT, "%s%s", date, clock);
    return text;
}
