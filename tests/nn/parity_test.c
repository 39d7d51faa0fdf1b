/* The first 100 steps of the two MNIST recipes against PyTorch: same weights, same batches, same
 * dropout masks. f32 within 1e-4 relative on every backend, f64 within 1e-9. */
#include "support/fixture.h"

#include "fathom/data.h"
#include "fathom/data_files.h"
#include "fathom/loss.h"
#include "fathom/nn.h"
#include "fathom/ops.h"
#include "fathom/optimizer.h"
#include "fathom/program.h"
#include "golden/mnist_parity_golden.h"

/* The textbook takes its time: fewer steps there. */
enum { STEPS = 100, TEXTBOOK_STEPS = 16, PIXELS = 784, MOST_BATCH = 128 };

/* ---- data: MNIST, or made where the data set is NULL ---- */

static void make_sample(uint32_t i, float *x, int32_t *y)
{
    *y = (int32_t)(golden_hash(102, i) % 10);
    for (uint32_t j = 0; j < PIXELS; j++) {
        x[j] = 0.5f * (golden_uniform(100, (uint32_t)*y * PIXELS + j) +
                       golden_uniform(101, i * PIXELS + j));
    }
}

static void read_batch(fixture *f, const fm_dataset *mnist, int first, int count, float *x,
                       int32_t *y)
{
    static unsigned char pixels[MOST_BATCH * PIXELS], labels[MOST_BATCH];
    if (!mnist) {
        for (int i = 0; i < count; i++) make_sample((uint32_t)(first + i), x + i * PIXELS, y + i);
        return;
    }
    fm_data_request request = {.first = first, .count = count, .fields = {pixels, labels}};
    assert_ok(f->context, fm_dataset_read(f->context, mnist, &request));
    for (int i = 0; i < count * PIXELS; i++) x[i] = (float)pixels[i] / 255.0f;
    for (int i = 0; i < count; i++) y[i] = labels[i];
}

/* ---- model ---- */

static bool has_dropout(const struct golden_parity *golden)
{
    return strcmp(golden->recipe, "mnist-dropout") == 0;
}

static double rate_of(const struct golden_parity *golden)
{
    return has_dropout(golden) ? 0.001 : 0.01;
}

static fm_graph *build(fixture *f, const struct golden_parity *golden, fm_dtype dtype)
{
    fm_graph *g;
    fm_graph_options options = {.mode = FM_TRAIN, .dtype = dtype};
    assert_ok(f->context, fm_graph_create(f->context, &options, &g));
    fm_val x = fm_input(g, "x", dtype, FM_SHAPE(golden->batch, PIXELS));
    fm_val y = fm_input(g, "y", FM_I32, FM_SHAPE(golden->batch));
    for (int layer = 1; layer <= golden->layers; layer++) {
        bool last = layer == golden->layers;
        x = fm_dense(g, x, .units = golden->sizes[layer], .activation = last ? FM_LINEAR : FM_RELU);
        if (last || !has_dropout(golden)) continue;
        x = fm_mul(g, x, fm_input(g, "keep", dtype, fm_val_shape(g, x)));
    }
    fm_val loss = fm_loss(g, FM_SPARSE_CATEGORICAL_CROSSENTROPY, x, y);
    if (has_dropout(golden)) {
        fm_minimize(g, loss, .rule = FM_ADAM, .epsilon = 1e-8);
    } else {
        fm_minimize(g, loss, .rule = FM_SGD);
    }
    fm_output(g, "loss", loss);
    assert_ok(f->context, fm_graph_status(g));
    return g;
}

static void put_number(void *elements, fm_dtype dtype, int64_t i, double value)
{
    if (dtype == FM_F64) {
        ((double *)elements)[i] = value;
    } else {
        ((float *)elements)[i] = (float)value;
    }
}

static double get_number(const void *elements, fm_dtype dtype, int64_t i)
{
    return dtype == FM_F64 ? ((const double *)elements)[i] : (double)((const float *)elements)[i];
}

static int variable_of_layer(fm_store *store, int layer, const char *variable)
{
    char path[32];
    if (layer == 1) {
        snprintf(path, sizeof path, "dense/%s", variable);
    } else {
        snprintf(path, sizeof path, "dense_%d/%s", layer - 1, variable);
    }
    int index = fm_store_find(store, path);
    assert_true(index >= 0);
    return index;
}

static void put_weights(fixture *f, fm_store *store, const struct golden_parity *golden,
                        fm_dtype dtype)
{
    static double elements[PIXELS * 512];
    for (int layer = 1; layer <= golden->layers; layer++) {
        int64_t count = golden->sizes[layer - 1] * golden->sizes[layer];
        float limit = golden->limits[layer - 1];
        for (int64_t i = 0; i < count; i++) {
            float u = golden_uniform((uint32_t)layer, (uint32_t)i);
            put_number(elements, dtype, i, (2 * u - 1) * limit);
        }
        int index = variable_of_layer(store, layer, "kernel");
        assert_ok(f->context, fm_store_write(store, index, elements));
    }
}

/* ---- comparing ---- */

