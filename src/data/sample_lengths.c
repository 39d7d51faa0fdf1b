#include "data/sample_lengths.h"

#include <stdio.h>
#include <string.h>

fm_status fm_sample_lengths_of(fm_context *context, const fm_dataset *dataset, int64_t batch_size,
                               fm_sample_lengths *lengths)
{
    const fm_dataset_info *about = fm_dataset_about(dataset);
    const double count = (double)about->count;
    fm_loader *loader;
    fm_batch_form form;
    *lengths = (fm_sample_lengths){.longest = about->fields[0].shape.dims[0]};
    for (int64_t i = 0; i < about->count; i++) {
        lengths->mean += (double)fm_dataset_length(dataset, i) / count;
    }
    fm_status status = fm_loader_create(
        context, dataset, &(fm_loader_options){.batch_size = batch_size, .shuffle = true}, &loader);
    if (status != FM_OK) return status;
    for (int i = 0; (form = fm_loader_form(loader, i)).batches > 0; i++) {
        double steps = (double)(form.length ? form.length : lengths->longest);
        lengths->taken += steps * (double)form.count * (double)form.batches / count;
    }
    fm_loader_destroy(loader);
    return FM_OK;
}

const char *fm_sample_lengths_text(const fm_sample_lengths *lengths, char text[FM_BUCKETS_TEXT])
{
    snprintf(text, FM_BUCKETS_TEXT,
             "%.1f for a sample, which has %.1f in the mean; %.0f%% fewer than %lld throughout",
             lengths->taken, lengths->mean, 100 * (1 - lengths->taken / (double)lengths->longest),
             (long long)lengths->longest);
    return text;
}

const char *fm_buckets_text(const fm_ints *buckets, char text[FM_BUCKETS_TEXT])
{
    *text = '\0';
    for (int i = 0; i < buckets->count; i++) {
        size_t used = strlen(text);
        const char *between = i == 0 ? "" : i == buckets->count - 1 ? " and " : ", ";
        snprintf(text + used, FM_BUCKETS_TEXT - used, "%s%lld", between, (long long)buckets->at[i]);
    }
    return text;
}
