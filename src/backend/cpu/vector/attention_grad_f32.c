/* The gradients of attention: the scores of a block of queries and keys are made again from lse,
 * then the five products of kernel/attention.h, all in the caches (Dao et al. 2022). Where items
 * share a key head, each has sums of its own for dk and dv, which are added up in the items'
 * order. */
#include "backend/cpu/vector/attention_block.h"
#include "base/memory.h"
#include "op/op_table.h"

#include <string.h>

typedef struct work {
    kernel_attention a;
    attention_plan plan;
    dropping drop;
    const float *q, *k, *v, *mask, *y, *lse, *dy;
    float *dq, *dk, *dv, *scratch;
    float *sums; /* of dk and dv for each item, after the threads' scratch; NULL: in it */
} work;

/* Floats of an item's sums. */
INLINE int64_t sum_floats(const kernel_attention *a, const attention_plan *p)
{
    return a->keys * (p->key_width + p->value_width);
}

/* An item's memory: what is made once, what each block of queries makes. */
typedef struct item_memory {
    float *keys, *values, *k_columns; /* panels of k and v; k as a reader's columns */
    float *q_rows, *dy_rows;          /* of a block, (BLOCK_QUERIES, width), as rows, and */
    float *q_columns, *dy_columns;    /* as columns */
    float *p, *ds;                    /* (BLOCK_QUERIES, BLOCK_KEYS) */
    float *p_columns, *ds_columns;    /* the same as columns */
    float *ds_rows;                   /* (TILE_ROWS, BLOCK_KEYS) */
    float *dq;                        /* (BLOCK_QUERIES, key_width) */
    float *dk, *dv;                   /* (keys, width) */
} item_memory;

static int64_t lay_out(const kernel_attention *a, const attention_plan *p, float *base,
                       item_memory *m)
{
    const int64_t whole = p->panels * PANEL_WIDTH, pairs = p->read->numbers > 1;
    const int64_t key_words = (int64_t)words_in(p->read, (size_t)a->keys);
    const bool k_lies = !pairs && p->key_width == a->key_dim;
    const struct {
        float **at;
        int64_t floats;
    } pieces[] = {{&m->keys, whole * a->key_dim},
                  {&m->values, whole * a->value_dim},
                  {&m->k_columns, k_lies ? 0 : key_words * p->key_width},
                  {&m->q_rows, pairs * BLOCK_QUERIES * p->key_width},
                  {&m->dy_rows, pairs * BLOCK_QUERIES * p->value_width},
                  {&m->q_columns, BLOCK_QUERIES * p->key_width},
                  {&m->dy_columns, BLOCK_QUERIES * p->value_width},
                  {&m->p, BLOCK_QUERIES * BLOCK_KEYS},
                  {&m->ds, BLOCK_QUERIES * BLOCK_KEYS},
                  {&m->p_columns, pairs * BLOCK_QUERIES / 2 * BLOCK_KEYS},
                  {&m->ds_columns, pairs * BLOCK_QUERIES / 2 * BLOCK_KEYS},
                  {&m->ds_rows, pairs * TILE_ROWS / 2 * BLOCK_KEYS},
                  {&m->dq, BLOCK_QUERIES * p->key_width},
                  {&m->dk, p->chunks > 1 ? 0 : a->keys * p->key_width},
                  {&m->dv, p->chunks > 1 ? 0 : a->keys * p->value_width}};
    int64_t floats = 0;
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        if (base) *pieces[i].at = base + floats;
        floats += rounded(pieces[i].floats, LINE);
    }
    return floats;
}

/* A block of queries of one head. */
typedef struct block {
    const work *w;
    item_memory m;
    int64_t batch, head, first, count; /* of queries */
    bool continues;                    /* the sums of dk and dv */
    operand q_rows, dy_rows, q_columns, dy_columns, k_columns;
    float mean[BLOCK_QUERIES]; /* dy . y */
    item_ahead next;
} block;

/* ---- rows ------------------------------------------------------------------------------------ */

