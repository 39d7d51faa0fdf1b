#include "support/fixture.h"
#include "base/pattern.h"

static void patterns_match_names(void **state)
{
    (void)state;
    static const struct {
        const char *list, *name;
        bool matches;
    } cases[] = {
        {"dense/kernel", "dense/kernel", true},
        {"dense/kernel", "dense/kernel_1", false},
        {"dense", "dense/kernel", false},
        {"dense/*", "dense/kernel", true},
        {"dense/*", "dense_1/kernel", false},
        {"*/kernel", "body/block_1/conv/kernel", true},
        {"*/conv*/bias", "body/conv_1/x/bias", true},
        {"*/conv*/bias", "body/conv_1/bias_1", false},
        {"*a*b*c", "a_b_ab_c", true},
        {"*a*b*c", "a_b_ab_c_", false},
        {"dense_?/bias", "dense_1/bias", true},
        {"dense_?/bias", "dense_/bias", false},
        {"*", "", true},
        {"?", "", false},
        {"a, b ,,c*", "b", true},
        {"a, b ,,c*", "cd", true},
        {"a, b ,,c*", "bc", false},
        {" , ", "", false},
        {"", "", false},
        {NULL, "a", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (fm_patterns_match(cases[i].list, cases[i].name) == cases[i].matches) continue;
        fail_msg("'%s' and '%s'", cases[i].list, cases[i].name);
    }
}

static const char *next_name(const void *names, int index)
{
    return ((const char *const *)names)[index];
}

static void what_matches_nothing_is_a_mistake(void **state)
{
    fixture *f = *state;
    static const char *const names[] = {"body/conv/kernel", "body/conv/bias", "head/kernel", NULL};
    assert_ok(f->context, fm_patterns_check(f->context, "body/*, head/?ernel", "freeze", "variable",
                                            next_name, names));
    assert_ok(f->context,
              fm_patterns_check(f->context, NULL, "freeze", "variable", next_name, names));
    assert_fails(
        f->context, FM_ERROR_ARGUMENT,
        "freeze: no variable matches 'boddy/*'; did you mean 'body/*'?",
        fm_patterns_check(f->context, "head/*, boddy/*", "freeze", "variable", next_name, names));
    assert_fails(
        f->context, FM_ERROR_ARGUMENT, "did you mean 'body/conv/*'?",
        fm_patterns_check(f->context, "body/cnv/*", "freeze", "variable", next_name, names));
    assert_fails(
        f->context, FM_ERROR_ARGUMENT, "did you mean 'head/kernel'?",
        fm_patterns_check(f->context, "head/kernl", "freeze", "variable", next_name, names));
    assert_fails(f->context, FM_ERROR_ARGUMENT, "skip: no variable matches 'resnet152'",
                 fm_patterns_check(f->context, "resnet152", "skip", "variable", next_name, names));
    assert_null(strstr(fm_error_message(f->context), "did you mean"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(patterns_match_names),
        fixture_test(what_matches_nothing_is_a_mistake),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
