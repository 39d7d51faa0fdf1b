/* Layers over space: variables, shapes, modes, mistakes in words. Values:
 * vision_layer_golden_test. */
#include "support/graphs.h"

#include "fathom/nn_recurrent.h"
#include "fathom/nn_vision.h"
#include "fathom/ops.h"

static fm_val input(fm_graph *g, fm_shape shape)
{
    return fm_input(g, "x", FM_F64, shape);
}

static void assert_shape(const fm_graph *g, fm_val value, fm_shape shape)
{
    char received[FM_SHAPE_TEXT], wanted[FM_SHAPE_TEXT];
    assert_string_equal(fm_shape_text(fm_val_shape(g, value), received),
                        fm_shape_text(shape, wanted));
}

static void variables_have_names_and_shapes(void **state)
{
    fixture *f = *state;
    fm_graph *g = graph_for(f, FM_TRAIN);
    fm_val x = input(g, FM_SHAPE(2, 16, 12, 6));
    x = fm_conv2d(g, x, .filters = 8, .kernel_size = {2, {3, 5}}, .groups = 2);
    assert_shape(g, x, FM_SHAPE(2, 14, 8, 8));
    x = fm_batch_normalization(g, x);
    x = fm_depthwise_conv2d(g, x, .kernel_size = {1, {3}}, .depth_multiplier = 2, .no_bias = true);
    assert_shape(g, x, FM_SHAPE(2, 12, 6, 16));
    x = fm_separable_conv2d(g, x, .filters = 4, .kernel_size = {1, {3}}, .name = "sep");
    x = fm_conv2d_transpose(g, x, .filters = 3, .kernel_size = {1, {4}}, .strides = {1, {2}});
    assert_shape(g, x, FM_SHAPE(2, 22, 10, 3));
    x = fm_squeeze_excite(g, x, .ratio = 16);
    fm_layer_normalization(g, x, .no_center = true);
    static const struct {
        const char *path, *shape;
        bool trainable;
    } expected[] = {{"conv2d/kernel", "(3, 5, 3, 8)", true},
                    {"conv2d/bias", "(8)", true},
                    {"batch_normalization/gamma", "(8)", true},
                    {"batch_normalization/beta", "(8)", true},
                    {"batch_normalization/moving_mean", "(8)", false},
                    {"batch_normalization/moving_variance", "(8)", false},
                    {"depthwise_conv2d/kernel", "(3, 3, 1, 16)", true},
                    {"sep/depthwise_kernel", "(3, 3, 1, 16)", true},
                    {"sep/pointwise_kernel", "(1, 1, 16, 4)", true},
                    {"sep/bias", "(4)", true},
                    {"conv2d_transpose/kernel", "(4, 4, 3, 4)", true},
                    {"conv2d_transpose/bias", "(3)", true},
                    {"squeeze_excite/reduce/kernel", "(3, 1)", true},
                    {"squeeze_excite/reduce/bias", "(1)", true},
                    {"squeeze_excite/expand/kernel", "(1, 3)", true},
                    {"squeeze_excite/expand/bias", "(3)", true},
                    {"layer_normalization/gamma", "(3)", true}};
    enum { COUNT = sizeof expected / sizeof expected[0] };
    assert_ok(f->context, fm_graph_status(g));
    for (int i = 0; i < COUNT; i++) {
        fm_val v = fm_graph_variable(g, i);
        assert_string_equal(fm_val_name(g, v), expected[i].path);
        assert_string_equal(fm_shape_text(fm_val_shape(g, v), (char[FM_SHAPE_TEXT]){0}),
                            expected[i].shape);
        assert_int_equal(fm_val_trainable(g, v), expected[i].trainable);
    }
    assert_int_equal(fm_graph_variable(g, COUNT).id, 0);
    fm_graph_destroy(g);
}

static void modes_matter(void **state)
{
    fixture *f = *state;
    for (int mode = FM_PREDICT; mode <= FM_TRAIN; mode++) {
        fm_graph *g = graph_for(f, (fm_mode)mode);
        fm_val x = input(g, FM_SHAPE(2, 4, 4, 3));
        assert_int_equal(fm_spatial_dropout(g, x, .rate = 0.5).id == x.id, mode != FM_TRAIN);
        assert_ok(f->context, fm_graph_status(g));
        fm_graph_destroy(g);
    }
}

