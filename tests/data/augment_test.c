#include "support/fixture.h"
#include "data/augment/augment.h"
#include "data/augment/resize_bytes.h"
#include "golden/images_golden.h"

enum { HEIGHT = 11, WIDTH = 14, ELEMENTS = HEIGHT * WIDTH * 3 };

/* ---- sets ---- */

static void fill_picture(uint8_t *to, int channels, int shift)
{
    for (int y = 0; y < HEIGHT; y++) {
        for (int x = 0; x < WIDTH; x++) {
            for (int c = 0; c < channels; c++) {
                *to++ = (uint8_t)(37 * y + 61 * x + 83 * c + 11 * x * y + shift);
            }
        }
    }
}

/* `count` pictures, the i-th shifted by i; classes i % 3. */
static fm_dataset *pictures(fixture *f, int64_t count)
{
    uint8_t *x = malloc((size_t)count * ELEMENTS), *y = malloc((size_t)count);
    for (int i = 0; i < count; i++) {
        fill_picture(x + (size_t)i * ELEMENTS, 3, i);
        y[i] = (uint8_t)(i % 3);
    }
    fm_dataset_info info = {.name = "pictures", .count = count, .field_count = 2};
    info.fields[0] = (fm_data_field){"x", FM_U8, FM_SHAPE(HEIGHT, WIDTH, 3), NULL};
    info.fields[1] = (fm_data_field){"y", FM_U8, FM_SHAPE(), NULL};
    fm_dataset *set;
    assert_ok(f->context,
              fm_dataset_from_arrays(f->context, &info, (const void *[]){x, y}, false, &set));
    free(x);
    free(y);
    return set;
}

static fm_dataset *augmented(fixture *f, fm_dataset *set, const fm_augment *list, int count)
{
    fm_dataset *made;
    assert_ok(f->context, fm_dataset_augment(f->context, set, list, count, &made));
    return made;
}

/* The first picture after one step that is always applied. */
static void apply(fixture *f, fm_augment step, float *to)
{
    fm_dataset *set = pictures(f, 1), *made = augmented(f, set, &step, 1);
    assert_int_equal(fm_dataset_about(made)->fields[0].dtype, FM_F32);
    fm_data_request one = {.count = 1, .fields = {to}};
    assert_ok(f->context, fm_dataset_read(f->context, made, &one));
    fm_dataset_destroy(made);
    fm_dataset_destroy(set);
}

static void assert_golden(const float *received, const float *golden, float tolerance)
{
    for (int i = 0; i < ELEMENTS; i++) {
        if (fabsf(received[i] - golden[i]) <= tolerance) continue;
        fail_msg("value %d is %g, expected %g", i, (double)received[i], (double)golden[i]);
    }
}

/* ---- against others ---- */

static void check_resize(fixture *f, int channels, fm_box box, int height, int width,
                         const uint8_t *golden)
{
    uint8_t from[ELEMENTS], to[20 * 20 * 3];
    fill_picture(from, channels, 0);
    assert_ok(f->context,
              fm_resize_bytes(f->context, from, HEIGHT, WIDTH, channels, box, to, height, width));
    assert_memory_equal(to, golden, (size_t)(height * width * channels));
}

static void resizing_is_pillows(void **state)
{
    fixture *f = *state;
    fm_box whole = {0, 0, HEIGHT, WIDTH};
    check_resize(f, 3, whole, 5, 6, golden_smaller_3);
    check_resize(f, 3, whole, 17, 20, golden_larger_3);
    check_resize(f, 3, (fm_box){1, 2, 9, 10}, 4, 7, golden_part_3);
    check_resize(f, 1, whole, 3, 9, golden_smaller_1);
}

#define FIXED(value)                                                                               \
    {                                                                                              \
        2,                                                                                         \
        {                                                                                          \
            value, value                                                                           \
        }                                                                                          \
    }

