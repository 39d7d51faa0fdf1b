/* Somebody else's program: builds a graph, runs it, and looks at the result. */
#include <fathom/ops.h>
#include <fathom/program.h>
#include <stdio.h>

static fm_status sigmoid_of_sum(fm_store *store, fm_graph *graph, float *result)
{
    fm_program *program;
    fm_val x = fm_input(graph, "x", FM_F32, FM_SHAPE(2, 3));
    fm_output(graph, "y",
              fm_sigmoid(graph, fm_matmul(graph, x, fm_full(graph, FM_SHAPE(3, 1), 1))));
    fm_status status = fm_program_create(store, graph, NULL, &program);
    if (status != FM_OK) return status;
    float *input = fm_program_input(program, "x");
    for (int i = 0; i < 6; i++) input[i] = (float)(i - 1); /* -1 0 1, 2 3 4 */
    status = fm_program_run(program);
    if (status == FM_OK) *result = *(const float *)fm_program_output(program, "y");
    fm_program_destroy(program);
    return status;
}

int main(void)
{
    fm_context *context;
    fm_store *store = NULL;
    fm_graph *graph = NULL;
    float result = 0;
    if (fm_context_create(NULL, &context) != FM_OK) return 1;
    fm_status status = fm_store_create(context, 1, &store);
    if (status == FM_OK) status = fm_graph_create(context, NULL, &graph);
    if (status == FM_OK) status = sigmoid_of_sum(store, graph, &result);
    if (status != FM_OK) fprintf(stderr, "%s\n", fm_error_message(context));
    printf("fathom %s: sigmoid(0) = %g\n", FM_VERSION, (double)result);
    fm_graph_destroy(graph);
    fm_store_destroy(store);
    fm_context_destroy(context);
    return status == FM_OK && result == 0.5f ? 0 : 1;
}
