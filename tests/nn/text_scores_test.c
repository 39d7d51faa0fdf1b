/* Losses and metrics of sequences: padding that does not count, perplexity, a class alone. */
#include "support/graphs.h"

#include "fathom/loss.h"
#include "fathom/metric.h"
#include "fathom/ops.h"
#include "golden/text_scores_golden.h"

enum {
    N = GOLDEN_TEXT_SEQUENCES,
    T = GOLDEN_TEXT_STEPS,
    C = GOLDEN_TEXT_CLASSES,
};

/* by_mask: padding is told by a mask of the prediction instead of a class. */
static void check_loss(fixture *f, bool by_mask, const fm_ints *ignored)
{
    fm_graph *g = graph_for(f, FM_TRAIN);
    fm_store *store = store_with_seed(f, 1);
    fm_val x = fm_input(g, "x", FM_F64, FM_SHAPE(N, T, C));
    fm_val y = fm_input(g, "y", FM_I32, FM_SHAPE(N, T)), gradient;
    if (by_mask) {
        double mask[N * T];
        for (int i = 0; i < N * T; i++) mask[i] = golden_text_labels[i] != 0;
        fm_mask_set(g, x, fm_constant(g, FM_F64, FM_SHAPE(N, T), mask));
    }
    fm_loss_options options = {0};
    if (ignored) options.ignore_class = *ignored;
    fm_val loss = fm_loss_with(g, FM_SPARSE_CATEGORICAL_CROSSENTROPY, x, y, &options);
    fm_grad(g, loss, &x, 1, &gradient);
    fm_output(g, "loss", loss);
    fm_output(g, "gradient", gradient);
    fm_program *program = compile_graph(f, store, g);
    feed(program, "x", golden_text_logits, N * T * C);
    memcpy(fm_program_input(program, "y"), golden_text_labels, sizeof golden_text_labels);
    assert_ok(f->context, fm_program_run(program));
    assert_near(*(const double *)fm_program_output(program, "loss"), golden_text_loss[0], 1e-12);
    const double *slope = fm_program_output(program, "gradient");
    for (int i = 0; i < N * T * C; i++) assert_near(slope[i], golden_text_gradient[i], 1e-12);
    fm_program_destroy(program);
    fm_store_destroy(store);
}

static void padding_does_not_count(void **state)
{
    check_loss(*state, false, &(fm_ints){1, {0}});
    check_loss(*state, false, &(fm_ints){2, {0, 0}});
    check_loss(*state, true, NULL);
    check_loss(*state, true, &(fm_ints){1, {0}});
}

static void nothing_that_counts_is_no_loss(void **state)
{
    fixture *f = *state;
    fm_graph *g = graph_for(f, FM_EVALUATE);
    fm_store *store = store_with_seed(f, 1);
    fm_val x = fm_input(g, "x", FM_F64, FM_SHAPE(2, 3)), y = fm_input(g, "y", FM_I32, FM_SHAPE(2));
    fm_output(g, "loss",
              fm_loss(g, FM_SPARSE_CATEGORICAL_CROSSENTROPY, x, y, .ignore_class = {1, {0}}));
    fm_program *program = compile_graph(f, store, g);
    feed(program, "x", (double[]){1, 2, 3, 4, 5, 6}, 6);
    memcpy(fm_program_input(program, "y"), (int32_t[]){0, 0}, 8);
    assert_ok(f->context, fm_program_run(program));
    assert_near(*(const double *)fm_program_output(program, "loss"), 0, 0);
    fm_program_destroy(program);
    fm_store_destroy(store);
    g = graph_for(f, FM_TRAIN);
    x = fm_input(g, "x", FM_F64, FM_SHAPE(2, 3));
    y = fm_input(g, "y", FM_I32, FM_SHAPE(2));
    fm_loss(g, FM_SPARSE_CATEGORICAL_CROSSENTROPY, x, y, .ignore_class = {1, {3}});
    assert_mistake(f, g, FM_ERROR_ARGUMENT,
                   "loss: ignore_class is one of the 3 classes, received 3");
}

