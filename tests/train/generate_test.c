/* Generating text with models that are small enough to know what they say. */
#include "support/fixture.h"
#include "base/text.h"
#include "base/utf8.h"
#include "data/text/vocabulary.h"
#include "fathom/generate.h"
#include "fathom/nn.h"
#include "fathom/ops.h"

enum { LENGTH = 8 };

static const char *only_text(const void *user, int64_t i, size_t *size)
{
    *size = strlen(user);
    return i == 0 ? user : NULL;
}

static fm_vocabulary *vocabulary_of(fixture *f, const char *text, int kind)
{
    fm_vocabulary *v;
    assert_ok(f->context, fm_vocabulary_learn(f->context, (fm_texts){only_text, text},
                                              &(fm_vocabulary_options){.kind = kind}, &v));
    return v;
}

/* Logits of the next token by the last one alone: a row of a table. */
static fm_val bigram(fm_graph *g, fm_val x, void *argument)
{
    int64_t tokens = *(int64_t *)argument;
    return fm_dense(g, fm_one_hot(g, x, tokens), .units = tokens, .no_bias = true);
}

/* The most probable token is the position's number plus 2, where there are positions. */
static fm_val counter(fm_graph *g, fm_val x, void *argument)
{
    int64_t tokens = *(int64_t *)argument;
    float numbers[64];
    for (int i = 0; i < 64; i++) numbers[i] = (float)i;
    fm_val line = fm_constant(g, FM_F32, FM_SHAPE(1, 1, tokens), numbers);
    fm_val zero = fm_mul_scalar(g, bigram(g, x, argument), 0);
    fm_val at = fm_scalar(g, 0);
    if (fm_graph_stream_length(g)) at = fm_graph_position(g);
    fm_val off = fm_square(g, fm_sub(g, line, fm_add_scalar(g, at, 2)));
    return fm_sub(g, zero, off);
}

static fm_model *model_of(fixture *f, fm_val (*build)(fm_graph *, fm_val, void *), int64_t *tokens)
{
    fm_model *model;
    assert_ok(f->context,
              fm_model_create(f->context,
                              &(fm_model_options){.build = build,
                                                  .argument = tokens,
                                                  .input_shape = FM_SHAPE(LENGTH),
                                                  .input_dtype = FM_I32,
                                                  .loss = FM_SPARSE_CATEGORICAL_CROSSENTROPY,
                                                  .seed = 1},
                              &model));
    return model;
}

/* Fills the bigram's table. */
static void set_table(fixture *f, fm_model *model, const float *table)
{
    fm_program *program;
    assert_ok(f->context, fm_model_program(model, FM_PREDICT, 1, &program)); /* makes variables */
    fm_store *store = fm_model_store(model);
    int index = fm_store_find(store, "dense/kernel");
    assert_true(index >= 0);
    assert_ok(f->context, fm_store_write(store, index, table));
}

typedef struct heard {
    fm_text text;
    int calls, most_calls;
    fixture *f;
    long made; /* allocations at the first token */
} heard;

static bool hear(void *user, const char *text, size_t size)
{
    heard *h = user;
    if (h->calls++ == 0) h->made = h->f->made;
    fm_text_add_bytes(&h->text, text, size);
    return h->calls != h->most_calls;
}

static void say(fixture *f, fm_generator *g, fm_generate_options options, const char *expected,
                fm_generated *made)
{
    heard h = {.text = FM_TEXT(f->context), .f = f};
    options.emit = hear;
    options.user = &h;
    assert_ok(f->context, fm_generate(g, &options, made));
    assert_string_equal(fm_text_string(&h.text), expected);
    fm_text_release(&h.text);
}

/* a to b to c to a, nearly always. */
static void cycle_table(float *table, int64_t tokens)
{
    memset(table, 0, (size_t)(tokens * tokens) * sizeof *table);
    for (int64_t i = 2; i < tokens; i++) {
        int64_t next = i + 1 < tokens ? i + 1 : 2;
        table[i * tokens + next] = 3;
        table[i * tokens] = table[i * tokens + 1] = 9; /* padding and unknown: never said */
    }
}

