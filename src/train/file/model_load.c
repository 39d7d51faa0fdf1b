#include "train/file/model_format.h"
#include "train/health.h"
#include "base/pattern.h"
#include "base/random.h"
#include "base/text.h"
#include "ir/ir.h"
#include "nn/minimizer.h"
#include "train/privacy/private_training.h"

#include <math.h>
#include <string.h>

enum { NAMES_SHOWN = 8 };

typedef struct loading {
    fm_model *model;
    fm_model_file *file;
    fm_safetensors *tensors; /* the file's */
    fm_load_options options;
    fm_graph *graph;    /* for training: names every variable that there can be */
    bool slots_in_file; /* else a file of weights alone: slots start anew */
    bool averaged;      /* averages are read in place of the weights */
    void **read;        /* by variable of the graph: its elements, NULL if kept */
} loading;

/* ---- does it fit? ---------------------------------------------------------------------------- */

/* "missing: a, b and 3 more" */
typedef struct listing {
    fm_text text;
    int count;
} listing;

static void list_begin(listing *list, const char *what)
{
    if (list->count < NAMES_SHOWN) {
        fm_text_add(&list->text, "%s", list->count ? ", " : what);
    }
    list->count++;
}

static bool list_shows(const listing *list)
{
    return list->count <= NAMES_SHOWN;
}

static void list_end(listing *list, fm_text *all)
{
    if (list->count == 0) return;
    fm_text_add(all, "; %s", fm_text_string(&list->text));
    if (list->count > NAMES_SHOWN) fm_text_add(all, " and %d more", list->count - NAMES_SHOWN);
}

static bool is_model_variable(const loading *l, const char *path)
{
    return fm_map_get(&l->model->graph->variable_by_path, path, NULL);
}

/* Whether the caller wants this variable of the graph from the file. */
static bool is_wanted(const loading *l, const char *path)
{
    if (fm_patterns_match(l->options.skip, path)) return false;
    return is_model_variable(l, path) || (!l->options.weights_only && l->slots_in_file);
}

static bool same_form(const fm_safetensors_entry *entry, const fm_value *value)
{
    return entry->readable && entry->dtype == value->dtype &&
           fm_shape_equal(entry->shape, value->shape);
}

static void list_variable(const loading *l, size_t i, listing *missing, listing *other)
{
    const fm_value *value = fm_value_of(l->graph, l->graph->variables[i].value);
    int at = fm_safetensors_find(l->tensors, value->name);
    if (!is_wanted(l, value->name) || l->graph->variables[i].options.carried) return;
    if (at < 0) {
        list_begin(missing, "missing in the file: ");
        if (list_shows(missing)) fm_text_add(&missing->text, "%s", value->name);
        return;
    }
    const fm_safetensors_entry *entry = fm_safetensors_at(l->tensors, at);
    if (same_form(entry, value)) return;
    list_begin(other, "different: ");
    if (!list_shows(other)) return;
    char had[FM_SHAPE_TEXT], wanted[FM_SHAPE_TEXT];
    fm_text_add(&other->text, "%s is %s %s, the model wants %s %s", value->name,
                entry->readable ? fm_dtype_name(entry->dtype) : entry->type,
                fm_shape_text(entry->shape, had), fm_dtype_name(value->dtype),
                fm_shape_text(value->shape, wanted));
}

static void list_entry(const loading *l, const char *name, listing *unexpected)
{
    if (name[0] == '@' || fm_map_get(&l->graph->variable_by_path, name, NULL)) return;
    if (l->options.weights_only && fm_is_slot(name)) return;
    if (fm_patterns_match(l->options.skip, name)) return;
    list_begin(unexpected, "not in the model: ");
    if (list_shows(unexpected)) fm_text_add(&unexpected->text, "%s", name);
}

/* The model's variables, then the file's. */
static const char *next_name(const void *list, int index)
{
    const loading *l = list;
    int variables = (int)l->model->graph->variable_count, at = index - variables;
    if (at < 0) return fm_val_name(l->model->graph, fm_graph_variable(l->model->graph, index));
    return at < fm_safetensors_count(l->tensors) ? fm_safetensors_at(l->tensors, at)->name : NULL;
}

