/* What attention forward and backward share: the plan, operands for tiles, products by tiles,
 * rows of scores.
 *
 * The work is cut into items: the queries of one batch entry that read one key head, or some blocks
 * of them where there are few such heads. The cut depends on the shapes alone, so the bits are the
 * same for any number of threads. A block is BLOCK_QUERIES queries by BLOCK_KEYS keys; in it, tiles
 * of TILE_ROWS queries see as many panels of keys as their last query may. */
#ifndef FM_BACKEND_CPU_ATTENTION_BLOCK_H
#define FM_BACKEND_CPU_ATTENTION_BLOCK_H

#include "backend/cpu/gemm.h"
#include "backend/cpu/vector/operand_reader.h"
#include "backend/cpu/vector/philox_vector.h"
#include "backend/cpu/vector/transpose.h"
#include "backend/cpu/vector/vector_math.h"
#include "op/attention_attributes.h"

enum { V = VECTOR_LENGTH, BLOCK_QUERIES = 48, BLOCK_KEYS = 128, ITEMS = 16 };

INLINE int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

INLINE int64_t rounded(int64_t n, int64_t step)
{
    return (n + step - 1) / step * step;
}

/* ---- the plan -------------------------------------------------------------------------------- */

typedef struct attention_plan {
    const struct operand_reader *read; /* both products of a pair, and the gradients' */
    int64_t blocks, chunks, items;     /* blocks of queries; chunks of them an item is one of */
    int64_t panels;                    /* of keys */
    int64_t key_width, value_width;    /* key_dim and value_dim, rounded to vectors */
    int64_t part_floats;               /* scratch of a thread */
    int threads;
} attention_plan;

static inline attention_plan attention_plan_of(const kernel_attention *a, int threads,
                                               const struct operand_reader *read)
{
    attention_plan p = {.read = read,
                        .blocks = (a->queries + BLOCK_QUERIES - 1) / BLOCK_QUERIES,
                        .panels = (a->keys + PANEL_WIDTH - 1) / PANEL_WIDTH,
                        .key_width = rounded(a->key_dim, V),
                        .value_width = rounded(a->value_dim, V)};
    const int64_t heads = a->batch * a->key_heads;
    p.chunks = heads >= ITEMS ? 1 : smaller(p.blocks, (ITEMS + heads - 1) / heads);
    p.items = heads * p.chunks;
    const double pairs = (double)(a->batch * a->heads) * (double)a->queries * (double)a->keys;
    p.threads = pairs * (double)(a->key_dim + a->value_dim) < PARALLEL_PRODUCT ? 1 : threads;
    return p;
}

/* Which queries an item has. */
typedef struct attention_item {
    int64_t batch, key_head, begin, end;
} attention_item;

static inline attention_item attention_item_at(const kernel_attention *a, const attention_plan *p,
                                               int64_t item)
{
    const int64_t chunk = item % p->chunks, head = item / p->chunks;
    return (attention_item){
        .batch = head / a->key_heads,
        .key_head = head % a->key_heads,
        .begin = p->blocks * chunk / p->chunks * BLOCK_QUERIES,
        .end = smaller(a->queries, p->blocks * (chunk + 1) / p->chunks * BLOCK_QUERIES)};
}

/* Elements of q, of y and dy, of k and of v that lie before an item's. */
INLINE int64_t at_queries(const kernel_attention *a, const attention_item *item)
{
    return (item->batch * a->queries + item->begin) * a->q_step +
           item->key_head * (a->heads / a->key_heads) * a->key_dim;
}

INLINE int64_t at_results(const kernel_attention *a, const attention_item *item)
{
    const int64_t position = item->batch * a->queries + item->begin;
    return (position * a->heads + item->key_head * (a->heads / a->key_heads)) * a->value_dim;
}

INLINE int64_t at_keys(const kernel_attention *a, const attention_item *item)
{
    return item->batch * a->keys * a->k_step + item->key_head * a->key_dim;
}

INLINE int64_t at_values(const kernel_attention *a, const attention_item *item)
{
    return item->batch * a->keys * a->v_step + item->key_head * a->value_dim;
}

/* ---- the item after -------------------------------------------------------------------------- */

