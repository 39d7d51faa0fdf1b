/* fathom check's findings, each from a recipe or arrays that have the mistake, and none without. */
#include "support/fixture.h"
#include "fathom/nn.h"
#include "fathom/recipe.h"

#include <sys/stat.h>

/* ---- recipes ---- */

static fm_check_report *check_recipe(fixture *f, const char *text, const fm_check_options *options)
{
    fm_recipe *recipe;
    fm_check_report *report;
    fixture_path(f, "");
    const char *folders[] = {f->folder, NULL};
    const fm_data_places places = {.folders = folders};
    assert_ok(f->context,
              fm_recipe_parse(f->context, "r.yaml", text, strlen(text), NULL, 0, &recipe));
    assert_ok(f->context, fm_recipe_check(recipe, &places, options, &report));
    fm_recipe_destroy(recipe);
    return report;
}

static const fm_finding *find(const fm_check_report *report, fm_finding_level level,
                              fm_check_kind check, const char *words)
{
    for (int i = 0; i < report->count; i++) {
        const fm_finding *found = &report->findings[i];
        if (found->level == level && found->check == check && strstr(found->found, words)) {
            return found;
        }
    }
    return NULL;
}

static void expect(const fm_check_report *report, fm_finding_level level, fm_check_kind check,
                   const char *words, const char *advice)
{
    const fm_finding *found = find(report, level, check, words);
    if (found && strstr(found->advice, advice)) return;
    char all[4096] = "";
    for (int i = 0; i < report->count; i++) {
        snprintf(all + strlen(all), sizeof all - strlen(all), "\n  %d %s: %s -> %s",
                 (int)report->findings[i].level, fm_check_name((int)report->findings[i].check),
                 report->findings[i].found, report->findings[i].advice);
    }
    fail_msg("expected %d %s: %s -> %s; received%s", (int)level, fm_check_name((int)check), words,
             advice, all);
}

/* "a,b,y" of `rows` lines by a function that prints one. */
static void write_table(fixture *f, const char *name, int rows,
                        int (*line)(int row, char *to, size_t size))
{
    static char text[1 << 16];
    size_t used = (size_t)snprintf(text, sizeof text, "a,b,y\n");
    for (int row = 0; row < rows; row++) {
        used += (size_t)line(row, text + used, sizeof text - used);
    }
    fixture_file(f, name, text, used);
}

#define TABLE_RECIPE(options, units, loss)                                                         \
    "data: {set: csv, file: t.csv" options "}\n"                                                   \
    "model: [{dense: " units "}]\n"                                                                \
    "loss: " loss "\n"                                                                             \
    "optimizer: {sgd: {learning_rate: 0.01}}\n"                                                    \
    "train: {batch_size: 8, epochs: 2, seed: 1}\n"

#define CLASSES "sparse_categorical_crossentropy"

/* Numbers around 1 that never repeat, and their sum. */
static int fine_line(int row, char *to, size_t size)
{
    double a = sin(12.9898 * row), b = cos(78.233 * row);
    return snprintf(to, size, "%.9f,%.9f,%.6f\n", a, b, a + b);
}

static int class_line(int row, char *to, size_t size)
{
    return snprintf(to, size, "%.9f,%.9f,%s\n", sin(12.9898 * row), cos(78.233 * row),
                    row % 3 == 0   ? "red"
                    : row % 3 == 1 ? "green"
                                   : "blue");
}

static void nothing_is_found_where_nothing_is(void **state)
{
    fixture *f = *state;
    write_table(f, "t.csv", 200, class_line);
    fm_check_report *r = check_recipe(
        f,
        TABLE_RECIPE(", test_split: {fraction: 0.2, shuffle: true}, validation_split: 0.1", "3",
                     CLASSES),
        NULL);
    assert_int_equal(r->count, 0);
    for (int k = 0; k < FM_CHECK_COUNT; k++) {
        /* nobody said what is free, and there are no texts */
        assert_int_equal(r->done[k], k != FM_CHECK_MEMORY && k != FM_CHECK_LENGTHS);
    }
    assert_int_equal(r->samples[0], 144);
    assert_int_equal(r->samples[1], 16);
    assert_int_equal(r->samples[2], 40);
    assert_int_equal(r->batch_size, 8);
    assert_int_equal(r->steps_per_epoch, 18);
    assert_int_equal(r->epochs, 2);
    assert_int_equal(r->steps, 20);
    assert_true(r->step_seconds > 0 && r->epoch_seconds >= 18 * r->step_seconds);
    assert_near(r->run_seconds, 2 * r->epoch_seconds, 1e-9);
    assert_true(r->memory > 0 && isfinite(r->first_loss) && isfinite(r->last_loss));
    fm_check_report_destroy(r);
}

