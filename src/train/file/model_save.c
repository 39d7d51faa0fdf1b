#include "train/file/model_format.h"
#include "train/health.h"
#include "base/file.h"
#include "train/privacy/private_training.h"
#include "ir/ir.h"

#include <string.h>

/* The list of what is written, growing. */
typedef struct content {
    fm_model *model;
    fm_arena arena; /* names and numbers */
    fm_safetensors_tensor *tensors;
    size_t tensor_count, tensor_capacity;
    fm_safetensors_note *notes;
    size_t note_count, note_capacity;
} content;

static fm_status add_tensor(content *c, const fm_safetensors_tensor *tensor)
{
    if (!tensor->name) return FM_ERROR_MEMORY;
    fm_status status = fm_grow(c->model->context, &c->tensors, &c->tensor_capacity,
                               c->tensor_count + 1, sizeof *c->tensors);
    if (status == FM_OK) c->tensors[c->tensor_count++] = *tensor;
    return status;
}

static fm_status add_note(content *c, const char *key, const char *text)
{
    if (!text) return FM_ERROR_MEMORY;
    fm_status status = fm_grow(c->model->context, &c->notes, &c->note_capacity, c->note_count + 1,
                               sizeof *c->notes);
    if (status == FM_OK) c->notes[c->note_count++] = (fm_safetensors_note){key, text};
    return status;
}

/* ---- variables ------------------------------------------------------------------------------- */

static fm_status fill_variable(void *user, int64_t index, void *elements)
{
    return fm_store_read(user, (int)index, elements);
}

static fm_status add_variable(content *c, int index)
{
    fm_variable_info info = fm_store_info(c->model->store, index);
    return add_tensor(c, &(fm_safetensors_tensor){.name = info.path,
                                                  .dtype = info.dtype,
                                                  .shape = info.shape,
                                                  .fill = fill_variable,
                                                  .user = c->model->store,
                                                  .index = index});
}

static fm_status add_variables(content *c, bool weights_only)
{
    const fm_graph *graph = c->model->graph;
    fm_status status = fm_model_require_variables(c->model);
    for (int i = 0; i < fm_store_count(c->model->store) && status == FM_OK; i++) {
        const char *path = fm_store_info(c->model->store, i).path;
        bool wanted = !weights_only || fm_map_get(&graph->variable_by_path, path, NULL);
        if (wanted) status = add_variable(c, i);
    }
    return status;
}

static fm_status add_best(content *c)
{
    const fm_snapshot *best = &c->model->training.best;
    fm_status status = FM_OK;
    for (int i = 0; i < best->count && best->taken && status == FM_OK; i++) {
        fm_variable_info info = fm_store_info(c->model->store, i);
        status = add_tensor(
            c, &(fm_safetensors_tensor){.name = fm_arena_format(&c->arena, "@best/%s", info.path),
                                        .dtype = info.dtype,
                                        .shape = info.shape,
                                        .data = best->data[i]});
    }
    return status;
}

/* ---- where fit stands ------------------------------------------------------------------------ */

static fm_status add_numbers(content *c, const char *name, const double *numbers, fm_shape shape)
{
    return add_tensor(c, &(fm_safetensors_tensor){
                             .name = name, .dtype = FM_F64, .shape = shape, .data = numbers});
}

static fm_status add_fit(content *c)
{
    const fm_training *training = &c->model->training;
    double *n = fm_arena_allocate(&c->arena, FM_FIT_NUMBERS * sizeof(double));
    if (!n) return FM_ERROR_MEMORY;
    n[FM_FIT_LOSS_SUM] = training->loss_sum;
    n[FM_FIT_SAMPLES] = (double)training->samples;
    n[FM_FIT_SECONDS] = training->epoch_seconds;
    n[FM_FIT_RATE] = training->rate;
    n[FM_FIT_RATE_FACTOR] = training->rate_factor;
    n[FM_FIT_BATCH_SIZE] = (double)training->batch_size;
    n[FM_FIT_DATA_COUNT] = (double)training->data_count;
    n[FM_FIT_SHUFFLED] = training->shuffled;
    n[FM_FIT_BEST_EPOCH] = (double)training->history.best_epoch;
    return add_numbers(c, "@fit", n, FM_SHAPE(FM_FIT_NUMBERS));
}

