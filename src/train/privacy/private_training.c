/* Steps of DP-SGD (Abadi et al. 2016, algorithm 1) out of two programs. */
#include "train/privacy/private_training.h"
#include "base/element.h"
#include "base/fields.h"
#include "fathom/ops.h"
#include "nn/private_minimize.h"

#include <math.h>
#include <string.h>

enum { DEFAULT_CHUNK = 32, LARGEST_CHUNK = 4096 };

const fm_field fm_privacy_fields[] = {
    {"max_grad_norm", "the L2 norm that an example's gradient is scaled down to (l2_norm_clip)",
     offsetof(fm_privacy_options, max_grad_norm), .type = FM_FIELD_REAL, .default_value = 1,
     .minimum = 1e-9, .maximum = 1e9},
    {"noise_multiplier", "deviation of the noise by max_grad_norm",
     offsetof(fm_privacy_options, noise_multiplier), .type = FM_FIELD_REAL, .default_value = 1,
     .maximum = 1e5},
    {"target_epsilon", "in place of noise_multiplier: the least noise that spends no more",
     offsetof(fm_privacy_options, target_epsilon), .type = FM_FIELD_REAL, .maximum = 1e6},
    {"target_delta", "the delta that epsilon is told for, less than 1 by the number of examples",
     offsetof(fm_privacy_options, target_delta), .type = FM_FIELD_REAL, .default_value = 1e-5,
     .minimum = 1e-300, .maximum = 0.5},
    {"physical_batch_size",
     "examples that are worked on at once (default: 32 where that is known to be right, else 1)",
     offsetof(fm_privacy_options, physical_batch_size), .type = FM_FIELD_INT,
     .maximum = LARGEST_CHUNK},
    {"noise_seed", "a known key in place of a secret one: repeatable, and not private",
     offsetof(fm_privacy_options, noise_seed), .type = FM_FIELD_INT},
    {0},
};

/* ---- graphs ---------------------------------------------------------------------------------- */

fm_status fm_private_sum_graph(const fm_model *model, int64_t examples, fm_graph **graph)
{
    fm_val loss;
    const fm_private *p = model->private;
    fm_status status =
        fm_model_loss_graph(model, (fm_program_form){FM_TRAIN, examples, 0}, graph, &loss);
    if (status != FM_OK) return status;
    fm_private_accumulate(*graph, loss, examples, &model->options.optimizer,
                          p->options.max_grad_norm);
    return fm_model_finish_graph(graph);
}

fm_status fm_private_update_graph(const fm_model *model, fm_graph **graph)
{
    fm_val loss;
    fm_status status = fm_model_loss_graph(model, (fm_program_form){FM_TRAIN, 1, 0}, graph, &loss);
    if (status != FM_OK) return status;
    fm_private_update(*graph, &model->options.optimizer);
    return fm_model_finish_graph(graph);
}

/* ---- create ---------------------------------------------------------------------------------- */

static fm_status complete(fm_context *context, const fm_privacy_options *given, int precision,
                          fm_privacy_options *o)
{
    *o = *given;
    fm_status status = fm_fields_complete(context, fm_privacy_fields, o, "privacy");
    if (status != FM_OK) return status;
    bool has_noise = given->noise_multiplier != 0 || signbit(given->noise_multiplier);
    if (precision != FM_PRECISION_F32) {
        return fm_fail(
            context, FM_ERROR_ARGUMENT,
            "privacy: products of rounded numbers do not keep max_grad_norm; precision must "
            "be f32");
    }
    if (given->target_epsilon != 0 && has_noise) {
        return fm_fail(context, FM_ERROR_ARGUMENT,
                       "privacy: give noise_multiplier or target_epsilon, not both");
    }
    return FM_OK;
}

/* Several examples at once where the graph can be built,
 * one where it cannot be and nobody asked. */
static fm_status choose_chunk(fm_model *model)
{
    fm_private *p = model->private;
    fm_graph *graph;
    p->chunk = p->options.physical_batch_size ? p->options.physical_batch_size : DEFAULT_CHUNK;
    if (p->chunk == 1) return FM_OK;
    fm_status status = fm_private_sum_graph(model, p->chunk, &graph);
    fm_graph_destroy(graph);
    if (status != FM_ERROR_UNSUPPORTED || p->options.physical_batch_size) return status;
    fm_report(model->context, FM_LOG_INFO, "%s; it is", fm_error_message(model->context));
    fm_error_clear(model->context);
    p->chunk = 1;
    return FM_OK;
}

/* Each example's gradient is clipped alone. */
static fm_status check_loss(const fm_model *model)
{
    const fm_loss_record *loss = fm_loss_at(model->options.loss);
    if (loss->label_kind != FM_LABEL_GROUP) return FM_OK;
    return fm_fail(model->context, FM_ERROR_ARGUMENT,
                   "privacy: the loss %s compares the examples of a batch, so that none has a "
                   "gradient of its own",
                   loss->name);
}

