/* Maps of what the model makes of its evaluation set: t-SNE and PCA side by side, as SVG. */
#include "cli/report_parts.h"
#include "cli/embedding_map.h"
#include "cli/scatter_chart.h"

#include <math.h>

enum { SIDE = 400, MOST_SAMPLES = 1000, COLORS = 10, MOST_NAMED = 20, VALUE_STEPS = 8 };

typedef struct part {
    const report *r;
    embedding *e;
    double low, high; /* of the values */
    int groups;       /* classes, steps of the values, or one */
} part;

/* ---- groups of one color --------------------------------------------------------------------- */

static void measure(part *p)
{
    const embedding *e = p->e;
    p->low = INFINITY;
    p->high = -INFINITY;
    for (int64_t i = 0; e->values && i < e->count; i++) {
        if (!isfinite(e->values[i])) continue;
        p->low = fmin(p->low, e->values[i]);
        p->high = fmax(p->high, e->values[i]);
    }
    p->groups = e->labels ? e->class_count : e->values ? VALUE_STEPS : 1;
}

/* -1: has none */
static int group_of(const part *p, int64_t i)
{
    const embedding *e = p->e;
    if (e->labels) return e->labels[i];
    if (!e->values) return 0;
    if (!isfinite(e->values[i])) return -1;
    double share = p->high > p->low ? (e->values[i] - p->low) / (p->high - p->low) : 0;
    return share < 1 ? (int)(share * VALUE_STEPS) : VALUE_STEPS - 1;
}

static void add_color(const part *p, int group)
{
    if (p->e->values) {
        fm_text_add(p->r->body, "color-mix(in srgb,var(--c1) %d%%,var(--c0))",
                    100 * group / (VALUE_STEPS - 1));
    } else {
        fm_text_add(p->r->body, "var(--c%d)", group % COLORS);
    }
}

/* ---- a map ----------------------------------------------------------------------------------- */

typedef struct frame {
    const double *places;
    double middle[2], scale;
} frame;

static frame frame_of(const double *places, int64_t count)
{
    frame f = {.places = places};
    double low[2] = {INFINITY, INFINITY}, high[2] = {-INFINITY, -INFINITY}, span = 0;
    for (int64_t i = 0; i < 2 * count; i++) {
        low[i % 2] = fmin(low[i % 2], places[i]);
        high[i % 2] = fmax(high[i % 2], places[i]);
    }
    for (int k = 0; k < 2; k++) {
        f.middle[k] = (low[k] + high[k]) / 2;
        span = fmax(span, high[k] - low[k]);
    }
    f.scale = span > 0 ? 0.94 * SIDE / span : 1;
    return f;
}

static double place(const frame *f, int64_t i, int k)
{
    double off = f->scale * (f->places[2 * i + k] - f->middle[k]);
    return SIDE / 2.0 + (k ? -off : off);
}

/* A round end of a line without length is a dot. */
static void add_dots(const part *p, const frame *f, int group)
{
    fm_text *body = p->r->body;
    fm_text_add(body, "<path class=dots data-class=%d style=\"stroke:", group);
    add_color(p, group);
    fm_text_add(body, "\" d=\"");
    for (int64_t i = 0; i < p->e->count; i++) {
        if (group_of(p, i) == group) {
            fm_text_add(body, "M%.1f %.1fh0", place(f, i, 0), place(f, i, 1));
        }
    }
    fm_text_add(body, "\"/>");
}

static void add_class_name(const part *p, const frame *f, int group)
{
    const embedding *e = p->e;
    int64_t i = scatter_middle(p->r->s->context, f->places, e->labels, e->count, group);
    if (i < 0) return;
    fm_text_add(p->r->body, "<text class=spot data-class=%d x=%.1f y=%.1f>", group, place(f, i, 0),
                place(f, i, 1) + 5);
    html_add_string(p->r->body, e->names[group]);
    fm_text_add(p->r->body, "</text>");
}