static void moving_is_grid_sample(void **state)
{
    fixture *f = *state;
    float x[ELEMENTS];
    apply(f, (fm_augment){.kind = FM_AUGMENT_ROTATE, .range = FIXED(30)}, x);
    assert_golden(x, golden_rotated_30, 0.01f);
    apply(f, (fm_augment){.kind = FM_AUGMENT_ROTATE, .range = FIXED(30), .fill = FM_FILL_EDGE}, x);
    assert_golden(x, golden_rotated_30_edge, 0.01f);
    fm_dataset *set = pictures(f, 1);
    const fm_augment two[] = {{.kind = FM_AUGMENT_SCALE, .range = FIXED(1.25)},
                              {.kind = FM_AUGMENT_SHEAR, .range = FIXED(20)}};
    fm_dataset *made = augmented(f, set, two, 2);
    fm_data_request one = {.count = 1, .fields = {x}};
    assert_ok(f->context, fm_dataset_read(f->context, made, &one));
    assert_golden(x, golden_zoomed_then_sheared, 0.01f);
    fm_dataset_destroy(made);
    fm_dataset_destroy(set);
}

static void colors_are_as_published(void **state)
{
    fixture *f = *state;
    float x[ELEMENTS];
    apply(f, (fm_augment){.kind = FM_AUGMENT_BRIGHTNESS, .range = FIXED(1.5)}, x);
    assert_golden(x, golden_bright_1_5, 0.01f);
    apply(f, (fm_augment){.kind = FM_AUGMENT_CONTRAST, .range = FIXED(0.4)}, x);
    assert_golden(x, golden_contrast_0_4, 0.01f);
    apply(f, (fm_augment){.kind = FM_AUGMENT_SATURATION, .range = FIXED(1.7)}, x);
    assert_golden(x, golden_saturation_1_7, 0.01f);
    apply(f, (fm_augment){.kind = FM_AUGMENT_HUE, .range = FIXED(0.2)}, x);
    assert_golden(x, golden_hue_0_2, 0.02f);
    apply(f, (fm_augment){.kind = FM_AUGMENT_GAUSSIAN_BLUR, .range = FIXED(0.8)}, x);
    assert_golden(x, golden_blurred_0_8, 0.01f);
    apply(f, (fm_augment){.kind = FM_AUGMENT_GRAYSCALE, .probability = 1}, x);
    for (int i = 0; i < ELEMENTS; i += 3) assert_true(x[i] == x[i + 1] && x[i] == x[i + 2]);
}

/* ---- exact moves ---- */

static void flips_and_crops_stay_bytes(void **state)
{
    fixture *f = *state;
    fm_dataset *set = pictures(f, 1);
    uint8_t from[ELEMENTS], to[ELEMENTS];
    fill_picture(from, 3, 0);
    const fm_augment both[] = {{.kind = FM_AUGMENT_CROP, .padding = 2, .value = 1},
                               {.kind = FM_AUGMENT_HORIZONTAL_FLIP, .probability = 1},
                               {.kind = FM_AUGMENT_VERTICAL_FLIP, .probability = 1}};
    fm_dataset *made = augmented(f, set, both, 3);
    assert_int_equal(fm_dataset_about(made)->fields[0].dtype, FM_U8);
    bool seen[5][5] = {0};
    for (uint32_t epoch = 0; epoch < 200; epoch++) {
        fm_data_request one = {.count = 1, .fields = {to}, .seed = 3, .epoch = epoch};
        assert_ok(f->context, fm_dataset_read(f->context, made, &one));
        int matches = 0;
        for (int dy = -2; dy <= 2; dy++) {
            for (int dx = -2; dx <= 2; dx++) {
                bool same = true;
                for (int y = 0; y < HEIGHT && same; y++) {
                    for (int i = 0; i < WIDTH * 3 && same; i++) {
                        int r = HEIGHT - 1 - y + dy, c = WIDTH - 1 - i / 3 + dx;
                        bool inside = r >= 0 && r < HEIGHT && c >= 0 && c < WIDTH;
                        int wanted = inside ? from[(r * WIDTH + c) * 3 + i % 3] : 255;
                        same = to[y * WIDTH * 3 + i] == wanted;
                    }
                }
                if (!same) continue;
                matches++;
                seen[dy + 2][dx + 2] = true;
            }
        }
        assert_int_equal(matches, 1);
    }
    for (int i = 0; i < 25; i++) assert_true(seen[i / 5][i % 5]);
    fm_dataset_destroy(made);
    fm_dataset_destroy(set);
}

