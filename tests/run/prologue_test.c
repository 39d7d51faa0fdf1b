/* What depends on variables alone is computed once, and again when they were changed. */
#include "support/training_problem.h"
#include "fathom/model_file.h"
#include "fathom/nn.h"
#include "fathom/ops.h"
#include "run/store.h"

/* y = x exp(w)^T, of which exp and the transposition are the prologue's. */
static fm_program *make_predictor(fixture *f, fm_store *store)
{
    fm_graph *g;
    fm_program *program;
    assert_ok(f->context, fm_graph_create(f->context, NULL, &g));
    fm_val x = fm_input(g, "x", FM_F32, FM_SHAPE(1, 2));
    fm_val w = fm_variable(g, "w", FM_F32, FM_SHAPE(2, 2), NULL);
    fm_val kernel = fm_transpose(g, fm_exp(g, w), (fm_ints){0});
    fm_output(g, "y", fm_matmul(g, x, kernel));
    fm_output(g, "kernel", kernel);
    assert_ok(f->context, fm_program_create(store, g, NULL, &program));
    fm_graph_destroy(g);
    return program;
}

static fm_program *make_trainer(fixture *f, fm_store *store)
{
    fm_graph *g;
    fm_program *program;
    assert_ok(f->context, fm_graph_create(f->context, NULL, &g));
    fm_val w = fm_variable(g, "w", FM_F32, FM_SHAPE(2, 2), NULL);
    fm_val frozen = fm_variable(g, "frozen", FM_F32, FM_SHAPE(2, 2), NULL);
    fm_update(g, w, fm_add(g, w, fm_add_scalar(g, fm_exp(g, frozen), 1)));
    assert_ok(f->context, fm_program_create(store, g, NULL, &program));
    fm_graph_destroy(g);
    return program;
}

static float predict(fixture *f, fm_program *program)
{
    float *x = fm_program_input(program, "x");
    x[0] = 1;
    x[1] = 2;
    assert_ok(f->context, fm_program_run(program));
    return ((const float *)fm_program_output(program, "y"))[0];
}

static void write_all(fixture *f, fm_store *store, const char *path, float value)
{
    const float elements[4] = {value, value, value, value};
    assert_ok(f->context, fm_store_write(store, fm_store_find(store, path), elements));
}

static void the_prologue_runs_when_variables_change(void **state)
{
    fixture *f = *state;
    fm_store *store;
    assert_ok(f->context, fm_store_create(f->context, 1, &store));
    fm_program *predictor = make_predictor(f, store), *trainer = make_trainer(f, store);
    assert_true(fm_program_summarize(predictor).prologue_steps >= 2); /* and a reorder */
    assert_true(fm_program_summarize(predictor).kept_bytes >= 16);
    assert_near(predict(f, predictor), 3, 1e-6);

    /* behind the store's back nothing is seen: it is not computed again */
    float *raw = store->variables[fm_store_find(store, "w")].data;
    raw[0] = raw[1] = 5;
    assert_near(predict(f, predictor), 3, 1e-6);

    write_all(f, store, "w", 1);
    assert_near(predict(f, predictor), 3 * exp(1), 1e-5);
    assert_near(predict(f, predictor), 3 * exp(1), 1e-5);
    assert_ok(f->context, fm_program_run(trainer));
    assert_near(predict(f, predictor), 3 * exp(3), 1e-4);
    fm_program_destroy(predictor);
    fm_program_destroy(trainer);
    fm_store_destroy(store);
}

/* A program that trains has one too: of what it does not train. */
static void frozen_values_are_computed_once(void **state)
{
    fixture *f = *state;
    fm_store *store;
    float w[4];
    assert_ok(f->context, fm_store_create(f->context, 1, &store));
    fm_program *trainer = make_trainer(f, store);
    assert_int_equal(fm_program_summarize(trainer).prologue_steps, 2);
    float *raw = store->variables[fm_store_find(store, "frozen")].data;
    for (int i = 0; i < 3; i++) {
        assert_ok(f->context, fm_program_run(trainer));
        raw[0] = raw[1] = raw[2] = raw[3] = 7;
    }
    assert_ok(f->context, fm_store_read(store, fm_store_find(store, "w"), w));
    assert_near(w[0], 6, 1e-6);
    write_all(f, store, "frozen", 1);
    assert_ok(f->context, fm_program_run(trainer));
    assert_ok(f->context, fm_store_read(store, fm_store_find(store, "w"), w));
    assert_near(w[0], 7 + exp(1), 1e-5);
    fm_program_destroy(trainer);
    fm_store_destroy(store);
}

