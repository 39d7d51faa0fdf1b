/* fathom generate */
#include "cli/commands.h"
#include "cli/exit_codes.h"
#include "cli/invocation.h"
#include "cli/json_lines.h"
#include "cli/new_samples.h"
#include "base/context.h"
#include "base/text.h"
#include "base/utf8.h"
#include "fathom/generate.h"

#include <string.h>

typedef struct generation {
    invocation invocation;
    saved_model saved;
    fm_generator *generator;
    fm_text text; /* with --json: what was generated */
    int64_t characters;
    const fm_generate_options *beginning; /* of a text of which nothing is printed yet */
} generation;

/* Nothing is printed of a text that is refused. */
static void print_beginning(generation *g)
{
    const fm_generate_options *options = g->beginning;
    const terminal *t = &g->invocation.out;
    g->beginning = NULL;
    if (!options) return;
    if (options->number > 0) {
        printf("\n%s--- %lld ---%s\n", terminal_dim(t), (long long)options->number + 1,
               terminal_plain(t));
    }
    if (options->prompt) {
        printf("%s%s%s", terminal_bold(t), options->prompt, terminal_plain(t));
    }
}

/* As it comes: a reader sees each token at once. */
static bool show(void *user, const char *text, size_t size)
{
    generation *g = user;
    for (size_t i = 0; i < size; i++) g->characters += !fm_utf8_continues(text[i]);
    if (g->invocation.given->json) {
        fm_text_add_bytes(&g->text, text, size);
        return !g->text.failed;
    }
    print_beginning(g);
    fwrite(text, 1, size, stdout);
    return fflush(stdout) == 0;
}

static void print_json(const generation *g, const fm_generate_options *options,
                       const fm_generated *made)
{
    double rate = made->seconds > 0 ? (double)g->characters / made->seconds : 0;
    json_print(json_pack("{s:s, s:I, s:I, s:o, s:o, s:I, s:I, s:I, s:o, s:o}", "event", "text",
                         "number", (json_int_t)options->number, "seed", (json_int_t)options->seed,
                         "prompt", json_text(options->prompt ? options->prompt : ""), "text",
                         json_text(fm_text_string(&g->text)), "tokens", (json_int_t)made->tokens,
                         "characters", (json_int_t)g->characters, "restarts",
                         (json_int_t)made->restarts, "seconds", json_number(made->seconds),
                         "characters_per_second", json_number(rate)));
}

static fm_status generate_text(generation *g, const fm_generate_options *options)
{
    const arguments *given = g->invocation.given;
    fm_generated made;
    g->characters = 0;
    g->beginning = options;
    fm_text_clear(&g->text);
    fm_status status = fm_generate(g->generator, options, &made);
    if (given->json) {
        if (status == FM_OK) status = fm_text_status(&g->text);
        if (status == FM_OK) print_json(g, options, &made);
    } else if (status == FM_OK || !g->beginning) {
        print_beginning(g);
        printf("\n");
    }
    return status;
}

static bool goes_on(const saved_model *saved)
{
    const fm_dataset_info *trained = fm_transform_input(saved->transform);
    return trained->text && trained->text->running;
}

static fm_status generate_texts(generation *g)
{
    const arguments *given = g->invocation.given;
    fm_generate_options options = {.prompt = given->prompt,
                                   .length = given->length,
                                   .temperature = given->temperature,
                                   .top_k = given->top_k,
                                   .top_p = given->top_p,
                                   .seed = given->seed,
                                   .emit = show,
                                   .user = g};
    g->text = FM_TEXT(g->invocation.context);
    if (given->out) {
        return fm_fail(g->invocation.context, FM_ERROR_ARGUMENT,
                       "--out is for pictures; this model's texts are printed on stdout");
    }
    fm_status status = fm_generator_create(
        g->saved.model, fm_transform_vocabulary(g->saved.transform), given->context, &g->generator);
    int64_t count = given->count ? given->count : 1;
    for (; options.number < count && status == FM_OK; options.number++) {
        status = generate_text(g, &options);
    }
    return status;
}

static fm_status generate(generation *g)
{
    const arguments *given = g->invocation.given;
    const char *path = given->positional.items[0];
    fm_status status = saved_model_open(&g->invocation, path, &g->saved);
    if (status != FM_OK) return status;
    if (goes_on(&g->saved)) return generate_texts(g);
    status = new_samples_generate(&g->invocation, &g->saved);
    if (status != FM_ERROR_UNSUPPORTED) return status;
    return fm_fail(
        g->invocation.context, FM_ERROR_ARGUMENT,
        "%s: it was not trained to go on with a text, which takes the data set 'text' (see "
        "recipes/shakespeare-lstm.yaml), nor is it a variational autoencoder, which takes the "
        "layer gaussian_sample (see recipes/strokes-vae.yaml)",
        path);
}

int generate_run(const arguments *given)
{
    generation g = {0};
    if (!invocation_open(&g.invocation, given)) return EXIT_INTERNAL;
    fm_status status = generate(&g);
    fm_text_release(&g.text);
    fm_generator_destroy(g.generator);
    saved_model_close(&g.saved);
    return invocation_close(&g.invocation, status);
}
