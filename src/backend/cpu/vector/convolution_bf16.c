/* Convolutions with operands rounded to bf16, and both adjoints: products of the matrix of windows,
 * whose rows are written where gemm_bf16.c packs them and nowhere else.
 *
 *     forward, adjoint in x    (pixels of a phase, taps channels) (taps channels, columns)
 *     kernel's gradient        (pixels, taps channels)^T (pixels, filters)
 *
 * each for every group. window_plan.h says what pixels, phases and taps are. Where images are so
 * small that much of what their windows see is padding, that is left out: forward and in x pixels
 * that see the same taps are a product, of the kernel's gradient each tap is one, over the pixels
 * that see it. */
#include "backend/cpu/gemm.h"
#include "backend/cpu/panels.h"
#include "backend/cpu/vector/convolution_site.h"

#include <string.h>

#define MIN(x, y) ((x) < (y) ? (x) : (y))

enum { V = VECTOR_LENGTH, PANEL_WIDTH = 2 * V };

extern const fm_gemm_isa FM_ISA_SYMBOL(fm_gemm_isa), FM_ISA_SYMBOL(fm_gemm_bf16);

/* A product for few pixels costs as if it were of so many more; so much less work is worth several
 * ones. */
enum { PRODUCT_PIXELS = 48, MOST_SEEN = 16 * 16 };
#define TRIMMED_SHARE 0.8

/* Depth that the products' driver takes at once; deeper sums go through so much memory at most. */
enum { DEPTH_AT_ONCE = 768, MOST_SUMS = 1 << 21 };

/* The pixels of an image that see a tap: where those of the first image lie in x and in dy. */
typedef struct tap_pixels {
    int64_t count;
    ptrdiff_t *x, *dy;
} tap_pixels;

typedef struct convolution_state {
    fm_window_plan plan;
    const fm_gemm_isa *isa;
    bool adjoint, panels, pairs; /* the last two: the kernel's, or its gradient's, layout  */
    ptrdiff_t *tap_rows;         /* fm_gemm.b_pieces of all phases; NULL: the kernel as it lies */
    tap_pixels *seen;            /* of each tap; NULL: the kernel's gradient in one product */
    int bias, residual, mask;
    bool relu;
    fm_unary_loop *activation;
    int threads;
    size_t sums_floats, scratch_floats; /* the second: of a thread */
} convolution_state;

/* ---- windows --------------------------------------------------------------------------------- */

typedef struct window_rows {
    const fm_window_plan *plan;
    const fm_window_phase *phase;
    const float *source; /* its group's first channel */
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

/* The one that begins at `column`. Taps side by side are one, with all their channels. */
static chunk chunk_at(const window_rows *w, int64_t column)
{
    const fm_window_phase *phase = w->phase;
    const int64_t depth = w->plan->depth, line = phase->along[1] * depth;
    const int64_t *offsets = phase->offsets[1], tap = column % line / depth;
    int64_t last = tap;
    while (w->plan->groups == 1 && last + 1 < phase->along[1] &&
           offsets[last + 1] == offsets[last] + 1) {
        last++;
    }
    return (chunk){.row = phase->offsets[0][column / line],
                   .at = offsets[tap] * w->plan->source_channels + column % depth,
                   .count = (last + 1) * depth - column % line};
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
    float *sums, *scratch, *result;
    int64_t first; /* column of the group */
} windows_run;

/* Do a product's rows lie apart in the result? */
static bool is_scattered(const convolution_state *s)
{
    return s->plan.phase_count > 1;
}

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

/* What the product does not know that the tile below reads and writes, while its sums are made. */
static void fetch_tile_below(const windows_run *run, const fm_gemm_tile *tile, int64_t column,
                             pixel p)
{
    const fm_window_plan *plan = &run->state->plan;
    for (size_t r = 0; r < tile->rows && p.image < plan->images; r++) {
        const int64_t at = place_of(plan, run->windows.phase, &p) + column;
        for (int64_t j = 0; j < PANEL_WIDTH; j += LINE) {
            if (is_scattered(run->state)) __builtin_prefetch(run->result + at + j, 1);
            if (run->residual) __builtin_prefetch(run->residual + at + j);
            if (run->mask) __builtin_prefetch(run->mask + at + j);
        }
        step_on(run->windows.phase, &p);
    }
}

/* The tile is the result's or copied there. */
static void finish_tile(void *argument, const fm_gemm_tile *tile)
{
    const windows_run *run = argument;
    const fm_window_plan *plan = &run->state->plan;
    const int64_t left = plan->columns - (int64_t)tile->column;
    const int64_t column = run->first + (int64_t)tile->column;
    const int64_t columns = MIN((int64_t)tile->columns, left);
    pixel p = pixel_at(run->windows.phase, tile->row);
    for (size_t r = 0; r < tile->rows; r++, step_on(run->windows.phase, &p)) {
        float *sums = tile->values + r * tile->stride;
        const int64_t at = place_of(plan, run->windows.phase, &p) + column;
        finish_row(run, sums, at, column, columns,
                   is_scattered(run->state) ? run->result + at : sums);
    }
    fetch_tile_below(run, tile, column, p);
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
            const int64_t column = run->first + j;
            finish_row(run, zeros, place + column, column, MIN(plan->columns - j, PANEL_WIDTH),
                       run->result + place + column);
        }
    }
}