/* Its rows lie far apart and come from a far memory: the products of tiles fetch them, some lines
 * at every FETCH_STEP-th step, which leaves time for that. */
typedef struct item_ahead {
    rows_ahead of[8];
    int count, now;
    int64_t lines; /* at a step */
} item_ahead;

INLINE void add_rows(item_ahead *next, const float *row, ptrdiff_t step, int64_t floats,
                     int64_t rows)
{
    next->of[next->count++] = rows_ahead_of(row, step, floats, rows, 1);
}

/* So many lines at a step that all are fetched.
 * Each pair of a query and a key takes `words` multiply-adds. */
INLINE void share_out(item_ahead *next, const kernel_attention *a, const attention_plan *p,
                      double words)
{
    const double pairs = fm_attention_pairs(a) / (double)p->items;
    const double steps = pairs * words / (TILE_ROWS * PANEL_WIDTH * FETCH_STEP);
    int64_t lines = 0;
    for (int i = 0; i < next->count; i++) lines += next->of[i].share;
    next->lines = lines / ((int64_t)steps + 1) + 1;
}

INLINE void fetch_beside(struct tile *t, item_ahead *next)
{
    while (next->now < next->count && next->of[next->now].left <= 0) next->now++;
    t->ahead = next->now < next->count ? &next->of[next->now] : NULL;
    t->ahead_lines = next->lines;
}

INLINE float dot(const float *x, const float *y, int64_t n)
{
    vector sum = {0};
    for (int64_t j = 0; j < n; j += V) {
        sum = multiply_add(load_up_to(x + j, (size_t)(n - j)), load_up_to(y + j, (size_t)(n - j)),
                           sum);
    }
    return sum_of_lanes(sum);
}

/* ---- products -------------------------------------------------------------------------------- */

/* c (rows <= TILE_ROWS, columns) = or += a (rows, depth) b (depth, columns);
 * columns are whole vectors. */
INLINE void multiply_rows(const struct operand_reader *r, struct tile t, int64_t rows,
                          int64_t columns, item_ahead *next)
{
    const float *b = t.b;
    float *c = t.c;
    for (int64_t j = 0; j < columns; j += PANEL_WIDTH) {
        t.b = b + j;
        t.c = c + j;
        fetch_beside(&t, next);
        r->tile((size_t)rows, columns - j > V ? 2 : 1, t.a_row == 1)(&t);
    }
}

/* c (rows, columns rounded up to vectors) = a (rows, depth) times the panels at b. */
INLINE void multiply_panels(const struct operand_reader *r, struct tile t, int64_t rows,
                            int64_t columns, item_ahead *next)
{
    tile_function *const compute[2] = {r->tile((size_t)rows, 1, false),
                                       r->tile((size_t)rows, 2, false)};
    t.b_depth = PANEL_WIDTH;
    for (int64_t i = 0; i < columns; i += PANEL_WIDTH) {
        fetch_beside(&t, next);
        compute[columns - i > V](&t);
        t.b += (int64_t)t.depth * PANEL_WIDTH;
        t.c += PANEL_WIDTH;
    }
}

/* ---- rows of scores -------------------------------------------------------------------------- */

/* What a query sees of a block: the first `seen` keys, of these those whose mask says so. */
typedef struct seen_keys {
    int64_t seen;
    const float *mask; /* of the block's first key; NULL: all */
} seen_keys;

INLINE bool all_seen(const seen_keys *s, int64_t j)
{
    return !s->mask && s->seen - j >= V;
}

/* All ones in the lanes of the keys from j on that are seen. */
INLINE lanes seen_lanes(const seen_keys *s, int64_t j)
{
    lanes seen = lane_numbers < (int32_t)(s->seen - j);
    if (s->mask) {
        const size_t left = (size_t)(s->seen - j);
        seen &= (lanes)(load_up_to(s->mask + j, left) > 0.5f);
    }
    return seen;
}

INLINE const float *mask_of(const kernel_attention *a, const float *mask, int64_t batch,
                            int64_t query, int64_t key)
{
    return mask ? mask + batch * a->mask_batch + query * a->mask_query + key : NULL;
}

