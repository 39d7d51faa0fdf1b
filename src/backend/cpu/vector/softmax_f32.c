/* Softmax and cross-entropy over the last axis, a row at a time: the formulas of kernel/softmax.h
 * and kernel/cross_entropy.h with a row's elements in the lanes of vectors. Sums are made lane by
 * lane, in pairs of halves for long rows, then across the lanes: an order that depends on the row's
 * length and the instruction set alone. */
#include "backend/cpu/vector/kernels.h"
#include "backend/cpu/vector/vector_math.h"
#include "op/fused_loss.h"
#include "op/op_attributes.h"
#include "op/op_table.h"

enum { SHORT_ROW = 64 * VECTOR_LENGTH };

/* ---- vectors --------------------------------------------------------------------------------- */

/* The vector of x that begins at i, the lanes beyond n filled. */
INLINE vector load_row(const float *x, int64_t i, int64_t n, float fill)
{
    return n - i >= VECTOR_LENGTH ? load(x + i) : load_filled(x + i, (size_t)(n - i), fill);
}

INLINE void store_row(float *y, int64_t i, int64_t n, vector value)
{
    if (n - i >= VECTOR_LENGTH) {
        store(y + i, value);
    } else {
        store_first(y + i, value, (size_t)(n - i));
    }
}

#define EACH_VECTOR(i, n) for (int64_t i = 0; i < (n); i += VECTOR_LENGTH)

/* ---- rows ------------------------------------------------------------------------------------ */

/* A NaN may get lost here; it comes back by the sum of exponentials. */
INLINE float largest(int64_t n, const float *x)
{
    vector best = broadcast(-INFINITY);
    EACH_VECTOR(i, n) best = larger_of(load_row(x, i, n, -INFINITY), best);
    return largest_of_lanes(best);
}

/* y = e^(x - shift), unless it is NULL; returns the sums of the lanes. */
INLINE vector short_exponentials(int64_t n, float shift, const float *x, float *y)
{
    vector sum = {0};
    EACH_VECTOR(i, n)
    {
        const vector e = exp_down_lanes(load_row(x, i, n, -INFINITY) - shift);
        sum += e;
        if (y) store_row(y, i, n, e);
    }
    return sum;
}

static vector long_exponentials(int64_t n, float shift, const float *x, float *y)
{
    if (n <= SHORT_ROW) return short_exponentials(n, shift, x, y);
    const int64_t half = n / 2 / VECTOR_LENGTH * VECTOR_LENGTH;
    const vector lower = long_exponentials(half, shift, x, y);
    return lower + long_exponentials(n - half, shift, x + half, y ? y + half : NULL);
}

/* A row's exponentials: e^(x - shift), their sum, and they themselves when they fit a vector. */
typedef struct exponentials {
    float shift, sum;
    vector only;
} exponentials;

INLINE exponentials one_vector(int64_t n, const float *x)
{
    const vector row = load_row(x, 0, n, -INFINITY);
    const float shift = largest_of_lanes(row);
    const vector e = exp_down_lanes(row - shift);
    return (exponentials){shift, sum_of_lanes(e), e};
}

/* Longer than a vector: they are left in y unless it is NULL. */
INLINE exponentials many_vectors(int64_t n, const float *x, float *y)
{
    const float shift = largest(n, x);
    const vector sums =
        n <= SHORT_ROW ? short_exponentials(n, shift, x, y) : long_exponentials(n, shift, x, y);
    return (exponentials){.shift = shift, .sum = sum_of_lanes(sums)};
}

INLINE exponentials exponentials_of(int64_t n, const float *x)
{
    return n <= VECTOR_LENGTH ? one_vector(n, x) : many_vectors(n, x, NULL);
}

typedef struct rows {
    int64_t n; /* elements of a row */
    const float *x;
    float *y, *losses;
    const int32_t *labels;
    const float *targets, *dy;
    float smoothing;
} rows;

typedef vector row_result(const rows *r, int64_t row);

/* Results of a vector each. Some are made before they are stored: part of a vector that is stored
 * where the next row is loaded from, in place, would hold up that row. */
INLINE void narrow_rows(const rows *r, int64_t begin, int64_t end, row_result *result)
{
    enum { TOGETHER = 8 };
    for (int64_t row = begin; row < end; row += TOGETHER) {
        const int64_t left = end - row, count = left < TOGETHER ? left : TOGETHER;
        vector results[TOGETHER];
        for (int64_t i = 0; i < count; i++) results[i] = result(r, row + i);
        for (int64_t i = 0; i < count; i++) {
            store_row(r->y + (row + i) * r->n, 0, r->n, results[i]);
        }
    }
}

