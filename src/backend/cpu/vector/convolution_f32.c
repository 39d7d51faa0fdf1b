/* Convolutions of f32 images by their definition, and both adjoints: windows.h. */
#include "backend/cpu/gemm.h"
#include "backend/cpu/panels.h"
#include "backend/cpu/vector/convolution_site.h"
#include "backend/cpu/vector/kernels.h"
#include "backend/cpu/windows.h"

extern const fm_gemm_isa FM_ISA_SYMBOL(fm_gemm_isa);
extern const fm_windows_isa FM_ISA_SYMBOL(fm_windows_isa);
#define WINDOWS (&FM_ISA_SYMBOL(fm_windows_isa))

#define FIXED_BANDS 16 /* of what is summed, whatever the number of threads */

typedef struct convolution_state {
    fm_window_plan plan;
    fm_windows windows;          /* without the pointers; or */
    fm_kernel_gradient gradient; /* likewise */
    int bias, residual, mask;    /* which inputs; 0: none */
    int threads;
} convolution_state;

static bool is_panels(const fm_layout *layout)
{
    return layout->type == &fm_panels;
}

/* ---- convolve and convolve_transposed -------------------------------------------------------- */

static void describe_epilogue(const fm_site *site, convolution_state *state)
{
    const fm_fused_convolve_attributes a = fused_attributes(site);
    int next = 2;
    if (a.bias) state->bias = next++;
    if (a.residual) state->residual = next++;
    if (a.mask) state->mask = next;
    state->windows.relu = a.activation == FM_FUSED_RELU || a.activation == FM_FUSED_RELU6;
    state->windows.ceiling = a.activation == FM_FUSED_RELU6 ? 6 : 0;
    if (a.activation != FM_FUSED_NONE && !state->windows.relu) {
        state->windows.activation =
            FM_ISA_SYMBOL(fm_cpu_unary_loop)(fm_fused_activation_op(a.activation));
    }
}

static fm_status prepare_windows(const fm_site *site, const fm_convolution *c, bool adjoint,
                                 fm_need *need)
{
    convolution_state *state = fm_allocate_zeroed(site->context, sizeof *state);
    if (!state) return FM_ERROR_MEMORY;
    state->threads = multiply_adds(c) < PARALLEL_PRODUCT ? 1 : site->threads;
    const bool moments = site->op == &fm_op_convolve_moments;
    fm_status status = fm_window_plan_make(site->context, c, adjoint, WINDOWS->minds_edges,
                                           moments ? FIXED_BANDS : 2 * state->threads,
                                           FM_WINDOW_PIXELS, &state->plan);
    if (status != FM_OK) {
        fm_release(site->context, state);
        return status;
    }
    state->windows = (fm_windows){.plan = &state->plan,
                                  .adjoint = adjoint,
                                  .kernel.panels = is_panels(&site->input_layouts[1]),
                                  .moments = moments};
    describe_epilogue(site, state);
    need->scratch_bytes = WINDOWS->scratch_floats(&state->windows, state->threads) * sizeof(float);
    need->state = state;
    return FM_OK;
}

static void release_state(fm_context *context, void *pointer)
{
    convolution_state *state = pointer;
    fm_arena_release(&state->plan.arena);
    fm_release(context, state);
}

/* Weights stay in panels. */
static void layouts_of_windows(const fm_site *site, fm_layout *inputs, fm_layout *outputs)
{
    const fm_window *window = &((const fm_convolve_attributes *)site->attributes)->window;
    outputs[0] = (fm_layout){0};
    if (site->input_is_variable[1] && window->groups <= 1) {
        inputs[1] = fm_panels_of(&FM_ISA_SYMBOL(fm_gemm_isa), site->inputs[1].shape);
    }
}

static void run_windows(const fm_call *call)
{
    const convolution_state *state = call->state;
    fm_windows windows = state->windows;
    windows.source = call->inputs[0].data;
    windows.kernel.data = call->inputs[1].data;
    windows.result = call->outputs[0].data;
    if (state->bias) windows.bias = call->inputs[state->bias].data;
    if (state->residual) windows.residual = call->inputs[state->residual].data;
    if (state->mask) windows.mask = call->inputs[state->mask].data;
    if (windows.moments) {
        windows.mean = call->outputs[1].data;
        windows.variance = call->outputs[2].data;
    }
    WINDOWS->run(&windows, state->threads, call->scratch);
}

static const char *match_convolve(const fm_site *site)
{
    const char *refusal = match_epilogue(site);
    if (refusal) return refusal;
    return match_geometry(site, &site->inputs[0].shape, &site->inputs[1].shape,
                          &site->outputs[0].shape);
}

static fm_status prepare_convolve(const fm_site *site, fm_need *need)
{
    const fm_convolution c =
        geometry_of(site, &site->inputs[0].shape, &site->inputs[1].shape, &site->outputs[0].shape);
    return prepare_windows(site, &c, false, need);
}

