/* The commands, a file each. They return the exit code. */
#ifndef FM_CLI_COMMANDS_H
#define FM_CLI_COMMANDS_H

#include "cli/arguments.h"

int train_run(const arguments *given);
int tune_run(const arguments *given);
int eval_run(const arguments *given);
int predict_run(const arguments *given);
int check_run(const arguments *given);
int show_run(const arguments *given);
int generate_run(const arguments *given);
int explain_run(const arguments *given);
int embed_run_command(const arguments *given);
int privacy_run(const arguments *given);
int report_run_command(const arguments *given);

#endif
