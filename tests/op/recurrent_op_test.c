/* Recurrent ops: what masks hide, reading in reverse, gradients without what is kept, mistakes. */
#include "support/graphs.h"

#include "fathom/ops.h"
#include "fathom/recurrent_ops.h"

enum { BATCH = 2, TIME = 4, UNITS = 3, CELLS = 4 };

/* A cell by number: 0 simple_rnn, 1 lstm, 2 gru with the reset after, 3 before. */
static const int gates_of[CELLS] = {1, 4, 3, 3};

static fm_val add_cell(fm_graph *g, int cell, fm_val x, fm_val kernel, fm_val state, bool reverse,
                       fm_val mask, fm_val *last)
{
    const fm_recurrence recurrence = {.reverse = reverse, .mask = mask, .reset_after = cell == 2};
    if (cell == 0) return fm_simple_rnn_sequence(g, x, kernel, state, &recurrence, last);
    if (cell == 1) return fm_lstm_sequence(g, x, kernel, state, state, &recurrence, last, NULL);
    return fm_gru_sequence(g, x, kernel, state, &recurrence, last);
}

static fm_val numbers(fm_graph *g, fm_shape shape)
{
    double elements[BATCH * TIME * 4 * UNITS];
    int64_t count = fm_shape_elements(shape);
    for (int64_t i = 0; i < count; i++) elements[i] = sin(2.3 * (double)i + shape.rank);
    return fm_constant(g, FM_F64, shape, elements);
}

static void run_graph(fixture *f, fm_graph *g, fm_program **program, fm_store **store)
{
    *store = store_with_seed(f, 1);
    *program = compile_graph(f, *store, g);
    assert_ok(f->context, fm_program_run(*program));
}

static void assert_equal_outputs(fm_program *program, const char *a, const char *b, int count)
{
    const double *x = fm_program_output(program, a), *y = fm_program_output(program, b);
    for (int i = 0; i < count; i++) assert_near(x[i], y[i], 1e-14);
}

/* Reading in reverse is reading the turned sequence. */
static void reverse_is_the_other_end(void **state)
{
    fixture *f = *state;
    for (int cell = 0; cell < CELLS; cell++) {
        fm_graph *g = graph_for(f, FM_PREDICT);
        fm_val x = numbers(g, FM_SHAPE(BATCH, TIME, gates_of[cell] * UNITS)), turned[TIME], last[2];
        fm_val kernel = numbers(g, FM_SHAPE(UNITS, gates_of[cell] * UNITS));
        fm_val begin = numbers(g, FM_SHAPE(BATCH, UNITS)), none = {0};
        fm_val y = add_cell(g, cell, x, kernel, begin, true, none, &last[0]);
        for (int t = 0; t < TIME; t++) turned[t] = fm_slice(g, x, 1, TIME - 1 - t, TIME - t);
        x = fm_concat(g, turned, TIME, 1);
        fm_val z = add_cell(g, cell, x, kernel, begin, false, none, &last[1]);
        for (int t = 0; t < TIME; t++) turned[t] = fm_slice(g, z, 1, TIME - 1 - t, TIME - t);
        fm_output(g, "reverse", y);
        fm_output(g, "turned", fm_concat(g, turned, TIME, 1));
        fm_output(g, "last", last[0]);
        fm_output(g, "turned_last", last[1]);
        fm_output(g, "first", fm_slice(g, y, 1, 0, 1));
        fm_store *store;
        fm_program *program;
        run_graph(f, g, &program, &store);
        assert_equal_outputs(program, "reverse", "turned", BATCH * TIME * UNITS);
        assert_equal_outputs(program, "last", "turned_last", BATCH * UNITS);
        assert_equal_outputs(program, "last", "first", BATCH * UNITS);
        fm_program_destroy(program);
        fm_store_destroy(store);
    }
}

