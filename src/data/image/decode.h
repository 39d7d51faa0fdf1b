/* Decoding, from the bytes of a file to pixels: what the formats' files share. */
#ifndef FM_DATA_IMAGE_DECODE_H
#define FM_DATA_IMAGE_DECODE_H

#include "base/memory.h"
#include "fathom/image.h"

/* What is to become of a picture, once its size is known: the decoder may leave out detail as long
 * as both sides stay at least so long. 0: all of it. */
typedef struct fm_image_plan {
    int64_t least_height, least_width;
} fm_image_plan;

typedef struct fm_decoding {
    fm_context *context;
    const char *name;
    const uint8_t *bytes;
    size_t size;
    fm_image_options options; /* complete */
    /* Called with the size as stored, upright; may be NULL. */
    void (*plan)(void *user, int64_t height, int64_t width, fm_image_plan *plan);
    void *user;
    int64_t full_height, full_width; /* upright, before detail was left out */
    int orientation;                 /* EXIF's, 1 to 8 */
    fm_image image;
} fm_decoding;

/* Everything but the orientation's turn; on failure `image` may hold pixels. */
typedef fm_status fm_image_decoder(fm_decoding *d);
fm_image_decoder fm_png_decode, fm_jpeg_decode, fm_pnm_decode;

/* fm_image_decode for a decoding whose context to user are set. */
fm_status fm_image_decode_planned(fm_decoding *d);
/* fm_image_read for one; bytes and size are not looked at. */
fm_status fm_image_read_planned(fm_decoding *d);

/* Notes the size, calls the plan. FM_ERROR_FORMAT for a side of 0,
 * FM_ERROR_LIMIT beyond the limits. */
fm_status fm_decoding_begin(fm_decoding *d, int64_t height, int64_t width, fm_image_plan *plan);
/* Takes memory for image's pixels; its sides and channels are set. */
fm_status fm_decoding_allocate(fm_decoding *d);
/* "NAME: broken PNG image: words" */
fm_status fm_decoding_fail(const fm_decoding *d, const char *kind, const char *words);

/* 1 to 8 from EXIF's TIFF structure (Exif 2.3, JEITA CP-3451C);
 * 1 where it says nothing sensible. */
int fm_exif_orientation(const uint8_t *bytes, size_t size);
/* The picture as it is to be seen; releases and replaces the pixels. */
fm_status fm_image_turn(fm_context *context, int orientation, fm_image *image);
/* To 1 or 3 channels; replaces the pixels where they differ. */
fm_status fm_image_convert(fm_context *context, int64_t channels, fm_image *image);

#endif
