/* fathom train */
#include "cli/commands.h"
#include "cli/exit_codes.h"
#include "cli/gradient_report.h"
#include "cli/json_lines.h"
#include "cli/machine_note.h"
#include "cli/memory_check.h"
#include "cli/progress.h"
#include "cli/train_folds.h"
#include "base/context.h"
#include "base/fields.h"
#include "base/file.h"

#include <math.h>
#include <string.h>

enum { PATH_SIZE = 4096 };

typedef struct training {
    invocation invocation;
    progress progress;
    fm_recipe *recipe;
    fm_recipe_data data;
    fm_model *model;
    fm_model_file *resumed; /* NULL: from the beginning */
    char out[PATH_SIZE], best[PATH_SIZE];
    double began;
    int64_t parameters;
    bool has_test;
    fm_scores test;
} training;

/* ---- names of files -------------------------------------------------------------------------- */

static const char suffix[] = ".safetensors";

/* "recipes/iris.yaml" -> "iris.safetensors"; a resumed file goes on under its name. */
static void choose_out(training *t)
{
    const arguments *given = t->invocation.given;
    if (given->out || given->resume) {
        snprintf(t->out, PATH_SIZE, "%s", given->out ? given->out : given->resume);
        return;
    }
    const char *path = given->positional.items[0], *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path, *dot = strrchr(name, '.');
    int size = dot && dot != name ? (int)(dot - name) : (int)strlen(name);
    snprintf(t->out, PATH_SIZE, "%.*s%s", size < 1024 ? size : 1024, name, suffix);
}

static void choose_best(training *t)
{
    size_t size = strlen(t->out), tail = strlen(suffix);
    bool cut = size > tail && strcmp(t->out + size - tail, suffix) == 0;
    snprintf(t->best, PATH_SIZE, "%.*s.best%s", (int)(cut ? size - tail : size), t->out, suffix);
}

/* NULL: none is written. */
static const char *timeline_of(const training *t)
{
    const char *given = t->invocation.given->timeline;
    return given ? given : fm_recipe_about(t->recipe)->fit.timeline;
}

enum { OUTPUTS = 4 };

typedef struct output {
    const char *what, *path; /* path NULL: it is not written */
} output;

static void list_outputs(const training *t, output outputs[OUTPUTS])
{
    const fm_recipe_settings *settings = fm_recipe_about(t->recipe);
    outputs[0] = (output){"model", t->out};
    outputs[1] = (output){"best model", settings->keep_best ? t->best : NULL};
    outputs[2] = (output){"timeline", timeline_of(t)};
    outputs[3] = (output){"history", settings->fit.csv};
}

/* Where data came from is known once it is open. */
static fm_status check_data_kept(training *t)
{
    output outputs[OUTPUTS];
    list_outputs(t, outputs);
    const fm_dataset *const sets[] = {t->data.raw_train, t->data.raw_validation, t->data.raw_test};
    for (int i = 0; i < OUTPUTS; i++) {
        for (int k = 0; k < 3 && outputs[i].path; k++) {
            const char *origin = sets[k] ? fm_dataset_about(sets[k])->origin : NULL;
            if (!origin || !fm_file_same(outputs[i].path, origin)) continue;
            return fm_fail(t->invocation.context, FM_ERROR_ARGUMENT,
                           "%s: the %s would be written over its data", outputs[i].path,
                           outputs[i].what);
        }
    }
    return FM_OK;
}

/* ---- opening --------------------------------------------------------------------------------- */

static fm_status open_recipe(training *t)
{
    const arguments *given = t->invocation.given;
    fm_context *context = t->invocation.context;
    if (given->resume) {
        fm_status status = fm_model_file_open(context, given->resume, &t->resumed);
        if (status != FM_OK) return status;
    }
    if (given->positional.count > 0) {
        return invocation_open_recipe(&t->invocation, &t->recipe);
    }
    const char *text = fm_model_file_note(t->resumed, "recipe");
    if (!text) {
        return fm_fail(context, FM_ERROR_FORMAT,
                       "%s: holds no recipe; name it: fathom train RECIPE --resume %s",
                       given->resume, given->resume);
    }
    return fm_recipe_parse(context, given->resume, text, strlen(text), given->set.items,
                           given->set.count, &t->recipe);
}

static fm_status count_parameters(training *t)
{
    const fm_layer_row *rows;
    int count;
    const fm_data_field *x = &fm_transform_output(t->data.transform)->fields[0];
    fm_status status = fm_recipe_layers(t->recipe, x->shape, x->dtype, &rows, &count);
    for (int i = 0; i < count && status == FM_OK; i++) t->parameters += rows[i].parameters;
    return status;
}

