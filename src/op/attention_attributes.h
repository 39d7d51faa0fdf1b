/* The attributes of the attention ops (fathom/attention_ops.h),
 * and their operands as kernels see them. */
#ifndef FM_OP_ATTENTION_ATTRIBUTES_H
#define FM_OP_ATTENTION_ATTRIBUTES_H

#include "fathom/op.h"
#include "kernel/attention_sizes.h"

/* attention (q, k, v) and packed_attention (qkv), whose next operands are a mask and a position if
 * `mask` and `position` say so; outputs y, lse.
 * attention_grad and packed_attention_grad: these operands, then y, lse, dy; outputs dq, dk, dv or
 * dqkv.
 *  heads   packed only: how many of qkv's heads are queries; the rest are as many keys as values
 *  scale   0: 1 / sqrt(key_dim) */
typedef struct fm_attention_attributes {
    int64_t heads;
    bool causal, mask, position;
    double scale, rate;
    int64_t stream;
} fm_attention_attributes;

/* rotary: x, and a position if `position` says so. heads: how many are turned; 0: all. */
typedef struct fm_rotary_attributes {
    int64_t heads;
    double base;
    bool position, inverse;
} fm_rotary_attributes;

/* An attention op's shapes in the kernel's words; and where its operands lie. */
bool fm_attention_is_packed(const fm_op *op);
bool fm_attention_is_grad(const fm_op *op);
/* How many operands come before y, lse, dy. */
int fm_attention_operands(const fm_op *op, const fm_attention_attributes *attributes);
/* From the shapes alone: without `first` and `key`. */
kernel_attention fm_attention_sizes(const fm_op *op, const void *attributes,
                                    const fm_tensor *inputs);

/* Pairs of a query and a key that a head looks at, over all heads and samples. */
double fm_attention_pairs(const kernel_attention *sizes);

typedef struct fm_attention_call {
    kernel_attention sizes;
    const void *q, *k, *v, *mask, *y, *lse, *dy;
    void *dq, *dk, *dv; /* of the forward ops: dq is y, dk is lse */
} fm_attention_call;
fm_attention_call fm_attention_read(const fm_call *call);

/* The position that operand `input` says, as a whole number. */
double fm_position_of(const fm_tensor *input);

#endif
