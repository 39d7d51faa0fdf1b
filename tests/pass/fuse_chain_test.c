/* Which nodes become one chain, in which order of steps, and which do not. */
#include "support/graphs.h"

#include "fathom/ops.h"

enum { ROWS = 6, COLUMNS = 20 };

typedef struct site {
    fixture *f;
    fm_graph *g;
    fm_val x, z, row, column;
} site;

static site open_site(fixture *f)
{
    site s = {.f = f};
    assert_ok(f->context, fm_graph_create(f->context, &(fm_graph_options){.mode = FM_TRAIN}, &s.g));
    s.x = fm_input(s.g, "x", FM_F32, FM_SHAPE(ROWS, COLUMNS));
    s.z = fm_input(s.g, "z", FM_F32, FM_SHAPE(ROWS, COLUMNS));
    s.row = fm_input(s.g, "row", FM_F32, FM_SHAPE(COLUMNS));
    s.column = fm_input(s.g, "column", FM_F32, FM_SHAPE(ROWS, 1));
    return s;
}

/* The program's text has all of `words`, ending with NULL, in this order, and `chains` chains.
 * Closes the site. */
static void expect_with(site *s, fm_program_options options, int chains, const char *const *words)
{
    fm_store *store;
    fm_program *program;
    char *text;
    fm_context *context = s->f->context;
    assert_ok(context, fm_graph_status(s->g));
    assert_ok(context, fm_store_create(context, 1, &store));
    assert_ok(context, fm_program_create(store, s->g, &options, &program));
    assert_ok(context, fm_program_run(program));
    assert_ok(context, fm_program_print(program, false, &text));
    const char *at = text;
    for (; *words; words++) {
        at = strstr(at, *words);
        if (!at) fail_msg("'%s' is missing, or not behind the words before, in\n%s", *words, text);
    }
    int found = 0;
    for (at = text; (at = strstr(at, "= chain(")); at++) found++;
    assert_int_equal(found, chains);
    fm_text_free(context, text);
    fm_program_destroy(program);
    fm_store_destroy(store);
    fm_graph_destroy(s->g);
}

#define EXPECT(site_, chains, ...)                                                                 \
    expect_with(site_, (fm_program_options){0}, chains, (const char *[]){__VA_ARGS__, NULL})
#define EXPECT_NONE(site_, ...)                                                                    \
    expect_with(site_, (fm_program_options){__VA_ARGS__}, 0, (const char *[]){NULL})

static void neighbours_become_steps_in_their_order(void **state)
{
    site s = open_site(*state);
    const fm_val shifted = fm_add(s.g, fm_mul(s.g, s.x, s.row), s.column);
    fm_output(s.g, "y", fm_mul(s.g, shifted, fm_sigmoid(s.g, shifted)));
    EXPECT(&s, 1, "1 steps", "\n1 chains of 4 elementwise ops read and write 1064 bytes instead of",
           "chain(column, x, row; steps=t0 = mul(x1, x2), t1 = add(t0, x0), t2 = sigmoid(t1), "
           "y0 = mul(t1, t2)) : f32(6, 20)");
}

static void parameters_and_choices_are_steps(void **state)
{
    site s = open_site(*state);
    const fm_val y = fm_leaky_relu(s.g, fm_drop(s.g, s.x, 0.25), 0.1);
    fm_output(s.g, "y", fm_where(s.g, fm_less(s.g, y, s.z), fm_scalar(s.g, 2), y));
    EXPECT(&s, 1, "t0 = drop(", "; rate=0.25, stream=", "t1 = leaky_relu(t0; negative_slope=0.1), ",
           "t2 = less(t1, x", "y0 = where(t2, x", ", t1)) : ");
}

