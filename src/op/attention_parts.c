#include "op/attention_parts.h"
#include "ir/ir.h"
#include "op/op_table.h"
#include "op/op_tools.h"

#include <math.h>

#define HIDDEN (-1e30) /* the score of a key that is not seen: its exponential is 0 */

/* Everything as (batch, key_heads, heads / key_heads, positions, numbers): products broadcast over
 * the heads that share keys. */
typedef struct parts {
    fm_graph *g;
    const fm_attention_attributes *attributes;
    int64_t batch, queries, keys, heads, key_heads;
    double scale;
    fm_val q, k, v;
    fm_val seen; /* 1 where a query sees a key, else 0; broadcasts; {0}: everywhere */
} parts;

/* (batch, time, heads, n) -> (batch, key_heads, heads / key_heads, time, n) */
static fm_val by_head(const parts *p, fm_val x)
{
    if (!x.id) return x;
    fm_shape shape = fm_val_shape(p->g, x);
    fm_val turned = fm_transpose(p->g, x, (fm_ints){4, {0, 2, 1, 3}});
    return fm_reshape_to(p->g, turned,
                         FM_SHAPE(shape.dims[0], p->key_heads, shape.dims[2] / p->key_heads,
                                  shape.dims[1], shape.dims[3]));
}

/* j < first + i + 1/2 */
static fm_val seen_by_order(const parts *p, fm_val q, fm_val position)
{
    fm_graph *g = p->g;
    fm_val last = fm_sequence(g, fm_val_dtype(g, q), FM_SHAPE(p->queries, 1));
    fm_val j = fm_sequence(g, fm_val_dtype(g, q), FM_SHAPE(1, p->keys));
    if (position.id) {
        fm_val whole = fm_floor(g, fm_add_scalar(g, position, 0.5));
        fm_val room = fm_scalar_like(g, q, (double)(p->keys - p->queries));
        last = fm_add(g, last, fm_minimum(g, whole, room));
    }
    return fm_less(g, j, fm_add_scalar(g, last, 0.5));
}

static fm_val seen_by_mask(const parts *p, fm_val mask)
{
    fm_shape shape = fm_val_shape(p->g, mask);
    int64_t queries = shape.rank == 3 ? p->queries : 1;
    fm_val wide = fm_reshape_to(p->g, mask, FM_SHAPE(p->batch, 1, 1, queries, p->keys));
    return fm_greater(p->g, wide, fm_scalar_like(p->g, mask, 0.5));
}

static parts begin(fm_graph *g, const fm_attention_attributes *attributes,
                   const fm_attention_values *values)
{
    fm_shape q = fm_val_shape(g, values->q), k = fm_val_shape(g, values->k);
    parts p = {.g = g,
               .attributes = attributes,
               .batch = q.dims[0],
               .queries = q.dims[1],
               .keys = k.dims[1],
               .heads = q.dims[2],
               .key_heads = k.dims[2]};
    p.scale = attributes->scale != 0 ? attributes->scale : 1 / sqrt((double)q.dims[3]);
    p.q = by_head(&p, values->q);
    p.k = by_head(&p, values->k);
    p.v = by_head(&p, values->v);
    if (attributes->causal) p.seen = seen_by_order(&p, values->q, values->position);
    if (values->mask.id) {
        fm_val seen = seen_by_mask(&p, values->mask);
        p.seen = p.seen.id ? fm_mul(g, p.seen, seen) : seen;
    }
    return p;
}

static fm_val scores(const parts *p)
{
    fm_graph *g = p->g;
    fm_val s = fm_mul_scalar(g, fm_matmul_transposed(g, p->q, p->k, false, true), p->scale);
    return p->seen.id ? fm_where(g, p->seen, s, fm_scalar_like(g, s, HIDDEN)) : s;
}

/* z x: the weights that dropout leaves. */
static fm_val dropped(const parts *p, fm_val x)
{
    const fm_drop_attributes drop = {p->attributes->rate, p->attributes->stream};
    return drop.rate == 0 ? x : fm_node_add(p->g, &fm_op_drop, &x, 1, &drop, NULL);
}

static fm_val sum_all(fm_graph *g, fm_val a, fm_val b)
{
    return fm_sum(g, fm_mul(g, a, b), (fm_ints){0}, false);
}

static fm_val weights_of(const parts *p)
{
    fm_val weights = fm_softmax(p->g, scores(p));
    return p->seen.id ? fm_mul(p->g, weights, p->seen) : weights; /* a query that sees no key */
}

