#include "cli/embedding_map.h"
#include "cli/progress.h"
#include "base/element.h"
#include "data/dataset.h"

#include <math.h>
#include <string.h>

const embedding_method embedding_methods[] = {
    {"tsne", "t-SNE", true}, {"pca", "PCA", false}, {NULL, NULL, false}};

/* ---- samples --------------------------------------------------------------------------------- */

static fm_status spread(embedding *e, int64_t most)
{
    e->count = most > 0 && most < e->all ? most : e->all;
    e->numbers = fm_arena_allocate(&e->arena, (size_t)e->count * sizeof *e->numbers + 1);
    if (!e->numbers) return FM_ERROR_MEMORY;
    for (int64_t i = 0; i < e->count; i++) {
        e->numbers[i] = (uint32_t)((double)i * ((double)e->all / (double)e->count));
    }
    return FM_OK;
}

/* Of a set that has each sample `views` times in a row. */
static fm_status open_view(embedding *e, const fm_dataset *prepared, int64_t views,
                           fm_dataset **view)
{
    uint32_t *indices = fm_arena_allocate(&e->arena, (size_t)e->count * sizeof *indices + 1);
    if (!indices) return FM_ERROR_MEMORY;
    for (int64_t i = 0; i < e->count; i++) indices[i] = e->numbers[i] * (uint32_t)views;
    return fm_dataset_view(e->s->context, prepared, indices, e->count, view);
}

/* ---- features -------------------------------------------------------------------------------- */

/* An autoencoder says its input: what it learned is where it is narrowest. */
static fm_status choose_layer(embedding *e, const char *asked, const char **layer)
{
    const fm_layer_row *rows;
    int count, best = 0;
    fm_dtype dtype;
    fm_recipe *recipe = e->saved->recipe;
    *layer = asked;
    if (asked || fm_recipe_about(recipe)->transform.target != FM_TARGET_INPUT) return FM_OK;
    fm_shape input = fm_model_input(e->saved->model, &dtype);
    fm_status status = fm_recipe_layers(recipe, input, dtype, &rows, &count);
    if (status != FM_OK || count == 0) return status;
    for (int i = 1; i < count; i++) {
        bool narrower = fm_shape_elements(rows[i].output) < fm_shape_elements(rows[best].output);
        if (narrower) best = i;
    }
    *layer = rows[best].name;
    return FM_OK;
}

static fm_status read_features(embedding *e, fm_extractor *extractor, const fm_dataset *view)
{
    e->shape = fm_extractor_shape(extractor);
    e->width = fm_shape_elements(e->shape);
    e->layer = fm_arena_string(&e->arena, fm_extractor_layer(extractor));
    size_t bytes = (size_t)e->count * (size_t)e->width * sizeof *e->features;
    e->features = fm_arena_allocate(&e->arena, bytes + 1);
    if (!e->layer || !e->features) return FM_ERROR_MEMORY;
    return fm_extract(extractor, view, e->features);
}

static fm_status extract(embedding *e, const embedding_request *request, const fm_dataset *view)
{
    fm_extractor *extractor;
    fm_extractor_options how = {.pool = request->pool, .batch_size = EVALUATION_BATCH};
    fm_status status = choose_layer(e, request->layer, &how.layer);
    if (status == FM_OK) status = fm_extractor_create(e->saved->model, &how, &extractor);
    if (status != FM_OK) return status;
    status = read_features(e, extractor, view);
    fm_extractor_destroy(extractor);
    return status;
}

/* ---- what the samples are -------------------------------------------------------------------- */

static fm_status name_classes(embedding *e, const fm_column *column, int64_t count)
{
    char buffer[24];
    e->class_count = (int)count;
    e->names = fm_arena_allocate(&e->arena, (size_t)count * sizeof *e->names + 1);
    e->labels = fm_arena_allocate(&e->arena, (size_t)e->count * sizeof *e->labels + 1);
    if (!e->names || !e->labels) return FM_ERROR_MEMORY;
    for (int64_t k = 0; k < count; k++) {
        e->names[k] = fm_arena_string(&e->arena, fm_column_category(column, k, buffer));
        if (!e->names[k]) return FM_ERROR_MEMORY;
    }
    return FM_OK;
}

/* From the set as it was before the transform, where classes have names and numbers their unit. */
static fm_status read_truth(embedding *e, const fm_dataset *raw, const fm_data_field *y)
{
    fm_context *context = e->s->context;
    int64_t classes = fm_dataset_classes(raw, NULL);
    void *truth = fm_arena_allocate(&e->arena, (size_t)e->count * fm_dtype_size(y->dtype) + 1);
    fm_data_request request = {.indices = e->numbers, .count = e->count, .fields = {NULL, truth}};
    fm_status status = truth ? fm_dataset_read(context, raw, &request) : FM_ERROR_MEMORY;
    if (status == FM_OK && classes > 0) status = name_classes(e, y->columns, classes);
    if (status != FM_OK) return status;
    if (classes == 0) {
        e->values = fm_arena_allocate(&e->arena, (size_t)e->count * sizeof *e->values + 1);
        if (!e->values) return FM_ERROR_MEMORY;
        e->value_name = y->columns ? y->columns[0].name : NULL;
    }
    for (int64_t i = 0; i < e->count; i++) {
        double said = fm_element(truth, y->dtype, (size_t)i);
        if (classes == 0) {
            e->values[i] = said;
        } else {
            e->labels[i] = said >= 0 && said < (double)classes ? (int32_t)said : -1;
        }
    }
    return FM_OK;
}