/* A carried variable is its owner's to write to between runs, updated or not. */
static void carried_values_are_no_prologue(void **state)
{
    fixture *f = *state;
    fm_store *store;
    fm_graph *g;
    fm_program *program;
    assert_ok(f->context, fm_store_create(f->context, 1, &store));
    assert_ok(f->context, fm_graph_create(f->context, NULL, &g));
    fm_val v = fm_variable(g, "v", FM_F32, FM_SHAPE(1), &(fm_variable_options){.carried = true});
    fm_output(g, "y", fm_exp(g, v));
    assert_ok(f->context, fm_program_create(store, g, NULL, &program));
    fm_graph_destroy(g);
    assert_int_equal(fm_program_summarize(program).prologue_steps, 0);
    const float *y = fm_program_output(program, "y");
    for (int run = 0; run < 3; run++) {
        *(float *)fm_program_carried(program, 0).data = (float)run;
        assert_ok(f->context, fm_program_run(program));
        assert_near(*y, exp(run), 1e-5);
    }
    fm_program_destroy(program);
    fm_store_destroy(store);
}

static void random_values_are_no_prologue(void **state)
{
    fixture *f = *state;
    fm_store *store;
    fm_graph *g;
    fm_program *program;
    assert_ok(f->context, fm_store_create(f->context, 1, &store));
    assert_ok(f->context, fm_graph_create(f->context, NULL, &g));
    fm_val w = fm_variable(g, "w", FM_F32, FM_SHAPE(64), NULL);
    fm_output(g, "y", fm_drop(g, fm_add_scalar(g, w, 1), 0.5));
    assert_ok(f->context, fm_program_create(store, g, NULL, &program));
    fm_graph_destroy(g);
    assert_int_equal(fm_program_summarize(program).prologue_steps, 1);
    float first[64];
    assert_ok(f->context, fm_program_run(program));
    memcpy(first, fm_program_output(program, "y"), sizeof first);
    fm_store_set_step(store, 1);
    assert_ok(f->context, fm_program_run(program));
    assert_memory_not_equal(first, fm_program_output(program, "y"), sizeof first);
    fm_program_destroy(program);
    fm_store_destroy(store);
}

/* ---- models ---------------------------------------------------------------------------------- */

static fm_val network(fm_graph *g, fm_val x, void *argument)
{
    (void)argument;
    fm_val scale = fm_variable(g, "scale", FM_F32, FM_SHAPE(PROBLEM_INPUTS),
                               &(fm_variable_options){.initializer = fm_ones()});
    x = fm_mul(g, x, fm_exp(g, scale));
    x = fm_dense(g, x, .units = 16, .activation = FM_RELU);
    return fm_dense(g, x, .units = PROBLEM_CLASSES);
}

static fm_model *make_model(fixture *f, bool no_prologue)
{
    fm_model *model;
    fm_model_options options = problem_options();
    const fm_program_options program = {.no_prologue = no_prologue};
    options.build = network;
    options.program = &program;
    assert_ok(f->context, fm_model_create(f->context, &options, &model));
    return model;
}

typedef struct predictions {
    float of[PROBLEM_SAMPLES * PROBLEM_CLASSES];
} predictions;

static void predict_all(fixture *f, fm_model *model, const fm_dataset *data, predictions *p)
{
    assert_ok(f->context, fm_predict(model, data, NULL, p->of));
}

/* Predicting, training, predicting, loading, predicting:
 * as a model that computes everything anew. */
static void bits_are_those_without_it(void **state)
{
    fixture *f = *state;
    fm_model *models[2] = {make_model(f, false), make_model(f, true)};
    const char *path = fixture_path(f, "early.safetensors");
    fm_dataset *data;
    predictions now[2], early[2];
    assert_ok(f->context, problem_data(f->context, 7, &data));
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < 2; i++) {
            if (round == 3) {
                assert_ok(f->context, fm_model_load(models[i], path, NULL));
            } else if (round) {
                assert_ok(f->context,
                          fm_fit(models[i], data,
                                 &(fm_fit_options){.epochs = 1, .validation_split = 0.2}));
            }
            predict_all(f, models[i], data, &now[i]);
            if (round == 1) {
                assert_ok(f->context, fm_model_save(models[i], path, NULL));
                early[i] = now[i];
            }
        }
        assert_memory_equal(now[0].of, now[1].of, sizeof now[0].of);
        if (round == 2) assert_memory_not_equal(now[0].of, early[0].of, sizeof now[0].of);
    }
    assert_memory_equal(now[0].of, early[0].of, sizeof now[0].of);
    assert_true(problem_digest(models[0]) == problem_digest(models[1]));
    fm_dataset_destroy(data);
    fm_model_destroy(models[0]);
    fm_model_destroy(models[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(the_prologue_runs_when_variables_change),
        fixture_test(frozen_values_are_computed_once),
        fixture_test(carried_values_are_no_prologue),
        fixture_test(random_values_are_no_prologue),
        fixture_test(bits_are_those_without_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
