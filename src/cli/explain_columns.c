/* Columns of tables and steps of series: what each one adds, and what shuffling it takes away. */
#include "cli/explain_views.h"
#include "cli/json_lines.h"
#include "cli/progress.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BAR_WIDTH = 24, WIDEST_NAME = 32, MOST_ROWS = 20 };

/* ---- names ----------------------------------------------------------------------------------- */

/* Of the prepared sample's last dimension, else of the raw one's, where both have as many. */
static const fm_column *columns_of(const explained *e, int64_t count)
{
    const fm_data_field *in = &fm_transform_input(e->saved->transform)->fields[0];
    const fm_data_field *out = &fm_transform_output(e->saved->transform)->fields[0];
    if (out->columns) return out->columns;
    int rank = in->shape.rank;
    return in->columns && rank > 0 && in->shape.dims[rank - 1] == count ? in->columns : NULL;
}

const char *explain_element_name(const explained *e, int64_t i, char *buffer, size_t size)
{
    fm_shape shape = e->of[0].map_shape;
    int64_t last = shape.rank > 0 ? shape.dims[shape.rank - 1] : 1;
    const fm_column *columns = columns_of(e, last);
    const char *name = columns ? columns[i % last].name : NULL;
    char number[32];
    if (!name) {
        snprintf(number, sizeof number, "column %lld", (long long)(i % last));
        name = number;
    }
    if (shape.rank < 2) {
        snprintf(buffer, size, "%s", name);
    } else {
        snprintf(buffer, size, "step %lld %s", (long long)(i / last), name);
    }
    return buffer;
}

/* ---- one sample ------------------------------------------------------------------------------ */

static int by_weight(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    if (x->weight != y->weight) return x->weight < y->weight ? 1 : -1;
    return x->index < y->index ? -1 : 1;
}

void explained_rank(ranked *list, int64_t count)
{
    if (count > 0) qsort(list, (size_t)count, sizeof *list, by_weight);
}

/* "petal_width   +2.31  ########": the largest first. */
static void print_bars(const explained *e, const double *map, const ranked *rows, int64_t count)
{
    char bar[512], name[64];
    int width = 1;
    for (int64_t i = 0; i < count; i++) {
        explain_element_name(e, rows[i].index, name, sizeof name);
        int size = terminal_columns(name);
        if (size > width) width = size < WIDEST_NAME ? size : WIDEST_NAME;
    }
    for (int64_t i = 0; i < count; i++) {
        double largest = rows[0].weight;
        terminal_bar(&e->s->out, largest > 0 ? rows[i].weight / largest : 0, BAR_WIDTH, bar,
                     sizeof bar);
        printf("    ");
        explain_element_name(e, rows[i].index, name, sizeof name);
        terminal_cell(stdout, name, width, false);
        printf(" %+10.4g  %s\n", map[rows[i].index], bar);
    }
}

void explain_columns_print(const explained *e)
{
    for (int k = 0; k < e->count; k++) {
        int64_t count = fm_shape_elements(e->of[k].map_shape);
        ranked *rows = fm_allocate_array(e->s->context, (size_t)count, sizeof *rows);
        if (!rows) return;
        for (int64_t i = 0; i < count; i++) rows[i] = (ranked){i, fabs(e->of[k].map[i])};
        explained_rank(rows, count);
        print_bars(e, e->of[k].map, rows, count < MOST_ROWS ? count : MOST_ROWS);
        if (count > MOST_ROWS) printf("    and %d more\n", (int)(count - MOST_ROWS));
        fm_release(e->s->context, rows);
    }
}

/* ---- permutation importance ------------------------------------------------------------------ */

typedef struct importances {
    invocation *s;
    const saved_model *saved;
    fm_scores plain;
    fm_importance *rows;
    int64_t count;
    int64_t repeats;
    const char *part;
    int metric; /* the one that is told; -1: the loss alone */
} importances;

static const char *column_name(const importances *m, int64_t i, char buffer[32])
{
    if (m->rows[i].column) return m->rows[i].column;
    snprintf(buffer, 32, "column %lld", (long long)i);
    return buffer;
}

static int first_metric(const fm_model *model)
{
    for (int i = 0; i < fm_model_metric_count(model); i++) {
        if (!is_confusion_matrix(fm_model_metric_name(model, i))) return i;
    }
    return -1;
}

