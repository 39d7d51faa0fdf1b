#include "cli/tune_table.h"
#include "cli/json_lines.h"
#include "cli/progress.h"
#include "cli/tune_files.h"
#include "base/memory.h"

#include <math.h>
#include <string.h>

enum { CELL = 28, FIXED = 3, MOST_ROWS = 24, LIVE_ROWS = 8, LAST_ROWS = 10 };
static const double redraw_seconds = 0.25;

/* ---- cells ----------------------------------------------------------------------------------- */

/* Where the last `words` words of a dotted name begin. */
static const char *tail_of(const char *name, int words)
{
    const char *at = name + strlen(name);
    while (at > name) {
        at--;
        if (*at == '.' && --words == 0) return at + 1;
    }
    return name;
}

/* The last words of a name, as many as tell it from the others'. */
static const char *short_name(const fm_space *space, int parameter)
{
    const char *name = space->parameters[parameter].name, *tail = name;
    for (int words = 1; words < 8; words++) {
        tail = tail_of(name, words);
        bool alone = true;
        for (int i = 0; i < space->count; i++) {
            const char *other = space->parameters[i].name;
            if (i != parameter && strcmp(tail_of(other, words), tail) == 0) alone = false;
        }
        if (alone || tail == name) break;
    }
    return tail;
}

static void head_cell(const tuning *t, int column, char cell[CELL])
{
    const char *const fixed[FIXED] = {"trial", t->monitor, "epochs"};
    const char *name =
        column < FIXED ? fixed[column] : short_name(fm_search_space(t->search), column - FIXED);
    snprintf(cell, CELL, "%s", name);
}

static void trial_cell(const tuning *t, int64_t number, int column, char cell[CELL])
{
    fm_trial trial = fm_search_trial(t->search, number);
    const fm_space *space = fm_search_space(t->search);
    char text[256];
    if (column == 0) {
        snprintf(cell, CELL, "%lld", (long long)number);
    } else if (column == 1) {
        snprintf(cell, CELL, "%.6g", trial.value);
    } else if (column == 2) {
        snprintf(cell, CELL, "%lld", (long long)trial.epochs);
    } else {
        fm_parameter_text(&space->parameters[column - FIXED], trial.values[column - FIXED], text,
                          sizeof text);
        snprintf(cell, CELL, "%.*s", CELL - 1, *text ? text : "-");
    }
}

/* ---- the table ------------------------------------------------------------------------------- */

typedef struct table {
    int64_t rows[MOST_ROWS];
    int count, columns;
    int widths[FIXED + FM_MAX_PARAMETERS];
} table;

/* The best trials; as many columns as fit. */
static fm_status make_table(const tuning *t, int most, int width, table *made)
{
    int64_t count = fm_search_trial_count(t->search);
    int64_t *order = fm_allocate_array(t->invocation.context, (size_t)count + 1, 2 * sizeof *order);
    if (!order) return FM_ERROR_MEMORY;
    *made = (table){.columns = FIXED + fm_search_space(t->search)->count};
    fm_search_ranking(t->search, order);
    for (int64_t i = 0; i < count && made->count < most; i++) {
        if (isnan(fm_search_trial(t->search, order[i]).value)) break;
        made->rows[made->count++] = order[i];
    }
    fm_release(t->invocation.context, order);
    int used = 0;
    for (int c = 0; c < made->columns; c++) {
        char cell[CELL];
        head_cell(t, c, cell);
        int widest = (int)strlen(cell);
        for (int r = 0; r < made->count; r++) {
            trial_cell(t, made->rows[r], c, cell);
            if ((int)strlen(cell) > widest) widest = (int)strlen(cell);
        }
        made->widths[c] = widest;
        used += widest + 2;
        if (width > 0 && used > width) made->columns = c;
    }
    return FM_OK;
}

static void print_row(const tuning *t, const table *of, int64_t trial, FILE *stream)
{
    for (int c = 0; c < of->columns; c++) {
        char cell[CELL];
        if (trial < 0) {
            head_cell(t, c, cell);
        } else {
            trial_cell(t, trial, c, cell);
        }
        bool last = c + 1 == of->columns;
        fprintf(stream, "%s%-*s", c ? "  " : "", last ? 0 : of->widths[c], cell);
    }
    fputc('\n', stream);
}

static int64_t count_failed(const tuning *t, int64_t *first)
{
    int64_t failed = 0;
    for (int64_t i = fm_search_trial_count(t->search) - 1; i >= 0; i--) {
        if (fm_search_trial(t->search, i).state != FM_TRIAL_FAILED) continue;
        *first = i;
        failed++;
    }
    return failed;
}

void tune_table_print(tuning *t)
{
    table best;
    char figure[32], time[32];
    int width = t->invocation.out.live ? terminal_width(&t->invocation.out) : 0;
    int64_t top = fm_search_best(t->search), failed, first = -1;
    if (top < 0 || make_table(t, LAST_ROWS, width, &best) != FM_OK) return;
    print_row(t, &best, -1, stdout);
    for (int i = 0; i < best.count; i++) print_row(t, &best, best.rows[i], stdout);
    failed = count_failed(t, &first);
    if (failed > 0) {
        printf("%lld failed; trial %lld: %s\n", (long long)failed, (long long)first,
               t->notes[first].reason ? t->notes[first].reason : "");
    }
    printf("%lld trial%s, %lld epochs in %s; the best is trial %lld, %s %s\n",
           (long long)fm_search_trial_count(t->search),
           fm_search_trial_count(t->search) == 1 ? "" : "s", (long long)t->epochs,
           show_seconds(tuning_seconds(t), time), (long long)top, t->monitor,
           show_figure(fm_search_trial(t->search, top).value, figure));
}

