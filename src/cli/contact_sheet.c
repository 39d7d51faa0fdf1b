#include "cli/contact_sheet.h"
#include "cli/sheet_canvas.h"
#include "base/context.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { COLUMNS = 8, ROWS = 5 };

typedef struct sheet {
    fm_context *context;
    const fm_recipe_data *data;
    bool sound;      /* features of recordings: time goes to the right, low columns are below */
    fm_image sample; /* as it is drawn */
    int64_t cell_height, cell_width; /* of its picture in the sheet */
    int64_t count;
    fm_image image;
    float *values;   /* of one sample */
    uint8_t *fitted; /* the picture in the size of the cell */
} sheet;

/* ---- samples ---- */

/* From the sample's smallest number, black, to its largest. */
static void restore_sound(const sheet *s, const float *x)
{
    const fm_image *to = &s->sample;
    int64_t count = to->height * to->width;
    float least = INFINITY, largest = -INFINITY;
    memcpy(s->values, x, (size_t)count * sizeof *x);
    fm_transform_restore_x(s->data->transform, s->values, 1);
    for (int64_t i = 0; i < count; i++) {
        least = fminf(least, s->values[i]);
        largest = fmaxf(largest, s->values[i]);
    }
    float factor = largest > least ? 255 / (largest - least) : 0;
    for (int64_t t = 0; t < to->width; t++) {
        for (int64_t c = 0; c < to->height; c++) {
            float value = (s->values[t * to->height + c] - least) * factor;
            to->pixels[(to->height - 1 - c) * to->width + t] = (uint8_t)(value + 0.5f);
        }
    }
}

static const char *class_name(const sheet *s, int64_t number, char buffer[32])
{
    const fm_column *column = fm_transform_input(s->data->transform)->fields[1].columns;
    if (column->categories && number >= 0 && number < column->category_count) {
        return column->categories[number];
    }
    snprintf(buffer, 32, "%lld", (long long)number);
    return buffer;
}

/* The classes with a share, the largest first; two are told. */
static void tell_shares(const sheet *s, const float *y, int64_t classes, char *text, size_t size)
{
    int64_t best = 0, second = -1;
    char buffer[32], other[32];
    for (int64_t k = 1; k < classes; k++) {
        if (y[k] > y[best]) best = k;
    }
    for (int64_t k = 0; k < classes; k++) {
        if (k != best && y[k] > 0.005f && (second < 0 || y[k] > y[second])) second = k;
    }
    if (second < 0) {
        snprintf(text, size, "%s", class_name(s, best, buffer));
        return;
    }
    snprintf(text, size, "%.0f%% %s %.0f%% %s", 100 * (double)y[best], class_name(s, best, buffer),
             100 * (double)y[second], class_name(s, second, other));
}

static void make_caption(const sheet *s, const fm_batch *batch, int64_t i, char *text, size_t size)
{
    const fm_dataset_info *about = fm_dataset_about(s->data->train);
    const fm_dataset_info *raw = fm_transform_input(s->data->transform);
    *text = '\0';
    if (about->field_count < 2 || raw->field_count < 2 || !raw->fields[1].columns) return;
    if (raw->fields[1].columns->kind != FM_COLUMN_CATEGORICAL) return;
    const fm_data_field *y = &about->fields[1];
    char buffer[32];
    if (y->dtype == FM_I32 && y->shape.rank == 0) {
        snprintf(text, size, "%s", class_name(s, ((const int32_t *)batch->y)[i], buffer));
    } else if (y->dtype == FM_F32 && y->shape.rank == 1) {
        int64_t classes = y->shape.dims[0];
        tell_shares(s, (const float *)batch->y + i * classes, classes, text, size);
    }
}

/* ---- drawing ---- */

