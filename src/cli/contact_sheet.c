#include "cli/contact_sheet.h"
#include "cli/small_letters.h"
#include "base/context.h"
#include "base/memory.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    COLUMNS = 8,
    ROWS = 5,
    MARGIN = 6,
    SMALLEST_SIDE = 96, /* smaller samples are enlarged, pixel by pixel */
    LARGEST_SIDE = 224,
    CAPTION = LETTER_HEIGHT + 4,
    BACKGROUND = 28,
    INK = 230,
};

typedef struct sheet {
    fm_context *context;
    const fm_recipe_data *data;
    bool sound; /* features of recordings: time goes to the right, low columns are below */
    const fm_data_field *x;
    int64_t height, width, channels; /* of a sample                 */
    int64_t cell_height, cell_width; /* of its picture in the sheet */
    int64_t count;
    fm_image image;
    float *values;    /* of one sample */
    uint8_t *picture; /* likewise      */
    uint8_t *fitted;  /* the picture in the size of the cell */
} sheet;

/* ---- samples ---- */

/* From the sample's smallest number, black, to its largest. */
static void restore_sound(const sheet *s)
{
    int64_t count = s->height * s->width;
    float least = INFINITY, largest = -INFINITY;
    for (int64_t i = 0; i < count; i++) {
        least = fminf(least, s->values[i]);
        largest = fmaxf(largest, s->values[i]);
    }
    float factor = largest > least ? 255 / (largest - least) : 0;
    for (int64_t t = 0; t < s->width; t++) {
        for (int64_t c = 0; c < s->height; c++) {
            float value = (s->values[t * s->height + c] - least) * factor;
            s->picture[(s->height - 1 - c) * s->width + t] = (uint8_t)(value + 0.5f);
        }
    }
}