/* ---- the live block -------------------------------------------------------------------------- */

void tune_table_wipe(tuning *t)
{
    if (t->drawn > 0) fprintf(stderr, "\033[%dA\r\033[J", t->drawn);
    t->drawn = 0;
}

static void draw_head(tuning *t)
{
    const terminal *err = &t->invocation.err;
    int64_t trials, epochs;
    char time[32], of_trials[32] = "", of_epochs[32] = "", bar[256];
    fm_search_forecast(t->search, &trials, &epochs);
    if (trials >= 0) snprintf(of_trials, sizeof of_trials, " of %lld", (long long)trials);
    if (epochs >= 0) snprintf(of_epochs, sizeof of_epochs, " of %lld", (long long)epochs);
    if (epochs > 0 && terminal_width(err) >= 80) {
        terminal_bar(err, (double)t->epochs / (double)epochs, 20, bar, sizeof bar);
        fprintf(stderr, "%s  ", bar);
    }
    fprintf(stderr, "trials %lld%s  epochs %lld%s  %s\n",
            (long long)fm_search_trial_count(t->search), of_trials, (long long)t->epochs, of_epochs,
            show_seconds(tuning_seconds(t), time));
}

static int draw_running(tuning *t)
{
    int lines = 0;
    for (int i = 0; i < t->slots && lines < LIVE_ROWS; i++) {
        const running_trial *r = &t->running[i];
        char figure[32] = "", time[32];
        if (r->trial < 0) continue;
        if (!isnan(r->value)) show_figure(r->value, figure);
        fprintf(stderr, "%strial %lld  epoch %lld/%lld  %s%s%s  %s%s\n",
                terminal_dim(&t->invocation.err), (long long)r->trial, (long long)r->epoch,
                (long long)r->to, *figure ? t->monitor : "", *figure ? " " : "", figure,
                show_seconds(seconds_now() - r->began, time), terminal_plain(&t->invocation.err));
        lines++;
    }
    return lines;
}

void tune_table_draw(tuning *t, bool now)
{
    double clock = seconds_now();
    table best;
    if (!t->invocation.err.live || t->invocation.given->quiet) return;
    if (!now && clock - t->drawn_at < redraw_seconds) return;
    int width = terminal_width(&t->invocation.err) - 1;
    if (make_table(t, LIVE_ROWS, width, &best) != FM_OK) return;
    tune_table_wipe(t);
    t->drawn_at = clock;
    draw_head(t);
    t->drawn = 1;
    if (best.count > 0) {
        print_row(t, &best, -1, stderr);
        for (int i = 0; i < best.count; i++) print_row(t, &best, best.rows[i], stderr);
        t->drawn += best.count + 1;
    }
    t->drawn += draw_running(t);
    fflush(stderr);
}

/* ---- a trial that was told ------------------------------------------------------------------- */

json_t *tune_parameters(const tuning *t, const double *values)
{
    const fm_space *space = fm_search_space(t->search);
    json_t *object = json_object();
    for (int i = 0; i < space->count; i++) {
        const fm_parameter *p = &space->parameters[i];
        char text[256];
        if (isnan(values[i])) continue;
        fm_parameter_text(p, values[i], text, sizeof text);
        bool choice = p->kind == FM_PARAMETER_CHOICE;
        json_object_set_new(object, p->name, choice ? json_text(text) : json_number(values[i]));
    }
    return object;
}

static void print_event(const tuning *t, int64_t number)
{
    fm_trial trial = fm_search_trial(t->search, number);
    const trial_note *note = &t->notes[number];
    json_t *event = json_pack(
        "{s:s, s:I, s:s, s:o, s:I, s:I, s:o, s:o}", "event", "trial", "trial", (json_int_t)number,
        "state", tune_state_names[trial.state], "value", json_number(trial.value), "epochs",
        (json_int_t)note->trained, "epoch", (json_int_t)note->epoch, "seconds",
        json_number(note->seconds), "parameters", tune_parameters(t, trial.values));
    if (note->reason) json_object_set_new(event, "reason", json_text(note->reason));
    json_print(event);
}

static void print_line(const tuning *t, int64_t number)
{
    fm_trial trial = fm_search_trial(t->search, number);
    const fm_space *space = fm_search_space(t->search);
    const trial_note *note = &t->notes[number];
    char figure[32];
    fprintf(stderr, "trial %lld  ", (long long)number);
    if (note->reason) {
        fprintf(stderr, "failed: %s ", note->reason);
    } else {
        fprintf(stderr, "%s %s%s  epochs %lld ", t->monitor, show_figure(trial.value, figure),
                fm_search_best(t->search) == number ? " (best)" : "", (long long)trial.epochs);
    }
    for (int i = 0; i < space->count; i++) {
        char text[256];
        if (isnan(trial.values[i])) continue;
        fm_parameter_text(&space->parameters[i], trial.values[i], text, sizeof text);
        fprintf(stderr, " %s=%s", short_name(space, i), text);
    }
    fputc('\n', stderr);
}

void tune_table_told(tuning *t, int64_t trial)
{
    if (t->invocation.given->json) print_event(t, trial);
    if (!t->invocation.given->quiet && !t->invocation.err.live) print_line(t, trial);
    tune_table_draw(t, true);
}