/* What lies at masked steps reaches nothing, NaN included, neither forwards nor back. */
static void nothing_passes_a_mask(void **state)
{
    fixture *f = *state;
    for (int cell = 0; cell < CELLS; cell++) {
        fm_graph *g = graph_for(f, FM_TRAIN);
        int columns = gates_of[cell] * UNITS;
        fm_val x = fm_input(g, "x", FM_F64, FM_SHAPE(1, 3, columns)), last, wrt[2], grads[2];
        fm_val mask = fm_constant(g, FM_F64, FM_SHAPE(1, 3), (const double[]){1, 0, 1});
        fm_val kernel = numbers(g, FM_SHAPE(UNITS, columns));
        fm_val y = add_cell(g, cell, x, kernel, numbers(g, FM_SHAPE(1, UNITS)), false, mask, &last);
        wrt[0] = x;
        wrt[1] = kernel;
        fm_val loss = fm_add(g, fm_sum(g, fm_square(g, y), (fm_ints){0}, false),
                             fm_sum(g, last, (fm_ints){0}, false));
        fm_grad(g, loss, wrt, 2, grads);
        fm_output(g, "y", y);
        fm_output(g, "dx", grads[0]);
        fm_output(g, "dkernel", grads[1]);
        fm_store *store = store_with_seed(f, 1);
        fm_program *program = compile_graph(f, store, g);
        double *in = fm_program_input(program, "x");
        for (int i = 0; i < 3 * columns; i++) in[i] = i / columns == 1 ? NAN : cos(i);
        assert_ok(f->context, fm_program_run(program));
        const double *dx = fm_program_output(program, "dx"), *out = fm_program_output(program, "y");
        const double *dkernel = fm_program_output(program, "dkernel");
        for (int i = 0; i < 3 * columns; i++) {
            assert_true(isfinite(dx[i]) && (i / columns != 1 || dx[i] == 0));
        }
        for (int i = 0; i < UNITS; i++) assert_true(out[i] == out[UNITS + i] && isfinite(out[i]));
        for (int i = 0; i < UNITS * columns; i++) assert_true(isfinite(dkernel[i]));
        fm_program_destroy(program);
        fm_store_destroy(store);
    }
}

/* Outside of training nothing is kept; the gradient computes it again, to the same bits. */
static void gradients_exist_in_every_mode(void **state)
{
    fixture *f = *state;
    enum { COUNT = BATCH * TIME * 4 * UNITS };
    for (int cell = 0; cell < CELLS; cell++) {
        double grads[2][COUNT];
        int columns = gates_of[cell] * UNITS;
        for (int train = 0; train < 2; train++) {
            fm_graph *g = graph_for(f, train ? FM_TRAIN : FM_PREDICT);
            fm_val x = numbers(g, FM_SHAPE(BATCH, TIME, columns)), grad, none = {0};
            fm_val kernel = numbers(g, FM_SHAPE(UNITS, columns));
            fm_val y =
                add_cell(g, cell, x, kernel, numbers(g, FM_SHAPE(BATCH, UNITS)), false, none, NULL);
            fm_grad(g, fm_sum(g, fm_square(g, y), (fm_ints){0}, false), &x, 1, &grad);
            fm_output(g, "grad", grad);
            fm_store *store;
            fm_program *program;
            run_graph(f, g, &program, &store);
            memcpy(grads[train], fm_program_output(program, "grad"),
                   (size_t)(BATCH * TIME * columns) * sizeof(double));
            fm_program_destroy(program);
            fm_store_destroy(store);
        }
        assert_memory_equal(grads[0], grads[1], (size_t)(BATCH * TIME * columns) * sizeof(double));
    }
}

/* A sequence without steps ends where it begins, and so does its gradient. */
static void no_steps_are_a_sequence(void **state)
{
    fixture *f = *state;
    for (int cell = 0; cell < CELLS; cell++) {
        fm_graph *g = graph_for(f, FM_TRAIN);
        fm_val x = fm_full(g, FM_SHAPE(BATCH, 0, gates_of[cell] * UNITS), 0), last, grad;
        fm_val begin = numbers(g, FM_SHAPE(BATCH, UNITS)), none = {0};
        fm_val kernel = numbers(g, FM_SHAPE(UNITS, gates_of[cell] * UNITS));
        add_cell(g, cell, x, kernel, begin, false, none, &last);
        fm_grad(g, fm_sum(g, last, (fm_ints){0}, false), &begin, 1, &grad);
        fm_output(g, "last", last);
        fm_output(g, "begin", begin);
        fm_output(g, "grad", grad);
        fm_output(g, "ones", fm_full(g, FM_SHAPE(BATCH, UNITS), 1));
        fm_store *store;
        fm_program *program;
        run_graph(f, g, &program, &store);
        assert_equal_outputs(program, "last", "begin", BATCH * UNITS);
        assert_equal_outputs(program, "grad", "ones", BATCH * UNITS);
        fm_program_destroy(program);
        fm_store_destroy(store);
    }
}

/* ---- mistakes -------------------------------------------------------------------------------- */

static fm_val zeros(fm_graph *g, fm_shape shape)
{
    return fm_full(g, shape, 0);
}

static void flat_x(fm_graph *g)
{
    add_cell(g, 0, zeros(g, FM_SHAPE(2, 3)), zeros(g, FM_SHAPE(3, 3)), zeros(g, FM_SHAPE(2, 3)),
             false, (fm_val){0}, NULL);
}

static void wrong_columns(fm_graph *g)
{
    add_cell(g, 1, zeros(g, FM_SHAPE(2, 4, 12)), zeros(g, FM_SHAPE(3, 10)),
             zeros(g, FM_SHAPE(2, 3)), false, (fm_val){0}, NULL);
}

