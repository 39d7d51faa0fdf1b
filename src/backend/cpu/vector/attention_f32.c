/* Attention: softmax(scale q k^T) v by blocks of queries and keys, the scores of a tile of queries
 * staying in the first cache. A running maximum and sum make the softmax right over several blocks
 * of keys (Milakov, Gimelshein 2018; Dao et al. 2022). One or a few queries, as when generating,
 * read keys and values where they lie. */
#include "backend/cpu/vector/attention_block.h"
#include "base/memory.h"
#include "op/op_table.h"

enum { FEW_QUERIES = 3 };
#define FEW_NANOSECONDS 0.05 /* of a number of a key or a value */

typedef struct work {
    kernel_attention a;
    attention_plan plan;
    dropping drop;
    const float *q, *k, *v, *mask;
    float *y, *lse, *scratch;
} work;

/* A block of queries of one head, its keys and values ready. */
typedef struct block {
    const work *w;
    int64_t batch, head, first, count; /* of queries */
    operand q, values;
    const float *keys;                        /* panels */
    float *sums, *scores, *weights, *q_words; /* (BLOCK_QUERIES, value_width), twice (TILE_ROWS,
                                                 BLOCK_KEYS), (BLOCK_QUERIES, key_width) */
    float largest[BLOCK_QUERIES], total[BLOCK_QUERIES];
    item_ahead next;
} block;

/* ---- rows of scores -------------------------------------------------------------------------- */

/* The largest of one query's scaled scores s: the larger ones of each lane. */
INLINE vector largest_scores(const float *s, const seen_keys *keys, float scale)
{
    vector largest = broadcast(-INFINITY);
    for (int64_t j = 0; j < keys->seen; j += V) {
        vector x = load(s + j) * scale;
        if (!all_seen(keys, j)) x = choose(seen_lanes(keys, j), x, broadcast(-INFINITY));
        largest = larger_of(x, largest);
    }
    return largest;
}

/* The scores as e^(score - shift), 0 where the query does not see, up to `filled`, whole vectors.
 * Returns their sum, in lanes. */
INLINE vector weigh_scores(float *s, const seen_keys *keys, int64_t filled, float scale,
                           float shift)
{
    vector sum = {0};
    int64_t j = 0;
    for (; j < keys->seen; j += V) {
        vector e = exp_down_lanes(load(s + j) * scale - shift);
        if (!all_seen(keys, j)) e = keep_where(e, seen_lanes(keys, j));
        sum += e;
        store(s + j, e);
    }
    for (; j < filled; j += V) store(s + j, (vector){0});
    return sum;
}

/* Of a query in each lane: the running maximum moves on to what a block of keys has as largest
 * score, and `shrink` is what the sums of before are to be multiplied by. Where weights are going
 * to be rounded, a maximum is the logarithm of a power of two above (kernel/attention.h). Returns
 * what scores are shifted by: the maximum, 0 where no key was seen. */
INLINE vector move_maximum(vector in_block, bool rounds, vector *largest, vector *shrink)
{
    const vector before = *largest, nothing = broadcast(-INFINITY);
    vector above = in_block;
    if (rounds) {
        float lane[V];
        store(lane, in_block * LOG2_E);
        for (int i = 0; i < V; i++) lane[i] = ceilf(lane[i]);
        above = load(lane) * LN2;
    }
    const vector now = choose(in_block > before, above, before);
    const lanes none = now == nothing;
    *largest = now;
    *shrink = choose(none, broadcast(1), exp_down_lanes(before - now));
    return choose(none, (vector){0}, now);
}

static void drop_row(const block *b, int64_t query, int64_t first_key, int64_t count, float *s)
{
    const kernel_attention *a = &b->w->a;
    uint32_t words[WORDS];
    const int64_t row = (b->batch * a->heads + b->head) * a->queries + query;
    const uint32_t *drawn = draw_words(&b->w->drop, row * a->keys + first_key, count, words);
    for (int64_t j = 0; j < count; j += V) {
        store(s + j, load(s + j) * kept_of(&b->w->drop, drawn + j));
    }
}

_Static_assert(TILE_ROWS <= V, "each query of a tile has a lane");

/* The scores of a tile become weights; what its queries have
 * summed up over the keys before shrinks. */