/* What a step in the middle makes is stored, too, when somebody reads it later. */
static void inner_results_are_outputs(void **state)
{
    site s = open_site(*state);
    const fm_val kept = fm_exp(s.g, fm_neg(s.g, s.x));
    fm_output(s.g, "y", fm_mul(s.g, fm_add_scalar(s.g, kept, 1), s.z));
    fm_output(s.g, "kept", kept);
    fm_output(s.g, "sum", fm_sum(s.g, kept, (fm_ints){0}, false));
    EXPECT(&s, 0 + 1, "t0 = neg(", "y0 = exp(t0)", "t2 = add(y0", "y1 = mul(t2", "sum(");
}

/* A product reads the first and makes what the second reads:
 * together there is no order for them. */
static void nothing_is_moved_over_its_reader(void **state)
{
    site s = open_site(*state);
    const fm_val a = fm_exp(s.g, s.x), square = fm_matmul_transposed(s.g, a, a, true, false);
    fm_output(s.g, "y", fm_mul(s.g, fm_matmul(s.g, s.z, square), a));
    EXPECT_NONE(&s, 0);
}

static void two_that_read_one_value_share_a_pass(void **state)
{
    site s = open_site(*state);
    fm_output(s.g, "a", fm_exp(s.g, s.x));
    fm_output(s.g, "b", fm_mul(s.g, s.x, s.z));
    EXPECT(&s, 1, "y0 = exp(x", "y1 = mul(x");
}

static void a_number_alone_is_no_reason(void **state)
{
    site s = open_site(*state);
    const fm_val number = fm_input(s.g, "number", FM_F32, (fm_shape){0});
    fm_output(s.g, "a", fm_mul(s.g, s.x, number));
    fm_output(s.g, "b", fm_mul(s.g, s.z, number));
    EXPECT_NONE(&s, 0);
}

/* A gradient stretches with broadcast_to what a step can read as it is. */
static void stretching_is_left_to_the_step(void **state)
{
    site s = open_site(*state);
    const fm_val wide = fm_broadcast_to(s.g, s.column, FM_SHAPE(ROWS, COLUMNS));
    fm_output(s.g, "y", fm_sub(s.g, fm_mul(s.g, wide, s.x), s.z));
    EXPECT(&s, 1, "1 steps", "chain(z, column, x; ");
    s = open_site(*state);
    const fm_val alone = fm_exp(s.g, fm_broadcast_to(s.g, s.column, FM_SHAPE(ROWS, COLUMNS)));
    fm_output(s.g, "y", fm_sub(s.g, alone, s.z));
    EXPECT(&s, 1, "2 steps", "broadcast_to(column", "t0 = exp(x");
}

static void long_chains_are_cut(void **state)
{
    site s = open_site(*state);
    fm_val y = s.x;
    for (int i = 0; i < 40; i++) y = fm_sin(s.g, y);
    fm_output(s.g, "y", y);
    EXPECT(&s, 2, "\n2 chains of 40 elementwise ops", "y0 = sin(t6)", "y0 = sin(t30)");
}

static void many_operands_and_outputs_are_cut(void **state)
{
    site s = open_site(*state);
    fm_val sum = s.x;
    for (int i = 0; i < 20; i++) {
        char name[16];
        snprintf(name, sizeof name, "a%d", i);
        sum = fm_add(s.g, sum, fm_input(s.g, name, FM_F32, FM_SHAPE(ROWS, COLUMNS)));
    }
    fm_output(s.g, "y", sum);
    EXPECT(&s, 2, "y0 = add(", "y0 = add(t13");
    s = open_site(*state);
    fm_val y = s.x;
    for (int i = 0; i < 11; i++) {
        char name[16];
        snprintf(name, sizeof name, "y%d", i);
        fm_output(s.g, name, y = fm_sin(s.g, y));
    }
    EXPECT(&s, 2, "y2 = sin(y1)", "y7 = sin(y6)");
}