static fm_status check_fit(loading *l)
{
    fm_context *context = l->model->context;
    listing lists[3] = {{FM_TEXT(context), 0}, {FM_TEXT(context), 0}, {FM_TEXT(context), 0}};
    fm_text all = FM_TEXT(context);
    for (size_t i = 0; i < l->graph->variable_count; i++) {
        list_variable(l, i, &lists[0], &lists[2]);
    }
    for (int i = 0; i < fm_safetensors_count(l->tensors); i++) {
        list_entry(l, fm_safetensors_at(l->tensors, i)->name, &lists[1]);
    }
    fm_status status = FM_OK;
    for (int i = 0; i < 3; i++) {
        if (status == FM_OK) status = fm_text_status(&lists[i].text);
        list_end(&lists[i], &all);
    }
    if (status == FM_OK) status = fm_text_status(&all);
    if (status == FM_OK && all.size) {
        status = fm_fail(context, FM_ERROR_SHAPE, "%s: does not fit the model%s",
                         fm_safetensors_path(l->tensors), fm_text_string(&all));
    }
    for (int i = 0; i < 3; i++) fm_text_release(&lists[i].text);
    fm_text_release(&all);
    return status;
}

/* ---- variables ------------------------------------------------------------------------------- */

/* Weights that are taken alone have no averages beside them to be exchanged for: those of a file
 * with an optimizer's slots come in their place, as such a file of weights has them. */
static fm_status find_averaged(loading *l)
{
    double updates = 0;
    int at = fm_safetensors_find(l->tensors, FM_ITERATIONS);
    if (!l->options.weights_only || at < 0) return FM_OK;
    const fm_safetensors_entry *entry = fm_safetensors_at(l->tensors, at);
    if (!entry->readable || entry->dtype != FM_F64 || entry->shape.rank != 0) return FM_OK;
    fm_status status = fm_safetensors_read(l->tensors, at, &updates);
    l->averaged = status == FM_OK && updates > 0;
    return status;
}

/* *at: the entry of a variable becomes that of its average, where there is one. */
static fm_status find_average(const loading *l, const fm_value *value, int *at)
{
    fm_text path = FM_TEXT(l->model->context);
    fm_text_add(&path, FM_AVERAGE_PREFIX "%s", value->name);
    fm_status status = fm_text_status(&path);
    int average = status == FM_OK ? fm_safetensors_find(l->tensors, fm_text_string(&path)) : -1;
    if (average >= 0 && same_form(fm_safetensors_at(l->tensors, average), value)) *at = average;
    fm_text_release(&path);
    return status;
}

static fm_status read_variable(loading *l, size_t i)
{
    const fm_value *value = fm_value_of(l->graph, l->graph->variables[i].value);
    int at = fm_safetensors_find(l->tensors, value->name);
    bool carried = l->graph->variables[i].options.carried;
    if (at < 0 || carried || !is_wanted(l, value->name)) return FM_OK;
    if (!same_form(fm_safetensors_at(l->tensors, at), value)) {
        return FM_OK; /* partial: it stays as it is */
    }
    fm_status status = l->averaged ? find_average(l, value, &at) : FM_OK;
    if (status != FM_OK) return status;
    const fm_safetensors_entry *entry = fm_safetensors_at(l->tensors, at);
    l->read[i] = fm_allocate(l->model->context, (size_t)(entry->end - entry->begin));
    return l->read[i] ? fm_safetensors_read(l->tensors, at, l->read[i]) : FM_ERROR_MEMORY;
}

static fm_status read_variables(loading *l)
{
    size_t count = l->graph->variable_count;
    l->read = fm_allocate_zeroed(l->model->context, (count + 1) * sizeof *l->read);
    fm_status status = l->read ? FM_OK : FM_ERROR_MEMORY;
    for (size_t i = 0; i < count && status == FM_OK; i++) status = read_variable(l, i);
    return status;
}

static fm_status store_variables(loading *l)
{
    fm_status status = FM_OK;
    for (size_t i = 0; i < l->graph->variable_count && status == FM_OK; i++) {
        const fm_graph_variable_record *record = &l->graph->variables[i];
        const fm_value *value = fm_value_of(l->graph, record->value);
        if (!l->read[i]) continue;
        status = fm_store_put(l->model->store, value->name, value->dtype, value->shape,
                              !record->options.not_trainable, l->read[i]);
        fm_release(l->model->context, l->read[i]);
        l->read[i] = NULL;
    }
    return status;
}