/* A channel of a sample is dropped whole. */
static void spatial_dropout_drops_channels(void **state)
{
    enum { ROWS = 50, SPACE = 6, CHANNELS = 8 };
    fixture *f = *state;
    fm_graph *g = graph_for(f, FM_TRAIN);
    fm_store *store = store_with_seed(f, 3);
    fm_val x = fm_full(g, FM_SHAPE(ROWS, 2, 3, CHANNELS), 1);
    fm_output(g, "y", fm_spatial_dropout(g, x, .rate = 0.25));
    fm_program *program = compile_graph(f, store, g);
    assert_ok(f->context, fm_program_run(program));
    const double *y = fm_program_output(program, "y");
    int dropped = 0;
    for (int n = 0; n < ROWS; n++) {
        for (int c = 0; c < CHANNELS; c++) {
            double value = y[n * SPACE * CHANNELS + c];
            assert_true(value == 0 || fabs(value - 1 / 0.75) < 1e-14);
            dropped += value == 0;
            for (int s = 1; s < SPACE; s++) {
                assert_near(y[(n * SPACE + s) * CHANNELS + c], value, 0);
            }
        }
    }
    assert_true(dropped > 60 && dropped < 140); /* of 400 */
    fm_program_destroy(program);
    fm_store_destroy(store);
}

/* Frozen statistics stay, and are what the layer uses. */
static void frozen_statistics_stay(void **state)
{
    fixture *f = *state;
    fm_graph *g;
    fm_store *store = store_with_seed(f, 1);
    assert_ok(f->context,
              fm_graph_create(
                  f->context,
                  &(fm_graph_options){.mode = FM_TRAIN, .dtype = FM_F64, .freeze = "bn/*"}, &g));
    fm_output(
        g, "y",
        fm_batch_normalization(g, input(g, FM_SHAPE(4, 1)), .name = "bn", .epsilon = FM_ZERO));
    fm_program *program = compile_graph(f, store, g);
    const double x[4] = {1, 2, 3, 10};
    feed(program, "x", x, 4);
    for (int run = 0; run < 2; run++) assert_ok(f->context, fm_program_run(program));
    const double *y = fm_program_output(program, "y");
    for (int i = 0; i < 4; i++) assert_near(y[i], x[i], 1e-14);
    double mean;
    read_variable(f, store, "bn/moving_mean", &mean);
    assert_near(mean, 0, 0);
    fm_program_destroy(program);
    fm_store_destroy(store);
}

/* ---- mistakes -------------------------------------------------------------------------------- */

static void no_channels(fm_graph *g)
{
    fm_conv2d(g, input(g, FM_SHAPE(32, 28, 28)), .filters = 8, .kernel_size = {1, {3}});
}

static void flat(fm_graph *g)
{
    fm_max_pooling2d(g, input(g, FM_SHAPE(32, 784)));
}

static void any_rank(fm_graph *g)
{
    fm_global_average_pooling(g, input(g, FM_SHAPE(32, 784)));
}

static void large_kernel(fm_graph *g)
{
    fm_conv2d(g, input(g, FM_SHAPE(1, 9, 5, 3)), .filters = 8, .kernel_size = {1, {3}},
              .dilation_rate = {1, {3}}, .name = "wide");
}

static void large_pool(fm_graph *g)
{
    fm_max_pooling1d(g, input(g, FM_SHAPE(1, 1, 3)));
}

static void no_kernel(fm_graph *g)
{
    fm_conv2d(g, input(g, FM_SHAPE(1, 9, 5, 3)), .filters = 8);
}

static void odd_groups(fm_graph *g)
{
    fm_conv2d(g, input(g, FM_SHAPE(1, 9, 5, 6)), .filters = 8, .kernel_size = {1, {1}},
              .groups = 3);
}

static void long_list(fm_graph *g)
{
    fm_conv2d(g, input(g, FM_SHAPE(1, 9, 5, 6)), .filters = 8, .kernel_size = {3, {1, 1, 1}});
}

static void odd_sides(fm_graph *g)
{
    fm_zero_padding(g, input(g, FM_SHAPE(1, 9, 5, 6)), .padding = {3, {1, 1, 1}});
}

static void two_paddings(fm_graph *g)
{
    fm_conv2d(g, input(g, FM_SHAPE(1, 9, 5, 6)), .filters = 8, .kernel_size = {1, {1}},
              .padding = FM_PADDING_SAME, .pad = {1, {1}});
}

static void flat_causal(fm_graph *g)
{
    fm_conv2d(g, input(g, FM_SHAPE(1, 9, 5, 6)), .filters = 8, .kernel_size = {1, {1}},
              .padding = FM_PADDING_CAUSAL);
}

static void causal_pool(fm_graph *g)
{
    fm_max_pooling1d(g, input(g, FM_SHAPE(1, 9, 3)), .padding = FM_PADDING_CAUSAL);
}

