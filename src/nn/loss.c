/* Losses: shapes, weights and the mean around each loss's formula. */
#include "fathom/loss.h"
#include "fathom/ops.h"
#include "ir/ir.h"
#include "nn/option.h"

#include <math.h>
#include <string.h>

int fm_loss_kind_of(const fm_loss_record *record)
{
    for (int i = 0; i < FM_LOSS_COUNT; i++) {
        if (fm_loss_at(i) == record) return i;
    }
    return -1;
}

const fm_loss_record *fm_loss_find(const char *name)
{
    for (int i = 0; i < FM_LOSS_COUNT; i++) {
        const fm_loss_record *record = fm_loss_at(i);
        if (fm_named(name, record->name, record->aliases)) return record;
    }
    return NULL;
}

fm_status fm_loss_label(fm_context *context, int kind, fm_shape prediction, fm_dtype graph_dtype,
                        fm_shape *shape, fm_dtype *dtype)
{
    const fm_loss_record *record = fm_loss_at(kind);
    if (!record) return fm_fail(context, FM_ERROR_ARGUMENT, "there is no loss number %d", kind);
    static const struct {
        int least, most;
        const char *wanted;
    } ranks[] = {[FM_LABEL_SAME] = {1, FM_MAX_RANK, "(batch, ...)"},
                 [FM_LABEL_CLASS] = {2, FM_MAX_RANK, "(batch, ..., classes)"},
                 [FM_LABEL_GROUP] = {2, 2, "(batch, features)"}};
    int label = record->label_kind;
    if (prediction.rank < ranks[label].least || prediction.rank > ranks[label].most) {
        return fm_fail(context, FM_ERROR_SHAPE, "%s: the prediction must be %s, received %s",
                       record->name, ranks[label].wanted,
                       fm_shape_text(prediction, (char[FM_SHAPE_TEXT]){0}));
    }
    *shape = prediction;
    *dtype = label == FM_LABEL_SAME ? graph_dtype : FM_I32;
    if (label != FM_LABEL_SAME) shape->dims[--shape->rank] = 0;
    return FM_OK;
}

static bool check_label(fm_graph *g, int kind, fm_val prediction, fm_val label)
{
    const fm_loss_record *record = fm_loss_at(kind);
    fm_shape wanted, from = fm_val_shape(g, prediction), received = fm_val_shape(g, label);
    fm_dtype dtype;
    if (fm_loss_label(fm_graph_context(g), kind, from, fm_val_dtype(g, prediction), &wanted,
                      &dtype) != FM_OK) {
        fm_graph_fail_context(g);
        return false;
    }
    if (fm_shape_equal(wanted, received) && fm_val_dtype(g, label) == dtype) return true;
    char p[FM_SHAPE_TEXT], w[FM_SHAPE_TEXT], r[FM_SHAPE_TEXT];
    fm_graph_fail(g, FM_ERROR_SHAPE,
                  "%s: for the prediction %s %s the label must be %s %s%s, received %s %s",
                  record->name, fm_dtype_name(fm_val_dtype(g, prediction)), fm_shape_text(from, p),
                  fm_dtype_name(dtype), fm_shape_text(wanted, w),
                  record->label_kind == FM_LABEL_CLASS ? " (class indices)" : "",
                  fm_dtype_name(fm_val_dtype(g, label)), fm_shape_text(received, r));
    return false;
}

/* ---- weights --------------------------------------------------------------------------------- */

/* The classes' numbers as a constant of the graph's dtype. */
static fm_val class_table(fm_graph *g, const fm_loss_options *o, fm_dtype dtype)
{
    enum { MOST_CLASSES = 1 << 20 };
    if (o->class_count < 1 || o->class_count > MOST_CLASSES) {
        return fm_graph_fail(g, FM_ERROR_ARGUMENT, "class_count must be 1 to %d, received %lld",
                             MOST_CLASSES, (long long)o->class_count);
    }
    for (int64_t i = 0; i < o->class_count; i++) {
        if (o->class_weights[i] >= 0 && isfinite(o->class_weights[i])) continue;
        return fm_graph_fail(g, FM_ERROR_ARGUMENT,
                             "class_weights must be at least 0, received %g for class %lld",
                             o->class_weights[i], (long long)i);
    }
    fm_val table = fm_constant(g, FM_F64, FM_SHAPE(o->class_count), o->class_weights);
    return dtype == FM_F64 ? table : fm_cast(g, table, dtype);
}

