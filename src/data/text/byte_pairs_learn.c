/* Learning byte pairs (Sennrich, Haddow and Birch, "Neural Machine Translation of Rare Words with
 * Subword Units", ACL 2016): the most frequent pair of neighbours becomes a token, again and again.
 *
 * Each different piece of the text is kept once, with its count, as a chain of symbols. A pair
 * knows how often it occurs and where, in ascending order: both its tokens stand beside each other
 * since the younger one was made, in one walk from left to right. A heap holds pairs by counts that
 * may be out of date: what comes out with a count that has fallen goes back in. So a merge costs
 * what its occurrences are, not the text. */
#include "data/text/vocabulary.h"
#include "base/memory.h"

#include <string.h>

#define NONE UINT32_MAX

typedef struct piece {
    size_t begin; /* in the text of all pieces */
    uint32_t size, hash;
    uint64_t count;
} piece;

/* Pieces by their bytes: open addressing, linear probing; slots hold a number plus 1. */
typedef struct pieces {
    fm_text bytes;
    piece *items;
    size_t count, capacity;
    uint32_t *slots;
    size_t slot_count;
} pieces;

typedef struct symbol {
    uint32_t token; /* NONE: it is part of the one before it */
    uint32_t before, after, piece;
} symbol;

typedef struct occurrence {
    uint32_t at; /* of the left symbol */
    uint32_t next;
} occurrence;

typedef struct pair {
    uint32_t a, b;
    int64_t count;
    uint32_t first, last; /* occurrences */
} pair;

typedef struct candidate {
    int64_t count; /* when it went into the heap */
    uint32_t pair;
} candidate;

typedef struct learning {
    fm_context *context;
    fm_vocabulary *v;
    pieces pieces;
    symbol *symbols;
    size_t symbol_count;
    pair *pairs;
    size_t pair_count, pair_capacity;
    fm_pair_table places; /* of pairs */
    occurrence *occurrences;
    size_t occurrence_count, occurrence_capacity;
    candidate *heap;
    size_t heap_count, heap_capacity;
} learning;

/* ---- pieces ---------------------------------------------------------------------------------- */

static uint32_t hash_bytes(const char *bytes, size_t size)
{
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (size_t i = 0; i < size; i++) hash = (hash ^ (unsigned char)bytes[i]) * 16777619u;
    return hash;
}

static uint32_t *find_slot(const pieces *p, const char *bytes, size_t size, uint32_t hash)
{
    for (size_t i = hash & (p->slot_count - 1);; i = (i + 1) & (p->slot_count - 1)) {
        if (p->slots[i] == 0) return &p->slots[i];
        const piece *had = &p->items[p->slots[i] - 1];
        if (had->hash == hash && had->size == size &&
            memcmp(p->bytes.bytes + had->begin, bytes, size) == 0) {
            return &p->slots[i];
        }
    }
}

static fm_status enlarge(learning *l)
{
    enum { FEWEST_SLOTS = 1024 };
    pieces *p = &l->pieces;
    size_t count = p->slot_count ? 2 * p->slot_count : FEWEST_SLOTS;
    uint32_t *slots = fm_allocate_zeroed(l->context, count * sizeof *slots);
    if (!slots) return FM_ERROR_MEMORY;
    fm_release(l->context, p->slots);
    p->slots = slots;
    p->slot_count = count;
    for (size_t i = 0; i < p->count; i++) {
        const piece *had = &p->items[i];
        *find_slot(p, p->bytes.bytes + had->begin, had->size, had->hash) = (uint32_t)i + 1;
    }
    return FM_OK;
}

