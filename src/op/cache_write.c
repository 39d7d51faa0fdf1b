/* A cache of what was read before, written piece by piece. */
#include "fathom/attention_ops.h"
#include "op/attention_attributes.h"
#include "op/op_table.h"
#include "op/op_tools.h"

#include <string.h>

static fm_status cache_write_infer(fm_infer *infer)
{
    const fm_shape cache = infer->shapes[0], x = infer->shapes[1];
    bool fits = cache.rank >= 2 && x.rank == cache.rank && x.dims[1] <= cache.dims[1];
    for (int i = 0; fits && i < cache.rank; i++) fits = i == 1 || x.dims[i] == cache.dims[i];
    if (!fits) {
        return fm_infer_fail(infer, "the cache must be like x, with room for at least its entries");
    }
    if (infer->shapes[2].rank != 0) return fm_infer_fail(infer, "the position must be one number");
    return fm_infer_like_first(infer);
}

/* Writes the new rows alone: the cache is usually written in place. */
static void cache_write_run(const fm_call *call)
{
    const fm_tensor *cache = &call->inputs[0], *x = &call->inputs[1], *y = &call->outputs[0];
    if (x->count == 0) return;
    const int64_t room = cache->shape.dims[1], time = x->shape.dims[1];
    const size_t element = fm_dtype_size(x->dtype);
    const size_t row = (size_t)fm_shape_span(x->shape, 2, x->shape.rank) * element;
    const double asked = fm_position_of(&call->inputs[2]);
    const int64_t first = (int64_t)(asked < 0 ? 0 : asked > 1e9 ? 1e9 : asked);
    const int64_t out = first + time > room ? first + time - room : 0; /* rows that move out */
    const int64_t moved = out < time ? out : time, kept = room - time;
    for (int64_t b = 0; b < x->shape.dims[0]; b++) {
        char *to = (char *)y->data + (size_t)(b * room) * row;
        const char *from = (const char *)cache->data + (size_t)(b * room) * row;
        const char *piece = (const char *)x->data + (size_t)(b * time) * row;
        if (out > 0) {
            memmove(to, from + (size_t)moved * row, (size_t)kept * row);
            memcpy(to + (size_t)kept * row, piece, (size_t)time * row);
            continue;
        }
        if (to != from) memcpy(to, from, (size_t)room * row);
        memcpy(to + (size_t)first * row, piece, (size_t)time * row);
    }
}

/* y = C cache + X x with matrices of 0 and 1 over the rows: y's row r is x's row r - first where
 * there is one, else the cache's row r + out. The gradients are C^T dy and X^T dy. */
static void cache_write_vjp(fm_graph *g, fm_vjp *vjp)
{
    fm_val dy = vjp->output_grads[0];
    const fm_shape shape = fm_val_shape(g, dy), x = fm_val_shape(g, vjp->inputs[1]);
    const int64_t room = shape.dims[1], time = x.dims[1];
    fm_val position = fm_floor(g, fm_add_scalar(g, vjp->inputs[2], 0.5));
    position = fm_maximum(g, position, fm_scalar_like(g, dy, 0));
    fm_val first = fm_minimum(g, position, fm_scalar_like(g, dy, (double)(room - time)));
    const fm_dtype dtype = fm_val_dtype(g, dy);
    fm_val out = fm_sub(g, position, first), rows = fm_sequence(g, dtype, FM_SHAPE(room, 1));
    fm_val from_x = fm_equal(g, fm_sub(g, rows, first), fm_sequence(g, dtype, FM_SHAPE(1, time)));
    fm_val from_cache = fm_equal(g, fm_add(g, rows, out), fm_sequence(g, dtype, FM_SHAPE(1, room)));
    from_cache = fm_mul(g, from_cache, fm_scalar_minus(g, 1, fm_sum_last(g, from_x)));
    const fm_val matrices[] = {from_cache, from_x};
    fm_val flat = fm_reshape_to(g, dy, FM_SHAPE(shape.dims[0], room, -1));
    for (int i = 0; i < 2; i++) {
        fm_val grad = fm_matmul_transposed(g, matrices[i], flat, true, false);
        vjp->input_grads[i] = fm_reshape_to(g, grad, i == 0 ? shape : x);
    }
}

const fm_op fm_op_cache_write = {
    .name = "cache_write",
    .doc = "the cache with x written at a position; the oldest entries make room",
    .min_inputs = 3,
    .max_inputs = 3,
    .outputs = 1,
    .infer = cache_write_infer,
    .vjp = cache_write_vjp,
    .run = cache_write_run,
    .flops = fm_no_flops,
    .in_place = {1},
    .cases = (const fm_case[]){{"f(2,5,3) f(2,2,3) f()", NULL},
                               {"f(1,3,2,2) f(1,3,2,2) f()", NULL},
                               {NULL, NULL}},
};

fm_val fm_cache_write(fm_graph *g, fm_val cache, fm_val x, fm_val position)
{
    return fm_node_add(g, &fm_op_cache_write, (fm_val[]){cache, x, position}, 3, NULL, NULL);
}