static void the_most_probable_follows(void **state)
{
    fixture *f = *state;
    fm_vocabulary *v = vocabulary_of(f, "abc", FM_VOCABULARY_CHARACTERS);
    int64_t tokens = fm_vocabulary_size(v);
    float table[25];
    fm_model *model = model_of(f, bigram, &tokens);
    fm_generator *g;
    fm_generated made;
    cycle_table(table, tokens);
    set_table(f, model, table);
    assert_ok(f->context, fm_generator_create(model, v, 0, &g));
    say(f, g, (fm_generate_options){.prompt = "a", .length = 7, .temperature = FM_ZERO}, "bcabcab",
        &made);
    assert_int_equal(made.tokens, 7);
    assert_int_equal(made.prompt_tokens, 1);
    assert_int_equal(made.restarts, 0); /* it keeps no positions */
    say(f, g, (fm_generate_options){.prompt = "abcabcabcabcab", .length = 1, .top_k = 1}, "c",
        NULL);
    fm_generator_destroy(g);
    fm_model_destroy(model);
    fm_vocabulary_destroy(v);
}

static void same_seed_same_text(void **state)
{
    fixture *f = *state;
    fm_vocabulary *v = vocabulary_of(f, "abcdefgh", FM_VOCABULARY_CHARACTERS);
    int64_t tokens = fm_vocabulary_size(v);
    fm_model *model = model_of(f, bigram, &tokens);
    fm_generator *g;
    assert_ok(f->context, fm_generator_create(model, v, 0, &g));
    heard h[4];
    for (int i = 0; i < 4; i++) {
        h[i] = (heard){.text = FM_TEXT(f->context), .f = f};
        fm_generate_options options = {.prompt = "a",
                                       .length = 60,
                                       .seed = i == 2 ? 8 : 7,
                                       .number = i == 3,
                                       .emit = hear,
                                       .user = &h[i]};
        assert_ok(f->context, fm_generate(g, &options, NULL));
        assert_int_equal(h[i].text.size, 60);
    }
    assert_string_equal(fm_text_string(&h[0].text), fm_text_string(&h[1].text));
    assert_string_not_equal(fm_text_string(&h[0].text), fm_text_string(&h[2].text));
    assert_string_not_equal(fm_text_string(&h[0].text), fm_text_string(&h[3].text));
    for (int i = 0; i < 4; i++) fm_text_release(&h[i].text);
    fm_generator_destroy(g);
    fm_model_destroy(model);
    fm_vocabulary_destroy(v);
}

/* Tokens are the position plus 2: what it knows of the sequence is seen in the text. */
static void a_context_that_is_used_up_begins_anew(void **state)
{
    fixture *f = *state;
    fm_vocabulary *v = vocabulary_of(f, "abcdefghijkl", FM_VOCABULARY_CHARACTERS);
    int64_t tokens = fm_vocabulary_size(v);
    fm_model *model = model_of(f, counter, &tokens);
    fm_generator *g;
    fm_generated made;
    assert_ok(f->context, fm_generator_create(model, v, 4, &g));
    /* positions 0 1 2 3; then the last two once more as 0 1, and the next as 2 */
    say(f, g, (fm_generate_options){.prompt = "l", .length = 8, .temperature = FM_ZERO}, "abcdcdcd",
        &made);
    assert_int_equal(made.restarts, 2);
    /* of a prompt that is too long the end is read */
    say(f, g, (fm_generate_options){.prompt = "llllllllll", .length = 3, .temperature = FM_ZERO},
        "dcd", &made);
    assert_int_equal(made.prompt_tokens, 10);
    fm_generator_destroy(g);
    assert_fails(f->context, FM_ERROR_ARGUMENT, "a context of 1 tokens",
                 fm_generator_create(model, v, 1, &g));
    fm_model_destroy(model);
    fm_vocabulary_destroy(v);
}

