/* The gradients' norms: those of the step itself, told when asked for,
 * without a trace in the bits. */
#include "support/training_problem.h"
#include "fathom/gradients.h"
#include "fathom/nn.h"
#include "fathom/ops.h"

enum { BATCH = 32, LARGEST = 512 };

typedef struct step_data {
    _Alignas(64) float x[BATCH * PROBLEM_INPUTS];
    _Alignas(64) int32_t y[BATCH];
} step_data;

static fm_batch make_batch(step_data *data)
{
    for (int i = 0; i < BATCH * PROBLEM_INPUTS; i++) data->x[i] = sinf((float)(3 * i));
    for (int i = 0; i < BATCH; i++) data->y[i] = i % PROBLEM_CLASSES;
    return (fm_batch){.x = data->x, .y = data->y, .count = BATCH};
}

static int read_by_path(fixture *f, fm_model *model, const char *path, float elements[LARGEST])
{
    fm_store *store = fm_model_store(model);
    int index = fm_store_find(store, path);
    if (index < 0) fail_msg("no variable %s", path);
    assert_ok(f->context, fm_store_read(store, index, elements));
    return (int)fm_shape_elements(fm_store_info(store, index).shape);
}

/* sgd with the rate 1 subtracts the gradient, dropout's mask included. */
static void norms_are_those_of_the_step(void **state)
{
    fixture *f = *state;
    fm_model *model;
    fm_model_options options = problem_options();
    options.optimizer = (fm_optimizer){FM_SGD};
    assert_ok(f->context, fm_model_create(f->context, &options, &model));
    step_data data;
    fm_batch batch = make_batch(&data);
    const fm_gradients *gradients;
    for (int step = 0; step < 3; step++) {
        double loss, all = 0;
        assert_ok(f->context, fm_model_gradients(model, &batch, &gradients));
        assert_int_equal(gradients->step, step);
        assert_int_equal(gradients->variable_count, 4);
        assert_int_equal(gradients->layer_count, 2);
        float before[4][LARGEST], after[LARGEST];
        for (int i = 0; i < 4; i++) {
            read_by_path(f, model, gradients->variables[i].path, before[i]);
        }
        assert_ok(f->context, fm_train_step(model, &batch, 1, &loss));
        assert_near(gradients->loss, loss, 1e-6);
        for (int i = 0; i < 4; i++) {
            const fm_gradient *row = &gradients->variables[i];
            int count = read_by_path(f, model, row->path, after);
            double sum = 0, weights = 0, largest = 0;
            for (int k = 0; k < count; k++) {
                double g = (double)before[i][k] - after[k];
                sum += g * g;
                weights += (double)before[i][k] * before[i][k];
                largest = fmax(largest, fabs(g));
            }
            assert_int_equal(row->elements, count);
            assert_near(row->norm, sqrt(sum), 1e-5);
            assert_near(row->largest, largest, 1e-5);
            assert_near(row->weight_norm, sqrt(weights), 1e-5);
            all += sum;
        }
        assert_near(gradients->norm, sqrt(all), 1e-5);
        assert_string_equal(gradients->layers[1].name, "dense_1");
        assert_int_equal(gradients->layers[1].first, 2);
        assert_int_equal(gradients->layers[1].count, 2);
        assert_int_equal(gradients->layers[1].state, FM_GRADIENT_SOUND);
    }
    fm_model_destroy(model);
}

typedef struct listener {
    int told;
    uint64_t steps[64];
} listener;

static fm_status listen(void *user, fm_event *event)
{
    listener *l = user;
    if (event->gradients) l->steps[l->told++] = event->gradients->step;
    return FM_OK;
}

static uint64_t fit_listening(fixture *f, int64_t every, listener *l)
{
    *l = (listener){0};
    fm_model *model;
    fm_dataset *data;
    assert_ok(f->context, problem_model(f->context, &model));
    assert_ok(f->context, problem_data(f->context, 7, &data));
    const fm_callback callback = {.name = "listener", .user = l, .batch_end = listen};
    assert_ok(f->context, fm_fit(model, data,
                                 &(fm_fit_options){.epochs = 3,
                                                   .gradients_every = every,
                                                   .callbacks = &callback,
                                                   .callback_count = 1}));
    uint64_t digest = problem_digest(model);
    fm_dataset_destroy(data);
    fm_model_destroy(model);
    return digest;
}

