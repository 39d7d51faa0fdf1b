/* Convolutions by winograd.h, where it beats the definition. */
#include "backend/cpu/vector/kernels.h"
#include "backend/cpu/winograd.h"
#include "base/memory.h"
#include "op/fused_convolve.h"
#include "op/op_table.h"

extern const fm_winograd_isa FM_ISA_SYMBOL(fm_winograd_isa);
#define ISA (&FM_ISA_SYMBOL(fm_winograd_isa))

/* Measured on networks' layers: fewer channels leave vectors empty; with fewer tiles, or a larger
 * kernel, transforming the kernel takes what the products save, reading it at least if that is
 * done once for all runs. */
enum { LEAST_CHANNELS = 8, LEAST_TILES = 24, LEAST_TILES_READY = 12, MOST_KERNEL = 600 * 600 };
/* Of the 16 of a tile: 36 multiplications make them, 9 make one by the definition. */
enum { LEAST_RESULTS = 6 };

typedef struct winograd_state {
    fm_winograd geometry;
    int threads;
    bool relu;
    int bias, residual, mask;  /* which inputs; 0: none */
    fm_unary_loop *activation; /* another than relu, of all of y */
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
                                const fm_shape *y, int64_t least_tiles)
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
    const int64_t in_image = ((y->dims[1] + 3) / 4) * ((y->dims[2] + 3) / 4);
    if (y->dims[1] * y->dims[2] < LEAST_RESULTS * in_image) return "tiles are mostly empty";
    const int64_t tiles = y->dims[0] * in_image;
    return tiles < least_tiles ? "few results for so many weights" : NULL;
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

static bool is_fused(const fm_op *op)
{
    return op == &fm_op_fused_convolve || op == &fm_op_fused_convolve_transposed ||
           op == &fm_op_convolve_moments;
}

static const char *match_epilogue(const fm_site *site)
{
    const fm_fused_convolve_attributes *a = site->attributes;
    if (!is_fused(site->op)) return NULL;
    const bool simple = a->activation == FM_FUSED_NONE || a->activation == FM_FUSED_RELU;
    if (!simple && site->op == &fm_op_convolve_moments) {
        return "moments after an activation other than relu";
    }
    if (!a->mask) return NULL;
    return simple ? NULL : "a mask after an activation other than relu";
}

static void describe_epilogue(const fm_site *site, winograd_state *state)
{
    const fm_fused_convolve_attributes *a = site->attributes;
    int next = 2;
    if (!is_fused(site->op)) return;
    if (a->bias) state->bias = next++;
    if (a->residual) state->residual = next++;
    if (a->mask) state->mask = next;
    state->relu = a->activation == FM_FUSED_RELU;
    if (a->activation != FM_FUSED_NONE && !state->relu) {
        state->activation = FM_ISA_SYMBOL(fm_cpu_unary_loop)(fm_fused_activation_op(a->activation));
    }
}

static fm_status prepare(const fm_site *site, const fm_winograd *geometry, fm_need *need)
{
    winograd_state *state = fm_allocate(site->context, sizeof *state);
    if (!state) return FM_ERROR_MEMORY;
    *state = (winograd_state){.geometry = *geometry, .threads = site->threads};
    describe_epilogue(site, state);
    need->state = state;
    return FM_OK;
}

static void release_state(fm_context *context, void *state)
{
    fm_release(context, state);
}

/* ---- convolve -------------------------------------------------------------------------------- */

static const char *match_convolve(const fm_site *site)
{
    const char *refusal = match_epilogue(site);
    if (refusal) return refusal;
    return match_window(site, &site->inputs[1].shape, &site->inputs[0].shape,
                        &site->outputs[0].shape,
                        site->input_is_steady[1] ? LEAST_TILES_READY : LEAST_TILES);
}

static void layouts_of_convolve(const fm_site *site, fm_layout *inputs, fm_layout *outputs)
{
    outputs[0] = (fm_layout){0};
    if (site->input_is_steady[1]) {
        inputs[1] = fm_winograd_kernel_of(ISA, site->inputs[1].shape);
    }
}

