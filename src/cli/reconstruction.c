#include "cli/reconstruction.h"
#include "cli/picture_grid.h"

#include <stdio.h>

bool reconstruction_is_for(const saved_model *saved)
{
    return fm_recipe_about(saved->recipe)->transform.target == FM_TARGET_INPUT;
}

double reconstruction_error(const float *x, const float *made, int64_t elements)
{
    double sum = 0;
    for (int64_t i = 0; i < elements; i++) {
        double error = (double)made[i] - (double)x[i];
        sum += error * error;
    }
    return sum / (double)elements;
}

void reconstruction_print(const terminal *t, const picture *x, const picture *made)
{
    int lines = picture_lines(x);
    for (int line = 0; line < lines; line++) {
        picture_print_line(x, t, line);
        fputs("  ", t->stream);
        picture_print_line(made, t, line);
        fputc('\n', t->stream);
    }
}

/* ---- a sheet --------------------------------------------------------------------------------- */

fm_status reconstruction_sheet(fm_context *context, const fm_transform *transform,
                               const fm_dataset *set, const float *made, int64_t count,
                               fm_arena *arena, fm_image *sheet)
{
    const fm_data_field *x = &fm_dataset_about(set)->fields[0];
    int64_t elements = fm_shape_elements(x->shape);
    if (count > RECONSTRUCTION_MOST) count = RECONSTRUCTION_MOST;
    float *inputs = fm_arena_allocate(arena, (size_t)(count * elements) * sizeof *inputs);
    double *errors = fm_arena_allocate(arena, (size_t)count * sizeof *errors);
    if (!inputs || !errors) return FM_ERROR_MEMORY;
    fm_data_request request = {.count = count, .fields = {inputs}};
    fm_status status = fm_dataset_read(context, set, &request);
    if (status != FM_OK) return status;
    for (int64_t i = 0; i < count; i++) {
        errors[i] = reconstruction_error(inputs + i * elements, made + i * elements, elements);
    }
    const picture_grid grid = {.transform = transform,
                               .x = x,
                               .stacks = {inputs, made},
                               .stacked = 2,
                               .figures = errors,
                               .count = count};
    return picture_grid_draw(context, &grid, arena, sheet);
}
