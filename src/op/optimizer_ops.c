/* The optimisers' update ops: records, and the portable kernels run block by block. */
#include "op/optimizer_ops.h"
#include "op/op_table.h"

#include <string.h>

#define REAL       float
#define NAME(rule) rule##_f32
#include "kernel/update_rules.h"
#undef REAL
#undef NAME
#define REAL       double
#define NAME(rule) rule##_f64
#include "kernel/update_rules.h"
#undef REAL
#undef NAME

/* ---- the rules ------------------------------------------------------------------------------- */

typedef struct update_rule {
    const fm_op *op;
    update_rule_f32 *f32;
    update_rule_f64 *f64;
} update_rule;

#define RULE(name) {&fm_op_##name, name##_f32, name##_f64},
#define NAME(name) #name,
static const update_rule rules[] = {{0}, FM_UPDATE_RULES(RULE)};
static const char *const rule_names[] = {"none", FM_UPDATE_RULES(NAME) NULL};
#undef NAME

int fm_update_rule_of(const fm_op *op)
{
    for (int i = 1; i < (int)(sizeof rules / sizeof *rules); i++) {
        if (rules[i].op == op) return i;
    }
    return 0;
}

static const update_rule *rule_of(const fm_call *call)
{
    const fm_update_attributes *attributes = call->attributes;
    return &rules[attributes->rule ? attributes->rule : fm_update_rule_of(call->op)];
}

const fm_op *fm_update_op(const fm_call *call)
{
    return rule_of(call)->op;
}

/* ---- running --------------------------------------------------------------------------------- */

static double scalar_of(const fm_tensor *tensor)
{
    return tensor->dtype == FM_F64 ? *(const double *)tensor->data : *(const float *)tensor->data;
}

static fm_update_numbers numbers_of(const fm_call *call)
{
    const fm_update_attributes *a = call->attributes;
    double t = scalar_of(&call->inputs[FM_UPDATE_ITERATION]);
    fm_update_numbers u = {.rate = scalar_of(&call->inputs[FM_UPDATE_RATE]),
                           .momentum = a->momentum,
                           .rho = a->rho,
                           .beta_1 = a->beta_1,
                           .beta_2 = a->beta_2,
                           .epsilon = a->epsilon,
                           .l1 = a->l1,
                           .l2 = a->l2,
                           .weight_decay = a->weight_decay,
                           .l1_decay = a->l1_decay,
                           .correction_1 = 1 - pow(a->beta_1, t),
                           .correction_2 = 1 - pow(a->beta_2, t),
                           .nesterov = a->nesterov};
    if (fm_update_op(call) == &fm_op_nadam) {
        double product = scalar_of(&call->inputs[call->input_count - 1]);
        u.mu = fm_nadam_mu(a->beta_1, a->momentum_decay, t);
        u.next_mu = fm_nadam_mu(a->beta_1, a->momentum_decay, t + 1);
        u.mu_correction = 1 - product;
        u.next_mu_correction = 1 - product * u.next_mu;
    }
    return u;
}

/* The kernels work in place: an output that does not lie over its input begins as a copy of it. */
static void copy_state(const fm_call *call)
{
    for (int i = 0; i < call->output_count && call->op->in_place[i]; i++) {
        const fm_tensor *from = &call->inputs[call->op->in_place[i] - 1], *to = &call->outputs[i];
        if (from->data == to->data) continue;
        memcpy(to->data, from->data, (size_t)to->count * fm_dtype_size(to->dtype));
    }
}

int fm_update_slots(const fm_call *call)
{
    int slots = 0;
    while (1 + slots < call->output_count && call->op->in_place[1 + slots]) slots++;
    return slots;
}

bool fm_update_begin(const fm_call *call, fm_update_numbers *numbers)
{
    copy_state(call);
    if (scalar_of(&call->inputs[FM_UPDATE_ITERATION]) <= 0) return false;
    *numbers = numbers_of(call);
    return true;
}

void fm_update_elements(const fm_call *call, const fm_update_numbers *numbers, int64_t at,
                        int64_t count, const void *g)
{
    const update_rule *rule = rule_of(call);
    const int slots = fm_update_slots(call);
    const fm_tensor *p = &call->outputs[0];
    double *slots_f64[FM_MAX_SLOTS];
    float *slots_f32[FM_MAX_SLOTS];
    for (int i = 0; i < slots; i++) {
        slots_f32[i] = (float *)call->outputs[1 + i].data + at;
        slots_f64[i] = (double *)call->outputs[1 + i].data + at;
    }
    if (p->dtype == FM_F64) {
        update_f64(rule->f64, 0, count, (double *)p->data + at, g, slots_f64, slots, numbers);
    } else {
        update_f32(rule->f32, 0, count, (float *)p->data + at, g, slots_f32, slots, numbers);
    }
}

