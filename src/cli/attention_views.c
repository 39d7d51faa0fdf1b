/* Attention as pictures of matrices, and as a page with the text. */
#include "cli/explain_attention.h"
#include "cli/html_image.h"
#include "cli/html_text.h"
#include "cli/sheet_canvas.h"
#include "fathom/text_data.h"

#include <math.h>
#include <string.h>

enum { CHANNELS = 3, LEAST_SIDE = 144, MOST_SIDE = 512, MOST_PIXELS = 1 << 26 };

/* ---- matrices -------------------------------------------------------------------------------- */

static int64_t side_of(int64_t positions)
{
    int64_t times = positions > 0 ? (LEAST_SIDE + positions - 1) / positions : 1;
    return positions * times < MOST_SIDE ? positions * times : MOST_SIDE;
}

/* What is shown of a map: queries and keys from their first on. */
typedef struct shown_part {
    int64_t first_query, queries, first_key, keys;
    double largest;
} shown_part;

static shown_part part_of(const attended *a, const fm_attention_map *map, int64_t head)
{
    shown_part p;
    attended_range(a, map, &p.first_key, &p.keys);
    bool all = p.keys == map->keys;
    p.first_query = all ? 0 : p.first_key;
    p.queries = all ? map->queries : p.keys;
    p.largest = 0;
    for (int64_t q = p.first_query; q < p.first_query + p.queries; q++) {
        for (int64_t k = p.first_key; k < p.first_key + p.keys; k++) {
            p.largest = fmax(p.largest, map->weights[(head * map->queries + q) * map->keys + k]);
        }
    }
    return p;
}

static double weight_at(const fm_attention_map *map, const shown_part *p, int64_t head, int64_t q,
                        int64_t k)
{
    int64_t row = head * map->queries + p->first_query + q;
    double weight = map->weights[row * map->keys + p->first_key + k];
    return p->largest > 0 ? weight / p->largest : 0;
}

/* From dark to orange, the matrix's largest weight. */
static void draw_matrix(const fm_image *to, int64_t top, int64_t left, int64_t height,
                        int64_t width, const fm_attention_map *map, const shown_part *p,
                        int64_t head)
{
    static const double dark[CHANNELS] = {18, 20, 26}, bright[CHANNELS] = {255, 150, 60};
    for (int64_t r = 0; r < height; r++) {
        for (int64_t c = 0; c < width; c++) {
            double share =
                sqrt(weight_at(map, p, head, r * p->queries / height, c * p->keys / width));
            uint8_t *pixel = to->pixels + ((top + r) * to->width + left + c) * CHANNELS;
            for (int k = 0; k < CHANNELS; k++) {
                pixel[k] = (uint8_t)(dark[k] + (bright[k] - dark[k]) * share + 0.5);
            }
        }
    }
}

/* ---- a sheet: a row a layer, heads to the right ---------------------------------------------- */

enum { HEADER = SHEET_CAPTION + 4 };

static int64_t row_height(const attended *a, const fm_attention_map *map)
{
    const shown_part p = part_of(a, map, 0);
    return HEADER + side_of(p.queries) + SHEET_CAPTION + SHEET_MARGIN;
}

static int64_t row_width(const attended *a, const fm_attention_map *map)
{
    const shown_part p = part_of(a, map, 0);
    return SHEET_MARGIN + map->heads * (side_of(p.keys) + SHEET_MARGIN);
}

static void draw_row(const fm_image *sheet, int64_t top, const attended *a,
                     const fm_attention_map *map)
{
    char words[320];
    snprintf(words, sizeof words, "%.60s  %.200s", a->title, map->layer);
    sheet_draw_text(sheet, top, SHEET_MARGIN, sheet->width - SHEET_MARGIN, words);
    for (int64_t h = 0; h < map->heads; h++) {
        const shown_part p = part_of(a, map, h);
        int64_t height = side_of(p.queries), width = side_of(p.keys);
        int64_t left = SHEET_MARGIN + h * (width + SHEET_MARGIN);
        draw_matrix(sheet, top + HEADER, left, height, width, map, &p, h);
        snprintf(words, sizeof words, "head %lld: %.2f", (long long)h, p.largest);
        sheet_draw_text(sheet, top + HEADER + height + 3, left, width, words);
    }
}

fm_status attention_sheet_write(const attention_view *view, const char *path)
{
    fm_context *context = view->s->context;
    fm_arena arena = {.context = context};
    int64_t height = SHEET_MARGIN, width = 0, top = SHEET_MARGIN;
    for (int64_t i = 0; i < view->count; i++) {
        const attended *a = &view->samples[i];
        for (int k = 0; k < a->map_count; k++) {
            height += row_height(a, &a->maps[k]);
            int64_t wide = row_width(a, &a->maps[k]);
            width = wide > width ? wide : width;
        }
    }
    if (height * width > MOST_PIXELS) {
        return fm_fail(
            context, FM_ERROR_LIMIT,
            "attention: %lld samples make a picture of %lld pixels, at most %d are drawn",
            (long long)view->count, (long long)(height * width), MOST_PIXELS);
    }
    fm_image sheet;
    fm_status status = sheet_open(&arena, height, width, &sheet);
    for (int64_t i = 0; i < view->count && status == FM_OK; i++) {
        const attended *a = &view->samples[i];
        for (int k = 0; k < a->map_count; k++) {
            draw_row(&sheet, top, a, &a->maps[k]);
            top += row_height(a, &a->maps[k]);
        }
    }
    if (status == FM_OK) status = fm_image_write_png(context, path, &sheet);
    fm_arena_release(&arena);
    return status;
}

