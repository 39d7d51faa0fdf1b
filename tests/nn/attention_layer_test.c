/* Embeddings, positions, attention and blocks: streams against whole sequences, padding, shared
 * weights, the fused ops against their definition, what mistakes say. */
#include "support/graphs.h"
#include "fathom/attention_ops.h"
#include "fathom/nn_attention.h"
#include "fathom/nn_vision.h"
#include "fathom/ops.h"
#include "fathom/program.h"

enum { TIME = 11, BATCH = 2, TOKENS = 7, WIDTH = 8 };

static fm_graph *open_graph(fixture *f, fm_mode mode, int64_t stream)
{
    fm_graph *g;
    fm_graph_options options = {.mode = mode, .stream_length = stream};
    assert_ok(f->context, fm_graph_create(f->context, &options, &g));
    return g;
}

static fm_program *compile(fixture *f, fm_store *store, const fm_graph *g)
{
    fm_program *program;
    assert_ok(f->context, fm_graph_status(g));
    assert_ok(f->context, fm_program_create(store, g, NULL, &program));
    return program;
}

/* ---- streams --------------------------------------------------------------------------------- */

typedef struct language_options {
    int positions; /* fm_positions, or -1: none */
    bool rotary;
    int64_t key_heads;
    bool padded;      /* token 0 is padding */
    bool convolution; /* causal ones in front */
} language_options;

static fm_val language(fm_graph *g, fm_val tokens, const language_options *o)
{
    fm_val x = fm_embedding(g, tokens, .name = "tokens", .input_dim = TOKENS, .output_dim = WIDTH,
                            .mask_zero = o->padded,
                            .embeddings_initializer = fm_random_normal_initializer(0, 1));
    for (int i = 0; i < 2 && o->convolution; i++) {
        x = fm_conv1d(g, x, .filters = WIDTH, .kernel_size = {1, {3}},
                      .dilation_rate = {1, {1 + i}}, .padding = FM_PADDING_CAUSAL);
        x = fm_depthwise_conv1d(g, x, .kernel_size = {1, {2}}, .padding = FM_PADDING_CAUSAL);
    }
    if (o->positions >= 0) {
        x = fm_positional_encoding(g, x, .kind = o->positions, .max_length = TIME);
    }
    for (int i = 0; i < 2; i++) {
        x = fm_transformer_decoder(g, &x, 1, .intermediate_dim = 12, .num_heads = 4,
                                   .normalize_first = true, .rotary = o->rotary,
                                   .num_key_value_heads = o->key_heads,
                                   .activation = i ? FM_BLOCK_SWIGLU : FM_BLOCK_GELU);
    }
    return fm_reverse_embedding(g, fm_layer_normalization(g, x), .embedding = "tokens");
}

static void fill_tokens(int32_t *tokens)
{
    for (int i = 0; i < BATCH * TIME; i++) tokens[i] = (i * 5 + i / 3) % TOKENS;
}

/* The stream's results for pieces of `length` are those of the whole sequence,
 * twice after a reset. */
