/* The explainer's inside, for the files of its methods. */
#ifndef FM_TRAIN_EXPLAIN_INSIDE_H
#define FM_TRAIN_EXPLAIN_INSIDE_H

#include "train/explain_program.h"

/* One sample at a time; the maps' weights are the program's outputs, "attention/0", ... */
typedef struct fm_attention_program {
    fm_program *program;
    fm_attention_map *maps; /* in the explainer's arena; weights NULL */
    int count;
} fm_attention_program;

struct fm_explainer {
    fm_context *context;
    fm_model *model;
    int64_t batch;
    const char *layer; /* asked for, or NULL */
    const char *found; /* that it was, once the program is there */
    fm_explain_program programs[FM_EXPLAIN_KINDS];
    fm_attention_program attention;
    fm_arena arena;   /* with the explainer */
    fm_arena results; /* until the next call */
    const void *sample;
    fm_explain_options options; /* complete */
    fm_explanation result;
};

/* Its program, compiled at first use, with the sample in each row of x and the output selected. */
fm_status fm_explainer_prepare(fm_explainer *explainer, fm_explain_kind kind,
                               fm_explain_program **program);

/* Computes `count` points, so many at once as a batch has. place writes the i-th into its row of
 * program->point (of x for FM_EXPLAIN_FORWARD, where the sample stands); collect reads its score
 * and its row of the gradient (NULL without one). */
typedef struct fm_explain_sweep {
    int64_t count;
    void (*place)(void *user, int64_t i, void *row);
    void (*collect)(void *user, int64_t i, double score, const void *gradient);
    void *user;
} fm_explain_sweep;
fm_status fm_explain_run(fm_explainer *explainer, fm_explain_program *program,
                         const fm_explain_sweep *sweep);

/* Zeros in `results`; NULL without memory. */
double *fm_explain_numbers(fm_explainer *explainer, fm_shape shape);

fm_status fm_explain_occlusion(fm_explainer *explainer);
fm_status fm_explain_grad_cam(fm_explainer *explainer);

#endif
