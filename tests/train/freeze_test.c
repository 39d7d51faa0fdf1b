/* Variables that are not trained, and weights that a training begins with. */
#include "support/training_problem.h"
#include "fathom/model_file.h"
#include "fathom/nn.h"
#include "ir/ir.h"

static fm_model *model_with(fixture *f, const char *freeze)
{
    fm_model *model;
    fm_model_options options = problem_options();
    options.freeze = freeze;
    assert_ok(f->context, fm_model_create(f->context, &options, &model));
    return model;
}

static void train(fixture *f, fm_model *model)
{
    fm_dataset *data;
    assert_ok(f->context, problem_data(f->context, 7, &data));
    assert_ok(f->context, fm_fit(model, data, &(fm_fit_options){.epochs = 2}));
    fm_dataset_destroy(data);
}

enum { LARGEST = 256 };

static void read_by_path(fixture *f, fm_model *model, const char *path, float elements[LARGEST])
{
    fm_store *store = fm_model_store(model);
    int index = fm_store_find(store, path);
    if (index < 0) fail_msg("no variable %s", path);
    memset(elements, 0, LARGEST * sizeof *elements);
    assert_ok(f->context, fm_store_read(store, index, elements));
}

static bool same_variable(fixture *f, fm_model *a, fm_model *b, const char *path)
{
    float first[LARGEST], second[LARGEST];
    read_by_path(f, a, path, first);
    read_by_path(f, b, path, second);
    return memcmp(first, second, sizeof first) == 0;
}

static void frozen_variables_stay(void **state)
{
    fixture *f = *state;
    fm_model *fresh = model_with(f, NULL), *model = model_with(f, "dense/*");
    fm_program *program;
    assert_ok(f->context, fm_model_program(fresh, FM_PREDICT, 1, &program));
    train(f, model);
    assert_true(same_variable(f, fresh, model, "dense/kernel"));
    assert_true(same_variable(f, fresh, model, "dense/bias"));
    assert_false(same_variable(f, fresh, model, "dense_1/kernel"));
    assert_false(same_variable(f, fresh, model, "dense_1/bias"));
    assert_true(fm_store_find(fm_model_store(model), "optimizer/adam/m/dense_1/kernel") >= 0);
    assert_int_equal(fm_store_find(fm_model_store(model), "optimizer/adam/m/dense/kernel"), -1);
    fm_model_destroy(fresh);
    fm_model_destroy(model);
}

/* The products of x with the gradient behind the frozen layer, and that gradient, are not there. */
static int count_products(fixture *f, const char *freeze)
{
    fm_model *model = model_with(f, freeze);
    fm_graph *graph;
    int count = 0;
    assert_ok(f->context, fm_model_graph(model, FM_TRAIN, 8, &graph));
    for (size_t i = 0; i < graph->node_count; i++) {
        count += strcmp(graph->nodes[i].op->name, "matmul") == 0;
    }
    fm_graph_destroy(graph);
    fm_model_destroy(model);
    return count;
}

static void frozen_variables_cost_no_gradient(void **state)
{
    fixture *f = *state;
    assert_int_equal(count_products(f, NULL), 2 + 3);
    assert_int_equal(count_products(f, "dense/*"), 2 + 1);
    assert_int_equal(count_products(f, "*/kernel"), 2 + 1);
}

static void mistakes_are_told(void **state)
{
    fixture *f = *state;
    fm_model *model;
    fm_model_options options = problem_options();
    options.freeze = "dense/*, dens_1/*";
    assert_fails(f->context, FM_ERROR_ARGUMENT,
                 "freeze: no variable matches 'dens_1/*'; did you mean 'dense_1/*'?",
                 fm_model_create(f->context, &options, &model));
    options.freeze = "*";
    assert_fails(f->context, FM_ERROR_ARGUMENT, "nothing to train",
                 fm_model_create(f->context, &options, &model));
}

/* Updates of a frozen variable that a layer asks for are not recorded. */
static void updates_of_frozen_variables_are_left_out(void **state)
{
    fixture *f = *state;
    fm_graph *g;
    const fm_graph_options options = {.mode = FM_TRAIN, .freeze = "body/*"};
    assert_ok(f->context, fm_graph_create(f->context, &options, &g));
    for (int i = 0; i < 2; i++) {
        fm_scope_enter(g, i ? "head" : "body");
        fm_val mean = fm_variable(g, "mean", FM_F32, FM_SHAPE(2),
                                  &(fm_variable_options){.not_trainable = true});
        fm_update(g, mean, fm_full(g, FM_SHAPE(2), 1));
        assert_int_equal(fm_val_frozen(g, mean), i == 0);
        assert_int_equal(g->variables[i].next.id != 0, i == 1);
        fm_scope_leave(g);
    }
    assert_ok(f->context, fm_graph_status(g));
    fm_graph_destroy(g);
}

static void skipped_variables_stay(void **state)
{
    fixture *f = *state;
    const char *path = fixture_path(f, "body.safetensors");
    fm_model *body = model_with(f, NULL), *fresh = model_with(f, NULL), *model;
    fm_program *program;
    train(f, body);
    assert_ok(f->context, fm_model_save(body, path, NULL));
    assert_ok(f->context, fm_model_program(fresh, FM_PREDICT, 1, &program));
    model = model_with(f, "dense/*");
    const fm_load_options how = {.weights_only = true, .skip = "dense_1/*"};
    assert_ok(f->context, fm_model_load(model, path, &how));
    assert_ok(f->context, fm_model_program(model, FM_PREDICT, 1, &program));
    assert_true(same_variable(f, body, model, "dense/kernel"));
    assert_true(same_variable(f, fresh, model, "dense_1/kernel"));
    train(f, model);
    assert_true(same_variable(f, body, model, "dense/kernel"));
    assert_false(same_variable(f, fresh, model, "dense_1/kernel"));
    assert_fails(f->context, FM_ERROR_ARGUMENT,
                 "skip: no variable matches 'dense_1/kernl'; did you mean 'dense_1/kernel'?",
                 fm_model_load(model, path, &(fm_load_options){.skip = "dense_1/kernl"}));
    fm_model_destroy(body);
    fm_model_destroy(fresh);
    fm_model_destroy(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(frozen_variables_stay),
        fixture_test(frozen_variables_cost_no_gradient),
        fixture_test(mistakes_are_told),
        fixture_test(updates_of_frozen_variables_are_left_out),
        fixture_test(skipped_variables_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
