/* The values of every op's cases against a direct evaluation: libm and index arithmetic, written
 * without the kernels' helpers. An op without a reference fails. */
#include "support/op_case.h"
#include "support/op_run.h"
#include "op/op_attributes.h"
#include "op/op_table.h"

enum { LARGEST = 512 };

typedef struct values {
    fm_shape shape;
    int64_t count;
    double at[LARGEST];
} values;

/* The operands of a case, and its output as the program gave it. */
typedef struct evaluation {
    const void *attributes;
    int count;
    values in[4], out;
} evaluation;

/* ---- elementwise ----------------------------------------------------------------------------- */

static double sigmoid(double x)
{
    return 0.5 + 0.5 * tanh(x / 2);
}

/* of x s, s = sigmoid(u) */
static double gelu_tanh_slope(double x)
{
    const double c = 2 * sqrt(2 / acos(-1)), u = c * (x + 0.044715 * pow(x, 3));
    return sigmoid(u) + x * sigmoid(u) * sigmoid(-u) * c * (1 + 3 * 0.044715 * x * x);
}

/* clang-format off */
#define ONE_OPERAND(F)                                                                             \
    F(neg, -x) F(abs, fabs(x)) F(sign, (x > 0) - (x < 0)) F(step, x > 0) F(square, pow(x, 2))      \
    F(sqrt, sqrt(x)) F(rsqrt, pow(x, -0.5)) F(reciprocal, pow(x, -1)) F(exp, exp(x))               \
    F(expm1, exp(x) - 1) F(log, log(x)) F(log1p, log(1 + x)) F(sin, sin(x)) F(cos, cos(x))         \
    F(erf, erf(x)) F(floor, floor(x)) F(sigmoid, sigmoid(x)) F(tanh, tanh(x)) F(relu, fmax(x, 0))  \
    F(relu6, fmin(fmax(x, 0), 6))                                                                  \
    F(selu, 1.0507009873554805 * (x > 0 ? x : 1.6732632423543772 * (exp(x) - 1)))                  \
    F(gelu, x * 0.5 * erfc(-x / sqrt(2)))                                                          \
    F(gelu_tanh, x * sigmoid(2 * sqrt(2 / acos(-1)) * (x + 0.044715 * pow(x, 3))))                 \
    F(silu, x * sigmoid(x)) F(mish, x * tanh(log(1 + exp(x)))) F(softplus, log(1 + exp(x)))        \
    F(softsign, x / (1 + fabs(x))) F(hard_sigmoid, fmin(fmax(x / 6 + 0.5, 0), 1))                  \
    F(hard_swish, x * fmin(fmax(x / 6 + 0.5, 0), 1))

/* the parameter of leaky_relu and elu is b */
#define TWO_OPERANDS(F)                                                                            \
    F(add, a + b) F(sub, a - b) F(mul, a * b) F(div, a / b) F(pow, pow(a, b))                      \
    F(maximum, fmax(a, b)) F(minimum, fmin(a, b)) F(greater, a > b) F(less, a < b)                 \
    F(equal, a == b) F(relu_grad, b > 0 ? a : 0) F(leaky_relu, fmax(a, 0) + b * fmin(a, 0))        \
    F(relu6_grad, b > 0 && b < 6 ? a : 0)                                                          \
    F(sigmoid_cross_entropy, -b * log(sigmoid(a)) - (1 - b) * log(sigmoid(-a)))                    \
    F(elu, a > 0 ? a : b * (exp(a) - 1))                                                           \
    F(gelu_grad, a * (0.5 * erfc(-b / sqrt(2)) + b * exp(-b * b / 2) / sqrt(2 * acos(-1))))        \
    F(gelu_tanh_grad, a * gelu_tanh_slope(b)) F(silu_grad, a * sigmoid(b) * (1 + b * sigmoid(-b)))
/* clang-format on */