/* Scores s become weights z p, slopes (dy . v) become ds without the scale;
 * zeros from what is seen up to `filled`. */
static void slope_row(const block *b, int64_t r, int64_t first, const seen_keys *keys,
                      int64_t filled, float *s, float *slopes)
{
    const kernel_attention *a = &b->w->a;
    const int64_t row = (b->batch * a->heads + b->head) * a->queries + b->first + r;
    const float lse = b->w->lse[row], scale = (float)a->scale;
    const vector mean = broadcast(b->mean[r]);
    const dropping *drop = &b->w->drop;
    uint32_t words[WORDS];
    const uint32_t *drawn = NULL;
    int64_t j = 0;
    if (a->rate != 0 && keys->seen > 0) {
        drawn = draw_words(drop, row * a->keys + first, keys->seen, words);
    }
    for (; j < keys->seen; j += V) {
        vector p = exp_down_lanes(load(s + j) * scale - lse), slope = load(slopes + j),
               z = broadcast(1);
        if (drawn) {
            z = kept_of(drop, drawn + j);
            slope *= z;
        }
        vector ds = p * (slope - mean);
        if (!all_seen(keys, j)) {
            const lanes seen = seen_lanes(keys, j);
            p = keep_where(p, seen);
            ds = keep_where(ds, seen);
        }
        store(s + j, p * z);
        store(slopes + j, ds);
    }
    for (; j < filled; j += V) {
        store(s + j, (vector){0});
        store(slopes + j, (vector){0});
    }
}

/* ---- blocks ---------------------------------------------------------------------------------- */

/* How many keys of [first, first + BLOCK_KEYS) the queries [0, rows) of the block see at most. */
INLINE int64_t keys_seen(const block *b, int64_t rows, int64_t first)
{
    const int64_t reach = kernel_attention_reach(&b->w->a, b->first + rows - 1) - first;
    return reach < 0 ? 0 : smaller(reach, BLOCK_KEYS);
}

/* p and ds of a tile of queries, and its part of dq. */
static void slope_tile(block *b, int64_t top, int64_t rows, int64_t first)
{
    const kernel_attention *a = &b->w->a;
    const int64_t count = keys_seen(b, top + rows, first);
    if (count == 0) return;
    const struct operand_reader *read = b->w->plan.read;
    const int64_t width = b->w->plan.key_width;
    float *s = b->m.p + top * BLOCK_KEYS, *slopes = b->m.ds + top * BLOCK_KEYS;
    struct tile t = {.a_depth = 1, .c_row = BLOCK_KEYS};
    t.depth = words_in(read, (size_t)a->key_dim);
    t.a = b->q_rows.rows + top * b->q_rows.step;
    t.a_row = b->q_rows.step;
    t.b = b->m.keys + first * (int64_t)t.depth;
    t.c = s;
    multiply_panels(read, t, rows, count, &b->next);
    t.depth = words_in(read, (size_t)a->value_dim);
    t.a = b->dy_rows.rows + top * b->dy_rows.step;
    t.a_row = b->dy_rows.step;
    t.b = b->m.values + first * (int64_t)t.depth;
    t.c = slopes;
    multiply_panels(read, t, rows, count, &b->next);
    /* as far as key_tile reads */
    const int64_t filled = smaller(rounded(count + TILE_ROWS - 1, V), BLOCK_KEYS);
    for (int64_t r = top; r < top + rows; r++, s += BLOCK_KEYS, slopes += BLOCK_KEYS) {
        const seen_keys keys = seen_by(a, b->w->mask, b->batch, b->first + r, first, count);
        slope_row(b, r, first, &keys, filled, s, slopes);
    }
    const operand ds = read->rows(b->m.ds + top * BLOCK_KEYS, BLOCK_KEYS, (size_t)rows,
                                  (size_t)count, b->m.ds_rows);
    const int64_t first_word = (int64_t)words_in(read, (size_t)first);
    multiply_rows(read,
                  (struct tile){.depth = words_in(read, (size_t)count),
                                .a = ds.rows,
                                .a_row = ds.step,
                                .a_depth = 1,
                                .b = b->k_columns.rows + first_word * b->k_columns.step,
                                .b_depth = b->k_columns.step,
                                .c = b->m.dq + top * width,
                                .c_row = width,
                                .continued = first > 0},
                  rows, width, &b->next);
}

