/* The loader: a ring of batches, filled ahead by workers or on demand by the caller.
 *
 * Batch number b of an epoch always goes into slot b % slot_count. A worker takes the next number
 * under the lock, waits until the caller is done with the slot's last batch, and gathers without
 * the lock. The caller takes the numbers in order. So what arrives does not depend on who filled
 * it, and an error belongs to the batch that it happened in.
 *
 * Samples of a set with buckets are sorted by them, keeping the order that was drawn, and every
 * batch_size of them are a batch: what is left of a bucket begins the first batch of the next
 * one. */
#define _GNU_SOURCE
#include "base/fields.h"
#include "base/random.h"
#include "base/timeline.h"
#include "data/dataset.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>

enum { DEFAULT_BATCH = 32, MAX_WORKERS = 64, MAX_PREFETCH = 1024, NO_BATCH = -1 };

const fm_field fm_loader_fields[] = {
    {"batch_size", "samples in a batch", offsetof(fm_loader_options, batch_size),
     .type = FM_FIELD_INT, .default_value = DEFAULT_BATCH, .minimum = 1, .maximum = 1 << 24},
    {"shuffle", "a new order for each epoch", offsetof(fm_loader_options, shuffle),
     .type = FM_FIELD_BOOL},
    {"drop_last", "leave out the last batch when it is smaller",
     offsetof(fm_loader_options, drop_last), .type = FM_FIELD_BOOL},
    {"by_length", "samples of one bucket together, in any case",
     offsetof(fm_loader_options, by_length), .type = FM_FIELD_BOOL},
    {"one_length", "no shorter batches, whatever the buckets",
     offsetof(fm_loader_options, one_length), .type = FM_FIELD_BOOL},
    {"seed", "of the order", offsetof(fm_loader_options, seed), .type = FM_FIELD_INT},
    {"workers", "threads that gather ahead", offsetof(fm_loader_options, workers),
     .type = FM_FIELD_INT, .maximum = MAX_WORKERS},
    {"prefetch", "batches that may be ready ahead (default: 2 for each worker)",
     offsetof(fm_loader_options, prefetch), .type = FM_FIELD_INT, .maximum = MAX_PREFETCH},
    {0},
};

typedef struct slot {
    void *fields[FM_MAX_DATA_FIELDS];
    int64_t batch;       /* the batch that it holds ready, or NO_BATCH */
    fm_status status;    /* of gathering it */
    fm_context *context; /* keeps the words of a failure */
} slot;

struct fm_loader {
    fm_context *context;
    fm_dataset *dataset; /* referenced */
    fm_loader_options options;
    int64_t batches, epoch;
    int64_t told_epoch; /* the caller's, for a timeline */
    uint32_t *order;    /* positions in the epoch's order */
    fm_batch_form forms[FM_MAX_BATCH_FORMS];
    /* of a set with buckets; else NULL */
    uint8_t *buckets;  /* of each sample */
    uint8_t *lengths;  /* the bucket of each batch of the epoch */
    uint32_t *sorted;  /* positions by bucket; NULL: they keep their order */
    uint32_t *shuffle; /* the new order of whole batches */
    slot *slots;
    int64_t slot_count;
    int64_t position; /* the next batch for the caller */
    double waited;    /* seconds of the epoch, as fm_loader_waited */

    pthread_t *workers;
    int64_t worker_count;
    bool has_lock;
    pthread_mutex_t lock;    /* guards what follows, the slots' batch and status, and position */
    pthread_cond_t work;     /* for workers: a batch may be taken, or all is over */
    pthread_cond_t ready;    /* for the caller: a slot is filled, or a worker became idle */
    int64_t claimed;         /* the next batch that a worker takes */
    int64_t active;          /* workers that gather now */
    int64_t ready_count;     /* batches that wait for the caller */
    int first_lane, started; /* of the timeline; workers that know theirs */
    bool stop;
};

