/* Broadcasting over every pair of small shapes: values, gradients, refusals. */
#include "support/op_run.h"

enum { SHAPES = 1 + 3 + 9 + 27 };

/* Every shape of rank 0 to 3 with dimensions 1 to 3. */
static fm_shape small_shape(int number)
{
    fm_shape shape = {.rank = 0};
    for (int size = 1; number >= size; size *= 3) {
        number -= size;
        shape.rank++;
    }
    for (int i = 0; i < shape.rank; i++, number /= 3) shape.dims[i] = 1 + number % 3;
    return shape;
}

/* The dimension of the common shape, counted from the last; 0 where the shapes do not fit. */
static int64_t common_dim(fm_shape a, fm_shape b, int from_last)
{
    int64_t left = from_last < a.rank ? a.dims[a.rank - 1 - from_last] : 1;
    int64_t right = from_last < b.rank ? b.dims[b.rank - 1 - from_last] : 1;
    if (left != right && left != 1 && right != 1) return 0;
    return left > right ? left : right;
}

static bool common_shape(fm_shape a, fm_shape b, fm_shape *common)
{
    *common = (fm_shape){.rank = a.rank > b.rank ? a.rank : b.rank};
    for (int i = 0; i < common->rank; i++) {
        common->dims[common->rank - 1 - i] = common_dim(a, b, i);
        if (common_dim(a, b, i) == 0) return false;
    }
    return true;
}

/* Which element of a tensor of shape `own` output element `flat` reads. */
static int64_t source_of(fm_shape own, fm_shape whole, int64_t flat)
{
    int64_t source = 0, stride = 1;
    for (int i = 0; i < own.rank; i++) {
        int64_t dim = own.dims[own.rank - 1 - i], size = whole.dims[whole.rank - 1 - i];
        source += (dim == 1 ? 0 : flat % size) * stride;
        stride *= dim;
        flat /= size;
    }
    return source;
}

static void check_pair(fixture *f, fm_shape a, fm_shape b, fm_shape whole)
{
    op_run r = op_run_open(f, FM_F64);
    fm_val va = fm_input(r.graph, "a", FM_F64, a), vb = fm_input(r.graph, "b", FM_F64, b);
    fm_val w = fm_input(r.graph, "w", FM_F64, whole), y = fm_sub(r.graph, va, vb);
    fm_output(r.graph, "y", y);
    op_run_grad(&r, "da", fm_mul(r.graph, y, w), va);
    op_run_grad(&r, "db", fm_mul(r.graph, y, w), vb);
    op_run_compile(&r, 1);
    double *ea = fm_program_input(r.program, "a"), *eb = fm_program_input(r.program, "b");
    double *ew = fm_program_input(r.program, "w"), da[27] = {0}, db[27] = {0};
    for (int64_t i = 0; i < fm_shape_elements(a); i++) ea[i] = 1 + (double)i;
    for (int64_t i = 0; i < fm_shape_elements(b); i++) eb[i] = 100 * (double)i;
    for (int64_t i = 0; i < fm_shape_elements(whole); i++) ew[i] = (double)(i * i + 3);
    op_run_go(&r);
    assert_true(fm_shape_equal(fm_val_shape(r.graph, y), whole));
    const double *result = op_run_output(&r, "y");
    for (int64_t i = 0; i < fm_shape_elements(whole); i++) {
        int64_t ia = source_of(a, whole, i), ib = source_of(b, whole, i);
        assert_true(result[i] == ea[ia] - eb[ib]);
        da[ia] += ew[i];
        db[ib] -= ew[i];
    }
    const double *ga = op_run_output(&r, "da"), *gb = op_run_output(&r, "db");
    for (int64_t i = 0; i < fm_shape_elements(a); i++) assert_true(ga[i] == da[i]);
    for (int64_t i = 0; i < fm_shape_elements(b); i++) assert_true(gb[i] == db[i]);
    op_run_close(&r);
}

static void check_refusal(fixture *f, fm_shape a, fm_shape b)
{
    op_run r = op_run_open(f, FM_F64);
    fm_val va = fm_input(r.graph, "a", FM_F64, a), vb = fm_input(r.graph, "b", FM_F64, b);
    assert_int_equal(fm_sub(r.graph, va, vb).id, 0);
    assert_fails(f->context, FM_ERROR_SHAPE, "do not broadcast", fm_graph_status(r.graph));
    op_run_close(&r);
}

static void every_pair_of_small_shapes(void **state)
{
    int fitting = 0;
    for (int i = 0; i < SHAPES; i++) {
        for (int k = 0; k < SHAPES; k++) {
            fm_shape a = small_shape(i), b = small_shape(k), whole;
            if (common_shape(a, b, &whole)) {
                check_pair(*state, a, b, whole);
                fitting++;
            } else {
                check_refusal(*state, a, b);
            }
        }
    }
    assert_in_range(fitting, 400, SHAPES * SHAPES);
}

/* The kernels walk any rank up to the limit. */
static void the_highest_rank_broadcasts(void **state)
{
    fm_shape a = FM_SHAPE(2, 1, 2, 1, 2, 1, 2, 1), b = FM_SHAPE(1, 2, 1, 2, 1, 2, 1, 2);
    op_run r = op_run_open(*state, FM_F64);
    fm_val va = fm_input(r.graph, "a", FM_F64, a), vb = fm_input(r.graph, "b", FM_F64, b);
    fm_output(r.graph, "y", fm_add(r.graph, va, vb));
    op_run_compile(&r, 1);
    double *ea = fm_program_input(r.program, "a"), *eb = fm_program_input(r.program, "b");
    for (int i = 0; i < 16; i++) ea[i] = i, eb[i] = 100 * i;
    op_run_go(&r);
    const double *y = op_run_output(&r, "y");
    for (int i = 0; i < 256; i++) {
        int ia = 8 * (i >> 7 & 1) + 4 * (i >> 5 & 1) + 2 * (i >> 3 & 1) + (i >> 1 & 1);
        int ib = 8 * (i >> 6 & 1) + 4 * (i >> 4 & 1) + 2 * (i >> 2 & 1) + (i & 1);
        assert_true(y[i] == ia + 100 * ib);
    }
    op_run_close(&r);
}

static void empty_tensors_pass(void **state)
{
    op_run r = op_run_open(*state, FM_F32);
    fm_val x = fm_input(r.graph, "x", FM_F32, FM_SHAPE(0, 3));
    fm_val y = fm_softmax(r.graph, fm_add(r.graph, x, fm_scalar(r.graph, 1)));
    fm_output(r.graph, "y", fm_transpose(r.graph, y, (fm_ints){0}));
    fm_output(r.graph, "sum", fm_sum(r.graph, y, (fm_ints){0}, false));
    op_run_compile(&r, 1);
    op_run_go(&r);
    assert_true(*(const float *)op_run_output(&r, "sum") == 0);
    op_run_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(every_pair_of_small_shapes),
        fixture_test(the_highest_rank_broadcasts),
        fixture_test(empty_tensors_pass),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
