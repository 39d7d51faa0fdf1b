/* custom_op.c: an op of your own, outside of the library: squared ReLU, y = max(x, 0)^2 (So et al.,
 * "Primer", 2021). A record says what shape comes out, how the gradient dy/dx = 2 max(x, 0) is
 * built from other ops, and how y is computed. */
#include <fathom/fathom.h>

#include <stdio.h>

static fm_status same_shape(fm_infer *infer)
{
    if (infer->dtypes[0] != FM_F32) return fm_infer_fail(infer, "works on f32");
    infer->output_shapes[0] = infer->shapes[0];
    infer->output_dtypes[0] = infer->dtypes[0];
    return FM_OK;
}

static void build_gradient(fm_graph *g, fm_vjp *vjp)
{
    fm_val slope = fm_mul_scalar(g, fm_relu(g, vjp->inputs[0]), 2);
    vjp->input_grads[0] = fm_mul(g, vjp->output_grads[0], slope);
}

static void compute(const fm_call *call)
{
    const float *x = call->inputs[0].data;
    float *y = call->outputs[0].data;
    for (int64_t i = 0; i < call->inputs[0].count; i++) y[i] = x[i] > 0 ? x[i] * x[i] : 0;
}

static const fm_op squared_relu = {.name = "squared_relu",
                                   .min_inputs = 1,
                                   .outputs = 1,
                                   .flags = FM_OP_ELEMENTWISE,
                                   .infer = same_shape,
                                   .vjp = build_gradient,
                                   .run = compute};

static void print_row(const char *name, const float *r)
{
    printf("%-8s%6g%6g%6g%6g%6g%6g\n", name, r[0], r[1], r[2], r[3], r[4], r[5]);
}

static fm_status demonstrate(fm_graph *g, fm_store *store)
{
    const float elements[] = {-2, -1, 0, 1, 2, 3};
    fm_val x = fm_constant(g, FM_F32, FM_SHAPE(6), elements), gradient, curvature;
    fm_val y = fm_node_add(g, &squared_relu, &x, 1, NULL, NULL);
    fm_grad(g, fm_sum(g, y, (fm_ints){0}, false), &x, 1, &gradient);
    fm_grad(g, fm_sum(g, gradient, (fm_ints){0}, false), &x, 1, &curvature);
    fm_output(g, "y", y);
    fm_output(g, "gradient", gradient);
    fm_output(g, "curvature", curvature);

    fm_program *program;
    fm_status status = fm_program_create(store, g, NULL, &program);
    if (!status) status = fm_program_run(program);
    if (status) return status;
    print_row("x", elements);
    print_row("y", fm_program_output(program, "y"));
    print_row("dy/dx", fm_program_output(program, "gradient"));
    print_row("d2y/dx2", fm_program_output(program, "curvature"));
    fm_program_destroy(program);
    return FM_OK;
}

int main(void)
{
    fm_context *context;
    fm_graph *graph = NULL;
    fm_store *store = NULL;
    if (fm_context_create(NULL, &context) != FM_OK) return 1;
    fm_status status = fm_graph_create(context, NULL, &graph);
    if (!status) status = fm_store_create(context, 1, &store);
    if (!status) status = demonstrate(graph, store);
    if (status) fprintf(stderr, "custom_op: %s\n", fm_error_message(context));
    fm_store_destroy(store);
    fm_graph_destroy(graph);
    fm_context_destroy(context);
    return status ? 1 : 0;
}