static bool check_classes(fm_graph *g, const char *loss, int64_t classes, int64_t weights)
{
    if (classes == weights) return true;
    fm_graph_fail(g, FM_ERROR_ARGUMENT, "%s: %lld class weights for %lld classes", loss,
                  (long long)weights, (long long)classes);
    return false;
}

/* The weight of each label's class: the shape of the losses. */
static fm_val class_weights(fm_graph *g, int kind, fm_val prediction, fm_val label,
                            const fm_loss_options *o)
{
    const char *name = fm_loss_at(kind)->name;
    fm_shape shape = fm_val_shape(g, prediction);
    int64_t columns = shape.dims[shape.rank - 1];
    fm_val table = class_table(g, o, fm_val_dtype(g, prediction));
    if (kind == FM_SPARSE_CATEGORICAL_CROSSENTROPY || kind == FM_CATEGORICAL_CROSSENTROPY) {
        if (!check_classes(g, name, columns, o->class_count)) return (fm_val){0};
        bool sparse = kind == FM_SPARSE_CATEGORICAL_CROSSENTROPY;
        return fm_gather(g, table, sparse ? label : fm_argmax(g, label));
    }
    if (kind != FM_BINARY_CROSSENTROPY) {
        return fm_graph_fail(g, FM_ERROR_ARGUMENT, "%s: only cross-entropies have classes to weigh",
                             name);
    }
    if (columns != 1) {
        return fm_graph_fail(g, FM_ERROR_SHAPE,
                             "%s: class weights need a prediction of one column, received %s", name,
                             fm_shape_text(shape, (char[FM_SHAPE_TEXT]){0}));
    }
    if (!check_classes(g, name, 2, o->class_count)) return (fm_val){0};
    double zero = o->class_weights[0], one = o->class_weights[1];
    return fm_add_scalar(g, fm_mul_scalar(g, label, one - zero), zero);
}

static bool check_sample_weight(fm_graph *g, const char *loss, fm_val weight, fm_shape losses,
                                fm_dtype dtype)
{
    fm_shape shape = fm_val_shape(g, weight);
    if (shape.rank == 1 && shape.dims[0] == losses.dims[0] && fm_val_dtype(g, weight) == dtype) {
        return true;
    }
    fm_graph_fail(g, FM_ERROR_SHAPE, "%s: the sample weights must be %s (%lld), received %s %s",
                  loss, fm_dtype_name(dtype), (long long)losses.dims[0],
                  fm_dtype_name(fm_val_dtype(g, weight)),
                  fm_shape_text(shape, (char[FM_SHAPE_TEXT]){0}));
    return false;
}

/* (batch, ...) -> (batch): means, or sums */
static fm_val by_sample(fm_graph *g, fm_val losses, bool sum_elements)
{
    fm_ints axes = {.count = fm_val_shape(g, losses).rank - 1};
    for (int i = 0; i < axes.count; i++) axes.at[i] = i + 1;
    if (axes.count == 0) return losses;
    return sum_elements ? fm_sum(g, losses, axes, false) : fm_mean(g, losses, axes, false);
}

/* ---- positions that do not count ------------------------------------------------------------- */

/* 1 for each class, 0 for those that are ignored. */
static fm_val ignore_table(fm_graph *g, const fm_ints *ignored, int64_t classes, fm_dtype dtype)
{
    fm_val table = fm_full(g, FM_SHAPE(classes), 1);
    for (int i = 0; i < ignored->count; i++) {
        if (ignored->at[i] >= classes) {
            return fm_graph_fail(g, FM_ERROR_ARGUMENT,
                                 "ignore_class is one of the %lld classes, received %lld",
                                 (long long)classes, (long long)ignored->at[i]);
        }
        int32_t number = (int32_t)ignored->at[i];
        fm_val place = fm_constant(g, FM_I32, (fm_shape){0}, &number);
        table = fm_sub(g, table, fm_one_hot(g, place, classes));
    }
    table = fm_relu(g, table); /* a class may be named twice */
    return fm_val_dtype(g, table) == dtype ? table : fm_cast(g, table, dtype);
}

