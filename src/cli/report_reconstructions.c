/* What an autoencoder makes of samples that it has not seen, beside them. */
#include "cli/picture_grid.h"
#include "cli/progress.h"
#include "cli/reconstruction.h"
#include "cli/report_parts.h"
#include "cli/sheet_canvas.h"
#include "cli/sound_data.h"

enum { PAIRS = 24 };

static fm_status add_pair(const report *r, const picture_grid *pair, int64_t elements)
{
    char figure[32];
    fm_image image;
    fm_status status = picture_grid_draw(r->s->context, pair, r->arena, &image);
    if (status != FM_OK) return status;
    fm_text_add(r->body, "<figure>");
    status = report_add_image(r, &image, 1, "a sample and its reconstruction");
    double error = reconstruction_error(pair->stacks[0], pair->stacks[1], elements);
    fm_text_add(r->body, "<div>%s</div></figure>", show_figure(error, figure));
    return status;
}

static fm_status add_pairs(const report *r, const report_run *run, const fm_dataset *set)
{
    fm_context *context = r->s->context;
    const fm_data_field *x = &fm_dataset_about(set)->fields[0];
    int64_t count = fm_dataset_about(set)->count, elements = fm_shape_elements(x->shape);
    size_t size = (size_t)(count * elements);
    float *samples = fm_arena_allocate(r->arena, size * sizeof *samples);
    float *made = fm_arena_allocate(r->arena, size * sizeof *made);
    if (!samples || !made) return FM_ERROR_MEMORY;
    fm_data_request request = {.count = count, .fields = {samples}};
    fm_status status = fm_dataset_read(context, set, &request);
    if (status == FM_OK) {
        fm_predict_options how = {.batch_size = EVALUATION_BATCH, .probabilities = true};
        status = fm_predict(run->saved.model, set, &how, made);
    }
    for (int64_t i = 0; i < count && status == FM_OK; i++) {
        const picture_grid pair = {.transform = run->saved.transform,
                                   .x = x,
                                   .stacks = {samples + i * elements, made + i * elements},
                                   .stacked = 2,
                                   .count = 1};
        status = add_pair(r, &pair, elements);
    }
    return status;
}

/* Samples that are no images have scores alone. */
fm_status report_add_reconstructions(const report *r, const report_run *run, const fm_dataset *set)
{
    const fm_dataset_info *about = fm_dataset_about(set);
    fm_image image;
    fm_dataset *first;
    bool drawn = sheet_is_image(&about->fields[0], &image) && !recipe_sound(run->saved.recipe);
    if (!reconstruction_is_for(&run->saved) || !drawn) return FM_OK;
    fm_status status = fm_dataset_range(r->s->context, set, 0,
                                        about->count < PAIRS ? about->count : PAIRS, &first);
    if (status != FM_OK) return status;
    fm_text_add(r->body,
                "<h3>Reconstructions</h3><p class=soft>samples that it has not seen, below "
                "each what the model makes of it, and the mean squared error</p>"
                "<div class=pictures>");
    status = add_pairs(r, run, first);
    fm_text_add(r->body, "</div>\n");
    fm_dataset_destroy(first);
    return status;
}
