/* Metrics: creation, batches into rows, names. */
#include "base/checked.h"
#include "base/element.h"
#include "base/memory.h"
#include "fathom/loss.h"
#include "nn/metric_kinds.h"
#include "nn/option.h"

/* Without a last dimension of 1. */
static fm_shape without_one(fm_shape shape)
{
    if (shape.rank > 0 && shape.dims[shape.rank - 1] == 1) shape.dims[--shape.rank] = 0;
    return shape;
}

static fm_shape without_last(fm_shape shape)
{
    if (shape.rank > 0) shape.dims[--shape.rank] = 0;
    return shape;
}

static fm_status fail_shapes(fm_metric *m, const char *why)
{
    char p[FM_SHAPE_TEXT], y[FM_SHAPE_TEXT];
    return fm_fail(m->context, FM_ERROR_SHAPE, "%s: %s; a sample's prediction is %s, its label %s",
                   m->kind->record.name, why, fm_shape_text(m->prediction, p),
                   fm_shape_text(m->label, y));
}

static fm_status choose_rows(fm_metric *m)
{
    const fm_metric_kind_record *kind = m->kind;
    fm_shape p = m->prediction, y = m->label;
    int64_t elements = fm_shape_elements(p);
    m->columns = p.rank > 0 ? p.dims[p.rank - 1] : 1;
    bool same =
        fm_shape_equal(p, y) || (m->columns == 1 && fm_shape_equal(without_one(p), without_one(y)));
    m->class_labels =
        !same && m->columns > 1 &&
        (fm_shape_equal(without_last(p), y) || fm_shape_equal(without_last(p), without_one(y)));
    if (elements < 1) return fail_shapes(m, "predictions have no elements");
    if (!same && !m->class_labels) return fail_shapes(m, "labels do not fit predictions");
    if (m->class_labels && (kind->elementwise || m->options.multi_label)) {
        return fail_shapes(m, "labels must have the prediction's shape");
    }
    if (kind->classes && m->columns < 2) {
        return fail_shapes(m, "classes need two columns or more (binary_accuracy takes one)");
    }
    if (kind->whole_sample) m->columns = elements;
    m->rows = elements / m->columns;
    return FM_OK;
}

static fm_status allocate_rows(fm_metric *m)
{
    size_t columns = (size_t)m->columns, cells;
    size_t second = fm_metric_by_column(m) ? 4 : columns;
    m->p = fm_allocate_array(m->context, columns, sizeof *m->p);
    m->y = fm_allocate_array(m->context, columns, sizeof *m->y);
    if (!m->p || !m->y) return FM_ERROR_MEMORY;
    if (m->kind->counts) {
        if (!fm_checked_mul(columns, second, &cells)) {
            return fm_fail(m->context, FM_ERROR_LIMIT, "%s: too many classes", m->name);
        }
        m->counts = fm_allocate_array(m->context, cells, sizeof *m->counts);
        if (!m->counts) return FM_ERROR_MEMORY;
    }
    if (m->kind->outputs) {
        m->outputs = fm_allocate_array(m->context, columns, sizeof *m->outputs);
        if (!m->outputs) return FM_ERROR_MEMORY;
    }
    return FM_OK;
}

static fm_status check_class_id(const fm_metric *m)
{
    const fm_ints *id = &m->options.class_id;
    if (id->count == 0) return FM_OK;
    bool good = id->count == 1 && m->columns > 1 && id->at[0] < m->columns;
    if (good) return FM_OK;
    return fm_fail(
        m->context, FM_ERROR_ARGUMENT,
        "%s: class_id is one class, from 0 to %lld, of a prediction with several columns", m->name,
        (long long)m->columns - 1);
}

