/* Noise for private training: a pure function of its key, unlike the random ops of drop.c. */
#include "op/op_table.h"
#include "op/op_tools.h"
#include "ir/ir.h"
#include "base/chacha.h"

#define KERNEL_FILE "kernel/secret_noise.h"
#include "kernel/instantiate.h"

static fm_status infer(fm_infer *infer)
{
    if (infer->shapes[1].rank != 0) {
        return fm_infer_fail(infer, "the deviation must be one number");
    }
    if (infer->dtypes[2] != FM_I32 ||
        !fm_shape_equal(infer->shapes[2], FM_SHAPE(FM_SECRET_KEY_WORDS))) {
        return fm_infer_fail(infer, "the key must be i32 (%d)", FM_SECRET_KEY_WORDS);
    }
    infer->input_count = 2; /* the real ones */
    return fm_infer_like_first(infer);
}

static void run(const fm_call *call)
{
    const fm_random_attributes *attributes = call->attributes;
    const fm_tensor *in = call->inputs, *y = call->outputs;
    double deviation =
        y->dtype == FM_F64 ? *(const double *)in[1].data : (double)*(const float *)in[1].data;
    FM_RUN_REAL(secret_noise, y->dtype, y->count, deviation, in[2].data,
                (uint32_t)attributes->stream, in[0].data, y->data);
}

/* d deviation = sum of dy n; n is drawn again, around zero. */
static void vjp(fm_graph *g, fm_vjp *vjp)
{
    fm_val x = vjp->inputs[0], dy = vjp->output_grads[0];
    if (vjp->wanted[0]) vjp->input_grads[0] = dy;
    if (!vjp->wanted[1]) return;
    fm_dtype dtype = fm_val_dtype(g, x);
    const fm_val around_zero[] = {fm_full_as(g, dtype, fm_val_shape(g, x), 0),
                                  fm_scalar_as(g, dtype, 1), vjp->inputs[2]};
    fm_val n = fm_node_add(g, &fm_op_secret_noise, around_zero, 3, vjp->attributes, NULL);
    vjp->input_grads[1] = fm_sum(g, fm_mul(g, dy, n), (fm_ints){0}, false);
}

const fm_op fm_op_secret_noise = {
    .name = "secret_noise",
    .doc = "x + deviation n, n normal with mean 0 and deviation 1 from ChaCha20 with this key",
    .min_inputs = 3,
    .max_inputs = 3,
    .outputs = 1,
    .attributes_size = sizeof(fm_random_attributes),
    .attributes = (const fm_field[]){{.name = "stream",
                                      .doc = "equal streams draw equal numbers",
                                      .offset = offsetof(fm_random_attributes, stream),
                                      .type = FM_FIELD_INT},
                                     {.name = NULL}},
    .infer = infer,
    .vjp = vjp,
    .run = run,
    .in_place = {1},
    .cases = (const fm_case[]){{"f(3,5) p() i99(10)", &(const fm_random_attributes){3}},
                               {"f(8) p() i7(10)", NULL},
                               {NULL, NULL}},
};

fm_val fm_secret_noise(fm_graph *g, fm_val x, fm_val deviation, fm_val key)
{
    fm_random_attributes attributes = {fm_graph_next_stream(g)};
    return fm_node_add(g, &fm_op_secret_noise, (fm_val[]){x, deviation, key}, 3, &attributes, NULL);
}