/* 150 samples are four batches of 32 and one of 22, which is not measured. */
static void fit_tells_when_asked(void **state)
{
    fixture *f = *state;
    listener none, epochs, steps;
    uint64_t digest = fit_listening(f, 0, &none);
    assert_int_equal(none.told, 0);
    assert_true(fit_listening(f, FM_EACH_EPOCH, &epochs) == digest);
    assert_int_equal(epochs.told, 3);
    assert_int_equal(epochs.steps[2], 10);
    assert_true(fit_listening(f, 2, &steps) == digest);
    static const uint64_t expected[] = {0, 2, 6, 8, 10, 12};
    assert_int_equal(steps.told, 6);
    assert_memory_equal(steps.steps, expected, sizeof expected);
}

/* What comes back to the first layer is multiplied by the factor. */
static fm_val scaled(fm_graph *g, fm_val x, void *argument)
{
    const double *factor = argument;
    fm_val y = fm_dense(g, x, .units = 8);
    y = fm_add(g, fm_mul_scalar(g, y, *factor), fm_stop_gradient(g, fm_mul_scalar(g, y, 1)));
    return fm_dense(g, y, .units = PROBLEM_CLASSES);
}

static void states_are_judged(void **state)
{
    fixture *f = *state;
    static const struct {
        double factor;
        fm_gradient_state expected;
    } cases[] = {{1, FM_GRADIENT_SOUND},
                 {1e-7, FM_GRADIENT_VANISHING},
                 {1e-30, FM_GRADIENT_VANISHING},
                 {FM_ZERO, FM_GRADIENT_VANISHING}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        fm_model *model;
        fm_model_options options = problem_options();
        double factor = cases[i].factor;
        options.build = scaled;
        options.argument = &factor;
        assert_ok(f->context, fm_model_create(f->context, &options, &model));
        step_data data;
        fm_batch batch = make_batch(&data);
        const fm_gradients *gradients;
        assert_ok(f->context, fm_model_gradients(model, &batch, &gradients));
        assert_int_equal(gradients->layers[0].state, cases[i].expected);
        assert_int_equal(gradients->layers[1].state, FM_GRADIENT_SOUND);
        if (factor != 0) assert_true(gradients->layers[0].norm > 1e-3 * factor);
        fm_model_destroy(model);
    }
}

/* A batch that makes the gradient infinite. */
static void what_is_not_finite_explodes(void **state)
{
    fixture *f = *state;
    fm_model *model;
    assert_ok(f->context, problem_model(f->context, &model));
    step_data data;
    fm_batch batch = make_batch(&data);
    data.x[3] = INFINITY;
    const fm_gradients *gradients;
    assert_ok(f->context, fm_model_gradients(model, &batch, &gradients));
    assert_int_equal(gradients->layers[0].state, FM_GRADIENT_EXPLODING);
    assert_string_equal(fm_gradient_state_name(FM_GRADIENT_EXPLODING), "exploding");
    fm_batch empty = {0};
    assert_fails(f->context, FM_ERROR_ARGUMENT, "needs a batch",
                 fm_model_gradients(model, &empty, &gradients));
    fm_model_destroy(model);
}

static fm_status measure_once(fm_context *context, void *argument)
{
    fm_model *model;
    const fm_gradients *gradients;
    fm_status status = problem_model(context, &model);
    if (status == FM_OK) status = fm_model_gradients(model, argument, &gradients);
    fm_model_destroy(model);
    return status;
}

static void every_failed_allocation_is_reported(void **state)
{
    step_data data;
    fm_batch batch = make_batch(&data);
    assert_true(fail_each_allocation(*state, measure_once, &batch) > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(norms_are_those_of_the_step),
        fixture_test(fit_tells_when_asked),
        fixture_test(states_are_judged),
        fixture_test(what_is_not_finite_explodes),
        fixture_test(every_failed_allocation_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
