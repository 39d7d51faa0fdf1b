/* Recurrent layers: variables, dropout, masks, recipes, and mistakes in words. */
#include "support/graphs.h"

#include "fathom/nn_recurrent.h"
#include "fathom/ops.h"
#include "fathom/recipe.h"

static fm_val sequence(fm_graph *g, int64_t batch, int64_t time, int64_t features)
{
    return fm_input(g, "x", FM_F64, FM_SHAPE(batch, time, features));
}

static void assert_shape(const fm_graph *g, fm_val value, fm_shape shape)
{
    char received[FM_SHAPE_TEXT], wanted[FM_SHAPE_TEXT];
    assert_string_equal(fm_shape_text(fm_val_shape(g, value), received),
                        fm_shape_text(shape, wanted));
}

/* ---- variables ------------------------------------------------------------------------------- */

static void variables_have_names_and_shapes(void **state)
{
    fixture *f = *state;
    fm_graph *g = graph_for(f, FM_TRAIN);
    fm_val x = sequence(g, 2, 5, 3);
    x = fm_simple_rnn(g, x, .units = 4, .return_sequences = true);
    x = fm_lstm(g, x, .units = 6, .projection = 4, .peepholes = true, .return_sequences = true);
    x = fm_gru(g, x, .units = 5, .bidirectional = true, .return_sequences = true);
    assert_shape(g, x, FM_SHAPE(2, 5, 10));
    x = fm_gru(g, x, .units = 2, .reset_before = true, .no_bias = true, .return_sequences = true);
    x = fm_lstm(g, x, .units = 3, .layer_normalization = true, .name = "top");
    assert_shape(g, x, FM_SHAPE(2, 3));
    const struct {
        const char *path;
        fm_shape shape;
    } wanted[] = {
        {"simple_rnn/kernel", FM_SHAPE(3, 4)},
        {"simple_rnn/recurrent_kernel", FM_SHAPE(4, 4)},
        {"simple_rnn/bias", FM_SHAPE(4)},
        {"lstm/kernel", FM_SHAPE(4, 24)},
        {"lstm/recurrent_kernel", FM_SHAPE(4, 24)},
        {"lstm/projection_kernel", FM_SHAPE(6, 4)},
        {"lstm/peephole", FM_SHAPE(3, 6)},
        {"lstm/bias", FM_SHAPE(24)},
        {"gru/forward/kernel", FM_SHAPE(4, 15)},
        {"gru/forward/recurrent_kernel", FM_SHAPE(5, 15)},
        {"gru/forward/bias", FM_SHAPE(2, 15)},
        {"gru/backward/kernel", FM_SHAPE(4, 15)},
        {"gru/backward/recurrent_kernel", FM_SHAPE(5, 15)},
        {"gru/backward/bias", FM_SHAPE(2, 15)},
        {"gru_1/kernel", FM_SHAPE(10, 6)},
        {"gru_1/recurrent_kernel", FM_SHAPE(2, 6)},
        {"top/kernel", FM_SHAPE(2, 12)},
        {"top/recurrent_kernel", FM_SHAPE(3, 12)},
        {"top/recurrent_normalization/gamma", FM_SHAPE(12)},
        {"top/recurrent_normalization/beta", FM_SHAPE(12)},
        {"top/cell_normalization/gamma", FM_SHAPE(3)},
        {"top/cell_normalization/beta", FM_SHAPE(3)},
        {"top/input_normalization/gamma", FM_SHAPE(12)},
        {"top/input_normalization/beta", FM_SHAPE(12)},
        {"top/bias", FM_SHAPE(12)},
    };
    enum { WANTED = sizeof wanted / sizeof wanted[0] };
    for (int i = 0; i < WANTED; i++) {
        fm_val v = fm_graph_variable(g, i);
        assert_string_equal(fm_val_name(g, v), wanted[i].path);
        assert_shape(g, v, wanted[i].shape);
    }
    assert_int_equal(fm_graph_variable(g, WANTED).id, 0);
    assert_ok(f->context, fm_graph_status(g));
    fm_graph_destroy(g);
}

