/* What a model is: its layers, what its first layer has learned to see, its recipe. */
#include "cli/report_parts.h"
#include "cli/html_image.h"
#include "cli/machine_note.h"
#include "cli/sheet_canvas.h"
#include "cli/terminal.h"

#include <math.h>
#include <string.h>

fm_status report_add_image(const report *r, const fm_image *image, int times, const char *words)
{
    return html_add_image(r->s->context, r->body, image, times, words);
}

/* ---- layers ---------------------------------------------------------------------------------- */

static fm_status add_layers(const report *r, const report_run *run)
{
    char words[FM_SHAPE_TEXT], count_words[32];
    fm_dtype dtype;
    const fm_layer_row *rows;
    int count;
    int64_t parameters = 0;
    double flops = 0;
    fm_shape input = fm_model_input(run->saved.model, &dtype);
    fm_status status = fm_recipe_layers(run->saved.recipe, input, dtype, &rows, &count);
    if (status != FM_OK) return status;
    fm_text_add(r->body, "<h3>Layers</h3><div class=wide tabindex=0><table><tr><th>layer<th>kind"
                         "<th>output<th>parameters<th>FLOPs</tr>");
    for (int i = 0; i < count; i++) {
        parameters += rows[i].parameters;
        flops += rows[i].flops;
        fm_text_add(r->body, "<tr><td>");
        html_add_string(r->body, rows[i].name);
        fm_text_add(r->body, "<td>%s<td>%s<td>%s", rows[i].type,
                    fm_shape_text(rows[i].output, words),
                    show_count((double)rows[i].parameters, count_words));
        fm_text_add(r->body, "<td>%s</tr>", show_count(rows[i].flops, count_words));
    }
    fm_text_add(r->body, "<tr><th>%d layers<th><th>input %s<th>%s", count,
                fm_shape_text(input, words), show_count((double)parameters, count_words));
    fm_text_add(r->body, "<th>%s</tr></table></div>\n", show_count(flops, count_words));
    return FM_OK;
}

/* ---- filters of the first layer -------------------------------------------------------------- */

/* A kernel as pictures: of a convolution (height, width, channels, filters), or of a dense layer on
 * an image (pixels, units). */
typedef struct filters {
    int64_t height, width, channels, count;
    int index; /* in the store */
} filters;

static bool is_picture(int64_t height, int64_t width, int64_t channels)
{
    enum { SMALLEST = 3, LARGEST = 64 };
    return height >= SMALLEST && height <= LARGEST && width >= SMALLEST && width <= LARGEST &&
           (channels == 1 || channels == 3);
}

static bool find_filters(const fm_model *model, filters *found)
{
    fm_store *store = fm_model_store(model);
    fm_shape input = fm_model_input(model, NULL);
    for (int i = 0; i < fm_store_count(store); i++) {
        fm_variable_info info = fm_store_info(store, i);
        const char *slash = strrchr(info.path, '/');
        if (!slash || strcmp(slash, "/kernel") != 0 || info.dtype != FM_F32) continue;
        const int64_t *d = info.shape.dims;
        int64_t channels = input.rank == 3 ? input.dims[2] : 1;
        if (info.shape.rank == 4 && is_picture(d[0], d[1], d[2])) {
            *found = (filters){d[0], d[1], d[2], d[3], i};
            return true;
        }
        bool dense = info.shape.rank == 2 && input.rank >= 2 && input.rank <= 3 &&
                     d[0] == fm_shape_elements(input);
        if (dense && is_picture(input.dims[0], input.dims[1], channels)) {
            *found = (filters){input.dims[0], input.dims[1], channels, d[1], i};
            return true;
        }
        return false; /* the first kernel decides */
    }
    return false;
}