static void what_cannot_be_opened_is_a_finding(void **state)
{
    fixture *f = *state;
    fm_check_report *r = check_recipe(f, TABLE_RECIPE("", "1", "mean_squared_error"), NULL);
    expect(r, FM_FINDING_ERROR, FM_CHECK_DATA, "t.csv", "");
    assert_int_equal(r->errors, 1);
    assert_true(r->done[FM_CHECK_DATA] && !r->done[FM_CHECK_MODEL] && !r->done[FM_CHECK_STEPS]);
    fm_check_report_destroy(r);
    write_table(f, "t.csv", 60, class_line);
    r = check_recipe(f, TABLE_RECIPE("", "2", CLASSES), NULL);
    expect(r, FM_FINDING_ERROR, FM_CHECK_MODEL,
           "the last layer has 2 outputs, but the data has 3 classes", "");
    assert_true(r->done[FM_CHECK_LABELS] && !r->done[FM_CHECK_STEPS]); /* the data was looked at */
    assert_true(isnan(r->step_seconds));
    fm_check_report_destroy(r);
    r = check_recipe(f, TABLE_RECIPE(", target: none", "2", "mean_squared_error"), NULL);
    expect(r, FM_FINDING_ERROR, FM_CHECK_MODEL, "has no \"y\" to learn", "");
    fm_check_report_destroy(r);
}

static void write_photo(fixture *f, const char *name, int seed, bool whole)
{
    char bytes[16 + 8 * 8 * 3];
    int head = snprintf(bytes, sizeof bytes, "P6 8 8 255\n");
    for (int i = 0; i < 8 * 8 * 3; i++) bytes[head + i] = (char)(i * 7919 + seed * 31 + seed * i);
    fixture_file(f, name, bytes, (size_t)head + (whole ? 8 * 8 * 3 : 50));
}

static void unreadable_files_are_counted(void **state)
{
    fixture *f = *state;
    static const char *const folders[] = {"p", "p/cat", "p/dog"};
    fixture_path(f, "");
    for (int i = 0; i < 3; i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%s", f->folder, folders[i]);
        assert_int_equal(mkdir(path, 0755), 0);
    }
    for (int i = 0; i < 12; i++) {
        char name[32];
        snprintf(name, sizeof name, "p/%s/%02d.ppm", i % 2 ? "cat" : "dog", i);
        write_photo(f, name, i, i != 3 && i != 8);
    }
    fm_check_report *r = check_recipe(f,
                                      "data: {set: images, folder: p, size: 8, scale: 255}\n"
                                      "model: [flatten, {dense: 2}]\n"
                                      "loss: " CLASSES "\noptimizer: sgd\n"
                                      "train: {batch_size: 2}\n",
                                      NULL);
    expect(r, FM_FINDING_ERROR, FM_CHECK_FILES,
           "2 of 12 samples of the training part cannot be read; the first: ", "on_broken: skip");
    expect(r, FM_FINDING_ERROR, FM_CHECK_FILES, "cat/03.ppm", "mend or remove it");
    fm_check_report_destroy(r);
}

static int hole_line(int row, char *to, size_t size)
{
    return snprintf(to, size, row % 10 == 3 ? "?,%.9f,%.6f\n" : "%.9f,%.9f,1.5\n",
                    sin(12.9898 * row), cos(78.233 * row));
}

