#include "train/health.h"
#include "train/gradient_probe.h"

#include <math.h>
#include <string.h>

void fm_health_clear(fm_model *model)
{
    fm_health_store *store = &model->training.health;
    fm_release(model->context, store->names);
    fm_release(model->context, store->layers);
    fm_release(model->context, store->rows);
    *store = (fm_health_store){0};
}

/* ---- layers ---------------------------------------------------------------------------------- */

static bool same_layers(const fm_health_store *store, const char *const *layers, int count)
{
    if (store->layer_count != count) return false;
    for (int i = 0; i < count; i++) {
        if (strcmp(store->layers[i], layers[i]) != 0) return false;
    }
    return true;
}

static fm_status take_layers(fm_model *model, const char *const *layers, int count)
{
    fm_health_store *store = &model->training.health;
    if (same_layers(store, layers, count)) return FM_OK;
    fm_health_clear(model);
    size_t bytes = 1, used = 0;
    for (int i = 0; i < count; i++) bytes += strlen(layers[i]) + 1;
    store->names = fm_allocate(model->context, bytes);
    store->layers = fm_allocate_array(model->context, (size_t)count + 1, sizeof *store->layers);
    if (!store->names || !store->layers) {
        fm_health_clear(model);
        return FM_ERROR_MEMORY;
    }
    for (int i = 0; i < count; i++) {
        size_t size = strlen(layers[i]) + 1;
        store->layers[i] = memcpy(store->names + used, layers[i], size);
        used += size;
    }
    store->layer_count = count;
    return FM_OK;
}

fm_status fm_health_open(fm_model *model)
{
    int count;
    const fm_layer_output *outputs = fm_gradient_probe_outputs(model, &count);
    const char **layers = fm_allocate_array(model->context, (size_t)count + 1, sizeof *layers);
    if (!layers) return FM_ERROR_MEMORY;
    for (int i = 0; i < count; i++) layers[i] = outputs[i].layer;
    fm_status status = take_layers(model, layers, count);
    fm_release(model->context, layers);
    return status;
}

/* ---- rows ------------------------------------------------------------------------------------ */

static fm_status reserve(fm_model *model, int64_t epochs)
{
    fm_health_store *store = &model->training.health;
    const fm_layer_health unknown = {NAN, NAN, NAN, NAN, NAN};
    size_t had = (size_t)store->epochs * (size_t)store->layer_count;
    size_t wanted = (size_t)epochs * (size_t)store->layer_count;
    fm_status status =
        fm_grow(model->context, &store->rows, &store->capacity, wanted, sizeof *store->rows);
    if (status != FM_OK) return status;
    for (size_t i = had; i < wanted; i++) store->rows[i] = unknown;
    store->epochs = epochs;
    return FM_OK;
}

fm_status fm_health_begin(fm_model *model)
{
    int64_t epochs = model->training.history.count + 1;
    return model->training.health.epochs < epochs ? reserve(model, epochs) : FM_OK;
}

static bool is_of(const char *layer, const char *variable)
{
    size_t size = strlen(layer);
    return strncmp(variable, layer, size) == 0 && variable[size] == '/';
}

static fm_layer_health figures_of(const fm_gradients *gradients, const fm_layer_output *output)
{
    fm_layer_health row = {NAN, NAN, output->mean, output->deviation, output->zeros};
    for (int i = 0; i < gradients->variable_count; i++) {
        const fm_gradient *of = &gradients->variables[i];
        if (!is_of(output->layer, of->path)) continue;
        row.gradient_norm = isnan(row.weight_norm) ? of->norm : hypot(row.gradient_norm, of->norm);
        row.weight_norm =
            isnan(row.weight_norm) ? of->weight_norm : hypot(row.weight_norm, of->weight_norm);
    }
    return row;
}

void fm_health_record(fm_model *model, const fm_gradients *gradients)
{
    fm_health_store *store = &model->training.health;
    int64_t epoch = model->training.history.count;
    if (gradients->output_count != store->layer_count || epoch >= store->epochs) return;
    for (int i = 0; i < store->layer_count; i++) {
        store->rows[epoch * store->layer_count + i] = figures_of(gradients, &gradients->outputs[i]);
    }
}

/* ---- looking, and files ---------------------------------------------------------------------- */

fm_health fm_model_health(const fm_model *model)
{
    const fm_health_store *store = &model->training.health;
    int64_t finished = model->training.history.count;
    return (fm_health){.epochs = store->epochs < finished ? store->epochs : finished,
                       .layer_count = store->layer_count,
                       .layers = store->layers,
                       .rows = store->rows};
}

fm_status fm_health_restore(fm_model *model, const char *names, const double *figures,
                            int64_t epochs, int64_t layers)
{
    fm_arena arena = {.context = model->context};
    char *text = fm_arena_string(&arena, names);
    const char **list = fm_arena_allocate(&arena, ((size_t)layers + 1) * sizeof *list);
    fm_status status = text && list ? FM_OK : FM_ERROR_MEMORY;
    int64_t count = 0;
    for (char *at = text; status == FM_OK && *at && count < layers; count++) {
        list[count] = at;
        at += strcspn(at, "\n");
        if (*at) *at++ = '\0';
    }
    if (status == FM_OK && count == layers) {
        status = take_layers(model, list, (int)layers);
        if (status == FM_OK) status = reserve(model, epochs);
        size_t bytes = (size_t)(epochs * layers) * sizeof(fm_layer_health);
        if (status == FM_OK && bytes) memcpy(model->training.health.rows, figures, bytes);
    }
    fm_arena_release(&arena);
    return status;
}
