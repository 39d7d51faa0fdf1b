/* Whole networks on the default backends: the portable gradients, and the same bits by one, two and
 * three threads. */
#include "support/fixture.h"
#include "support/zoo_problem.h"

enum { FULL = 8, MOST_THREADS = 3 };

static const zoo_problem problems[] = {
    {"lenet5", 28, 10, 3, 1000},      {"resnet20", 32, 10, 2, 1000},
    {"squeezenet", 64, 10, 1, 1000},  {"mobilenet_v2", 64, 10, 2, 1000},
    {"unet", 32, 2, 1, 1000},         {"googlenet_2014", 64, 10, 1, 1000},
    {"resnet50_v2", 64, 10, 2, 1000}, {"drn_c_26", 32, 10, 1, 1000},
};

typedef struct solution {
    fm_context *context;
    fm_graph *graph;
    fm_store *store;
    fm_program *program;
} solution;

static solution solve(fixture *f, const zoo_problem *problem, fm_dtype dtype, const char *backend,
                      int threads)
{
    const char *const backends[] = {backend, NULL};
    fm_program_options options = {.backends = backend ? backends : NULL};
    solution s = {.context = fixture_context(f, threads)};
    assert_ok(s.context, zoo_problem_build(s.context, problem, dtype, &s.graph));
    assert_ok(s.context, fm_store_create(s.context, 1, &s.store));
    assert_ok(s.context, fm_program_create(s.store, s.graph, &options, &s.program));
    assert_ok(s.context, zoo_problem_fill(problem, dtype, s.graph, s.store, s.program));
    assert_ok(s.context, fm_program_run(s.program));
    return s;
}

static void release(solution *s)
{
    fm_program_destroy(s->program);
    fm_store_destroy(s->store);
    fm_graph_destroy(s->graph);
    fm_context_destroy(s->context);
}

/* The gradient of trainable variable i; NULL where there is none. */
static const void *gradient_of(const solution *s, int i, int64_t *count)
{
    fm_val variable = fm_graph_variable(s->graph, i);
    if (!fm_val_trainable(s->graph, variable)) return NULL;
    *count = fm_shape_elements(fm_val_shape(s->graph, variable));
    return fm_program_output(s->program, fm_val_name(s->graph, variable));
}

/* The Euclidean norm of all differences over that of all gradients: a number within rounding of
 * ReLU's kink may fall on either side, which changes a filter's gradient, but not the whole. */
static double difference(const solution *single, const solution *twice)
{
    double off = 0, whole = 0;
    for (int i = 0; fm_graph_variable(twice->graph, i).id; i++) {
        int64_t count = 0;
        const double *wanted = gradient_of(twice, i, &count);
        const float *received = gradient_of(single, i, &count);
        for (int64_t k = 0; wanted && k < count; k++) {
            double error = (double)received[k] - wanted[k];
            off += error * error;
            whole += wanted[k] * wanted[k];
        }
    }
    return sqrt(off / whole);
}

static void assert_same_bits(const zoo_problem *problem, const solution *one, const solution *many,
                             int threads)
{
    for (int i = 0; fm_graph_variable(one->graph, i).id; i++) {
        int64_t count = 0;
        const void *a = gradient_of(one, i, &count), *b = gradient_of(many, i, &count);
        if (!a || memcmp(a, b, (size_t)count * sizeof(float)) == 0) continue;
        fail_msg("%s: %d threads give another gradient of %s", problem->network, threads,
                 fm_val_name(one->graph, fm_graph_variable(one->graph, i)));
    }
}

static void check_network(fixture *f, const zoo_problem *problem)
{
    solution twice = solve(f, problem, FM_F64, "portable", 1);
    solution one = solve(f, problem, FM_F32, NULL, 1);
    double error = difference(&one, &twice);
    print_message("%s: gradients off by %.2g\n", problem->network, error);
    if (!(error <= 1e-3)) fail_msg("%s: gradients off by %g", problem->network, error);
    release(&twice);
    for (int threads = 2; threads <= MOST_THREADS; threads++) {
        solution many = solve(f, problem, FM_F32, NULL, threads);
        assert_same_bits(problem, &one, &many, threads);
        release(&many);
    }
    release(&one);
}

/* Under a sanitizer the first two. */
static void networks_agree(void **state)
{
    size_t count = fixture_rounds(FULL) == FULL ? sizeof problems / sizeof *problems : 2;
    for (size_t i = 0; i < count; i++) check_network(*state, &problems[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {fixture_test(networks_agree)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
