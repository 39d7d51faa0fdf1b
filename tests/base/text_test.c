#include "base/map.h"
#include "base/memory.h"
#include "base/fields.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static void text_grows(void **state)
{
    (void)state;
    fm_context *context;
    assert_int_equal(fm_context_create(NULL, &context), FM_OK);
    fm_text text = FM_TEXT(context);
    for (int i = 0; i < 1000; i++) fm_text_add(&text, "%d,", i % 10);
    assert_int_equal(text.size, 2000);
    assert_memory_equal(fm_text_string(&text) + 1996, "8,9,", 5);
    fm_text_release(&text);
    fm_context_destroy(context);
}

static void map_keeps_order(void **state)
{
    (void)state;
    fm_context *context;
    assert_int_equal(fm_context_create(NULL, &context), FM_OK);
    fm_map map = {.context = context};
    char key[16];
    for (uint32_t i = 0; i < 500; i++) {
        snprintf(key, sizeof key, "key%u", i);
        assert_int_equal(fm_map_set(&map, key, i), FM_OK);
    }
    uint32_t value = 0;
    assert_true(fm_map_get(&map, "key321", &value));
    assert_int_equal(value, 321);
    assert_false(fm_map_get(&map, "key500", &value));
    assert_string_equal(map.entries[7].key, "key7");
    fm_map_release(&map);
    fm_context_destroy(context);
}

static void nearest_name_is_suggested(void **state)
{
    (void)state;
    const char *const names[] = {"dense", "dropout", "flatten", NULL};
    assert_string_equal(fm_nearest_string("dens", names), "dense");
    assert_string_equal(fm_nearest_string("droput", names), "dropout");
    assert_null(fm_nearest_string("convolution", names));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_grows),
        cmocka_unit_test(map_keeps_order),
        cmocka_unit_test(nearest_name_is_suggested),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