fm_val fm_attention_weights(fm_graph *g, const fm_attention_attributes *attributes,
                            const fm_attention_values *values)
{
    if (fm_graph_status(g) != FM_OK) return (fm_val){0};
    const parts p = begin(g, attributes, values);
    fm_val weights = weights_of(&p);
    if (!weights.id) return weights;
    return fm_reshape_to(g, weights, FM_SHAPE(p.batch, p.heads, p.queries, p.keys));
}

fm_val fm_attention_parts(fm_graph *g, const fm_attention_attributes *attributes,
                          const fm_attention_values *values)
{
    if (fm_graph_status(g) != FM_OK) return (fm_val){0};
    const parts p = begin(g, attributes, values);
    fm_val y = fm_matmul(g, dropped(&p, weights_of(&p)), p.v);
    if (!y.id) return y;
    int64_t n = fm_shape_last(fm_val_shape(g, y));
    y = fm_reshape_to(g, y, FM_SHAPE(p.batch, p.heads, p.queries, n));
    return fm_transpose(g, y, (fm_ints){4, {0, 2, 1, 3}});
}

/* x as a value of its own: a gradient by it goes no further, one through it does. */
static fm_val alias(fm_graph *g, fm_val x)
{
    const fm_shape_attributes same = {fm_shape_ints(fm_val_shape(g, x))};
    return fm_node_add(g, &fm_op_reshape, &x, 1, &same, NULL);
}

/* Aliases of those that gradients are taken by, in that order; false when there is a mistake. */
static bool make_independent(fm_graph *g, fm_attention_values *values, int count)
{
    fm_val *const members[FM_ATTENTION_GRADS] = {&values->q, &values->k,   &values->v,
                                                 &values->y, &values->lse, &values->dy};
    for (int i = 0; i < count; i++) *members[i] = alias(g, *members[i]);
    return fm_graph_status(g) == FM_OK;
}

void fm_attention_lse_grads(fm_graph *g, const fm_attention_attributes *attributes,
                            const fm_attention_values *values, fm_val lse_grad, fm_val *grads)
{
    fm_attention_values own = *values;
    if (!make_independent(g, &own, 3)) return;
    const parts p = begin(g, attributes, &own);
    fm_val lse = fm_logsumexp(g, scores(&p));
    if (!lse.id) return;
    if (p.seen.id) {
        fm_val any = fm_reduce_max(g, p.seen, (fm_ints){1, {-1}}, false);
        lse = fm_where(g, any, lse, fm_scalar_like(g, lse, 0));
    }
    fm_val given = fm_reshape_to(g, lse_grad, fm_val_shape(g, lse));
    fm_grad(g, sum_all(g, lse, given), (fm_val[]){own.q, own.k, own.v}, 3, grads);
}

void fm_attention_second(fm_graph *g, const fm_attention_attributes *attributes,
                         const fm_attention_values *values, const fm_val given[3],
                         fm_val grads[FM_ATTENTION_GRADS])
{
    fm_attention_values own = *values;
    if (!make_independent(g, &own, FM_ATTENTION_GRADS)) return;
    const parts p = begin(g, attributes, &own);
    fm_val y = by_head(&p, own.y), dy = by_head(&p, own.dy), s = scores(&p);
    if (!s.id || !dy.id) return;
    fm_shape column = fm_val_shape(g, s);
    column.dims[4] = 1;
    fm_val weights = fm_exp(g, fm_sub(g, s, fm_reshape_to(g, own.lse, column)));
    fm_val slope = dropped(&p, fm_matmul_transposed(g, dy, p.v, false, true));
    fm_val centred = fm_sub(g, slope, fm_sum_last(g, fm_mul(g, dy, y)));
    fm_val ds = fm_mul_scalar(g, fm_mul(g, weights, centred), p.scale), total = {0};
    for (int i = 0; i < 3; i++) {
        if (!given[i].id) continue;
        fm_val made = i == 0   ? fm_matmul(g, ds, p.k)
                      : i == 1 ? fm_matmul_transposed(g, ds, p.q, true, false)
                               : fm_matmul_transposed(g, dropped(&p, weights), dy, true, false);
        fm_val term = sum_all(g, made, by_head(&p, given[i]));
        total = total.id ? fm_add(g, total, term) : term;
    }
    fm_grad(g, total, (fm_val[]){own.q, own.k, own.v, own.y, own.lse, own.dy}, FM_ATTENTION_GRADS,
            grads);
}
