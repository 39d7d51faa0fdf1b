/* Features are what a layer makes of samples; maps of them keep what their papers promise. */
#include "support/training_problem.h"
#include "fathom/embedding.h"
#include "fathom/nn.h"
#include "fathom/ops.h"
#include "base/random.h"
#include "train/embedding/tsne_inside.h"
#include "golden/embedding_golden.h"

enum { ROWS = GOLDEN_EMBEDDING_ROWS, COLUMNS = GOLDEN_EMBEDDING_COLUMNS };

/* ---- principal components -------------------------------------------------------------------- */

/* Points on a line through (2, 1) in the direction (3, 4) / 5. */
static void pca_finds_a_line(void **state)
{
    fixture *f = *state;
    double x[10], places[10];
    for (int i = 0; i < 5; i++) {
        x[2 * i] = 2 + 0.6 * (i - 2);
        x[2 * i + 1] = 1 + 0.8 * (i - 2);
    }
    fm_pca *pca;
    assert_ok(f->context, fm_pca_fit(f->context, x, 5, 2, NULL, &pca));
    assert_near(pca->mean[0], 2, 1e-15);
    assert_near(pca->mean[1], 1, 1e-15);
    assert_near(pca->axes[0], 0.6, 1e-15);
    assert_near(pca->axes[1], 0.8, 1e-15);
    assert_near(pca->variances[0], 2.5, 1e-14); /* of -2, -1, 0, 1, 2 */
    assert_near(pca->total_variance, 2.5, 1e-14);
    assert_true(pca->variances[1] == 0 && pca->axes[2] == 0 && pca->axes[3] == 0);
    fm_pca_apply(pca, x, 5, places);
    for (int i = 0; i < 5; i++) {
        assert_near(places[2 * i], i - 2, 1e-14);
        assert_true(places[2 * i + 1] == 0);
    }
    fm_pca_destroy(pca);
}

static void check_axes(fixture *f, const double *x, int64_t rows, int64_t columns,
                       const double *axes, const double *variances)
{
    fm_pca *pca;
    const fm_pca_options how = {.components = 3};
    assert_ok(f->context, fm_pca_fit(f->context, x, rows, columns, &how, &pca));
    for (int64_t i = 0; i < 3 * columns; i++) assert_near(pca->axes[i], axes[i], 1e-12);
    for (int i = 0; i < 3; i++) assert_near(pca->variances[i], variances[i], 1e-12);
    fm_pca_destroy(pca);
}

static void pca_equals_numpy(void **state)
{
    double wide[ROWS * COLUMNS];
    for (int r = 0; r < ROWS; r++) {
        for (int c = 0; c < COLUMNS; c++) wide[c * ROWS + r] = golden_embedding_x[r * COLUMNS + c];
    }
    check_axes(*state, golden_embedding_x, ROWS, COLUMNS, golden_embedding_axes,
               golden_embedding_variances);
    check_axes(*state, wide, COLUMNS, ROWS, golden_embedding_wide_axes,
               golden_embedding_wide_variances);
}

/* Columns of falling deviation, mixed by reflections so that axes are no columns. */
static double *spread_points(int64_t rows, int64_t columns)
{
    double *x = calloc((size_t)(rows * columns), sizeof *x);
    fm_random random = fm_random_at(5, 0, 0);
    assert_non_null(x);
    for (int64_t r = 0; r < rows; r++) {
        double sum = 0;
        for (int64_t c = 0; c < columns; c++) {
            x[r * columns + c] = (c < 6 ? 9 - (double)c : 0.5) * fm_random_normal(&random);
            sum += x[r * columns + c];
        }
        for (int64_t c = 0; c < columns; c++) x[r * columns + c] -= 2 * sum / (double)columns;
    }
    return x;
}

