#include "cli/html_image.h"
#include "cli/html_text.h"
#include "io/wire.h"

static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* RFC 4648, section 4. */
static void add_base64(fm_text *to, const unsigned char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i += 3) {
        size_t left = size - i;
        unsigned word = (unsigned)bytes[i] << 16;
        if (left > 1) word |= (unsigned)bytes[i + 1] << 8;
        if (left > 2) word |= bytes[i + 2];
        char digits[4] = {base64_digits[word >> 18], base64_digits[word >> 12 & 63],
                          left > 1 ? base64_digits[word >> 6 & 63] : '=',
                          left > 2 ? base64_digits[word & 63] : '='};
        fm_text_add_bytes(to, digits, sizeof digits);
    }
}

fm_status html_add_image(fm_context *context, fm_text *body, const fm_image *image, int times,
                         const char *words)
{
    fm_text png = FM_TEXT(context);
    fm_status status =
        fm_png_bytes(context, image->height, image->width, image->channels, image->pixels, &png);
    if (status == FM_OK) {
        fm_text_add(body, "<img width=%lld height=%lld alt=\"", (long long)(image->width * times),
                    (long long)(image->height * times));
        html_add_string(body, words);
        fm_text_add(body, "\" src=\"data:image/png;base64,");
        add_base64(body, (const unsigned char *)png.bytes, png.size);
        fm_text_add(body, "\">");
    }
    fm_text_release(&png);
    return status;
}