static void print_importance(const importances *m, const ranked *order)
{
    char bar[512], buffer[32], figure[32];
    int width = 6;
    const terminal *t = &m->s->out;
    const char *metric = fm_model_metric_name(m->saved->model, m->metric);
    for (int64_t i = 0; i < m->count; i++) {
        int size = terminal_columns(column_name(m, i, buffer));
        if (size > width) width = size < WIDEST_NAME ? size : WIDEST_NAME;
    }
    printf("%s part, %lld samples, %lld shuffles of each column: how much worse the loss of %s",
           m->part, (long long)m->plain.samples, (long long)m->repeats,
           show_figure(m->plain.loss, figure));
    if (metric) {
        printf(" and %s of %s become", metric, show_figure(m->plain.metrics[m->metric], figure));
    } else {
        printf(" becomes");
    }
    printf("\n%s  %-*s  %21s%*s  %s%s\n", terminal_dim(t), width, "column", "loss", BAR_WIDTH + 2,
           "", metric ? metric : "", terminal_plain(t));
    for (int64_t i = 0; i < m->count; i++) {
        const fm_importance *row = &m->rows[order[i].index];
        double largest = m->rows[order[0].index].loss;
        terminal_bar(t, largest > 0 ? fmax(row->loss, 0) / largest : 0, BAR_WIDTH, bar, sizeof bar);
        printf("  ");
        terminal_cell(stdout, column_name(m, order[i].index, buffer), width, false);
        printf("  %+9.4f +- %8.4f  %s", row->loss, row->loss_deviation, bar);
        if (metric) {
            printf("  %+8.4f +- %7.4f", row->metrics[m->metric], row->metric_deviations[m->metric]);
        }
        putchar('\n');
    }
}

static json_t *spread(double mean, double deviation)
{
    return json_pack("{s:o, s:o}", "mean", json_number(mean), "deviation", json_number(deviation));
}

static void print_objects(const importances *m, const ranked *order)
{
    char buffer[32];
    for (int64_t i = 0; i < m->count; i++) {
        const fm_importance *row = &m->rows[order[i].index];
        json_t *object = json_pack("{s:s, s:s, s:o, s:o}", "event", "importance", "part", m->part,
                                   "column", json_text(column_name(m, order[i].index, buffer)),
                                   "loss", spread(row->loss, row->loss_deviation));
        for (int k = 0; k < fm_model_metric_count(m->saved->model); k++) {
            const char *name = fm_model_metric_name(m->saved->model, k);
            if (is_confusion_matrix(name)) continue;
            json_object_set_new(object, name, spread(row->metrics[k], row->metric_deviations[k]));
        }
        json_print(object);
    }
}

static fm_status tell_importance(importances *m)
{
    ranked *order = fm_allocate_array(m->s->context, (size_t)m->count, sizeof *order);
    if (!order) return FM_ERROR_MEMORY;
    for (int64_t i = 0; i < m->count; i++) order[i] = (ranked){i, m->rows[i].loss};
    explained_rank(order, m->count);
    if (m->s->given->json) {
        print_objects(m, order);
    } else {
        print_importance(m, order);
    }
    fm_release(m->s->context, order);
    return FM_OK;
}

static fm_status measure_importance(importances *m, const fm_dataset *raw)
{
    if (!raw) {
        return fm_fail(m->s->context, FM_ERROR_ARGUMENT,
                       "permutation importance is measured on data that training has not seen; the "
                       "recipe keeps none aside: add test_split: 0.2 to its section data");
    }
    const fm_data_field *x = &fm_dataset_about(raw)->fields[0];
    m->count = x->shape.rank == 1 ? x->shape.dims[0] : 1;
    m->rows = fm_allocate_array(m->s->context, (size_t)m->count, sizeof *m->rows);
    if (!m->rows) return FM_ERROR_MEMORY;
    fm_status status = fm_permutation_importance(
        m->saved->model, raw, m->saved->transform,
        &(fm_permutation_options){.repeats = m->repeats, .seed = m->s->given->seed}, &m->plain,
        m->rows);
    return status == FM_OK ? tell_importance(m) : status;
}

fm_status explain_by_permutation(invocation *s, saved_model *saved)
{
    enum { USUAL_REPEATS = 5 };
    fm_recipe_data data;
    importances m = {.s = s,
                     .saved = saved,
                     .repeats = s->given->repeats ? s->given->repeats : USUAL_REPEATS,
                     .metric = first_metric(saved->model)};
    fm_status status = fm_recipe_open_data(saved->recipe, &s->places, saved->transform_json, &data);
    terminal_wipe(&s->err);
    if (status != FM_OK) return status;
    m.part = data.raw_test ? "test" : "validation";
    status = measure_importance(&m, data.raw_test ? data.raw_test : data.raw_validation);
    fm_release(s->context, m.rows);
    fm_recipe_data_close(&data);
    return status;
}
