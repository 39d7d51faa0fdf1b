/* What a search was told, in a file that only grows: a JSON object a line, synced before the next
 * trial is asked for. A line that was cut by a crash is cut off when the file is opened again. */
#ifndef FM_TRAIN_TUNE_FILE_SEARCH_JOURNAL_H
#define FM_TRAIN_TUNE_FILE_SEARCH_JOURNAL_H

#include "base/context.h"

/*  trial, to  the job
 *  value      of the objective; NaN: it failed, `reason` says why
 *  epoch      that had the value, from 1; trained: epochs in all, less than `to` where it stopped
 *             early
 *  seconds    of this job; elapsed: of the whole search until then */
typedef struct fm_journal_record {
    int64_t trial, to;
    double value;
    int64_t epoch, trained;
    double seconds, elapsed;
    const char *reason; /* NULL: it went well */
} fm_journal_record;

/* What a search must have in common with the one that began the journal: "space" and its text. */
typedef struct fm_journal_identity {
    const char *what, *text;
} fm_journal_identity;
enum { FM_MAX_IDENTITY = 8 };

typedef struct fm_search_journal fm_search_journal;

/* Opens or makes the file and locks it. FM_ERROR_ARGUMENT when another process has it, or when it
 * was begun with another identity; FM_ERROR_FORMAT for what is not a journal. */
fm_status fm_journal_open(fm_context *context, const char *path,
                          const fm_journal_identity *identity, int identity_count,
                          fm_search_journal **journal);
void fm_journal_close(fm_search_journal *journal);

/* False while the file is empty; else *maximize is what it was begun with. */
bool fm_journal_begun(const fm_search_journal *journal, bool *maximize);
fm_status fm_journal_begin(fm_search_journal *journal, bool maximize);

/* NULL when there is none. */
const fm_journal_record *fm_journal_find(const fm_search_journal *journal, int64_t trial,
                                         int64_t to);
/* Of all records; the largest `elapsed`. */
double fm_journal_elapsed(const fm_search_journal *journal);
int64_t fm_journal_count(const fm_search_journal *journal);
/* On the disk when it returns. */
fm_status fm_journal_append(fm_search_journal *journal, const fm_journal_record *record);

#endif
