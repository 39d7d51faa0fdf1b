#include "support/fixture.h"
#include "base/utf8.h"
#include "data/text/vocabulary.h"
#include "fathom/data_files.h"
#include "fathom/graph.h"
#include "golden/byte_pairs_golden.h"

typedef struct list {
    const char *const *texts;
    const size_t *sizes; /* NULL: they end with a zero */
} list;

static const char *text_at(const void *user, int64_t i, size_t *size)
{
    const list *l = user;
    if (!l->texts[i]) return NULL;
    *size = l->sizes ? l->sizes[i] : strlen(l->texts[i]);
    return l->texts[i];
}

static fm_vocabulary *learn(fm_context *context, const char *text,
                            const fm_vocabulary_options *options)
{
    const char *const texts[] = {text, NULL};
    list l = {texts, NULL};
    fm_vocabulary *v;
    assert_ok(context, fm_vocabulary_learn(context, (fm_texts){text_at, &l}, options, &v));
    return v;
}

static int64_t encode(fm_context *context, const fm_vocabulary *v, const char *text,
                      int32_t *tokens, int64_t most)
{
    int64_t count;
    assert_ok(context, fm_vocabulary_encode(context, v, text, strlen(text), tokens, most, &count));
    return count;
}

static void assert_round_trip(fm_context *context, const fm_vocabulary *v, const char *text,
                              size_t size, const char *expected)
{
    int32_t tokens[4096];
    int64_t count;
    char *back;
    size_t length;
    assert_ok(context, fm_vocabulary_encode(context, v, text, size, tokens, 4096, &count));
    assert_ok(context, fm_vocabulary_decode(context, v, tokens, count, &back, &length));
    assert_int_equal(length, strlen(expected));
    assert_memory_equal(back, expected, length + 1);
    fm_text_free(context, back);
}

static void characters_are_numbered_in_their_order(void **state)
{
    fixture *f = *state;
    fm_vocabulary *v = learn(f->context,
                             "b\xc3\xa9"
                             "a\xe2\x82\xac"
                             "a\n",
                             NULL);
    static const char *const tokens[] = {"",  FM_REPLACEMENT_BYTES, "\n",          "a",
                                         "b", "\xc3\xa9",           "\xe2\x82\xac"};
    assert_int_equal(fm_vocabulary_size(v), 7);
    for (int32_t i = 0; i < 7; i++) {
        size_t size;
        const char *bytes = fm_vocabulary_token(v, i, &size);
        assert_int_equal(size, strlen(tokens[i]));
        assert_memory_equal(bytes, tokens[i], size);
    }
    int32_t got[8];
    assert_int_equal(encode(f->context, v, "a\xe2\x82\xacz", got, 8), 3);
    assert_memory_equal(got, ((int32_t[]){3, 6, FM_TOKEN_UNKNOWN}), 12);
    assert_int_equal(encode(f->context, v, "abba", got, 2), 4); /* counted, though not kept */
    assert_round_trip(f->context, v, "b\xc3\xa9\n", 4, "b\xc3\xa9\n");
    size_t size;
    fm_vocabulary_token(v, -1, &size);
    assert_int_equal(size, 0);
    fm_vocabulary_token(v, 7, &size);
    assert_int_equal(size, 0);
    fm_vocabulary_destroy(v);
}

static void rare_characters_are_unknown(void **state)
{
    fixture *f = *state;
    int32_t got[4];
    fm_vocabulary *v = learn(f->context, "aaabbc", &(fm_vocabulary_options){.min_count = 2});
    assert_int_equal(fm_vocabulary_size(v), 4);
    encode(f->context, v, "abc", got, 4);
    assert_memory_equal(got, ((int32_t[]){2, 3, FM_TOKEN_UNKNOWN}), 12);
    fm_vocabulary_destroy(v);
    /* the most frequent ones stay, still in the order of their code points */
    v = learn(f->context, "ccaaabbb", &(fm_vocabulary_options){.size = 4});
    encode(f->context, v, "abc", got, 4);
    assert_memory_equal(got, ((int32_t[]){2, 3, FM_TOKEN_UNKNOWN}), 12);
    fm_vocabulary_destroy(v);
}

