/* Parameters as numbers on an axis: the logarithm where the scale is one, steps as cells of the
 * axis around their value. Samplers draw points of the axis and snap them to legal values. */
#ifndef FM_TRAIN_TUNE_SPACE_H
#define FM_TRAIN_TUNE_SPACE_H

#include "base/random.h"
#include "fathom/tune.h"

/* Between legal values; 0: any value is one. */
double fm_parameter_step(const fm_parameter *parameter);
/* The axis from *a to *b: half a step more than from low to high. */
void fm_parameter_axis(const fm_parameter *parameter, double *a, double *b);
double fm_parameter_to_axis(const fm_parameter *parameter, double value);
/* The nearest legal value. */
double fm_parameter_from_axis(const fm_parameter *parameter, double x);
/* The cell of the axis that snaps to this legal value. */
void fm_parameter_cell(const fm_parameter *parameter, double value, double *a, double *b);

/* Whether the conditions of a parameter hold; values of those above it are known. */
bool fm_parameter_holds(const fm_space *space, int parameter, const double *values);

/* Where a parameter's numbers for a trial come from; `attempt` counts when one was not wanted. */
fm_random fm_parameter_random(const fm_parameter *parameter, int64_t seed, int64_t trial,
                              int attempt);
double fm_parameter_draw(const fm_parameter *parameter, fm_random *random);

/* A grid: digits[i] is the index of parameter i's value. Begin with zeros; false when it was the
 * last. */
bool fm_grid_next(const fm_space *space, int64_t *digits);
void fm_grid_values(const fm_space *space, const int64_t *digits, double *values);

/* Tree of Parzen estimators: the value of one parameter, from those of good and of other trials. */
typedef struct fm_observations {
    double *good, *other;
    int good_count, other_count;
} fm_observations;
/* observations of numbers are changed; scratch has room for 3 (good_count + other_count + 2). */
double fm_parzen_propose(const fm_parameter *parameter, const fm_observations *seen, int candidates,
                         fm_random *random, double *scratch);

#endif
