/* predict and show on images, through the built program. */
#include "data/image_bytes.h"
#include "support/program_run.h"

#include <jansson.h>

/* Folders of red and blue pictures, two sizes, and a recipe for them. */
static void write_set(fixture *f)
{
    static const char recipe[] = "data:\n"
                                 "  set: images\n"
                                 "  folder: set\n"
                                 "  size: 8\n"
                                 "  scale: 255\n"
                                 "  augment: [horizontal_flip, {rotate: 5}]\n"
                                 "model: [flatten, {dense: 2}]\n"
                                 "loss: sparse_categorical_crossentropy\n"
                                 "optimizer: {sgd: {learning_rate: 0.1}}\n"
                                 "train: {epochs: 10, batch_size: 8, workers: 2}\n";
    fixture_file(f, "set.yaml", recipe, strlen(recipe));
    program_run(f, "mkdir -p $HERE/set/train/red $HERE/set/train/blue $HERE/set/test/red");
    for (int i = 0; i < 24; i++) {
        int height = 8 + i % 5, width = 9 + i % 3;
        uint8_t pixels[13 * 13 * 3] = {0};
        for (int k = 0; k < height * width; k++) {
            pixels[3 * k + (i % 2 ? 2 : 0)] = (uint8_t)(200 + i);
        }
        char name[64];
        snprintf(name, sizeof name, "set/%s/%d.png", i % 2 ? "train/blue" : "train/red", i);
        if (i == 22) snprintf(name, sizeof name, "set/test/red/%d.png", i);
        image_bytes file =
            png_bytes(height, width, 8, PNG_COLOR_TYPE_RGB, false, 0, pixels, (size_t)width * 3);
        fixture_file(f, name, file.bytes, file.size);
        free(file.bytes);
    }
}

static void images_are_named_by_their_class(void **state)
{
    fixture *f = *state;
    write_set(f);
    const program_result *r =
        program_run_well(f, "cd $HERE && $FATHOM train set.yaml -q -o m.safetensors");
    uint8_t red[40 * 70 * 3] = {0};
    for (int i = 0; i < 40 * 70; i++) red[3 * i] = 220;
    image_bytes file = jpeg_bytes((jpeg_form){40, 70, 3, 90, 0, false, false}, red);
    fixture_file(f, "photo.jpg", file.bytes, file.size);
    free(file.bytes);
    r = program_run(f, "cd $HERE && $FATHOM predict m.safetensors photo.jpg set/train/blue");
    assert_int_equal(r->code, 0);
    assert_non_null(strstr(r->out, "photo.jpg   red"));
    assert_non_null(strstr(r->out, "set/train/blue/1.png   blue"));
    assert_non_null(strstr(r->out, "set/train/blue/23.png   blue"));
    r = program_run(f, "cd $HERE && $FATHOM predict m.safetensors photo.jpg --json");
    assert_non_null(strstr(r->out, "\"photo.jpg\""));
    assert_non_null(strstr(r->out, "\"red\""));
    program_run_well(f,
                     "$FATHOM train recipes/spirals.yaml -q --epochs 1 -o $HERE/table.safetensors");
    r = program_run(f, "cd $HERE && $FATHOM predict table.safetensors set");
    assert_int_equal(r->code, 3);
    assert_non_null(strstr(r->err, "set: images become samples of (height, width)"));
    assert_non_null(strstr(r->err, "; wanted is (2)"));
    fixture_file(f, "bad.png", "\x89PNG\r\n\x1a\n", 8);
    r = program_run(f, "cd $HERE && $FATHOM predict m.safetensors bad.png");
    assert_true(r->code != 0);
    assert_non_null(strstr(r->err, "bad.png: broken PNG image: the file ends early"));
}

static void a_part_that_was_cut_is_told(void **state)
{
    fixture *f = *state;
    static const program_case runs[] = {
        {"$FATHOM train set.yaml -q -o m.safetensors", 0, "saved as"},
        {"$FATHOM eval m.safetensors", 0, "\n1 samples of images test in "},
        {"$FATHOM train set.yaml -q -o m.safetensors --set data.test_split=0.25", 0, "saved as"},
        {"$FATHOM eval m.safetensors", 0, "\n6 samples of the test part of images train in "},
    };
    write_set(f);
    check_program(f, "cd $HERE && ", runs, sizeof runs / sizeof runs[0]);
}

/* Names count by letters, not bytes; a picture in colours is drawn in grey. */
static void names_and_pictures_stand_in_columns(void **state)
{
    fixture *f = *state;
    write_set(f);
    program_run_well(f, "cd $HERE && mv set/train/red set/train/r\u00f6d && "
                        "mv set/test/red set/test/r\u00f6d && $FATHOM train set.yaml -q "
                        "--set metrics=[confusion_matrix] -o m.safetensors");
    const program_result *r = program_run_well(f, "cd $HERE && $FATHOM eval m.safetensors");
    assert_non_null(strstr(r->out, "\ntrue    blue   r\u00f6d\nblue       0     0\n"
                                   "r\u00f6d        0     1\n"));
    r = program_run_well(f, "cd $HERE && $FATHOM predict m.safetensors -p set/test/r\u00f6d");
    assert_non_null(strstr(r->out, "/22.png\n::::::::\n::::::::   r\u00f6d  "));
    assert_non_null(strstr(r->out, "\n::::::::   blue "));
    program_run_well(f, "$FATHOM train recipes/spirals.yaml -q --epochs 1 -o $HERE/t.safetensors");
    r = program_run_well(f, "cd $HERE && $FATHOM predict t.safetensors --sample 0,1 -p");
    assert_non_null(strstr(r->err, "warning: --picture draws images of up to 100 x 100 pixels"));
}

