/* What the numbers of the samples show: what cannot be read, NaN, what is missing, constant,
 * or of an odd size. */
#include "train/check_inside.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { LISTED = 5, LIST_SIZE = 512 };

/* `"age"`, or "number 3" where it has none. */
static const char *column_name(fm_checking *c, const fm_data_field *field, int64_t columns,
                               int64_t index)
{
    bool named = field->columns && columns == fm_field_columns(field) && field->columns[index].name;
    const char *name = named ? fm_arena_format(&c->arena, "\"%s\"", field->columns[index].name)
                             : fm_arena_format(&c->arena, "number %lld", (long long)index);
    return name ? name : "";
}

/* `"a", "b" and 3 more` of the columns that `wanted` says yes to; their number. */
static int64_t list_columns(fm_checking *c, const fm_data_field *field,
                            const fm_check_column *columns, int64_t count,
                            bool (*wanted)(const fm_check_column *column), char text[LIST_SIZE])
{
    int64_t found = 0;
    size_t used = 0;
    *text = '\0';
    for (int64_t i = 0; i < count; i++) {
        if (!wanted(&columns[i]) || found++ >= LISTED) continue;
        const char *name = column_name(c, field, count, i);
        int added = snprintf(text + used, LIST_SIZE - used, "%s%.60s", used ? ", " : "", name);
        used = used + (size_t)added < LIST_SIZE ? used + (size_t)added : LIST_SIZE - 1;
    }
    if (found > LISTED) {
        snprintf(text + used, LIST_SIZE - used, " and %lld more", (long long)(found - LISTED));
    }
    return found;
}

/* ---- files and numbers ----------------------------------------------------------------------- */

static fm_status check_files(fm_checking *c, const fm_check_part *part)
{
    if (part->broken == 0) return FM_OK;
    return fm_check_add(c->record, FM_FINDING_ERROR, FM_CHECK_FILES,
                        "%lld of %lld samples of the %s part cannot be read; the first: %s\n"
                        "mend or remove it; on_broken: skip leaves broken pictures out",
                        (long long)part->broken, (long long)(part->broken + part->seen), part->name,
                        part->broken_words);
}

static bool is_bad(const fm_check_column *column)
{
    return column->nan + column->infinite > 0;
}

static fm_status check_finite(fm_checking *c, const fm_check_part *part, int field)
{
    const fm_check_column *columns = field ? part->y : part->x;
    int64_t count = field ? part->y_columns : part->x_columns, first = INT64_MAX, bad = 0;
    const fm_data_field *about = &fm_dataset_about(part->prepared)->fields[field];
    char list[LIST_SIZE];
    if (!columns || list_columns(c, about, columns, count, is_bad, list) == 0) return FM_OK;
    for (int64_t i = 0; i < count; i++) {
        bad += columns[i].nan + columns[i].infinite;
        bool earlier = columns[i].first_bad >= 0 && columns[i].first_bad < first;
        if (earlier) first = columns[i].first_bad;
    }
    return fm_check_add(
        c->record, FM_FINDING_ERROR, FM_CHECK_NUMBERS,
        "%lld of the %s part's numbers in \"%s\" (%s) are NaN or infinite, the first in "
        "sample %lld: the loss would be, too\n%s",
        (long long)bad, part->name, about->name, list, (long long)first,
        field ? "mend the file, or leave these samples out"
              : "impute: mean or median puts a number in place of a missing one; or "
                "drop the column");
}

/* ---- missing --------------------------------------------------------------------------------- */

static double missing_share(const fm_check_column *column)
{
    double all = (double)(column->count + column->nan);
    return all > 0 ? (double)column->nan / all : 0;
}

static bool is_mostly_missing(const fm_check_column *column)
{
    return missing_share(column) > 0.5;
}

static bool has_missing(const fm_check_column *column)
{
    return column->nan > 0 && !is_mostly_missing(column);
}

