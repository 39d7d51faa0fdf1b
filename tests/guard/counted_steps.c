/* Small pieces of work by one thread, whose instructions instruction_check.sh counts.
 *
 *     counted_steps WORKLOAD    does it; what counts is what counted_part does
 *     counted_steps --list      the workloads' names
 *     counted_steps --machine   what a count depends on besides the sources: compiler, build, C
 *                               library, instruction set
 *
 * The instruction set is pinned, because the best one differs from machine to machine and valgrind
 * knows no AVX-512. Status 77, with the reason on stderr, where this processor lacks it. */
#include "fathom/backend.h"
#include "fathom/loss.h"
#include "fathom/nn.h"
#include "fathom/nn_attention.h"
#include "fathom/nn_recurrent.h"
#include "fathom/nn_vision.h"
#include "fathom/ops.h"
#include "fathom/optimizer.h"
#include "fathom/program.h"

#include <gnu/libc-version.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SKIPPED = 77, TOKENS = 65 };
static const char pinned[] = "cpu.avx2";

typedef struct workload {
    const char *name;
    fm_val (*build)(fm_graph *graph, fm_val x);
    fm_mode mode;
    int64_t batch;
    fm_shape sample; /* of x */
    fm_dtype dtype;
    fm_shape labels; /* of one sample */
    int runs;        /* that count */
    fm_optimizer optimizer;
} workload;

/* ---- models ---------------------------------------------------------------------------------- */

static fm_val mlp(fm_graph *g, fm_val x)
{
    x = fm_dense(g, x, .units = 512, .activation = FM_RELU);
    x = fm_dense(g, x, .units = 256, .activation = FM_RELU);
    return fm_dense(g, x, .units = 10);
}

static fm_val convolutions(fm_graph *g, fm_val x)
{
    x = fm_conv2d(g, x, .filters = 16, .kernel_size = {1, {3}}, .no_bias = true);
    x = fm_relu(g, fm_batch_normalization(g, x));
    x = fm_conv2d(g, x, .filters = 32, .kernel_size = {1, {3}}, .activation = FM_RELU);
    x = fm_max_pooling2d(g, x, .pool_size = {1, {2}});
    return fm_dense(g, fm_dropout(g, fm_flatten(g, x), .rate = 0.25), .units = 10);
}

static fm_val lstm(fm_graph *g, fm_val x)
{
    return fm_dense(g, fm_lstm(g, x, .units = 64), .units = 10);
}

static fm_val attention(fm_graph *g, fm_val x)
{
    x = fm_embedding(g, x, .input_dim = TOKENS, .output_dim = 64);
    x = fm_transformer_decoder(g, &x, 1, .intermediate_dim = 256, .num_heads = 4,
                               .normalize_first = true, .activation = FM_BLOCK_GELU);
    return fm_dense(g, fm_layer_normalization(g, x), .units = TOKENS);
}

#define ADAM                                                                                       \
    {                                                                                              \
        .rule = FM_ADAM, .learning_rate = 0.001                                                    \
    }
#define SGD                                                                                        \
    {                                                                                              \
        .rule = FM_SGD, .learning_rate = 0.01                                                      \
    }
#define PIXELS                                                                                     \
    {1, {784}}, FM_F32,                                                                            \
    {                                                                                              \
        0                                                                                          \
    }
#define IMAGE                                                                                      \
    {3, {28, 28, 1}}, FM_F32,                                                                      \
    {                                                                                              \
        0                                                                                          \
    }
#define ROWS                                                                                       \
    {2, {28, 28}}, FM_F32,                                                                         \
    {                                                                                              \
        0                                                                                          \
    }
#define TEXT                                                                                       \
    {1, {32}}, FM_I32,                                                                             \
    {                                                                                              \
        1,                                                                                         \
        {                                                                                          \
            32                                                                                     \
        }                                                                                          \
    }
static const workload workloads[] = {
    {"mlp_step", mlp, FM_TRAIN, 8, PIXELS, 1, SGD},
    {"conv_step", convolutions, FM_TRAIN, 2, IMAGE, 1, ADAM},
    {"lstm_step", lstm, FM_TRAIN, 4, ROWS, 1, ADAM},
    {"attention_step", attention, FM_TRAIN, 1, TEXT, 1, ADAM},
    {"mlp_predict", mlp, FM_PREDICT, 1, PIXELS, 10, {0}},
    {"conv_predict", convolutions, FM_PREDICT, 1, IMAGE, 2, {0}},
    {"lstm_predict", lstm, FM_PREDICT, 1, ROWS, 2, {0}},
};
enum { WORKLOADS = sizeof workloads / sizeof *workloads };

