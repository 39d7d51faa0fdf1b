#include "train/privacy/private_batches.h"
#include "base/memory.h"

/* What the loader reads goes, piece by piece, into one list;
 * an epoch has a view and a loader of its own. */

static fm_status append(fm_private_batches *b, uint32_t position)
{
    fm_status status =
        fm_grow(b->context, &b->order, &b->order_capacity, b->order_count + 1, sizeof *b->order);
    if (status == FM_OK) b->order[b->order_count++] = position;
    return status;
}

static fm_status draw_step(fm_private_batches *b, const fm_secret *secret, int64_t step,
                           uint64_t number)
{
    fm_secret_coins coins = fm_secret_coins_begin(secret, number, b->rate);
    int64_t examples = fm_dataset_about(b->data)->count;
    fm_status status = FM_OK;
    b->counts[step] = 0;
    for (int64_t i = 0; i < examples && status == FM_OK; i++) {
        if (!fm_secret_coin(&coins)) continue;
        b->counts[step]++;
        status = append(b, (uint32_t)i);
    }
    while (status == FM_OK && b->order_count % (size_t)b->piece) status = append(b, 0);
    return status;
}

static void close_loader(fm_private_batches *b)
{
    fm_loader_destroy(b->loader);
    fm_dataset_destroy(b->view);
    b->loader = NULL;
    b->view = NULL;
}

static fm_status open_loader(fm_private_batches *b, int64_t epoch)
{
    if (b->order_count == 0) return FM_OK; /* nobody was drawn */
    fm_status status =
        fm_dataset_view(b->context, b->data, b->order, (int64_t)b->order_count, &b->view);
    if (status != FM_OK) return status;
    status = fm_loader_create(b->context, b->view,
                              &(fm_loader_options){.batch_size = b->piece,
                                                   .one_length = true,
                                                   .seed = b->seed,
                                                   .workers = b->workers,
                                                   .prefetch = b->prefetch},
                              &b->loader);
    return status == FM_OK ? fm_loader_begin(b->loader, epoch, 0) : status;
}

fm_status fm_private_batches_begin(fm_private_batches *b, const fm_secret *secret, int64_t epoch,
                                   int64_t first, uint64_t number)
{
    close_loader(b);
    if (!b->counts) {
        b->counts = fm_allocate_array(b->context, (size_t)b->steps + 1, sizeof *b->counts);
        if (!b->counts) return FM_ERROR_MEMORY;
    }
    fm_status status = FM_OK;
    b->order_count = 0;
    b->step = first;
    b->left = 0;
    for (int64_t step = first; step < b->steps && status == FM_OK; step++) {
        status = draw_step(b, secret, step, number + (uint64_t)(step - first));
    }
    return status == FM_OK ? open_loader(b, epoch) : status;
}

void fm_private_batches_step(fm_private_batches *b)
{
    b->left = b->counts[b->step++];
}

fm_status fm_private_batches_next(fm_private_batches *b, fm_batch *batch)
{
    *batch = (fm_batch){.count = 0};
    if (b->left == 0) return FM_OK;
    fm_status status = fm_loader_next(b->loader, batch);
    if (status != FM_OK) return status;
    if (b->left < batch->count) batch->count = b->left;
    b->left -= batch->count;
    return FM_OK;
}

void fm_private_batches_release(fm_private_batches *b)
{
    close_loader(b);
    fm_release(b->context, b->order);
    fm_release(b->context, b->counts);
}