#define DEFINE_ONE(name, value)                                                                    \
    static double one_##name(double x)                                                             \
    {                                                                                              \
        return value;                                                                              \
    }
#define DEFINE_TWO(name, value)                                                                    \
    static double two_##name(double a, double b)                                                   \
    {                                                                                              \
        return value;                                                                              \
    }
ONE_OPERAND(DEFINE_ONE)
TWO_OPERANDS(DEFINE_TWO)

#define ENTRY_ONE(name, value) {#name, one_##name},
#define ENTRY_TWO(name, value) {#name, two_##name},
static const struct {
    const char *name;
    double (*f)(double);
} one_operand[] = {ONE_OPERAND(ENTRY_ONE){NULL, NULL}};
static const struct {
    const char *name;
    double (*f)(double, double);
} two_operands[] = {TWO_OPERANDS(ENTRY_TWO){NULL, NULL}};

/* ---- indices --------------------------------------------------------------------------------- */

static void unravel(fm_shape shape, int64_t flat, int64_t *index)
{
    for (int i = shape.rank - 1; i >= 0; i--) {
        index[i] = flat % shape.dims[i];
        flat /= shape.dims[i];
    }
}

static int64_t ravel(fm_shape shape, const int64_t *index)
{
    int64_t flat = 0;
    for (int i = 0; i < shape.rank; i++) flat = flat * shape.dims[i] + index[i];
    return flat;
}

/* v's element where the output, of shape `whole`, has element `flat`: dimensions of 1 stretch. */
static double stretched(const values *v, fm_shape whole, int64_t flat)
{
    int64_t index[FM_MAX_RANK], own[FM_MAX_RANK];
    unravel(whole, flat, index);
    for (int i = 0; i < v->shape.rank; i++) {
        own[i] = v->shape.dims[i] == 1 ? 0 : index[i + whole.rank - v->shape.rank];
    }
    return v->at[ravel(v->shape, own)];
}

static double where_at(const evaluation *e, int64_t i)
{
    bool from_a = stretched(&e->in[0], e->out.shape, i) != 0;
    return stretched(&e->in[from_a ? 1 : 2], e->out.shape, i);
}

static double same_at(const evaluation *e, int64_t i)
{
    return e->in[0].at[i];
}

static double broadcast_to_at(const evaluation *e, int64_t i)
{
    return stretched(&e->in[0], e->out.shape, i);
}

static double transpose_at(const evaluation *e, int64_t i)
{
    const fm_ints *permutation = &((const fm_permutation_attributes *)e->attributes)->permutation;
    int64_t index[FM_MAX_RANK], from[FM_MAX_RANK];
    unravel(e->out.shape, i, index);
    for (int k = 0; k < e->out.shape.rank; k++) from[permutation->at[k]] = index[k];
    return e->in[0].at[ravel(e->in[0].shape, from)];
}

static double concat_at(const evaluation *e, int64_t i)
{
    int64_t axis = ((const fm_axis_attributes *)e->attributes)->axis, index[FM_MAX_RANK];
    unravel(e->out.shape, i, index);
    int k = 0;
    for (; index[axis] >= e->in[k].shape.dims[axis]; k++) index[axis] -= e->in[k].shape.dims[axis];
    return e->in[k].at[ravel(e->in[k].shape, index)];
}

static double slice_at(const evaluation *e, int64_t i)
{
    const fm_slice_attributes *cut = e->attributes;
    int64_t index[FM_MAX_RANK];
    unravel(e->out.shape, i, index);
    index[cut->axis] += cut->begin;
    return e->in[0].at[ravel(e->in[0].shape, index)];
}

static double pad_at(const evaluation *e, int64_t i)
{
    const fm_pad_attributes *pad = e->attributes;
    int64_t index[FM_MAX_RANK];
    unravel(e->out.shape, i, index);
    index[pad->axis] -= pad->before;
    bool inside = index[pad->axis] >= 0 && index[pad->axis] < e->in[0].shape.dims[pad->axis];
    return inside ? e->in[0].at[ravel(e->in[0].shape, index)] : 0;
}

