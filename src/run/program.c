/* From a graph to steps that only run. */
#include "run/compile.h"
#include "base/clock.h"
#include "base/checked.h"
#include "base/float_mode.h"
#include "base/random.h"
#include "fathom/program.h"
#include "run/together.h"

#include <string.h>

/* ---- variables ------------------------------------------------------------------------------- */

static void mark_used(const fm_graph *graph, fm_val value, bool *used)
{
    const fm_value *record = fm_value_of(graph, fm_view_root(graph, value));
    if (record->kind == FM_VARIABLE) used[record->variable] = true;
}

static void find_used_variables(const fm_graph *graph, bool *used)
{
    for (size_t i = 0; i < graph->node_count; i++) {
        const fm_node *node = &graph->nodes[i];
        for (int k = 0; !node->dead && k < node->input_count; k++) {
            mark_used(graph, node->inputs[k], used);
        }
    }
    for (size_t i = 0; i < graph->output_count; i++) {
        mark_used(graph, graph->outputs[i].value, used);
    }
    for (size_t i = 0; i < graph->variable_count; i++) {
        used[i] = used[i] || graph->variables[i].next.id;
    }
}

enum { NOT_STORED = UINT32_MAX };

static fm_status require_stored(fm_program *program, size_t i)
{
    const fm_graph_variable_record *record = &program->graph->variables[i];
    const fm_value *value = fm_value_of(program->graph, record->value);
    uint32_t index;
    fm_status status = fm_store_require(program->store, value->name, value->dtype, value->shape,
                                        &record->options, &index);
    if (status == FM_OK) status = fm_store_relayout(program->store, index, &value->layout);
    if (status != FM_OK) return status;
    program->variables[i] = index;
    program->store->variables[index].users++;
    program->has_updates = program->has_updates || record->next.id;
    return FM_OK;
}

static fm_status require_carried(fm_program *program, size_t i)
{
    const fm_graph *graph = program->graph;
    size_t bytes = fm_value_bytes(graph, graph->variables[i].value);
    program->carried[i] = fm_allocate_zeroed(graph->context, bytes);
    return program->carried[i] ? FM_OK : FM_ERROR_MEMORY;
}

/* A variable that this program neither reads nor writes is not created by it. */
static fm_status require_variables(fm_program *program)
{
    const fm_graph *graph = program->graph;
    fm_context *context = graph->context;
    size_t count = graph->variable_count + 1;
    program->variables = fm_allocate_array(context, count, sizeof(uint32_t));
    program->carried = fm_allocate_zeroed(context, count * sizeof(void *));
    bool *used = fm_allocate_zeroed(context, count);
    fm_status status = program->variables && program->carried && used ? FM_OK : FM_ERROR_MEMORY;
    if (program->variables) memset(program->variables, 0xff, count * sizeof(uint32_t));
    if (status == FM_OK) find_used_variables(graph, used);
    for (size_t i = 0; status == FM_OK && i < graph->variable_count; i++) {
        if (!used[i]) continue;
        bool carried = graph->variables[i].options.carried;
        status = carried ? require_carried(program, i) : require_stored(program, i);
    }
    fm_release(context, used);
    return status == FM_OK ? fm_program_reset(program) : status;
}

/* ---- carried variables ----------------------------------------------------------------------- */

fm_status fm_program_reset(fm_program *program)
{
    const fm_graph *graph = program->graph;
    fm_status status = FM_OK;
    for (size_t i = 0; status == FM_OK && i < graph->variable_count; i++) {
        const fm_graph_variable_record *record = &graph->variables[i];
        const fm_initializer *initializer = &record->options.initializer;
        const fm_value *value = fm_value_of(graph, record->value);
        if (!program->carried[i]) continue;
        if (initializer->fill) {
            status = initializer->fill(graph->context, initializer, value->dtype, value->shape,
                                       program->store->seed, fm_stream_of(value->name),
                                       program->carried[i]);
        } else {
            memset(program->carried[i], 0, fm_value_bytes(graph, record->value));
        }
    }
    return status;
}

fm_carried_variable fm_program_carried(const fm_program *program, int index)
{
    const fm_graph *graph = program->graph;
    for (size_t i = 0; i < graph->variable_count; i++) {
        const fm_value *value = fm_value_of(graph, graph->variables[i].value);
        if (!program->carried[i] || index-- > 0) continue;
        return (fm_carried_variable){.path = value->name,
                                     .dtype = value->dtype,
                                     .shape = value->shape,
                                     .data = program->carried[i]};
    }
    return (fm_carried_variable){0};
}