/* The iteration finds what rotations of the whole matrix find. */
static void pca_by_iteration_equals_rotations(void **state)
{
    fixture *f = *state;
    static const struct {
        int64_t rows, columns;
    } cases[] = {{160, 120}, {110, 160}};
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        int64_t rows = cases[k].rows, columns = cases[k].columns;
        double *x = spread_points(rows, columns);
        fm_pca *few, *all;
        const fm_pca_options two = {.components = 4, .seed = 3},
                             every = {.components = columns < rows ? columns : rows};
        assert_ok(f->context, fm_pca_fit(f->context, x, rows, columns, &two, &few));
        assert_ok(f->context, fm_pca_fit(f->context, x, rows, columns, &every, &all));
        double sum = 0;
        for (int64_t i = 0; i < every.components; i++) sum += all->variances[i];
        assert_near(sum, all->total_variance, 1e-10);
        for (int i = 0; i < 4; i++) assert_near(few->variances[i], all->variances[i], 1e-9);
        for (int64_t i = 0; i < 4 * columns; i++) assert_near(few->axes[i], all->axes[i], 1e-6);
        fm_pca_destroy(few);
        fm_pca_destroy(all);
        free(x);
    }
}

/* Where both sides are large no matrix is stored:
 * the residual of its axes says that they are right. */
static void pca_without_a_matrix_finds_eigenvectors(void **state)
{
    fixture *f = *state;
    enum { SIDE = 2060 };
    if (fixture_is_watched()) skip();
    double *x = spread_points(SIDE, SIDE);
    fm_pca *pca;
    assert_ok(f->context, fm_pca_fit(f->context, x, SIDE, SIDE, NULL, &pca));
    for (int k = 0; k < 2; k++) {
        const double *axis = pca->axes + (int64_t)k * SIDE;
        double *product = calloc(SIDE, sizeof *product), off = 0, length = 0;
        for (int64_t r = 0; r < SIDE; r++) {
            double share = 0;
            for (int64_t c = 0; c < SIDE; c++) share += (x[r * SIDE + c] - pca->mean[c]) * axis[c];
            for (int64_t c = 0; c < SIDE; c++) {
                product[c] += share * (x[r * SIDE + c] - pca->mean[c]) / (SIDE - 1);
            }
        }
        for (int64_t c = 0; c < SIDE; c++) {
            off = fmax(off, fabs(product[c] - pca->variances[k] * axis[c]));
            length += axis[c] * axis[c];
        }
        assert_near(length, 1, 1e-12);
        assert_true(off < 1e-6 * pca->variances[0]);
        free(product);
    }
    assert_true(pca->variances[0] > pca->variances[1] && pca->variances[1] > 40);
    fm_pca_destroy(pca);
    free(x);
}

/* ---- t-SNE ----------------------------------------------------------------------------------- */

static void rows_have_their_perplexity(void **state)
{
    (void)state;
    enum { COUNT = 40 };
    double distance2[COUNT], p[COUNT];
    static const double scales[] = {1, 1e-12, 1e12};
    for (int k = 0; k < 3; k++) {
        for (int i = 0; i < COUNT; i++) distance2[i] = scales[k] * (2 + sin(3 * i)) * (i + 1);
        fm_affinity_row(distance2, COUNT, 7.5, p);
        double sum = 0, entropy = 0;
        for (int i = 0; i < COUNT; i++) {
            sum += p[i];
            if (p[i] > 0) entropy -= p[i] * log(p[i]);
        }
        assert_near(sum, 1, 1e-14);
        assert_near(exp(entropy), 7.5, 1e-8);
    }
    for (int i = 0; i < COUNT; i++) distance2[i] = 2; /* no beta has a perplexity but 40 */
    fm_affinity_row(distance2, COUNT, 7.5, p);
    for (int i = 0; i < COUNT; i++) assert_near(p[i], 1.0 / COUNT, 1e-15);
}

