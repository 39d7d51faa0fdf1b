/* Layers over time: how large gradients and weights are, and what layers make of a batch. */
#include "cli/report_parts.h"
#include "cli/progress.h"
#include "fathom/gradients.h"

#include <math.h>
#include <string.h>

enum { SPARK_WIDTH = 84, SPARK_HEIGHT = 20, MOST_POINTS = 60 };

typedef struct figure {
    const char *name, *doc;
    size_t offset;
    bool logarithmic; /* drawn so: a size, not a place */
} figure;

static const figure figures[] = {
    {"gradient", "norm", offsetof(fm_layer_health, gradient_norm), true},
    {"weights", "norm", offsetof(fm_layer_health, weight_norm), true},
    {"mean", "of the output", offsetof(fm_layer_health, mean), false},
    {"deviation", "of the output", offsetof(fm_layer_health, deviation), true},
    {"zeros", "share", offsetof(fm_layer_health, zeros), false},
};
enum { FIGURES = sizeof figures / sizeof *figures };

static double value_of(const fm_health *h, int layer, int64_t epoch, const figure *f)
{
    const fm_layer_health *row = &h->rows[epoch * h->layer_count + layer];
    double value;
    memcpy(&value, (const char *)row + f->offset, sizeof value);
    return value;
}

/* The last epoch in which anything was measured, -1 without. */
static int64_t last_measured(const fm_health *h)
{
    int64_t epoch = h->epochs;
    while (epoch-- > 0) {
        for (int i = 0; i < h->layer_count; i++) {
            if (!isnan(h->rows[epoch * h->layer_count + i].mean)) return epoch;
        }
    }
    return -1;
}

/* ---- a curve in a cell ----------------------------------------------------------------------- */

static double drawn(double value, const figure *f)
{
    return f->logarithmic ? log(fmax(value, 1e-30)) : value;
}

static void add_spark(const fm_health *h, int layer, const figure *f, fm_text *body)
{
    double low = INFINITY, high = -INFINITY;
    for (int64_t k = 0; k < h->epochs; k++) {
        double value = value_of(h, layer, k, f);
        if (!isfinite(value)) continue;
        low = fmin(low, drawn(value, f));
        high = fmax(high, drawn(value, f));
    }
    if (h->epochs < 2 || !(low <= high)) return;
    int64_t step = (h->epochs + MOST_POINTS - 1) / MOST_POINTS;
    bool pen_down = false;
    fm_text_add(body, "<svg class=spark viewBox=\"0 0 %d %d\" aria-hidden=true><path d=\"",
                SPARK_WIDTH, SPARK_HEIGHT);
    for (int64_t k = 0; k < h->epochs; k += step) {
        double value = value_of(h, layer, k, f);
        if (isfinite(value)) {
            double share = high > low ? (drawn(value, f) - low) / (high - low) : 0.5;
            fm_text_add(body, "%s%.1f %.1f", pen_down ? "L" : "M",
                        2 + (double)k / (double)(h->epochs - 1) * (SPARK_WIDTH - 4),
                        SPARK_HEIGHT - 2 - share * (SPARK_HEIGHT - 4));
        }
        pen_down = isfinite(value);
    }
    fm_text_add(body, "\"/></svg>");
}

/* ---- what to look at ------------------------------------------------------------------------- */

/* The last layer with a gradient: the one that it reaches first. */
static double reference_of(const fm_health *h, int64_t epoch)
{
    for (int i = h->layer_count; i-- > 0;) {
        double norm = value_of(h, i, epoch, &figures[0]);
        if (!isnan(norm)) return norm;
    }
    return NAN;
}

static const char *finding_of(const fm_health *h, int layer, int64_t epoch)
{
    const double mostly_off = 0.95;
    const fm_layer_health *row = &h->rows[epoch * h->layer_count + layer];
    double reference = reference_of(h, epoch);
    if (!isnan(row->weight_norm)) {
        fm_gradient_state state = fm_gradient_judge(row->gradient_norm, reference);
        if (state != FM_GRADIENT_SOUND) return fm_gradient_state_name(state);
    }
    if (!isfinite(row->mean) || !isfinite(row->deviation)) return "not finite";
    return row->zeros > mostly_off ? "mostly zero" : "";
}

/* ---- the table ------------------------------------------------------------------------------- */

static void add_row(const fm_health *h, int layer, int64_t last, fm_text *body)
{
    char words[32];
    fm_text_add(body, "<tr><td>");
    html_add_string(body, h->layers[layer]);
    for (int k = 0; k < FIGURES; k++) {
        double value = value_of(h, layer, last, &figures[k]);
        fm_text_add(body, "<td>");
        if (isnan(value)) {
            fm_text_add(body, "-");
            continue;
        }
        add_spark(h, layer, &figures[k], body);
        fm_text_add(body, "%s", show_figure(value, words));
    }
    fm_text_add(body, "<td class=bad>%s</tr>", finding_of(h, layer, last));
}

void report_add_health(const report *r, const report_run *run)
{
    const fm_health h = fm_model_health(run->saved.model);
    int64_t last = last_measured(&h);
    fm_text *body = r->body;
    if (last < 0) return;
    fm_text_add(
        body,
        "<h3>Layers over time</h3><p class=soft>at the first step of each epoch: the curve "
        "from the first to epoch %lld, each in its own range, and the last value. A gradient "
        "below 1/10,000 of the last layer's vanishes, above 10,000 times it explodes</p>"
        "<div class=wide tabindex=0><table><tr><th>layer",
        (long long)last + 1);
    for (int k = 0; k < FIGURES; k++) {
        fm_text_add(body, "<th>%s<br><span class=soft>%s</span>", figures[k].name, figures[k].doc);
    }
    fm_text_add(body, "<th></tr>");
    for (int i = 0; i < h.layer_count; i++) add_row(&h, i, last, body);
    fm_text_add(body, "</table></div>\n");
}