static fm_status check_missing(fm_checking *c, const fm_check_part *part)
{
    char list[LIST_SIZE];
    double most = 0;
    if (!part->raw_x) return FM_OK;
    const fm_data_field *field = &fm_dataset_about(part->raw)->fields[0];
    for (int64_t i = 0; i < part->raw_columns; i++) {
        if (has_missing(&part->raw_x[i])) most = fmax(most, missing_share(&part->raw_x[i]));
    }
    fm_status status = FM_OK;
    if (list_columns(c, field, part->raw_x, part->raw_columns, is_mostly_missing, list) > 0) {
        status =
            fm_check_add(c->record, FM_FINDING_WARNING, FM_CHECK_MISSING,
                         "more than half of the values are missing in %s\ndrop it: what is put "
                         "in their place tells nothing",
                         list);
    }
    if (status == FM_OK && most > 0) {
        list_columns(c, field, part->raw_x, part->raw_columns, has_missing, list);
        status = fm_check_add(c->record, FM_FINDING_NOTE, FM_CHECK_MISSING,
                              "values are missing in %s, at most %.2g%% of a column; `impute` says "
                              "what stands for them",
                              list, 100 * most);
    }
    return status;
}

/* ---- constant -------------------------------------------------------------------------------- */

static bool is_constant(const fm_check_column *column)
{
    return column->count > 1 && column->minimum == column->maximum;
}

static fm_status check_constant(fm_checking *c, const fm_check_part *part)
{
    enum { FEW_COLUMNS = 64 }; /* of more, as of pixels, some often are */
    char list[LIST_SIZE];
    const fm_dataset_info *about = fm_dataset_about(part->prepared);
    int64_t found = list_columns(c, &about->fields[0], part->x, part->x_columns, is_constant, list);
    fm_status status = FM_OK;
    if (found > 0 && found == part->x_columns) {
        status =
            fm_check_add(c->record, FM_FINDING_ERROR, FM_CHECK_CONSTANT,
                         "all inputs of the training part are the same numbers\nsee whether the "
                         "right columns or files are read");
    } else if (found > 0 && fm_dtype_is_real(about->fields[0].dtype)) { /* steps of a text stay */
        status = fm_check_add(c->record,
                              part->x_columns > FEW_COLUMNS ? FM_FINDING_NOTE : FM_FINDING_WARNING,
                              FM_CHECK_CONSTANT,
                              "input columns that are constant in the training part: %lld of %lld, "
                              "%s\ndrop them: they say nothing",
                              (long long)found, (long long)part->x_columns, list);
    }
    bool same = status == FM_OK && part->y && !part->classes && part->y_columns == 1 &&
                is_constant(part->y);
    if (!same) return status;
    return fm_check_add(c->record, FM_FINDING_ERROR, FM_CHECK_CONSTANT,
                        "the target is %g in every training sample: there is nothing to learn\nsee "
                        "whether `target` names the right column",
                        part->y->minimum);
}

/* ---- scale ----------------------------------------------------------------------------------- */

static double mean_of(const fm_check_column *column)
{
    return column->count ? column->sum / (double)column->count : 0;
}

static double deviation_of(const fm_check_column *column)
{
    double mean = mean_of(column);
    double variance = column->count ? column->squares / (double)column->count - mean * mean : 0;
    return variance > 0 ? sqrt(variance) : 0;
}

/* Numbers that a network with common initial weights does not learn well from. */
static bool is_large(const fm_check_column *column)
{
    double largest = fmax(fabs(column->minimum), fabs(column->maximum));
    return column->count > 0 && largest > 30 &&
           (deviation_of(column) > 10 || fabs(mean_of(column)) > 30);
}

static bool is_tiny(const fm_check_column *column)
{
    double largest = fmax(fabs(column->minimum), fabs(column->maximum));
    return column->count > 0 && largest < 1e-3 && column->maximum > column->minimum;
}

