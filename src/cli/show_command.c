/* fathom show */
#include "cli/commands.h"
#include "cli/contact_sheet.h"
#include "cli/exit_codes.h"
#include "cli/json_lines.h"
#include "cli/invocation.h"
#include "cli/layer_table.h"
#include "cli/show_tables.h"
#include "cli/sound_data.h"
#include "cli/show_zoo.h"
#include "base/context.h"
#include "base/fields.h"
#include "data/sample_lengths.h"
#include "base/file.h"

#include <math.h>
#include <string.h>

typedef struct view {
    invocation invocation;
    const char *name;
    saved_model saved; /* of a file; of a recipe only recipe and model are set */
    fm_recipe_data data;
    fm_dtype input_dtype;
    layer_table layers;
    int64_t batch_size;
    fm_program *program; /* of a training step */
} view;

/* ---- opening --------------------------------------------------------------------------------- */

/* Looking is not worth a download: what was downloaded before is found, nothing is fetched. */
static void stay_offline(invocation *s)
{
    int count = 0;
    while (s->folders[count]) count++;
    s->folders[count] = s->places.cache;
    s->places.cache = NULL;
}

static fm_status open_view_recipe(view *v)
{
    invocation *s = &v->invocation;
    fm_status status = fm_recipe_open(s->context, v->name, s->given->set.items, s->given->set.count,
                                      &v->saved.recipe);
    if (status != FM_OK) return status;
    if (!fm_recipe_says_input(v->saved.recipe)) {
        stay_offline(s);
        status = fm_recipe_open_data(v->saved.recipe, &s->places, NULL, &v->data);
    }
    if (status != FM_OK) return status;
    return fm_recipe_create_model(v->saved.recipe, v->data.transform, &v->saved.model);
}

static fm_status open_view(view *v)
{
    fm_context *context = v->invocation.context;
    if (!fm_file_exists(v->name)) {
        const char *near = fm_nearest(v->name, show_table_name, NULL);
        return fm_fail(context, FM_ERROR_NOT_FOUND, "%s: no such file%s%s%s", v->name,
                       near ? "; did you mean the table '"
                            : ", nor a table; tables are layers, "
                              "activations, losses, optimizers, "
                              "schedules, metrics, initializers, "
                              "datasets, augmentations, zoo, "
                              "recipe, ops, searches",
                       near ? near : "", near ? "'?" : "");
    }
    fm_status status = is_saved_model(v->name)
                           ? saved_model_open(&v->invocation, v->name, &v->saved)
                           : open_view_recipe(v);
    if (status != FM_OK) return status;
    const fm_recipe_settings *settings = fm_recipe_about(v->saved.recipe);
    const fm_field *batch_size = fm_field_find(fm_fit_fields, "batch_size");
    v->batch_size = fm_model_step_batch(v->saved.model, fm_field_int(batch_size, &settings->fit));
    v->layers.input = fm_model_input(v->saved.model, &v->input_dtype);
    status = fm_recipe_layers(v->saved.recipe, v->layers.input, v->input_dtype, &v->layers.rows,
                              &v->layers.count);
    if (status != FM_OK) return status;
    return fm_model_program(v->saved.model, FM_TRAIN, v->batch_size, &v->program);
}

/* ---- the table ------------------------------------------------------------------------------- */

static size_t total_memory(const fm_program_summary *summary)
{
    return summary->arena_bytes + summary->kept_bytes + summary->variable_bytes +
           summary->constant_bytes + summary->input_bytes;
}

static void print_options(const view *v, const char *what, const char *name, const fm_field *fields,
                          const void *values)
{
    fm_text text = FM_TEXT(v->invocation.context);
    fm_fields_print(&text, fields, values, false);
    const char *between = *name && text.size ? ": " : "";
    printf("%-12s %s%s%s\n", what, name, between, fm_text_string(&text));
    fm_text_release(&text);
}

/* NULL while there is no transform. */
static const fm_ints *buckets_of(const view *v)
{
    const fm_transform *transform = v->saved.transform ? v->saved.transform : v->data.transform;
    return transform ? &fm_transform_output(transform)->buckets : NULL;
}

/* The lengths of batches, and with the data at hand what they save. */
static void print_lengths(const view *v)
{
    char text[FM_BUCKETS_TEXT];
    fm_sample_lengths lengths;
    const fm_ints *buckets = buckets_of(v);
    if (!buckets || buckets->count == 0) return;
    printf("%-12s %s steps", "batches", fm_buckets_text(buckets, text));
    bool counted = v->data.train && fm_sample_lengths_of(v->invocation.context, v->data.train,
                                                         v->batch_size, &lengths) == FM_OK;
    printf("%s%s\n", counted ? ": " : "", counted ? fm_sample_lengths_text(&lengths, text) : "");
}

static double repeated_percent(const fm_program_summary *summary)
{
    return 100 * summary->repeated_flops / (summary->flops - summary->repeated_flops);
}

