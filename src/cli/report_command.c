/* fathom report */
#include "cli/commands.h"
#include "cli/exit_codes.h"
#include "cli/report_parts.h"
#include "base/file.h"

#include <string.h>

static void add_name(const report *r, int i)
{
    const char *slash = strrchr(r->runs[i].name, '/');
    html_add_string(r->body, slash ? slash + 1 : r->runs[i].name);
}

static void add_names(const report *r)
{
    for (int i = 0; i < r->count; i++) {
        if (i) fm_text_add(r->body, ", ");
        add_name(r, i);
    }
}

static void begin_page(const report *r)
{
    fm_text_add_bytes(r->body, report_page_head, strlen(report_page_head));
    fm_text_add(r->body, "<title>");
    add_names(r);
    fm_text_add(r->body, "</title></head><body><h1>");
    add_names(r);
    fm_text_add(r->body, "</h1><nav><a href=\"#curves\">Training</a>");
    for (int i = 0; i < r->count; i++) {
        if (!r->runs[i].is_model) continue;
        fm_text_add(r->body, "<a href=\"#run%d\">", i + 1);
        add_name(r, i);
        fm_text_add(r->body, "</a>");
    }
    fm_text_add(r->body, "</nav>\n");
}

static fm_status fill_page(const report *r)
{
    begin_page(r);
    fm_status status = report_add_curves(r);
    for (int i = 0; i < r->count && status == FM_OK; i++) {
        if (!r->runs[i].is_model) continue;
        fm_text_add(r->body, "<section><h2 id=run%d>%d ", i + 1, i + 1);
        add_name(r, i);
        fm_text_add(r->body, "</h2>\n");
        status = report_add_evaluation(r, &r->runs[i]);
        report_add_health(r, &r->runs[i]);
        if (status == FM_OK) status = report_add_model(r, &r->runs[i]);
        fm_text_add(r->body, "</section>\n");
    }
    fm_text_add(r->body, "<p class=soft>fathom %s</p>\n", FM_VERSION);
    fm_text_add_bytes(r->body, report_page_script, strlen(report_page_script));
    fm_text_add(r->body, "</body></html>\n");
    return status;
}

static fm_status write_page(const report *r, const char *path)
{
    fm_status status = fm_file_write_text(r->body, path);
    if (status == FM_OK && !r->s->given->quiet) fprintf(stderr, "written: %s\n", path);
    return status;
}

static fm_status open_runs(report *r)
{
    const string_list *names = &r->s->given->positional;
    if (names->count > REPORT_MOST_RUNS) {
        return fm_fail(r->s->context, FM_ERROR_LIMIT, "%d runs were named, at most %d fit a page",
                       names->count, REPORT_MOST_RUNS);
    }
    r->runs = fm_arena_allocate(r->arena, REPORT_MOST_RUNS * sizeof *r->runs);
    if (!r->runs) return FM_ERROR_MEMORY;
    fm_status status = FM_OK;
    for (int i = 0; i < names->count && status == FM_OK; i++) {
        r->count++;
        status = report_run_open(r, names->items[i], &r->runs[i]);
    }
    return status;
}

int report_run_command(const arguments *given)
{
    invocation s;
    if (!invocation_open(&s, given)) return EXIT_INTERNAL;
    fm_arena arena = {.context = s.context};
    fm_text body = FM_TEXT(s.context);
    report r = {.s = &s, .arena = &arena, .body = &body};
    fm_status status = open_runs(&r);
    if (status == FM_OK) status = fill_page(&r);
    if (status == FM_OK) status = write_page(&r, given->out ? given->out : "report.html");
    for (int i = 0; i < r.count; i++) saved_model_close(&r.runs[i].saved);
    fm_text_release(&body);
    fm_arena_release(&arena);
    return invocation_close(&s, status);
}
