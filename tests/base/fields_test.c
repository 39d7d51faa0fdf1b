#include "support/fixture.h"
#include "base/memory.h"
#include "base/fields.h"

typedef struct layer_options {
    int64_t units;
    double rate;
    bool bias_free; /* described inverted: use_bias */
    bool trainable;
    int activation;
    const char *name;
    fm_ints axes;
    double epsilon;
} layer_options;

static const char *const activations[] = {"linear", "relu", "softmax", NULL};

static const fm_field fields[] = {
    {"units", "width", offsetof(layer_options, units), FM_FIELD_INT, true, 0, 1, INFINITY, NULL},
    {"rate", "share", offsetof(layer_options, rate), FM_FIELD_REAL, false, 0.5, 0, 1, NULL},
    {"use_bias", "add a bias", offsetof(layer_options, bias_free), FM_FIELD_NOT, false, 0, 0, 0,
     NULL},
    {"trainable", "learn", offsetof(layer_options, trainable), FM_FIELD_BOOL, false, 0, 0, 0, NULL},
    {"activation", "function", offsetof(layer_options, activation), FM_FIELD_ENUM, false, 0, 0, 0,
     activations},
    {"name", "scope", offsetof(layer_options, name), FM_FIELD_STRING, false, 0, 0, 0, NULL},
    {"axes", "over", offsetof(layer_options, axes), FM_FIELD_INTS, false, 0, -4, 4, NULL},
    {"epsilon", "no limits", offsetof(layer_options, epsilon), FM_FIELD_REAL, false, 1e-3, 0, 0,
     NULL},
    {0},
};

static const fm_field *field(const char *name)
{
    const fm_field *found = fm_field_find(fields, name);
    assert_non_null(found);
    return found;
}

static void fields_are_found_by_name(void **state)
{
    (void)state;
    assert_ptr_equal(fm_field_find(fields, "axes"), &fields[6]);
    assert_null(fm_field_find(fields, "axe"));
    assert_null(fm_field_find(NULL, "axes"));
}

static void zero_is_the_default_and_FM_ZERO_is_zero(void **state)
{
    (void)state;
    layer_options options = {0};
    assert_near(fm_field_real(field("rate"), &options), 0.5, 0);
    options.rate = FM_ZERO;
    assert_near(fm_field_real(field("rate"), &options), 0, 0);
    assert_int_equal(fm_field_int(field("use_bias"), &options), 1);
    options.bias_free = true;
    assert_int_equal(fm_field_int(field("use_bias"), &options), 0);
    assert_near(fm_or(0.0, 3), 3, 0);
    assert_near(fm_or(FM_ZERO, 3), 0, 0);
    assert_int_equal(fm_or_int(0, 4), 4);
    assert_int_equal(fm_or_int(5, 4), 5);
}

static void values_are_stored(void **state)
{
    fixture *f = *state;
    fm_context *c = f->context;
    layer_options o = {0};
    assert_ok(c, fm_field_set_int(c, field("units"), &o, "dense", 128));
    assert_ok(c, fm_field_set_real(c, field("rate"), &o, "dense", 0));
    assert_ok(c, fm_field_set_bool(c, field("use_bias"), &o, "dense", false));
    assert_ok(c, fm_field_set_bool(c, field("trainable"), &o, "dense", true));
    assert_ok(c, fm_field_set_string(c, field("activation"), &o, "dense", "softmax"));
    assert_ok(c, fm_field_set_string(c, field("name"), &o, "dense", "head"));
    assert_ok(c, fm_field_set_ints(c, field("axes"), &o, "dense", &(fm_ints){2, {-1, 3}}));
    assert_int_equal(o.units, 128);
    assert_true(o.rate == 0 && signbit(o.rate));
    assert_true(o.bias_free);
    assert_true(o.trainable);
    assert_int_equal(o.activation, 2);
    assert_string_equal(o.name, "head");
    assert_int_equal(o.axes.count, 2);
    assert_int_equal(o.axes.at[1], 3);
}

static void numbers_convert_where_nothing_is_lost(void **state)
{
    fixture *f = *state;
    fm_context *c = f->context;
    layer_options o = {0};
    assert_ok(c, fm_field_set_real(c, field("units"), &o, "dense", 64));
    assert_int_equal(o.units, 64);
    assert_ok(c, fm_field_set_int(c, field("rate"), &o, "dense", 1));
    assert_near(o.rate, 1, 0);
    assert_ok(c, fm_field_set_int(c, field("axes"), &o, "dense", -2));
    assert_int_equal(o.axes.count, 1);
    assert_int_equal(o.axes.at[0], -2);
    assert_fails(c, FM_ERROR_ARGUMENT, "dense: units must be a whole number, received 1.5",
                 fm_field_set_real(c, field("units"), &o, "dense", 1.5));
    assert_fails(c, FM_ERROR_ARGUMENT, "received 1e+300",
                 fm_field_set_real(c, field("units"), &o, "dense", 1e300));
    assert_int_equal(o.units, 64);
}

