/* The file that is being written when a signal ends the program: it goes with it. */
#ifndef FM_CLI_UNFINISHED_FILE_H
#define FM_CLI_UNFINISHED_FILE_H

/* For fm_context_options.temporary. */
void unfinished_file_note(void *user, const char *path);

/* A signal handler: removes the file and ends the program as the signal does by itself. */
void end_by_signal(int number);

/* SIGINT, SIGTERM and SIGHUP get this handler, but for those that are ignored. */
void unfinished_file_guard(void);

#endif
