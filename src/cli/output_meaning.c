#include "cli/output_meaning.h"
#include "data/dataset.h"
#include "fathom/series.h"

#include <stdio.h>

output_meaning output_meaning_of(const saved_model *saved)
{
    int loss = fm_recipe_about(saved->recipe)->model.loss;
    const fm_dataset_info *raw = fm_transform_input(saved->transform);
    output_meaning m = {.width = fm_shape_elements(fm_model_output(saved->model, NULL))};
    if (raw->field_count > 1) {
        fm_shape y = raw->fields[1].shape;
        m.columns = raw->fields[1].columns;
        m.column_count = y.rank > 0 ? y.dims[y.rank - 1] : 1;
    }
    if (m.columns && m.columns->kind == FM_COLUMN_CATEGORICAL) {
        m.class_column = m.columns;
        m.columns = NULL;
    }
    m.one_sided = loss == FM_BINARY_CROSSENTROPY && m.width == 1;
    m.classes = m.one_sided || loss == FM_SPARSE_CATEGORICAL_CROSSENTROPY ||
                loss == FM_CATEGORICAL_CROSSENTROPY || loss == FM_KL_DIVERGENCE;
    m.probabilities = m.classes || loss == FM_BINARY_CROSSENTROPY;
    fm_shape output = fm_model_output(saved->model, NULL);
    bool spread = m.classes && output.rank > 1;
    m.class_count = m.one_sided ? 2 : spread ? output.dims[output.rank - 1] : m.width;
    m.positions = spread ? m.width / m.class_count : 1;
    return m;
}

const char *output_class_name(const output_meaning *m, int64_t index, char buffer[32])
{
    return fm_column_category(m->class_column, index, buffer);
}

const char *output_value_name(const output_meaning *m, int64_t index, char buffer[32])
{
    const char *name = m->columns ? m->columns[index % m->column_count].name : NULL;
    if (name && m->width <= m->column_count) return name;
    if (name) { /* a row of the forecast behind the other */
        snprintf(buffer, 32, "%.16s+%d", name, (int)(index / m->column_count) + 1);
        return buffer;
    }
    snprintf(buffer, 32, m->width == 1 ? "value" : "value_%lld", (long long)index);
    return buffer;
}

double output_probability(const output_meaning *m, const float *outputs, int64_t index)
{
    if (!m->one_sided) return (double)outputs[index];
    return index == 1 ? (double)outputs[0] : 1 - (double)outputs[0];
}

int64_t output_most_probable(const output_meaning *m, const float *outputs)
{
    int64_t best = 0;
    for (int64_t i = 1; i < m->class_count; i++) {
        if (output_probability(m, outputs, i) > output_probability(m, outputs, best)) best = i;
    }
    return best;
}

void output_positions(const output_meaning *m, const float *outputs, int32_t *classes,
                      float *shares)
{
    for (int64_t k = 0; k < m->class_count; k++) shares[k] = 0;
    for (int64_t i = 0; i < m->positions; i++) {
        classes[i] = (int32_t)output_most_probable(m, outputs + i * m->class_count);
        shares[classes[i]]++;
    }
    for (int64_t k = 0; k < m->class_count; k++) shares[k] /= (float)m->positions;
}

int64_t output_true_class(const output_meaning *m, const fm_data_field *field, const void *label)
{
    const float *shares = label;
    if (field->dtype == FM_I32) return *(const int32_t *)label;
    if (m->one_sided) return shares[0] > 0.5f;
    int64_t largest = 0;
    for (int64_t i = 1; i < m->width; i++) {
        if (shares[i] > shares[largest]) largest = i;
    }
    return largest;
}

fm_status output_restore(const output_meaning *m, const saved_model *saved,
                         const predict_input *input, int64_t first, int64_t count, float *values)
{
    int64_t rows = m->columns ? m->width / m->column_count : 1;
    fm_transform_restore(saved->transform, values, count * rows);
    return fm_series_restore(fm_model_context(saved->model), input->raw, first, count, values);
}
