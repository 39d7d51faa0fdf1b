/* One token a step through the streaming program; what is drawn goes back in. */
#include "fathom/generate.h"
#include "base/clock.h"
#include "base/fields.h"
#include "base/random.h"
#include "base/utf8.h"
#include "data/text/vocabulary.h"
#include "train/model.h"
#include "train/sampling.h"

#include <string.h>

enum { DEFAULT_LENGTH = 200, FEWEST_CONTEXT = 2, PENDING = 256 };

const fm_field fm_generate_fields[] = {
    {"length", "tokens to generate", offsetof(fm_generate_options, length), .type = FM_FIELD_INT,
     .default_value = DEFAULT_LENGTH, .minimum = 1, .maximum = 1e9},
    {"temperature", "logits are divided by it; 0: the most probable token",
     offsetof(fm_generate_options, temperature), .type = FM_FIELD_REAL, .default_value = 1,
     .maximum = 1e6},
    {"top_k", "draw from so many tokens", offsetof(fm_generate_options, top_k),
     .type = FM_FIELD_INT, .maximum = 1e9},
    {"top_p", "draw from the fewest tokens of this probability",
     offsetof(fm_generate_options, top_p), .type = FM_FIELD_REAL, .maximum = 1},
    {"seed", "same seed, same text", offsetof(fm_generate_options, seed), .type = FM_FIELD_INT},
    {0},
};

struct fm_generator {
    fm_context *context;
    fm_model *model;
    const fm_vocabulary *vocabulary;
    fm_program *program;
    int32_t *x;
    const void *prediction;
    fm_sampler sampler;
    bool limited; /* the model keeps positions */
    int64_t reach, position;
    int32_t *tokens; /* the prompt's and those that were generated */
    size_t capacity;
    int64_t count, restarts;
};

/* ---- creating -------------------------------------------------------------------------------- */

static fm_status check_model(const fm_model *model, const fm_vocabulary *vocabulary)
{
    char in[FM_SHAPE_TEXT], out[FM_SHAPE_TEXT];
    fm_dtype dtype;
    fm_shape x = fm_model_input(model, &dtype), y = fm_model_output(model, NULL);
    bool tokens = dtype == FM_I32 && x.rank == 1 && y.rank == 2 && y.dims[0] == x.dims[0];
    if (!tokens) {
        return fm_fail(
            model->context, FM_ERROR_SHAPE,
            "generate: wanted is a model that reads tokens, i32 (time), and predicts the "
            "one that follows each, (time, classes); this one makes %s of %s %s",
            fm_shape_text(y, out), fm_dtype_name(dtype), fm_shape_text(x, in));
    }
    if (y.dims[1] >= fm_vocabulary_size(vocabulary)) return FM_OK;
    return fm_fail(model->context, FM_ERROR_SHAPE,
                   "generate: the vocabulary has %lld tokens, the model %lld outputs",
                   (long long)fm_vocabulary_size(vocabulary), (long long)y.dims[1]);
}

static bool keeps_positions(const fm_program *program)
{
    fm_carried_variable carried;
    for (int i = 0; (carried = fm_program_carried(program, i)).path; i++) {
        if (strcmp(carried.path, "position") == 0) return true;
    }
    return false;
}

static fm_status open_generator(fm_generator *g, int64_t context)
{
    fm_model *model = g->model;
    fm_status status = check_model(model, g->vocabulary);
    if (status != FM_OK) return status;
    g->reach = fm_or_int(context, fm_model_input(model, NULL).dims[0]);
    if (g->reach < FEWEST_CONTEXT) {
        return fm_fail(g->context, FM_ERROR_ARGUMENT, "generate: a context of %lld tokens",
                       (long long)g->reach);
    }
    status = fm_model_stream(model, 1, 1, g->reach, &g->program);
    if (status != FM_OK) return status;
    g->x = fm_program_input(g->program, "x");
    g->prediction = fm_program_output(g->program, "prediction");
    g->limited = keeps_positions(g->program);
    int64_t first = g->vocabulary->kind->utf8 ? FM_FIRST_TOKEN : FM_TOKEN_PADDING + 1;
    return fm_sampler_open(g->context, first, fm_vocabulary_size(g->vocabulary), &g->sampler);
}

