/* Which values hold something of the examples of a batch, and whether each part of them is of one
 * example alone: what must be known before the gradient of a batch may be taken apart. */
#ifndef FM_PASS_EXAMPLE_RULES_H
#define FM_PASS_EXAMPLE_RULES_H

#include "ir/ir.h"

/* What a value holds of the examples. A positive number: its first dimension is cut into that many
 * rows for each example, in the order of the examples. */
enum {
    FM_OF_NO_EXAMPLE = 0,
    FM_OF_ALL_SUMMED = -1, /* a sum, each of whose terms is of one example */
};

/* rows[i]: of value i, for inputs with `examples` entries in their first dimension. NULL, or the
 * node that mixes examples, or of whose op that is not known. */
const fm_node *fm_examples_find(const fm_graph *graph, int64_t examples, int64_t *rows);

#endif