static fm_status fill_metric(fm_metric *m, const fm_metric_options *options)
{
    m->options = *options;
    fm_status status =
        fm_fields_complete(m->context, m->kind->record.fields, &m->options, m->kind->record.name);
    if (status != FM_OK) return status;
    const char *name = m->options.name && *m->options.name ? m->options.name : m->kind->record.name;
    m->name = fm_copy_string(m->context, name);
    m->options.name = m->name;
    if (!m->name) return FM_ERROR_MEMORY;
    double t = m->options.threshold;
    m->threshold = m->options.from_probabilities ? t : log(t / (1 - t));
    status = choose_rows(m);
    if (status == FM_OK) status = check_class_id(m);
    if (status == FM_OK) status = allocate_rows(m);
    if (status == FM_OK) fm_metric_reset(m);
    return status;
}

fm_status fm_metric_create(fm_context *context, const fm_metric_options *options,
                           fm_shape prediction, fm_shape label, fm_metric **metric)
{
    static const fm_metric_options defaults = {0};
    *metric = NULL;
    if (!options) options = &defaults;
    const fm_metric_kind_record *kind = fm_metric_kind_at(options->metric);
    if (!kind) {
        return fm_fail(context, FM_ERROR_ARGUMENT, "there is no metric number %d", options->metric);
    }
    fm_metric *m = fm_allocate_zeroed(context, sizeof *m);
    if (!m) return FM_ERROR_MEMORY;
    m->context = context;
    m->kind = kind;
    m->prediction = prediction;
    m->label = label;
    fm_status status = fill_metric(m, options);
    if (status != FM_OK) {
        fm_metric_destroy(m);
        return status;
    }
    *metric = m;
    return FM_OK;
}

static double told_result(const fm_metric *m)
{
    return m->sum / m->weight;
}

fm_status fm_metric_create_told(fm_context *context, const char *name, fm_metric **metric)
{
    static const fm_metric_kind_record told = {.record = {.name = "told"}, .result = told_result};
    *metric = NULL;
    fm_metric *m = fm_allocate_zeroed(context, sizeof *m);
    if (!m) return FM_ERROR_MEMORY;
    m->context = context;
    m->kind = &told;
    m->columns = m->rows = 1;
    m->name = fm_copy_string(context, name);
    if (!m->name) {
        fm_metric_destroy(m);
        return FM_ERROR_MEMORY;
    }
    *metric = m;
    return FM_OK;
}

void fm_metric_tell(fm_metric *m, double value, int64_t samples)
{
    m->sum += value * (double)samples;
    m->weight += (double)samples;
}

void fm_metric_destroy(fm_metric *m)
{
    if (!m) return;
    fm_release(m->context, m->name);
    fm_release(m->context, m->p);
    fm_release(m->context, m->y);
    fm_release(m->context, m->counts);
    fm_release(m->context, m->outputs);
    fm_release(m->context, m->scores);
    fm_release(m->context, m->targets);
    fm_release(m->context, m->sorted);
    fm_release(m->context, m);
}

void fm_metric_reset(fm_metric *m)
{
    size_t columns = (size_t)m->columns, second = fm_metric_by_column(m) ? 4 : columns;
    m->sum = m->weight = 0;
    m->row_count = 0;
    if (m->counts) memset(m->counts, 0, columns * second * sizeof *m->counts);
    if (m->outputs) memset(m->outputs, 0, columns * sizeof *m->outputs);
}

/* ---- batches --------------------------------------------------------------------------------- */

static double at(const fm_tensor *tensor, int64_t i)
{
    return fm_element(tensor->data, tensor->dtype, (size_t)i);
}

static fm_status check_batch(fm_metric *m, const char *what, const fm_tensor *tensor,
                             fm_shape sample, int64_t count)
{
    fm_shape wanted =
        sample.rank < FM_MAX_RANK ? fm_shape_batch(tensor->shape.dims[0], sample) : sample;
    if (tensor->shape.rank > 0 && fm_shape_equal(tensor->shape, wanted) &&
        tensor->shape.dims[0] >= count) {
        return FM_OK;
    }
    char a[FM_SHAPE_TEXT], b[FM_SHAPE_TEXT];
    wanted.dims[0] = count;
    return fm_fail(m->context, FM_ERROR_SHAPE, "%s: %s must be %s, received %s", m->name, what,
                   fm_shape_text(wanted, a), fm_shape_text(tensor->shape, b));
}

