/* fm_check: the report, and the order in which things are looked at. */
#include "train/check_inside.h"
#include "base/fields.h"
#include "data/transform.h"
#include "train/model.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const names[FM_CHECK_COUNT] = {
    [FM_CHECK_DATA] = "data",
    [FM_CHECK_MODEL] = "model",
    [FM_CHECK_FILES] = "files",
    [FM_CHECK_NUMBERS] = "numbers",
    [FM_CHECK_MISSING] = "missing",
    [FM_CHECK_CONSTANT] = "constant",
    [FM_CHECK_SCALE] = "scale",
    [FM_CHECK_LABELS] = "labels",
    [FM_CHECK_BALANCE] = "balance",
    [FM_CHECK_UNSEEN] = "unseen",
    [FM_CHECK_DUPLICATES] = "duplicates",
    [FM_CHECK_LENGTHS] = "lengths",
    [FM_CHECK_STEPS] = "steps",
    [FM_CHECK_MEMORY] = "memory",
};

const char *fm_check_name(int kind)
{
    return kind >= 0 && kind < FM_CHECK_COUNT ? names[kind] : NULL;
}

/* ---- the report ------------------------------------------------------------------------------ */

fm_status fm_check_record_create(fm_context *context, fm_check_record **record)
{
    *record = fm_allocate_zeroed(context, sizeof **record);
    if (!*record) return FM_ERROR_MEMORY;
    fm_check_report *report = &(*record)->report;
    (*record)->context = context;
    (*record)->arena.context = context;
    report->first_loss = report->last_loss = NAN;
    report->step_seconds = report->epoch_seconds = report->run_seconds = NAN;
    return FM_OK;
}

void fm_check_report_destroy(fm_check_report *report)
{
    fm_check_record *record = (fm_check_record *)(void *)report;
    if (!record) return;
    fm_context *context = record->context;
    fm_arena_release(&record->arena);
    fm_release(context, record->findings);
    fm_release(context, record);
}

fm_status fm_check_add(fm_check_record *record, fm_finding_level level, fm_check_kind check,
                       const char *words, ...)
{
    char text[2 * FM_MESSAGE_SIZE];
    va_list values;
    va_start(values, words);
    vsnprintf(text, sizeof text, words, values);
    va_end(values);
    char *advice = strchr(text, '\n');
    if (advice) *advice++ = '\0';
    fm_status status = fm_grow(record->context, &record->findings, &record->capacity,
                               (size_t)record->report.count + 1, sizeof *record->findings);
    if (status != FM_OK) return status;
    fm_finding finding = {level, check, fm_arena_string(&record->arena, text),
                          fm_arena_string(&record->arena, advice ? advice : "")};
    if (!finding.found || !finding.advice) return FM_ERROR_MEMORY;
    record->findings[record->report.count++] = finding;
    return FM_OK;
}

/* A stable sort by selection: there are few. */
void fm_check_record_finish(fm_check_record *record)
{
    fm_check_report *report = &record->report;
    report->findings = record->findings;
    report->errors = report->warnings = 0;
    for (int i = 0; i < report->count; i++) {
        int best = i;
        for (int j = i + 1; j < report->count; j++) {
            if (record->findings[j].level > record->findings[best].level) best = j;
        }
        fm_finding found = record->findings[best];
        memmove(&record->findings[i + 1], &record->findings[i], (size_t)(best - i) * sizeof found);
        record->findings[i] = found;
        report->errors += found.level == FM_FINDING_ERROR;
        report->warnings += found.level == FM_FINDING_WARNING;
    }
}

/* ---- what labels may be ---------------------------------------------------------------------- */

/* Classes of a loss over indices are the model's outputs; else those of the data. */
static void find_classes(fm_checking *c)
{
    const fm_transform *transform = c->input->transform;
    const fm_dataset_info *raw = transform ? fm_transform_input(transform) : NULL;
    c->labels_unused = transform && !fm_target_reads_y(transform->target);
    c->y_is_made = transform && transform->target == FM_TARGET_SAMPLE;
    if (c->labels_unused) return;
    const fm_model *model = c->input->model;
    int label = model ? (int)fm_loss_at(model->options.loss)->label_kind : FM_LABEL_SAME;
    if (raw && raw->field_count > 1 && fm_transform_has_categories(&raw->fields[1])) {
        c->class_column = raw->fields[1].columns;
        c->class_count = c->class_column->category_count;
    }
    if (label != FM_LABEL_CLASS) return;
    fm_shape output = fm_model_output(model, NULL);
    if (output.rank > 0) c->class_count = output.dims[output.rank - 1];
}

/* ---- the order ------------------------------------------------------------------------------- */

static fm_status look(fm_checking *c)
{
    static const char *const parts[] = {"training", "validation", "test"};
    fm_status status = FM_OK;
    find_classes(c);
    for (int i = 0; i < FM_CHECK_PARTS && status == FM_OK; i++) {
        fm_check_part *part = &c->parts[i];
        *part = (fm_check_part){
            .name = parts[i], .prepared = c->input->prepared[i], .raw = c->input->raw[i]};
        if (!part->prepared) continue;
        if (fm_dataset_about(part->prepared)->group > 1)
            part->raw = NULL; /* not sample by sample */
        c->record->report.samples[i] = fm_dataset_about(part->prepared)->count;
        status = fm_check_see_part(c, part);
    }
    if (status == FM_OK) status = fm_check_numbers(c);
    if (status == FM_OK) status = fm_check_labels(c);
    if (status == FM_OK) status = fm_check_duplicates(c);
    if (status == FM_OK) status = fm_check_lengths(c);
    if (status == FM_OK) status = fm_check_run(c);
    return status;
}

fm_status fm_check_into(fm_check_record *record, const fm_check_input *input,
                        const fm_check_options *options)
{
    enum { DEFAULT_STEPS = 20, DEFAULT_SECONDS = 10 };
    fm_checking checking = {.context = record->context,
                            .arena = {.context = record->context},
                            .input = input,
                            .record = record};
    if (options) checking.options = *options;
    checking.options.steps = fm_or_int(checking.options.steps, DEFAULT_STEPS);
    checking.options.seconds = fm_or(checking.options.seconds, DEFAULT_SECONDS);
    checking.options.limit = fm_or_int(checking.options.limit, INT64_MAX);
    fm_status status = look(&checking);
    fm_arena_release(&checking.arena);
    return status;
}

fm_status fm_check(fm_context *context, const fm_check_input *input,
                   const fm_check_options *options, fm_check_report **report)
{
    fm_check_record *record;
    *report = NULL;
    fm_status status = fm_check_record_create(context, &record);
    if (status != FM_OK) return status;
    status = fm_check_into(record, input, options);
    fm_check_record_finish(record);
    if (status != FM_OK) {
        fm_check_report_destroy(&record->report);
        return status;
    }
    *report = &record->report;
    return FM_OK;
}