/* ---- forward and the adjoint in x ------------------------------------------------------------ */

static int64_t pixels_of(const fm_window_plan *plan, const fm_window_phase *phase)
{
    return plan->images * phase->grid[0] * phase->grid[1];
}

/* Of all filters: a row of the kernel as a plain matrix. */
static int64_t kernel_row(const convolution_state *s)
{
    return s->adjoint ? s->plan.source_channels : s->plan.result_channels;
}

/* What a phase's product is, without the pointers. */
static fm_gemm product_of(const convolution_state *s, const fm_window_phase *phase)
{
    const fm_window_plan *plan = &s->plan;
    const int64_t depth = phase->taps * plan->depth, pixels = pixels_of(plan, phase);
    const bool through_memory = depth >= DEPTH_AT_ONCE && pixels * plan->columns <= MOST_SUMS;
    fm_gemm gemm = {.rows = (size_t)pixels,
                    .columns = (size_t)plan->columns,
                    .depth = (size_t)depth,
                    .a_row_stride = depth,
                    .a_depth_stride = 1,
                    .read_a = read_windows,
                    .b_depth_stride = s->adjoint ? 1 : kernel_row(s),
                    .b_column_stride = s->adjoint ? kernel_row(s) : 1,
                    .c_row_stride = plan->result_channels,
                    .function = finish_tile};
    if (s->panels) gemm.b_layout = s->adjoint ? FM_GEMM_PANELS_TRANSPOSED : FM_GEMM_PANELS;
    if (s->pairs) gemm.b_layout = FM_GEMM_PAIRS;
    if (s->tap_rows) {
        gemm.b_pieces = s->tap_rows + phase->first_b_row / plan->depth;
        gemm.b_piece = (size_t)plan->depth;
        gemm.b_rows = (size_t)(plan->positions * (s->adjoint ? plan->columns : plan->depth));
    }
    if (is_scattered(s)) {
        gemm.c_row_stride = plan->columns;
        gemm.c_layout = through_memory ? FM_GEMM_STRIDED : FM_GEMM_PANELS;
    }
    return gemm;
}