static void check_stream(fixture *f, const language_options *o, int length)
{
    fm_store *store;
    int32_t tokens[BATCH * TIME];
    fill_tokens(tokens);
    assert_ok(f->context, fm_store_create(f->context, 3, &store));
    fm_graph *whole = open_graph(f, FM_PREDICT, 0), *stream = open_graph(f, FM_PREDICT, TIME);
    fm_output(whole, "y", language(whole, fm_input(whole, "x", FM_I32, FM_SHAPE(BATCH, TIME)), o));
    fm_output(stream, "y",
              language(stream, fm_input(stream, "x", FM_I32, FM_SHAPE(BATCH, length)), o));
    fm_program *all = compile(f, store, whole), *pieces = compile(f, store, stream);
    memcpy(fm_program_input(all, "x"), tokens, sizeof tokens);
    assert_ok(f->context, fm_program_run(all));
    const float *expected = fm_program_output(all, "y");
    for (int round = 0; round < 2; round++) {
        for (int begin = 0; begin + length <= TIME; begin += length) {
            int32_t *x = fm_program_input(pieces, "x");
            for (int i = 0; i < BATCH * length; i++) {
                x[i] = tokens[i / length * TIME + begin + i % length];
            }
            assert_ok(f->context, fm_program_run(pieces));
            const float *y = fm_program_output(pieces, "y");
            for (int i = 0; i < BATCH * length * TOKENS; i++) {
                const int row = i / TOKENS, at = row / length * TIME + begin + row % length;
                assert_near(y[i], expected[at * TOKENS + i % TOKENS], 2e-5);
            }
        }
        assert_ok(f->context, fm_program_reset(pieces));
    }
    fm_program_destroy(all);
    fm_program_destroy(pieces);
    fm_graph_destroy(whole);
    fm_graph_destroy(stream);
    fm_store_destroy(store);
}

static void streams_equal_whole_sequences(void **state)
{
    static const language_options models[] = {{FM_POSITIONS_SINUSOIDAL, false, 0, false, false},
                                              {FM_POSITIONS_LEARNED, false, 2, false, false},
                                              {-1, true, 1, false, false},
                                              {FM_POSITIONS_SINUSOIDAL, false, 0, true, false},
                                              {-1, true, 2, true, true},
                                              {-1, false, 0, false, true}};
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        for (int length = 1; length <= 5; length += 2) check_stream(*state, &models[i], length);
    }
}

/* The last `room` entries stay, in order. */
static void a_full_cache_moves_on(void **state)
{
    fixture *f = *state;
    fm_store *store;
    fm_graph *g = open_graph(f, FM_PREDICT, 4);
    assert_ok(f->context, fm_store_create(f->context, 3, &store));
    fm_val x = fm_input(g, "x", FM_F32, FM_SHAPE(1, 3, 1));
    fm_val cache =
        fm_variable(g, "cache", FM_F32, FM_SHAPE(1, 4, 1), &(fm_variable_options){.carried = true});
    fm_val next = fm_cache_write(g, cache, x, fm_graph_position(g));
    fm_update(g, cache, next);
    fm_output(g, "next", next);
    fm_program *program = compile(f, store, g);
    static const float expected[3][4] = {{1, 2, 3, 0}, {3, 4, 5, 6}, {6, 7, 8, 9}};
    for (int run = 0; run < 3; run++) {
        float *in = fm_program_input(program, "x");
        for (int i = 0; i < 3; i++) in[i] = (float)(3 * run + i + 1);
        assert_ok(f->context, fm_program_run(program));
        const float *out = fm_program_output(program, "next");
        for (int i = 0; i < 4; i++) assert_near(out[i], expected[run][i], 0);
    }
    fm_program_destroy(program);
    fm_graph_destroy(g);
    fm_store_destroy(store);
}

/* ---- padding --------------------------------------------------------------------------------- */

