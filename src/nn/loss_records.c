/* Each loss's formula and record; fathom/loss.h has the formulas in words. */
#include "fathom/loss.h"
#include "fathom/ops.h"
#include "ir/ir.h"
#include "nn/option.h"

/* Probabilities are clipped to [epsilon, 1 - epsilon] before a logarithm, as Keras does. */
static const double epsilon = 1e-7;

static const fm_ints last_axis = {1, {-1}};

static fm_val build_squared(fm_graph *g, fm_val p, fm_val y, const fm_loss_options *o)
{
    (void)o;
    return fm_square(g, fm_sub(g, p, y));
}

static fm_val build_absolute(fm_graph *g, fm_val p, fm_val y, const fm_loss_options *o)
{
    (void)o;
    return fm_abs(g, fm_sub(g, p, y));
}

/* With q = min(|e|, delta): q^2 / 2 + delta (|e| - q). */
static fm_val build_huber(fm_graph *g, fm_val p, fm_val y, const fm_loss_options *o)
{
    fm_val size = fm_abs(g, fm_sub(g, p, y));
    fm_val near = fm_clip(g, size, 0, o->delta);
    fm_val square = fm_mul_scalar(g, fm_square(g, near), 0.5);
    return fm_add(g, square, fm_mul_scalar(g, fm_sub(g, size, near), o->delta));
}

/* log cosh e = |e| + log(1 + exp(-2 |e|)) - log 2, which never overflows. */
static fm_val build_log_cosh(fm_graph *g, fm_val p, fm_val y, const fm_loss_options *o)
{
    (void)o;
    static const double log_2 = 0.69314718055994530942;
    fm_val size = fm_abs(g, fm_sub(g, p, y));
    fm_val tail = fm_log1p(g, fm_exp(g, fm_mul_scalar(g, size, -2)));
    return fm_add_scalar(g, fm_add(g, size, tail), -log_2);
}

/* y (1 - s) + s / share */
static fm_val smoothed(fm_graph *g, fm_val y, double s, double share)
{
    return s == 0 ? y : fm_add_scalar(g, fm_mul_scalar(g, y, 1 - s), s / share);
}

static fm_val clipped(fm_graph *g, fm_val p)
{
    return fm_clip(g, p, epsilon, 1 - epsilon);
}

static fm_val build_binary_crossentropy(fm_graph *g, fm_val p, fm_val y, const fm_loss_options *o)
{
    y = smoothed(g, y, o->label_smoothing, 2);
    if (!o->from_probabilities) return fm_sigmoid_cross_entropy(g, p, y);
    fm_val q = clipped(g, p);
    fm_val yes = fm_mul(g, y, fm_log(g, q));
    fm_val not_y = fm_add_scalar(g, fm_neg(g, y), 1), not_q = fm_add_scalar(g, fm_neg(g, q), 1);
    return fm_neg(g, fm_add(g, yes, fm_mul(g, not_y, fm_log(g, not_q))));
}

static double classes_of(const fm_graph *g, fm_val p)
{
    fm_shape shape = fm_val_shape(g, p);
    return (double)shape.dims[shape.rank - 1];
}

/* - sum y log q over the last axis. */
static fm_val cross_entropy(fm_graph *g, fm_val q, fm_val y)
{
    return fm_neg(g, fm_sum(g, fm_mul(g, y, fm_log(g, clipped(g, q))), last_axis, false));
}

/* Probabilities are divided by their sum first, as Keras does. */
static fm_val build_categorical_crossentropy(fm_graph *g, fm_val p, fm_val y,
                                             const fm_loss_options *o)
{
    y = smoothed(g, y, o->label_smoothing, classes_of(g, p));
    if (!o->from_probabilities) return fm_softmax_cross_entropy(g, p, y);
    return cross_entropy(g, fm_div(g, p, fm_sum(g, p, last_axis, true)), y);
}

static fm_val build_sparse_categorical_crossentropy(fm_graph *g, fm_val p, fm_val y,
                                                    const fm_loss_options *o)
{
    if (!o->from_probabilities) {
        return fm_sparse_softmax_cross_entropy(g, p, y, o->label_smoothing);
    }
    double classes = classes_of(g, p);
    fm_val one_hot = fm_cast(g, fm_one_hot(g, y, (int64_t)classes), fm_val_dtype(g, p));
    return cross_entropy(g, p, smoothed(g, one_hot, o->label_smoothing, classes));
}

