/* Recurrent ops in bf16 programs are what their formulas say, written step by step with products of
 * matrices, each of which rounds its operands: states, gradients, and those of gradients. */
#include "support/graphs.h"

#include "fathom/ops.h"
#include "fathom/recurrent_ops.h"
#include "ir/ir.h"
#include "op/op_tools.h"

enum { BATCH = 2, TIME = 3, UNITS = 5, WIDTH = 3, MOST = BATCH * TIME * 4 * UNITS };

/* width: of the state, UNITS unless it is projected. */
typedef struct cell {
    const char *forward, *backward;
    int gates, width;
    bool has_memory, resets_after;
} cell;

static const cell cells[] = {
    {"simple_rnn.bf16(", "simple_rnn_grad.bf16(", 1, UNITS, false, false},
    {"lstm.bf16(", "lstm_grad.bf16(", 4, UNITS, true, false},
    {"lstm.bf16(", "lstm_grad.bf16(", 4, WIDTH, true, false},
    {"gru.bf16(", "gru_grad.bf16(", 3, UNITS, false, true},
    {"gru.bf16(", "gru_grad.bf16(", 3, UNITS, false, false},
};
enum { CELLS = sizeof cells / sizeof *cells, OPERANDS = 5, RESULTS = 2 * OPERANDS + 1 };

/* Not every cell has a projection. */
typedef struct operands {
    union {
        struct {
            fm_val x, kernel, state, scale, projection;
        };
        fm_val all[OPERANDS];
    };
    int count;
} operands;

static const char *const names[OPERANDS] = {"x", "kernel", "state", "scale", "projection"};

static operands add_operands(fm_graph *g, const cell *c)
{
    const fm_shape shapes[OPERANDS] = {
        FM_SHAPE(BATCH, TIME, c->gates * UNITS), FM_SHAPE(c->width, c->gates * UNITS),
        FM_SHAPE(BATCH, c->width), FM_SHAPE(BATCH, c->width), FM_SHAPE(UNITS, c->width)};
    operands o = {.count = c->width < UNITS ? OPERANDS : OPERANDS - 1};
    for (int i = 0; i < o.count; i++) o.all[i] = fm_input(g, names[i], FM_F64, shapes[i]);
    return o;
}

static fm_val zeros(fm_graph *g)
{
    return fm_full_as(g, FM_F64, FM_SHAPE(BATCH, UNITS), 0);
}

static fm_val sequence(fm_graph *g, const cell *c, const operands *o)
{
    const fm_recurrence r = {
        .recurrent_scale = o->scale, .projection = o->projection, .reset_after = c->resets_after};
    if (c->gates == 1) return fm_simple_rnn_sequence(g, o->x, o->kernel, o->state, &r, NULL);
    if (c->gates == 3) return fm_gru_sequence(g, o->x, o->kernel, o->state, &r, NULL);
    return fm_lstm_sequence(g, o->x, o->kernel, o->state, zeros(g), &r, NULL, NULL);
}

/* ---- step by step ---------------------------------------------------------------------------- */

static fm_val columns(fm_graph *g, fm_val v, int first, int end)
{
    return fm_slice(g, v, 1, first * UNITS, end * UNITS);
}

static fm_val sigmoid_of(fm_graph *g, fm_val v, int gate)
{
    return fm_sigmoid(g, columns(g, v, gate, gate + 1));
}

/* z h + (1 - z) n */
static fm_val mixed(fm_graph *g, fm_val z, fm_val h, fm_val n)
{
    return fm_add(g, fm_mul(g, z, h), fm_mul(g, fm_scalar_minus(g, 1, z), n));
}

static fm_val gru_step(fm_graph *g, const cell *c, const operands *o, fm_val x, fm_val h)
{
    const fm_val entering = fm_mul(g, h, o->scale), first = columns(g, o->kernel, 0, 2);
    const fm_val last = columns(g, o->kernel, 2, 3);
    const fm_val a = fm_add(g, columns(g, x, 0, 2), fm_matmul(g, entering, first));
    const fm_val z = sigmoid_of(g, a, 0), r = sigmoid_of(g, a, 1);
    const fm_val inner = c->resets_after ? fm_mul(g, r, fm_matmul(g, entering, last))
                                         : fm_matmul(g, fm_mul(g, r, entering), last);
    return mixed(g, z, h, fm_tanh(g, fm_add(g, columns(g, x, 2, 3), inner)));
}

static fm_val lstm_step(fm_graph *g, const operands *o, fm_val x, fm_val h, fm_val *memory)
{
    const fm_val a = fm_add(g, x, fm_matmul(g, fm_mul(g, h, o->scale), o->kernel));
    const fm_val new = fm_mul(g, sigmoid_of(g, a, 0), fm_tanh(g, columns(g, a, 2, 3)));
    *memory = fm_add(g, fm_mul(g, sigmoid_of(g, a, 1), *memory), new);
    const fm_val m = fm_mul(g, sigmoid_of(g, a, 3), fm_tanh(g, *memory));
    return o->projection.id ? fm_matmul(g, m, o->projection) : m;
}

