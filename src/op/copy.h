#ifndef FM_OP_COPY_H
#define FM_OP_COPY_H

#include "fathom/op.h"

extern const fm_op fm_op_copy;

#endif