/* y log y is 0 where y is 0. */
static fm_val build_kl_divergence(fm_graph *g, fm_val p, fm_val y, const fm_loss_options *o)
{
    fm_val log_y = fm_log(g, fm_clip(g, y, epsilon, 1));
    fm_val log_p =
        o->from_probabilities ? fm_log(g, fm_clip(g, p, epsilon, 1)) : fm_log_softmax(g, p);
    return fm_sum(g, fm_mul(g, y, fm_sub(g, log_y, log_p)), last_axis, false);
}

static fm_val build_hinge(fm_graph *g, fm_val p, fm_val y, const fm_loss_options *o)
{
    (void)o;
    fm_val side = fm_add_scalar(g, fm_mul_scalar(g, fm_step(g, y), 2), -1);
    return fm_relu(g, fm_add_scalar(g, fm_neg(g, fm_mul(g, side, p)), 1));
}

/* x / |x| over the last axis; a zero vector stays zero. */
static fm_val normalized(fm_graph *g, fm_val x)
{
    fm_val square = fm_sum(g, fm_square(g, x), last_axis, true);
    return fm_mul(g, x, fm_rsqrt(g, fm_maximum(g, square, fm_scalar(g, 1e-12))));
}

static fm_val build_cosine_similarity(fm_graph *g, fm_val p, fm_val y, const fm_loss_options *o)
{
    (void)o;
    fm_val product = fm_mul(g, normalized(g, y), normalized(g, p));
    return fm_neg(g, fm_sum(g, product, last_axis, false));
}

/* ---- contrastive ----------------------------------------------------------------------------- */

static double position(const void *argument, int64_t i)
{
    (void)argument;
    return (double)i;
}

/* 1 where rows and columns have one number: of x (n) with itself. */
static fm_val equal_pairs(fm_graph *g, fm_val x, int64_t n)
{
    return fm_equal(g, fm_reshape_to(g, x, FM_SHAPE(n, 1)), fm_reshape_to(g, x, FM_SHAPE(1, n)));
}

/* Told: the share of the rows whose nearest other row belongs to them. */
static void tell_accuracy(fm_graph *g, fm_val near, fm_val partners, int64_t n)
{
    fm_val nearest = fm_one_hot(g, fm_argmax(g, near), n);
    fm_val hits = fm_sum(g, fm_mul(g, nearest, partners), (fm_ints){0}, false);
    fm_add_metric(g, "contrastive_accuracy", fm_mul_scalar(g, hits, 1 / (double)n));
}

/* A cross-entropy of each row over the others of the batch; -1e9 takes the row itself out, whose
 * exponential is 0 then in f32 as in f64. Rows without a partner have targets of 0: no loss, no
 * gradient. */
static fm_val build_contrastive(fm_graph *g, fm_val p, fm_val y, const fm_loss_options *o)
{
    static const double far = -1e9;
    fm_dtype dtype = fm_val_dtype(g, p);
    int64_t n = fm_val_shape(g, p).dims[0];
    fm_val z = normalized(g, p);
    fm_val near = fm_mul_scalar(g, fm_matmul_transposed(g, z, z, false, true), 1 / o->temperature);
    fm_val self = equal_pairs(g, fm_constant_of(g, dtype, FM_SHAPE(n), position, NULL), n);
    fm_val same = equal_pairs(g, y, n);
    if (same.id && fm_val_dtype(g, same) != dtype) same = fm_cast(g, same, dtype);
    fm_val partners = fm_relu(g, fm_sub(g, same, self));
    fm_val count = fm_sum(g, partners, last_axis, true);
    fm_val targets = fm_div(g, partners, fm_maximum(g, count, fm_full(g, FM_SHAPE(1), 1)));
    near = fm_add(g, near, fm_mul_scalar(g, self, far));
    tell_accuracy(g, near, partners, n);
    return fm_softmax_cross_entropy(g, near, targets);
}

/* ---- records --------------------------------------------------------------------------------- */

static const fm_field no_fields[] = {{.name = NULL}};
#define SUM_ELEMENTS                                                                               \
    FM_FIELD(fm_loss_options, sum_elements, FM_FIELD_BOOL,                                         \
             "a sample's loss is the sum over its elements, not their mean")
static const fm_field element_fields[] = {SUM_ELEMENTS, {.name = NULL}};
static const fm_field huber_fields[] = {
    FM_FIELD(fm_loss_options, delta, FM_FIELD_REAL, "where the square becomes a line",
             .default_value = 1, .minimum = 1e-12, .maximum = INFINITY),
    SUM_ELEMENTS,
    {.name = NULL}};
