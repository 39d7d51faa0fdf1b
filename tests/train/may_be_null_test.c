/* What a header says may be NULL may be: options everywhere, and what destroys. */
#include "support/graphs.h"

#include "fathom/fathom.h"

static void builders_take_no_options(void **state)
{
    fixture *f = *state;
    fm_graph *g;
    fm_val last;
    assert_ok(f->context, fm_graph_create(f->context, NULL, &g));
    fm_val x = fm_input(g, "x", FM_F32, FM_SHAPE(2, 3, 4));
    fm_val w = fm_variable(g, "w", FM_F32, FM_SHAPE(4, 4), NULL);
    fm_val y = fm_simple_rnn_sequence(g, x, w, fm_full(g, FM_SHAPE(2, 4), 0), NULL, &last);
    y = fm_attention(g, fm_reshape_to(g, y, FM_SHAPE(2, 3, 2, 2)),
                     fm_reshape_to(g, y, FM_SHAPE(2, 3, 2, 2)),
                     fm_reshape_to(g, y, FM_SHAPE(2, 3, 2, 2)), NULL);
    y = fm_convolve(g, y, fm_full(g, FM_SHAPE(1, 1, 2, 5), 1), NULL);
    y = fm_batch_normalization_with(g, fm_flatten_with(g, y, NULL), NULL);
    fm_val loss = fm_loss_with(g, FM_MEAN_SQUARED_ERROR, y, y, NULL);
    fm_minimize_with(g, loss, NULL);
    assert_ok(f->context, fm_graph_status(g));
    assert_true(last.id != 0);
    fm_graph_destroy(g);
    assert_near(fm_optimizer_rate(NULL), 0.01, 0);

    assert_ok(f->context, fm_graph_create(f->context, NULL, &g));
    fm_dense_with(g, fm_input(g, "x", FM_F32, FM_SHAPE(2, 3)), NULL);
    assert_mistake(f, g, FM_ERROR_ARGUMENT, "dense: units must be at least 1, received 0");
    assert_ok(f->context, fm_graph_create(f->context, NULL, &g));
    fm_max_pool(g, fm_input(g, "x", FM_F32, FM_SHAPE(2, 3, 3, 1)), NULL);
    assert_int_not_equal(fm_graph_status(g), FM_OK);
    fm_graph_destroy(g);
}

static void models_and_data_take_no_options(void **state)
{
    fixture *f = *state;
    fm_context *c = f->context;
    fm_model *model;
    fm_metric *metric;
    fm_dataset *moons, *first, *second;
    fm_loader *loader;
    fm_transform *transform;
    fm_series *series;
    assert_fails(c, FM_ERROR_ARGUMENT, "a model needs a function that builds it",
                 fm_model_create(c, NULL, &model));
    assert_null(model);
    assert_ok(c, fm_metric_create(c, NULL, FM_SHAPE(1), FM_SHAPE(1), &metric));
    assert_string_equal(fm_metric_name(metric), "binary_accuracy");
    fm_metric_destroy(metric);
    assert_ok(c, fm_dataset_moons(c, NULL, &moons, NULL));
    assert_fails(c, FM_ERROR_ARGUMENT, "split: fraction must lie between 0 and 1, received 0",
                 fm_dataset_split(c, moons, NULL, &first, &second));
    assert_null(first);
    assert_ok(c, fm_loader_create(c, moons, NULL, &loader));
    fm_loader_destroy(loader);
    assert_ok(c, fm_transform_fit(c, moons, NULL, &transform));
    fm_transform_destroy(transform);
    fm_dataset_destroy(moons);
    assert_fails(c, FM_ERROR_ARGUMENT, "sine_series: window must be at least 1, received 0",
                 fm_series_sine(c, NULL, &series));
    assert_null(series);
    assert_null(fm_series_recipe_options("sine_series", NULL));
    const double values[] = {1, 2, 3};
    const char *const names[] = {"value"};
    const fm_series_values table = {.rows = 3, .columns = 1, .values = values, .names = names};
    assert_fails(c, FM_ERROR_ARGUMENT, "window", fm_series_create(c, &table, NULL, &series));
    assert_null(series);
}

/* Sets of files whose options are refused leave nothing behind that could be destroyed. */
static void failed_sets_are_null(void **state)
{
    static const char *const names[] = {"images", "image_masks", "recordings"};
    fixture *f = *state;
    fm_dataset *moons;
    assert_ok(f->context, fm_dataset_moons(f->context, NULL, &moons, NULL));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        fm_dataset *train = moons, *test = moons;
        const fm_dataset_record *record;
        if (fm_dataset_record_find(f->context, names[i], &record) != FM_OK) continue;
        assert_fails(f->context, FM_ERROR_ARGUMENT, "folder",
                     record->open(f->context, NULL, NULL, &train, &test));
        assert_null(train);
        assert_null(test);
    }
    fm_dataset_destroy(moons);
}

static void what_destroys_takes_null(void **state)
{
    fixture *f = *state;
    fm_check_report_destroy(NULL);
    fm_context_destroy(NULL);
    fm_data_release(f->context, NULL);
    fm_dataset_destroy(NULL);
    assert_int_equal(fm_event_file_close(NULL), FM_OK);
    fm_explainer_destroy(NULL);
    fm_extractor_destroy(NULL);
    fm_features_destroy(NULL);
    fm_generator_destroy(NULL);
    fm_graph_destroy(NULL);
    fm_image_release(f->context, NULL);
    fm_layers_release(f->context, NULL);
    fm_loader_destroy(NULL);
    fm_metric_destroy(NULL);
    fm_model_destroy(NULL);
    fm_model_file_close(NULL);
    fm_pca_destroy(NULL);
    fm_program_destroy(NULL);
    fm_recipe_data_close(NULL);
    fm_recipe_destroy(NULL);
    fm_recording_release(f->context, NULL);
    fm_search_close(NULL);
    fm_search_destroy(NULL);
    fm_series_destroy(NULL);
    fm_store_destroy(NULL);
    fm_text_free(f->context, NULL);
    fm_transform_destroy(NULL);
    fm_vocabulary_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(builders_take_no_options),
        fixture_test(models_and_data_take_no_options),
        fixture_test(failed_sets_are_null),
        fixture_test(what_destroys_takes_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
