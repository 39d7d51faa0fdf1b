/* Convolutions with operands rounded to bf16, and both adjoints: products of the matrix of windows,
 * whose rows are written where gemm_bf16.c packs them and nowhere else.
 *
 *     forward, adjoint in x    (pixels of a phase, taps channels) (taps channels, columns)
 *     kernel's gradient        (pixels, taps channels)^T (pixels, filters)
 *
 * window_plan.h says what pixels, phases and taps are. */
#include "backend/cpu/gemm.h"
#include "backend/cpu/panels.h"
#include "backend/cpu/vector/convolution_site.h"
#include "backend/cpu/vector/transpose.h"

#include <string.h>

#define MIN(x, y) ((x) < (y) ? (x) : (y))

enum { V = VECTOR_LENGTH, PANEL_WIDTH = 2 * V };

extern const fm_gemm_isa FM_ISA_SYMBOL(fm_gemm_isa), FM_ISA_SYMBOL(fm_gemm_bf16);

typedef struct convolution_state {
    fm_window_plan plan;
    const fm_gemm_isa *isa;
    bool adjoint, panels, pairs; /* the last two: the kernel's, or its gradient's, layout */
    int bias, residual, mask;
    bool relu;
    fm_unary_loop *activation;
    int threads;
    size_t scratch_floats; /* of a thread */
} convolution_state;

/* ---- windows --------------------------------------------------------------------------------- */

typedef struct window_rows {
    const fm_window_plan *plan;
    const fm_window_phase *phase;
    const float *source;
} window_rows;

/* A pixel of a phase; its neighbours follow row by row, image by image. */
typedef struct pixel {
    int64_t image, row, column;
} pixel;

static pixel pixel_at(const fm_window_phase *phase, size_t index)
{
    const int64_t in_image = phase->grid[0] * phase->grid[1], i = (int64_t)index % in_image;
    return (pixel){(int64_t)index / in_image, i / phase->grid[1], i % phase->grid[1]};
}

static inline void step_on(const fm_window_phase *phase, pixel *p)
{
    if (++p->column < phase->grid[1]) return;
    p->column = 0;
    if (++p->row < phase->grid[0]) return;
    p->row = 0;
    p->image++;
}

INLINE void copy_floats(float *to, const float *from, int64_t count)
{
    int64_t i = 0;
    for (; i + V <= count; i += V) store(to + i, load(from + i));
    if (i < count)
        store_first(to + i, load_first(from + i, (size_t)(count - i)), (size_t)(count - i));
}

/* Floats [at, at + count) of a line that has `all`, zeros where there are none. */
INLINE void copy_of_line(float *to, const float *line, int64_t at, int64_t count, int64_t all)
{
    if (at >= 0 && at + count <= all) {
        copy_floats(to, line + at, count);
        return;
    }
    const int64_t before = at < 0 ? MIN(-at, count) : 0, end = at + count < all ? count : all - at;
    memset(to, 0, (size_t)count * sizeof *to);
    if (end > before) copy_floats(to + before, line + at + before, end - before);
}

/* Columns of a window that lie side by side in the source. */
typedef struct chunk {
    int64_t row, at, count; /* relative to the pixel's place: the row, the float in it */
} chunk;

/* The one that begins at `column`. Taps side by side are one. */
static chunk chunk_at(const window_rows *w, int64_t column)
{
    const fm_window_phase *phase = w->phase;
    const int64_t channels = w->plan->source_channels, line = phase->along[1] * channels;
    const int64_t *offsets = phase->offsets[1], tap = column % line / channels;
    int64_t last = tap;
    while (last + 1 < phase->along[1] && offsets[last + 1] == offsets[last] + 1) last++;
    return (chunk){.row = phase->offsets[0][column / line],
                   .at = offsets[tap] * channels + column % channels,
                   .count = (last + 1) * channels - column % line};
}

static void read_windows(const void *source, size_t row, size_t rows, size_t column, size_t columns,
                         float *to, size_t step)
{
    const window_rows *w = source;
    const fm_window_plan *plan = w->plan;
    const int64_t channels = plan->source_channels, all = plan->source[1] * channels;
    const pixel first = pixel_at(w->phase, row);
    for (int64_t done = 0, count; done < (int64_t)columns; done += count) {
        const chunk k = chunk_at(w, (int64_t)column + done);
        pixel p = first;
        float *at = to + done;
        count = MIN(k.count, (int64_t)columns - done);
        for (size_t r = 0; r < rows; r++, at += step, step_on(w->phase, &p)) {
            const int64_t y = p.row * plan->source_step[0] + k.row;
            if (y < 0 || y >= plan->source[0]) {
                memset(at, 0, (size_t)count * sizeof *at);
                continue;
            }
            copy_of_line(at, w->source + (p.image * plan->source[0] + y) * all,
                         p.column * plan->source_step[1] * channels + k.at, count, all);
        }
    }
}

