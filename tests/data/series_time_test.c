/* Times of a series: read, written, continued, and refused. */
#include "support/fixture.h"
#include "data/series/time_axis.h"

static fm_time_axis read_axis(const char *const *texts, int count, double *at)
{
    fm_time_axis axis = {.name = "t", .at = at, .count = count};
    for (int i = 0; i < count; i++) {
        if (!fm_time_axis_read(&axis, i, texts[i], strlen(texts[i]))) fail_msg("%s", texts[i]);
    }
    return axis;
}

static void days_and_seconds_are_each_others_inverse(void **state)
{
    (void)state;
    int64_t seconds = -62135596800; /* the beginning of year 1 */
    fm_moment m = fm_moment_from_seconds(seconds);
    assert_int_equal(m.year, 1);
    int days = 0;
    for (; m.year < 2401; days++, seconds += 86400) {
        fm_moment again = fm_moment_from_seconds(fm_moment_seconds(m));
        assert_int_equal(fm_moment_seconds(m), seconds);
        assert_true(again.year == m.year && again.month == m.month && again.day == m.day);
        if (++m.day <= fm_month_days(m.year, m.month)) continue;
        m.day = 1;
        if (++m.month <= 12) continue;
        m.month = 1;
        m.year++;
    }
    assert_int_equal(days, 6 * 146097); /* 400 years each */
    assert_int_equal(fm_moment_seconds((fm_moment){.year = 1970, .month = 1, .day = 1}), 0);
    assert_int_equal(fm_moment_seconds((fm_moment){2009, 2, 13, 23, 31, 30}), 1234567890);
    m = fm_moment_from_seconds(-1);
    assert_true(m.year == 1969 && m.month == 12 && m.day == 31 && m.hour == 23 && m.second == 59);
}

static void times_are_written_as_they_are_read(void **state)
{
    static const char *const texts[] = {
        "1949-01",          "1949/12",          "2020-02-29",          "2020.02.29",
        "31.01.2020",       "2020-01-31 07:05", "2020-01-31T23:59:01", "2020-01-31T23:59:01Z",
        "01.12.1999 00:00",
    };
    static const char *const wrong[] = {
        "",
        "1949",
        "1949-13",
        "2021-02-29",
        "1949-00",
        "2020-01-32",
        "2020-01-01x",
        "2020-1-1 24:00",
        "2020-01-01 12:60",
        "2020-01/01",
        "12:00",
        "a-b",
        "2020-",
        "1.2",
        "20-01-01",
        "2020-01 12:00",
    };
    char text[FM_MOMENT_TEXT];
    fm_moment_style style;
    fm_moment moment;
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (!fm_moment_parse(texts[i], strlen(texts[i]), &style, &moment)) fail_msg("%s", texts[i]);
        assert_string_equal(fm_moment_print(style, moment, text), texts[i]);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        if (fm_moment_parse(wrong[i], strlen(wrong[i]), &style, &moment)) fail_msg("%s", wrong[i]);
    }
}

static void times_go_on_behind_the_last(void **state)
{
    static const struct {
        const char *texts[4];
        int more;
        const char *then;
    } cases[] = {
        {{"1960-10", "1960-11", "1960-12"}, 1, "1961-01"},
        {{"1960-10", "1960-11", "1960-12"}, 14, "1962-02"},
        {{"2019-11-30", "2019-12-31", "2020-01-31"}, 1, "2020-02-29"}, /* the months' last days */
        {{"2019-11-30", "2019-12-31", "2020-01-31"}, 2, "2020-03-31"},
        {{"2020-01-15", "2020-04-15", "2020-07-15"}, 1, "2020-10-15"}, /* quarters */
        {{"2020-02-27", "2020-02-28"}, 1, "2020-02-29"},
        {{"2020-02-14", "2020-02-21", "2020-02-28"}, 1, "2020-03-06"},
        {{"2020-02-28 22:00", "2020-02-28 23:00"}, 1, "2020-02-29 00:00"},
        {{"1.1.2020", "2.1.2020", "3.1.2020"}, 29, "01.02.2020"},
        {{"9999-11", "9999-12"}, 1, "9999-01"}, /* no year has five digits */
        {{"9999-12-30", "9999-12-31"}, 9, "9999-12-31"},
        {{"1949", "1950", "1951"}, 2, "1953"},
        {{"0.5", "1", "1.5"}, 1, "2"},
        {{"7"}, 1, "8"},
    };
    fixture *f = *state;
    char text[FM_MOMENT_TEXT];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double at[4];
        int count = 0;
        while (count < 4 && cases[i].texts[count]) count++;
        fm_time_axis axis = read_axis(cases[i].texts, count, at);
        assert_ok(f->context, fm_time_axis_finish(f->context, "s", &axis));
        assert_string_equal(fm_time_axis_text(&axis, count - 1 + cases[i].more, text),
                            cases[i].then);
        assert_string_equal(f->last_log, "");
    }
    fm_time_axis none = {.kind = FM_TIME_ROWS, .count = 3};
    assert_string_equal(fm_time_axis_text(&none, 12, text), "12");
}