/* Back to 0..255, as the data has them. */
static void restore(const sheet *s, const float *x)
{
    int64_t count = s->height * s->width * s->channels;
    memcpy(s->values, x, (size_t)count * sizeof *x);
    fm_transform_restore_x(s->data->transform, s->values, 1);
    if (s->sound) {
        restore_sound(s);
        return;
    }
    bool bytes = fm_transform_input(s->data->transform)->fields[0].dtype == FM_U8;
    for (int64_t i = 0; i < count; i++) {
        float value = bytes ? s->values[i] : 255 * s->values[i];
        s->picture[i] = (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value + 0.5f);
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

static void put_pixel(const sheet *s, int64_t row, int64_t column, const uint8_t *color,
                      int64_t channels)
{
    uint8_t *to = s->image.pixels + (row * s->image.width + column) * 3;
    for (int k = 0; k < 3; k++) to[k] = color[channels == 3 ? k : 0];
}

/* Whole multiples of the sample's pixels, or a smaller picture. */
static fm_status draw_picture(const sheet *s, int64_t top, int64_t left)
{
    const uint8_t *from = s->picture;
    int64_t height = s->height, width = s->width;
    if (s->cell_height < s->height) {
        fm_image whole = {s->height, s->width, s->channels, s->picture};
        fm_image small = {s->cell_height, s->cell_width, s->channels, s->fitted};
        fm_status status = fm_image_resize(s->context, &whole, FM_FIT_STRETCH, 0, &small);
        if (status != FM_OK) return status;
        from = s->fitted;
        height = s->cell_height;
        width = s->cell_width;
    }
    for (int64_t r = 0; r < s->cell_height; r++) {
        for (int64_t c = 0; c < s->cell_width; c++) {
            int64_t at = r * height / s->cell_height * width + c * width / s->cell_width;
            put_pixel(s, top + r, left + c, from + at * s->channels, s->channels);
        }
    }
    return FM_OK;
}

static void draw_text(const sheet *s, int64_t top, int64_t left, const char *text)
{
    const uint8_t ink = INK;
    int64_t most = s->cell_width / (LETTER_WIDTH + 1);
    for (int64_t i = 0; text[i] && i < most; i++) {
        const uint8_t *rows = small_letter_rows(text[i]);
        for (int r = 0; r < LETTER_HEIGHT; r++) {
            for (int c = 0; c < LETTER_WIDTH; c++) {
                if (!(rows[r] >> (LETTER_WIDTH - 1 - c) & 1)) continue;
                put_pixel(s, top + r, left + i * (LETTER_WIDTH + 1) + c, &ink, 1);
            }
        }
    }
}

static fm_status draw(const sheet *s, const fm_batch *batch)
{
    fm_status status = FM_OK;
    for (int64_t i = 0; i < s->count && status == FM_OK; i++) {
        char caption[64];
        int64_t top = MARGIN + i / COLUMNS * (s->cell_height + CAPTION + MARGIN);
        int64_t left = MARGIN + i % COLUMNS * (s->cell_width + MARGIN);
        restore(s, (const float *)batch->x + i * s->height * s->width * s->channels);
        status = draw_picture(s, top, left);
        make_caption(s, batch, i, caption, sizeof caption);
        draw_text(s, top + s->cell_height + 2, left, caption);
    }
    return status;
}

/* ---- all of it ---- */

static fm_status measure(sheet *s)
{
    const fm_dataset_info *about = fm_dataset_about(s->data->train);
    char text[FM_SHAPE_TEXT];
    s->x = &about->fields[0];
    fm_shape shape = s->x->shape;
    bool image = shape.rank == 2 || (shape.rank == 3 && (shape.dims[2] == 1 || shape.dims[2] == 3));
    for (int i = 0; i < 2 && image; i++) image = shape.dims[i] > 0 && shape.dims[i] <= 1 << 14;
    if (!image || s->x->dtype != FM_F32) {
        return fm_fail(s->context, FM_ERROR_SHAPE,
                       "--samples: samples of %s are no images: (height, width), or with 1 or 3 "
                       "channels",
                       fm_shape_text(shape, text));
    }
    if (s->sound && (shape.rank != 2 || shape.dims[1] == 1)) {
        return fm_fail(s->context, FM_ERROR_SHAPE,
                       "--samples: waveforms are not drawn, features (frames, columns) are");
    }
    s->height = shape.dims[s->sound ? 1 : 0];
    s->width = shape.dims[s->sound ? 0 : 1];
    s->channels = shape.rank == 3 ? shape.dims[2] : 1;
    int64_t longer = s->height > s->width ? s->height : s->width;
    int64_t times = (SMALLEST_SIDE + longer - 1) / longer;
    double part = longer > LARGEST_SIDE ? (double)LARGEST_SIDE / (double)longer : (double)times;
    s->cell_height = (int64_t)fmax(1, round((double)s->height * part));
    s->cell_width = (int64_t)fmax(1, round((double)s->width * part));
    s->count = about->count < COLUMNS * ROWS ? about->count : COLUMNS * ROWS;
    return FM_OK;
}

static fm_status take_memory(sheet *s, fm_arena *arena)
{
    int64_t rows = (s->count + COLUMNS - 1) / COLUMNS;
    int64_t columns = s->count < COLUMNS ? s->count : COLUMNS;
    size_t elements = (size_t)(s->height * s->width * s->channels);
    s->image = (fm_image){.height = MARGIN + rows * (s->cell_height + CAPTION + MARGIN),
                          .width = MARGIN + columns * (s->cell_width + MARGIN),
                          .channels = 3};
    size_t bytes = (size_t)(s->image.height * s->image.width * 3);
    s->image.pixels = fm_arena_allocate(arena, bytes);
    s->values = fm_arena_allocate(arena, elements * sizeof *s->values);
    s->picture = fm_arena_allocate(arena, elements);
    s->fitted = fm_arena_allocate(arena, elements);
    if (!s->image.pixels || !s->values || !s->picture || !s->fitted) return FM_ERROR_MEMORY;
    memset(s->image.pixels, BACKGROUND, bytes);
    return FM_OK;
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
