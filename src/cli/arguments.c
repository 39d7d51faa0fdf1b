#include "cli/arguments.h"
#include "base/fields.h"
#include "base/file.h"
#include "base/plain_numbers.h"
#include "fathom/tensor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define AT(member) offsetof(arguments, member)

const option option_table[] = {
    {"data", 'd', "DIR",
     FOR_TRAIN | FOR_TUNE | FOR_EVAL | FOR_PREDICT | FOR_EXPLAIN | FOR_EMBED | FOR_REPORT |
         FOR_CHECK | FOR_SHOW,
     OPTION_TEXT, AT(data), 0, NULL,
     "look for data files in DIR first, then in $FATHOM_DATA and the cache"},
    {"out", 'o', "FILE", FOR_TRAIN, OPTION_OUTPUT, AT(out), 0, NULL,
     "save the model as FILE; default: the recipe's name with .safetensors, here"},
    {"out", 'o', "FILE", FOR_PREDICT, OPTION_OUTPUT, AT(out), 0, NULL,
     "write forecasts of a time series to FILE as CSV (default: to stdout); of an autoencoder "
     "inputs "
     "and their reconstructions as a PNG image"},
    {"out", 'o', "FILE", FOR_GENERATE, OPTION_OUTPUT, AT(out), 0, NULL,
     "write new pictures of a variational autoencoder to FILE as PNG; default generated.png"},
    {"out", 'o', "DIR", FOR_TUNE, OPTION_TEXT, AT(out), 0, NULL,
     "keep the search in DIR; default: its name with .search, here"},
    {"jobs", '\0', "N", FOR_TUNE, OPTION_NUMBER, AT(jobs), 1, NULL,
     "trials at once, which divide the threads between them; default: one a thread, at most 8"},
    {"restart", '\0', NULL, FOR_TUNE, OPTION_SWITCH, AT(restart), 0, NULL,
     "forget what the folder knows and begin anew"},
    {"out", 'o', "FILE", FOR_REPORT, OPTION_OUTPUT, AT(out), 0, NULL,
     "write the page to FILE; default report.html"},
    {"out", 'o', "FILE", FOR_EXPLAIN, OPTION_OUTPUT, AT(out), 0, NULL,
     "images: write the maps to FILE as PNG, default explanation.png; texts: a page of HTML; "
     "attention: "
     "a page, FILE.html, or a picture"},
    {"out", 'o', "FILE", FOR_EMBED, OPTION_OUTPUT, AT(out), 0, NULL,
     "draw the map into FILE, a PNG image; default embedding.png"},
    {"epochs", 'e', "N", FOR_TRAIN, OPTION_KEY, 0, 1, "train.epochs",
     "passes over the training data"},
    {"batch-size", 'b', "N", FOR_TRAIN | FOR_CHECK | FOR_SHOW, OPTION_KEY, 0, 1, "train.batch_size",
     "samples in a step"},
    {"seed", 's', "N", FOR_TRAIN, OPTION_KEY, 0, 0, "train.seed",
     "same seed, same bits: initial weights, order of the data, dropout"},
    {"set", '\0', "KEY=VALUE", FOR_TRAIN | FOR_TUNE | FOR_CHECK | FOR_SHOW, OPTION_SET, AT(set), 0,
     NULL, "change the recipe: train.epochs=3, model.1.dense.units=64; may be repeated"},
    {"resume", 'r', "FILE", FOR_TRAIN, OPTION_TEXT, AT(resume), 0, NULL,
     "go on from a saved model, in the middle of an epoch too"},
    {"folds", 'K', "K", FOR_TRAIN, OPTION_NUMBER, AT(folds), 2, NULL,
     "cross-validate: train K times, each time on all but one part, and measure on that one"},
    {"tensorboard", '\0', "DIR", FOR_TRAIN, OPTION_TEXT, AT(tensorboard), 0, NULL,
     "write events for TensorBoard into DIR: curves, histograms of weights and gradients, the "
     "graph"},
    {"timeline", '\0', "FILE", FOR_TRAIN, OPTION_OUTPUT, AT(timeline), 0, NULL,
     "write what took how long, thread by thread, into FILE (JSON) for chrome://tracing and "
     "ui.perfetto.dev: steps, waiting for data, decoding, augmenting, validation, checkpoints"},
    {"gradients", 'g', NULL, FOR_TRAIN, OPTION_SWITCH, AT(gradients), 0, NULL,
     "tell the size of the gradient in each layer at the first step of each epoch"},
    {"gradients-every", '\0', "N", FOR_TRAIN, OPTION_NUMBER, AT(gradients_every), 1, NULL,
     "tell it at every N-th step"},
    {"method", 'm', "LIST", FOR_EXPLAIN, OPTION_TEXT, AT(method), 0, NULL,
     "saliency, gradient_x_input, smoothgrad, integrated_gradients, occlusion, grad_cam, several "
     "with commas between them; or permutation, or attention. Default: integrated_gradients, "
     "without "
     "a sample permutation"},
    {"method", 'm', "NAME", FOR_EMBED, OPTION_TEXT, AT(method), 0, NULL,
     "tsne (default): who is near whom; pca: the two directions of the largest variance"},
    {"class", 'c', "NAME", FOR_EXPLAIN, OPTION_TEXT, AT(class_asked), 0, NULL,
     "the class (or output) to explain, by name or number; default: the predicted one"},
    {"layer", 'l', "NAME", FOR_EXPLAIN, OPTION_TEXT, AT(layer), 0, NULL,
     "the layer that grad_cam looks at; default: the last one with height and width"},
    {"layer", 'l', "NAME", FOR_EMBED, OPTION_TEXT, AT(layer), 0, NULL,
     "the layer whose output is mapped, or input; default: what the last layer with weights reads, "
     "of an autoencoder the narrowest layer"},
    {"pool", '\0', NULL, FOR_EMBED, OPTION_SWITCH, AT(pool), 0, NULL,
     "the mean over steps or over height and width in place of all elements"},
    {"features", '\0', "FILE", FOR_EMBED, OPTION_OUTPUT, AT(features), 0, NULL,
     "write the features into FILE as well: .npy for NumPy, .csv with classes and places in the "
     "map"},
    {"perplexity", '\0', "P", FOR_EMBED, OPTION_REAL, AT(perplexity), 1, NULL,
     "how many neighbours count in t-SNE; default 30, less for few samples"},
    {"steps", '\0', "N", FOR_EMBED, OPTION_NUMBER, AT(steps), 1, NULL,
     "iterations of t-SNE; default 1000"},
    {"steps", '\0', "N", FOR_EXPLAIN, OPTION_NUMBER, AT(steps), 1, NULL,
     "steps of integrated_gradients (default: 64, doubled until the gap is below 1 %), copies of "
     "smoothgrad (default 50)"},
    {"repeats", '\0', "N", FOR_EXPLAIN, OPTION_NUMBER, AT(repeats), 1, NULL,
     "shuffles of each column for permutation; default 5"},
    {"text", 'x', "TEXT", FOR_PREDICT | FOR_EXPLAIN, OPTION_TEXT, AT(text_input), 0, NULL,
     "a text in place of INPUT"},
    {"prompt", 'p', "TEXT", FOR_GENERATE, OPTION_TEXT, AT(prompt), 0, NULL,
     "what the text begins with; default: the beginning of a line"},
    {"length", 'l', "N", FOR_GENERATE, OPTION_NUMBER, AT(length), 1, NULL,
     "tokens to generate; default 200"},
    {"temperature", 'T', "T", FOR_GENERATE, OPTION_REAL, AT(temperature), 0, NULL,
     "below 1 more predictable, above 1 more daring, 0: always the most probable; default 1"},
    {"top-k", 'k', "K", FOR_GENERATE, OPTION_NUMBER, AT(top_k), 1, NULL,
     "draw from the K most probable tokens only"},
    {"top-p", '\0', "P", FOR_GENERATE, OPTION_REAL, AT(top_p), 0, NULL,
     "draw from the fewest tokens that have the probability P together"},
    {"seed", 's', "N", FOR_GENERATE, OPTION_NUMBER, AT(seed), 0, NULL, "same seed, same text"},
    {"seed", 's', "N", FOR_EXPLAIN, OPTION_NUMBER, AT(seed), 0, NULL,
     "of smoothgrad's noise and of shuffles: same seed, same numbers"},
    {"seed", 's', "N", FOR_EMBED, OPTION_NUMBER, AT(seed), 0, NULL,
     "of t-SNE: same seed, same map"},
    {"count", 'c', "N", FOR_GENERATE, OPTION_NUMBER, AT(count), 1, NULL,
     "texts or pictures to generate; default 1 text, 40 pictures"},
    {"context", '\0', "N", FOR_GENERATE, OPTION_NUMBER, AT(context), 2, NULL,
     "tokens that attention looks back on; default: as many as a training sample had"},
    {"top", 'k', "K", FOR_PREDICT, OPTION_NUMBER, AT(top), 1, NULL,
     "print the K most probable classes; default 3"},
    {"sample", 'n', "LIST", FOR_PREDICT | FOR_EXPLAIN | FOR_EMBED, OPTION_TEXT, AT(sample), 0, NULL,
     "take samples of the recipe's test data: 7, or 0-9, or 0,5,8"},
    {"horizon", '\0', "N", FOR_PREDICT, OPTION_NUMBER, AT(horizon), 1, NULL,
     "forecast N rows of a time series; default: as many as the model does at once"},
    {"plot", '\0', "FILE", FOR_PREDICT | FOR_EVAL, OPTION_OUTPUT, AT(plot), 0, NULL,
     "draw a time series and its forecasts as a PNG image"},
    {"picture", 'p', NULL, FOR_PREDICT, OPTION_SWITCH, AT(picture), 0, NULL,
     "draw images in the terminal above their classes"},
    {"limit", '\0', "N", FOR_CHECK, OPTION_NUMBER, AT(limit), 1, NULL,
     "look at N samples of each part, evenly spread; default: all"},
    {"limit", '\0', "N", FOR_EMBED, OPTION_NUMBER, AT(limit), 4, NULL,
     "take N samples, evenly spread; default 2000"},
    {"samples", '\0', "FILE", FOR_SHOW, OPTION_OUTPUT, AT(samples), 0, NULL,
     "write a PNG image of training samples of a recipe, augmented, with their classes; of "
     "recordings the spectrograms"},
    {"samples", 'n', "N", FOR_PRIVACY, OPTION_NUMBER, AT(examples), 1, NULL,
     "examples of the training data"},
    {"batch-size", 'b', "N", FOR_PRIVACY, OPTION_NUMBER, AT(batch), 1, NULL,
     "examples in a step, on average; default 32"},
    {"epochs", 'e', "N", FOR_PRIVACY, OPTION_NUMBER, AT(epochs), 1, NULL,
     "passes over the training data"},
    {"steps", '\0', "N", FOR_PRIVACY, OPTION_NUMBER, AT(steps), 1, NULL,
     "steps in place of epochs"},
    {"noise-multiplier", '\0', "S", FOR_PRIVACY, OPTION_REAL, AT(noise_multiplier), 0, NULL,
     "deviation of the noise by the clipping norm"},
    {"epsilon", '\0', "E", FOR_PRIVACY, OPTION_REAL, AT(epsilon), 0, NULL,
     "find the least noise that spends no more"},
    {"delta", '\0', "D", FOR_PRIVACY, OPTION_REAL, AT(delta), 0, NULL,
     "the delta that epsilon is for; default 1e-5"},
    {"graph", '\0', NULL, FOR_SHOW, OPTION_SWITCH, AT(graph), 0, NULL,
     "print the training graph, a line a node"},
    {"plan", '\0', NULL, FOR_SHOW, OPTION_SWITCH, AT(plan), 0, NULL,
     "print the compiled training program: steps, kernels, buffers"},
    {"profile", '\0', NULL, FOR_SHOW, OPTION_SWITCH, AT(profile), 0, NULL,
     "run the training step a few times and tell where its time goes"},
    {"why", '\0', NULL, FOR_SHOW, OPTION_SWITCH, AT(why), 0, NULL,
     "print the program and why each kernel was chosen"},
    {"precision", '\0', "NAME", FOR_EVAL | FOR_PREDICT | FOR_GENERATE, OPTION_PRECISION,
     AT(precision), 0, NULL,
     "bf16: round what matrix products multiply to bfloat16, which is faster where the processor "
     "has "
     "instructions for it; default f32"},
    {"threads", 't', "N",
     FOR_TRAIN | FOR_TUNE | FOR_EVAL | FOR_PREDICT | FOR_EXPLAIN | FOR_EMBED | FOR_REPORT |
         FOR_CHECK | FOR_GENERATE | FOR_SHOW,
     OPTION_NUMBER, AT(threads), 1, NULL,
     "compute threads; default: one a processor. Results do not depend on it"},
    {"json", 'j', NULL,
     FOR_TRAIN | FOR_TUNE | FOR_EVAL | FOR_PREDICT | FOR_EXPLAIN | FOR_EMBED | FOR_CHECK |
         FOR_GENERATE | FOR_PRIVACY | FOR_SHOW,
     OPTION_SWITCH, AT(json), 0, NULL, "print JSON on stdout, an object a line"},
    {"quiet", 'q', NULL,
     FOR_TRAIN | FOR_TUNE | FOR_EVAL | FOR_PREDICT | FOR_EXPLAIN | FOR_EMBED | FOR_REPORT |
         FOR_CHECK | FOR_GENERATE,
     OPTION_SWITCH, AT(quiet), 0, NULL, "no progress, only results and errors"},
    {"man", '\0', NULL, FOR_HELP, OPTION_SWITCH, AT(man), 0, NULL, "print the manual page (troff)"},
    {"help", 'h', NULL, FOR_ALL, OPTION_SWITCH, AT(help), 0, NULL, "print this help"},
    {0},
};