static fm_status write_first_value(loading *l, const fm_graph_variable_record *record, int index)
{
    fm_context *context = l->model->context;
    fm_store *store = l->model->store;
    const fm_value *value = fm_value_of(l->graph, record->value);
    const fm_initializer *first = &record->options.initializer;
    void *elements =
        fm_allocate_zeroed(context, (size_t)fm_shape_bytes(value->shape, value->dtype));
    fm_status status = elements ? FM_OK : FM_ERROR_MEMORY;
    if (status == FM_OK && first->fill) {
        status = first->fill(context, first, value->dtype, value->shape, fm_store_seed(store),
                             fm_stream_of(value->name), elements);
    }
    if (status == FM_OK) status = fm_store_write(store, index, elements);
    fm_release(context, elements);
    return status;
}

/* As in a new model: what an optimizer has gathered belongs to other weights. */
static fm_status begin_anew(loading *l)
{
    fm_store *store = l->model->store;
    fm_status status = FM_OK;
    fm_store_set_step(store, 0);
    for (size_t i = 0; i < l->graph->variable_count && status == FM_OK; i++) {
        const fm_graph_variable_record *record = &l->graph->variables[i];
        const char *path = fm_value_of(l->graph, record->value)->name;
        int index = fm_store_find(store, path);
        if (index < 0 || record->options.carried || is_model_variable(l, path)) continue;
        status = write_first_value(l, record, index);
    }
    return status;
}

/* ---- where fit stood ------------------------------------------------------------------------- */

/* Reads f64 numbers into memory of the arena; *numbers is NULL when there is no such tensor. */
static fm_status read_numbers(loading *l, fm_arena *arena, int at, double **numbers)
{
    const fm_safetensors_entry *entry = fm_safetensors_at(l->tensors, at);
    if (entry->dtype != FM_F64 || !entry->readable) {
        return fm_fail(l->model->context, FM_ERROR_FORMAT,
                       "%s: tensor '%s' is %s, f64 was expected", fm_safetensors_path(l->tensors),
                       entry->name, entry->type);
    }
    *numbers = fm_arena_allocate(arena, (size_t)(entry->end - entry->begin) + 1);
    return *numbers ? fm_safetensors_read(l->tensors, at, *numbers) : FM_ERROR_MEMORY;
}

static fm_status find_numbers(loading *l, fm_arena *arena, const char *name, fm_shape shape,
                              double **numbers)
{
    int at = fm_safetensors_find(l->tensors, name);
    if (at >= 0 && fm_shape_equal(fm_safetensors_at(l->tensors, at)->shape, shape)) {
        return read_numbers(l, arena, at, numbers);
    }
    char text[FM_SHAPE_TEXT];
    return fm_fail(l->model->context, FM_ERROR_FORMAT, "%s: tensor '%s' of shape %s is missing",
                   fm_safetensors_path(l->tensors), name, fm_shape_text(shape, text));
}

static fm_status load_place(loading *l, fm_arena *arena)
{
    fm_training *training = &l->model->training;
    double *n = NULL;
    fm_status status = fm_model_file_number(l->file, "fathom.epoch", &training->epoch);
    if (status == FM_OK) {
        status = fm_model_file_number(l->file, "fathom.batch", &training->batch);
    }
    if (status == FM_OK) {
        status = fm_model_file_number(l->file, "fathom.order_seed", &training->order_seed);
    }
    if (status == FM_OK) {
        status = find_numbers(l, arena, "@fit", FM_SHAPE(FM_FIT_NUMBERS), &n);
    }
    if (status != FM_OK) return status;
    training->loss_sum = n[FM_FIT_LOSS_SUM];
    training->samples = fm_whole(n[FM_FIT_SAMPLES]);
    training->epoch_seconds = n[FM_FIT_SECONDS];
    training->rate = n[FM_FIT_RATE];
    training->rate_factor = n[FM_FIT_RATE_FACTOR];
    training->batch_size = fm_whole(n[FM_FIT_BATCH_SIZE]);
    training->data_count = fm_whole(n[FM_FIT_DATA_COUNT]);
    training->shuffled = n[FM_FIT_SHUFFLED] != 0;
    training->history.best_epoch = fm_whole(n[FM_FIT_BEST_EPOCH]);
    return FM_OK;
}

/* The file's metrics by our numbers: columns[i] is where metric i of the model is in a row's
 * scores, -1 when the file's run did not measure it. Returns how many the file has. */
