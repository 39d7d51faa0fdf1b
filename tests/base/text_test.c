#include "support/fixture.h"
#include "base/text.h"

static void text_is_empty_before_anything_is_added(void **state)
{
    fixture *f = *state;
    fm_text text = FM_TEXT(f->context);
    assert_string_equal(fm_text_string(&text), "");
    fm_text_add_bytes(&text, NULL, 0);
    fm_text_add(&text, "%s", "");
    assert_string_equal(fm_text_string(&text), "");
    assert_int_equal(text.size, 0);
    assert_int_equal(fm_text_status(&text), FM_OK);
    fm_text_release(&text);
}

static void text_grows(void **state)
{
    fixture *f = *state;
    fm_text text = FM_TEXT(f->context);
    for (int i = 0; i < 1000; i++) fm_text_add(&text, "%d,", i % 10);
    assert_int_equal(text.size, 2000);
    assert_memory_equal(fm_text_string(&text) + 1996, "8,9,", 5);
    fm_text_release(&text);
}

static void text_keeps_zero_bytes(void **state)
{
    fixture *f = *state;
    fm_text text = FM_TEXT(f->context);
    fm_text_add_bytes(&text, "a\0b", 3);
    fm_text_add(&text, "c");
    assert_int_equal(text.size, 4);
    assert_memory_equal(text.bytes, "a\0bc", 5);
    fm_text_release(&text);
}

static void cleared_text_keeps_its_memory(void **state)
{
    fixture *f = *state;
    fm_text text = FM_TEXT(f->context);
    fm_text_add(&text, "%0100d", 7);
    long made = f->made;
    fm_text_clear(&text);
    assert_string_equal(fm_text_string(&text), "");
    fm_text_add(&text, "again");
    assert_string_equal(fm_text_string(&text), "again");
    assert_int_equal(f->made, made);
    fm_text_release(&text);
    assert_null(text.bytes);
}

static void failed_allocation_sticks(void **state)
{
    fixture *f = *state;
    fm_text text = FM_TEXT(f->context);
    fm_text_add(&text, "kept");
    f->fail_at = f->made + 1;
    fm_text_add(&text, "%01000d", 7);
    f->fail_at = 0;
    fm_text_add(&text, " lost");
    assert_fails(f->context, FM_ERROR_MEMORY, "out of memory", fm_text_status(&text));
    assert_string_equal(fm_text_string(&text), "kept");
    fm_text_clear(&text);
    assert_ok(f->context, fm_text_status(&text));
    fm_text_release(&text);
}

static fm_status write_a_page(fm_context *context, void *argument)
{
    (void)argument;
    fm_text text = FM_TEXT(context);
    for (int i = 0; i < 300; i++) fm_text_add(&text, "line %d\n", i);
    fm_status status = fm_text_status(&text);
    fm_text_release(&text);
    return status;
}

static void every_allocation_may_fail(void **state)
{
    assert_in_range(fail_each_allocation(*state, write_a_page, NULL), 5, 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(text_is_empty_before_anything_is_added),
        fixture_test(text_grows),
        fixture_test(text_keeps_zero_bytes),
        fixture_test(cleared_text_keeps_its_memory),
        fixture_test(failed_allocation_sticks),
        fixture_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
