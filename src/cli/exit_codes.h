/* What the program's exit status means: one table for main, for help and for the man page. */
#ifndef FM_CLI_EXIT_CODES_H
#define FM_CLI_EXIT_CODES_H

#include "fathom/base.h"

typedef struct exit_code {
    int code;
    const char *meaning;
    unsigned statuses; /* a bit for each fm_status that ends so */
} exit_code;

enum {
    EXIT_DONE = 0,
    EXIT_INTERNAL = 1,
    EXIT_USAGE = 2,
    EXIT_FINDINGS = 10,
    EXIT_INTERRUPTED = 130
};

extern const exit_code exit_codes[]; /* ends with meaning NULL */

int exit_code_of(fm_status status);

#endif
