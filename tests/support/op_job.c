#include "support/op_job.h"
#include "base/memory.h"
#include "fathom/program.h"
#include "run/program_inside.h"

static double *new_numbers(fixture *f, int64_t count)
{
    double *numbers = fm_allocate_array(f->context, (size_t)count + 1, sizeof *numbers);
    assert_non_null(numbers);
    return numbers;
}

static double number_at(const void *elements, fm_dtype dtype, int64_t i)
{
    if (dtype == FM_F64) return ((const double *)elements)[i];
    if (dtype == FM_F32) return (double)((const float *)elements)[i];
    if (dtype == FM_I32) return ((const int32_t *)elements)[i];
    if (dtype == FM_I64) return (double)((const int64_t *)elements)[i];
    return ((const uint8_t *)elements)[i];
}

static void put_number(void *elements, fm_dtype dtype, int64_t i, double number)
{
    if (dtype == FM_F64) {
        ((double *)elements)[i] = number;
    } else if (dtype == FM_F32) {
        ((float *)elements)[i] = (float)number;
    } else if (dtype == FM_U8) {
        ((uint8_t *)elements)[i] = (uint8_t)number;
    } else {
        ((int32_t *)elements)[i] = (int32_t)number;
    }
}

op_job op_job_make(fixture *f, const fm_op *op, const void *attributes, const op_case *inputs)
{
    op_job job = {.op = op,
                  .attributes = attributes,
                  .inputs = *inputs,
                  .f64_input = -1,
                  .variable_input = -1};
    for (int i = 0; i < inputs->count; i++) {
        int64_t count = fm_shape_elements(inputs->inputs[i].shape);
        job.values[i] = new_numbers(f, count);
        op_case_fill(&inputs->inputs[i], i, FM_F64, job.values[i]);
        fm_dtype dtype = op_case_dtype(&inputs->inputs[i], FM_F64);
        for (int64_t k = count; k-- > 0;) {
            job.values[i][k] = number_at(job.values[i], dtype, k);
        }
    }
    return job;
}

void op_job_release(fixture *f, op_job *job)
{
    for (int i = 0; i < job->inputs.count; i++) fm_release(f->context, job->values[i]);
}

static fm_graph *graph_of(fm_context *context, const op_job *job, fm_dtype real)
{
    fm_graph *graph;
    fm_graph_options options = {.mode = FM_TRAIN, .dtype = real};
    fm_val inputs[FM_MAX_INPUTS], outputs[FM_MAX_OUTPUTS];
    assert_ok(context, fm_graph_create(context, &options, &graph));
    for (int i = 0; i < job->inputs.count; i++) {
        char name[16];
        snprintf(name, sizeof name, "x%d", i);
        fm_dtype dtype = op_case_dtype(&job->inputs.inputs[i], real);
        if (i == job->f64_input) dtype = FM_F64;
        const fm_shape shape = job->inputs.inputs[i].shape;
        inputs[i] = i == job->variable_input ? fm_variable(graph, name, dtype, shape, NULL)
                                             : fm_input(graph, name, dtype, shape);
    }
    fm_node_add(graph, job->op, inputs, job->inputs.count, job->attributes, outputs);
    for (int i = 0; i < job->op->outputs; i++) {
        char name[16];
        snprintf(name, sizeof name, "y%d", i);
        fm_output(graph, name, outputs[i]);
    }
    assert_ok(context, fm_graph_status(graph));
    return graph;
}

static void set_variable(fixture *f, const op_job *job, fm_store *store, int i)
{
    char name[16];
    const int64_t count = fm_shape_elements(job->inputs.inputs[i].shape);
    float *elements = fm_allocate_array(f->context, (size_t)count + 1, sizeof *elements);
    assert_non_null(elements);
    for (int64_t k = 0; k < count; k++) put_number(elements, FM_F32, k, job->values[i][k]);
    snprintf(name, sizeof name, "x%d", i);
    assert_ok(f->context, fm_store_write(store, fm_store_find(store, name), elements));
    fm_release(f->context, elements);
}

static void feed(fixture *f, const op_job *job, fm_store *store, fm_program *program)
{
    for (int i = 0; i < job->inputs.count; i++) {
        if (i == job->variable_input) {
            set_variable(f, job, store, i);
            continue;
        }
        char name[16];
        snprintf(name, sizeof name, "x%d", i);
        fm_dtype dtype = fm_val_dtype(program->graph, fm_graph_input(program->graph, name));
        int64_t count = fm_shape_elements(job->inputs.inputs[i].shape);
        void *elements = fm_program_input(program, name);
        for (int64_t k = 0; k < count; k++) put_number(elements, dtype, k, job->values[i][k]);
    }
}

static op_result collect(fixture *f, const op_job *job, fm_program *program)
{
    op_result result = {.count = job->op->outputs};
    for (int i = 0; i < result.count; i++) {
        char name[16];
        snprintf(name, sizeof name, "y%d", i);
        fm_val value = fm_graph_output(program->graph, name);
        const void *elements = fm_program_output(program, name);
        fm_dtype dtype = fm_val_dtype(program->graph, value);
        result.elements[i] = fm_shape_elements(fm_val_shape(program->graph, value));
        result.values[i] = new_numbers(f, result.elements[i]);
        for (int64_t k = 0; k < result.elements[i]; k++) {
            result.values[i][k] = number_at(elements, dtype, k);
        }
    }
    for (size_t i = 0; i < program->placement_count; i++) {
        if (program->graph->nodes[i].op != job->op) continue;
        snprintf(result.kernel, sizeof result.kernel, "%s",
                 fm_placement_name(&program->placements[i]));
    }
    return result;
}

op_result op_job_run(fixture *f, const op_job *job, fm_dtype real, const char *backend, int threads)
{
    fm_context *context = fixture_context(f, threads);
    fm_graph *graph = graph_of(context, job, real);
    fm_store *store;
    fm_program *program;
    const char *const backends[] = {backend, NULL};
    fm_program_options options = {.backends = backend ? backends : NULL,
                                  .no_fusion = true,
                                  .no_simplify = true,
                                  .precision = (int)job->precision};
    assert_ok(context, fm_store_create(context, 7, &store));
    assert_ok(context, fm_program_create(store, graph, &options, &program));
    feed(f, job, store, program);
    assert_ok(context, fm_program_run(program));
    op_result result = collect(f, job, program);
    fm_program_destroy(program);
    fm_store_destroy(store);
    fm_graph_destroy(graph);
    fm_context_destroy(context);
    return result;
}

void op_result_release(fixture *f, op_result *result)
{
    for (int i = 0; i < result->count; i++) fm_release(f->context, result->values[i]);
}
