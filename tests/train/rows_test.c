/* Sequences side by side: the order is kept, the batch is their number. */
#include "support/training_problem.h"
#include "fathom/nn.h"
#include "fathom/ops.h"
#include "fathom/text_data.h"

enum { ROWS = 4, LENGTH = 5 };

static fm_val letters(fm_graph *g, fm_val x, void *argument)
{
    (void)argument;
    return fm_dense(g, fm_one_hot(g, x, 28), .units = 28);
}

static fm_model *make_model(fixture *f)
{
    fm_model *model;
    const fm_model_options options = {.build = letters,
                                      .input_shape = FM_SHAPE(LENGTH),
                                      .input_dtype = FM_I32,
                                      .loss = FM_SPARSE_CATEGORICAL_CROSSENTROPY,
                                      .optimizer = {FM_ADAM, .learning_rate = 0.01},
                                      .seed = 1};
    assert_ok(f->context, fm_model_create(f->context, &options, &model));
    return model;
}

static fm_dataset *make_rows(fixture *f)
{
    const fm_grammar_options options = {
        .sentences = 30, .test_sentences = 1, .form = {.length = LENGTH, .stateful = true}};
    fm_dataset *raw, *rows;
    fm_transform *transform;
    assert_ok(f->context, fm_dataset_grammar(f->context, &options, &raw, NULL));
    assert_ok(
        f->context,
        fm_transform_fit(f->context, raw, &(fm_transform_options){.batch_size = ROWS}, &transform));
    assert_ok(f->context, fm_dataset_transform(f->context, raw, transform, &rows));
    fm_transform_destroy(transform);
    fm_dataset_destroy(raw);
    return rows;
}

static uint64_t trained(fixture *f, const fm_dataset *rows, int64_t seed)
{
    fm_model *model = make_model(f);
    assert_ok(f->context,
              fm_fit(model, rows,
                     &(fm_fit_options){
                         .epochs = 2, .batch_size = ROWS, .seed = seed, .validation = rows}));
    uint64_t digest = problem_digest(model);
    fm_model_destroy(model);
    return digest;
}

static void the_order_is_kept(void **state)
{
    fixture *f = *state;
    fm_dataset *rows = make_rows(f);
    assert_int_equal(fm_dataset_about(rows)->rows, ROWS);
    assert_true(trained(f, rows, 3) == trained(f, rows, 4)); /* of the order: there is none */
    fm_dataset_destroy(rows);
}

static void the_batch_is_their_number(void **state)
{
    fixture *f = *state;
    fm_dataset *rows = make_rows(f);
    fm_model *model = make_model(f);
    assert_fails(f->context, FM_ERROR_ARGUMENT,
                 "4 sequences side by side want a batch_size of that number, received 8",
                 fm_fit(model, rows, &(fm_fit_options){.batch_size = 8}));
    fm_scores scores, again;
    assert_ok(f->context, fm_evaluate(model, rows, NULL, &scores));
    assert_ok(f->context,
              fm_evaluate(model, rows, &(fm_evaluate_options){.batch_size = ROWS}, &again));
    assert_true(scores.loss == again.loss);
    assert_int_equal(scores.samples, fm_dataset_about(rows)->count);
    fm_model_destroy(model);
    fm_dataset_destroy(rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(the_order_is_kept),
        fixture_test(the_batch_is_their_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
