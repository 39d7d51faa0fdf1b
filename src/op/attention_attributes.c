#include "op/attention_attributes.h"
#include "op/op_table.h"

#include <math.h>

bool fm_attention_is_packed(const fm_op *op)
{
    return op == &fm_op_packed_attention || op == &fm_op_packed_attention_grad;
}

bool fm_attention_is_grad(const fm_op *op)
{
    return op == &fm_op_attention_grad || op == &fm_op_packed_attention_grad;
}

int fm_attention_operands(const fm_op *op, const fm_attention_attributes *attributes)
{
    return (fm_attention_is_packed(op) ? 1 : 3) + attributes->mask + attributes->position;
}

double fm_position_of(const fm_tensor *input)
{
    const double position =
        input->dtype == FM_F64 ? *(const double *)input->data : (double)*(const float *)input->data;
    return floor(position + 0.5);
}

kernel_attention fm_attention_sizes(const fm_op *op, const void *attributes,
                                    const fm_tensor *inputs)
{
    const fm_attention_attributes *o = attributes;
    const bool packed = fm_attention_is_packed(op);
    const fm_shape q = inputs[0].shape, k = inputs[packed ? 0 : 1].shape;
    const fm_shape v = inputs[packed ? 0 : 2].shape;
    kernel_attention a = {.batch = q.dims[0],
                          .queries = q.dims[1],
                          .keys = k.dims[1],
                          .heads = packed ? o->heads : q.dims[2],
                          .key_heads = packed ? (q.dims[2] - o->heads) / 2 : k.dims[2],
                          .key_dim = q.dims[3],
                          .value_dim = v.dims[3],
                          .q_step = q.dims[2] * q.dims[3],
                          .k_step = k.dims[2] * k.dims[3],
                          .v_step = v.dims[2] * v.dims[3],
                          .causal = o->causal,
                          .rate = o->rate};
    a.scale = o->scale != 0 ? o->scale : 1 / sqrt((double)(a.key_dim > 0 ? a.key_dim : 1));
    if (o->mask) {
        const fm_shape mask = inputs[packed ? 1 : 3].shape;
        a.mask_query = mask.rank == 3 ? a.keys : 0;
        a.mask_batch = mask.rank == 3 ? a.queries * a.keys : a.keys;
    }
    return a;
}

double fm_attention_pairs(const kernel_attention *a)
{
    const double rows = (double)(a->batch * a->heads) * (double)a->queries;
    const double pairs = rows * (double)a->keys;
    return a->causal && a->queries == a->keys ? (pairs + rows) / 2 : pairs;
}

static void *moved(const void *data, fm_dtype dtype, int64_t elements)
{
    return (char *)(uintptr_t)data + elements * (int64_t)fm_dtype_size(dtype);
}

/* Where q, k, v begin in a packed value. */
static void *part_of(const fm_attention_call *c, const fm_tensor *packed, int part)
{
    const kernel_attention *a = &c->sizes;
    const int64_t heads = part == 0 ? 0 : part == 1 ? a->heads : a->heads + a->key_heads;
    return moved(packed->data, packed->dtype, heads * a->key_dim);
}

static void find_inputs(const fm_call *call, fm_attention_call *c)
{
    const fm_attention_attributes *o = call->attributes;
    const fm_tensor *in = call->inputs;
    const bool packed = fm_attention_is_packed(call->op);
    c->q = packed ? part_of(c, in, 0) : in[0].data;
    c->k = packed ? part_of(c, in, 1) : in[1].data;
    c->v = packed ? part_of(c, in, 2) : in[2].data;
    in += packed ? 1 : 3;
    if (o->mask) c->mask = (in++)->data;
    if (o->position) {
        const double room = (double)(c->sizes.keys - c->sizes.queries);
        c->sizes.first = (int64_t)fmax(fmin(fm_position_of(in++), room), -1e9);
    }
    if (!fm_attention_is_grad(call->op)) return;
    c->y = in[0].data;
    c->lse = in[1].data;
    c->dy = in[2].data;
}

fm_attention_call fm_attention_read(const fm_call *call)
{
    const fm_attention_attributes *o = call->attributes;
    const fm_tensor *out = call->outputs;
    fm_attention_call c = {.sizes = fm_attention_sizes(call->op, o, call->inputs)};
    c.sizes.bf16 = call->precision == FM_PRECISION_BF16;
    c.sizes.key = (fm_random_key){*call->seed, (uint32_t)*call->step, (uint32_t)o->stream};
    find_inputs(call, &c);
    if (call->op == &fm_op_packed_attention_grad) {
        c.dq = part_of(&c, out, 0);
        c.dk = part_of(&c, out, 1);
        c.dv = part_of(&c, out, 2);
    } else {
        c.dq = out[0].data;
        c.dk = out[1].data;
        c.dv = call->output_count > 2 ? out[2].data : NULL;
    }
    return c;
}
