/* Speed of steps over sequences in memory: one JSON line.
 *
 *     fathom_sequences WORKLOAD [--phase train|predict|generate] [--batch N] [--threads N]
 *                      [--seconds S] [--precision float32|bfloat16] [--profile RUNS] [--costs RUNS]
 *
 * gpt-small        tokens of 65, context 128: embedding and learned positions of 128, 4 blocks
 *                  (norm first, 4 heads, causal; 512 wide with GELU), norm, 65 logits; Adam rate
 *                  0.001, batch 64
 * shakespeare-gpt  the same with dropout 0.1 (of the embedding, the attention and both branches),
 *                  AdamW
 *
 * mnist-lstm       the 28 rows of a digit: LSTM 64, LSTM 64, dense 10; Adam rate 0.001, batch 128
 * mnist-gru        the same with GRU (PyTorch's, reset_after)
 * shakespeare-lstm tokens of 65, 64 steps: embedding of 256, LSTM 256, LSTM 256, 65 logits; Adam,
 * batch 64
 *
 * As on the peers' side batches lie in memory: nothing but steps is measured. samples_per_second
 * counts sequences, peak_bytes is the largest resident size of the process. --profile prints where
 * the time goes instead, --costs the same as JSON. generate: a sample is a sequence of tokens that
 * are made one after the other by a stream, each the most probable one; batch 1. */
#define _GNU_SOURCE
#include "fathom/loss.h"
#include "fathom/nn.h"
#include "fathom/nn_attention.h"
#include "fathom/nn_recurrent.h"
#include "fathom/nn_vision.h"
#include "fathom/ops.h"
#include "fathom/optimizer.h"
#include "fathom/program.h"

#define BENCH_PROGRAM "fathom_sequences"
#include "step_figures.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct workload {
    const char *name;
    fm_val (*build)(fm_graph *graph, fm_val x, double dropout);
    fm_shape sample; /* of x */
    fm_dtype dtype;
    fm_shape labels; /* of one sample */
    int64_t classes, tokens, batch;
    double dropout;
    double multiplications; /* of a sample going forward */
    double first;           /* of these, the first layer's: it needs no gradient of its input */
    fm_optimizer optimizer;
} workload;

enum { VOCABULARY = 65, CONTEXT = 128, WIDTH = 128, HEADS = 4, BLOCKS = 4, HIDDEN = 512 };
/* Causal attention counts half of the pairs. */
#define GPT_MULTIPLICATIONS                                                                        \
    (CONTEXT * (BLOCKS * (4.0 * WIDTH * WIDTH + 2.0 * WIDTH * HIDDEN + CONTEXT * WIDTH) +          \
                WIDTH * VOCABULARY))

static fm_val gpt(fm_graph *g, fm_val x, double dropout)
{
    x = fm_embedding(g, x, .input_dim = VOCABULARY, .output_dim = WIDTH);
    x = fm_positional_encoding(g, x, .kind = FM_POSITIONS_LEARNED);
    if (dropout > 0) x = fm_dropout(g, x, .rate = dropout);
    for (int i = 0; i < BLOCKS; i++) {
        x = fm_transformer_decoder(g, &x, 1, .intermediate_dim = HIDDEN, .num_heads = HEADS,
                                   .normalize_first = true, .activation = FM_BLOCK_GELU,
                                   .dropout = dropout);
    }
    return fm_dense(g, fm_layer_normalization(g, x), .units = VOCABULARY);
}

enum { ROWS = 28, UNITS = 64, DIGITS = 10, STEPS = 64, CHARACTER_WIDTH = 256 };
/* Four gates of an LSTM, three of a GRU. */
#define DIGIT_MULTIPLICATIONS(gates)                                                               \
    (ROWS * (gates)*UNITS * (double)(ROWS + UNITS + 2 * UNITS) + UNITS * DIGITS)
/* The embedding's table is shorter than the sequences of a batch: its product counts as little. */
#define CHARACTER_MULTIPLICATIONS                                                                  \
    (STEPS * (4.0 * CHARACTER_WIDTH * 4 * CHARACTER_WIDTH + CHARACTER_WIDTH * VOCABULARY))

static fm_val digits_lstm(fm_graph *g, fm_val x, double dropout)
{
    (void)dropout;
    x = fm_lstm(g, x, .units = UNITS, .return_sequences = true);
    return fm_dense(g, fm_lstm(g, x, .units = UNITS), .units = DIGITS);
}

static fm_val digits_gru(fm_graph *g, fm_val x, double dropout)
{
    (void)dropout;
    x = fm_gru(g, x, .units = UNITS, .return_sequences = true);
    return fm_dense(g, fm_gru(g, x, .units = UNITS), .units = DIGITS);
}

