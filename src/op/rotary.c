/* Rotary positions. */
#include "fathom/attention_ops.h"
#include "op/attention_attributes.h"
#include "op/op_table.h"
#include "op/op_tools.h"

#define KERNEL_FILE "kernel/rotary.h"
#include "kernel/instantiate.h"

static fm_status rotary_infer(fm_infer *infer)
{
    const fm_rotary_attributes *o = infer->attributes;
    const fm_shape x = infer->shapes[0];
    if (infer->input_count != 1 + o->position) {
        return fm_infer_fail(infer, "wants a position as its attributes say");
    }
    if (x.rank != 4 || x.dims[3] % 2) {
        return fm_infer_fail(infer, "x must be (batch, time, heads, an even number)");
    }
    if (o->heads < 0 || o->heads > x.dims[2]) {
        return fm_infer_fail(infer, "%lld heads cannot be turned, there are %lld",
                             (long long)o->heads, (long long)x.dims[2]);
    }
    if (o->position && infer->shapes[1].rank != 0) {
        return fm_infer_fail(infer, "the position must be one number");
    }
    if (!(o->base > 0)) return fm_infer_fail(infer, "base must be positive, received %g", o->base);
    return fm_infer_like_first(infer);
}

static void rotary_run(const fm_call *call)
{
    const fm_rotary_attributes *o = call->attributes;
    const fm_tensor *x = &call->inputs[0];
    const fm_shape s = x->shape;
    const double first = o->position ? fm_position_of(&call->inputs[1]) : 0;
    FM_RUN_REAL(rotary, x->dtype, s.dims[0], s.dims[1], s.dims[2], o->heads ? o->heads : s.dims[2],
                s.dims[3], o->base, first, o->inverse, x->data, call->outputs[0].data);
}

/* Turning keeps lengths: the adjoint turns back. */
static void rotary_vjp(fm_graph *g, fm_vjp *vjp)
{
    fm_rotary_attributes back = *(const fm_rotary_attributes *)vjp->attributes;
    back.inverse = !back.inverse;
    const fm_val operands[] = {vjp->output_grads[0], back.position ? vjp->inputs[1] : (fm_val){0}};
    vjp->input_grads[0] = fm_node_add(g, &fm_op_rotary, operands, 1 + back.position, &back, NULL);
}

#define FIELD(name_, type_, doc_)                                                                  \
    {                                                                                              \
        .name = #name_, .doc = doc_, .offset = offsetof(fm_rotary_attributes, name_),              \
        .type = type_                                                                              \
    }
#define CASE(text, ...)                                                                            \
    {                                                                                              \
        text, &(const fm_rotary_attributes)                                                        \
        {                                                                                          \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }

const fm_op fm_op_rotary = {
    .name = "rotary",
    .doc = "pairs (i, i + n/2) of a head turned by the angles p base^(-2i/n) at position p",
    .min_inputs = 1,
    .max_inputs = 2,
    .outputs = 1,
    .attributes_size = sizeof(fm_rotary_attributes),
    .attributes =
        (const fm_field[]){FIELD(heads, FM_FIELD_INT, "how many heads are turned; 0: all"),
                           FIELD(base, FM_FIELD_REAL, "of the angles"),
                           FIELD(position, FM_FIELD_BOOL, "an operand says where x begins"),
                           FIELD(inverse, FM_FIELD_BOOL, "turn back"),
                           {.name = NULL}},
    .infer = rotary_infer,
    .vjp = rotary_vjp,
    .run = rotary_run,
    .flops = fm_input_flops,
    .in_place = {1},
    .cases =
        (const fm_case[]){CASE("f(2,3,2,4)", .base = 100),
                          CASE("f(1,4,3,2)", .base = 10000, .heads = 2),
                          CASE("f(1,2,2,6) f()", .base = 10, .position = true, .inverse = true),
                          {NULL, NULL}},
};

fm_val fm_rotary(fm_graph *g, fm_val x, int64_t turned, double base, fm_val position)
{
    const fm_rotary_attributes attributes = {
        .heads = turned, .base = base == 0 ? 10000 : base, .position = position.id != 0};
    return fm_node_add(g, &fm_op_rotary, (fm_val[]){x, position}, 1 + attributes.position,
                       &attributes, NULL);
}
