/* xor.c: the smallest network that needs a hidden layer, written down step by step.
 *
 * One graph holds the whole training step: forward, loss, gradients, update. Building it computes
 * nothing; the program it is compiled to does. */
#include <fathom/fathom.h>

#include <stdio.h>
#include <string.h>

static const float inputs[4][2] = {{0, 0}, {0, 1}, {1, 0}, {1, 1}};
static const float targets[4][1] = {{0}, {1}, {1}, {0}};

static void build(fm_graph *g)
{
    fm_val x = fm_input(g, "x", FM_F32, FM_SHAPE(4, 2));
    fm_val y = fm_input(g, "y", FM_F32, FM_SHAPE(4, 1));
    fm_val hidden = fm_dense(g, x, .units = 8, .activation = FM_TANH);
    fm_val logits = fm_dense(g, hidden, .units = 1);
    fm_val loss = fm_loss(g, FM_BINARY_CROSSENTROPY, logits, y);
    fm_minimize(g, loss, .rule = FM_ADAM);
    fm_output(g, "loss", loss);
    fm_output(g, "probability", fm_sigmoid(g, logits));
}

static fm_status train(fm_context *context, fm_store *store)
{
    fm_graph *graph;
    fm_program *program = NULL;
    fm_status status = fm_graph_create(context, &(fm_graph_options){.mode = FM_TRAIN}, &graph);
    if (status != FM_OK) return status;
    build(graph); /* no `if` needed: the first mistake is kept and comes out below */
    status = fm_program_create(store, graph, NULL, &program);
    fm_graph_destroy(graph);
    if (status != FM_OK) return status;

    memcpy(fm_program_input(program, "x"), inputs, sizeof inputs);
    memcpy(fm_program_input(program, "y"), targets, sizeof targets);
    *(float *)fm_program_input(program, FM_LEARNING_RATE) = 0.05f;
    for (int step = 0; step <= 400 && status == FM_OK; step++) {
        status = fm_program_run(program);
        if (step % 100 == 0) {
            printf("step %3d  loss %.4f\n", step,
                   *(const float *)fm_program_output(program, "loss"));
        }
    }
    const float *probability = fm_program_output(program, "probability");
    for (int i = 0; i < 4; i++) {
        printf("%g xor %g = %.3f\n", inputs[i][0], inputs[i][1], probability[i]);
    }
    fm_program_destroy(program);
    return status;
}

int main(void)
{
    fm_context *context;
    fm_store *store = NULL;
    if (fm_context_create(NULL, &context) != FM_OK) return 1;
    fm_status status = fm_store_create(context, 1, &store);
    if (status == FM_OK) status = train(context, store);
    if (status != FM_OK) fprintf(stderr, "xor: %s\n", fm_error_message(context));
    fm_store_destroy(store);
    fm_context_destroy(context);
    return status == FM_OK ? 0 : 1;
}
