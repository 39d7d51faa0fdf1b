/* Lengths of batches that waste little. */
#ifndef FM_DATA_BUCKETS_H
#define FM_DATA_BUCKETS_H

#include "fathom/schema.h"

/* At most `most` (of FM_MAX_LIST) ascending lengths, the last of them `longest`, such that samples
 * of `count` lengths (ascending; those above `longest` are cut to it) take the fewest steps when
 * each has the smallest that holds it. Where there are more than 512 lengths, among those of 512
 * evenly spread samples. One length alone gives an empty list. */
void fm_buckets_choose(const int64_t *lengths, int64_t count, int64_t longest, int most,
                       fm_ints *buckets);

#endif
