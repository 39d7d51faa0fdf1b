/* What the rules of the fuse pass share. A rule looks at one node, and rewrites it or leaves it. */
#ifndef FM_PASS_FUSE_RULES_H
#define FM_PASS_FUSE_RULES_H

#include "ir/ir.h"

typedef struct fm_fuser {
    fm_graph *graph;
    uint32_t *uses;      /* by value id: operands, updates and outputs that read it */
    uint32_t *first_use; /* by value id: the first node that reads it */
    bool failed;         /* there was no memory */
} fm_fuser;

/* true: the graph was changed. */
typedef bool fm_fuse_rule(fm_fuser *f, fm_node *node);

/* Fills both arrays. */
void fm_fuse_count_uses(fm_fuser *f);
/* The living node of op `op` that makes `value`, or NULL. */
fm_node *fm_fuse_made_by(const fm_fuser *f, fm_val value, const fm_op *op);
/* As made_by, for a value that nobody else reads: its producer can be swallowed. */
fm_node *fm_fuse_swallowable(const fm_fuser *f, fm_val value, const fm_op *op);
/* Turns `node` into one of `op`; its outputs stay. */
bool fm_fuse_rewrite(fm_fuser *f, fm_node *node, const fm_op *op, const void *attributes,
                     const fm_val *inputs, int count);
/* The same with `outputs` in the place of its own. */
bool fm_fuse_rewrite_all(fm_fuser *f, fm_node *node, const fm_op *op, const void *attributes,
                         const fm_val *inputs, int count, const fm_val *outputs, int output_count);

/* Joins two nodes of one output each into the later one, which becomes `op` with both outputs. Only
 * where nobody reads the earlier one's output before the later one runs. */
bool fm_fuse_join(fm_fuser *f, fm_node *first, fm_node *second, const fm_op *op,
                  const void *attributes, const fm_val *inputs, int count);

/* fuse_convolve.c */
fm_fuse_rule fm_fuse_convolve_bias, fm_fuse_convolve_residual, fm_fuse_convolve_activation,
    fm_fuse_convolve_mask, fm_fuse_convolve_grad;
/* fuse_normalize.c */
fm_fuse_rule fm_fuse_pool_mask, fm_fuse_normalize_relu, fm_fuse_normalize_add,
    fm_fuse_normalize_grad, fm_fuse_normalize_add_grad;

#endif