static size_t sums_of(const fm_gemm *gemm)
{
    return gemm->c_layout == FM_GEMM_STRIDED ? in_lines(gemm->rows * gemm->columns) : 0;
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
    gemm.b = run->kernel;
    gemm.c = run->result + run->first;
    if (is_scattered(s)) {
        gemm.c = gemm.c_layout == FM_GEMM_STRIDED ? run->sums : NULL;
    } else if (!s->activation) {
        gemm.function = NULL;
        gemm.bias = run->bias ? run->bias + run->first : NULL;
        gemm.residual = run->residual ? run->residual + run->first : NULL;
        gemm.mask = run->mask ? run->mask + run->first : NULL;
        gemm.residual_row_stride = gemm.mask_row_stride = s->plan.result_channels;
        gemm.relu = s->relu;
    }
    fm_gemm_run(s->isa, &gemm, (unsigned)s->threads, run->scratch);
}

static void run_windows(const fm_call *call)
{
    const convolution_state *s = call->state;
    const fm_window_plan *plan = &s->plan;
    windows_run run = {.state = s,
                       .windows = {.plan = plan},
                       .sums = call->scratch,
                       .scratch = (float *)call->scratch + s->sums_floats,
                       .result = call->outputs[0].data};
    if (s->bias) run.bias = call->inputs[s->bias].data;
    if (s->residual) run.residual = call->inputs[s->residual].data;
    if (s->mask) run.mask = call->inputs[s->mask].data;
    for (int64_t group = 0; group < plan->groups; group++) {
        const int64_t read = group * plan->depth;
        run.first = group * plan->columns;
        run.windows.source = (const float *)call->inputs[0].data + read;
        run.kernel = (const float *)call->inputs[1].data + (s->adjoint ? read : run.first);
        for (int64_t i = 0; i < plan->phase_count; i++) run_phase(&run, &plan->phases[i]);
    }
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
                     .b_depth_stride = plan->result_channels,
                     .b_column_stride = 1,
                     .c_layout = s->panels ? FM_GEMM_PANELS : FM_GEMM_STRIDED,
                     .c_row_stride = plan->result_channels};
}

/* What a tap's pixels see of x, image by image and pixel by pixel: rows of depth. */
typedef struct tap_rows {
    const fm_window_plan *plan;
    const tap_pixels *seen;
    const float *x;
} tap_rows;

static void read_tap(const void *source, size_t row, size_t rows, size_t column, size_t columns,
                     float *to, size_t step)
{
    const tap_rows *t = source;
    const fm_window_plan *plan = t->plan;
    const int64_t image = plan->source[0] * plan->source[1] * plan->source_channels;
    for (size_t r = row; r < row + rows; r++, to += step) {
        const float *from = t->x + t->seen->x[(int64_t)r / plan->images];
        copy_floats(to, from + (int64_t)r % plan->images * image + column, (int64_t)columns);
    }
}

/* Of tap `position`, without the pointers. */
static fm_gemm tap_gradient(const convolution_state *s, int64_t position)
{
    const fm_window_plan *plan = &s->plan;
    fm_gemm gemm = gradient_of(s);
    gemm.rows = (size_t)plan->depth;
    gemm.depth = (size_t)(s->seen[position].count * plan->images);
    gemm.read_a = read_tap;
    gemm.b_depth_stride = plan->result[0] * plan->result[1] * plan->result_channels;
    gemm.b_pieces = s->seen[position].dy;
    gemm.b_piece = (size_t)plan->images;
    gemm.c_first = (size_t)(position * plan->depth);
    gemm.c_rows = (size_t)plan->b_rows;
    return gemm;
}

typedef struct gradient_run {
    const convolution_state *state;
    const fm_call *call;
    int64_t group;
} gradient_run;

/* Of taps that no pixel sees, rows [begin, end). */
static void clear_rows(const void *argument, int64_t begin, int64_t end)
{
    const gradient_run *run = argument;
    const convolution_state *s = run->state;
    const fm_window_plan *plan = &s->plan;
    float *dkernel = (float *)run->call->outputs[0].data + run->group * plan->columns;
    for (int64_t i = begin; i < end; i++) {
        if (s->seen[i / plan->depth].count > 0) continue;
        for (int64_t j = 0; j < plan->columns; j += PANEL_WIDTH) {
            const int64_t left = MIN(plan->columns - j, PANEL_WIDTH);
            const int64_t width = left <= V ? V : PANEL_WIDTH;
            memset(s->panels ? dkernel + j * plan->b_rows + i * width
                             : dkernel + i * plan->result_channels + j,
                   0, (size_t)(s->panels ? width : left) * sizeof *dkernel);
        }
    }
}

