/* Curves as SVG: a chart for each figure, a colour for each run, training solid,
 * validation dashed. */
#include "cli/report_parts.h"
#include "cli/line_chart.h"
#include "cli/progress.h"

#include <math.h>
#include <string.h>

enum { BOX_WIDTH = 600, BOX_HEIGHT = 280, LEFT = 62, RIGHT = 12, TOP = 12, BOTTOM = 28, TICKS = 5 };

typedef struct chart {
    const report *r;
    const char *name;
    int64_t epochs;
    double low, high;
} chart;

typedef struct curve {
    const report_series *series;
    const report_run *run;
    int color;
    bool dashed;
} curve;

/* Of run i: 0 training, 1 validation. */
static bool curve_at(const chart *c, int run, int part, curve *made)
{
    char name[160];
    snprintf(name, sizeof name, "%s%s", part ? "val_" : "", c->name);
    *made = (curve){report_find(&c->r->runs[run], name), &c->r->runs[run], run, part == 1};
    if (!made->series) return false;
    for (int64_t i = 0; i < made->run->epochs; i++) {
        if (isfinite(made->series->values[i])) return true;
    }
    return false;
}

static bool measure(chart *c)
{
    curve at;
    c->low = INFINITY;
    c->high = -INFINITY;
    for (int i = 0; i < 2 * c->r->count; i++) {
        if (!curve_at(c, i / 2, i % 2, &at)) continue;
        if (at.run->epochs > c->epochs) c->epochs = at.run->epochs;
        for (int64_t k = 0; k < at.run->epochs; k++) {
            if (!isfinite(at.series->values[k])) continue;
            c->low = fmin(c->low, at.series->values[k]);
            c->high = fmax(c->high, at.series->values[k]);
        }
    }
    if (!isfinite(c->low)) return false;
    double flat = c->high != 0 ? fabs(c->high) / 10 : 1;
    double room = c->high > c->low ? 0.04 * (c->high - c->low) : flat;
    c->low -= room;
    c->high += room;
    return true;
}

static double place_x(const chart *c, int64_t epoch)
{
    double share = c->epochs > 1 ? (double)epoch / (double)(c->epochs - 1) : 0;
    return LEFT + share * (BOX_WIDTH - LEFT - RIGHT);
}

static double place_y(const chart *c, double value)
{
    double share = (value - c->low) / (c->high - c->low);
    return BOX_HEIGHT - BOTTOM - share * (BOX_HEIGHT - TOP - BOTTOM);
}

static void add_grid(const chart *c, fm_text *to)
{
    char figure[32];
    double step = chart_step(c->high - c->low, TICKS);
    for (int i = 0; i < CHART_MOST_TICKS; i++) {
        double v = (ceil(c->low / step) + i) * step, y = place_y(c, v);
        if (!(v <= c->high)) break;
        fm_text_add(to,
                    "<line class=grid x1=%d x2=%d y1=%.1f y2=%.1f /><text x=%d y=%.1f "
                    "text-anchor=end>",
                    LEFT, BOX_WIDTH - RIGHT, y, y, LEFT - 6, y + 4);
        snprintf(figure, sizeof figure, "%.4g", fabs(v) < step / 1000 ? 0 : v);
        fm_text_add(to, "%s</text>", figure);
    }
    int64_t every = c->epochs > 8 ? (c->epochs + 7) / 8 : 1;
    for (int64_t i = 0; i < c->epochs; i += every) {
        fm_text_add(to, "<text x=%.1f y=%d text-anchor=middle>%lld</text>", place_x(c, i),
                    BOX_HEIGHT - 8, (long long)i + 1);
    }
}

static bool has_value(const curve *of, int64_t i)
{
    return i >= 0 && i < of->run->epochs && isfinite(of->series->values[i]);
}

/* A value between gaps has no line to lie on: it is a dash. */
static void add_line(const chart *c, const curve *of, fm_text *to)
{
    bool pen_down = false;
    fm_text_add(to, "<path class=\"curve%s\" stroke=\"var(--c%d)\" d=\"", of->dashed ? " val" : "",
                of->color);
    for (int64_t i = 0; i < of->run->epochs; i++) {
        double value = of->series->values[i];
        if (isfinite(value)) {
            fm_text_add(to, "%s%.1f %.1f", pen_down ? "L" : "M", place_x(c, i), place_y(c, value));
            if (!has_value(of, i - 1) && !has_value(of, i + 1)) fm_text_add(to, "h6");
        }
        pen_down = isfinite(value);
    }
    fm_text_add(to, "\"/>");
}