/* ---- finding --------------------------------------------------------------------------------- */

const command *command_find(const char *name)
{
    for (const command *c = command_table; c->name; c++) {
        if (strcmp(c->name, name) == 0) return c;
    }
    return NULL;
}

static const char *next_command(const void *list, int index)
{
    return ((const command *)list)[index].name;
}

static const char *next_option(const void *list, int index)
{
    const command *of = list;
    for (const option *o = option_table; o->name; o++) {
        if ((o->commands & of->bit) && index-- == 0) return o->name;
    }
    return NULL;
}

static const option *option_find(const command *of, const char *name, size_t size, char letter)
{
    for (const option *o = option_table; o->name; o++) {
        if (!(o->commands & of->bit)) continue;
        if (letter ? o->letter == letter
                   : strlen(o->name) == size && !memcmp(o->name, name, size)) {
            return o;
        }
    }
    return NULL;
}

/* ---- complaints ------------------------------------------------------------------------------ */

static bool hint(const command *of, FILE *errors)
{
    fprintf(errors, of ? "Try 'fathom %s --help'.\n" : "Try 'fathom --help'.\n",
            of ? of->name : "");
    return false;
}

static bool complain_command(const char *word, FILE *errors)
{
    const char *near = fm_nearest(word, next_command, command_table);
    const char *dot = strrchr(word, '.');
    if (near) {
        fprintf(errors, "fathom: unknown command '%s'; did you mean '%s'?\n", word, near);
    } else if (dot && (strcmp(dot, ".yaml") == 0 || strcmp(dot, ".yml") == 0)) {
        fprintf(errors, "fathom: unknown command '%s'; to train this recipe: fathom train %s\n",
                word, word);
    } else {
        fprintf(errors, "fathom: unknown command '%s'; commands are:", word);
        for (const command *c = command_table; c->name; c++) fprintf(errors, " %s", c->name);
        fputc('\n', errors);
    }
    return hint(NULL, errors);
}