static fm_status predict_classes(embedding *e, const fm_dataset *view)
{
    const output_meaning m = output_meaning_of(e->saved);
    bool one_answer = fm_model_output(e->saved->model, NULL).rank == 1;
    if (!m.classes || !one_answer) return FM_OK;
    float *outputs = fm_arena_allocate(&e->arena, (size_t)(e->count * m.width) * sizeof *outputs);
    if (!outputs) return FM_ERROR_MEMORY;
    fm_predict_options how = {.batch_size = EVALUATION_BATCH, .probabilities = true};
    fm_status status = fm_predict(e->saved->model, view, &how, outputs);
    if (status == FM_OK) status = name_classes(e, m.class_column, m.class_count);
    e->predicted = true;
    for (int64_t i = 0; i < e->count && status == FM_OK; i++) {
        e->labels[i] = (int32_t)output_most_probable(&m, outputs + i * m.width);
    }
    return status;
}

static fm_status say_what_they_are(embedding *e, const embedding_request *request,
                                   const fm_dataset *view)
{
    const fm_dataset_info *raw = fm_dataset_about(request->raw);
    bool aligned = raw->count == e->all;
    if (aligned && raw->field_count > 1 && fm_shape_elements(raw->fields[1].shape) == 1) {
        return read_truth(e, request->raw, &raw->fields[1]);
    }
    return predict_classes(e, view);
}

fm_status embedding_open(invocation *s, const saved_model *saved, const embedding_request *request,
                         embedding *made)
{
    *made = (embedding){.s = s, .saved = saved, .arena = {.context = s->context}};
    const fm_dataset_info *about = fm_dataset_about(request->prepared);
    int64_t views = about->group > 1 ? about->group : 1;
    fm_dataset *view;
    made->all = about->count / views;
    fm_status status = spread(made, request->most);
    if (status == FM_OK) status = open_view(made, request->prepared, views, &view);
    if (status != FM_OK) return status;
    status = extract(made, request, view);
    if (status == FM_OK) status = say_what_they_are(made, request, view);
    fm_dataset_destroy(view);
    return status;
}

void embedding_close(embedding *made)
{
    fm_arena_release(&made->arena);
    *made = (embedding){0};
}

/* ---- maps ------------------------------------------------------------------------------------ */

static bool show_iteration(void *user, int64_t iteration, int64_t iterations)
{
    embedding *e = user;
    char bar[256], line[512];
    if (iteration % 10 == 0 && !e->s->given->quiet) {
        terminal_bar(&e->s->err, (double)iteration / (double)iterations, 24, bar, sizeof bar);
        snprintf(line, sizeof line, "t-SNE  %s  %lld of %lld iterations", bar, (long long)iteration,
                 (long long)iterations);
        terminal_draw(&e->s->err, line);
    }
    return !progress_asked_to_stop();
}

static fm_status map_by_tsne(embedding *e, const fm_tsne_options *asked, embedding_map *map)
{
    fm_tsne_options how = asked ? *asked : (fm_tsne_options){0};
    how.watch = show_iteration;
    how.user = e;
    progress_catch_signals();
    fm_status status =
        fm_tsne(e->s->context, e->features, e->count, e->width, &how, map->places, &map->tsne);
    progress_release_signals();
    terminal_wipe(&e->s->err);
    return status;
}

static fm_status map_by_pca(embedding *e, embedding_map *map)
{
    fm_pca *pca;
    fm_status status = fm_pca_fit(e->s->context, e->features, e->count, e->width, NULL, &pca);
    if (status != FM_OK) return status;
    fm_pca_apply(pca, e->features, e->count, map->places);
    for (int k = 0; k < 2; k++) {
        map->explained[k] = pca->total_variance > 0 ? pca->variances[k] / pca->total_variance : 0;
    }
    fm_pca_destroy(pca);
    return FM_OK;
}

static fm_status measure_agreement(embedding *e, embedding_map *map)
{
    map->agreement[0] = map->agreement[1] = NAN;
    if (!e->labels || e->count < 2) return FM_OK;
    fm_context *context = e->s->context;
    fm_status status = fm_neighbor_agreement(context, e->features, e->count, e->width, e->labels,
                                             EMBEDDING_NEIGHBORS, &map->agreement[0]);
    if (status != FM_OK) return status;
    return fm_neighbor_agreement(context, map->places, e->count, 2, e->labels, EMBEDDING_NEIGHBORS,
                                 &map->agreement[1]);
}

fm_status embedding_map_make(embedding *of, const embedding_method *method,
                             const fm_tsne_options *tsne, embedding_map *map)
{
    *map = (embedding_map){.method = method};
    map->places = fm_arena_allocate(&of->arena, 2 * (size_t)of->count * sizeof *map->places + 1);
    if (!map->places) return FM_ERROR_MEMORY;
    fm_status status = method->is_tsne ? map_by_tsne(of, tsne, map) : map_by_pca(of, map);
    return status == FM_OK ? measure_agreement(of, map) : status;
}

const char *embedding_map_note(const embedding_map *map, char buffer[128])
{
    if (map->method->is_tsne) {
        snprintf(buffer, 128, "perplexity %.4g, divergence %.4f", map->tsne.perplexity,
                 map->tsne.divergence);
    } else {
        snprintf(buffer, 128, "PC 1: %.1f %% of the variance, PC 2: %.1f %%",
                 100 * map->explained[0], 100 * map->explained[1]);
    }
    return buffer;
}