/* What stands behind a padded step changes nothing in front of it. */
static void padding_is_not_seen(void **state)
{
    fixture *f = *state;
    fm_store *store;
    fm_graph *g = open_graph(f, FM_PREDICT, 0);
    assert_ok(f->context, fm_store_create(f->context, 3, &store));
    fm_val x = fm_embedding(g, fm_input(g, "x", FM_I32, FM_SHAPE(1, 5)), .input_dim = TOKENS,
                            .output_dim = WIDTH, .mask_zero = true);
    fm_val other = fm_input(g, "noise", FM_F32, FM_SHAPE(1, 5, WIDTH));
    fm_val noisy = fm_add(g, x, other);
    assert_true(fm_mask_of(g, x).id != 0);
    fm_mask_set(g, noisy, fm_mask_of(g, x));
    fm_val y = fm_transformer_encoder(g, noisy, .intermediate_dim = 12, .num_heads = 2);
    assert_int_equal(fm_mask_of(g, y).id, fm_mask_of(g, x).id);
    fm_output(g, "y", y);
    fm_output(g, "mask", fm_mask_of(g, y));
    fm_program *program = compile(f, store, g);
    static const int32_t tokens[] = {3, 1, 5, 0, 0};
    memcpy(fm_program_input(program, "x"), tokens, sizeof tokens);
    float kept[3 * WIDTH], *noise = fm_program_input(program, "noise");
    memset(noise, 0, 5 * WIDTH * sizeof *noise);
    assert_ok(f->context, fm_program_run(program));
    memcpy(kept, fm_program_output(program, "y"), sizeof kept);
    const float *mask = fm_program_output(program, "mask");
    for (int i = 0; i < 5; i++) assert_near(mask[i], i < 3, 0);
    for (int i = 3 * WIDTH; i < 5 * WIDTH; i++) noise[i] = (float)i;
    assert_ok(f->context, fm_program_run(program));
    assert_memory_equal(kept, fm_program_output(program, "y"), sizeof kept);
    fm_program_destroy(program);
    fm_graph_destroy(g);
    fm_store_destroy(store);
}

/* Keys that come apart from the values have a mask of their own. */
static void masks_of_keys_and_values_count(void **state)
{
    fixture *f = *state;
    for (int which = 0; which < 3; which++) {
        fm_store *store;
        fm_graph *g = open_graph(f, FM_PREDICT, 0);
        assert_ok(f->context, fm_store_create(f->context, 3, &store));
        fm_val inputs[] = {fm_input(g, "query", FM_F32, FM_SHAPE(1, 2, WIDTH)),
                           fm_input(g, "value", FM_F32, FM_SHAPE(1, 3, WIDTH)),
                           fm_input(g, "key", FM_F32, FM_SHAPE(1, 3, WIDTH))};
        fm_val mask = fm_constant(g, FM_F32, FM_SHAPE(1, 3), (const float[]){1, 1, 0});
        if (which != 0) fm_mask_set(g, inputs[1], mask);
        if (which != 1) fm_mask_set(g, inputs[2], mask);
        fm_output(g, "y", fm_multi_head_attention(g, inputs, 3, .num_heads = 2));
        fm_program *program = compile(f, store, g);
        float *value = fm_program_input(program, "value"), y[2 * WIDTH];
        for (int i = 0; i < 3 * WIDTH; i++) value[i] = (float)i / 9;
        assert_ok(f->context, fm_program_run(program));
        memcpy(y, fm_program_output(program, "y"), sizeof y);
        for (int i = 2 * WIDTH; i < 3 * WIDTH; i++) value[i] = 99;
        assert_ok(f->context, fm_program_run(program));
        assert_memory_equal(y, fm_program_output(program, "y"), sizeof y);
        fm_program_destroy(program);
        fm_graph_destroy(g);
        fm_store_destroy(store);
    }
}

/* ---- the definition -------------------------------------------------------------------------- */

enum { FUSED_RESULTS = 2 * 6 * 4 * 3 };

