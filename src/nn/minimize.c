/* From a loss to updates: gradients, accumulation, clipping, the rule, averages. */
#include "base/text.h"
#include "fathom/nn.h"
#include "fathom/ops.h"
#include "ir/ir.h"
#include "nn/minimizer.h"
#include "nn/optimizer_rules.h"
#include "nn/option.h"

#include <stdio.h>

/* The variable optimizer/KIND/PATH, not trainable, that starts with `start` everywhere. */
static fm_val optimizer_state(fm_minimizer *m, fm_dtype dtype, fm_shape shape, double start,
                              const char *kind, const char *path)
{
    fm_text name = FM_TEXT(fm_graph_context(m->g));
    fm_text_add(&name, "optimizer/%s%s%s", kind, *path ? "/" : "", path);
    if (fm_text_status(&name) != FM_OK) {
        fm_text_release(&name);
        return fm_graph_fail_context(m->g);
    }
    fm_variable_options options = {.not_trainable = true};
    if (start != 0) options.initializer = fm_constant_initializer(start);
    fm_val made = fm_variable(m->g, fm_text_string(&name), dtype, shape, &options);
    fm_text_release(&name);
    return made;
}

static fm_val counter(fm_minimizer *m, const char *kind, double start)
{
    return optimizer_state(m, FM_F64, FM_SHAPE(), start, kind, "");
}

static fm_val number(fm_minimizer *m, double value)
{
    return fm_constant(m->g, FM_F64, FM_SHAPE(), &value);
}

/* ---- which run updates, and which update it is ----------------------------------------------- */

static void count_runs(fm_minimizer *m)
{
    fm_graph *g = m->g;
    fm_val done = counter(m, "iterations", 0);
    m->t = fm_add_scalar(g, done, 1);
    if (m->o.accumulate_steps == 1) {
        fm_update(g, done, m->t);
        return;
    }
    fm_val runs = counter(m, "accumulated", 0);
    m->update = fm_greater(g, runs, number(m, (double)m->o.accumulate_steps - 1.5));
    fm_val wait = fm_add_scalar(g, fm_neg(g, m->update), 1);
    m->t = fm_mul(g, m->t, m->update);
    fm_update(g, done, fm_add(g, done, m->update));
    fm_update(g, runs, fm_mul(g, fm_add_scalar(g, runs, 1), wait));
}

/* M(t) = M(t - 1) mu(t); unchanged where t = 0. mu(t) = beta_1 (1 - 0.96^(t decay) / 2). */
static void count_momentum(fm_minimizer *m)
{
    static const double log_096 = -0.040821994520255166;
    if (m->o.rule != FM_NADAM) return;
    fm_graph *g = m->g;
    fm_val before = counter(m, "momentum_product", 1);
    fm_val fading = fm_exp(g, fm_mul_scalar(g, m->t, m->o.momentum_decay * log_096));
    fm_val mu = fm_mul_scalar(g, fm_add_scalar(g, fm_mul_scalar(g, fading, -0.5), 1), m->o.beta_1);
    if (m->update.id) mu = fm_where(g, m->update, mu, number(m, 1));
    m->product = fm_mul(g, before, mu);
    fm_update(g, before, m->product);
}

/* ---- gradients ------------------------------------------------------------------------------- */

static fm_val in_dtype(fm_minimizer *m, fm_val value, fm_dtype dtype)
{
    return fm_val_dtype(m->g, value) == dtype ? value : fm_cast(m->g, value, dtype);
}

fm_val fm_minimizer_gradient_sum(fm_minimizer *m, int i)
{
    fm_val variable = m->variables[i];
    return optimizer_state(m, fm_val_dtype(m->g, variable), fm_val_shape(m->g, variable), 0,
                           "gradient", fm_val_name(m->g, variable));
}

/* The sum of the runs so far, this one included; it starts again after an update. */
static void accumulate(fm_minimizer *m)
{
    fm_graph *g = m->g;
    if (m->o.accumulate_steps == 1) return;
    for (int i = 0; i < m->count; i++) {
        fm_dtype dtype = fm_val_dtype(g, m->variables[i]);
        fm_val wait = fm_add_scalar(g, fm_neg(g, in_dtype(m, m->update, dtype)), 1);
        fm_val before = fm_minimizer_gradient_sum(m, i);
        fm_val sum = fm_add(g, before, m->gradients[i]);
        fm_update(g, before, fm_mul(g, sum, wait));
        m->gradients[i] = fm_mul_scalar(g, sum, 1.0 / (double)m->o.accumulate_steps);
    }
}