fm_status fm_private_create(fm_model *model, const fm_privacy_options *options)
{
    fm_private *p = fm_allocate_zeroed(model->context, sizeof *p);
    if (!p) return FM_ERROR_MEMORY;
    model->private = p;
    fm_status status = complete(model->context, options, model->options.precision, &p->options);
    if (status == FM_OK) status = check_loss(model);
    if (status != FM_OK) return status;
    p->noise_multiplier = p->options.target_epsilon != 0 ? NAN : p->options.noise_multiplier;
    fm_graph *graph;
    status = fm_private_update_graph(model, &graph);
    fm_graph_destroy(graph);
    return status == FM_OK ? choose_chunk(model) : status;
}

void fm_private_destroy(fm_model *model)
{
    fm_private *p = model->private;
    if (!p) return;
    fm_compiled_destroy(model, p->update);
    memset(&p->secret, 0, sizeof p->secret);
    fm_release(model->context, p);
    model->private = NULL;
}

/* ---- the plan -------------------------------------------------------------------------------- */

int64_t fm_private_epoch_steps(int64_t samples, int64_t batch_size)
{
    return samples > batch_size ? samples / batch_size : 1;
}

fm_status fm_private_plan_run(fm_model *model, int64_t samples, int64_t batch_size, int64_t epochs,
                              int64_t done_steps)
{
    fm_private *p = model->private;
    const fm_privacy_options *o = &p->options;
    if (batch_size > samples) {
        return fm_fail(model->context, FM_ERROR_ARGUMENT,
                       "privacy: batches of %lld on average were asked for, of %lld samples",
                       (long long)batch_size, (long long)samples);
    }
    double rate = (double)batch_size / (double)samples;
    int64_t planned = epochs * fm_private_epoch_steps(samples, batch_size);
    bool same = p->sample_rate == rate && p->planned_steps == planned &&
                p->made_steps == done_steps && p->planned_epsilon == o->target_epsilon &&
                p->planned_delta == o->target_delta;
    fm_status status = FM_OK;
    if (o->target_epsilon != 0 && !(same && p->noise_multiplier > 0)) {
        const fm_privacy_plan rest = {
            .sample_rate = rate,
            .steps = planned > done_steps ? planned - done_steps : 0,
            .delta = o->target_delta,
        };
        status = fm_privacy_noise(model->context, &rest, &p->spent, o->target_epsilon,
                                  &p->noise_multiplier);
    } else if (o->target_epsilon == 0) {
        p->noise_multiplier = o->noise_multiplier;
    }
    p->sample_rate = rate;
    p->expected_batch = (double)batch_size;
    p->planned_epsilon = o->target_epsilon;
    p->planned_delta = o->target_delta;
    p->planned_steps = planned;
    p->made_steps = done_steps;
    fm_privacy_step(rate, p->noise_multiplier, &p->step);
    return status;
}

int64_t fm_private_piece(const fm_model *model)
{
    return model->private->chunk > 1 ? model->private->chunk : DEFAULT_CHUNK;
}

/* ---- steps ----------------------------------------------------------------------------------- */

fm_status fm_private_open(fm_model *model)
{
    fm_private *p = model->private;
    fm_status status = FM_OK;
    if (p->options.noise_seed != 0) {
        p->secret = fm_secret_of_seed((uint64_t)p->options.noise_seed);
    } else if (!p->has_secret) {
        status = fm_secret_draw(model->context, &p->secret);
    }
    if (status != FM_OK) return status;
    p->has_secret = true;
    if (!p->sum)
        status = fm_model_compiled(model, (fm_program_form){FM_TRAIN, p->chunk, 0}, &p->sum);
    if (status != FM_OK || p->update) return status;
    fm_graph *graph;
    status = fm_private_update_graph(model, &graph);
    if (status != FM_OK) return status;
    status = fm_model_compile_graph(model, (fm_program_form){FM_TRAIN, 1, 0}, graph,
                                    &model->program_options, &p->update);
    fm_graph_destroy(graph);
    return status;
}

/* The sums of a step that failed must not come into the next one. */
static fm_status clear_sums(fm_model *model)
{
    static const char prefix[] = "optimizer/gradient/";
    fm_status status = FM_OK;
    for (int i = 0; i < fm_store_count(model->store) && status == FM_OK; i++) {
        fm_variable_info info = fm_store_info(model->store, i);
        if (strncmp(info.path, prefix, sizeof prefix - 1) != 0) continue;
        size_t bytes = (size_t)fm_shape_bytes(info.shape, info.dtype);
        void *zeros = fm_allocate_zeroed(model->context, bytes + 1);
        status = zeros ? fm_store_write(model->store, i, zeros) : FM_ERROR_MEMORY;
        fm_release(model->context, zeros);
    }
    return status;
}

fm_status fm_private_begin(fm_model *model)
{
    fm_private *p = model->private;
    fm_status status = p->unfinished ? clear_sums(model) : FM_OK;
    p->unfinished = status != FM_OK;
    p->runs = 0;
    return status;
}

/* One run. Dropout and its like are keyed by the store's step, which must differ from run to run
 * and count steps otherwise. */