INLINE vector softmax_row(const rows *r, int64_t row)
{
    const exponentials e = one_vector(r->n, r->x + row * r->n);
    return e.only * (1 / e.sum);
}

static void softmax_rows(const void *argument, int64_t begin, int64_t end)
{
    const rows *r = argument;
    const int64_t n = r->n;
    if (n <= VECTOR_LENGTH) {
        narrow_rows(r, begin, end, softmax_row);
        return;
    }
    for (int64_t row = begin; row < end; row++) {
        float *y = r->y + row * n;
        const exponentials e = many_vectors(n, r->x + row * n, y);
        const float scale = 1 / e.sum;
        EACH_VECTOR(i, n) store_row(y, i, n, load_row(y, i, n, 0) * scale);
    }
}

static void log_softmax_rows(const void *argument, int64_t begin, int64_t end)
{
    const rows *r = argument;
    const int64_t n = r->n;
    for (int64_t row = begin; row < end; row++) {
        const float *x = r->x + row * n;
        const exponentials e = exponentials_of(n, x);
        const float log_sum = vector_log(e.sum);
        EACH_VECTOR(i, n)
        {
            store_row(r->y + row * n, i, n, (load_row(x, i, n, 0) - e.shift) - log_sum);
        }
    }
}

static float largest_or_nan(int64_t n, const float *x)
{
    float best = x[0];
    for (int64_t i = 1; i < n; i++) best = x[i] > best || x[i] != x[i] ? x[i] : best;
    return best;
}

/* A row whose largest element is infinite has that as its result:
 * infinity - infinity stays away. */
static void logsumexp_rows(const void *argument, int64_t begin, int64_t end)
{
    const rows *r = argument;
    for (int64_t row = begin; row < end; row++) {
        const exponentials e = exponentials_of(r->n, r->x + row * r->n);
        r->y[row] = isfinite(e.shift) ? e.shift + vector_log(e.sum)
                                      : largest_or_nan(r->n, r->x + row * r->n);
    }
}

/* ---- cross-entropy with labels --------------------------------------------------------------- */

static bool is_class(const rows *r, int64_t row)
{
    return r->labels[row] >= 0 && r->labels[row] < r->n;
}

/* What a loss wants of a row's logits, whose largest is `shift`, besides their exponentials. */
typedef struct logits {
    float at_label, sum; /* the sum of x - shift where labels are smoothed */
} logits;

INLINE logits logits_of(const rows *r, int64_t row, float shift)
{
    const float *x = r->x + row * r->n;
    logits l = {.at_label = is_class(r, row) ? x[r->labels[row]] : NAN};
    if (r->smoothing == 0) return l;
    vector sum = {0};
    EACH_VECTOR(i, r->n) sum += load_row(x, i, r->n, shift) - shift;
    l.sum = sum_of_lanes(sum);
    return l;
}

INLINE float sparse_loss(const rows *r, logits l, exponentials e)
{
    const float log_sum = vector_log(e.sum);
    const float loss = (1 - r->smoothing) * (log_sum - (l.at_label - e.shift));
    if (r->smoothing == 0) return loss;
    return loss + r->smoothing * (log_sum - l.sum / (float)r->n);
}

static void sparse_rows(const void *argument, int64_t begin, int64_t end)
{
    const rows *r = argument;
    for (int64_t row = begin; row < end; row++) {
        const exponentials e = exponentials_of(r->n, r->x + row * r->n);
        r->y[row] = sparse_loss(r, logits_of(r, row, e.shift), e);
    }
}

/* dy (p - t) of the elements from i on. */
INLINE vector sparse_grad(const rows *r, int64_t row, int64_t i, vector p)
{
    const float dy = is_class(r, row) ? r->dy[row] : NAN, spread = r->smoothing / (float)r->n;
    const lanes is_label = lane_numbers == (int32_t)(r->labels[row] - i);
    return dy * (p - spread) - keep_where(broadcast(dy * (1 - r->smoothing)), is_label);
}

INLINE vector sparse_grad_row(const rows *r, int64_t row)
{
    return sparse_grad(r, row, 0, softmax_row(r, row));
}