static fm_affinities golden_affinities(fixture *f, fm_arena *arena)
{
    fm_affinities made;
    *arena = (fm_arena){.context = f->context};
    assert_ok(f->context, fm_affinities_make(arena, golden_embedding_x, ROWS, COLUMNS, ROWS - 1,
                                             GOLDEN_EMBEDDING_PERPLEXITY, &made));
    return made;
}

static void affinities_equal_numpy(void **state)
{
    fm_arena arena;
    const fm_affinities made = golden_affinities(*state, &arena);
    assert_int_equal(made.first[ROWS], ROWS * (ROWS - 1));
    double sum = 0;
    for (int i = 0; i < ROWS; i++) {
        for (int64_t k = made.first[i]; k < made.first[i + 1]; k++) {
            assert_int_not_equal(made.to[k], i);
            assert_near(made.p[k], golden_embedding_p[i * ROWS + (int)made.to[k]], 1e-9);
            sum += made.p[k];
        }
    }
    assert_near(sum, 1, 1e-14);
    fm_arena_release(&arena);
}

/* With few neighbours P is still symmetric, of sum 1, and each pair stands in both rows. */
static void sparse_affinities_are_symmetric(void **state)
{
    fixture *f = *state;
    enum { COUNT = 60 };
    double x[COUNT];
    fm_arena arena = {.context = f->context};
    fm_affinities made;
    for (int i = 0; i < COUNT; i++) x[i] = i * i; /* the sparse end is nobody's neighbour */
    assert_ok(f->context, fm_affinities_make(&arena, x, COUNT, 1, 6, 2, &made));
    static double dense[COUNT][COUNT];
    double sum = 0;
    memset(dense, 0, sizeof dense);
    for (int i = 0; i < COUNT; i++) {
        for (int64_t k = made.first[i]; k < made.first[i + 1]; k++) {
            assert_true(dense[i][made.to[k]] == 0); /* once */
            dense[i][made.to[k]] = made.p[k];
            sum += made.p[k];
        }
    }
    assert_near(sum, 1, 1e-14);
    for (int i = 0; i < COUNT; i++) {
        for (int k = 0; k < COUNT; k++) assert_true(dense[i][k] == dense[k][i]);
    }
    fm_arena_release(&arena);
}

static void the_gradient_equals_numpy_and_differences(void **state)
{
    fixture *f = *state;
    fm_arena arena;
    fm_tsne_forces forces;
    const fm_affinities p = golden_affinities(f, &arena);
    double y[2 * ROWS], gradient[2 * ROWS], unused[2 * ROWS], divergence, above, below;
    assert_ok(f->context, fm_tsne_forces_open(&arena, &p, true, 0, &forces));
    fm_tsne_gradient(&forces, golden_embedding_y, 1, gradient, &divergence);
    assert_near(divergence, golden_embedding_divergence[0], 1e-8);
    for (int i = 0; i < 2 * ROWS; i++) {
        assert_near(gradient[i], golden_embedding_gradient[i], 1e-9);
        memcpy(y, golden_embedding_y, sizeof y);
        y[i] += 1e-5;
        fm_tsne_gradient(&forces, y, 1, unused, &above);
        y[i] -= 2e-5;
        fm_tsne_gradient(&forces, y, 1, unused, &below);
        assert_near(gradient[i], (above - below) / 2e-5, 1e-8);
    }
    fm_tsne_gradient(&forces, golden_embedding_y, 4, gradient, &divergence);
    for (int i = 0; i < 2 * ROWS; i++)
        assert_near(gradient[i], golden_embedding_exaggerated[i], 1e-9);
    assert_near(divergence, golden_embedding_divergence[0], 1e-8); /* of P itself */
    fm_arena_release(&arena);
}

/* The sums over cells: exact where every cell is opened, near with van der Maaten's angle; also
 * where points lie on one place. */