static void missing_values_are_told(void **state)
{
    fixture *f = *state;
    write_table(f, "t.csv", 100, hole_line);
    fm_check_report *r = check_recipe(f, TABLE_RECIPE("", "1", "mean_squared_error"), NULL);
    expect(r, FM_FINDING_NOTE, FM_CHECK_MISSING,
           "values are missing in \"a\", at most 10% of a column", "");
    assert_int_equal(r->errors, 0); /* the mean stands for them */
    fm_check_report_destroy(r);
    fixture_file(f, "t.csv", "a,b,y\n1,?,0\n2,?,1\n3,4,0.5\n0,?,1\n", 32);
    r = check_recipe(f, TABLE_RECIPE("", "1", "mean_squared_error"), NULL);
    expect(r, FM_FINDING_WARNING, FM_CHECK_MISSING,
           "more than half of the values are missing in \"b\"", "drop it");
    fm_check_report_destroy(r);
    /* holes in the test part alone are not found when the transform learns */
    write_table(f, "t.csv", 50, fine_line);
    write_table(f, "u.csv", 20, hole_line);
    r = check_recipe(f, TABLE_RECIPE(", test_file: u.csv, impute: none", "1", "mean_squared_error"),
                     NULL);
    expect(
        r, FM_FINDING_ERROR, FM_CHECK_NUMBERS,
        "2 of the test part's numbers in \"x\" (\"a\") are NaN or infinite, the first in sample 3",
        "impute: mean");
    fm_check_report_destroy(r);
}

static int constant_line(int row, char *to, size_t size)
{
    return snprintf(to, size, "7,%.9f,%.6f\n", cos(78.233 * row), sin(1. * row));
}

static void constant_columns_are_told(void **state)
{
    fixture *f = *state;
    write_table(f, "t.csv", 40, constant_line);
    fm_check_report *r = check_recipe(f, TABLE_RECIPE("", "1", "mean_squared_error"), NULL);
    expect(r, FM_FINDING_WARNING, FM_CHECK_CONSTANT,
           "input columns that are constant in the training part: 1 of 2, \"a\"", "drop them");
    fm_check_report_destroy(r);
    r = check_recipe(f, TABLE_RECIPE(", drop: b", "1", "mean_squared_error"), NULL);
    expect(r, FM_FINDING_ERROR, FM_CHECK_CONSTANT, "all inputs of the training part are the same",
           "right columns");
    fm_check_report_destroy(r);
    r = check_recipe(f, TABLE_RECIPE(", target: a", "1", "mean_squared_error"), NULL);
    expect(r, FM_FINDING_ERROR, FM_CHECK_CONSTANT, "the target is 7 in every training sample",
           "`target`");
    fm_check_report_destroy(r);
}

static int dollar_line(int row, char *to, size_t size)
{
    return snprintf(to, size, "%.3f,%.9f,%.2f\n", 40000 + 30000 * sin(12.9898 * row),
                    cos(78.233 * row), 2e5 + 1e5 * sin(1. * row));
}

static int tiny_line(int row, char *to, size_t size)
{
    return snprintf(to, size, "%.9f,%.9f,%.2f\n", 1e-5 * sin(12.9898 * row), cos(78.233 * row),
                    sin(1. * row));
}

static void the_scale_is_told(void **state)
{
    fixture *f = *state;
    write_table(f, "t.csv", 60, dollar_line);
    static const char scaled[] = TABLE_RECIPE(
        ", normalize: standardize, target_normalize: standardize", "1", "mean_squared_error");
    fm_check_report *r = check_recipe(f, TABLE_RECIPE("", "1", "mean_absolute_error"), NULL);
    expect(r, FM_FINDING_WARNING, FM_CHECK_SCALE,
           "input columns whose numbers are far from 1: 1 of 2, \"a\"; one goes",
           "normalize: standardize");
    expect(r, FM_FINDING_WARNING, FM_CHECK_SCALE, "targets go from 1000", "target_normalize");
    fm_check_report_destroy(r);
    r = check_recipe(f, scaled, NULL);
    assert_int_equal(r->count, 0);
    fm_check_report_destroy(r);
    write_table(f, "t.csv", 60, tiny_line);
    r = check_recipe(f, TABLE_RECIPE("", "1", "mean_squared_error"), NULL);
    expect(r, FM_FINDING_WARNING, FM_CHECK_SCALE, "inputs are tiny in \"a\"", "standardize");
    fm_check_report_destroy(r);
    r = check_recipe(f,
                     "data: {set: strokes, train_size: 60, test_size: 20}\n"
                     "model: [flatten, {dense: 10}]\nloss: " CLASSES "\n"
                     "optimizer: {sgd: {learning_rate: 0.000001}}\n",
                     NULL);
    expect(r, FM_FINDING_WARNING, FM_CHECK_SCALE, "inputs go from 0 to 255 (mean ", "scale: 255");
    expect(r, FM_FINDING_NOTE, FM_CHECK_STEPS, "a network that knows nothing of 10 classes",
           "scaled");
    fm_check_report_destroy(r);
}

