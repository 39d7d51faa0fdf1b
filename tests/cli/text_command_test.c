/* Text through the built program: training, generating, predicting,
 * and what is said of mistakes. */
#include "support/program_run.h"

static void write_recipe(fixture *f, const char *name, const char *text)
{
    fixture_file(f, name, text, strlen(text));
}

static const char language[] =
    "data: {set: grammar, sentences: 400, test_sentences: 40, length: 32}\n"
    "model:\n"
    "  - embedding: {input_dim: 28, output_dim: 16}\n"
    "  - gru: {units: 32, return_sequences: true}\n"
    "  - dense: 28\n"
    "loss: sparse_categorical_crossentropy\n"
    "optimizer: {adam: {learning_rate: 0.02}}\n"
    "metrics: [perplexity]\n"
    "train: {epochs: 2, batch_size: 16, seed: 1}\n";

static void run_fails(fixture *f, const char *line, const char *words)
{
    const program_result *r = program_run(f, line);
    if (r->code == 0) fail_msg("%s: it did not fail", line);
    if (!strstr(r->err, words))
        fail_msg("%s: expected \"%s\", received \"%s\"", line, words, r->err);
}

static void a_text_goes_on(void **state)
{
    fixture *f = *state;
    write_recipe(f, "g.yaml", language);
    program_run_well(f, "cd $HERE && $FATHOM train g.yaml -q -o g.safetensors");
    const program_result *r =
        program_run_well(f, "cd $HERE && $FATHOM generate g.safetensors --prompt 'the f'"
                            " --length 40 --seed 3");
    assert_int_equal(strlen(r->out), 5 + 40 + 1);
    assert_ptr_equal(strstr(r->out, "the f"), r->out);
    char first[64];
    snprintf(first, sizeof first, "%.63s", r->out);
    r = program_run_well(f,
                         "cd $HERE && $FATHOM generate g.safetensors -p 'the f' -l 40 -s 3 -t 1");
    assert_string_equal(r->out, first); /* for any number of threads */
    r = program_run_well(f, "cd $HERE && $FATHOM generate g.safetensors -p 'the f' -l 40 -s 4");
    assert_string_not_equal(r->out, first);
    r = program_run_well(f, "cd $HERE && $FATHOM generate g.safetensors -T 0 -l 9 -c 2 --json");
    assert_non_null(strstr(r->out, "\"number\":1"));
    assert_non_null(strstr(r->out, "\"tokens\":9"));
    r = program_run_well(
        f, "cd $HERE && $FATHOM generate g.safetensors -p 'Zoo' -l 5 --top-k 3 --top-p 0.5");
    assert_non_null(
        strstr(r->err, "the prompt has 'Z', which the model's vocabulary does not know"));
    program_run_well(f, "cd $HERE && $FATHOM eval g.safetensors");
    run_fails(f, "cd $HERE && $FATHOM predict g.safetensors --text x", "take fathom generate");
    run_fails(f, "cd $HERE && $FATHOM generate g.safetensors --temperature warm",
              "--temperature takes a number, at least 0; received 'warm'");
    run_fails(f, "cd $HERE && $FATHOM generate g.safetensors --top-p 2", "top_p");
    run_fails(f, "cd $HERE && $FATHOM generate g.safetensors --out x.png", "--out is for pictures");
    r = program_run(f, "cd $HERE && $FATHOM generate g.safetensors --prompt $(printf '\\377')");
    assert_string_equal(r->out, ""); /* not even the prompt */
    run_fails(f, "cd $HERE && $FATHOM train $OLDPWD/recipes/strokes-mlp.yaml -r g.safetensors",
              "--resume g.safetensors: data set ");
    run_fails(f, "cd $HERE && $FATHOM train g.yaml --set model.0.embedding.input_dim=9",
              "g.yaml:3:5: embedding: input_dim is 9, but the data has 28 tokens");
    run_fails(f, "cd $HERE && $FATHOM train g.yaml --set model.2.dense=9",
              "dense: the last layer has 9 outputs, but the data has 28 tokens");
    run_fails(f, "cd $HERE && $FATHOM train g.yaml --set data.scale=2", "are for numbers");
}

/* The state is carried from batch to batch, and a run that is stopped goes on with it. */
static void rows_are_carried_and_resumed(void **state)
{
    fixture *f = *state;
    write_recipe(f, "g.yaml", language);
    const char *how = "--set data.stateful=true --set model.1.gru.stateful=true";
    char line[512];
    snprintf(line, sizeof line, "cd $HERE && $FATHOM train g.yaml -q %s -o whole.safetensors", how);
    program_run_well(f, line);
    snprintf(line, sizeof line,
             "cd $HERE && $FATHOM train g.yaml -q %s -e 1 -o half.safetensors && $FATHOM train "
             "g.yaml -q %s --resume half.safetensors -o half.safetensors",
             how, how);
    program_run_well(f, line);
    program_run_well(
        f, "cd $HERE && $FATHOM eval whole.safetensors --json | sed 's/seconds.*//' >a && "
           "$FATHOM eval half.safetensors --json | sed 's/seconds.*//' >b && cmp a b");
    snprintf(line, sizeof line, "cd $HERE && $FATHOM train g.yaml -q %s -b 100000", how);
    run_fails(f, line, "100000 rows (batch_size) of a window of 32 need");
}