static void variables_start_as_in_keras(void **state)
{
    fixture *f = *state;
    enum { UNITS = 4 };
    fm_store *store = store_with_seed(f, 3);
    fm_graph *g = graph_for(f, FM_PREDICT);
    fm_val x = sequence(g, 1, 2, 3);
    fm_output(g, "a", fm_lstm(g, x, .units = UNITS));
    fm_output(g, "b", fm_lstm(g, x, .units = UNITS, .no_unit_forget_bias = true));
    fm_output(g, "c", fm_lstm(g, x, .units = UNITS, .bias_initializer = {"constant(value=3)"}));
    fm_program *program = compile_graph(f, store, g);
    double bias[4 * UNITS], kernel[UNITS][4 * UNITS];
    read_variable(f, store, "lstm/bias", bias);
    for (int i = 0; i < 4 * UNITS; i++) assert_near(bias[i], i / UNITS == 1, 0);
    read_variable(f, store, "lstm_1/bias", bias);
    for (int i = 0; i < 4 * UNITS; i++) assert_near(bias[i], 0, 0);
    read_variable(f, store, "lstm_2/bias", bias);
    for (int i = 0; i < 4 * UNITS; i++) assert_near(bias[i], 3, 0);
    read_variable(f, store, "lstm/recurrent_kernel", &kernel[0][0]);
    for (int i = 0; i < UNITS; i++) {
        for (int k = 0; k < UNITS; k++) {
            double product = 0;
            for (int j = 0; j < 4 * UNITS; j++) product += kernel[i][j] * kernel[k][j];
            assert_near(product, i == k, 1e-12);
        }
    }
    fm_program_destroy(program);
    fm_store_destroy(store);
}

static void penalties_are_added(void **state)
{
    fixture *f = *state;
    fm_store *store = store_with_seed(f, 3);
    fm_graph *g = graph_for(f, FM_TRAIN);
    fm_gru(g, sequence(g, 1, 2, 3), .units = 2, .kernel_initializer = fm_constant_initializer(2),
           .recurrent_initializer = fm_constant_initializer(-3), .kernel_l1 = 0.5,
           .recurrent_l2 = 0.25);
    fm_output(g, "penalty", fm_graph_penalty(g));
    fm_program *program = compile_graph(f, store, g);
    assert_ok(f->context, fm_program_run(program));
    assert_near(*(const double *)fm_program_output(program, "penalty"),
                18 * 0.5 * 2 + 12 * 0.25 * 9, 1e-12);
    fm_program_destroy(program);
    fm_store_destroy(store);
}

/* ---- tables ---------------------------------------------------------------------------------- */

enum { ROWS = 5, FEATURES = 3, TABLE_BATCH = 4, TABLE_TIME = 6, TABLE_UNITS = 2 };

/* y, its sum of squares and that one's gradients; `plain` hides the table from the layer. */
static fm_program *looked_up(fixture *f, fm_store *store, bool plain)
{
    fm_graph *g = graph_for(f, FM_TRAIN);
    fm_val table = fm_variable(g, "table", FM_F64, FM_SHAPE(ROWS, FEATURES),
                               &(fm_variable_options){.initializer = fm_glorot_uniform()});
    fm_val x = fm_gather(g, table, fm_input(g, "i", FM_I32, FM_SHAPE(TABLE_BATCH, TABLE_TIME)));
    if (plain) x = fm_add_scalar(g, x, 0);
    fm_val y = fm_gru(g, x, .units = TABLE_UNITS, .bias_initializer = {"random_normal(stddev=1)"});
    fm_val wrt[2] = {table, fm_graph_variable(g, 1)}, grads[2];
    fm_grad(g, fm_sum(g, fm_square(g, y), (fm_ints){0}, false), wrt, 2, grads);
    fm_output(g, "y", y);
    fm_output(g, "table", grads[0]);
    fm_output(g, "kernel", grads[1]);
    fm_program *program = compile_graph(f, store, g);
    int32_t *indices = fm_program_input(program, "i");
    for (int i = 0; i < TABLE_BATCH * TABLE_TIME; i++) indices[i] = i * i % ROWS;
    assert_ok(f->context, fm_program_run(program));
    return program;
}