/* dk and dv of a tile of keys: the products of ds and p, transposed,
 * with the queries that see it. */
static void key_tile(block *b, operand p, operand ds, int64_t first, int64_t key, int64_t rows)
{
    const attention_plan *plan = &b->w->plan;
    const struct operand_reader *read = plan->read;
    int64_t top = 0;
    while (top < b->count && keys_seen(b, smaller(top + TILE_ROWS, b->count), first) <= key) {
        top += TILE_ROWS;
    }
    if (top >= b->count) return;
    const int64_t word = (int64_t)words_in(read, (size_t)top);
    const struct tile t = {.depth = words_in(read, (size_t)(b->count - top)),
                           .a_row = 1,
                           .a_depth = p.step,
                           .continued = b->continues};
    struct tile of_k = t, of_v = t;
    of_k.a = ds.rows + word * ds.step + key;
    of_k.b = b->q_columns.rows + word * b->q_columns.step;
    of_k.b_depth = b->q_columns.step;
    of_k.c = b->m.dk + (first + key) * plan->key_width;
    of_k.c_row = plan->key_width;
    multiply_rows(read, of_k, rows, plan->key_width, &b->next);
    of_v.a = p.rows + word * p.step + key;
    of_v.b = b->dy_columns.rows + word * b->dy_columns.step;
    of_v.b_depth = b->dy_columns.step;
    of_v.c = b->m.dv + (first + key) * plan->value_width;
    of_v.c_row = plan->value_width;
    multiply_rows(read, of_v, rows, plan->value_width, &b->next);
}

/* The same of all keys [first, first + count) that the block sees. */
static void key_tiles(block *b, int64_t first, int64_t count)
{
    const struct operand_reader *read = b->w->plan.read;
    const size_t queries = (size_t)b->count, keys = (size_t)rounded(count, V);
    const operand p = read->columns(b->m.p, BLOCK_KEYS, queries, keys, b->m.p_columns);
    const operand ds = read->columns(b->m.ds, BLOCK_KEYS, queries, keys, b->m.ds_columns);
    for (int64_t key = 0; key < count; key += TILE_ROWS) {
        key_tile(b, p, ds, first, key, smaller(TILE_ROWS, count - key));
    }
}

static void write_rows(float *to, int64_t step, const float *from, int64_t width, int64_t count,
                       int64_t n, float scale)
{
    for (int64_t r = 0; r < count; r++) {
        for (int64_t j = 0; j < n; j += V) {
            const vector value = load(from + r * width + j) * scale;
            if (n - j >= V) {
                store(to + r * step + j, value);
            } else {
                store_first(to + r * step + j, value, (size_t)(n - j));
            }
        }
    }
}

/* Rows [from, to). */
static void zero_rows(float *rows, int64_t width, int64_t from, int64_t to)
{
    memset(rows + from * width, 0, (size_t)((to - from) * width) * sizeof *rows);
}