/* ---- Gathering a batch ---- */

static int64_t batch_count(const fm_loader *loader, int64_t batch)
{
    int64_t rest = loader->dataset->info.count - batch * loader->options.batch_size;
    return rest < loader->options.batch_size ? rest : loader->options.batch_size;
}

/* As fm_batch.length. */
static int64_t batch_length(const fm_loader *loader, int64_t batch)
{
    return loader->lengths ? loader->dataset->info.buckets.at[loader->lengths[batch]] : 0;
}

static void zero_tail(const fm_loader *loader, const slot *s, int64_t count, int64_t length)
{
    const fm_dataset_info *info = &loader->dataset->info;
    for (int i = 0; i < info->field_count; i++) {
        size_t bytes = fm_cut_bytes(info, i, length);
        size_t rest = (size_t)(loader->options.batch_size - count) * bytes;
        if (rest > 0) memset((char *)s->fields[i] + (size_t)count * bytes, 0, rest);
    }
}

static fm_status gather(const fm_loader *loader, slot *s, int64_t batch, int lane)
{
    int64_t count = batch_count(loader, batch);
    fm_trace *trace = &s->context->trace;
    trace->lane = lane;
    trace->epoch = loader->told_epoch;
    trace->batch = batch;
    double began = fm_span_begin(s->context);
    fm_data_request request = {.indices = loader->order + batch * loader->options.batch_size,
                               .count = count,
                               .seed = (uint64_t)loader->options.seed,
                               .epoch = (uint32_t)loader->epoch,
                               .length = batch_length(loader, batch)};
    for (int i = 0; i < loader->dataset->info.field_count; i++) request.fields[i] = s->fields[i];
    zero_tail(loader, s, count, request.length);
    fm_error_clear(s->context);
    fm_status status = fm_dataset_read(s->context, loader->dataset, &request);
    fm_span_end_batch(s->context, began, count);
    return status;
}

static slot *slot_of(const fm_loader *loader, int64_t batch)
{
    return &loader->slots[batch % loader->slot_count];
}

/* ---- Workers ---- */

/* The caller holds batch position - 1 until it asks for the next: its slot is not to be touched. */
static bool may_claim(const fm_loader *loader)
{
    return loader->claimed < loader->batches &&
           loader->claimed < loader->position - 1 + loader->slot_count;
}

static void *worker(void *argument)
{
    fm_loader *loader = argument;
    pthread_mutex_lock(&loader->lock);
    const int lane = loader->first_lane + loader->started++;
    while (!loader->stop) {
        if (!may_claim(loader)) {
            pthread_cond_wait(&loader->work, &loader->lock);
            continue;
        }
        int64_t batch = loader->claimed++;
        slot *s = slot_of(loader, batch);
        loader->active++;
        pthread_mutex_unlock(&loader->lock);
        fm_status status = gather(loader, s, batch, lane);
        pthread_mutex_lock(&loader->lock);
        s->status = status;
        s->batch = batch;
        loader->active--;
        loader->ready_count++;
        pthread_cond_signal(&loader->ready);
    }
    pthread_mutex_unlock(&loader->lock);
    return NULL;
}