/* What is looked up is multiplied before, row by row of the table: to the same numbers. */
static void tables_are_multiplied_once(void **state)
{
    fixture *f = *state;
    fm_store *store = store_with_seed(f, 3);
    fm_program *programs[2] = {looked_up(f, store, false), looked_up(f, store, true)};
    const struct {
        const char *name;
        int count;
    } outputs[] = {{"y", TABLE_BATCH * TABLE_UNITS},
                   {"table", ROWS * FEATURES},
                   {"kernel", FEATURES * 3 * TABLE_UNITS}};
    for (size_t k = 0; k < sizeof outputs / sizeof *outputs; k++) {
        const double *a = fm_program_output(programs[0], outputs[k].name);
        const double *b = fm_program_output(programs[1], outputs[k].name);
        for (int i = 0; i < outputs[k].count; i++) assert_near(a[i], b[i], 1e-13);
    }
    assert_true(fm_program_summarize(programs[0]).flops < fm_program_summarize(programs[1]).flops);
    fm_program_destroy(programs[0]);
    fm_program_destroy(programs[1]);
    fm_store_destroy(store);
}

/* ---- dropout --------------------------------------------------------------------------------- */

/* h' = h scale from ones: scale to the power of the step,
 * so the same elements fall at all steps. */
static void recurrent_dropout_is_the_same_at_all_steps(void **state)
{
    enum { BATCH = 20, TIME = 3, UNITS = 10 };
    fixture *f = *state;
    fm_store *store = store_with_seed(f, 3);
    fm_graph *g = graph_for(f, FM_TRAIN);
    fm_val y =
        fm_simple_rnn(g, sequence(g, BATCH, TIME, 1), .units = UNITS, .activation = FM_IDENTITY,
                      .return_sequences = true, .kernel_initializer = fm_zeros(),
                      .recurrent_initializer = fm_identity(1), .recurrent_dropout = 0.5,
                      .initial_state = fm_full(g, FM_SHAPE(BATCH, UNITS), 1));
    fm_output(g, "y", y);
    fm_program *program = compile_graph(f, store, g);
    const double *out = fm_program_output(program, "y");
    int dropped[2] = {0}, changed = 0;
    bool was_dropped[BATCH * UNITS];
    for (int step = 0; step < 2; step++) {
        fm_store_set_step(store, (uint64_t)step);
        assert_ok(f->context, fm_program_run(program));
        for (int i = 0; i < BATCH * UNITS; i++) {
            const double *element = out + (i / UNITS * TIME) * UNITS + i % UNITS;
            bool is_dropped = element[0] == 0;
            dropped[step] += is_dropped;
            changed += step && is_dropped != was_dropped[i];
            was_dropped[i] = is_dropped;
            for (int t = 0; t < TIME; t++) {
                assert_near(element[(ptrdiff_t)t * UNITS], is_dropped ? 0 : pow(2, t + 1), 1e-12);
            }
        }
        assert_in_range(dropped[step], 70, 130); /* of 200, seven deviations apart */
    }
    assert_in_range(changed, 60, 140);
    fm_program_destroy(program);
    fm_store_destroy(store);
}

