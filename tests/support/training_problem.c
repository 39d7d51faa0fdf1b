#include "support/training_problem.h"
#include "base/random.h"
#include "fathom/nn.h"

static fm_val network(fm_graph *g, fm_val x, void *argument)
{
    (void)argument;
    x = fm_dense(g, x, .units = 16, .activation = FM_RELU);
    x = fm_dropout(g, x, .rate = 0.2);
    return fm_dense(g, x, .units = PROBLEM_CLASSES);
}

fm_model_options problem_options(void)
{
    return (fm_model_options){.build = network,
                              .input_shape = FM_SHAPE(PROBLEM_INPUTS),
                              .loss = FM_SPARSE_CATEGORICAL_CROSSENTROPY,
                              .optimizer = {FM_ADAM, .learning_rate = 0.01},
                              .metrics = {{.metric = FM_ACCURACY}, {.metric = FM_AUC}},
                              .metric_count = 2,
                              .seed = 1};
}

fm_status problem_model(fm_context *context, fm_model **model)
{
    fm_model_options options = problem_options();
    return fm_model_create(context, &options, model);
}

fm_status problem_data(fm_context *context, int64_t seed, fm_dataset **data)
{
    static const float centres[PROBLEM_CLASSES][PROBLEM_INPUTS] = {
        {1, 0, -1, 0.5f}, {-1, 1, 0, 0}, {0, -1, 1, -0.5f}};
    float x[PROBLEM_SAMPLES][PROBLEM_INPUTS];
    int32_t y[PROBLEM_SAMPLES];
    fm_random random = fm_random_at((uint64_t)seed, 0, 0);
    for (int i = 0; i < PROBLEM_SAMPLES; i++) {
        y[i] = (int32_t)fm_random_below(&random, PROBLEM_CLASSES);
        for (int k = 0; k < PROBLEM_INPUTS; k++) {
            x[i][k] = centres[y[i]][k] + 0.7f * (float)fm_random_normal(&random);
        }
    }
    const fm_dataset_info info = {
        .name = "clouds",
        .count = PROBLEM_SAMPLES,
        .field_count = 2,
        .fields = {{"x", FM_F32, FM_SHAPE(PROBLEM_INPUTS), NULL}, {"y", FM_I32, FM_SHAPE(), NULL}}};
    return fm_dataset_from_arrays(context, &info, (const void *const[]){x, y}, false, data);
}

static uint64_t mix(uint64_t hash, const void *bytes, size_t size)
{
    const unsigned char *byte = bytes;
    for (size_t i = 0; i < size; i++) hash = (hash ^ byte[i]) * 0x100000001b3u;
    return hash;
}

/* Sums of hashes: the order in the store does not matter. */
uint64_t problem_digest(fm_model *model)
{
    fm_store *store = fm_model_store(model);
    uint64_t digest = 0;
    for (int i = 0; i < fm_store_count(store); i++) {
        fm_variable_info info = fm_store_info(store, i);
        size_t bytes = (size_t)fm_shape_bytes(info.shape, info.dtype);
        void *elements = malloc(bytes + 1);
        assert_non_null(elements);
        assert_int_equal(fm_store_read(store, i, elements), FM_OK);
        uint64_t hash = mix(0xcbf29ce484222325u, info.path, strlen(info.path));
        digest += mix(hash, elements, bytes);
        free(elements);
    }
    return digest;
}

static void assert_same_scores(const fm_scores *a, const fm_scores *b, int metrics)
{
    assert_int_equal(a->samples, b->samples);
    assert_memory_equal(&a->loss, &b->loss, sizeof a->loss);
    assert_memory_equal(a->metrics, b->metrics, (size_t)metrics * sizeof(double));
}

void assert_same_history(const fm_history *a, const fm_history *b, int metrics)
{
    assert_int_equal(a->count, b->count);
    assert_int_equal(a->best_epoch, b->best_epoch);
    for (int64_t i = 0; i < a->count; i++) {
        assert_int_equal(a->epochs[i].epoch, b->epochs[i].epoch);
        assert_same_scores(&a->epochs[i].train, &b->epochs[i].train, metrics);
        assert_same_scores(&a->epochs[i].validation, &b->epochs[i].validation, metrics);
        assert_memory_equal(&a->epochs[i].learning_rate, &b->epochs[i].learning_rate,
                            sizeof(double));
    }
}
