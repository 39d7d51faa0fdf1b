/* The op that the pass of fuse_chain.c makes of neighbouring elementwise ones: a straight-line
 * program over operands of one dtype, whose results all have the shape that the operands broadcast
 * to. It runs tile by tile, so that what is between two steps stays in the first cache, and
 * computes exactly what the steps compute one after the other; the portable kernel runs their
 * portable kernels. It exists after differentiation only and has no gradient rule. */
#ifndef FM_OP_CHAIN_H
#define FM_OP_CHAIN_H

#include "base/text.h"
#include "fathom/op.h"

enum { FM_CHAIN_STEPS = 32, FM_CHAIN_ARITY = 3, FM_CHAIN_NO_OUTPUT = -1 };

/* A source below FM_MAX_INPUTS is an operand, from there on the result of an earlier step. */
typedef struct fm_chain_step {
    const fm_op *op;
    const void *attributes; /* the op's */
    int8_t sources[FM_CHAIN_ARITY];
    int8_t output; /* which of the node's outputs the result is, FM_CHAIN_NO_OUTPUT: none */
} fm_chain_step;

/* Steps and text say the same: the text is what is printed and compared. */
typedef struct fm_chain_attributes {
    const char *text; /* as fm_chain_write makes it */
    int count;        /* at most FM_CHAIN_STEPS */
    const fm_chain_step *steps;
} fm_chain_attributes;

/* They differ in flags alone: operands of any shape; every step may run on stored bytes; some step
 * draws random numbers. Each output may be written over the operand of its number. */
extern const fm_op fm_op_chain, fm_op_stored_chain, fm_op_random_chain;

static inline bool fm_op_is_chain(const fm_op *op)
{
    return op == &fm_op_chain || op == &fm_op_stored_chain || op == &fm_op_random_chain;
}

/* The one of the three for these steps. */
const fm_op *fm_chain_op(const fm_chain_attributes *attributes);

/* May the op be a step? */
bool fm_chain_takes(const fm_op *op);

/* "t0 = sigmoid(x0), y0 = mul(x0, t0)": operands x, outputs y, other results t with their step. */
void fm_chain_write(fm_text *text, const fm_chain_attributes *attributes);

#endif
