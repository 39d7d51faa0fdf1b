/* Convolution, pooling, normalisation and resampling against PyTorch:
 * values and first gradients. */
#include "support/op_run.h"
#include "fathom/vision_ops.h"
#include "golden/vision_golden.h"

enum { MOST_OPERANDS = 3, LARGEST = 512 };

/* A graph over up to three operands, and the gradients of <y, w> for a w that is fed. */
typedef struct problem {
    op_run r;
    const char *name;
    int operands;
    fm_val in[MOST_OPERANDS];
    int64_t counts[MOST_OPERANDS];
} problem;

static const char *const operand_names[] = {"a", "b", "c"};
static const char *const grad_names[] = {"da", "db", "dc"};

static problem open_problem(fixture *f, const char *name, const fm_shape *shapes, int operands)
{
    problem p = {.r = op_run_open(f, FM_F64), .name = name, .operands = operands};
    for (int i = 0; i < operands; i++) {
        p.in[i] = fm_input(p.r.graph, operand_names[i], FM_F64, shapes[i]);
        p.counts[i] = fm_shape_elements(shapes[i]);
    }
    return p;
}

static void feed(problem *p, const char *name, int64_t count, int salt)
{
    double elements[LARGEST];
    assert_true(count <= LARGEST);
    for (int64_t i = 0; i < count; i++) elements[i] = golden_vision_input(i, salt);
    op_run_set(&p->r, name, elements, (size_t)count * sizeof *elements);
}

static void compare(problem *p, const char *output, const double *golden, int64_t count)
{
    const double *received = op_run_output(&p->r, output);
    for (int64_t i = 0; i < count; i++) {
        if (fabs(received[i] - golden[i]) <= 1e-12 * fmax(1, fabs(golden[i]))) continue;
        fail_msg("%s: %s[%d] is %.17g, PyTorch has %.17g", p->name, output, (int)i, received[i],
                 golden[i]);
    }
}

/* golden: the value, then a gradient for each operand. */
static void solve(problem *p, fm_val y, const double *const *golden)
{
    fm_graph *g = p->r.graph;
    fm_val w = fm_input(g, "w", FM_F64, fm_val_shape(g, y)), grads[MOST_OPERANDS];
    int64_t count = fm_shape_elements(fm_val_shape(g, y));
    fm_grad(g, fm_sum(g, fm_mul(g, y, w), (fm_ints){0}, false), p->in, p->operands, grads);
    fm_output(g, "y", y);
    for (int i = 0; i < p->operands; i++) fm_output(g, grad_names[i], grads[i]);
    op_run_compile(&p->r, 1);
    for (int i = 0; i < p->operands; i++) feed(p, operand_names[i], p->counts[i], i + 1);
    feed(p, "w", count, 9);
    op_run_go(&p->r);
    compare(p, "y", golden[0], count);
    for (int i = 0; i < p->operands; i++) compare(p, grad_names[i], golden[i + 1], p->counts[i]);
    op_run_close(&p->r);
}

static fm_ints spatial_of(fm_shape image)
{
    fm_ints spatial = {.count = image.rank - 2};
    for (int d = 0; d < spatial.count; d++) spatial.at[d] = image.dims[d + 1];
    return spatial;
}

static void assert_shape(problem *p, fm_val y, fm_shape wanted)
{
    assert_ok(p->r.context, fm_graph_status(p->r.graph));
    fm_shape received = fm_val_shape(p->r.graph, y);
    if (fm_shape_equal(received, wanted)) return;
    fail_msg("%s: the shape is %s instead of %s", p->name,
             fm_shape_text(received, (char[FM_SHAPE_TEXT]){0}),
             fm_shape_text(wanted, (char[FM_SHAPE_TEXT]){0}));
}

static void convolutions_agree(void **state)
{
    for (int i = 0; i < GOLDEN_CONVOLUTIONS_COUNT; i++) {
        const struct golden_convolution *c = &golden_convolutions[i];
        problem p = open_problem(*state, c->name, (fm_shape[]){c->x, c->kernel}, 2);
        fm_graph *g = p.r.graph;
        fm_val y = c->transposed
                       ? fm_convolve_transposed(g, p.in[0], p.in[1], spatial_of(c->y), &c->window)
                       : fm_convolve(g, p.in[0], p.in[1], &c->window);
        assert_shape(&p, y, c->y);
        solve(&p, y, (const double *[]){c->value, c->dx, c->dkernel});
    }
}

static void pools_agree(void **state)
{
    for (int i = 0; i < GOLDEN_POOLS_COUNT; i++) {
        const struct golden_pool *c = &golden_pools[i];
        problem p = open_problem(*state, c->name, &c->x, 1);
        fm_val y = c->average ? fm_average_pool(p.r.graph, p.in[0], &c->pool)
                              : fm_max_pool(p.r.graph, p.in[0], &c->pool);
        assert_shape(&p, y, c->y);
        solve(&p, y, (const double *[]){c->value, c->dx});
    }
}

static void normalizations_agree(void **state)
{
    for (int i = 0; i < GOLDEN_NORMALIZATIONS_COUNT; i++) {
        const struct golden_normalization *c = &golden_normalizations[i];
        problem p = open_problem(*state, c->name, (fm_shape[]){c->x, c->gamma, c->gamma}, 3);
        fm_val y = fm_normalize_over(p.r.graph, p.in[0], p.in[1], p.in[2], c->axes, c->epsilon,
                                     NULL, NULL);
        assert_shape(&p, y, c->x);
        solve(&p, y, (const double *[]){c->value, c->dx, c->dgamma, c->dbeta});
    }
}

static void local_responses_agree(void **state)
{
    for (int i = 0; i < GOLDEN_LOCAL_RESPONSES_COUNT; i++) {
        const struct golden_local_response *c = &golden_local_responses[i];
        problem p = open_problem(*state, c->name, &c->x, 1);
        fm_graph *g = p.r.graph;
        fm_val squares = fm_window_sum(g, fm_square(g, p.in[0]), c->size / 2, (c->size - 1) / 2);
        fm_val base = fm_add_scalar(g, fm_mul_scalar(g, squares, c->alpha / c->size), c->k);
        fm_val y = fm_mul(g, p.in[0], fm_pow(g, base, fm_scalar(g, -c->beta)));
        solve(&p, y, (const double *[]){c->value, c->dx});
    }
}

static void resizes_agree(void **state)
{
    for (int i = 0; i < GOLDEN_RESIZES_COUNT; i++) {
        const struct golden_resize *c = &golden_resizes[i];
        problem p = open_problem(*state, c->name, &c->x, 1);
        fm_val y = c->nearest ? fm_resize_nearest(p.r.graph, p.in[0], spatial_of(c->y))
                              : fm_resize_linear(p.r.graph, p.in[0], spatial_of(c->y));
        assert_shape(&p, y, c->y);
        solve(&p, y, (const double *[]){c->value, c->dx});
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(convolutions_agree),   fixture_test(pools_agree),
        fixture_test(normalizations_agree), fixture_test(local_responses_agree),
        fixture_test(resizes_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
