#include "data/parts.h"

fm_status fm_make_parts(fm_context *context, fm_make_part make, const void *argument,
                        fm_dataset **train, fm_dataset **test)
{
    *train = NULL;
    if (test) *test = NULL;
    fm_status status = make(context, argument, FM_DATA_TRAIN, train);
    if (status != FM_OK || !test) return status;
    status = make(context, argument, FM_DATA_TEST, test);
    if (status == FM_OK) return FM_OK;
    fm_dataset_destroy(*train);
    *train = NULL;
    return status;
}