static double gather_at(const evaluation *e, int64_t i)
{
    int64_t width = e->in[0].count / e->in[0].shape.dims[0];
    return e->in[0].at[(int64_t)e->in[1].at[i / width] * width + i % width];
}

static double scatter_add_at(const evaluation *e, int64_t i)
{
    int64_t width = e->out.count / e->out.shape.dims[0];
    double sum = 0;
    for (int64_t k = 0; k < e->in[1].count; k++) {
        if ((int64_t)e->in[1].at[k] == i / width) sum += e->in[0].at[k * width + i % width];
    }
    return sum;
}

static double one_hot_at(const evaluation *e, int64_t i)
{
    int64_t depth = ((const fm_extent_attributes *)e->attributes)->extent;
    return (int64_t)e->in[0].at[i / depth] == i % depth;
}

/* ---- sums and products ----------------------------------------------------------------------- */

/* Whether input element `flat` is among those that output element i is made of. */
static bool reduces_to(const evaluation *e, int64_t flat, int64_t i)
{
    const fm_axes_attributes *attributes = e->attributes;
    fm_shape shape = e->in[0].shape;
    int64_t index[FM_MAX_RANK], rest = 0;
    unravel(shape, flat, index);
    for (int d = 0; d < shape.rank; d++) {
        bool reduced = attributes->axes.count == 0;
        for (int k = 0; !reduced && k < attributes->axes.count; k++) {
            reduced = attributes->axes.at[k] == d;
            if (reduced) break;
        }
        if (!reduced) rest = rest * shape.dims[d] + index[d];
    }
    return rest == i;
}

static double sum_at(const evaluation *e, int64_t i)
{
    double sum = 0;
    for (int64_t k = 0; k < e->in[0].count; k++) sum += reduces_to(e, k, i) ? e->in[0].at[k] : 0;
    return sum;
}

static double reduce_max_at(const evaluation *e, int64_t i)
{
    double best = -INFINITY;
    for (int64_t k = 0; k < e->in[0].count; k++) {
        if (reduces_to(e, k, i)) best = fmax(best, e->in[0].at[k]);
    }
    return best;
}

static const double *row_of(const evaluation *e, int operand, int64_t row, int64_t *n)
{
    fm_shape shape = e->in[operand].shape;
    *n = shape.dims[shape.rank - 1];
    return e->in[operand].at + row * *n;
}

static double argmax_at(const evaluation *e, int64_t i)
{
    int64_t n, best = 0;
    const double *x = row_of(e, 0, i, &n);
    for (int64_t k = n - 1; k >= 0; k--) best = x[k] >= x[best] ? k : best;
    return (double)best;
}

static double logsumexp_at(const evaluation *e, int64_t i)
{
    int64_t n;
    const double *x = row_of(e, 0, i, &n);
    double sum = 0;
    for (int64_t k = 0; k < n; k++) sum += exp(x[k]);
    return log(sum);
}

static double log_softmax_at(const evaluation *e, int64_t i)
{
    int64_t n = e->in[0].shape.dims[e->in[0].shape.rank - 1];
    return e->in[0].at[i] - logsumexp_at(e, i / n);
}

static double softmax_at(const evaluation *e, int64_t i)
{
    return exp(log_softmax_at(e, i));
}

/* (1 - s) one_hot + s / c, or the dense target */
static double target_at(const evaluation *e, int64_t i, bool sparse)
{
    const fm_smoothing_attributes *attributes = e->attributes;
    if (!sparse) return e->in[1].at[i];
    int64_t c = e->in[0].shape.dims[e->in[0].shape.rank - 1];
    double s = attributes->label_smoothing;
    return s / (double)c + ((int64_t)e->in[1].at[i / c] == i % c ? 1 - s : 0);
}