static void the_tree_adds_up(void **state)
{
    fixture *f = *state;
    enum { COUNT = 700 };
    static double y[2 * COUNT];
    fm_arena arena = {.context = f->context};
    fm_quadtree tree;
    fm_random random = fm_random_at(2, 0, 0);
    for (int i = 0; i < 2 * COUNT; i++) y[i] = 20 * fm_random_normal(&random);
    for (int i = 0; i < 20; i++) y[i] = i % 2 ? -3 : 5; /* ten on one place */
    y[20] = 5 + 1e-13;
    y[21] = -3; /* and one beside it */
    assert_ok(f->context, fm_quadtree_open(&arena, COUNT, &tree));
    fm_quadtree_build(&tree, y);
    assert_true(tree.cell_count < 2 * COUNT);
    double worst = 0;
    for (uint32_t i = 0; i < COUNT; i++) {
        double total = 0, wanted[2] = {0}, whole[2] = {0}, near[2] = {0};
        for (int j = 0; j < COUNT; j++) {
            double dx = y[2 * i] - y[2 * j], dy = y[2 * i + 1] - y[2 * j + 1];
            double w = (int)i == j ? 0 : 1 / (1 + dx * dx + dy * dy);
            total += w;
            wanted[0] += w * w * dx;
            wanted[1] += w * w * dy;
        }
        assert_near(fm_quadtree_repulsion(&tree, i, 0, whole), total, 1e-12);
        assert_near(whole[0], wanted[0], 1e-12);
        assert_near(whole[1], wanted[1], 1e-12);
        assert_near(fm_quadtree_repulsion(&tree, i, 0.5, near), total, 0.02);
        worst = fmax(worst, hypot(near[0] - wanted[0], near[1] - wanted[1]));
    }
    assert_true(worst > 0 && worst < 0.02); /* something was approximated */
    for (int i = 0; i < 2 * COUNT; i++) y[i] = 7;
    fm_quadtree_build(&tree, y);
    double nothing[2] = {0};
    assert_near(fm_quadtree_repulsion(&tree, 0, 0.5, nothing), COUNT - 1, 1e-12);
    fm_arena_release(&arena);
}

enum { CLUSTERS = 4, EACH = 40, POINTS = CLUSTERS * EACH, WIDE = 70 };

/* Around four corners, twelve deviations apart. */
static void make_clusters(double x[POINTS * WIDE], int32_t labels[POINTS])
{
    fm_random random = fm_random_at(1, 0, 0);
    for (int i = 0; i < POINTS; i++) {
        labels[i] = i % CLUSTERS;
        for (int c = 0; c < WIDE; c++) {
            x[i * WIDE + c] = fm_random_normal(&random) + (c % CLUSTERS == i % CLUSTERS ? 3 : 0);
        }
    }
}

static void clusters_stay_apart(void **state)
{
    fixture *f = *state;
    static double x[POINTS * WIDE], places[2 * POINTS];
    int32_t labels[POINTS];
    const int64_t points = fixture_is_watched() ? 128 : POINTS; /* 32 of each */
    make_clusters(x, labels);
    for (int k = 0; k < 3; k++) { /* exact, by the tree, from random numbers */
        fm_tsne_options how = {
            .exact_rows = k == 1 ? 1 : 0, .random_start = k == 2, .iterations = 260};
        fm_tsne_result early, late;
        double share;
        assert_ok(f->context, fm_tsne(f->context, x, points, WIDE, &how, places, &early));
        how.iterations = fixture_rounds(640) + 260;
        assert_ok(f->context, fm_tsne(f->context, x, points, WIDE, &how, places, &late));
        assert_true(late.exact == (k != 1));
        assert_int_equal(late.columns, 50);
        assert_near(late.perplexity, 30, 0);
        assert_true(late.divergence < early.divergence && late.divergence > 0);
        assert_ok(f->context,
                  fm_neighbor_agreement(f->context, places, points, 2, labels, 10, &share));
        if (share < 0.99) fail_msg("start %d: agreement %g", k, share);
    }
}