/* ---- a page ---------------------------------------------------------------------------------- */

static void add_name(const attention_view *view, const attended *a, int64_t i, fm_text *body)
{
    char name[32];
    html_add_string(body, attended_name(view, a, i, name));
}

/* The text, each token as dark as the weight that it has on average. */
static void add_tokens(const attention_view *view, const attended *a, const fm_attention_map *map,
                       int64_t head, fm_text *body)
{
    const fm_vocabulary *vocabulary = fm_transform_vocabulary(view->saved->transform);
    double largest = 0;
    for (int64_t i = a->first; i < a->first + a->count; i++) {
        largest = fmax(largest, attended_received(a, map, head, i));
    }
    fm_text_add(body, "<p class=text>");
    for (int64_t i = a->first; i < a->first + a->count; i++) {
        size_t size;
        double received = attended_received(a, map, head, i);
        bool unknown, spaced = i > a->first &&
                               fm_vocabulary_spaced(vocabulary, a->tokens[i - 1], a->tokens[i]);
        const char *bytes = explain_token(view->saved, a->written, a->tokens, i, &size, &unknown);
        fm_text_add(body, "%s<span class=p style=\"--a:%.3f\" title=\"%.4f\">", spaced ? " " : "",
                    largest > 0 ? received / largest : 0, received);
        explain_token_html(body, bytes, size, unknown);
        fm_text_add(body, "</span>");
    }
    fm_text_add(body, "</p>\n");
}

static void add_table(const attention_view *view, const attended *a, const fm_attention_map *map,
                      int64_t head, const shown_part *p, fm_text *body)
{
    fm_text_add(body, "<div class=wide tabindex=0><table class=m><tr><td>");
    for (int64_t k = 0; k < p->keys; k++) {
        fm_text_add(body, "<th scope=col><span>");
        add_name(view, a, p->first_key + k, body);
        fm_text_add(body, "</span>");
    }
    for (int64_t q = 0; q < p->queries; q++) {
        fm_text_add(body, "<tr><th scope=row>");
        add_name(view, a, p->first_query + q, body);
        for (int64_t k = 0; k < p->keys; k++) {
            double share = weight_at(map, p, head, q, k);
            fm_text_add(body, "<td style=\"--a:%.3f\" title=\"%.4f\">", sqrt(share),
                        share * p->largest);
        }
    }
    fm_text_add(body, "</table></div>\n");
}

static fm_status add_picture(const attention_view *view, const fm_attention_map *map, int64_t head,
                             const shown_part *p, fm_text *body)
{
    fm_context *context = view->s->context;
    fm_arena arena = {.context = context};
    fm_image image;
    int64_t height = side_of(p->queries), width = side_of(p->keys);
    fm_status status = sheet_open(&arena, height, width, &image);
    if (status == FM_OK) {
        draw_matrix(&image, 0, 0, height, width, map, p, head);
        status = html_add_image(context, body, &image, 1,
                                "weights: a row for each query, a column for each key");
    }
    fm_arena_release(&arena);
    return status;
}

static fm_status add_map(const attention_view *view, const attended *a, const fm_attention_map *map,
                         fm_text *body)
{
    enum { MOST_CELLS = 40 };
    fm_status status = FM_OK;
    bool by_token = a->tokens && map->keys == a->length && map->queries == a->length;
    fm_text_add(body, "<h3>");
    html_add_string(body, map->layer);
    fm_text_add(body, map->causal ? " (causal)</h3>\n" : "</h3>\n");
    for (int64_t h = 0; h < map->heads && status == FM_OK; h++) {
        const shown_part p = part_of(a, map, h);
        fm_text_add(body, "<figure><figcaption>head %lld, largest weight %.3f</figcaption>\n",
                    (long long)h, p.largest);
        if (by_token) add_tokens(view, a, map, h, body);
        if (p.keys <= MOST_CELLS && p.queries <= MOST_CELLS) {
            add_table(view, a, map, h, &p, body);
        } else {
            status = add_picture(view, map, h, &p, body);
        }
        fm_text_add(body, "</figure>\n");
    }
    return status;
}

fm_status attention_page_write(const attention_view *view, const char *title, const char *path)
{
    static const char about[] = "What each head of attention looks at: rows are queries, columns "
                                "are keys, the stronger the "
                                "color the larger the weight (its square root). Above it the text, "
                                "each token by the weight that it "
                                "has from all queries.";
    fm_text body = FM_TEXT(view->s->context);
    fm_status status = FM_OK;
    for (int64_t i = 0; i < view->count && status == FM_OK; i++) {
        const attended *a = &view->samples[i];
        fm_text_add(&body, "<section><h2>");
        html_add_string(&body, a->title);
        fm_text_add(&body, "</h2>\n");
        for (int k = 0; k < a->map_count && status == FM_OK; k++) {
            status = add_map(view, a, &a->maps[k], &body);
        }
        fm_text_add(&body, "</section>\n");
    }
    if (status == FM_OK) status = explain_page_write(view->s->context, title, about, &body, path);
    fm_text_release(&body);
    return status;
}