static void run_taps(const gradient_run *run)
{
    const convolution_state *s = run->state;
    const fm_window_plan *plan = &s->plan;
    const fm_call *call = run->call;
    tap_rows rows = {plan, s->seen, (const float *)call->inputs[0].data + run->group * plan->depth};
    fm_in_ranges(s->threads, plan->b_rows, 1, LIGHT_NANOSECONDS * (double)plan->columns, clear_rows,
                 run);
    for (int64_t i = 0; i < plan->positions; i++, rows.seen++) {
        fm_gemm gemm = tap_gradient(s, i);
        if (gemm.depth == 0) continue;
        gemm.a_source = &rows;
        gemm.b = (const float *)call->inputs[1].data + run->group * plan->columns;
        gemm.c = (float *)call->outputs[0].data + run->group * plan->columns;
        if (!s->panels) gemm.c += i * plan->depth * plan->result_channels;
        fm_gemm_run(s->isa, &gemm, (unsigned)s->threads, call->scratch);
    }
}

static void run_whole_gradient(const gradient_run *run)
{
    const convolution_state *s = run->state;
    const fm_window_plan *plan = &s->plan;
    const fm_call *call = run->call;
    const int64_t column = run->group * plan->columns;
    const window_rows windows = {plan, plan->phases,
                                 (const float *)call->inputs[0].data + run->group * plan->depth};
    fm_gemm gemm = gradient_of(s);
    gemm.a_source = &windows;
    gemm.b = (const float *)call->inputs[1].data + column;
    gemm.c = (float *)call->outputs[0].data + column;
    if (call->output_count == 2) gemm.b_sums = (float *)call->outputs[1].data + column;
    fm_gemm_run(s->isa, &gemm, (unsigned)s->threads, call->scratch);
}

