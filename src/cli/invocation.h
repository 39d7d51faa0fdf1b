/* What every command needs: a context, the two terminals, where data is looked for, and the way out
 * with words and an exit code. */
#ifndef FM_CLI_INVOCATION_H
#define FM_CLI_INVOCATION_H

#include "cli/arguments.h"
#include "cli/terminal.h"
#include "fathom/model_file.h"
#include "fathom/recipe.h"

typedef struct invocation {
    const arguments *given;
    fm_context *context;
    terminal out, err;
    fm_data_places places;
    const char *folders[3];
    char cache[4096];
} invocation;

/* On failure says so; the exit code is then EXIT_INTERNAL. */
bool invocation_open(invocation *s, const arguments *given);
/* Prints the context's words unless all went well, releases the context, gives the exit code. */
int invocation_close(invocation *s, fm_status status);

/* The recipe that the command line names, with what it changes. */
fm_status invocation_open_recipe(invocation *s, fm_recipe **recipe);

/* Samples at a time where nothing is learned: one number,
 * so that train and eval agree to the bit. */
enum { EVALUATION_BATCH = 256 };

/* Seconds of a clock that only goes forward. */
double seconds_now(void);

/* A saved model with the recipe it was made from. Opens what `path` holds, compiles nothing. What
 * the command line wants written is refused here where it cannot be. */
typedef struct saved_model {
    fm_model_file *file;
    fm_recipe *recipe;
    fm_transform *transform;
    const char *transform_json;
    fm_model *model;
} saved_model;

/* By the name's ending, else by what the file begins with: --out takes any name. */
bool is_saved_model(const char *path);
fm_status saved_model_open(invocation *s, const char *path, saved_model *saved);
void saved_model_close(saved_model *saved);

#endif