static void bytes_know_everything(void **state)
{
    fixture *f = *state;
    const fm_vocabulary_options options = {.kind = FM_VOCABULARY_BYTES};
    fm_vocabulary *v = learn(f->context, "", &options);
    char all[256];
    for (int i = 0; i < 256; i++) all[i] = (char)i;
    int32_t tokens[256];
    int64_t count;
    char *back;
    size_t size;
    assert_int_equal(fm_vocabulary_size(v), 257);
    assert_ok(f->context, fm_vocabulary_encode(f->context, v, all, 256, tokens, 256, &count));
    assert_int_equal(count, 256);
    for (int i = 0; i < 256; i++) assert_int_equal(tokens[i], i + 1);
    assert_ok(f->context, fm_vocabulary_decode(f->context, v, tokens, count, &back, &size));
    assert_int_equal(size, 256);
    assert_memory_equal(back, all, 256);
    fm_text_free(f->context, back);
    fm_vocabulary_destroy(v);
}

static void assert_words(fm_context *context, const char *text, int punctuation, bool keep_case,
                         const char *expected)
{
    fm_vocabulary *v =
        learn(context, text,
              &(fm_vocabulary_options){
                  .kind = FM_VOCABULARY_WORDS, .punctuation = punctuation, .keep_case = keep_case});
    assert_round_trip(context, v, text, strlen(text), expected);
    fm_vocabulary_destroy(v);
}

static void words_are_cut_as_asked(void **state)
{
    fixture *f = *state;
    const char *text = "Don't STOP (\xc3\x89t\xc3\xa9),\n now!\xc2\xa0\xd0\x9c\xd0\xb8\xd1\x80";
    assert_words(f->context, text, FM_PUNCTUATION_SEPARATE, false,
                 "don ' t stop ( \xc3\xa9t\xc3\xa9), now! \xd0\xbc\xd0\xb8\xd1\x80");
    assert_words(f->context, text, FM_PUNCTUATION_DROP, false,
                 "don t stop \xc3\xa9t\xc3\xa9 now \xd0\xbc\xd0\xb8\xd1\x80");
    assert_words(f->context, text, FM_PUNCTUATION_KEEP, true,
                 "Don't STOP (\xc3\x89t\xc3\xa9), now! \xd0\x9c\xd0\xb8\xd1\x80");
    assert_words(f->context, " \n\t", FM_PUNCTUATION_KEEP, true, "");
}

static void frequent_words_come_first(void **state)
{
    fixture *f = *state;
    fm_vocabulary_options options = {.kind = FM_VOCABULARY_WORDS, .size = 4, .min_count = 2};
    fm_vocabulary *v = learn(f->context, "c b a b a c c d", &options);
    int32_t got[4];
    assert_int_equal(fm_vocabulary_size(v), 4);
    encode(f->context, v, "c a b d", got, 4);
    assert_memory_equal(got, ((int32_t[]){2, 3, FM_TOKEN_UNKNOWN, FM_TOKEN_UNKNOWN}), 16);
    fm_vocabulary_destroy(v);
}

static void assert_written(fm_context *context, const fm_vocabulary_options *options,
                           const char *text, const char *const expected[5])
{
    fm_vocabulary *v = learn(context, "love this film", options);
    fm_written written[5] = {{"", 0}, {"", 0}, {"", 0}, {"", 0}, {"", 0}};
    int64_t count;
    assert_ok(context, fm_vocabulary_written(context, v, text, strlen(text), written, 5, &count));
    assert_int_equal(count, 6);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(written[i].size, strlen(expected[i]));
        assert_memory_equal(written[i].bytes, expected[i], written[i].size);
    }
    fm_vocabulary_destroy(v);
}