static fm_status count_piece(learning *l, const char *bytes, size_t size)
{
    pieces *p = &l->pieces;
    fm_status status = 2 * (p->count + 1) > p->slot_count ? enlarge(l) : FM_OK;
    if (status != FM_OK) return status;
    uint32_t hash = hash_bytes(bytes, size), *slot = find_slot(p, bytes, size, hash);
    if (*slot) {
        p->items[*slot - 1].count++;
        return FM_OK;
    }
    size_t begin = p->bytes.size;
    status = fm_grow(l->context, &p->items, &p->capacity, p->count + 1, sizeof *p->items);
    fm_text_add_bytes(&p->bytes, bytes, size);
    if (status == FM_OK) status = fm_text_status(&p->bytes);
    if (status != FM_OK) return status;
    p->items[p->count++] = (piece){begin, (uint32_t)size, hash, 1};
    *slot = (uint32_t)p->count;
    /* a merge makes of two symbols one, and at most two pairs: occurrences are fewer than thrice
     * the symbols, and are counted in 32 bits */
    if (p->bytes.size < NONE / 3) return FM_OK;
    return fm_fail(l->context, FM_ERROR_LIMIT,
                   "the text has more than 1.3 GiB of different pieces: learn from a part of it");
}

static fm_status count_pieces(learning *l, fm_texts texts)
{
    fm_status status = FM_OK;
    const char *text;
    size_t size;
    for (int64_t i = 0; status == FM_OK && (text = texts.at(texts.user, i, &size)); i++) {
        for (size_t at = 0, end; status == FM_OK && at < size; at = end) {
            end = fm_piece_end(text, size, at);
            status = count_piece(l, text + at, end - at);
        }
    }
    return status;
}

/* ---- pairs ----------------------------------------------------------------------------------- */

/* More often, then of smaller numbers. */
static bool comes_first(const learning *l, candidate p, candidate q)
{
    const pair *a = &l->pairs[p.pair], *b = &l->pairs[q.pair];
    if (p.count != q.count) return p.count > q.count;
    return a->a != b->a ? a->a < b->a : a->b < b->b;
}

static fm_status push(learning *l, uint32_t number)
{
    fm_status status =
        fm_grow(l->context, &l->heap, &l->heap_capacity, l->heap_count + 1, sizeof *l->heap);
    if (status != FM_OK) return status;
    candidate new = {l->pairs[number].count, number};
    size_t at = l->heap_count++;
    for (; at > 0 && comes_first(l, new, l->heap[(at - 1) / 2]); at = (at - 1) / 2) {
        l->heap[at] = l->heap[(at - 1) / 2];
    }
    l->heap[at] = new;
    return FM_OK;
}

static candidate pop(learning *l)
{
    candidate best = l->heap[0], last = l->heap[--l->heap_count];
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= l->heap_count) break;
        if (child + 1 < l->heap_count && comes_first(l, l->heap[child + 1], l->heap[child])) {
            child++;
        }
        if (!comes_first(l, l->heap[child], last)) break;
        l->heap[at] = l->heap[child];
        at = child;
    }
    l->heap[at] = last;
    return best;
}

/* The two symbols from `at` on stand beside each other now. */
static fm_status note_pair(learning *l, uint32_t at)
{
    const symbol *left = &l->symbols[at], *right = &l->symbols[left->after];
    const uint32_t *known = fm_pair_get(&l->places, left->token, right->token);
    uint32_t number = known ? *known : (uint32_t)l->pair_count;
    fm_status status = FM_OK;
    if (!known) {
        status = fm_pair_add(l->context, &l->places, left->token, right->token, number);
        if (status == FM_OK) {
            status = fm_grow(l->context, &l->pairs, &l->pair_capacity, l->pair_count + 1,
                             sizeof *l->pairs);
        }
        if (status != FM_OK) return status;
        l->pairs[l->pair_count++] = (pair){left->token, right->token, 0, NONE, NONE};
    }
    status = fm_grow(l->context, &l->occurrences, &l->occurrence_capacity, l->occurrence_count + 1,
                     sizeof *l->occurrences);
    if (status != FM_OK) return status;
    pair *p = &l->pairs[number];
    uint32_t here = (uint32_t)l->occurrence_count++;
    l->occurrences[here] = (occurrence){at, NONE};
    if (p->first == NONE) {
        p->first = here;
    } else {
        l->occurrences[p->last].next = here;
    }
    p->last = here;
    p->count += (int64_t)l->pieces.items[left->piece].count;
    return FM_OK;
}

/* They do so no longer. */
static void forget_pair(learning *l, uint32_t at)
{
    const symbol *left = &l->symbols[at], *right = &l->symbols[left->after];
    const uint32_t *known = fm_pair_get(&l->places, left->token, right->token);
    l->pairs[*known].count -= (int64_t)l->pieces.items[left->piece].count;
}