static void gaps_are_told(void **state)
{
    static const char *const texts[] = {"1984-12-28", "1984-12-29", "1984-12-30",
                                        "1985-01-01", "1985-01-02", "1985-01-03"};
    static const char *const hours[] = {"2020-01-01 00:00", "2020-01-01 06:00", "2020-01-01 12:00",
                                        "2020-01-02 00:00"};
    fixture *f = *state;
    double at[6];
    fm_time_axis axis = read_axis(texts, 6, at);
    assert_ok(f->context, fm_time_axis_finish(f->context, "t.csv", &axis));
    assert_string_equal(f->last_log,
                        "t.csv: 1 of 5 steps in time are not a day, the first from 1984-12-30 to "
                        "1985-01-01; rows are taken as equal steps");
    axis = read_axis(hours, 4, at);
    assert_ok(f->context, fm_time_axis_finish(f->context, "t.csv", &axis));
    assert_non_null(strstr(f->last_log, "1 of 3 steps in time are not 6 hours"));
}

static void times_must_grow(void **state)
{
    static const char *const texts[] = {"1949-01", "1949-03", "1949-02"};
    fixture *f = *state;
    double at[3];
    fm_time_axis axis = read_axis(texts, 3, at);
    assert_fails(f->context, FM_ERROR_FORMAT,
                 "s: times must grow, but in column \"t\" 1949-03 is followed by 1949-02 (row 2)",
                 fm_time_axis_finish(f->context, "s", &axis));
    axis = read_axis((const char *const[]){"5", "5"}, 2, at);
    assert_fails(f->context, FM_ERROR_FORMAT, "5 is followed by 5",
                 fm_time_axis_finish(f->context, "s", &axis));
}

static void one_way_of_writing_is_kept(void **state)
{
    double at[2];
    (void)state;
    fm_time_axis axis = {.name = "t", .at = at, .count = 2};
    assert_true(fm_time_axis_read(&axis, 0, "1949-01", 7));
    assert_false(fm_time_axis_read(&axis, 1, "1949-02-01", 10));
    assert_false(fm_time_axis_read(&axis, 1, "1949/02", 7));
    assert_false(fm_time_axis_read(&axis, 1, "12", 2));
    assert_false(fm_time_axis_read(&axis, 0, "spring", 6));
}

static void a_row_is_found_by_its_time(void **state)
{
    static const char *const texts[] = {"1949-01", "1949-02", "1949-04"};
    double at[3];
    int64_t row;
    (void)state;
    fm_time_axis axis = read_axis(texts, 3, at);
    assert_true(fm_time_axis_find(&axis, "1949-02", &row) && row == 1);
    assert_true(fm_time_axis_find(&axis, "1949-03", &row) && row == 2);
    assert_true(fm_time_axis_find(&axis, "1950-01", &row) && row == 3);
    assert_true(fm_time_axis_find(&axis, "2", &row) && row == 2);
    assert_false(fm_time_axis_find(&axis, "1949-01-01", &row));
    assert_false(fm_time_axis_find(&axis, "soon", &row));
    axis = read_axis((const char *const[]){"10", "20", "30"}, 3, at);
    assert_true(fm_time_axis_find(&axis, "20", &row) && row == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(days_and_seconds_are_each_others_inverse),
        fixture_test(times_are_written_as_they_are_read),
        fixture_test(times_go_on_behind_the_last),
        fixture_test(gaps_are_told),
        fixture_test(times_must_grow),
        fixture_test(one_way_of_writing_is_kept),
        fixture_test(a_row_is_found_by_its_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
