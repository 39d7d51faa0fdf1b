/* Carried variables: what a layer remembers from run to run, through fit, files and streams. */
#include "support/training_problem.h"
#include "fathom/model_file.h"
#include "fathom/nn.h"
#include "fathom/ops.h"

enum { UNITS = 4, BATCH = 50 };

/* The plainest memory: state' = tanh(dense(x) + state / 2). */
static fm_val remembering(fm_graph *g, fm_val x, void *argument)
{
    (void)argument;
    int64_t batch = fm_val_shape(g, x).dims[0];
    fm_val before = fm_variable(g, "memory/state", fm_graph_dtype(g), FM_SHAPE(batch, UNITS),
                                &(fm_variable_options){.carried = true});
    fm_val seen = fm_dense(g, x, .units = UNITS);
    fm_val after = fm_tanh(g, fm_add(g, seen, fm_mul_scalar(g, before, 0.5)));
    fm_update(g, before, after);
    return fm_dense(g, after, .units = PROBLEM_CLASSES);
}

static fm_status remembering_model(fm_context *context, fm_model **model)
{
    fm_model_options options = problem_options();
    options.build = remembering;
    return fm_model_create(context, &options, model);
}

static void memory_lasts_until_it_is_reset(void **state)
{
    fixture *f = *state;
    fm_model *model;
    fm_program *program;
    const float x[PROBLEM_INPUTS] = {0.5f, -1, 2, 0.25f};
    float first[PROBLEM_CLASSES], second[PROBLEM_CLASSES];
    assert_ok(f->context, remembering_model(f->context, &model));
    assert_ok(f->context, fm_model_program(model, FM_PREDICT, 1, &program));
    const float *prediction = fm_program_output(program, "prediction");
    memcpy(fm_program_input(program, "x"), x, sizeof x);
    assert_ok(f->context, fm_program_run(program));
    memcpy(first, prediction, sizeof first);
    assert_ok(f->context, fm_program_run(program));
    memcpy(second, prediction, sizeof second);
    assert_memory_not_equal(first, second, sizeof first);

    fm_carried_variable carried = fm_program_carried(program, 0);
    assert_string_equal(carried.path, "memory/state");
    assert_int_equal(carried.shape.dims[1], UNITS);
    assert_true(((const float *)carried.data)[0] != 0);
    assert_null(fm_program_carried(program, 1).path);

    assert_ok(f->context, fm_program_reset(program));
    assert_true(((const float *)carried.data)[0] == 0);
    assert_ok(f->context, fm_program_run(program));
    assert_memory_equal(first, prediction, sizeof first);
    assert_int_equal(fm_store_find(fm_model_store(model), "memory/state"), -1);
    assert_int_equal(fm_store_step(fm_model_store(model)), 0);
    fm_model_destroy(model);
}

static fm_status stop_at(void *user, fm_event *event)
{
    const int64_t *batch = user;
    event->stop = event->epoch == 1 && event->batch == *batch;
    return FM_OK;
}

static fm_status fit_to(fm_model *model, const fm_dataset *data, int64_t stop_batch,
                        const char *path, bool resume)
{
    const fm_callback stop = {.name = "stop", .user = &stop_batch, .batch_end = stop_at};
    const fm_checkpoint checkpoint = {.path = path};
    return fm_fit(model, data,
                  &(fm_fit_options){.epochs = 3,
                                    .batch_size = BATCH,
                                    .resume = resume,
                                    .checkpoint = path ? &checkpoint : NULL,
                                    .callbacks = &stop,
                                    .callback_count = stop_batch > 0});
}

/* Stopped within an epoch, the file has what is carried;
 * the end has the bits of an unbroken run. */
static void resumed_runs_remember(void **state)
{
    fixture *f = *state;
    const char *path = fixture_path(f, "carried.safetensors");
    fm_dataset *data;
    fm_model *whole, *broken, *resumed;
    assert_ok(f->context, problem_data(f->context, 7, &data));
    assert_ok(f->context, remembering_model(f->context, &whole));
    assert_ok(f->context, fit_to(whole, data, 0, NULL, false));
    assert_ok(f->context, remembering_model(f->context, &broken));
    assert_ok(f->context, fit_to(broken, data, 2, path, false));
    assert_int_equal(fm_model_history(broken)->stop, FM_STOP_CALLBACK);
    assert_ok(f->context, remembering_model(f->context, &resumed));
    assert_ok(f->context, fm_model_load(resumed, path, NULL));
    assert_ok(f->context, fit_to(resumed, data, 0, NULL, true));
    assert_same_history(fm_model_history(whole), fm_model_history(resumed), 2);
    assert_true(problem_digest(whole) == problem_digest(resumed));
    fm_model_destroy(whole);
    fm_model_destroy(broken);
    fm_model_destroy(resumed);
    fm_dataset_destroy(data);
}

static void shuffling_is_warned_of(void **state)
{
    fixture *f = *state;
    fm_dataset *data;
    fm_model *model;
    assert_ok(f->context, problem_data(f->context, 7, &data));
    for (int shuffled = 0; shuffled < 2; shuffled++) {
        assert_ok(f->context, remembering_model(f->context, &model));
        assert_ok(
            f->context,
            fm_fit(model, data,
                   &(fm_fit_options){.batch_size = BATCH, .epochs = 1, .no_shuffle = !shuffled}));
        const char *words = "fit: 'memory/state' goes from each batch to the next, but samples are "
                            "shuffled; set shuffle: false and give them in order";
        assert_true((strcmp(f->last_log, words) == 0) == shuffled);
        fm_model_destroy(model);
    }
    fm_dataset_destroy(data);
}

