/* Learning without labels, through the built program: reconstructions, new samples, views,
 * a probe. */
#include "support/program_run.h"

#include <jansson.h>

static void write_recipe(fixture *f, const char *name, const char *text)
{
    fixture_file(f, name, text, strlen(text));
}

/* train.safetensors of a small autoencoder. */
static void train_autoencoder(fixture *f)
{
    write_recipe(f, "a.yaml",
                 "data: {set: strokes, train_size: 300, test_size: 50, scale: 255, target: input}\n"
                 "model: [flatten, {dense: {units: 16, activation: relu}}, {dense: 784}, "
                 "{reshape: [28, 28]}]\n"
                 "loss: mean_squared_error\noptimizer: adam\ntrain: {epochs: 2}\n");
    program_run_well(f, "cd $HERE && $FATHOM train a.yaml -q");
}

static void train_variational(fixture *f)
{
    write_recipe(f, "v.yaml",
                 "data: {set: strokes, train_size: 300, test_size: 50, scale: 255, target: input, "
                 "validation_split: 0.2}\n"
                 "model:\n"
                 "  - flatten\n"
                 "  - dense: {units: 16, activation: relu, name: hidden}\n"
                 "  - dense: {units: 4, name: mean}\n"
                 "  - dense: {units: 4, name: log_variance, inputs: hidden}\n"
                 "  - gaussian_sample: {inputs: [mean, log_variance], warm_up: 5}\n"
                 "  - dense: 784\n"
                 "  - reshape: [28, 28]\n"
                 "loss: {binary_crossentropy: {sum_elements: true}}\n"
                 "optimizer: adam\ntrain: {epochs: 2}\n");
    program_run_well(f, "cd $HERE && $FATHOM train v.yaml -q --json >v.log && cat v.log");
}

/* Width and height of a PNG file in the test's folder. */
static void read_size(fixture *f, const char *name, unsigned size[2])
{
    unsigned char head[24];
    FILE *file = fopen(fixture_path(f, name), "rb");
    assert_non_null(file);
    assert_int_equal(fread(head, 1, sizeof head, file), sizeof head);
    fclose(file);
    assert_memory_equal(head, "\x89PNG", 4);
    for (int i = 0; i < 2; i++) {
        const unsigned char *b = head + 16 + 4 * i;
        size[i] = (unsigned)b[0] << 24 | (unsigned)b[1] << 16 | (unsigned)b[2] << 8 | b[3];
    }
}

static void reconstructions_are_shown(void **state)
{
    fixture *f = *state;
    unsigned one[2], two[2];
    train_autoencoder(f);
    const program_result *r =
        program_run_well(f, "cd $HERE && $FATHOM predict a.safetensors --sample 3-5");
    assert_non_null(strstr(r->out, "3   mean squared error 0."));
    assert_null(strstr(r->out, "value_"));
    char file[13 + 28 * 28] = "P5 28 28 255\n"; /* of a file as of the recipe's data */
    memset(file + 13, 200, 28 * 28);
    fixture_file(f, "own.pgm", file, sizeof file);
    r = program_run_well(f, "cd $HERE && $FATHOM predict a.safetensors own.pgm");
    assert_non_null(strstr(r->out, "own.pgm   mean squared error 0."));
    assert_null(strstr(r->out, "value_"));
    r = program_run_well(f, "cd $HERE && $FATHOM predict a.safetensors --sample 3 --picture");
    int lines = 0, width = 0;
    for (const char *at = r->out; (at = strchr(at, '\n')); at++) {
        lines++;
        if (lines == 5) width = (int)strcspn(at + 1, "\n");
    }
    assert_int_equal(lines, 1 + 14); /* two pixels a line of text */
    assert_int_equal(width, 28 + 2 + 28);
    r = program_run_well(f, "cd $HERE && $FATHOM predict a.safetensors --sample 3 --json");
    json_t *object = json_loads(r->out, 0, NULL);
    assert_int_equal(json_array_size(json_object_get(object, "reconstruction")), 784);
    assert_true(json_number_value(json_object_get(object, "mean_squared_error")) > 0);
    json_decref(object);
    program_run_well(f, "cd $HERE && $FATHOM predict a.safetensors --sample 0-7 --out one.png && "
                        "$FATHOM predict a.safetensors --sample 0-15 --out two.png");
    read_size(f, "one.png", one);
    read_size(f, "two.png", two);
    assert_int_equal(one[0], two[0]);
    assert_true(two[1] > one[1] + 2 * 28); /* a row more, of a picture and its reconstruction */
    r = program_run_well(f, "cd $HERE && $FATHOM check a.yaml"); /* classes are no targets */
    assert_non_null(strstr(r->out, "nothing stands in the way"));
    r = program_run_well(f, "cd $HERE && $FATHOM report -q a.safetensors -o p.html && cat p.html");
    assert_non_null(strstr(r->out, "<h3>Reconstructions</h3>"));
    assert_non_null(strstr(r->out, "alt=\"a sample and its reconstruction\""));
}

