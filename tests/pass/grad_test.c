/* Gradients of whole graphs: accumulation, zeros, orders, and mistakes in words. */
#include "support/fixture.h"

#include "fathom/op.h"
#include "fathom/ops.h"
#include "fathom/program.h"

static fm_graph *new_graph(fixture *f)
{
    fm_graph *graph;
    assert_ok(f->context,
              fm_graph_create(f->context, &(fm_graph_options){.dtype = FM_F64}, &graph));
    return graph;
}

/* Compiles, runs with x = `at`, destroys the graph; returns output "y". */
static double run_at(fixture *f, fm_graph *g, double at)
{
    fm_store *store;
    fm_program *program;
    assert_ok(f->context, fm_store_create(f->context, 1, &store));
    assert_ok(f->context, fm_program_create(store, g, NULL, &program));
    fm_graph_destroy(g);
    *(double *)fm_program_input(program, "x") = at;
    assert_ok(f->context, fm_program_run(program));
    double y = *(const double *)fm_program_output(program, "y");
    fm_program_destroy(program);
    fm_store_destroy(store);
    return y;
}

/* x^3 by products; its derivatives of order 1, 2, 3, 4 at 2 are 12, 12, 6, 0. */
static void any_order(void **state)
{
    static const double expected[] = {8, 12, 12, 6, 0};
    fixture *f = *state;
    for (int order = 0; order <= 4; order++) {
        fm_graph *g = new_graph(f);
        fm_val x = fm_input(g, "x", FM_F64, (fm_shape){0});
        fm_val y = fm_mul(g, x, fm_mul(g, x, x));
        for (int i = 0; i < order; i++) fm_grad(g, y, &x, 1, &y);
        fm_output(g, "y", fm_add(g, y, fm_mul_scalar(g, x, 0)));
        assert_near(run_at(f, g, 2), expected[order], 1e-12);
    }
}

static void unrelated_variables_get_zeros(void **state)
{
    fixture *f = *state;
    fm_graph *g = new_graph(f);
    fm_val x = fm_input(g, "x", FM_F64, (fm_shape){0});
    fm_val w = fm_variable(g, "w", FM_F64, FM_SHAPE(2, 3), NULL), grad;
    fm_grad(g, fm_square(g, x), &w, 1, &grad);
    assert_true(fm_shape_equal(fm_val_shape(g, grad), FM_SHAPE(2, 3)));
    fm_output(g, "y", fm_add(g, x, fm_sum(g, grad, (fm_ints){0}, false)));
    assert_near(run_at(f, g, 5), 5, 0);
}

static void the_loss_must_be_one_number(void **state)
{
    fixture *f = *state;
    fm_graph *g = new_graph(f);
    fm_val x = fm_input(g, "x", FM_F64, FM_SHAPE(3)), grad;
    fm_grad(g, fm_square(g, x), &x, 1, &grad);
    assert_fails(f->context, FM_ERROR_SHAPE, "the loss must be one real number, received f64 (3)",
                 fm_graph_status(g));
    fm_graph_destroy(g);
}

static fm_status infer_same(fm_infer *infer)
{
    infer->output_shapes[0] = infer->shapes[0];
    infer->output_dtypes[0] = infer->dtypes[0];
    return FM_OK;
}

static void wrong_shape(fm_graph *g, fm_vjp *vjp)
{
    vjp->input_grads[0] = fm_sum(g, vjp->output_grads[0], (fm_ints){0}, false);
}

static const fm_op no_rule = {
    .name = "mystery", .min_inputs = 1, .outputs = 1, .infer = infer_same};
static const fm_op bad_rule = {
    .name = "sloppy", .min_inputs = 1, .outputs = 1, .infer = infer_same, .vjp = wrong_shape};

static void a_missing_rule_names_op_and_path(void **state)
{
    fixture *f = *state;
    fm_graph *g = new_graph(f);
    fm_val x = fm_input(g, "x", FM_F64, FM_SHAPE(3)), grad;
    fm_scope_enter(g, "encoder");
    fm_val y = fm_node_add(g, &no_rule, &x, 1, NULL, NULL);
    fm_scope_leave(g);
    fm_grad(g, fm_sum(g, fm_tanh(g, y), (fm_ints){0}, false), &x, 1, &grad);
    assert_fails(f->context, FM_ERROR_UNSUPPORTED,
                 "encoder/mystery has no gradient rule, and the loss depends on it: "
                 "mystery -> tanh -> sum -> loss",
                 fm_graph_status(g));
    fm_graph_destroy(g);
}

static void a_rule_of_another_shape_is_caught(void **state)
{
    fixture *f = *state;
    fm_graph *g = new_graph(f);
    fm_val x = fm_input(g, "x", FM_F64, FM_SHAPE(3)), grad;
    fm_val y = fm_node_add(g, &bad_rule, &x, 1, NULL, NULL);
    fm_grad(g, fm_sum(g, y, (fm_ints){0}, false), &x, 1, &grad);
    assert_fails(f->context, FM_ERROR_INTERNAL,
                 "the gradient rule of sloppy gives input 0 the shape () instead of (3)",
                 fm_graph_status(g));
    fm_graph_destroy(g);
}

static void nothing_flows_through_stop_gradient(void **state)
{
    fixture *f = *state;
    fm_graph *g = new_graph(f);
    fm_val x = fm_input(g, "x", FM_F64, (fm_shape){0}), grad;
    fm_grad(g, fm_mul(g, x, fm_stop_gradient(g, fm_square(g, x))), &x, 1, &grad);
    fm_output(g, "y", grad);
    assert_near(run_at(f, g, 3), 9, 1e-12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(any_order),
        fixture_test(unrelated_variables_get_zeros),
        fixture_test(the_loss_must_be_one_number),
        fixture_test(a_missing_rule_names_op_and_path),
        fixture_test(a_rule_of_another_shape_is_caught),
        fixture_test(nothing_flows_through_stop_gradient),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