static void sparse_grad_rows(const void *argument, int64_t begin, int64_t end)
{
    const rows *r = argument;
    const int64_t n = r->n;
    if (n <= VECTOR_LENGTH) {
        narrow_rows(r, begin, end, sparse_grad_row);
        return;
    }
    softmax_rows(argument, begin, end);
    for (int64_t row = begin; row < end; row++) {
        float *grad = r->y + row * n;
        EACH_VECTOR(i, n)
        store_row(grad, i, n, sparse_grad(r, row, i, load_row(grad, i, n, 0)));
    }
}

INLINE vector sparse_both_row(const rows *r, int64_t row)
{
    const exponentials e = one_vector(r->n, r->x + row * r->n);
    r->losses[row] = sparse_loss(r, logits_of(r, row, e.shift), e);
    return sparse_grad(r, row, 0, e.only * (1 / e.sum));
}

/* The gradient may lie over the logits. */
static void sparse_both_rows(const void *argument, int64_t begin, int64_t end)
{
    const rows *r = argument;
    const int64_t n = r->n;
    if (n <= VECTOR_LENGTH) {
        narrow_rows(r, begin, end, sparse_both_row);
        return;
    }
    for (int64_t row = begin; row < end; row++) {
        const float *x = r->x + row * n;
        float *grad = r->y + row * n;
        const logits l = logits_of(r, row, r->smoothing == 0 ? 0 : largest(n, x));
        const exponentials e = many_vectors(n, x, grad);
        const float scale = 1 / e.sum;
        r->losses[row] = sparse_loss(r, l, e);
        EACH_VECTOR(i, n)
        store_row(grad, i, n, sparse_grad(r, row, i, load_row(grad, i, n, 0) * scale));
    }
}

/* ---- cross-entropy with targets -------------------------------------------------------------- */

/* A target of 0 counts nothing, also where its probability is 0. */
INLINE float dense_loss(const rows *r, int64_t row, exponentials e)
{
    const int64_t n = r->n;
    const float *x = r->x + row * n, *t = r->targets + row * n;
    const float log_sum = vector_log(e.sum);
    vector sum = {0};
    EACH_VECTOR(i, n)
    {
        const vector target = load_row(t, i, n, 0);
        const vector term = target * (log_sum - (load_row(x, i, n, 0) - e.shift));
        sum += keep_where(term, target != 0);
    }
    return sum_of_lanes(sum);
}

static void dense_rows(const void *argument, int64_t begin, int64_t end)
{
    const rows *r = argument;
    for (int64_t row = begin; row < end; row++) {
        r->y[row] = dense_loss(r, row, exponentials_of(r->n, r->x + row * r->n));
    }
}

/* dy (p sum_k t_k - t) */
INLINE vector dense_grad(const rows *r, int64_t row, vector p)
{
    const vector t = load_row(r->targets + row * r->n, 0, r->n, 0);
    return r->dy[row] * (p * sum_of_lanes(t) - t);
}

INLINE vector dense_grad_row(const rows *r, int64_t row)
{
    return dense_grad(r, row, softmax_row(r, row));
}

/* Of a row whose place has the probabilities divided by `scale`. */
static void finish_dense_grad(const rows *r, int64_t row, float scale)
{
    const int64_t n = r->n;
    const float *t = r->targets + row * n;
    float *grad = r->y + row * n;
    vector total = {0};
    EACH_VECTOR(i, n) total += load_row(t, i, n, 0);
    const float sum = sum_of_lanes(total);
    EACH_VECTOR(i, n)
    {
        const vector p = load_row(grad, i, n, 0) * scale;
        store_row(grad, i, n, r->dy[row] * (p * sum - load_row(t, i, n, 0)));
    }
}

static void dense_grad_rows(const void *argument, int64_t begin, int64_t end)
{
    const rows *r = argument;
    const int64_t n = r->n;
    if (n <= VECTOR_LENGTH) {
        narrow_rows(r, begin, end, dense_grad_row);
        return;
    }
    softmax_rows(argument, begin, end);
    for (int64_t row = begin; row < end; row++) finish_dense_grad(r, row, 1);
}

INLINE vector dense_both_row(const rows *r, int64_t row)
{
    const exponentials e = one_vector(r->n, r->x + row * r->n);
    r->losses[row] = dense_loss(r, row, e);
    return dense_grad(r, row, e.only * (1 / e.sum));
}