static int rare_line(int row, char *to, size_t size)
{
    return snprintf(to, size, "%.9f,%.9f,%s\n", sin(12.9898 * row), cos(78.233 * row),
                    row % 25 == 7 ? "fraud" : "fair");
}

static int sorted_line(int row, char *to, size_t size)
{
    static const char *const names[] = {"a", "b", "c", "d"};
    return snprintf(to, size, "%.9f,%.9f,%s\n", sin(12.9898 * row), cos(78.233 * row),
                    names[row / 25]);
}

static void classes_are_weighed(void **state)
{
    fixture *f = *state;
    write_table(f, "t.csv", 100, rare_line);
    fm_check_report *r = check_recipe(f, TABLE_RECIPE("", "2", CLASSES), NULL);
    expect(r, FM_FINDING_WARNING, FM_CHECK_BALANCE,
           "class \"fraud\" has 4 of 100 training labels (4%), \"fair\" has 96: always saying the "
           "latter is right in 96%",
           "class_weights");
    fm_check_report_destroy(r);
    r = check_recipe(f, TABLE_RECIPE("", "5", CLASSES), NULL);
    expect(r, FM_FINDING_NOTE, FM_CHECK_LABELS,
           "the last layer has 5 outputs, of which the data has 2 as classes", "");
    fm_check_report_destroy(r);
    write_table(f, "t.csv", 100, sorted_line);
    r = check_recipe(f, TABLE_RECIPE(", test_split: 0.25", "4", CLASSES), NULL);
    expect(r, FM_FINDING_WARNING, FM_CHECK_UNSEEN,
           "1 class of the test part (\"d\"; 25 labels) never occurs in training",
           "stratify: true");
    fm_check_report_destroy(r);
    r = check_recipe(f, TABLE_RECIPE(", test_split: 0.75", "4", CLASSES), NULL);
    expect(r, FM_FINDING_ERROR, FM_CHECK_BALANCE,
           "class \"a\" is all that the 25 training labels say: there is nothing to learn",
           "stratify: true");
    fm_check_report_destroy(r);
}

static int growing_line(int row, char *to, size_t size)
{
    return snprintf(to, size, "%.9f,%.9f,%.2f\n", sin(12.9898 * row), cos(78.233 * row), 0.1 * row);
}

static void labels_have_a_range(void **state)
{
    fixture *f = *state;
    write_table(f, "t.csv", 50, growing_line);
    fm_check_report *r = check_recipe(f, TABLE_RECIPE("", "1", "binary_crossentropy"), NULL);
    expect(r, FM_FINDING_ERROR, FM_CHECK_LABELS,
           "labels of the training part go from 0 to 4.9; binary_crossentropy takes 0 to 1",
           "target_kind: categorical");
    fm_check_report_destroy(r);
    r = check_recipe(f, TABLE_RECIPE(", test_split: 0.4", "1", "mean_squared_error"), NULL);
    expect(r, FM_FINDING_WARNING, FM_CHECK_UNSEEN,
           "targets of the test part go from 3 to 4.9, those of training from 0 to 2.9", "shuffle");
    fm_check_report_destroy(r);
}

static int twin_line(int row, char *to, size_t size)
{
    int of = row >= 80 && row < 84 ? row - 80 : row == 20 ? 10 : row == 21 ? 11 : row;
    return snprintf(to, size, "%.9f,%.9f,%.6f\n", sin(12.9898 * of), cos(78.233 * of),
                    row == 20 ? 5. : sin(1. * of));
}

static void samples_that_occur_twice_are_found(void **state)
{
    fixture *f = *state;
    write_table(f, "t.csv", 100, twin_line);
    fm_check_report *r =
        check_recipe(f, TABLE_RECIPE(", test_split: 0.2", "1", "mean_squared_error"), NULL);
    expect(r, FM_FINDING_WARNING, FM_CHECK_DUPLICATES,
           "4 of 20 test samples are in the training part too (the first: 0 is training's 0)",
           "by heart");
    expect(
        r, FM_FINDING_WARNING, FM_CHECK_DUPLICATES,
        "training samples with the inputs of another one and a different label: 1 (the first: 10 "
        "and 20)",
        "which of them is right");
    expect(r, FM_FINDING_NOTE, FM_CHECK_DUPLICATES, "2 of 80 training samples have the inputs of",
           "");
    fm_check_report_destroy(r);
}