static fm_val characters_lstm(fm_graph *g, fm_val x, double dropout)
{
    (void)dropout;
    x = fm_embedding(g, x, .input_dim = VOCABULARY, .output_dim = CHARACTER_WIDTH);
    x = fm_lstm(g, x, .units = CHARACTER_WIDTH, .return_sequences = true);
    x = fm_lstm(g, x, .units = CHARACTER_WIDTH, .return_sequences = true);
    return fm_dense(g, x, .units = VOCABULARY);
}

#define DIGITS_BY(name, build, gates)                                                              \
    {                                                                                              \
        name, build, {2, {ROWS, ROWS}}, FM_F32, {0}, DIGITS, 0, 128, 0,                            \
            DIGIT_MULTIPLICATIONS(gates), ROWS *(gates)*UNITS *(double)ROWS,                       \
        {                                                                                          \
            .rule = FM_ADAM, .learning_rate = 0.001                                                \
        }                                                                                          \
    }
#define GPT(name, dropout, ...)                                                                    \
    {                                                                                              \
        name, gpt, {1, {CONTEXT}}, FM_I32, {1, {CONTEXT}}, VOCABULARY, VOCABULARY, 64, dropout,    \
            GPT_MULTIPLICATIONS, 0, __VA_ARGS__                                                    \
    }
static const workload workloads[] = {
    GPT("gpt-small", 0, {.rule = FM_ADAM, .learning_rate = 0.001}),
    GPT("shakespeare-gpt", 0.1, {.rule = FM_ADAM, .learning_rate = 0.001, .weight_decay = 0.01}),
    DIGITS_BY("mnist-lstm", digits_lstm, 4),
    DIGITS_BY("mnist-gru", digits_gru, 3),
    {"shakespeare-lstm",
     characters_lstm,
     {1, {STEPS}},
     FM_I32,
     {1, {STEPS}},
     VOCABULARY,
     VOCABULARY,
     64,
     0,
     CHARACTER_MULTIPLICATIONS,
     0,
     {.rule = FM_ADAM, .learning_rate = 0.001}},
};

enum { BATCHES = 16 }; /* in memory */

typedef struct options {
    const workload *workload;
    bool predict, generate;
    int64_t batch;
    int threads;
    double seconds;
    fm_precision precision;
    int profiled_runs, costed_runs;
} options;

static options read_options(int count, char **arguments)
{
    options o = {.threads = 2, .seconds = 4};
    for (size_t i = 0; count > 1 && i < sizeof workloads / sizeof *workloads; i++) {
        if (strcmp(arguments[1], workloads[i].name) == 0) o.workload = &workloads[i];
    }
    if (!o.workload) die("the first argument is a workload: see the head of its source");
    o.batch = o.workload->batch;
    for (int i = 2; i + 1 < count; i += 2) {
        const char *value = arguments[i + 1];
        if (strcmp(arguments[i], "--threads") == 0)
            o.threads = atoi(value);
        else if (strcmp(arguments[i], "--seconds") == 0)
            o.seconds = atof(value);
        else if (strcmp(arguments[i], "--batch") == 0)
            o.batch = atoll(value);
        else if (strcmp(arguments[i], "--profile") == 0)
            o.profiled_runs = atoi(value);
        else if (strcmp(arguments[i], "--costs") == 0)
            o.costed_runs = atoi(value);
        else if (strcmp(arguments[i], "--precision") == 0)
            o.precision = read_precision(value);
        else if (strcmp(arguments[i], "--phase") == 0)
            o.generate = strcmp(value, "generate") == 0,
            o.predict = o.generate || strcmp(value, "predict") == 0;
        else
            die("unknown option");
    }
    if (o.generate) o.batch = 1;
    return o;
}

static fm_graph *make_graph(fm_context *context, const options *o)
{
    const workload *w = o->workload;
    fm_graph *g;
    fm_graph_options how = {.mode = o->predict ? FM_PREDICT : FM_TRAIN,
                            .stream_length = o->generate ? w->sample.dims[0] : 0};
    fm_shape sample = w->sample;
    if (o->generate) sample.dims[0] = 1;
    if (fm_graph_create(context, &how, &g) != FM_OK) return NULL;
    fm_val x = fm_input(g, "x", w->dtype, fm_shape_batch(o->batch, sample));
    fm_val logits = w->build(g, x, w->dropout);
    if (o->predict) {
        if (o->generate) fm_output(g, "next", fm_argmax(g, logits));
        fm_output(g, "result", logits);
        return g;
    }
    fm_val y = fm_input(g, "y", FM_I32, fm_shape_batch(o->batch, w->labels));
    fm_val loss = fm_loss(g, FM_SPARSE_CATEGORICAL_CROSSENTROPY, logits, y);
    fm_minimize_with(g, loss, &w->optimizer);
    fm_output(g, "result", loss);
    return g;
}

/* Forward, and for each gradient once more. */
static double flops_per_sample(const options *o)
{
    double forward = 2 * o->workload->multiplications;
    return o->predict ? forward : 3 * forward - 2 * o->workload->first;
}