/* 1 where a loss counts and 0 elsewhere, of the losses' shape; {0}: all count. */
static fm_val counted_positions(fm_graph *g, fm_val prediction, fm_val label, fm_val losses,
                                const fm_loss_options *o)
{
    fm_dtype dtype = fm_val_dtype(g, losses);
    fm_shape shape = fm_val_shape(g, prediction);
    fm_val mask = fm_mask_of(g, prediction), counted = {0};
    if (mask.id && fm_shape_equal(fm_val_shape(g, mask), fm_val_shape(g, losses))) counted = mask;
    if (o->ignore_class.count == 0) return counted;
    fm_val table = ignore_table(g, &o->ignore_class, shape.dims[shape.rank - 1], dtype);
    fm_val known = fm_gather(g, table, label);
    return counted.id ? fm_mul(g, counted, known) : known;
}

/* Means over all elements become means over the `counted` ones: all of them over these. */
static fm_val over_counted(fm_graph *g, fm_val loss, fm_val counted)
{
    double all = (double)fm_shape_elements(fm_val_shape(g, counted));
    fm_val sum = fm_sum(g, counted, (fm_ints){0}, false);
    fm_val some = fm_maximum(g, sum, fm_full(g, (fm_shape){0}, 1));
    return fm_div(g, fm_mul_scalar(g, loss, all), some);
}

/* From the losses of elements to one number. */
static fm_val batch_loss(fm_graph *g, fm_val losses, fm_val counted, bool sum_elements)
{
    if (!losses.id) return losses;
    fm_shape shape = fm_val_shape(g, losses);
    fm_val loss = fm_mean(g, losses, (fm_ints){0}, false);
    if (!sum_elements) return counted.id ? over_counted(g, loss, counted) : loss;
    double batch = shape.rank > 0 && shape.dims[0] > 0 ? (double)shape.dims[0] : 1;
    return fm_mul_scalar(g, loss, (double)fm_shape_elements(shape) / batch);
}

fm_val fm_loss_with(fm_graph *g, int kind, fm_val prediction, fm_val label,
                    const fm_loss_options *options)
{
    fm_loss_options o = options ? *options : (fm_loss_options){0};
    const fm_loss_record *record = fm_loss_at(kind);
    if (fm_graph_status(g) != FM_OK) return (fm_val){0};
    if (!record) return fm_graph_fail(g, FM_ERROR_ARGUMENT, "there is no loss number %d", kind);
    if (!fm_all_valid(g, record->name, (fm_val[]){prediction, label}, 2)) return (fm_val){0};
    if (fm_fields_complete(fm_graph_context(g), record->fields, &o, record->name) != FM_OK) {
        return fm_graph_fail_context(g);
    }
    if (!check_label(g, kind, prediction, label)) return (fm_val){0};

    fm_scope_enter_fresh(g, "loss");
    fm_val losses = record->build(g, prediction, label, &o);
    fm_val counted = losses.id ? counted_positions(g, prediction, label, losses, &o) : losses;
    if (counted.id) losses = fm_mul(g, losses, counted);
    if (o.class_weights) {
        losses = fm_mul(g, losses, class_weights(g, kind, prediction, label, &o));
    }
    if (o.sample_weight.id && losses.id &&
        check_sample_weight(g, record->name, o.sample_weight, fm_val_shape(g, losses),
                            fm_val_dtype(g, prediction))) {
        losses = fm_mul(g, by_sample(g, losses, o.sum_elements), o.sample_weight);
    }
    fm_val loss = batch_loss(g, losses, counted, o.sum_elements);
    fm_scope_leave(g);
    return loss;
}