static void run_block(block *b)
{
    const work *w = b->w;
    const kernel_attention *a = &w->a;
    const struct operand_reader *read = w->plan.read;
    const int64_t y_step = a->heads * a->value_dim, at = b->batch * a->queries + b->first;
    const float *y = w->y + at * y_step + b->head * a->value_dim;
    const float *q = w->q + at * a->q_step + b->head * a->key_dim;
    const float *dy = w->dy + at * y_step + b->head * a->value_dim;
    const size_t count = (size_t)b->count, k = (size_t)a->key_dim, v = (size_t)a->value_dim;
    b->q_rows = read->rows(q, a->q_step, count, k, b->m.q_rows);
    b->dy_rows = read->rows(dy, y_step, count, v, b->m.dy_rows);
    b->q_columns = read->columns(q, a->q_step, count, k, b->m.q_columns);
    b->dy_columns = read->columns(dy, y_step, count, v, b->m.dy_columns);
    for (int64_t r = 0; r < b->count; r++) {
        b->mean[r] = dot(dy + r * y_step, y + r * y_step, a->value_dim);
    }
    if (keys_seen(b, smaller(TILE_ROWS, b->count), 0) == 0) {
        zero_rows(b->m.dq, w->plan.key_width, 0, b->count); /* of tiles without a key */
    }
    const int64_t reach = kernel_attention_reach(a, b->first + b->count - 1);
    for (int64_t first = 0; first < reach; first += BLOCK_KEYS) {
        for (int64_t top = 0; top < b->count; top += TILE_ROWS) {
            slope_tile(b, top, smaller(TILE_ROWS, b->count - top), first);
        }
        key_tiles(b, first, keys_seen(b, b->count, first));
    }
    write_rows(w->dq + at * a->q_step + b->head * a->key_dim, a->q_step, b->m.dq, w->plan.key_width,
               b->count, a->key_dim, (float)a->scale);
}

/* ---- items ----------------------------------------------------------------------------------- */

static void write_keys(const work *w, int64_t batch, int64_t key_head, const float *dk,
                       const float *dv)
{
    const kernel_attention *a = &w->a;
    write_rows(w->dk + batch * a->keys * a->k_step + key_head * a->key_dim, a->k_step, dk,
               w->plan.key_width, a->keys, a->key_dim, (float)a->scale);
    write_rows(w->dv + batch * a->keys * a->v_step + key_head * a->value_dim, a->v_step, dv,
               w->plan.value_width, a->keys, a->value_dim, 1);
}

/* What an item reads, and where it writes. */
static item_ahead ahead_of_item(const work *w, int64_t index)
{
    const kernel_attention *a = &w->a;
    item_ahead next = {.count = 0};
    if (index >= w->plan.items) return next;
    const attention_item item = attention_item_at(a, &w->plan, index);
    const int64_t reach = kernel_attention_reach(a, item.end - 1), group = a->heads / a->key_heads;
    const int64_t queries = item.end - item.begin, y_step = a->heads * a->value_dim;
    const int64_t at_q = at_queries(a, &item), at_y = at_results(a, &item);
    const int64_t at_k = at_keys(a, &item), at_v = at_values(a, &item);
    const int64_t key_floats = group * a->key_dim, value_floats = group * a->value_dim;
    add_rows(&next, w->q + at_q, a->q_step, key_floats, queries);
    add_rows(&next, w->k + at_k, a->k_step, a->key_dim, reach);
    add_rows(&next, w->v + at_v, a->v_step, a->value_dim, reach);
    add_rows(&next, w->y + at_y, y_step, value_floats, queries);
    add_rows(&next, w->dy + at_y, y_step, value_floats, queries);
    add_rows(&next, w->dq + at_q, a->q_step, key_floats, queries);
    add_rows(&next, w->dk + at_k, a->k_step, a->key_dim, reach);
    add_rows(&next, w->dv + at_v, a->v_step, a->value_dim, reach);
    const double words =
        (double)(3 * a->key_dim + 2 * a->value_dim) / (double)w->plan.read->numbers;
    share_out(&next, a, &w->plan, words);
    return next;
}