static void add_map(const part *p, const embedding_map *map)
{
    char note[128];
    fm_text *body = p->r->body;
    const embedding *e = p->e;
    const frame f = frame_of(map->places, e->count);
    fm_text_add(body,
                "<figure><figcaption>%s <span class=soft>%s</span></figcaption><svg class=map "
                "viewBox=\"0 0 %d %d\" role=img aria-label=\"%s of %lld samples\">",
                map->method->title, embedding_map_note(map, note), SIDE, SIDE, map->method->title,
                (long long)e->count);
    for (int k = 0; k < p->groups; k++) add_dots(p, &f, k);
    for (int k = 0; e->labels && p->groups <= MOST_NAMED && k < p->groups; k++) {
        add_class_name(p, &f, k);
    }
    fm_text_add(body, "</svg>");
    if (!isnan(map->agreement[1])) {
        fm_text_add(body, "<div class=soft>%.1f %% of the %d nearest have the same class</div>",
                    100 * map->agreement[1], EMBEDDING_NEIGHBORS);
    }
    fm_text_add(body, "</figure>\n");
}

/* ---- around them ----------------------------------------------------------------------------- */

static int64_t count_of(const part *p, int group)
{
    int64_t count = 0;
    for (int64_t i = 0; i < p->e->count; i++) count += group_of(p, i) == group;
    return count;
}

/* Classes are buttons: pressed, the others fade. */
static void add_legend(const part *p)
{
    fm_text *body = p->r->body;
    const embedding *e = p->e;
    if (e->values) {
        fm_text_add(body, "<p class=soft>from <b>%.6g</b> ", p->low);
        for (int k = 0; k < VALUE_STEPS; k++) {
            fm_text_add(body, "<span class=dot style=\"background:");
            add_color(p, k);
            fm_text_add(body, "\"></span>");
        }
        fm_text_add(body, " to <b>%.6g</b></p>\n", p->high);
    }
    if (!e->labels) return;
    fm_text_add(body, "<p class=classes>");
    for (int k = 0; k < p->groups; k++) {
        fm_text_add(body,
                    "<button data-class=%d aria-pressed=false><span class=dot "
                    "style=\"background:var(--c%d)\"></span>",
                    k, k % COLORS);
        html_add_string(body, e->names[k]);
        fm_text_add(body, " <span class=soft>%lld</span></button>", (long long)count_of(p, k));
    }
    fm_text_add(body, "</p>\n");
}

static void add_words(const part *p, double agreement)
{
    char words[FM_SHAPE_TEXT];
    fm_text *body = p->r->body;
    const embedding *e = p->e;
    fm_text_add(body, "<p class=soft>%lld samples, evenly spread; features %s of ",
                (long long)e->count, fm_shape_text(e->shape, words));
    html_add_string(body, e->layer);
    if (!isnan(agreement)) {
        fm_text_add(body, "; of the %d nearest in them %.1f %% have the same %sclass",
                    EMBEDDING_NEIGHBORS, 100 * agreement, e->predicted ? "predicted " : "");
    }
    fm_text_add(body, ". In the map by t-SNE only who is near whom means something</p>\n");
}

static fm_status add_maps(const report *r, embedding *e)
{
    part p = {.r = r, .e = e};
    enum { MOST_METHODS = 4 };
    embedding_map maps[MOST_METHODS];
    int count = 0;
    fm_status status = FM_OK;
    for (; embedding_methods[count].name && count < MOST_METHODS && status == FM_OK; count++) {
        status = embedding_map_make(e, &embedding_methods[count], NULL, &maps[count]);
    }
    if (status != FM_OK) return status;
    measure(&p);
    fm_text_add(r->body, "<div class=embedding><h3>Features</h3>");
    add_words(&p, maps[0].agreement[0]);
    add_legend(&p);
    fm_text_add(r->body, "<div class=charts>\n");
    for (int i = 0; i < count; i++) add_map(&p, &maps[i]);
    fm_text_add(r->body, "</div></div>\n");
    return FM_OK;
}

/* A model of which there is no map is told on the page, and is no failure. */
fm_status report_add_embedding(const report *r, const report_run *run, const fm_dataset *raw,
                               const fm_dataset *set)
{
    embedding e;
    const embedding_request request = {.raw = raw, .prepared = set, .most = MOST_SAMPLES};
    fm_status status = embedding_open(r->s, &run->saved, &request, &e);
    if (status == FM_OK) status = add_maps(r, &e);
    embedding_close(&e);
    if (status == FM_OK || status == FM_ERROR_CANCELLED || status == FM_ERROR_MEMORY) return status;
    fm_text_add(r->body, "<p class=soft>no map of features: ");
    html_add_string(r->body, fm_error_message(r->s->context));
    fm_text_add(r->body, "</p>\n");
    return FM_OK;
}