static int map_metrics(const loading *l, int columns[FM_MAX_METRICS])
{
    const char *names = fm_model_file_note(l->file, "fathom.metrics");
    int count = 0;
    for (int i = 0; i < FM_MAX_METRICS; i++) columns[i] = -1;
    while (names && *names) {
        size_t length = strcspn(names, "\n");
        for (int i = 0; i < l->model->options.metric_count; i++) {
            const char *name = fm_model_metric_name(l->model, i);
            if (strlen(name) == length && memcmp(name, names, length) == 0) columns[i] = count;
        }
        count++;
        names += length + (names[length] == '\n');
    }
    return count;
}

static void read_scores(const loading *l, const double *row, const int *columns, fm_scores *scores)
{
    scores->loss = row[0];
    for (int i = 0; i < l->model->options.metric_count; i++) {
        scores->metrics[i] = columns[i] >= 0 ? row[1 + columns[i]] : NAN;
    }
}

static fm_status load_history(loading *l, fm_arena *arena)
{
    int columns[FM_MAX_METRICS];
    int metrics = map_metrics(l, columns);
    int at = fm_safetensors_find(l->tensors, "@history");
    int64_t rows = at >= 0 ? fm_safetensors_at(l->tensors, at)->shape.dims[0] : 0;
    double *row = NULL;
    fm_status status =
        find_numbers(l, arena, "@history", FM_SHAPE(rows, fm_history_columns(metrics)), &row);
    for (int64_t i = 0; i < rows && status == FM_OK; i++) {
        fm_epoch epoch = {.epoch = fm_whole(row[FM_ROW_EPOCH]),
                          .learning_rate = row[FM_ROW_RATE],
                          .epsilon = NAN,
                          .data_wait = NAN,
                          .seconds = row[FM_ROW_SECONDS],
                          .train.samples = fm_whole(row[FM_ROW_SAMPLES]),
                          .validation.samples = fm_whole(row[FM_ROW_VALIDATION_SAMPLES])};
        read_scores(l, row + FM_ROW_SCORES, columns, &epoch.train);
        read_scores(l, row + FM_ROW_SCORES + 1 + metrics, columns, &epoch.validation);
        status = fm_training_append(l->model, &epoch);
        row += fm_history_columns(metrics);
    }
    return status;
}

static fm_status load_data_waits(loading *l, fm_arena *arena)
{
    fm_training *training = &l->model->training;
    double *waits = NULL;
    if (fm_safetensors_find(l->tensors, "@data_wait") < 0) return FM_OK;
    fm_status status =
        find_numbers(l, arena, "@data_wait", FM_SHAPE(training->history.count), &waits);
    for (int64_t i = 0; i < training->history.count && status == FM_OK; i++) {
        training->epochs[i].data_wait = waits[i];
    }
    return status;
}

/* Files of runs that recorded none have none. */
static fm_status load_health(loading *l, fm_arena *arena)
{
    const char *names = fm_model_file_note(l->file, "fathom.layers");
    int at = fm_safetensors_find(l->tensors, "@health");
    double *figures = NULL;
    if (at < 0 || !names) return FM_OK;
    fm_shape shape = fm_safetensors_at(l->tensors, at)->shape;
    bool fits = shape.rank == 3 && shape.dims[2] == FM_HEALTH_FIGURES && shape.dims[1] < INT32_MAX;
    if (!fits || shape.dims[0] > l->model->training.history.count + 1) {
        char text[FM_SHAPE_TEXT];
        return fm_fail(l->model->context, FM_ERROR_FORMAT,
                       "%s: tensor '@health' of shape %s: wanted "
                       "are (epochs, layers, %d)",
                       fm_safetensors_path(l->tensors), fm_shape_text(shape, text),
                       (int)FM_HEALTH_FIGURES);
    }
    fm_status status = read_numbers(l, arena, at, &figures);
    if (status != FM_OK) return status;
    return fm_health_restore(l->model, names, figures, shape.dims[0], shape.dims[1]);
}

static fm_status load_states(loading *l, fm_arena *arena)
{
    static const char prefix[] = "@callback/";
    fm_status status = FM_OK;
    for (int i = 0; i < fm_safetensors_count(l->tensors) && status == FM_OK; i++) {
        const fm_safetensors_entry *entry = fm_safetensors_at(l->tensors, i);
        double *numbers = NULL;
        if (strncmp(entry->name, prefix, sizeof prefix - 1) != 0) continue;
        status = read_numbers(l, arena, i, &numbers);
        if (status != FM_OK) return status;
        status = fm_training_keep_state(l->model, entry->name + sizeof prefix - 1, numbers,
                                        fm_shape_elements(entry->shape));
    }
    return status;
}