/* ---- what becomes of sums -------------------------------------------------------------------- */

typedef struct windows_run {
    const convolution_state *state;
    window_rows windows;
    const float *kernel, *bias, *residual, *mask;
    float *packed, *result;
} windows_run;

static int64_t place_of(const fm_window_plan *plan, const fm_window_phase *phase, const pixel *p)
{
    const int64_t y = phase->first[0] + p->row * plan->result_step[0];
    const int64_t x = phase->first[1] + p->column * plan->result_step[1];
    return ((p->image * plan->result[0] + y) * plan->result[1] + x) * plan->result_channels;
}

/* A row of sums, whose place in the result is `at`, to `to`. */
static void finish_row(const windows_run *run, const float *sums, int64_t at, int64_t column,
                       int64_t columns, float *to)
{
    const convolution_state *s = run->state;
    for (int64_t j = 0; j < columns; j += V) {
        const size_t left = (size_t)(columns - j);
        vector sum = load_up_to(sums + j, left);
        if (run->bias) sum += load_up_to(run->bias + column + j, left);
        if (run->residual) sum += load_up_to(run->residual + at + j, left);
        if (s->relu) sum = larger_of((vector){0}, sum);
        if (run->mask) sum = keep_where(sum, load_up_to(run->mask + at + j, left) > 0);
        if (left >= V) {
            store(to + j, sum);
        } else {
            store_first(to + j, sum, left);
        }
    }
    if (s->activation) s->activation(columns, 0, to, to);
}

/* Forward, the tile is the result's or copied there. */
static void finish_tile(void *argument, const fm_gemm_tile *tile)
{
    const windows_run *run = argument;
    const fm_window_plan *plan = &run->state->plan;
    const int64_t column = (int64_t)tile->column;
    const int64_t columns = MIN((int64_t)tile->columns, plan->columns - column);
    pixel p = pixel_at(run->windows.phase, tile->row);
    for (size_t r = 0; r < tile->rows; r++, step_on(run->windows.phase, &p)) {
        float *sums = tile->values + r * tile->stride;
        const int64_t at = place_of(plan, run->windows.phase, &p) + column;
        finish_row(run, sums, at, column, columns, run->state->adjoint ? run->result + at : sums);
    }
}

/* Pixels that no tap reaches. */
static void finish_zeros(const void *argument, int64_t begin, int64_t end)
{
    const windows_run *run = argument;
    const fm_window_plan *plan = &run->state->plan;
    const float zeros[PANEL_WIDTH] = {0};
    pixel p = pixel_at(run->windows.phase, (size_t)begin);
    for (int64_t i = begin; i < end; i++, step_on(run->windows.phase, &p)) {
        const int64_t place = place_of(plan, run->windows.phase, &p);
        for (int64_t j = 0; j < plan->columns; j += PANEL_WIDTH) {
            finish_row(run, zeros, place + j, j, MIN(plan->columns - j, PANEL_WIDTH),
                       run->result + place + j);
        }
    }
}

/* ---- forward and the adjoint in x ------------------------------------------------------------ */

static int64_t pixels_of(const fm_window_plan *plan, const fm_window_phase *phase)
{
    return plan->images * phase->grid[0] * phase->grid[1];
}

/* What a phase's product is, without the pointers. */
static fm_gemm product_of(const convolution_state *s, const fm_window_phase *phase)
{
    const fm_window_plan *plan = &s->plan;
    const int64_t depth = phase->taps * plan->depth;
    const fm_gemm_layout kernel = s->adjoint  ? FM_GEMM_STRIDED
                                  : s->panels ? FM_GEMM_PANELS
                                  : s->pairs  ? FM_GEMM_PAIRS
                                              : FM_GEMM_STRIDED;
    return (fm_gemm){.rows = (size_t)pixels_of(plan, phase),
                     .columns = (size_t)plan->columns,
                     .depth = (size_t)depth,
                     .a_row_stride = depth,
                     .a_depth_stride = 1,
                     .read_a = read_windows,
                     .b_layout = kernel,
                     .b_depth_stride = plan->columns,
                     .b_column_stride = 1,
                     .c_layout = s->adjoint ? FM_GEMM_PANELS : FM_GEMM_STRIDED,
                     .c_row_stride = plan->result_channels,
                     .function = finish_tile};
}

