/* Training and predicting with products of bf16: what changes, and what does not. */
#include "support/training_problem.h"
#include "run/program_inside.h"

static fm_model *model_of(fixture *f, fm_context *context, int precision)
{
    fm_model *model;
    fm_model_options options = problem_options();
    options.precision = precision;
    (void)f;
    assert_ok(context, fm_model_create(context, &options, &model));
    return model;
}

static void train(fm_context *context, fm_model *model)
{
    fm_dataset *data;
    assert_ok(context, problem_data(context, 1, &data));
    assert_ok(context, fm_fit(model, data, &(fm_fit_options){.epochs = 3, .batch_size = 32}));
    fm_dataset_destroy(data);
}

static int count_of(const fm_program *program, fm_precision precision)
{
    int count = 0;
    for (size_t i = 0; i < program->graph->node_count; i++) {
        const fm_node *node = &program->graph->nodes[i];
        if (!node->dead && (node->op->flags & FM_OP_PRODUCT)) count += node->precision == precision;
        if (!(node->op->flags & FM_OP_PRODUCT)) assert_int_equal(node->precision, FM_PRECISION_F32);
    }
    return count;
}

static void all_products_of_a_training_step_and_nothing_else(void **state)
{
    fixture *f = *state;
    fm_model *model = model_of(f, f->context, FM_PRECISION_BF16);
    fm_program *program;
    char *text;
    assert_ok(f->context, fm_model_program(model, FM_TRAIN, 32, &program));
    assert_true(count_of(program, FM_PRECISION_BF16) >=
                5); /* two layers of three, one needs no dx */
    assert_int_equal(count_of(program, FM_PRECISION_F32), 0);
    for (size_t i = 1; i < program->graph->value_count; i++) {
        assert_true(program->graph->values[i].dtype != FM_F64 ||
                    fm_shape_elements(program->graph->values[i].shape) == 1);
    }
    const fm_program_summary summary = fm_program_summarize(program);
    assert_true(summary.bf16_flops > summary.flops / 2 && summary.bf16_flops < summary.flops);
    assert_ok(f->context, fm_program_print(program, true, &text));
    assert_non_null(strstr(text, "fused_matmul.bf16("));
    fm_text_free(f->context, text);
    assert_ok(f->context, fm_model_program(model, FM_EVALUATE, 32, &program));
    assert_int_equal(count_of(program, FM_PRECISION_BF16), 0);
    assert_true(fm_program_summarize(program).bf16_flops == 0);
    fm_model_destroy(model);
}

static void the_same_bits_for_any_number_of_threads(void **state)
{
    fixture *f = *state;
    uint64_t first = 0, f32 = 0;
    for (int threads = 1; threads <= 3; threads++) {
        fm_context *context = fixture_context(f, threads);
        fm_model *model = model_of(f, context, FM_PRECISION_BF16);
        train(context, model);
        if (threads == 1) first = problem_digest(model);
        assert_true(problem_digest(model) == first);
        fm_model_destroy(model);
        fm_context_destroy(context);
    }
    fm_model *model = model_of(f, f->context, FM_PRECISION_F32);
    train(f->context, model);
    f32 = problem_digest(model);
    assert_true(f32 != first);
    fm_model_destroy(model);
}

/* f32 programs read the variables that bf16 ones train, and files have them whole. */
static void variables_stay_f32(void **state)
{
    fixture *f = *state;
    fm_model *model = model_of(f, f->context, FM_PRECISION_BF16);
    train(f->context, model);
    const fm_store *store = fm_model_store(model);
    int lower_bits = 0;
    for (int i = 0; i < fm_store_count(store); i++) {
        const fm_variable_info info = fm_store_info(store, i);
        float numbers[4096];
        if (info.dtype != FM_F32 || fm_shape_elements(info.shape) > 4096) continue;
        assert_ok(f->context, fm_store_read(fm_model_store(model), i, numbers));
        for (int64_t k = 0; k < fm_shape_elements(info.shape); k++) {
            uint32_t bits;
            memcpy(&bits, &numbers[k], sizeof bits);
            lower_bits += (bits & 0xffff) != 0;
        }
    }
    assert_true(lower_bits > 50);
    fm_model_destroy(model);
}

static void predict_one(fm_model *model, float *prediction)
{
    static const float x[PROBLEM_INPUTS] = {0.3f, -1.2f, 0.7f, 0.1f};
    fm_program *program;
    assert_ok(fm_model_context(model), fm_model_program(model, FM_PREDICT, 1, &program));
    memcpy(fm_program_input(program, "x"), x, sizeof x);
    assert_ok(fm_model_context(model), fm_program_run(program));
    memcpy(prediction, fm_program_output(program, "prediction"), PROBLEM_CLASSES * sizeof(float));
}

static void predicting_takes_the_precision_it_is_told(void **state)
{
    fixture *f = *state;
    float plain[PROBLEM_CLASSES], rounded[PROBLEM_CLASSES], again[PROBLEM_CLASSES];
    fm_model *model = model_of(f, f->context, FM_PRECISION_F32);
    train(f->context, model);
    predict_one(model, plain);
    fm_model_set_precision(model, FM_PRECISION_BF16);
    predict_one(model, rounded);
    assert_memory_not_equal(plain, rounded, sizeof plain);
    for (int i = 0; i < PROBLEM_CLASSES; i++) {
        assert_near((double)rounded[i], (double)plain[i], 0.05);
    }
    train(f->context, model); /* weights in pairs are made again */
    predict_one(model, again);
    assert_memory_not_equal(again, rounded, sizeof again);
    fm_model_set_precision(model, FM_PRECISION_F32);
    predict_one(model, plain);
    for (int i = 0; i < PROBLEM_CLASSES; i++) {
        assert_near((double)again[i], (double)plain[i], 0.05);
    }
    fm_model_destroy(model);
}

static void another_number_is_refused(void **state)
{
    fixture *f = *state;
    fm_program *program;
    fm_model *model = model_of(f, f->context, 7);
    assert_fails(f->context, FM_ERROR_ARGUMENT, "there is no precision 7",
                 fm_model_program(model, FM_TRAIN, 4, &program));
    fm_model_destroy(model);
}

static fm_status run_all(fm_context *context, void *argument)
{
    (void)argument;
    fm_model *model;
    fm_program *program;
    fm_model_options options = problem_options();
    options.precision = FM_PRECISION_BF16;
    fm_status status = fm_model_create(context, &options, &model);
    if (status == FM_OK) {
        fm_model_set_precision(model, FM_PRECISION_BF16);
        status = fm_model_program(model, FM_TRAIN, 8, &program);
    }
    if (status == FM_OK) status = fm_program_run(program);
    if (status == FM_OK) status = fm_model_program(model, FM_PREDICT, 8, &program);
    if (status == FM_OK) status = fm_program_run(program);
    fm_model_destroy(model);
    return status;
}

static void memory_may_run_out(void **state)
{
    fail_each_allocation(*state, run_all, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(all_products_of_a_training_step_and_nothing_else),
        fixture_test(the_same_bits_for_any_number_of_threads),
        fixture_test(variables_stay_f32),
        fixture_test(predicting_takes_the_precision_it_is_told),
        fixture_test(another_number_is_refused),
        fixture_test(memory_may_run_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
