#include "support/fixture.h"
#include "base/byte_size.h"

static void sizes_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t bytes; /* 0: refused */
    } cases[] = {
        {"65536", 65536},
        {"812 B", 812},
        {"4GiB", 4294967296},
        {"1.5 MiB", 1572864},
        {"2KB", 2000},
        {"3 gb", 3000000000},
        {"512M", 536870912},
        {"0.5k", 512},
        {"1TiB", 1099511627776},
        {"", 0},
        {"GiB", 0},
        {"-1 MiB", 0},
        {"4 GiBs", 0},
        {"4e30", 0},
        {"four", 0},
        {"99999999 TiB", 0},
        {"4,5 MiB", 0},
        {".5 MiB", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t bytes = 0;
        bool read = fm_bytes_read(cases[i].text, &bytes);
        if (read != (cases[i].bytes > 0) || bytes != cases[i].bytes) {
            fail_msg("'%s': %zu", cases[i].text, bytes);
        }
    }
}

static void sizes_are_told(void **state)
{
    (void)state;
    char text[FM_BYTES_TEXT];
    assert_string_equal(fm_bytes_text(812, text), "812 B");
    assert_string_equal(fm_bytes_text(3.2 * 1048576, text), "3.2 MiB");
    assert_string_equal(fm_bytes_text(570 * 1048576., text), "570 MiB");
    assert_string_equal(fm_bytes_text(4294967296., text), "4.0 GiB");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(sizes_are_read),
        fixture_test(sizes_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