static void maps_have_the_same_bits(void **state)
{
    fixture *f = *state;
    static double x[POINTS * WIDE], places[4][2 * POINTS];
    int32_t labels[POINTS];
    const int64_t steps = fixture_is_watched() ? 5 : 20;
    make_clusters(x, labels);
    fm_context *other = fixture_context(f, 3);
    for (int64_t exact = 1; exact <= POINTS; exact += POINTS - 1) {
        fm_tsne_options how = {.exact_rows = exact, .iterations = steps, .seed = 4};
        assert_ok(f->context, fm_tsne(f->context, x, POINTS, WIDE, &how, places[0], NULL));
        assert_ok(f->context, fm_tsne(f->context, x, POINTS, WIDE, &how, places[1], NULL));
        assert_ok(other, fm_tsne(other, x, POINTS, WIDE, &how, places[2], NULL));
        how.seed = 5;
        assert_ok(f->context, fm_tsne(f->context, x, POINTS, WIDE, &how, places[3], NULL));
        assert_memory_equal(places[0], places[1], sizeof places[0]);
        assert_memory_equal(places[0], places[2], sizeof places[0]);
        assert_memory_not_equal(places[0], places[3], sizeof places[0]);
    }
    fm_pca *one, *two;
    const fm_pca_options how = {.components = 3};
    double *wide = spread_points(150, 130);
    assert_ok(f->context, fm_pca_fit(f->context, wide, 150, 130, &how, &one));
    assert_ok(other, fm_pca_fit(other, wide, 150, 130, &how, &two));
    assert_memory_equal(one->axes, two->axes, 3 * 130 * sizeof(double));
    fm_pca_destroy(one);
    fm_pca_destroy(two);
    free(wide);
    fm_context_destroy(other);
}

static bool stop_at_five(void *user, int64_t iteration, int64_t iterations)
{
    int *calls = user;
    assert_int_equal(iterations, 1000);
    assert_int_equal(iteration, *calls);
    return ++*calls <= 5;
}

static void the_watch_may_stop(void **state)
{
    fixture *f = *state;
    double places[2 * ROWS];
    int calls = 0;
    const fm_tsne_options how = {.watch = stop_at_five, .user = &calls};
    assert_fails(f->context, FM_ERROR_CANCELLED, "tsne: stopped after 5 iterations",
                 fm_tsne(f->context, golden_embedding_x, ROWS, COLUMNS, &how, places, NULL));
    assert_int_equal(calls, 6);
}

/* Three points in a row and a pair far away. */
static void agreement_counts_neighbours(void **state)
{
    fixture *f = *state;
    const double x[] = {0, 1, 2.5, 10, 11};
    const int32_t labels[] = {0, 0, 1, 1, 1};
    double share;
    assert_ok(f->context, fm_neighbor_agreement(f->context, x, 5, 1, labels, 1, &share));
    assert_near(share, 4.0 / 5, 1e-15); /* all but 2.5, whose nearest is 1 */
    assert_ok(f->context, fm_neighbor_agreement(f->context, x, 5, 1, labels, 2, &share));
    assert_near(share, 6.0 / 10, 1e-15);
    assert_ok(f->context, fm_neighbor_agreement(f->context, x, 5, 1, labels, 99, &share));
    assert_near(share, 8.0 / 20, 1e-15);
}

/* ---- features -------------------------------------------------------------------------------- */

static fm_val two_layers(fm_graph *g, fm_val x, void *argument)
{
    (void)argument;
    x = fm_dense(g, x, .units = 5, .activation = FM_TANH, .name = "hidden");
    x = fm_dropout(g, x, .rate = 0.5);
    return fm_dense(g, x, .units = 3, .name = "head");
}

enum { SAMPLES = 11, INPUTS = 4 };

