/* Maps of attention are the weights that the model itself used. */
#include "support/fixture.h"
#include "fathom/explain.h"
#include "fathom/nn.h"
#include "fathom/nn_attention.h"
#include "fathom/ops.h"

enum { TIME = 7, WIDTH = 6, HEADS = 2, DIM = WIDTH / HEADS, TOKENS = 9 };

typedef struct shape_of_model {
    bool causal, mask, cross;
} shape_of_model;

/* Tokens, 0 is padding: two attentions, the second grouped;
 * or a sequence that looks at half of itself. */
static fm_val network(fm_graph *g, fm_val x, void *argument)
{
    const shape_of_model *o = argument;
    const fm_initializer normal = fm_random_normal_initializer(0, 1);
    x = fm_embedding(g, x, .input_dim = TOKENS, .output_dim = WIDTH, .mask_zero = o->mask,
                     .embeddings_initializer = normal);
    if (o->cross) {
        fm_val half = fm_slice(g, x, 1, 0, TIME / 2);
        x = fm_multi_head_attention(g, ((fm_val[]){x, half}), 2, .name = "cross",
                                    .num_heads = HEADS);
    } else {
        x = fm_multi_head_attention(g, &x, 1, .name = "first", .num_heads = HEADS,
                                    .causal = o->causal, .kernel_initializer = normal);
        x = fm_transformer_encoder(g, x, .name = "block", .intermediate_dim = 5, .num_heads = HEADS,
                                   .num_key_value_heads = 1, .causal = o->causal, .dropout = 0.4);
    }
    return fm_dense(g, fm_flatten(g, x), .units = 2);
}

static fm_model *model_of(fixture *f, shape_of_model *o)
{
    fm_model *model;
    assert_ok(f->context,
              fm_model_create(f->context,
                              &(fm_model_options){.build = network,
                                                  .argument = o,
                                                  .input_shape = FM_SHAPE(TIME),
                                                  .input_dtype = FM_I32,
                                                  .dtype = FM_F64,
                                                  .loss = FM_SPARSE_CATEGORICAL_CROSSENTROPY,
                                                  .seed = 4},
                              &model));
    return model;
}

static const int32_t sample[TIME] = {3, 8, 1, 1, 5, 0, 0};

static double weight(const fm_attention_map *map, int64_t head, int64_t query, int64_t key)
{
    return map->weights[(head * map->queries + query) * map->keys + key];
}

static void check_rows(const fm_attention_map *map, bool masked)
{
    for (int64_t h = 0; h < map->heads; h++) {
        for (int64_t q = 0; q < map->queries; q++) {
            double sum = 0;
            for (int64_t k = 0; k < map->keys; k++) {
                double w = weight(map, h, q, k);
                assert_true(w >= 0);
                if (map->causal && k > q) assert_true(w == 0);
                if (masked && sample[k] == 0) assert_true(w == 0);
                sum += w;
            }
            assert_near(sum, 1, 1e-12);
        }
    }
}

static void rows_add_up_and_see_what_they_may(void **state)
{
    fixture *f = *state;
    for (int k = 0; k < 4; k++) {
        shape_of_model o = {.causal = k & 1, .mask = k & 2};
        fm_model *model = model_of(f, &o);
        fm_explainer *explainer;
        const fm_attention_map *maps;
        int count;
        assert_ok(f->context, fm_explainer_create(model, NULL, &explainer));
        assert_ok(f->context, fm_explain_attention(explainer, sample, &maps, &count));
        assert_int_equal(count, 2);
        assert_string_equal(maps[0].layer, "first");
        assert_string_equal(maps[1].layer, "block/self_attention");
        for (int i = 0; i < count; i++) {
            assert_int_equal(maps[i].heads, HEADS);
            assert_int_equal(maps[i].queries, TIME);
            assert_int_equal(maps[i].keys, TIME);
            assert_true(maps[i].causal == o.causal);
            check_rows(&maps[i], o.mask);
        }
        assert_true(fabs(weight(&maps[0], 0, 2, 0) - weight(&maps[0], 1, 2, 0)) > 1e-3);
        fm_explainer_destroy(explainer);
        fm_model_destroy(model);
    }
}

static void sequences_look_at_others(void **state)
{
    fixture *f = *state;
    shape_of_model o = {.cross = true};
    fm_model *model = model_of(f, &o);
    fm_explainer *explainer;
    const fm_attention_map *maps;
    int count;
    assert_ok(f->context, fm_explainer_create(model, NULL, &explainer));
    assert_ok(f->context, fm_explain_attention(explainer, sample, &maps, &count));
    assert_int_equal(count, 1);
    assert_int_equal(maps[0].queries, TIME);
    assert_int_equal(maps[0].keys, TIME / 2);
    check_rows(&maps[0], false);
    fm_explainer_destroy(explainer);
    fm_model_destroy(model);
}

