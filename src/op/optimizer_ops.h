/* The optimisers' update ops: (p, gradient, rate, iteration, slots...) -> (p', slots'...).
 *
 * p, the gradient and the slots share a shape and a dtype. rate: rank 0, their dtype. iteration:
 * rank 0, f64: the number t = 1, 2, ... of this update; 0 leaves everything as it is (a run that
 * only accumulates gradients). nadam reads M(t) (rank 0, f64) after its slots. */
#ifndef FM_OP_OPTIMIZER_OPS_H
#define FM_OP_OPTIMIZER_OPS_H

#include "fathom/op.h"

typedef struct fm_update_attributes {
    double momentum, rho, beta_1, beta_2, epsilon, momentum_decay;
    double l1, l2, weight_decay, l1_decay;
    bool nesterov;
    int rule; /* of an op that several rules share (fused_ops.h): see fm_update_rule_of */
} fm_update_attributes;

enum { FM_MAX_SLOTS = 3 };

extern const fm_field fm_update_fields[];

/* The inputs. */
enum {
    FM_UPDATE_PARAMETER,
    FM_UPDATE_GRADIENT,
    FM_UPDATE_RATE,
    FM_UPDATE_ITERATION,
    FM_UPDATE_SLOTS
};

extern const fm_op fm_op_sgd;              /* no slots */
extern const fm_op fm_op_momentum;         /* velocity */
extern const fm_op fm_op_adagrad;          /* sum */
extern const fm_op fm_op_adadelta;         /* square, step_square */
extern const fm_op fm_op_rmsprop;          /* square */
extern const fm_op fm_op_rmsprop_momentum; /* square, velocity */
extern const fm_op fm_op_rmsprop_centered; /* square, velocity, mean */
extern const fm_op fm_op_adam;             /* m, v */
extern const fm_op fm_op_amsgrad;          /* m, v, v_max */
extern const fm_op fm_op_adamax;           /* m, largest */
extern const fm_op fm_op_nadam;            /* m, v */
extern const fm_op fm_op_lion;             /* m */

/* (e, p, iteration) -> e' = momentum e + (1 - momentum) p; p when the iteration is 1, e when it
 * is 0. Attribute: momentum. */
extern const fm_op fm_op_moving_average;

/* The number by which fm_update_attributes.rule names an op above; 0: it is none. */
int fm_update_rule_of(const fm_op *op);

/* ---- for their kernels: what comes before the formulas of kernel/update_rules.h -------------- */

struct fm_update_numbers;

/* The rule that the call runs: its op, or the one that its attributes name. */
const fm_op *fm_update_op(const fm_call *call);
/* Slots of the call: outputs that lie over an input, without the parameter. */
int fm_update_slots(const fm_call *call);
/* The rules work in place: copies what they change to outputs that do not lie over the inputs.
 * false: the iteration is 0 and that is all. */
bool fm_update_begin(const fm_call *call, struct fm_update_numbers *numbers);
/* The portable kernel: elements [at, at + count) of the parameter and the slots,
 * whose gradients are g. */
void fm_update_elements(const fm_call *call, const struct fm_update_numbers *numbers, int64_t at,
                        int64_t count, const void *g);
/* As fm_update_begin; the share of the average that is kept, 1 when the iteration is 0. */
double fm_moving_average_begin(const fm_call *call);

#endif
