/* Every op and every case of its record: gradients of first and second order, precision, text, and
 * each allocation failing. A new op is tested by being in the table. */
#include "support/fixture.h"
#include "support/gradient_check.h"
#include "fathom/ops.h"
#include "op/op_table.h"

static bool is_update(const fm_op *op)
{
#define IS(name) op == &fm_op_##name ||
    return FM_UPDATE_OPS(IS) false;
}

static bool differentiable(const fm_op *op)
{
    return !(op->flags & FM_OP_NOT_DIFFERENTIABLE) && !is_update(op);
}

static void records_are_complete(void **state)
{
    (void)state;
    for (int i = 0; fm_op_at(i); i++) {
        const fm_op *op = fm_op_at(i);
        if (!op->cases || !op->cases[0].inputs) fail_msg("%s has no case", op->name);
        if (!op->doc || !op->doc[0]) fail_msg("%s has no doc", op->name);
        if (!op->run || !op->infer) fail_msg("%s has no kernel or no shape rule", op->name);
        if (differentiable(op) != (op->vjp != NULL)) {
            fail_msg("%s must have a gradient rule or be flagged as not differentiable", op->name);
        }
        for (int k = 0; k < i; k++) {
            if (strcmp(fm_op_at(k)->name, op->name) == 0) fail_msg("%s occurs twice", op->name);
        }
    }
}

static void gradients_agree_with_differences(void **state)
{
    fixture *f = *state;
    double worst_first = 0, worst_second = 0;
    int cases = 0;
    const char *where[2] = {"", ""};
    for (op_case_at at = {0}; op_case_next(&at);) {
        if (!differentiable(at.op)) continue;
        gradient_errors errors = check_gradients(f->context, at.op, at.row);
        if (!(errors.first <= 1e-6 && errors.second <= 1e-6)) {
            print_error("%s %s: relative error %g in the first order, %g in the second\n",
                        at.op->name, at.row->inputs, errors.first, errors.second);
        }
        if (!(errors.first <= worst_first)) where[0] = at.op->name, worst_first = errors.first;
        if (!(errors.second <= worst_second)) where[1] = at.op->name, worst_second = errors.second;
        cases++;
    }
    print_message("%d cases; worst relative error: first order %.2g (%s), second order %.2g (%s)\n",
                  cases, worst_first, where[0], worst_second, where[1]);
    assert_true(worst_first <= 1e-6);
    assert_true(worst_second <= 1e-6);
}

/* stop_gradient is flagged to hide a slope that it has. */
static void flagged_ops_are_flat(void **state)
{
    fixture *f = *state;
    for (op_case_at at = {0}; op_case_next(&at);) {
        if (!(at.op->flags & FM_OP_NOT_DIFFERENTIABLE) || at.op == &fm_op_stop_gradient) continue;
        double slope = largest_slope(f->context, at.op, at.row);
        if (!(slope <= 1e-9)) fail_msg("%s %s has a slope: %g", at.op->name, at.row->inputs, slope);
    }
}

static void f32_agrees_with_f64(void **state)
{
    fixture *f = *state;
    double worst = 0;
    const char *where = "";
    for (op_case_at at = {0}; op_case_next(&at);) {
        double error = compare_precisions(f->context, at.op, at.row);
        if (!(error <= 1e-5)) fail_msg("%s %s: off by %g", at.op->name, at.row->inputs, error);
        if (error > worst) where = at.op->name, worst = error;
    }
    print_message("worst difference of f32: %.2g (%s)\n", worst, where);
}

/* ---- building, printing, running out of memory ----------------------------------------------- */

/* The case's node, and the gradient of its first operand where there is one. */
static void add_case(fm_graph *g, const op_case_at *at)
{
    op_case parsed = op_case_parse(at->row->inputs);
    fm_val inputs[FM_MAX_INPUTS], grad;
    for (int i = 0; i < parsed.count; i++) {
        char name[16];
        snprintf(name, sizeof name, "x%d", i);
        fm_dtype dtype = op_case_dtype(&parsed.inputs[i], FM_F64);
        inputs[i] = fm_input(g, name, dtype, parsed.inputs[i].shape);
    }
    fm_val y = fm_node_add(g, at->op, inputs, parsed.count, at->row->attributes, NULL);
    if (!y.id || !differentiable(at->op) || parsed.inputs[0].letter == 'i') return;
    fm_grad(g, fm_sum(g, y, (fm_ints){0}, false), inputs, 1, &grad);
}

