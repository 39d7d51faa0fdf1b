/* The layer of variational autoencoders: a code that is drawn. */
#include "nn/layer.h"

#include <math.h>

/* ---- beta ------------------------------------------------------------------------------------ */

/* min(1, step / warm_up), step from 1: the counter moves with each run that trains. */
static fm_val warming(fm_graph *g, double warm_up)
{
    int known = 0;
    while (fm_graph_variable(g, known).id) known++;
    fm_val steps =
        fm_variable(g, "steps", FM_F64, FM_SHAPE(), &(fm_variable_options){.not_trainable = true});
    fm_val now = fm_add_scalar(g, steps, 1);
    bool is_new = steps.id && fm_graph_variable(g, known).id == steps.id;
    if (is_new) fm_update(g, steps, now); /* a layer of a shared name counts once */
    fm_val share = fm_clip(g, fm_mul_scalar(g, now, 1 / warm_up), 0, 1);
    return fm_graph_dtype(g) == FM_F64 ? share : fm_cast(g, share, fm_graph_dtype(g));
}

/* 1/2 sum (mean^2 + variance - log_variance - 1), of the mean sample. expm1 keeps what is left of
 * variance - 1 near the prior. */
static fm_val divergence(fm_graph *g, fm_val mean, fm_val log_variance)
{
    fm_shape shape = fm_val_shape(g, mean);
    fm_val terms =
        fm_add(g, fm_square(g, mean), fm_sub(g, fm_expm1(g, log_variance), log_variance));
    fm_val sum = fm_sum(g, terms, (fm_ints){0}, false);
    return fm_mul_scalar(g, sum, 0.5 / (double)shape.dims[0]);
}

static void add_divergence(fm_graph *g, fm_val mean, fm_val log_variance,
                           const fm_gaussian_sample_options *o)
{
    fm_val kl = divergence(g, mean, log_variance);
    fm_add_metric(g, "kl", kl);
    if (fm_graph_mode(g) != FM_TRAIN || o->beta == 0) return;
    fm_val penalty = fm_mul_scalar(g, kl, o->beta);
    if (o->warm_up > 0) penalty = fm_mul(g, penalty, warming(g, (double)o->warm_up));
    fm_add_penalty(g, penalty);
}

/* ---- the layer ------------------------------------------------------------------------------- */

static bool check_parameters(fm_graph *g, fm_val mean, fm_val log_variance)
{
    char a[FM_SHAPE_TEXT], b[FM_SHAPE_TEXT];
    fm_shape first = fm_val_shape(g, mean), second = fm_val_shape(g, log_variance);
    if (fm_shape_equal(first, second) && first.rank >= 2) return true;
    fm_graph_fail(g, FM_ERROR_SHAPE,
                  "mean and log_variance must have one shape, (batch, ...), received %s and %s",
                  fm_shape_text(first, a), fm_shape_text(second, b));
    return false;
}

/* mean + exp(log_variance / 2) n */
static fm_val build_gaussian_sample(fm_graph *g, const fm_val *inputs, int count,
                                    const void *options)
{
    (void)count;
    fm_val mean = inputs[0], log_variance = inputs[1];
    if (!check_parameters(g, mean, log_variance)) return (fm_val){0};
    if (fm_graph_mode(g) == FM_PREDICT) return mean;
    add_divergence(g, mean, log_variance, options);
    if (fm_graph_mode(g) != FM_TRAIN) return mean;
    fm_val deviation = fm_exp(g, fm_mul_scalar(g, log_variance, 0.5));
    return fm_add(g, mean, fm_mul(g, deviation, fm_random_normal_like(g, mean)));
}

static const fm_field sample_fields[] = {
    FM_NAME_FIELD(fm_gaussian_sample_options),
    FM_FIELD(fm_gaussian_sample_options, beta, FM_FIELD_REAL,
             "weight of the divergence from the prior in what is minimised", .default_value = 1,
             .maximum = INFINITY),
    FM_FIELD(fm_gaussian_sample_options, warm_up, FM_FIELD_INT,
             "training steps in which beta grows from 0", .maximum = 1e12),
    {.name = NULL}};

const fm_layer_record fm_layer_gaussian_sample = {
    "gaussian_sample",
    "draws from N(mean, exp(log_variance)) while training, then the mean; adds its divergence from "
    "N(0, 1) to the loss",
    sample_fields,
    sizeof(fm_gaussian_sample_options),
    2,
    2,
    build_gaussian_sample};

fm_val fm_gaussian_sample_with(fm_graph *g, fm_val mean, fm_val log_variance,
                               const fm_gaussian_sample_options *options)
{
    const fm_val inputs[2] = {mean, log_variance};
    return fm_layer_build(g, &fm_layer_gaussian_sample, inputs, 2, options);
}