/* A class for each pixel: shares of them, not one class of the image. */
static void pixels_have_their_classes(void **state)
{
    fixture *f = *state;
    static const char recipe[] =
        "data: {set: strokes_masks, train_size: 64, test_size: 2, scale: 255}\n"
        "model: [{reshape: [28, 28, 1]}, {conv2d: {filters: 11, kernel_size: 1}}]\n"
        "loss: sparse_categorical_crossentropy\noptimizer: {adam: {learning_rate: 0.1}}\n"
        "metrics: [accuracy]\ntrain: {epochs: 3, seed: 1}\n";
    fixture_file(f, "masks.yaml", recipe, strlen(recipe));
    program_run_well(f, "cd $HERE && $FATHOM train masks.yaml -q -o masks.safetensors");
    const program_result *r =
        program_run_well(f, "cd $HERE && $FATHOM eval masks.safetensors --json");
    double accuracy = atof(strstr(r->out, "\"accuracy\":") + strlen("\"accuracy\":"));
    r = program_run_well(f, "cd $HERE && $FATHOM predict masks.safetensors -n 0,1 --json");
    double right = 0, shares = 0;
    for (const char *line = r->out; *line; line = strchr(line, '\n') + 1) {
        json_t *event = json_loads(line, JSON_DISABLE_EOF_CHECK, NULL), *share;
        const char *name;
        right += json_number_value(json_object_get(event, "right")) / 2;
        json_object_foreach(json_object_get(event, "shares"), name, share)
        {
            shares += json_number_value(share);
        }
        assert_int_equal(json_array_size(json_object_get(event, "shape")), 2);
        assert_int_equal(json_array_size(json_object_get(event, "classes")), 28 * 28);
        json_decref(event);
    }
    assert_true(fabs(right - accuracy) < 1e-6 && accuracy > 0.5);
    assert_true(shares > 1 && shares <= 2.0001); /* the three largest, of two samples */
    r = program_run_well(f, "cd $HERE && $FATHOM predict masks.safetensors -n 0,1");
    assert_non_null(strstr(r->out, "% of 784 right\n"));
}

/* Of steps that could not be made no time is told. */
static void a_broken_picture_is_found_by_check(void **state)
{
    fixture *f = *state;
    write_set(f);
    fixture_file(f, "set/train/red/bad.png", "\x89PNG\r\n\x1a\n", 8);
    const program_result *r = program_run(f, "cd $HERE && $FATHOM check set.yaml -b 1");
    assert_int_equal(r->code, 10);
    assert_non_null(strstr(r->out, "error    steps        a training step fails:"));
    assert_null(strstr(r->out, "forecast"));
    r = program_run(f, "cd $HERE && $FATHOM check set.yaml --json -b 1");
    assert_non_null(strstr(r->out, "\"run_seconds\":null"));
}

/* Letters are told apart, marks are left out, what has no letter is one box. */
static void captions_are_letters(void **state)
{
    fixture *f = *state;
    static const struct {
        const char *a, *b;
        bool equal;
    } rows[] = {
        {"r\u00e9d", "red", true}, {"Red", "red", false}, {"r\U0001f337d", "r\u03a9d", true}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        write_set(f);
        char line[512];
        snprintf(
            line, sizeof line,
            "cd $HERE && mv set/train/red \"set/train/%s\" && rm -r set/test && "
            "$FATHOM show set.yaml --samples a.png && mv \"set/train/%s\" \"set/train/%s\" && "
            "$FATHOM show set.yaml --samples b.png && rm -r set && (cmp -s a.png b.png; echo $?)",
            rows[i].a, rows[i].a, rows[i].b);
        const program_result *r = program_run_well(f, line);
        if ((strstr(r->out, "b.png\n0\n") != NULL) != rows[i].equal) fail_msg("row %zu", i);
    }
}

static void a_contact_sheet_is_written(void **state)
{
    fixture *f = *state;
    write_set(f);
    const program_result *r =
        program_run_well(f, "cd $HERE && $FATHOM show set.yaml --samples s.png");
    assert_non_null(strstr(r->out, "23 training samples of set.yaml: s.png"));
    fm_image sheet;
    assert_ok(f->context, fm_image_read(f->context, fixture_path(f, "s.png"), NULL, &sheet));
    assert_int_equal(sheet.channels, 3);
    assert_int_equal(sheet.width, 6 + 8 * (96 + 6));
    assert_int_equal(sheet.height, 6 + 3 * (96 + 11 + 6));
    int colored = 0;
    for (int64_t i = 0; i < sheet.height * sheet.width; i++) {
        const uint8_t *p = sheet.pixels + 3 * i;
        colored += (p[0] > 150 && p[2] < 50) || (p[2] > 150 && p[0] < 50);
    }
    assert_true(colored > 23 * 96 * 96 * 3 / 4);
    fm_image_release(f->context, &sheet);
    r = program_run(f, "$FATHOM show recipes/spirals.yaml --samples $HERE/s.png");
    assert_non_null(strstr(r->err, "samples of (2) are no images"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(images_are_named_by_their_class),
        fixture_test(a_part_that_was_cut_is_told),
        fixture_test(names_and_pictures_stand_in_columns),
        fixture_test(pixels_have_their_classes),
        fixture_test(a_broken_picture_is_found_by_check),
        fixture_test(captions_are_letters),
        fixture_test(a_contact_sheet_is_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
