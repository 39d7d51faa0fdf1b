/* Softmax and cross-entropy over the last axis, a row at a time: the formulas of kernel/softmax.h and
 * kernel/cross_entropy.h with a row's elements in the lanes of vectors. Sums are made lane by lane,
 * in pairs of halves for long rows, then across the lanes: an order that depends on the row's length
 * and the instruction set alone. */
#include "backend/cpu/vector/kernels.h"
#include "backend/cpu/vector/vector_math.h"
#include "op/op_attributes.h"
#include "op/op_table.h"

enum { SHORT_ROW = 64 * VECTOR_LENGTH };

/* ---- vectors ------------------------------------------------------------------------------------- */

INLINE vector exp_of(vector x)
{
    float lane[VECTOR_LENGTH];
    store(lane, x);
    for (int i = 0; i < VECTOR_LENGTH; i++) lane[i] = vector_exp(lane[i]);
    return load(lane);
}

INLINE vector larger_of(vector x, vector y)
{
    const lanes first = x > y;
    return (vector)(((lanes)x & first) | ((lanes)y & ~first));
}

#define FOLD(v, join)                                                                              \
    float half[VECTOR_LENGTH];                                                                     \
    store(half, v);                                                                                \
    for (int width = VECTOR_LENGTH / 2; width > 0; width /= 2) {                                   \
        for (int i = 0; i < width; i++) half[i] = join(half[i], half[i + width]);                  \
    }                                                                                              \
    return half[0];

#define ADD(x, y)    ((x) + (y))
#define LARGER(x, y) ((x) > (y) ? (x) : (y))

INLINE float sum_of_lanes(vector v){FOLD(v, ADD)}

INLINE float largest_of_lanes(vector v){FOLD(v, LARGER)}

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

/* ---- rows ---------------------------------------------------------------------------------------- */

/* A NaN may get lost here; it comes back by the sum of exponentials. */
static float largest(int64_t n, const float *x)
{
    vector best = broadcast(-INFINITY);
    EACH_VECTOR(i, n) best = larger_of(load_row(x, i, n, -INFINITY), best);
    return largest_of_lanes(best);
}

/* y = e^(x - shift), unless it is NULL; returns the sums of the lanes. */
static vector exponentials(int64_t n, float shift, const float *x, float *y)
{
    if (n > SHORT_ROW) {
        const int64_t half = n / 2 / VECTOR_LENGTH * VECTOR_LENGTH;
        const vector lower = exponentials(half, shift, x, y);
        return lower + exponentials(n - half, shift, x + half, y ? y + half : NULL);
    }
    vector sum = {0};
    EACH_VECTOR(i, n)
    {
        const vector e = exp_of(load_row(x, i, n, -INFINITY) - shift);
        sum += e;
        if (y) store_row(y, i, n, e);
    }
    return sum;
}

static void scale_row(int64_t n, float scale, float *y)
{
    EACH_VECTOR(i, n) store_row(y, i, n, load_row(y, i, n, 0) * scale);
}

typedef struct rows {
    int64_t n; /* elements of a row */
    const float *x;
    float *y;
    const int32_t *labels;
    const float *targets, *dy;
    float smoothing;
} rows;

static void softmax_rows(const void *argument, int64_t begin, int64_t end)
{
    const rows *r = argument;
    for (int64_t row = begin; row < end; row++) {
        const float *x = r->x + row * r->n;
        float *y = r->y + row * r->n;
        const float sum = sum_of_lanes(exponentials(r->n, largest(r->n, x), x, y));
        scale_row(r->n, 1 / sum, y);
    }
}

static void log_softmax_rows(const void *argument, int64_t begin, int64_t end)
{
    const rows *r = argument;
    for (int64_t row = begin; row < end; row++) {
        const float *x = r->x + row * r->n;
        float *y = r->y + row * r->n;
        const float shift = largest(r->n, x);
        const float log_sum = vector_log(sum_of_lanes(exponentials(r->n, shift, x, NULL)));
        EACH_VECTOR(i, r->n) store_row(y, i, r->n, (load_row(x, i, r->n, 0) - shift) - log_sum);
    }
}

/* A row of infinities has the largest of them as its result. */
static void logsumexp_rows(const void *argument, int64_t begin, int64_t end)
{
    const rows *r = argument;
    for (int64_t row = begin; row < end; row++) {
        const float *x = r->x + row * r->n;
        const float shift = largest(r->n, x);
        const float safe = isfinite(shift) ? shift : 0; /* keeps infinity - infinity away */
        const float sum = sum_of_lanes(exponentials(r->n, safe, x, NULL));
        r->y[row] = isfinite(shift) || sum != sum ? safe + vector_log(sum) : shift;
    }
}

