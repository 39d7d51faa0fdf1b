#include "support/gradient_check.h"
#include "support/fixture.h"
#include "base/random.h"
#include "fathom/ops.h"
#include "fathom/program.h"

enum { CASE_BUFFER = 512 };

/* A case as a graph: inputs x0, x1, ..., weights w0, w1, ... as inputs too. */
typedef struct case_graph {
    fm_context *context;
    fm_graph *graph;
    fm_store *store;
    fm_program *program;
    op_case parsed;
    fm_dtype real;
    fm_val inputs[FM_MAX_INPUTS], outputs[FM_MAX_OUTPUTS];
    /* what is differentiated: the real inputs, then the weights of the real outputs */
    int input_wrt, wrt_count;
    fm_val wrt[FM_MAX_INPUTS + FM_MAX_OUTPUTS];
    const char *wrt_names[FM_MAX_INPUTS + FM_MAX_OUTPUTS];
} case_graph;

#define NAMES(x)                                                                                   \
    {                                                                                              \
        x "0", x "1", x "2", x "3", x "4", x "5", x "6", x "7", x "8", x "9", x "10", x "11",      \
            x "12", x "13", x "14", x "15", x "16", x "17", x "18", x "19", x "20", x "21",        \
            x "22", x "23"                                                                         \
    }
static const char *const input_names[FM_MAX_INPUTS + FM_MAX_OUTPUTS] = NAMES("x");
static const char *const weight_names[FM_MAX_INPUTS + FM_MAX_OUTPUTS] = NAMES("w");
static const char *const grad_names[FM_MAX_INPUTS + FM_MAX_OUTPUTS] = NAMES("g");

static void open_case(case_graph *c, fm_context *context, const fm_op *op, const fm_case *row,
                      fm_dtype real)
{
    *c = (case_graph){.context = context, .parsed = op_case_parse(row->inputs), .real = real};
    fm_graph_options options = {.mode = FM_TRAIN, .dtype = real};
    assert_ok(context, fm_graph_create(context, &options, &c->graph));
    for (int i = 0; i < c->parsed.count; i++) {
        const case_input *input = &c->parsed.inputs[i];
        fm_dtype dtype = op_case_dtype(input, real);
        c->inputs[i] = fm_input(c->graph, input_names[i], dtype, input->shape);
        if (dtype != real) continue;
        c->wrt_names[c->wrt_count] = input_names[i];
        c->wrt[c->wrt_count++] = c->inputs[i];
    }
    c->input_wrt = c->wrt_count;
    fm_node_add(c->graph, op, c->inputs, c->parsed.count, row->attributes, c->outputs);
    assert_ok(context, fm_graph_status(c->graph));
}

static void close_case(case_graph *c)
{
    fm_program_destroy(c->program);
    fm_store_destroy(c->store);
    fm_graph_destroy(c->graph);
}

/* sum of all elements of a b */
static fm_val inner_product(fm_graph *g, fm_val a, fm_val b)
{
    return fm_sum(g, fm_mul(g, a, b), (fm_ints){0}, false);
}

/* L; {0} when no output is real. */
static fm_val weighted_sum(case_graph *c, const fm_op *op)
{
    fm_val total = {0};
    for (int i = 0; i < op->outputs; i++) {
        fm_dtype dtype = fm_val_dtype(c->graph, c->outputs[i]);
        if (!fm_dtype_is_real(dtype)) continue;
        fm_shape shape = fm_val_shape(c->graph, c->outputs[i]);
        fm_val weight = fm_input(c->graph, weight_names[i], dtype, shape);
        c->wrt_names[c->wrt_count] = weight_names[i];
        c->wrt[c->wrt_count++] = weight;
        fm_val term = inner_product(c->graph, weight, c->outputs[i]);
        total = total.id ? fm_add(c->graph, total, term) : term;
    }
    return total;
}

