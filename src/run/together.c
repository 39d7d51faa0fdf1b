#include "run/together.h"
#include "base/fields.h"

static const fm_kernel *kernel_of(const fm_program *program, const fm_step *step)
{
    return program->placements[step->node - program->graph->nodes].kernel;
}

static uint32_t buffer_of(const fm_program *program, fm_val value)
{
    return program->plan.buffer_of[value.id];
}

/* Can it run beside others at all: in place, on variables, without scratch? */
static bool is_candidate(const fm_program *program, const fm_step *step)
{
    const fm_kernel *kernel = kernel_of(program, step);
    const fm_node *node = step->node;
    if (!kernel || !kernel->run_together || step->scratch != FM_NO_BUFFER) return false;
    for (int k = 0; k < node->output_count; k++) {
        const uint32_t buffer = buffer_of(program, node->outputs[k]);
        const int over = node->op->in_place[k] - 1;
        if (over < 0 || buffer != buffer_of(program, node->inputs[over])) return false;
        if (program->plan.buffers[buffer].place != FM_IN_STORE) return false;
    }
    return true;
}

static bool touches(const fm_program *program, const fm_node *node, uint32_t buffer)
{
    for (int k = 0; k < node->input_count; k++) {
        if (buffer_of(program, node->inputs[k]) == buffer) return true;
    }
    for (int k = 0; k < node->output_count; k++) {
        if (buffer_of(program, node->outputs[k]) == buffer) return true;
    }
    return false;
}

static bool writes_into(const fm_program *program, const fm_node *writer, const fm_node *other)
{
    for (int k = 0; k < writer->output_count; k++) {
        if (touches(program, other, buffer_of(program, writer->outputs[k]))) return true;
    }
    return false;
}

static bool same_numbers(const fm_graph *graph, const fm_node *a, const fm_node *b)
{
    if (a->input_count != b->input_count) return false;
    for (int k = 0; k < a->input_count; k++) {
        const bool number = fm_val_shape(graph, a->inputs[k]).rank == 0;
        if (number != (fm_val_shape(graph, b->inputs[k]).rank == 0)) return false;
        if (number && a->inputs[k].id != b->inputs[k].id) return false;
    }
    return fm_fields_equal(a->op->attributes, a->attributes, b->attributes);
}

static bool joins(const fm_program *program, const fm_step *first, uint32_t count)
{
    const fm_step *step = first + count;
    if (count >= FM_MOST_TOGETHER || !is_candidate(program, step)) return false;
    if (kernel_of(program, step) != kernel_of(program, first)) return false;
    if (!same_numbers(program->graph, first->node, step->node)) return false;
    for (const fm_step *other = first; other < step; other++) {
        if (writes_into(program, step->node, other->node)) return false;
        if (writes_into(program, other->node, step->node)) return false;
    }
    return true;
}

void fm_together_find(fm_program *program)
{
    const fm_step *end = program->steps + program->step_count;
    for (size_t i = 0; i < program->step_count; i++) program->calls[i] = &program->steps[i].call;
    for (fm_step *step = program->steps; step < end; step += step->together) {
        step->together = 1;
        if (step < program->steps + program->prologue_count || !is_candidate(program, step))
            continue;
        while (step + step->together < end && joins(program, step, step->together)) {
            step->together++;
        }
    }
}