static fm_dataset *samples_of(fixture *f, fm_shape shape, fm_dtype dtype, const void *x)
{
    fm_dataset *data;
    const fm_dataset_info info = {.name = "samples",
                                  .count = SAMPLES,
                                  .field_count = 1,
                                  .fields = {{"x", dtype, shape, NULL}}};
    const void *const arrays[] = {x};
    assert_ok(f->context, fm_dataset_from_arrays(f->context, &info, arrays, false, &data));
    return data;
}

static double *read_variable(fixture *f, fm_model *model, const char *path)
{
    static double elements[64];
    int index = fm_store_find(fm_model_store(model), path);
    assert_true(index >= 0);
    assert_ok(f->context, fm_store_read(fm_model_store(model), index, elements));
    return elements;
}

/* The head's product with its features is the prediction, to the last bits. */
static void features_are_what_the_head_reads(void **state)
{
    fixture *f = *state;
    fm_model *model;
    fm_extractor *extractor;
    double x[SAMPLES * INPUTS], features[SAMPLES * 5], named[SAMPLES * 5], prediction[SAMPLES * 3];
    assert_ok(f->context, fm_model_create(f->context,
                                          &(fm_model_options){.build = two_layers,
                                                              .input_shape = FM_SHAPE(INPUTS),
                                                              .input_dtype = FM_F64,
                                                              .dtype = FM_F64,
                                                              .loss = FM_MEAN_SQUARED_ERROR},
                                          &model));
    for (int i = 0; i < SAMPLES * INPUTS; i++) x[i] = cos(5 * i);
    fm_dataset *data = samples_of(f, FM_SHAPE(INPUTS), FM_F64, x);
    assert_ok(f->context,
              fm_extractor_create(model, &(fm_extractor_options){.batch_size = 4}, &extractor));
    assert_string_equal(fm_extractor_layer(extractor), "hidden");
    assert_true(fm_shape_equal(fm_extractor_shape(extractor), FM_SHAPE(5)));
    assert_ok(f->context, fm_extract(extractor, data, features));
    fm_extractor_destroy(extractor);
    assert_ok(f->context, fm_predict(model, data, NULL, prediction));
    const double *kernel = read_variable(f, model, "head/kernel"); /* its bias is zero */
    for (int i = 0; i < SAMPLES; i++) {
        for (int u = 0; u < 3; u++) {
            double sum = 0;
            for (int k = 0; k < 5; k++) sum += features[5 * i + k] * kernel[3 * k + u];
            assert_near(sum, prediction[3 * i + u], 1e-13);
        }
    }
    assert_ok(f->context,
              fm_extractor_create(model, &(fm_extractor_options){.layer = "hidden"}, &extractor));
    assert_ok(f->context, fm_extract(extractor, data, named));
    assert_memory_equal(named, features, sizeof named);
    fm_extractor_destroy(extractor);
    assert_ok(f->context,
              fm_extractor_create(model, &(fm_extractor_options){.layer = "input"}, &extractor));
    assert_ok(f->context, fm_extract(extractor, data, features));
    assert_memory_equal(features, x, sizeof x);
    fm_extractor_destroy(extractor);
    fm_dataset_destroy(data);
    fm_model_destroy(model);
}

/* Tokens 1, 2, ... become their number; 0 is padding. */
static fm_val of_tokens(fm_graph *g, fm_val x, void *argument)
{
    (void)argument;
    fm_shape shape = fm_val_shape(g, x);
    fm_val number = fm_cast(g, x, FM_F32), real = fm_step(g, number);
    number = fm_reshape_to(g, number, FM_SHAPE(shape.dims[0], shape.dims[1], 1));
    fm_mask_set(g, number, real);
    x = fm_dense(g, number, .units = 1, .kernel_initializer = fm_ones(), .name = "steps");
    return fm_dense(g, fm_flatten(g, x), .units = 2);
}