static void weigh_tile(block *b, int64_t top, int64_t rows, int64_t first, int64_t count)
{
    const work *w = b->w;
    const int64_t width = w->plan.value_width, query = b->first + top;
    const float scale = (float)w->a.scale;
    float shift[V], shrunk[V];
    seen_keys keys[TILE_ROWS];
    vector of_rows[V], shrink;
    for (int64_t r = rows; r < V; r++) of_rows[r] = (vector){0};
    for (int64_t r = 0; r < rows; r++) {
        keys[r] = seen_by(&w->a, w->mask, b->batch, query + r, first, count);
        of_rows[r] = largest_scores(b->scores + r * BLOCK_KEYS, &keys[r], scale);
    }
    vector largest = load_up_to(b->largest + top, (size_t)rows);
    store(shift,
          move_maximum(largest_of_rows(of_rows), w->plan.read->numbers > 1, &largest, &shrink));
    store(shrunk, shrink);
    for (int64_t r = 0; r < rows; r++) {
        float *s = b->scores + r * BLOCK_KEYS, *sums = b->sums + (top + r) * width;
        of_rows[r] = weigh_scores(s, &keys[r], rounded(count, V), scale, shift[r]);
        if (w->a.rate != 0 && keys[r].seen > 0) drop_row(b, query + r, first, keys[r].seen, s);
        if (first == 0 || shrunk[r] == 1) continue;
        for (int64_t j = 0; j < width; j += V) store(sums + j, load(sums + j) * shrunk[r]);
    }
    for (int64_t r = rows; r < V; r++) of_rows[r] = (vector){0};
    const vector total = load_up_to(b->total + top, (size_t)rows);
    store_up_to(b->largest + top, largest, (size_t)rows);
    store_up_to(b->total + top, total * shrink + sums_of_rows(of_rows), (size_t)rows);
}

/* `rows` queries from the block's `top` on, the keys [first, first + BLOCK_KEYS). */
static void attend_tile(block *b, int64_t top, int64_t rows, int64_t first)
{
    const kernel_attention *a = &b->w->a;
    const struct operand_reader *read = b->w->plan.read;
    const int64_t width = b->w->plan.value_width, query = b->first + top;
    const size_t words = words_in(read, (size_t)a->key_dim);
    const int64_t most = kernel_attention_reach(a, query + rows - 1) - first;
    const int64_t count = smaller(most, BLOCK_KEYS);
    if (count <= 0) return;
    multiply_panels(read,
                    (struct tile){.depth = words,
                                  .a = b->q.rows + top * b->q.step,
                                  .a_row = b->q.step,
                                  .a_depth = 1,
                                  .b = b->keys + first * (int64_t)words,
                                  .c = b->scores,
                                  .c_row = BLOCK_KEYS},
                    rows, count, &b->next);
    weigh_tile(b, top, rows, first, count);
    const operand weights =
        read->rows(b->scores, BLOCK_KEYS, (size_t)rows, (size_t)count, b->weights);
    const int64_t first_word = (int64_t)words_in(read, (size_t)first);
    multiply_rows(read,
                  (struct tile){.depth = words_in(read, (size_t)count),
                                .a = weights.rows,
                                .a_row = weights.step,
                                .a_depth = 1,
                                .b = b->values.rows + first_word * b->values.step,
                                .b_depth = b->values.step,
                                .c = b->sums + top * width,
                                .c_row = width,
                                .continued = first > 0},
                  rows, width, &b->next);
}

/* y = sums / total; a query that saw no key may have no sums. */
static void finish_block(const block *b)
{
    const work *w = b->w;
    const kernel_attention *a = &w->a;
    const int64_t width = w->plan.value_width, n = a->value_dim;
    float *lse = w->lse + (b->batch * a->heads + b->head) * a->queries + b->first;
    for (int64_t r = 0; r < b->count; r++) {
        float *y = w->y + ((b->batch * a->queries + b->first + r) * a->heads + b->head) * n;
        const float *sums = b->sums + r * width, total = b->total[r];
        const float share = 1 / total;
        for (int64_t j = 0; j < n; j += V) {
            vector value = {0};
            if (total != 0) value = load(sums + j) * share;
            store_up_to(y + j, value, (size_t)(n - j));
        }
    }
    for (int64_t r = 0; r < b->count; r++) {
        const float total = b->total[r];
        lse[r] = total != 0 ? b->largest[r] + vector_log(total) : 0;
    }
}

static void attend_block(block *b)
{
    const kernel_attention *a = &b->w->a;
    const int64_t reach = kernel_attention_reach(a, b->first + b->count - 1);
    for (int64_t r = 0; r < b->count; r++) {
        b->largest[r] = -INFINITY;
        b->total[r] = 0;
    }
    for (int64_t first = 0; first < reach; first += BLOCK_KEYS) {
        for (int64_t top = 0; top < b->count; top += TILE_ROWS) {
            attend_tile(b, top, smaller(TILE_ROWS, b->count - top), first);
        }
    }
    finish_block(b);
}