/* ---- what is asked for ----------------------------------------------------------------------- */

static _Noreturn void end(int code, const char *words)
{
    fprintf(stderr, "counted_steps: %s\n", words);
    exit(code);
}

static void print_machine(void)
{
    if (!fm_backend_find(pinned)) end(SKIPPED, "this build or processor has no kernels for AVX2");
#if defined(__clang__)
    const char compiler[] = "clang";
    const int version = __clang_major__;
#else
    const char compiler[] = "gcc";
    const int version = __GNUC__;
#endif
    printf("%s-%d %s glibc-%s %s\n", compiler, version, COUNTED_BUILD, gnu_get_libc_version(),
           pinned);
}

/* ---- work ------------------------------------------------------------------------------------ */

/* By its name callgrind knows what to count. */
__attribute__((noinline, noclone)) void counted_part(fm_program *program, int runs);
void counted_part(fm_program *program, int runs)
{
    for (int i = 0; i < runs; i++) {
        if (fm_program_run(program) != FM_OK) end(1, "a run failed");
    }
}

static fm_graph *make_graph(fm_context *context, const workload *w)
{
    fm_graph *g;
    if (fm_graph_create(context, &(fm_graph_options){.mode = w->mode}, &g) != FM_OK) return NULL;
    fm_val logits = w->build(g, fm_input(g, "x", w->dtype, fm_shape_batch(w->batch, w->sample)));
    if (w->mode == FM_PREDICT) {
        fm_output(g, "result", logits);
        return g;
    }
    fm_val y = fm_input(g, "y", FM_I32, fm_shape_batch(w->batch, w->labels));
    fm_val loss = fm_loss(g, FM_SPARSE_CATEGORICAL_CROSSENTROPY, logits, y);
    fm_minimize_with(g, loss, &w->optimizer);
    fm_output(g, "result", loss);
    return g;
}

static uint32_t draw(uint32_t *bits)
{
    *bits = *bits * 1664525u + 1013904223u;
    return *bits >> 8;
}

static void fill_inputs(fm_program *program, const workload *w)
{
    uint32_t bits = 1;
    void *x = fm_program_input(program, "x");
    int64_t count = w->batch * fm_shape_elements(w->sample);
    for (int64_t i = 0; i < count; i++) {
        if (w->dtype == FM_I32)
            ((int32_t *)x)[i] = (int32_t)(draw(&bits) % TOKENS);
        else
            ((float *)x)[i] = (float)draw(&bits) * 0x1p-24f;
    }
    if (w->mode == FM_PREDICT) return;
    int32_t *y = fm_program_input(program, "y");
    count = w->batch * fm_shape_elements(w->labels);
    for (int64_t i = 0; i < count; i++) y[i] = (int32_t)(draw(&bits) % 10);
    *(float *)fm_program_input(program, FM_LEARNING_RATE) = (float)fm_optimizer_rate(&w->optimizer);
}

static void work(const workload *w)
{
    fm_context *context;
    fm_store *store;
    fm_program *program;
    const char *const backends[] = {pinned, "portable", NULL};
    if (fm_context_create(&(fm_context_options){.threads = 1}, &context) != FM_OK ||
        fm_store_create(context, 1, &store) != FM_OK) {
        end(1, "out of memory");
    }
    fm_graph *graph = make_graph(context, w);
    if (!graph) end(1, "out of memory");
    if (fm_program_create(store, graph, &(fm_program_options){.backends = backends}, &program) !=
        FM_OK) {
        end(1, fm_error_message(context));
    }
    fill_inputs(program, w);
    if (fm_program_run(program) != FM_OK) end(1, "a run failed"); /* with the prologue */
    counted_part(program, w->runs);
    fm_program_destroy(program);
    fm_graph_destroy(graph);
    fm_store_destroy(store);
    fm_context_destroy(context);
}

int main(int count, char **words)
{
    const char *word = count == 2 ? words[1] : "";
    if (strcmp(word, "--machine") == 0) {
        print_machine();
        return 0;
    }
    bool list = strcmp(word, "--list") == 0;
    for (int i = 0; i < WORKLOADS; i++) {
        if (list) {
            printf("%s\n", workloads[i].name);
        } else if (strcmp(word, workloads[i].name) == 0) {
            work(&workloads[i]);
            return 0;
        }
    }
    if (!list) end(2, "one argument is wanted: a workload, --list or --machine");
    return 0;
}