/* As it stands in the text, not as the vocabulary would have it; room is for five. */
static void what_is_unknown_is_found_in_the_text(void **state)
{
    fixture *f = *state;
    assert_written(f->context, &(fm_vocabulary_options){.kind = FM_VOCABULARY_WORDS},
                   " I LOVE \xc3\x89t\xc3\xa9, THIS  Movie",
                   (const char *const[]){"I", "", "\xc3\x89t\xc3\xa9", ",", ""});
    assert_written(f->context, NULL, "lov\xc3\xa9 X",
                   (const char *const[]){"", "", "", "\xc3\xa9", ""});
    assert_written(f->context, &(fm_vocabulary_options){.kind = FM_VOCABULARY_BYTES}, "lov\x01XY",
                   (const char *const[]){"", "", "", "", ""});
}

/* Against the definition, which counts all pairs anew for each merge. */
static void byte_pairs_are_those_of_the_definition(void **state)
{
    fixture *f = *state;
    const char *const texts[] = {(const char *)golden_bpe_text, NULL};
    const size_t sizes[] = {sizeof golden_bpe_text};
    list l = {texts, sizes};
    size_t merges = sizeof golden_bpe_merges / sizeof golden_bpe_merges[0] / 2;
    fm_vocabulary_options options = {.kind = FM_VOCABULARY_BPE, .size = 257 + (int64_t)merges};
    fm_vocabulary *v;
    assert_ok(f->context, fm_vocabulary_learn(f->context, (fm_texts){text_at, &l}, &options, &v));
    assert_int_equal(fm_vocabulary_size(v), 257 + merges);
    for (size_t i = 0; i < merges; i++) {
        const uint32_t *token = fm_pair_get(&v->pairs, (uint32_t)golden_bpe_merges[2 * i],
                                            (uint32_t)golden_bpe_merges[2 * i + 1]);
        assert_non_null(token);
        assert_int_equal(*token, 257 + i);
    }
    int32_t tokens[sizeof golden_bpe_text];
    int64_t count;
    assert_ok(f->context, fm_vocabulary_encode(f->context, v, texts[0], sizes[0], tokens,
                                               (int64_t)sizes[0], &count));
    assert_int_equal(count, sizeof golden_bpe_tokens / sizeof(int));
    assert_memory_equal(tokens, golden_bpe_tokens, sizeof golden_bpe_tokens);
    assert_ok(f->context,
              fm_vocabulary_encode(f->context, v, (const char *)golden_bpe_other,
                                   sizeof golden_bpe_other, tokens, (int64_t)sizes[0], &count));
    assert_int_equal(count, sizeof golden_bpe_other_tokens / sizeof(int));
    assert_memory_equal(tokens, golden_bpe_other_tokens, sizeof golden_bpe_other_tokens);
    fm_vocabulary_destroy(v);
}

static void byte_pairs_read_any_bytes(void **state)
{
    fixture *f = *state;
    fm_vocabulary_options options = {.kind = FM_VOCABULARY_BPE, .size = 300};
    fm_vocabulary *v = learn(f->context, "\xff\xfe\xff\xfe\xff\xfe the the the then", &options);
    const char broken[] = "\xff\xfe \x80the\0 end";
    int32_t tokens[32];
    int64_t count;
    char *back;
    size_t size;
    assert_ok(f->context,
              fm_vocabulary_encode(f->context, v, broken, sizeof broken - 1, tokens, 32, &count));
    assert_true(count < (int64_t)sizeof broken - 1); /* something was merged */
    assert_ok(f->context, fm_vocabulary_decode(f->context, v, tokens, count, &back, &size));
    assert_int_equal(size, sizeof broken - 1);
    assert_memory_equal(back, broken, size);
    fm_text_free(f->context, back);
    fm_vocabulary_destroy(v);
}

