/* The choice is a shortest path: which candidates are buckets, such that the steps of all samples
 * are fewest (dynamic programming, R. Bellman 1957). */
#include "data/buckets.h"

enum { MOST_CANDIDATES = 512 };

/* Lengths that may be buckets, ascending, and how many samples each and those before it hold. */
typedef struct candidates {
    int count;
    int64_t length[MOST_CANDIDATES + 1], held[MOST_CANDIDATES + 1];
} candidates;

static void add_candidate(candidates *c, int64_t length, int64_t held)
{
    bool known = c->count > 0 && c->length[c->count - 1] == length;
    if (!known) c->length[c->count++] = length;
    c->held[c->count - 1] = held;
}

/* Each length that is among the samples, or those of some of them, and the longest. */
static void find_candidates(const int64_t *lengths, int64_t count, int64_t longest, candidates *c)
{
    int64_t some = count < MOST_CANDIDATES ? count : MOST_CANDIDATES;
    c->count = 0;
    for (int64_t i = 1, at = 0; i <= some; i++) {
        int64_t last = (int64_t)((double)i * (double)count / (double)some) - 1;
        int64_t length = lengths[last] < 1 ? 1 : lengths[last];
        if (length >= longest) break;
        for (at = at < last ? last : at; at < count && lengths[at] <= length; at++) continue;
        add_candidate(c, length, at);
    }
    add_candidate(c, longest, count);
}

void fm_buckets_choose(const int64_t *lengths, int64_t count, int64_t longest, int most,
                       fm_ints *buckets)
{
    candidates c;
    int64_t
        steps[MOST_CANDIDATES + 1]; /* of the samples that candidate j holds, it being a bucket */
    int16_t before[FM_MAX_LIST][MOST_CANDIDATES + 1]; /* the bucket before it, with k before it */
    *buckets = (fm_ints){0};
    find_candidates(lengths, count, longest, &c);
    if (most > c.count) most = c.count;
    if (most < 2) return;
    for (int j = 0; j < c.count; j++) steps[j] = c.length[j] * c.held[j];
    for (int k = 1; k < most; k++) {
        for (int j = c.count - 1; j >= k; j--) {
            int64_t least = INT64_MAX;
            for (int i = k - 1; i < j; i++) {
                int64_t all = steps[i] + c.length[j] * (c.held[j] - c.held[i]);
                if (all >= least) continue;
                least = all;
                before[k][j] = (int16_t)i;
            }
            steps[j] = least;
        }
    }
    buckets->count = most;
    for (int k = most - 1, j = c.count - 1; k >= 0; k--) {
        buckets->at[k] = c.length[j];
        if (k > 0) j = before[k][j];
    }
}