static bool complain_option(const command *of, const char *word, FILE *errors)
{
    char name[64] = "";
    if (word[1] == '-') snprintf(name, sizeof name, "%.*s", (int)strcspn(word + 2, "="), word + 2);
    const char *near = fm_nearest(name, next_option, of);
    for (const command *c = command_table; *name && c->name; c++) {
        if (!option_find(c, name, strlen(name), '\0')) continue;
        fprintf(errors, "fathom %s: --%s is an option of 'fathom %s'\n", of->name, name, c->name);
        return hint(of, errors);
    }
    fprintf(errors, "fathom %s: unknown option '%s'", of->name, word);
    if (near) fprintf(errors, "; did you mean '--%s'?", near);
    fputc('\n', errors);
    return hint(of, errors);
}

/* ---- values ---------------------------------------------------------------------------------- */

typedef struct parser {
    arguments *given;
    char **words;
    int count, at;
    char *text; /* free memory for OPTION_KEY's assignments */
    FILE *errors;
} parser;

static bool parse_number(parser *p, const option *o, const char *value, int64_t *number)
{
    char *end;
    errno = 0;
    *number = strtoll(value, &end, 10);
    bool whole = end != value && *end == '\0' && errno == 0;
    if (whole && *number >= o->minimum) return true;
    fprintf(p->errors, "fathom %s: --%s takes a whole number, at least %lld; received '%s'\n",
            p->given->command->name, o->name, (long long)o->minimum, value);
    return hint(p->given->command, p->errors);
}

