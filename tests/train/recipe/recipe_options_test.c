/* Maps of a recipe into options structs, through tables of fields. */
#include "support/fixture.h"
#include "train/recipe/recipe_options.h"

#include <stddef.h>

typedef struct sample_options {
    int64_t units;
    double rate;
    int shape_of_it;
    bool bold, no_bias;
    const char *name;
    fm_ints sizes;
} sample_options;

static const char *const shapes[] = {"round", "square", NULL};

static const fm_field fields[] = {
    {"units", "how many", offsetof(sample_options, units), .type = FM_FIELD_INT, .required = true,
     .minimum = 1, .maximum = 1000},
    {"rate", "how fast", offsetof(sample_options, rate), .type = FM_FIELD_REAL, .maximum = 1},
    {"shape", "which", offsetof(sample_options, shape_of_it), .type = FM_FIELD_ENUM,
     .choices = shapes},
    {"bold", "loud", offsetof(sample_options, bold), .type = FM_FIELD_BOOL},
    {"use_bias", "add a bias", offsetof(sample_options, no_bias), .type = FM_FIELD_NOT},
    {"name", "of it", offsetof(sample_options, name), .type = FM_FIELD_STRING},
    {"sizes", "of its sides", offsetof(sample_options, sizes), .type = FM_FIELD_INTS},
    {0},
};

static fm_status read(fm_arena *arena, const char *text, sample_options *values)
{
    static const char *const others[] = {"inputs", NULL};
    fm_tree *tree;
    *values = (sample_options){0};
    assert_ok(arena->context, fm_tree_parse(arena, "r.yaml", text, strlen(text), &tree));
    fm_options_part part = {fields, values};
    return fm_options_read(arena, tree, "thing", &part, 1, others);
}

static void every_type_is_read(void **state)
{
    fixture *f = *state;
    fm_arena arena = {.context = f->context};
    sample_options values;
    assert_ok(f->context, read(&arena,
                               "{units: 12, rate: 1e-2, shape: square, bold: true, "
                               "use_bias: false, name: 007, sizes: [3, -4], inputs: x}",
                               &values));
    assert_int_equal(values.units, 12);
    assert_near(values.rate, 0.01, 0);
    assert_int_equal(values.shape_of_it, 1);
    assert_true(values.bold && values.no_bias);
    assert_string_equal(values.name, "007");
    assert_int_equal(values.sizes.count, 2);
    assert_int_equal(values.sizes.at[1], -4);
    assert_ok(f->context, read(&arena, "{units: 1e2, rate: 0, name: [a, b], sizes: 5}", &values));
    assert_int_equal(values.units, 100);
    assert_true(values.rate == 0 && signbit(values.rate)); /* asked for, so not the default */
    assert_string_equal(values.name, "a, b");
    assert_int_equal(values.sizes.at[0], 5);
    fm_arena_release(&arena);
}

static void mistakes_have_a_place_and_a_way_out(void **state)
{
    fixture *f = *state;
    static const char *const table[][2] = {
        {"unit: 3", "r.yaml:1:1: thing: unknown key 'unit'; did you mean 'units'?"},
        {"units: 3\ninput: a", "r.yaml:2:1: thing: unknown key 'input'; did you mean 'inputs'?"},
        {"units: 3\ncolour: red",
         "r.yaml:2:1: thing: unknown key 'colour'; known are: units, rate, "
         "shape, bold, use_bias, name, sizes, inputs"},
        {"units: many", "r.yaml:1:8: thing: units must be a whole number, received 'many'"},
        {"units: '12'", "r.yaml:1:8: thing: units must be a whole number, received the text '12'"},
        {"units: 1.5", "r.yaml:1:8: thing: units must be a whole number, received 1.5"},
        {"units: 0", "r.yaml:1:8: thing: units must lie between 1 and 1000, received 0"},
        {"units: 0x10", "r.yaml:1:8: thing: units must be a whole number, received '0x10'"},
        {"units: 99999999999999999999", "r.yaml:1:8: thing: units must be a whole number"},
        {"units:", "r.yaml:1:1: thing: units has no value"},
        {"units: [1, 2]", "r.yaml:1:8: thing: units must be a single value, received a list"},
        {"units: {a: 1}", "r.yaml:1:8: thing: units must be a single value, received a map"},
        {"units: 3\nrate: .nan", "r.yaml:2:7: thing: rate must be a number, received NaN"},
        {"units: 3\nrate: fast", "r.yaml:2:7: thing: rate must be a number, received 'fast'"},
        {"units: 3\nrate: true", "r.yaml:2:7: thing: rate must be a number, received true"},
        {"units: 3\nbold: yes", "r.yaml:2:7: thing: bold must be true or false, received 'yes'"},
        {"units: 3\nbold: 1", "r.yaml:2:7: thing: bold must be true or false, received 1"},
        {"units: 3\nshape: sqare",
         "r.yaml:2:8: thing: unknown shape 'sqare'; did you mean 'square'?"},
        {"units: 3\nsizes: [1, a]", "r.yaml:2:12: thing: sizes must be a list of whole numbers"},
        {"units: 3\nsizes: [1,2,3,4,5,6,7,8,9]",
         "r.yaml:2:25: thing: sizes takes at most 8 numbers"},
        {"rate: 0.5", "r.yaml:1:1: thing: needs units (how many)"},
        {"[1]", "r.yaml:1:1: thing: its options must be a map"},
    };
    fm_arena arena = {.context = f->context};
    sample_options values;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        assert_fails(f->context, FM_ERROR_ARGUMENT, table[i][1],
                     read(&arena, table[i][0], &values));
    }
    fm_arena_release(&arena);
}

static fm_status read_named(fm_arena *arena, const char *text, sample_options *values)
{
    fm_tree *tree;
    fm_named_tree named;
    *values = (sample_options){0};
    assert_ok(arena->context, fm_tree_parse(arena, "r.yaml", text, strlen(text), &tree));
    fm_status status = fm_named_read(arena->context, fm_tree_get(tree, "it"), "a thing", &named);
    fm_options_part part = {fields, values};
    return status == FM_OK ? fm_named_options(arena, &named, &part, 1, NULL) : status;
}

static void names_may_have_options(void **state)
{
    fixture *f = *state;
    static const char *const table[][2] = {
        {"it: box", "r.yaml:1:5: box: needs units (how many)"},
        {"it: {box: {}}", "r.yaml:1:6: box: needs units (how many)"},
        {"it: {box: }", "r.yaml:1:6: box: needs units (how many)"},
        {"it: {box: 3}", "r.yaml:1:11: box: its options must be a map"},
        {"it: {box: {unit: 3}}", "r.yaml:1:12: box: unknown key 'unit'; did you mean 'units'?"},
        {"it: {box: {units: 3}, units: 4}",
         "r.yaml:1:23: a thing: one name is wanted; 'box' and 'units' stand side by side, options "
         "go into braces: {box: {units: ...}}"},
        {"it: [box]", "r.yaml:1:5: a thing: a name is wanted"},
        {"it: ~", "r.yaml:1:5: a thing: a name is wanted"},
    };
    fm_arena arena = {.context = f->context};
    sample_options values;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        assert_fails(f->context, FM_ERROR_ARGUMENT, table[i][1],
                     read_named(&arena, table[i][0], &values));
    }
    assert_ok(f->context, read_named(&arena, "it: {box: {units: 3}}", &values));
    assert_int_equal(values.units, 3);
    fm_arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(every_type_is_read),
        fixture_test(mistakes_have_a_place_and_a_way_out),
        fixture_test(names_may_have_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