static fm_status prepare_convolve(const fm_site *site, fm_need *need)
{
    fm_winograd w = geometry_of(site, &site->inputs[0].shape, &site->outputs[0].shape);
    w.kernel_ready = site->input_layouts[1].type == &fm_winograd_kernel;
    w.moments = site->op == &fm_op_convolve_moments;
    need->scratch_bytes = ISA->scratch_floats(&w, site->threads) * sizeof(float);
    return prepare(site, &w, need);
}

typedef struct activated_range {
    fm_unary_loop *loop;
    float *values;
} activated_range;

static void activate_range(const void *argument, int64_t begin, int64_t end)
{
    const activated_range *r = argument;
    r->loop(end - begin, 0, r->values + begin, r->values + begin);
}

static void run_windows(const fm_call *call, bool turned)
{
    const winograd_state *state = call->state;
    const fm_tensor *in = call->inputs, *y = call->outputs;
    fm_winograd_epilogue epilogue = {.bias = state->bias ? in[state->bias].data : NULL,
                                     .residual = state->residual ? in[state->residual].data : NULL,
                                     .relu = state->relu,
                                     .mask = state->mask ? in[state->mask].data : NULL};
    if (state->geometry.moments) {
        epilogue.mean = call->outputs[1].data;
        epilogue.variance = call->outputs[2].data;
    }
    ISA->convolve(&state->geometry, in[0].data, in[1].data, turned, &epilogue, y->data,
                  state->threads, call->scratch);
    if (!state->activation) return;
    fm_in_ranges(state->threads, y->count, LINE, 1, activate_range,
                 &(activated_range){state->activation, y->data});
}

static void run_convolve(const fm_call *call)
{
    run_windows(call, false);
}

/* ---- convolve_transposed --------------------------------------------------------------------- */

static const char *match_transposed(const fm_site *site)
{
    const char *refusal = match_epilogue(site);
    if (refusal) return refusal;
    return match_window(site, &site->inputs[1].shape, &site->outputs[0].shape,
                        &site->inputs[0].shape, LEAST_TILES);
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
    run_windows(call, true);
}

/* ---- convolve_kernel_grad -------------------------------------------------------------------- */

static const char *match_kernel_grad(const fm_site *site)
{
    return match_window(site, &site->outputs[0].shape, &site->inputs[0].shape,
                        &site->inputs[1].shape, LEAST_TILES);
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
                     call->outputs[0].data, call->output_count == 2 ? call->outputs[1].data : NULL,
                     state->threads, call->scratch);
}

/* ---------------------------------------------------------------------------------------------- */

static const fm_kernel kernels[] = {
    {.name = KERNEL_NAME("winograd.convolve"),
     .op = &fm_op_convolve,
     .match = match_convolve,
     .layouts = layouts_of_convolve,
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
    {.name = KERNEL_NAME("winograd.fused_convolve"),
     .op = &fm_op_fused_convolve,
     .match = match_convolve,
     .layouts = layouts_of_convolve,
     .prepare = prepare_convolve,
     .run = run_convolve,
     .release = release_state},
    {.name = KERNEL_NAME("winograd.convolve_moments"),
     .op = &fm_op_convolve_moments,
     .match = match_convolve,
     .layouts = layouts_of_convolve,
     .prepare = prepare_convolve,
     .run = run_convolve,
     .release = release_state},
    {.name = KERNEL_NAME("winograd.fused_convolve_transposed"),
     .op = &fm_op_fused_convolve_transposed,
     .match = match_transposed,
     .prepare = prepare_transposed,
     .run = run_transposed,
     .release = release_state},
    {.name = KERNEL_NAME("winograd.convolve_grad"),
     .op = &fm_op_convolve_grad,
     .match = match_kernel_grad,
     .prepare = prepare_kernel_grad,
     .run = run_kernel_grad,
     .release = release_state},
};

const fm_kernel_family FM_ISA_SYMBOL(fm_cpu_winograd) = FAMILY(kernels);