static void pooling_leaves_padding_out(void **state)
{
    fixture *f = *state;
    fm_model *model;
    fm_extractor *extractor;
    int32_t tokens[SAMPLES * 4] = {2, 4, 0, 0, 1, 2, 3, 6, 0, 0, 0, 0, 5, 0, 0, 0};
    double features[SAMPLES * 4];
    assert_ok(f->context, fm_model_create(f->context,
                                          &(fm_model_options){.build = of_tokens,
                                                              .input_shape = FM_SHAPE(4),
                                                              .input_dtype = FM_I32,
                                                              .loss = FM_MEAN_SQUARED_ERROR},
                                          &model));
    fm_dataset *data = samples_of(f, FM_SHAPE(4), FM_I32, tokens);
    fm_extractor_options how = {.layer = "steps", .pool = true};
    assert_ok(f->context, fm_extractor_create(model, &how, &extractor));
    assert_true(fm_shape_equal(fm_extractor_shape(extractor), FM_SHAPE(1)));
    assert_ok(f->context, fm_extract(extractor, data, features));
    static const double means[] = {3, 3, 0, 5};
    for (int i = 0; i < 4; i++) assert_near(features[i], means[i], 1e-6);
    fm_extractor_destroy(extractor);
    how = (fm_extractor_options){.layer = "input"};
    assert_ok(f->context, fm_extractor_create(model, &how, &extractor));
    assert_ok(f->context, fm_extract(extractor, data, features));
    for (int i = 0; i < SAMPLES * 4; i++) assert_true(features[i] == tokens[i]);
    fm_extractor_destroy(extractor);
    how.pool = true;
    assert_fails(f->context, FM_ERROR_UNSUPPORTED, "features: 'input' are tokens",
                 fm_extractor_create(model, &how, &extractor));
    fm_dataset_destroy(data);
    fm_model_destroy(model);
}

/* ---- mistakes -------------------------------------------------------------------------------- */

static fm_val bare(fm_graph *g, fm_val x, void *argument)
{
    (void)argument;
    const fm_variable_options how = {.initializer = fm_ones()};
    return fm_mul(g, x, fm_variable(g, "factor", fm_graph_dtype(g), FM_SHAPE(INPUTS), &how));
}

static void mistakes_are_told(void **state)
{
    fixture *f = *state;
    fm_context *c = f->context;
    double x[8] = {0, 1, 2, 3, 4, 5, 6, 7}, places[16], share;
    const int32_t labels[8] = {0};
    fm_pca *pca;
    assert_fails(c, FM_ERROR_ARGUMENT, "pca: 3 components were asked for, samples have 2 numbers",
                 fm_pca_fit(c, x, 4, 2, &(fm_pca_options){.components = 3}, &pca));
    assert_null(pca);
    assert_fails(c, FM_ERROR_ARGUMENT,
                 "pca: 1 samples of 2 numbers were given, wanted are at least 2",
                 fm_pca_fit(c, x, 1, 2, NULL, &pca));
    assert_fails(c, FM_ERROR_ARGUMENT,
                 "tsne: 3 samples of 2 numbers were given, wanted are at least 4",
                 fm_tsne(c, x, 3, 2, NULL, places, NULL));
    assert_fails(c, FM_ERROR_ARGUMENT,
                 "tsne: a perplexity of 2.5 was asked for, 8 samples allow 1 to 2.33333",
                 fm_tsne(c, x, 8, 1, &(fm_tsne_options){.perplexity = 2.5}, places, NULL));
    assert_fails(c, FM_ERROR_ARGUMENT, "angle",
                 fm_tsne(c, x, 8, 1, &(fm_tsne_options){.angle = 0.8}, places, NULL));
    x[5] = NAN;
    assert_fails(c, FM_ERROR_ARGUMENT, "tsne: sample 2, number 1 is nan",
                 fm_tsne(c, x, 4, 2, NULL, places, NULL));
    x[5] = INFINITY;
    assert_fails(c, FM_ERROR_ARGUMENT, "neighbor_agreement: sample 5, number 0 is inf",
                 fm_neighbor_agreement(c, x, 8, 1, labels, 3, &share));
    assert_fails(c, FM_ERROR_ARGUMENT, "0 neighbors were asked for",
                 fm_neighbor_agreement(c, x, 4, 1, labels, 0, &share));
}

