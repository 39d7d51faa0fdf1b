/* Tree of Parzen estimators: Bergstra, Bardenet, Bengio, Kegl: "Algorithms for Hyper-Parameter
 * Optimization", NIPS 2011, section 4. Good trials give a density l(x), the others g(x); the
 * expected improvement grows with l(x) / g(x), so of some candidates drawn from l the one with the
 * largest ratio is proposed. Each density is a mixture of truncated normals: one around each value,
 * as wide as the larger gap to its neighbours, and a prior as wide as the range. */
#include "train/tune/space.h"

#include <math.h>

typedef struct mixture {
    double a, b; /* the axis */
    int count;
    double *center, *width, *mass; /* mass: what the truncated normal has between a and b */
} mixture;

static double normal_below(double x, double center, double width)
{
    return 0.5 * erfc((center - x) / (width * 1.4142135623730951));
}

static void sort(double *numbers, int count)
{
    for (int i = 1; i < count; i++) {
        double x = numbers[i];
        int j = i;
        for (; j > 0 && numbers[j - 1] > x; j--) numbers[j] = numbers[j - 1];
        numbers[j] = x;
    }
}

/* values: on the axis; center has room for one more. */
static void fit_mixture(mixture *m, const double *values, int count)
{
    double range = m->b - m->a, middle = (m->a + m->b) / 2;
    m->count = count + 1;
    for (int i = 0; i < count; i++) m->center[i] = values[i];
    m->center[count] = middle;
    sort(m->center, m->count);
    double narrowest = range / (m->count < 100 ? m->count : 100);
    bool prior = true; /* not met yet */
    for (int i = 0; i < m->count; i++) {
        double left = i > 0 ? m->center[i] - m->center[i - 1] : 0;
        double right = i + 1 < m->count ? m->center[i + 1] - m->center[i] : 0;
        double width = fmin(fmax(fmax(left, right), narrowest), range);
        if (prior && m->center[i] == middle) {
            prior = false;
            width = range;
        }
        m->width[i] = width;
        m->mass[i] =
            normal_below(m->b, m->center[i], width) - normal_below(m->a, m->center[i], width);
    }
}

static double draw_mixture(const mixture *m, fm_random *random)
{
    int i = (int)fm_random_below(random, (uint64_t)m->count);
    double x = m->center[i];
    for (int attempt = 0; attempt < 100; attempt++) {
        x = m->center[i] + m->width[i] * fm_random_normal(random);
        if (x >= m->a && x <= m->b) return x;
    }
    return m->center[i];
}

/* ln of the density at the value; of a value with a cell, of the cell's share. */
static double log_density(const mixture *m, const fm_parameter *parameter, double value)
{
    double a, b, sum = 0;
    fm_parameter_cell(parameter, value, &a, &b);
    for (int i = 0; i < m->count; i++) {
        double z = (a - m->center[i]) / m->width[i];
        double share = b > a ? normal_below(b, m->center[i], m->width[i]) -
                                   normal_below(a, m->center[i], m->width[i])
                             : exp(-0.5 * z * z) / (m->width[i] * 2.5066282746310002);
        sum += share / m->mass[i];
    }
    return log(fmax(sum / m->count, 1e-300));
}

static double propose_number(const fm_parameter *parameter, const fm_observations *seen,
                             int candidates, fm_random *random, double *scratch)
{
    mixture good = {.center = scratch}, other;
    for (int i = 0; i < seen->good_count; i++) {
        seen->good[i] = fm_parameter_to_axis(parameter, seen->good[i]);
    }
    for (int i = 0; i < seen->other_count; i++) {
        seen->other[i] = fm_parameter_to_axis(parameter, seen->other[i]);
    }
    fm_parameter_axis(parameter, &good.a, &good.b);
    good.width = good.center + seen->good_count + 1;
    good.mass = good.width + seen->good_count + 1;
    other = good;
    other.center = good.mass + seen->good_count + 1;
    other.width = other.center + seen->other_count + 1;
    other.mass = other.width + seen->other_count + 1;
    fit_mixture(&good, seen->good, seen->good_count);
    fit_mixture(&other, seen->other, seen->other_count);

    double best = parameter->low, best_ratio = -INFINITY;
    for (int i = 0; i < candidates; i++) {
        double value = fm_parameter_from_axis(parameter, draw_mixture(&good, random));
        double ratio = log_density(&good, parameter, value) - log_density(&other, parameter, value);
        if (ratio > best_ratio) {
            best_ratio = ratio;
            best = value;
        }
    }
    return best;
}

/* Counts with a prior of one for each choice. */
static double propose_choice(const fm_parameter *parameter, const fm_observations *seen,
                             int candidates, fm_random *random)
{
    double good[FM_MAX_CHOICES], other[FM_MAX_CHOICES];
    int count = parameter->choice_count;
    for (int i = 0; i < count; i++) good[i] = other[i] = 1;
    for (int i = 0; i < seen->good_count; i++) good[(int)seen->good[i]]++;
    for (int i = 0; i < seen->other_count; i++) other[(int)seen->other[i]]++;
    int best = 0;
    double best_ratio = -INFINITY;
    for (int i = 0; i < candidates; i++) {
        double at = fm_random_range(random, 0, seen->good_count + count);
        int choice = 0;
        while (choice + 1 < count && at >= good[choice]) at -= good[choice++];
        double ratio = good[choice] / other[choice];
        if (ratio > best_ratio) {
            best_ratio = ratio;
            best = choice;
        }
    }
    return best;
}

double fm_parzen_propose(const fm_parameter *parameter, const fm_observations *seen, int candidates,
                         fm_random *random, double *scratch)
{
    if (parameter->kind == FM_PARAMETER_CHOICE) {
        return propose_choice(parameter, seen, candidates, random);
    }
    return propose_number(parameter, seen, candidates, random, scratch);
}