fm_status fm_generator_create(fm_model *model, const fm_vocabulary *vocabulary, int64_t context,
                              fm_generator **generator)
{
    *generator = NULL;
    fm_generator *g = fm_allocate_zeroed(model->context, sizeof *g);
    if (!g) return FM_ERROR_MEMORY;
    *g = (fm_generator){.context = model->context, .model = model, .vocabulary = vocabulary};
    fm_status status = open_generator(g, context);
    if (status == FM_OK) {
        *generator = g;
    } else {
        fm_generator_destroy(g);
    }
    return status;
}

void fm_generator_destroy(fm_generator *g)
{
    if (!g) return;
    fm_program_destroy(g->program);
    fm_sampler_close(&g->sampler);
    fm_release(g->context, g->tokens);
    fm_release(g->context, g);
}

/* ---- steps ----------------------------------------------------------------------------------- */

static fm_status feed(fm_generator *g, int32_t token)
{
    *g->x = token;
    g->position++;
    return fm_program_run(g->program);
}

static fm_status begin(fm_generator *g)
{
    g->position = 0;
    return fm_program_reset(g->program);
}

/* Reads token i; when the context is used up, the half of it before that token once more. */
static fm_status read_token(fm_generator *g, int64_t i)
{
    fm_status status = FM_OK;
    if (g->limited && g->position == g->reach) {
        int64_t half = g->reach / 2, from = i > half ? i - half : 0;
        status = begin(g);
        for (int64_t k = from; k < i && status == FM_OK; k++) status = feed(g, g->tokens[k]);
        g->restarts++;
    }
    return status == FM_OK ? feed(g, g->tokens[i]) : status;
}

static fm_status read_prompt(fm_generator *g, const fm_generate_options *options)
{
    const char *prompt = options->prompt && *options->prompt ? options->prompt : "\n";
    size_t size = strlen(prompt);
    char *unknown;
    fm_status status = fm_vocabulary_unknown(g->context, g->vocabulary, prompt, size, &unknown);
    if (status != FM_OK) return fm_fail_prefix(g->context, "prompt: ");
    if (unknown && options->prompt && *options->prompt) {
        fm_report(g->context, FM_LOG_WARNING,
                  "the prompt has %s, which the model's vocabulary does not know", unknown);
    }
    fm_release(g->context, unknown);
    status = fm_grow(g->context, &g->tokens, &g->capacity, size + 1 + (size_t)options->length,
                     sizeof *g->tokens);
    if (status != FM_OK) return status;
    status = fm_vocabulary_encode(g->context, g->vocabulary, prompt, size, g->tokens, (int64_t)size,
                                  &g->count);
    if (g->count == 0) g->tokens[g->count++] = FM_TOKEN_PADDING; /* blanks are no words */
    int64_t first = g->limited && g->count > g->reach ? g->count - g->reach : 0;
    if (status == FM_OK) status = begin(g);
    for (int64_t i = first; i < g->count && status == FM_OK; i++) status = read_token(g, i);
    return status;
}

/* ---- what is new, in whole characters -------------------------------------------------------- */

typedef struct writer {
    const fm_generate_options *options;
    char bytes[PENDING]; /* of a character that is not whole yet */
    size_t size;
    bool stopped;
} writer;

/* Could the bytes still become a character? */
static bool may_grow(const char *bytes, size_t size)
{
    size_t length = fm_utf8_length(bytes[0]);
    bool begun = length > size;
    for (size_t i = 1; begun && i < size; i++) begun = fm_utf8_continues(bytes[i]);
    return begun;
}

