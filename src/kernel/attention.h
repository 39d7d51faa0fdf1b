/* Scaled dot-product attention (Vaswani et al. 2017) with fewer heads of keys than of queries where
 * wanted (Ainslie et al. 2023). For each batch entry and head, queries i and keys j:
 *     s_ij = scale q_i . k_j           p_ij = e^(s_ij - lse_i)       lse_i = log sum_j e^s_ij
 *     y_i = sum_j z_ij p_ij v_j        z_ij = 1, or with dropout 1 / (1 - rate) or 0
 * over the keys that the query may see. Scores are made some at a time with a running maximum
 * (Milakov, Gimelshein 2018), so no matrix of them is stored; backward they are made again from lse
 * (Dao et al. 2022):
 *     dp_ij = z_ij dy_i . v_j          ds_ij = p_ij (dp_ij - dy_i . y_i)
 *     dq_i = scale sum_j ds_ij k_j     dk_j = scale sum_i ds_ij q_i     dv_j = sum_i z_ij p_ij dy_i
 * A query that sees no key has y = 0 and lse = 0, and no gradient.
 *
 * With bf16, operands of these products are rounded to bfloat16: q, k, v and dy, z_ij e^(s_ij -
 * m_i) before it is multiplied by v_j, and z_ij p_ij and ds_ij backward; sums, lse and dy_i . y_i
 * are not. m_i is then the logarithm of a power of two, the first that is no less than the largest
 * e^s_ij: another maximum on the way changes no digit, so what is rounded does not depend on how
 * the keys are cut.
 *
 * Positions are rows: q (batch, queries, heads, key_dim), k (batch, keys, key_heads, key_dim), v
 * (batch, keys, key_heads, value_dim), y like q with value_dim, lse (batch, heads, queries). Head h
 * reads key head h key_heads / heads. */
#include "kernel/attention_sizes.h"
#include "kernel/bfloat16.h"

#include <math.h>
#include <stdint.h>

static inline REAL KERNEL(attention_dot)(int64_t n, int bf16, const REAL *a, const REAL *b)
{
    REAL sum = 0;
    for (int64_t d = 0; d < n; d++) {
        sum += KERNEL(kernel_read)(a[d], bf16) * KERNEL(kernel_read)(b[d], bf16);
    }
    return sum;
}

/* The least multiple of log 2 that is no less than x. */
static inline REAL KERNEL(attention_above)(REAL x)
{
    const REAL log_2 = (REAL)0.69314718055994530942;
    return (REAL)ceil((double)(x / log_2)) * log_2;
}

/* One query of one head: q (key_dim), k, v of its key head, mask (keys) or NULL, y (value_dim);
 * `row` is (b heads + h) queries + i. Returns lse. */
static REAL KERNEL(attend)(const kernel_attention *a, int64_t row, int64_t i, const REAL *q,
                           const REAL *k, const REAL *v, const REAL *mask, REAL *y)
{
    const int64_t reach = kernel_attention_reach(a, i), n = a->value_dim;
    const int bf16 = a->bf16;
    REAL largest = (REAL)-INFINITY, sum = 0, score[KERNEL_ATTENTION_KEYS];
    for (int64_t d = 0; d < n; d++) y[d] = 0;
    for (int64_t begin = 0; begin < reach; begin += KERNEL_ATTENTION_KEYS) {
        int64_t left = reach - begin,
                count = left < KERNEL_ATTENTION_KEYS ? left : KERNEL_ATTENTION_KEYS;
        REAL before = largest;
        for (int64_t j = 0; j < count; j++) {
            const int seen = !mask || mask[begin + j] > (REAL)0.5;
            const REAL *key = k + (begin + j) * a->k_step;
            score[j] = seen ? (REAL)a->scale * KERNEL(attention_dot)(a->key_dim, bf16, q, key)
                            : (REAL)-INFINITY;
            largest = score[j] > largest || score[j] != score[j] ? score[j] : largest;
        }
        if (largest == (REAL)-INFINITY) continue;
        if (bf16) largest = KERNEL(attention_above)(largest);
        const REAL shrink = KERNEL_EXP(before - largest);
        sum *= shrink;
        for (int64_t d = 0; d < n; d++) y[d] *= shrink;
        for (int64_t j = 0; j < count; j++) {
            const REAL p = KERNEL_EXP(score[j] - largest);
            const REAL kept = (REAL)kernel_attention_keeps(a, row, begin + j);
            const REAL weight = KERNEL(kernel_read)(p * kept, bf16);
            const REAL *value = v + (begin + j) * a->v_step;
            sum += p;
            for (int64_t d = 0; d < n && p != 0; d++) {
                y[d] += weight * KERNEL(kernel_read)(value[d], bf16);
            }
        }
    }
    for (int64_t d = 0; d < n && sum != 0; d++) y[d] /= sum;
    return sum != 0 ? largest + KERNEL_LOG(sum) : 0;
}

