/* Where a program's time goes. */
#include "run/program_trace.h"
#include "run/program_inside.h"
#include "base/timeline.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DEAREST = 40 };

static double bytes_of(const fm_call *call)
{
    double bytes = 0;
    for (int i = 0; i < call->input_count; i++) {
        bytes += (double)call->inputs[i].count * (double)fm_dtype_size(call->inputs[i].dtype);
    }
    for (int i = 0; i < call->output_count; i++) {
        bytes += (double)call->outputs[i].count * (double)fm_dtype_size(call->outputs[i].dtype);
    }
    return bytes;
}

/* Steps that run as one share its time by their bytes. */
static void note_shortest(void *user, const fm_program *program, const fm_step *step, double began,
                          double ended)
{
    double *shortest = (double *)user + (step - program->steps), bytes = 0;
    for (uint32_t i = 0; i < step->together; i++) bytes += bytes_of(&step[i].call);
    for (uint32_t i = 0; i < step->together; i++) {
        const double share = step->together == 1 ? 1 : bytes_of(&step[i].call) / bytes;
        if ((ended - began) * share < shortest[i]) shortest[i] = (ended - began) * share;
    }
}

static fm_status time_steps(fm_program *program, int runs, double *seconds)
{
    const fm_step_watch watch = {note_shortest, seconds};
    fm_status status = fm_program_run(program);
    for (size_t i = 0; i < program->step_count; i++) seconds[i] = INFINITY;
    program->watch = &watch;
    for (int i = 0; status == FM_OK && i < runs; i++) status = fm_program_run(program);
    program->watch = NULL;
    for (size_t i = 0; i < program->step_count; i++) {
        if (seconds[i] == INFINITY) seconds[i] = 0; /* the prologue did not run */
    }
    return status;
}

fm_status fm_program_profile(fm_program *program, int runs, fm_step_cost *costs)
{
    fm_context *context = program->graph->context;
    double *seconds = fm_allocate_array(context, program->step_count + 1, sizeof *seconds);
    if (!seconds) return FM_ERROR_MEMORY;
    fm_status status = time_steps(program, runs, seconds);
    for (size_t i = 0; i < program->step_count; i++) {
        const fm_step *step = &program->steps[i];
        const fm_placement *placement = &program->placements[step->node - program->graph->nodes];
        costs[i] =
            (fm_step_cost){.op = step->node->op->name,
                           .kernel = fm_placement_name(placement),
                           .scope = step->node->scope,
                           .seconds = seconds[i],
                           .flops = step->node->op->flops ? step->node->op->flops(&step->call)
                                                          : (double)step->call.outputs->count,
                           .bytes = bytes_of(&step->call)};
    }
    fm_release(context, seconds);
    return status;
}

/* ---- in a timeline --------------------------------------------------------------------------- */

static void note_span(void *user, const fm_program *program, const fm_step *step, double began,
                      double ended)
{
    (void)user;
    fm_span_add_fine(program->graph->context, step->node->op->name, step->node->scope, began,
                     ended);
}

void fm_program_trace(fm_program *program, bool traced)
{
    static const fm_step_watch watch = {note_span, NULL};
    program->watch = traced ? &watch : NULL;
}

/* ---- in words -------------------------------------------------------------------------------- */

typedef struct row {
    fm_step_cost cost; /* of a step, or of all that an op's kernel runs */
    size_t step;
    int steps;
} row;

static int by_kernel(const void *a, const void *b)
{
    const row *x = a, *y = b;
    const int order = strcmp(x->cost.op, y->cost.op);
    return order ? order : strcmp(x->cost.kernel, y->cost.kernel);
}

static int dearest_first(const void *a, const void *b)
{
    const row *x = a, *y = b;
    if (x->cost.seconds != y->cost.seconds) return x->cost.seconds < y->cost.seconds ? 1 : -1;
    return x->step < y->step ? -1 : 1;
}

/* Rows sorted by kernel -> one row a kernel, in front; returns how many. */
static size_t join_kernels(row *rows, size_t count)
{
    size_t kernels = 0;
    for (size_t i = 0; i < count; i++) {
        if (kernels == 0 || by_kernel(&rows[kernels - 1], &rows[i]) != 0) {
            rows[kernels++] = rows[i];
            continue;
        }
        row *sum = &rows[kernels - 1];
        sum->cost.seconds += rows[i].cost.seconds;
        sum->cost.flops += rows[i].cost.flops;
        sum->cost.bytes += rows[i].cost.bytes;
        sum->steps += rows[i].steps;
    }
    return kernels;
}

static void print_cost(fm_text *text, const fm_step_cost *cost, double total)
{
    const double seconds = cost->seconds > 0 ? cost->seconds : INFINITY;
    fm_text_add(text, "%10.3f ms %5.1f %% %9.1f GFLOP/s %7.1f GB/s", cost->seconds * 1e3,
                100 * cost->seconds / total, cost->flops / seconds * 1e-9,
                cost->bytes / seconds * 1e-9);
}

static void print_rows(const fm_program *program, row *rows, size_t count, double total,
                       fm_text *text)
{
    qsort(rows, count, sizeof *rows, dearest_first);
    for (size_t i = 0; i < count && i < DEAREST; i++) {
        fm_text_add(text, "%5zu  ", rows[i].step);
        print_cost(text, &rows[i].cost, total);
        fm_text_add(text, "  %-28s ", rows[i].cost.kernel);
        fm_node_print(program->graph, program->steps[rows[i].step].node, text);
        fm_text_add(text, "\n");
    }
}

static void print_kernels(row *rows, size_t count, double total, fm_text *text)
{
    qsort(rows, count, sizeof *rows, by_kernel);
    const size_t kernels = join_kernels(rows, count);
    qsort(rows, kernels, sizeof *rows, dearest_first);
    for (size_t i = 0; i < kernels; i++) {
        fm_text_add(text, "%5d x", rows[i].steps);
        print_cost(text, &rows[i].cost, total);
        fm_text_add(text, "  %-28s %s\n", rows[i].cost.kernel, rows[i].cost.op);
    }
}

static void print_profile(const fm_program *program, const fm_step_cost *costs, row *rows,
                          fm_text *text)
{
    const size_t count = program->step_count;
    double total = 0;
    for (size_t i = 0; i < count; i++) {
        rows[i] = (row){costs[i], i, 1};
        total += costs[i].seconds;
    }
    fm_text_add(text, "%zu steps, %.3f ms, %.1f GFLOP/s\n\nby kernel\n", count, total * 1e3,
                program->flops / total * 1e-9);
    print_kernels(rows, count, total, text);
    for (size_t i = 0; i < count; i++) rows[i] = (row){costs[i], i, 1};
    fm_text_add(text, "\nthe dearest steps\n");
    print_rows(program, rows, count, total, text);
}

fm_status fm_program_print_profile(fm_program *program, int runs, char **result)
{
    fm_context *context = program->graph->context;
    const size_t count = program->step_count + 1;
    fm_text text = FM_TEXT(context);
    *result = NULL;
    fm_step_cost *costs = fm_allocate_array(context, count, sizeof *costs);
    row *rows = fm_allocate_array(context, count, sizeof *rows);
    fm_status status = costs && rows ? fm_program_profile(program, runs, costs) : FM_ERROR_MEMORY;
    if (status == FM_OK) {
        print_profile(program, costs, rows, &text);
        status = fm_text_status(&text);
    }
    fm_release(context, costs);
    fm_release(context, rows);
    if (status != FM_OK) {
        fm_text_release(&text);
        return status;
    }
    *result = text.bytes;
    return FM_OK;
}