static void wrong_rows(fm_graph *g)
{
    add_cell(g, 2, zeros(g, FM_SHAPE(2, 4, 9)), zeros(g, FM_SHAPE(4, 9)), zeros(g, FM_SHAPE(2, 4)),
             false, (fm_val){0}, NULL);
}

static void wrong_x(fm_graph *g)
{
    add_cell(g, 2, zeros(g, FM_SHAPE(2, 4, 8)), zeros(g, FM_SHAPE(3, 9)), zeros(g, FM_SHAPE(2, 3)),
             false, (fm_val){0}, NULL);
}

static void wrong_state(fm_graph *g)
{
    add_cell(g, 1, zeros(g, FM_SHAPE(2, 4, 12)), zeros(g, FM_SHAPE(3, 12)),
             zeros(g, FM_SHAPE(3, 3)), false, (fm_val){0}, NULL);
}

static void wrong_mask(fm_graph *g)
{
    add_cell(g, 0, zeros(g, FM_SHAPE(2, 4, 3)), zeros(g, FM_SHAPE(3, 3)), zeros(g, FM_SHAPE(2, 3)),
             false, zeros(g, FM_SHAPE(2, 4, 1)), NULL);
}

static void no_projection_here(fm_graph *g)
{
    fm_gru_sequence(g, zeros(g, FM_SHAPE(2, 4, 9)), zeros(g, FM_SHAPE(3, 9)),
                    zeros(g, FM_SHAPE(2, 3)),
                    &(fm_recurrence){.projection = zeros(g, FM_SHAPE(3, 3))}, NULL);
}

static void bias_before(fm_graph *g)
{
    fm_gru_sequence(g, zeros(g, FM_SHAPE(2, 4, 9)), zeros(g, FM_SHAPE(3, 9)),
                    zeros(g, FM_SHAPE(2, 3)),
                    &(fm_recurrence){.recurrent_bias = zeros(g, FM_SHAPE(9))}, NULL);
}

static void no_reset_gate(fm_graph *g)
{
    fm_simple_rnn_sequence(g, zeros(g, FM_SHAPE(2, 4, 3)), zeros(g, FM_SHAPE(3, 3)),
                           zeros(g, FM_SHAPE(2, 3)), &(fm_recurrence){.reset_after = true}, NULL);
}

static void mistakes_are_worded(void **state)
{
    fixture *f = *state;
    const struct {
        void (*build)(fm_graph *g);
        const char *words;
    } cases[] = {
        {flat_x,
         "simple_rnn: operand 1 must be a sequence (batch, time, width); received f64 (2, 3), "
         "f64 (3, 3) and f64 (2, 3)"},
        {wrong_columns,
         "lstm: the recurrent kernel must have 4 columns for each unit; received f64 "
         "(2, 4, 12), f64 (3, 10), f64 (2, 3) and f64 (2, 3)"},
        {wrong_rows, "gru: the recurrent kernel of 3 units must have as many rows; received f64 "
                     "(2, 4, 9), f64 (4, 9) and f64 (2, 4)"},
        {wrong_x, "gru: x (operand 1) must have the shape (2, 4, 9); received f64 (2, 4, 8), f64 "
                  "(3, 9) and f64 (2, 3)"},
        {wrong_state, "lstm: the state (operand 3) must have the shape (2, 3); received f64 "
                      "(2, 4, 12), f64 (3, 12), f64 (3, 3) and f64 (3, 3)"},
        {wrong_mask, "simple_rnn: mask (operand 4) must have the shape (2, 4); received f64 "
                     "(2, 4, 3), f64 (3, 3), f64 (2, 3) and f64 (2, 4, 1)"},
        {no_projection_here,
         "gru: it has no operand projection; received f64 (2, 4, 9), f64 (3, 9), "
         "f64 (2, 3) and f64 (3, 3)"},
        {bias_before, "gru: a recurrent bias needs reset_after; without it the bias belongs to x; "
                      "received f64 (2, 4, 9), f64 (3, 9), f64 (2, 3) and f64 (9)"},
        {no_reset_gate, "simple_rnn: it has no reset gate; received f64 (2, 4, 3), f64 (3, 3) and "
                        "f64 (2, 3)"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        fm_graph *g = graph_for(f, FM_TRAIN);
        cases[i].build(g);
        assert_mistake(f, g, FM_ERROR_SHAPE, cases[i].words);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(reverse_is_the_other_end),      fixture_test(nothing_passes_a_mask),
        fixture_test(gradients_exist_in_every_mode), fixture_test(no_steps_are_a_sequence),
        fixture_test(mistakes_are_worded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
