/* Networks of the zoo against PyTorch: loss, logits and every gradient, with the same weights. */
#include "support/fixture.h"
#include "support/zoo_problem.h"
#include "golden/zoo_parity_golden.h"

enum { IMAGES = 1000, FULL = 8 };

typedef struct solution {
    fm_graph *graph;
    fm_store *store;
    fm_program *program;
} solution;

static solution solve(fixture *f, const struct golden_network *golden)
{
    static const char *const portable[] = {"portable", NULL};
    const zoo_problem problem = {.network = golden->network,
                                 .height = golden->height,
                                 .classes = golden->classes,
                                 .batch = golden->batch,
                                 .images = IMAGES};
    fm_program_options options = {.backends = portable};
    solution s = {0};
    assert_ok(f->context, zoo_problem_build(f->context, &problem, FM_F64, &s.graph));
    assert_ok(f->context, fm_store_create(f->context, 1, &s.store));
    assert_ok(f->context, fm_program_create(s.store, s.graph, &options, &s.program));
    assert_ok(f->context, zoo_problem_fill(&problem, FM_F64, s.graph, s.store, s.program));
    assert_ok(f->context, fm_program_run(s.program));
    return s;
}

static void release(solution *s)
{
    fm_program_destroy(s->program);
    fm_store_destroy(s->store);
    fm_graph_destroy(s->graph);
}

static int64_t count_of(const solution *s, const char *output)
{
    return fm_shape_elements(fm_val_shape(s->graph, fm_graph_output(s->graph, output)));
}

static const double *gradient_of(const solution *s, const char *path)
{
    const double *gradient = fm_program_output(s->program, path);
    if (!gradient) fail_msg("there is no variable %s", path);
    return gradient;
}

static double norm_of(const solution *s, const char *path)
{
    const double *gradient = gradient_of(s, path);
    int64_t count = count_of(s, path);
    double squares = 0;
    for (int64_t i = 0; i < count; i++) squares += gradient[i] * gradient[i];
    return sqrt(squares);
}

static double projection_of(const solution *s, const char *path)
{
    const double *gradient = gradient_of(s, path);
    int64_t count = count_of(s, path);
    uint32_t stream = zoo_problem_stream(path) + 1;
    double sum = 0;
    for (int64_t i = 0; i < count; i++) sum += gradient[i] * zoo_problem_value(stream, i);
    return sum;
}

static int trainable_count(const solution *s)
{
    int count = 0;
    for (int i = 0; fm_graph_variable(s->graph, i).id; i++) {
        count += fm_val_trainable(s->graph, fm_graph_variable(s->graph, i));
    }
    return count;
}

static double check_gradients(const solution *s, const struct golden_network *golden)
{
    double top = 0, worst = 0;
    for (int i = 0; i < golden->gradients_count; i++) {
        top = fmax(top, norm_of(s, golden->gradients[i].path));
    }
    for (int i = 0; i < golden->gradients_count; i++) {
        const struct golden_gradient *g = &golden->gradients[i];
        double norm = norm_of(s, g->path), error = fabs(projection_of(s, g->path) - g->projection);
        if (norm < 1e-10 * top) {
            if (!(error <= 1e-10 * top)) fail_msg("%s %s is not zero", golden->network, g->path);
            continue;
        }
        if (!(error <= 1e-8 * norm)) {
            fail_msg("%s: the gradient of %s is off by %g of its norm", golden->network, g->path,
                     error / norm);
        }
        worst = fmax(worst, error / norm);
    }
    return worst;
}

static void check_network(fixture *f, const struct golden_network *golden)
{
    solution s = solve(f, golden);
    assert_int_equal(trainable_count(&s), golden->gradients_count);
    assert_near(*(const double *)fm_program_output(s.program, "loss"), golden->loss, 1e-10);
    const double *logits = fm_program_output(s.program, "logits");
    for (int i = 0; i < golden->logits_count; i++) {
        assert_near(logits[i], golden->logits[i], 1e-9);
    }
    double worst = check_gradients(&s, golden);
    print_message("%s: gradients off by %.2g of their norm\n", golden->network, worst);
    release(&s);
}

/* Under a sanitizer the first two, which are small. */
static void networks_agree(void **state)
{
    int count = fixture_rounds(FULL) == FULL ? GOLDEN_NETWORKS_COUNT : 2;
    for (int i = 0; i < count; i++) check_network(*state, &golden_networks[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {fixture_test(networks_agree)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
