/* Which columns of a table a model lives on. */
#include "support/fixture.h"
#include "base/random.h"
#include "fathom/built_in_data.h"
#include "fathom/explain.h"
#include "fathom/nn.h"

enum { ROWS = 400, COLUMNS = 4 };

static fm_val network(fm_graph *g, fm_val x, void *argument)
{
    (void)argument;
    x = fm_dense(g, x, .units = 8, .activation = FM_RELU);
    return fm_dense(g, x, .units = 2);
}

/* Column 2, a category, decides alone; column 0 helps a
 * little where noise took the category away. */
static fm_dataset *make_table(fixture *f, int64_t seed)
{
    static const char *const colours[] = {"red", "green", "blue"};
    static const fm_column columns[COLUMNS] = {{.name = "hint", .kind = FM_COLUMN_NUMERIC},
                                               {.name = "noise", .kind = FM_COLUMN_NUMERIC},
                                               {"colour", FM_COLUMN_CATEGORICAL, 3, colours},
                                               {.name = "constant", .kind = FM_COLUMN_NUMERIC}};
    static const fm_column classes = {.kind = FM_COLUMN_CATEGORICAL, .category_count = 2};
    static float x[ROWS][COLUMNS];
    static int32_t y[ROWS];
    fm_random random = fm_random_at((uint64_t)seed, 0, 0);
    for (int i = 0; i < ROWS; i++) {
        int colour = (int)fm_random_below(&random, 3);
        y[i] = colour == 1;
        if (fm_random_uniform(&random) < 0.1) colour = (int)fm_random_below(&random, 3);
        x[i][0] = (float)(y[i] + fm_random_normal(&random));
        x[i][1] = (float)fm_random_normal(&random);
        x[i][2] = (float)colour;
        x[i][3] = 5;
    }
    const fm_dataset_info info = {
        .name = "table",
        .count = ROWS,
        .field_count = 2,
        .fields = {{"x", FM_F32, FM_SHAPE(COLUMNS), columns}, {"y", FM_I32, FM_SHAPE(), &classes}}};
    fm_dataset *made;
    assert_ok(f->context,
              fm_dataset_from_arrays(f->context, &info, (const void *const[]){x, y}, false, &made));
    return made;
}

typedef struct learned {
    fm_dataset *raw, *prepared, *test;
    fm_transform *transform;
    fm_model *model;
} learned;

static learned learn(fixture *f)
{
    learned l = {.raw = make_table(f, 1), .test = make_table(f, 2)};
    assert_ok(f->context,
              fm_transform_fit(f->context, l.raw,
                               &(fm_transform_options){.normalize = FM_NORMALIZE_STANDARDIZE},
                               &l.transform));
    assert_ok(f->context, fm_dataset_transform(f->context, l.raw, l.transform, &l.prepared));
    assert_ok(f->context,
              fm_model_create(
                  f->context,
                  &(fm_model_options){.build = network,
                                      .input_shape = fm_dataset_about(l.prepared)->fields[0].shape,
                                      .loss = FM_SPARSE_CATEGORICAL_CROSSENTROPY,
                                      .optimizer = {FM_ADAM, .learning_rate = 0.01},
                                      .metrics = {{.metric = FM_ACCURACY}, {.metric = FM_AUC}},
                                      .metric_count = 2,
                                      .seed = 1},
                  &l.model));
    assert_ok(f->context, fm_fit(l.model, l.prepared, &(fm_fit_options){.epochs = 10}));
    return l;
}

static void forget(learned *l)
{
    fm_model_destroy(l->model);
    fm_transform_destroy(l->transform);
    fm_dataset_destroy(l->prepared);
    fm_dataset_destroy(l->raw);
    fm_dataset_destroy(l->test);
}

static void the_column_that_decides_is_first(void **state)
{
    fixture *f = *state;
    learned l = learn(f);
    fm_importance rows[COLUMNS], again[COLUMNS];
    fm_scores plain, scores;
    fm_dataset *prepared;
    assert_ok(f->context,
              fm_permutation_importance(l.model, l.test, l.transform, NULL, &plain, rows));
    assert_ok(f->context, fm_dataset_transform(f->context, l.test, l.transform, &prepared));
    assert_ok(f->context, fm_evaluate(l.model, prepared, NULL, &scores));
    assert_near(plain.loss, scores.loss, 1e-6);
    assert_near(plain.metrics[0], scores.metrics[0], 0);
    assert_string_equal(rows[2].column, "colour");
    for (int i = 0; i < COLUMNS; i++) {
        if (i == 2) continue;
        assert_true(rows[2].loss > 3 * fabs(rows[i].loss));
        assert_true(rows[2].metrics[0] > 3 * fabs(rows[i].metrics[0]));
    }
    assert_true(rows[2].metrics[0] > 0.2);
    assert_true(rows[0].loss > fabs(rows[1].loss));
    assert_true(rows[2].loss_deviation > 0 && rows[2].loss_deviation < rows[2].loss / 4);
    assert_true(rows[3].loss == 0 && rows[3].loss_deviation == 0 && rows[3].metrics[1] == 0);
    assert_ok(f->context,
              fm_permutation_importance(l.model, l.test, l.transform, NULL, NULL, again));
    assert_memory_equal(rows, again, sizeof rows);
    assert_ok(f->context,
              fm_permutation_importance(l.model, l.test, l.transform,
                                        &(fm_permutation_options){.seed = 1}, NULL, again));
    assert_true(again[2].loss != rows[2].loss);
    assert_near(again[2].loss, rows[2].loss, 0.3);
    fm_dataset_destroy(prepared);
    forget(&l);
}

static void what_is_no_table_is_refused(void **state)
{
    fixture *f = *state;
    learned l = learn(f);
    fm_dataset *images;
    fm_importance rows[COLUMNS];
    assert_ok(f->context, fm_dataset_strokes(f->context, &(fm_strokes_options){.train_size = 10},
                                             &images, NULL));
    assert_fails(f->context, FM_ERROR_SHAPE,
                 "permutation importance is for tables, samples (columns); these are (28, 28)",
                 fm_permutation_importance(l.model, images, l.transform, NULL, NULL, rows));
    assert_fails(f->context, FM_ERROR_ARGUMENT, "repeats",
                 fm_permutation_importance(l.model, l.test, l.transform,
                                           &(fm_permutation_options){.repeats = -3}, NULL, rows));
    fm_dataset_destroy(images);
    forget(&l);
}

typedef struct shared {
    fixture *f;
    const learned *l;
} shared;

static fm_status measure_again(fm_context *context, void *argument)
{
    const shared *s = argument;
    (void)context;
    fm_importance rows[COLUMNS];
    return fm_permutation_importance(s->l->model, s->l->test, s->l->transform,
                                     &(fm_permutation_options){.repeats = 1}, NULL, rows);
}

static void memory_may_run_out(void **state)
{
    learned l = learn(*state);
    shared s = {*state, &l};
    measure_again(s.f->context, &s); /* programs are compiled and kept */
    assert_true(fail_each_allocation(*state, measure_again, &s) > 20);
    forget(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(the_column_that_decides_is_first),
        fixture_test(what_is_no_table_is_refused),
        fixture_test(memory_may_run_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
