#include "train/label_range.h"
#include "data/dataset.h"

#include <float.h>
#include <math.h>
#include <stdio.h>

const char fm_class_label_advice[] = "give the last layer more units, or mend the labels";

static const struct {
    int loss;
    fm_label_range range;
} ranges[] = {
    {FM_BINARY_CROSSENTROPY,
     {0, 1, "take a column of 0 and 1, or target_kind: categorical; of pixels scale: 255"}},
    {FM_HINGE, {-1, 1, "the classes are -1 and 1"}},
    {FM_CATEGORICAL_CROSSENTROPY,
     {0, 1, "take classes (target_kind: categorical), or the shares of all classes"}},
    {FM_KL_DIVERGENCE,
     {0, 1, "take classes (target_kind: categorical), or the shares of all classes"}},
};

const fm_label_range *fm_label_range_of(int loss)
{
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        if (ranges[i].loss == loss) return &ranges[i].range;
    }
    return NULL;
}

static const double slack = 1e-5;

bool fm_label_in_range(const fm_label_range *range, double label)
{
    return label >= range->low - slack && label <= range->high + slack;
}

static bool are_classes(const fm_model *model)
{
    return fm_loss_at(model->options.loss)->label_kind == FM_LABEL_CLASS;
}

/* False: any finite number will do. */
static bool range_of(const fm_model *model, fm_label_range *range)
{
    const fm_label_range *found = fm_label_range_of(model->options.loss);
    *range = (fm_label_range){-DBL_MAX, DBL_MAX, ""};
    if (found) *range = *found;
    if (!are_classes(model)) return found != NULL;
    double classes = (double)model->output.dims[model->output.rank - 1];
    *range = (fm_label_range){0, classes - 1, fm_class_label_advice};
    return true;
}

/* All of them without a branch: most batches have none. */
static bool any_outside_f32(const float *y, int64_t count, float low, float high)
{
    int outside = 0;
    for (int64_t i = 0; i < count; i++) outside |= !(y[i] >= low && y[i] <= high);
    return outside;
}

int64_t fm_label_outside(const fm_model *model, const void *y, int64_t count)
{
    fm_label_range range;
    int64_t elements = count * fm_shape_elements(model->label);
    range_of(model, &range);
    const double low = fmax(range.low - slack, -FLT_MAX), high = fmin(range.high + slack, FLT_MAX);
    if (model->label_dtype == FM_F32 && !any_outside_f32(y, elements, (float)low, (float)high)) {
        return -1;
    }
    for (int64_t i = 0; i < elements; i++) {
        if (!fm_label_in_range(&range, fm_element(y, model->label_dtype, (size_t)i))) return i;
    }
    return -1;
}

/* A class by its name; *column is what "y" is called there. */
static void name_label(const fm_data_field *y, int64_t element, double label, const char **column,
                       char words[96])
{
    char number[24];
    int64_t columns = fm_field_columns(y);
    const fm_column *of = y->columns ? &y->columns[element % columns] : NULL;
    *column = of && of->name ? of->name : y->name;
    bool named = of && of->kind == FM_COLUMN_CATEGORICAL && of->categories && label >= 0 &&
                 label < (double)of->category_count;
    if (named) {
        snprintf(words, 96, "class %.0f, \"%.60s\"", label,
                 fm_column_category(of, (int64_t)label, number));
    } else {
        snprintf(words, 96, "%g", label);
    }
}

fm_status fm_labels_check(const fm_model *model, const fm_dataset *data, const fm_batch *batch)
{
    fm_label_range range;
    if (!range_of(model, &range)) return FM_OK;
    int64_t outside = fm_label_outside(model, batch->y, batch->count);
    if (outside < 0) return FM_OK;
    const fm_dataset_info *info = fm_dataset_about(data);
    int64_t each = fm_shape_elements(model->label), sample = batch->indices[outside / each];
    const fm_sample_place place = fm_dataset_place(data, sample);
    const char *column;
    char words[96], at[512];
    double label = fm_element(batch->y, model->label_dtype, (size_t)outside);
    name_label(&info->fields[1], outside % each, label, &column, words);
    if (place.line > 0) {
        snprintf(at, sizeof at, "%.400s:%lld", info->origin, (long long)place.line);
    } else {
        snprintf(at, sizeof at, "data set \"%.400s\", sample %lld", info->name,
                 (long long)place.position);
    }
    return fm_fail(model->context, FM_ERROR_ARGUMENT,
                   "%s: %s takes labels from %g to %g, and \"%s\" is %s; %s", at,
                   fm_loss_at(model->options.loss)->name, range.low, range.high, column, words,
                   range.advice);
}
