/* Neighbours become one node where one kernel does their work in one pass over memory. */
#ifndef FM_PASS_FUSE_H
#define FM_PASS_FUSE_H

#include "ir/ir.h"

fm_status fm_fuse(fm_graph *graph);

/* Behind fm_fuse, which leaves what no producer takes: elementwise nodes of one shape that read
 * each other or one value become a chain (op/chain.h). */
fm_status fm_fuse_chains(fm_graph *graph);

#endif