static void learning_rates_that_are_too_large_show(void **state)
{
    fixture *f = *state;
    write_table(f, "t.csv", 64, fine_line);
    static const char data[] = "data: {set: csv, file: t.csv}\nmodel: [{dense: 1}]\n"
                               "loss: mean_squared_error\ntrain: {batch_size: 8}\n";
    char text[512];
    snprintf(text, sizeof text, "%soptimizer: {sgd: {learning_rate: 1.0e+20}}\n", data);
    fm_check_report *r = check_recipe(f, text, NULL);
    const fm_finding *found = find(r, FM_FINDING_ERROR, FM_CHECK_STEPS, "the loss is ");
    assert_non_null(found);
    assert_non_null(strstr(found->found, "with a learning rate of 1e+20"));
    assert_non_null(strstr(found->advice, "try 1e+19"));
    assert_true(r->steps < 20);
    fm_check_report_destroy(r);
    snprintf(text, sizeof text, "%soptimizer: {sgd: {learning_rate: 2}}\n", data);
    r = check_recipe(f, text, NULL);
    expect(r, FM_FINDING_WARNING, FM_CHECK_STEPS,
           "in 20 steps with a learning rate of 2: it is likely", "try 0.2");
    fm_check_report_destroy(r);
    r = check_recipe(f, text, &(fm_check_options){.steps = 3, .free_memory = 100});
    expect(r, FM_FINDING_ERROR, FM_CHECK_MEMORY, "training in batches of 8 takes", "batch_size");
    assert_int_equal(r->steps, 0); /* what does not fit is not tried */
    assert_false(r->done[FM_CHECK_STEPS]);
    assert_true(isnan(r->run_seconds));
    assert_int_equal(r->findings[0].level, FM_FINDING_ERROR); /* they come first */
    fm_check_report_destroy(r);
}

/* Losses take logits: what ends in probabilities is squeezed twice. */
static void a_softmax_too_much_is_told(void **state)
{
    fixture *f = *state;
    static const struct {
        const char *loss, *activation, *told;
    } rows[] = {
        {CLASSES, "softmax", "the last layer ends in softmax, and " CLASSES " takes logits"},
        {"binary_crossentropy", "sigmoid", "the last layer ends in sigmoid, and binary"},
        {"{" CLASSES ": {from_logits: false}}", "softmax", NULL},
        {CLASSES, "linear", NULL},
        {"mean_squared_error", "sigmoid", NULL}};
    write_table(f, "t.csv", 60, sorted_line);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[512];
        bool classes = strstr(rows[i].loss, CLASSES) != NULL;
        snprintf(text, sizeof text,
                 "data: {set: csv, file: t.csv%s}\nmodel: [{dense: {units: %d, activation: %s}}]\n"
                 "loss: %s\noptimizer: sgd\n",
                 classes ? "" : ", target: 1, drop: 2", classes ? 4 : 1, rows[i].activation,
                 rows[i].loss);
        fm_check_report *r = check_recipe(f, text, NULL);
        const char *told = rows[i].told ? rows[i].told : "the last layer ends in";
        const fm_finding *found = find(r, FM_FINDING_WARNING, FM_CHECK_MODEL, told);
        if ((found != NULL) != (rows[i].told != NULL)) fail_msg("row %zu", i);
        assert_true(r->done[FM_CHECK_STEPS]);
        fm_check_report_destroy(r);
    }
}

static void a_batch_that_never_fills_is_told(void **state)
{
    fixture *f = *state;
    write_table(f, "t.csv", 30, fine_line);
    fm_check_report *r = check_recipe(f,
                                      "data: {set: csv, file: t.csv}\nmodel: [{dense: 1}]\n"
                                      "loss: mean_squared_error\noptimizer: sgd\n"
                                      "train: {batch_size: 32, drop_last: true}\n",
                                      NULL);
    expect(r, FM_FINDING_ERROR, FM_CHECK_STEPS, "30 samples, which gives no batch of 32", "");
    fm_check_report_destroy(r);
}

