/* fathom/attention_ops.h: attention, rotary positions and caches of keys and values as ops.
 *
 * Invariants
 *  - Operands are (batch, time, heads, numbers of a head): a dense layer's output is reshaped to
 *    that and back without moving anything.
 *  - The position of a sequence that is read piece by piece is a value of rank 0 of the operands'
 *    dtype (fm_graph_position), rounded to a whole number: how many positions were read before.
 *    Nothing is differentiated by it.
 *  - Gradients exist to any order. The first is one op that makes the scores again; from the second
 *    order on, gradients are made of products and store matrices of scores.
 *  - f32 and f64; operands share a dtype.
 *  - May be NULL: options.
 */
#ifndef FATHOM_ATTENTION_OPS_H
#define FATHOM_ATTENTION_OPS_H

#include "fathom/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

/*  causal    query i sees the keys up to i + offset (offset: see position)
 *  scale     of the scores; default 1 / sqrt(key_dim)
 *  dropout   the part of the weights that become 0, the others being scaled (inverted dropout)
 *  mask      a value (batch, keys), or (batch, queries, keys): a query sees keys whose mask is
 *            above 1/2. {0}: all
 *  position  for causal attention over a cache: how many positions were read before the queries'
 *            first. The offset is the smaller of it and keys - queries (a full cache moves on,
 *            fm_cache_write). {0}: the offset is 0 */
typedef struct fm_attention_options {
    bool causal;
    double scale, dropout;
    fm_val mask, position;
} fm_attention_options;

/* softmax(scale q k^T) v for each head (Vaswani et al. 2017). q (batch, queries, heads, key_dim), k
 * (batch, keys, key_heads, key_dim), v (batch, keys, key_heads, value_dim) -> (batch, queries,
 * heads, value_dim). key_heads divides heads: fewer are shared by neighbours (Ainslie et al. 2023).
 * A query that sees no key gives zeros. Scores are made in blocks and never stored as a whole
 * (Milakov, Gimelshein 2018; Dao et al. 2022). options may be NULL. */
FM_API fm_val fm_attention(fm_graph *g, fm_val q, fm_val k, fm_val v,
                           const fm_attention_options *options);

/* The same of a sequence to itself, from one value: qkv (batch, time, heads + 2 key_heads, dim),
 * whose first `heads` heads are queries, then come those of the keys, then those of the values. */
FM_API fm_val fm_packed_attention(fm_graph *g, fm_val qkv, int64_t heads,
                                  const fm_attention_options *options);

/* What the two above compute, of products, a softmax and dropout: their definition.
 * Stores the scores. */
FM_API fm_val fm_attention_by_parts(fm_graph *g, fm_val q, fm_val k, fm_val v,
                                    const fm_attention_options *options);

/* x (batch, time, heads, n), n even: the pair (x_i, x_(i + n/2)) of a head at position p is turned
 * by the angle p base^(-2i/n) (Su et al. 2021; default base 10000). The first `turned` heads are
 * (0: all), the others stay. position: that of the first entry, {0}: 0. */
FM_API fm_val fm_rotary(fm_graph *g, fm_val x, int64_t turned, double base, fm_val position);

/* cache (batch, room, ...) with x (batch, time, ...) written at `position`: what a carried variable
 * takes by fm_update, in place. When position + time > room the oldest entries move out, so that x
 * comes last. */
FM_API fm_val fm_cache_write(fm_graph *g, fm_val cache, fm_val x, fm_val position);

#ifdef __cplusplus
}
#endif
#endif