/* Bytes 0xc3, 0xa9, then something that is no character. */
static void characters_are_whole(void **state)
{
    fixture *f = *state;
    fm_vocabulary *v = vocabulary_of(f, "", FM_VOCABULARY_BYTES);
    int64_t tokens = fm_vocabulary_size(v);
    float *table = calloc((size_t)(tokens * tokens), sizeof *table);
    static const unsigned char chain[] = {'a', 0xc3, 0xa9, 0xff, 0xe2, 0x82};
    assert_non_null(table);
    for (int i = 0; i + 1 < 6; i++) table[(chain[i] + 1) * tokens + chain[i + 1] + 1] = 9;
    fm_model *model = model_of(f, bigram, &tokens);
    set_table(f, model, table);
    free(table);
    fm_generator *g;
    assert_ok(f->context, fm_generator_create(model, v, 0, &g));
    heard h = {.text = FM_TEXT(f->context), .f = f};
    fm_generate_options options = {
        .prompt = "a", .length = 2, .temperature = FM_ZERO, .emit = hear, .user = &h};
    assert_ok(f->context, fm_generate(g, &options, NULL));
    assert_int_equal(h.calls, 1); /* two tokens, one character */
    assert_string_equal(fm_text_string(&h.text), "\xc3\xa9");
    fm_text_release(&h.text);
    say(f, g, (fm_generate_options){.prompt = "a", .length = 5, .temperature = FM_ZERO},
        "\xc3\xa9" FM_REPLACEMENT_BYTES FM_REPLACEMENT_BYTES FM_REPLACEMENT_BYTES, NULL);
    fm_generator_destroy(g);
    fm_model_destroy(model);
    fm_vocabulary_destroy(v);
}

static void words_are_spaced(void **state)
{
    fixture *f = *state;
    fm_vocabulary *v = vocabulary_of(f, "go on, go", FM_VOCABULARY_WORDS);
    int64_t tokens = fm_vocabulary_size(v); /* padding, unknown, go, ',', on */
    float table[25] = {0};
    table[2 * tokens + 4] = table[4 * tokens + 3] = table[3 * tokens + 2] = 5;
    fm_model *model = model_of(f, bigram, &tokens);
    set_table(f, model, table);
    fm_generator *g;
    assert_ok(f->context, fm_generator_create(model, v, 0, &g));
    say(f, g, (fm_generate_options){.prompt = "Go", .length = 4, .temperature = FM_ZERO},
        " on, go on", NULL);
    fm_generator_destroy(g);
    fm_model_destroy(model);
    fm_vocabulary_destroy(v);
}

static void the_reader_may_stop(void **state)
{
    fixture *f = *state;
    fm_vocabulary *v = vocabulary_of(f, "abc", FM_VOCABULARY_CHARACTERS);
    int64_t tokens = fm_vocabulary_size(v);
    fm_model *model = model_of(f, bigram, &tokens);
    fm_generator *g;
    fm_generated made;
    assert_ok(f->context, fm_generator_create(model, v, 0, &g));
    heard h = {.text = FM_TEXT(f->context), .f = f, .most_calls = 3};
    fm_generate_options options = {.length = 1000, .emit = hear, .user = &h};
    assert_ok(f->context, fm_generate(g, &options, &made));
    assert_int_equal(made.tokens, 3);
    fm_text_release(&h.text);
    fm_generator_destroy(g);
    fm_model_destroy(model);
    fm_vocabulary_destroy(v);
}

static bool count_allocations(void *user, const char *text, size_t size)
{
    heard *h = user;
    (void)text;
    (void)size;
    if (h->calls++ == 0) h->made = h->f->made;
    return true;
}

static void a_step_allocates_nothing(void **state)
{
    fixture *f = *state;
    fm_vocabulary *v = vocabulary_of(f, "abcdefghijkl", FM_VOCABULARY_CHARACTERS);
    int64_t tokens = fm_vocabulary_size(v);
    fm_model *model = model_of(f, counter, &tokens);
    fm_generator *g;
    assert_ok(f->context, fm_generator_create(model, v, 0, &g));
    heard h = {.f = f};
    fm_generate_options options = {
        .length = 300, .top_k = 5, .top_p = 0.9, .emit = count_allocations, .user = &h};
    assert_ok(f->context, fm_generate(g, &options, NULL));
    assert_int_equal(h.calls, 300);
    assert_int_equal(h.made, f->made);
    fm_generator_destroy(g);
    fm_model_destroy(model);
    fm_vocabulary_destroy(v);
}