static bool parse_real(parser *p, const option *o, const char *value, double *number)
{
    const char *end;
    bool real = fm_plain_number(value, &end, number) && *end == '\0' && isfinite(*number);
    if (real && *number >= (double)o->minimum) {
        if (*number == 0) *number = FM_ZERO;
        return true;
    }
    fprintf(p->errors, "fathom %s: --%s takes a number, at least %lld; received '%s'\n",
            p->given->command->name, o->name, (long long)o->minimum, value);
    return hint(p->given->command, p->errors);
}

static bool parse_precision(parser *p, const option *o, const char *value, int *precision)
{
    for (*precision = 0; fm_precision_names[*precision]; (*precision)++) {
        if (strcmp(fm_precision_names[*precision], value) == 0) return true;
    }
    fprintf(p->errors, "fathom %s: --%s takes", p->given->command->name, o->name);
    for (int i = 0; fm_precision_names[i]; i++) {
        fprintf(p->errors, "%s %s", i ? " or" : "", fm_precision_names[i]);
    }
    fprintf(p->errors, "; received '%s'\n", value);
    return hint(p->given->command, p->errors);
}

static bool store_option(parser *p, const option *o, const char *value)
{
    char *place = (char *)p->given + o->offset;
    int64_t number = 0;
    switch (o->kind) {
    case OPTION_SWITCH:
        *(bool *)place = true;
        return true;
    case OPTION_TEXT:
    case OPTION_OUTPUT:
        *(const char **)place = value;
        return true;
    case OPTION_NUMBER:
        return parse_number(p, o, value, (int64_t *)place);
    case OPTION_REAL:
        return parse_real(p, o, value, (double *)place);
    case OPTION_SET:
        p->given->set.items[p->given->set.count++] = value;
        return true;
    case OPTION_PRECISION:
        return parse_precision(p, o, value, (int *)place);
    case OPTION_KEY:
        if (!parse_number(p, o, value, &number)) return false;
        p->given->set.items[p->given->set.count++] = p->text;
        p->text += sprintf(p->text, "%s=%lld", o->key, (long long)number) + 1;
        return true;
    }
    return false;
}

