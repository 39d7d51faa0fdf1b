/* Multi-head attention. */
#include "fathom/attention_ops.h"
#include "fathom/nn_attention.h"
#include "nn/layer.h"

typedef fm_multi_head_attention_options options_of;

/* The options with their defaults filled in, and the shapes. */
typedef struct attention {
    fm_graph *g;
    const options_of *o;
    fm_val query, key, value, seen; /* seen: the fourth input, or {0} */
    int64_t heads, key_heads, key_dim, value_dim, width;
    bool packed; /* one product for queries, keys and values */
} attention;

static bool check_sequence(fm_graph *g, const char *which, fm_val x)
{
    fm_shape shape = fm_val_shape(g, x);
    if (shape.rank == 3) return true;
    fm_graph_fail(g, FM_ERROR_SHAPE, "the %s must be (batch, time, features), received %s", which,
                  fm_shape_text(shape, (char[FM_SHAPE_TEXT]){0}));
    return false;
}

static bool check_batch_and_time(const attention *a)
{
    fm_shape q = fm_val_shape(a->g, a->query), k = fm_val_shape(a->g, a->key);
    fm_shape v = fm_val_shape(a->g, a->value);
    char first[FM_SHAPE_TEXT], second[FM_SHAPE_TEXT], third[FM_SHAPE_TEXT];
    if (q.dims[0] == k.dims[0] && k.dims[0] == v.dims[0] && k.dims[1] == v.dims[1]) return true;
    fm_graph_fail(a->g, FM_ERROR_SHAPE,
                  "query, value and key must have one batch, and value and key one time: received "
                  "%s, %s and %s",
                  fm_shape_text(q, first), fm_shape_text(v, second), fm_shape_text(k, third));
    return false;
}

static bool read_sizes(attention *a)
{
    const options_of *o = a->o;
    const int64_t features = fm_val_shape(a->g, a->query).dims[2];
    a->heads = o->num_heads;
    a->key_heads = o->num_key_value_heads ? o->num_key_value_heads : o->num_heads;
    a->width = o->output_dim ? o->output_dim : features;
    if (a->heads % a->key_heads != 0) {
        fm_graph_fail(a->g, FM_ERROR_ARGUMENT,
                      "num_key_value_heads %lld must divide num_heads %lld",
                      (long long)a->key_heads, (long long)a->heads);
        return false;
    }
    if (!o->key_dim && features % a->heads != 0) {
        fm_graph_fail(a->g, FM_ERROR_SHAPE,
                      "num_heads %lld must divide the %lld features, or key_dim be given",
                      (long long)a->heads, (long long)features);
        return false;
    }
    a->key_dim = o->key_dim ? o->key_dim : features / a->heads;
    a->value_dim = o->value_dim ? o->value_dim : a->key_dim;
    if (o->rotary && a->key_dim % 2 != 0) {
        fm_graph_fail(a->g, FM_ERROR_ARGUMENT, "rotary wants an even key_dim, it is %lld",
                      (long long)a->key_dim);
        return false;
    }
    const bool itself = a->query.id == a->key.id && a->key.id == a->value.id;
    a->packed = itself && a->value_dim == a->key_dim;
    if (fm_graph_stream_length(a->g) == 0) return true;
    if (itself && o->causal && !a->seen.id) return true;
    fm_graph_fail(a->g, FM_ERROR_UNSUPPORTED,
                  "attention %s needs the whole sequence: it cannot read a stream",
                  !itself      ? "to another sequence"
                  : a->seen.id ? "with a mask of queries and keys"
                               : "that is not causal");
    return false;
}

static bool read_inputs(attention *a, const fm_val *inputs, int count)
{
    a->query = inputs[0];
    a->value = inputs[count > 1 ? 1 : 0];
    a->key = count > 2 ? inputs[2] : a->value;
    if (count > 3) a->seen = inputs[3];
    return check_sequence(a->g, "query", a->query) && check_sequence(a->g, "value", a->value) &&
           check_sequence(a->g, "key", a->key) && check_batch_and_time(a) && read_sizes(a);
}

/* x (batch, time, features) -> (batch, time, heads, dim), by a dense layer of its own */
static fm_val heads_of(const attention *a, const char *name, fm_val x, int64_t heads, int64_t dim)
{
    fm_val y = fm_dense(a->g, x, .name = name, .units = heads * dim, .no_bias = a->o->no_bias,
                        .kernel_initializer = a->o->kernel_initializer,
                        .bias_initializer = a->o->bias_initializer);
    if (!y.id) return y;
    fm_shape shape = fm_val_shape(a->g, x);
    return fm_reshape_to(a->g, y, FM_SHAPE(shape.dims[0], shape.dims[1], heads, dim));
}

static fm_val position_of(fm_graph *g)
{
    return fm_graph_stream_length(g) ? fm_graph_position(g) : (fm_val){0};
}

static fm_val turned(const attention *a, fm_val x, int64_t heads)
{
    if (!a->o->rotary) return x;
    return fm_rotary(a->g, x, heads, a->o->rotary_base, position_of(a->g));
}

/* x behind what earlier runs of the stream have left. */
static fm_val carried(const attention *a, const char *name, fm_val x)
{
    if (!x.id) return x;
    fm_shape shape = fm_val_shape(a->g, x);
    shape.dims[1] = fm_graph_stream_length(a->g);
    fm_val cache = fm_variable(a->g, name, fm_graph_dtype(a->g), shape,
                               &(fm_variable_options){.carried = true});
    fm_val next = fm_cache_write(a->g, cache, x, fm_graph_position(a->g));
    fm_update(a->g, cache, next);
    return next;
}

