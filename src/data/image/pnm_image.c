/* Binary PGM and PPM (netpbm): "P5 WIDTH HEIGHT MAXVAL" and one or two bytes a value. */
#include "data/image/decode.h"

#include <ctype.h>

enum { MOST_NUMBER = 1 << 20 };

/* The next number of the header, after blanks and comments; -1 when there is none. */
static int next_number(const fm_decoding *d, size_t *at)
{
    while (*at < d->size && (isspace(d->bytes[*at]) || d->bytes[*at] == '#')) {
        bool comment = d->bytes[(*at)++] == '#';
        while (comment && *at < d->size && d->bytes[*at] != '\n') ++*at;
    }
    int number = -1;
    while (*at < d->size && isdigit(d->bytes[*at]) && number < MOST_NUMBER) {
        number = (number < 0 ? 0 : number) * 10 + (d->bytes[(*at)++] - '0');
    }
    return number;
}

static void convert(const fm_decoding *d, const uint8_t *from, int most)
{
    int64_t count = d->image.height * d->image.width * d->image.channels;
    unsigned top = (unsigned)most, half = top / 2;
    for (int64_t i = 0; i < count; i++) {
        unsigned value = most < 256 ? from[i] : (unsigned)from[2 * i] << 8 | from[2 * i + 1];
        if (value > top) value = top;
        d->image.pixels[i] = (uint8_t)(d->options.indices ? value : (value * 255 + half) / top);
    }
}

fm_status fm_pnm_decode(fm_decoding *d)
{
    const char *kind = d->bytes[1] == '5' ? "PGM" : "PPM";
    size_t at = 2;
    int width = next_number(d, &at), height = next_number(d, &at), most = next_number(d, &at);
    if (width < 0 || height < 0 || most < 1 || most > 65535 || at >= d->size) {
        return fm_decoding_fail(d, kind, "its header is not WIDTH HEIGHT MAXVAL");
    }
    fm_image_plan plan;
    fm_status status = fm_decoding_begin(d, height, width, &plan);
    if (status != FM_OK) return status;
    at++; /* one blank */
    d->image = (fm_image){.height = height, .width = width, .channels = kind[1] == 'G' ? 1 : 3};
    if (d->options.indices && (d->image.channels == 3 || most > 255)) {
        return fm_decoding_fail(d, kind, "class numbers are wanted: grey values of 8 bits");
    }
    size_t wanted = (size_t)height * (size_t)width * (size_t)d->image.channels;
    if (d->size - at < wanted * (most < 256 ? 1 : 2)) {
        return fm_decoding_fail(d, kind, "the file ends before its last pixel");
    }
    status = fm_decoding_allocate(d);
    if (status == FM_OK) convert(d, d->bytes + at, most);
    return status;
}