static void run_update(const fm_call *call)
{
    fm_update_numbers u;
    if (!fm_update_begin(call, &u)) return;
    fm_update_elements(call, &u, 0, call->outputs[0].count, call->inputs[FM_UPDATE_GRADIENT].data);
}

double fm_moving_average_begin(const fm_call *call)
{
    const fm_update_attributes *a = call->attributes;
    double t = scalar_of(&call->inputs[2]);
    copy_state(call);
    return t <= 0 ? 1 : t > 1 ? a->momentum : 0;
}

static void run_moving_average(const fm_call *call)
{
    const fm_tensor *e = &call->outputs[0], *p = &call->inputs[1];
    double keep = fm_moving_average_begin(call);
    if (keep == 1) return;
    if (e->dtype == FM_F64) {
        moving_average_f64(e->count, e->data, p->data, keep);
    } else {
        moving_average_f32(e->count, e->data, p->data, keep);
    }
}

/* ---- shapes ---------------------------------------------------------------------------------- */

static bool is_number(const fm_infer *infer, int i)
{
    return infer->shapes[i].rank == 0 && fm_dtype_is_real(infer->dtypes[i]);
}

static bool fits_parameter(const fm_infer *infer, int i)
{
    return infer->dtypes[i] == infer->dtypes[0] &&
           fm_shape_equal(infer->shapes[i], infer->shapes[0]);
}

static fm_status infer_update(fm_infer *infer)
{
    int slots = infer->op->outputs - 1;
    if (!fm_dtype_is_real(infer->dtypes[FM_UPDATE_PARAMETER])) {
        return fm_infer_fail(infer, "the parameter must be f32 or f64");
    }
    if (!fits_parameter(infer, FM_UPDATE_GRADIENT)) {
        return fm_infer_fail(infer, "the gradient must have the parameter's shape and dtype");
    }
    for (int i = FM_UPDATE_RATE; i < infer->input_count; i++) {
        bool slot = i >= FM_UPDATE_SLOTS && i < FM_UPDATE_SLOTS + slots;
        if (slot && !fits_parameter(infer, i)) {
            return fm_infer_fail(infer, "slot %d must have the parameter's shape and dtype",
                                 i - FM_UPDATE_SLOTS);
        }
        if (!slot && !is_number(infer, i)) {
            return fm_infer_fail(infer, "input %d must be a number of rank 0", i);
        }
    }
    for (int i = 0; i < infer->op->outputs; i++) {
        infer->output_shapes[i] = infer->shapes[FM_UPDATE_PARAMETER];
        infer->output_dtypes[i] = infer->dtypes[FM_UPDATE_PARAMETER];
    }
    return FM_OK;
}

static fm_status infer_moving_average(fm_infer *infer)
{
    if (!fm_dtype_is_real(infer->dtypes[0]) || !fits_parameter(infer, 1)) {
        return fm_infer_fail(infer, "the average must have the value's shape and real dtype");
    }
    if (!is_number(infer, 2)) return fm_infer_fail(infer, "the iteration must be of rank 0");
    infer->output_shapes[0] = infer->shapes[0];
    infer->output_dtypes[0] = infer->dtypes[0];
    return FM_OK;
}

/* ---- records --------------------------------------------------------------------------------- */

#define NUMBER(name_, doc_)                                                                        \
    {                                                                                              \
        .name = #name_, .doc = doc_, .offset = offsetof(fm_update_attributes, name_),              \
        .type = FM_FIELD_REAL                                                                      \
    }
const fm_field fm_update_fields[] = {
    NUMBER(momentum, "share of the velocity that is kept"),
    NUMBER(rho, "share of the running mean that is kept"),
    NUMBER(beta_1, "share of the first moment that is kept"),
    NUMBER(beta_2, "share of the second moment that is kept"),
    NUMBER(epsilon, "added to the denominator"),
    NUMBER(momentum_decay, "how fast nadam's momentum grows"),
    NUMBER(l1, "coupled: the gradient of l1 sum|p| is added"),
    NUMBER(l2, "coupled: the gradient of l2 sum p^2 is added"),
    NUMBER(weight_decay, "decoupled: p -= rate weight_decay p"),
    NUMBER(l1_decay, "decoupled: p moves by rate l1_decay towards 0"),
    {"nesterov", "look ahead", .offset = offsetof(fm_update_attributes, nesterov),
     .type = FM_FIELD_BOOL},
    {"rule", "which update, of an op that several share",
     .offset = offsetof(fm_update_attributes, rule), .type = FM_FIELD_ENUM, .choices = rule_names},
    {0},
};

