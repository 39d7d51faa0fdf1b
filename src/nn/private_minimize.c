#include "nn/private_minimize.h"
#include "fathom/ops.h"
#include "ir/ir.h"
#include "nn/minimizer.h"
#include "pass/example_grad.h"

/* ---- what examples must not share ------------------------------------------------------------ */

/* Does the value depend on an input, that is, on an example? */
static bool depends_on_example(fm_graph *g, fm_val value)
{
    bool *depends = fm_allocate_zeroed(g->context, g->value_count);
    if (!depends) {
        g->status = FM_ERROR_MEMORY;
        return false;
    }
    for (size_t i = 0; i < g->input_count; i++) depends[g->inputs[i].value.id] = true;
    for (size_t i = 0; i < g->node_count; i++) {
        const fm_node *node = &g->nodes[i];
        bool any = false;
        for (int k = 0; k < node->input_count; k++) any = any || depends[node->inputs[k].id];
        for (int k = 0; any && k < node->output_count; k++) depends[node->outputs[k].id] = true;
    }
    bool result = depends[value.id];
    fm_release(g->context, depends);
    return result;
}

/* Statistics of a batch would be told without noise, and they mix examples; what is carried goes
 * from one example's gradient to another's. What else moves, a counter, moves once a step
 * (`step`). */
static bool check_variables(fm_graph *g, bool step)
{
    for (size_t i = 0; i < g->variable_count; i++) {
        fm_graph_variable_record *record = &g->variables[i];
        const char *path = fm_val_name(g, record->value);
        if (!record->next.id) continue;
        if (!record->options.carried && !depends_on_example(g, record->next)) {
            if (!step) record->next = (fm_val){0};
            continue;
        }
        if (record->options.carried) {
            fm_graph_fail(g, FM_ERROR_ARGUMENT,
                          "privacy: '%s' goes from each example to the next; a layer that is not "
                          "stateful is wanted",
                          path);
        } else {
            fm_graph_fail(g, FM_ERROR_ARGUMENT,
                          "privacy: '%s' is a statistic of the batch, which clipping and noise do "
                          "not cover; layer_normalization or group_normalization keep none, and a "
                          "frozen layer keeps its own",
                          path);
        }
        return false;
    }
    return true;
}

/* ---- sums ------------------------------------------------------------------------------------ */

static void clip_one(fm_minimizer *m, fm_val loss, double limit)
{
    fm_graph *g = m->g;
    fm_val square = {0};
    fm_grad(g, loss, m->variables, m->count, m->gradients);
    for (int i = 0; i < m->count; i++) {
        fm_val own = fm_square_sum(g, m->gradients[i]);
        square = square.id ? fm_add(g, square, own) : own;
    }
    fm_val factor = fm_shrink_factor(g, square, limit);
    for (int i = 0; i < m->count; i++) m->gradients[i] = fm_mul(g, m->gradients[i], factor);
}

static void clip_each(fm_minimizer *m, fm_val loss, int64_t examples, double limit)
{
    fm_graph *g = m->g;
    fm_val total = fm_mul_scalar(g, loss, (double)examples);
    fm_grad_clipped(g, total, examples, limit, m->variables, m->count, m->gradients);
}

static void add_to_sums(fm_minimizer *m)
{
    for (int i = 0; i < m->count; i++) {
        fm_val sum = fm_minimizer_gradient_sum(m, i);
        fm_update(m->g, sum, fm_add(m->g, sum, m->gradients[i]));
    }
}

void fm_private_accumulate(fm_graph *g, fm_val loss, int64_t examples,
                           const fm_optimizer *optimizer, double limit)
{
    fm_minimizer m = {.g = g};
    if (fm_minimizer_check_loss(g, loss) && check_variables(g, false) &&
        fm_minimizer_begin(&m, g, optimizer)) {
        fm_val penalty = fm_graph_penalty(g);
        bool of_examples = penalty.id && depends_on_example(g, penalty);
        if (of_examples && examples > 1) {
            fm_graph_fail(g, FM_ERROR_UNSUPPORTED,
                          "privacy: the model's penalty depends on examples: physical_batch_size "
                          "must be 1");
        }
        if (of_examples) loss = fm_add(g, loss, penalty);
        g->role = FM_UPDATE;
        if (examples == 1) clip_one(&m, loss, limit);
        if (examples > 1) clip_each(&m, loss, examples, limit);
        add_to_sums(&m);
        g->role = FM_FORWARD;
    }
    fm_minimizer_end(&m);
}

/* ---- the update ------------------------------------------------------------------------------ */

static void take_noisy_means(fm_minimizer *m)
{
    fm_graph *g = m->g;
    fm_dtype dtype = fm_graph_dtype(g);
    fm_val deviation = fm_input(g, FM_NOISE_DEVIATION, dtype, FM_SHAPE());
    fm_val batch = fm_input(g, FM_EXPECTED_BATCH, dtype, FM_SHAPE());
    fm_val key = fm_input(g, FM_NOISE_KEY, FM_I32, FM_SHAPE(FM_SECRET_KEY_WORDS));
    for (int i = 0; i < m->count; i++) {
        fm_val sum = fm_minimizer_gradient_sum(m, i);
        m->gradients[i] = fm_div(g, fm_secret_noise(g, sum, deviation, key), batch);
        fm_update(g, sum, fm_full_as(g, dtype, fm_val_shape(g, sum), 0));
    }
}

/* What a penalty of the weights alone asks for tells nothing of an example. */
static void add_penalty(fm_minimizer *m)
{
    fm_graph *g = m->g;
    fm_val penalty = fm_graph_penalty(g);
    if (!penalty.id || depends_on_example(g, penalty) || g->status != FM_OK) return;
    fm_val *gradients = fm_arena_allocate(&g->arena, (size_t)m->count * sizeof *gradients);
    if (!gradients) {
        g->status = FM_ERROR_MEMORY;
        return;
    }
    fm_grad(g, penalty, m->variables, m->count, gradients);
    for (int i = 0; i < m->count; i++) {
        m->gradients[i] = fm_add(g, m->gradients[i], gradients[i]);
    }
}

void fm_private_update(fm_graph *g, const fm_optimizer *optimizer)
{
    fm_minimizer m = {.g = g};
    bool sound = fm_graph_status(g) == FM_OK && check_variables(g, true);
    g->output_count = 0; /* with the loss nobody asks for, its nodes are pruned */
    if (sound && fm_minimizer_begin(&m, g, optimizer)) {
        if (m.o.accumulate_steps > 1) {
            fm_graph_fail(g, FM_ERROR_ARGUMENT,
                          "privacy: accumulate_steps of the optimizer is not for private training, "
                          "which sums over a batch in any case; a larger batch_size is meant");
        }
        g->role = FM_UPDATE;
        take_noisy_means(&m);
        add_penalty(&m);
        fm_minimizer_update(&m);
    }
    fm_minimizer_end(&m);
}
