/* fathom embed */
#include "cli/commands.h"
#include "cli/embedding_map.h"
#include "cli/exit_codes.h"
#include "cli/feature_file.h"
#include "cli/json_lines.h"
#include "cli/layer_table.h"
#include "cli/scatter_chart.h"
#include "base/fields.h"

#include <math.h>
#include <string.h>

enum { USUAL_SAMPLES = 2000 };

typedef struct embed_run {
    invocation invocation;
    saved_model saved;
    fm_recipe_data data;
    fm_dataset
        *plain; /* the training part without augmentation, where nothing else is kept aside */
    predict_input input;
    const char *part;
    const embedding_method *method;
    const char *out;
    embedding_request request;
    embedding embedding;
    embedding_map map;
} embed_run;

/* ---- what was asked for ---------------------------------------------------------------------- */

static const char *next_method(const void *list, int i)
{
    return ((const embedding_method *)list)[i].name;
}

static fm_status choose_method(embed_run *r)
{
    const char *word = r->invocation.given->method;
    r->method = embedding_methods;
    for (; word && r->method->name && strcmp(r->method->name, word) != 0; r->method++) continue;
    const arguments *given = r->invocation.given;
    const char *tsne = given->perplexity != 0 ? "perplexity" : given->steps ? "steps" : NULL;
    if (r->method->name && (r->method->is_tsne || !tsne)) return FM_OK;
    if (r->method->name) {
        return fm_fail(r->invocation.context, FM_ERROR_ARGUMENT, "--%s is for --method tsne", tsne);
    }
    const char *near = fm_nearest(word, next_method, embedding_methods);
    return fm_fail(r->invocation.context, FM_ERROR_ARGUMENT,
                   near ? "--method: there is no '%s'; did you mean '%s'?"
                        : "--method: there is no '%s'; methods are tsne and pca",
                   word, near);
}

/* ---- samples --------------------------------------------------------------------------------- */

static fm_status open_training_part(embed_run *r)
{
    r->part = "training";
    r->request.raw = r->data.raw_train;
    fm_status status = fm_dataset_transform(r->invocation.context, r->data.raw_train,
                                            r->saved.transform, &r->plain);
    r->request.prepared = r->plain;
    return status;
}

static fm_status open_own_data(embed_run *r)
{
    fm_status status = fm_recipe_open_data(r->saved.recipe, &r->invocation.places,
                                           r->saved.transform_json, &r->data);
    terminal_wipe(&r->invocation.err);
    if (status != FM_OK) return status;
    bool test = r->data.test != NULL;
    r->part = test ? "test" : "validation";
    r->request.raw = test ? r->data.raw_test : r->data.raw_validation;
    r->request.prepared = test ? r->data.test : r->data.validation;
    return r->request.prepared ? FM_OK : open_training_part(r);
}

static fm_status open_samples(embed_run *r)
{
    const arguments *given = r->invocation.given;
    bool sample = given->sample != NULL, file = given->positional.count > 1;
    if (sample && file) {
        return fm_fail(r->invocation.context, FM_ERROR_ARGUMENT,
                       "name a file or --sample, not both");
    }
    if (!sample && !file) return open_own_data(r);
    fm_status status =
        sample
            ? predict_input_sample(&r->invocation, &r->saved, given->sample, &r->input)
            : predict_input_open(&r->invocation, &r->saved, given->positional.items[1], &r->input);
    r->request.raw = r->input.raw;
    r->request.prepared = r->input.prepared;
    return status;
}

/* ---- telling --------------------------------------------------------------------------------- */

static fm_status draw(embed_run *r)
{
    char title[128], note[128];
    const embedding *e = &r->embedding;
    const scatter_chart chart = {.title = title,
                                 .note = embedding_map_note(&r->map, note),
                                 .count = e->count,
                                 .places = r->map.places,
                                 .labels = e->labels,
                                 .names = e->names,
                                 .class_count = e->class_count,
                                 .values = e->values,
                                 .value_name = e->value_name};
    snprintf(title, sizeof title, "%s of %.60s, %lld samples", r->method->title, e->layer,
             (long long)e->count);
    return scatter_chart_write(r->invocation.context, &chart, r->out);
}

static fm_status write_features(embed_run *r)
{
    const embedding *e = &r->embedding;
    const feature_file file = {.samples = e->count,
                               .width = e->width,
                               .features = e->features,
                               .places = r->map.places,
                               .labels = e->labels,
                               .names = e->names,
                               .numbers = e->numbers,
                               .layer = e->layer};
    return feature_file_write(r->invocation.context, &file, r->invocation.given->features);
}