static const fm_update_attributes usual = {
    .momentum = 0.9,
    .rho = 0.9,
    .beta_1 = 0.9,
    .beta_2 = 0.99,
    .epsilon = 1e-3,
    .momentum_decay = 0.004,
};
static const fm_update_attributes decaying = {
    .momentum = 0.9,
    .rho = 0.9,
    .beta_1 = 0.9,
    .beta_2 = 0.99,
    .epsilon = 1e-3,
    .momentum_decay = 0.004,
    .l1 = 0.01,
    .l2 = 0.1,
    .weight_decay = 0.1,
    .l1_decay = 0.05,
    .nesterov = true,
};

#define CASES(rule, more)                                                                          \
    static const fm_case rule##_cases[] = {                                                        \
        {"f(3,5) f(3,5) p() p()" more, &usual}, {"f(3,5) f(3,5) p() p()" more, &decaying}, {0}};

/* One rule: its name, its formula, how many slots, further numbers after them,
 * operands of a case. */
#define UPDATE(rule, formula, slots, numbers, operands)                                            \
    CASES(rule, operands)                                                                          \
    const fm_op fm_op_##rule = {                                                                   \
        .name = #rule "_update",                                                                   \
        .doc = formula,                                                                            \
        .min_inputs = FM_UPDATE_SLOTS + (slots) + (numbers),                                       \
        .max_inputs = FM_UPDATE_SLOTS + (slots) + (numbers),                                       \
        .outputs = 1 + (slots),                                                                    \
        .flags = FM_OP_ELEMENTWISE | FM_OP_ANY_LAYOUT | FM_OP_UPDATE,                              \
        .attributes_size = sizeof(fm_update_attributes),                                           \
        .attributes = fm_update_fields,                                                            \
        .infer = infer_update,                                                                     \
        .run = run_update,                                                                         \
        .in_place = {FM_UPDATE_PARAMETER + 1, (slots) > 0 ? FM_UPDATE_SLOTS + 1 : 0,               \
                     (slots) > 1 ? FM_UPDATE_SLOTS + 2 : 0,                                        \
                     (slots) > 2 ? FM_UPDATE_SLOTS + 3 : 0},                                       \
        .cases = rule##_cases,                                                                     \
    };

UPDATE(sgd, "p - rate g", 0, 0, "")
UPDATE(momentum, "v = momentum v + g; p - rate v", 1, 0, " f(3,5)")
UPDATE(adagrad, "s += g^2; p - rate g / (sqrt(s) + epsilon)", 1, 0, " p(3,5)")
UPDATE(adadelta, "p - rate g sqrt(u + epsilon) / sqrt(s + epsilon)", 2, 0, " p(3,5) p(3,5)")
UPDATE(rmsprop, "p - rate g / (sqrt(s) + epsilon)", 1, 0, " p(3,5)")
UPDATE(rmsprop_momentum, "b = momentum b + g / (sqrt(s) + epsilon); p - rate b", 2, 0,
       " p(3,5) f(3,5)")
UPDATE(rmsprop_centered, "b = momentum b + g / (sqrt(s - m^2) + epsilon); p - rate b", 3, 0,
       " p(3,5) f(3,5) u(3,5)")
UPDATE(adam, "p - rate m^ / (sqrt(v^) + epsilon)", 2, 0, " f(3,5) p(3,5)")
UPDATE(amsgrad, "p - rate m^ / (sqrt(max v^) + epsilon)", 3, 0, " f(3,5) p(3,5) p(3,5)")
UPDATE(adamax, "u = max(beta_2 u, |g| + epsilon); p - rate m^ / u", 2, 0, " f(3,5) p(3,5)")
UPDATE(nadam, "p - rate (next_mu m^ + (1 - mu) g^) / (sqrt(v^) + epsilon)", 2, 1,
       " f(3,5) p(3,5) u()")
UPDATE(lion, "p - rate sign(beta_1 m + (1 - beta_1) g)", 1, 0, " f(3,5)")

static const fm_case moving_average_cases[] = {{"f(3,5) f(3,5) p()", &usual}, {0}};
const fm_op fm_op_moving_average = {
    .name = "moving_average",
    .doc = "momentum e + (1 - momentum) p",
    .min_inputs = 3,
    .max_inputs = 3,
    .outputs = 1,
    .flags = FM_OP_ELEMENTWISE | FM_OP_ANY_LAYOUT,
    .attributes_size = sizeof(fm_update_attributes),
    .attributes = fm_update_fields,
    .infer = infer_moving_average,
    .run = run_moving_average,
    .in_place = {1},
    .cases = moving_average_cases,
};
