#include "data/image/decode.h"
#include "base/checked.h"
#include "base/fields.h"
#include "base/file.h"
#include "data/file/file_list.h"

#include <string.h>

enum { MAX_SIDE = 65535, MAX_PIXELS = 1 << 27, MAX_BYTES = 1 << 29, MARK_SIZE = 8 };

typedef struct format {
    const char *kind;
    unsigned char mark[MARK_SIZE];
    size_t mark_size;
    fm_image_decoder *decode; /* NULL: known, but not to this build */
} format;

#if FATHOM_HAVE_IMAGES
#define IF_BUILT(decoder) decoder
#else
#define IF_BUILT(decoder) NULL
#endif

static const format formats[] = {
    {"PNG", {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'}, 8, IF_BUILT(fm_png_decode)},
    {"JPEG", {0xff, 0xd8, 0xff}, 3, IF_BUILT(fm_jpeg_decode)},
    {"PGM", {'P', '5'}, 2, fm_pnm_decode},
    {"PPM", {'P', '6'}, 2, fm_pnm_decode},
};
enum { FORMAT_COUNT = sizeof formats / sizeof formats[0] };

bool fm_image_is_named(const char *path)
{
    static const char *const endings[] = {"png", "jpg", "jpeg", "pgm", "ppm", NULL};
    return fm_has_ending(path, endings);
}

void fm_image_release(fm_context *context, fm_image *image)
{
    if (!image) return;
    fm_release(context, image->pixels);
    *image = (fm_image){0};
}

/* ---- what the decoders share ---- */

fm_status fm_decoding_fail(const fm_decoding *d, const char *kind, const char *words)
{
    return fm_fail(d->context, FM_ERROR_FORMAT, "%s: broken %s image: %s", d->name, kind, words);
}

fm_status fm_decoding_begin(fm_decoding *d, int64_t height, int64_t width, fm_image_plan *plan)
{
    const fm_image_options *o = &d->options;
    bool turned = d->orientation >= 5;
    if (height < 1 || width < 1) {
        return fm_fail(d->context, FM_ERROR_FORMAT, "%s: an image of %lld x %lld pixels", d->name,
                       (long long)width, (long long)height);
    }
    if (height > o->max_side || width > o->max_side || height * width > o->max_pixels) {
        return fm_fail(d->context, FM_ERROR_LIMIT,
                       "%s: an image of %lld x %lld pixels; accepted are sides up to %lld and %lld "
                       "pixels",
                       d->name, (long long)width, (long long)height, (long long)o->max_side,
                       (long long)o->max_pixels);
    }
    d->full_height = turned ? width : height;
    d->full_width = turned ? height : width;
    *plan = (fm_image_plan){0};
    if (d->plan) d->plan(d->user, d->full_height, d->full_width, plan);
    if (!turned) return FM_OK;
    *plan = (fm_image_plan){plan->least_width, plan->least_height};
    return FM_OK;
}

fm_status fm_decoding_allocate(fm_decoding *d)
{
    const fm_image *image = &d->image;
    size_t pixels;
    if (!fm_checked_mul((size_t)image->height, (size_t)image->width, &pixels)) {
        return fm_fail(d->context, FM_ERROR_LIMIT, "%s: too many pixels", d->name);
    }
    d->image.pixels = fm_allocate_array(d->context, pixels, (size_t)image->channels);
    return d->image.pixels ? FM_OK : fm_error_status(d->context);
}

/* ---- decoding ---- */

static fm_status fail_unknown(const fm_decoding *d)
{
    if (d->size == 0) return fm_fail(d->context, FM_ERROR_FORMAT, "%s: is empty", d->name);
    return fm_fail(d->context, FM_ERROR_FORMAT, "%s: not an image: it begins neither as %s",
                   d->name, "PNG nor as JPEG, PGM or PPM");
}

static const format *recognise(const fm_decoding *d)
{
    for (int i = 0; i < FORMAT_COUNT; i++) {
        const format *f = &formats[i];
        if (d->size >= f->mark_size && memcmp(d->bytes, f->mark, f->mark_size) == 0) return f;
    }
    return NULL;
}

static fm_status complete(fm_decoding *d)
{
    fm_image_options *o = &d->options;
    o->max_side = fm_or_int(o->max_side, MAX_SIDE);
    o->max_pixels = fm_or_int(o->max_pixels, MAX_PIXELS);
    if (o->indices) o->channels = 1;
    if (o->max_side > MAX_SIDE) o->max_side = MAX_SIDE; /* products fit into 64 bits */
    if (o->channels == 0 || o->channels == 1 || o->channels == 3) return FM_OK;
    return fm_fail(d->context, FM_ERROR_ARGUMENT, "image: channels are 1 or 3, received %lld",
                   (long long)o->channels);
}

fm_status fm_image_decode_planned(fm_decoding *d)
{
    d->image = (fm_image){0};
    d->orientation = 1;
    fm_status status = complete(d);
    if (status != FM_OK) return status;
    const format *f = recognise(d);
    if (!f) return fail_unknown(d);
    if (!f->decode) {
        return fm_fail(d->context, FM_ERROR_UNSUPPORTED,
                       "%s: this build reads no %s images: it was configured without "
                       "FATHOM_IMAGES",
                       d->name, f->kind);
    }
    status = f->decode(d);
    if (status == FM_OK) status = fm_image_turn(d->context, d->orientation, &d->image);
    if (status == FM_OK && d->options.channels > 0) {
        status = fm_image_convert(d->context, d->options.channels, &d->image);
    }
    if (status != FM_OK) fm_image_release(d->context, &d->image);
    return status;
}

fm_status fm_image_read_planned(fm_decoding *d)
{
    char *bytes;
    fm_status status = fm_file_read(d->context, d->name, MAX_BYTES, &bytes, &d->size);
    if (status != FM_OK) return status;
    d->bytes = (const uint8_t *)bytes;
    status = fm_image_decode_planned(d);
    fm_release(d->context, bytes);
    d->bytes = NULL;
    return status;
}

fm_status fm_image_decode(fm_context *context, const char *name, const void *bytes, size_t size,
                          const fm_image_options *options, fm_image *image)
{
    fm_decoding d = {.context = context, .name = name, .bytes = bytes, .size = size};
    if (options) d.options = *options;
    fm_status status = fm_image_decode_planned(&d);
    *image = d.image;
    return status;
}

fm_status fm_image_read(fm_context *context, const char *path, const fm_image_options *options,
                        fm_image *image)
{
    fm_decoding d = {.context = context, .name = path};
    if (options) d.options = *options;
    fm_status status = fm_image_read_planned(&d);
    *image = d.image;
    return status;
}
