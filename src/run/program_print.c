/* What compiling decided, in numbers and in words. */
#include "op/chain.h"
#include "run/program_inside.h"

fm_program_summary fm_program_summarize(const fm_program *program)
{
    const fm_graph *graph = program->graph;
    fm_program_summary summary = {.steps = (int)program->step_count,
                                  .prologue_steps = (int)program->prologue_count,
                                  .kept_bytes = program->plan.kept_bytes,
                                  .arena_bytes = program->plan.arena_bytes,
                                  .arena_bound = program->plan.arena_bound,
                                  .flops = program->flops,
                                  .bf16_flops = program->bf16_flops,
                                  .plain_arena_bytes = program->plain_arena_bytes,
                                  .repeated_flops = program->repeated_flops};
    for (size_t i = 0; i < graph->variable_count; i++) {
        if (program->variables[i] == UINT32_MAX) continue;
        summary.variable_bytes += program->store->variables[program->variables[i]].bytes;
    }
    for (uint32_t id = 1; id < graph->value_count; id++) {
        size_t bytes = fm_value_bytes(graph, (fm_val){id});
        if (graph->values[id].kind == FM_CONSTANT) summary.constant_bytes += bytes;
        if (graph->values[id].kind == FM_INPUT) summary.input_bytes += bytes;
    }
    return summary;
}

static void print_place(const fm_program *program, fm_val value, fm_text *text)
{
    static const char *const places[] = {"arena", "variable", "input", "constant", "kept"};
    const fm_buffer *buffer = &program->plan.buffers[program->plan.buffer_of[value.id]];
    fm_text_add(text, " %s", places[buffer->place]);
    if (buffer->place == FM_IN_ARENA || buffer->place == FM_IN_KEPT) {
        fm_text_add(text, "[%zu, %zu)", buffer->offset, buffer->offset + buffer->bytes);
    }
}

static void print_step(const fm_program *program, size_t number, bool why, fm_text *text)
{
    const fm_step *step = &program->steps[number];
    const fm_placement *placement = &program->placements[step->node - program->graph->nodes];
    fm_text_add(text, "%4zu  %-28s ", number, fm_placement_name(placement));
    fm_node_print(program->graph, step->node, text);
    fm_text_add(text, "\n      ->");
    for (int k = 0; k < step->node->output_count; k++) {
        print_place(program, step->node->outputs[k], text);
    }
    if (placement->need.scratch_bytes) {
        fm_text_add(text, ", scratch %zu", placement->need.scratch_bytes);
    }
    if (step->together > 1) fm_text_add(text, ", as one with the %u behind it", step->together - 1);
    fm_text_add(text, "\n");
    if (why) fm_place_explain(program->graph, step->node, program->options.backends, text);
}

/* What the steps of a chain would read and write one by one. */
static double bytes_of_steps(const fm_graph *graph, const fm_node *node)
{
    const fm_chain_attributes *a = node->attributes;
    const double result = (double)fm_value_bytes(graph, node->outputs[0]);
    double bytes = 0;
    for (int i = 0; i < a->count; i++) {
        bytes += result;
        for (int k = 0; k < a->steps[i].op->max_inputs; k++) {
            const int source = a->steps[i].sources[k];
            bytes += source < FM_MAX_INPUTS ? (double)fm_value_bytes(graph, node->inputs[source])
                                            : result;
        }
    }
    return bytes;
}

static double bytes_of_operands(const fm_graph *graph, const fm_node *node)
{
    double bytes = 0;
    for (int k = 0; k < node->input_count; k++)
        bytes += (double)fm_value_bytes(graph, node->inputs[k]);
    for (int k = 0; k < node->output_count; k++) {
        bytes += (double)fm_value_bytes(graph, node->outputs[k]);
    }
    return bytes;
}

static void print_chains(const fm_program *program, fm_text *text)
{
    int chains = 0, elementwise = 0;
    double separate = 0, together = 0;
    for (size_t i = 0; i < program->step_count; i++) {
        const fm_node *node = program->steps[i].node;
        if (!fm_op_is_chain(node->op)) continue;
        const fm_chain_attributes *a = node->attributes;
        chains++;
        elementwise += a->count;
        separate += bytes_of_steps(program->graph, node);
        together += bytes_of_operands(program->graph, node);
    }
    if (!chains) return;
    fm_text_add(text, "\n%d chains of %d elementwise ops read and write %.4g bytes instead of %.4g",
                chains, elementwise, together, separate);
}

fm_status fm_program_print(const fm_program *program, bool why, char **result)
{
    fm_context *context = program->graph->context;
    fm_program_summary summary = fm_program_summarize(program);
    fm_text text = FM_TEXT(context);
    *result = NULL;
    fm_text_add(&text,
                "%d steps, %.4g flops, arena %zu bytes (lifetimes allow %zu), variables %zu, "
                "inputs %zu, constants %zu",
                summary.steps, summary.flops, summary.arena_bytes, summary.arena_bound,
                summary.variable_bytes, summary.input_bytes, summary.constant_bytes);
    if (summary.kept_bytes) fm_text_add(&text, ", kept %zu", summary.kept_bytes);
    if (summary.prologue_steps) {
        fm_text_add(&text, "\nthe first %d steps run again only when variables were changed",
                    summary.prologue_steps);
    }
    print_chains(program, &text);
    fm_text_add(&text, "\n");
    for (size_t i = 0; i < program->step_count; i++) print_step(program, i, why, &text);
    for (size_t i = 0; i < program->plan.commit_count; i++) {
        const fm_commit *commit = &program->plan.commits[i];
        fm_val variable = program->graph->variables[commit->variable].value;
        fm_text_add(&text, "      copy %%%u to %s\n", commit->value.id,
                    fm_val_name(program->graph, variable));
    }
    if (fm_text_status(&text) != FM_OK) {
        fm_text_release(&text);
        return FM_ERROR_MEMORY;
    }
    *result = text.bytes;
    return FM_OK;
}
