/* A small problem that every part of training has to do with: three overlapping clouds in four
 * dimensions, 150 samples (so that a batch of 32 leaves a last one of 22), a network with dropout,
 * Adam, and metrics with little and with much state. */
#ifndef TESTS_SUPPORT_TRAINING_PROBLEM_H
#define TESTS_SUPPORT_TRAINING_PROBLEM_H

#include "support/fixture.h"
#include "fathom/train.h"

enum { PROBLEM_SAMPLES = 150, PROBLEM_INPUTS = 4, PROBLEM_CLASSES = 3 };

/* The model's options; change what a test is about. Seed 1. */
fm_model_options problem_options(void);
fm_status problem_model(fm_context *context, fm_model **model);
/* `seed` draws other samples of the same clouds. */
fm_status problem_data(fm_context *context, int64_t seed, fm_dataset **data);

/* FNV-1a of all variables (paths and bytes), in order of path: two runs ended the same. */
uint64_t problem_digest(fm_model *model);
/* Histories agree bit for bit but for seconds. */
void assert_same_history(const fm_history *a, const fm_history *b, int metrics);

#endif