/* The kernel at tap `tap` of all phases, (channels, filters), transposed. */
static void pack_tap(const windows_run *run, int64_t position, float *to)
{
    const fm_window_plan *plan = &run->state->plan;
    const int64_t channels = plan->columns, filters = plan->depth, row = position * channels;
    const int64_t rows = plan->positions * channels;
    for (int64_t f = 0; f < filters; f += V) {
        const int64_t panel = f / PANEL_WIDTH * PANEL_WIDTH;
        const int64_t step = !run->state->panels ? filters : filters - panel <= V ? V : PANEL_WIDTH;
        const float *from = run->state->panels ? run->kernel + panel * rows + row * step + f - panel
                                               : run->kernel + row * step + f;
        const int64_t deep = MIN(filters - f, V);
        for (int64_t c = 0; c < channels; c += V) {
            const int64_t some = MIN(channels - c, V);
            vector block[V];
            for (int64_t i = 0; i < V; i++) {
                block[i] = i < some ? load_up_to(from + (c + i) * step, (size_t)deep) : (vector){0};
            }
            transpose(block);
            for (int64_t i = 0; i < deep; i++) {
                float *at = to + (f + i) * channels + c;
                if (some < V) {
                    store_first(at, block[i], (size_t)some);
                } else {
                    store(at, block[i]);
                }
            }
        }
    }
}

static void pack_phases(const void *argument, int part, int parts)
{
    const windows_run *run = argument;
    const fm_window_plan *plan = &run->state->plan;
    int64_t next = 0;
    for (int64_t i = 0; i < plan->phase_count; i++) {
        const fm_window_phase *phase = &plan->phases[i];
        for (int64_t tap = 0; tap < phase->taps; tap++, next++) {
            const int64_t row = phase->first_b_row + tap * plan->depth;
            if (next % parts != part) continue;
            pack_tap(run, phase->tap_kernel[tap], run->packed + row * plan->columns);
        }
    }
}

static size_t packed_floats(const convolution_state *s)
{
    return s->adjoint ? in_lines((size_t)(s->plan.b_rows * s->plan.columns)) : 0;
}

static void run_phase(windows_run *run, const fm_window_phase *phase)
{
    const convolution_state *s = run->state;
    fm_gemm gemm = product_of(s, phase);
    run->windows.phase = phase;
    if (gemm.rows == 0) return;
    if (phase->taps == 0) {
        const double row = LIGHT_NANOSECONDS * (double)s->plan.columns;
        fm_in_ranges(s->threads, (int64_t)gemm.rows, 1, row, finish_zeros, run);
        return;
    }
    gemm.a_source = &run->windows;
    gemm.argument = run;
    gemm.b = s->adjoint ? run->packed + phase->first_b_row * s->plan.columns : run->kernel;
    gemm.c = s->adjoint ? NULL : run->result;
    if (!s->adjoint && !run->residual && !run->mask && !s->activation) {
        gemm.function = NULL;
        gemm.bias = run->bias;
        gemm.relu = s->relu;
    }
    fm_gemm_run(s->isa, &gemm, (unsigned)s->threads, run->packed + packed_floats(s));
}

static void run_windows(const fm_call *call)
{
    const convolution_state *s = call->state;
    windows_run run = {.state = s,
                       .windows = {.plan = &s->plan, .source = call->inputs[0].data},
                       .kernel = call->inputs[1].data,
                       .packed = call->scratch,
                       .result = call->outputs[0].data};
    if (s->bias) run.bias = call->inputs[s->bias].data;
    if (s->residual) run.residual = call->inputs[s->residual].data;
    if (s->mask) run.mask = call->inputs[s->mask].data;
    if (s->adjoint) fm_in_parts(s->threads, pack_phases, &run);
    for (int64_t i = 0; i < s->plan.phase_count; i++) run_phase(&run, &s->plan.phases[i]);
}

/* ---- the kernel's gradient ------------------------------------------------------------------- */

