/* The command line: one table of commands, one of options, one of exit codes. Parsing, help and the
 * man page read them; nothing is said twice. */
#ifndef FM_CLI_ARGUMENTS_H
#define FM_CLI_ARGUMENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef struct string_list {
    const char **items;
    int count;
} string_list;

/* What the user asked for; zero where an option was not given. */
typedef struct arguments {
    const struct command *command;
    string_list positional;
    const char *data, *out, *resume, *sample, *samples, *backend, *plot, *prompt, *text_input;
    const char *tensorboard, *timeline;
    const char *method, *class_asked, *layer, *features;
    int64_t threads, top, gradients_every, horizon, limit, folds, jobs;
    int64_t length, top_k, seed, count, context;
    int64_t steps, repeats;
    double temperature, top_p, perplexity;
    int64_t examples, batch, epochs;
    double epsilon, delta, noise_multiplier;
    int precision;   /* fm_precision */
    string_list set; /* KEY=VALUE, also of --epochs and its like */
    bool json, quiet, pool, graph, plan, why, profile, picture, gradients, restart, help, version;
    bool man;   /* of help */
    char *text; /* memory behind set */
} arguments;

enum {
    FOR_TRAIN = 1,
    FOR_EVAL = 2,
    FOR_PREDICT = 4,
    FOR_SHOW = 8,
    FOR_HELP = 16,
    FOR_CHECK = 32,
    FOR_GENERATE = 64,
    FOR_TUNE = 128,
    FOR_EXPLAIN = 256,
    FOR_REPORT = 512,
    FOR_EMBED = 1024,
    FOR_PRIVACY = 2048,
    FOR_ALL = 4095,
};

typedef enum option_kind {
    OPTION_SWITCH,   /* bool */
    OPTION_TEXT,     /* const char * */
    OPTION_OUTPUT,   /* const char *: a file that the command writes */
    OPTION_NUMBER,   /* int64_t, at least `minimum` */
    OPTION_REAL,     /* double, at least `minimum`; FM_ZERO where 0 was given */
    OPTION_SET,      /* string_list of KEY=VALUE */
    OPTION_KEY,      /* a number for `key` of the recipe: --set by a name */
    OPTION_PRECISION /* int: fm_precision */
} option_kind;

typedef struct option {
    const char *name;
    char letter;       /* '\0': none */
    const char *value; /* "DIR"; NULL for a switch */
    unsigned commands;
    option_kind kind;
    size_t offset;
    int64_t minimum;
    const char *key;
    const char *doc;
} option;

extern const option option_table[]; /* ends with name NULL */

typedef struct command {
    const char *name;
    unsigned bit;
    const char *usage;           /* "RECIPE" */
    const char *summary;         /* one line without a full stop */
    const char *const *examples; /* "command line", "what it does", ..., NULL */
    const char *notes;           /* paragraphs, or NULL */
    int min_positional, max_positional;
    const char *missing; /* what to say when there are too few */
    int (*run)(const arguments *given);
} command;

extern const command command_table[]; /* ends with name NULL */
const command *command_find(const char *name);

/* Fills `given`; on a mistake prints it with a hint to `errors` and returns false. */
bool arguments_parse(int count, char **words, arguments *given, FILE *errors);
/* Files that it names for the command to write: the i-th, NULL behind the last. */
const char *arguments_output(const arguments *given, int i);
void arguments_release(arguments *given);

#endif
