/* Embeddings of tokens, the head that shares them, and positions. */
#include "fathom/nn_attention.h"
#include "ir/ir.h"
#include "nn/layer.h"
#include "op/op_tools.h"

#include <math.h>

static const char table_name[] = "embeddings";

/* ---- embedding ------------------------------------------------------------------------------- */

static fm_val build_embedding(fm_graph *g, const fm_val *inputs, int count, const void *options)
{
    (void)count;
    const fm_embedding_options *o = options;
    fm_val tokens = inputs[0];
    if (fm_dtype_is_real(fm_val_dtype(g, tokens))) tokens = fm_cast(g, tokens, FM_I32);
    fm_val table = fm_parameter(g, table_name, FM_SHAPE(o->input_dim, o->output_dim),
                                fm_initializer_choose(g, &o->embeddings_initializer,
                                                      fm_random_uniform_initializer(-0.05, 0.05)),
                                NULL);
    fm_val y = fm_gather(g, table, tokens);
    if (!o->mask_zero || !y.id) return y;
    if (fm_val_shape(g, tokens).rank != 2) {
        return fm_graph_fail(g, FM_ERROR_SHAPE,
                             "mask_zero is for tokens (batch, time), received %s",
                             fm_shape_text(fm_val_shape(g, tokens), (char[FM_SHAPE_TEXT]){0}));
    }
    fm_val zero = fm_constant(g, FM_I32, (fm_shape){0}, &(int32_t){0});
    fm_val padding = fm_equal(g, tokens, zero);
    fm_mask_set(g, y, fm_sub(g, fm_scalar(g, 1), padding));
    return y;
}

static const fm_field embedding_fields[] = {
    FM_NAME_FIELD(fm_embedding_options),
    FM_FIELD(fm_embedding_options, input_dim, FM_FIELD_INT, "how many tokens there are",
             .required = true, .minimum = 1, .maximum = INT32_MAX),
    FM_FIELD(fm_embedding_options, output_dim, FM_FIELD_INT, "numbers for each token",
             .required = true, .minimum = 1, .maximum = INFINITY),
    FM_FIELD(fm_embedding_options, mask_zero, FM_FIELD_BOOL, "token 0 is padding"),
    FM_INITIALIZER_FIELD(fm_embedding_options, embeddings_initializer,
                         "how the table starts; default uniform in +-0.05"),
    {.name = NULL}};

const fm_layer_record fm_layer_embedding = {"embedding",
                                            "a row of a table for each token",
                                            embedding_fields,
                                            sizeof(fm_embedding_options),
                                            1,
                                            1,
                                            build_embedding};

fm_val fm_embedding_with(fm_graph *g, fm_val tokens, const fm_embedding_options *options)
{
    return fm_layer_build(g, &fm_layer_embedding, &tokens, 1, options);
}

/* ---- the head -------------------------------------------------------------------------------- */

/* The table of the layer of that name beside the one being built. */
static fm_val table_of(fm_graph *g, const char *name)
{
    const char *scope = fm_scope_path(g), *end = strrchr(scope, '/');
    int outer = end ? (int)(end - scope) + 1 : 0;
    char *path = fm_arena_format(&g->arena, "%.*s%s/%s", outer, scope, name, table_name);
    uint32_t index;
    if (!path) return fm_graph_fail(g, FM_ERROR_MEMORY, "out of memory");
    if (fm_map_get(&g->variable_by_path, path, &index)) return g->variables[index].value;
    return fm_graph_fail(g, FM_ERROR_NOT_FOUND,
                         "embedding: no layer above has the name '%s' and embeddings", name);
}

static fm_val build_reverse_embedding(fm_graph *g, const fm_val *inputs, int count,
                                      const void *options)
{
    (void)count;
    const fm_reverse_embedding_options *o = options;
    fm_val table = table_of(g, o->embedding);
    if (!table.id) return table;
    fm_shape x = fm_val_shape(g, inputs[0]), rows = fm_val_shape(g, table);
    if (x.rank < 2 || x.dims[x.rank - 1] != rows.dims[1]) {
        return fm_graph_fail(
            g, FM_ERROR_SHAPE, "the embeddings of '%s' have %lld numbers each, the input is %s",
            o->embedding, (long long)rows.dims[1], fm_shape_text(x, (char[FM_SHAPE_TEXT]){0}));
    }
    fm_val y = fm_matmul_transposed(g, inputs[0], table, false, true);
    return o->bias ? fm_add_bias(g, y, &(fm_initializer){0}) : y;
}

static const fm_field reverse_fields[] = {
    FM_NAME_FIELD(fm_reverse_embedding_options),
    FM_FIELD(fm_reverse_embedding_options, embedding, FM_FIELD_STRING,
             "the name of the embedding whose table is shared", .required = true),
    FM_FIELD(fm_reverse_embedding_options, bias, FM_FIELD_BOOL, "add a bias to the product"),
    {.name = NULL}};