fm_val fm_square_sum(fm_graph *g, fm_val x)
{
    return fm_sum(g, fm_square(g, x), (fm_ints){0}, false);
}

fm_val fm_shrink_factor(fm_graph *g, fm_val norm_square, double limit)
{
    fm_val most = fm_scalar_as(g, fm_val_dtype(g, norm_square), limit);
    return fm_div(g, most, fm_maximum(g, fm_sqrt(g, norm_square), most));
}

static void clip(fm_minimizer *m)
{
    fm_graph *g = m->g;
    fm_val all = {0};
    for (int i = 0; i < m->count; i++) {
        fm_val x = m->gradients[i];
        if (m->o.clip_value != 0) x = fm_clip(g, x, -m->o.clip_value, m->o.clip_value);
        if (m->o.clip_norm != 0) {
            x = fm_mul(g, x, fm_shrink_factor(g, fm_square_sum(g, x), m->o.clip_norm));
        }
        m->gradients[i] = x;
        if (m->o.global_clip_norm == 0) continue;
        fm_val square = fm_square_sum(g, x);
        all = all.id ? fm_add(g, all, square) : square;
    }
    if (!all.id) return;
    fm_val factor = fm_shrink_factor(g, all, m->o.global_clip_norm);
    for (int i = 0; i < m->count; i++) m->gradients[i] = fm_mul(g, m->gradients[i], factor);
}

/* ---- updates --------------------------------------------------------------------------------- */

static void update_average(fm_minimizer *m, fm_val variable, fm_val next)
{
    if (m->o.ema_momentum == 0) return;
    fm_val average = optimizer_state(m, fm_val_dtype(m->g, variable), fm_val_shape(m->g, variable),
                                     0, "average", fm_val_name(m->g, variable));
    const fm_update_attributes attributes = {.momentum = m->o.ema_momentum};
    fm_update(m->g, average,
              fm_node_add(m->g, &fm_op_moving_average, (fm_val[]){average, next, m->t}, 3,
                          &attributes, NULL));
}

static void update_variable(fm_minimizer *m, fm_val variable, fm_val gradient)
{
    const fm_optimizer *o = &m->o;
    const fm_update_attributes attributes = {
        .momentum = o->momentum,
        .rho = o->rho,
        .beta_1 = o->beta_1,
        .beta_2 = o->beta_2,
        .epsilon = o->epsilon,
        .momentum_decay = o->momentum_decay,
        .l1 = o->l1,
        .l2 = o->l2,
        .weight_decay = o->weight_decay,
        .l1_decay = o->l1_decay,
        .nesterov = o->nesterov,
    };
    fm_val inputs[4 + FM_MAX_SLOTS + 1] = {variable, gradient, m->rate, m->t};
    fm_val outputs[1 + FM_MAX_SLOTS] = {{0}};
    int count = 4;
    const char *const *slots = fm_optimizer_slots(o);
    for (; slots[count - 4]; count++) {
        char kind[64];
        snprintf(kind, sizeof kind, "%s/%s", m->rule, slots[count - 4]);
        inputs[count] =
            optimizer_state(m, fm_val_dtype(m->g, variable), fm_val_shape(m->g, variable), 0, kind,
                            fm_val_name(m->g, variable));
    }
    int slot_count = count - 4;
    if (m->product.id) inputs[count++] = m->product;
    fm_node_add(m->g, fm_optimizer_op(o), inputs, count, &attributes, outputs);
    fm_update(m->g, variable, outputs[0]);
    for (int i = 0; i < slot_count; i++) fm_update(m->g, inputs[4 + i], outputs[1 + i]);
    update_average(m, variable, outputs[0]);
}

/* ---- all together ---------------------------------------------------------------------------- */

/* The trainable variables, and room for their gradients. */
static fm_status collect(fm_minimizer *m)
{
    fm_context *context = fm_graph_context(m->g);
    int all = 0;
    while (fm_graph_variable(m->g, all).id) all++;
    m->variables = fm_allocate_array(context, 2 * (size_t)all + 1, sizeof *m->variables);
    if (!m->variables) return FM_ERROR_MEMORY;
    for (int i = 0; i < all; i++) {
        fm_val variable = fm_graph_variable(m->g, i);
        if (fm_val_trainable(m->g, variable)) m->variables[m->count++] = variable;
    }
    m->gradients = m->variables + m->count;
    return FM_OK;
}

