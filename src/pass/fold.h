/* Arithmetic on the output channels of a product (convolution, matrix product) moves into its
 * kernel and one bias: batch normalisation that uses its running statistics disappears. */
#ifndef FM_PASS_FOLD_H
#define FM_PASS_FOLD_H

#include "ir/ir.h"

/* (x * k) s + t becomes x * (k s) + t where the product has no other reader and k, s and t are
 * steady (pass/steady.h), so that k s is computed once; also where a view that keeps the channels
 * lies between: a dense layer's on (batch, time, features). Numbers change in their last digits. */
fm_status fm_fold(fm_graph *graph);

#endif