/* ---- memory and steps ------------------------------------------------------------------------ */

static fm_status allocate_memory(fm_program *program)
{
    const fm_graph *graph = program->graph;
    fm_context *context = graph->context;
    size_t inputs = graph->input_count + 1;
    if (program->options.shares_arena) {
        fm_status status = fm_store_reserve(program->store, program->plan.arena_bytes);
        if (status != FM_OK) return status;
        program->arena = program->store->workspace;
    } else {
        program->arena = fm_allocate(context, program->plan.arena_bytes);
    }
    program->kept = fm_allocate_zeroed(context, program->plan.kept_bytes);
    program->input_data = fm_allocate_zeroed(context, inputs * sizeof(void *));
    program->input_own = fm_allocate_zeroed(context, inputs * sizeof(void *));
    if (!program->arena || !program->kept || !program->input_data || !program->input_own) {
        return FM_ERROR_MEMORY;
    }
    for (size_t i = 0; i < graph->input_count; i++) {
        size_t bytes = fm_value_bytes(graph, graph->inputs[i].value);
        program->input_own[i] = fm_allocate_zeroed(context, bytes);
        if (!program->input_own[i]) return FM_ERROR_MEMORY;
        program->input_data[i] = program->input_own[i];
    }
    return FM_OK;
}

static size_t input_number(const fm_graph *graph, uint32_t value)
{
    size_t i = 0;
    while (graph->inputs[i].value.id != value) i++;
    return i;
}

static void *buffer_memory(const fm_program *program, uint32_t index)
{
    const fm_buffer *buffer = &program->plan.buffers[index];
    const fm_graph *graph = program->graph;
    switch (buffer->place) {
    case FM_IN_ARENA:
        return program->arena + buffer->offset;
    case FM_IN_KEPT:
        return program->kept + buffer->offset;
    case FM_IN_STORE: {
        uint32_t stored = program->variables[buffer->index];
        if (program->carried[buffer->index]) return program->carried[buffer->index];
        return stored == NOT_STORED ? NULL : program->store->variables[stored].data;
    }
    case FM_IN_INPUT:
        return program->input_data[input_number(graph, buffer->index)];
    case FM_IN_CONSTANT:
        return (void *)(uintptr_t)graph->values[buffer->index].data;
    case FM_HOMES:
        break;
    }
    return NULL;
}

static fm_tensor *add_tensors(fm_program *program, const fm_node *node, const fm_val *values,
                              int count)
{
    fm_tensor *first = program->tensors + program->tensor_count;
    for (int i = 0; i < count; i++) {
        uint32_t buffer = program->plan.buffer_of[values[i].id];
        program->tensor_buffers[program->tensor_count++] = buffer;
        first[i] = fm_place_operand(program->graph, node, values[i]);
    }
    return first;
}

static void add_step(fm_program *program, uint32_t position)
{
    const fm_plan *plan = &program->plan;
    uint32_t index = plan->order.nodes[position];
    const fm_node *node = &program->graph->nodes[index];
    const fm_placement *placement = &program->placements[index];
    if (node->op->flags & FM_OP_VIEW) return;

    fm_step *step = &program->steps[program->step_count++];
    step->node = node;
    step->run = placement->kernel ? placement->kernel->run : node->op->run;
    step->call = (fm_call){.op = node->op,
                           .attributes = node->attributes,
                           .inputs = add_tensors(program, node, node->inputs, node->input_count),
                           .outputs = add_tensors(program, node, node->outputs, node->output_count),
                           .input_count = node->input_count,
                           .output_count = node->output_count,
                           .threads = fm_context_threads(program->graph->context),
                           .precision = node->precision,
                           .stream = node->stream,
                           .seed = &program->store->seed,
                           .step = &program->store->step,
                           .state = placement->need.state};
    step->scratch = plan->scratch_buffer[position];
    step->together = 0;
    if (position < plan->prologue) {
        program->prologue_count++;
        return;
    }
    const double flops =
        node->op->flops ? node->op->flops(&step->call) : (double)step->call.outputs[0].count;
    program->flops += flops;
    if (node->precision == FM_PRECISION_BF16) program->bf16_flops += flops;
}