/* The notes of the file give way to those of this run. */
static fm_status load_resumed(training *t)
{
    fm_status status = fm_model_load(t->model, t->invocation.given->resume, NULL);
    if (status != FM_OK) return status;
    return fm_model_set_note(t->model, "recipe", fm_recipe_text(t->recipe));
}

static int64_t samples_of(const fm_dataset *dataset)
{
    return dataset ? fm_dataset_about(dataset)->count : 0;
}

static fm_status check_memory(training *t)
{
    const fm_field *field = fm_field_find(fm_fit_fields, "batch_size");
    int64_t batch = fm_field_int(field, &fm_recipe_about(t->recipe)->fit);
    int64_t samples = samples_of(t->data.train);
    if (samples < 1) return FM_OK; /* fit says so */
    return memory_check(&t->invocation, t->model, samples < batch ? samples : batch);
}

static fm_status open_training(training *t)
{
    fm_status status = open_recipe(t);
    if (status != FM_OK) return status;
    choose_out(t);
    choose_best(t);
    const char *fitted = t->resumed ? fm_model_file_note(t->resumed, "transform") : NULL;
    status = fm_recipe_open_data(t->recipe, &t->invocation.places, fitted, &t->data);
    if (fitted && (status == FM_ERROR_ARGUMENT || status == FM_ERROR_SHAPE)) {
        status =
            fm_fail_prefix(t->invocation.context, "--resume %s: ", t->invocation.given->resume);
    }
    terminal_wipe(&t->invocation.err);
    if (status == FM_OK) status = check_data_kept(t);
    if (status == FM_OK) status = fm_recipe_create_model(t->recipe, t->data.transform, &t->model);
    if (status == FM_OK) {
        status = t->resumed ? load_resumed(t) : fm_recipe_start(t->recipe, t->model);
    }
    if (status == FM_OK) status = machine_note_set(t->model);
    if (status == FM_OK) status = count_parameters(t);
    return status == FM_OK ? check_memory(t) : status;
}

static void announce_part(const fm_dataset *part, const char *what)
{
    char count[32];
    if (part) fprintf(stderr, ", %s %s", show_count((double)samples_of(part), count), what);
}

static void announce(const training *t)
{
    const arguments *given = t->invocation.given;
    const char *name = given->positional.count > 0 ? given->positional.items[0] : given->resume;
    char count[32];
    int threads = fm_context_threads(t->invocation.context);
    if (given->json) {
        json_print(json_pack("{s:s, s:o, s:o, s:I, s:I, s:I, s:I, s:i}", "event", "start", "recipe",
                             json_text(name), "out", json_text(t->out), "parameters",
                             (json_int_t)t->parameters, "train_samples",
                             (json_int_t)samples_of(t->data.train), "validation_samples",
                             (json_int_t)samples_of(t->data.validation), "test_samples",
                             (json_int_t)samples_of(t->data.test), "threads", threads));
    }
    if (given->quiet) return;
    const int64_t samples = samples_of(t->data.train);
    fprintf(stderr, "%s sample%s", show_count((double)samples, count), samples == 1 ? "" : "s");
    announce_part(t->data.validation, "to validate");
    announce_part(t->data.test, "to test");
    fprintf(stderr, "; %s parameters; %d thread%s\n", show_count((double)t->parameters, count),
            threads, threads == 1 ? "" : "s");
}

/* ---- training -------------------------------------------------------------------------------- */

static fm_status fit(training *t)
{
    const fm_recipe_settings *settings = fm_recipe_about(t->recipe);
    fm_fit_options options = settings->fit;
    const arguments *given = t->invocation.given;
    const fm_callback callbacks[] = {progress_callback(&t->progress),
                                     gradient_report_callback(&t->invocation)};
    fm_checkpoint checkpoint = {.path = t->out,
                                .every_steps = settings->checkpoint_every,
                                .pause = 1,
                                .best = settings->keep_best ? t->best : NULL,
                                .monitor = settings->monitor};
    options.validation = t->data.validation;
    options.resume = t->resumed != NULL;
    options.health = !settings->no_health;
    options.checkpoint = &checkpoint;
    options.callbacks = callbacks;
    bool tells_gradients =
        given->gradients || given->gradients_every || options.gradients_every != 0;
    options.callback_count = tells_gradients ? 2 : 1;
    if (given->tensorboard) options.tensorboard = given->tensorboard;
    options.timeline = timeline_of(t);
    if (given->gradients) options.gradients_every = FM_EACH_EPOCH;
    if (given->gradients_every) options.gradients_every = given->gradients_every;
    progress_catch_signals();
    fm_status status = fm_fit(t->model, t->data.train, &options);
    progress_release_signals();
    terminal_wipe(&t->invocation.err);
    return status;
}

