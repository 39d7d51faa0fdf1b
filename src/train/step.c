/* One batch through a compiled program. */
#include "train/model.h"
#include "base/element.h"
#include "nn/metric_kinds.h"
#include "train/privacy/private_training.h"

#include <math.h>
#include <string.h>

/* The batch is read where it lies if the program can, else copied. */
static fm_status feed(fm_compiled *compiled, const char *name, const void *elements, void *own,
                      const void **bound, size_t bytes)
{
    if ((uintptr_t)elements % FM_ALIGNMENT) {
        memcpy(own, elements, bytes);
        elements = own;
    }
    if (elements == *bound) return FM_OK;
    *bound = elements;
    return fm_program_bind_input(compiled->program, name, elements);
}

fm_status fm_compiled_run(fm_model *model, fm_compiled *compiled, const void *x, const void *y,
                          double rate)
{
    size_t batch = (size_t)compiled->batch;
    fm_status status =
        feed(compiled, "x", x, compiled->own_x, &compiled->bound_x, batch * compiled->x_bytes);
    if (status == FM_OK && compiled->own_y) {
        status =
            feed(compiled, "y", y, compiled->own_y, &compiled->bound_y, batch * compiled->y_bytes);
    }
    if (status != FM_OK) return status;
    if (compiled->rate) fm_element_put(compiled->rate, model->options.dtype, 0, rate);
    compiled->run = ++model->runs;
    return fm_program_run(compiled->program);
}

static double number_at(const fm_model *model, const void *place)
{
    return model->options.dtype == FM_F64 ? *(const double *)place : (double)*(const float *)place;
}

double fm_compiled_loss(const fm_model *model, const fm_compiled *compiled)
{
    return number_at(model, compiled->loss);
}

fm_status fm_compiled_measure(const fm_model *model, const fm_compiled *compiled,
                              fm_metric *const *metrics, const void *y, int64_t count)
{
    if (model->options.metric_count == 0) return FM_OK;
    fm_tensor prediction = {.data = (void *)(uintptr_t)compiled->prediction,
                            .dtype = model->options.dtype,
                            .shape = fm_shape_batch(count, model->output)};
    fm_tensor label = {.data = (void *)(uintptr_t)y,
                       .dtype = model->label_dtype,
                       .shape = fm_shape_batch(count, model->label)};
    prediction.count = fm_shape_elements(prediction.shape);
    label.count = fm_shape_elements(label.shape);
    for (int i = 0; i < model->options.metric_count; i++) {
        if (model->options.metrics[i].metric == FM_TOLD_METRIC) {
            const void *told = compiled->told[i];
            if (told) fm_metric_tell(metrics[i], number_at(model, told), count);
            continue;
        }
        fm_status status = fm_metric_update(metrics[i], &prediction, &label, NULL, count);
        if (status != FM_OK) return status;
    }
    return FM_OK;
}

/* ---- loops of the user's own ---- */

fm_status fm_batch_check(const fm_model *model, const fm_batch *batch)
{
    if (batch->count > 0 && batch->x && batch->y) return FM_OK;
    return fm_fail(model->context, FM_ERROR_ARGUMENT, "a step needs a batch with samples, x and y");
}

static fm_status run_batch(fm_model *model, fm_mode mode, const fm_batch *batch, double rate,
                           double *loss)
{
    fm_compiled *compiled;
    fm_status status = fm_batch_check(model, batch);
    if (status == FM_OK) {
        const fm_program_form form = {mode, batch->count, batch->length};
        status = fm_model_compiled(model, form, &compiled);
    }
    if (status == FM_OK) status = fm_compiled_run(model, compiled, batch->x, batch->y, rate);
    if (status == FM_OK && loss) *loss = fm_compiled_loss(model, compiled);
    return status;
}

fm_status fm_train_step(fm_model *model, const fm_batch *batch, double learning_rate, double *loss)
{
    if (model->private) return fm_private_train_step(model, batch, learning_rate, loss);
    return run_batch(model, FM_TRAIN, batch, learning_rate, loss);
}

fm_status fm_evaluate_step(fm_model *model, const fm_batch *batch, double *loss)
{
    return run_batch(model, FM_EVALUATE, batch, 0, loss);
}

const void *fm_step_prediction(const fm_model *model, fm_mode mode, int64_t count)
{
    const fm_compiled *last = NULL;
    for (size_t i = 0; i < model->compiled_count; i++) {
        const fm_compiled *compiled = model->compiled[i];
        bool asked = compiled->mode == mode && compiled->batch == count && compiled->run > 0;
        if (asked && (!last || compiled->run > last->run)) last = compiled;
    }
    return last ? last->prediction : NULL;
}