static const fm_check_column *largest_of(const fm_check_column *columns, int64_t count)
{
    const fm_check_column *worst = columns;
    for (int64_t i = 1; i < count; i++) {
        double size = fmax(fabs(columns[i].minimum), fabs(columns[i].maximum));
        if (size > fmax(fabs(worst->minimum), fabs(worst->maximum))) worst = &columns[i];
    }
    return worst;
}

static fm_status check_inputs(fm_checking *c, const fm_check_part *part)
{
    const fm_data_field *field = &fm_dataset_about(part->prepared)->fields[0];
    char list[LIST_SIZE];
    if (!fm_dtype_is_real(field->dtype)) return FM_OK; /* numbers of words, not sizes */
    int64_t large = list_columns(c, field, part->x, part->x_columns, is_large, list);
    const fm_check_column *worst = largest_of(part->x, part->x_columns);
    if (large > 0 && part->x_columns == 1) {
        bool bytes = worst->minimum >= 0 && worst->maximum > 200 && worst->maximum <= 255;
        return fm_check_add(
            c->record, FM_FINDING_WARNING, FM_CHECK_SCALE,
            "inputs go from %g to %g (mean %.3g, deviation %.3g); networks learn from "
            "numbers around 1\n%s",
            worst->minimum, worst->maximum, mean_of(worst), deviation_of(worst),
            bytes ? "scale: 255" : "normalize: standardize, or a `scale`");
    }
    if (large > 0) {
        return fm_check_add(
            c->record, FM_FINDING_WARNING, FM_CHECK_SCALE,
            "input columns whose numbers are far from 1: %lld of %lld, %s; one goes "
            "from %g to %g\nnormalize: standardize",
            (long long)large, (long long)part->x_columns, list, worst->minimum, worst->maximum);
    }
    if (list_columns(c, field, part->x, part->x_columns, is_tiny, list) == 0) return FM_OK;
    return fm_check_add(
        c->record, FM_FINDING_WARNING, FM_CHECK_SCALE,
        "inputs are tiny in %s: less than 0.001\nnormalize: standardize, or a smaller "
        "`scale`",
        list);
}

static fm_status check_targets(fm_checking *c, const fm_check_part *part)
{
    if (!part->y || part->classes) return FM_OK;
    const fm_check_column *worst = largest_of(part->y, part->y_columns);
    if (!is_large(worst)) return FM_OK;
    return fm_check_add(
        c->record, FM_FINDING_WARNING, FM_CHECK_SCALE,
        "targets go from %g to %g: the loss and its gradients begin as "
        "large\ntarget_normalize: standardize; predictions are told in the data's own "
        "unit all the same",
        worst->minimum, worst->maximum);
}

/* ---- all of it ------------------------------------------------------------------------------- */

fm_status fm_check_numbers(fm_checking *c)
{
    static const fm_check_kind done[] = {FM_CHECK_FILES, FM_CHECK_NUMBERS, FM_CHECK_CONSTANT,
                                         FM_CHECK_SCALE};
    fm_status status = FM_OK;
    for (size_t i = 0; i < sizeof done / sizeof *done; i++) c->record->report.done[done[i]] = true;
    for (int i = 0; i < FM_CHECK_PARTS && status == FM_OK; i++) {
        const fm_check_part *part = &c->parts[i];
        if (!part->prepared) continue;
        status = check_files(c, part);
        if (status == FM_OK) status = check_finite(c, part, 0);
        if (status == FM_OK) status = check_finite(c, part, 1);
    }
    const fm_check_part *train = &c->parts[FM_CHECK_TRAIN];
    c->record->report.done[FM_CHECK_MISSING] = train->raw_x != NULL;
    if (status == FM_OK) status = check_missing(c, train);
    if (status == FM_OK) status = check_constant(c, train);
    if (status == FM_OK) status = check_inputs(c, train);
    return status == FM_OK ? check_targets(c, train) : status;
}
