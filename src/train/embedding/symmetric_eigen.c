#include "train/embedding/symmetric_eigen.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

/* Rows and columns p and q turn so that a[p][q] becomes 0. */
static void rotate(double *a, int64_t n, int64_t p, int64_t q, double *vectors)
{
    double off = a[p * n + q], slope = (a[q * n + q] - a[p * n + p]) / (2 * off);
    double t = (slope >= 0 ? 1 : -1) / (fabs(slope) + sqrt(slope * slope + 1));
    double c = 1 / sqrt(t * t + 1), s = t * c;
    for (int64_t k = 0; k < n; k++) {
        double kp = a[k * n + p], kq = a[k * n + q];
        a[k * n + p] = c * kp - s * kq;
        a[k * n + q] = s * kp + c * kq;
    }
    for (int64_t k = 0; k < n; k++) {
        double pk = a[p * n + k], qk = a[q * n + k];
        a[p * n + k] = c * pk - s * qk;
        a[q * n + k] = s * pk + c * qk;
        double vp = vectors[p * n + k], vq = vectors[q * n + k];
        vectors[p * n + k] = c * vp - s * vq;
        vectors[q * n + k] = s * vp + c * vq;
    }
    a[p * n + q] = a[q * n + p] = 0;
}

static void swap_rows(double *vectors, int64_t n, int64_t i, int64_t j)
{
    for (int64_t k = 0; k < n; k++) {
        double kept = vectors[i * n + k];
        vectors[i * n + k] = vectors[j * n + k];
        vectors[j * n + k] = kept;
    }
}

static void sort_largest_first(double *a, int64_t n, double *vectors)
{
    for (int64_t i = 0; i < n; i++) {
        int64_t best = i;
        for (int64_t j = i + 1; j < n; j++) {
            if (a[j * n + j] > a[best * n + best]) best = j;
        }
        if (best == i) continue;
        double kept = a[i * n + i];
        a[i * n + i] = a[best * n + best];
        a[best * n + best] = kept;
        swap_rows(vectors, n, i, best);
    }
}

void fm_symmetric_eigen(double *a, int64_t n, double *vectors)
{
    enum { MOST_SWEEPS = 60 };
    const double smallest = 1e-17; /* beside the diagonal's, this much is rounding */
    double scale = 0;
    memset(vectors, 0, (size_t)(n * n) * sizeof *vectors);
    for (int64_t i = 0; i < n; i++) vectors[i * n + i] = 1;
    for (int64_t i = 0; i < n * n; i++) scale = fmax(scale, fabs(a[i]));
    for (int sweep = 0; sweep < MOST_SWEEPS; sweep++) {
        bool turned = false;
        for (int64_t p = 0; p < n; p++) {
            for (int64_t q = p + 1; q < n; q++) {
                if (!(fabs(a[p * n + q]) > smallest * scale)) continue;
                rotate(a, n, p, q, vectors);
                turned = true;
            }
        }
        if (!turned) break;
    }
    sort_largest_first(a, n, vectors);
}