/* {"epochs":..,"curves":[{"name":..,"values":[..]}]} within an attribute in quotes. */
static void add_numbers(const chart *c, fm_text *to)
{
    curve at;
    bool first = true;
    fm_text_add(to,
                "{&quot;epochs&quot;:%lld,&quot;left&quot;:%d,&quot;width&quot;:%d,"
                "&quot;box&quot;:%d,&quot;curves&quot;:[",
                (long long)c->epochs, LEFT, BOX_WIDTH - LEFT - RIGHT, BOX_WIDTH);
    for (int i = 0; i < 2 * c->r->count; i++) {
        if (!curve_at(c, i / 2, i % 2, &at)) continue;
        fm_text_add(to,
                    "%s{&quot;name&quot;:&quot;%s %d&quot;,&quot;color&quot;:%d,"
                    "&quot;dash&quot;:%s,&quot;values&quot;:[",
                    first ? "" : ",", at.dashed ? "validation" : "training", i / 2 + 1, at.color,
                    at.dashed ? "true" : "false");
        for (int64_t k = 0; k < at.run->epochs; k++) {
            if (isfinite(at.series->values[k])) {
                fm_text_add(to, "%s%.6g", k ? "," : "", at.series->values[k]);
            } else {
                fm_text_add(to, "%snull", k ? "," : "");
            }
        }
        fm_text_add(to, "]}");
        first = false;
    }
    fm_text_add(to, "]}");
}

static void add_chart(const report *r, const char *name)
{
    chart c = {.r = r, .name = name};
    curve at;
    if (!measure(&c)) return;
    fm_text_add(r->body, "<figure data-chart=\"");
    add_numbers(&c, r->body);
    fm_text_add(r->body, "\"><figcaption>");
    html_add_string(r->body, name);
    fm_text_add(r->body,
                "</figcaption><svg viewBox=\"0 0 %d %d\" tabindex=0 role=img "
                "aria-label=\"",
                BOX_WIDTH, BOX_HEIGHT);
    html_add_string(r->body, name);
    fm_text_add(r->body, " by epoch; arrow keys read it\">");
    add_grid(&c, r->body);
    for (int i = 0; i < 2 * r->count; i++) {
        if (curve_at(&c, i / 2, i % 2, &at)) add_line(&c, &at, r->body);
    }
    fm_text_add(r->body,
                "<line class=cursor y1=%d y2=%d x1=0 x2=0 /></svg><div class=tip "
                "aria-live=polite></div></figure>\n",
                TOP, BOX_HEIGHT - BOTTOM);
}

static void add_legend(const report *r)
{
    fm_text_add(r->body, "<p>");
    for (int i = 0; i < r->count; i++) {
        fm_text_add(r->body, "<span class=key style=\"border-color:var(--c%d)\"></span>%d ", i,
                    i + 1);
        html_add_string(r->body, r->runs[i].name);
        fm_text_add(r->body, " <span class=soft>(%lld epoch%s)</span>",
                    (long long)r->runs[i].epochs, r->runs[i].epochs == 1 ? "" : "s");
    }
    fm_text_add(r->body, "<br><span class=soft>solid: training, dashed: validation; point at a "
                         "chart, or use the arrow keys on it</span></p>\n");
}

/* The best value that each run has reached, and when. */
static void add_best(const report *r)
{
    char figure[32];
    fm_text_add(r->body, "<div class=wide tabindex=0><table><tr><th>run<th>epochs<th>lowest "
                         "validation loss<th>at epoch<th>last training loss</tr>");
    for (int i = 0; i < r->count; i++) {
        const report_run *run = &r->runs[i];
        const report_series *val = report_find(run, "val_loss"), *loss = report_find(run, "loss");
        int64_t best = -1;
        for (int64_t k = 0; val && k < run->epochs; k++) {
            if (isfinite(val->values[k]) && (best < 0 || val->values[k] < val->values[best])) {
                best = k;
            }
        }
        fm_text_add(r->body, "<tr><td>%d<td>%lld", i + 1, (long long)run->epochs);
        if (best >= 0) {
            fm_text_add(r->body, "<td>%s<td>%lld", show_figure(val->values[best], figure),
                        (long long)best + 1);
        } else {
            fm_text_add(r->body, "<td>-<td>-");
        }
        bool known = loss && run->epochs > 0;
        fm_text_add(r->body, "<td>%s</tr>",
                    known ? show_figure(loss->values[run->epochs - 1], figure) : "-");
    }
    fm_text_add(r->body, "</table></div>\n");
}

/* Is it the first run's, and series', of this name? */
static bool is_first(const report *r, int run, const char *name)
{
    for (int i = 0; i < run; i++) {
        if (report_find(&r->runs[i], name)) return false;
    }
    return true;
}

fm_status report_add_curves(const report *r)
{
    fm_text_add(r->body, "<h2 id=curves>Training</h2>\n");
    add_legend(r);
    add_best(r);
    fm_text_add(r->body, "<div class=charts>\n");
    for (int i = 0; i < r->count; i++) {
        for (int k = 0; k < r->runs[i].series_count; k++) {
            const char *name = r->runs[i].series[k].name;
            bool told = strncmp(name, "val_", 4) == 0 || strcmp(name, "seconds") == 0 ||
                        is_confusion_matrix(name);
            if (!told && is_first(r, i, name)) add_chart(r, name);
        }
    }
    fm_text_add(r->body, "</div>\n");
    return fm_text_status(r->body);
}
