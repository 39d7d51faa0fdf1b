/* What a saved model's outputs mean: probabilities of classes with names, or numbers. */
#ifndef FM_CLI_OUTPUT_MEANING_H
#define FM_CLI_OUTPUT_MEANING_H

#include "cli/predict_input.h"

/* classes   outputs are probabilities of classes
 * one_sided one output, the probability of the second of two classes
 * positions of a sample that have classes of their own: pixels, steps; else 1
 * otherwise the outputs are numbers, in the user's units, or probabilities of their own */
typedef struct output_meaning {
    bool classes, one_sided, probabilities;
    int64_t width; /* outputs of a sample: positions times classes where there are classes */
    int64_t class_count, positions;
    const fm_column *columns; /* of "y" as it is in the data, or NULL */
    int64_t column_count;
    const fm_column *class_column;
} output_meaning;

output_meaning output_meaning_of(const saved_model *saved);

/* The class's name, or its number in the buffer. */
const char *output_class_name(const output_meaning *m, int64_t index, char buffer[32]);
/* Of a number among the outputs: its column, a row of the forecast, "value". */
const char *output_value_name(const output_meaning *m, int64_t index, char buffer[32]);
/* Of a class, from the outputs of one sample as probabilities. */
double output_probability(const output_meaning *m, const float *outputs, int64_t index);
/* The class of the largest probability, of equal ones the first. */
int64_t output_most_probable(const output_meaning *m, const float *outputs);
/* The most probable class of each position, and what share of the positions each class has. */
void output_positions(const output_meaning *m, const float *outputs, int32_t *classes,
                      float *shares);
/* The class that a label says, as the loss sees labels: an index, or a row with a one in it. */
int64_t output_true_class(const output_meaning *m, const fm_data_field *field, const void *label);
/* Outputs that are numbers, `count` samples of the input from sample `first` on, back to the user's
 * unit, in place. */
fm_status output_restore(const output_meaning *m, const saved_model *saved,
                         const predict_input *input, int64_t first, int64_t count, float *values);

#endif