static const char *match_transposed(const fm_site *site)
{
    const char *refusal = match_epilogue(site);
    if (refusal) return refusal;
    return match_geometry(site, &site->outputs[0].shape, &site->inputs[1].shape,
                          &site->inputs[0].shape);
}

static fm_status prepare_transposed(const fm_site *site, fm_need *need)
{
    const fm_convolution c =
        geometry_of(site, &site->outputs[0].shape, &site->inputs[1].shape, &site->inputs[0].shape);
    return prepare_windows(site, &c, true, need);
}

/* ---- convolve_kernel_grad -------------------------------------------------------------------- */

static const char *match_kernel_grad(const fm_site *site)
{
    return match_geometry(site, &site->inputs[0].shape, &site->outputs[0].shape,
                          &site->inputs[1].shape);
}

static void layouts_of_kernel_grad(const fm_site *site, fm_layout *inputs, fm_layout *outputs)
{
    (void)inputs;
    const fm_window *window = &((const fm_convolve_attributes *)site->attributes)->window;
    if (!is_panels(&outputs[0]) || window->groups > 1) outputs[0] = (fm_layout){0};
    if (site->output_count == 2) outputs[1] = (fm_layout){0};
}

static fm_status prepare_kernel_grad(const fm_site *site, fm_need *need)
{
    const fm_convolution c =
        geometry_of(site, &site->inputs[0].shape, &site->outputs[0].shape, &site->inputs[1].shape);
    convolution_state *state = fm_allocate_zeroed(site->context, sizeof *state);
    if (!state) return FM_ERROR_MEMORY;
    state->threads = multiply_adds(&c) < PARALLEL_PRODUCT ? 1 : site->threads;
    fm_status status = fm_window_plan_make(site->context, &c, false, false, FIXED_BANDS,
                                           FM_GRADIENT_PIXELS, &state->plan);
    if (status == FM_OK) {
        status = WINDOWS->make_gradient(&state->plan, &state->gradient);
    }
    if (status != FM_OK) {
        release_state(site->context, state);
        return status;
    }
    state->gradient.panels = is_panels(&site->output_layouts[0]);
    need->scratch_bytes =
        WINDOWS->gradient_scratch_floats(&state->gradient, state->threads) * sizeof(float);
    need->state = state;
    return FM_OK;
}

static void run_kernel_grad(const fm_call *call)
{
    const convolution_state *state = call->state;
    fm_kernel_gradient gradient = state->gradient;
    gradient.x = call->inputs[0].data;
    gradient.dy = call->inputs[1].data;
    gradient.dkernel = call->outputs[0].data;
    if (call->output_count == 2) gradient.sums = call->outputs[1].data;
    WINDOWS->run_gradient(&gradient, state->threads, call->scratch);
}

/* ---------------------------------------------------------------------------------------------- */

static const fm_kernel kernels[] = {
    {.name = KERNEL_NAME("convolve"),
     .op = &fm_op_convolve,
     .match = match_convolve,
     .layouts = layouts_of_windows,
     .prepare = prepare_convolve,
     .run = run_windows,
     .release = release_state},
    {.name = KERNEL_NAME("convolve_transposed"),
     .op = &fm_op_convolve_transposed,
     .match = match_transposed,
     .layouts = layouts_of_windows,
     .prepare = prepare_transposed,
     .run = run_windows,
     .release = release_state},
    {.name = KERNEL_NAME("convolve_kernel_grad"),
     .op = &fm_op_convolve_kernel_grad,
     .match = match_kernel_grad,
     .layouts = layouts_of_kernel_grad,
     .prepare = prepare_kernel_grad,
     .run = run_kernel_grad,
     .release = release_state},
    {.name = KERNEL_NAME("fused_convolve"),
     .op = &fm_op_fused_convolve,
     .match = match_convolve,
     .layouts = layouts_of_windows,
     .prepare = prepare_convolve,
     .run = run_windows,
     .release = release_state},
    {.name = KERNEL_NAME("convolve_moments"),
     .op = &fm_op_convolve_moments,
     .match = match_convolve,
     .layouts = layouts_of_windows,
     .prepare = prepare_convolve,
     .run = run_windows,
     .release = release_state},
    {.name = KERNEL_NAME("fused_convolve_transposed"),
     .op = &fm_op_fused_convolve_transposed,
     .match = match_transposed,
     .layouts = layouts_of_windows,
     .prepare = prepare_transposed,
     .run = run_windows,
     .release = release_state},
    {.name = KERNEL_NAME("convolve_grad"),
     .op = &fm_op_convolve_grad,
     .match = match_kernel_grad,
     .layouts = layouts_of_kernel_grad,
     .prepare = prepare_kernel_grad,
     .run = run_kernel_grad,
     .release = release_state},
};

const fm_kernel_family FM_ISA_SYMBOL(fm_cpu_convolution) = FAMILY(kernels);