static void dropout_drops_features(void **state)
{
    enum { BATCH = 8, TIME = 3, UNITS = 10 };
    fixture *f = *state;
    fm_store *store = store_with_seed(f, 3);
    for (int mode = FM_PREDICT; mode <= FM_TRAIN; mode++) {
        fm_graph *g = graph_for(f, (fm_mode)mode);
        fm_output(g, "y",
                  fm_simple_rnn(g, sequence(g, BATCH, TIME, UNITS), .units = UNITS,
                                .activation = FM_IDENTITY, .return_sequences = true, .name = "rnn",
                                .kernel_initializer = fm_identity(1),
                                .recurrent_initializer = fm_zeros(), .dropout = 0.75));
        fm_program *program = compile_graph(f, store, g);
        double *x = fm_program_input(program, "x");
        for (int i = 0; i < BATCH * TIME * UNITS; i++) x[i] = 1 + i;
        assert_ok(f->context, fm_program_run(program));
        const double *y = fm_program_output(program, "y");
        int dropped = 0;
        for (int i = 0; i < BATCH * TIME * UNITS; i++) {
            int first = i / (TIME * UNITS) * TIME * UNITS + i % UNITS;
            double factor = mode != FM_TRAIN ? 1 : y[first] == 0 ? 0 : 4;
            assert_near(y[i], factor * x[i], 1e-9);
            dropped += y[i] == 0;
        }
        assert_true(mode == FM_TRAIN ? dropped > 120 && dropped < 220 : dropped == 0);
        fm_program_destroy(program);
    }
    fm_store_destroy(store);
}

/* ---- masks ----------------------------------------------------------------------------------- */

/* Steps of nothing but the mask value are passed over, whatever they hold behind the mask. */
static void masking_hides_steps(void **state)
{
    enum { TIME = 4 };
    fixture *f = *state;
    fm_store *store = store_with_seed(f, 3);
    double last[2][3], sequences[TIME][3];
    const double x[TIME][2] = {{1, 2}, {-1, -1}, {-1, 0.5}, {-1, -1}},
                 real[2][2] = {{1, 2}, {-1, 0.5}};
    for (int masked = 0; masked < 2; masked++) {
        fm_graph *g = graph_for(f, FM_PREDICT);
        fm_val in = sequence(g, 1, masked ? TIME : 2, 2);
        if (masked) in = fm_masking(g, in, .mask_value = -1);
        assert_true((fm_mask_of(g, in).id != 0) == masked);
        fm_val y = fm_lstm(g, in, .units = 3, .return_sequences = true, .name = "lstm");
        assert_true((fm_mask_of(g, y).id != 0) == masked);
        fm_output(g, "last", fm_lstm(g, in, .units = 3, .name = "lstm"));
        fm_output(g, "y", y);
        if (masked) fm_output(g, "in", in);
        fm_program *program = compile_graph(f, store, g);
        feed(program, "x", masked ? x[0] : real[0], masked ? 2 * TIME : 4);
        assert_ok(f->context, fm_program_run(program));
        memcpy(last[masked], fm_program_output(program, "last"), sizeof last[0]);
        if (masked) {
            memcpy(sequences, fm_program_output(program, "y"), sizeof sequences);
            const double *shown = fm_program_output(program, "in");
            for (int i = 0; i < 2 * TIME; i++)
                assert_near(shown[i], (i / 2) % 2 ? 0 : x[i / 2][i % 2], 0);
        }
        fm_program_destroy(program);
    }
    assert_memory_equal(last[0], last[1], sizeof last[0]);
    assert_memory_equal(sequences[0], sequences[1], sizeof sequences[0]);
    assert_memory_equal(sequences[2], sequences[3], sizeof sequences[0]);
    assert_memory_equal(sequences[3], last[1], sizeof last[0]);
    fm_store_destroy(store);
}

/* A sequence that comes out in the order of reading has its mask in that order, too. */
static void masks_turn_with_the_sequence(void **state)
{
    fixture *f = *state;
    fm_store *store = store_with_seed(f, 3);
    fm_graph *g = graph_for(f, FM_PREDICT);
    fm_val x = sequence(g, 1, 3, 1);
    fm_mask_set(g, x, fm_constant(g, FM_F64, FM_SHAPE(1, 3), (const double[]){0, 1, 1}));
    x = fm_gru(g, x, .units = 2, .go_backwards = true, .return_sequences = true,
               .zero_output_for_mask = true);
    fm_output(g, "mask", fm_mask_of(g, x));
    fm_output(g, "y", x);
    fm_program *program = compile_graph(f, store, g);
    feed(program, "x", (const double[]){1, 2, 3}, 3);
    assert_ok(f->context, fm_program_run(program));
    const double *mask = fm_program_output(program, "mask"), *y = fm_program_output(program, "y");
    for (int i = 0; i < 3; i++) {
        assert_near(mask[i], i < 2, 0);
        assert_true((y[2 * i] != 0) == (i < 2));
    }
    fm_program_destroy(program);
    fm_store_destroy(store);
}