static void feed(fixture *f, fm_program *program, const struct golden_parity *golden,
                 const fm_dataset *mnist, fm_dtype dtype, int step)
{
    static float x[MOST_BATCH * PIXELS];
    int batch = golden->batch;
    read_batch(f, mnist, step * batch, batch, x, fm_program_input(program, "y"));
    for (int i = 0; i < batch * PIXELS; i++) {
        put_number(fm_program_input(program, "x"), dtype, i, x[i]);
    }
    void *keep = fm_program_input(program, "keep");
    int hidden = golden->sizes[1];
    for (int i = 0; keep && i < batch * hidden; i++) {
        float u = golden_uniform(200, (uint32_t)(step * batch * hidden + i));
        put_number(keep, dtype, i, u >= 0.2f ? 1.25 : 0);
    }
    put_number(fm_program_input(program, FM_LEARNING_RATE), dtype, 0, rate_of(golden));
}

static double norm_of(fixture *f, fm_store *store, int index, fm_dtype dtype)
{
    static double elements[PIXELS * 512];
    double sum = 0;
    assert_ok(f->context, fm_store_read(store, index, elements));
    int64_t count = fm_shape_elements(fm_store_info(store, index).shape);
    for (int64_t i = 0; i < count; i++) {
        double value = get_number(elements, dtype, i);
        sum += value * value;
    }
    return sqrt(sum);
}

/* The worst relative error of the losses. */
static double compare(fixture *f, const struct golden_parity *golden, const fm_dataset *mnist,
                      fm_dtype dtype, const char *const *backends, int steps)
{
    fm_store *store;
    fm_program *program;
    fm_graph *graph = build(f, golden, dtype);
    fm_program_options options = {.backends = backends};
    assert_ok(f->context, fm_store_create(f->context, 1, &store));
    assert_ok(f->context, fm_program_create(store, graph, &options, &program));
    fm_graph_destroy(graph);
    put_weights(f, store, golden, dtype);

    double worst = 0, tolerance = dtype == FM_F64 ? 1e-9 : 1e-4;
    const double *losses = dtype == FM_F64 ? golden->losses_f64 : golden->losses;
    for (int step = 0; step < steps; step++) {
        feed(f, program, golden, mnist, dtype, step);
        assert_ok(f->context, fm_program_run(program));
        double loss = get_number(fm_program_output(program, "loss"), dtype, 0);
        double error = fabs(loss - losses[step]) / losses[step];
        if (!(error <= tolerance)) {
            fail_msg("%s on %s data, step %d: loss %.9g, PyTorch has %.9g", golden->recipe,
                     golden->data, step, loss, losses[step]);
        }
        if (error > worst) worst = error;
    }
    for (int layer = 1; layer <= golden->layers && steps == STEPS; layer++) {
        int kernel = variable_of_layer(store, layer, "kernel");
        int bias = variable_of_layer(store, layer, "bias");
        assert_near(norm_of(f, store, kernel, dtype), golden->norms[2 * layer - 2], tolerance);
        assert_near(norm_of(f, store, bias, dtype), golden->norms[2 * layer - 1], tolerance);
    }
    fm_program_destroy(program);
    fm_store_destroy(store);
    return worst;
}

static void compare_both_backends(fixture *f, const char *data, const fm_dataset *mnist)
{
    static const char *const portable[] = {"portable", NULL};
    for (int i = 0; i < GOLDEN_PARITIES_COUNT; i++) {
        const struct golden_parity *golden = &golden_parities[i];
        if (strcmp(golden->data, data) != 0) continue;
        double fast = compare(f, golden, mnist, FM_F32, NULL, fixture_rounds(STEPS));
        double textbook =
            compare(f, golden, mnist, FM_F32, portable, fixture_rounds(TEXTBOOK_STEPS));
        print_message("%s, %s data: %.1e off on the fast backends, %.1e on the portable one\n",
                      golden->recipe, data, fast, textbook);
    }
}

static void made_data_in_f32(void **state)
{
    compare_both_backends(*state, "made", NULL);
}

static void made_data_in_f64(void **state)
{
    for (int i = 0; i < GOLDEN_PARITIES_COUNT; i++) {
        const struct golden_parity *golden = &golden_parities[i];
        if (strcmp(golden->data, "made") != 0) continue;
        double worst = compare(*state, golden, NULL, FM_F64, NULL, fixture_rounds(STEPS));
        print_message("%s in f64: %.1e off\n", golden->recipe, worst);
    }
}

static void mnist_in_f32(void **state)
{
    fixture *f = *state;
    const char *named = getenv("FATHOM_DATA");
    const char *folders[] = {named ? named : "../shared/data", NULL};
    fm_data_places places = {.folders = folders};
    fm_dataset *mnist;
    if (fm_dataset_mnist(f->context, &places, &mnist, NULL) != FM_OK) {
        print_message("MNIST is not here: set FATHOM_DATA to its folder\n");
        skip();
    }
    compare_both_backends(f, "mnist", mnist);
    fm_dataset_destroy(mnist);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(made_data_in_f32),
        fixture_test(made_data_in_f64),
        fixture_test(mnist_in_f32),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
