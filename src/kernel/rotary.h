/* Rotary positions (Su et al. 2021): the pair (x_i, x_(i + n/2)) of a head of n numbers, i < n/2,
 * at position p is turned by the angle p base^(-2i/n). (The paper pairs neighbours; the halves are
 * the same up to the order of a kernel's columns, and what published models use.) */
#include <math.h>
#include <stdint.h>

/* x, y (batch, time, heads, n): the first `turned` heads are, by positions first, first + 1, ...;
 * the others are copied. inverse: by the negative angles. y may be x. */
static inline void KERNEL(rotary)(int64_t batch, int64_t time, int64_t heads, int64_t turned,
                                  int64_t n, double base, double first, int inverse, const REAL *x,
                                  REAL *y)
{
    for (int64_t k = 0; k < time * (n / 2); k++) {
        const int64_t t = k / (n / 2), i = k % (n / 2);
        const double angle = (first + (double)t) * pow(base, -2.0 * (double)i / (double)n);
        const REAL c = (REAL)cos(angle), s = (REAL)(inverse ? -sin(angle) : sin(angle));
        for (int64_t row = t; row < batch * time; row += time) {
            for (int64_t h = 0; h < turned; h++) {
                int64_t at = (row * heads + h) * n + i;
                REAL a = x[at], b = x[at + n / 2];
                y[at] = a * c - b * s;
                y[at + n / 2] = a * s + b * c;
            }
        }
    }
    for (int64_t row = 0; row < batch * time; row++) {
        for (int64_t at = (row * heads + turned) * n; at < (row + 1) * heads * n; at++)
            y[at] = x[at];
    }
}