static fm_status add_run(fm_model *model, const void *x, const void *y)
{
    enum { RUNS_APART = 1048583 }; /* a prime */
    fm_private *p = model->private;
    uint64_t step = fm_store_step(model->store);
    fm_store_set_step(model->store, step * RUNS_APART + (uint64_t)p->runs++);
    fm_status status = fm_compiled_run(model, p->sum, x, y, 0);
    fm_store_set_step(model->store, step);
    return status;
}

static void weigh_examples(const fm_model *model, int64_t count)
{
    const fm_private *p = model->private;
    void *weights = fm_program_input(p->sum->program, FM_EXAMPLE_WEIGHT);
    for (int64_t i = 0; weights && i < p->chunk; i++) {
        fm_element_put(weights, model->options.dtype, (size_t)i, i < count);
    }
}

/* What fills up a piece that is too short for the program is never read, but must be there. */
static const void *fill_up(void *own, const void *elements, size_t bytes, int64_t count,
                           int64_t chunk)
{
    if (count == chunk) return elements;
    memcpy(own, elements, bytes * (size_t)count);
    memset((char *)own + bytes * (size_t)count, 0, bytes * (size_t)(chunk - count));
    return own;
}

fm_status fm_private_add(fm_model *model, const void *x, const void *y, int64_t count,
                         fm_metric *const *metrics, double *loss_sum)
{
    fm_private *p = model->private;
    fm_compiled *sum = p->sum;
    fm_status status = FM_OK;
    p->unfinished = true;
    for (int64_t i = 0; i < count && status == FM_OK; i += p->chunk) {
        int64_t here = count - i < p->chunk ? count - i : p->chunk;
        const char *from_x = (const char *)x + (size_t)i * sum->x_bytes;
        const char *from_y = (const char *)y + (size_t)i * sum->y_bytes;
        weigh_examples(model, here);
        status = add_run(model, fill_up(sum->own_x, from_x, sum->x_bytes, here, p->chunk),
                         fill_up(sum->own_y, from_y, sum->y_bytes, here, p->chunk));
        if (status != FM_OK) return status;
        *loss_sum += fm_compiled_loss(model, sum) * (double)p->chunk;
        if (metrics) status = fm_compiled_measure(model, sum, metrics, from_y, here);
    }
    return status;
}

static void put_number(const fm_model *model, const char *name, double number)
{
    fm_element_put(fm_program_input(model->private->update->program, name), model->options.dtype, 0,
                   number);
}

fm_status fm_private_end(fm_model *model, double rate)
{
    fm_private *p = model->private;
    uint64_t step = fm_store_step(model->store);
    int32_t *key = fm_program_input(p->update->program, FM_NOISE_KEY);
    memcpy(key, p->secret.key, sizeof p->secret.key);
    memcpy(key + FM_CHACHA_KEY, &step, sizeof step);
    put_number(model, FM_NOISE_DEVIATION, p->noise_multiplier * p->options.max_grad_norm);
    put_number(model, FM_EXPECTED_BATCH, p->expected_batch);
    put_number(model, FM_LEARNING_RATE, rate);
    fm_status status = fm_program_run(p->update->program);
    if (status != FM_OK) return status;
    p->unfinished = false;
    p->made_steps++;
    fm_privacy_add(&p->spent, &p->step, 1);
    return FM_OK;
}

fm_status fm_private_train_step(fm_model *model, const fm_batch *batch, double rate, double *loss)
{
    fm_private *p = model->private;
    double sum = 0;
    fm_status status = fm_batch_check(model, batch);
    if (status != FM_OK) return status;
    if (batch->length > 0 && batch->length != model->options.input_shape.dims[0]) {
        return fm_fail(
            model->context, FM_ERROR_ARGUMENT,
            "privacy: examples have one length, received a batch of %lld steps: read data "
            "with buckets with one_length",
            (long long)batch->length);
    }
    if (isnan(p->noise_multiplier)) {
        return fm_fail(model->context, FM_ERROR_ARGUMENT,
                       "privacy: target_epsilon needs a fit, which knows the number of steps; give "
                       "noise_multiplier");
    }
    if (p->sample_rate == 0) {
        p->sample_rate = 1;
        fm_privacy_step(1, p->noise_multiplier, &p->step);
    }
    if (p->expected_batch == 0) p->expected_batch = (double)batch->count;
    status = fm_private_open(model);
    if (status == FM_OK) status = fm_private_begin(model);
    if (status == FM_OK) {
        status = fm_private_add(model, batch->x, batch->y, batch->count, NULL, &sum);
    }
    if (status == FM_OK) status = fm_private_end(model, rate);
    if (status == FM_OK && loss) *loss = sum / (double)batch->count;
    return status;
}

int64_t fm_model_step_batch(const fm_model *model, int64_t batch_size)
{
    return model->private ? model->private->chunk : batch_size;
}

double fm_private_epsilon(const fm_model *model)
{
    const fm_private *p = model->private;
    return p ? fm_privacy_spent(&p->spent, p->options.target_delta, NULL) : NAN;
}