static void lengths_make_a_mask(void **state)
{
    fixture *f = *state;
    fm_store *store = store_with_seed(f, 3);
    fm_graph *g = graph_for(f, FM_PREDICT);
    fm_output(g, "mask", fm_length_mask(g, fm_input(g, "n", FM_I32, FM_SHAPE(3)), 4));
    fm_program *program = compile_graph(f, store, g);
    memcpy(fm_program_input(program, "n"), (const int32_t[]){2, 0, 4}, 3 * sizeof(int32_t));
    assert_ok(f->context, fm_program_run(program));
    const double *mask = fm_program_output(program, "mask");
    const double wanted[] = {1, 1, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1};
    assert_memory_equal(mask, wanted, sizeof wanted);
    fm_program_destroy(program);
    fm_store_destroy(store);
    g = graph_for(f, FM_PREDICT);
    fm_length_mask(g, fm_input(g, "n", FM_I32, FM_SHAPE(3, 1)), 4);
    assert_mistake(
        f, g, FM_ERROR_SHAPE,
        "lengths must be (batch), for a time of at least 0 steps; received (3, 1) for 4");
}

/* Products are counted: of the input, of the state, of the projection. */
static fm_val counted(fm_graph *g, fm_val x, void *argument)
{
    (void)argument;
    x = fm_lstm(g, x, .units = 5, .projection = 2, .return_sequences = true);
    return fm_gru(g, x, .units = 3);
}

static void layers_are_described(void **state)
{
    fixture *f = *state;
    fm_layer_row *rows;
    int count;
    assert_ok(f->context,
              fm_layers_describe(f->context, counted, NULL, FM_SHAPE(7, 4), FM_F32, &rows, &count));
    assert_int_equal(count, 2);
    assert_int_equal(rows[0].parameters, 4 * 20 + 2 * 20 + 5 * 2 + 20);
    assert_near(rows[0].macs, 7 * (4 * 20 + 2 * 20 + 5 * 2), 0);
    assert_int_equal(rows[1].parameters, 2 * 9 + 3 * 9 + 2 * 9);
    assert_near(rows[1].macs, 7 * (2 * 9 + 3 * 9), 0);
    assert_true(rows[1].flops > 2 * rows[1].macs);
    fm_layers_release(f->context, rows);
}

/* ---- recipes --------------------------------------------------------------------------------- */

static fm_status parse_recipe(fixture *f, const char *model, fm_recipe **recipe)
{
    char text[1024];
    snprintf(text, sizeof text, "data: {set: strokes}\nmodel:\n%sloss: mse\noptimizer: adam\n",
             model);
    return fm_recipe_parse(f->context, "test.yaml", text, strlen(text), NULL, 0, recipe);
}

