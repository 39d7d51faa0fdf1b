/* The same values with fewer nodes. */
#ifndef FM_PASS_SIMPLIFY_H
#define FM_PASS_SIMPLIFY_H

#include "ir/ir.h"

/* Equal nodes become one (except random ones); nodes of constants alone become constants; x + 0,
 * x - 0, x * 1 and x / 1 become x. Shapes and the order of nodes stay as they are. */
fm_status fm_simplify(fm_graph *graph);

#endif