/* Of `count` keys from `first` on. */
INLINE seen_keys seen_by(const kernel_attention *a, const float *mask, int64_t batch, int64_t query,
                         int64_t first, int64_t count)
{
    return (seen_keys){smaller(kernel_attention_reach(a, query) - first, count),
                       mask_of(a, mask, batch, query, first)};
}

INLINE vector choose(lanes condition, vector x, vector y)
{
    return (vector)(((lanes)x & condition) | ((lanes)y & ~condition));
}

/* ---- dropout --------------------------------------------------------------------------------- */

typedef struct dropping {
    fm_random_key key;
    uint32_t threshold; /* 0: nothing is dropped */
    float scale;
} dropping;

INLINE dropping dropping_of(const kernel_attention *a)
{
    return (dropping){.key = a->key,
                      .threshold = (uint32_t)ceil(a->rate * 0x1p24),
                      .scale = (float)(1 / (1 - a->rate))};
}

enum { WORDS = BLOCK_KEYS + 2 * PHILOX_BLOCK + V };

/* The random words of elements first, first + 1, ..., first + count - 1, in whole vectors. */
INLINE const uint32_t *draw_words(const dropping *d, int64_t first, int64_t count,
                                  uint32_t words[WORDS])
{
    const int64_t lead = first & 3;
    for (int64_t i = 0; i < rounded(count, V) + lead; i += PHILOX_BLOCK) {
        philox_block(d->key, (uint64_t)(first - lead + i) / 4, words + i);
    }
    return words + lead;
}

/* z of a vector's elements: the scale or 0. */
INLINE vector kept_of(const dropping *d, const uint32_t *words)
{
    typedef lanes loose_lanes __attribute__((aligned(4), may_alias));
    const lanes number = (lanes)((*(const loose_lanes *)words >> 8) & 0xffffff);
    return keep_where(broadcast(d->scale), number >= (int32_t)d->threshold);
}

/* ---- matching ---- */

/* An attention has elements unless an operand has none; dims of 0 are the textbook's. */
static const char *match_f32(const fm_site *site)
{
    const char *refusal = refuse_unless_f32(site);
    for (int i = 0; !refusal && i < site->input_count; i++) {
        if (site->inputs[i].count == 0) return "there are no elements";
    }
    return refusal;
}

static const char *match_bf16(const fm_site *site)
{
    return match_f32(site);
}

#if VECTOR_LENGTH == 16
static const char *match_pairs(const fm_site *site)
{
    return fm_gemm_bf16_in_pairs() ? match_f32(site) : "the processor lacks AVX512_BF16";
}
#endif

/* An op's kernels, the best first; `prepare` is given a reader of operands. */
#define PREPARE_WITH(set, reader)                                                                  \
    static fm_status prepare_##set(const fm_site *site, fm_need *need)                             \
    {                                                                                              \
        return prepare(site, &(reader), need);                                                     \
    }
#define KERNEL_ROW(op_, set, precision_, name_)                                                    \
    {.name = "cpu." FM_ISA_NAME name_ #op_,                                                        \
     .op = &fm_op_##op_,                                                                           \
     .precision = precision_,                                                                      \
     .match = match_##set,                                                                         \
     .prepare = prepare_##set,                                                                     \
     .run = run,                                                                                   \
     .release = fm_release},
#if VECTOR_LENGTH == 16
#define PREPARE_PAIRS  PREPARE_WITH(pairs, fm_bf16_operands_native)
#define PAIRS_ROW(op_) KERNEL_ROW(op_, pairs, FM_PRECISION_BF16, "_bf16.")
#else
#define PREPARE_PAIRS
#define PAIRS_ROW(op_)
#endif
#define PREPARE                                                                                    \
    PREPARE_WITH(f32, FM_ISA_SYMBOL(fm_f32_operands))                                              \
    PREPARE_WITH(bf16, FM_ISA_SYMBOL(fm_bf16_operands))                                            \
    PREPARE_PAIRS
#define KERNEL_ROWS(op_)                                                                           \
    KERNEL_ROW(op_, f32, FM_PRECISION_F32, ".")                                                    \
    PAIRS_ROW(op_)                                                                                 \
    KERNEL_ROW(op_, bf16, FM_PRECISION_BF16, ".bf16.")

#endif