static item_ahead ahead_of_item(const work *w, int64_t index)
{
    const kernel_attention *a = &w->a;
    item_ahead next = {.count = 0};
    if (index >= w->plan.items) return next;
    const attention_item item = attention_item_at(a, &w->plan, index);
    const int64_t reach = kernel_attention_reach(a, item.end - 1);
    add_rows(&next, w->q + at_queries(a, &item), a->q_step, a->heads / a->key_heads * a->key_dim,
             item.end - item.begin);
    add_rows(&next, w->k + at_keys(a, &item), a->k_step, a->key_dim, reach);
    add_rows(&next, w->v + at_values(a, &item), a->v_step, a->value_dim, reach);
    add_rows(&next, w->y + at_results(a, &item), a->heads * a->value_dim,
             a->heads / a->key_heads * a->value_dim, item.end - item.begin);
    const double words = (double)(a->key_dim + a->value_dim) / (double)w->plan.read->numbers;
    share_out(&next, a, &w->plan, words);
    return next;
}

static void attend_item(const work *w, int64_t index, float *scratch)
{
    const kernel_attention *a = &w->a;
    const struct operand_reader *read = w->plan.read;
    const attention_item item = attention_item_at(a, &w->plan, index);
    const int64_t group = a->heads / a->key_heads, reach = kernel_attention_reach(a, item.end - 1);
    const float *k = w->k + at_keys(a, &item), *v = w->v + at_values(a, &item);
    block b;
    b.w = w;
    b.batch = item.batch;
    b.next = ahead_of_item(w, index + 1);
    b.scores = scratch;
    b.weights = b.scores + TILE_ROWS * BLOCK_KEYS;
    b.sums = b.weights + TILE_ROWS * BLOCK_KEYS;
    b.q_words = b.sums + BLOCK_QUERIES * w->plan.value_width;
    float *keys = b.q_words + BLOCK_QUERIES * w->plan.key_width;
    b.keys = keys;
    read->panels(k, a->k_step, (size_t)reach, (size_t)a->key_dim, keys);
    b.values = read->columns(v, a->v_step, (size_t)reach, (size_t)a->value_dim,
                             keys + w->plan.panels * PANEL_WIDTH * a->key_dim);
    for (int64_t h = 0; h < group; h++) {
        b.head = item.key_head * group + h;
        for (b.first = item.begin; b.first < item.end; b.first += BLOCK_QUERIES) {
            b.count = smaller(BLOCK_QUERIES, item.end - b.first);
            const float *q =
                w->q + (item.batch * a->queries + b.first) * a->q_step + b.head * a->key_dim;
            b.q = read->rows(q, a->q_step, (size_t)b.count, (size_t)a->key_dim, b.q_words);
            attend_block(&b);
        }
    }
}

static void attend_items(const void *argument, int part, int64_t begin, int64_t end)
{
    const work *w = argument;
    for (int64_t i = begin; i < end; i++) {
        attend_item(w, i, w->scratch + part * w->plan.part_floats);
    }
}

/* ---- few queries ----------------------------------------------------------------------------- */

/* s[j] = q . k[j] for j < count; the vectors of s are filled with numbers that count nothing. */
static void score_keys(const float *q, const float *k, int64_t step, int64_t count, int64_t n,
                       float *s)
{
    for (int64_t first = 0; first < count; first += V) {
        vector rows[V];
        UNROLL for (int i = 0; i < V; i++)
        {
            const float *key = k + (first + i < count ? first + i : count - 1) * step;
            rows[i] = load_up_to(q, (size_t)n) * load_up_to(key, (size_t)n);
            for (int64_t j = V; j < n; j += V) {
                const size_t left = (size_t)(n - j);
                rows[i] = multiply_add(load_up_to(q + j, left), load_up_to(key + j, left), rows[i]);
            }
        }
        store(s + first, sums_of_rows(rows));
    }
}

/* y[0, left) = shrink y + the sum of s[i] v[i] for i < count, a vector of each row. */
INLINE void add_values(const float *s, const float *v, int64_t step, int64_t count, float shrink,
                       float *y, size_t left)
{
    enum { ABREAST = 4 };
    vector sums[ABREAST] = {load_up_to(y, left) * shrink};
    int64_t i = 0;
    for (; i + ABREAST <= count; i += ABREAST) {
        UNROLL for (int u = 0; u < ABREAST; u++)
        {
            const vector value = load_up_to(v + (i + u) * step, left);
            sums[u] = multiply_add(broadcast(s[i + u]), value, sums[u]);
        }
    }
    for (; i < count; i++) {
        sums[0] = multiply_add(broadcast(s[i]), load_up_to(v + i * step, left), sums[0]);
    }
    const vector sum = (sums[0] + sums[1]) + (sums[2] + sums[3]);
    if (left >= V) {
        store(y, sum);
    } else {
        store_first(y, sum, left);
    }
}

