/* fathom eval */
#include "cli/commands.h"
#include "cli/exit_codes.h"
#include "cli/forecast_report.h"
#include "cli/json_lines.h"
#include "cli/progress.h"
#include "base/context.h"

#include <string.h>

typedef struct evaluation {
    invocation invocation;
    saved_model saved;
    fm_recipe_data data;
    const fm_dataset *set;
    const char *part;
    fm_scores scores;
    forecast_error forecasts;
    double seconds;
} evaluation;

/* Samples that training has not seen: the test set, else the validation part. */
static fm_status choose_set(evaluation *e)
{
    e->set = e->data.test ? e->data.test : e->data.validation;
    e->part = e->data.test ? "test" : "validation";
    if (e->set) return FM_OK;
    return fm_fail(e->invocation.context, FM_ERROR_ARGUMENT,
                   "%s: its recipe keeps no data aside; add test_split: 0.2 to the section data",
                   e->invocation.given->positional.items[0]);
}

/* ---- confusion ------------------------------------------------------------------------------- */

static const char *name_of_class(const char *const *names, int64_t index, char buffer[16])
{
    if (names) return names[index];
    snprintf(buffer, 16, "%d", (int)index);
    return buffer;
}

static void print_confusion(const evaluation *e, const double *matrix, int classes)
{
    enum { NARROWEST = 5, WIDEST = 16 };
    const char *const *names = NULL;
    char buffer[16];
    int width = NARROWEST;
    fm_dataset_classes(e->set, &names);
    for (int i = 0; i < classes; i++) {
        int size = terminal_columns(name_of_class(names, i, buffer));
        if (size > width) width = size < WIDEST ? size : WIDEST;
    }
    printf("\n%-*s  predicted\n%-*s ", width, "", width, "true");
    for (int j = 0; j < classes; j++) {
        putchar(' ');
        terminal_cell(stdout, name_of_class(names, j, buffer), width, true);
    }
    for (int i = 0; i < classes; i++) {
        putchar('\n');
        terminal_cell(stdout, name_of_class(names, i, buffer), width, false);
        putchar(' ');
        for (int j = 0; j < classes; j++) printf(" %*.0f", width, matrix[i * classes + j]);
    }
    printf("\n");
}

/* The counts, where the recipe asked for them; NULL otherwise. */
static const double *find_confusion(const evaluation *e, int64_t *classes)
{
    for (int i = 0; i < fm_model_metric_count(e->saved.model); i++) {
        if (!is_confusion_matrix(fm_model_metric_name(e->saved.model, i))) continue;
        return fm_metric_matrix(fm_model_metric(e->saved.model, i), classes);
    }
    return NULL;
}

static json_t *confusion_object(const double *matrix, int64_t classes)
{
    json_t *rows = json_array();
    for (int64_t i = 0; i < classes; i++) {
        json_t *row = json_array();
        for (int64_t j = 0; j < classes; j++) {
            json_array_append_new(row, json_number(matrix[i * classes + j]));
        }
        json_array_append_new(rows, row);
    }
    return rows;
}

/* ---- telling --------------------------------------------------------------------------------- */

static void print_json(const evaluation *e)
{
    json_t *object = json_pack("{s:s}", "event", "eval");
    json_t *scores = json_scores(e->saved.model, &e->scores);
    json_object_update(object, scores);
    json_decref(scores);
    int64_t classes;
    const double *matrix = find_confusion(e, &classes);
    if (matrix) {
        json_object_set_new(object, "confusion_matrix", confusion_object(matrix, classes));
    }
    if (e->forecasts.about) {
        json_object_set_new(object, "forecasts", forecast_error_json(&e->forecasts));
    }
    json_object_set_new(object, "part", json_string(e->part));
    json_object_set_new(object, "samples", json_integer(e->scores.samples));
    json_object_set_new(object, "seconds", json_number(e->seconds));
    json_print(object);
}

/* A part that was cut from the training data has their name. */
static bool is_cut(const evaluation *e)
{
    const char *train = fm_dataset_about(e->data.raw_train)->name;
    return strcmp(fm_dataset_about(e->set)->name, train) == 0;
}

static void print_text(const evaluation *e)
{
    char line[1024] = "", count[32], time[32], of[32] = "";
    show_scores(e->saved.model, &e->scores, "", line, sizeof line);
    if (is_cut(e)) snprintf(of, sizeof of, "the %s part of ", e->part);
    printf("%-10s%s\n%s samples of %s%s in %s\n", e->part, line,
           show_count((double)e->scores.samples, count), of, fm_dataset_about(e->set)->name,
           show_seconds(e->seconds, time));
    forecast_error_print(&e->forecasts);
    enum { MOST_CLASSES = 20 }; /* wider ones do not fit a screen */
    int64_t classes;
    const double *matrix = find_confusion(e, &classes);
    if (matrix && classes <= MOST_CLASSES) print_confusion(e, matrix, (int)classes);
}

/* ---- the command ----------------------------------------------------------------------------- */

static fm_status eval(evaluation *e)
{
    fm_status status =
        saved_model_open(&e->invocation, e->invocation.given->positional.items[0], &e->saved);
    if (status != FM_OK) return status;
    status = fm_recipe_open_data(e->saved.recipe, &e->invocation.places, e->saved.transform_json,
                                 &e->data);
    terminal_wipe(&e->invocation.err);
    if (status == FM_OK) status = choose_set(e);
    double began = seconds_now();
    fm_evaluate_options how = {.batch_size = EVALUATION_BATCH};
    if (status == FM_OK) status = fm_evaluate(e->saved.model, e->set, &how, &e->scores);
    if (status != FM_OK) return status;
    e->seconds = seconds_now() - began;
    status = forecast_error_open(&e->invocation, &e->saved, e->set, &e->forecasts);
    if (status == FM_OK && e->invocation.given->plot) {
        status = forecast_error_plot(&e->invocation, &e->saved, e->set);
    }
    if (status != FM_OK) return status;
    if (e->invocation.given->json) {
        print_json(e);
    } else {
        print_text(e);
    }
    return FM_OK;
}

int eval_run(const arguments *given)
{
    evaluation e = {0};
    if (!invocation_open(&e.invocation, given)) return EXIT_INTERNAL;
    fm_status status = eval(&e);
    forecast_error_close(&e.invocation, &e.forecasts);
    fm_recipe_data_close(&e.data);
    saved_model_close(&e.saved);
    return invocation_close(&e.invocation, status);
}
