/* Residual blocks with their activation after the sum: of ResNet and DRN. */
#ifndef FM_NN_ZOO_RESIDUAL_H
#define FM_NN_ZOO_RESIDUAL_H

#include "nn/zoo/zoo_blocks.h"

/* A level is a row of blocks in the scope layerNUMBER. Filters of a bottleneck count at its narrow
 * place; four times as many come out. */
typedef struct fm_residual_level {
    int number, blocks;
    int first; /* number of its first block in the scope */
    int64_t filters, stride;
    int64_t dilation; /* default 1 */
    bool bottleneck, zero_init;
    bool plain; /* without shortcuts: DRN's last levels */
} fm_residual_level;

fm_val fm_residual_build(fm_graph *g, fm_val x, const fm_residual_level *level);

/* The last batch normalisation of a block, whose gamma may start at 0. */
fm_val fm_residual_last_norm(fm_graph *g, fm_val x, const char *name, bool zero_init);

#define FM_ZOO_ZERO_INIT                                                                           \
    FM_FIELD(fm_zoo_options, zero_init_residual, FM_FIELD_BOOL, "blocks start as the identity")

#endif