/* The product of masks of which one may be {0}, or both may be one. */
static fm_val both_of(fm_graph *g, fm_val a, fm_val b)
{
    return a.id && b.id && a.id != b.id ? fm_mul(g, a, b) : a.id ? a : b;
}

/* What the queries may see besides the order: the fourth input, and which keys are no padding; in a
 * stream those of earlier pieces, too. */
static fm_val seen_keys(const attention *a)
{
    if (fm_graph_stream_length(a->g)) return carried(a, "seen", fm_mask_of(a->g, a->key));
    fm_val real = both_of(a->g, fm_mask_of(a->g, a->value), fm_mask_of(a->g, a->key));
    if (!a->seen.id || !real.id) return both_of(a->g, a->seen, real);
    fm_shape shape = fm_val_shape(a->g, real);
    return fm_mul(a->g, a->seen,
                  fm_reshape_to(a->g, real, FM_SHAPE(shape.dims[0], 1, shape.dims[1])));
}

static fm_attention_options op_options(const attention *a)
{
    return (fm_attention_options){.causal = a->o->causal,
                                  .dropout = fm_graph_mode(a->g) == FM_TRAIN ? a->o->dropout : 0,
                                  .mask = seen_keys(a),
                                  .position = position_of(a->g)};
}

static fm_val attend_streaming(const attention *a, fm_val q, fm_val k, fm_val v)
{
    k = carried(a, "keys", k);
    v = carried(a, "values", v);
    const fm_attention_options how = op_options(a);
    return fm_attention(a->g, q, k, v, &how);
}

static fm_val attend_packed(const attention *a)
{
    fm_graph *g = a->g;
    const int64_t all = a->heads + 2 * a->key_heads, keys = a->heads + a->key_heads;
    fm_val qkv = turned(a, heads_of(a, "qkv", a->query, all, a->key_dim), keys);
    if (fm_graph_stream_length(g)) {
        return attend_streaming(a, fm_slice(g, qkv, 2, 0, a->heads),
                                fm_slice(g, qkv, 2, a->heads, keys),
                                fm_slice(g, qkv, 2, keys, all));
    }
    const fm_attention_options how = op_options(a);
    return fm_packed_attention(g, qkv, a->heads, &how);
}

static fm_val attend_separate(const attention *a)
{
    fm_val q = turned(a, heads_of(a, "query", a->query, a->heads, a->key_dim), 0);
    fm_val k = turned(a, heads_of(a, "key", a->key, a->key_heads, a->key_dim), 0);
    fm_val v = heads_of(a, "value", a->value, a->key_heads, a->value_dim);
    if (fm_graph_stream_length(a->g)) return attend_streaming(a, q, k, v);
    const fm_attention_options how = op_options(a);
    return fm_attention(a->g, q, k, v, &how);
}

static fm_val build_multi_head_attention(fm_graph *g, const fm_val *inputs, int count,
                                         const void *options)
{
    attention a = {.g = g, .o = options};
    if (!read_inputs(&a, inputs, count)) return (fm_val){0};
    fm_val y = a.packed ? attend_packed(&a) : attend_separate(&a);
    fm_shape shape = fm_val_shape(g, a.query);
    y = fm_reshape_to(g, y, FM_SHAPE(shape.dims[0], shape.dims[1], a.heads * a.value_dim));
    return fm_dense(g, y, .name = "output", .units = a.width, .no_bias = a.o->no_bias,
                    .kernel_initializer = a.o->kernel_initializer,
                    .bias_initializer = a.o->bias_initializer);
}

#define FIELD(member, kind, doc, ...) FM_FIELD(options_of, member, kind, doc, __VA_ARGS__)
static const fm_field fields[] = {
    FM_NAME_FIELD(options_of),
    FIELD(num_heads, FM_FIELD_INT, "heads of queries", .required = true, .minimum = 1,
          .maximum = 1e6),
    FIELD(key_dim, FM_FIELD_INT, "of a head; 0: features / num_heads", .maximum = 1e9),
    FIELD(value_dim, FM_FIELD_INT, "of a head; 0: key_dim", .maximum = 1e9),
    FIELD(num_key_value_heads, FM_FIELD_INT, "fewer are shared; 0: num_heads", .maximum = 1e6),
    FIELD(output_dim, FM_FIELD_INT, "features of the output; 0: the query's", .maximum = 1e9),
    FIELD(causal, FM_FIELD_BOOL, "a step sees those up to itself"),
    FIELD(dropout, FM_FIELD_REAL, "part of the weights that become 0 while training",
          .maximum = 0.999999),
    FIELD(rotary, FM_FIELD_BOOL, "queries and keys turn with their positions"),
    FIELD(rotary_base, FM_FIELD_REAL, "of the angles", .default_value = 10000, .minimum = 1,
          .maximum = 1e12),
    {.name = "use_bias",
     .doc = "add biases to the products",
     .offset = offsetof(options_of, no_bias),
     .type = FM_FIELD_NOT,
     .default_value = 1},
    FM_INITIALIZER_FIELD(options_of, kernel_initializer,
                         "how kernels start; default glorot_uniform"),
    FM_INITIALIZER_FIELD(options_of, bias_initializer, "how biases start; default zeros"),
    {.name = NULL}};

const fm_layer_record fm_layer_multi_head_attention = {
    "multi_head_attention",
    "softmax(q k^T / sqrt(dim)) v for each head; inputs: query, value, key, mask",
    fields,
    sizeof(options_of),
    1,
    4,
    build_multi_head_attention};

fm_val fm_multi_head_attention_with(fm_graph *g, const fm_val *inputs, int count,
                                    const options_of *options)
{
    return fm_layer_build(g, &fm_layer_multi_head_attention, inputs, count, options);
}