static void attend(fixture *f, bool by_parts, fm_attention_options how, float *y)
{
    fm_store *store;
    fm_graph *g = open_graph(f, FM_TRAIN, 0);
    assert_ok(f->context, fm_store_create(f->context, 3, &store));
    fm_val q = fm_input(g, "q", FM_F32, FM_SHAPE(2, 6, 4, 8));
    fm_val k = fm_input(g, "k", FM_F32, FM_SHAPE(2, 9, 2, 8));
    fm_val v = fm_input(g, "v", FM_F32, FM_SHAPE(2, 9, 2, 3));
    how.mask = fm_input(g, "mask", FM_F32, FM_SHAPE(2, 6, 9));
    fm_output(g, "y",
              by_parts ? fm_attention_by_parts(g, q, k, v, &how) : fm_attention(g, q, k, v, &how));
    fm_program *program = compile(f, store, g);
    static const char *const names[] = {"q", "k", "v", "mask"};
    static const int counts[] = {2 * 6 * 4 * 8, 2 * 9 * 2 * 8, 2 * 9 * 2 * 3, 2 * 6 * 9};
    for (int n = 0; n < 4; n++) {
        float *in = fm_program_input(program, names[n]);
        for (int i = 0; i < counts[n]; i++) in[i] = (float)((i * 37 + n * 11) % 101) / 50 - 1;
    }
    float *seen = fm_program_input(program, "mask");
    for (int i = 0; i < 9; i++) seen[9 + i] = 0; /* the second query sees nothing */
    assert_ok(f->context, fm_program_run(program));
    memcpy(y, fm_program_output(program, "y"), FUSED_RESULTS * sizeof *y);
    fm_program_destroy(program);
    fm_graph_destroy(g);
    fm_store_destroy(store);
}

/* The first dropout of two graphs has one stream of random numbers, so the fused op and its
 * definition drop the same weights; a query that sees nothing gives zeros. */
static void fused_attention_is_its_definition(void **state)
{
    for (int dropped = 0; dropped < 2; dropped++) {
        const fm_attention_options how = {
            .causal = true, .scale = 0.3, .dropout = dropped ? 0.4 : 0};
        float fused[FUSED_RESULTS], parts[FUSED_RESULTS];
        attend(*state, false, how, fused);
        attend(*state, true, how, parts);
        for (int i = 0; i < FUSED_RESULTS; i++) assert_near(fused[i], parts[i], 2e-6);
        for (int i = 0; i < 4 * 3; i++) assert_near(fused[12 + i], 0, 0);
    }
}

/* ---- what is counted ------------------------------------------------------------------------- */

static fm_val counted(fm_graph *g, fm_val x, void *argument)
{
    (void)argument;
    x = fm_multi_head_attention(g, &x, 1, .num_heads = 2);
    return fm_multi_head_attention(g, &x, 1, .num_heads = 2, .causal = true, .value_dim = 3);
}

/* The dense layers' products, and of each pair that a head sees those of key and value. */
static void products_are_counted(void **state)
{
    enum { STEPS = 5, FEATURES = 8 };
    fixture *f = *state;
    fm_layer_row *rows;
    int count;
    assert_ok(f->context, fm_layers_describe(f->context, counted, NULL, FM_SHAPE(STEPS, FEATURES),
                                             FM_F32, &rows, &count));
    assert_int_equal(count, 2);
    assert_near(rows[0].macs, STEPS * FEATURES * (24 + 8) + 2 * STEPS * STEPS * (4 + 4), 0);
    assert_near(rows[1].macs, STEPS * FEATURES * (8 + 8 + 6) + STEPS * 6 * 8 + 2 * 15 * (4 + 3), 0);
    fm_layers_release(f->context, rows);
}

/* ---- mistakes -------------------------------------------------------------------------------- */

static fm_val sequence(fm_graph *g, const char *name, int64_t batch, int64_t time)
{
    return fm_input(g, name, FM_F32, FM_SHAPE(batch, time, 6));
}