static void run_item(const work *w, int64_t index, float *scratch)
{
    const kernel_attention *a = &w->a;
    const attention_item item = attention_item_at(a, &w->plan, index);
    const int64_t group = a->heads / a->key_heads, reach = kernel_attention_reach(a, item.end - 1);
    const float *k = w->k + at_keys(a, &item), *v = w->v + at_values(a, &item);
    block b;
    b.w = w;
    b.batch = item.batch;
    b.next = ahead_of_item(w, index + 1);
    lay_out(a, &w->plan, scratch, &b.m);
    if (w->sums) {
        b.m.dk = w->sums + index * sum_floats(a, &w->plan);
        b.m.dv = b.m.dk + a->keys * w->plan.key_width;
    }
    zero_rows(b.m.dk, w->plan.key_width, reach, a->keys);
    zero_rows(b.m.dv, w->plan.value_width, reach, a->keys);
    const struct operand_reader *read = w->plan.read;
    read->panels(k, a->k_step, (size_t)reach, (size_t)a->key_dim, b.m.keys);
    read->panels(v, a->v_step, (size_t)reach, (size_t)a->value_dim, b.m.values);
    b.k_columns = read->columns(k, a->k_step, (size_t)reach, (size_t)a->key_dim, b.m.k_columns);
    for (int64_t h = 0; h < group; h++) {
        b.head = item.key_head * group + h;
        const int64_t blocks = (item.end - item.begin + BLOCK_QUERIES - 1) / BLOCK_QUERIES;
        for (int64_t i = blocks; i-- > 0;) { /* the last one first: it sees the most keys */
            b.first = item.begin + i * BLOCK_QUERIES;
            b.count = smaller(BLOCK_QUERIES, item.end - b.first);
            b.continues = h > 0 || i < blocks - 1;
            run_block(&b);
        }
    }
    if (!w->sums) write_keys(w, item.batch, item.key_head, b.m.dk, b.m.dv);
}

static void run_items(const void *argument, int part, int64_t begin, int64_t end)
{
    const work *w = argument;
    for (int64_t i = begin; i < end; i++) {
        run_item(w, i, w->scratch + part * w->plan.part_floats);
    }
}

/* The sums of the items of one key head, in their order. */
static void join_part(const void *argument, int part, int parts)
{
    const work *w = argument;
    const int64_t floats = sum_floats(&w->a, &w->plan), chunks = w->plan.chunks;
    for (int64_t head = part; head < w->plan.items / chunks; head += parts) {
        float *sums = w->sums + head * chunks * floats;
        for (int64_t i = 1; i < chunks; i++) {
            const float *more = sums + i * floats;
            for (int64_t j = 0; j < floats; j += V)
                store(sums + j, load(sums + j) + load(more + j));
        }
        write_keys(w, head / w->a.key_heads, head % w->a.key_heads, sums,
                   sums + w->a.keys * w->plan.key_width);
    }
}

/* ---- kernels --------------------------------------------------------------------------------- */

static fm_status prepare(const fm_site *site, const struct operand_reader *read, fm_need *need)
{
    const kernel_attention a = fm_attention_sizes(site->op, site->attributes, site->inputs);
    attention_plan *p = fm_allocate(site->context, sizeof *p);
    if (!p) return FM_ERROR_MEMORY;
    *p = attention_plan_of(&a, site->threads, read);
    p->part_floats = lay_out(&a, p, NULL, &(item_memory){0});
    int64_t floats = p->part_floats * p->threads;
    if (p->chunks > 1) floats += p->items * sum_floats(&a, p);
    need->state = p;
    need->scratch_bytes = (size_t)floats * sizeof(float);
    return FM_OK;
}

static void run(const fm_call *call)
{
    const fm_attention_call c = fm_attention_read(call);
    work w = {.a = c.sizes,
              .plan = *(const attention_plan *)call->state,
              .drop = dropping_of(&c.sizes),
              .q = c.q,
              .k = c.k,
              .v = c.v,
              .mask = c.mask,
              .y = c.y,
              .lse = c.lse,
              .dy = c.dy,
              .dq = c.dq,
              .dk = c.dk,
              .dv = c.dv,
              .scratch = call->scratch};
    if (w.plan.chunks > 1) w.sums = w.scratch + w.plan.part_floats * w.plan.threads;
    fm_in_pieces(w.plan.threads, &(fm_pieces){w.plan.items, 1, false, run_items, &w});
    if (w.sums) fm_in_parts(w.plan.threads, join_part, &w);
}

PREPARE

/* clang-format off */
static const fm_kernel kernels[] = {KERNEL_ROWS(attention_grad) KERNEL_ROWS(packed_attention_grad)};
/* clang-format on */

const fm_kernel_family FM_ISA_SYMBOL(fm_cpu_attention_grad) = FAMILY(kernels);
