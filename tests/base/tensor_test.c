#include "support/fixture.h"
#include "fathom/tensor.h"

static void shapes_count_and_print(void **state)
{
    (void)state;
    char text[FM_SHAPE_TEXT];
    assert_string_equal(fm_shape_text(FM_SHAPE(128, 784), text), "(128, 784)");
    assert_string_equal(fm_shape_text(FM_SHAPE(), text), "()");
    assert_int_equal(fm_shape_elements(FM_SHAPE()), 1);
    assert_int_equal(fm_shape_elements(FM_SHAPE(3, 0, 5)), 0);
    assert_int_equal(fm_shape_elements(FM_SHAPE(3, 4, 5)), 60);
    assert_int_equal(fm_shape_bytes(FM_SHAPE(3, 4), FM_I64), 96);
    assert_true(fm_shape_equal(fm_shape_batch(32, FM_SHAPE(28, 28)), FM_SHAPE(32, 28, 28)));
    assert_false(fm_shape_equal(FM_SHAPE(2, 3), FM_SHAPE(3, 2)));
}

static void impossible_shapes_have_no_size(void **state)
{
    (void)state;
    assert_int_equal(fm_shape_elements(FM_SHAPE(-1, 3)), -1);
    assert_int_equal(fm_shape_elements(FM_SHAPE(INT64_MAX, 2)), -1);
    assert_int_equal(fm_shape_bytes(FM_SHAPE(INT64_MAX / 2), FM_F32), -1);
    assert_int_equal(fm_shape_elements((fm_shape){.rank = 9}), -1);
}

static void longest_text_fits(void **state)
{
    (void)state;
    fm_shape shape = {.rank = FM_MAX_RANK};
    for (int i = 0; i < FM_MAX_RANK; i++) shape.dims[i] = INT64_MIN;
    char text[FM_SHAPE_TEXT];
    assert_int_equal(strlen(fm_shape_text(shape, text)), 8 * 20 + 7 * 2 + 2);
}

static void dtypes_have_names(void **state)
{
    (void)state;
    for (int i = 0; i < FM_DTYPE_COUNT; i++) {
        fm_dtype back;
        assert_true(fm_dtype_from_name(fm_dtype_name((fm_dtype)i), &back));
        assert_int_equal(back, i);
        assert_int_not_equal(fm_dtype_size(back), 0);
    }
    fm_dtype none;
    assert_false(fm_dtype_from_name("f16", &none));
    assert_int_equal(fm_dtype_size((fm_dtype)99), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(shapes_count_and_print),
        fixture_test(impossible_shapes_have_no_size),
        fixture_test(longest_text_fits),
        fixture_test(dtypes_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