/* S, from the gradients of the inputs; the directions v are constants. */
static fm_val directional(case_graph *c, const fm_val *grads)
{
    fm_val total = {0};
    for (int i = 0; i < c->input_wrt; i++) {
        fm_shape shape = fm_val_shape(c->graph, grads[i]);
        double direction[CASE_BUFFER];
        op_case_fill(&(case_input){.letter = 'f', .shape = shape}, 40 + i, FM_F64, direction);
        fm_val v = fm_constant(c->graph, FM_F64, shape, direction);
        fm_val term = inner_product(c->graph, v, grads[i]);
        total = total.id ? fm_add(c->graph, total, term) : term;
    }
    return total;
}

static void compile(case_graph *c)
{
    static const char *const portable[] = {"portable", NULL};
    assert_ok(c->context, fm_store_create(c->context, 5, &c->store));
    fm_program_options options = {.backends = portable};
    assert_ok(c->context, fm_program_create(c->store, c->graph, &options, &c->program));
    for (int i = 0; i < c->parsed.count; i++) {
        void *elements = fm_program_input(c->program, input_names[i]);
        if (elements) op_case_fill(&c->parsed.inputs[i], i, c->real, elements);
    }
    for (int i = c->input_wrt; i < c->wrt_count; i++) {
        void *elements = fm_program_input(c->program, c->wrt_names[i]);
        if (!elements) continue;
        case_input weight = {.letter = 'f', .shape = fm_val_shape(c->graph, c->wrt[i])};
        op_case_fill(&weight, 20 + i, fm_val_dtype(c->graph, c->wrt[i]), elements);
    }
}

static double run(const case_graph *c, const char *output)
{
    assert_ok(c->context, fm_program_run(c->program));
    return *(const double *)fm_program_output(c->program, output);
}

/* d output / d *element */
static double difference(const case_graph *c, const char *output, double *element)
{
    const double step = 5e-4, weights[] = {1, -8, 8, -1}, at[] = {-2, -1, 1, 2};
    double kept = *element, sum = 0;
    for (int i = 0; i < 4; i++) {
        *element = kept + at[i] * step;
        sum += weights[i] * run(c, output);
    }
    *element = kept;
    return sum / (12 * step);
}

/* Watched, a fifth of the elements: each takes the same steps with other numbers. */
static int64_t element_stride(void)
{
    return fixture_is_watched() ? 5 : 1;
}

/* The worst relative error of the output `grad` as the derivative of `output` by input `name`. */
static double worst_error(const case_graph *c, const char *output, int wrt, const char *grad)
{
    static double analytic[CASE_BUFFER], numeric[CASE_BUFFER];
    int64_t count = fm_shape_elements(fm_val_shape(c->graph, c->wrt[wrt]));
    double *elements = fm_program_input(c->program, c->wrt_names[wrt]);
    assert_true(count <= CASE_BUFFER);
    run(c, output);
    memcpy(analytic, fm_program_output(c->program, grad), (size_t)count * sizeof *analytic);
    double largest = 0, worst = 0;
    for (int64_t i = 0; i < count; i++) largest = fmax(largest, fabs(analytic[i]));
    for (int64_t i = 0; i < count; i += element_stride()) {
        numeric[i] = elements ? difference(c, output, &elements[i]) : 0;
        largest = fmax(largest, fabs(numeric[i]));
    }
    for (int64_t i = 0; i < count; i += element_stride()) {
        double scale = fmax(fmax(fabs(analytic[i]), fabs(numeric[i])), fmax(largest / 100, 1e-3));
        double error = fabs(analytic[i] - numeric[i]) / scale;
        worst = error <= worst ? worst : error; /* a NaN wins */
    }
    return worst;
}

