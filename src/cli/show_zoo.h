/* `fathom show zoo` and `fathom show zoo/NAME`. */
#ifndef FM_CLI_SHOW_ZOO_H
#define FM_CLI_SHOW_ZOO_H

#include "cli/arguments.h"

/* "zoo/resnet50": the network's name, NULL for anything else. */
const char *show_zoo_name(const char *argument);
void show_zoo_list(bool json);
/* Returns the exit code. */
int show_zoo_network(const arguments *given, const char *name);

#endif