/* Every pointer that a step will follow: once, and again when a shared arena has moved. */
static void point_at_memory(fm_program *program)
{
    const fm_graph *graph = program->graph;
    const fm_plan *plan = &program->plan;
    for (size_t i = 0; i < program->tensor_count; i++) {
        program->tensors[i].data = buffer_memory(program, program->tensor_buffers[i]);
    }
    for (size_t i = 0; i < program->step_count; i++) {
        fm_step *step = &program->steps[i];
        bool needs = step->scratch != FM_NO_BUFFER;
        step->call.scratch = needs ? buffer_memory(program, step->scratch) : NULL;
    }
    for (size_t i = 0; i < plan->commit_count; i++) {
        fm_val value = plan->commits[i].value;
        fm_val variable = graph->variables[plan->commits[i].variable].value;
        program->commits[i] =
            (fm_program_commit){.to = buffer_memory(program, plan->buffer_of[variable.id]),
                                .from = buffer_memory(program, plan->buffer_of[value.id]),
                                .bytes = fm_value_bytes(graph, value)};
    }
}

static fm_status make_steps(fm_program *program)
{
    const fm_graph *graph = program->graph;
    fm_context *context = graph->context;
    const fm_plan *plan = &program->plan;
    size_t operands = 1;
    for (size_t i = 0; i < graph->node_count; i++) {
        operands += (size_t)(graph->nodes[i].input_count + graph->nodes[i].output_count);
    }
    program->tensors = fm_allocate_array(context, operands, sizeof *program->tensors);
    program->tensor_buffers = fm_allocate_array(context, operands, sizeof(uint32_t));
    program->steps = fm_allocate_array(context, plan->order.count + 1, sizeof(fm_step));
    program->calls = fm_allocate_array(context, plan->order.count + 1, sizeof *program->calls);
    program->commits = fm_allocate_array(context, plan->commit_count + 1, sizeof *program->commits);
    if (!program->tensors || !program->tensor_buffers || !program->steps || !program->calls ||
        !program->commits) {
        return FM_ERROR_MEMORY;
    }
    for (uint32_t i = 0; i < plan->order.count; i++) add_step(program, i);
    fm_together_find(program);
    point_at_memory(program);
    return FM_OK;
}

fm_status fm_program_create(fm_store *store, const fm_graph *graph,
                            const fm_program_options *options, fm_program **program)
{
    *program = NULL;
    fm_context *context = store->context;
    if (graph->status != FM_OK) return graph->status;
    fm_program *made = fm_allocate_zeroed(context, sizeof *made);
    if (!made) return FM_ERROR_MEMORY;
    made->store = store;
    if (options) made->options = *options;

    fm_status status = fm_program_compile(made, graph);
    if (status == FM_OK) status = require_variables(made);
    if (status == FM_OK) status = allocate_memory(made);
    if (status == FM_OK) status = make_steps(made);
    if (status != FM_OK) {
        fm_program_destroy(made);
        return status;
    }
    *program = made;
    return FM_OK;
}

static void release_users(fm_program *program)
{
    for (size_t i = 0; program->variables && i < program->graph->variable_count; i++) {
        uint32_t stored = program->variables[i];
        if (stored != NOT_STORED) program->store->variables[stored].users--;
    }
}

void fm_program_destroy(fm_program *program)
{
    if (!program) return;
    fm_context *context = program->store->context;
    if (program->graph) {
        release_users(program);
        for (size_t i = 0; program->carried && i < program->graph->variable_count; i++) {
            fm_release(context, program->carried[i]);
        }
        for (size_t i = 0; program->input_own && i < program->graph->input_count; i++) {
            fm_release(context, program->input_own[i]);
        }
    }
    fm_release(context, program->variables);
    fm_release(context, program->carried);
    if (!program->options.shares_arena) fm_release(context, program->arena);
    fm_release(context, program->kept);
    fm_release(context, program->input_data);
    fm_release(context, program->input_own);
    fm_release(context, program->tensors);
    fm_release(context, program->tensor_buffers);
    fm_release(context, program->steps);
    fm_release(context, program->calls);
    fm_release(context, program->commits);
    fm_program_discard(program);
    fm_release(context, program);
}

/* ---- operands -------------------------------------------------------------------------------- */

void *fm_program_input(fm_program *program, const char *name)
{
    fm_val value = fm_graph_input(program->graph, name);
    return value.id ? program->input_data[input_number(program->graph, value.id)] : NULL;
}

