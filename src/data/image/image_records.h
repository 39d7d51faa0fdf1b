/* The records of sets of images: rows of the table in data/dataset_records.c. */
#ifndef FM_DATA_IMAGE_RECORDS_H
#define FM_DATA_IMAGE_RECORDS_H

#include "fathom/image.h"

typedef fm_status fm_open_image_record(fm_context *context, const void *options,
                                       const fm_data_places *places, fm_dataset **train,
                                       fm_dataset **test);

extern const fm_field fm_images_fields[], fm_masks_fields[], fm_cifar10_fields[],
    fm_cifar100_fields[];
fm_open_image_record fm_open_images_record, fm_open_masks_record, fm_open_cifar10_record,
    fm_open_cifar100_record;

#define FM_CIFAR10_RECORD                                                                          \
    {                                                                                              \
        "cifar10", "32x32 color images of 10 kinds of things, 60,000 of them",                     \
            "none stated; cite A. Krizhevsky, 2009", fm_cifar10_fields, 0, fm_open_cifar10_record  \
    }
#define FM_CIFAR100_RECORD                                                                         \
    {                                                                                              \
        "cifar100", "32x32 color images of 100 kinds of things, 60,000 of them",                   \
            "none stated; cite A. Krizhevsky, 2009", fm_cifar100_fields, sizeof(fm_cifar_options), \
            fm_open_cifar100_record                                                                \
    }
#define FM_IMAGES_RECORD                                                                           \
    {                                                                                              \
        "images", "a folder of image files for each class", NULL, fm_images_fields,                \
            sizeof(fm_images_options), fm_open_images_record                                       \
    }
#define FM_MASKS_RECORD                                                                            \
    {                                                                                              \
        "image_masks", "images and masks that tell the class of each pixel", NULL,                 \
            fm_masks_fields, sizeof(fm_masks_options), fm_open_masks_record                        \
    }

/* fm_dataset_images under another name. */
fm_status fm_open_pictures(fm_context *context, const char *set, const fm_images_options *options,
                           const fm_data_places *places, fm_dataset **train, fm_dataset **test);

#endif
