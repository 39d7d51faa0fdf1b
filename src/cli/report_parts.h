/* The parts of `fathom report`: a page of its own, no network, SVG and PNG drawn here. */
#ifndef FM_CLI_REPORT_PARTS_H
#define FM_CLI_REPORT_PARTS_H

#include "cli/html_text.h"
#include "cli/output_meaning.h"
#include "base/memory.h"
#include "fathom/image.h"

/* A figure of each epoch: "loss", "val_accuracy". */
typedef struct report_series {
    const char *name;
    double *values; /* NaN: unknown */
} report_series;

/* A history, from a model's file or from its CSV; for the former the model, too. */
typedef struct report_run {
    const char *name;
    int64_t epochs;
    int series_count;
    report_series *series;
    bool is_model;
    saved_model saved;
} report_run;

enum { REPORT_MOST_RUNS = 8, REPORT_MOST_SERIES = 64 };

typedef struct report {
    invocation *s;
    fm_arena *arena;
    report_run *runs;
    int count;
    fm_text *body;
} report;

fm_status report_run_open(const report *r, const char *path, report_run *run);
/* NULL when the run has none of that name. */
const report_series *report_find(const report_run *run, const char *name);

/* Curves of all runs: a chart for each figure. */
fm_status report_add_curves(const report *r);
/* Of one model: layers, filters of the first, recipe. */
fm_status report_add_model(const report *r, const report_run *run);
/* Of one model: gradients and activations of its layers over the epochs,
 * where they were recorded. */
void report_add_health(const report *r, const report_run *run);
/* Of one model and the set that it is judged on, before and after the transform: t-SNE and PCA. */
fm_status report_add_embedding(const report *r, const report_run *run, const fm_dataset *raw,
                               const fm_dataset *set);
/* Of one model on its evaluation set: scores, confusion, calibration, mistakes, features. */
fm_status report_add_evaluation(const report *r, const report_run *run);

/* Of an autoencoder of images: samples of the set beside what it makes of them. */
fm_status report_add_reconstructions(const report *r, const report_run *run, const fm_dataset *set);

/* html_add_image on the page. */
fm_status report_add_image(const report *r, const fm_image *image, int times, const char *words);

extern const char report_page_head[], report_page_script[];

#endif