static fm_status test(training *t)
{
    t->has_test = t->data.test != NULL;
    if (!t->has_test) return FM_OK;
    fm_evaluate_options how = {.batch_size = EVALUATION_BATCH};
    return fm_evaluate(t->model, t->data.test, &how, &t->test);
}

/* ---- telling --------------------------------------------------------------------------------- */

static const fm_epoch *kept_figures(const training *t)
{
    int64_t kept = kept_epoch(t->model, t->recipe);
    return kept >= 0 ? &fm_model_history(t->model)->epochs[kept] : NULL;
}

/* From 1 on; 0: none. */
static int64_t kept_number(const training *t)
{
    const fm_epoch *kept = kept_figures(t);
    return kept ? kept->epoch + 1 : 0;
}

/* Behind the lead. NULL: nothing. */
static void print_word(const char *lead, const char *word)
{
    if (!word) return;
    fprintf(stderr, "%s ", lead);
    terminal_word(stderr, word);
}

/* Whoever pastes the line goes on with what was given: a recipe that is named is read again. */
static void tell_interrupted(const training *t)
{
    const arguments *given = t->invocation.given;
    if (given->json) {
        json_print(json_pack("{s:s, s:o}", "event", "interrupted", "resume", json_text(t->out)));
    }
    fprintf(stderr, "interrupted; everything is saved. To go on:\n  fathom train");
    print_word("", given->positional.count > 0 ? given->positional.items[0] : NULL);
    print_word(" --resume", t->out);
    for (int i = 0; i < given->set.count; i++) print_word(" --set", given->set.items[i]);
    print_word(" --data", given->data);
    print_word(" --tensorboard", given->tensorboard);
    fprintf(stderr, "\n");
}

/* What all epochs have spent, whichever is kept; NaN of training that is not private. */
static double last_epsilon(const training *t)
{
    const fm_history *history = fm_model_history(t->model);
    return history->count > 0 ? history->epochs[history->count - 1].epsilon : NAN;
}

static double target_delta(const training *t)
{
    const fm_privacy_options *privacy = fm_recipe_about(t->recipe)->model.privacy;
    return fm_field_real(fm_field_find(fm_privacy_fields, "target_delta"), privacy);
}

/* Of the time of all steps; NaN when none was made. */
static double share_of_waiting(const training *t)
{
    return t->progress.seconds > 0 ? t->progress.data_wait / t->progress.seconds : NAN;
}

static void print_end_event(const training *t)
{
    const fm_epoch *epoch = kept_figures(t);
    json_t *end = json_pack("{s:s, s:I}", "event", "end", "epochs",
                            (json_int_t)fm_model_history(t->model)->count);
    if (epoch) json_object_set_new(end, "train", json_scores(t->model, &epoch->train));
    if (epoch && epoch->validation.samples > 0) {
        json_object_set_new(end, "validation", json_scores(t->model, &epoch->validation));
    }
    if (t->has_test) json_object_set_new(end, "test", json_scores(t->model, &t->test));
    if (!isnan(last_epsilon(t))) {
        json_object_set_new(end, "epsilon", json_number(last_epsilon(t)));
        json_object_set_new(end, "delta", json_number(target_delta(t)));
    }
    json_object_set_new(end, "kept_epoch", json_integer(kept_number(t)));
    double speed = t->progress.seconds > 0 ? t->progress.samples / t->progress.seconds : NAN;
    json_object_set_new(end, "samples_per_second", json_number(speed));
    json_object_set_new(end, "seconds", json_number(seconds_now() - t->began));
    json_object_set_new(end, "data_wait", json_number(t->progress.data_wait));
    json_object_set_new(end, "data_wait_share", json_number(share_of_waiting(t)));
    if (timeline_of(t)) json_object_set_new(end, "timeline", json_text(timeline_of(t)));
    json_object_set_new(end, "parameters", json_integer(t->parameters));
    json_object_set_new(end, "out", json_text(t->out));
    json_print(end);
}

static void print_part(const training *t, const char *name, const fm_scores *scores)
{
    char line[1024] = "";
    show_scores(t->model, scores, "", line, sizeof line);
    printf("%-10s%s\n", name, line);
}