static void outside_may_be_reflected(void **state)
{
    fixture *f = *state;
    uint8_t pixels[] = {1, 2, 3, 4, 5, 6, 7, 8, 9}, moved[9];
    fm_canvas canvas = {3, 3, 1, 255, true, true, pixels, moved};
    fm_affine down_right = {.yy = 1, .xx = 1, .y0 = -1, .x0 = -2};
    fm_canvas_move(&canvas, &down_right, FM_FILL_REFLECT, 0);
    assert_memory_equal(canvas.pixels, ((uint8_t[]){6, 5, 4, 3, 2, 1, 6, 5, 4}), 9);
    (void)f;
}

static void grey_images_need_no_channel(void **state)
{
    fixture *f = *state;
    float x[2 * 9] = {0, 0, 1, 0, 0, 1, 0, 0, 1}, to[2 * 9];
    fm_dataset_info info = {.name = "grey", .count = 2, .field_count = 1};
    info.fields[0] = (fm_data_field){"x", FM_F32, FM_SHAPE(3, 3), NULL};
    fm_dataset *set, *made;
    assert_ok(f->context,
              fm_dataset_from_arrays(f->context, &info, (const void *[]){x}, false, &set));
    fm_augment step = {.kind = FM_AUGMENT_HORIZONTAL_FLIP, .probability = 1};
    made = augmented(f, set, &step, 1);
    fm_data_request both = {.count = 2, .fields = {to}};
    assert_ok(f->context, fm_dataset_read(f->context, made, &both));
    assert_memory_equal(to, ((float[]){1, 0, 0, 1, 0, 0, 1, 0, 0}), 9 * sizeof *to);
    fm_dataset_destroy(made);
    step = (fm_augment){.kind = FM_AUGMENT_HUE};
    assert_fails(f->context, FM_ERROR_SHAPE, "hue needs samples of 3 channels",
                 fm_dataset_augment(f->context, set, &step, 1, &made));
    step = (fm_augment){.kind = FM_AUGMENT_COLOR_JITTER};
    made = augmented(f, set, &step, 1);
    assert_ok(f->context, fm_dataset_read(f->context, made, &both));
    fm_dataset_destroy(made);
    fm_dataset_destroy(set);
}

/* ---- chance ---- */

static const fm_augment everything[] = {
    {.kind = FM_AUGMENT_RANDOM_RESIZED_CROP},
    {.kind = FM_AUGMENT_HORIZONTAL_FLIP},
    {.kind = FM_AUGMENT_SHIFT},
    {.kind = FM_AUGMENT_SCALE, .fill = FM_FILL_EDGE},
    {.kind = FM_AUGMENT_ROTATE},
    {.kind = FM_AUGMENT_SHEAR},
    {.kind = FM_AUGMENT_COLOR_JITTER},
    {.kind = FM_AUGMENT_GRAYSCALE, .probability = 0.5},
    {.kind = FM_AUGMENT_GAUSSIAN_NOISE},
    {.kind = FM_AUGMENT_GAUSSIAN_BLUR},
    {.kind = FM_AUGMENT_RANDOM_ERASING, .paint = FM_PAINT_NOISE},
};
enum { EVERYTHING = sizeof everything / sizeof everything[0], SAMPLES = 23 };

static void check_loader(fixture *f, fm_dataset *made, int workers, int64_t batch_size,
                         const float *expected)
{
    fm_loader *loader;
    fm_loader_options how = {
        .batch_size = batch_size, .workers = workers, .shuffle = true, .seed = 5};
    assert_ok(f->context, fm_loader_create(f->context, made, &how, &loader));
    for (int epoch = 0; epoch < 2; epoch++, expected += SAMPLES * ELEMENTS) {
        fm_batch batch;
        assert_ok(f->context, fm_loader_begin(loader, epoch, 0));
        do {
            assert_ok(f->context, fm_loader_next(loader, &batch));
            for (int64_t i = 0; i < batch.count; i++) {
                assert_memory_equal((const float *)batch.x + i * ELEMENTS,
                                    expected + (size_t)batch.indices[i] * ELEMENTS,
                                    ELEMENTS * sizeof(float));
            }
        } while (batch.count > 0);
    }
    fm_loader_destroy(loader);
}