/* What this share of the memory would cost; false when it is not enough. */
static bool summarize_less(const view *v, double share, fm_program_summary *less)
{
    fm_graph *graph;
    fm_program *program;
    double plain = (double)fm_program_summarize(v->program).plain_arena_bytes;
    const fm_program_options options = {.memory = (size_t)(share * plain),
                                        .shares_arena = true,
                                        .precision =
                                            fm_recipe_about(v->saved.recipe)->model.precision};
    fm_status status = fm_model_graph(v->saved.model, FM_TRAIN, v->batch_size, &graph);
    if (status != FM_OK) return false;
    status = fm_program_create(fm_model_store(v->saved.model), graph, &options, &program);
    fm_graph_destroy(graph);
    if (status == FM_OK) {
        *less = fm_program_summarize(program);
        fm_program_destroy(program);
    }
    fm_error_clear(v->invocation.context);
    return status == FM_OK;
}

/* The budget that the recipe sets and what it changes, or what one would change. */
static void print_budget(const view *v, const fm_program_summary *summary)
{
    char first[32], second[32];
    fm_program_summary less;
    bool possible = false;
    if (summary->arena_bytes < summary->plain_arena_bytes) {
        printf(
            "%-12s %s instead of %s of activations, gradients and scratch, for %.1f%% more FLOPs: "
            "values are computed again in backward\n",
            "budget", show_bytes((double)summary->arena_bytes, first),
            show_bytes((double)summary->plain_arena_bytes, second), repeated_percent(summary));
        return;
    }
    if (fm_recipe_about(v->saved.recipe)->memory) {
        printf("%-12s is kept as it is\n", "budget");
        return;
    }
    for (double share = 0.5; share < 0.95 && !possible; share += 0.2) {
        possible = summarize_less(v, share, &less);
    }
    if (possible) {
        printf(
            "%-12s none; with train: {memory: %.0fMiB} %s instead of %s, for %.1f%% more FLOPs\n",
            "budget", ceil((double)less.arena_bytes / 1048576),
            show_bytes((double)less.arena_bytes, first),
            show_bytes((double)summary->plain_arena_bytes, second), repeated_percent(&less));
    }
}

static void print_training(const view *v)
{
    const fm_recipe_settings *settings = fm_recipe_about(v->saved.recipe);
    const fm_model_options *model = &settings->model;
    fm_program_summary summary = fm_program_summarize(v->program);
    char total[32], variables[32], arena[32], rest[32], flops[32];
    printf("\n");
    print_options(v, "data", settings->dataset->name, settings->dataset->fields,
                  settings->dataset_options);
    print_lengths(v);
    print_options(v, "loss", fm_loss_at(model->loss)->name, fm_loss_at(model->loss)->fields,
                  &model->loss_options);
    const fm_optimizer_record *optimizer = fm_optimizer_at(model->optimizer.rule);
    fm_optimizer rule = model->optimizer;
    rule.learning_rate = fm_optimizer_rate(&rule); /* told even when it is the default */
    print_options(v, "optimizer", optimizer->name, optimizer->fields, &rule);
    print_options(v, "train", "", fm_fit_fields, &settings->fit);
    printf("%-12s %s FLOPs a step of %lld samples\n", "work", show_count(summary.flops, flops),
           (long long)v->batch_size);
    if (model->precision == FM_PRECISION_BF16) {
        printf("%-12s %.1f%% of the FLOPs multiply operands rounded to bf16; --plan tells which\n",
               "precision", 100 * summary.bf16_flops / summary.flops);
    }
    printf(
        "%-12s %s to train: %s weights and optimizer state, %s activations, gradients and "
        "scratch, %s inputs, outputs and constants\n",
        "memory", show_bytes((double)total_memory(&summary), total),
        show_bytes((double)summary.variable_bytes, variables),
        show_bytes((double)summary.arena_bytes, arena),
        show_bytes((double)(total_memory(&summary) - summary.variable_bytes - summary.arena_bytes),
                   rest));
    print_budget(v, &summary);
}

static json_t *buckets_json(const view *v)
{
    json_t *list = json_array();
    const fm_ints *buckets = buckets_of(v);
    for (int i = 0; buckets && i < buckets->count; i++) {
        json_array_append_new(list, json_integer(buckets->at[i]));
    }
    return list;
}

static void print_json(const view *v)
{
    fm_program_summary summary = fm_program_summarize(v->program);
    json_print(json_pack(
        "{s:s, s:o, s:I, s:o, s:I, s:o, s:I, s:I, s:I, s:I, s:o, s:o, s:I, s:I, s:o, s:o}", "event",
        "show", "name", json_text(v->name), "parameters",
        (json_int_t)layer_table_parameters(&v->layers), "flops",
        json_number(layer_table_flops(&v->layers)), "memory", (json_int_t)total_memory(&summary),
        "train_step_flops", json_number(summary.flops), "batch_size", (json_int_t)v->batch_size,
        "variable_bytes", (json_int_t)summary.variable_bytes, "arena_bytes",
        (json_int_t)summary.arena_bytes, "plain_arena_bytes", (json_int_t)summary.plain_arena_bytes,
        "repeated_flops", json_number(summary.repeated_flops), "bf16_flops",
        json_number(summary.bf16_flops), "constant_bytes", (json_int_t)summary.constant_bytes,
        "input_bytes", (json_int_t)summary.input_bytes, "buckets", buckets_json(v), "layers",
        layer_table_json(&v->layers)));
}

