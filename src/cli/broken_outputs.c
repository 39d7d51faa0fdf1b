#include "cli/broken_outputs.h"
#include "base/context.h"
#include "base/element.h"
#include "base/memory.h"

#include <math.h>

bool is_broken(const float *outputs, int64_t width)
{
    for (int64_t i = 0; i < width; i++) {
        if (!isfinite(outputs[i])) return true;
    }
    return false;
}

static bool holds_broken(const void *elements, fm_dtype dtype, fm_shape shape)
{
    int64_t count = fm_dtype_is_real(dtype) ? fm_shape_elements(shape) : 0;
    for (int64_t i = 0; i < count; i++) {
        if (!isfinite(fm_element(elements, dtype, (size_t)i))) return true;
    }
    return false;
}

/* The path of the first variable that holds a NaN or an infinity; NULL without one. */
static fm_status find_variable(fm_context *context, const saved_model *saved, const char **path)
{
    fm_store *store = fm_model_store(saved->model);
    *path = NULL;
    for (int i = 0; i < fm_store_count(store) && !*path; i++) {
        const fm_variable_info info = fm_store_info(store, i);
        void *elements = fm_allocate(context, (size_t)fm_shape_bytes(info.shape, info.dtype));
        fm_status status = elements ? fm_store_read(store, i, elements) : FM_ERROR_MEMORY;
        if (status == FM_OK && holds_broken(elements, info.dtype, info.shape)) *path = info.path;
        fm_release(context, elements);
        if (status != FM_OK) return status;
    }
    return FM_OK;
}

static fm_status look_at_sample(fm_context *context, const predict_input *input, int64_t sample,
                                bool *broken)
{
    const fm_data_field *x = &fm_dataset_about(input->prepared)->fields[0];
    void *elements = fm_allocate(context, (size_t)fm_shape_bytes(x->shape, x->dtype));
    if (!elements) return FM_ERROR_MEMORY;
    const fm_data_request request = {.first = sample, .count = 1, .fields = {elements}};
    fm_status status = fm_dataset_read(context, input->prepared, &request);
    *broken = status == FM_OK && holds_broken(elements, x->dtype, x->shape);
    fm_release(context, elements);
    return status;
}

fm_status broken_outputs_fail(invocation *s, const saved_model *saved, const predict_input *input,
                              int64_t first, int64_t broken)
{
    const char *path, *model = s->given->positional.items[0];
    bool sample = false;
    fm_status status = find_variable(s->context, saved, &path);
    if (status == FM_OK && input) status = look_at_sample(s->context, input, first, &sample);
    if (status != FM_OK) return status;
    if (path) {
        return fm_fail(s->context, FM_ERROR_NONFINITE,
                       "%s: its outputs are not finite, for its variable '%s' holds a NaN or an "
                       "infinity; train it again, with a lower learning rate or clipped gradients",
                       model, path);
    }
    if (!input) {
        return fm_fail(s->context, FM_ERROR_NONFINITE,
                       "%s: its forecasts are not finite; see whether the last rows of the series "
                       "are like those that it was trained on",
                       model);
    }
    long long number = input->numbers ? (long long)input->numbers[first] : (long long)first;
    return fm_fail(s->context, FM_ERROR_NONFINITE,
                   "%s: the model's outputs are not finite for %lld of %lld samples; the first, "
                   "%lld, %s",
                   input->name, (long long)broken,
                   (long long)fm_dataset_about(input->prepared)->count, number,
                   sample ? "holds a NaN or an infinity itself"
                          : "holds none itself: see whether its numbers are as large as those of "
                            "the training data");
}