static void samples_depend_on_seed_epoch_and_index_alone(void **state)
{
    fixture *f = *state;
    fm_dataset *set = pictures(f, SAMPLES), *made = augmented(f, set, everything, EVERYTHING);
    size_t epoch_size = SAMPLES * ELEMENTS;
    float *expected = malloc(3 * epoch_size * sizeof *expected);
    for (int i = 0; i < 3; i++) {
        fm_data_request all = {.count = SAMPLES,
                               .fields = {expected + (size_t)i * epoch_size},
                               .seed = i == 2 ? 6 : 5,
                               .epoch = i == 1};
        assert_ok(f->context, fm_dataset_read(f->context, made, &all));
    }
    assert_memory_not_equal(expected, expected + epoch_size, epoch_size * sizeof *expected);
    assert_memory_not_equal(expected, expected + 2 * epoch_size, epoch_size * sizeof *expected);
    for (size_t i = 0; i < epoch_size; i++) assert_true(expected[i] >= 0 && expected[i] <= 255);
    check_loader(f, made, 0, 5, expected);
    check_loader(f, made, 1, 4, expected);
    check_loader(f, made, 3, 2, expected);
    free(expected);
    fm_dataset_destroy(made);
    fm_dataset_destroy(set);
}

static void probability_is_kept(void **state)
{
    fixture *f = *state;
    enum { COUNT = 2000 };
    fm_dataset *set = pictures(f, COUNT);
    fm_augment step = {.kind = FM_AUGMENT_VERTICAL_FLIP, .probability = 0.3};
    fm_dataset *made = augmented(f, set, &step, 1);
    uint8_t from[ELEMENTS], to[ELEMENTS];
    int flipped = 0;
    for (int i = 0; i < COUNT; i++) {
        fm_data_request one = {.first = i, .count = 1, .fields = {to}};
        assert_ok(f->context, fm_dataset_read(f->context, made, &one));
        fill_picture(from, 3, i);
        flipped += memcmp(from, to, sizeof to) != 0;
    }
    assert_in_range(flipped, 520, 680); /* 600, deviation 20 */
    fm_dataset_destroy(made);
    fm_dataset_destroy(set);
}

static void noise_has_its_deviation(void **state)
{
    fixture *f = *state;
    static float x[64 * 64];
    double sum = 0, squares = 0;
    for (int i = 0; i < 64 * 64; i++) x[i] = 0.5f;
    static float spare[64 * 64];
    fm_canvas canvas = {64, 64, 1, 1, false, false, x, spare};
    fm_augment step = {.kind = FM_AUGMENT_GAUSSIAN_NOISE, .deviation = 0.1};
    fm_random random = fm_random_at(1, 2, 3);
    fm_canvas_noise(&canvas, &step, &random);
    for (int i = 0; i < 64 * 64; i++) {
        sum += (double)x[i] - 0.5;
        squares += ((double)x[i] - 0.5) * ((double)x[i] - 0.5);
    }
    assert_near(sum / 4096, 0, 0.006);
    assert_near(sqrt(squares / 4096), 0.1, 0.005);
    (void)f;
}