static void learning_ends_when_no_pair_is_left(void **state)
{
    fixture *f = *state;
    fm_vocabulary_options options = {.kind = FM_VOCABULARY_BPE, .size = 5000};
    fm_vocabulary *v = learn(f->context, "abc abc", &options);
    assert_int_equal(fm_vocabulary_size(v), 259); /* ab, abc; " abc" is there once */
    fm_vocabulary_destroy(v);
    v = learn(f->context, "", &options);
    assert_int_equal(fm_vocabulary_size(v), 257);
    fm_vocabulary_destroy(v);
}

static void broken_text_is_named(void **state)
{
    fixture *f = *state;
    const char *const texts[] = {"fine", "one\ntwo \xe9t\xe9\n", NULL};
    list l = {texts, NULL};
    fm_vocabulary *v;
    assert_fails(f->context, FM_ERROR_FORMAT, "text 1: byte 8 (line 2) is 0xe9, which is no UTF-8",
                 fm_vocabulary_learn(f->context, (fm_texts){text_at, &l}, NULL, &v));
    assert_null(v);
    v = learn(f->context, "abc", NULL);
    int64_t count;
    assert_fails(f->context, FM_ERROR_FORMAT, "byte 1 (line 1) is 0xff",
                 fm_vocabulary_encode(f->context, v, "a\xff", 2, NULL, 0, &count));
    fm_vocabulary_destroy(v);
    assert_fails(f->context, FM_ERROR_ARGUMENT, "bytes need a vocabulary_size of 257 or more",
                 fm_vocabulary_learn(
                     f->context, (fm_texts){text_at, &l},
                     &(fm_vocabulary_options){.kind = FM_VOCABULARY_BYTES, .size = 100}, &v));
    assert_fails(f->context, FM_ERROR_ARGUMENT, "vocabulary",
                 fm_vocabulary_learn(f->context, (fm_texts){text_at, &l},
                                     &(fm_vocabulary_options){.kind = 7}, &v));
}

static const char sample[] = "The cat sat. The cats sit: caf\xc3\xa9, caf\xc3\xa9!\n";

static void vocabularies_survive_their_json(void **state)
{
    fixture *f = *state;
    for (int kind = 0; kind < 4; kind++) {
        fm_vocabulary_options options = {.kind = kind,
                                         .size = kind == 2 ? 6 : 300,
                                         .punctuation = FM_PUNCTUATION_DROP,
                                         .keep_case = true};
        fm_vocabulary *before = learn(f->context, sample, &options), *after;
        char *json, *again;
        int32_t a[64], b[64];
        assert_ok(f->context, fm_vocabulary_to_json(f->context, before, &json));
        assert_ok(f->context, fm_vocabulary_from_json(f->context, json, strlen(json), &after));
        assert_ok(f->context, fm_vocabulary_to_json(f->context, after, &again));
        assert_string_equal(json, again);
        assert_int_equal(fm_vocabulary_size(before), fm_vocabulary_size(after));
        int64_t count = encode(f->context, before, sample, a, 64);
        assert_int_equal(encode(f->context, after, sample, b, 64), count);
        assert_memory_equal(a, b, (size_t)count * sizeof a[0]);
        fm_data_release(f->context, json);
        fm_data_release(f->context, again);
        fm_vocabulary_destroy(before);
        fm_vocabulary_destroy(after);
    }
}

