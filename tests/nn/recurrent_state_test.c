/* What recurrent layers carry: from batch to batch, from piece to piece,
 * and where gradients end. */
#include "support/graphs.h"

#include "fathom/nn_recurrent.h"
#include "fathom/ops.h"

enum { BATCH = 2, TIME = 6, FEATURES = 3, UNITS = 4, MOST_RESULTS = BATCH * TIME * UNITS };

/* Every kind of memory in one stack. */
static fm_val stack(fm_graph *g, fm_val x, bool stateful)
{
    x = fm_simple_rnn(g, x, .units = UNITS, .return_sequences = true, .stateful = stateful);
    x = fm_lstm(g, x, .units = 5, .projection = UNITS, .peepholes = true, .return_sequences = true,
                .stateful = stateful);
    x = fm_lstm(g, x, .units = UNITS, .layer_normalization = true, .return_sequences = true,
                .stateful = stateful);
    x = fm_gru(g, x, .units = UNITS, .reset_before = true, .return_sequences = true,
               .stateful = stateful);
    return fm_gru(g, x, .units = UNITS, .return_sequences = true, .stateful = stateful);
}

static void fill(double *x, int count)
{
    for (int i = 0; i < count; i++) x[i] = sin(1.7 * i);
}

/* Steps [begin, begin + count) of x (BATCH, TIME, FEATURES) into the program's input. */
static void feed_steps(fm_program *program, const double *x, int begin, int count)
{
    double *to = fm_program_input(program, "x");
    for (int b = 0; b < BATCH; b++) {
        memcpy(to + (ptrdiff_t)b * count * FEATURES, x + ((ptrdiff_t)b * TIME + begin) * FEATURES,
               (size_t)count * FEATURES * sizeof *x);
    }
}

static fm_program *program_of(fixture *f, fm_store *store, const fm_graph_options *options,
                              int count, bool stateful)
{
    fm_graph *g;
    assert_ok(f->context, fm_graph_create(f->context, options, &g));
    fm_val x = fm_input(g, "x", FM_F64, FM_SHAPE(BATCH, count, FEATURES));
    fm_output(g, "y", stack(g, x, stateful));
    return compile_graph(f, store, g);
}

/* Runs over x in pieces; y (BATCH, TIME, UNITS). */
static void run_pieces(fixture *f, fm_program *program, const double *x, int count, double *y)
{
    for (int begin = 0; begin < TIME; begin += count) {
        feed_steps(program, x, begin, count);
        assert_ok(f->context, fm_program_run(program));
        const double *piece = fm_program_output(program, "y");
        for (int b = 0; b < BATCH; b++) {
            memcpy(y + ((ptrdiff_t)b * TIME + begin) * UNITS, piece + (ptrdiff_t)b * count * UNITS,
                   (size_t)count * UNITS * sizeof *y);
        }
    }
}

static void pieces_make_the_whole(void **state)
{
    fixture *f = *state;
    fm_store *store = store_with_seed(f, 5);
    double x[BATCH * TIME * FEATURES], whole[MOST_RESULTS], pieces[MOST_RESULTS];
    fill(x, BATCH * TIME * FEATURES);
    const fm_graph_options plain = {.mode = FM_PREDICT, .dtype = FM_F64};
    fm_program *program = program_of(f, store, &plain, TIME, false);
    run_pieces(f, program, x, TIME, whole);
    fm_program_destroy(program);
    for (int streams = 0; streams < 2; streams++) {
        for (int count = 1; count <= 3; count++) {
            fm_graph_options options = plain;
            options.stream_length = streams ? 100 : 0;
            program = program_of(f, store, &options, count, !streams);
            for (int again = 0; again < 2; again++) {
                run_pieces(f, program, x, count, pieces);
                for (int i = 0; i < MOST_RESULTS; i++) assert_near(pieces[i], whole[i], 1e-13);
                assert_ok(f->context, fm_program_reset(program));
            }
            fm_program_destroy(program);
        }
    }
    assert_int_equal(fm_store_find(store, "lstm/cell"), -1); /* the program's, not the store's */
    fm_store_destroy(store);
}

/* A batch, or a piece of a stream, goes on where the last one ended also where steps are masked. */
static void masked_steps_are_carried_over(void **state)
{
    fixture *f = *state;
    fm_store *store = store_with_seed(f, 5);
    double last[3][UNITS];
    for (int how = 0; how < 3; how++) {
        fm_graph *g;
        const fm_graph_options options = {
            .mode = FM_PREDICT, .dtype = FM_F64, .stream_length = how == 2 ? 4 : 0};
        assert_ok(f->context, fm_graph_create(f->context, &options, &g));
        int time = how ? 2 : 4;
        fm_val x = fm_input(g, "x", FM_F64, FM_SHAPE(1, time, 1));
        fm_mask_set(g, x, fm_input(g, "mask", FM_F64, FM_SHAPE(1, time)));
        fm_output(g, "last", fm_lstm(g, x, .units = UNITS, .stateful = how == 1));
        fm_program *program = compile_graph(f, store, g);
        const double values[] = {1, 2, 3, 4}, real[] = {1, 0, 0, 1};
        for (int begin = 0; begin < 4; begin += time) {
            feed(program, "x", values + begin, (size_t)time);
            feed(program, "mask", real + begin, (size_t)time);
            assert_ok(f->context, fm_program_run(program));
        }
        memcpy(last[how], fm_program_output(program, "last"), sizeof last[0]);
        fm_program_destroy(program);
    }
    for (int i = 0; i < UNITS; i++) {
        assert_near(last[1][i], last[0][i], 1e-14);
        assert_near(last[2][i], last[0][i], 1e-14);
    }
    fm_store_destroy(store);
}