static void erasing_paints_a_rectangle(void **state)
{
    fixture *f = *state;
    for (uint32_t epoch = 0; epoch < 50; epoch++) {
        uint8_t pixels[40 * 30], spare[40 * 30];
        memset(pixels, 9, sizeof pixels);
        fm_canvas canvas = {40, 30, 1, 255, true, true, pixels, spare};
        fm_augment step = {.kind = FM_AUGMENT_RANDOM_ERASING,
                           .range = {2, {0.1, 0.2}},
                           .paint = FM_PAINT_CONSTANT,
                           .value = 1};
        assert_ok(f->context, fm_augment_check(f->context, &step));
        fm_random random = fm_random_at(1, epoch, 0);
        fm_canvas_erase(&canvas, &step, &random);
        int painted = 0, top = 40, bottom = 0, left = 30, right = 0;
        for (int i = 0; i < 40 * 30; i++) {
            if (pixels[i] != 255) continue;
            painted++;
            top = i / 30 < top ? i / 30 : top;
            bottom = i / 30 > bottom ? i / 30 : bottom;
            left = i % 30 < left ? i % 30 : left;
            right = i % 30 > right ? i % 30 : right;
        }
        assert_int_equal(painted, (bottom - top + 1) * (right - left + 1));
        assert_in_range(painted, 100, 260);
    }
}

/* ---- masks ---- */

static void masks_move_with_their_images(void **state)
{
    fixture *f = *state;
    uint8_t x[16 * 16], y[16 * 16], to_y[16 * 16];
    for (int i = 0; i < 256; i++) x[i] = 200 * (y[i] = (uint8_t)(i / 16 > 5 && i % 16 > 7));
    fm_column classes = {.kind = FM_COLUMN_CATEGORICAL, .category_count = 2};
    fm_dataset_info info = {.name = "masks", .count = 1, .field_count = 2};
    info.fields[0] = (fm_data_field){"x", FM_U8, FM_SHAPE(16, 16, 1), NULL};
    info.fields[1] = (fm_data_field){"y", FM_U8, FM_SHAPE(16, 16, 1), &classes};
    fm_dataset *set, *made, *ready;
    fm_transform *transform;
    assert_ok(f->context,
              fm_dataset_from_arrays(f->context, &info, (const void *[]){x, y}, false, &set));
    const fm_augment list[] = {{.kind = FM_AUGMENT_ROTATE},
                               {.kind = FM_AUGMENT_SHIFT},
                               {.kind = FM_AUGMENT_HORIZONTAL_FLIP}};
    made = augmented(f, set, list, 3);
    assert_ok(f->context, fm_transform_fit(f->context, set, NULL, &transform));
    assert_ok(f->context, fm_dataset_transform(f->context, made, transform, &ready));
    assert_true(fm_shape_equal(fm_dataset_about(ready)->fields[1].shape, FM_SHAPE(16, 16)));
    for (uint32_t epoch = 0; epoch < 20; epoch++) {
        float to[16 * 16];
        int32_t labels[16 * 16];
        fm_data_request one = {.count = 1, .fields = {to, labels}, .epoch = epoch};
        assert_ok(f->context, fm_dataset_read(f->context, ready, &one));
        fm_data_request mask = {.count = 1, .fields = {NULL, to_y}, .epoch = epoch};
        assert_ok(f->context, fm_dataset_read(f->context, made, &mask));
        int inside = 0;
        for (int i = 0; i < 256; i++) {
            if (to[i] > 101) assert_int_equal(to_y[i], 1); /* the nearest has most weight */
            if (to[i] == 0) assert_int_equal(to_y[i], 0);
            assert_int_equal(labels[i], to_y[i]);
            inside += to_y[i];
        }
        assert_true(inside > 20);
    }
    fm_transform_destroy(transform);
    fm_dataset_destroy(ready);
    fm_dataset_destroy(made);
    fm_dataset_destroy(set);
}

/* ---- mixup and cutmix ---- */

enum { MIXED = 60, PLACES = 8 * 8 };

/* Sample i is full of the number of its class, so that what was mixed can be read off. */
static void make_mixed(fixture *f, const fm_augment *list, int count, fm_dataset **mixed)
{
    float x[MIXED * PLACES];
    uint8_t y[MIXED];
    for (int i = 0; i < MIXED; i++) {
        y[i] = (uint8_t)(i % 4);
        for (int k = 0; k < PLACES; k++) x[i * PLACES + k] = y[i];
    }
    fm_dataset_info info = {.name = "classes", .count = MIXED, .field_count = 2};
    info.fields[0] = (fm_data_field){"x", FM_F32, FM_SHAPE(8, 8, 1), NULL};
    info.fields[1] = (fm_data_field){"y", FM_U8, FM_SHAPE(), NULL};
    fm_dataset *set, *ready;
    fm_transform *transform;
    fm_transform_options one_hot = {.target = FM_TARGET_ONE_HOT};
    assert_ok(f->context,
              fm_dataset_from_arrays(f->context, &info, (const void *[]){x, y}, false, &set));
    assert_ok(f->context, fm_transform_fit(f->context, set, &one_hot, &transform));
    assert_ok(f->context, fm_dataset_transform(f->context, set, transform, &ready));
    assert_ok(f->context, fm_dataset_mix(f->context, ready, list, count, mixed));
    fm_transform_destroy(transform);
    fm_dataset_destroy(ready);
    fm_dataset_destroy(set);
}