static void texts_are_classified(void **state)
{
    fixture *f = *state;
    static const char recipe[] =
        "data: {set: text_classes, file: t.tsv, vocabulary: words, length: 6}\n"
        "model: [{embedding: {input_dim: 12, output_dim: 8}}, "
        "global_average_pooling1d, {dense: 2}]\n"
        "loss: sparse_categorical_crossentropy\n"
        "optimizer: {adam: {learning_rate: 0.1}}\n"
        "train: {epochs: 20, batch_size: 4, seed: 1}\n";
    static const char table[] = "good\ta fine day\nbad\ta sad day\ngood\tfine, fine work\n"
                                "bad\tsad \"sad\" news\ngood\tfine news\nbad\tthe sad work\n";
    write_recipe(f, "t.yaml", recipe);
    write_recipe(f, "t.tsv", table);
    program_run_well(f, "cd $HERE && $FATHOM train t.yaml -q -o t.safetensors");
    const program_result *r = program_run_well(f, "cd $HERE && $FATHOM check t.yaml");
    assert_null(strstr(r->out, "different label")); /* texts of one size are not the same text */
    r = program_run_well(f, "cd $HERE && $FATHOM predict t.safetensors --text 'a fine day' -k 1");
    assert_non_null(strstr(r->out, "text 0  \"a fine day\"   good"));
    r = program_run_well(
        f, "cd $HERE && printf 'sad news\\nfine\\n' | $FATHOM predict t.safetensors - -k 1");
    assert_non_null(strstr(r->out, "- 0  \"sad news\"   bad"));
    assert_non_null(strstr(r->out, "- 1  \"fine\"   good"));
    write_recipe(f, "letter.txt", "what a sad,\nsad day\n");
    r = program_run_well(f, "cd $HERE && $FATHOM predict t.safetensors letter.txt t.tsv --json");
    assert_non_null(strstr(r->out, "\"text\":\"what a sad,\\nsad day\\n\""));
    assert_non_null(strstr(r->out, "\"true\":\"bad\""));
    write_recipe(f, "odd.tsv", "bad\tmany more words than that\nawful\tno\nbad\tno\n");
    run_fails(f, "cd $HERE && $FATHOM predict t.safetensors odd.tsv",
              "odd.tsv:2:1: the label 'awful' is none of the 2 classes that are known");
    write_recipe(f, "broken.txt", "caf\xe9\n");
    run_fails(f, "cd $HERE && $FATHOM predict t.safetensors broken.txt", "byte 3 (line 1) is 0xe9");
    run_fails(f, "cd $HERE && $FATHOM generate t.safetensors", "not trained to go on with a text");
    run_fails(f, "cd $HERE && $FATHOM train t.yaml --set data.label=kind",
              "names the column 'kind'");
    run_fails(f, "cd $HERE && $FATHOM train t.yaml --set data.file=none.tsv",
              "none.tsv: there is no such file");
}

/* The lengths of batches are told, kept with the model, and predictions come in the given order. */
static void buckets_are_used_from_end_to_end(void **state)
{
    fixture *f = *state;
    static const char recipe[] =
        "data: {set: text_classes, file: b.tsv, vocabulary: words, length: 9, buckets: 3}\n"
        "model:\n"
        "  - embedding: {input_dim: 6, output_dim: 8, mask_zero: true}\n"
        "  - lstm: 8\n"
        "  - dense: 2\n"
        "loss: sparse_categorical_crossentropy\n"
        "optimizer: {adam: {learning_rate: 0.05}}\n"
        "metrics: [accuracy]\n"
        "train: {epochs: 15, batch_size: 4, seed: 1}\n";
    char table[1 << 13] = "";
    for (int i = 0; i < 60; i++) {
        int words = i % 10 == 9 ? 9 : 1 + i % 4;
        snprintf(table + strlen(table), 16, "%s\t%s", i % 2 ? "b" : "a", i % 2 ? "up" : "down");
        for (int k = 1; k < words; k++) strcat(table, i % 3 ? " and" : " then");
        strcat(table, "\n");
    }
    write_recipe(f, "b.yaml", recipe);
    write_recipe(f, "b.tsv", table);
    const program_result *r = program_run_well(f, "cd $HERE && $FATHOM show b.yaml");
    assert_non_null(strstr(r->out, "buckets=3"));
    assert_non_null(strstr(r->out, "batches      2, 4 and 9 steps: "));
    assert_non_null(strstr(r->out, "fewer than 9 throughout"));
    r = program_run_well(f, "cd $HERE && $FATHOM show b.yaml --json");
    assert_non_null(strstr(r->out, "\"buckets\":[2,4,9]"));
    program_run_well(f, "cd $HERE && $FATHOM train b.yaml -q -o b.safetensors");
    r = program_run_well(f, "cd $HERE && $FATHOM show b.safetensors");
    assert_non_null(strstr(r->out, "batches      2, 4 and 9 steps\n"));
    r = program_run_well(f, "cd $HERE && printf 'up and and and and and\\ndown\\nup then then\\n'"
                            " | $FATHOM predict b.safetensors - -k 1");
    const char *first = strstr(r->out, "- 0  \"up and and and and and\"   b");
    const char *second = strstr(r->out, "- 1  \"down\"   a");
    assert_non_null(first);
    assert_non_null(second);
    assert_true(first < second && second < strstr(r->out, "- 2  \"up then then\"   b"));
    program_run_well(f, "cd $HERE && $FATHOM train b.yaml -q -e 2 --set data.bucket_lengths=[3] "
                        "--set data.buckets=0 -o c.safetensors && $FATHOM show c.safetensors | "
                        "grep '^batches  *3 and 9 steps'");
    run_fails(f, "cd $HERE && $FATHOM train b.yaml --set data.bucket_lengths=[3]",
              "give buckets, their number, or bucket_lengths, not both");
    run_fails(f, "cd $HERE && $FATHOM train b.yaml --set model.1=flatten",
              "layer 'dense': its kernel is (72, 2) for samples of 9 steps and (");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(a_text_goes_on),
        fixture_test(rows_are_carried_and_resumed),
        fixture_test(texts_are_classified),
        fixture_test(buckets_are_used_from_end_to_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
