#include "cli/picture.h"

#include <math.h>
#include <string.h>

/* Of colours the luma (ITU-R BT.601). */
static double pixel_of(fm_dtype dtype, const void *sample, int64_t channels, int64_t i)
{
    static const double weights[] = {0.299, 0.587, 0.114};
    double sum = 0;
    for (int64_t c = 0, at = i * channels; c < channels; c++, at++) {
        double value =
            dtype == FM_U8 ? ((const uint8_t *)sample)[at] : (double)((const float *)sample)[at];
        sum += channels == 1 ? value : weights[c] * value;
    }
    return sum;
}

bool picture_read(picture *image, fm_shape shape, fm_dtype dtype, const void *sample)
{
    int64_t channels = shape.rank == 3 ? shape.dims[2] : 1;
    bool is_image = (shape.rank == 2 || shape.rank == 3) && (channels == 1 || channels == 3);
    if (!is_image || (dtype != FM_U8 && dtype != FM_F32)) return false;
    if (shape.dims[0] > PICTURE_MOST_HEIGHT || shape.dims[1] > PICTURE_MOST_WIDTH) return false;
    image->height = (int)shape.dims[0];
    image->width = (int)shape.dims[1];
    int count = image->width * image->height;
    double low = 0, high = dtype == FM_U8 ? 255 : 1;
    for (int i = 0; i < count; i++) {
        low = fmin(low, pixel_of(dtype, sample, channels, i));
        high = fmax(high, pixel_of(dtype, sample, channels, i));
    }
    for (int i = 0; i < count; i++) {
        image->pixels[i] = (float)((pixel_of(dtype, sample, channels, i) - low) / (high - low));
    }
    return count > 0;
}

int picture_lines(const picture *image)
{
    return (image->height + 1) / 2;
}

static float pixel_at(const picture *image, int row, int column)
{
    return row < image->height ? image->pixels[row * image->width + column] : 0;
}

/* The 24 greys of the 256 colours, and black. */
static int grey_colour(float value)
{
    int step = (int)(value * 24 + 0.5f);
    return step == 0 ? 16 : 231 + step;
}

void picture_print_line(const picture *image, const terminal *t, int line)
{
    static const char ramp[] = " .:-=+*#%@";
    for (int column = 0; column < image->width; column++) {
        float upper = pixel_at(image, 2 * line, column);
        float lower = pixel_at(image, 2 * line + 1, column);
        if (t->colour && t->utf8) {
            fprintf(t->stream, "\033[38;5;%dm\033[48;5;%dm\u2580", grey_colour(upper),
                    grey_colour(lower));
        } else {
            fputc(ramp[(int)(fmaxf(upper, lower) * 9 + 0.5f)], t->stream);
        }
    }
    fputs(terminal_plain(t), t->stream);
}