const void *fm_program_output(fm_program *program, const char *name)
{
    fm_val value = fm_graph_output(program->graph, name);
    return value.id ? buffer_memory(program, program->plan.buffer_of[value.id]) : NULL;
}

fm_status fm_program_bind_input(fm_program *program, const char *name, const void *elements)
{
    const fm_graph *graph = program->graph;
    fm_val value = fm_graph_input(graph, name);
    if (!value.id) {
        return fm_fail(graph->context, FM_ERROR_NOT_FOUND, "the program has no input '%s'", name);
    }
    if (!elements || (uintptr_t)elements % FM_ALIGNMENT) {
        return fm_fail(graph->context, FM_ERROR_ARGUMENT,
                       "input '%s' must be bound to memory aligned to %d bytes", name,
                       FM_ALIGNMENT);
    }
    void *memory = (void *)(uintptr_t)elements;
    program->input_data[input_number(graph, value.id)] = memory;
    uint32_t buffer = program->plan.buffer_of[value.id];
    for (size_t i = 0; i < program->tensor_count; i++) {
        if (program->tensor_buffers[i] == buffer) program->tensors[i].data = memory;
    }
    return FM_OK;
}

/* ---- running --------------------------------------------------------------------------------- */

static bool all_finite(const fm_tensor *tensor)
{
    const float *f32 = tensor->data;
    const double *f64 = tensor->data;
    double worst = 0; /* NaN and infinity times zero are NaN, and NaN stays */
    if (!fm_dtype_is_real(tensor->dtype)) return true;
    for (int64_t i = 0; i < tensor->count; i++) {
        worst += 0.0 * (tensor->dtype == FM_F64 ? f64[i] : (double)f32[i]);
    }
    return worst == 0;
}

static fm_status check_outputs(const fm_program *program, const fm_step *step)
{
    for (int k = 0; k < step->call.output_count; k++) {
        if (all_finite(&step->call.outputs[k])) continue;
        const char *scope = step->node->scope;
        return fm_fail(program->graph->context, FM_ERROR_NONFINITE,
                       "the first NaN or infinity came from %s%s%s (step %td of the program)",
                       scope, *scope ? "/" : "", step->node->op->name, step - program->steps);
    }
    return FM_OK;
}

static void run_step(const fm_program *program, const fm_step *step)
{
    if (step->together == 1) {
        step->run(&step->call);
        return;
    }
    const fm_kernel *kernel = program->placements[step->node - program->graph->nodes].kernel;
    kernel->run_together(program->calls + (step - program->steps), (int)step->together);
}

static fm_status run_steps(const fm_program *program, size_t first)
{
    const fm_step_watch *watch = program->watch;
    const fm_step *end = program->steps + program->step_count;
    for (const fm_step *step = program->steps + first; step < end; step += step->together) {
        const double began = watch ? fm_now() : 0;
        run_step(program, step);
        if (watch) watch->note(watch->user, program, step, began, fm_now());
        fm_status status = FM_OK;
        for (uint32_t i = 0; program->options.check_finite && i < step->together; i++) {
            if (status == FM_OK) status = check_outputs(program, step + i);
        }
        if (status != FM_OK) return status;
    }
    return FM_OK;
}

/* Another program of the store may have needed a larger arena since. */
static fm_status follow_arena(fm_program *program)
{
    fm_store *store = program->store;
    fm_status status = fm_store_reserve(store, program->plan.arena_bytes);
    if (status != FM_OK || program->arena == store->workspace) return status;
    program->arena = store->workspace;
    point_at_memory(program);
    return FM_OK;
}

fm_status fm_program_run(fm_program *program)
{
    fm_store *store = program->store;
    fm_status status = program->options.shares_arena ? follow_arena(program) : FM_OK;
    if (status != FM_OK) return status;
    bool changed = program->seen != store->changes;
    const fm_float_mode before = fm_flush_subnormals();
    status = run_steps(program, changed ? 0 : program->prologue_count);
    fm_float_mode_set(before);
    if (status != FM_OK) return status;
    for (size_t i = 0; i < program->plan.commit_count; i++) {
        const fm_program_commit *commit = &program->commits[i];
        memcpy(commit->to, commit->from, commit->bytes);
    }
    store->step += program->has_updates;
    store->changes += program->has_updates;
    program->seen = store->changes; /* the prologue reads nothing that this program updates */
    return FM_OK;
}