static void labels_are_shares_of_what_is_seen(void **state)
{
    fixture *f = *state;
    for (int kind = FM_AUGMENT_MIXUP; kind <= FM_AUGMENT_CUTMIX; kind++) {
        fm_augment step = {.kind = kind, .alpha = 1};
        fm_dataset *mixed;
        make_mixed(f, &step, 1, &mixed);
        float x[MIXED * PLACES], y[MIXED * 4], again[MIXED * 4];
        fm_data_request all = {.count = MIXED, .fields = {x, y}, .seed = 2};
        assert_ok(f->context, fm_dataset_read(f->context, mixed, &all));
        int shared = 0;
        for (int i = 0; i < MIXED; i++) {
            double mean = 0, told = 0, sum = 0;
            for (int k = 0; k < PLACES; k++) mean += (double)x[i * PLACES + k] / PLACES;
            for (int k = 0; k < 4; k++) told += k * (double)y[i * 4 + k];
            for (int k = 0; k < 4; k++) sum += (double)y[i * 4 + k];
            assert_near(mean, told, 1e-5);
            assert_near(sum, 1, 1e-6);
            shared += y[i * 4 + i % 4] < 1 && y[i * 4 + i % 4] > 0;
        }
        assert_true(shared > MIXED / 3);
        fm_data_request labels = {.count = MIXED, .fields = {NULL, again}, .seed = 2};
        assert_ok(f->context, fm_dataset_read(f->context, mixed, &labels));
        assert_memory_equal(again, y, sizeof y);
        uint32_t last = MIXED - 1;
        fm_data_request one = {.indices = &last, .count = 1, .fields = {x, again}, .seed = 2};
        assert_ok(f->context, fm_dataset_read(f->context, mixed, &one));
        assert_memory_equal(again, y + 4 * last, 4 * sizeof *y);
        fm_dataset_destroy(mixed);
    }
}

static void shares_are_of_the_beta_distribution(void **state)
{
    fixture *f = *state;
    const double alphas[] = {0.2, 1, 4};
    for (int a = 0; a < 3; a++) {
        fm_augment step = {.kind = FM_AUGMENT_MIXUP, .alpha = alphas[a]};
        fm_dataset *mixed;
        make_mixed(f, &step, 1, &mixed);
        double sum = 0, squares = 0;
        int counted = 0;
        for (uint32_t epoch = 0; epoch < 100; epoch++) {
            float y[MIXED * 4];
            fm_data_request all = {.count = MIXED, .fields = {NULL, y}, .epoch = epoch};
            assert_ok(f->context, fm_dataset_read(f->context, mixed, &all));
            for (int i = 0; i < MIXED; i++) {
                double share = (double)y[4 * i + i % 4];
                for (int k = 1; k < 4; k++) { /* with a partner of another class */
                    double other = (double)y[4 * i + (i + k) % 4];
                    if (other == 0 && share != 0) continue;
                    sum += share;
                    squares += share * share;
                    counted++;
                    break;
                }
            }
        }
        double mean = sum / counted, variance = squares / counted - mean * mean;
        assert_true(counted > 3000);
        assert_near(mean, 0.5, 0.03);
        assert_near(variance, 0.25 / (2 * alphas[a] + 1), 0.015);
        fm_dataset_destroy(mixed);
    }
}