static void missing_layers_are_told(void **state)
{
    fixture *f = *state;
    fm_model *model;
    fm_extractor *extractor;
    fm_model_options options = {
        .build = two_layers, .input_shape = FM_SHAPE(INPUTS), .loss = FM_MEAN_SQUARED_ERROR};
    assert_ok(f->context, fm_model_create(f->context, &options, &model));
    assert_fails(
        f->context, FM_ERROR_NOT_FOUND,
        "features: no layer 'dense'; the layers are input, hidden (5), dropout (5), head (3)",
        fm_extractor_create(model, &(fm_extractor_options){.layer = "dense"}, &extractor));
    assert_null(extractor);
    assert_fails(f->context, FM_ERROR_ARGUMENT,
                 "features: batch_size must be at least 1, received -1",
                 fm_extractor_create(model, &(fm_extractor_options){.batch_size = -1}, &extractor));
    fm_model_destroy(model);
    options.build = bare;
    assert_ok(f->context, fm_model_create(f->context, &options, &model));
    assert_fails(f->context, FM_ERROR_UNSUPPORTED,
                 "features: the model has no layer with variables",
                 fm_extractor_create(model, NULL, &extractor));
    fm_model_destroy(model);
}

static fm_status map_everything(fm_context *context, void *argument)
{
    (void)argument;
    fm_model *model;
    fm_extractor *extractor = NULL;
    fm_dataset *data = NULL;
    double features[PROBLEM_SAMPLES * 16], places[2 * PROBLEM_SAMPLES], share;
    int32_t labels[PROBLEM_SAMPLES] = {0};
    fm_status status = problem_model(context, &model);
    if (status != FM_OK) return status;
    status = problem_data(context, 1, &data);
    if (status == FM_OK) status = fm_extractor_create(model, NULL, &extractor);
    if (status == FM_OK) status = fm_extract(extractor, data, features);
    int64_t width = status == FM_OK ? fm_shape_elements(fm_extractor_shape(extractor)) : 0;
    assert_true(width <= 16);
    for (int64_t exact = 1; exact < 1000 && status == FM_OK; exact += 500) {
        const fm_tsne_options how = {.iterations = 2, .exact_rows = exact, .perplexity = 2};
        status = fm_tsne(context, features, PROBLEM_SAMPLES, width, &how, places, NULL);
    }
    if (status == FM_OK) {
        status = fm_neighbor_agreement(context, places, PROBLEM_SAMPLES, 2, labels, 3, &share);
    }
    fm_extractor_destroy(extractor);
    fm_dataset_destroy(data);
    fm_model_destroy(model);
    return status;
}

static void memory_may_run_out(void **state)
{
    assert_true(fail_each_allocation(*state, map_everything, NULL) > 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(pca_finds_a_line),
        fixture_test(pca_equals_numpy),
        fixture_test(pca_by_iteration_equals_rotations),
        fixture_test(pca_without_a_matrix_finds_eigenvectors),
        fixture_test(rows_have_their_perplexity),
        fixture_test(affinities_equal_numpy),
        fixture_test(sparse_affinities_are_symmetric),
        fixture_test(the_gradient_equals_numpy_and_differences),
        fixture_test(the_tree_adds_up),
        fixture_test(clusters_stay_apart),
        fixture_test(maps_have_the_same_bits),
        fixture_test(the_watch_may_stop),
        fixture_test(agreement_counts_neighbours),
        fixture_test(features_are_what_the_head_reads),
        fixture_test(pooling_leaves_padding_out),
        fixture_test(mistakes_are_told),
        fixture_test(missing_layers_are_told),
        fixture_test(memory_may_run_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
