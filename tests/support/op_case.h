/* The small language of fm_case: "f(3,4) i5(4)" -> shapes, dtypes and values that suit. */
#ifndef TESTS_SUPPORT_OP_CASE_H
#define TESTS_SUPPORT_OP_CASE_H

#include "fathom/op.h"

typedef struct case_input {
    char letter;
    int limit; /* of the letters i, b: integers below it */
    fm_shape shape;
} case_input;

typedef struct op_case {
    int count;
    case_input inputs[FM_MAX_INPUTS];
} op_case;

/* A word that is not of the language fails the test. */
op_case op_case_parse(const char *text);

/* i32 for the letter i, u8 for b, else `real`. */
fm_dtype op_case_dtype(const case_input *input, fm_dtype real);

/* Values of input number `index` of a case; in f64 they are exact in f32 too, so that both dtypes
 * work on the same numbers. */
void op_case_fill(const case_input *input, int index, fm_dtype real, void *elements);

/* The i-th case of the i-th op in one sequence: false at the end. Begin with {0}. */
typedef struct op_case_at {
    int op_index, case_index;
    const fm_op *op;
    const fm_case *row;
} op_case_at;
bool op_case_next(op_case_at *at);

#endif
