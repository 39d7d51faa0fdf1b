/* How much of the samples is padding, what buckets leave of it, and whether the model reads it. */
#include "base/element.h"
#include "base/fields.h"
#include "data/sample_lengths.h"
#include "fathom/text_data.h"
#include "train/check_inside.h"
#include "train/model.h"

#include <math.h>

enum { DEFAULT_BATCH = 32, COMPARED = 32 };

static const double much_padding = 0.4; /* this share of all steps */

/* ---- is padding read? ------------------------------------------------------------------------ */

/* A set's first samples that are in a short bucket. */
static int64_t find_short(const fm_dataset *data, uint32_t indices[COMPARED])
{
    const fm_dataset_info *about = fm_dataset_about(data);
    int64_t found = 0;
    for (int64_t i = 0; i < about->count && found < COMPARED; i++) {
        if (fm_dataset_length(data, i) > about->buckets.at[0]) continue;
        indices[found++] = (uint32_t)i;
    }
    return found;
}

/* The largest difference of two arrays, as a share of the largest number in them. */
static double difference(const void *a, const void *b, fm_dtype dtype, int64_t count)
{
    double largest = 0, apart = 0;
    for (int64_t i = 0; i < count; i++) {
        double x = fm_element(a, dtype, (size_t)i), y = fm_element(b, dtype, (size_t)i);
        largest = fmax(largest, fmax(fabs(x), fabs(y)));
        apart = fmax(apart, fabs(x - y));
    }
    return largest > 0 ? apart / largest : 0;
}

/* Predictions of the same samples in their bucket and with all their padding. */
static fm_status compare(fm_checking *c, const fm_dataset *some, double *apart)
{
    fm_model *model = c->input->model;
    const fm_dataset_info *about = fm_dataset_about(some);
    fm_dtype dtype;
    fm_shape output = fm_model_output(model, &dtype);
    size_t bytes = (size_t)(about->count * fm_shape_bytes(output, dtype));
    void *x =
        fm_arena_allocate(&c->arena, (size_t)about->count * fm_field_bytes(&about->fields[0]));
    char *predictions = fm_arena_allocate(&c->arena, 2 * bytes);
    if (!x || !predictions) return FM_ERROR_MEMORY;
    fm_data_request request = {.count = about->count, .fields = {x}};
    fm_status status = fm_dataset_read(c->context, some, &request);
    if (status == FM_OK) status = fm_predict(model, some, NULL, predictions);
    if (status == FM_OK) {
        status = fm_predict_samples(model, x, about->count, NULL, predictions + bytes);
    }
    if (status != FM_OK) return status;
    *apart = difference(predictions, predictions + bytes, dtype,
                        about->count * fm_shape_elements(output));
    return FM_OK;
}

static fm_status check_padding(fm_checking *c, const fm_dataset *train)
{
    static const double rounding = 1e-3;
    uint32_t indices[COMPARED];
    int64_t count = find_short(train, indices);
    fm_dataset *some;
    double apart = 0;
    if (count == 0) return FM_OK;
    fm_status status = fm_dataset_view(c->context, train, indices, count, &some);
    if (status != FM_OK) return status;
    status = compare(c, some, &apart);
    fm_dataset_destroy(some);
    if (status == FM_ERROR_MEMORY) return status;
    if (status != FM_OK) {
        fm_error_clear(c->context); /* the steps say it */
        return FM_OK;
    }
    if (apart <= rounding) return FM_OK;
    return fm_check_add(c->record, FM_FINDING_NOTE, FM_CHECK_LENGTHS,
                        "the model reads padding: short samples have other predictions in their "
                        "bucket than at the full length, by up to %.2g of the largest\nmask_zero: "
                        "true of the embedding keeps it from recurrent layers, attention, "
                        "convolutions and pooling",
                        apart);
}

/* ---- findings -------------------------------------------------------------------------------- */

static fm_status tell_padding(fm_checking *c, const fm_sample_lengths *lengths)
{
    double share = 1 - lengths->mean / (double)lengths->longest;
    if (share < much_padding) return FM_OK;
    return fm_check_add(c->record, FM_FINDING_NOTE, FM_CHECK_LENGTHS,
                        "%.0f%% of all steps are padding: samples have %.1f of %lld in the mean\n"
                        "data: {buckets: 4} forms batches of several lengths",
                        100 * share, lengths->mean, (long long)lengths->longest);
}

static fm_status tell_buckets(fm_checking *c, const fm_ints *buckets,
                              const fm_sample_lengths *lengths)
{
    char steps[FM_BUCKETS_TEXT], words[FM_BUCKETS_TEXT];
    return fm_check_add(c->record, FM_FINDING_NOTE, FM_CHECK_LENGTHS, "batches have %s steps: %s",
                        fm_buckets_text(buckets, steps), fm_sample_lengths_text(lengths, words));
}

fm_status fm_check_lengths(fm_checking *c)
{
    const fm_dataset *train = c->parts[FM_CHECK_TRAIN].prepared;
    const fm_dataset_info *about = train ? fm_dataset_about(train) : NULL;
    bool texts = about && about->text && !about->text->running;
    fm_sample_lengths lengths;
    if (!texts || about->count == 0) return FM_OK;
    const fm_fit_options *fit = c->input->fit;
    int64_t size = fm_or_int(fit ? fit->batch_size : 0, DEFAULT_BATCH);
    fm_status status = fm_sample_lengths_of(c->context, train, size, &lengths);
    if (status != FM_OK) return status;
    c->record->report.done[FM_CHECK_LENGTHS] = true;
    if (about->buckets.count == 0) return tell_padding(c, &lengths);
    status = tell_buckets(c, &about->buckets, &lengths);
    return status == FM_OK && c->input->model ? check_padding(c, train) : status;
}
