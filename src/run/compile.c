/* From a graph to a plan: the passes, kernels, layouts; under a memory budget more than once. */
#include "run/compile.h"
#include "base/byte_size.h"
#include "op/copy.h"
#include "pass/autocast.h"
#include "pass/fold.h"
#include "pass/fuse.h"
#include "pass/layout.h"
#include "pass/make_again.h"
#include "pass/moments.h"
#include "pass/pointwise.h"
#include "pass/simplify.h"
#include "pass/steady.h"
#include "run/recompute.h"

#include <math.h>
#include <string.h>

/* ---- the graph is prepared ------------------------------------------------------------------- */

/* A next value that is a variable (or a view of one) gets a copy of its own, so that swapping two
 * variables is an ordinary plan. */
static fm_status copy_variables_that_are_updates(fm_graph *graph)
{
    for (size_t i = 0; i < graph->variable_count; i++) {
        fm_val next = graph->variables[i].next;
        if (!next.id) continue;
        if (fm_value_of(graph, fm_view_root(graph, next))->kind != FM_VARIABLE) continue;
        graph->variables[i].next = fm_node_add(graph, &fm_op_copy, &next, 1, NULL, NULL);
        if (!graph->variables[i].next.id) return fm_graph_status(graph);
    }
    return FM_OK;
}

static fm_status run_passes(fm_program *program)
{
    fm_graph *graph = program->graph;
    fm_status status = fm_graph_prune(graph);
    if (status == FM_OK && !program->options.no_simplify) status = fm_simplify(graph);
    if (status == FM_OK) status = copy_variables_that_are_updates(graph);
    if (status == FM_OK && !program->options.no_fold) status = fm_fold(graph);
    if (status == FM_OK && program->options.precision != FM_PRECISION_F32) {
        status = fm_pointwise(graph);
    }
    if (status == FM_OK && !program->options.no_fusion) status = fm_fuse(graph);
    /* Who looks for the first NaN wants to know the op that made it. */
    const bool chains = !program->options.no_fusion && !program->options.check_finite;
    if (status == FM_OK && chains) status = fm_fuse_chains(graph);
    if (status == FM_OK) status = fm_graph_prune(graph);
    if (status == FM_OK) status = fm_autocast(graph, program->options.precision);
    if (status == FM_OK && !program->options.no_fusion) {
        status = fm_moments(graph, program->options.backends);
        if (status == FM_OK) status = fm_make_again(graph, program->options.backends);
    }
    return status == FM_OK ? fm_graph_verify(graph) : status;
}

/* ---- kernels and layouts --------------------------------------------------------------------- */

/* A variable keeps the layout in which other programs use it. */
static bool fixed_layout(const void *store, const char *path, fm_layout *layout)
{
    int index = fm_store_find(store, path);
    if (index < 0 || !((const fm_store *)store)->variables[index].users) return false;
    *layout = ((const fm_store *)store)->variables[index].layout;
    return true;
}

static fm_status make_plan(fm_program *program)
{
    const fm_graph *graph = program->graph;
    fm_context *context = graph->context;
    size_t nodes = graph->node_count + 1;
    size_t *scratch = fm_allocate_zeroed(context, nodes * sizeof *scratch);
    bool *steady = fm_allocate_zeroed(context, nodes);
    fm_status status = scratch && steady ? FM_OK : FM_ERROR_MEMORY;
    if (status == FM_OK) {
        for (size_t i = 0; i < graph->node_count; i++) {
            scratch[i] = program->placements[i].need.scratch_bytes;
        }
        if (!program->options.no_prologue) fm_steady_find(graph, steady);
        const fm_plan_options options = {.scratch_bytes = scratch,
                                         .steady = steady,
                                         .private_buffers = program->options.private_buffers,
                                         .outputs_kept = program->options.shares_arena};
        status = fm_plan_make(graph, &options, &program->plan);
    }
    fm_release(context, scratch);
    fm_release(context, steady);
    return status == FM_OK ? fm_plan_check(graph, &program->plan) : status;
}

static fm_status place_and_plan(fm_program *program)
{
    fm_graph *graph = program->graph;
    fm_context *context = graph->context;
    size_t nodes = graph->node_count + 1;
    program->placements = fm_allocate_zeroed(context, nodes * sizeof *program->placements);
    if (!program->placements) return FM_ERROR_MEMORY;
    program->placement_count = graph->node_count;
    fm_status status = program->options.no_prologue ? FM_OK : fm_steady_mark(graph);
    if (status == FM_OK) status = fm_place(graph, program->options.backends, program->placements);
    if (status == FM_OK) {
        status = fm_layout_assign(graph, &program->placements, fixed_layout, program->store);
    }
    if (status != FM_OK) return status;
    program->placement_count = graph->node_count;
    status = fm_place_prepare(graph, program->placements);
    return status == FM_OK ? make_plan(program) : status;
}

/* ---- the memory budget ----------------------------------------------------------------------- */

static fm_status compile_once(fm_program *program, const fm_graph *graph,
                              const fm_recompute_options *recompute)
{
    fm_status status = fm_graph_clone(graph, &program->graph);
    if (status == FM_OK) status = run_passes(program);
    if (status == FM_OK && recompute) {
        size_t peak;
        status = fm_recompute(program->graph, recompute, &peak);
        if (status == FM_OK) status = fm_graph_verify(program->graph);
    }
    return status == FM_OK ? place_and_plan(program) : status;
}