static void new_samples_are_drawn(void **state)
{
    fixture *f = *state;
    unsigned size[2];
    train_variational(f);
    const program_result *r = program_run_well(f, "tail -1 $HERE/v.log");
    assert_non_null(strstr(r->out, "\"kl\":"));
    r = program_run_well(f, "cd $HERE && $FATHOM eval v.safetensors");
    assert_non_null(strstr(r->out, "  kl "));
    r = program_run_well(f, "cd $HERE && $FATHOM generate v.safetensors --seed 3");
    assert_string_equal(r->out, "40 new pictures: generated.png\n");
    read_size(f, "generated.png", size);
    assert_true(size[0] > 8 * 28 && size[1] > 5 * 28);
    program_run_well(f, "cd $HERE && $FATHOM generate v.safetensors --seed 3 --out same.png "
                        "--threads 1 && cmp generated.png same.png");
    program_run_well(f, "cd $HERE && $FATHOM generate v.safetensors --seed 4 --out other.png && "
                        "! cmp -s generated.png other.png");
    r = program_run(f, "cd $HERE && $FATHOM generate v.safetensors --top-k 5 --out none.png");
    assert_int_equal(r->code, 3);
    assert_non_null(strstr(r->err, "--top-k is for models that go on with a text"));
    r = program_run_well(f, "cd $HERE && $FATHOM generate v.safetensors --count 3 --json");
    assert_non_null(strstr(r->out, "\"count\":3"));
}

/* Samples that are no pictures are lines of numbers. */
static void numbers_are_drawn_as_lines(void **state)
{
    fixture *f = *state;
    write_recipe(f, "t.yaml",
                 "data: {set: spirals, target: input}\n"
                 "model:\n"
                 "  - dense: {units: 8, activation: tanh, name: hidden}\n"
                 "  - dense: {units: 2, name: mean}\n"
                 "  - dense: {units: 2, name: log_variance, inputs: hidden}\n"
                 "  - gaussian_sample: {inputs: [mean, log_variance]}\n"
                 "  - dense: 2\n"
                 "loss: mean_squared_error\noptimizer: adam\ntrain: {epochs: 1}\n");
    program_run_well(f, "cd $HERE && $FATHOM train t.yaml -q");
    const program_result *r =
        program_run_well(f, "cd $HERE && $FATHOM generate t.safetensors --count 4");
    int lines = 0, commas = 0;
    for (const char *at = r->out; *at; at++) {
        lines += *at == '\n';
        commas += *at == ',';
    }
    assert_int_equal(lines, 4);
    assert_int_equal(commas, 4);
}

