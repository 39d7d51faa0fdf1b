#include "base/random.h"
#include "data/dataset.h"

#include <math.h>

const fm_field fm_split_fields[] = {
    {"fraction", "share of the samples in the second part", offsetof(fm_split_options, fraction),
     .type = FM_FIELD_REAL, .required = true, .minimum = 0, .maximum = 1},
    {"shuffle", "draw the second part by seed instead of taking the end",
     offsetof(fm_split_options, shuffle), .type = FM_FIELD_BOOL},
    {"stratify", "every class keeps its share in both parts (with shuffle)",
     offsetof(fm_split_options, stratify), .type = FM_FIELD_BOOL},
    {"seed", "of the draw", offsetof(fm_split_options, seed), .type = FM_FIELD_INT},
    {0},
};

/* Marks of samples that go into the second part, and what else a split works with. */
typedef struct division {
    fm_context *context;
    const fm_dataset *dataset;
    uint32_t count;
    uint32_t *order;  /* a drawn order of all samples */
    uint8_t *second;  /* 1: belongs into the second part */
    uint32_t *labels; /* class of each sample, for stratifying */
} division;

static void division_release(division *d)
{
    fm_release(d->context, d->order);
    fm_release(d->context, d->second);
    fm_release(d->context, d->labels);
}

static fm_status division_open(division *d, int64_t seed)
{
    d->count = (uint32_t)d->dataset->info.count;
    d->order = fm_allocate_array(d->context, d->count, sizeof *d->order);
    d->second = fm_allocate_zeroed(d->context, d->count);
    if (!d->order || !d->second) return FM_ERROR_MEMORY;
    for (uint32_t i = 0; i < d->count; i++) d->order[i] = i;
    fm_random random = fm_random_at((uint64_t)seed, 0, fm_stream_of("split"));
    fm_random_shuffle(&random, d->order, d->count);
    return FM_OK;
}

/* Two views by the marks, each in the order of the set. */
static fm_status divide(division *d, fm_dataset **first, fm_dataset **second)
{
    uint32_t marked = 0, at[2] = {0, 0};
    for (uint32_t i = 0; i < d->count; i++) marked += d->second[i];
    at[1] = d->count - marked;
    for (uint32_t i = 0; i < d->count; i++) d->order[at[d->second[i]]++] = i;
    uint32_t kept = d->count - marked;
    fm_status status = fm_dataset_view(d->context, d->dataset, d->order, kept, first);
    if (status != FM_OK) return status;
    status = fm_dataset_view(d->context, d->dataset, d->order + kept, marked, second);
    if (status == FM_OK) return FM_OK;
    fm_dataset_destroy(*first);
    *first = NULL;
    return status;
}

/* ---- Stratifying ---- */

static fm_status read_labels(division *d, int64_t classes)
{
    const fm_data_field *y = &d->dataset->info.fields[1];
    void *raw = fm_allocate_array(d->context, d->count, fm_dtype_size(y->dtype));
    d->labels = fm_allocate_array(d->context, d->count, sizeof *d->labels);
    fm_status status = raw && d->labels ? FM_OK : FM_ERROR_MEMORY;
    fm_data_request request = {.count = d->count, .fields = {NULL, raw}};
    if (status == FM_OK) status = fm_dataset_read(d->context, d->dataset, &request);
    for (uint32_t i = 0; i < d->count && status == FM_OK; i++) {
        double label = fm_element(raw, y->dtype, i);
        if (label >= 0 && label < (double)classes) {
            d->labels[i] = (uint32_t)label;
            continue;
        }
        status = fm_fail(d->context, FM_ERROR_ARGUMENT,
                         "data set \"%s\": sample %u has no class, the split cannot be stratified",
                         d->dataset->info.name, i);
    }
    fm_release(d->context, raw);
    return status;
}

/* How many of each class go into the second part: largest remainders (Hamilton), ties to the class
 * that comes first. */
static void apportion(const uint32_t *sizes, int64_t classes, uint32_t count, uint32_t wanted,
                      uint32_t *quota)
{
    uint32_t given = 0;
    for (int64_t c = 0; c < classes; c++) {
        quota[c] = (uint32_t)((uint64_t)sizes[c] * wanted / count);
        given += quota[c];
    }
    for (; given < wanted; given++) {
        int64_t best = -1;
        double most = -1;
        for (int64_t c = 0; c < classes; c++) {
            double rest = (double)sizes[c] * wanted / count - quota[c];
            if (quota[c] >= sizes[c] || rest <= most) continue;
            most = rest;
            best = c;
        }
        quota[best]++;
    }
}

static fm_status mark_stratified(division *d, uint32_t wanted)
{
    int64_t classes = fm_dataset_classes(d->dataset, NULL);
    if (classes == 0) {
        return fm_fail(d->context, FM_ERROR_ARGUMENT,
                       "data set \"%s\": \"y\" holds no classes, the split cannot be stratified",
                       d->dataset->info.name);
    }
    fm_status status = read_labels(d, classes);
    if (status != FM_OK) return status;
    uint32_t *sizes = fm_allocate_zeroed(d->context, 2 * (size_t)classes * sizeof *sizes);
    if (!sizes) return FM_ERROR_MEMORY;
    uint32_t *quota = sizes + classes;
    for (uint32_t i = 0; i < d->count; i++) sizes[d->labels[i]]++;
    apportion(sizes, classes, d->count, wanted, quota);
    for (uint32_t i = 0; i < d->count; i++) {
        uint32_t sample = d->order[i];
        if (quota[d->labels[sample]] == 0) continue;
        quota[d->labels[sample]]--;
        d->second[sample] = 1;
    }
    fm_release(d->context, sizes);
    return FM_OK;
}