/* ---- cross-entropy with labels ------------------------------------------------------------------- */

static bool is_class(const rows *r, int64_t row)
{
    return r->labels[row] >= 0 && r->labels[row] < r->n;
}

static float sparse_loss(const rows *r, const float *x, int32_t label)
{
    const float shift = largest(r->n, x);
    const float log_sum = vector_log(sum_of_lanes(exponentials(r->n, shift, x, NULL)));
    const float loss = (1 - r->smoothing) * (log_sum - (x[label] - shift));
    if (r->smoothing == 0) return loss;
    vector sum = {0};
    EACH_VECTOR(i, r->n) sum += load_row(x, i, r->n, shift) - shift;
    return loss + r->smoothing * (log_sum - sum_of_lanes(sum) / (float)r->n);
}

static void sparse_rows(const void *argument, int64_t begin, int64_t end)
{
    const rows *r = argument;
    for (int64_t row = begin; row < end; row++) {
        const float *x = r->x + row * r->n;
        r->y[row] = is_class(r, row) ? sparse_loss(r, x, r->labels[row]) : NAN;
    }
}

static void sparse_grad_rows(const void *argument, int64_t begin, int64_t end)
{
    const rows *r = argument;
    const int64_t n = r->n;
    for (int64_t row = begin; row < end; row++) {
        const float *x = r->x + row * n, dy = is_class(r, row) ? r->dy[row] : NAN;
        float *grad = r->y + row * n;
        const float scale = 1 / sum_of_lanes(exponentials(n, largest(n, x), x, grad));
        const float spread = r->smoothing / (float)n;
        EACH_VECTOR(i, n) store_row(grad, i, n, dy * (load_row(grad, i, n, 0) * scale - spread));
        if (is_class(r, row)) grad[r->labels[row]] -= dy * (1 - r->smoothing);
    }
}

/* ---- cross-entropy with targets ------------------------------------------------------------------ */

/* A target of 0 counts nothing, also where its probability is 0. */
static void dense_rows(const void *argument, int64_t begin, int64_t end)
{
    const rows *r = argument;
    const int64_t n = r->n;
    for (int64_t row = begin; row < end; row++) {
        const float *x = r->x + row * n, *t = r->targets + row * n;
        const float shift = largest(n, x);
        const float log_sum = vector_log(sum_of_lanes(exponentials(n, shift, x, NULL)));
        vector sum = {0};
        EACH_VECTOR(i, n)
        {
            const vector target = load_row(t, i, n, 0);
            const vector term = target * (log_sum - (load_row(x, i, n, 0) - shift));
            sum += keep_where(term, target != 0);
        }
        r->y[row] = sum_of_lanes(sum);
    }
}

static void dense_grad_rows(const void *argument, int64_t begin, int64_t end)
{
    const rows *r = argument;
    const int64_t n = r->n;
    for (int64_t row = begin; row < end; row++) {
        const float *x = r->x + row * n, *t = r->targets + row * n, dy = r->dy[row];
        float *grad = r->y + row * n;
        vector total = {0};
        EACH_VECTOR(i, n) total += load_row(t, i, n, 0);
        const float sum = sum_of_lanes(exponentials(n, largest(n, x), x, grad));
        const float scale = sum_of_lanes(total) / sum;
        EACH_VECTOR(i, n)
        {
            const vector p = load_row(grad, i, n, 0) * scale;
            store_row(grad, i, n, dy * (p - load_row(t, i, n, 0)));
        }
    }
}

/* ---- kernels ------------------------------------------------------------------------------------- */

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

static void run_sparse(const fm_call *call, fm_range_body *body)
{
    rows r = rows_of(call);
    r.labels = call->inputs[1].data;
    r.smoothing = (float)((const fm_smoothing_attributes *)call->attributes)->label_smoothing;
    if (call->input_count > 2) r.dy = call->inputs[2].data;
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

static void run_dense(const fm_call *call, fm_range_body *body)
{
    rows r = rows_of(call);
    r.targets = call->inputs[1].data;
    if (call->input_count > 2) r.dy = call->inputs[2].data;
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
};

const fm_kernel_family FM_ISA_SYMBOL(fm_cpu_softmax) = FAMILY(kernels);
