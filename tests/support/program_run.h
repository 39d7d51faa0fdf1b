/* Runs the built program, as a user would, and keeps what it said. */
#ifndef TESTS_SUPPORT_PROGRAM_RUN_H
#define TESTS_SUPPORT_PROGRAM_RUN_H

#include "support/fixture.h"

enum { PROGRAM_OUTPUT = 1 << 18 };

typedef struct program_result {
    int code; /* exit status; 128 and the signal's number when it was killed */
    char out[PROGRAM_OUTPUT], err[PROGRAM_OUTPUT];
} program_result;

/* The program's path. */
const char *program_path(void);

/* `line` is a shell's command line in which $FATHOM is the program and $HERE the test's folder.
 * Data of the machine is out of reach: HOME, XDG_CACHE_HOME and FATHOM_DATA point into the folder.
 * The result is valid until the next run. */
const program_result *program_run(fixture *f, const char *line);
/* The exit status must be 0. */
const program_result *program_run_well(fixture *f, const char *line);

/* What a line must come to: words in stdout when the status is 0, else in stdout or stderr. */
typedef struct program_case {
    const char *line;
    int code;
    const char *words;
} program_case;

/* Each line with `before` in front of it: "cd $HERE && ". */
void check_program(fixture *f, const char *before, const program_case *cases, size_t count);

#endif
