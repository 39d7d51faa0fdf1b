/* What labels show: what the model does not know, classes that are rare, targets never seen. */
#include "train/check_inside.h"
#include "train/label_range.h"

/* ---- range ----------------------------------------------------------------------------------- */

static fm_status check_classes(fm_checking *c, const fm_check_part *part)
{
    if (part->outside == 0) return FM_OK;
    return fm_check_add(
        c->record, FM_FINDING_ERROR, FM_CHECK_LABELS,
        "labels of the %s part outside of the %lld classes 0 to %lld: %lld (the first: "
        "sample %lld has %g)\n%s",
        part->name, (long long)c->class_count, (long long)c->class_count - 1,
        (long long)part->outside, (long long)part->first_outside, part->outside_label,
        fm_class_label_advice);
}

static fm_status check_range(fm_checking *c, const fm_check_part *part)
{
    if (!c->input->model) return FM_OK;
    const int loss = c->input->model->options.loss;
    const fm_label_range *range = fm_label_range_of(loss);
    for (int64_t k = 0; range && k < part->y_columns; k++) {
        const fm_check_column *y = &part->y[k];
        bool inside = fm_label_in_range(range, y->minimum) && fm_label_in_range(range, y->maximum);
        if (y->count == 0 || inside) continue;
        return fm_check_add(c->record, FM_FINDING_ERROR, FM_CHECK_LABELS,
                            "labels of the %s part go from %g to %g; %s takes %g to %g\n%s",
                            part->name, y->minimum, y->maximum, fm_loss_at(loss)->name, range->low,
                            range->high, range->advice);
    }
    return FM_OK;
}

static fm_status check_outputs(fm_checking *c)
{
    int64_t classes = c->class_column ? c->class_column->category_count : 0;
    if (classes == 0 || c->class_count <= classes) return FM_OK;
    return fm_check_add(
        c->record, FM_FINDING_NOTE, FM_CHECK_LABELS,
        "the last layer has %lld outputs, of which the data has %lld as classes: the others learn "
        "never to be right",
        (long long)c->class_count, (long long)classes);
}

/* ---- balance --------------------------------------------------------------------------------- */

static fm_status check_balance(fm_checking *c)
{
    enum { UNEVEN = 10, MOST_CLASSES = 1000 };
    const int64_t *classes = c->parts[FM_CHECK_TRAIN].classes;
    if (!c->class_column || !classes || c->class_count > MOST_CLASSES) return FM_OK;
    c->record->report.done[FM_CHECK_BALANCE] = true;
    int64_t most = 0, least = -1, all = 0;
    for (int64_t k = 0; k < c->class_count; k++) {
        all += classes[k];
        if (classes[k] > classes[most]) most = k;
        bool rarer = classes[k] > 0 && (least < 0 || classes[k] < classes[least]);
        if (rarer) least = k;
    }
    char rare[24], common[24];
    if (all > 1 && classes[most] == all) {
        return fm_check_add(c->record, FM_FINDING_ERROR, FM_CHECK_BALANCE,
                            "class \"%.60s\" is all that the %lld training labels say: there is "
                            "nothing to learn\nsee whether `target` names the right column; sorted "
                            "data is split with {shuffle: true, stratify: true}",
                            fm_column_category(c->class_column, most, common), (long long)all);
    }
    if (least < 0 || classes[most] < UNEVEN * classes[least]) return FM_OK;
    return fm_check_add(
        c->record, FM_FINDING_WARNING, FM_CHECK_BALANCE,
        "class \"%.60s\" has %lld of %lld training labels (%.2g%%), \"%.60s\" has %lld: "
        "always saying the latter is right in %.3g%%\nclass_weights of the loss make "
        "rare classes count; look at f1 or a confusion_matrix besides the accuracy",
        fm_column_category(c->class_column, least, rare), (long long)classes[least], (long long)all,
        100 * (double)classes[least] / (double)all,
        fm_column_category(c->class_column, most, common), (long long)classes[most],
        100 * (double)classes[most] / (double)all);
}

/* ---- never seen ------------------------------------------------------------------------------ */

static fm_status check_unseen_classes(fm_checking *c, const fm_check_part *part)
{
    const int64_t *known = c->parts[FM_CHECK_TRAIN].classes;
    int64_t found = 0, first = 0, samples = 0;
    for (int64_t k = 0; k < c->class_count; k++) {
        if (known[k] > 0 || part->classes[k] == 0) continue;
        if (found++ == 0) first = k;
        samples += part->classes[k];
    }
    if (found == 0) return FM_OK;
    char name[24];
    return fm_check_add(c->record, FM_FINDING_WARNING, FM_CHECK_UNSEEN,
                        "%lld class%s of the %s part (\"%.60s\"%s; %lld labels) never occur%s in "
                        "training\nsplit with {shuffle: true, stratify: true}, or add samples",
                        (long long)found, found == 1 ? "" : "es", part->name,
                        fm_column_category(c->class_column, first, name), found == 1 ? "" : ", ...",
                        (long long)samples, found == 1 ? "s" : "");
}

/* Targets beyond what training shows, by more than a quarter of its range. */
static fm_status check_unseen_range(fm_checking *c, const fm_check_part *part)
{
    const fm_check_part *train = &c->parts[FM_CHECK_TRAIN];
    for (int64_t k = 0; k < part->y_columns && k < train->y_columns; k++) {
        const fm_check_column *known = &train->y[k], *y = &part->y[k];
        double room = 0.25 * (known->maximum - known->minimum);
        bool beyond = y->count > 0 && known->count > 0 &&
                      (y->maximum > known->maximum + room || y->minimum < known->minimum - room);
        if (!beyond) continue;
        bool ordered = fm_dataset_about(part->prepared)->ordered;
        return fm_check_add(
            c->record, FM_FINDING_WARNING, FM_CHECK_UNSEEN,
            "targets of the %s part go from %g to %g, those of training from %g to %g "
            "(as the model sees them)\n%s",
            part->name, y->minimum, y->maximum, known->minimum, known->maximum,
            ordered ? "networks do not go on beyond what they saw: difference, log"
                    : "split with {shuffle: true}, or know that networks do not go on "
                      "beyond what they saw");
    }
    return FM_OK;
}

/* ---- all of it ------------------------------------------------------------------------------- */

fm_status fm_check_labels(fm_checking *c)
{
    const fm_check_part *train = &c->parts[FM_CHECK_TRAIN];
    fm_status status = FM_OK;
    if (!train->prepared || !train->y) return FM_OK;
    c->record->report.done[FM_CHECK_LABELS] = true;
    for (int i = 0; i < FM_CHECK_PARTS && status == FM_OK; i++) {
        const fm_check_part *part = &c->parts[i];
        if (!part->prepared || !part->y) continue;
        status = part->classes ? check_classes(c, part) : FM_OK;
        if (status == FM_OK) status = check_range(c, part);
        if (i == FM_CHECK_TRAIN || status != FM_OK) continue;
        c->record->report.done[FM_CHECK_UNSEEN] = true;
        status = part->classes ? check_unseen_classes(c, part) : check_unseen_range(c, part);
    }
    if (status == FM_OK) status = check_outputs(c);
    return status == FM_OK ? check_balance(c) : status;
}