/* ---- merging --------------------------------------------------------------------------------- */

static fm_status merge_at(learning *l, uint32_t at, uint32_t token)
{
    symbol *left = &l->symbols[at], *right = &l->symbols[left->after];
    fm_status status = FM_OK;
    if (left->before != NONE) forget_pair(l, left->before);
    if (right->after != NONE) forget_pair(l, left->after);
    right->token = NONE;
    left->token = token;
    left->after = right->after;
    if (left->after != NONE) l->symbols[left->after].before = at;
    if (left->before != NONE) status = note_pair(l, left->before);
    if (status == FM_OK && left->after != NONE) status = note_pair(l, at);
    return status;
}

/* All its occurrences, from left to right; those that an
 * overlapping one used up are passed over. */
static fm_status merge(learning *l, uint32_t number, uint32_t token)
{
    uint32_t a = l->pairs[number].a, b = l->pairs[number].b;
    size_t before = l->pair_count;
    fm_status status = FM_OK;
    for (uint32_t i = l->pairs[number].first; i != NONE && status == FM_OK;) {
        uint32_t at = l->occurrences[i].at;
        const symbol *left = &l->symbols[at];
        i = l->occurrences[i].next;
        bool there = left->token == a && left->after != NONE && l->symbols[left->after].token == b;
        if (there) status = merge_at(l, at, token);
    }
    l->pairs[number].count = 0;
    for (size_t i = before; i < l->pair_count && status == FM_OK; i++) {
        status = push(l, (uint32_t)i);
    }
    return status;
}

static fm_status merge_most_frequent(learning *l)
{
    fm_status status = FM_OK;
    while (status == FM_OK && l->heap_count > 0 && l->v->size < l->v->options.size) {
        candidate best = pop(l);
        const pair *p = &l->pairs[best.pair];
        if (best.count < l->v->options.min_count) break;
        if (p->count != best.count) {
            if (p->count > 0) status = push(l, best.pair);
            continue;
        }
        uint32_t token = (uint32_t)l->v->size;
        status = fm_vocabulary_add_pair(l->v, p->a, p->b);
        if (status == FM_OK) status = merge(l, best.pair, token);
    }
    return status;
}

/* ---- all of it ------------------------------------------------------------------------------- */

static fm_status make_symbols(learning *l)
{
    const pieces *p = &l->pieces;
    l->symbol_count = p->bytes.size;
    l->symbols = fm_allocate_array(l->context, l->symbol_count, sizeof *l->symbols);
    if (!l->symbols) return fm_error_status(l->context);
    for (size_t i = 0; i < p->count; i++) {
        size_t begin = p->items[i].begin, end = begin + p->items[i].size;
        for (size_t k = begin; k < end; k++) {
            l->symbols[k] = (symbol){.token = (unsigned char)p->bytes.bytes[k] + 1u,
                                     .before = k > begin ? (uint32_t)k - 1 : NONE,
                                     .after = k + 1 < end ? (uint32_t)k + 1 : NONE,
                                     .piece = (uint32_t)i};
        }
    }
    fm_status status = FM_OK;
    for (size_t k = 0; k < l->symbol_count && status == FM_OK; k++) {
        if (l->symbols[k].after != NONE) status = note_pair(l, (uint32_t)k);
    }
    for (size_t i = 0; i < l->pair_count && status == FM_OK; i++) status = push(l, (uint32_t)i);
    return status;
}

fm_status fm_byte_pairs_learn(fm_vocabulary *v, fm_texts texts)
{
    learning l = {.context = v->context, .v = v, .pieces = {.bytes = {.context = v->context}}};
    fm_status status = count_pieces(&l, texts);
    if (status == FM_OK) status = make_symbols(&l);
    if (status == FM_OK) status = merge_most_frequent(&l);
    fm_text_release(&l.pieces.bytes);
    fm_release(v->context, l.pieces.items);
    fm_release(v->context, l.pieces.slots);
    fm_release(v->context, l.symbols);
    fm_release(v->context, l.pairs);
    fm_pair_release(v->context, &l.places);
    fm_release(v->context, l.occurrences);
    fm_release(v->context, l.heap);
    return status;
}