static void values_outside_the_range_are_refused(void **state)
{
    fixture *f = *state;
    fm_context *c = f->context;
    layer_options o = {0};
    assert_fails(c, FM_ERROR_ARGUMENT, "dense: units must be at least 1, received 0",
                 fm_field_set_int(c, field("units"), &o, "dense", 0));
    assert_fails(c, FM_ERROR_ARGUMENT, "dropout: rate must lie between 0 and 1, received 1.5",
                 fm_field_set_real(c, field("rate"), &o, "dropout", 1.5));
    assert_fails(c, FM_ERROR_ARGUMENT, "rate must be a number, received NaN",
                 fm_field_set_real(c, field("rate"), &o, "dropout", NAN));
    assert_fails(c, FM_ERROR_ARGUMENT, "epsilon must be a number, received NaN",
                 fm_field_set_real(c, field("epsilon"), &o, "dropout", NAN));
    assert_fails(c, FM_ERROR_ARGUMENT, "axes must lie between -4 and 4, received 5",
                 fm_field_set_ints(c, field("axes"), &o, "sum", &(fm_ints){2, {0, 5}}));
    assert_ok(c, fm_field_set_real(c, field("epsilon"), &o, "dropout", -1e30));
    layer_options untouched = {.epsilon = -1e30};
    assert_true(fm_fields_equal(fields, &o, &untouched));
}

static void values_of_another_type_are_refused(void **state)
{
    fixture *f = *state;
    fm_context *c = f->context;
    layer_options o = {0};
    assert_fails(c, FM_ERROR_ARGUMENT, "dense: units must be a whole number, received many",
                 fm_field_set_string(c, field("units"), &o, "dense", "many"));
    assert_fails(c, FM_ERROR_ARGUMENT, "rate must be a number, received true",
                 fm_field_set_bool(c, field("rate"), &o, "dense", true));
    assert_fails(c, FM_ERROR_ARGUMENT, "use_bias must be true or false, received 0.5",
                 fm_field_set_real(c, field("use_bias"), &o, "dense", 0.5));
    assert_fails(c, FM_ERROR_ARGUMENT, "name must be a text, received 7",
                 fm_field_set_int(c, field("name"), &o, "dense", 7));
    assert_fails(c, FM_ERROR_ARGUMENT, "activation must be a name, received a list",
                 fm_field_set_ints(c, field("activation"), &o, "dense", &(fm_ints){0}));
}

static void unknown_choices_get_a_suggestion(void **state)
{
    fixture *f = *state;
    fm_context *c = f->context;
    layer_options o = {0};
    assert_fails(c, FM_ERROR_ARGUMENT, "dense: unknown activation 'rellu'; did you mean 'relu'?",
                 fm_field_set_string(c, field("activation"), &o, "dense", "rellu"));
    assert_fails(c, FM_ERROR_ARGUMENT, "dense: unknown activation 'gaussian'",
                 fm_field_set_string(c, field("activation"), &o, "dense", "gaussian"));
    assert_null(strstr(fm_error_message(c), "did you mean"));
}

static void fields_print_what_differs(void **state)
{
    fixture *f = *state;
    layer_options o = {.units = 128, .activation = 1, .rate = 0.5, .axes = {2, {1, 2}}};
    fm_text text = FM_TEXT(f->context);
    fm_fields_print(&text, fields, &o, false);
    assert_string_equal(fm_text_string(&text), "units=128, activation=relu, axes=[1,2]");
    fm_text_clear(&text);
    fm_fields_print(&text, fields, &o, true);
    assert_string_equal(fm_text_string(&text),
                        "units=128, rate=0.5, use_bias=true, trainable=false, activation=relu, "
                        "name=, axes=[1,2], epsilon=0.001");
    fm_text_clear(&text);
    fm_fields_print(&text, NULL, NULL, true);
    assert_string_equal(fm_text_string(&text), "");
    fm_text_release(&text);
}

static void explicit_zero_is_printed(void **state)
{
    fixture *f = *state;
    layer_options o = {.units = 1, .rate = FM_ZERO, .bias_free = true};
    fm_text text = FM_TEXT(f->context);
    fm_fields_print(&text, fields, &o, false);
    assert_string_equal(fm_text_string(&text), "units=1, rate=0, use_bias=false");
    fm_text_release(&text);
}