/* A file of training that was not private has nothing of this,
 * and what it told is not accounted for. */
static fm_status load_privacy(loading *l, fm_arena *arena)
{
    fm_training *training = &l->model->training;
    fm_private *p = l->model->private;
    double *n = NULL, *epsilons = NULL;
    if (!p) return FM_OK;
    if (fm_safetensors_find(l->tensors, "@privacy") < 0) {
        return fm_fail(l->model->context, FM_ERROR_ARGUMENT,
                       "%s: its training was not private; privacy cannot begin behind it",
                       fm_safetensors_path(l->tensors));
    }
    fm_status status =
        find_numbers(l, arena, "@privacy", FM_SHAPE(FM_PRIVATE_NUMBERS + FM_PRIVACY_ORDERS), &n);
    if (status == FM_OK) {
        status = find_numbers(l, arena, "@epsilon", FM_SHAPE(training->history.count), &epsilons);
    }
    if (status != FM_OK) return status;
    p->sample_rate = n[FM_PRIVATE_RATE];
    p->noise_multiplier = n[FM_PRIVATE_NOISE];
    p->planned_epsilon = n[FM_PRIVATE_EPSILON];
    p->planned_delta = n[FM_PRIVATE_DELTA];
    p->planned_steps = fm_whole(n[FM_PRIVATE_PLANNED]);
    p->made_steps = fm_whole(n[FM_PRIVATE_MADE]);
    memcpy(p->spent.at, n + FM_PRIVATE_NUMBERS, sizeof p->spent.at);
    for (int64_t i = 0; i < training->history.count; i++) {
        training->epochs[i].epsilon = epsilons[i];
    }
    return FM_OK;
}

static fm_status load_metrics(loading *l, fm_arena *arena)
{
    fm_status status = FM_OK;
    for (int i = 0; i < l->model->options.metric_count && status == FM_OK; i++) {
        fm_metric *metric = l->model->train_metrics[i];
        fm_metric_reset(metric);
        if (l->model->training.batch == 0) continue;
        const char *name = fm_arena_format(arena, "@metric/%s", fm_metric_name(metric));
        if (!name) return FM_ERROR_MEMORY;
        int at = fm_safetensors_find(l->tensors, name);
        double *numbers = NULL;
        if (at < 0) continue; /* a metric that is new counts from here */
        status = read_numbers(l, arena, at, &numbers);
        if (status != FM_OK) return status;
        int64_t count = fm_shape_elements(fm_safetensors_at(l->tensors, at)->shape);
        status = fm_metric_restore(metric, numbers, (size_t)count);
    }
    return status;
}

/* After the variables are in the store: the copy is by index in it. */
static fm_status load_best(loading *l)
{
    static const char prefix[] = "@best/";
    fm_model *model = l->model;
    fm_snapshot *best = &model->training.best;
    fm_status status = FM_OK;
    for (int i = 0; i < fm_safetensors_count(l->tensors) && status == FM_OK; i++) {
        const fm_safetensors_entry *entry = fm_safetensors_at(l->tensors, i);
        if (strncmp(entry->name, prefix, sizeof prefix - 1) != 0) continue;
        int index = fm_store_find(model->store, entry->name + sizeof prefix - 1);
        fm_variable_info info = fm_store_info(model->store, index);
        if (index < 0 || !entry->readable || entry->dtype != info.dtype ||
            !fm_shape_equal(entry->shape, info.shape)) {
            return fm_fail(model->context, FM_ERROR_FORMAT,
                           "%s: tensor '%s' fits none of the model's variables",
                           fm_safetensors_path(l->tensors), entry->name);
        }
        if (!best->taken) status = fm_snapshot_take(model->context, model->store, best);
        if (status == FM_OK) status = fm_safetensors_read(l->tensors, i, best->data[index]);
    }
    return status;
}

static fm_carried_variable find_carried(const fm_program *program, const char *path)
{
    fm_carried_variable carried;
    for (int i = 0; (carried = fm_program_carried(program, i)).path; i++) {
        if (strcmp(carried.path, path) == 0) break;
    }
    return carried;
}