/* What depends on variables that do not change is computed once, not in every run. */
static void the_prologue_is_left_alone(void **state)
{
    site s = open_site(*state);
    const fm_val fixed = fm_variable(s.g, "fixed", FM_F32, FM_SHAPE(ROWS, COLUMNS), NULL);
    fm_output(s.g, "y", fm_add(s.g, fm_mul(s.g, s.x, fm_exp(s.g, fixed)), s.z));
    EXPECT(&s, 1, "the first 1 steps run again only", "exp(fixed)", "t0 = mul(x", "y0 = add(t0");
}

/* Written over the variable, though it is read again behind the step that makes the next value. */
static void updates_are_made_in_place(void **state)
{
    site s = open_site(*state);
    const fm_val v = fm_variable(s.g, "v", FM_F32, FM_SHAPE(ROWS, COLUMNS), NULL);
    const fm_val next = fm_add(s.g, fm_mul_scalar(s.g, v, 0.75), s.x);
    fm_update(s.g, v, next);
    fm_output(s.g, "y", fm_sub(s.g, next, v));
    EXPECT(&s, 1, "1 steps", "chain(v, ", "y0 = add(t0, x", "y1 = sub(y0, x0)",
           "-> variable arena");
    s = open_site(*state);
    const fm_val w = fm_variable(s.g, "w", FM_F32, FM_SHAPE(ROWS, COLUMNS), NULL);
    fm_update(s.g, w, fm_add(s.g, fm_mul_scalar(s.g, w, 0.75), s.x));
    EXPECT(&s, 1, "chain(w, ", "-> variable\n");
}

/* In front of a product the sum of two values that nobody else reads stays where it is: the chain
 * behind would keep both of them. */
static void little_is_kept_for_a_chain(void **state)
{
    site s = open_site(*state);
    const fm_val rows = fm_matmul_transposed(s.g, s.x, s.z, false, true);
    const fm_val a = fm_matmul(s.g, rows, s.x), b = fm_matmul(s.g, rows, s.z);
    const fm_val sum = fm_mul(s.g, a, b), late = fm_matmul(s.g, fm_matmul(s.g, rows, rows), s.x);
    fm_output(s.g, "y", fm_sin(s.g, fm_add(s.g, fm_softmax(s.g, late), sum)));
    EXPECT(&s, 1, "= mul(", "softmax(", "t0 = add(x", "y0 = sin(t0)");
}

static void options_leave_nodes_apart(void **state)
{
    site s = open_site(*state);
    fm_output(s.g, "y", fm_sin(s.g, fm_neg(s.g, s.x)));
    EXPECT_NONE(&s, .no_fusion = true);
    s = open_site(*state);
    fm_output(s.g, "y", fm_sin(s.g, fm_neg(s.g, s.x)));
    EXPECT_NONE(&s, .check_finite = true);
}

static void build_chain(fm_graph *g, const void *argument)
{
    (void)argument;
    const fm_val x = fm_input(g, "x", FM_F32, FM_SHAPE(ROWS, COLUMNS));
    fm_output(g, "y", fm_mul(g, fm_sigmoid(g, x), fm_leaky_relu(g, x, 0.1)));
}

static void every_failed_allocation_is_reported(void **state)
{
    const graph_trial trial = {.build = build_chain, .graph = {.mode = FM_TRAIN}};
    assert_true(fail_each_allocation_of(*state, &trial) > 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(neighbours_become_steps_in_their_order),
        fixture_test(parameters_and_choices_are_steps),
        fixture_test(inner_results_are_outputs),
        fixture_test(nothing_is_moved_over_its_reader),
        fixture_test(two_that_read_one_value_share_a_pass),
        fixture_test(a_number_alone_is_no_reason),
        fixture_test(stretching_is_left_to_the_step),
        fixture_test(long_chains_are_cut),
        fixture_test(many_operands_and_outputs_are_cut),
        fixture_test(the_prologue_is_left_alone),
        fixture_test(updates_are_made_in_place),
        fixture_test(little_is_kept_for_a_chain),
        fixture_test(options_leave_nodes_apart),
        fixture_test(every_failed_allocation_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
