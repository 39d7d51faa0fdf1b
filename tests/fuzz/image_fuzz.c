/* Images on any bytes: as they are stored, in grey, as class numbers, shrunk while decoding. The
 * first byte chooses; what comes out is touched, so that a wrong size is seen. */
#include "data/augment/resize_bytes.h"
#include "data/image/decode.h"

static void shrink(void *user, int64_t height, int64_t width, fm_image_plan *plan)
{
    (void)user;
    *plan = (fm_image_plan){(height + 3) / 4, (width + 3) / 4};
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    fm_context *context;
    if (size < 1) return 0;
    if (fm_context_create(&(fm_context_options){.threads = 1}, &context) != FM_OK) return 0;
    static const fm_image_options ways[] = {
        {.channels = 0}, {.channels = 1}, {.channels = 3}, {.indices = true}};
    fm_decoding d = {.context = context, .name = "input", .bytes = bytes + 1, .size = size - 1};
    d.options = ways[bytes[0] % 4];
    d.options.max_pixels = 1 << 20;
    if (bytes[0] & 4) d.plan = shrink;
    if (fm_image_decode_planned(&d) == FM_OK) {
        uint8_t small[8 * 8 * 3];
        fm_box whole = {.height = (double)d.image.height, .width = (double)d.image.width};
        (void)fm_resize_bytes(context, d.image.pixels, d.image.height, d.image.width,
                              d.image.channels, whole, small, 8, 8);
    }
    fm_image_release(context, &d.image);
    fm_context_destroy(context);
    return 0;
}
