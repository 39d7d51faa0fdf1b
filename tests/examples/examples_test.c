/* Every program of examples/ runs, ends with success and says what it promises. */
#include "support/fixture.h"

#include <sys/wait.h>

enum { MOST_OUTPUT = 16 * 1024 };

/* Runs `name arguments` from the build's examples; output holds what it printed. */
static void run_example(const char *name, const char *arguments, char output[MOST_OUTPUT])
{
    char command[1024];
    snprintf(command, sizeof command, "%s/%s %s 2>&1", FATHOM_EXAMPLES, name, arguments);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    size_t size = fread(output, 1, MOST_OUTPUT - 1, pipe);
    output[size] = '\0';
    int status = pclose(pipe);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) fail_msg("%s failed:\n%s", name, output);
}

/* The number behind the last `words` in the output. */
static double number_after(const char *output, const char *words)
{
    const char *place = NULL;
    for (const char *at = output; (at = strstr(at, words)); at++) place = at;
    if (!place) fail_msg("'%s' is not in:\n%s", words, output);
    return strtod(place + strlen(words), NULL);
}

static void xor_is_learned(void **state)
{
    (void)state;
    char output[MOST_OUTPUT];
    run_example("xor", "", output);
    assert_true(number_after(output, "1 xor 0 = ") > 0.95);
    assert_true(number_after(output, "1 xor 1 = ") < 0.05);
}

static void search_loop_finds_a_good_network(void **state)
{
    (void)state;
    char output[MOST_OUTPUT];
    run_example("search_loop", "", output);
    assert_true(number_after(output, "loss ") < 0.05); /* noise alone is 0.01 */
    assert_non_null(strstr(output, "best: width "));
    int lines = 0;
    for (const char *at = output; (at = strstr(at, "trial ")); at++) lines++;
    assert_int_equal(lines, 27 + 9 + 3 + 1);
}

static void mnist_mlp_learns_drawn_digits(void **state)
{
    char output[MOST_OUTPUT], arguments[128];
    snprintf(arguments, sizeof arguments, "%s 2", fixture_path(*state, "nothing_here"));
    run_example("mnist_mlp", arguments, output);
    assert_non_null(strstr(output, "drawn digits instead"));
    assert_true(number_after(output, "accuracy ") > 0.3);
}

static void residual_reads_drawn_digits(void **state)
{
    (void)state;
    char output[MOST_OUTPUT];
    run_example("residual_network", "2", output);
    assert_true(number_after(output, "accuracy ") > 0.9);
}

static void regression_finds_the_sine(void **state)
{
    char output[MOST_OUTPUT];
    run_example("regression", fixture_path(*state, "sine.safetensors"), output);
    assert_true(number_after(output, "R2 ") > 0.95);
}

static void custom_op_has_two_derivatives(void **state)
{
    (void)state;
    char output[MOST_OUTPUT];
    run_example("custom_op", "", output);
    assert_non_null(strstr(output, "dy/dx        0     0     0     2     4     6"));
    assert_non_null(strstr(output, "d2y/dx2      0     0     0     2     2     2"));
}

static void custom_loop_stops_when_good_enough(void **state)
{
    (void)state;
    char output[MOST_OUTPUT];
    run_example("custom_loop", "", output);
    assert_non_null(strstr(output, "good enough"));
    assert_true(number_after(output, "test accuracy ") > 0.9);
}

static void embed_trains_two_models_and_leaks_nothing(void **state)
{
    (void)state;
    char output[MOST_OUTPUT];
    run_example("embed", "", output);
    assert_true(number_after(output, "left: accuracy ") > 0.9);
    assert_true(number_after(output, "right: accuracy ") > 0.9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(xor_is_learned),
        fixture_test(search_loop_finds_a_good_network),
        fixture_test(mnist_mlp_learns_drawn_digits),
        fixture_test(residual_reads_drawn_digits),
        fixture_test(regression_finds_the_sine),
        fixture_test(custom_op_has_two_derivatives),
        fixture_test(custom_loop_stops_when_good_enough),
        fixture_test(embed_trains_two_models_and_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