static void whole_sequences_are_no_streams(void **state)
{
    fixture *f = *state;
    fm_graph *g = open_graph(f, FM_PREDICT, 8);
    fm_val x = sequence(g, "x", 1, 1);
    fm_transformer_encoder(g, x, .intermediate_dim = 4, .num_heads = 2);
    assert_mistake(f, g, FM_ERROR_UNSUPPORTED,
                   "transformer_encoder/self_attention: attention that is not causal needs the "
                   "whole sequence: it cannot read a stream");

    g = open_graph(f, FM_PREDICT, 8);
    const fm_val pair[] = {sequence(g, "x", 1, 1), sequence(g, "y", 1, 4)};
    fm_multi_head_attention(g, pair, 2, .num_heads = 2, .causal = true);
    assert_mistake(f, g, FM_ERROR_UNSUPPORTED,
                   "multi_head_attention: attention to another sequence needs the whole sequence: "
                   "it cannot read a stream");

    g = open_graph(f, FM_PREDICT, 8);
    const fm_val own = sequence(g, "x", 1, 1);
    const fm_val seen = fm_input(g, "seen", FM_F32, FM_SHAPE(1, 1, 1));
    fm_multi_head_attention(g, ((fm_val[]){own, own, own, seen}), 4, .num_heads = 2,
                            .causal = true);
    assert_mistake(f, g, FM_ERROR_UNSUPPORTED,
                   "multi_head_attention: attention with a mask of queries and keys needs the "
                   "whole sequence: it cannot read a stream");

    static const char *const layers[] = {"conv1d", "conv1d", "global_average_pooling",
                                         "max_pooling1d"};
    for (int i = 0; i < 4; i++) {
        char words[256];
        snprintf(words, sizeof words,
                 "%s: what sees several steps at once needs the whole sequence: it cannot read a "
                 "stream; of these, convolutions of stride 1 with `padding: causal` can",
                 layers[i]);
        g = open_graph(f, FM_PREDICT, 8);
        x = sequence(g, "x", 1, 4);
        if (i == 0) fm_conv1d(g, x, .filters = 2, .kernel_size = {1, {3}});
        if (i == 1) {
            fm_conv1d(g, x, .filters = 2, .kernel_size = {1, {3}}, .strides = {1, {2}},
                      .padding = FM_PADDING_CAUSAL);
        }
        if (i == 2) fm_global_average_pooling(g, x);
        if (i == 3) fm_max_pooling1d(g, x);
        assert_mistake(f, g, FM_ERROR_UNSUPPORTED, words);
    }
}

static void mistakes_say_what_is_wanted(void **state)
{
    fixture *f = *state;
    fm_graph *g = open_graph(f, FM_TRAIN, 0);
    fm_val x = sequence(g, "x", 2, 5);
    fm_multi_head_attention(g, &x, 1, .num_heads = 4);
    assert_mistake(
        f, g, FM_ERROR_SHAPE,
        "multi_head_attention: num_heads 4 must divide the 6 features, or key_dim be given");

    g = open_graph(f, FM_TRAIN, 0);
    x = sequence(g, "x", 2, 5);
    fm_multi_head_attention(g, &x, 1, .num_heads = 6, .num_key_value_heads = 4);
    assert_mistake(f, g, FM_ERROR_ARGUMENT,
                   "multi_head_attention: num_key_value_heads 4 must divide num_heads 6");

    g = open_graph(f, FM_TRAIN, 0);
    x = sequence(g, "x", 2, 5);
    fm_multi_head_attention(g, &x, 1, .num_heads = 2, .rotary = true);
    assert_mistake(f, g, FM_ERROR_ARGUMENT,
                   "multi_head_attention: rotary wants an even key_dim, it is 3");

    g = open_graph(f, FM_TRAIN, 0);
    const fm_val two[] = {sequence(g, "x", 2, 5), sequence(g, "y", 3, 5)};
    fm_multi_head_attention(g, two, 2, .num_heads = 2);
    assert_mistake(f, g, FM_ERROR_SHAPE,
                   "multi_head_attention: query, value and key must have one batch, and value and "
                   "key one time: received (2, 5, 6), (3, 5, 6) and (3, 5, 6)");

    g = open_graph(f, FM_PREDICT, 8);
    fm_positional_encoding(g, sequence(g, "x", 1, 1), .kind = FM_POSITIONS_LEARNED,
                           .max_length = 7);
    assert_mistake(f, g, FM_ERROR_SHAPE,
                   "positional_encoding: max_length is 7, but the sequence has 8 steps");

    g = open_graph(f, FM_TRAIN, 0);
    fm_reverse_embedding(g, sequence(g, "x", 2, 5), .embedding = "words");
    assert_mistake(
        f, g, FM_ERROR_NOT_FOUND,
        "reverse_embedding: embedding: no layer above has the name 'words' and embeddings");

    g = open_graph(f, FM_TRAIN, 0);
    fm_embedding(g, fm_input(g, "t", FM_I32, FM_SHAPE(2, 3)), .name = "words", .input_dim = 9,
                 .output_dim = 4);
    fm_reverse_embedding(g, sequence(g, "x", 2, 5), .embedding = "words");
    assert_mistake(
        f, g, FM_ERROR_SHAPE,
        "reverse_embedding: the embeddings of 'words' have 4 numbers each, the input is (2, 5, 6)");
}

