/* The optimisers' update ops: (p, gradient, rate, iteration, slots...) -> (p', slots'...).
 *
 * p, the gradient and the slots share a shape and a dtype. rate: rank 0, their dtype. iteration: rank
 * 0, f64: the number t = 1, 2, ... of this update; 0 leaves everything as it is (a run that only
 * accumulates gradients). nadam reads M(t) (rank 0, f64) after its slots. */
#ifndef FM_OP_OPTIMIZER_OPS_H
#define FM_OP_OPTIMIZER_OPS_H

#include "fathom/op.h"

typedef struct fm_update_attributes {
    double momentum, rho, beta_1, beta_2, epsilon, momentum_decay;
    double l1, l2, weight_decay, l1_decay;
    bool nesterov;
} fm_update_attributes;

enum { FM_MAX_SLOTS = 3 };

/* The inputs. */
enum {
    FM_UPDATE_PARAMETER,
    FM_UPDATE_GRADIENT,
    FM_UPDATE_RATE,
    FM_UPDATE_ITERATION,
    FM_UPDATE_SLOTS
};

extern const fm_op fm_op_sgd;              /* no slots                     */
extern const fm_op fm_op_momentum;         /* velocity                     */
extern const fm_op fm_op_adagrad;          /* sum                          */
extern const fm_op fm_op_adadelta;         /* square, step_square          */
extern const fm_op fm_op_rmsprop;          /* square                       */
extern const fm_op fm_op_rmsprop_momentum; /* square, velocity             */
extern const fm_op fm_op_rmsprop_centered; /* square, velocity, mean       */
extern const fm_op fm_op_adam;             /* m, v                         */
extern const fm_op fm_op_amsgrad;          /* m, v, v_max                  */
extern const fm_op fm_op_adamax;           /* m, largest                   */
extern const fm_op fm_op_nadam;            /* m, v                         */
extern const fm_op fm_op_lion;             /* m                            */

/* (e, p, iteration) -> e' = momentum e + (1 - momentum) p; p when the iteration is 1, e when it
 * is 0. Attribute: momentum. */
extern const fm_op fm_op_moving_average;

/* ---- for their kernels: what comes before the formulas of kernel/update_rules.h --------------- */

struct fm_update_numbers;

/* The rules work in place: copies what they change to outputs that do not lie over the inputs.
 * false: the iteration is 0 and that is all. */
bool fm_update_begin(const fm_call *call, struct fm_update_numbers *numbers);
/* The same; the share of the average that is kept, 1 when the iteration is 0. */
double fm_moving_average_begin(const fm_call *call);

#endif
