/* What fit records of layers once an epoch: figures of the step itself, kept in files, without a
 * trace in the bits. */
#include "support/training_problem.h"
#include "fathom/gradients.h"
#include "fathom/model_file.h"
#include "fathom/nn.h"
#include "fathom/ops.h"

enum { BATCH = 32, EPOCHS = 3 };

static fm_dataset *data_of(fixture *f)
{
    fm_dataset *data;
    assert_ok(f->context, problem_data(f->context, 7, &data));
    return data;
}

static fm_model *model_of(fixture *f)
{
    fm_model *model;
    assert_ok(f->context, problem_model(f->context, &model));
    return model;
}

static fm_status look(void *user, fm_event *event)
{
    double *norms = user;
    if (event->batch == 1 && event->gradients) {
        norms[2 * event->epoch] = event->gradients->layers[0].norm;
        norms[2 * event->epoch + 1] = event->gradients->layers[1].weight_norm;
    }
    return FM_OK;
}

/* Norms agree with those that the gradients' own measurement tells. */
static void layers_are_recorded_each_epoch(void **state)
{
    fixture *f = *state;
    double norms[2 * EPOCHS] = {0};
    uint64_t digests[2];
    fm_dataset *data = data_of(f);
    const fm_callback callback = {.name = "look", .user = norms, .batch_end = look};
    for (int k = 0; k < 2; k++) {
        fm_model *model = model_of(f);
        const fm_fit_options how = {.epochs = EPOCHS,
                                    .health = k,
                                    .gradients_every = k ? FM_EACH_EPOCH : 0,
                                    .callbacks = &callback,
                                    .callback_count = 1};
        assert_int_equal(fm_model_health(model).epochs, 0);
        assert_ok(f->context, fm_fit(model, data, &how));
        digests[k] = problem_digest(model);
        const fm_health h = fm_model_health(model);
        assert_int_equal(h.epochs, k ? EPOCHS : 0);
        for (int64_t i = 0; i < h.epochs; i++) {
            const fm_layer_health *rows = h.rows + i * h.layer_count;
            int dense = 0;
            for (int l = 0; l < h.layer_count; l++) {
                bool has = strncmp(h.layers[l], "dense", 5) == 0;
                assert_true(isnan(rows[l].gradient_norm) == !has);
                assert_true(rows[l].deviation > 0 && rows[l].zeros >= 0 && rows[l].zeros < 1);
                if (has && dense == 0) assert_near(rows[l].gradient_norm, norms[2 * i], 1e-9);
                if (has && dense == 1) assert_near(rows[l].weight_norm, norms[2 * i + 1], 1e-9);
                dense += has;
            }
            assert_int_equal(dense, 2);
        }
        fm_model_destroy(model);
    }
    assert_true(digests[0] == digests[1]);
    fm_dataset_destroy(data);
}

/* x, then relu(x): of x in {-2, 0, 1, 5} half is zero behind it. */
static fm_val known(fm_graph *g, fm_val x, void *argument)
{
    (void)argument;
    x = fm_dense(g, x, .units = 1, .kernel_initializer = fm_ones(), .name = "same");
    x = fm_relu(g, x);
    x = fm_flatten(g, x);
    return fm_dense(g, x, .units = 1, .kernel_initializer = fm_ones(), .no_bias = true,
                    .name = "out");
}

static void outputs_have_their_moments(void **state)
{
    fixture *f = *state;
    fm_model *model;
    fm_dataset *data;
    const float x[4] = {-2, 0, 1, 5}, y[4] = {0};
    const void *const arrays[] = {x, y};
    const fm_dataset_info info = {
        .name = "four",
        .count = 4,
        .field_count = 2,
        .fields = {{"x", FM_F32, FM_SHAPE(1), NULL}, {"y", FM_F32, FM_SHAPE(1), NULL}}};
    assert_ok(f->context, fm_dataset_from_arrays(f->context, &info, arrays, false, &data));
    assert_ok(f->context, fm_model_create(f->context,
                                          &(fm_model_options){.build = known,
                                                              .input_shape = FM_SHAPE(1),
                                                              .loss = FM_MEAN_SQUARED_ERROR,
                                                              .optimizer = {FM_SGD}},
                                          &model));
    assert_ok(f->context, fm_fit(model, data, &(fm_fit_options){.health = true}));
    const fm_health h = fm_model_health(model);
    assert_int_equal(h.epochs, 1);
    assert_int_equal(h.layer_count, 3);
    assert_string_equal(h.layers[0], "same");
    assert_near(h.rows[0].mean, 1, 1e-6);
    assert_near(h.rows[0].deviation, sqrt((9 + 1 + 0 + 16) / 4.0), 1e-6);
    assert_near(h.rows[0].zeros, 0.25, 1e-6);
    assert_near(h.rows[0].weight_norm, 1, 1e-6);
    assert_string_equal(h.layers[1], "flatten");
    assert_near(h.rows[1].mean, 1.5, 1e-6);
    assert_near(h.rows[1].zeros, 0.5, 1e-6);
    assert_true(isnan(h.rows[1].gradient_norm) && isnan(h.rows[1].weight_norm));
    /* d/dw of the mean of (w relu(x))^2 at w = 1 is 2 (1 + 25) / 4 */
    assert_near(h.rows[2].gradient_norm, 13, 1e-4);
    fm_model_destroy(model);
    fm_dataset_destroy(data);
}

