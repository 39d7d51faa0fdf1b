#include "cli/progress.h"
#include "cli/json_lines.h"
#include "cli/unfinished_file.h"

#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>

enum { LINE_SIZE = 1024 };
static const double redraw_seconds = 0.1, plain_seconds = 30;

/* ---- signals --------------------------------------------------------------------------------- */

static volatile sig_atomic_t asked_to_stop;

static void ask_to_stop(int signal_number)
{
    asked_to_stop = 1;
    signal(signal_number, end_by_signal);
}

static void set_handlers(void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

void progress_catch_signals(void)
{
    asked_to_stop = 0;
    set_handlers(ask_to_stop);
}

void progress_release_signals(void)
{
    set_handlers(end_by_signal);
}

bool progress_asked_to_stop(void)
{
    return asked_to_stop;
}

/* ---- figures --------------------------------------------------------------------------------- */

const char *show_figure(double value, char buffer[32])
{
    if (isnan(value)) return strcpy(buffer, "nan"); /* without a sign */
    double size = fabs(value);
    const char *format = size >= 1e6 || (size < 5e-4 && size > 0) ? "%.3e"
                         : size >= 1000                           ? "%.0f"
                         : size >= 10                             ? "%.2f"
                                                                  : "%.4f";
    snprintf(buffer, 32, format, value);
    return buffer;
}

__attribute__((format(printf, 3, 4))) static void add(char *text, size_t size, const char *format,
                                                      ...)
{
    size_t used = strlen(text);
    va_list values;
    va_start(values, format);
    vsnprintf(text + used, size - used, format, values);
    va_end(values);
}

bool is_confusion_matrix(const char *metric)
{
    return strcmp(metric, fm_metric_at(FM_CONFUSION_MATRIX)->name) == 0;
}

void show_scores(const fm_model *model, const fm_scores *scores, const char *prefix, char *text,
                 size_t size)
{
    char figure[32];
    add(text, size, "  %sloss %s", prefix, show_figure(scores->loss, figure));
    for (int i = 0; i < fm_model_metric_count(model); i++) {
        const char *name = fm_model_metric_name(model, i);
        if (is_confusion_matrix(name)) continue;
        add(text, size, "  %s%s %s", prefix, name, show_figure(scores->metrics[i], figure));
    }
}

static void show_epoch_number(const fm_event *event, char *text, size_t size)
{
    char epochs[32];
    int width = snprintf(epochs, sizeof epochs, "%lld", (long long)event->epochs);
    add(text, size, "epoch %*lld/%s", width, (long long)event->epoch + 1, epochs);
}

int64_t kept_epoch(const fm_model *model, const fm_recipe *recipe)
{
    const fm_history *history = fm_model_history(model);
    const fm_early_stopping *stopping = fm_recipe_about(recipe)->fit.early_stopping;
    int64_t last = history->count - 1, kept = last;
    if (!stopping || !stopping->restore_best || history->best_epoch < 0) return last;
    while (kept >= 0 && history->epochs[kept].epoch != history->best_epoch) kept--;
    return kept >= 0 ? kept : last;
}

/* ---- the live line --------------------------------------------------------------------------- */

enum { WIDEST_BAR = 30, NARROWEST_BAR = 6 };

static void draw_live(progress *p, const fm_event *event)
{
    char head[64] = "", tail[LINE_SIZE] = "", bar[512] = "", line[2 * LINE_SIZE], speed[32],
         eta[32];
    fm_scores scores;
    double share = (double)event->batch / (double)event->batches;
    fm_event_scores(event, &scores);
    show_epoch_number(event, head, sizeof head);
    add(tail, sizeof tail, " %3d%%", (int)(100 * share));
    show_scores(event->model, &scores, "", tail, sizeof tail);
    add(tail, sizeof tail, "  %s samples/s", show_count(event->samples_per_second, speed));
    if (isfinite(event->eta)) add(tail, sizeof tail, "  ETA %s", show_seconds(event->eta, eta));

    int width = terminal_width(&p->invocation->err) - 1;
    int room = width - (int)strlen(head) - (int)strlen(tail) - 1;
    if (room >= NARROWEST_BAR) {
        terminal_bar(&p->invocation->err, share, room < WIDEST_BAR ? room : WIDEST_BAR, bar,
                     sizeof bar);
        snprintf(line, sizeof line, "%s %s%s", head, bar, tail);
    } else {
        snprintf(line, sizeof line, "%s%s", head, tail);
        if (width > 0 && width < (int)strlen(line)) line[width] = '\0';
    }
    terminal_draw(&p->invocation->err, line);
}

/* Where nothing can be drawn over, a line now and then tells that it is alive. */
static void print_plain(const fm_event *event)
{
    char line[LINE_SIZE] = "";
    fm_scores scores;
    fm_event_scores(event, &scores);
    show_epoch_number(event, line, sizeof line);
    add(line, sizeof line, "  %3d%%", (int)(100 * event->batch / event->batches));
    show_scores(event->model, &scores, "", line, sizeof line);
    fprintf(stderr, "%s\n", line);
}

static fm_status at_batch_end(void *user, fm_event *event)
{
    progress *p = user;
    if (asked_to_stop) {
        p->interrupted = true;
        event->stop = true;
    }
    if (p->invocation->given->quiet) return FM_OK;
    double now = seconds_now();
    bool live = p->invocation->err.live;
    if (now - p->drawn_at < (live ? redraw_seconds : plain_seconds)) return FM_OK;
    bool first = p->drawn_at == 0;
    p->drawn_at = now;
    if (live) {
        draw_live(p, event);
    } else if (!first) {
        print_plain(event);
    }
    return FM_OK;
}

static fm_status at_validation_begin(void *user, fm_event *event)
{
    progress *p = user;
    (void)event;
    if (!p->invocation->given->quiet && p->invocation->err.drawn) {
        terminal_draw(&p->invocation->err, "validation ...");
    }
    return FM_OK;
}

/* ---- the end of an epoch --------------------------------------------------------------------- */

/* Speed and time are left out where they would not fit. */
static void print_epoch(progress *p, const fm_event *event)
{
    char line[LINE_SIZE] = "", tail[128], speed[32], time[32];
    const fm_epoch *epoch = event->finished;
    show_epoch_number(event, line, sizeof line);
    show_scores(event->model, &epoch->train, "", line, sizeof line);
    if (epoch->validation.samples > 0) {
        show_scores(event->model, &epoch->validation, "val_", line, sizeof line);
    }
    if (!isnan(epoch->epsilon)) {
        add(line, sizeof line, "  epsilon %s", show_figure(epoch->epsilon, speed));
    }
    int size =
        snprintf(tail, sizeof tail, "  %s samples/s  %s",
                 show_count(event->samples_per_second, speed), show_seconds(epoch->seconds, time));
    const terminal *t = &p->invocation->err;
    bool fits = !t->live || (int)strlen(line) + size < terminal_width(t);
    terminal_wipe(&p->invocation->err);
    fprintf(stderr, "%s%s\n", line, fits ? tail : "");
}

/* Of epochs that pass in a blink, some are told; the first and the last always. */
static bool worth_a_line(progress *p, const fm_event *event)
{
    double now = seconds_now();
    bool last = event->epoch + 1 == event->epochs;
    if (!last && now - p->epoch_at < redraw_seconds) return false;
    p->epoch_at = now;
    return true;
}

static void print_epoch_event(const fm_event *event)
{
    const fm_epoch *epoch = event->finished;
    json_t *object = json_pack("{s:s, s:I, s:I, s:o}", "event", "epoch", "epoch",
                               (json_int_t)event->epoch + 1, "epochs", (json_int_t)event->epochs,
                               "train", json_scores(event->model, &epoch->train));
    if (epoch->validation.samples > 0) {
        json_object_set_new(object, "validation", json_scores(event->model, &epoch->validation));
    }
    if (!isnan(epoch->epsilon)) {
        json_object_set_new(object, "epsilon", json_number(epoch->epsilon));
    }
    json_object_set_new(object, "learning_rate", json_number(epoch->learning_rate));
    json_object_set_new(object, "samples_per_second", json_number(event->samples_per_second));
    json_object_set_new(object, "seconds", json_number(epoch->seconds));
    json_object_set_new(object, "data_wait", json_number(epoch->data_wait));
    json_print(object);
}

static fm_status at_epoch_end(void *user, fm_event *event)
{
    progress *p = user;
    if (event->samples_per_second > 0) {
        p->samples += (double)event->samples;
        p->seconds += (double)event->samples / event->samples_per_second;
        p->data_wait += event->finished->data_wait;
    }
    if (!p->invocation->given->quiet && worth_a_line(p, event)) print_epoch(p, event);
    if (p->invocation->given->json) print_epoch_event(event);
    return FM_OK;
}

fm_callback progress_callback(progress *p)
{
    return (fm_callback){
        .name = "progress",
        .user = p,
        .batch_end = at_batch_end,
        .validation_begin = at_validation_begin,
        .epoch_end = at_epoch_end,
    };
}
