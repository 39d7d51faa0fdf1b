/* fathom report: one page that loads nothing. */
#define _GNU_SOURCE
#include "support/program_run.h"

#include <sys/stat.h>

static const char recipe[] =
    "data: {set: strokes, train_size: 300, test_size: 60, scale: 255, "
    "validation_split: 0.2}\n"
    "model: [flatten, {dense: {units: 8, activation: relu}}, {dense: 10}]\n"
    "loss: sparse_categorical_crossentropy\n"
    "optimizer: adam\n"
    "metrics: [accuracy]\n"
    "train: {epochs: 3}\n";

static void train(fixture *f, const char *name, const char *with)
{
    char line[256];
    fixture_file(f, "r.yaml", recipe, strlen(recipe));
    snprintf(line, sizeof line, "cd $HERE && $FATHOM train r.yaml -q %s --out %s.safetensors", with,
             name);
    program_run_well(f, line);
}

static int count(const char *text, const char *word)
{
    int found = 0;
    for (const char *at = text; (at = strstr(at, word)); at += strlen(word)) found++;
    return found;
}

static const char *page(fixture *f, const char *arguments)
{
    static char text[PROGRAM_OUTPUT];
    char line[256];
    snprintf(line, sizeof line, "cd $HERE && $FATHOM report -q %s -o p.html && cat p.html",
             arguments);
    snprintf(text, sizeof text, "%s", program_run_well(f, line)->out);
    return text;
}

static void a_model_becomes_a_page(void **state)
{
    fixture *f = *state;
    train(f, "m", "");
    const char *html = page(f, "m.safetensors");
    static const char *const parts[] = {
        "<h2 id=curves>Training</h2>",
        "<figcaption>loss</figcaption>",
        "<figcaption>accuracy</figcaption>",
        "<h3>Scores</h3><p>test part, 60 samples of strokes test",
        "<h3>Classes</h3>",
        "<table class=matrix>",
        "Expected calibration error ",
        "<h3>Most confident mistakes</h3><div class=pictures><figure><img ",
        "<h3>Features</h3><p class=soft>60 samples, evenly spread; features (8) of dense; of the "
        "10 ",
        "<button data-class=9 aria-pressed=false>",
        "<figcaption>t-SNE <span class=soft>perplexity ",
        "<figcaption>PCA <span class=soft>PC 1: ",
        "<h3>Layers over time</h3>",
        "the curve from the first to epoch 3",
        "<tr><td>flatten<td>-<td>-<td><svg class=spark ",
        "<tr><td>dense<td><svg class=spark ",
        "<h3>Machine</h3><div class=wide tabindex=0><table class=words><tr><td>",
        "<tr><td>fathom<td>" FM_VERSION "</tr>",
        "<tr><td>training<td>3 epochs in ",
        "; steps waited for data ",
        "<h3>Layers</h3>",
        "dense/kernel: 8 of 8, grey is zero",
        "<h3>Recipe</h3><pre tabindex=0>data:",
        "</body></html>",
    };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (!strstr(html, parts[i])) fail_msg("missing: %s", parts[i]);
    }
    assert_int_equal(count(html, "alt=\"filter "), 8);
    static const char *const foreign[] = {"http:", "https:", "<link", "src=\"/", "url(", "@import"};
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++) {
        if (strstr(html, foreign[i])) fail_msg("the page loads something: %s", foreign[i]);
    }
    assert_int_equal(count(html, "<script"), 1);
    assert_int_equal(count(html, "<path class=dots "), 2 * 10);
    assert_int_equal(count(html, "<figure"), count(html, "</figure>"));
    assert_int_equal(count(html, "<section>"), count(html, "</section>"));
}

/* `health: false` records nothing; a model that was not trained by the program has no machine. */
static void what_was_not_recorded_is_not_there(void **state)
{
    fixture *f = *state;
    train(f, "m", "--set train.health=false");
    const char *html = page(f, "m.safetensors");
    assert_null(strstr(html, "Layers over time"));
    assert_non_null(strstr(html, "<h3>Features</h3>"));
}

