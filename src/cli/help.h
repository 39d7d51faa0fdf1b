/* Help and the manual page, written from the tables of arguments.h and exit_codes.h. */
#ifndef FM_CLI_HELP_H
#define FM_CLI_HELP_H

#include "cli/arguments.h"

void help_program(FILE *stream);
void help_command(FILE *stream, const command *of);
int help_run(const arguments *given);

#endif