static double *read_variable(fixture *f, fm_model *model, const char *path, double *elements)
{
    int index = fm_store_find(fm_model_store(model), path);
    if (index < 0) fail_msg("no variable %s", path);
    assert_ok(f->context, fm_store_read(fm_model_store(model), index, elements));
    return elements;
}

/* softmax(q k^T / sqrt(dim)) by hand, from the model's variables. */
static void weights_are_those_of_the_softmax(void **state)
{
    fixture *f = *state;
    shape_of_model o = {0};
    fm_model *model = model_of(f, &o);
    fm_explainer *explainer;
    const fm_attention_map *maps;
    int count;
    double table[TOKENS * WIDTH], kernel[WIDTH * 3 * WIDTH], qk[TIME][2 * WIDTH];
    assert_ok(f->context, fm_explainer_create(model, NULL, &explainer));
    assert_ok(f->context, fm_explain_attention(explainer, sample, &maps, &count));
    read_variable(f, model, "embedding/embeddings", table);
    read_variable(f, model, "first/qkv/kernel", kernel); /* its bias is zero */
    for (int t = 0; t < TIME; t++) {
        for (int c = 0; c < 2 * WIDTH; c++) {
            qk[t][c] = 0;
            for (int i = 0; i < WIDTH; i++) {
                qk[t][c] += table[sample[t] * WIDTH + i] * kernel[i * 3 * WIDTH + c];
            }
        }
    }
    for (int h = 0; h < HEADS; h++) {
        for (int q = 0; q < TIME; q++) {
            double scores[TIME], sum = 0;
            for (int k = 0; k < TIME; k++) {
                scores[k] = 0;
                for (int i = 0; i < DIM; i++) {
                    scores[k] += qk[q][h * DIM + i] * qk[k][WIDTH + h * DIM + i];
                }
                scores[k] = exp(scores[k] / sqrt(DIM));
                sum += scores[k];
            }
            for (int k = 0; k < TIME; k++) {
                assert_near(weight(&maps[0], h, q, k), scores[k] / sum, 1e-12);
            }
        }
    }
    fm_explainer_destroy(explainer);
    fm_model_destroy(model);
}

static fm_val plain(fm_graph *g, fm_val x, void *argument)
{
    (void)argument;
    return fm_dense(g, x, .units = 2);
}

static void a_model_without_attention_is_told(void **state)
{
    fixture *f = *state;
    fm_model *model;
    fm_explainer *explainer;
    const fm_attention_map *maps;
    int count;
    const float x[3] = {0};
    assert_ok(f->context, fm_model_create(f->context,
                                          &(fm_model_options){.build = plain,
                                                              .input_shape = FM_SHAPE(3),
                                                              .loss = FM_MEAN_SQUARED_ERROR},
                                          &model));
    assert_ok(f->context, fm_explainer_create(model, NULL, &explainer));
    assert_fails(f->context, FM_ERROR_UNSUPPORTED,
                 "attention: the model has no layer with attention; the layers are dense (2)",
                 fm_explain_attention(explainer, x, &maps, &count));
    assert_null(maps);
    assert_int_equal(count, 0);
    fm_explainer_destroy(explainer);
    fm_model_destroy(model);
}

static fm_status explain_all(fm_context *context, void *argument)
{
    fm_model *model;
    fm_explainer *explainer = NULL;
    const fm_attention_map *maps;
    int count;
    fm_status status =
        fm_model_create(context,
                        &(fm_model_options){.build = network,
                                            .argument = argument,
                                            .input_shape = FM_SHAPE(TIME),
                                            .input_dtype = FM_I32,
                                            .loss = FM_SPARSE_CATEGORICAL_CROSSENTROPY},
                        &model);
    if (status != FM_OK) return status;
    status = fm_explainer_create(model, NULL, &explainer);
    for (int i = 0; i < 2 && status == FM_OK; i++) {
        status = fm_explain_attention(explainer, sample, &maps, &count);
    }
    fm_explainer_destroy(explainer);
    fm_model_destroy(model);
    return status;
}

static void memory_may_run_out(void **state)
{
    shape_of_model o = {.causal = true, .mask = true};
    assert_true(fail_each_allocation(*state, explain_all, &o) > 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(rows_add_up_and_see_what_they_may),
        fixture_test(sequences_look_at_others),
        fixture_test(weights_are_those_of_the_softmax),
        fixture_test(a_model_without_attention_is_told),
        fixture_test(memory_may_run_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