static void run_gradient(const fm_call *call)
{
    gradient_run run = {.state = call->state, .call = call};
    for (; run.group < run.state->plan.groups; run.group++) {
        if (run.state->seen) {
            run_taps(&run);
        } else {
            run_whole_gradient(&run);
        }
    }
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

/* Sums in memory, and a thread's scratch: what the largest product needs. */
static void add_scratch(convolution_state *s, const fm_gemm *gemm, size_t sums)
{
    if (gemm->depth == 0) return;
    const size_t floats = fm_gemm_scratch_floats(s->isa, gemm);
    if (floats > s->scratch_floats) s->scratch_floats = floats;
    if (sums > s->sums_floats) s->sums_floats = sums;
}

static void find_scratch(convolution_state *s, direction d)
{
    fm_gemm gemm = gradient_of(s);
    if (d == GRADIENT && !s->seen) add_scratch(s, &gemm, 0);
    for (int64_t i = 0; s->seen && i < s->plan.positions; i++) {
        gemm = tap_gradient(s, i);
        add_scratch(s, &gemm, 0);
    }
    for (int64_t i = 0; d != GRADIENT && i < s->plan.phase_count; i++) {
        gemm = product_of(s, &s->plan.phases[i]);
        add_scratch(s, &gemm, is_scattered(s) ? sums_of(&gemm) : 0);
    }
}

static double work_of(const fm_window_plan *plan)
{
    double work = 0;
    for (int64_t i = 0; i < plan->phase_count; i++) {
        const double pixels = (double)pixels_of(plan, &plan->phases[i]) + PRODUCT_PIXELS;
        work += pixels * (double)plan->phases[i].taps;
    }
    return work;
}

/* The phases without what windows see of the padding, where that is worth it. */
static fm_status make_phases(fm_context *context, const fm_convolution *c, bool adjoint,
                             fm_window_plan *plan, bool *trimmed)
{
    fm_window_plan trim;
    fm_status status = fm_window_phases_make(context, c, adjoint, false, plan);
    if (status != FM_OK) return status;
    status = fm_window_phases_make(context, c, adjoint, true, &trim);
    *trimmed =
        status == FM_OK && trim.phase_count > 0 && work_of(&trim) < TRIMMED_SHARE * work_of(plan);
    if (status == FM_OK) fm_arena_release(*trimmed ? &plan->arena : &trim.arena);
    if (*trimmed) *plan = trim;
    if (status != FM_OK) fm_arena_release(&plan->arena);
    return status;
}

/* Where the taps of all phases lie in the kernel. */
static bool find_tap_rows(convolution_state *s)
{
    fm_window_plan *plan = &s->plan;
    const int64_t rows = s->adjoint ? plan->columns : plan->depth;
    const size_t taps = (size_t)(plan->b_rows / plan->depth);
    ptrdiff_t *to = fm_arena_allocate(&plan->arena, taps * sizeof *to + 1);
    s->tap_rows = to;
    for (int64_t i = 0; to && i < plan->phase_count; i++) {
        const fm_window_phase *phase = &plan->phases[i];
        for (int64_t tap = 0; tap < phase->taps; tap++) {
            *to++ = phase->tap_kernel[tap] * rows * (s->panels ? 1 : kernel_row(s));
        }
    }
    return s->tap_rows != NULL;
}

/* How many pixels of an image see tap `position`; notes them unless `seen` is NULL. */
static int64_t find_seen(const fm_convolution *c, int64_t position, const tap_pixels *seen)
{
    const int64_t tap[2] = {position / c->kernel[1], position % c->kernel[1]};
    int64_t count = 0;
    for (int64_t i = 0; i < c->y[0] * c->y[1]; i++) {
        const int64_t place[2] = {i / c->y[1], i % c->y[1]};
        int64_t at[2];
        for (int d = 0; d < 2; d++)
            at[d] = place[d] * c->strides[d] + tap[d] * c->dilations[d] - c->padding[d];
        if (at[0] < 0 || at[0] >= c->x[0] || at[1] < 0 || at[1] >= c->x[1]) continue;
        if (seen) {
            seen->x[count] = (at[0] * c->x[1] + at[1]) * c->channels;
            seen->dy[count] = i * c->filters;
        }
        count++;
    }
    return count;
}

/* Are products of single taps worth it? Not with the sums of dy, which are all pixels', nor with an
 * odd number of images, whose pieces are packed number by number. */
static bool is_gradient_by_taps(const fm_site *site, const fm_convolution *c)
{
    const int64_t taps = c->kernel[0] * c->kernel[1], pixels = c->y[0] * c->y[1];
    if (site->output_count == 2 || c->images % 2 || pixels > MOST_SEEN) return false;
    double work = 0;
    for (int64_t i = 0; i < taps; i++) {
        work += (double)(find_seen(c, i, NULL) * c->images) + PRODUCT_PIXELS;
    }
    return work < TRIMMED_SHARE * (double)(pixels * c->images * taps);
}

static bool find_all_seen(convolution_state *s, const fm_convolution *c)
{
    fm_arena *arena = &s->plan.arena;
    s->seen = fm_arena_allocate(arena, (size_t)s->plan.positions * sizeof *s->seen);
    for (int64_t i = 0; s->seen && i < s->plan.positions; i++) {
        tap_pixels *seen = &s->seen[i];
        seen->count = find_seen(c, i, NULL);
        seen->x = fm_arena_allocate(arena, (size_t)seen->count * sizeof *seen->x + 1);
        seen->dy = fm_arena_allocate(arena, (size_t)seen->count * sizeof *seen->dy + 1);
        if (!seen->x || !seen->dy) return false;
        find_seen(c, i, seen);
    }
    return s->seen != NULL;
}

static fm_status make_plan(const fm_site *site, const fm_convolution *c, direction d,
                           convolution_state *s)
{
    bool trimmed = false;
    fm_status status = d == GRADIENT || s->pairs
                           ? fm_window_phases_make(site->context, c, d == ADJOINT, false, &s->plan)
                           : make_phases(site->context, c, d == ADJOINT, &s->plan, &trimmed);
    if (status != FM_OK) return status;
    bool made = true;
    if (trimmed || d == ADJOINT) made = find_tap_rows(s);
    if (d == GRADIENT && is_gradient_by_taps(site, c)) made = find_all_seen(s, c);
    if (!made) fm_arena_release(&s->plan.arena);
    return made ? FM_OK : FM_ERROR_MEMORY;
}

static fm_status prepare_in(const fm_gemm_isa *isa, const fm_site *site, direction d, fm_need *need)
{
    const fm_convolution c = convolution_in(site, d);
    convolution_state *s = fm_allocate_zeroed(site->context, sizeof *s);
    if (!s) return FM_ERROR_MEMORY;
    const fm_layout *kernel = d == GRADIENT ? &site->output_layouts[0] : &site->input_layouts[1];
    s->isa = isa;
    s->adjoint = d == ADJOINT;
    s->panels = kernel->type == &fm_panels;
    s->pairs = kernel->type == &fm_pairs;
    const fm_status status = make_plan(site, &c, d, s);
    if (status != FM_OK) {
        fm_release(site->context, s);
        return status;
    }
    if (d != GRADIENT) describe_epilogue(site, s);
    s->threads = multiply_adds(&c) < PARALLEL_PRODUCT ? 1 : site->threads;
    find_scratch(s, d);
    need->scratch_bytes = (s->sums_floats + s->scratch_floats * (size_t)s->threads) * sizeof(float);
    need->state = s;
    return FM_OK;
}

/* The share of taps along a dimension that see x and not padding, of all pixels together. */
static double seen_along(const fm_convolution *c, int d)
{
    int64_t seen = 0;
    for (int64_t i = 0; i < c->y[d] * c->kernel[d]; i++) {
        const int64_t place = i / c->kernel[d], tap = i % c->kernel[d];
        const int64_t at = place * c->strides[d] + tap * c->dilations[d] - c->padding[d];
        seen += at >= 0 && at < c->x[d];
    }
    return (double)seen / (double)(c->y[d] * c->kernel[d]);
}

/* Is the kernel to be read tap by tap? Phases of few pixels are made whole all the same. */
static bool sees_much_padding(const fm_site *site)
{
    const fm_convolution c = convolution_in(site, FORWARD);
    return seen_along(&c, 0) * seen_along(&c, 1) < TRIMMED_SHARE;
}

static bool is_grouped(const fm_site *site)
{
    return ((const fm_convolve_attributes *)site->attributes)->window.groups > 1;
}

/* As convolutions of f32 have them; a kernel that stays as it is and is read whole, in pairs. */
static void layouts_of_windows(const fm_site *site, fm_layout *inputs, fm_layout *outputs)
{
    const fm_shape kernel = site->inputs[1].shape;
    const bool forward = site->op == &fm_op_convolve || site->op == &fm_op_fused_convolve;
    outputs[0] = (fm_layout){0};
    if (is_grouped(site)) return;
    if (site->input_is_variable[1]) inputs[1] = fm_panels_of(&FM_ISA_SYMBOL(fm_gemm_isa), kernel);
    if (site->input_is_steady[1] && forward && !sees_much_padding(site)) {
        inputs[1] = fm_pairs_of(&FM_ISA_SYMBOL(fm_gemm_isa), kernel);
    }
}

static void layouts_of_gradient(const fm_site *site, fm_layout *inputs, fm_layout *outputs)
{
    (void)inputs;
    if (outputs[0].type != &fm_panels || is_grouped(site)) outputs[0] = (fm_layout){0};
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
