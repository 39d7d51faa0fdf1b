/* What an autoencoder makes of samples that it has not seen, beside them. */
#include "cli/progress.h"
#include "cli/reconstruction.h"
#include "cli/report_parts.h"
#include "cli/sound_data.h"

/* Samples that are no images have scores alone. */
static bool is_drawn(const fm_dataset *set)
{
    fm_shape shape = fm_dataset_about(set)->fields[0].shape;
    return shape.rank == 2 || (shape.rank == 3 && (shape.dims[2] == 1 || shape.dims[2] == 3));
}

fm_status report_add_reconstructions(const report *r, const report_run *run, const fm_dataset *set)
{
    fm_context *context = r->s->context;
    const fm_dataset_info *about = fm_dataset_about(set);
    bool sound = recipe_sound(run->saved.recipe);
    if (!reconstruction_is_for(&run->saved) || !is_drawn(set) || sound) return FM_OK;
    int64_t count = about->count < RECONSTRUCTION_MOST ? about->count : RECONSTRUCTION_MOST;
    int64_t elements = fm_shape_elements(about->fields[0].shape);
    float *made = fm_arena_allocate(r->arena, (size_t)(count * elements) * sizeof *made);
    if (!made) return FM_ERROR_MEMORY;
    fm_dataset *first;
    fm_image sheet;
    fm_status status = fm_dataset_range(context, set, 0, count, &first);
    if (status != FM_OK) return status;
    fm_predict_options how = {.batch_size = EVALUATION_BATCH, .probabilities = true};
    status = fm_predict(run->saved.model, first, &how, made);
    if (status == FM_OK) {
        status = reconstruction_sheet(context, run->saved.transform, first, made, count, r->arena,
                                      &sheet);
    }
    fm_dataset_destroy(first);
    if (status != FM_OK) return status;
    fm_text_add(r->body,
                "<h3>Reconstructions</h3><p class=soft>samples that it has not seen, below "
                "each what the model makes of it, and the mean squared error</p><figure>");
    status = report_add_image(r, &sheet, 1, "samples and their reconstructions");
    fm_text_add(r->body, "</figure>\n");
    return status;
}