static void assert_same_health(const fm_health *a, const fm_health *b)
{
    assert_int_equal(a->epochs, b->epochs);
    assert_int_equal(a->layer_count, b->layer_count);
    for (int i = 0; i < a->layer_count; i++) assert_string_equal(a->layers[i], b->layers[i]);
    size_t bytes = (size_t)(a->epochs * a->layer_count) * sizeof *a->rows;
    assert_memory_equal(a->rows, b->rows, bytes);
}

static fm_status stop_there(void *user, fm_event *event)
{
    (void)user;
    if (event->epoch == 1 && event->batch == 3) event->stop = true;
    return FM_OK;
}

/* Stopped in the middle of an epoch, saved, loaded by another model, resumed: the same rows. */
static void files_keep_it_and_resumed_runs_go_on(void **state)
{
    fixture *f = *state;
    const char *path = fixture_path(f, "m.safetensors");
    const fm_callback stop = {.name = "stop", .batch_end = stop_there};
    fm_dataset *data = data_of(f);
    fm_model *whole = model_of(f), *cut = model_of(f), *again = model_of(f);
    fm_fit_options how = {.epochs = EPOCHS, .health = true};
    assert_ok(f->context, fm_fit(whole, data, &how));
    how.callbacks = &stop;
    how.callback_count = 1;
    assert_ok(f->context, fm_fit(cut, data, &how));
    assert_int_equal(fm_model_health(cut).epochs, 1);
    assert_ok(f->context, fm_model_save(cut, path, NULL));
    assert_ok(f->context, fm_model_load(again, path, NULL));
    const fm_health before = fm_model_health(cut), loaded = fm_model_health(again);
    assert_same_health(&before, &loaded);
    how = (fm_fit_options){.epochs = EPOCHS, .health = true, .resume = true};
    assert_ok(f->context, fm_fit(again, data, &how));
    const fm_health expected = fm_model_health(whole), resumed = fm_model_health(again);
    assert_same_health(&expected, &resumed);
    /* an epoch that is not recorded stays unknown */
    how = (fm_fit_options){.epochs = EPOCHS + 1, .resume = true};
    assert_ok(f->context, fm_fit(again, data, &how));
    assert_int_equal(fm_model_health(again).epochs, EPOCHS);
    how.epochs = EPOCHS + 2;
    how.health = true;
    assert_ok(f->context, fm_fit(again, data, &how));
    const fm_health last = fm_model_health(again);
    assert_int_equal(last.epochs, EPOCHS + 2);
    assert_true(isnan(last.rows[EPOCHS * last.layer_count].mean));
    assert_false(isnan(last.rows[(EPOCHS + 1) * last.layer_count].mean));
    assert_ok(f->context, fm_model_load(again, path, NULL));
    assert_int_equal(fm_model_health(again).epochs, 1);
    fm_model_destroy(whole);
    fm_model_destroy(cut);
    fm_model_destroy(again);
    fm_dataset_destroy(data);
}

static void a_budget_of_memory_leaves_it_out(void **state)
{
    fixture *f = *state;
    fm_model *model;
    fm_model_options options = problem_options();
    options.memory = 1 << 30;
    fm_dataset *data = data_of(f);
    assert_ok(f->context, fm_model_create(f->context, &options, &model));
    assert_ok(f->context, fm_fit(model, data, &(fm_fit_options){.health = true}));
    assert_int_equal(fm_model_health(model).epochs, 0);
    fm_model_destroy(model);
    fm_dataset_destroy(data);
}

static fm_status fit_and_save(fm_context *context, void *argument)
{
    fm_model *model, *other = NULL;
    fm_dataset *data = NULL;
    fm_status status = problem_model(context, &model);
    if (status != FM_OK) return status;
    status = problem_data(context, 7, &data);
    if (status == FM_OK) status = problem_model(context, &other);
    if (status == FM_OK) {
        status = fm_fit(model, data, &(fm_fit_options){.epochs = 2, .health = true});
    }
    if (status == FM_OK) status = fm_model_save(model, argument, NULL);
    if (status == FM_OK) status = fm_model_load(other, argument, NULL);
    fm_model_destroy(model);
    fm_model_destroy(other);
    fm_dataset_destroy(data);
    return status;
}

static void memory_may_run_out(void **state)
{
    char path[256];
    snprintf(path, sizeof path, "%s", fixture_path(*state, "m.safetensors"));
    assert_true(fail_each_allocation(*state, fit_and_save, path) > 100);
}

static void layers_are_judged(void **state)
{
    (void)state;
    assert_int_equal(fm_gradient_judge(1, 1), FM_GRADIENT_SOUND);
    assert_int_equal(fm_gradient_judge(0, 1), FM_GRADIENT_VANISHING);
    assert_int_equal(fm_gradient_judge(0.9e-4, 1), FM_GRADIENT_VANISHING);
    assert_int_equal(fm_gradient_judge(1.1e-4, 1), FM_GRADIENT_SOUND);
    assert_int_equal(fm_gradient_judge(1.1e4, 1), FM_GRADIENT_EXPLODING);
    assert_int_equal(fm_gradient_judge(NAN, 1), FM_GRADIENT_EXPLODING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(layers_are_recorded_each_epoch),
        fixture_test(outputs_have_their_moments),
        fixture_test(files_keep_it_and_resumed_runs_go_on),
        fixture_test(a_budget_of_memory_leaves_it_out),
        fixture_test(memory_may_run_out),
        fixture_test(layers_are_judged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