/* Windows of a series over the cut are no duplicates, and a trend that goes on is told. */
static void series_are_looked_at_as_well(void **state)
{
    fixture *f = *state;
    char text[4096] = "v\n";
    for (int i = 0; i < 100; i++) snprintf(text + strlen(text), 32, "%.4f\n", 0.02 * i + sin(i));
    fixture_file(f, "s.csv", text, strlen(text));
    fm_check_report *r = check_recipe(
        f,
        "data: {set: series, file: s.csv, window: 5, test_split: 0.3, validation_split: 0.2}\n"
        "model: [flatten, {dense: 1}]\nloss: mean_squared_error\noptimizer: sgd\n",
        NULL);
    assert_int_equal(r->errors, 0);
    assert_null(find(r, FM_FINDING_WARNING, FM_CHECK_DUPLICATES, ""));
    assert_true(r->done[FM_CHECK_DUPLICATES]);
    fm_check_report_destroy(r);
}

/* Most texts are short; what a model without a mask makes of them depends on their bucket. */
static void lengths_of_texts_are_told(void **state)
{
    fixture *f = *state;
    static const char recipe[] =
        "data: {set: text_classes, file: t.csv, length: %d, vocabulary: words%s}\n"
        "model:\n"
        "  - embedding: {input_dim: 9, output_dim: 4, mask_zero: %s}\n"
        "  - lstm: 4\n"
        "  - dense: 2\n"
        "loss: sparse_categorical_crossentropy\noptimizer: adam\n";
    char text[1 << 13] = "text,label\n", filled[1024];
    for (int i = 0; i < 200; i++) {
        for (int k = 0; k < (i % 10 == 0 ? 20 : 1 + i % 7); k++) {
            snprintf(text + strlen(text), 8, "%c ", 'a' + (i + 3 * k) % 7);
        }
        snprintf(text + strlen(text), 8, ",%s\n", i % 3 ? "ham" : "spam");
    }
    fixture_file(f, "t.csv", text, strlen(text));
    snprintf(filled, sizeof filled, recipe, 20, "", "true");
    fm_check_report *r = check_recipe(f, filled, NULL);
    expect(r, FM_FINDING_NOTE, FM_CHECK_LENGTHS,
           "72% of all steps are padding: samples have 5.6 of 20 in the mean", "{buckets: 4}");
    fm_check_report_destroy(r);
    snprintf(filled, sizeof filled, recipe, 22, "", "true");
    r = check_recipe(f, filled, NULL);
    assert_null(find(r, FM_FINDING_WARNING, FM_CHECK_CONSTANT, "")); /* padding in every text */
    fm_check_report_destroy(r);
    for (int mask = 0; mask < 2; mask++) {
        snprintf(filled, sizeof filled, recipe, 20, ", buckets: 3", mask ? "true" : "false");
        r = check_recipe(f, filled, NULL);
        assert_int_equal(r->errors, 0);
        expect(r, FM_FINDING_NOTE, FM_CHECK_LENGTHS,
               "batches have 3, 7 and 20 steps: 8.3 for a sample, which has 5.6 in the mean; 58% "
               "fewer than 20 throughout",
               "");
        bool reads = find(r, FM_FINDING_NOTE, FM_CHECK_LENGTHS, "the model reads padding");
        assert_int_equal(reads, !mask);
        fm_check_report_destroy(r);
    }
}

static void a_limit_takes_samples_evenly(void **state)
{
    fixture *f = *state;
    write_table(f, "t.csv", 100, sorted_line);
    fm_check_report *r =
        check_recipe(f, TABLE_RECIPE("", "4", CLASSES), &(fm_check_options){.limit = 8});
    assert_int_equal(r->samples[0], 100);
    assert_null(find(r, FM_FINDING_WARNING, FM_CHECK_BALANCE, "")); /* two of each */
    fm_check_report_destroy(r);
}

/* ---- arrays ---- */

static fm_val one_layer(fm_graph *g, fm_val x, void *argument)
{
    (void)argument;
    return fm_dense(g, x, .units = 3);
}

