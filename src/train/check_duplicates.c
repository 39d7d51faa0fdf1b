/* Samples that occur twice: in training and test, or with two labels. Found by hashes of 64 bits:
 * of a million samples, two different ones share one with a chance of 3 in 10^8. */
#include "train/check_inside.h"

#include <stdlib.h>

static int compare(const void *a, const void *b)
{
    const fm_check_print *p = a, *q = b;
    if (p->x != q->x) return p->x < q->x ? -1 : 1;
    if (p->y != q->y) return p->y < q->y ? -1 : 1;
    return p->sample < q->sample ? -1 : p->sample > q->sample;
}

/* The first training sample with these inputs, NULL when there is none. */
static const fm_check_print *find(const fm_check_part *train, uint64_t x)
{
    int64_t low = 0, high = train->print_count;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (train->prints[middle].x < x) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < train->print_count && train->prints[low].x == x ? &train->prints[low] : NULL;
}

static fm_status check_shared(fm_checking *c, const fm_check_part *part)
{
    const fm_check_part *train = &c->parts[FM_CHECK_TRAIN];
    int64_t found = 0, first = 0, twin = 0;
    for (int64_t i = 0; i < part->print_count; i++) {
        const fm_check_print *same = find(train, part->prints[i].x);
        if (!same || found++ > 0) continue;
        first = part->prints[i].sample;
        twin = same->sample;
    }
    if (found == 0) return FM_OK;
    return fm_check_add(
        c->record, FM_FINDING_WARNING, FM_CHECK_DUPLICATES,
        "%lld of %lld %s samples are in the training part too (the first: %lld is "
        "training's %lld)\ntake them out of one of the parts: their figures tell what "
        "was learned by heart",
        (long long)found, (long long)part->print_count, part->name, (long long)first,
        (long long)twin);
}

/* Samples of equal inputs in the training part. */
static fm_status check_training(fm_checking *c)
{
    const fm_check_part *train = &c->parts[FM_CHECK_TRAIN];
    const fm_check_print *p = train->prints;
    int64_t again = 0, torn = 0, first = -1, second = -1;
    for (int64_t i = 1; i < train->print_count; i++) {
        if (p[i].x != p[i - 1].x) continue;
        again++;
        if (p[i].y == p[i - 1].y) continue;
        if (torn++ > 0) continue;
        first = p[i - 1].sample;
        second = p[i].sample;
    }
    fm_status status = FM_OK;
    if (torn > 0) {
        status = fm_check_add(
            c->record, FM_FINDING_WARNING, FM_CHECK_DUPLICATES,
            "training samples with the inputs of another one and a different label: "
            "%lld (the first: %lld and %lld)\nsee which of them is right: no model tells "
            "them apart",
            (long long)torn, (long long)first, (long long)second);
    }
    if (status != FM_OK || again * 100 < train->print_count || again == 0) return status;
    return fm_check_add(c->record, FM_FINDING_NOTE, FM_CHECK_DUPLICATES,
                        "%lld of %lld training samples have the inputs of another one",
                        (long long)again, (long long)train->print_count);
}

fm_status fm_check_duplicates(fm_checking *c)
{
    fm_check_part *train = &c->parts[FM_CHECK_TRAIN];
    if (!train->prints) return FM_OK;
    c->record->report.done[FM_CHECK_DUPLICATES] = true;
    qsort(train->prints, (size_t)train->print_count, sizeof *train->prints, compare);
    fm_status status = check_training(c);
    for (int i = 1; i < FM_CHECK_PARTS && status == FM_OK; i++) {
        if (c->parts[i].prints) status = check_shared(c, &c->parts[i]);
    }
    return status;
}