static void runs_are_compared(void **state)
{
    fixture *f = *state;
    train(f, "a", "");
    train(f, "b", "--seed 7 --epochs 5");
    static const char csv[] = "epoch,loss,accuracy,val_loss,val_accuracy,learning_rate,seconds\n"
                              "0,2.5,0.1,2.4,0.2,0.001,1\n1,1.25,0.5,,,0.001,1\n";
    fixture_file(f, "<c>&.csv", csv, strlen(csv));
    const char *html = page(f, "a.safetensors b.safetensors '<c>&.csv'");
    assert_non_null(strstr(html, "<td>1<td>3<td>"));
    assert_non_null(strstr(html, "<td>2<td>5<td>"));
    assert_non_null(strstr(html, "<td>3<td>2<td>2.4000<td>1<td>1.2500</tr>"));
    assert_non_null(strstr(html, "&quot;name&quot;:&quot;training 3&quot;,&quot;color&quot;:2,"
                                 "&quot;dash&quot;:false,&quot;values&quot;:[2.5,1.25]"));
    assert_non_null(strstr(html, "&quot;values&quot;:[2.4,null]"));
    assert_non_null(strstr(html, "&lt;c&gt;&amp;.csv"));
    assert_null(strstr(html, "<c>"));
    assert_int_equal(count(html, "<section>"), 2);
}

/* A rate that stays as it is lies in the middle of an axis of its own size, and a run of one epoch
 * beside a longer one is seen as a dash. */
static void little_is_seen_as_well(void **state)
{
    fixture *f = *state;
    train(f, "one", "--epochs 1");
    train(f, "two", "--epochs 2");
    const char *html = page(f, "one.safetensors two.safetensors");
    const char *rate = strstr(html, "<figcaption>learning_rate</figcaption>");
    assert_non_null(strstr(html, "(1 epoch)"));
    assert_non_null(rate);
    assert_null(memmem(rate, 2000, ">-0", 3));
    assert_non_null(memmem(rate, 2000, ">0.001</text>", 13));
    assert_non_null(memmem(rate, 2000, "stroke=\"var(--c0)\" d=\"M62.0 132.0h6\"", 36));
}

static void mistakes_are_told(void **state)
{
    fixture *f = *state;
    static const program_case cases[] = {
        {"$FATHOM report", 2, "a saved model is needed: fathom report"},
        {"$FATHOM report none.safetensors", 5, "none.safetensors"},
        {"$FATHOM report t.csv", 4, "t.csv: is no history: wanted is a CSV whose first column"},
        {"$FATHOM report a a a a a a a a a", 4, "9 runs were named, at most 8 fit a page"},
    };
    fixture_file(f, "t.csv", "a,b\n1,2\n3,4\n", 12);
    check_program(f, "cd $HERE && ", cases, sizeof cases / sizeof *cases);
    struct stat about;
    assert_int_not_equal(stat(fixture_path(f, "report.html"), &about), 0);
}

/* What cannot be drawn of a history is left out of its curves. */
static void a_history_with_no_numbers_becomes_a_page(void **state)
{
    fixture *f = *state;
    static const char history[] = "epoch,loss,auc,val_loss,val_auc,learning_rate,seconds\n"
                                  "0,2.5,0.5,1.5,-nan,0.1,1\n"
                                  "1,inf,0.6,1.25,nan,0.1,1\n"
                                  "2,1.5,0.7,1.125,0.5,0.1,1\n";
    fixture_file(f, "h.csv", history, strlen(history));
    const char *html = page(f, "h.csv");
    assert_non_null(strstr(html, "<figcaption>auc</figcaption>"));
    assert_non_null(strstr(html, "<figcaption>loss</figcaption>"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(a_model_becomes_a_page),
        fixture_test(a_history_with_no_numbers_becomes_a_page),
        fixture_test(what_was_not_recorded_is_not_there),
        fixture_test(runs_are_compared),
        fixture_test(little_is_seen_as_well),
        fixture_test(mistakes_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