static void write_row(const fm_epoch *epoch, int metrics, double *row)
{
    row[FM_ROW_EPOCH] = (double)epoch->epoch;
    row[FM_ROW_RATE] = epoch->learning_rate;
    row[FM_ROW_SECONDS] = epoch->seconds;
    row[FM_ROW_SAMPLES] = (double)epoch->train.samples;
    row[FM_ROW_VALIDATION_SAMPLES] = (double)epoch->validation.samples;
    row += FM_ROW_SCORES;
    *row++ = epoch->train.loss;
    for (int i = 0; i < metrics; i++) *row++ = epoch->train.metrics[i];
    *row++ = epoch->validation.loss;
    for (int i = 0; i < metrics; i++) *row++ = epoch->validation.metrics[i];
}

static fm_status add_history(content *c)
{
    const fm_history *history = &c->model->training.history;
    int metrics = c->model->options.metric_count;
    int64_t columns = fm_history_columns(metrics);
    double *rows =
        fm_arena_allocate(&c->arena, (size_t)(history->count * columns + 1) * sizeof(double));
    if (!rows) return FM_ERROR_MEMORY;
    for (int64_t i = 0; i < history->count; i++) {
        write_row(&history->epochs[i], metrics, rows + i * columns);
    }
    return add_numbers(c, "@history", rows, FM_SHAPE(history->count, columns));
}

static fm_status add_data_waits(content *c)
{
    const fm_history *history = &c->model->training.history;
    double *waits = fm_arena_allocate(&c->arena, (size_t)(history->count + 1) * sizeof(double));
    if (!waits) return FM_ERROR_MEMORY;
    for (int64_t i = 0; i < history->count; i++) waits[i] = history->epochs[i].data_wait;
    return add_numbers(c, "@data_wait", waits, FM_SHAPE(history->count));
}

/* The rows as they lie in memory: structs of doubles. */
static fm_status add_health(content *c)
{
    const fm_health_store *health = &c->model->training.health;
    if (health->epochs == 0) return FM_OK;
    fm_text names = FM_TEXT(c->model->context);
    for (int i = 0; i < health->layer_count; i++) {
        fm_text_add(&names, "%s%s", i ? "\n" : "", health->layers[i]);
    }
    const char *copy = names.failed ? NULL : fm_arena_string(&c->arena, fm_text_string(&names));
    fm_text_release(&names);
    fm_status status = add_note(c, "fathom.layers", copy);
    if (status != FM_OK) return status;
    return add_numbers(c, "@health", &health->rows->gradient_norm,
                       FM_SHAPE(health->epochs, health->layer_count, FM_HEALTH_FIGURES));
}

static fm_status add_states(content *c)
{
    const fm_training *training = &c->model->training;
    fm_status status = fm_training_keep_states(c->model);
    for (size_t i = 0; i < training->state_count && status == FM_OK; i++) {
        const fm_kept_state *state = &training->states[i];
        const char *name = fm_arena_format(&c->arena, "@callback/%s", state->name);
        status = add_numbers(c, name, state->numbers, FM_SHAPE(state->count));
    }
    return status;
}

static fm_status add_privacy(content *c)
{
    const fm_private *p = c->model->private;
    const fm_history *history = &c->model->training.history;
    if (!p) return FM_OK;
    size_t count = FM_PRIVATE_NUMBERS + FM_PRIVACY_ORDERS;
    double *n = fm_arena_allocate(&c->arena, count * sizeof(double));
    double *epsilons = fm_arena_allocate(&c->arena, (size_t)(history->count + 1) * sizeof(double));
    if (!n || !epsilons) return FM_ERROR_MEMORY;
    n[FM_PRIVATE_RATE] = p->sample_rate;
    n[FM_PRIVATE_NOISE] = p->noise_multiplier;
    n[FM_PRIVATE_EPSILON] = p->planned_epsilon;
    n[FM_PRIVATE_DELTA] = p->planned_delta;
    n[FM_PRIVATE_PLANNED] = (double)p->planned_steps;
    n[FM_PRIVATE_MADE] = (double)p->made_steps;
    memcpy(n + FM_PRIVATE_NUMBERS, p->spent.at, sizeof p->spent.at);
    for (int64_t i = 0; i < history->count; i++) epsilons[i] = history->epochs[i].epsilon;
    fm_status status = add_numbers(c, "@epsilon", epsilons, FM_SHAPE(history->count));
    return status == FM_OK ? add_numbers(c, "@privacy", n, FM_SHAPE((int64_t)count)) : status;
}

/* Between epochs the metrics are empty. */
static fm_status add_metrics(content *c)
{
    fm_status status = FM_OK;
    if (c->model->training.batch == 0) return FM_OK;
    for (int i = 0; i < c->model->options.metric_count && status == FM_OK; i++) {
        const fm_metric *metric = c->model->train_metrics[i];
        size_t count = fm_metric_state(metric, NULL);
        double *numbers = fm_arena_allocate(&c->arena, (count + 1) * sizeof(double));
        if (!numbers) return FM_ERROR_MEMORY;
        fm_metric_state(metric, numbers);
        const char *name = fm_arena_format(&c->arena, "@metric/%s", fm_metric_name(metric));
        status = add_numbers(c, name, numbers, FM_SHAPE((int64_t)count));
    }
    return status;
}