static fm_status start_workers(fm_loader *loader)
{
    if (loader->options.workers == 0) return FM_OK;
    loader->workers =
        fm_allocate_array(loader->context, (size_t)loader->options.workers, sizeof(pthread_t));
    if (!loader->workers) return FM_ERROR_MEMORY;
    if (pthread_mutex_init(&loader->lock, NULL) != 0 ||
        pthread_cond_init(&loader->work, NULL) != 0 ||
        pthread_cond_init(&loader->ready, NULL) != 0) {
        return fm_fail(loader->context, FM_ERROR_IO, "loader: the system gave no lock");
    }
    loader->has_lock = true;
    const fm_trace *trace = &loader->context->trace;
    if (trace->timeline) {
        loader->first_lane =
            fm_timeline_lanes(trace->timeline, trace->data, (int)loader->options.workers);
    }
    sigset_t all, before; /* signals are the caller's business */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (loader->worker_count < loader->options.workers) {
        if (pthread_create(&loader->workers[loader->worker_count], NULL, worker, loader) != 0)
            break;
        loader->worker_count++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (loader->worker_count == loader->options.workers) return FM_OK;
    return fm_fail(loader->context, FM_ERROR_IO,
                   "loader: the system gave no thread for worker %lld",
                   (long long)loader->worker_count + 1);
}

static void stop_workers(fm_loader *loader)
{
    if (!loader->has_lock) return;
    pthread_mutex_lock(&loader->lock);
    loader->stop = true;
    pthread_cond_broadcast(&loader->work);
    pthread_mutex_unlock(&loader->lock);
    for (int64_t i = 0; i < loader->worker_count; i++) pthread_join(loader->workers[i], NULL);
    pthread_cond_destroy(&loader->ready);
    pthread_cond_destroy(&loader->work);
    pthread_mutex_destroy(&loader->lock);
}

/* ---- The order of an epoch ---- */

/* Stable: samples of a bucket keep the order that they have. */
static void sort_by_bucket(fm_loader *loader)
{
    int64_t count = loader->dataset->info.count, places[FM_MAX_LIST + 1] = {0};
    for (int64_t i = 0; i < count; i++) places[loader->buckets[i] + 1]++;
    for (int k = 1; k <= FM_MAX_LIST; k++) places[k] += places[k - 1];
    for (int64_t i = 0; i < count; i++) {
        uint32_t sample = loader->order[i];
        loader->sorted[places[loader->buckets[sample]]++] = sample;
    }
}

/* From `sorted` to `order`, whole batches in a drawn order. */
static void place_batches(fm_loader *loader, fm_random *random)
{
    int64_t size = loader->options.batch_size, count = loader->dataset->info.count;
    int64_t whole = count / size;
    for (int64_t b = 0; b < whole; b++) loader->shuffle[b] = (uint32_t)b;
    if (loader->options.shuffle) fm_random_shuffle(random, loader->shuffle, (size_t)whole);
    for (int64_t b = 0; b < whole; b++) {
        memcpy(loader->order + b * size, loader->sorted + loader->shuffle[b] * size,
               (size_t)size * sizeof *loader->order);
    }
    memcpy(loader->order + whole * size, loader->sorted + whole * size,
           (size_t)(count % size) * sizeof *loader->order);
}

/* A batch has the bucket of its longest sample. */
static void measure_batches(fm_loader *loader)
{
    for (int64_t b = 0; b < loader->batches; b++) {
        const uint32_t *samples = loader->order + b * loader->options.batch_size;
        loader->lengths[b] = 0;
        for (int64_t i = 0; i < batch_count(loader, b); i++) {
            uint8_t bucket = loader->buckets[samples[i]];
            if (bucket > loader->lengths[b]) loader->lengths[b] = bucket;
        }
    }
}

/* From groups to their samples, in place: from the end, where nothing is read any more. */
static void spread_groups(uint32_t *order, int64_t groups, int64_t group)
{
    for (int64_t i = groups; i-- > 0;) {
        uint32_t first = order[i] * (uint32_t)group;
        for (int64_t k = 0; k < group; k++) order[i * group + k] = first + (uint32_t)k;
    }
}

static int64_t group_of(const fm_dataset *dataset)
{
    return dataset->info.group > 1 ? dataset->info.group : 1;
}

static void make_order(fm_loader *loader, int64_t epoch)
{
    int64_t group = group_of(loader->dataset), groups = loader->dataset->info.count / group;
    fm_random random =
        fm_random_at((uint64_t)loader->options.seed, (uint32_t)epoch, fm_stream_of("shuffle"));
    for (int64_t i = 0; i < groups; i++) loader->order[i] = (uint32_t)i;
    if (loader->options.shuffle) fm_random_shuffle(&random, loader->order, (size_t)groups);
    if (group > 1) spread_groups(loader->order, groups, group);
    if (loader->sorted) {
        sort_by_bucket(loader);
        place_batches(loader, &random);
    }
    if (loader->lengths) measure_batches(loader);
}

/* Forms are the same in every epoch: how many batches a bucket gives depends on how many samples it
 * has alone. */
static void find_forms(fm_loader *loader)
{
    int64_t per_bucket[FM_MAX_LIST] = {0}, size = loader->options.batch_size;
    int64_t rest = batch_count(loader, loader->batches - 1), whole = loader->batches;
    fm_batch_form *form = loader->forms;
    if (rest < size) whole--;
    if (loader->lengths) make_order(loader, 0);
    for (int64_t b = 0; b < whole; b++) per_bucket[loader->lengths ? loader->lengths[b] : 0]++;
    for (int k = 0; k < FM_MAX_LIST; k++) {
        int64_t length = loader->lengths ? loader->dataset->info.buckets.at[k] : 0;
        if (per_bucket[k] > 0) *form++ = (fm_batch_form){size, length, per_bucket[k]};
    }
    if (rest < size) *form = (fm_batch_form){rest, batch_length(loader, whole), 1};
}

fm_batch_form fm_loader_form(const fm_loader *loader, int i)
{
    return i >= 0 && i < FM_MAX_BATCH_FORMS ? loader->forms[i] : (fm_batch_form){0};
}

/* ---- Create and destroy ---- */

static fm_status create_slot(const fm_loader *loader, slot *s)
{
    const fm_dataset_info *info = &loader->dataset->info;
    s->batch = NO_BATCH;
    fm_status status = fm_context_fork(loader->context, &s->context);
    if (status != FM_OK) {
        return fm_fail(loader->context, status, "out of memory: a batch of the loader");
    }
    if (loader->options.workers > 0) s->context->options.threads = 1; /* a worker is one */
    for (int i = 0; i < info->field_count; i++) {
        size_t bytes = fm_field_bytes(&info->fields[i]);
        s->fields[i] =
            fm_allocate_array(loader->context, (size_t)loader->options.batch_size, bytes);
        if (!s->fields[i]) return fm_error_status(loader->context);
    }
    return FM_OK;
}

/* What grouping by length needs. */
static fm_status create_groups(fm_loader *loader)
{
    fm_context *context = loader->context;
    const fm_ints *buckets = &loader->dataset->info.buckets;
    size_t count = (size_t)loader->dataset->info.count, batches = (size_t)loader->batches;
    if (buckets->count < 2 || loader->options.one_length) return FM_OK;
    loader->buckets = fm_allocate_array(context, count, sizeof *loader->buckets);
    loader->lengths = fm_allocate_array(context, batches, sizeof *loader->lengths);
    if (!loader->buckets || !loader->lengths) return fm_error_status(context);
    for (size_t i = 0; i < count; i++) {
        int64_t length = fm_dataset_length(loader->dataset, (int64_t)i);
        loader->buckets[i] = (uint8_t)fm_bucket_of(buckets, length);
    }
    if (!loader->options.shuffle && !loader->options.by_length) return FM_OK;
    loader->sorted = fm_allocate_array(context, count, sizeof *loader->sorted);
    loader->shuffle = fm_allocate_array(context, batches, sizeof *loader->shuffle);
    return loader->sorted && loader->shuffle ? FM_OK : fm_error_status(context);
}

static fm_status create_ring(fm_loader *loader)
{
    size_t slots = (size_t)loader->slot_count;
    loader->order = fm_allocate_array(loader->context, (size_t)loader->dataset->info.count,
                                      sizeof *loader->order);
    loader->slots = fm_allocate_zeroed(loader->context, slots * sizeof *loader->slots);
    if (!loader->order || !loader->slots) return fm_error_status(loader->context);
    fm_status grouped = create_groups(loader);
    if (grouped != FM_OK) return grouped;
    find_forms(loader);
    for (size_t i = 0; i < slots; i++) {
        fm_status status = create_slot(loader, &loader->slots[i]);
        if (status != FM_OK) return status;
    }
    return FM_OK;
}

static fm_status check_groups(fm_context *context, const fm_dataset *dataset, int64_t batch_size)
{
    int64_t group = group_of(dataset);
    if (batch_size % group == 0) return FM_OK;
    return fm_fail(context, FM_ERROR_ARGUMENT,
                   "loader: \"%s\" has %lld views of each sample, which belong into one batch: a "
                   "batch_size of %lld is no multiple",
                   dataset->info.name, (long long)group, (long long)batch_size);
}

static fm_status complete_options(fm_context *context, const fm_dataset *dataset,
                                  fm_loader_options *options, int64_t *batches)
{
    fm_status status = fm_fields_complete(context, fm_loader_fields, options, "loader");
    if (status == FM_OK) status = check_groups(context, dataset, options->batch_size);
    if (status != FM_OK) return status;
    int64_t count = dataset->info.count, size = options->batch_size;
    *batches = options->drop_last ? count / size : (count + size - 1) / size;
    if (*batches > 0) return FM_OK;
    return fm_fail(context, FM_ERROR_ARGUMENT,
                   "loader: \"%s\" has %lld samples, which gives no batch of %lld%s",
                   dataset->info.name, (long long)count, (long long)size,
                   count > 0 ? "; keep the last partial batch or lower batch_size" : "");
}

static fm_status fill_loader(fm_loader *loader)
{
    fm_status status =
        complete_options(loader->context, loader->dataset, &loader->options, &loader->batches);
    if (status != FM_OK) return status;
    int64_t ahead = fm_or_int(loader->options.prefetch, 2 * loader->options.workers);
    loader->slot_count = loader->options.workers ? ahead + 1 : 1;
    loader->position = loader->claimed = loader->batches; /* nothing to do before begin */
    status = create_ring(loader);
    return status == FM_OK ? start_workers(loader) : status;
}

fm_status fm_loader_create(fm_context *context, const fm_dataset *dataset,
                           const fm_loader_options *options, fm_loader **loader)
{
    *loader = NULL;
    fm_loader *made = fm_allocate_zeroed(context, sizeof *made);
    if (!made) return FM_ERROR_MEMORY;
    made->context = context;
    made->dataset = fm_dataset_retain(dataset);
    if (options) made->options = *options;
    fm_status status = fill_loader(made);
    if (status != FM_OK) {
        fm_loader_destroy(made);
        return status;
    }
    *loader = made;
    return FM_OK;
}

void fm_loader_destroy(fm_loader *loader)
{
    if (!loader) return;
    fm_context *context = loader->context;
    stop_workers(loader);
    for (int64_t i = 0; loader->slots && i < loader->slot_count; i++) {
        for (int k = 0; k < FM_MAX_DATA_FIELDS; k++)
            fm_release(context, loader->slots[i].fields[k]);
        fm_context_destroy(loader->slots[i].context);
    }
    fm_release(context, loader->slots);
    fm_release(context, loader->workers);
    fm_release(context, loader->order);
    fm_release(context, loader->buckets);
    fm_release(context, loader->lengths);
    fm_release(context, loader->sorted);
    fm_release(context, loader->shuffle);
    fm_dataset_destroy(loader->dataset);
    fm_release(context, loader);
}

/* ---- Epochs ---- */

int64_t fm_loader_batches(const fm_loader *loader)
{
    return loader->batches;
}

/* No worker gathers, and none will until `claimed` is below `batches` again. */
static void quiesce(fm_loader *loader)
{
    loader->claimed = loader->batches;
    while (loader->active > 0) pthread_cond_wait(&loader->ready, &loader->lock);
}

static void reset(fm_loader *loader, int64_t epoch, int64_t first_batch)
{
    make_order(loader, epoch);
    for (int64_t i = 0; i < loader->slot_count; i++) {
        loader->slots[i].batch = NO_BATCH;
        loader->slots[i].status = FM_OK;
    }
    loader->epoch = epoch;
    loader->told_epoch = loader->context->trace.epoch;
    loader->position = first_batch;
    loader->waited = 0;
    loader->ready_count = 0;
}

fm_status fm_loader_begin(fm_loader *loader, int64_t epoch, int64_t first_batch)
{
    if (epoch < 0 || epoch > (int64_t)UINT32_MAX || first_batch < 0 ||
        first_batch > loader->batches) {
        return fm_fail(loader->context, FM_ERROR_ARGUMENT,
                       "loader: cannot begin at batch %lld of epoch %lld; an epoch of \"%s\" has "
                       "%lld batches",
                       (long long)first_batch, (long long)epoch, loader->dataset->info.name,
                       (long long)loader->batches);
    }
    if (loader->worker_count == 0) {
        reset(loader, epoch, first_batch);
        return FM_OK;
    }
    pthread_mutex_lock(&loader->lock);
    quiesce(loader);
    reset(loader, epoch, first_batch);
    loader->claimed = first_batch;
    pthread_cond_broadcast(&loader->work);
    pthread_mutex_unlock(&loader->lock);
    return FM_OK;
}

static void describe(const fm_loader *loader, const slot *s, fm_batch *batch)
{
    *batch = (fm_batch){.epoch = loader->epoch,
                        .index = loader->position,
                        .count = batch_count(loader, loader->position),
                        .x = s->fields[0],
                        .y = s->fields[1],
                        .indices = loader->order + loader->position * loader->options.batch_size,
                        .length = batch_length(loader, loader->position)};
    for (int i = 0; i < FM_MAX_DATA_FIELDS; i++) batch->fields[i] = s->fields[i];
}

double fm_loader_waited(const fm_loader *loader)
{
    return loader->waited;
}

static fm_status gather_now(fm_loader *loader, slot *s)
{
    const double began = fm_now();
    fm_status status = gather(loader, s, loader->position, FM_TRAINING_LANE);
    loader->waited += fm_now() - began;
    return status;
}

static void wait_for(fm_loader *loader, const slot *s)
{
    const double began = fm_now();
    while (s->batch != loader->position) pthread_cond_wait(&loader->ready, &loader->lock);
    loader->waited += fm_now() - began;
    fm_span_end(loader->context, "wait for data", began);
}

/* The batch of this slot, when a worker has filled it. */
static fm_status take(fm_loader *loader, slot *s)
{
    pthread_mutex_lock(&loader->lock);
    fm_timeline_count(loader->context, "batches ready", loader->ready_count);
    if (s->batch != loader->position) wait_for(loader, s);
    fm_status status = s->status;
    pthread_mutex_unlock(&loader->lock);
    return status;
}

fm_status fm_loader_next(fm_loader *loader, fm_batch *batch)
{
    *batch = (fm_batch){.epoch = loader->epoch, .index = loader->position};
    if (loader->position >= loader->batches) return FM_OK;
    slot *s = slot_of(loader, loader->position);
    loader->context->trace.batch = loader->position;
    fm_status status = loader->worker_count == 0 ? gather_now(loader, s) : take(loader, s);
    if (status != FM_OK) return fm_fail_copy(loader->context, s->context);
    describe(loader, s, batch);
    if (loader->worker_count == 0) {
        loader->position++;
        return FM_OK;
    }
    pthread_mutex_lock(&loader->lock);
    loader->position++;
    loader->ready_count--;
    pthread_cond_signal(&loader->work);
    pthread_mutex_unlock(&loader->lock);
    return FM_OK;
}