static void wrong_json_is_refused(void **state)
{
    fixture *f = *state;
    static const struct {
        const char *json, *words;
    } cases[] = {
        {"{", "JSON line 1"},
        {"[]", "has a kind"},
        {"{\"kind\":\"letters\",\"size\":9,\"min_count\":1}", "has a kind"},
        {"{\"kind\":\"characters\",\"size\":9,\"min_count\":1}", "characters are a string"},
        {"{\"kind\":\"characters\",\"size\":9,\"min_count\":1,\"characters\":\"ba\"}",
         "in the order of their code points"},
        {"{\"kind\":\"characters\",\"size\":3,\"min_count\":1,\"characters\":\"ab\"}",
         "more tokens than its size says"},
        {"{\"kind\":\"words\",\"size\":9,\"min_count\":1,\"words\":[]}",
         "words have a punctuation"},
        {"{\"kind\":\"words\",\"size\":9,\"min_count\":1,\"punctuation\":\"keep\",\"words\":[\"\"]"
         "}",
         "a string that is not empty"},
        {"{\"kind\":\"words\",\"size\":9,\"min_count\":1,\"punctuation\":\"keep\","
         "\"words\":[\"a\",\"a\"]}",
         "a word is there once"},
        {"{\"kind\":\"bpe\",\"size\":999,\"min_count\":2,\"merges\":[1]}", "two numbers each"},
        {"{\"kind\":\"bpe\",\"size\":999,\"min_count\":2,\"merges\":[1,257]}",
         "of two tokens before it"},
        {"{\"kind\":\"bpe\",\"size\":999,\"min_count\":2,\"merges\":[1,2,1,2]}",
         "a pair is merged once"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        fm_vocabulary *v;
        assert_fails(f->context, FM_ERROR_FORMAT, cases[i].words,
                     fm_vocabulary_from_json(f->context, cases[i].json, strlen(cases[i].json), &v));
        assert_null(v);
    }
    const char deep[] = "{\"kind\":\"bpe\",\"size\":999,\"min_count\":2,\"merges\":"
                        "[1,1,257,257,258,258,259,259,260,260,261,261,262,262]}";
    fm_vocabulary *v;
    assert_fails(f->context, FM_ERROR_LIMIT, "a token of more than 64 bytes",
                 fm_vocabulary_from_json(f->context, deep, strlen(deep), &v));
}

typedef struct attempt {
    int kind;
} attempt;

static fm_status there_and_back(fm_context *context, void *argument)
{
    const char *const texts[] = {sample, NULL};
    list l = {texts, NULL};
    fm_vocabulary_options options = {.kind = ((attempt *)argument)->kind};
    fm_vocabulary *v, *again = NULL;
    char *json = NULL, *text = NULL;
    int32_t tokens[64];
    int64_t count;
    size_t size;
    fm_status status = fm_vocabulary_learn(context, (fm_texts){text_at, &l}, &options, &v);
    if (status == FM_OK) status = fm_vocabulary_to_json(context, v, &json);
    if (status == FM_OK) status = fm_vocabulary_from_json(context, json, strlen(json), &again);
    if (status == FM_OK) {
        status = fm_vocabulary_encode(context, again, sample, strlen(sample), tokens, 64, &count);
    }
    if (status == FM_OK) {
        status = fm_vocabulary_decode(context, again, tokens, count, &text, &size);
    }
    if (text) fm_text_free(context, text);
    fm_data_release(context, json);
    fm_vocabulary_destroy(v);
    fm_vocabulary_destroy(again);
    return status;
}

static void every_allocation_may_fail(void **state)
{
    fixture *f = *state;
    for (int kind = 0; kind < 4; kind++) {
        assert_true(fail_each_allocation(f, there_and_back, &(attempt){kind}) >= 6);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(characters_are_numbered_in_their_order),
        fixture_test(rare_characters_are_unknown),
        fixture_test(what_is_unknown_is_found_in_the_text),
        fixture_test(bytes_know_everything),
        fixture_test(words_are_cut_as_asked),
        fixture_test(frequent_words_come_first),
        fixture_test(byte_pairs_are_those_of_the_definition),
        fixture_test(byte_pairs_read_any_bytes),
        fixture_test(learning_ends_when_no_pair_is_left),
        fixture_test(broken_text_is_named),
        fixture_test(vocabularies_survive_their_json),
        fixture_test(wrong_json_is_refused),
        fixture_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