/* ---- Splits ---- */

static fm_status split_drawn(fm_context *context, const fm_dataset *dataset,
                             const fm_split_options *options, uint32_t wanted, fm_dataset **first,
                             fm_dataset **second)
{
    division d = {.context = context, .dataset = dataset};
    fm_status status = division_open(&d, options->seed);
    if (status == FM_OK && options->stratify) {
        status = mark_stratified(&d, wanted);
    } else if (status == FM_OK) {
        for (uint32_t i = 0; i < wanted; i++) d.second[d.order[i]] = 1;
    }
    if (status == FM_OK) status = divide(&d, first, second);
    division_release(&d);
    return status;
}

/* Samples [from, to) are the second part; the first ends in front of what shares its "y". */
static fm_status cut(fm_context *context, const fm_dataset *dataset, int64_t from, int64_t to,
                     fm_dataset **first, fm_dataset **second)
{
    int64_t kept = from - dataset->info.gap;
    if (kept < 1) {
        return fm_fail(context, FM_ERROR_ARGUMENT,
                       "split: of the %lld samples of \"%s\" in front of the cut %lld reach into "
                       "what lies behind it: none is left",
                       (long long)from, dataset->info.name, (long long)dataset->info.gap);
    }
    fm_status status = fm_dataset_range(context, dataset, 0, kept, first);
    if (status != FM_OK) return status;
    status = fm_dataset_range(context, dataset, from, to - from, second);
    if (status == FM_OK) return FM_OK;
    fm_dataset_destroy(*first);
    *first = NULL;
    return status;
}

/* Views of one sample would go into both parts. */
static fm_status refuse_groups(fm_context *context, const fm_dataset *dataset)
{
    if (dataset->info.group < 2) return FM_OK;
    return fm_fail(context, FM_ERROR_ARGUMENT,
                   "data set \"%s\": it is to be split before its samples are repeated",
                   dataset->info.name);
}

fm_status fm_dataset_split(fm_context *context, const fm_dataset *dataset,
                           const fm_split_options *options, fm_dataset **first, fm_dataset **second)
{
    static const fm_split_options none = {0};
    *first = *second = NULL;
    if (!options) options = &none;
    fm_status status = refuse_groups(context, dataset);
    if (status != FM_OK) return status;
    if (!(options->fraction > 0 && options->fraction < 1)) {
        return fm_fail(context, FM_ERROR_ARGUMENT,
                       "split: fraction must lie between 0 and 1, received %g", options->fraction);
    }
    if (options->stratify && !options->shuffle) {
        return fm_fail(context, FM_ERROR_ARGUMENT, "split: stratify needs shuffle");
    }
    if (options->shuffle && dataset->info.ordered) {
        return fm_fail(context, FM_ERROR_ARGUMENT,
                       "split: \"%s\" is ordered in time; with shuffle training would see what it "
                       "is tested on: leave it out",
                       dataset->info.name);
    }
    int64_t count = dataset->info.count;
    int64_t kept = (int64_t)floor((double)count * (1.0 - options->fraction));
    if (kept < 1 || kept >= count) {
        return fm_fail(context, FM_ERROR_ARGUMENT,
                       "split: a fraction of %g leaves one part of \"%s\" (%lld samples) empty",
                       options->fraction, dataset->info.name, (long long)count);
    }
    if (!options->shuffle) return cut(context, dataset, kept, count, first, second);
    return split_drawn(context, dataset, options, (uint32_t)(count - kept), first, second);
}

fm_status fm_dataset_fold(fm_context *context, const fm_dataset *dataset, int64_t folds,
                          int64_t fold, int64_t seed, fm_dataset **training,
                          fm_dataset **validation)
{
    *training = *validation = NULL;
    int64_t count = dataset->info.count;
    fm_status status = refuse_groups(context, dataset);
    if (status != FM_OK) return status;
    if (folds < 2 || folds > count || fold < 0 || fold >= folds) {
        return fm_fail(context, FM_ERROR_ARGUMENT,
                       "fold %lld of %lld: \"%s\" has %lld samples; 2 to that many folds are "
                       "possible, counted from 0",
                       (long long)fold, (long long)folds, dataset->info.name, (long long)count);
    }
    if (dataset->info.ordered) {
        int64_t from = count * (fold + 1) / (folds + 1), to = count * (fold + 2) / (folds + 1);
        return cut(context, dataset, from, to, training, validation);
    }
    division d = {.context = context, .dataset = dataset};
    status = division_open(&d, seed);
    if (status == FM_OK) {
        int64_t begin = count * fold / folds, end = count * (fold + 1) / folds;
        for (int64_t i = begin; i < end; i++) d.second[d.order[i]] = 1;
        status = divide(&d, training, validation);
    }
    division_release(&d);
    return status;
}