/* An encoder's final states are where its decoder begins. */
static void recipes_reach_everything(void **state)
{
    fixture *f = *state;
    fm_recipe *recipe;
    assert_ok(f->context,
              parse_recipe(f,
                           "  - masking: 0.5\n"
                           "  - gru: {units: 4, reset_after: false, bidirectional: true,\n"
                           "          merge_mode: sum, return_sequences: true, dropout: 0.1,\n"
                           "          recurrent_dropout: 0.2, recurrent_activation: hard_sigmoid,\n"
                           "          zero_output_for_mask: true, kernel_l2: 0.1}\n"
                           "  - lstm: {units: 3, name: encoder, peepholes: true, projection: 2,\n"
                           "           unit_forget_bias: false, use_bias: false,\n"
                           "           recurrent_initializer: glorot_normal}\n"
                           "  - lstm: {units: 3, inputs: input, initial_state: encoder,\n"
                           "           activation: linear, projection: 2, go_backwards: true,\n"
                           "           return_sequences: true}\n"
                           "  - simple_rnn: {units: 2, activation: relu, inputs: previous}\n"
                           "  - add: {inputs: [encoder, previous]}\n",
                           &recipe));
    fm_store *store = store_with_seed(f, 3);
    double out[2][4];
    for (int i = 0; i < 2; i++) {
        fm_graph *g = graph_for(f, FM_PREDICT);
        fm_val x = sequence(g, 2, 3, 2), y;
        if (i == 0) {
            y = fm_recipe_build(g, x, recipe);
        } else {
            fm_val state_value, cell;
            fm_val first = fm_gru(
                g, fm_masking(g, x, .mask_value = 0.5), .units = 4, .reset_before = true,
                .bidirectional = true, .merge_mode = FM_BIDIRECTIONAL_SUM, .return_sequences = true,
                .recurrent_activation = FM_HARD_SIGMOID, .zero_output_for_mask = true);
            fm_val encoded =
                fm_lstm(g, first, .units = 3, .name = "encoder", .peepholes = true, .projection = 2,
                        .no_bias = true, .final_state = &state_value, .final_cell = &cell);
            y = fm_lstm(g, x, .units = 3, .initial_state = state_value, .initial_cell = cell,
                        .activation = FM_IDENTITY, .projection = 2, .go_backwards = true,
                        .return_sequences = true);
            y = fm_add(g, encoded, fm_simple_rnn(g, y, .units = 2, .activation = FM_RELU));
        }
        fm_output(g, "y", y);
        fm_program *program = compile_graph(f, store, g);
        double *in = fm_program_input(program, "x");
        for (int k = 0; k < 12; k++) in[k] = k < 2 ? 0.5 : sin(k);
        assert_ok(f->context, fm_program_run(program));
        memcpy(out[i], fm_program_output(program, "y"), sizeof out[i]);
        fm_program_destroy(program);
    }
    for (int k = 0; k < 4; k++) assert_near(out[0][k], out[1][k], 1e-14);
    fm_store_destroy(store);
    fm_recipe_destroy(recipe);
}

/* A layer that only hands its states on is read. */
static void an_encoder_is_read(void **state)
{
    fixture *f = *state;
    fm_recipe *recipe;
    assert_ok(f->context,
              parse_recipe(f,
                           "  - gru: {units: 3, name: encoder}\n"
                           "  - gru: {units: 3, inputs: input, initial_state: encoder}\n",
                           &recipe));
    fm_recipe_destroy(recipe);
    assert_fails(f->context, FM_ERROR_ARGUMENT, "no layer reads what this one makes",
                 parse_recipe(f,
                              "  - gru: {units: 3, name: encoder}\n"
                              "  - gru: {units: 3, inputs: input, initial_state: encode}\n",
                              &recipe));
}

static void recipes_blame_the_line(void **state)
{
    fixture *f = *state;
    fm_recipe *recipe;
    assert_ok(f->context,
              parse_recipe(f, "  - lstm: 64\n  - dropout: 0.1\n  - lstm: 64\n", &recipe));
    fm_graph *g = graph_for(f, FM_TRAIN);
    fm_recipe_build(g, sequence(g, 2, 3, 2), recipe);
    assert_fails(f->context, FM_ERROR_SHAPE,
                 "lstm_1: the input must be (batch, time, features), received (2, 64): the layer "
                 "lstm above gives only the state behind its last step; set return_sequences: true "
                 "there",
                 fm_graph_status(g));
    assert_fails(f->context, FM_ERROR_SHAPE, "test.yaml:5", fm_graph_status(g));
    fm_graph_destroy(g);
    fm_recipe_destroy(recipe);
}

/* ---- mistakes -------------------------------------------------------------------------------- */

static fm_val two_in_a_row(fm_graph *g)
{
    fm_val x = fm_gru(g, sequence(g, 2, 3, 4), .units = 5, .name = "first");
    return fm_lstm(g, fm_dense(g, x, .units = 4), .units = 5);
}

