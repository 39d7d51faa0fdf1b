/* fathom embed: maps as pictures, features as files, messages. */
#include "support/program_run.h"
#include "fathom/data_files.h"
#include "fathom/image.h"

#include <jansson.h>

static const char digits[] = "data: {set: strokes, train_size: 600, test_size: 90, scale: 255}\n"
                             "model:\n"
                             "  - reshape: [28, 28, 1]\n"
                             "  - conv2d: {filters: 6, kernel_size: 3, activation: relu}\n"
                             "  - max_pooling2d\n"
                             "  - flatten\n"
                             "  - dense: {units: 12, activation: relu, name: features}\n"
                             "  - dense: 10\n"
                             "loss: sparse_categorical_crossentropy\n"
                             "optimizer: {adam: {learning_rate: 0.004}}\n"
                             "train: {epochs: 4}\n";
static const char codes[] = "data: {set: strokes, train_size: 100, test_size: 20, scale: 255, "
                            "target: input}\n"
                            "model: [flatten, {dense: {units: 3, name: code}}, {dense: 784},\n"
                            "        {reshape: [28, 28]}]\n"
                            "loss: mean_squared_error\n"
                            "optimizer: adam\n";
static const char views[] =
    "data: {set: strokes, train_size: 64, test_size: 24, scale: 255, views: 2,\n"
    "       augment: [{rotate: 15}]}\n"
    "model: [flatten, {dense: {units: 8, name: body}}, relu, {dense: 4}]\n"
    "loss: contrastive\n"
    "optimizer: adam\n"
    "train: {batch_size: 16}\n";
static const char numbers[] = "data: {set: csv, file: t.csv}\n"
                              "model: [{dense: {units: 4, activation: tanh}}, {dense: 1}]\n"
                              "loss: mean_squared_error\n"
                              "optimizer: adam\n";

static void train(fixture *f, const char *name, const char *recipe)
{
    char line[256], text[8192] = "a,b,price\n";
    for (int i = 0; i < 60; i++) {
        snprintf(text + strlen(text), 64, "%.5f,%.5f,%d\n", sin(i), cos(2 * i), 100 + i);
    }
    fixture_file(f, "t.csv", text, strlen(text));
    fixture_file(f, "r.yaml", recipe, strlen(recipe));
    snprintf(line, sizeof line, "cd $HERE && $FATHOM train r.yaml -q --out %s.safetensors", name);
    program_run_well(f, line);
}

static int coloured_pixels(fixture *f, const char *name)
{
    fm_image image;
    int coloured = 0;
    assert_ok(f->context, fm_image_read(f->context, fixture_path(f, name), NULL, &image));
    for (int64_t i = 0; i < image.height * image.width; i++) {
        const uint8_t *p = image.pixels + 3 * i;
        coloured += p[0] != p[1] || p[1] != p[2];
    }
    fm_image_release(f->context, &image);
    return coloured;
}

static void a_model_becomes_a_map(void **state)
{
    fixture *f = *state;
    train(f, "m", digits);
    const program_result *r = program_run(f, "cd $HERE && $FATHOM embed m.safetensors");
    assert_int_equal(r->code, 0);
    assert_string_equal(r->err, "written: embedding.png\n");
    assert_non_null(strstr(
        r->out, "90 of 90 samples of strokes test (test part): features (12) of features\n"));
    assert_non_null(strstr(r->out, "t-SNE: perplexity 29.67, divergence "));
    assert_non_null(strstr(r->out, "of the 10 nearest neighbours "));
    assert_true(coloured_pixels(f, "embedding.png") > 90 * 30);
    r = program_run(f, "cd $HERE && $FATHOM embed m.safetensors -m pca -q -o p.png --limit 40");
    assert_int_equal(r->code, 0);
    assert_string_equal(r->err, "");
    assert_non_null(strstr(r->out, "40 of 90 samples"));
    assert_non_null(strstr(r->out, "PCA: PC 1: "));
    assert_true(coloured_pixels(f, "p.png") > 40 * 30);
}

static void points_are_told_as_json(void **state)
{
    fixture *f = *state;
    train(f, "m", digits);
    static const char line[] =
        "cd $HERE && $FATHOM embed m.safetensors --json -q --perplexity 5 -t %d";
    static char first[PROGRAM_OUTPUT];
    char command[256];
    snprintf(command, sizeof command, line, 1);
    snprintf(first, sizeof first, "%s", program_run_well(f, command)->out);
    snprintf(command, sizeof command, line, 3);
    assert_string_equal(program_run_well(f, command)->out, first);
    json_t *object = json_loads(first, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(object, "layer")), "features");
    json_t *agreement = json_object_get(object, "agreement");
    assert_true(json_number_value(json_object_get(agreement, "features")) > 0.3);
    assert_true(json_number_value(json_object_get(agreement, "map")) > 0.3);
    assert_int_equal(json_number_value(json_object_get(object, "perplexity")), 5);
    json_t *points = json_object_get(object, "points"), *point = json_array_get(points, 89);
    assert_int_equal(json_array_size(points), 90);
    assert_int_equal(json_integer_value(json_object_get(point, "sample")), 89);
    assert_int_equal(strlen(json_string_value(json_object_get(point, "class"))), 1);
    json_decref(object);
}