static void long_output_padding(fm_graph *g)
{
    fm_conv2d_transpose(g, input(g, FM_SHAPE(1, 9, 5, 6)), .filters = 8, .kernel_size = {1, {3}},
                        .strides = {1, {2}}, .output_padding = {1, {2}});
}

static void nothing_left(fm_graph *g)
{
    fm_conv1d_transpose(g, input(g, FM_SHAPE(1, 1, 6)), .filters = 8, .kernel_size = {1, {3}},
                        .pad = {1, {2}});
}

static void up_adaptive(fm_graph *g)
{
    fm_adaptive_max_pooling(g, input(g, FM_SHAPE(1, 9, 5, 6)), .output_size = {1, {7}});
}

static void wrong_group_norm(fm_graph *g)
{
    fm_group_normalization(g, input(g, FM_SHAPE(1, 9, 5, 6)));
}

static void wrong_axis(fm_graph *g)
{
    fm_layer_normalization(g, input(g, FM_SHAPE(1, 9, 5, 6)), .axis = {1, {1}});
}

static void far_reflection(fm_graph *g)
{
    fm_reflect_padding(g, input(g, FM_SHAPE(1, 3, 6)), .padding = {1, {3}});
}

static void all_cropped(fm_graph *g)
{
    fm_cropping(g, input(g, FM_SHAPE(1, 3, 6)), .padding = {2, {1, 2}});
}

/* Sequences of 3, 1 and no real steps, and some padding that is not zero. */
static void padding_is_left_out(void **state)
{
    fixture *f = *state;
    fm_store *store = store_with_seed(f, 1);
    fm_graph *g = graph_for(f, FM_PREDICT);
    fm_val x = input(g, FM_SHAPE(3, 4, 1));
    fm_mask_set(g, x, fm_length_mask(g, fm_input(g, "lengths", FM_I32, FM_SHAPE(3)), 4));
    const fm_initializer ones = fm_ones();
    fm_val valid = fm_conv1d(g, x, .filters = 1, .kernel_size = {1, {2}}, .name = "valid",
                             .kernel_initializer = ones);
    fm_val same = fm_conv1d(g, x, .filters = 1, .kernel_size = {1, {3}}, .name = "same",
                            .padding = FM_PADDING_SAME, .kernel_initializer = ones);
    fm_output(g, "mean", fm_global_average_pooling(g, x));
    fm_output(g, "largest", fm_global_max_pooling(g, x));
    fm_output(g, "of images",
              fm_global_average_pooling(g, fm_reshape(g, x, .target_shape = {3, {4, 1, 1}})));
    fm_output(g, "valid", fm_add_scalar(g, fm_mask_of(g, valid), 0));
    fm_output(g, "same", same);
    assert_int_equal(fm_mask_of(g, same).id, fm_mask_of(g, x).id);
    fm_val strided = fm_max_pooling1d(g, x);
    fm_output(g, "strided", fm_add_scalar(g, fm_mask_of(g, strided), 0));
    fm_val padded = fm_conv1d(g, x, .filters = 1, .kernel_size = {1, {3}}, .strides = {1, {2}},
                              .padding = FM_PADDING_SAME);
    assert_int_equal(fm_mask_of(g, padded).id, 0);
    fm_program *program = compile_graph(f, store, g);
    static const double values[] = {-3, -1, -2, 5, 7, 5, 5, 5, 5, 5, 5, 5};
    static const struct {
        const char *name;
        int count;
        double values[12];
    } expected[] = {{"mean", 3, {-2, 7, 0}},
                    {"largest", 3, {-1, 7, 0}},
                    {"of images", 3, {-2, 7, 0}},
                    {"valid", 9, {1, 1, 0, 0, 0, 0, 0, 0, 0}},
                    {"strided", 6, {1, 0, 0, 0, 0, 0}},
                    {"same", 12, {-4, -6, -3, -2, 7, 7, 0, 0, 0, 0, 0, 0}}};
    feed(program, "x", values, 12);
    memcpy(fm_program_input(program, "lengths"), (int32_t[]){3, 1, 0}, 3 * sizeof(int32_t));
    assert_ok(f->context, fm_program_run(program));
    for (int k = 0; k < 6; k++) {
        const double *received = fm_program_output(program, expected[k].name);
        for (int i = 0; i < expected[k].count; i++) {
            assert_near(received[i], expected[k].values[i], 1e-12);
        }
    }
    fm_program_destroy(program);
    fm_store_destroy(store);
}