static bool take_option(parser *p, const option *o, const char *value)
{
    const command *of = p->given->command;
    if (!o->value && value) {
        fprintf(p->errors, "fathom %s: --%s takes no value\n", of->name, o->name);
        return hint(of, p->errors);
    }
    if (o->value && !value) {
        if (p->at == p->count) {
            fprintf(p->errors, "fathom %s: --%s needs a value: --%s %s\n", of->name, o->name,
                    o->name, o->value);
            return hint(of, p->errors);
        }
        value = p->words[p->at++];
    }
    return store_option(p, o, value);
}

/* -qj is -q -j; -o FILE and -oFILE are the same. */
static bool take_letters(parser *p, const char *word)
{
    for (const char *letter = word + 1; *letter; letter++) {
        const option *o = option_find(p->given->command, "", 0, *letter);
        if (!o) return complain_option(p->given->command, word, p->errors);
        if (!o->value) {
            if (!take_option(p, o, NULL)) return false;
            continue;
        }
        return take_option(p, o, letter[1] ? letter + 1 : NULL);
    }
    return true;
}

static bool take_word(parser *p, const char *word, bool *only_positional)
{
    if (*only_positional || word[0] != '-' || !word[1]) {
        p->given->positional.items[p->given->positional.count++] = word;
        return true;
    }
    if (strcmp(word, "--") == 0) return *only_positional = true;
    if (word[1] != '-') return take_letters(p, word);
    size_t size = strcspn(word + 2, "=");
    const option *o = option_find(p->given->command, word + 2, size, '\0');
    if (!o) return complain_option(p->given->command, word, p->errors);
    return take_option(p, o, word[2 + size] ? word + 2 + size + 1 : NULL);
}