void fm_program_discard(fm_program *program)
{
    if (!program->graph) return;
    fm_context *context = program->graph->context;
    fm_place_release(context, program->placements, program->placement_count);
    fm_plan_release(context, &program->plan);
    fm_graph_destroy(program->graph);
    program->placements = NULL;
    program->placement_count = 0;
    program->graph = NULL;
}

static double graph_flops(const fm_graph *graph)
{
    double flops = 0;
    for (size_t i = 0; i < graph->node_count; i++) {
        if (!graph->nodes[i].dead) flops += fm_node_flops(graph, &graph->nodes[i]);
    }
    return flops;
}

/* Upwards to what fm_bytes_text shows, a tenth at most,
 * so that a budget of what is told is enough. */
static double rounded_up(size_t bytes)
{
    double unit = bytes > 10 << 20 ? 1 << 20 : 1 << 10;
    if (bytes > 1 << 20 && bytes <= 10 << 20) unit = (1 << 20) / 10.0;
    return ceil((double)bytes / unit) * unit;
}

static fm_status fail_budget(fm_program *program, size_t least)
{
    char budget[FM_BYTES_TEXT], plain[FM_BYTES_TEXT], reached[FM_BYTES_TEXT];
    return fm_fail(
        program->store->context, FM_ERROR_ARGUMENT,
        "memory: a step takes %s for activations, gradients and scratch, and at least %s "
        "when what can be is computed again; the budget is %s. A smaller batch takes less",
        fm_bytes_text(rounded_up(program->plain_arena_bytes), plain),
        fm_bytes_text(rounded_up(least), reached),
        fm_bytes_text((double)program->options.memory, budget));
}

/* Recomputation that aims at `target`, and the arena that it leads to. */
typedef struct trials {
    fm_program *program;
    const fm_graph *graph;
    const size_t *scratch;
    double flops; /* without recomputation */
    size_t least; /* arena so far */
} trials;

static fm_status try_target(trials *t, size_t target)
{
    fm_program *program = t->program;
    const fm_recompute_options options = {.target = target, .scratch_bytes = t->scratch};
    fm_program_discard(program);
    fm_status status = compile_once(program, t->graph, &options);
    if (status != FM_OK) return status;
    program->repeated_flops = graph_flops(program->graph) - t->flops;
    if (program->plan.arena_bytes < t->least) t->least = program->plan.arena_bytes;
    return FM_OK;
}

static bool is_met(const trials *t)
{
    return t->program->plan.arena_bytes <= t->program->options.memory;
}

/* The estimate knows no layouts and no work in place; where the plan takes more, the next trial
 * aims as much lower, and at last a little lower each time. */
static fm_status meet_budget(trials *t)
{
    enum { EXACT = 3, ALL = 11 };
    size_t budget = t->program->options.memory, target = budget;
    fm_status status = FM_OK;
    for (int i = 0; i < ALL && status == FM_OK; i++) {
        status = try_target(t, target);
        if (status != FM_OK || is_met(t)) return status;
        size_t over = t->program->plan.arena_bytes - budget;
        bool exact = i < EXACT && over < target / 4;
        target = exact ? target - over : budget - (size_t)(i + 1) * (budget / 32);
    }
    return status;
}

/* For the words of the failure: the least arena that any target leads to. */
static fm_status find_least(trials *t)
{
    enum { HALVINGS = 10 };
    size_t low = t->program->options.memory, high = t->least;
    fm_status status = FM_OK;
    for (int i = 0; i < HALVINGS && status == FM_OK && high - low > high / 128; i++) {
        size_t middle = low + (high - low) / 2;
        status = try_target(t, middle);
        if (status == FM_OK && is_met(t)) return FM_OK;
        if (t->program->plan.arena_bytes <= middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    return status;
}

static fm_status compile_within(fm_program *program, const fm_graph *graph, const size_t *scratch)
{
    trials t = {.program = program,
                .graph = graph,
                .scratch = scratch,
                .flops = graph_flops(program->graph),
                .least = program->plan.arena_bytes};
    fm_status status = meet_budget(&t);
    if (status == FM_OK && !is_met(&t)) status = find_least(&t);
    return status != FM_OK || is_met(&t) ? status : fail_budget(program, t.least);
}

fm_status fm_program_compile(fm_program *program, const fm_graph *graph)
{
    fm_context *context = graph->context;
    fm_status status = compile_once(program, graph, NULL);
    if (status != FM_OK) return status;
    program->plain_arena_bytes = program->plan.arena_bytes;
    size_t budget = program->options.memory;
    if (!budget || program->plan.arena_bytes <= budget) return FM_OK;
    size_t *scratch = fm_allocate_zeroed(context, (program->placement_count + 1) * sizeof *scratch);
    if (!scratch) return FM_ERROR_MEMORY;
    for (size_t i = 0; i < program->placement_count; i++) {
        scratch[i] = program->placements[i].need.scratch_bytes;
    }
    status = compile_within(program, graph, scratch);
    fm_release(context, scratch);
    return status;
}
