#include "support/fixture.h"
#include "base/checked.h"
#include "base/memory.h"

static void pointers_are_aligned(void **state)
{
    fixture *f = *state;
    for (size_t size = 0; size < 300; size += 7) {
        char *bytes = fm_allocate(f->context, size);
        assert_non_null(bytes);
        assert_int_equal((uintptr_t)bytes % FM_ALIGNMENT, 0);
        memset(bytes, 0xff, size);
        fm_release(f->context, bytes);
    }
    fm_release(f->context, NULL);
}

static void zeroed_is_zero(void **state)
{
    fixture *f = *state;
    unsigned char *bytes = fm_allocate_zeroed(f->context, 1000), any = 0;
    assert_non_null(bytes);
    for (int i = 0; i < 1000; i++) any |= bytes[i];
    assert_int_equal(any, 0);
    fm_release(f->context, bytes);
}

static void impossible_sizes_fail_with_words(void **state)
{
    fixture *f = *state;
    fm_context *c = f->context;
    assert_null(fm_allocate(c, SIZE_MAX));
    assert_fails(c, FM_ERROR_MEMORY, "18446744073709551615 bytes", fm_error_status(c));
    assert_null(fm_allocate_array(c, SIZE_MAX / 2, 3));
    assert_fails(c, FM_ERROR_LIMIT, "elements of 3 bytes", fm_error_status(c));
    assert_null(fm_copy_bytes(c, "", SIZE_MAX));
    assert_fails(c, FM_ERROR_LIMIT, "do not fit", fm_error_status(c));
    fm_arena arena = {.context = c};
    assert_null(fm_arena_allocate(&arena, SIZE_MAX - 8));
    assert_fails(c, FM_ERROR_LIMIT, "do not fit", fm_error_status(c));
    fm_arena_release(&arena);
}

static void copies_end_with_zero(void **state)
{
    fixture *f = *state;
    char *copy = fm_copy_bytes(f->context, "abc", 2);
    assert_string_equal(copy, "ab");
    fm_release(f->context, copy);
    copy = fm_copy_bytes(f->context, NULL, 0);
    assert_string_equal(copy, "");
    fm_release(f->context, copy);
    copy = fm_copy_string(f->context, "word");
    assert_string_equal(copy, "word");
    fm_release(f->context, copy);
}

static void growing_keeps_items_and_zeroes_the_rest(void **state)
{
    fixture *f = *state;
    int *items = NULL;
    size_t capacity = 0;
    for (int i = 0; i < 1000; i++) {
        assert_ok(f->context, fm_grow(f->context, &items, &capacity, (size_t)i + 1, sizeof *items));
        assert_int_equal(items[i], 0);
        items[i] = i;
    }
    for (int i = 0; i < 1000; i++) assert_int_equal(items[i], i);
    assert_int_equal(capacity, 1024);
    long made = f->made;
    assert_ok(f->context, fm_grow(f->context, &items, &capacity, 1024, sizeof *items));
    assert_int_equal(f->made, made);
    fm_release(f->context, items);
}

static void failed_growth_changes_nothing(void **state)
{
    fixture *f = *state;
    int *items = NULL;
    size_t capacity = 0;
    assert_ok(f->context, fm_grow(f->context, &items, &capacity, 1, sizeof *items));
    int *before = items;
    size_t room = capacity;
    items[0] = 42;
    assert_fails(f->context, FM_ERROR_LIMIT, "do not fit",
                 fm_grow(f->context, &items, &capacity, SIZE_MAX, sizeof *items));
    f->fail_at = f->made + 1;
    assert_fails(f->context, FM_ERROR_MEMORY, "out of memory",
                 fm_grow(f->context, &items, &capacity, room + 1, sizeof *items));
    assert_ptr_equal(items, before);
    assert_int_equal(capacity, room);
    assert_int_equal(items[0], 42);
    fm_release(f->context, items);
}

static void arena_gives_separate_zeroed_places(void **state)
{
    fixture *f = *state;
    fm_arena arena = {.context = f->context};
    unsigned char *places[200];
    for (int i = 0; i < 200; i++) {
        size_t size = (size_t)i * 13; /* crosses the end of a block several times */
        places[i] = fm_arena_allocate(&arena, size);
        assert_non_null(places[i]);
        assert_int_equal((uintptr_t)places[i] % 16, 0);
        for (size_t j = 0; j < size; j++) assert_int_equal(places[i][j], 0);
        memset(places[i], i, size);
    }
    for (int i = 0; i < 200; i++) {
        for (int j = 0; j < i * 13; j++) assert_int_equal(places[i][j], i);
    }
    fm_arena_release(&arena);
    assert_null(arena.blocks);
}

static void arena_takes_large_things(void **state)
{
    fixture *f = *state;
    fm_arena arena = {.context = f->context};
    char *large = fm_arena_allocate(&arena, 1 << 20);
    assert_non_null(large);
    memset(large, 1, 1 << 20);
    assert_string_equal(fm_arena_string(&arena, "kernel"), "kernel");
    assert_string_equal(fm_arena_format(&arena, "%s/%d", "dense", 1), "dense/1");
    assert_string_equal(fm_arena_format(&arena, "%s", ""), "");
    fm_arena_release(&arena);
}

static void checked_arithmetic_reports_overflow(void **state)
{
    (void)state;
    size_t size;
    int64_t number;
    assert_true(fm_checked_add(SIZE_MAX - 1, 1, &size));
    assert_true(size == SIZE_MAX);
    assert_false(fm_checked_add(SIZE_MAX, 1, &size));
    assert_true(fm_checked_mul(SIZE_MAX / 4, 4, &size));
    assert_false(fm_checked_mul(SIZE_MAX / 4 + 1, 4, &size));
    assert_true(fm_checked_add_i64(INT64_MAX, -1, &number));
    assert_false(fm_checked_add_i64(INT64_MAX, 1, &number));
    assert_true(fm_checked_mul_i64(-3, 4, &number));
    assert_true(number == -12);
    assert_false(fm_checked_mul_i64(INT64_MIN, -1, &number));
    assert_int_equal(fm_round_up(0, 64), 0);
    assert_int_equal(fm_round_up(1, 64), 64);
    assert_int_equal(fm_round_up(64, 64), 64);
}

static fm_status use_everything(fm_context *context, void *argument)
{
    (void)argument;
    fm_arena arena = {.context = context};
    char *copy = fm_copy_string(context, "one");
    void *zeroed = copy ? fm_allocate_zeroed(context, 10) : NULL;
    char *name = zeroed ? fm_arena_format(&arena, "%s", copy) : NULL;
    char *large = name ? fm_arena_allocate(&arena, 100000) : NULL;
    fm_status status = large ? FM_OK : fm_error_status(context);
    fm_arena_release(&arena);
    fm_release(context, zeroed);
    fm_release(context, copy);
    return status;
}

static void every_allocation_may_fail(void **state)
{
    assert_int_equal(fail_each_allocation(*state, use_everything, NULL), 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(pointers_are_aligned),
        fixture_test(zeroed_is_zero),
        fixture_test(impossible_sizes_fail_with_words),
        fixture_test(copies_end_with_zero),
        fixture_test(growing_keeps_items_and_zeroes_the_rest),
        fixture_test(failed_growth_changes_nothing),
        fixture_test(arena_gives_separate_zeroed_places),
        fixture_test(arena_takes_large_things),
        fixture_test(checked_arithmetic_reports_overflow),
        fixture_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