static void ops_say_what_is_wanted(void **state)
{
    fixture *f = *state;
    fm_graph *g = open_graph(f, FM_TRAIN, 0);
    fm_val q = fm_input(g, "q", FM_F32, FM_SHAPE(2, 3, 3, 4));
    fm_val k = fm_input(g, "k", FM_F32, FM_SHAPE(2, 5, 2, 4));
    fm_attention(g, q, k, k, NULL);
    assert_mistake(f, g, FM_ERROR_SHAPE,
                   "attention: 2 heads of keys do not divide 3 heads of queries; received f32 (2, "
                   "3, 3, 4), f32 (2, 5, 2, 4) and f32 (2, 5, 2, 4)");

    g = open_graph(f, FM_TRAIN, 0);
    fm_packed_attention(g, fm_input(g, "x", FM_F32, FM_SHAPE(2, 3, 7, 4)), 4, NULL);
    assert_mistake(
        f, g, FM_ERROR_SHAPE,
        "packed_attention: 4 heads of queries leave 3 for keys and values, which must be two equal "
        "parts of a size that divides the queries' heads; received f32 (2, 3, 7, 4)");

    g = open_graph(f, FM_TRAIN, 0);
    q = fm_input(g, "q", FM_F32, FM_SHAPE(2, 3, 1, 4));
    const fm_attention_options how = {.mask = fm_input(g, "mask", FM_F32, FM_SHAPE(2, 4))};
    fm_attention(g, q, q, q, &how);
    assert_mistake(f, g, FM_ERROR_SHAPE,
                   "attention: the mask must be (2, 3) or (2, 3, 3); received f32 (2, 3, 1, 4), "
                   "f32 (2, 3, 1, 4), f32 (2, 3, 1, 4) and f32 (2, 4)");

    g = open_graph(f, FM_TRAIN, 0);
    fm_rotary(g, fm_input(g, "x", FM_F32, FM_SHAPE(1, 2, 1, 3)), 0, 0, (fm_val){0});
    assert_mistake(
        f, g, FM_ERROR_SHAPE,
        "rotary: x must be (batch, time, heads, an even number); received f32 (1, 2, 1, 3)");

    g = open_graph(f, FM_TRAIN, 0);
    fm_cache_write(g, fm_input(g, "c", FM_F32, FM_SHAPE(1, 2, 3)),
                   fm_input(g, "x", FM_F32, FM_SHAPE(1, 3, 3)), fm_scalar(g, 0));
    assert_mistake(f, g, FM_ERROR_SHAPE,
                   "cache_write: the cache must be like x, with room for at least its entries; "
                   "received f32 (1, 2, 3), f32 (1, 3, 3) and f32 ()");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(streams_equal_whole_sequences),
        fixture_test(a_full_cache_moves_on),
        fixture_test(padding_is_not_seen),
        fixture_test(masks_of_keys_and_values_count),
        fixture_test(fused_attention_is_its_definition),
        fixture_test(products_are_counted),
        fixture_test(whole_sequences_are_no_streams),
        fixture_test(mistakes_say_what_is_wanted),
        fixture_test(ops_say_what_is_wanted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
