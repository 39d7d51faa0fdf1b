/* The processes of a search: this program again, each with a pipe to it and one back. */
#ifndef FM_CLI_TUNE_WORKERS_H
#define FM_CLI_TUNE_WORKERS_H

#include "fathom/base.h"

#include <jansson.h>
#include <sys/types.h>

typedef struct tune_worker {
    pid_t pid; /* 0: none runs */
    int to, from;
    char *bytes; /* received, no whole line yet */
    size_t size, capacity;
} tune_worker;

typedef struct tune_workers {
    fm_context *context;
    tune_worker *workers;
    int count;
    const char *log; /* where what they say on stderr goes */
} tune_workers;

fm_status tune_workers_open(fm_context *context, int count, const char *log, tune_workers *workers);
/* Closes their pipes, on which they save and end, and waits for that. */
void tune_workers_close(tune_workers *workers);

fm_status tune_worker_start(tune_workers *workers, int index);
/* A line of JSON to it; releases the object. A worker that is gone is told of by its end. */
void tune_worker_send(tune_workers *workers, int index, json_t *object);

/* What a worker said; object is NULL when it ended, and `end` says how. */
typedef struct tune_message {
    int worker;
    json_t *object; /* the receiver's */
    char end[128];
} tune_message;

/* Waits at most `seconds`; false when nothing was said, and at once when a signal came. */
bool tune_workers_hear(tune_workers *workers, double seconds, tune_message *message);

#endif
