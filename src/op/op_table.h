/* The built-in ops by name: fm_op_NAME is the record whose address is the opcode. */
#ifndef FM_OP_TABLE_H
#define FM_OP_TABLE_H

#include "fathom/op.h"
#include "op/binary_table.h"
#include "op/unary_table.h"

/* Those that are no rows of an elementwise table. (reorder is missing on purpose: it means
 * something only between two physical layouts, and the layout pass alone adds it.) */
#define FM_OTHER_OPS(OP)                                                                           \
    OP(equal)                                                                                      \
    OP(where)                                                                                      \
    OP(sum)                                                                                        \
    OP(reduce_max)                                                                                 \
    OP(argmax)                                                                                     \
    OP(softmax)                                                                                    \
    OP(log_softmax)                                                                                \
    OP(logsumexp)                                                                                  \
    OP(reshape)                                                                                    \
    OP(stop_gradient)                                                                              \
    OP(transpose)                                                                                  \
    OP(broadcast_to)                                                                               \
    OP(concat)                                                                                     \
    OP(slice)                                                                                      \
    OP(pad)                                                                                        \
    OP(cast)                                                                                       \
    OP(matmul)                                                                                     \
    OP(gather)                                                                                     \
    OP(scatter_add)                                                                                \
    OP(one_hot)                                                                                    \
    OP(sparse_softmax_cross_entropy)                                                               \
    OP(sparse_softmax_cross_entropy_grad)                                                          \
    OP(softmax_cross_entropy)                                                                      \
    OP(softmax_cross_entropy_grad)                                                                 \
    OP(copy)                                                                                       \
    OP(random_uniform_like)                                                                        \
    OP(random_normal_like)                                                                         \
    OP(secret_noise)                                                                               \
    OP(drop)

/* Of fathom/vision_ops.h. */
#define FM_VISION_OPS(OP)                                                                          \
    OP(convolve)                                                                                   \
    OP(convolve_transposed)                                                                        \
    OP(convolve_kernel_grad)                                                                       \
    OP(max_pool)                                                                                   \
    OP(max_pool_grad)                                                                              \
    OP(max_pool_pick)                                                                              \
    OP(average_pool)                                                                               \
    OP(average_pool_grad)                                                                          \
    OP(normalize)                                                                                  \
    OP(normalize_grad)                                                                             \
    OP(window_sum)                                                                                 \
    OP(take)                                                                                       \
    OP(take_grad)

/* Of fathom/recurrent_ops.h. */
#define FM_RECURRENT_OPS(OP)                                                                       \
    OP(simple_rnn)                                                                                 \
    OP(simple_rnn_grad)                                                                            \
    OP(lstm)                                                                                       \
    OP(lstm_grad)                                                                                  \
    OP(gru)                                                                                        \
    OP(gru_grad)

/* Of fathom/attention_ops.h. */
#define FM_ATTENTION_OPS(OP)                                                                       \
    OP(attention)                                                                                  \
    OP(packed_attention)                                                                           \
    OP(attention_grad)                                                                             \
    OP(packed_attention_grad)                                                                      \
    OP(rotary)                                                                                     \
    OP(cache_write)

/* They have no gradient rule: a loss that depends on an update is a mistake. */
#define FM_UPDATE_RULES(OP)                                                                        \
    OP(sgd)                                                                                        \
    OP(momentum)                                                                                   \
    OP(adagrad)                                                                                    \
    OP(adadelta)                                                                                   \
    OP(rmsprop)                                                                                    \
    OP(rmsprop_momentum)                                                                           \
    OP(rmsprop_centered)                                                                           \
    OP(adam)                                                                                       \
    OP(amsgrad)                                                                                    \
    OP(adamax)                                                                                     \
    OP(nadam)                                                                                      \
    OP(lion)
#define FM_UPDATE_OPS(OP)                                                                          \
    FM_UPDATE_RULES(OP)                                                                            \
    OP(moving_average)

#define FM_DECLARE_OP(name, ...) extern const fm_op fm_op_##name;
FM_UNARY_OPS(FM_DECLARE_OP)
FM_PARAMETER_OPS(FM_DECLARE_OP)
FM_BINARY_OPS(FM_DECLARE_OP)
FM_OTHER_OPS(FM_DECLARE_OP)
FM_VISION_OPS(FM_DECLARE_OP)
FM_RECURRENT_OPS(FM_DECLARE_OP)
FM_ATTENTION_OPS(FM_DECLARE_OP)
FM_UPDATE_OPS(FM_DECLARE_OP)
#undef FM_DECLARE_OP

#endif