static fm_status draw(sheet *s, const fm_batch *batch)
{
    fm_status status = FM_OK;
    int64_t elements = s->sample.height * s->sample.width * s->sample.channels;
    for (int64_t i = 0; i < s->count && status == FM_OK; i++) {
        char caption[64];
        const float *x = (const float *)batch->x + i * elements;
        int64_t row = i / COLUMNS * (s->cell_height + SHEET_CAPTION + SHEET_MARGIN);
        int64_t top = SHEET_MARGIN + row;
        int64_t left = SHEET_MARGIN + i % COLUMNS * (s->cell_width + SHEET_MARGIN);
        if (s->sound) {
            restore_sound(s, x);
        } else {
            sheet_restore(s->data->transform, x, s->values, &s->sample);
        }
        status = sheet_draw_image(s->context, &s->image, top, left, &s->sample, s->fitted);
        make_caption(s, batch, i, caption, sizeof caption);
        sheet_draw_text(&s->image, top + s->cell_height + 2, left, s->cell_width, caption);
    }
    return status;
}

/* ---- all of it ---- */

static fm_status measure(sheet *s)
{
    const fm_dataset_info *about = fm_dataset_about(s->data->train);
    char text[FM_SHAPE_TEXT];
    fm_shape shape = about->fields[0].shape;
    if (!sheet_is_image(&about->fields[0], &s->sample)) {
        return fm_fail(s->context, FM_ERROR_SHAPE,
                       "--samples: samples of %s are no images: (height, width), or with 1 or 3 "
                       "channels",
                       fm_shape_text(shape, text));
    }
    if (s->sound && (shape.rank != 2 || shape.dims[1] == 1)) {
        return fm_fail(s->context, FM_ERROR_SHAPE,
                       "--samples: waveforms are not drawn, features (frames, columns) are");
    }
    if (s->sound) {
        s->sample.height = shape.dims[1];
        s->sample.width = shape.dims[0];
    }
    sheet_cell(&s->sample, &s->cell_height, &s->cell_width);
    s->count = about->count < COLUMNS * ROWS ? about->count : COLUMNS * ROWS;
    if (about->group > 1) s->count -= s->count % about->group;
    return FM_OK;
}

static fm_status take_memory(sheet *s, fm_arena *arena)
{
    int64_t rows = (s->count + COLUMNS - 1) / COLUMNS;
    int64_t columns = s->count < COLUMNS ? s->count : COLUMNS;
    size_t elements = (size_t)(s->sample.height * s->sample.width * s->sample.channels);
    s->values = fm_arena_allocate(arena, elements * sizeof *s->values);
    s->sample.pixels = fm_arena_allocate(arena, elements);
    s->fitted = fm_arena_allocate(arena, elements);
    if (!s->values || !s->sample.pixels || !s->fitted) return FM_ERROR_MEMORY;
    return sheet_open(arena, SHEET_MARGIN + rows * (s->cell_height + SHEET_CAPTION + SHEET_MARGIN),
                      SHEET_MARGIN + columns * (s->cell_width + SHEET_MARGIN), &s->image);
}

static fm_status fill(sheet *s, int64_t seed)
{
    fm_loader *loader;
    fm_batch batch;
    fm_loader_options how = {.batch_size = s->count, .shuffle = true, .seed = seed};
    fm_status status = fm_loader_create(s->context, s->data->train, &how, &loader);
    if (status == FM_OK) status = fm_loader_begin(loader, 0, 0);
    if (status == FM_OK) status = fm_loader_next(loader, &batch);
    if (status == FM_OK) status = draw(s, &batch);
    fm_loader_destroy(loader);
    return status;
}

fm_status contact_sheet_write(fm_context *context, const fm_recipe_data *data, bool sound,
                              int64_t seed, const char *path, int *written)
{
    sheet s = {.context = context, .data = data, .sound = sound};
    fm_arena arena = {.context = context};
    fm_status status = measure(&s);
    if (status == FM_OK) status = take_memory(&s, &arena);
    if (status == FM_OK) status = fill(&s, seed);
    if (status == FM_OK) status = fm_image_write_png(context, path, &s.image);
    fm_arena_release(&arena);
    *written = (int)s.count;
    return status;
}