static const fm_field contrastive_fields[] = {
    FM_FIELD(fm_loss_options, temperature, FM_FIELD_REAL,
             "similarities are divided by it: small ones look at the nearest", .default_value = 0.5,
             .minimum = 1e-6, .maximum = 1e6),
    {.name = NULL}};
#define FROM_LOGITS                                                                                \
    {                                                                                              \
        .name = "from_logits", .doc = "false: the model ends in softmax or sigmoid",               \
        .offset = offsetof(fm_loss_options, from_probabilities), .type = FM_FIELD_NOT,             \
        .default_value = 1                                                                         \
    }
static const fm_field divergence_fields[] = {FROM_LOGITS, {.name = NULL}};
#define LABEL_SMOOTHING                                                                            \
    FM_FIELD(fm_loss_options, label_smoothing, FM_FIELD_REAL,                                      \
             "share of the label that is spread evenly", .maximum = 0.999999)
static const fm_field binary_fields[] = {
    FROM_LOGITS, LABEL_SMOOTHING, SUM_ELEMENTS, {.name = NULL}};
static const fm_field crossentropy_fields[] = {FROM_LOGITS, LABEL_SMOOTHING, {.name = NULL}};

static const fm_field sparse_fields[] = {FROM_LOGITS,
                                         LABEL_SMOOTHING,
                                         FM_FIELD(fm_loss_options, ignore_class, FM_FIELD_INTS,
                                                  "labels that do not count", .maximum = 1e9),
                                         {.name = NULL}};

static const fm_loss_record records[FM_LOSS_COUNT] = {
    [FM_MEAN_SQUARED_ERROR] = {"mean_squared_error",
                               {"mse"},
                               "mean (y - p)^2",
                               FM_LABEL_SAME,
                               element_fields,
                               build_squared},
    [FM_MEAN_ABSOLUTE_ERROR] = {"mean_absolute_error",
                                {"mae"},
                                "mean |y - p|",
                                FM_LABEL_SAME,
                                element_fields,
                                build_absolute},
    [FM_HUBER] = {"huber",
                  {0},
                  "mean e^2/2 where |e| <= delta, else delta (|e| - delta/2)",
                  FM_LABEL_SAME,
                  huber_fields,
                  build_huber},
    [FM_LOG_COSH] = {"log_cosh",
                     {"logcosh"},
                     "mean log cosh(p - y)",
                     FM_LABEL_SAME,
                     element_fields,
                     build_log_cosh},
    [FM_BINARY_CROSSENTROPY] = {"binary_crossentropy",
                                {"bce"},
                                "mean -(y log p + (1 - y) log(1 - p))",
                                FM_LABEL_SAME,
                                binary_fields,
                                build_binary_crossentropy},
    [FM_CATEGORICAL_CROSSENTROPY] = {"categorical_crossentropy",
                                     {0},
                                     "- sum y log p, y one-hot",
                                     FM_LABEL_SAME,
                                     crossentropy_fields,
                                     build_categorical_crossentropy},
    [FM_SPARSE_CATEGORICAL_CROSSENTROPY] = {"sparse_categorical_crossentropy",
                                            {0},
                                            "- log p[y], y class indices",
                                            FM_LABEL_CLASS,
                                            sparse_fields,
                                            build_sparse_categorical_crossentropy},
    [FM_KL_DIVERGENCE] = {"kl_divergence",
                          {"kld", "kullback_leibler_divergence"},
                          "sum y (log y - log p)",
                          FM_LABEL_SAME,
                          divergence_fields,
                          build_kl_divergence},
    [FM_HINGE] = {"hinge",
                  {0},
                  "mean max(0, 1 - y p), y -1 or 1",
                  FM_LABEL_SAME,
                  element_fields,
                  build_hinge},
    [FM_COSINE_SIMILARITY] = {"cosine_similarity",
                              {"cosine"},
                              "- y.p / (|y| |p|)",
                              FM_LABEL_SAME,
                              no_fields,
                              build_cosine_similarity},
    [FM_CONTRASTIVE] = {"contrastive",
                        {"nt_xent", "supervised_contrastive"},
                        "- mean log softmax of similarities to those that belong together",
                        FM_LABEL_GROUP,
                        contrastive_fields,
                        build_contrastive},
};

const fm_loss_record *fm_loss_at(int kind)
{
    return kind >= 0 && kind < FM_LOSS_COUNT ? &records[kind] : NULL;
}