static fm_status build_case(fm_context *context, const op_case_at *at, char **text)
{
    fm_graph *g;
    fm_graph_options options = {.mode = FM_TRAIN, .dtype = FM_F64};
    fm_status status = fm_graph_create(context, &options, &g);
    if (status != FM_OK) return status;
    add_case(g, at);
    status = fm_graph_status(g);
    if (status == FM_OK) status = fm_graph_print(g, text);
    fm_graph_destroy(g);
    return status;
}

static void every_case_prints(void **state)
{
    fixture *f = *state;
    for (op_case_at at = {0}; op_case_next(&at);) {
        char *text, call[64];
        assert_ok(f->context, build_case(f->context, &at, &text));
        snprintf(call, sizeof call, " = %s(x0", at.op->name);
        if (!strstr(text, call)) fail_msg("%s is not in:\n%s", call, text);
        fm_text_free(f->context, text);
    }
}

static fm_status build_and_release(fm_context *context, void *argument)
{
    char *text = NULL;
    fm_status status = build_case(context, argument, &text);
    if (text) fm_text_free(context, text);
    return status;
}

static void every_allocation_may_fail(void **state)
{
    fixture *f = *state;
    for (op_case_at at = {0}; op_case_next(&at);) {
        if (at.case_index == 0) fail_each_allocation(f, build_and_release, &at);
    }
}

/* ---- the check itself ------------------------------------------------------------------------ */

static fm_status same_as_input(fm_infer *infer)
{
    infer->output_shapes[0] = infer->shapes[0];
    infer->output_dtypes[0] = infer->dtypes[0];
    return FM_OK;
}

static void square_run(const fm_call *call)
{
    const double *x = call->inputs[0].data;
    double *y = call->outputs[0].data;
    for (int64_t i = 0; i < call->outputs[0].count; i++) y[i] = x[i] * x[i];
}

static void right_vjp(fm_graph *g, fm_vjp *vjp)
{
    fm_val slope = fm_mul_scalar(g, vjp->inputs[0], 2);
    vjp->input_grads[0] = fm_mul(g, vjp->output_grads[0], slope);
}

static void half_vjp(fm_graph *g, fm_vjp *vjp)
{
    vjp->input_grads[0] = fm_mul(g, vjp->output_grads[0], vjp->inputs[0]);
}

/* Right in value, but the slope does not depend on x. */
static void frozen_vjp(fm_graph *g, fm_vjp *vjp)
{
    fm_val slope = fm_stop_gradient(g, fm_mul_scalar(g, vjp->inputs[0], 2));
    vjp->input_grads[0] = fm_mul(g, vjp->output_grads[0], slope);
}

static const fm_op my_square = {.name = "my_square",
                                .doc = "x * x",
                                .min_inputs = 1,
                                .outputs = 1,
                                .infer = same_as_input,
                                .run = square_run};

static void wrong_gradients_are_caught(void **state)
{
    fixture *f = *state;
    const fm_case row = {"f(3,4)", NULL};
    fm_op square = my_square;
    square.vjp = right_vjp;
    gradient_errors errors = check_gradients(f->context, &square, &row);
    assert_true(errors.first <= 1e-6 && errors.second <= 1e-6);
    square.vjp = half_vjp;
    assert_true(check_gradients(f->context, &square, &row).first > 0.1);
    square.vjp = frozen_vjp;
    errors = check_gradients(f->context, &square, &row);
    assert_true(errors.first <= 1e-6 && errors.second > 0.1);
}

static void a_missing_rule_names_the_op(void **state)
{
    fixture *f = *state;
    fm_graph *g;
    fm_graph_options options = {.dtype = FM_F64};
    assert_ok(f->context, fm_graph_create(f->context, &options, &g));
    fm_val x = fm_input(g, "x", FM_F64, FM_SHAPE(3)), dx;
    fm_val y = fm_node_add(g, &my_square, &x, 1, NULL, NULL);
    fm_grad(g, fm_sum(g, y, (fm_ints){0}, false), &x, 1, &dx);
    assert_fails(f->context, FM_ERROR_UNSUPPORTED, "my_square", fm_graph_status(g));
    fm_graph_destroy(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(records_are_complete),       fixture_test(gradients_agree_with_differences),
        fixture_test(flagged_ops_are_flat),       fixture_test(f32_agrees_with_f64),
        fixture_test(every_case_prints),          fixture_test(every_allocation_may_fail),
        fixture_test(wrong_gradients_are_caught), fixture_test(a_missing_rule_names_the_op),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