static fm_gemm gradient_of(const convolution_state *s)
{
    const fm_window_plan *plan = &s->plan;
    return (fm_gemm){.rows = (size_t)plan->b_rows,
                     .columns = (size_t)plan->columns,
                     .depth = (size_t)pixels_of(plan, plan->phases),
                     .a_row_stride = 1,
                     .a_depth_stride = plan->b_rows,
                     .read_a = read_windows,
                     .b_depth_stride = plan->columns,
                     .b_column_stride = 1,
                     .c_layout = s->panels ? FM_GEMM_PANELS : FM_GEMM_STRIDED,
                     .c_row_stride = plan->columns};
}

static void run_gradient(const fm_call *call)
{
    const convolution_state *s = call->state;
    const window_rows windows = {&s->plan, s->plan.phases, call->inputs[0].data};
    fm_gemm gemm = gradient_of(s);
    gemm.a_source = &windows;
    gemm.b = call->inputs[1].data;
    gemm.c = call->outputs[0].data;
    if (call->output_count == 2) gemm.b_sums = call->outputs[1].data;
    fm_gemm_run(s->isa, &gemm, (unsigned)s->threads, call->scratch);
}

/* ---- preparing ------------------------------------------------------------------------------- */

typedef enum direction { FORWARD, ADJOINT, GRADIENT } direction;

static const char *match_in(const fm_site *site, direction d)
{
    const fm_tensor *in = site->inputs, *out = site->outputs;
    if (d != GRADIENT) {
        const char *refusal = match_epilogue(site);
        if (refusal) return refusal;
    }
    if (((const fm_convolve_attributes *)site->attributes)->window.groups > 1) return "groups";
    if (d == ADJOINT) return match_geometry(site, &out->shape, &in[1].shape, &in[0].shape);
    return match_geometry(site, &in[0].shape, d == FORWARD ? &in[1].shape : &out->shape,
                          d == FORWARD ? &out->shape : &in[1].shape);
}

static fm_convolution convolution_in(const fm_site *site, direction d)
{
    const fm_tensor *in = site->inputs, *out = site->outputs;
    if (d == ADJOINT) return geometry_of(site, &out->shape, &in[1].shape, &in[0].shape);
    return geometry_of(site, &in[0].shape, d == FORWARD ? &in[1].shape : &out->shape,
                       d == FORWARD ? &out->shape : &in[1].shape);
}

static void describe_epilogue(const fm_site *site, convolution_state *s)
{
    const fm_fused_convolve_attributes a = fused_attributes(site);
    int next = 2;
    if (a.bias) s->bias = next++;
    if (a.residual) s->residual = next++;
    if (a.mask) s->mask = next;
    s->relu = a.activation == FM_FUSED_RELU;
    if (a.activation != FM_FUSED_NONE && !s->relu) {
        s->activation = FM_ISA_SYMBOL(fm_cpu_unary_loop)(fm_fused_activation_op(a.activation));
    }
}

static void release_state(fm_context *context, void *pointer)
{
    convolution_state *state = pointer;
    fm_arena_release(&state->plan.arena);
    fm_release(context, state);
}

/* Scratch of a thread: what the largest product of all phases needs. */
static size_t part_floats(const convolution_state *s, direction d)
{
    fm_gemm gemm = gradient_of(s);
    if (d == GRADIENT) return fm_gemm_scratch_floats(s->isa, &gemm);
    size_t most = 0;
    for (int64_t i = 0; i < s->plan.phase_count; i++) {
        gemm = product_of(s, &s->plan.phases[i]);
        if (gemm.depth == 0) continue;
        const size_t floats = fm_gemm_scratch_floats(s->isa, &gemm);
        if (floats > most) most = floats;
    }
    return most;
}

static fm_status prepare_in(const fm_gemm_isa *isa, const fm_site *site, direction d, fm_need *need)
{
    const fm_convolution c = convolution_in(site, d);
    convolution_state *s = fm_allocate_zeroed(site->context, sizeof *s);
    if (!s) return FM_ERROR_MEMORY;
    const fm_layout *kernel = d == GRADIENT ? &site->output_layouts[0] : &site->input_layouts[1];
    fm_status status = fm_window_plan_make(site->context, &c, d == ADJOINT, 1, 1, &s->plan);
    if (status != FM_OK) {
        fm_release(site->context, s);
        return status;
    }
    s->isa = isa;
    s->adjoint = d == ADJOINT;
    s->panels = kernel->type == &fm_panels;
    s->pairs = kernel->type == &fm_pairs;
    if (d != GRADIENT) describe_epilogue(site, s);
    s->threads = multiply_adds(&c) < PARALLEL_PRODUCT ? 1 : site->threads;
    s->scratch_floats = part_floats(s, d);
    need->scratch_bytes =
        (packed_floats(s) + s->scratch_floats * (size_t)s->threads) * sizeof(float);
    need->state = s;
    return FM_OK;
}