/* The encoder learns from views; the probe takes it as it is, on what the set's labels say. */
static void views_are_learned_and_probed(void **state)
{
    fixture *f = *state;
    static const char encoder[] = "  - flatten\n"
                                  "  - dense: {units: 32, activation: relu, name: body}\n";
    char text[1024];
    snprintf(text, sizeof text,
             "data: {set: strokes, train_size: 200, test_size: 40, scale: 255, views: 2, "
             "validation_split: 0.2, augment: [{rotate: 10}, {shift: 0.1}]}\n"
             "model:\n%s  - dense: {units: 8, name: projection}\n"
             "loss: contrastive\noptimizer: adam\ntrain: {epochs: 2, batch_size: 64}\n",
             encoder);
    write_recipe(f, "s.yaml", text);
    const program_result *r = program_run_well(
        f, "cd $HERE && $FATHOM train s.yaml -q --json | tail -1 && $FATHOM check s.yaml");
    assert_non_null(strstr(r->out, "\"contrastive_accuracy\":"));
    assert_non_null(strstr(r->out, "nothing stands in the way"));
    r = program_run_well(f, "cd $HERE && $FATHOM eval s.safetensors");
    assert_non_null(strstr(r->out, "80 samples of strokes test")); /* two views of each of 40 */
    r = program_run_well(f, "cd $HERE && $FATHOM predict s.safetensors --sample 39");
    assert_non_null(strstr(r->out, "39   value_0 "));
    assert_null(strstr(r->out, "true"));
    program_run_well(f, "cd $HERE && $FATHOM show s.yaml --samples views.png");
    snprintf(text, sizeof text,
             "data: {set: strokes, train_size: 200, test_size: 40, scale: 255}\n"
             "model:\n%s  - dense: {units: 10, name: probe}\n"
             "loss: sparse_categorical_crossentropy\noptimizer: adam\n"
             "train: {epochs: 1, freeze: body/*, start_from: {file: s.safetensors, skip: "
             "[projection/*, probe/*]}}\n",
             encoder);
    write_recipe(f, "p.yaml", text);
    program_run_well(f, "cd $HERE && $FATHOM train p.yaml -q");
}

static void mistakes_are_told(void **state)
{
    fixture *f = *state;
    train_autoencoder(f);
    write_recipe(f, "s.yaml",
                 "data: {set: strokes, train_size: 200, scale: 255}\n"
                 "model: [flatten, {dense: 8}]\n"
                 "loss: contrastive\noptimizer: adam\n");
    const program_case cases[] = {
        {"$FATHOM train s.yaml", 3,
         "s.yaml:1:7: data: the loss contrastive compares views of one sample: views: 2, with "
         "augment; or samples of one class: target: index"},
        {"$FATHOM train s.yaml --set data.views=2", 3,
         "data: without augment all 2 views of a sample are the same"},
        {"$FATHOM train s.yaml --set data.views=2 --set 'data.augment=[rotate, mixup]'", 3,
         "mixup and cutmix"},
        {"$FATHOM train s.yaml --set data.views=3 --set data.augment=rotate", 3,
         "has 3 views of each sample, which belong into one batch: a batch_size of 32 is no "
         "multiple"},
        {"$FATHOM generate a.safetensors", 3,
         "a.safetensors: it was not trained to go on with a text, which takes the data set 'text' "
         "(see recipes/shakespeare-lstm.yaml), nor is it a variational autoencoder, which takes "
         "the "
         "layer gaussian_sample (see recipes/strokes-vae.yaml)"},
        {"$FATHOM predict a.safetensors --sample 1 x.npy --out p.png", 3,
         "--out takes the pictures of one input, received 2"},
        {"$FATHOM predict a.safetensors --sample 1 --horizon 3", 3,
         "--horizon is for models of a time series (set: series); this one's data is 'strokes'"},
    };
    check_program(f, "cd $HERE && ", cases, sizeof cases / sizeof cases[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(reconstructions_are_shown),  fixture_test(new_samples_are_drawn),
        fixture_test(numbers_are_drawn_as_lines), fixture_test(views_are_learned_and_probed),
        fixture_test(mistakes_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
