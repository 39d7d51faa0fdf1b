/* The zoo: parameters and multiply-accumulates as published, options, heads, mistakes. */
#include "support/graphs.h"

#include "fathom/loss.h"
#include "fathom/ops.h"
#include "fathom/zoo.h"

/* Sources
 *  torchvision  the table of its weights: num_params, and _ops in 10^9 with three decimals
 *  keras        trainable weights of keras.applications
 *  caffe        the models of its zoo: their weights; Sze et al. 2017, table II for AlexNet's macs
 *  drn          the authors' program (fyu/drn), which has 1,049,600 more in drn_c_58 that nothing
 *               reads; the paper's table 1 in millions
 *  cifar        He et al. 2015, table 6, in millions with two decimals
 *  own          counted by hand from the paper's figure, as nobody says it */
static const struct {
    const char *name;
    int64_t parameters;
    double giga_macs; /* 0: not published */
    const char *source;
} published[] = {
    {"lenet5", 61706, 0, "own: 156 + 2,416 + 48,120 + 10,164 + 850"},
    {"alexnet", 60965224, 0.724, "caffe"},
    {"alexnet_single_column", 61100840, 0.714, "torchvision"},
    {"vgg11", 132863336, 7.609, "torchvision"},
    {"vgg13", 133047848, 11.308, "torchvision"},
    {"vgg16", 138357544, 15.470, "torchvision"},
    {"vgg19", 143667240, 19.632, "torchvision"},
    {"vgg11_bn", 132868840, 7.609, "torchvision"},
    {"vgg13_bn", 133053736, 11.308, "torchvision"},
    {"vgg16_bn", 138365992, 15.470, "torchvision"},
    {"vgg19_bn", 143678248, 19.632, "torchvision"},
    {"googlenet", 13004888, 1.498, "torchvision: 6,624,904, and both heads"},
    {"googlenet_2014", 13378280, 0, "caffe: 6,998,552, and both heads"},
    {"resnet18", 11689512, 1.814, "torchvision"},
    {"resnet34", 21797672, 3.664, "torchvision"},
    {"resnet50", 25557032, 4.089, "torchvision"},
    {"resnet101", 44549160, 7.801, "torchvision"},
    {"resnet152", 60192808, 11.514, "torchvision"},
    {"resnet20", 269722, 0, "cifar: 0.27"},
    {"resnet32", 464154, 0, "cifar: 0.46"},
    {"resnet44", 658586, 0, "cifar: 0.66"},
    {"resnet56", 853018, 0, "cifar: 0.85"},
    {"resnet110", 1727962, 0, "cifar: 1.7"},
    {"resnet50_v2", 25568360, 0, "keras"},
    {"resnet101_v2", 44577896, 0, "keras"},
    {"resnet152_v2", 60236904, 0, "keras"},
    {"resnet164_v2", 1703258, 0, "He et al. 2016, table 4: 1.7 million"},
    {"drn_a_50", 25557032, 0, "drn"},
    {"drn_c_26", 21126584, 0, "drn"},
    {"drn_c_42", 31234744, 0, "drn"},
    {"drn_c_58", 40542008, 0, "drn: 41,591,608 with what nothing reads"},
    {"drn_d_22", 16393752, 0, "drn"},
    {"drn_d_38", 26501912, 0, "drn"},
    {"drn_d_54", 35809176, 0, "drn"},
    {"drn_d_105", 54801304, 0, "drn"},
    {"mobilenet", 4231976, 0.569, "keras; Howard et al. 2017, table 4"},
    {"mobilenet_v2", 3504872, 0.301, "torchvision"},
    {"densenet121", 7978856, 2.834, "torchvision"},
    {"densenet161", 28681000, 7.728, "torchvision"},
    {"densenet169", 14149480, 3.360, "torchvision"},
    {"densenet201", 20013928, 4.291, "torchvision"},
    {"squeezenet", 1248424, 0.819, "torchvision"},
    {"squeezenet1_1", 1235496, 0.349, "torchvision"},
    {"unet", 31030658, 0, "own, from figure 1"},
};
enum { PUBLISHED = sizeof published / sizeof published[0] };

