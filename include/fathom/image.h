/* fathom/image.h: pictures: files of them and data sets of them. Training varies them:
 * augmentation.h.
 *
 *     data:
 *       set: images
 *       folder: flowers                      flowers/train/rose/1.jpg, flowers/test/tulip/7.png
 *       size: [224, 224]
 *       scale: 255
 *       augment: [random_resized_crop, horizontal_flip, {color_jitter: {brightness: 0.2}}]
 *
 * Invariants
 *  - A picture is bytes, (height, width, channels) row by row from the top left corner; channels is
 *    1 (grey) or 3 (red, green, blue). 0 is black, 255 white.
 *  - A picture's file is trusted in nothing: sides, pixels and bytes have limits, and what is
 *    broken is an FM_ERROR_FORMAT that names the file and says how. No decoder ends or prints.
 *  - PNG and JPEG are there when the library was built with FATHOM_IMAGES; binary PGM and PPM
 *    always. libjpeg takes its working memory from malloc, everything else goes through the
 *    context.
 *  - May be NULL: options, `like`, `places`, `test`.
 */
#ifndef FATHOM_IMAGE_H
#define FATHOM_IMAGE_H

#include "fathom/data_files.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Files ---------------------------------------------------------------------------------- */

typedef struct fm_image {
    int64_t height, width, channels;
    uint8_t *pixels;
} fm_image;

/* PNG of every kind: grey or colour, 1 to 16 bits (16 are rounded to 8), palettes, interlaced;
 * transparency is left out, as Pillow's convert("RGB") leaves it out. JPEG: grey, YCbCr, RGB, CMYK,
 * YCCK, baseline and progressive. EXIF's orientation is applied. PGM and PPM: binary.
 *  channels    wanted; 0: as it is stored. Colour becomes grey as in ITU-R BT.601
 *  indices     pixels are numbers and not colours: a palette's entry numbers, grey values of 1 to 8
 *              bits as they are; other files are refused. channels is 1 then
 *  max_side, max_pixels   beyond them FM_ERROR_LIMIT. Default 65535 and 2^27 */
typedef struct fm_image_options {
    int64_t channels;
    bool indices;
    int64_t max_side, max_pixels;
} fm_image_options;

/* options may be NULL. FM_ERROR_FORMAT: not a picture, or a broken one; FM_ERROR_UNSUPPORTED: a
 * kind that this build does not read. */
FM_API fm_status fm_image_read(fm_context *context, const char *path,
                               const fm_image_options *options, fm_image *image);
/* The same for bytes in memory; `name` stands for the file in errors. */
FM_API fm_status fm_image_decode(fm_context *context, const char *name, const void *bytes,
                                 size_t size, const fm_image_options *options, fm_image *image);
FM_API void fm_image_release(fm_context *context, fm_image *image);

/* Appears under its name only when it is complete. */
FM_API fm_status fm_image_write_png(fm_context *context, const char *path, const fm_image *image);

/* The name ends like one of a picture: .png, .jpg, .jpeg, .pgm, .ppm,
 * in small or capital letters. */
FM_API bool fm_image_is_named(const char *path);

typedef enum fm_image_fit {
    FM_FIT_CROP,   /* shrunk until the shorter side fits, then cut around the middle */
    FM_FIT_STRETCH /* both sides shrunk to the size, whatever becomes of the proportions */
} fm_image_fit;

/* Resized by a triangle filter that widens when it shrinks (antialias), in fixed-point as Pillow's
 * Image.resize(BILINEAR). `to` has its height, width, channels (those of `from`) and pixels.
 * shorter_side: with FM_FIT_CROP, the shorter side before the cut; 0: what just covers the size. */
FM_API fm_status fm_image_resize(fm_context *context, const fm_image *from, fm_image_fit fit,
                                 int64_t shorter_side, fm_image *to);

/* ---- Data sets ------------------------------------------------------------------------------ */

/* A folder with a folder for each class: "x" u8 (height, width, channels), "y" i32 (). Classes and
 * files are sorted by name. Where the folder has `train`, its classes are in there, and those of
 * the test set in `test`, `val` or `validation`. An archive (.tar, .tar.gz, .tar.xz) serves as
 * well; it is read into memory. Files whose names do not end as pictures' do are left out.
 *  size          one number, or height and width. Default 224
 *  channels      3, or 1 for grey
 *  fit, shorter_side   as for fm_image_resize
 *  on_broken     fm_broken_file
 *  cache         MiB: a set whose samples take no more keeps them as bytes once they were decoded.
 *                Default 1024; -1: none */
typedef struct fm_images_options {
    const char *folder;
    fm_ints size;
    int64_t channels, shorter_side, cache;
    int fit, on_broken;
} fm_images_options;

/* Pictures and what each pixel of them is: `images` with `masks` of the same names (but for the
 * ending), within `train` and `test` where these are. "x" as above; "y" u8 (height, width, 1): the
 * class of each pixel, from the mask's palette entry or grey value. Both are resized alike, masks
 * to the nearest pixel.
 *  classes    how many. Default: one more than the largest number in the training masks, which are
 *             all read for it */
typedef struct fm_masks_options {
    fm_images_options images;
    int64_t classes;
} fm_masks_options;

/* CIFAR-10, CIFAR-100 (A. Krizhevsky, "Learning multiple layers of features from tiny images",
 * 2009): 50,000 and 10,000 pictures of 32x32, "x" u8 (32, 32, 3), "y" i32 (). The binary files,
 * unpacked or in their .tar.gz; for CIFAR-10 also a folder or an archive of train/CLASS/NUMBER.jpg,
 * which is put into the original order where train_labels.u8 lies beside it.
 *  coarse    CIFAR-100's 20 superclasses in place of the 100 classes */
typedef struct fm_cifar_options {
    bool coarse;
} fm_cifar_options;

FM_API fm_status fm_dataset_images(fm_context *context, const fm_images_options *options,
                                   const fm_data_places *places, fm_dataset **train,
                                   fm_dataset **test);
FM_API fm_status fm_dataset_image_masks(fm_context *context, const fm_masks_options *options,
                                        const fm_data_places *places, fm_dataset **train,
                                        fm_dataset **test);
FM_API fm_status fm_dataset_cifar10(fm_context *context, const fm_data_places *places,
                                    fm_dataset **train, fm_dataset **test);
FM_API fm_status fm_dataset_cifar100(fm_context *context, const fm_cifar_options *options,
                                     const fm_data_places *places, fm_dataset **train,
                                     fm_dataset **test);

/* The pictures of these files, one after the other, as samples of this shape, (h, w), (h, w, 1) or
 * (h, w, 3); a folder stands for the pictures in it, sorted by name. No "y". `like` tells how they
 * are fitted; its folder and size are not looked at; NULL: cut. names of the samples:
 * fm_image_file_name. */
FM_API fm_status fm_dataset_image_files(fm_context *context, const char *const *paths, int count,
                                        fm_shape shape, const fm_images_options *like,
                                        fm_dataset **dataset);
/* NULL when the set is none of picture files. */
FM_API const char *fm_image_file_name(const fm_dataset *dataset, int64_t index);

#ifdef __cplusplus
}
#endif
#endif
