/* Elements of any dtype to f32, a row at a time: the inner loop of every batch. */
#ifndef FM_DATA_CONVERT_H
#define FM_DATA_CONVERT_H

#include "data/transform.h"

/* to[i] = (from[i] - center) * factor, fill in place of NaN. */
void fm_convert_row(const void *from, fm_dtype dtype, int64_t count, fm_rule rule, float *to);

/* The same with rules that follow one another, one for each entry of the last dimension. */
enum { FM_MOST_CONVERT_CHANNELS = 16 };
void fm_convert_channels(const void *from, fm_dtype dtype, int64_t count, const fm_rule *rules,
                         int64_t channels, float *to);

#endif