static double measure(fixture *f, fm_metric_options options)
{
    fm_metric *metric;
    fm_tensor p = {.data = (void *)(uintptr_t)golden_text_logits,
                   .dtype = FM_F64,
                   .shape = FM_SHAPE(N, T, C),
                   .count = N * T * C};
    fm_tensor y = {.data = (void *)(uintptr_t)golden_text_labels,
                   .dtype = FM_I32,
                   .shape = FM_SHAPE(N, T),
                   .count = N * T};
    assert_ok(f->context,
              fm_metric_create(f->context, &options, FM_SHAPE(T, C), FM_SHAPE(T), &metric));
    assert_ok(f->context, fm_metric_update(metric, &p, &y, NULL, N));
    double result = fm_metric_result(metric);
    fm_metric_destroy(metric);
    return result;
}

static void metrics_agree_with_golden(void **state)
{
    fixture *f = *state;
    static const fm_ints padding = {1, {0}}, two = {1, {2}};
    assert_near(measure(f, (fm_metric_options){.metric = FM_PERPLEXITY, .ignore_class = padding}),
                golden_text_perplexity[0], 1e-12);
    assert_near(measure(f, (fm_metric_options){.metric = FM_SPARSE_CATEGORICAL_ACCURACY,
                                               .ignore_class = padding}),
                golden_text_accuracy[0], 1e-12);
    assert_true(measure(f, (fm_metric_options){.metric = FM_PERPLEXITY}) >
                golden_text_perplexity[0]);
    static const int kinds[] = {FM_PRECISION, FM_RECALL, FM_F1};
    for (int i = 0; i < 3; i++) {
        assert_near(measure(f, (fm_metric_options){.metric = kinds[i], .class_id = two}),
                    golden_class_id_scores[i], 1e-12);
    }
}

static void perplexity_of_probabilities(void **state)
{
    fixture *f = *state;
    fm_metric *metric;
    const double rows[] = {0.5, 0.25, 0.25, 0.125, 0.75, 0.125};
    const int32_t labels[] = {0, 2};
    fm_tensor p = {(void *)(uintptr_t)rows, FM_F64, FM_SHAPE(2, 3), 6};
    fm_tensor y = {(void *)(uintptr_t)labels, FM_I32, FM_SHAPE(2), 2};
    assert_ok(f->context, fm_metric_create(f->context,
                                           &(fm_metric_options){.metric = FM_PERPLEXITY,
                                                                .from_probabilities = true},
                                           FM_SHAPE(3), (fm_shape){0}, &metric));
    assert_true(isnan(fm_metric_result(metric)));
    assert_ok(f->context, fm_metric_update(metric, &p, &y, NULL, 2));
    assert_near(fm_metric_result(metric), 4, 1e-12); /* sqrt(2 * 8) */
    fm_metric_destroy(metric);
    assert_true(fm_metric_find("perplexity")->smaller_is_better);
}

static void a_class_must_be_there(void **state)
{
    fixture *f = *state;
    fm_metric *metric;
    assert_fails(f->context, FM_ERROR_ARGUMENT, "f1: class_id is one class, from 0 to 2",
                 fm_metric_create(f->context,
                                  &(fm_metric_options){.metric = FM_F1, .class_id = {1, {3}}},
                                  FM_SHAPE(3), (fm_shape){0}, &metric));
    assert_fails(f->context, FM_ERROR_ARGUMENT, "recall: class_id is one class",
                 fm_metric_create(f->context,
                                  &(fm_metric_options){.metric = FM_RECALL, .class_id = {1, {0}}},
                                  FM_SHAPE(1), FM_SHAPE(1), &metric));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(padding_does_not_count),    fixture_test(nothing_that_counts_is_no_loss),
        fixture_test(metrics_agree_with_golden), fixture_test(perplexity_of_probabilities),
        fixture_test(a_class_must_be_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