typedef struct run {
    fm_program *program;
    void *x;
    int32_t *y;
    size_t x_bytes, y_bytes; /* of a batch, in memory so that each begins aligned */
    int64_t steps, length;   /* length: of a generated sequence */
    bool predict, generate;
} run;

static uint32_t draw(uint32_t *bits)
{
    *bits = *bits * 1664525u + 1013904223u;
    return *bits >> 8;
}

static void *aligned(size_t bytes)
{
    void *memory = aligned_alloc(64, bytes);
    if (!memory) die("out of memory");
    return memory;
}

static size_t batch_bytes(int64_t batch, fm_shape sample)
{
    return ((size_t)(batch * fm_shape_elements(sample)) * 4 + 63) / 64 * 64;
}

/* Tokens below w->tokens, or numbers in [0, 1); labels below w->classes. */
static void make_data(run *r, const options *o)
{
    const workload *w = o->workload;
    uint32_t bits = 1;
    r->x_bytes = batch_bytes(o->batch, w->sample);
    r->y_bytes = batch_bytes(o->batch, w->labels);
    r->x = aligned(BATCHES * r->x_bytes);
    r->y = aligned(BATCHES * r->y_bytes);
    for (size_t i = 0; i < BATCHES * r->x_bytes / 4; i++) {
        if (w->dtype == FM_I32)
            ((int32_t *)r->x)[i] = (int32_t)(draw(&bits) % (uint32_t)w->tokens);
        else
            ((float *)r->x)[i] = (float)draw(&bits) * 0x1p-24f;
    }
    for (size_t i = 0; i < BATCHES * r->y_bytes / 4; i++) {
        r->y[i] = (int32_t)(draw(&bits) % (uint32_t)w->classes);
    }
}

static void generate(run *r)
{
    int32_t *token = fm_program_input(r->program, "x");
    const int32_t *next = fm_program_output(r->program, "next");
    *token = (int32_t)(r->steps++ % VOCABULARY);
    fm_status status = fm_program_reset(r->program);
    for (int64_t i = 0; status == FM_OK && i < r->length; i++) {
        status = fm_program_run(r->program);
        *token = *next;
    }
    if (status != FM_OK) die("a step failed");
}

static void step(run *r)
{
    if (r->generate) {
        generate(r);
        return;
    }
    const size_t batch = (size_t)(r->steps++ % BATCHES);
    const char *x = (const char *)r->x + batch * r->x_bytes;
    const char *y = (const char *)r->y + batch * r->y_bytes;
    fm_status status = fm_program_bind_input(r->program, "x", x);
    if (status == FM_OK && !r->predict) status = fm_program_bind_input(r->program, "y", y);
    if (status == FM_OK) status = fm_program_run(r->program);
    if (status != FM_OK) die("a step failed");
}

/* Steps for so many seconds; returns steps per second. */
static double measure(run *r, double seconds)
{
    double start = now(), passed;
    int64_t before = r->steps;
    do {
        step(r);
        passed = now() - start;
    } while (passed < seconds);
    return (double)(r->steps - before) / passed;
}

static void print_speed(run *r, const options *o, fm_context *context, fm_store *store)
{
    measure(r, o->seconds / 8);
    double speed = measure(r, o->seconds) * (double)o->batch;
    print_figures(
        &(figures){.workload = o->workload->name,
                   .samples_per_second = speed,
                   .flops_per_sample = flops_per_sample(o),
                   .threads = fm_context_threads(context),
                   .batch = o->batch,
                   .sample = o->workload->sample,
                   .outputs = o->workload->classes * fm_shape_elements(o->workload->labels),
                   .steps = r->steps},
        store, r->program);
}

int main(int count, char **arguments)
{
    options o = read_options(count, arguments);
    fm_context *context;
    fm_store *store;
    if (fm_context_create(&(fm_context_options){.threads = o.threads}, &context) != FM_OK ||
        fm_store_create(context, 1, &store) != FM_OK) {
        die("out of memory");
    }
    fm_graph *graph = make_graph(context, &o);
    run r = {.predict = o.predict, .generate = o.generate, .length = o.workload->sample.dims[0]};
    if (!graph) die("out of memory");
    const fm_program_options how = {.precision = (int)o.precision};
    if (fm_program_create(store, graph, &how, &r.program) != FM_OK) die(fm_error_message(context));
    if (!o.predict) {
        *(float *)fm_program_input(r.program, FM_LEARNING_RATE) =
            (float)fm_optimizer_rate(&o.workload->optimizer);
    }
    make_data(&r, &o);

    if (o.profiled_runs > 0)
        step(&r), print_profile(context, r.program, o.profiled_runs);
    else if (o.costed_runs > 0)
        step(&r), print_costs(r.program, o.workload->name, o.costed_runs);
    else
        print_speed(&r, &o, context, store);
    fm_program_destroy(r.program);
    fm_graph_destroy(graph);
    fm_store_destroy(store);
    fm_context_destroy(context);
    free(r.x);
    free(r.y);
    return 0;
}