static double cross_entropy_at(const evaluation *e, int64_t row, bool sparse)
{
    int64_t c = e->in[0].shape.dims[e->in[0].shape.rank - 1];
    double loss = 0;
    for (int64_t i = row * c; i < (row + 1) * c; i++) {
        loss -= target_at(e, i, sparse) * log_softmax_at(e, i);
    }
    return loss;
}

static double cross_entropy_grad_at(const evaluation *e, int64_t i, bool sparse)
{
    int64_t c = e->in[0].shape.dims[e->in[0].shape.rank - 1], row = i / c;
    double sum = 0;
    for (int64_t k = row * c; k < (row + 1) * c; k++) sum += target_at(e, k, sparse);
    return e->in[2].at[row] * (softmax_at(e, i) * sum - target_at(e, i, sparse));
}

static double sparse_softmax_cross_entropy_at(const evaluation *e, int64_t i)
{
    return cross_entropy_at(e, i, true);
}

static double softmax_cross_entropy_at(const evaluation *e, int64_t i)
{
    return cross_entropy_at(e, i, false);
}

static double sparse_softmax_cross_entropy_grad_at(const evaluation *e, int64_t i)
{
    return cross_entropy_grad_at(e, i, true);
}

static double softmax_cross_entropy_grad_at(const evaluation *e, int64_t i)
{
    return cross_entropy_grad_at(e, i, false);
}

/* Element (row, column) of the matrix that belongs to output element i. */
static double matrix_at(const values *v, fm_shape whole, int64_t i, int64_t row, int64_t column,
                        bool transposed)
{
    int64_t index[FM_MAX_RANK], own[FM_MAX_RANK];
    int rank = v->shape.rank;
    unravel(whole, i, index);
    for (int d = 0; d < rank - 2; d++) {
        own[d] = v->shape.dims[d] == 1 ? 0 : index[d + whole.rank - rank];
    }
    own[rank - 2] = transposed ? column : row;
    own[rank - 1] = transposed ? row : column;
    return v->at[ravel(v->shape, own)];
}

static double matmul_at(const evaluation *e, int64_t i)
{
    const fm_matmul_attributes *t = e->attributes;
    fm_shape whole = e->out.shape, a = e->in[0].shape;
    int64_t k = a.dims[a.rank - (t->transpose_a ? 2 : 1)], index[FM_MAX_RANK];
    unravel(whole, i, index);
    double sum = 0;
    for (int64_t p = 0; p < k; p++) {
        sum += matrix_at(&e->in[0], whole, i, index[whole.rank - 2], p, t->transpose_a) *
               matrix_at(&e->in[1], whole, i, p, index[whole.rank - 1], t->transpose_b);
    }
    return sum;
}

#define AT(name)                                                                                   \
    {                                                                                              \
#name, name##_at                                                                           \
    }
static const struct {
    const char *name;
    double (*at)(const evaluation *e, int64_t i);
} others[] = {
    AT(where),
    AT(sum),
    AT(reduce_max),
    AT(argmax),
    AT(softmax),
    AT(log_softmax),
    AT(logsumexp),
    AT(transpose),
    AT(concat),
    AT(slice),
    AT(pad),
    AT(broadcast_to),
    AT(matmul),
    AT(gather),
    AT(one_hot),
    AT(scatter_add),
    {"copy", same_at},
    {"cast", same_at},
    {"reshape", same_at},
    {"stop_gradient", same_at},
    AT(sparse_softmax_cross_entropy),
    AT(sparse_softmax_cross_entropy_grad),
    AT(softmax_cross_entropy),
    AT(softmax_cross_entropy_grad),
    {NULL, NULL},
};

/* ---- the comparison -------------------------------------------------------------------------- */

static void load(values *v, const void *data, fm_dtype dtype, fm_shape shape)
{
    v->shape = shape;
    v->count = fm_shape_elements(shape);
    assert_true(v->count <= LARGEST);
    for (int64_t i = 0; i < v->count; i++) {
        v->at[i] = dtype == FM_F64   ? ((const double *)data)[i]
                   : dtype == FM_I64 ? (double)((const int64_t *)data)[i]
                                     : ((const int32_t *)data)[i];
    }
}