/* ---- graph and program ----------------------------------------------------------------------- */

static fm_status print_graph(const view *v)
{
    fm_graph *graph;
    char *text;
    fm_status status = fm_model_graph(v->saved.model, FM_TRAIN, v->batch_size, &graph);
    if (status != FM_OK) return status;
    status = fm_graph_print(graph, &text);
    fm_graph_destroy(graph);
    if (status != FM_OK) return status;
    fputs(text, stdout);
    fm_text_free(v->invocation.context, text);
    return FM_OK;
}

static fm_status print_program(const view *v, bool why)
{
    char *text;
    fm_status status = fm_program_print(v->program, why, &text);
    if (status != FM_OK) return status;
    fputs(text, stdout);
    fm_text_free(v->invocation.context, text);
    return FM_OK;
}

enum { PROFILED_RUNS = 5 };

static fm_status print_profile(const view *v)
{
    char *text;
    fm_status status = fm_program_print_profile(v->program, PROFILED_RUNS, &text);
    if (status != FM_OK) return status;
    fputs(text, stdout);
    fm_text_free(v->invocation.context, text);
    return FM_OK;
}

/* ---- the command ----------------------------------------------------------------------------- */

/* Data alone, so that a model that cannot be built yet is no obstacle. */
static fm_status show_samples(view *v)
{
    invocation *s = &v->invocation;
    const char *path = s->given->samples;
    fm_status status = is_saved_model(v->name)
                           ? saved_model_open(s, v->name, &v->saved)
                           : fm_recipe_open(s->context, v->name, s->given->set.items,
                                            s->given->set.count, &v->saved.recipe);
    if (status != FM_OK) return status;
    stay_offline(s);
    status = fm_recipe_open_data(v->saved.recipe, &s->places, v->saved.transform_json, &v->data);
    int written = 0;
    int64_t seed = fm_recipe_about(v->saved.recipe)->fit.seed;
    if (status == FM_OK) {
        status = contact_sheet_write(s->context, &v->data, recipe_sound(v->saved.recipe) != NULL,
                                     seed, path, &written);
    }
    if (status != FM_OK) return status;
    if (s->given->json) {
        json_print(json_pack("{s:s, s:o, s:i}", "event", "samples", "file", json_text(path),
                             "samples", written));
    } else {
        printf("%d training samples of %s: %s\n", written, v->name, path);
    }
    return FM_OK;
}

static fm_status show(view *v)
{
    const arguments *given = v->invocation.given;
    if (given->samples) return show_samples(v);
    fm_status status = open_view(v);
    if (status != FM_OK) return status;
    if (given->graph) return print_graph(v);
    if (given->plan || given->why) return print_program(v, given->why);
    if (given->profile) return print_profile(v);
    if (given->json) {
        print_json(v);
    } else {
        layer_table_print(&v->invocation.out, &v->layers);
        print_training(v);
    }
    return FM_OK;
}

/* An option that a table cannot heed, or NULL. */
static const char *option_of_recipes(const arguments *given)
{
    return given->samples   ? "samples"
           : given->graph   ? "graph"
           : given->plan    ? "plan"
           : given->why     ? "why"
           : given->profile ? "profile"
                            : NULL;
}

int show_run(const arguments *given)
{
    const char *name = given->positional.items[0];
    const char *only = given->positional.count > 1 ? given->positional.items[1] : NULL;
    const show_table *table = show_table_find(name);
    const char *network = show_zoo_name(name);
    const char *odd = table || (network && !only) ? option_of_recipes(given) : NULL;
    if (odd) {
        fprintf(stderr, "fathom show: --%s is for a recipe or a model, '%s' is a table\n", odd,
                name);
        return EXIT_USAGE;
    }
    if (network && !only) return show_zoo_network(given, network);
    if (table) {
        if (!only && strcmp(name, "zoo") == 0) {
            show_zoo_list(given->json);
            return EXIT_DONE;
        }
        if (show_table_print(table, only, given->json)) return EXIT_DONE;
        const char *near = show_table_nearest(table, only);
        fprintf(stderr, "fathom show: the table %s has no '%s'%s%s%s\n", name, only,
                near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
        return EXIT_USAGE;
    }
    if (only) {
        fprintf(stderr, "fathom show: '%s' is one word too many\n", only);
        return EXIT_USAGE;
    }
    const char *words = given->samples ? NULL : option_of_recipes(given);
    if (words && given->json) {
        fprintf(stderr, "fathom show: --%s prints text, for which there is no --json\n", words);
        return EXIT_USAGE;
    }
    view v = {.name = name};
    if (!invocation_open(&v.invocation, given)) return EXIT_INTERNAL;
    fm_status status = show(&v);
    fm_recipe_data_close(&v.data);
    saved_model_close(&v.saved);
    return invocation_close(&v.invocation, status);
}
