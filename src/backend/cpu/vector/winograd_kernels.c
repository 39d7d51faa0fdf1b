/* Convolutions by winograd.h, where it beats the definition. */
#include "backend/cpu/vector/kernels.h"
#include "backend/cpu/winograd.h"
#include "base/memory.h"
#include "op/op_table.h"
#include "op/vision_attributes.h"

extern const fm_winograd_isa FM_ISA_SYMBOL(fm_winograd_isa);
#define ISA (&FM_ISA_SYMBOL(fm_winograd_isa))

/* Measured on networks' layers: fewer channels leave vectors empty; with fewer tiles, or a larger
 * kernel, transforming the kernel takes what the products save. */
enum { LEAST_CHANNELS = 8, LEAST_TILES = 24, MOST_KERNEL = 300 * 300 };

typedef struct winograd_state {
    fm_winograd geometry;
    int threads;
} winograd_state;

static bool all_are(const fm_ints *list, int64_t value)
{
    for (int i = 0; i < list->count; i++) {
        if (list->at[i] != value) return false;
    }
    return true;
}

/* x and y: the images of the forward convolution. */
static const char *match_window(const fm_site *site, const fm_shape *kernel, const fm_shape *x,
                                const fm_shape *y)
{
    const fm_convolve_attributes *a = site->attributes;
    const char *refusal = refuse_unless_f32(site);
    if (refusal) return refusal;
    if (x->rank != 4) return "not two spatial dimensions";
    if (kernel->dims[0] != 3 || kernel->dims[1] != 3) return "the kernel is not 3x3";
    if (!all_are(&a->window.strides, 1)) return "a stride other than 1";
    if (!all_are(&a->window.dilations, 1)) return "dilated";
    if (a->window.groups > 1) return "groups";
    for (int i = 0; i < 2; i++) {
        if (a->window.padding_begin.at[i] > 2) return "padding of more than 2";
    }
    const int64_t channels = kernel->dims[2], filters = kernel->dims[3];
    if (channels < LEAST_CHANNELS || filters < LEAST_CHANNELS) return "few channels";
    if (channels > MOST_KERNEL / filters)
        return "so many channels that its kernel leaves the caches";
    const int64_t tiles = y->dims[0] * ((y->dims[1] + 3) / 4) * ((y->dims[2] + 3) / 4);
    return tiles < LEAST_TILES ? "few results for so many weights" : NULL;
}

static fm_winograd geometry_of(const fm_site *site, const fm_shape *x, const fm_shape *y)
{
    const fm_convolve_attributes *a = site->attributes;
    return (fm_winograd){.images = x->dims[0],
                         .height = x->dims[1],
                         .width = x->dims[2],
                         .channels = x->dims[3],
                         .out_height = y->dims[1],
                         .out_width = y->dims[2],
                         .filters = y->dims[3],
                         .pad_top = a->window.padding_begin.at[0],
                         .pad_left = a->window.padding_begin.at[1]};
}

static fm_status prepare(const fm_site *site, const fm_winograd *geometry, fm_need *need)
{
    winograd_state *state = fm_allocate(site->context, sizeof *state);
    if (!state) return FM_ERROR_MEMORY;
    *state = (winograd_state){*geometry, site->threads};
    need->state = state;
    return FM_OK;
}

static void release_state(fm_context *context, void *state)
{
    fm_release(context, state);
}

/* ---- convolve ------------------------------------------------------------------------------------ */

static const char *match_convolve(const fm_site *site)
{
    return match_window(site, &site->inputs[1].shape, &site->inputs[0].shape,
                        &site->outputs[0].shape);
}

static fm_status prepare_convolve(const fm_site *site, fm_need *need)
{
    const fm_winograd w = geometry_of(site, &site->inputs[0].shape, &site->outputs[0].shape);
    need->scratch_bytes = ISA->scratch_floats(&w, site->threads) * sizeof(float);
    return prepare(site, &w, need);
}

static void run_convolve(const fm_call *call)
{
    const winograd_state *state = call->state;
    ISA->convolve(&state->geometry, call->inputs[0].data, call->inputs[1].data, false,
                  &(fm_winograd_epilogue){0}, call->outputs[0].data, state->threads, call->scratch);
}

/* ---- convolve_transposed ------------------------------------------------------------------------- */

static const char *match_transposed(const fm_site *site)
{
    return match_window(site, &site->inputs[1].shape, &site->outputs[0].shape,
                        &site->inputs[0].shape);
}

/* Seen from dy, with the kernel turned round. */
static fm_status prepare_transposed(const fm_site *site, fm_need *need)
{
    fm_winograd w = geometry_of(site, &site->inputs[0].shape, &site->outputs[0].shape);
    w.pad_top = 2 - w.pad_top;
    w.pad_left = 2 - w.pad_left;
    need->scratch_bytes = ISA->scratch_floats(&w, site->threads) * sizeof(float);
    return prepare(site, &w, need);
}

static void run_transposed(const fm_call *call)
{
    const winograd_state *state = call->state;
    ISA->convolve(&state->geometry, call->inputs[0].data, call->inputs[1].data, true,
                  &(fm_winograd_epilogue){0}, call->outputs[0].data, state->threads, call->scratch);
}

/* ---- convolve_kernel_grad ------------------------------------------------------------------------ */

static const char *match_kernel_grad(const fm_site *site)
{
    return match_window(site, &site->outputs[0].shape, &site->inputs[0].shape,
                        &site->inputs[1].shape);
}

static fm_status prepare_kernel_grad(const fm_site *site, fm_need *need)
{
    const fm_winograd w = geometry_of(site, &site->inputs[0].shape, &site->inputs[1].shape);
    need->scratch_bytes = ISA->kernel_grad_scratch_floats(&w, site->threads) * sizeof(float);
    return prepare(site, &w, need);
}

static void run_kernel_grad(const fm_call *call)
{
    const winograd_state *state = call->state;
    ISA->kernel_grad(&state->geometry, call->inputs[0].data, call->inputs[1].data,
                     call->outputs[0].data, state->threads, call->scratch);
}

/* -------------------------------------------------------------------------------------------------- */

static const fm_kernel kernels[] = {
    {.name = KERNEL_NAME("winograd.convolve"),
     .op = &fm_op_convolve,
     .match = match_convolve,
     .prepare = prepare_convolve,
     .run = run_convolve,
     .release = release_state},
    {.name = KERNEL_NAME("winograd.convolve_transposed"),
     .op = &fm_op_convolve_transposed,
     .match = match_transposed,
     .prepare = prepare_transposed,
     .run = run_transposed,
     .release = release_state},
    {.name = KERNEL_NAME("winograd.convolve_kernel_grad"),
     .op = &fm_op_convolve_kernel_grad,
     .match = match_kernel_grad,
     .prepare = prepare_kernel_grad,
     .run = run_kernel_grad,
     .release = release_state},
};

const fm_kernel_family FM_ISA_SYMBOL(fm_cpu_winograd) = FAMILY(kernels);
