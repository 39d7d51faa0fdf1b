#include "train/sampling.h"
#include "base/element.h"
#include "base/memory.h"

#include <math.h>
#include <stdbool.h>

fm_status fm_sampler_open(fm_context *context, int64_t first, int64_t end, fm_sampler *sampler)
{
    *sampler = (fm_sampler){.context = context, .first = first, .end = end};
    if (end <= first) {
        return fm_fail(context, FM_ERROR_ARGUMENT, "generate: the vocabulary is empty");
    }
    sampler->candidates =
        fm_allocate_array(context, (size_t)(end - first), sizeof *sampler->candidates);
    return sampler->candidates ? FM_OK : fm_error_status(context);
}

void fm_sampler_close(fm_sampler *sampler)
{
    if (sampler->context) fm_release(sampler->context, sampler->candidates);
    *sampler = (fm_sampler){0};
}

fm_status fm_sampler_load(fm_sampler *s, const void *row, fm_dtype dtype, bool probabilities)
{
    for (int64_t token = s->first; token < s->end; token++) {
        double score = fm_element(row, dtype, (size_t)token);
        if (isnan(score)) return FM_ERROR_NONFINITE;
        if (probabilities) score = log(score > 0 ? score : 0);
        s->candidates[token - s->first] = (fm_candidate){score, (int32_t)token};
    }
    return FM_OK;
}

static int64_t most_probable(const fm_candidate *candidates, int64_t count)
{
    int64_t best = 0;
    for (int64_t i = 1; i < count; i++) {
        if (candidates[i].score > candidates[best].score) best = i;
    }
    return best;
}

/* exp((score - best) / temperature) in place of scores; returns their sum. */
static double weigh(fm_candidate *candidates, int64_t count, double temperature)
{
    double best = candidates[most_probable(candidates, count)].score, sum = 0;
    for (int64_t i = 0; i < count; i++) {
        double below = candidates[i].score - best; /* infinity has no difference to itself */
        if (candidates[i].score == best) below = 0;
        sum += candidates[i].score = exp(below / temperature);
    }
    return sum;
}

/* ---- the most probable first, without sorting the rest --------------------------------------- */

/* At a tie the smaller number. */
static bool comes_first(const fm_candidate *p, const fm_candidate *q)
{
    return p->score != q->score ? p->score > q->score : p->token < q->token;
}

static void sift(fm_candidate *heap, int64_t count, int64_t at)
{
    fm_candidate moved = heap[at];
    for (int64_t child; (child = 2 * at + 1) < count; at = child) {
        if (child + 1 < count && comes_first(&heap[child + 1], &heap[child])) child++;
        if (!comes_first(&heap[child], &moved)) break;
        heap[at] = heap[child];
    }
    heap[at] = moved;
}

/* A heap that shrinks from its end; what was taken out stands there, the first one last. */
typedef struct queue {
    fm_candidate *heap;
    int64_t count, taken;
} queue;

static const fm_candidate *take(queue *q)
{
    int64_t last = q->count - 1 - q->taken++;
    fm_candidate best = q->heap[0];
    q->heap[0] = q->heap[last];
    sift(q->heap, last, 0);
    q->heap[last] = best;
    return &q->heap[last];
}

/* Takes what top_k and top_p leave, with sum the weight of all; returns the weight of that. */
static double take_kept(queue *q, const fm_sampling *how, double sum)
{
    bool share = how->top_p > 0 && how->top_p < 1;
    int64_t most = how->top_k > 0 && how->top_k < q->count ? how->top_k : q->count;
    double kept = 0, wanted = sum;
    for (int64_t i = q->count / 2; i-- > 0;) sift(q->heap, q->count, i);
    if (most < q->count || !share) {
        while (q->taken < most) kept += take(q)->score;
        if (!share) return kept;
        wanted = kept;
        kept = 0;
    }
    wanted *= how->top_p;
    int64_t i = 0;
    while (i < most && (i == 0 || kept < wanted)) {
        kept += i < q->taken ? q->heap[q->count - 1 - i].score : take(q)->score;
        i++;
    }
    q->taken = i;
    return kept;
}

int32_t fm_sample(fm_sampler *s, const fm_sampling *how, double uniform)
{
    int64_t count = s->end - s->first;
    if (how->temperature == 0) return s->candidates[most_probable(s->candidates, count)].token;
    double sum = weigh(s->candidates, count, how->temperature);
    bool all = (how->top_k == 0 || how->top_k >= count) && (how->top_p == 0 || how->top_p == 1);
    queue q = {s->candidates, count, count};
    if (!all) {
        q.taken = 0;
        sum = take_kept(&q, how, sum);
    }
    double left = uniform * sum;
    for (int64_t i = 0; i < q.taken; i++) {
        left -= s->candidates[count - 1 - i].score;
        if (left < 0) return s->candidates[count - 1 - i].token;
    }
    return s->candidates[count - q.taken].token; /* rounding: `uniform` was next to 1 */
}
