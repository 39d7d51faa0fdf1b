/* Data sets over arrays in memory. */
#ifndef FM_DATA_ARRAY_SOURCE_H
#define FM_DATA_ARRAY_SOURCE_H

#include "data/dataset.h"

enum { FM_MOST_PLAIN_CLASS = 65535 }; /* that integers without names may say */

/* Takes over arrays that were made with fm_allocate, also when it fails: data[i] is NULL after. */
fm_status fm_dataset_adopt_arrays(fm_context *context, const fm_dataset_info *info, void **data,
                                  fm_dataset **dataset);
/* The same of rows of a file; lines[i] is where row i begins, from 1. */
fm_status fm_dataset_adopt_rows(fm_context *context, const fm_dataset_info *info, void **data,
                                uint32_t *lines, fm_dataset **dataset);

#endif
