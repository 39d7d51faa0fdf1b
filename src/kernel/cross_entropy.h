/* Cross-entropy of softmax(logits) against labels or targets, rows of c classes, and its gradient
 * with respect to the logits. To be included after kernel/softmax.h. With p = softmax(x):
 *     loss = -sum_c t_c log p_c,   d loss / d x_c = p_c sum_k t_k - t_c   (Bishop 2006, 4.3.4) */
#include <math.h>
#include <stdint.h>

/* Labels: t = (1 - smoothing) one_hot(label) + smoothing / c. logits (rows, c), loss (rows). */
static inline void KERNEL(sparse_cross_entropy)(int64_t rows, int64_t c, REAL smoothing,
                                                const REAL *restrict logits,
                                                const int32_t *restrict labels, REAL *restrict loss)
{
    for (int64_t r = 0; r < rows; r++, logits += c) {
        loss[r] = (REAL)NAN;
        if (labels[r] < 0 || labels[r] >= c) continue;
        REAL shift = KERNEL(row_max)(c, logits);
        REAL log_sum = KERNEL_LOG(KERNEL(sum_exp)(c, shift, logits));
        loss[r] = (1 - smoothing) * (log_sum - (logits[labels[r]] - shift));
        if (smoothing == 0) continue;
        REAL sum = 0;
        for (int64_t i = 0; i < c; i++) sum += log_sum - (logits[i] - shift);
        loss[r] += smoothing / (REAL)c * sum;
    }
}

/* grad (rows, c) = dy (rows) (p - t); grad may be logits. */
static inline void KERNEL(sparse_cross_entropy_grad)(int64_t rows, int64_t c, REAL smoothing,
                                                     const REAL *logits,
                                                     const int32_t *restrict labels,
                                                     const REAL *restrict dy, REAL *grad)
{
    for (int64_t r = 0; r < rows; r++, logits += c, grad += c) {
        if (labels[r] < 0 || labels[r] >= c) {
            for (int64_t i = 0; i < c; i++) grad[i] = (REAL)NAN;
            continue;
        }
        REAL shift = KERNEL(row_max)(c, logits);
        REAL scale = 1 / KERNEL(sum_exp)(c, shift, logits);
        REAL spread = smoothing / (REAL)c;
        for (int64_t i = 0; i < c; i++)
            grad[i] = dy[r] * (KERNEL_EXP(logits[i] - shift) * scale - spread);
        grad[labels[r]] -= dy[r] * (1 - smoothing);
    }
}

/* targets (rows, c). A target of 0 counts nothing, also where its probability is 0. */
static inline void KERNEL(cross_entropy)(int64_t rows, int64_t c, const REAL *restrict logits,
                                         const REAL *restrict targets, REAL *restrict loss)
{
    for (int64_t r = 0; r < rows; r++, logits += c, targets += c) {
        loss[r] = 0;
        if (c == 0) continue;
        REAL shift = KERNEL(row_max)(c, logits);
        REAL log_sum = KERNEL_LOG(KERNEL(sum_exp)(c, shift, logits));
        for (int64_t i = 0; i < c; i++)
            loss[r] += targets[i] == 0 ? 0 : targets[i] * (log_sum - (logits[i] - shift));
    }
}

/* grad (rows, c) = dy (rows) (p sum_k t_k - t); grad may be logits. */
static inline void KERNEL(cross_entropy_grad)(int64_t rows, int64_t c, const REAL *logits,
                                              const REAL *restrict targets, const REAL *restrict dy,
                                              REAL *grad)
{
    for (int64_t r = 0; r < rows && c > 0; r++, logits += c, targets += c, grad += c) {
        REAL total = 0;
        for (int64_t i = 0; i < c; i++) total += targets[i];
        REAL shift = KERNEL(row_max)(c, logits);
        REAL scale = total / KERNEL(sum_exp)(c, shift, logits);
        for (int64_t i = 0; i < c; i++)
            grad[i] = dy[r] * (KERNEL_EXP(logits[i] - shift) * scale - targets[i]);
    }
}
