/* Steps that vary recordings, before features are computed,
 * and steps that hide parts of features. */
#include "data/augment/augment.h"

#include <string.h>

/* ---- recordings ---- */

static void make_louder(fm_wave_step *w, float *samples, int64_t count)
{
    float factor = (float)pow(10, fm_augment_draw(&w->step->range, &w->random) / 20);
    for (int64_t i = 0; i < count; i++) samples[i] *= factor;
}

/* White noise over all of the sample, against the mean power of what is not silence around it. */
static void add_noise(fm_wave_step *w, float *samples, int64_t count, int64_t first, int64_t last)
{
    double power = 0, ratio = pow(10, fm_augment_draw(&w->step->range, &w->random) / 10);
    for (int64_t i = first; i < last; i++) power += (double)samples[i] * (double)samples[i];
    if (power == 0) return;
    double deviation = sqrt(power / (double)(last - first) / ratio);
    for (int64_t i = 0; i < count; i++) {
        samples[i] += (float)(deviation * fm_random_normal(&w->random));
    }
}

static void change_samples(void *user, float *samples, int64_t count, int64_t first, int64_t last)
{
    fm_wave_steps *steps = user;
    for (int i = 0; i < steps->count; i++) {
        fm_wave_step *w = &steps->at[i];
        if (w->step->kind == FM_AUGMENT_GAIN) {
            make_louder(w, samples, count);
        } else {
            add_noise(w, samples, count, first, last);
        }
    }
}

void fm_wave_steps_begin(fm_wave_steps *steps)
{
    steps->count = 0;
    steps->change = (fm_wave_change){.speed = 1, .change = change_samples, .user = steps};
}

void fm_wave_steps_add(fm_wave_steps *steps, const fm_augment *step, fm_random random)
{
    switch (step->kind) {
    case FM_AUGMENT_TIME_SHIFT:
        steps->change.shift += fm_augment_draw(&step->range, &random);
        break;
    case FM_AUGMENT_SPEED:
        steps->change.speed *= fm_augment_draw(&step->range, &random);
        break;
    default:
        steps->at[steps->count++] = (fm_wave_step){step, random};
        break;
    }
}

/* ---- features ---- */

static float mean_of(const float *values, int64_t count)
{
    double sum = 0;
    for (int64_t i = 0; i < count; i++) sum += (double)values[i];
    return (float)(sum / (double)count);
}

/* A width from 0 to `width`, at most `share` of the axis, anywhere (D. Park et al., 2019). */
void fm_canvas_hide(fm_canvas *canvas, const fm_augment *step, fm_random *random)
{
    fm_canvas_to_floats(canvas);
    bool rows = step->kind == FM_AUGMENT_TIME_MASK;
    int64_t axis = rows ? canvas->height : canvas->width;
    int64_t most = (int64_t)((double)axis * step->share);
    if (step->width < most) most = step->width;
    float *pixels = canvas->pixels, mean = mean_of(pixels, fm_canvas_elements(canvas));
    for (int64_t k = 0; k < step->count; k++) {
        int64_t width = (int64_t)fm_random_below(random, (uint64_t)most + 1);
        int64_t first = (int64_t)fm_random_below(random, (uint64_t)(axis - width) + 1);
        for (int64_t y = 0; y < canvas->height; y++) {
            if (rows && (y < first || y >= first + width)) continue;
            int64_t from = rows ? 0 : first, to = rows ? canvas->width : first + width;
            float *row = pixels + y * canvas->width * canvas->channels;
            for (int64_t i = from * canvas->channels; i < to * canvas->channels; i++) row[i] = mean;
        }
    }
}