/* From minus its largest magnitude, black, to plus that, white; grey is zero. */
static void draw_filter(const filters *f, const float *kernel, int64_t number, const fm_image *to)
{
    int64_t elements = f->height * f->width * f->channels;
    float scale = 0;
    for (int64_t i = 0; i < elements; i++) {
        scale = fmaxf(scale, fabsf(kernel[i * f->count + number]));
    }
    for (int64_t i = 0; i < elements; i++) {
        float share = scale > 0 ? kernel[i * f->count + number] / scale : 0;
        to->pixels[i] = (uint8_t)(127.5f + 127.5f * share);
    }
}

static fm_status add_filters(const report *r, const report_run *run)
{
    enum { MOST = 64, SIDE = 48 };
    filters f;
    if (!find_filters(run->saved.model, &f)) return FM_OK;
    fm_store *store = fm_model_store(run->saved.model);
    int64_t shown = f.count < MOST ? f.count : MOST;
    fm_image image = {.height = f.height, .width = f.width, .channels = f.channels};
    size_t elements = (size_t)fm_shape_elements(fm_store_info(store, f.index).shape);
    float *kernel = fm_arena_allocate(r->arena, elements * sizeof *kernel);
    image.pixels =
        fm_arena_allocate(r->arena, (size_t)(image.height * image.width * image.channels));
    if (!kernel || !image.pixels) return FM_ERROR_MEMORY;
    fm_status status = fm_store_read(store, f.index, kernel);
    fm_text_add(r->body, "<h3>Filters of the first layer</h3><p class=soft>");
    html_add_string(r->body, fm_store_info(store, f.index).path);
    fm_text_add(r->body, ": %lld of %lld, grey is zero</p><div class=pictures>", (long long)shown,
                (long long)f.count);
    for (int64_t i = 0; i < shown && status == FM_OK; i++) {
        char words[32];
        snprintf(words, sizeof words, "filter %lld", (long long)i);
        draw_filter(&f, kernel, i, &image);
        int times = f.width < SIDE ? (int)(SIDE / f.width) : 1;
        status = report_add_image(r, &image, times, words);
    }
    fm_text_add(r->body, "</div>\n");
    return status;
}

/* ---- the machine ----------------------------------------------------------------------------- */

static void add_machine_row(void *user, const char *name, const char *words)
{
    fm_text *body = user;
    fm_text_add(body, "<tr><td>%s<td>", name);
    html_add_string(body, words);
    fm_text_add(body, "</tr>");
}

/* As it was noted when the model was trained. */
static void add_machine(const report *r, const report_run *run)
{
    const char *note = fm_model_note(run->saved.model, machine_note_key);
    const fm_history *history = fm_model_history(run->saved.model);
    double seconds = 0, waited = 0;
    char time[32];
    for (int64_t i = 0; i < history->count; i++) {
        seconds += history->epochs[i].seconds;
        waited += history->epochs[i].data_wait;
    }
    fm_text_add(r->body, "<h3>Machine</h3>");
    if (!note) fm_text_add(r->body, "<p class=soft>not recorded</p>");
    fm_text_add(r->body, "<div class=wide tabindex=0><table class=words>");
    machine_note_read(note, add_machine_row, r->body);
    fm_text_add(r->body, "<tr><td>training<td>%lld epoch%s in %s", (long long)history->count,
                history->count == 1 ? "" : "s", show_seconds(seconds, time));
    if (seconds > 0 && isfinite(waited)) {
        fm_text_add(r->body, "; steps waited for data %.1f %% of it", 100 * waited / seconds);
    }
    fm_text_add(r->body, "</tr></table></div>\n");
}

fm_status report_add_model(const report *r, const report_run *run)
{
    fm_status status = add_layers(r, run);
    if (status == FM_OK) status = add_filters(r, run);
    if (status != FM_OK) return status;
    add_machine(r, run);
    fm_text_add(r->body, "<h3>Recipe</h3><pre tabindex=0>");
    html_add_string(r->body, fm_recipe_text(run->saved.recipe));
    fm_text_add(r->body, "</pre>\n");
    return fm_text_status(r->body);
}