typedef struct request {
    const char *name;
    const fm_zoo_options *options;
} request;

static fm_val build(fm_graph *g, fm_val x, void *argument)
{
    const request *r = argument;
    return fm_zoo_with(g, r->name, x, r->options);
}

typedef struct totals {
    int64_t parameters;
    double macs;
} totals;

static totals count(fixture *f, const char *name, const fm_zoo_options *options, fm_shape input)
{
    fm_layer_row *rows;
    int row_count;
    totals sum = {0};
    assert_ok(f->context, fm_layers_describe(f->context, build, &(request){name, options}, input,
                                             FM_F32, &rows, &row_count));
    for (int i = 0; i < row_count; i++) {
        sum.parameters += rows[i].parameters;
        sum.macs += rows[i].macs;
    }
    fm_layers_release(f->context, rows);
    return sum;
}

static fm_shape input_of(const fm_zoo_record *record)
{
    return FM_SHAPE(record->height, record->height, record->channels);
}

static void counts_are_those_published(void **state)
{
    for (int i = 0; i < PUBLISHED; i++) {
        const fm_zoo_record *record = fm_zoo_at(i);
        assert_non_null(record);
        assert_string_equal(record->name, published[i].name);
        totals sum = count(*state, record->name, NULL, input_of(record));
        if (sum.parameters != published[i].parameters) {
            fail_msg("%s: %lld parameters, published %lld (%s)", record->name,
                     (long long)sum.parameters, (long long)published[i].parameters,
                     published[i].source);
        }
        double macs = published[i].giga_macs;
        if (macs > 0 && fabs(sum.macs / 1e9 - macs) > 0.00051) {
            fail_msg("%s: %.0f multiply-accumulates, published %.3f e9 (%s)", record->name,
                     sum.macs, macs, published[i].source);
        }
        assert_int_equal(record->parameters, sum.parameters);
        assert_near(record->macs, sum.macs, 0);
    }
    assert_null(fm_zoo_at(PUBLISHED));
}

static void options_change_networks(void **state)
{
    fixture *f = *state;
    fm_shape image = FM_SHAPE(224, 224, 3);
    /* the head has 2048 x 10 + 10 instead of 2048 x 1000 + 1000 */
    assert_int_equal(count(f, "resnet50", &(fm_zoo_options){.classes = 10}, image).parameters,
                     25557032 - 2049000 + 20490);
    assert_int_equal(
        count(f, "googlenet", &(fm_zoo_options){.no_auxiliary = true}, image).parameters, 6624904);
    assert_int_equal(
        count(f, "googlenet_2014", &(fm_zoo_options){.no_auxiliary = true}, image).parameters,
        6998552);
    /* torchvision's mobilenet_v2(width_mult=0.5); Howard et al. 2017, table 6: 1.3 million */
    assert_int_equal(count(f, "mobilenet_v2", &(fm_zoo_options){.width = 0.5}, image).parameters,
                     1968680);
    assert_int_equal(count(f, "mobilenet", &(fm_zoo_options){.width = 0.5}, image).parameters,
                     1331592);
    assert_int_equal(count(f, "unet", &(fm_zoo_options){.width = 0.125, .depth = 2, .classes = 11},
                           FM_SHAPE(28, 28))
                         .parameters,
                     29411);
}

static void small_images_do(void **state)
{
    for (int i = 0; fm_zoo_at(i); i++) {
        const fm_zoo_record *record = fm_zoo_at(i);
        fixture *f = *state;
        fm_graph *g = graph_for(f, FM_TRAIN);
        fm_val x = fm_input(g, "x", FM_F64, FM_SHAPE(2, 64, 64, 2));
        fm_val y = fm_zoo(g, record->name, x, .classes = 7);
        assert_ok(f->context, fm_graph_status(g));
        fm_shape shape = fm_val_shape(g, y);
        assert_int_equal(shape.rank, strcmp(record->name, "unet") == 0 ? 4 : 2);
        assert_int_equal(shape.dims[shape.rank - 1], 7);
        fm_graph_destroy(g);
    }
}

