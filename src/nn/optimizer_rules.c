/* The optimisers as records: options with each rule's defaults, and the op behind it. */
#include "nn/optimizer_rules.h"

#include "nn/option.h"

#define REAL(member, doc, ...) FM_FIELD(fm_optimizer, member, FM_FIELD_REAL, doc, __VA_ARGS__)
#define BOOL(member, doc)      FM_FIELD(fm_optimizer, member, FM_FIELD_BOOL, doc)
#define RATE(number)                                                                               \
    REAL(learning_rate, "the base of the schedule", .default_value = number, .maximum = INFINITY)
#define MOMENTUM(number)                                                                           \
    REAL(momentum, "share of the velocity that is kept", .default_value = number, .maximum = 1)
#define RHO(number)                                                                                \
    REAL(rho, "share of the running mean that is kept", .default_value = number, .maximum = 1)
#define BETA_1                                                                                     \
    REAL(beta_1, "share of the first moment that is kept", .default_value = 0.9,                   \
         .maximum = 0.999999)
#define BETA_2(number)                                                                             \
    REAL(beta_2, "share of the second moment that is kept", .default_value = number,               \
         .maximum = 0.999999)
#define EPSILON(number)                                                                            \
    REAL(epsilon, "added to the denominator", .default_value = number, .maximum = INFINITY)
#define WEIGHT_DECAY(number)                                                                       \
    REAL(weight_decay, "decoupled L2: p -= rate weight_decay p", .default_value = number,          \
         .maximum = INFINITY)
/* What every rule takes. */
#define COMMON(decay)                                                                              \
    WEIGHT_DECAY(decay),                                                                           \
        REAL(l1_decay, "decoupled L1: p moves by rate l1_decay towards 0", .maximum = INFINITY),   \
        REAL(l1, "coupled: the gradient of l1 sum|p| is added", .maximum = INFINITY),              \
        REAL(l2, "coupled: the gradient of l2 sum p^2 is added", .maximum = INFINITY),             \
        REAL(clip_value, "limit of each element of the gradient", .maximum = INFINITY),            \
        REAL(clip_norm, "limit of the norm of each variable's gradient", .maximum = INFINITY),     \
        REAL(global_clip_norm, "limit of the norm of all gradients together",                      \
             .maximum = INFINITY),                                                                 \
        FM_FIELD(fm_optimizer, accumulate_steps, FM_FIELD_INT, "runs whose mean makes one update", \
                 .default_value = 1, .minimum = 1, .maximum = INFINITY),                           \
        REAL(ema_momentum, "share of the average of weights that is kept; 0: no average",          \
             .maximum = 1),                                                                        \
    {                                                                                              \
        .name = NULL                                                                               \
    }

static const fm_field sgd_fields[] = {RATE(0.01), MOMENTUM(0),
                                      BOOL(nesterov, "look ahead; needs momentum"), COMMON(0)};
static const fm_field momentum_fields[] = {RATE(0.01), MOMENTUM(0.9), BOOL(nesterov, "look ahead"),
                                           COMMON(0)};
static const fm_field nesterov_fields[] = {RATE(0.01), MOMENTUM(0.9), COMMON(0)};
static const fm_field adagrad_fields[] = {RATE(0.001), EPSILON(1e-7), COMMON(0)};
static const fm_field adadelta_fields[] = {RATE(0.001), RHO(0.95), EPSILON(1e-7), COMMON(0)};
static const fm_field rmsprop_fields[] = {
    RATE(0.001),   RHO(0.9),
    MOMENTUM(0),   BOOL(centered, "divide by the deviation instead of the root mean square"),
    EPSILON(1e-7), COMMON(0)};
static const fm_field adam_fields[] = {RATE(0.001),
                                       BETA_1,
                                       BETA_2(0.999),
                                       EPSILON(1e-7),
                                       BOOL(amsgrad, "divide by the largest second moment so far"),
                                       COMMON(0)};
static const fm_field moment_fields[] = {RATE(0.001), BETA_1, BETA_2(0.999), EPSILON(1e-7),
                                         COMMON(0)};
static const fm_field nadam_fields[] = {RATE(0.001),
                                        BETA_1,
                                        BETA_2(0.999),
                                        EPSILON(1e-7),
                                        REAL(momentum_decay, "how fast the momentum grows",
                                             .default_value = 0.004, .maximum = INFINITY),
                                        COMMON(0)};
static const fm_field adamw_fields[] = {RATE(0.001),
                                        BETA_1,
                                        BETA_2(0.999),
                                        EPSILON(1e-7),
                                        BOOL(amsgrad, "divide by the largest second moment so far"),
                                        COMMON(0.004)};
static const fm_field lion_fields[] = {RATE(0.001), BETA_1, BETA_2(0.99), COMMON(0)};

