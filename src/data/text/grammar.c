/* A built-in running text: sentences of a small grammar, drawn one by one. */
#include "base/fields.h"
#include "data/built_in.h"
#include "data/parts.h"
#include "data/text/text_fields.h"
#include "data/text/vocabulary.h"

#include <string.h>

enum { MOST_SENTENCES = 1 << 22 };

const fm_field fm_grammar_fields[] = {
    {"sentences", "for training", offsetof(fm_grammar_options, sentences), .type = FM_FIELD_INT,
     .default_value = 4000, .minimum = 1, .maximum = MOST_SENTENCES},
    {"test_sentences", "for the test part", offsetof(fm_grammar_options, test_sentences),
     .type = FM_FIELD_INT, .default_value = 400, .minimum = 1, .maximum = MOST_SENTENCES},
    {"seed", "of what is drawn", offsetof(fm_grammar_options, seed), .type = FM_FIELD_INT},
    FM_RUNNING_FIELDS(fm_grammar_options),
    {0},
};

/* Singular, plural. */
static const char *const nouns[][2] = {
    {"fox", "foxes"},   {"bird", "birds"}, {"child", "children"},   {"sailor", "sailors"},
    {"wolf", "wolves"}, {"mouse", "mice"}, {"teacher", "teachers"}, {"cat", "cats"},
};
static const char *const verbs[][2] = {
    {"sees", "see"},           {"follows", "follow"}, {"hears", "hear"},
    {"remembers", "remember"}, {"likes", "like"},     {"finds", "find"},
};
static const char *const adjectives[] = {"old", "small", "grey", "quiet", "brave", "tired"};
static const char *const places[] = {"near the river", "in the garden",  "behind the house",
                                     "on the hill",    "under the tree", "at night"};
static const char *const determiners[][2] = {{"the", "the"}, {"a", "some"}, {"this", "these"}};

#define PICK(random, list) ((list)[fm_random_below(random, sizeof(list) / sizeof((list)[0]))])

static bool chance(fm_random *random, double share)
{
    return fm_random_uniform(random) < share;
}

/* Writes "the old foxes"; returns 0 for one, 1 for many. */
static int add_phrase(fm_random *random, fm_text *text)
{
    int many = (int)fm_random_below(random, 2);
    const char *determiner = PICK(random, determiners)[many];
    const char *adjective = chance(random, 0.4) ? PICK(random, adjectives) : "";
    bool vowel = strchr("aeiou", *adjective ? *adjective : 'x');
    if (strcmp(determiner, "a") == 0 && vowel) determiner = "an";
    fm_text_add(text, "%s %s%s%s", determiner, adjective, *adjective ? " " : "",
                PICK(random, nouns)[many]);
    return many;
}

static void add_sentence(fm_random *random, fm_text *text)
{
    int many = add_phrase(random, text);
    if (chance(random, 0.3)) { /* the verb agrees with what stands before all this */
        fm_text_add(text, " that ");
        int others = add_phrase(random, text);
        fm_text_add(text, " %s", PICK(random, verbs)[others]);
    }
    fm_text_add(text, " %s ", PICK(random, verbs)[many]);
    add_phrase(random, text);
    if (chance(random, 0.5)) fm_text_add(text, " %s", PICK(random, places));
    fm_text_add(text, ".\n");
}

static fm_status make_part(fm_context *context, const void *argument, fm_data_part part,
                           fm_dataset **dataset)
{
    const fm_grammar_options *options = argument;
    fm_part_words words = fm_name_part("grammar", part, options->seed);
    int64_t count = part == FM_DATA_TRAIN ? options->sentences : options->test_sentences;
    fm_text text = FM_TEXT(context);
    uint32_t stream = fm_stream_of("grammar");
    for (int64_t i = 0; i < count; i++) {
        fm_random random = fm_sample_stream(options->seed, part, stream, i);
        add_sentence(&random, &text);
    }
    fm_status status = fm_text_status(&text);
    *dataset = NULL;
    if (status == FM_OK) {
        status = fm_dataset_from_text(context, words.name, fm_text_string(&text), text.size,
                                      &options->form, dataset);
    }
    fm_text_release(&text);
    return status;
}

fm_status fm_dataset_grammar(fm_context *context, const fm_grammar_options *options,
                             fm_dataset **train, fm_dataset **test)
{
    fm_grammar_options filled = options ? *options : (fm_grammar_options){0};
    *train = NULL;
    if (test) *test = NULL;
    fm_status status = fm_fields_complete(context, fm_grammar_fields, &filled, "grammar");
    if (status != FM_OK) return status;
    return fm_make_parts(context, make_part, &filled, train, test);
}
