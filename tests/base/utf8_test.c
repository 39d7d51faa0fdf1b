#include "support/fixture.h"
#include "base/utf8.h"

static void every_code_point_survives(void **state)
{
    (void)state;
    for (uint32_t code = 0; code < 0x110000; code++) {
        char bytes[4];
        uint32_t read = 1;
        size_t size = fm_utf8_put(code, bytes);
        bool surrogate = code >= 0xd800 && code < 0xe000;
        assert_int_equal(fm_utf8_next(bytes, size, &read), surrogate ? 0 : size);
        if (!surrogate) assert_int_equal(read, code);
        assert_int_equal(fm_utf8_length(bytes[0]), size);
        assert_int_equal(fm_utf8_next(bytes, size - 1, &read), 0); /* cut off */
        for (size_t i = 1; i < size; i++) assert_true(fm_utf8_continues(bytes[i]));
        assert_false(fm_utf8_continues(bytes[0]));
    }
}

static void broken_bytes_are_found(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t at;
    } cases[] = {
        {"", 0},
        {"plain", 5},
        {"ab\x80", 2},           /* a continuation without a beginning */
        {"\xc0\x80", 0},         /* longer than needed */
        {"a\xe0\x80\x80", 1},    /* the same */
        {"ab\xed\xa0\x80", 2},   /* a surrogate */
        {"\xf4\x90\x80\x80", 0}, /* above U+10FFFF */
        {"\xc3\xa9t\xc3", 3},    /* cut off */
        {"\xc3\xa9\xe2\x82\xac", 5},
        {"x\xff", 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(fm_utf8_check(cases[i].text, strlen(cases[i].text)), cases[i].at);
    }
    assert_int_equal(fm_utf8_length('\x80'), 0);
    assert_int_equal(fm_utf8_length('\xff'), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(every_code_point_survives),
        fixture_test(broken_bytes_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