static const fm_optimizer_record records[FM_OPTIMIZER_COUNT] = {
    [FM_SGD] = {"sgd", {0}, "p - rate g; with momentum as below", sgd_fields},
    [FM_MOMENTUM] = {"momentum", {0}, "v = momentum v + g; p - rate v", momentum_fields},
    [FM_NESTEROV] = {"nesterov",
                     {"nag"},
                     "v = momentum v + g; p - rate (g + momentum v)",
                     nesterov_fields},
    [FM_ADAGRAD] = {"adagrad", {0}, "s += g^2; p - rate g / (sqrt(s) + epsilon)", adagrad_fields},
    [FM_ADADELTA] = {"adadelta",
                     {0},
                     "p - rate g sqrt(u + epsilon) / sqrt(s + epsilon)",
                     adadelta_fields},
    [FM_RMSPROP] = {"rmsprop", {0}, "p - rate g / (sqrt(mean g^2) + epsilon)", rmsprop_fields},
    [FM_ADAM] = {"adam",
                 {0},
                 "p - rate m / (sqrt(v) + epsilon), both corrected for their start",
                 adam_fields},
    [FM_AMSGRAD] = {"amsgrad", {0}, "adam with the largest v so far", moment_fields},
    [FM_ADAMAX] = {"adamax",
                   {0},
                   "u = max(beta_2 u, |g| + epsilon); p - rate m / u",
                   moment_fields},
    [FM_NADAM] = {"nadam", {0}, "adam with Nesterov's look ahead", nadam_fields},
    [FM_ADAMW] = {"adamw", {0}, "adam with decoupled weight decay", adamw_fields},
    [FM_LION] = {"lion", {0}, "p - rate sign(beta_1 m + (1 - beta_1) g)", lion_fields},
};

const fm_optimizer_record *fm_optimizer_at(int rule)
{
    return rule >= 0 && rule < FM_OPTIMIZER_COUNT ? &records[rule] : NULL;
}

const fm_optimizer_record *fm_optimizer_find(const char *name)
{
    for (int i = 0; i < FM_OPTIMIZER_COUNT; i++) {
        if (fm_named(name, records[i].name, records[i].aliases)) return &records[i];
    }
    return NULL;
}

double fm_optimizer_rate(const fm_optimizer *optimizer)
{
    static const fm_optimizer plain = {0};
    if (!optimizer) optimizer = &plain;
    const fm_optimizer_record *record = fm_optimizer_at(optimizer->rule);
    return record ? fm_option_real(record->fields, "learning_rate", optimizer) : 0;
}

fm_status fm_optimizer_complete(fm_context *context, const fm_optimizer *given,
                                fm_optimizer *filled)
{
    const fm_optimizer_record *record = fm_optimizer_at(given->rule);
    *filled = *given;
    if (!record) {
        return fm_fail(context, FM_ERROR_ARGUMENT, "there is no optimizer number %d", given->rule);
    }
    if (given->rule == FM_NESTEROV) filled->nesterov = true;
    if (given->rule == FM_AMSGRAD) filled->amsgrad = true;
    fm_status status = fm_fields_complete(context, record->fields, filled, record->name);
    if (status == FM_OK && filled->nesterov && filled->momentum == 0) {
        return fm_fail(context, FM_ERROR_ARGUMENT, "%s: nesterov needs a momentum", record->name);
    }
    return status;
}

/* ---- from rules to ops ----------------------------------------------------------------------- */

/* The variants of a rule that its options choose: an op and the slots it keeps. */
typedef struct variant {
    const fm_op *op;
    const char *slots[FM_MAX_SLOTS + 1];
} variant;

static const variant plain[FM_OPTIMIZER_COUNT] = {
    [FM_SGD] = {&fm_op_sgd, {NULL}},
    [FM_MOMENTUM] = {&fm_op_momentum, {"velocity"}},
    [FM_NESTEROV] = {&fm_op_momentum, {"velocity"}},
    [FM_ADAGRAD] = {&fm_op_adagrad, {"sum"}},
    [FM_ADADELTA] = {&fm_op_adadelta, {"square", "step_square"}},
    [FM_RMSPROP] = {&fm_op_rmsprop, {"square"}},
    [FM_ADAM] = {&fm_op_adam, {"m", "v"}},
    [FM_AMSGRAD] = {&fm_op_amsgrad, {"m", "v", "v_max"}},
    [FM_ADAMAX] = {&fm_op_adamax, {"m", "largest"}},
    [FM_NADAM] = {&fm_op_nadam, {"m", "v"}},
    [FM_ADAMW] = {&fm_op_adam, {"m", "v"}},
    [FM_LION] = {&fm_op_lion, {"m"}},
};
static const variant rmsprop_momentum = {&fm_op_rmsprop_momentum, {"square", "velocity"}};
static const variant rmsprop_centered = {&fm_op_rmsprop_centered, {"square", "velocity", "mean"}};

static const variant *variant_of(const fm_optimizer *o)
{
    switch (o->rule) {
    case FM_SGD:
    case FM_MOMENTUM:
    case FM_NESTEROV:
        return &plain[o->momentum != 0 ? FM_MOMENTUM : FM_SGD];
    case FM_RMSPROP:
        if (o->centered) return &rmsprop_centered;
        return o->momentum != 0 ? &rmsprop_momentum : &plain[FM_RMSPROP];
    case FM_ADAM:
    case FM_ADAMW:
        return &plain[o->amsgrad ? FM_AMSGRAD : FM_ADAM];
    default:
        return &plain[o->rule];
    }
}

const fm_op *fm_optimizer_op(const fm_optimizer *filled)
{
    return variant_of(filled)->op;
}

const char *const *fm_optimizer_slots(const fm_optimizer *filled)
{
    return variant_of(filled)->slots;
}
