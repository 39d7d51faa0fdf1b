/* JPEG through libjpeg-turbo. Its errors jump back to the function that called it; nothing that is
 * needed after a jump lives in a local variable of that function. */
#include "data/image/decode.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>
/* after stdio.h, which it needs and does not include */
#include <jpeglib.h>
#include <jerror.h>

enum {
    MOST_SCANS = 256, /* of a progressive file: each costs a pass over all coefficients */
    EXIF_MARKER = JPEG_APP0 + 1,
    EXIF_HEAD = 6, /* "Exif\0\0" */
};

typedef struct jpeg_reader {
    struct jpeg_decompress_struct jpeg; /* first, so that hooks find the rest behind it */
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    jmp_buf back;
    fm_decoding *d;
    uint8_t *cmyk; /* a row of four channels, or NULL */
    int code;
    char words[JMSG_LENGTH_MAX];
} jpeg_reader;

/* ---- hooks ---- */

static void on_error(j_common_ptr jpeg)
{
    jpeg_reader *r = (jpeg_reader *)(void *)jpeg;
    r->code = jpeg->err->msg_code;
    jpeg->err->format_message(jpeg, r->words);
    longjmp(r->back, 1);
}

/* Warnings tell of pixels that are made up, but for these. */
static void on_message(j_common_ptr jpeg, int level)
{
    static const int harmless[] = {JWRN_EXTRANEOUS_DATA, JWRN_ADOBE_XFORM, JWRN_NOT_SEQUENTIAL,
                                   JWRN_JFIF_MAJOR};
    if (level >= 0) return;
    for (size_t i = 0; i < sizeof harmless / sizeof harmless[0]; i++) {
        if (jpeg->err->msg_code == harmless[i]) return;
    }
    on_error(jpeg);
}

static void on_output(j_common_ptr jpeg)
{
    (void)jpeg;
}

static void on_progress(j_common_ptr jpeg)
{
    jpeg_reader *r = (jpeg_reader *)(void *)jpeg;
    if (r->jpeg.input_scan_number <= MOST_SCANS) return;
    r->code = JERR_BAD_STATE;
    snprintf(r->words, sizeof r->words, "more than %d scans", MOST_SCANS);
    longjmp(r->back, 1);
}

/* ---- reading ---- */

static void read_orientation(const jpeg_reader *r)
{
    for (jpeg_saved_marker_ptr m = r->jpeg.marker_list; m; m = m->next) {
        if (m->marker != EXIF_MARKER || m->data_length < EXIF_HEAD) continue;
        if (memcmp(m->data, "Exif\0\0", EXIF_HEAD) != 0) continue;
        r->d->orientation = fm_exif_orientation(m->data + EXIF_HEAD, m->data_length - EXIF_HEAD);
        return;
    }
}

static fm_status choose_colours(jpeg_reader *r)
{
    bool grey = r->d->options.channels == 1;
    switch (r->jpeg.jpeg_color_space) {
    case JCS_GRAYSCALE:
        r->jpeg.out_color_space = JCS_GRAYSCALE;
        break;
    case JCS_YCbCr: /* whose first channel is the grey image */
        r->jpeg.out_color_space = grey ? JCS_GRAYSCALE : JCS_RGB;
        break;
    case JCS_RGB:
        r->jpeg.out_color_space = JCS_RGB;
        break;
    case JCS_CMYK:
    case JCS_YCCK:
        r->jpeg.out_color_space = JCS_CMYK;
        break;
    default:
        return fm_fail(r->d->context, FM_ERROR_UNSUPPORTED,
                       "%s: a JPEG image with %d color components", r->d->name,
                       r->jpeg.num_components);
    }
    r->d->image.channels = r->jpeg.out_color_space == JCS_GRAYSCALE ? 1 : 3;
    return FM_OK;
}