/* As convolutions of f32 have them; a kernel that stays as it is, in pairs. */
static void layouts_of_windows(const fm_site *site, fm_layout *inputs, fm_layout *outputs)
{
    const fm_shape kernel = site->inputs[1].shape;
    const bool forward = site->op == &fm_op_convolve || site->op == &fm_op_fused_convolve;
    outputs[0] = (fm_layout){0};
    if (site->input_is_variable[1]) inputs[1] = fm_panels_of(&FM_ISA_SYMBOL(fm_gemm_isa), kernel);
    if (site->input_is_steady[1] && forward) {
        inputs[1] = fm_pairs_of(&FM_ISA_SYMBOL(fm_gemm_isa), kernel);
    }
}

static void layouts_of_gradient(const fm_site *site, fm_layout *inputs, fm_layout *outputs)
{
    (void)inputs;
    if (outputs[0].type != &fm_panels) outputs[0] = (fm_layout){0};
    if (site->output_count == 2) outputs[1] = (fm_layout){0};
}

/* ---- kernels --------------------------------------------------------------------------------- */

/* The kernels of an instruction set for products, which `refusal` has refused before it is NULL. */
#define KERNELS_OF(set, isa, refusal)                                                              \
    KERNEL_OF(set, isa, refusal, forward, FORWARD)                                                 \
    KERNEL_OF(set, isa, refusal, adjoint, ADJOINT)                                                 \
    KERNEL_OF(set, isa, refusal, gradient, GRADIENT)
#define KERNEL_OF(set, isa, refusal, name_, direction_)                                            \
    static const char *match_##set##_##name_(const fm_site *site)                                  \
    {                                                                                              \
        const char *refused = refusal;                                                             \
        return refused ? refused : match_in(site, direction_);                                     \
    }                                                                                              \
    static fm_status prepare_##set##_##name_(const fm_site *site, fm_need *need)                   \
    {                                                                                              \
        return prepare_in(isa, site, direction_, need);                                            \
    }
#define ROWS_OF(set, tail)                                                                         \
    ROW_OF(set, tail, fused_convolve, forward, windows)                                            \
    ROW_OF(set, tail, convolve, forward, windows)                                                  \
    ROW_OF(set, tail, fused_convolve_transposed, adjoint, windows)                                 \
    ROW_OF(set, tail, convolve_transposed, adjoint, windows)                                       \
    ROW_OF(set, tail, convolve_grad, gradient, gradient)                                           \
    ROW_OF(set, tail, convolve_kernel_grad, gradient, gradient)
#define ROW_OF(set, tail, op_, as, runs)                                                           \
    {.name = "cpu." FM_ISA_NAME tail #op_,                                                         \
     .op = &fm_op_##op_,                                                                           \
     .precision = FM_PRECISION_BF16,                                                               \
     .match = match_##set##_##as,                                                                  \
     .layouts = layouts_of_##runs,                                                                 \
     .prepare = prepare_##set##_##as,                                                              \
     .run = run_##runs,                                                                            \
     .release = release_state},

KERNELS_OF(bf16, &FM_ISA_SYMBOL(fm_gemm_bf16), NULL)
#if VECTOR_LENGTH == 16
#define WITHOUT_PAIRS (fm_gemm_bf16_in_pairs() ? NULL : "the processor lacks AVX512_BF16")
KERNELS_OF(pairs, fm_gemm_bf16_in_pairs(), WITHOUT_PAIRS)
#define PAIRS_ROWS ROWS_OF(pairs, "_bf16.")
#else
#define PAIRS_ROWS
#endif

/* clang-format off */
static const fm_kernel kernels[] = {PAIRS_ROWS ROWS_OF(bf16, ".bf16.")};
/* clang-format on */

const fm_kernel_family FM_ISA_SYMBOL(fm_cpu_convolution_bf16) = FAMILY(kernels);
