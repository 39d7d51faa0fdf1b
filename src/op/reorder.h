/* Moving a value between physical layouts: the layout pass alone adds these nodes. */
#ifndef FM_OP_REORDER_H
#define FM_OP_REORDER_H

#include "fathom/backend.h"

/* One of the two is plain. */
typedef struct fm_reorder_attributes {
    fm_layout from, to;
} fm_reorder_attributes;

extern const fm_op fm_op_reorder;

#endif
