#include "base/context.h"
#include "data/augment/resize_bytes.h"
#include "fathom/image.h"

fm_status fm_image_resize(fm_context *context, const fm_image *from, fm_image_fit fit,
                          int64_t shorter_side, fm_image *to)
{
    if (from->channels != to->channels || to->height < 1 || to->width < 1 || from->height < 1 ||
        from->width < 1) {
        return fm_fail(context, FM_ERROR_SHAPE,
                       "image: (%lld, %lld, %lld) cannot be resized to (%lld, %lld, %lld)",
                       (long long)from->height, (long long)from->width, (long long)from->channels,
                       (long long)to->height, (long long)to->width, (long long)to->channels);
    }
    fm_box box = {.height = (double)from->height, .width = (double)from->width};
    if (fit == FM_FIT_CROP) {
        box = fm_center_box(from->height, from->width, shorter_side, to->height, to->width);
    }
    return fm_resize_bytes(context, from->pixels, from->height, from->width, from->channels, box,
                           to->pixels, to->height, to->width);
}

#if !FATHOM_HAVE_IMAGES
fm_status fm_image_write_png(fm_context *context, const char *path, const fm_image *image)
{
    (void)image;
    return fm_fail(context, FM_ERROR_UNSUPPORTED,
                   "%s: this build writes no PNG images: it was configured without FATHOM_IMAGES",
                   path);
}
#endif