static fm_val flat_input(fm_graph *g)
{
    return fm_lstm(g, fm_input(g, "x", FM_F64, FM_SHAPE(2, 3)), .units = 5);
}

static fm_val tokens(fm_graph *g)
{
    return fm_gru(g, fm_input(g, "x", FM_I32, FM_SHAPE(2, 3)), .units = 5);
}

static fm_val no_units(fm_graph *g)
{
    return fm_gru(g, sequence(g, 2, 3, 4), .return_sequences = true);
}

static fm_val no_options(fm_graph *g)
{
    return fm_lstm_with(g, sequence(g, 2, 3, 4), NULL);
}

static fm_val both_ways_backwards(fm_graph *g)
{
    return fm_gru(g, sequence(g, 2, 3, 4), .units = 5, .bidirectional = true, .go_backwards = true);
}

static fm_val merged_alone(fm_graph *g)
{
    return fm_gru(g, sequence(g, 2, 3, 4), .units = 5, .merge_mode = FM_BIDIRECTIONAL_SUM);
}

static fm_val stateful_and_given(fm_graph *g)
{
    return fm_gru(g, sequence(g, 2, 3, 4), .units = 5, .stateful = true,
                  .initial_state = fm_full(g, FM_SHAPE(2, 5), 0));
}

static fm_val no_cell(fm_graph *g)
{
    return fm_lstm(g, sequence(g, 2, 3, 4), .units = 5,
                   .initial_state = fm_full(g, FM_SHAPE(2, 5), 0));
}

static fm_val cell_of_a_gru(fm_graph *g)
{
    return fm_gru(g, sequence(g, 2, 3, 4), .units = 5,
                  .initial_cell = fm_full(g, FM_SHAPE(2, 5), 0));
}

static fm_val wrong_state(fm_graph *g)
{
    return fm_gru(g, sequence(g, 2, 3, 4), .units = 5, .bidirectional = true,
                  .initial_state = fm_full(g, FM_SHAPE(2, 5), 0));
}

static fm_val unknown_layer(fm_graph *g)
{
    fm_val x = sequence(g, 2, 3, 4);
    fm_gru(g, x, .units = 5, .name = "encoder");
    return fm_gru(g, x, .units = 5, .initial_state_of = "encodr");
}

static fm_val prelu(fm_graph *g)
{
    return fm_gru(g, sequence(g, 2, 3, 4), .units = 5, .activation = FM_PRELU);
}

static fm_val too_much_dropout(fm_graph *g)
{
    return fm_gru(g, sequence(g, 2, 3, 4), .units = 5, .recurrent_dropout = 1);
}

static fm_val projected_gru(fm_graph *g)
{
    return fm_gru(g, sequence(g, 2, 3, 4), .units = 5, .projection = 2);
}

static fm_val reset_lstm(fm_graph *g)
{
    return fm_lstm(g, sequence(g, 2, 3, 4), .units = 5, .reset_before = true);
}

static fm_val gated_rnn(fm_graph *g)
{
    return fm_simple_rnn(g, sequence(g, 2, 3, 4), .units = 5, .recurrent_activation = FM_TANH);
}

static fm_val masked_numbers(fm_graph *g)
{
    return fm_masking(g, fm_input(g, "x", FM_I32, FM_SHAPE(2, 3)), .name = "padding");
}