/* The last gamma of each block starts at 0, so a block starts as the ReLU of its shortcut. */
static void blocks_start_as_the_identity(void **state)
{
    fixture *f = *state;
    fm_graph *g = graph_for(f, FM_PREDICT);
    fm_store *store = store_with_seed(f, 1);
    fm_val x = fm_input(g, "x", FM_F64, FM_SHAPE(1, 8, 8, 3));
    fm_output(g, "y", fm_zoo(g, "resnet20", x, .zero_init_residual = true));
    fm_program *program = compile_graph(f, store, g);
    double gamma[16];
    read_variable(f, store, "body/layer1/0/bn2/gamma", gamma);
    assert_near(gamma[0], 0, 0);
    read_variable(f, store, "body/layer1/0/bn1/gamma", gamma);
    assert_near(gamma[0], 1, 0);
    fm_program_destroy(program);
    fm_store_destroy(store);
}

static void heads_are_for_training(void **state)
{
    fixture *f = *state;
    for (int mode = FM_PREDICT; mode <= FM_TRAIN; mode++) {
        fm_graph *g = graph_for(f, (fm_mode)mode);
        double weight = 0;
        fm_val y = fm_zoo(g, "googlenet", fm_input(g, "x", FM_F64, FM_SHAPE(2, 64, 64, 3)));
        for (int i = 0; i < 2 && mode == FM_TRAIN; i++) {
            fm_val head = fm_graph_auxiliary(g, i, &weight);
            assert_near(weight, 0.3, 1e-15);
            assert_true(fm_shape_equal(fm_val_shape(g, head), fm_val_shape(g, y)));
        }
        assert_int_equal(fm_graph_auxiliary(g, mode == FM_TRAIN ? 2 : 0, &weight).id, 0);
        assert_ok(f->context, fm_graph_status(g));
        fm_graph_destroy(g);
    }
}

static void mistakes_are_worded(void **state)
{
    fixture *f = *state;
    fm_graph *g = graph_for(f, FM_TRAIN);
    fm_zoo(g, "resnet51", fm_input(g, "x", FM_F64, FM_SHAPE(1, 32, 32, 3)));
    assert_mistake(f, g, FM_ERROR_ARGUMENT, "the zoo has no 'resnet51'; did you mean 'resnet50'?");
    g = graph_for(f, FM_TRAIN);
    fm_zoo(g, "unet", fm_input(g, "x", FM_F64, FM_SHAPE(1, 28, 28)));
    assert_mistake(
        f, g, FM_ERROR_SHAPE,
        "body: unet: height and width are halved 4 times, so that they must be "
        "multiples of 16: received (1, 28, 28, 1); a smaller depth or another size fits");
    g = graph_for(f, FM_TRAIN);
    fm_zoo(g, "mobilenet", fm_input(g, "x", FM_F64, FM_SHAPE(1, 32, 32, 3)), .width = -1);
    assert_mistake(f, g, FM_ERROR_ARGUMENT,
                   "mobilenet: width must lie between 0.001 and 100, received -1");
    g = graph_for(f, FM_TRAIN);
    fm_zoo(g, "vgg16", fm_input(g, "x", FM_F64, FM_SHAPE(1, 16, 16, 3)));
    assert_mistake(f, g, FM_ERROR_SHAPE,
                   "body/block5/max_pooling2d: the window covers 2 positions of axis 1, the input "
                   "has 1 there: received (1, 1, 1, 512); a smaller window or `padding: same` "
                   "fits");
}

static fm_status describe(fm_context *context, void *argument)
{
    fm_layer_row *rows;
    int row_count;
    fm_status status = fm_layers_describe(context, build, argument, FM_SHAPE(32, 32, 3), FM_F32,
                                          &rows, &row_count);
    fm_layers_release(context, rows);
    return status;
}

static void each_allocation_may_fail(void **state)
{
    assert_true(fail_each_allocation(*state, describe, &(request){"squeezenet", NULL}) > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(counts_are_those_published),
        fixture_test(options_change_networks),
        fixture_test(small_images_do),
        fixture_test(blocks_start_as_the_identity),
        fixture_test(heads_are_for_training),
        fixture_test(mistakes_are_worded),
        fixture_test(each_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
