/* The zoo's networks compute what torchvision's do: loss, logits and gradients in f64. */
#include "golden/zoo_golden.h"
#include "support/graphs.h"

#include "fathom/loss.h"
#include "fathom/zoo.h"

enum { BATCH = 2, SIZE = 48, CLASSES = 10, PROBES = 8, MOST = 512, IMAGES = 1000000 };

/* Steele, Lea, Flood 2014 */
static double uniform(uint64_t k, uint64_t e)
{
    uint64_t z = ((k << 32) + e + 1) * 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    z ^= z >> 31;
    return (double)(z >> 11) * 0x1p-52 - 1;
}

static double element(const char *path, fm_shape shape, uint64_t k, int64_t e)
{
    double u = uniform(k, (uint64_t)e), fan_in = 1;
    for (int i = 0; i + 1 < shape.rank; i++) fan_in *= (double)shape.dims[i];
    if (shape.rank > 1) return u * sqrt(6 / fan_in);
    size_t size = strlen(path);
    return size > 6 && strcmp(path + size - 6, "/gamma") == 0 ? 1 + u / 2 : u / 10;
}

static void put_variable(fixture *f, fm_store *store, const fm_graph *g, fm_val v, uint64_t k)
{
    fm_shape shape = fm_val_shape(g, v);
    int64_t count = fm_shape_elements(shape);
    double *values = malloc((size_t)count * sizeof *values);
    assert_non_null(values);
    for (int64_t e = 0; e < count; e++) values[e] = element(fm_val_name(g, v), shape, k, e);
    assert_ok(f->context, fm_store_put(store, fm_val_name(g, v), FM_F64, shape, true, values));
    free(values);
}

static double norm(const double *values, int64_t count)
{
    double sum = 0;
    for (int64_t i = 0; i < count; i++) sum += values[i] * values[i];
    return sqrt(sum);
}

static void check_near_to(const char *network, const char *what, int i, double received,
                          double expected)
{
    if (fabs(received - expected) <= 1e-8 * fmax(1, fabs(expected))) return;
    fail_msg("%s: %s %d is %.12g, golden %.12g", network, what, i, received, expected);
}

static void check_network(fixture *f, const struct golden_network *c)
{
    fm_graph *g = graph_for(f, FM_TRAIN);
    fm_store *store = store_with_seed(f, 1);
    fm_val x = fm_input(g, "x", FM_F64, FM_SHAPE(BATCH, SIZE, SIZE, 3));
    fm_val y = fm_input(g, "y", FM_I32, FM_SHAPE(BATCH));
    fm_zoo_options options = {.classes = CLASSES, .dropout = FM_ZERO, .no_auxiliary = true};
    fm_val logits = fm_zoo_with(g, c->name, x, &options);
    fm_val loss = fm_loss(g, FM_SPARSE_CATEGORICAL_CROSSENTROPY, logits, y);
    fm_val variables[MOST], probes[PROBES], grads[PROBES];
    int64_t sizes[PROBES];
    int count = 0;
    for (int i = 0; fm_graph_variable(g, i).id && count < MOST; i++) {
        fm_val v = fm_graph_variable(g, i);
        if (!fm_val_trainable(g, v)) continue;
        put_variable(f, store, g, v, (uint64_t)count);
        variables[count++] = v;
    }
    for (int i = 0; i < PROBES; i++) {
        probes[i] = variables[i * (count - 1) / (PROBES - 1)];
        sizes[i] = fm_shape_elements(fm_val_shape(g, probes[i]));
    }
    fm_grad(g, loss, probes, PROBES, grads);
    fm_output(g, "loss", loss);
    fm_output(g, "logits", logits);
    char name[16];
    for (int i = 0; i < PROBES; i++) {
        snprintf(name, sizeof name, "g%d", i);
        fm_output(g, name, grads[i]);
    }
    fm_program *program = compile_graph(f, store, g);
    double *images = fm_program_input(program, "x");
    for (int i = 0; i < BATCH * SIZE * SIZE * 3; i++) images[i] = uniform(IMAGES, (uint64_t)i);
    memcpy(fm_program_input(program, "y"), (int32_t[]){3, 7}, 2 * sizeof(int32_t));
    assert_ok(f->context, fm_program_run(program));
    check_near_to(c->name, "loss", 0, *(const double *)fm_program_output(program, "loss"), c->loss);
    const double *p = fm_program_output(program, "logits");
    for (int i = 0; i < CLASSES; i++) check_near_to(c->name, "logit", i, p[i], c->logits[i]);
    for (int i = 0; i < PROBES; i++) {
        snprintf(name, sizeof name, "g%d", i);
        check_near_to(c->name, "gradient", i, norm(fm_program_output(program, name), sizes[i]),
                      c->norms[i]);
    }
    fm_program_destroy(program);
    fm_store_destroy(store);
}

static void networks_agree_with_torchvision(void **state)
{
    int rounds = fixture_rounds(GOLDEN_ZOO_COUNT); /* the smallest come first */
    for (int i = 0; i < rounds; i++) check_network(*state, &golden_zoo[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {fixture_test(networks_agree_with_torchvision)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
