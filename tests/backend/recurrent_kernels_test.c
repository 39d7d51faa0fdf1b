/* The kernels of recurrent cells against the portable ones, on units that fill vectors and that do
 * not, on batches that fill tiles and that do not, with everything that they do not refuse. With
 * operands rounded to bf16 as well: states that differ in a last bit may be rounded to neighbours,
 * 2^-8 apart, and few are, so the mean difference of many stays small. Unrounded operands are off
 * by 1e-4 and more in the mean. */
#include "support/kernel_check.h"
#include "fathom/ops.h"
#include "op/op_table.h"
#include "op/recurrent_cells.h"

#if FATHOM_HAVE_FAST

/* Sums over hundreds of steps and units, of numbers near one. */
enum { TOLERANCE_PARTS = 50000 };
static const double near = 1.0 / TOLERANCE_PARTS;
static const double rounded_near = 4e-3, rounded_mean = 3e-5;
enum { MANY_UNITS = 16 }; /* of fewer each counts */

static const struct {
    int batch, time, units;
} sizes[] = {{1, 1, 1},   {2, 3, 5},  {7, 4, 16},   {13, 5, 64}, {5, 3, 17}, {3, 2, 33},
             {33, 2, 48}, {9, 3, 80}, {25, 2, 130}, {53, 6, 64}, {2, 2, 280}};

typedef struct cell {
    const fm_op *forward, *backward;
    int gates, saved;
    bool has_memory, has_bias, has_peephole, has_projection; /* a bias: reset behind the product */
} cell;
static const cell cells[] = {
    {&fm_op_simple_rnn, &fm_op_simple_rnn_grad, .gates = 1},
    {&fm_op_lstm, &fm_op_lstm_grad, .gates = 4, .saved = 4, .has_memory = true},
    {&fm_op_lstm, &fm_op_lstm_grad, .gates = 4, .saved = 4, .has_memory = true,
     .has_peephole = true},
    {&fm_op_lstm, &fm_op_lstm_grad, .gates = 4, .saved = 4, .has_memory = true,
     .has_projection = true},
    {&fm_op_lstm, &fm_op_lstm_grad, .gates = 4, .saved = 4, .has_memory = true,
     .has_peephole = true, .has_projection = true},
    {&fm_op_gru, &fm_op_gru_grad, .gates = 3, .saved = 4, .has_bias = true},
    {&fm_op_gru, &fm_op_gru_grad, .gates = 3, .saved = 3},
};

/* Operands as text, one by one. */
typedef struct operands {
    char text[512];
    int batch, time, units, width;
} operands;

/* A projection's width is sometimes more than the units, sometimes less. */
static operands operands_of(const cell *c, int k)
{
    const int units = sizes[k].units, width = k % 2 ? units / 2 + 1 : units + 3;
    return (operands){"", sizes[k].batch, sizes[k].time, units, c->has_projection ? width : units};
}

static void add(operands *o, const char *format, ...)
{
    size_t size = strlen(o->text);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(o->text + size, sizeof o->text - size, format, arguments);
    va_end(arguments);
}

/* Those that both directions have. */
static void add_optionals(operands *o, const fm_recurrent_attributes *a)
{
    if (a->has[FM_RECURRENT_PEEPHOLE]) add(o, " f(3,%d)", o->units);
    if (a->has[FM_RECURRENT_PROJECTION]) add(o, " f(%d,%d)", o->units, o->width);
    if (a->has[FM_RECURRENT_BIAS]) add(o, " f(%d)", 3 * o->units);
    if (a->has[FM_RECURRENT_MASK]) add(o, " u(%d,%d)", o->batch, o->time);
    if (a->has[FM_RECURRENT_SCALE]) add(o, " p(%d,%d)", o->batch, o->width);
}

static operands forward_operands(const cell *c, const fm_recurrent_attributes *a, int k)
{
    operands o = operands_of(c, k);
    add(&o, "f(%d,%d,%d) f(%d,%d) f(%d,%d)", o.batch, o.time, c->gates * o.units, o.width,
        c->gates * o.units, o.batch, o.width);
    if (c->has_memory) add(&o, " f(%d,%d)", o.batch, o.units);
    add_optionals(&o, a);
    return o;
}

static operands backward_operands(const cell *c, const fm_recurrent_attributes *a, int k)
{
    operands o = operands_of(c, k);
    add(&o, "f(%d,%d) f(%d,%d)", o.width, c->gates * o.units, o.batch, o.width);
    if (c->has_memory) add(&o, " f(%d,%d)", o.batch, o.units);
    add(&o, " u(%d,%d,%d)", o.batch, o.time, o.width);
    if (c->saved) add(&o, " u(%d,%d,%d)", o.batch, o.time, c->saved * o.units);
    if (c->has_memory) add(&o, " f(%d,%d,%d)", o.batch, o.time, o.units);
    add_optionals(&o, a);
    if (a->has[FM_RECURRENT_DY]) add(&o, " f(%d,%d,%d)", o.batch, o.time, o.width);
    if (a->has[FM_RECURRENT_DLAST]) add(&o, " f(%d,%d)", o.batch, o.width);
    if (a->has[FM_RECURRENT_DLAST_CELL]) add(&o, " f(%d,%d)", o.batch, o.units);
    return o;
}