static inline void KERNEL(attention)(const kernel_attention *a, const REAL *q, const REAL *k,
                                     const REAL *v, const REAL *mask, REAL *y, REAL *lse)
{
    for (int64_t row = 0; row < a->batch * a->heads * a->queries; row++) {
        const int64_t i = row % a->queries, h = row / a->queries % a->heads;
        const int64_t b = row / a->queries / a->heads, source = h * a->key_heads / a->heads;
        lse[row] = KERNEL(attend)(a, row, i, q + (b * a->queries + i) * a->q_step + h * a->key_dim,
                                  k + b * a->keys * a->k_step + source * a->key_dim,
                                  v + b * a->keys * a->v_step + source * a->value_dim,
                                  mask ? mask + b * a->mask_batch + i * a->mask_query : NULL,
                                  y + ((b * a->queries + i) * a->heads + h) * a->value_dim);
    }
}

/* As attend: adds what one query of one head gives to dq (key_dim),
 * to dk and dv of its key head. */
static void KERNEL(attend_grad)(const kernel_attention *a, int64_t row, int64_t i, const REAL *q,
                                const REAL *k, const REAL *v, const REAL *mask, const REAL *y,
                                REAL lse, const REAL *dy, REAL *dq, REAL *dk, REAL *dv)
{
    const int64_t reach = kernel_attention_reach(a, i);
    const int bf16 = a->bf16;
    const REAL scale = (REAL)a->scale, mean = KERNEL(attention_dot)(a->value_dim, 0, dy, y);
    for (int64_t j = 0; j < reach; j++) {
        if (mask && !(mask[j] > (REAL)0.5)) continue;
        const REAL *key = k + j * a->k_step, *value = v + j * a->v_step;
        const REAL score = scale * KERNEL(attention_dot)(a->key_dim, bf16, q, key);
        const REAL p = KERNEL_EXP(score - lse), kept = (REAL)kernel_attention_keeps(a, row, j);
        const REAL weight = KERNEL(kernel_read)(kept * p, bf16);
        const REAL dp = kept * KERNEL(attention_dot)(a->value_dim, bf16, dy, value);
        const REAL ds = scale * KERNEL(kernel_read)(p * (dp - mean), bf16);
        for (int64_t d = 0; d < a->value_dim; d++) {
            dv[j * a->v_step + d] += weight * KERNEL(kernel_read)(dy[d], bf16);
        }
        for (int64_t d = 0; d < a->key_dim; d++) {
            dq[d] += ds * KERNEL(kernel_read)(key[d], bf16);
            dk[j * a->k_step + d] += ds * KERNEL(kernel_read)(q[d], bf16);
        }
    }
}

/* dq, dk, dv are laid out as q, k, v and zero at the start. */
static inline void KERNEL(attention_grad)(const kernel_attention *a, const REAL *q, const REAL *k,
                                          const REAL *v, const REAL *mask, const REAL *y,
                                          const REAL *lse, const REAL *dy, REAL *dq, REAL *dk,
                                          REAL *dv)
{
    for (int64_t row = 0; row < a->batch * a->heads * a->queries; row++) {
        const int64_t i = row % a->queries, h = row / a->queries % a->heads;
        const int64_t b = row / a->queries / a->heads, source = h * a->key_heads / a->heads;
        const int64_t of_q = (b * a->queries + i) * a->q_step + h * a->key_dim;
        const int64_t of_k = b * a->keys * a->k_step + source * a->key_dim;
        const int64_t of_v = b * a->keys * a->v_step + source * a->value_dim;
        const int64_t of_y = ((b * a->queries + i) * a->heads + h) * a->value_dim;
        KERNEL(attend_grad)
        (a, row, i, q + of_q, k + of_k, v + of_v,
         mask ? mask + b * a->mask_batch + i * a->mask_query : NULL, y + of_y, lse[row], dy + of_y,
         dq + of_q, dk + of_k, dv + of_v);
    }
}