static void mixing_wants_shares(void **state)
{
    fixture *f = *state;
    fm_dataset *set = pictures(f, 3), *made;
    fm_augment step = {.kind = FM_AUGMENT_MIXUP}, flip = {.kind = FM_AUGMENT_HORIZONTAL_FLIP};
    assert_fails(f->context, FM_ERROR_SHAPE, "f32 (classes)",
                 fm_dataset_mix(f->context, set, &step, 1, &made));
    assert_true(fm_augment_mixes(&step, 1));
    assert_false(fm_augment_mixes(&flip, 1));
    fm_dataset_destroy(set);
}

/* ---- options ---- */

static void options_are_checked(void **state)
{
    fixture *f = *state;
    fm_augment step = {.kind = FM_AUGMENT_ROTATE, .range = {1, {20}}};
    assert_ok(f->context, fm_augment_check(f->context, &step));
    assert_true(step.range.count == 2 && step.range.at[0] == -20 && step.range.at[1] == 20);
    step = (fm_augment){.kind = FM_AUGMENT_SCALE, .range = {1, {0.25}}};
    assert_ok(f->context, fm_augment_check(f->context, &step));
    assert_true(step.range.at[0] == 0.75 && step.range.at[1] == 1.25);
    const struct {
        fm_augment step;
        const char *words;
    } wrong[] = {
        {{.kind = 99}, "there is no kind 99"},
        {{.kind = FM_AUGMENT_ROTATE, .range = {2, {3, 1}}}, "rotate: a range goes from"},
        {{.kind = FM_AUGMENT_ROTATE, .range = {3, {1, 2, 3}}}, "rotate: a range has one number"},
        {{.kind = FM_AUGMENT_SHEAR, .range = {1, {90}}}, "shear: degrees must lie between"},
        {{.kind = FM_AUGMENT_SCALE, .range = {2, {0, 1}}}, "scale: factors are larger than 0"},
        {{.kind = FM_AUGMENT_CROP, .padding = -1}, "crop: padding must lie between"},
        {{.kind = FM_AUGMENT_HORIZONTAL_FLIP, .probability = 2}, "horizontal_flip: probability"},
        {{.kind = FM_AUGMENT_MIXUP, .alpha = -1}, "mixup: alpha"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        step = wrong[i].step;
        assert_fails(f->context, FM_ERROR_ARGUMENT, wrong[i].words,
                     fm_augment_check(f->context, &step));
    }
    assert_ptr_equal(fm_augment_find("cutout"), fm_augment_at(FM_AUGMENT_RANDOM_ERASING));
    assert_null(fm_augment_find("cutou"));
    assert_null(fm_augment_at(-1));
}

typedef struct job {
    fm_dataset *set;
} job;

static fm_status augment_again(fm_context *context, void *argument)
{
    const job *j = argument;
    static float x[3 * ELEMENTS];
    fm_dataset *made;
    fm_status status = fm_dataset_augment(context, j->set, everything, EVERYTHING, &made);
    if (status != FM_OK) return status;
    fm_data_request all = {.count = 3, .fields = {x}};
    status = fm_dataset_read(context, made, &all);
    fm_dataset_destroy(made);
    return status;
}

static void memory_may_fail(void **state)
{
    fixture *f = *state;
    job j = {pictures(f, 3)};
    assert_true(fail_each_allocation(f, augment_again, &j) >= 3);
    fm_dataset_destroy(j.set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(resizing_is_pillows),
        fixture_test(moving_is_grid_sample),
        fixture_test(colors_are_as_published),
        fixture_test(flips_and_crops_stay_bytes),
        fixture_test(outside_may_be_reflected),
        fixture_test(grey_images_need_no_channel),
        fixture_test(samples_depend_on_seed_epoch_and_index_alone),
        fixture_test(probability_is_kept),
        fixture_test(noise_has_its_deviation),
        fixture_test(erasing_paints_a_rectangle),
        fixture_test(masks_move_with_their_images),
        fixture_test(labels_are_shares_of_what_is_seen),
        fixture_test(shares_are_of_the_beta_distribution),
        fixture_test(mixing_wants_shares),
        fixture_test(options_are_checked),
        fixture_test(memory_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