/* Between epochs layers carry nothing. */
static fm_status add_carried(content *c)
{
    const fm_model *model = c->model;
    const fm_program_form form = {FM_TRAIN, model->training.batch_size, 0};
    const fm_compiled *whole = fm_model_find_compiled(model, form);
    fm_status status = FM_OK;
    fm_carried_variable carried;
    if (model->training.batch == 0 || !whole) return FM_OK;
    for (int i = 0; (carried = fm_program_carried(whole->program, i)).path; i++) {
        const char *name = fm_arena_format(&c->arena, "@carried/%s", carried.path);
        status = add_tensor(c, &(fm_safetensors_tensor){.name = name,
                                                        .dtype = carried.dtype,
                                                        .shape = carried.shape,
                                                        .data = carried.data});
        if (status != FM_OK) return status;
    }
    return FM_OK;
}

/* ---- metadata -------------------------------------------------------------------------------- */

static const char *metric_names(content *c)
{
    fm_text names = FM_TEXT(c->model->context);
    for (int i = 0; i < c->model->options.metric_count; i++) {
        fm_text_add(&names, "%s%s", i ? "\n" : "", fm_model_metric_name(c->model, i));
    }
    const char *copy = names.failed ? NULL : fm_arena_string(&c->arena, fm_text_string(&names));
    fm_text_release(&names);
    return copy;
}

static fm_status add_place(content *c)
{
    const fm_training *training = &c->model->training;
    const struct {
        const char *key;
        long long number;
    } numbers[] = {{"fathom.step", (long long)fm_store_step(c->model->store)},
                   {"fathom.epoch", training->epoch},
                   {"fathom.batch", training->batch},
                   {"fathom.seed", (long long)fm_store_seed(c->model->store)},
                   {"fathom.order_seed", training->order_seed}};
    fm_status status = FM_OK;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0] && status == FM_OK; i++) {
        const char *text = fm_arena_format(&c->arena, "%lld", numbers[i].number);
        status = add_note(c, numbers[i].key, text);
    }
    return status == FM_OK ? add_note(c, "fathom.metrics", metric_names(c)) : status;
}

static fm_status add_notes(content *c)
{
    fm_status status = add_note(c, "fathom.format", FM_FORMAT_VERSION);
    for (size_t i = 0; i < c->model->note_count && status == FM_OK; i++) {
        status = add_note(c, c->model->notes[i].key, c->model->notes[i].text);
    }
    return status;
}

static fm_status add_training(content *c)
{
    fm_status status = add_place(c);
    if (status == FM_OK) status = add_fit(c);
    if (status == FM_OK) status = add_history(c);
    if (status == FM_OK) status = add_data_waits(c);
    if (status == FM_OK) status = add_health(c);
    if (status == FM_OK) status = add_states(c);
    if (status == FM_OK) status = add_privacy(c);
    if (status == FM_OK) status = add_metrics(c);
    if (status == FM_OK) status = add_carried(c);
    return status == FM_OK ? add_best(c) : status;
}

/* ---- the file -------------------------------------------------------------------------------- */

static fm_status write_content(content *c, const char *path, bool weights_only)
{
    fm_status status = add_notes(c);
    if (status == FM_OK) status = add_variables(c, weights_only);
    bool has_place = !weights_only && !c->model->training.lost;
    if (status == FM_OK && has_place) status = add_training(c);
    if (status != FM_OK) return status;
    return fm_safetensors_write(c->model->context, path, c->notes, c->note_count, c->tensors,
                                c->tensor_count);
}

fm_status fm_model_check_save(const fm_model *model, const char *path)
{
    return fm_file_check_writable(model->context, path);
}

fm_status fm_model_save(fm_model *model, const char *path, const fm_save_options *options)
{
    bool weights_only = options && options->weights_only;
    bool averages = weights_only && model->options.optimizer.ema_momentum != 0;
    content c = {.model = model, .arena.context = model->context};
    fm_status status = averages ? fm_average_swap(model->context, model->store) : FM_OK;
    if (status == FM_OK) {
        status = write_content(&c, path, weights_only);
        fm_status swapped = averages ? fm_average_swap(model->context, model->store) : FM_OK;
        if (status == FM_OK) status = swapped;
    }
    fm_release(model->context, c.tensors);
    fm_release(model->context, c.notes);
    fm_arena_release(&c.arena);
    return status;
}