static void evaluate(fixture *f, const op_case_at *at, evaluation *e)
{
    static const char *const names[] = {"x0", "x1", "x2", "x3"};
    op_case parsed = op_case_parse(at->row->inputs);
    op_run r = op_run_open(f, FM_F64);
    fm_val inputs[4];
    for (int i = 0; i < parsed.count; i++) {
        fm_dtype dtype = op_case_dtype(&parsed.inputs[i], FM_F64);
        inputs[i] = fm_input(r.graph, names[i], dtype, parsed.inputs[i].shape);
    }
    fm_val y = fm_node_add(r.graph, at->op, inputs, parsed.count, at->row->attributes, NULL);
    fm_output(r.graph, "y", y);
    op_run_compile(&r, 1);
    for (int i = 0; i < parsed.count; i++) {
        fm_dtype dtype = op_case_dtype(&parsed.inputs[i], FM_F64);
        double data[LARGEST];
        op_case_fill(&parsed.inputs[i], i, FM_F64, data);
        load(&e->in[i], data, dtype, parsed.inputs[i].shape);
        void *to = fm_program_input(r.program, names[i]);
        if (to) memcpy(to, data, (size_t)fm_shape_bytes(parsed.inputs[i].shape, dtype));
    }
    op_run_go(&r);
    e->count = parsed.count;
    static const int64_t zeros[32];
    e->attributes = at->row->attributes ? at->row->attributes : zeros;
    load(&e->out, op_run_output(&r, "y"), fm_val_dtype(r.graph, y), fm_val_shape(r.graph, y));
    op_run_close(&r);
}

/* false: no reference */
static bool expected_at(const evaluation *e, const char *name, int64_t i, double *expected)
{
    for (int k = 0; one_operand[k].name; k++) {
        if (strcmp(one_operand[k].name, name) != 0) continue;
        *expected = one_operand[k].f(e->in[0].at[i]);
        return true;
    }
    for (int k = 0; two_operands[k].name; k++) {
        if (strcmp(two_operands[k].name, name) != 0) continue;
        double b = e->count == 2 ? stretched(&e->in[1], e->out.shape, i)
                                 : ((const fm_alpha_attributes *)e->attributes)->alpha;
        *expected = two_operands[k].f(stretched(&e->in[0], e->out.shape, i), b);
        return true;
    }
    for (int k = 0; others[k].name; k++) {
        if (strcmp(others[k].name, name) != 0) continue;
        *expected = others[k].at(e, i);
        return true;
    }
    return false;
}

/* Random ops, noise, updates, vision, recurrent and attention ops have tests of their own. */
static bool tested_elsewhere(const fm_op *op)
{
#define IS(name) op == &fm_op_##name ||
    return FM_UPDATE_OPS(IS) FM_VISION_OPS(IS) FM_RECURRENT_OPS(IS) FM_ATTENTION_OPS(IS)
               IS(secret_noise)(op->flags & FM_OP_RANDOM) != 0;
}

static void values_agree_with_a_direct_evaluation(void **state)
{
    static evaluation e;
    for (op_case_at at = {0}; op_case_next(&at);) {
        if (tested_elsewhere(at.op)) continue;
        evaluate(*state, &at, &e);
        for (int64_t i = 0; i < e.out.count; i++) {
            double expected = 0;
            if (!expected_at(&e, at.op->name, i, &expected)) {
                fail_msg("%s has no reference in this file", at.op->name);
            }
            if (fabs(e.out.at[i] - expected) <= 1e-12 * fmax(1, fabs(expected))) continue;
            fail_msg("%s %s: element %d is %.17g, expected %.17g", at.op->name, at.row->inputs,
                     (int)i, e.out.at[i], expected);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(values_agree_with_a_direct_evaluation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