static void mistakes_are_worded(void **state)
{
    fixture *f = *state;
    const struct {
        fm_val (*build)(fm_graph *g);
        fm_status status;
        const char *words;
    } cases[] = {
        {two_in_a_row, FM_ERROR_SHAPE,
         "lstm: the input must be (batch, time, features), received (2, 4): the layer first above "
         "gives only the state behind its last step; set return_sequences: true there"},
        {flat_input, FM_ERROR_SHAPE,
         "lstm: the input must be (batch, time, features), received (2, 3)"},
        {tokens, FM_ERROR_SHAPE,
         "gru: the input must be numbers (batch, time, features), received i32 (2, 3); tokens go "
         "through an embedding first"},
        {no_units, FM_ERROR_ARGUMENT, "gru: units must be at least 1, received 0"},
        {no_options, FM_ERROR_ARGUMENT, "lstm: units must be at least 1, received 0"},
        {both_ways_backwards, FM_ERROR_ARGUMENT,
         "gru: bidirectional reads in both directions already; leave out go_backwards"},
        {merged_alone, FM_ERROR_ARGUMENT, "gru: merge_mode is for bidirectional: true"},
        {stateful_and_given, FM_ERROR_ARGUMENT,
         "gru: stateful carries the state; it cannot be given as well"},
        {no_cell, FM_ERROR_ARGUMENT,
         "lstm: an LSTM begins with a state and a cell; only one of them is given"},
        {cell_of_a_gru, FM_ERROR_ARGUMENT, "gru: only an LSTM has a cell"},
        {wrong_state, FM_ERROR_SHAPE, "gru: the initial state must be (2, 10), received (2, 5)"},
        {unknown_layer, FM_ERROR_ARGUMENT,
         "gru: initial_state: there is no recurrent layer 'encodr' above; did you mean 'encoder'?"},
        {prelu, FM_ERROR_UNSUPPORTED,
         "gru: prelu has a variable of its own; a recurrent layer takes activations without one, "
         "like leaky_relu"},
        {too_much_dropout, FM_ERROR_ARGUMENT,
         "gru: recurrent_dropout must lie between 0 and 0.999999, received 1"},
        {projected_gru, FM_ERROR_ARGUMENT,
         "gru: peepholes, projection, layer_normalization and unit_forget_bias are an LSTM's"},
        {reset_lstm, FM_ERROR_ARGUMENT, "lstm: only a GRU has a reset gate"},
        {gated_rnn, FM_ERROR_ARGUMENT,
         "simple_rnn: a simple RNN has no gates, so no recurrent_activation"},
        {masked_numbers, FM_ERROR_SHAPE,
         "padding: the input must be numbers (batch, time, features), received i32 (2, 3)"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        fm_graph *g = graph_for(f, FM_TRAIN);
        assert_int_equal(cases[i].build(g).id, 0);
        assert_mistake(f, g, cases[i].status, cases[i].words);
    }
}

static void build_all(fm_graph *g, const void *argument)
{
    (void)argument;
    fm_val x = fm_masking(g, fm_input(g, "x", FM_F64, FM_SHAPE(2, 3, 4))), grad;
    x = fm_gru(g, x, .units = 2, .bidirectional = true, .return_sequences = true, .dropout = 0.1,
               .recurrent_dropout = 0.1, .zero_output_for_mask = true);
    x = fm_lstm(g, x, .units = 2, .layer_normalization = true, .return_sequences = true,
                .go_backwards = true);
    x = fm_simple_rnn(g, x, .units = 2, .stateful = true, .kernel_l2 = 0.1);
    fm_val first = fm_graph_variable(g, 0);
    if (first.id) fm_grad(g, fm_sum(g, x, (fm_ints){0}, false), &first, 1, &grad);
}

static void each_allocation_may_fail(void **state)
{
    const graph_trial trial = {
        .build = build_all, .graph = {.mode = FM_TRAIN, .dtype = FM_F64}, .only_built = true};
    assert_true(fail_each_allocation_of(*state, &trial) > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(variables_have_names_and_shapes),
        fixture_test(variables_start_as_in_keras),
        fixture_test(penalties_are_added),
        fixture_test(tables_are_multiplied_once),
        fixture_test(recurrent_dropout_is_the_same_at_all_steps),
        fixture_test(dropout_drops_features),
        fixture_test(masking_hides_steps),
        fixture_test(masks_turn_with_the_sequence),
        fixture_test(lengths_make_a_mask),
        fixture_test(layers_are_described),
        fixture_test(recipes_reach_everything),
        fixture_test(an_encoder_is_read),
        fixture_test(recipes_blame_the_line),
        fixture_test(mistakes_are_worded),
        fixture_test(each_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