const fm_layer_record fm_layer_reverse_embedding = {"reverse_embedding",
                                                    "x times the transpose of an embedding's table",
                                                    reverse_fields,
                                                    sizeof(fm_reverse_embedding_options),
                                                    1,
                                                    1,
                                                    build_reverse_embedding};

fm_val fm_reverse_embedding_with(fm_graph *g, fm_val x, const fm_reverse_embedding_options *options)
{
    return fm_layer_build(g, &fm_layer_reverse_embedding, &x, 1, options);
}

/* ---- positions ------------------------------------------------------------------------------- */

static const char *const position_kinds[] = {"sinusoidal", "learned", NULL};

typedef struct waves {
    int64_t features;
    double base;
} waves;

/* Element i of the table (length, features). */
static double wave(const void *argument, int64_t i)
{
    const waves *w = argument;
    const int64_t p = i / w->features, feature = i % w->features;
    const double angle = (double)p * pow(w->base, -(double)(feature & ~1) / (double)w->features);
    return feature & 1 ? cos(angle) : sin(angle);
}

/* Rows 0 .. time - 1 of a table, in a stream those from its position on. */
static fm_val rows_at_position(fm_graph *g, fm_val table, int64_t time)
{
    if (fm_graph_stream_length(g) == 0) return fm_slice(g, table, 0, 0, time);
    fm_val steps = fm_sequence(g, fm_graph_dtype(g), FM_SHAPE(time));
    return fm_gather(g, table, fm_cast(g, fm_add(g, steps, fm_graph_position(g)), FM_I32));
}

static fm_val build_positional_encoding(fm_graph *g, const fm_val *inputs, int count,
                                        const void *options)
{
    (void)count;
    const fm_positional_encoding_options *o = options;
    fm_val x = inputs[0], table;
    fm_shape shape = fm_val_shape(g, x);
    if (shape.rank != 3) {
        return fm_graph_fail(g, FM_ERROR_SHAPE,
                             "the input must be (batch, time, features), received %s",
                             fm_shape_text(shape, (char[FM_SHAPE_TEXT]){0}));
    }
    const int64_t time = shape.dims[1], features = shape.dims[2];
    const int64_t stream = fm_graph_stream_length(g), longest = stream > time ? stream : time;
    if (o->kind == FM_POSITIONS_LEARNED) {
        const int64_t length = o->max_length ? o->max_length : longest;
        if (longest > length) {
            return fm_graph_fail(g, FM_ERROR_SHAPE,
                                 "max_length is %lld, but the sequence has %lld steps",
                                 (long long)length, (long long)longest);
        }
        table = fm_parameter(g, "positions", FM_SHAPE(length, features),
                             fm_initializer_choose(g, &o->initializer, fm_glorot_uniform()), NULL);
    } else {
        table = fm_constant_of(g, fm_graph_dtype(g), FM_SHAPE(longest, features), wave,
                               &(waves){features, o->base});
        if (o->scale) x = fm_mul_scalar(g, x, sqrt((double)features));
    }
    return fm_add(g, x, rows_at_position(g, table, time));
}

static const fm_field position_fields[] = {
    FM_NAME_FIELD(fm_positional_encoding_options),
    FM_FIELD(fm_positional_encoding_options, kind, FM_FIELD_ENUM, "fixed waves, or a variable",
             .choices = position_kinds),
    FM_FIELD(fm_positional_encoding_options, max_length, FM_FIELD_INT,
             "learned: rows of the table; 0: the sequence's length", .maximum = INT32_MAX),
    FM_FIELD(fm_positional_encoding_options, base, FM_FIELD_REAL,
             "sinusoidal: the longest wave is 2 pi times as long", .default_value = 10000,
             .minimum = 1, .maximum = 1e12),
    FM_FIELD(fm_positional_encoding_options, scale, FM_FIELD_BOOL,
             "sinusoidal: multiply x by sqrt(features) first"),
    FM_INITIALIZER_FIELD(fm_positional_encoding_options, initializer,
                         "learned: how the table starts; default glorot_uniform"),
    {.name = NULL}};

const fm_layer_record fm_layer_positional_encoding = {"positional_encoding",
                                                      "x plus a row for each position",
                                                      position_fields,
                                                      sizeof(fm_positional_encoding_options),
                                                      1,
                                                      1,
                                                      build_positional_encoding};

fm_val fm_positional_encoding_with(fm_graph *g, fm_val x,
                                   const fm_positional_encoding_options *options)
{
    return fm_layer_build(g, &fm_layer_positional_encoding, &x, 1, options);
}