bool fm_minimizer_begin(fm_minimizer *m, fm_graph *g, const fm_optimizer *optimizer)
{
    static const fm_optimizer plain;
    *m = (fm_minimizer){.g = g};
    if (fm_graph_status(g) != FM_OK) return false;
    if (fm_optimizer_complete(fm_graph_context(g), optimizer ? optimizer : &plain, &m->o) !=
            FM_OK ||
        collect(m) != FM_OK) {
        fm_graph_fail_context(g);
        return false;
    }
    m->rule = fm_optimizer_at(m->o.rule)->name;
    if (m->count > 0) return true;
    fm_graph_fail(g, FM_ERROR_ARGUMENT, "there is nothing to train: no trainable variable");
    return false;
}

void fm_minimizer_update(fm_minimizer *m)
{
    fm_graph *g = m->g;
    g->role = FM_UPDATE;
    m->rate = fm_input(g, FM_LEARNING_RATE, fm_graph_dtype(g), FM_SHAPE());
    count_runs(m);
    count_momentum(m);
    accumulate(m);
    clip(m);
    for (int i = 0; i < m->count; i++) update_variable(m, m->variables[i], m->gradients[i]);
    g->role = FM_FORWARD;
}

void fm_minimizer_end(fm_minimizer *m)
{
    fm_release(fm_graph_context(m->g), m->variables);
}

bool fm_minimizer_check_loss(fm_graph *g, fm_val loss)
{
    if (fm_graph_status(g) != FM_OK || !fm_all_valid(g, "the loss", &loss, 1)) return false;
    if (fm_val_shape(g, loss).rank == 0) return true;
    fm_graph_fail(g, FM_ERROR_SHAPE, "the loss must have rank 0, received shape %s",
                  fm_shape_text(fm_val_shape(g, loss), (char[FM_SHAPE_TEXT]){0}));
    return false;
}

void fm_minimize_with(fm_graph *g, fm_val loss, const fm_optimizer *optimizer)
{
    fm_minimizer m = {.g = g};
    if (fm_minimizer_check_loss(g, loss) && fm_minimizer_begin(&m, g, optimizer)) {
        fm_val penalty = fm_graph_penalty(g);
        if (penalty.id) loss = fm_add(g, loss, penalty);
        fm_grad(g, loss, m.variables, m.count, m.gradients);
        fm_minimizer_update(&m);
    }
    fm_minimizer_end(&m);
}

/* ---- averaged weights ------------------------------------------------------------------------ */

static fm_status swap_one(fm_context *context, fm_store *store, int variable, int average)
{
    fm_variable_info info = fm_store_info(store, variable);
    size_t bytes = (size_t)fm_shape_bytes(info.shape, info.dtype);
    void *both = fm_allocate_array(context, bytes + 1, 2);
    if (!both) return FM_ERROR_MEMORY;
    void *second = (char *)both + bytes;
    fm_status status = fm_store_read(store, variable, both);
    if (status == FM_OK) status = fm_store_read(store, average, second);
    if (status == FM_OK) status = fm_store_write(store, variable, second);
    if (status == FM_OK) status = fm_store_write(store, average, both);
    fm_release(context, both);
    return status;
}

/* Before the first update the averages are zeros. */
static bool has_averages(fm_store *store)
{
    double updates = 1;
    int index = fm_store_find(store, FM_ITERATIONS);
    fm_variable_info info = fm_store_info(store, index);
    bool counted = index >= 0 && info.dtype == FM_F64 && info.shape.rank == 0;
    if (counted && fm_store_read(store, index, &updates) != FM_OK) return false;
    return updates > 0;
}

fm_status fm_average_swap(fm_context *context, fm_store *store)
{
    static const char prefix[] = FM_AVERAGE_PREFIX;
    fm_status status = FM_OK;
    if (!has_averages(store)) return FM_OK;
    for (int i = 0; i < fm_store_count(store) && status == FM_OK; i++) {
        const char *path = fm_store_info(store, i).path;
        if (strncmp(path, prefix, sizeof prefix - 1) != 0) continue;
        int variable = fm_store_find(store, path + sizeof prefix - 1);
        if (variable >= 0) status = swap_one(context, store, variable, i);
    }
    return status;
}