/* Unasked where it is worth a change. */
static void print_waiting(const training *t)
{
    const double share = share_of_waiting(t);
    const bool notable = t->progress.seconds > 1 && share > 0.1;
    if (!notable && !(timeline_of(t) && share >= 0)) return;
    char time[32];
    printf("%-10s  %s for data, %.1f %% of the time of steps", "waited",
           show_seconds(t->progress.data_wait, time), 100 * share);
    if (timeline_of(t)) printf("; timeline: %s", timeline_of(t));
    printf("\n");
}

static const char *const stop_words[] = {
    [FM_STOP_EARLY] = " (stopped early: no improvement)",
    [FM_STOP_TIME] = " (stopped by the time limit)",
    [FM_STOP_CALLBACK] = "",
};

static void print_end(const training *t)
{
    const fm_history *history = fm_model_history(t->model);
    const fm_epoch *epoch = kept_figures(t);
    char time[32], speed[32];
    bool told = history->stop < sizeof stop_words / sizeof stop_words[0];
    const char *words = told ? stop_words[history->stop] : NULL;
    if (epoch) print_part(t, "train", &epoch->train);
    if (epoch && epoch->validation.samples > 0) print_part(t, "validation", &epoch->validation);
    if (t->has_test) print_part(t, "test", &t->test);
    if (!isnan(last_epsilon(t))) {
        printf("%-10s  epsilon %s at delta %g\n", "privacy", show_figure(last_epsilon(t), time),
               target_delta(t));
    }
    print_waiting(t);
    printf("%lld epoch%s in %s%s", (long long)history->count, history->count == 1 ? "" : "s",
           show_seconds(seconds_now() - t->began, time), words ? words : "");
    if (t->progress.seconds > 0) {
        printf(", %s samples/s", show_count(t->progress.samples / t->progress.seconds, speed));
    }
    if (kept_epoch(t->model, t->recipe) < history->count - 1) {
        printf("; epoch %lld was the best", (long long)kept_number(t));
    }
    printf("; saved as %s\n", t->out);
}

/* A run that was done already has nothing to add. */
static void tell_done(const training *t)
{
    bool trained = t->progress.samples > 0 || t->progress.interrupted;
    if (trained || !t->resumed || t->invocation.given->quiet) return;
    fprintf(stderr, "%s has its %lld epochs; to add some: --epochs N\n",
            t->invocation.given->resume, (long long)fm_model_history(t->model)->count);
}

static fm_status train(training *t)
{
    fm_status status = open_training(t);
    if (status != FM_OK) return status;
    announce(t);
    status = fit(t);
    if (status == FM_OK) status = fm_model_save(t->model, t->out, NULL);
    if (status != FM_OK) return status;
    if (t->progress.interrupted) {
        tell_interrupted(t);
        return FM_ERROR_CANCELLED;
    }
    tell_done(t);
    status = test(t);
    if (status != FM_OK) return status;
    t->invocation.given->json ? print_end_event(t) : print_end(t);
    return FM_OK;
}

/* An option that tells of one training, or NULL. */
static const char *option_of_one(const arguments *given)
{
    return given->tensorboard       ? "tensorboard"
           : given->timeline        ? "timeline"
           : given->gradients       ? "gradients"
           : given->gradients_every ? "gradients-every"
                                    : NULL;
}

int train_run(const arguments *given)
{
    if (given->positional.count == 0 && !given->resume) {
        fprintf(stderr, "fathom train: %s\nTry 'fathom train --help'.\n", given->command->missing);
        return EXIT_USAGE;
    }
    if (given->folds && given->resume) {
        fprintf(stderr, "fathom train: --folds begins anew, there is nothing to --resume\n");
        return EXIT_USAGE;
    }
    if (given->folds && option_of_one(given)) {
        fprintf(stderr, "fathom train: --%s tells of one training, --folds makes several\n",
                option_of_one(given));
        return EXIT_USAGE;
    }
    training t = {0};
    if (!invocation_open(&t.invocation, given)) return EXIT_INTERNAL;
    t.began = seconds_now();
    t.progress.invocation = &t.invocation;
    fm_status status = given->folds ? train_folds(&t.invocation) : train(&t);
    fm_model_destroy(t.model);
    fm_recipe_data_close(&t.data);
    fm_recipe_destroy(t.recipe);
    fm_model_file_close(t.resumed);
    return invocation_close(&t.invocation, status);
}
