/* The kernels of recurrent cells against the portable ones, on units that fill vectors and that do not, on
 * batches that fill tiles and that do not, with everything that they do not refuse. */
#include "support/kernel_check.h"
#include "fathom/ops.h"
#include "op/op_table.h"
#include "op/recurrent_cells.h"

#if FATHOM_HAVE_FAST

/* Sums over hundreds of steps and units, of numbers near one. */
enum { TOLERANCE_PARTS = 50000 };
static const double near = 1.0 / TOLERANCE_PARTS;

static const struct {
    int batch, time, units;
} sizes[] = {{1, 1, 1},  {2, 3, 5},   {7, 4, 16}, {13, 5, 64}, {5, 3, 17},
             {3, 2, 33}, {33, 2, 48}, {9, 3, 80}, {25, 2, 130}};

typedef struct cell {
    const fm_op *forward, *backward;
    int gates, saved;
    bool has_memory, has_bias;
} cell;
static const cell cells[] = {
    {&fm_op_simple_rnn, &fm_op_simple_rnn_grad, 1, 0, false, false},
    {&fm_op_lstm, &fm_op_lstm_grad, 4, 4, true, false},
    {&fm_op_gru, &fm_op_gru_grad, 3, 4, false, true},
};

/* Operands as text, one by one. */
typedef struct operands {
    char text[512];
    int batch, time, units;
} operands;

static void add(operands *o, const char *format, ...)
{
    size_t size = strlen(o->text);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(o->text + size, sizeof o->text - size, format, arguments);
    va_end(arguments);
}

static operands forward_operands(const cell *c, const fm_recurrent_attributes *a, int k)
{
    operands o = {.text = "", sizes[k].batch, sizes[k].time, sizes[k].units};
    add(&o, "f(%d,%d,%d) f(%d,%d) f(%d,%d)", o.batch, o.time, c->gates * o.units, o.units,
        c->gates * o.units, o.batch, o.units);
    if (c->has_memory) add(&o, " f(%d,%d)", o.batch, o.units);
    if (a->has[FM_RECURRENT_BIAS]) add(&o, " f(%d)", 3 * o.units);
    if (a->has[FM_RECURRENT_MASK]) add(&o, " u(%d,%d)", o.batch, o.time);
    if (a->has[FM_RECURRENT_SCALE]) add(&o, " p(%d,%d)", o.batch, o.units);
    return o;
}

static operands backward_operands(const cell *c, const fm_recurrent_attributes *a, int k)
{
    operands o = {.text = "", sizes[k].batch, sizes[k].time, sizes[k].units};
    add(&o, "f(%d,%d) f(%d,%d)", o.units, c->gates * o.units, o.batch, o.units);
    if (c->has_memory) add(&o, " f(%d,%d)", o.batch, o.units);
    add(&o, " u(%d,%d,%d)", o.batch, o.time, o.units);
    if (c->saved) add(&o, " u(%d,%d,%d)", o.batch, o.time, c->saved * o.units);
    if (c->has_memory) add(&o, " f(%d,%d,%d)", o.batch, o.time, o.units);
    if (a->has[FM_RECURRENT_BIAS]) add(&o, " f(%d)", 3 * o.units);
    if (a->has[FM_RECURRENT_MASK]) add(&o, " u(%d,%d)", o.batch, o.time);
    if (a->has[FM_RECURRENT_SCALE]) add(&o, " p(%d,%d)", o.batch, o.units);
    if (a->has[FM_RECURRENT_DY]) add(&o, " f(%d,%d,%d)", o.batch, o.time, o.units);
    if (a->has[FM_RECURRENT_DLAST]) add(&o, " f(%d,%d)", o.batch, o.units);
    if (a->has[FM_RECURRENT_DLAST_CELL]) add(&o, " f(%d,%d)", o.batch, o.units);
    return o;
}

/* A recurrent kernel so large as the operands' makes chaos: its numbers get a sixteenth. */
static void calm(op_job *job)
{
    const int64_t count = fm_shape_elements(job->inputs.inputs[1].shape);
    for (int64_t i = 0; i < count; i++) job->values[1][i] /= 16;
}

static void check_forward(fixture *f, const cell *c, fm_recurrent_attributes a, int k)
{
    a.keeps = c->saved > 0;
    a.reset_after = c->has_bias;
    a.has[FM_RECURRENT_BIAS] &= c->has_bias;
    operands o = forward_operands(c, &a, k);
    op_case parsed = op_case_parse(o.text);
    op_job job = op_job_make(f, c->forward, &a, &parsed);
    calm(&job);
    check_kernels(f, &job, near);
    op_job_release(f, &job);
}

static void check_backward(fixture *f, const cell *c, fm_recurrent_attributes a, int k)
{
    a.reset_after = c->has_bias;
    a.has[FM_RECURRENT_BIAS] &= c->has_bias;
    a.has[FM_RECURRENT_DLAST_CELL] &= c->has_memory;
    operands o = backward_operands(c, &a, k);
    check_kernels_on(f, c->backward, &a, o.text, near);
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

static void cells_go_forward(void **state)
{
    for (size_t c = 0; c < sizeof cells / sizeof *cells; c++) {
        for (int k = 0; k < (int)(sizeof sizes / sizeof *sizes); k++) {
            for (size_t v = 0; v < sizeof variants / sizeof *variants; v++) {
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
            for (size_t v = 0; v < sizeof variants / sizeof *variants; v++) {
                check_backward(*state, &cells[c], variants[v], k);
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