/* Hands on what is whole; at the end of the text everything. */
static void hand_on(writer *w, bool end)
{
    char ready[3 * PENDING];
    size_t made = 0, at = 0;
    while (at < w->size) {
        uint32_t code;
        size_t length = fm_utf8_next(w->bytes + at, w->size - at, &code);
        if (length == 0 && !end && may_grow(w->bytes + at, w->size - at)) break;
        memcpy(ready + made, length ? w->bytes + at : FM_REPLACEMENT_BYTES, length ? length : 3);
        made += length ? length : 3;
        at += length ? length : 1;
    }
    memmove(w->bytes, w->bytes + at, w->size - at);
    w->size -= at;
    if (made == 0 || !w->options->emit) return;
    if (!w->options->emit(w->options->user, ready, made)) w->stopped = true;
}

/* A token of bytes is no longer than a piece, but a word may be of any length. */
static void write_bytes(writer *w, const char *bytes, size_t size)
{
    while (size > 0 && !w->stopped) {
        size_t part = size < PENDING - w->size ? size : PENDING - w->size;
        memcpy(w->bytes + w->size, bytes, part);
        w->size += part;
        bytes += part;
        size -= part;
        hand_on(w, false);
    }
}

static void write_token(writer *w, const fm_vocabulary *v, int32_t before, int32_t token)
{
    size_t size;
    const char *bytes = fm_vocabulary_token(v, token, &size);
    if (fm_vocabulary_spaced(v, before, token)) {
        w->bytes[w->size++] = ' ';
    }
    write_bytes(w, bytes, size);
}

/* ---- all of it ------------------------------------------------------------------------------- */

static fm_status load_scores(fm_generator *g)
{
    const fm_model *model = g->model;
    fm_status status = fm_sampler_load(&g->sampler, g->prediction, model->options.dtype,
                                       model->options.loss_options.from_probabilities);
    if (status == FM_OK) return FM_OK;
    return fm_fail(g->context, FM_ERROR_NONFINITE,
                   "generate: the model predicts a NaN behind token %lld", (long long)g->count);
}

static fm_status generate(fm_generator *g, const fm_generate_options *options, fm_generated *made)
{
    const fm_sampling how = {options->temperature, options->top_k, options->top_p};
    const fm_random_key key = {(uint64_t)options->seed, (uint32_t)options->number,
                               fm_stream_of("generate")};
    writer w = {.options = options};
    fm_status status = read_prompt(g, options);
    made->prompt_tokens = g->count;
    double began = fm_now();
    while (status == FM_OK && !w.stopped) {
        status = load_scores(g);
        if (status != FM_OK) break;
        uint32_t words[4];
        fm_philox(key, (uint64_t)made->tokens, words);
        int32_t token = fm_sample(&g->sampler, &how, fm_uniform_f64(words[0], words[1]));
        int32_t before = g->tokens[g->count - 1];
        g->tokens[g->count++] = token;
        write_token(&w, g->vocabulary, before, token);
        if (++made->tokens == options->length) break;
        status = read_token(g, g->count - 1);
    }
    if (status == FM_OK && !w.stopped) hand_on(&w, true);
    made->seconds = fm_now() - began;
    made->restarts = g->restarts;
    return status;
}

fm_status fm_generate(fm_generator *g, const fm_generate_options *options, fm_generated *generated)
{
    fm_generate_options filled = options ? *options : (fm_generate_options){0};
    fm_generated made = {0};
    fm_status status = fm_fields_complete(g->context, fm_generate_fields, &filled, "generate");
    if (status == FM_OK && filled.number < 0) {
        status = fm_fail(g->context, FM_ERROR_ARGUMENT, "generate: text number %lld",
                         (long long)filled.number);
    }
    if (status == FM_OK) status = fm_model_swap_averages(g->model);
    if (status != FM_OK) return status;
    g->restarts = 0;
    status = generate(g, &filled, &made);
    fm_status swapped = fm_model_swap_averages(g->model);
    if (generated) *generated = made;
    return status == FM_OK ? swapped : status;
}
