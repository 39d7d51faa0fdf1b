/* Initialisers against the distributions of Keras; names, text and mistakes. */
#include "support/fixture.h"

#include "fathom/nn.h"
#include "golden/initializers_golden.h"

static double *fill(fixture *f, fm_initializer initializer, fm_shape shape, uint32_t stream)
{
    double *values = calloc((size_t)fm_shape_elements(shape) + 1, sizeof *values);
    assert_non_null(values);
    assert_ok(f->context,
              initializer.fill(f->context, &initializer, FM_F64, shape, 7, stream, values));
    return values;
}

static void distributions_agree_with_golden(void **state)
{
    fixture *f = *state;
    for (size_t i = 0; i < sizeof golden_initializers / sizeof golden_initializers[0]; i++) {
        const struct golden_initializer *c = &golden_initializers[i];
        fm_shape shape = {.rank = c->rank};
        for (int k = 0; k < c->rank; k++) shape.dims[k] = c->shape[k];
        int64_t n = fm_shape_elements(shape);
        double *x = fill(f, fm_initializer_find(c->name)->prototype, shape, 5);
        double sum = 0, square = 0, most = 0;
        for (int64_t k = 0; k < n; k++) {
            sum += x[k];
            square += x[k] * x[k];
            most = fmax(most, fabs(x[k]));
        }
        free(x);
        double deviations = 4 / sqrt((double)n);
        print_message("%s of rank %d\n", c->name, c->rank);
        assert_true(most <= c->limit);
        assert_true(most >= c->limit * (1 - 20 / (double)n));
        assert_true(fabs(sum / (double)n) < deviations * c->stddev);
        assert_true(fabs(sqrt(square / (double)n) / c->stddev - 1) < deviations);
    }
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Kolmogorov's bound, at 13 quantiles. */
static void the_cut_normal_has_its_quantiles(void **state)
{
    fixture *f = *state;
    enum { DRAWS = 40000 };
    double *x = fill(f, fm_truncated_normal(0, 1), FM_SHAPE(DRAWS), 3);
    qsort(x, DRAWS, sizeof *x, compare);
    for (int i = 0; i < 13; i++) {
        int below = 0;
        while (below < DRAWS && x[below] <= golden_truncated_normal_quantiles[i]) below++;
        double off = (double)below / DRAWS - golden_truncated_normal_probabilities[i];
        assert_true(fabs(off) < 1.95 / sqrt(DRAWS));
    }
    free(x);
}

static void check_orthogonal(fixture *f, int64_t rows, int64_t columns, double gain)
{
    double *q = fill(f, fm_orthogonal(gain), FM_SHAPE(rows, columns), 9);
    bool tall = rows >= columns;
    int64_t count = tall ? columns : rows, n = tall ? rows : columns;
    for (int64_t i = 0; i < count; i++) {
        for (int64_t j = 0; j <= i; j++) {
            double sum = 0;
            for (int64_t k = 0; k < n; k++) {
                sum += tall ? q[k * columns + i] * q[k * columns + j]
                            : q[i * columns + k] * q[j * columns + k];
            }
            assert_near(sum, i == j ? gain * gain : 0, 1e-13);
        }
    }
    free(q);
}

static void orthogonal_is_orthogonal(void **state)
{
    check_orthogonal(*state, 64, 64, 1);
    check_orthogonal(*state, 100, 30, 1.5);
    check_orthogonal(*state, 30, 100, 1);
    check_orthogonal(*state, 1, 1, 1);
}

static void constants_are_constant(void **state)
{
    fixture *f = *state;
    double *x = fill(f, fm_identity(2), FM_SHAPE(2, 3), 0);
    const double expected[6] = {2, 0, 0, 0, 2, 0};
    assert_memory_equal(x, expected, sizeof expected);
    free(x);
    x = fill(f, fm_constant_initializer(0.25), FM_SHAPE(2), 0);
    assert_near(x[1], 0.25, 0);
    free(x);
    x = fill(f, fm_ones(), FM_SHAPE(2), 0);
    assert_near(x[1], 1, 0);
    free(x);
    x = fill(f, fm_random_normal_initializer(3, 0), FM_SHAPE(2), 0);
    assert_near(x[1], 3, 0);
    free(x);
}

/* Same seed and stream, same bits; another stream, other bits; f32 is f64 rounded. */
static void draws_are_keyed(void **state)
{
    fixture *f = *state;
    fm_initializer normal = fm_he_normal();
    double *a = fill(f, normal, FM_SHAPE(8, 4), 1), *b = fill(f, normal, FM_SHAPE(8, 4), 1);
    double *c = fill(f, normal, FM_SHAPE(8, 4), 2);
    float single[32];
    assert_memory_equal(a, b, 32 * sizeof *a);
    assert_true(memcmp(a, c, 32 * sizeof *a) != 0);
    assert_ok(f->context, normal.fill(f->context, &normal, FM_F32, FM_SHAPE(8, 4), 7, 1, single));
    for (int i = 0; i < 32; i++) assert_near(single[i], (float)a[i], 0);
    free(a);
    free(b);
    free(c);
}

static void text_is_read(void **state)
{
    fixture *f = *state;
    fm_initializer i;
    assert_ok(f->context, fm_initializer_parse(f->context, "he_normal", &i));
    assert_string_equal(i.name, "he_normal");
    assert_ok(f->context,
              fm_initializer_parse(f->context, "truncated_normal(stddev=0.02, mean = -1)", &i));
    assert_near(i.a, -1, 0);
    assert_near(i.b, 0.02, 0);
    assert_ok(f->context, fm_initializer_parse(f->context, "xavier_uniform ()", &i));
    assert_string_equal(i.name, "glorot_uniform");

    assert_fails(f->context, FM_ERROR_ARGUMENT,
                 "unknown initializer 'he_norml'; did you mean 'he_normal'?",
                 fm_initializer_parse(f->context, "he_norml", &i));
    assert_fails(f->context, FM_ERROR_ARGUMENT,
                 "truncated_normal has no 'stdev'; did you mean 'stddev'?",
                 fm_initializer_parse(f->context, "truncated_normal(stdev=1)", &i));
    const char *const unreadable[] = {"constant(",         "constant(value)",  "constant(value=)",
                                      "constant(value=x)", "constant(value=1", "constant 3",
                                      "constant(value=1))"};
    for (size_t k = 0; k < sizeof unreadable / sizeof unreadable[0]; k++) {
        assert_fails(f->context, FM_ERROR_ARGUMENT, "write it like truncated_normal(stddev=0.02)",
                     fm_initializer_parse(f->context, unreadable[k], &i));
    }
}

/* Whether they come from text or from C: these are found when a variable is filled. */
static void impossible_numbers_are_refused(void **state)
{
    fixture *f = *state;
    fm_initializer i;
    static const struct {
        const char *text, *words;
    } cases[] = {
        {"truncated_normal(stddev=-0.02)",
         "truncated_normal: stddev must be at least 0, received -0.02"},
        {"random_normal(mean=1, stddev=-1)",
         "random_normal: stddev must be at least 0, received -1"},
        {"random_normal(stddev=inf)", "random_normal: stddev must be finite, received inf"},
        {"random_normal(stddev=1e999)", "random_normal: stddev must be finite, received inf"},
        {"random_normal(stddev=nan)", "random_normal: stddev must be a number, received NaN"},
        {"random_normal(mean=-inf)", "random_normal: mean must be finite, received -inf"},
        {"constant(value=inf)", "constant: value must be finite, received inf"},
        {"orthogonal(gain=nan)", "orthogonal: gain must be a number, received NaN"},
        {"random_uniform(maxval=inf)", "random_uniform: maxval must be finite, received inf"},
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        assert_fails(f->context, FM_ERROR_ARGUMENT, cases[k].words,
                     fm_initializer_parse(f->context, cases[k].text, &i));
    }
    assert_ok(f->context, fm_initializer_parse(f->context, "random_normal(stddev=0)", &i));
    assert_ok(f->context, fm_initializer_parse(f->context, "constant(value=-1e300)", &i));

    double x[4];
    i = fm_random_normal_initializer(0, -1);
    assert_fails(f->context, FM_ERROR_ARGUMENT,
                 "random_normal: stddev must be at least 0, received -1",
                 i.fill(f->context, &i, FM_F64, FM_SHAPE(4), 0, 0, x));
    i = fm_truncated_normal(NAN, 1);
    assert_fails(f->context, FM_ERROR_ARGUMENT, "truncated_normal: mean must be a number",
                 i.fill(f->context, &i, FM_F64, FM_SHAPE(4), 0, 0, x));
}

static void mistakes_are_worded(void **state)
{
    fixture *f = *state;
    double x[8];
    fm_initializer i = fm_orthogonal(1);
    assert_fails(f->context, FM_ERROR_SHAPE,
                 "orthogonal fills a matrix or more dimensions, received shape (8)",
                 i.fill(f->context, &i, FM_F64, FM_SHAPE(8), 0, 0, x));
    i = fm_identity(1);
    assert_fails(f->context, FM_ERROR_SHAPE, "identity fills a matrix, received shape (8)",
                 i.fill(f->context, &i, FM_F64, FM_SHAPE(8), 0, 0, x));
    i = fm_glorot_uniform();
    assert_fails(f->context, FM_ERROR_ARGUMENT, "glorot_uniform fills f32 or f64, received i32",
                 i.fill(f->context, &i, FM_I32, FM_SHAPE(8), 0, 0, x));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(distributions_agree_with_golden),
        fixture_test(the_cut_normal_has_its_quantiles),
        fixture_test(orthogonal_is_orthogonal),
        fixture_test(constants_are_constant),
        fixture_test(draws_are_keyed),
        fixture_test(text_is_read),
        fixture_test(impossible_numbers_are_refused),
        fixture_test(mistakes_are_worded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
