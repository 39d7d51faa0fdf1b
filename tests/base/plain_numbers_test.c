/* A host program may set a locale that writes 0,5; files must not notice. */
#define _GNU_SOURCE /* setenv */
#include "support/fixture.h"
#include "base/plain_numbers.h"
#include "base/text.h"
#include "fathom/nn.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>

/* Enters a German locale, made here, as few machines have one. */
static void enter_comma_locale(fixture *f)
{
    char command[512];
    const char *made = fixture_path(f, "de_DE");
    snprintf(command, sizeof command, "localedef -i de_DE -f UTF-8 %s >%s.log 2>&1", made, made);
    if (system(command) != 0) skip();
    setenv("LOCPATH", fixture_path(f, ""), 1);
    if (!setlocale(LC_ALL, "de_DE")) skip();
    char text[8];
    snprintf(text, sizeof text, "%g", 0.5);
    assert_string_equal(text, "0,5");
}

static void leave_locale(void)
{
    setlocale(LC_ALL, "C");
}

static void texts_have_points(void **state)
{
    fixture *f = *state;
    enter_comma_locale(f);
    fm_text text = FM_TEXT(f->context);
    fm_text_add(&text, "%.17g %s", 0.5, "a");
    assert_string_equal(fm_text_string(&text), "0.5 a");
    fm_text_release(&text);
    char own[8];
    snprintf(own, sizeof own, "%g", 0.5);
    assert_string_equal(own, "0,5");
    leave_locale();
}

static void numbers_are_read_with_points(void **state)
{
    fixture *f = *state;
    enter_comma_locale(f);
    const char *text = "-1.25e2,7", *end;
    double value;
    assert_true(fm_plain_number(text, &end, &value));
    assert_true(value == -125);
    assert_string_equal(end, ",7");
    fm_initializer initializer;
    assert_ok(f->context, fm_initializer_parse(f->context, "constant(value=0.25)", &initializer));
    assert_true(initializer.a == 0.25);
    leave_locale();
}

static void what_is_no_number_is_refused(void **state)
{
    (void)state;
    const char *end;
    double value;
    assert_false(fm_plain_number("", &end, &value));
    assert_false(fm_plain_number("x1", &end, &value));
    assert_string_equal(end, "x1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(texts_have_points),
        fixture_test(numbers_are_read_with_points),
        fixture_test(what_is_no_number_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
