/* A search while it runs: what its parts (processes, table, files) share. */
#ifndef FM_CLI_TUNING_H
#define FM_CLI_TUNING_H

#include "cli/invocation.h"
#include "fathom/tune.h"
#include "train/tune/file/search_journal.h"

enum { TUNING_PATH = 4096 };

/* Of a trial, what the search itself does not know. */
typedef struct trial_note {
    int64_t epoch, trained; /* of the objective's value, from 1; and in all */
    double seconds;
    bool cleaned;       /* its state was removed */
    const char *reason; /* why it failed, or NULL; the journal's */
} trial_note;

/* A trial that runs now. */
typedef struct running_trial {
    int64_t trial, to, epoch; /* epoch: the last that ended */
    double value, began;
} running_trial;

typedef struct tuning {
    invocation invocation;
    const char *path; /* of the search */
    fm_search_file *file;
    const fm_search_settings *settings;
    fm_search *search;
    fm_search_journal *journal;
    const char *monitor; /* "val_loss" where nothing was said */
    char folder[TUNING_PATH - 64];
    trial_note *notes;
    size_t note_capacity;
    const char **assigned;  /* of tuning_assign */
    running_trial *running; /* one a slot; trial -1: idle */
    int slots;
    int64_t known, replayed; /* results that the journal had when it was opened; told of them */
    int64_t told, epochs;
    double began, before; /* when this run began; seconds of the runs before it */
    int drawn;            /* lines of the live block */
    double drawn_at;      /* when */
    bool interrupted;
} tuning;

/* "FOLDER/name"; false when it is too long. */
bool tuning_path(const tuning *t, const char *name, char path[TUNING_PATH]);
double tuning_seconds(const tuning *t);
/* KEY=VALUE of a trial with those of the command line; *set stays until the next call. */
fm_status tuning_assign(tuning *t, const double *values, string_list *set);

#endif