static void features_are_files(void **state)
{
    fixture *f = *state;
    fm_dataset *data;
    train(f, "m", digits);
    program_run_well(f, "cd $HERE && $FATHOM embed m.safetensors -m pca -q --features f.npy && "
                        "$FATHOM embed m.safetensors -m pca -q --features f.csv --sample 7,3,9,1");
    assert_ok(f->context,
              fm_dataset_open_npy(f->context, fixture_path(f, "f.npy"), NULL, 0, &data));
    const fm_dataset_info *about = fm_dataset_about(data);
    float rows[4][12];
    double cells[4][15]; /* sample, class, x, y, features but the last */
    const uint32_t chosen[] = {7, 3, 9, 1};
    assert_int_equal(about->count, 90);
    assert_true(fm_shape_equal(about->fields[0].shape, FM_SHAPE(12)));
    fm_data_request request = {.indices = chosen, .count = 4, .fields = {rows}};
    assert_ok(f->context, fm_dataset_read(f->context, data, &request));
    fm_dataset_destroy(data);
    const fm_csv_options reading = {.target = "features_11"};
    assert_ok(f->context,
              fm_dataset_open_csv(f->context, fixture_path(f, "f.csv"), &reading, &data));
    about = fm_dataset_about(data);
    assert_int_equal(about->count, 4);
    assert_string_equal(about->fields[0].columns[4].name, "features_0");
    request = (fm_data_request){.count = 4, .fields = {cells}};
    assert_ok(f->context, fm_dataset_read(f->context, data, &request));
    for (int i = 0; i < 4; i++) {
        assert_true(cells[i][0] == chosen[i]);
        for (int k = 0; k < 11; k++) assert_near(cells[i][4 + k], (double)rows[i][k], 1e-6);
    }
    fm_dataset_destroy(data);
}

/* An autoencoder is mapped where it is narrowest, in the colors of classes that it never saw. */
static void autoencoders_are_mapped_by_their_code(void **state)
{
    fixture *f = *state;
    train(f, "a", codes);
    const program_result *r = program_run_well(f, "cd $HERE && $FATHOM embed a.safetensors -m pca");
    assert_non_null(strstr(r->out, "20 of 20 samples"));
    assert_non_null(strstr(r->out, "features (3) of code\n"));
    assert_non_null(strstr(r->out, "nearest neighbours"));
    r = program_run_well(f, "cd $HERE && $FATHOM embed a.safetensors -m pca -l input");
    assert_non_null(strstr(r->out, "features (28, 28) of input\n"));
}

/* Each sample once, however many views of it are trained on, in the colors of its class. */
static void views_are_mapped_once(void **state)
{
    fixture *f = *state;
    train(f, "v", views);
    const program_result *r = program_run_well(f, "cd $HERE && $FATHOM embed v.safetensors -m pca");
    assert_non_null(strstr(r->out, "24 of 24 samples"));
    assert_non_null(strstr(r->out, "nearest neighbours"));
}

/* Without data kept aside the training part is mapped; numbers are colors of a scale. */
static void numbers_are_a_scale(void **state)
{
    fixture *f = *state;
    train(f, "n", numbers);
    const program_result *r =
        program_run_well(f, "cd $HERE && $FATHOM embed n.safetensors -m pca -o n.png");
    assert_non_null(strstr(r->out, "(training part): features (4) of dense\n"));
    assert_null(strstr(r->out, "neighbours"));
    assert_true(coloured_pixels(f, "n.png") > 300 * 18); /* the scale itself */
    r = program_run_well(f, "cd $HERE && $FATHOM embed n.safetensors t.csv -m pca -o n.png");
    assert_non_null(strstr(r->out, "60 of 60 samples of "));
}

static void mistakes_are_told(void **state)
{
    fixture *f = *state;
    train(f, "m", digits);
    static const program_case cases[] = {
        {"m.safetensors -m umap", 3, "--method: there is no 'umap'; methods are tsne and pca"},
        {"m.safetensors -m pcaa", 3, "there is no 'pcaa'; did you mean 'pca'?"},
        {"m.safetensors -l dense_7", 5, "no layer 'dense_7'; the layers are input, reshape"},
        {"m.safetensors --features f.txt", 3, "--features f.txt: what shall it be?"},
        {"m.safetensors -m pca --perplexity 5", 3, "--perplexity is for --method tsne"},
        {"m.safetensors -m pca --steps 5", 3, "--steps is for --method tsne"},
        {"m.safetensors --perplexity 80", 3, "90 samples allow 1 to 29.6667"},
        {"m.safetensors --sample 0,1,2", 3, "tsne: 3 samples of 12 numbers were given"},
        {"m.safetensors x.png --sample 0", 3, "name a file or --sample, not both"},
        {"m.safetensors -o none/map.png -m pca", 5, "none/map.png"},
        {"r.yaml", 3, "is a recipe; train it first"},
        {"m.safetensors --limit 3", 2, "--limit takes a whole number, at least 4"},
        {"", 2, "a saved model is needed: fathom embed"},
    };
    check_program(f, "cd $HERE && $FATHOM embed ", cases, sizeof cases / sizeof *cases);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(a_model_becomes_a_map), fixture_test(points_are_told_as_json),
        fixture_test(features_are_files),    fixture_test(autoencoders_are_mapped_by_their_code),
        fixture_test(views_are_mapped_once), fixture_test(numbers_are_a_scale),
        fixture_test(mistakes_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
