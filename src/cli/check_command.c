/* fathom check */
#include "cli/commands.h"
#include "cli/exit_codes.h"
#include "cli/invocation.h"
#include "cli/json_lines.h"
#include "cli/memory_check.h"
#include "base/context.h"

#include <math.h>
#include <string.h>

static const char *const level_names[] = {"note", "warning", "error"};

/* ---- as text --------------------------------------------------------------------------------- */

static void print_finding(const terminal *t, const fm_finding *finding)
{
    enum { INDENT = 22 };
    const char *color = finding->level == FM_FINDING_ERROR     ? terminal_red(t)
                        : finding->level == FM_FINDING_WARNING ? terminal_bold(t)
                                                               : terminal_dim(t);
    printf("%s%-8s%s", color, level_names[finding->level], terminal_plain(t));
    int at = 8 + printf(" %-12s", fm_check_name(finding->check));
    terminal_wrap(t->stream, finding->found, INDENT, at, terminal_text_width(t));
    if (!*finding->advice) return;
    at = printf("%*s", INDENT - 1, "->");
    terminal_wrap(t->stream, finding->advice, INDENT, at, terminal_text_width(t));
}

static bool has_findings(const fm_check_report *report, int check)
{
    for (int i = 0; i < report->count; i++) {
        bool found = (int)report->findings[i].check == check;
        if (found && report->findings[i].level > FM_FINDING_NOTE) return true;
    }
    return false;
}

static void print_passed(const terminal *t, const fm_check_report *report)
{
    char line[512] = "";
    for (int k = 0; k < FM_CHECK_COUNT; k++) {
        if (!report->done[k] || has_findings(report, k)) continue;
        snprintf(line + strlen(line), sizeof line - strlen(line), "%s%s", *line ? ", " : "",
                 fm_check_name(k));
    }
    if (!*line) return;
    int at = printf("%-8s", "passed");
    terminal_wrap(t->stream, line, at + 1, at, terminal_text_width(t));
}

static void print_forecast(const terminal *t, const fm_check_report *report)
{
    char count[32], step[32], epoch[32], run[32], memory[32], line[512];
    if (!isfinite(report->run_seconds)) return; /* a step failed */
    snprintf(line, sizeof line,
             "a step of %lld sample%s takes %s, an epoch of %s step%s %s, %lld epoch%s %s; %s of "
             "memory; "
             "loss %.4g, after %lld steps %.4g",
             (long long)report->batch_size, report->batch_size == 1 ? "" : "s",
             show_seconds(report->step_seconds, step),
             show_count((double)report->steps_per_epoch, count),
             report->steps_per_epoch == 1 ? "" : "s", show_seconds(report->epoch_seconds, epoch),
             (long long)report->epochs, report->epochs == 1 ? "" : "s",
             show_seconds(report->run_seconds, run), show_bytes((double)report->memory, memory),
             report->first_loss, (long long)report->steps, report->last_loss);
    int at = printf("%-8s", "forecast");
    terminal_wrap(t->stream, line, at + 1, at, terminal_text_width(t));
}

static void print_text(const terminal *t, const fm_check_report *report)
{
    for (int i = 0; i < report->count; i++) print_finding(t, &report->findings[i]);
    print_passed(t, report);
    print_forecast(t, report);
    if (report->errors + report->warnings == 0) {
        printf("nothing stands in the way\n");
        return;
    }
    printf("%d error%s, %d warning%s\n", report->errors, report->errors == 1 ? "" : "s",
           report->warnings, report->warnings == 1 ? "" : "s");
}

/* ---- as JSON --------------------------------------------------------------------------------- */

static void print_json(const char *recipe, const fm_check_report *report)
{
    json_t *passed = json_array();
    for (int i = 0; i < report->count; i++) {
        const fm_finding *finding = &report->findings[i];
        json_print(json_pack("{s:s, s:s, s:s, s:o, s:o}", "event", "finding", "level",
                             level_names[finding->level], "check", fm_check_name(finding->check),
                             "found", json_text(finding->found), "advice",
                             json_text(finding->advice)));
    }
    for (int k = 0; k < FM_CHECK_COUNT; k++) {
        if (!report->done[k] || has_findings(report, k)) continue;
        json_array_append_new(passed, json_string(fm_check_name(k)));
    }
    json_print(json_pack(
        "{s:s, s:o, s:i, s:i, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:o, "
        "s:I}",
        "event", "check", "recipe", json_text(recipe), "errors", report->errors, "warnings",
        report->warnings, "passed", passed, "train_samples", (json_int_t)report->samples[0],
        "validation_samples", (json_int_t)report->samples[1], "test_samples",
        (json_int_t)report->samples[2], "batch_size", (json_int_t)report->batch_size, "epochs",
        (json_int_t)report->epochs, "steps_per_epoch", (json_int_t)report->steps_per_epoch, "steps",
        (json_int_t)report->steps, "first_loss", json_number(report->first_loss), "last_loss",
        json_number(report->last_loss), "step_seconds", json_number(report->step_seconds),
        "epoch_seconds", json_number(report->epoch_seconds), "run_seconds",
        json_number(report->run_seconds), "memory", (json_int_t)report->memory));
}

/* ---- the command ----------------------------------------------------------------------------- */

int check_run(const arguments *given)
{
    invocation s;
    fm_recipe *recipe = NULL;
    fm_check_report *report = NULL;
    const char *name = given->positional.items[0];
    if (!invocation_open(&s, given)) return EXIT_INTERNAL;
    fm_check_options how = {.limit = given->limit};
    double free_bytes = memory_free();
    if (isfinite(free_bytes)) how.free_memory = free_bytes;
    fm_status status = invocation_open_recipe(&s, &recipe);
    if (status == FM_OK) status = fm_recipe_check(recipe, &s.places, &how, &report);
    terminal_wipe(&s.err);
    if (report && given->json) print_json(name, report);
    if (report && !given->json) print_text(&s.out, report);
    bool errors = report && report->errors > 0;
    fm_check_report_destroy(report);
    fm_recipe_destroy(recipe);
    int code = invocation_close(&s, status);
    return code == EXIT_DONE && errors ? EXIT_FINDINGS : code;
}