/* Into the program that goes on with the epoch: nobody else has a place for it. */
static fm_status load_carried(loading *l)
{
    static const char prefix[] = "@carried/";
    fm_model *model = l->model;
    fm_status status = FM_OK;
    for (int i = 0; i < fm_safetensors_count(l->tensors) && status == FM_OK; i++) {
        const fm_safetensors_entry *entry = fm_safetensors_at(l->tensors, i);
        if (strncmp(entry->name, prefix, sizeof prefix - 1) != 0) continue;
        fm_compiled *whole;
        const fm_program_form form = {FM_TRAIN, model->training.batch_size, 0};
        status = fm_model_compiled(model, form, &whole);
        if (status != FM_OK) return status;
        const fm_carried_variable carried =
            find_carried(whole->program, entry->name + sizeof prefix - 1);
        if (!carried.path || !entry->readable || entry->dtype != carried.dtype ||
            !fm_shape_equal(entry->shape, carried.shape)) {
            return fm_fail(model->context, FM_ERROR_FORMAT,
                           "%s: tensor '%s' fits nothing that the model carries",
                           fm_safetensors_path(l->tensors), entry->name);
        }
        status = fm_safetensors_read(l->tensors, i, carried.data);
    }
    return status;
}

static fm_status load_notes(loading *l)
{
    fm_status status = FM_OK;
    const char *key;
    for (int i = 0; status == FM_OK; i++) {
        key = fm_safetensors_metadata_key(l->tensors, i);
        if (!key) break;
        if (strncmp(key, "fathom.", 7) == 0) continue;
        status = fm_model_set_note(l->model, key, fm_model_file_note(l->file, key));
    }
    return status;
}

static fm_status load_training(loading *l)
{
    fm_arena arena = {.context = l->model->context};
    int64_t step = 0, seed = 0;
    fm_status status = fm_model_file_number(l->file, "fathom.step", &step);
    if (status == FM_OK) status = fm_model_file_number(l->file, "fathom.seed", &seed);
    if (status == FM_OK) {
        fm_store_set_step(l->model->store, (uint64_t)step);
        fm_store_set_seed(l->model->store, (uint64_t)seed);
        status = load_place(l, &arena);
    }
    if (status == FM_OK) status = load_history(l, &arena);
    if (status == FM_OK) status = load_data_waits(l, &arena);
    if (status == FM_OK) status = load_health(l, &arena);
    if (status == FM_OK) status = load_states(l, &arena);
    if (status == FM_OK) status = load_privacy(l, &arena);
    if (status == FM_OK) status = load_metrics(l, &arena);
    if (status == FM_OK) status = load_best(l);
    if (status == FM_OK) status = load_carried(l);
    fm_arena_release(&arena);
    return status;
}

/* ---- load ------------------------------------------------------------------------------------ */

static fm_status open_loading(loading *l, const char *path)
{
    fm_status status = fm_model_file_open(l->model->context, path, &l->file);
    if (status == FM_OK) status = fm_model_variables_graph(l->model, &l->graph);
    if (status != FM_OK) return status;
    l->tensors = l->file->tensors;
    for (int i = 0; i < fm_safetensors_count(l->tensors); i++) {
        l->slots_in_file |= fm_is_slot(fm_safetensors_at(l->tensors, i)->name);
    }
    return FM_OK;
}

/* A file of weights alone has no place in it: training begins anew. */
static fm_status load_all(loading *l)
{
    fm_status status =
        fm_patterns_check(l->model->context, l->options.skip, "skip", "variable", next_name, l);
    if (status == FM_OK && !l->options.partial) status = check_fit(l);
    if (status == FM_OK) status = find_averaged(l);
    if (status == FM_OK) status = read_variables(l);
    if (status == FM_OK) status = store_variables(l);
    if (status != FM_OK || l->options.weights_only) return status;
    fm_training_clear(l->model);
    if (!l->slots_in_file && !l->options.partial) status = begin_anew(l);
    if (status == FM_OK) status = load_notes(l);
    bool has_place = fm_safetensors_find(l->tensors, "@fit") >= 0;
    if (status == FM_OK && has_place && !l->options.partial) status = load_training(l);
    if (status != FM_OK) fm_training_clear(l->model);
    return status;
}

fm_status fm_model_load(fm_model *model, const char *path, const fm_load_options *options)
{
    loading l = {.model = model, .options = options ? *options : (fm_load_options){0}};
    fm_status status = open_loading(&l, path);
    if (status == FM_OK) status = load_all(&l);
    for (size_t i = 0; l.read && i < l.graph->variable_count; i++) {
        fm_release(model->context, l.read[i]);
    }
    fm_release(model->context, l.read);
    fm_graph_destroy(l.graph);
    fm_model_file_close(l.file);
    return status;
}