/* The decoder makes halves, quarters and eighths for less than the whole costs. */
static void choose_detail(jpeg_reader *r, const fm_image_plan *plan)
{
    if (plan->least_height < 1 || plan->least_width < 1) return;
    for (unsigned part = 8; part > 1; part /= 2) {
        if (r->jpeg.image_height / part < (JDIMENSION)plan->least_height) continue;
        if (r->jpeg.image_width / part < (JDIMENSION)plan->least_width) continue;
        r->jpeg.scale_num = 1;
        r->jpeg.scale_denom = part;
        return;
    }
}

static fm_status read_header(jpeg_reader *r)
{
    fm_decoding *d = r->d;
    fm_image_plan plan;
    jpeg_mem_src(&r->jpeg, d->bytes, d->size);
    jpeg_save_markers(&r->jpeg, EXIF_MARKER, 0xffff);
    jpeg_read_header(&r->jpeg, TRUE);
    read_orientation(r);
    fm_status status = fm_decoding_begin(d, r->jpeg.image_height, r->jpeg.image_width, &plan);
    if (status == FM_OK && d->options.indices) {
        status = fm_fail(d->context, FM_ERROR_FORMAT,
                         "%s: class numbers are wanted, and a JPEG image cannot hold them: its "
                         "values are not exact",
                         d->name);
    }
    if (status == FM_OK) status = choose_colours(r);
    if (status != FM_OK) return status;
    choose_detail(r, &plan);
    jpeg_calc_output_dimensions(&r->jpeg);
    d->image.height = r->jpeg.output_height;
    d->image.width = r->jpeg.output_width;
    return fm_decoding_allocate(d);
}

/* Adobe's files hold the inverse of each ink. */
static void convert_cmyk(const jpeg_reader *r, uint8_t *to)
{
    unsigned flip = r->jpeg.saw_Adobe_marker ? 0 : 255;
    const uint8_t *from = r->cmyk;
    for (int64_t x = 0; x < r->d->image.width; x++, from += 4, to += 3) {
        unsigned key = from[3] ^ flip;
        for (int k = 0; k < 3; k++) to[k] = (uint8_t)(((from[k] ^ flip) * key + 127) / 255);
    }
}

static fm_status read_rows(jpeg_reader *r)
{
    fm_decoding *d = r->d;
    size_t stride = (size_t)d->image.width * (size_t)d->image.channels;
    if (r->jpeg.out_color_space == JCS_CMYK) {
        r->cmyk = fm_allocate_array(d->context, (size_t)d->image.width, 4);
        if (!r->cmyk) return fm_error_status(d->context);
    }
    jpeg_start_decompress(&r->jpeg);
    while (r->jpeg.output_scanline < r->jpeg.output_height) {
        uint8_t *row = d->image.pixels + r->jpeg.output_scanline * stride;
        JSAMPROW rows[1] = {r->cmyk ? r->cmyk : row};
        jpeg_read_scanlines(&r->jpeg, rows, 1);
        if (r->cmyk) convert_cmyk(r, row);
    }
    jpeg_finish_decompress(&r->jpeg);
    return FM_OK;
}

static fm_status read_under_jump(jpeg_reader *r)
{
    if (setjmp(r->back)) {
        if (r->code != JERR_OUT_OF_MEMORY) return fm_decoding_fail(r->d, "JPEG", r->words);
        return fm_fail(r->d->context, FM_ERROR_MEMORY, "%s: %s", r->d->name, r->words);
    }
    jpeg_create_decompress(&r->jpeg);
    r->progress.progress_monitor = on_progress;
    r->jpeg.progress = &r->progress;
    fm_status status = read_header(r);
    return status == FM_OK ? read_rows(r) : status;
}

fm_status fm_jpeg_decode(fm_decoding *d)
{
    jpeg_reader r = {.d = d};
    r.jpeg.err = jpeg_std_error(&r.errors);
    r.errors.error_exit = on_error;
    r.errors.emit_message = on_message;
    r.errors.output_message = on_output;
    fm_status status = read_under_jump(&r);
    jpeg_destroy_decompress(&r.jpeg);
    fm_release(d->context, r.cmyk);
    return status;
}