static fm_val by_steps(fm_graph *g, const cell *c, const operands *o)
{
    fm_val h = o->state, memory = zeros(g), rows[TIME];
    for (int t = 0; t < TIME; t++) {
        const fm_val x =
            fm_reshape_to(g, fm_slice(g, o->x, 1, t, t + 1), FM_SHAPE(BATCH, c->gates * UNITS));
        if (c->gates == 1) {
            h = fm_tanh(g, fm_add(g, x, fm_matmul(g, fm_mul(g, h, o->scale), o->kernel)));
        } else if (c->gates == 3) {
            h = gru_step(g, c, o, x, h);
        } else {
            h = lstm_step(g, o, x, h, &memory);
        }
        rows[t] = fm_reshape_to(g, h, FM_SHAPE(BATCH, 1, c->width));
    }
    return fm_concat(g, rows, TIME, 1);
}

/* ---- comparing ------------------------------------------------------------------------------- */

typedef struct results {
    int64_t count[RESULTS];
    double numbers[RESULTS][MOST];
} results;

static const char *result_name(int i, char name[8])
{
    snprintf(name, 8, "r%d", i);
    return name;
}

static fm_val sum_of_squares(fm_graph *g, const fm_val *values, int count)
{
    fm_val sum = {0};
    for (int i = 0; i < count; i++) {
        const fm_val one = fm_sum(g, fm_square(g, values[i]), (fm_ints){0}, false);
        sum = i ? fm_add(g, sum, one) : one;
    }
    return sum;
}

/* y, the gradients of its squares, and the gradients of their squares. */
static fm_graph *make_graph(fixture *f, const cell *c, bool steps, results *r, operands *o)
{
    fm_graph *g = graph_for(f, FM_TRAIN);
    *o = add_operands(g, c);
    fm_val made[RESULTS] = {steps ? by_steps(g, c, o) : sequence(g, c, o)}, *first = made + 1;
    fm_grad(g, sum_of_squares(g, made, 1), o->all, o->count, first);
    fm_grad(g, sum_of_squares(g, first, o->count), o->all, o->count, first + o->count);
    for (int i = 0; i < 1 + 2 * o->count; i++) {
        char name[8];
        fm_output(g, result_name(i, name), made[i]);
        r->count[i] = fm_shape_elements(fm_val_shape(g, made[i]));
    }
    assert_ok(f->context, fm_graph_status(g));
    return g;
}

static void feed_all(fm_program *program, const fm_graph *g, const operands *o)
{
    for (int i = 0; i < o->count; i++) {
        double *to = fm_program_input(program, names[i]);
        const int64_t n = fm_shape_elements(fm_val_shape(g, o->all[i]));
        for (int64_t k = 0; k < n; k++) to[k] = sin(2.3 * (double)k + i) * (i == 3 ? 0.5 : 1);
    }
}

static void run_graph(fixture *f, const cell *c, bool steps, fm_precision precision, results *r)
{
    operands o;
    fm_program *program;
    char *text;
    *r = (results){0};
    fm_graph *g = make_graph(f, c, steps, r, &o);
    fm_store *store = store_with_seed(f, 1);
    const fm_program_options options = {.backends = (const char *const[]){"portable", NULL},
                                        .precision = (int)precision};
    assert_ok(f->context, fm_program_create(store, g, &options, &program));
    assert_ok(f->context, fm_program_print(program, false, &text));
    const bool rounds = !steps && precision == FM_PRECISION_BF16;
    assert_int_equal(strstr(text, c->forward) != NULL, rounds);
    assert_int_equal(strstr(text, c->backward) != NULL, rounds);
    fm_text_free(f->context, text);
    feed_all(program, g, &o);
    assert_ok(f->context, fm_program_run(program));
    for (int i = 0; i < 1 + 2 * o.count; i++) {
        const double *numbers = fm_program_output(program, result_name(i, (char[8]){0}));
        memcpy(r->numbers[i], numbers, (size_t)r->count[i] * sizeof *numbers);
    }
    fm_program_destroy(program);
    fm_store_destroy(store);
    fm_graph_destroy(g);
}

static double difference(const results *a, const results *b, int i)
{
    double largest = 0, size = 0;
    for (int64_t k = 0; k < a->count[i]; k++) {
        largest = fmax(largest, fabs(a->numbers[i][k] - b->numbers[i][k]));
        size = fmax(size, fabs(a->numbers[i][k]));
    }
    return largest / size;
}

static void they_are_their_formulas(void **state)
{
    for (int c = 0; c < CELLS; c++) {
        results op, steps, exact;
        run_graph(*state, &cells[c], false, FM_PRECISION_BF16, &op);
        run_graph(*state, &cells[c], true, FM_PRECISION_BF16, &steps);
        run_graph(*state, &cells[c], false, FM_PRECISION_F32, &exact);
        for (int i = 0; i < RESULTS && op.count[i] > 0; i++) {
            assert_int_equal(op.count[i], steps.count[i]);
            const double apart = difference(&op, &steps, i), rounding = difference(&op, &exact, i);
            if (apart < 1e-12 && rounding > 1e-4 && rounding < 0.05) continue;
            fail_msg("%s result %d: off by %.3g, with operands as they are by %.3g",
                     cells[c].forward, i, apart, rounding);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {fixture_test(they_are_their_formulas)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
