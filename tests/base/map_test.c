#include "support/fixture.h"
#include "base/map.h"

static void map_keeps_order(void **state)
{
    fixture *f = *state;
    fm_map map = {.context = f->context};
    char key[16];
    for (uint32_t i = 0; i < 500; i++) {
        snprintf(key, sizeof key, "key%u", i);
        assert_ok(f->context, fm_map_set(&map, key, i));
    }
    uint32_t value = 0;
    for (uint32_t i = 0; i < 500; i++) {
        snprintf(key, sizeof key, "key%u", i);
        assert_string_equal(map.entries[i].key, key);
        assert_true(fm_map_get(&map, key, &value));
        assert_int_equal(value, i);
    }
    assert_int_equal(map.count, 500);
    fm_map_release(&map);
    assert_int_equal(map.count, 0);
}

static void absent_keys_are_not_found(void **state)
{
    fixture *f = *state;
    fm_map map = {.context = f->context};
    uint32_t value = 7;
    assert_false(fm_map_get(&map, "a", &value));
    assert_ok(f->context, fm_map_set(&map, "a", 1));
    assert_false(fm_map_get(&map, "b", &value));
    assert_false(fm_map_get(&map, "", &value));
    assert_int_equal(value, 7);
    assert_true(fm_map_get(&map, "a", NULL));
    fm_map_release(&map);
}

static void setting_again_replaces(void **state)
{
    fixture *f = *state;
    fm_map map = {.context = f->context};
    uint32_t value;
    assert_ok(f->context, fm_map_set(&map, "", 1));
    assert_ok(f->context, fm_map_set(&map, "b", 2));
    assert_ok(f->context, fm_map_set(&map, "", 3));
    assert_true(fm_map_get(&map, "", &value));
    assert_int_equal(value, 3);
    assert_int_equal(map.count, 2);
    fm_map_release(&map);
}

static void keys_are_copied(void **state)
{
    fixture *f = *state;
    fm_map map = {.context = f->context};
    char key[] = "before";
    assert_ok(f->context, fm_map_set(&map, key, 1));
    memcpy(key, "after", 6);
    assert_true(fm_map_get(&map, "before", NULL));
    assert_false(fm_map_get(&map, "after", NULL));
    fm_map_release(&map);
}

static fm_status fill(fm_context *context, void *argument)
{
    (void)argument;
    fm_map map = {.context = context};
    fm_status status = FM_OK;
    char key[16];
    for (uint32_t i = 0; i < 40 && status == FM_OK; i++) {
        snprintf(key, sizeof key, "%u", i);
        status = fm_map_set(&map, key, i);
    }
    for (uint32_t i = 0; i < map.count; i++) { /* what was set before the failure is still there */
        uint32_t value = UINT32_MAX;
        assert_true(fm_map_get(&map, map.entries[i].key, &value));
        assert_int_equal(value, i);
    }
    fm_map_release(&map);
    return status;
}

static void every_allocation_may_fail(void **state)
{
    assert_in_range(fail_each_allocation(*state, fill, NULL), 40, 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(map_keeps_order),           fixture_test(absent_keys_are_not_found),
        fixture_test(setting_again_replaces),    fixture_test(keys_are_copied),
        fixture_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