static fm_val no_number(fm_graph *g, fm_val x, void *argument)
{
    return fm_log(g, fm_add_scalar(g, bigram(g, x, argument), -100));
}

static fm_val classes_only(fm_graph *g, fm_val x, void *argument)
{
    return fm_mean(g, bigram(g, x, argument), (fm_ints){1, {1}}, false);
}

static void mistakes_are_told(void **state)
{
    fixture *f = *state;
    fm_vocabulary *v = vocabulary_of(f, "abcd", FM_VOCABULARY_CHARACTERS);
    int64_t few = 4, tokens = fm_vocabulary_size(v);
    fm_model *model = model_of(f, bigram, &few);
    fm_generator *g;
    assert_fails(f->context, FM_ERROR_SHAPE, "the vocabulary has 6 tokens, the model 4 outputs",
                 fm_generator_create(model, v, 0, &g));
    assert_null(g);
    fm_model_destroy(model);
    model = model_of(f, classes_only, &tokens);
    assert_fails(f->context, FM_ERROR_SHAPE, "this one makes (6) of i32 (8)",
                 fm_generator_create(model, v, 0, &g));
    fm_model_destroy(model);
    model = model_of(f, no_number, &tokens);
    assert_ok(f->context, fm_generator_create(model, v, 0, &g));
    assert_fails(f->context, FM_ERROR_NONFINITE, "predicts a NaN behind token 2",
                 fm_generate(g, &(fm_generate_options){.prompt = "ab"}, NULL));
    fm_generator_destroy(g);
    fm_model_destroy(model);
    model = model_of(f, bigram, &tokens);
    assert_ok(f->context, fm_generator_create(model, v, 0, &g));
    assert_ok(f->context, fm_generate(g, &(fm_generate_options){.prompt = "a\xc3\xa9zaz"}, NULL));
    assert_string_equal(f->last_log, "the prompt has '\xc3\xa9', 'z', which the model's vocabulary "
                                     "does not know");
    assert_fails(f->context, FM_ERROR_FORMAT, "prompt: text: byte 1 (line 1) is 0xff",
                 fm_generate(g, &(fm_generate_options){.prompt = "a\xff"}, NULL));
    assert_fails(f->context, FM_ERROR_ARGUMENT, "top_p",
                 fm_generate(g, &(fm_generate_options){.top_p = 1.5}, NULL));
    fm_generator_destroy(g);
    fm_model_destroy(model);
    fm_vocabulary_destroy(v);
}

typedef struct attempt {
    fixture *f;
    fm_model *model;
    fm_vocabulary *vocabulary;
} attempt;

static fm_status create_and_generate(fm_context *context, void *argument)
{
    (void)context;
    attempt *a = argument;
    fm_generator *g;
    fm_status status = fm_generator_create(a->model, a->vocabulary, 0, &g);
    if (status == FM_OK) {
        status = fm_generate(g, &(fm_generate_options){.prompt = "z", .length = 3}, NULL);
    }
    fm_generator_destroy(g);
    return status;
}

static void every_allocation_may_fail(void **state)
{
    fixture *f = *state;
    fm_vocabulary *v = vocabulary_of(f, "abc", FM_VOCABULARY_CHARACTERS);
    int64_t tokens = fm_vocabulary_size(v);
    fm_model *model = model_of(f, bigram, &tokens);
    fm_program *program;
    assert_ok(f->context, fm_model_program(model, FM_PREDICT, 1, &program)); /* the store is full */
    assert_ok(f->context, create_and_generate(f->context, &(attempt){f, model, v}));
    assert_true(fail_each_allocation(f, create_and_generate, &(attempt){f, model, v}) > 10);
    fm_model_destroy(model);
    fm_vocabulary_destroy(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(the_most_probable_follows),
        fixture_test(same_seed_same_text),
        fixture_test(a_context_that_is_used_up_begins_anew),
        fixture_test(characters_are_whole),
        fixture_test(words_are_spaced),
        fixture_test(the_reader_may_stop),
        fixture_test(a_step_allocates_nothing),
        fixture_test(mistakes_are_told),
        fixture_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