static void print_text(const embed_run *r)
{
    char words[FM_SHAPE_TEXT], note[128];
    const embedding *e = &r->embedding;
    printf("%lld of %lld samples of %s%s%s%s: features %s of %s\n", (long long)e->count,
           (long long)e->all, fm_dataset_about(r->request.prepared)->name, r->part ? " (" : "",
           r->part ? r->part : "", r->part ? " part)" : "", fm_shape_text(e->shape, words),
           e->layer);
    printf("%s: %s\n", r->method->title, embedding_map_note(&r->map, note));
    if (isnan(r->map.agreement[0])) return;
    printf("of the %d nearest neighbours %.1f %% have the same %sclass in the features, %.1f %% in "
           "the map\n",
           EMBEDDING_NEIGHBORS, 100 * r->map.agreement[0], e->predicted ? "predicted " : "",
           100 * r->map.agreement[1]);
}

static json_t *json_points(const embedding *e, const double *places)
{
    json_t *points = json_array();
    for (int64_t i = 0; i < e->count; i++) {
        json_t *point = json_pack("{s:I, s:o, s:o}", "sample", (json_int_t)e->numbers[i], "x",
                                  json_number(places[2 * i]), "y", json_number(places[2 * i + 1]));
        if (e->labels && e->labels[i] >= 0) {
            json_object_set_new(point, e->predicted ? "predicted" : "class",
                                json_text(e->names[e->labels[i]]));
        }
        if (e->values) json_object_set_new(point, "value", json_number(e->values[i]));
        json_array_append_new(points, point);
    }
    return points;
}

static void print_object(const embed_run *r)
{
    const embedding *e = &r->embedding;
    const embedding_map *map = &r->map;
    json_t *object =
        json_pack("{s:s, s:s, s:o, s:o, s:I, s:o}", "event", "embedding", "method", r->method->name,
                  "layer", json_text(e->layer), "shape", json_shape(e->shape), "samples",
                  (json_int_t)e->count, "out", json_text(r->out));
    if (r->method->is_tsne) {
        json_object_set_new(object, "perplexity", json_number(map->tsne.perplexity));
        json_object_set_new(object, "divergence", json_number(map->tsne.divergence));
    } else {
        json_object_set_new(
            object, "explained",
            json_pack("[o, o]", json_number(map->explained[0]), json_number(map->explained[1])));
    }
    if (!isnan(map->agreement[0])) {
        json_object_set_new(object, "agreement",
                            json_pack("{s:o, s:o}", "features", json_number(map->agreement[0]),
                                      "map", json_number(map->agreement[1])));
    }
    if (r->part) json_object_set_new(object, "part", json_string(r->part));
    json_object_set_new(object, "points", json_points(e, map->places));
    json_print(object);
}

static void tell_written(const embed_run *r, const char *path)
{
    if (path && !r->invocation.given->quiet) fprintf(stderr, "written: %s\n", path);
}

/* ---- the command ----------------------------------------------------------------------------- */

static fm_status make_map(embed_run *r)
{
    const arguments *given = r->invocation.given;
    const fm_tsne_options tsne = {
        .perplexity = given->perplexity, .iterations = given->steps, .seed = given->seed};
    fm_status status = embedding_open(&r->invocation, &r->saved, &r->request, &r->embedding);
    for (int64_t i = 0; status == FM_OK && r->input.numbers && i < r->embedding.count; i++) {
        r->embedding.numbers[i] = r->input.numbers[r->embedding.numbers[i]];
    }
    if (status == FM_OK) status = embedding_map_make(&r->embedding, r->method, &tsne, &r->map);
    if (status == FM_OK) status = draw(r);
    if (status == FM_OK && given->features) status = write_features(r);
    if (status != FM_OK) return status;
    given->json ? print_object(r) : print_text(r);
    tell_written(r, r->out);
    tell_written(r, given->features);
    return FM_OK;
}

static fm_status embed(embed_run *r)
{
    const arguments *given = r->invocation.given;
    r->out = given->out ? given->out : "embedding.png";
    r->request = (embedding_request){.layer = given->layer,
                                     .pool = given->pool,
                                     .most = given->limit ? given->limit : USUAL_SAMPLES};
    fm_status status = choose_method(r);
    if (status == FM_OK && given->features) {
        status = feature_file_check(r->invocation.context, given->features);
    }
    if (status == FM_OK) {
        status = saved_model_open(&r->invocation, given->positional.items[0], &r->saved);
    }
    if (status == FM_OK) status = open_samples(r);
    return status == FM_OK ? make_map(r) : status;
}

int embed_run_command(const arguments *given)
{
    embed_run r = {0};
    if (!invocation_open(&r.invocation, given)) return EXIT_INTERNAL;
    fm_status status = embed(&r);
    embedding_close(&r.embedding);
    predict_input_close(&r.invocation, &r.input);
    fm_dataset_destroy(r.plain);
    fm_recipe_data_close(&r.data);
    saved_model_close(&r.saved);
    return invocation_close(&r.invocation, status);
}