static bool check_positional(const arguments *given, FILE *errors)
{
    const command *of = given->command;
    if (given->help) return true;
    if (given->positional.count < of->min_positional) {
        fprintf(errors, "fathom %s: %s\n", of->name, of->missing);
        return hint(of, errors);
    }
    if (of->max_positional >= 0 && given->positional.count > of->max_positional) {
        fprintf(errors, "fathom %s: '%s' is one word too many\n", of->name,
                given->positional.items[of->max_positional]);
        return hint(of, errors);
    }
    return true;
}

static bool complain_overwriting(const arguments *given, const option *o, const char *path,
                                 const char *what, FILE *errors)
{
    fprintf(errors, "fathom %s: --%s %s: would be written over %s\n", given->command->name, o->name,
            path, what);
    return hint(given->command, errors);
}

static const char *output_of(const arguments *given, const option *o)
{
    if (o->kind != OPTION_OUTPUT || !(o->commands & given->command->bit)) return NULL;
    return *(const char *const *)((const char *)given + o->offset);
}

/* What is read, or written too, must not be lost. A resumed model alone goes on under its name. */
static bool check_output(const arguments *given, const option *o, const char *path, FILE *errors)
{
    for (int i = 0; i < given->positional.count; i++) {
        if (!fm_file_same(path, given->positional.items[i])) continue;
        return complain_overwriting(given, o, path, "a file that is read", errors);
    }
    if (given->resume && o->offset != AT(out) && fm_file_same(path, given->resume)) {
        return complain_overwriting(given, o, path, "the file of --resume", errors);
    }
    for (const option *other = o + 1; other->name; other++) {
        const char *too = output_of(given, other);
        if (!too || !fm_file_same(path, too)) continue;
        char what[64];
        snprintf(what, sizeof what, "what --%s writes", other->name);
        return complain_overwriting(given, o, path, what, errors);
    }
    return true;
}

static bool check_outputs(const arguments *given, FILE *errors)
{
    for (const option *o = option_table; o->name && !given->help; o++) {
        const char *path = output_of(given, o);
        if (path && !check_output(given, o, path, errors)) return false;
    }
    return true;
}

/* ---- all of it ------------------------------------------------------------------------------- */

enum { LONGEST_ASSIGNMENT = 64 }; /* a key of the table and a number */

static bool reserve(arguments *given, int count)
{
    size_t lists = 2 * (size_t)count * sizeof(char *);
    given->text = calloc(1, lists + (size_t)count * LONGEST_ASSIGNMENT);
    if (!given->text) return false;
    given->positional.items = (const char **)(void *)given->text;
    given->set.items = given->positional.items + count;
    return true;
}

bool arguments_parse(int count, char **words, arguments *given, FILE *errors)
{
    *given = (arguments){.top = 3};
    if (count < 2) {
        given->help = true;
        return true;
    }
    const char *first = words[1];
    if (strcmp(first, "--help") == 0 || strcmp(first, "-h") == 0) return given->help = true;
    if (strcmp(first, "--version") == 0 || strcmp(first, "-V") == 0) return given->version = true;
    given->command = command_find(first);
    if (!given->command) {
        if (first[0] != '-') return complain_command(first, errors);
        fprintf(errors, "fathom: a command comes first; '%s' is an option\n", first);
        return hint(NULL, errors);
    }
    if (!reserve(given, count)) {
        fprintf(errors, "fathom: no memory for the command line\n");
        return false;
    }
    parser p = {.given = given, .words = words, .count = count, .at = 2, .errors = errors};
    p.text = (char *)(void *)(given->set.items + count);
    bool only_positional = false;
    while (p.at < count) {
        const char *word = words[p.at++];
        if (!take_word(&p, word, &only_positional)) return false;
    }
    return check_positional(given, errors) && check_outputs(given, errors);
}

const char *arguments_output(const arguments *given, int i)
{
    for (const option *o = option_table; o->name; o++) {
        const char *path = output_of(given, o);
        if (path && i-- == 0) return path;
    }
    return NULL;
}

void arguments_release(arguments *given)
{
    free(given->text);
}