/* Frozen is what a layer has learned, not what it remembers. */
static void frozen_layers_remember(void **state)
{
    fixture *f = *state;
    fm_store *store = store_with_seed(f, 5);
    double x[BATCH * TIME * FEATURES], y[2][MOST_RESULTS];
    fill(x, BATCH * TIME * FEATURES);
    for (int frozen = 0; frozen < 2; frozen++) {
        const fm_graph_options options = {
            .mode = FM_TRAIN, .dtype = FM_F64, .freeze = frozen ? "*" : NULL};
        fm_program *program = program_of(f, store, &options, TIME / 2, true);
        run_pieces(f, program, x, TIME / 2, y[frozen]);
        fm_program_destroy(program);
    }
    assert_memory_equal(y[0], y[1], sizeof y[0]);
    fm_store_destroy(store);
}

/* ---- truncated back-propagation through time ------------------------------------------------- */

static fm_val squares(fm_graph *g, fm_val y)
{
    return fm_sum(g, fm_square(g, y), (fm_ints){0}, false);
}

/* The gradient of a stateful layer's second batch is that of a layer which is handed the first
 * one's final states as numbers. */
static void gradients_end_at_the_border(void **state)
{
    enum { HALF = TIME / 2, COUNT = UNITS * 4 * UNITS };
    fixture *f = *state;
    fm_store *store = store_with_seed(f, 5);
    double x[BATCH * TIME * FEATURES], carried[COUNT], given[COUNT], states[2][BATCH * UNITS];
    fill(x, BATCH * TIME * FEATURES);
    for (int stateful = 1; stateful >= 0; stateful--) {
        fm_graph *g = graph_for(f, FM_TRAIN);
        fm_val in = fm_input(g, "x", FM_F64, FM_SHAPE(BATCH, HALF, FEATURES)), h, c, grad;
        fm_recurrent_options options = {.name = "lstm",
                                        .units = UNITS,
                                        .stateful = stateful,
                                        .final_state = &h,
                                        .final_cell = &c};
        if (!stateful) {
            options.initial_state = fm_input(g, "h", FM_F64, FM_SHAPE(BATCH, UNITS));
            options.initial_cell = fm_input(g, "c", FM_F64, FM_SHAPE(BATCH, UNITS));
        }
        fm_val y = fm_lstm_with(g, in, &options), kernel = fm_graph_variable(g, 1);
        fm_grad(g, squares(g, y), &kernel, 1, &grad);
        fm_output(g, "h_out", h);
        fm_output(g, "c_out", c);
        fm_output(g, "grad", grad);
        fm_program *program = compile_graph(f, store, g);
        if (stateful) {
            feed_steps(program, x, 0, HALF);
            assert_ok(f->context, fm_program_run(program));
            memcpy(states[0], fm_program_output(program, "h_out"), sizeof states[0]);
            memcpy(states[1], fm_program_output(program, "c_out"), sizeof states[1]);
        } else {
            feed(program, "h", states[0], BATCH * UNITS);
            feed(program, "c", states[1], BATCH * UNITS);
        }
        feed_steps(program, x, HALF, HALF);
        assert_ok(f->context, fm_program_run(program));
        memcpy(stateful ? carried : given, fm_program_output(program, "grad"), sizeof carried);
        fm_program_destroy(program);
    }
    double largest = 0;
    for (int i = 0; i < COUNT; i++) {
        assert_near(carried[i], given[i], 1e-14);
        largest = fmax(largest, fabs(given[i]));
    }
    assert_true(largest > 1e-3);
    fm_store_destroy(store);
}

/* ---- streams that cannot be ------------------------------------------------------------------ */

static void streams_need_the_past_only(void **state)
{
    fixture *f = *state;
    for (int i = 0; i < 3; i++) {
        fm_graph *g;
        const fm_graph_options options = {.dtype = FM_F64, .stream_length = 10};
        assert_ok(f->context, fm_graph_create(f->context, &options, &g));
        fm_val x = fm_input(g, "x", FM_F64, FM_SHAPE(BATCH, 1, FEATURES));
        fm_gru(g, x, .units = UNITS, .bidirectional = i == 0, .go_backwards = i == 1,
               .initial_state = i == 2 ? fm_full(g, FM_SHAPE(BATCH, UNITS), 1) : (fm_val){0});
        assert_mistake(f, g, i < 2 ? FM_ERROR_UNSUPPORTED : FM_ERROR_ARGUMENT,
                       i < 2 ? "gru: a stream has only its past, and this layer reads from the end "
                               "of the sequence"
                             : "gru: in a stream the state is carried; it cannot be given as well");
    }
    fm_graph *g;
    assert_fails(f->context, FM_ERROR_ARGUMENT, "a stream cannot have the length -1",
                 fm_graph_create(f->context, &(fm_graph_options){.stream_length = -1}, &g));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(pieces_make_the_whole),      fixture_test(masked_steps_are_carried_over),
        fixture_test(frozen_layers_remember),     fixture_test(gradients_end_at_the_border),
        fixture_test(streams_need_the_past_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
