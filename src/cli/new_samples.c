#include "cli/new_samples.h"
#include "cli/json_lines.h"
#include "cli/picture_grid.h"
#include "cli/reconstruction.h"
#include "cli/sheet_canvas.h"
#include "base/context.h"
#include "fathom/latent.h"

enum { PICTURES = 40, ROWS = 10, MOST = 10000 };

typedef struct drawn {
    invocation *s;
    const saved_model *saved;
    const fm_data_field *x; /* what the samples are like; NULL: not like the data's */
    int64_t count, elements;
    float *samples;
} drawn;

static fm_status write_pictures(const drawn *d, fm_arena *arena)
{
    const arguments *given = d->s->given;
    const char *path = given->out ? given->out : "generated.png";
    const picture_grid grid = {.transform = d->saved->transform,
                               .x = d->x,
                               .stacks = {d->samples},
                               .stacked = 1,
                               .count = d->count};
    fm_image sheet;
    fm_status status = picture_grid_draw(d->s->context, &grid, arena, &sheet);
    if (status == FM_OK) status = fm_image_write_png(d->s->context, path, &sheet);
    if (status != FM_OK) return status;
    if (given->json) {
        json_print(json_pack("{s:s, s:o, s:I, s:I}", "event", "pictures", "file", json_text(path),
                             "count", (json_int_t)d->count, "seed", (json_int_t)given->seed));
    } else {
        printf("%lld new pictures: %s\n", (long long)d->count, path);
    }
    return FM_OK;
}

/* As the data has them where they are like it. */
static void print_rows(const drawn *d)
{
    if (d->x) fm_transform_restore_x(d->saved->transform, d->samples, d->count);
    for (int64_t i = 0; i < d->count; i++) {
        const float *row = d->samples + i * d->elements;
        if (d->s->given->json) {
            json_t *values = json_array();
            for (int64_t k = 0; k < d->elements; k++) {
                json_array_append_new(values, json_number((double)row[k]));
            }
            json_print(json_pack("{s:s, s:I, s:o}", "event", "sample", "number", (json_int_t)i,
                                 "values", values));
            continue;
        }
        for (int64_t k = 0; k < d->elements; k++) printf(k ? ",%.9g" : "%.9g", (double)row[k]);
        printf("\n");
    }
}

/* An option that is for texts, or NULL. */
static const char *option_of_texts(const arguments *given)
{
    return given->prompt       ? "prompt"
           : given->length     ? "length"
           : given->top_k      ? "top-k"
           : given->top_p != 0 ? "top-p"
           : given->context    ? "context"
                               : NULL;
}

static fm_status draw(drawn *d, fm_arena *arena)
{
    const arguments *given = d->s->given;
    fm_model *model = d->saved->model;
    const fm_latent_options options = {.seed = given->seed, .temperature = given->temperature};
    fm_shape code;
    fm_status status = fm_latent_shape(model, &code);
    if (status != FM_OK) return status;
    if (option_of_texts(given)) {
        return fm_fail(d->s->context, FM_ERROR_ARGUMENT,
                       "--%s is for models that go on with a text; this one draws new samples",
                       option_of_texts(given));
    }
    d->elements = fm_shape_elements(fm_model_output(model, NULL));
    float *codes =
        fm_arena_allocate(arena, (size_t)(d->count * fm_shape_elements(code)) * sizeof *codes);
    d->samples = fm_arena_allocate(arena, (size_t)(d->count * d->elements) * sizeof *d->samples);
    if (!codes || !d->samples) return FM_ERROR_MEMORY;
    status = fm_latent_draw(model, &options, d->count, codes);
    if (status != FM_OK) return status;
    return fm_latent_decode(model, codes, d->count,
                            &(fm_predict_options){.batch_size = 32, .probabilities = true},
                            d->samples);
}

fm_status new_samples_generate(invocation *s, const saved_model *saved)
{
    drawn d = {.s = s, .saved = saved};
    fm_arena arena = {.context = s->context};
    fm_image image;
    if (reconstruction_is_for(saved)) d.x = &fm_transform_output(saved->transform)->fields[0];
    bool pictures = d.x && sheet_is_image(d.x, &image);
    d.count = s->given->count ? s->given->count : pictures ? PICTURES : ROWS;
    if (d.count > MOST) {
        return fm_fail(s->context, FM_ERROR_LIMIT, "--count %lld: at most %d samples at a time",
                       (long long)d.count, MOST);
    }
    fm_status status = draw(&d, &arena);
    if (status == FM_OK && pictures) {
        status = write_pictures(&d, &arena);
    } else if (status == FM_OK) {
        print_rows(&d);
    }
    fm_arena_release(&arena);
    return status;
}