/* Matrices so large as the operands' make chaos: their numbers get a sixteenth. */
static void calm(op_job *job, int operand)
{
    const int64_t count = fm_shape_elements(job->inputs.inputs[operand].shape);
    for (int64_t i = 0; i < count; i++) job->values[operand][i] /= 16;
}

static void calm_projection(op_job *job, const fm_recurrent_attributes *a, int fixed)
{
    const int projection = fm_recurrent_find(a, fixed, FM_RECURRENT_PROJECTION);
    if (projection >= 0) calm(job, projection);
}

/* What the cell has of what the variant asks for. */
static void choose(const cell *c, fm_recurrent_attributes *a)
{
    a->reset_after = c->has_bias;
    a->has[FM_RECURRENT_BIAS] &= c->has_bias;
    a->has[FM_RECURRENT_PEEPHOLE] = c->has_peephole;
    a->has[FM_RECURRENT_PROJECTION] = c->has_projection;
    a->has[FM_RECURRENT_DLAST_CELL] &= c->has_memory;
}

static void check_job(fixture *f, op_job *job, int units)
{
    check_kernels(f, job, near);
    job->precision = FM_PRECISION_BF16;
    check_kernels_in_mean(f, job, rounded_near, units < MANY_UNITS ? rounded_near : rounded_mean);
}

static void check_forward(fixture *f, const cell *c, fm_recurrent_attributes a, int k)
{
    choose(c, &a);
    a.keeps = c->saved > 0;
    operands o = forward_operands(c, &a, k);
    op_case parsed = op_case_parse(o.text);
    op_job job = op_job_make(f, c->forward, &a, &parsed);
    calm(&job, 1);
    calm_projection(&job, &a, 3 + c->has_memory);
    check_job(f, &job, sizes[k].units);
    op_job_release(f, &job);
}

static void check_backward(fixture *f, const cell *c, fm_recurrent_attributes a, int k)
{
    choose(c, &a);
    operands o = backward_operands(c, &a, k);
    op_case parsed = op_case_parse(o.text);
    op_job job = op_job_make(f, c->backward, &a, &parsed);
    calm(&job, 0);
    calm_projection(&job, &a, 3 + 2 * c->has_memory + (c->saved > 0));
    check_job(f, &job, sizes[k].units);
    op_job_release(f, &job);
}

/* Plain; with everything, in reverse; other activations. */
static const fm_recurrent_attributes variants[] = {
    {.activation = FM_CELL_TANH, .has = {[FM_RECURRENT_DY] = true}},
    {.reverse = true,
     .has = {[FM_RECURRENT_BIAS] = true,
             [FM_RECURRENT_MASK] = true,
             [FM_RECURRENT_SCALE] = true,
             [FM_RECURRENT_DY] = true,
             [FM_RECURRENT_DLAST] = true,
             [FM_RECURRENT_DLAST_CELL] = true}},
    {.activation = FM_CELL_SIGMOID,
     .gate_activation = FM_GATE_HARD_SIGMOID,
     .has = {[FM_RECURRENT_BIAS] = true, [FM_RECURRENT_DLAST] = true}},
};

enum { VARIANTS = sizeof variants / sizeof *variants };

/* Watched, each size of a cell has one variant in turn: every loop is run, every tail is met. */
static bool is_tried(size_t cell_index, int size, size_t variant)
{
    return !fixture_is_watched() || (cell_index + (size_t)size) % VARIANTS == variant;
}

static void cells_go_forward(void **state)
{
    for (size_t c = 0; c < sizeof cells / sizeof *cells; c++) {
        for (int k = 0; k < (int)(sizeof sizes / sizeof *sizes); k++) {
            for (size_t v = 0; v < VARIANTS; v++) {
                if (!is_tried(c, k, v)) continue;
                fm_recurrent_attributes a = variants[v];
                for (int i = FM_RECURRENT_DY; i < FM_RECURRENT_OPTIONALS; i++) a.has[i] = false;
                check_forward(*state, &cells[c], a, k);
            }
        }
    }
}

static void cells_go_back(void **state)
{
    for (size_t c = 0; c < sizeof cells / sizeof *cells; c++) {
        for (int k = 0; k < (int)(sizeof sizes / sizeof *sizes); k++) {
            for (size_t v = 0; v < VARIANTS; v++) {
                if (is_tried(c, k, v)) check_backward(*state, &cells[c], variants[v], k);
            }
        }
    }
}

/* relu, whose slope has a jump: forward only. */
static void simple_cells_may_have_relu(void **state)
{
    const fm_recurrent_attributes a = {.activation = FM_CELL_RELU};
    check_forward(*state, &cells[0], a, 4);
}

#endif

int main(void)
{
#if FATHOM_HAVE_FAST
    const struct CMUnitTest tests[] = {
        fixture_test(cells_go_forward),
        fixture_test(cells_go_back),
        fixture_test(simple_cells_may_have_relu),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
#else
    return 0;
#endif
}