static fm_status read_label(fm_metric *m, const fm_tensor *labels, int64_t row,
                            int64_t *class_index)
{
    if (!m->class_labels) {
        for (int64_t i = 0; i < m->columns; i++) m->y[i] = at(labels, row * m->columns + i);
        return FM_OK;
    }
    double label = at(labels, row);
    if (label >= 0 && label < (double)m->columns) {
        *class_index = (int64_t)label;
        return FM_OK;
    }
    return fm_fail(m->context, FM_ERROR_ARGUMENT,
                   "%s: the label of sample %lld is %g, classes go from 0 to %lld", m->name,
                   (long long)(row / m->rows), label, (long long)m->columns - 1);
}

/* Only classes are ignored; labels that are numbers have none. */
static bool ignores_row(const fm_metric *m, int64_t class_index)
{
    if (m->options.ignore_class.count == 0 || fm_metric_by_column(m)) return false;
    return fm_metric_ignores(m, fm_metric_true_class(m, class_index));
}

fm_status fm_metric_update(fm_metric *m, const fm_tensor *predictions, const fm_tensor *labels,
                           const fm_tensor *weights, int64_t count)
{
    fm_status status = check_batch(m, "predictions", predictions, m->prediction, count);
    if (status == FM_OK) status = check_batch(m, "labels", labels, m->label, count);
    if (status == FM_OK && weights) {
        status = check_batch(m, "weights", weights, (fm_shape){0}, count);
    }
    for (int64_t row = 0; status == FM_OK && row < count * m->rows; row++) {
        int64_t class_index = 0;
        double weight = weights ? at(weights, row / m->rows) : 1;
        status = read_label(m, labels, row, &class_index);
        if (status != FM_OK) break;
        for (int64_t i = 0; i < m->columns; i++) {
            m->p[i] = at(predictions, row * m->columns + i);
        }
        if (ignores_row(m, class_index)) continue;
        m->weight += weight;
        status = m->kind->add(m, class_index, weight);
    }
    return status;
}

double fm_metric_result(const fm_metric *metric)
{
    return metric->kind->result(metric);
}

const char *fm_metric_name(const fm_metric *metric)
{
    return metric->name;
}

const double *fm_metric_matrix(const fm_metric *metric, int64_t *classes)
{
    bool several = fm_metric_by_column(metric) && metric->columns > 1;
    *classes = metric->columns == 1 ? 2 : metric->columns;
    return several ? NULL : metric->counts;
}

/* ---- names ----------------------------------------------------------------------------------- */

const fm_metric_record *fm_metric_at(int kind)
{
    const fm_metric_kind_record *record = fm_metric_kind_at(kind);
    return record ? &record->record : NULL;
}

const fm_metric_record *fm_metric_find(const char *name)
{
    for (int i = 0; i < FM_METRIC_COUNT; i++) {
        const fm_metric_record *record = fm_metric_at(i);
        if (fm_named(name, record->name, record->aliases)) return record;
    }
    return NULL;
}

static int accuracy_for(int loss, fm_shape prediction)
{
    const fm_loss_record *record = fm_loss_at(loss);
    int64_t columns = prediction.rank > 0 ? prediction.dims[prediction.rank - 1] : 1;
    if (columns == 1 || loss == FM_BINARY_CROSSENTROPY || loss == FM_HINGE) {
        return FM_BINARY_ACCURACY;
    }
    bool of_class = record && record->label_kind == FM_LABEL_CLASS;
    return of_class ? FM_SPARSE_CATEGORICAL_ACCURACY : FM_CATEGORICAL_ACCURACY;
}

int fm_metric_resolve(const char *name, int loss, fm_shape prediction)
{
    if (strcmp(name, "accuracy") == 0 || strcmp(name, "acc") == 0) {
        return accuracy_for(loss, prediction);
    }
    for (int i = 0; i < FM_METRIC_COUNT; i++) {
        const fm_metric_record *record = fm_metric_at(i);
        if (fm_named(name, record->name, record->aliases)) return i;
    }
    return -1;
}
