#include "data/image/image_records.h"

fm_status fm_open_images_record(fm_context *context, const void *options,
                                const fm_data_places *places, fm_dataset **train, fm_dataset **test)
{
    return fm_dataset_images(context, options, places, train, test);
}

fm_status fm_open_masks_record(fm_context *context, const void *options,
                               const fm_data_places *places, fm_dataset **train, fm_dataset **test)
{
    return fm_dataset_image_masks(context, options, places, train, test);
}

fm_status fm_open_cifar10_record(fm_context *context, const void *options,
                                 const fm_data_places *places, fm_dataset **train,
                                 fm_dataset **test)
{
    (void)options;
    return fm_dataset_cifar10(context, places, train, test);
}

fm_status fm_open_cifar100_record(fm_context *context, const void *options,
                                  const fm_data_places *places, fm_dataset **train,
                                  fm_dataset **test)
{
    return fm_dataset_cifar100(context, options, places, train, test);
}