static double check_order(fm_context *context, const fm_op *op, const fm_case *row, int order)
{
    case_graph c;
    open_case(&c, context, op, row, FM_F64);
    fm_val grads[FM_MAX_INPUTS + FM_MAX_OUTPUTS] = {0}, target = weighted_sum(&c, op);
    int count = order == 1 ? c.input_wrt : c.wrt_count;
    double worst = 0;
    if (target.id && c.input_wrt > 0) {
        fm_grad(c.graph, target, c.wrt, c.input_wrt, grads);
        if (order == 2) {
            target = directional(&c, grads);
            fm_grad(c.graph, target, c.wrt, count, grads);
        }
        fm_output(c.graph, "target", target);
        for (int i = 0; i < count; i++) fm_output(c.graph, grad_names[i], grads[i]);
        compile(&c);
        for (int i = 0; i < count; i++) {
            double error = worst_error(&c, "target", i, grad_names[i]);
            worst = error <= worst ? worst : error;
        }
    }
    close_case(&c);
    return worst;
}

gradient_errors check_gradients(fm_context *context, const fm_op *op, const fm_case *row)
{
    return (gradient_errors){check_order(context, op, row, 1), check_order(context, op, row, 2)};
}

double largest_slope(fm_context *context, const fm_op *op, const fm_case *row)
{
    case_graph c;
    open_case(&c, context, op, row, FM_F64);
    fm_val target = weighted_sum(&c, op);
    double largest = 0;
    if (target.id) {
        fm_output(c.graph, "target", target);
        compile(&c);
        for (int i = 0; i < c.input_wrt; i++) {
            double *elements = fm_program_input(c.program, c.wrt_names[i]);
            int64_t count = fm_shape_elements(fm_val_shape(c.graph, c.wrt[i]));
            for (int64_t k = 0; elements && k < count; k += element_stride()) {
                largest = fmax(largest, fabs(difference(&c, "target", &elements[k])));
            }
        }
    }
    close_case(&c);
    return largest;
}

/* ---- f32 against f64 ------------------------------------------------------------------------- */

static double element_of(const void *data, fm_dtype dtype, int64_t i)
{
    switch (dtype) {
    case FM_F32:
        return (double)((const float *)data)[i];
    case FM_F64:
        return ((const double *)data)[i];
    case FM_I64:
        return (double)((const int64_t *)data)[i];
    case FM_U8:
        return ((const uint8_t *)data)[i];
    default:
        return ((const int32_t *)data)[i];
    }
}

/* Outputs y0, y1, ... and, with a rule, the gradients of the real inputs after them. */
static int run_precision(case_graph *c, fm_context *context, const fm_op *op, const fm_case *row,
                         fm_dtype real, fm_val *kept)
{
    open_case(c, context, op, row, real);
    int count = 0;
    for (int i = 0; i < op->outputs; i++) kept[count++] = c->outputs[i];
    fm_val loss = op->vjp ? weighted_sum(c, op) : (fm_val){0};
    if (loss.id && c->input_wrt > 0) {
        fm_grad(c->graph, loss, c->wrt, c->input_wrt, kept + count);
        count += c->input_wrt;
    }
    for (int i = 0; i < count; i++) fm_output(c->graph, input_names[i], kept[i]);
    compile(c);
    assert_ok(context, fm_program_run(c->program));
    return count;
}

double compare_precisions(fm_context *context, const fm_op *op, const fm_case *row)
{
    case_graph single, twice;
    fm_val kept[FM_MAX_INPUTS + FM_MAX_OUTPUTS], kept_twice[FM_MAX_INPUTS + FM_MAX_OUTPUTS];
    int count = run_precision(&single, context, op, row, FM_F32, kept);
    run_precision(&twice, context, op, row, FM_F64, kept_twice);
    double worst = 0;
    for (int k = 0; k < count; k++) {
        const void *a = fm_program_output(single.program, input_names[k]);
        const void *b = fm_program_output(twice.program, input_names[k]);
        int64_t elements = fm_shape_elements(fm_val_shape(single.graph, kept[k]));
        for (int64_t i = 0; i < elements; i++) {
            double f32 = element_of(a, fm_val_dtype(single.graph, kept[k]), i);
            double f64 = element_of(b, fm_val_dtype(twice.graph, kept_twice[k]), i);
            double error = fabs(f32 - f64) / fmax(1, fabs(f64));
            worst = error <= worst ? worst : error;
        }
    }
    close_case(&single);
    close_case(&twice);
    return worst;
}