static void mistakes_are_worded(void **state)
{
    fixture *f = *state;
    const struct {
        void (*build)(fm_graph *g);
        fm_status status;
        const char *words;
    } cases[] = {
        {no_channels, FM_ERROR_SHAPE,
         "conv2d: the input must be (batch, height, width, channels), received (32, 28, 28); for "
         "one channel put `- reshape: [28, 28, 1]` in front"},
        {flat, FM_ERROR_SHAPE,
         "max_pooling2d: the input must be (batch, height, width, channels), received (32, 784)"},
        {any_rank, FM_ERROR_SHAPE,
         "global_average_pooling: the input must be (batch, spatial..., channels) with 1 to 3 "
         "spatial dimensions, received (32, 784)"},
        {large_kernel, FM_ERROR_SHAPE,
         "wide: the kernel covers 7 positions of axis 2, the input has 5 there: received (1, 9, 5, "
         "3); a smaller kernel or `padding: same` fits"},
        {large_pool, FM_ERROR_SHAPE,
         "max_pooling1d: the window covers 2 positions of axis 1, the input has 1 there: received "
         "(1, 1, 3); a smaller window or `padding: same` fits"},
        {no_kernel, FM_ERROR_ARGUMENT,
         "conv2d: kernel_size is needed: one number, or one for each spatial dimension (2)"},
        {odd_groups, FM_ERROR_SHAPE,
         "conv2d: groups 3 must divide the channels, 6, and the filters, 8: received (1, 9, 5, 6)"},
        {long_list, FM_ERROR_ARGUMENT,
         "conv2d: kernel_size must have one entry or 2, one for each spatial dimension; received "
         "3"},
        {odd_sides, FM_ERROR_ARGUMENT,
         "zero_padding: padding must have 1 entry, 2 (one for each spatial dimension) or 4 (before "
         "and behind each); received 3"},
        {two_paddings, FM_ERROR_ARGUMENT, "conv2d: give padding: same or numbers in pad, not both"},
        {flat_causal, FM_ERROR_ARGUMENT,
         "conv2d: padding: causal is for one spatial dimension, received (1, 9, 5, 6)"},
        {causal_pool, FM_ERROR_ARGUMENT, "max_pooling1d: padding: causal is for convolutions"},
        {long_output_padding, FM_ERROR_ARGUMENT,
         "conv2d_transpose: output_padding 2 must be smaller than the stride, 2"},
        {nothing_left, FM_ERROR_SHAPE,
         "conv1d_transpose: pad leaves no positions of axis 1: received (1, 1, 6)"},
        {up_adaptive, FM_ERROR_SHAPE,
         "adaptive_max_pooling: output_size 7 is larger than axis 2 of the input, received (1, 9, "
         "5, 6)"},
        {wrong_group_norm, FM_ERROR_SHAPE,
         "group_normalization: groups 32 must divide the channels, 6: received (1, 9, 5, 6)"},
        {wrong_axis, FM_ERROR_ARGUMENT,
         "layer_normalization: axis must list the last dimensions, without the batch, of (1, 9, 5, "
         "6)"},
        {far_reflection, FM_ERROR_SHAPE,
         "reflect_padding: a reflection reaches less far than axis 1 is long, padding 3 and 3: "
         "received (1, 3, 6)"},
        {all_cropped, FM_ERROR_SHAPE,
         "cropping: cropping 1 and 2 of axis 1 leaves nothing of (1, 3, 6)"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        fm_graph *g = graph_for(f, FM_TRAIN);
        cases[i].build(g);
        assert_mistake(f, g, cases[i].status, cases[i].words);
    }
}

static void build_all(fm_graph *g, const void *argument)
{
    (void)argument;
    fm_val x = fm_input(g, "x", FM_F64, FM_SHAPE(2, 6, 6, 4));
    x = fm_conv2d(g, x, .filters = 4, .kernel_size = {1, {3}}, .kernel_l2 = 0.1);
    x = fm_batch_normalization(g, fm_reflect_padding(g, x));
    x = fm_squeeze_excite(g, fm_spatial_dropout(g, x, .rate = 0.1));
    x = fm_group_normalization(g, fm_max_pooling2d(g, x), .groups = 2);
    x = fm_local_response_normalization(g, fm_up_sampling(g, x));
    fm_add_auxiliary(g, fm_global_average_pooling(g, x), 0.5);
}

static void each_allocation_may_fail(void **state)
{
    const graph_trial trial = {
        .build = build_all, .graph = {.mode = FM_TRAIN, .dtype = FM_F64}, .only_built = true};
    assert_true(fail_each_allocation_of(*state, &trial) > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(variables_have_names_and_shapes),
        fixture_test(modes_matter),
        fixture_test(spatial_dropout_drops_channels),
        fixture_test(frozen_statistics_stay),
        fixture_test(padding_is_left_out),
        fixture_test(mistakes_are_worded),
        fixture_test(each_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