static void dense_both_rows(const void *argument, int64_t begin, int64_t end)
{
    const rows *r = argument;
    const int64_t n = r->n;
    if (n <= VECTOR_LENGTH) {
        narrow_rows(r, begin, end, dense_both_row);
        return;
    }
    for (int64_t row = begin; row < end; row++) {
        const exponentials e = many_vectors(n, r->x + row * n, r->y + row * n);
        r->losses[row] = dense_loss(r, row, e);
        finish_dense_grad(r, row, 1 / e.sum);
    }
}

/* ---- kernels --------------------------------------------------------------------------------- */

/* Nanoseconds of a row of n. */
#define ROW_NANOSECONDS(n) (20 + 0.3 * (double)(n))

static void run_rows(const fm_call *call, fm_range_body *body, const rows *r)
{
    const int64_t count = call->inputs[0].count / r->n;
    fm_in_ranges(call->threads, count, 1, ROW_NANOSECONDS(r->n), body, r);
}

static rows rows_of(const fm_call *call)
{
    const fm_shape shape = call->inputs[0].shape;
    return (rows){
        .n = shape.dims[shape.rank - 1], .x = call->inputs[0].data, .y = call->outputs[0].data};
}

#define RUN(name)                                                                                  \
    static void run_##name(const fm_call *call)                                                    \
    {                                                                                              \
        const rows r = rows_of(call);                                                              \
        run_rows(call, name##_rows, &r);                                                           \
    }
RUN(softmax)
RUN(log_softmax)
RUN(logsumexp)

/* Losses as the second output. */
static float *losses_of(const fm_call *call)
{
    return call->output_count > FM_LOSS_VALUE ? call->outputs[FM_LOSS_VALUE].data : NULL;
}

static void run_sparse(const fm_call *call, fm_range_body *body)
{
    rows r = rows_of(call);
    r.labels = call->inputs[1].data;
    r.smoothing = (float)((const fm_smoothing_attributes *)call->attributes)->label_smoothing;
    if (call->input_count > 2) r.dy = call->inputs[2].data;
    r.losses = losses_of(call);
    run_rows(call, body, &r);
}

static void run_sparse_loss(const fm_call *call)
{
    run_sparse(call, sparse_rows);
}

static void run_sparse_grad(const fm_call *call)
{
    run_sparse(call, sparse_grad_rows);
}

static void run_sparse_both(const fm_call *call)
{
    run_sparse(call, sparse_both_rows);
}

static void run_dense(const fm_call *call, fm_range_body *body)
{
    rows r = rows_of(call);
    r.targets = call->inputs[1].data;
    if (call->input_count > 2) r.dy = call->inputs[2].data;
    r.losses = losses_of(call);
    run_rows(call, body, &r);
}

static void run_dense_loss(const fm_call *call)
{
    run_dense(call, dense_rows);
}

static void run_dense_grad(const fm_call *call)
{
    run_dense(call, dense_grad_rows);
}

static void run_dense_both(const fm_call *call)
{
    run_dense(call, dense_both_rows);
}

static const char *match_rows(const fm_site *site)
{
    const char *refusal = refuse_unless_f32(site);
    return !refusal && site->inputs[0].count == 0 ? "there are no elements" : refusal;
}

#define KERNEL_ROW(name_, run_)                                                                    \
    {                                                                                              \
        .name = KERNEL_NAME(#name_), .op = &fm_op_##name_, .match = match_rows, .run = run_        \
    }
static const fm_kernel kernels[] = {
    KERNEL_ROW(softmax, run_softmax),
    KERNEL_ROW(log_softmax, run_log_softmax),
    KERNEL_ROW(logsumexp, run_logsumexp),
    KERNEL_ROW(sparse_softmax_cross_entropy, run_sparse_loss),
    KERNEL_ROW(sparse_softmax_cross_entropy_grad, run_sparse_grad),
    KERNEL_ROW(softmax_cross_entropy, run_dense_loss),
    KERNEL_ROW(softmax_cross_entropy_grad, run_dense_grad),
    KERNEL_ROW(fused_sparse_softmax_cross_entropy, run_sparse_both),
    KERNEL_ROW(fused_softmax_cross_entropy, run_dense_both),
};

const fm_kernel_family FM_ISA_SYMBOL(fm_cpu_softmax) = FAMILY(kernels);