static fm_status check_arrays(fm_context *context, void *argument)
{
    static float x[12 * 2];
    static int32_t y[12];
    for (int i = 0; i < 12; i++) {
        x[2 * i] = (float)sin(i);
        x[2 * i + 1] = (float)cos(i);
        y[i] = i == 5 ? 7 : i % 3;
    }
    const fm_dataset_info info = {.name = "arrays",
                                  .count = 12,
                                  .field_count = 2,
                                  .fields = {{.name = "x", .dtype = FM_F32, .shape = FM_SHAPE(2)},
                                             {.name = "y", .dtype = FM_I32, .shape = FM_SHAPE()}}};
    const fm_model_options options = {.build = one_layer,
                                      .input_shape = FM_SHAPE(2),
                                      .loss = FM_SPARSE_CATEGORICAL_CROSSENTROPY,
                                      .optimizer = {.rule = FM_SGD}};
    fm_dataset *set;
    fm_model *model = NULL;
    fm_check_report **report = argument;
    *report = NULL;
    fm_status status = fm_dataset_from_arrays(context, &info, (const void *[]){x, y}, true, &set);
    if (status == FM_OK) status = fm_model_create(context, &options, &model);
    if (status == FM_OK) {
        const fm_check_input input = {.prepared = {set}, .raw = {set}, .model = model};
        status = fm_check(context, &input, NULL, report);
    }
    fm_model_destroy(model);
    fm_dataset_destroy(set);
    return status;
}

static void data_of_another_shape_is_not_run(void **state)
{
    fixture *f = *state;
    static const float x[4][3];
    static const int32_t y[4];
    fm_dataset_info info = {
        .name = "narrow",
        .count = 4,
        .field_count = 2,
        .fields = {{"x", FM_F32, FM_SHAPE(3), NULL}, {"y", FM_I32, FM_SHAPE(), NULL}}};
    const fm_model_options options = {.build = one_layer,
                                      .input_shape = FM_SHAPE(200),
                                      .loss = FM_SPARSE_CATEGORICAL_CROSSENTROPY};
    fm_dataset *set;
    fm_model *model;
    fm_check_report *r;
    assert_ok(f->context,
              fm_dataset_from_arrays(f->context, &info, (const void *[]){x, y}, true, &set));
    assert_ok(f->context, fm_model_create(f->context, &options, &model));
    const fm_check_input input = {.prepared = {set}, .model = model};
    assert_ok(f->context, fm_check(f->context, &input, NULL, &r));
    expect(r, FM_FINDING_ERROR, FM_CHECK_MODEL,
           "the training data does not fit the model: data set \"narrow\": \"x\" is f32 (3), the "
           "model wants f32 (200)",
           "");
    assert_true(r->done[FM_CHECK_MODEL] && !r->done[FM_CHECK_STEPS]);
    fm_check_report_destroy(r);
    fm_model_destroy(model);
    fm_dataset_destroy(set);
}

static void arrays_are_checked_too(void **state)
{
    fixture *f = *state;
    fm_check_report *r;
    assert_ok(f->context, check_arrays(f->context, &r));
    expect(
        r, FM_FINDING_ERROR, FM_CHECK_LABELS,
        "labels of the training part outside of the 3 classes 0 to 2: 1 (the first: sample 5 has "
        "7)",
        "more units");
    fm_check_report_destroy(r);
    fm_check_report_destroy(NULL);
    assert_null(fm_check_name(FM_CHECK_COUNT));
    assert_null(fm_check_name(-1));
}

static fm_status check_and_forget(fm_context *context, void *argument)
{
    fm_check_report *report;
    (void)argument;
    fm_status status = check_arrays(context, &report);
    fm_check_report_destroy(report);
    return status;
}

static void every_allocation_may_fail(void **state)
{
    assert_true(fail_each_allocation(*state, check_and_forget, NULL) >= 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(nothing_is_found_where_nothing_is),
        fixture_test(what_cannot_be_opened_is_a_finding),
        fixture_test(unreadable_files_are_counted),
        fixture_test(missing_values_are_told),
        fixture_test(constant_columns_are_told),
        fixture_test(the_scale_is_told),
        fixture_test(classes_are_weighed),
        fixture_test(labels_have_a_range),
        fixture_test(samples_that_occur_twice_are_found),
        fixture_test(learning_rates_that_are_too_large_show),
        fixture_test(a_softmax_too_much_is_told),
        fixture_test(a_batch_that_never_fills_is_told),
        fixture_test(series_are_looked_at_as_well),
        fixture_test(lengths_of_texts_are_told),
        fixture_test(a_limit_takes_samples_evenly),
        fixture_test(arrays_are_checked_too),
        fixture_test(data_of_another_shape_is_not_run),
        fixture_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