/* The steps before the one that made a NaN are replayed with what was carried then. */
static void variables_before_a_nan_are_found_again(void **state)
{
    fixture *f = *state;
    static float x[PROBLEM_SAMPLES][PROBLEM_INPUTS];
    static int32_t y[PROBLEM_SAMPLES];
    for (int i = 0; i < PROBLEM_SAMPLES; i++) {
        y[i] = i % PROBLEM_CLASSES;
        for (int k = 0; k < PROBLEM_INPUTS; k++) x[i][k] = (float)(y[i] + i % 7 - k) / 4;
    }
    const fm_dataset_info info = {
        .name = "bad",
        .origin = "here",
        .count = PROBLEM_SAMPLES,
        .field_count = 2,
        .fields = {{.name = "x", .dtype = FM_F32, .shape = FM_SHAPE(PROBLEM_INPUTS)},
                   {.name = "y", .dtype = FM_I32}}};
    fm_dataset *data;
    fm_model *good, *bad;
    assert_ok(f->context,
              fm_dataset_from_arrays(f->context, &info, (const void *const[]){x, y}, true, &data));
    assert_ok(f->context, remembering_model(f->context, &good));
    for (int i = 0; i < 2; i++) {
        assert_ok(f->context, fm_train_step(good,
                                            &(fm_batch){.count = BATCH,
                                                        .x = x[(ptrdiff_t)i * BATCH],
                                                        .y = &y[(ptrdiff_t)i * BATCH]},
                                            fm_model_rate(good, 3), NULL));
    }
    x[PROBLEM_SAMPLES - 1][1] = NAN;
    assert_ok(f->context, remembering_model(f->context, &bad));
    assert_fails(f->context, FM_ERROR_NONFINITE, "the variables are those of before that step",
                 fm_fit(bad, data, &(fm_fit_options){.batch_size = BATCH, .no_shuffle = true}));
    assert_true(problem_digest(good) == problem_digest(bad));
    fm_model_destroy(good);
    fm_model_destroy(bad);
    fm_dataset_destroy(data);
}

/* ---- streams --------------------------------------------------------------------------------- */

/* Tells where it stands: zeros lead to zeros, plus 11 times the position. */
static fm_val telling(fm_graph *g, fm_val x, void *argument)
{
    (void)argument;
    x = fm_dense(g, x, .units = PROBLEM_CLASSES);
    if (!fm_graph_stream_length(g)) return x;
    fm_val first = fm_add(g, x, fm_graph_position(g));
    return fm_add(g, first, fm_mul_scalar(g, fm_graph_position(g), 10));
}

static void streams_count_positions(void **state)
{
    fixture *f = *state;
    fm_model *model;
    fm_program *program;
    fm_model_options options = problem_options();
    options.build = telling;
    options.input_shape = FM_SHAPE(6, PROBLEM_CLASSES);
    assert_ok(f->context, fm_model_create(f->context, &options, &model));
    assert_ok(f->context, fm_model_stream(model, 2, 3, 12, &program));
    const float *prediction = fm_program_output(program, "prediction");
    for (int i = 0; i < 3; i++) {
        assert_ok(f->context, fm_program_run(program));
        assert_near(prediction[0], 33.0 * i, 1e-6);
    }
    assert_ok(f->context, fm_program_reset(program));
    assert_ok(f->context, fm_program_run(program));
    assert_near(prediction[5], 0, 1e-6);
    fm_program_destroy(program);
    assert_fails(f->context, FM_ERROR_ARGUMENT, "pieces that fit",
                 fm_model_stream(model, 2, 13, 12, &program));
    assert_null(program);
    fm_model_destroy(model);
}

static void only_streams_have_a_position(void **state)
{
    fixture *f = *state;
    fm_graph *g;
    assert_ok(
        f->context,
        fm_graph_create(f->context, &(fm_graph_options){.mode = FM_TRAIN, .stream_length = 4}, &g));
    assert_int_equal(fm_graph_stream_length(g), 0);
    assert_int_equal(fm_graph_position(g).id, 0);
    assert_fails(f->context, FM_ERROR_ARGUMENT, "only a stream has a position", fm_graph_status(g));
    fm_graph_destroy(g);
}

/* ---- masks ----------------------------------------------------------------------------------- */

static void layers_pass_masks_on(void **state)
{
    fixture *f = *state;
    fm_graph *g;
    assert_ok(f->context, fm_graph_create(f->context, NULL, &g));
    fm_val x = fm_input(g, "x", FM_F32, FM_SHAPE(2, 5, 3));
    fm_val mask = fm_input(g, "mask", FM_F32, FM_SHAPE(2, 5));
    assert_int_equal(fm_mask_of(g, x).id, 0);
    fm_mask_set(g, x, mask);
    fm_val y = fm_dense(g, x, .units = 7);
    assert_int_equal(fm_mask_of(g, y).id, mask.id);
    assert_int_equal(fm_mask_of(g, fm_flatten(g, y)).id, 0);
    assert_int_equal(fm_mask_of(g, fm_reshape(g, y, .target_shape = {2, {7, 5}})).id, 0);
    fm_mask_set(g, y, x);
    assert_fails(f->context, FM_ERROR_SHAPE,
                 "the mask of (2, 5, 7) must be f32 (2, 5), received f32 (2, 5, 3)",
                 fm_graph_status(g));
    fm_graph_destroy(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(memory_lasts_until_it_is_reset),
        fixture_test(resumed_runs_remember),
        fixture_test(shuffling_is_warned_of),
        fixture_test(variables_before_a_nan_are_found_again),
        fixture_test(streams_count_positions),
        fixture_test(only_streams_have_a_position),
        fixture_test(layers_pass_masks_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
