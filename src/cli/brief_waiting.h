/* How OpenMP's threads wait for each other. */
#ifndef FM_CLI_BRIEF_WAITING_H
#define FM_CLI_BRIEF_WAITING_H

/* Where a start could not say it before main, starts the program again, with these words, unless
 * the user has said how threads wait. Returns when there is nothing to change, or no way to. */
void choose_brief_waiting(char **words);

#endif