/* One query of one head, a block of keys at a time. */
static void attend_query(const work *w, int64_t batch, int64_t head, int64_t query)
{
    const kernel_attention *a = &w->a;
    const int64_t n = a->value_dim, source = head * a->key_heads / a->heads;
    const int64_t reach = kernel_attention_reach(a, query);
    const float *q = w->q + (batch * a->queries + query) * a->q_step + head * a->key_dim;
    const float *k = w->k + batch * a->keys * a->k_step + source * a->key_dim;
    const float *v = w->v + batch * a->keys * a->v_step + source * n;
    float *y = w->y + ((batch * a->queries + query) * a->heads + head) * n;
    const float scale = (float)a->scale;
    float s[BLOCK_KEYS], largest = -INFINITY, total = 0;
    for (int64_t j = 0; j < n; j++) y[j] = 0;
    for (int64_t first = 0; first < reach; first += BLOCK_KEYS) {
        const int64_t count = smaller(BLOCK_KEYS, reach - first);
        const seen_keys keys = {count, mask_of(a, w->mask, batch, query, first)};
        score_keys(q, k + first * a->k_step, a->k_step, count, a->key_dim, s);
        const float in_block = largest_of_lanes(largest_scores(s, &keys, scale));
        const float now = in_block > largest ? in_block : largest;
        const float shift = now == -INFINITY ? 0 : now, shrink = vector_exp_down(largest - shift);
        total = total * shrink + sum_of_lanes(weigh_scores(s, &keys, count, scale, shift));
        largest = now;
        for (int64_t j = 0; j < n; j += V) {
            add_values(s, v + first * a->v_step + j, a->v_step, count, shrink, y + j,
                       (size_t)(n - j));
        }
    }
    for (int64_t j = 0; j < n; j++) y[j] = total != 0 ? y[j] / total : 0;
    w->lse[(batch * a->heads + head) * a->queries + query] =
        total != 0 ? largest + vector_log(total) : 0;
}

static void attend_rows(const void *argument, int64_t begin, int64_t end)
{
    const work *w = argument;
    const kernel_attention *a = &w->a;
    for (int64_t i = begin; i < end; i++) {
        const int64_t row = i / a->queries;
        attend_query(w, row / a->heads, row % a->heads, i % a->queries);
    }
}

/* ---- kernels --------------------------------------------------------------------------------- */

static fm_status prepare(const fm_site *site, const struct operand_reader *read, fm_need *need)
{
    const kernel_attention a = fm_attention_sizes(site->op, site->attributes, site->inputs);
    attention_plan *p = fm_allocate(site->context, sizeof *p);
    if (!p) return FM_ERROR_MEMORY;
    *p = attention_plan_of(&a, site->threads, read);
    p->part_floats = 2 * TILE_ROWS * BLOCK_KEYS + BLOCK_QUERIES * (p->value_width + p->key_width) +
                     p->panels * PANEL_WIDTH * a.key_dim;
    if (p->value_width != a.value_dim || read->numbers > 1) {
        p->part_floats += (int64_t)words_in(read, (size_t)a.keys) * p->value_width;
    }
    p->part_floats = rounded(p->part_floats, LINE);
    need->state = p;
    need->scratch_bytes = (size_t)p->part_floats * (size_t)p->threads * sizeof(float);
    return FM_OK;
}

static void run(const fm_call *call)
{
    const fm_attention_call c = fm_attention_read(call);
    const work w = {.a = c.sizes,
                    .plan = *(const attention_plan *)call->state,
                    .drop = dropping_of(&c.sizes),
                    .q = c.q,
                    .k = c.k,
                    .v = c.v,
                    .mask = c.mask,
                    .y = c.dq,
                    .lse = c.dk,
                    .scratch = call->scratch};
    const kernel_attention *a = &w.a;
    if (a->queries <= FEW_QUERIES && a->rate == 0 && w.plan.read->numbers == 1) {
        const double row = (double)(a->keys * (a->key_dim + a->value_dim)) * FEW_NANOSECONDS;
        fm_in_ranges(call->threads, a->batch * a->heads * a->queries, 1, row, attend_rows, &w);
        return;
    }
    fm_in_pieces(w.plan.threads, &(fm_pieces){w.plan.items, 1, false, attend_items, &w});
}

PREPARE

/* clang-format off */
static const fm_kernel kernels[] = {KERNEL_ROWS(attention) KERNEL_ROWS(packed_attention)};
/* clang-format on */

const fm_kernel_family FM_ISA_SYMBOL(fm_cpu_attention) = FAMILY(kernels);