static void equality_sees_effective_values(void **state)
{
    (void)state;
    char name[] = "head";
    layer_options a = {.rate = 0.5, .name = "head", .axes = {1, {2, 9}}};
    layer_options b = {.name = name, .axes = {1, {2, 8}}};
    assert_true(fm_fields_equal(fields, &a, &b));
    b.axes.at[0] = 1;
    assert_false(fm_fields_equal(fields, &a, &b));
    b.axes.at[0] = 2;
    b.name = NULL;
    assert_false(fm_fields_equal(fields, &a, &b));
    b.name = "head";
    b.rate = FM_ZERO;
    assert_false(fm_fields_equal(fields, &a, &b));
}

static void nearest_name_is_suggested(void **state)
{
    (void)state;
    const char *const names[] = {"dense", "dropout", "flatten", NULL};
    assert_string_equal(fm_nearest_string("dens", names), "dense");
    assert_string_equal(fm_nearest_string("droput", names), "dropout");
    assert_null(fm_nearest_string("convolution", names));
    assert_string_equal(fm_nearest_field("unit", fields), "units");
    assert_null(fm_nearest_field("unit", NULL));
    const char *const long_names[] = {"l1", "learning_rate", "rate", NULL};
    assert_string_equal(fm_nearest_string("lr", long_names), "learning_rate");
    assert_string_equal(fm_nearest_string("l", long_names) ? "some" : "none", "none");
    const char *const letters[] = {"a", "xy", NULL};
    assert_null(fm_nearest_string("z", letters));
    assert_null(fm_nearest_string("", letters));
    assert_string_equal(fm_nearest_string("zy", letters), "xy");
    char endless[200];
    memset(endless, 'a', sizeof endless);
    endless[sizeof endless - 1] = '\0';
    assert_null(fm_nearest_string(endless, names));
}

typedef struct list_options {
    fm_ints axes;
    fm_reals means;
} list_options;

static void options_from_c_are_completed_and_checked(void **state)
{
    fixture *f = *state;
    layer_options options = {.units = 3, .epsilon = FM_ZERO};
    assert_ok(f->context, fm_fields_complete(f->context, fields, &options, "dense"));
    assert_near(options.rate, 0.5, 0);
    assert_near(options.epsilon, 0, 0);
    options.rate = 2;
    assert_fails(f->context, FM_ERROR_ARGUMENT, "dense: rate must lie between 0 and 1, received 2",
                 fm_fields_complete(f->context, fields, &options, "dense"));
    options = (layer_options){.units = 3, .activation = 9};
    assert_fails(f->context, FM_ERROR_ARGUMENT, "activation has no choice number 9",
                 fm_fields_complete(f->context, fields, &options, "dense"));
    options = (layer_options){.units = -1};
    assert_fails(f->context, FM_ERROR_ARGUMENT, "units must be at least 1",
                 fm_fields_complete(f->context, fields, &options, "dense"));
    static const fm_field lists[] = {
        {"axes", "", offsetof(list_options, axes), .type = FM_FIELD_INTS},
        {"means", "", offsetof(list_options, means), .type = FM_FIELD_REALS},
        {0}};
    list_options long_list = {.axes = {.count = 9}};
    assert_fails(f->context, FM_ERROR_ARGUMENT, "x: axes can hold 0 to 8 numbers, received 9",
                 fm_fields_complete(f->context, lists, &long_list, "x"));
    long_list = (list_options){.means = {.count = -1}};
    assert_fails(f->context, FM_ERROR_ARGUMENT, "x: means can hold 0 to 8 numbers, received -1",
                 fm_fields_complete(f->context, lists, &long_list, "x"));
    static const fm_field file[] = {{"name", "path of the file", offsetof(layer_options, name),
                                     .type = FM_FIELD_STRING, .required = true},
                                    {0}};
    assert_fails(f->context, FM_ERROR_ARGUMENT, "csv: name is needed: path of the file",
                 fm_fields_complete(f->context, file, &options, "csv"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(options_from_c_are_completed_and_checked),
        fixture_test(fields_are_found_by_name),
        fixture_test(zero_is_the_default_and_FM_ZERO_is_zero),
        fixture_test(values_are_stored),
        fixture_test(numbers_convert_where_nothing_is_lost),
        fixture_test(values_outside_the_range_are_refused),
        fixture_test(values_of_another_type_are_refused),
        fixture_test(unknown_choices_get_a_suggestion),
        fixture_test(fields_print_what_differs),
        fixture_test(explicit_zero_is_printed),
        fixture_test(equality_sees_effective_values),
        fixture_test(nearest_name_is_suggested),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
