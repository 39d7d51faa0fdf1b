/* What is seen and heard of training: the live line, a line for each epoch, JSON events, Ctrl-C. */
#ifndef FM_CLI_PROGRESS_H
#define FM_CLI_PROGRESS_H

#include "cli/invocation.h"

typedef struct progress {
    invocation *invocation;
    double drawn_at;         /* when the live line was drawn, or a plain one printed */
    double epoch_at;         /* when an epoch's line was printed */
    double samples, seconds; /* of training alone, for the overall speed */
    double data_wait;        /* of these seconds, waiting for data */
    bool interrupted;
} progress;

/* For fm_fit_options.callbacks; `p` must outlive the fit. */
fm_callback progress_callback(progress *p);

/* From begin to end Ctrl-C (and SIGTERM) asks the fit to stop after its step; the second one ends
 * the program. */
void progress_catch_signals(void);
void progress_release_signals(void);
bool progress_asked_to_stop(void);

/* The place in the history of the epoch whose weights the model has after a fit: the last, or the
 * best where that was restored; -1 without any. */
int64_t kept_epoch(const fm_model *model, const fm_recipe *recipe);

/* "loss 0.2134  accuracy 0.9410", each name with `prefix`; adds to a text of `size` bytes. */
void show_scores(const fm_model *model, const fm_scores *scores, const char *prefix, char *text,
                 size_t size);
/* Its one number is the accuracy again; what it is for is told by eval. */
bool is_confusion_matrix(const char *metric);
/* A figure of a metric in a few characters: 0.9410, 3.2e-05, 48213. */
const char *show_figure(double value, char buffer[32]);

#endif
