/* Back through recurrent cells. Each thread takes rows of the batch from the last step to the first: the
 * gradients da of what goes into the gates, row by row, then their product with the transposed kernel,
 * which is what the step before receives. The kernel's own gradient is one product of all steps behind
 * that: (all states)^T (all da). */
#include "backend/cpu/gemm.h"
#include "backend/cpu/vector/kernels.h"
#include "backend/cpu/vector/recurrent_math.h"
#include "backend/cpu/vector/recurrent_tile.h"
#include "base/memory.h"
#include "op/op_table.h"
#include "op/recurrent_cells.h"

#include <string.h>

#define KERNEL_FILE    "kernel/recurrent.h"
#define KERNEL_EXP(x)  cell_exp(x)
#define KERNEL_TANH(x) cell_tanh(x)
#include "backend/cpu/vector/instantiate_vector.h"

extern const fm_gemm_isa FM_ISA_SYMBOL(fm_gemm_isa);
#define ISA (&FM_ISA_SYMBOL(fm_gemm_isa))

typedef struct backward backward;

/* The da of a row at time t, from what has reached its state; before: the state that it began with. */
typedef void row_step(const backward *f, int64_t b, int64_t t, const float *before, float *da);

/* A run; NULL: not there. Shapes as in kernel/recurrent_lstm.h. */
struct backward {
    kernel_recurrence r;
    int gates;
    row_step *pull;
    const float *panels; /* of the transposed kernel, (gates units, width) */
    const float *state, *memory, *y, *kept_gates, *kept_cells, *mask, *scale, *dy, *dlast;
    const float *dlast_memory;
    float *dx, *dstate, *dmemory, *dscale;
    float *da;     /* (batch, time, gates units): dx, but for a GRU, whose kernel sees dq */
    float *states; /* (batch, time, width): what entered the product */
    float
        *now; /* (batch, gates units): a step's rows of da. In da they may lie a power of two apart,
                   where caches hold but a few of them */
    bool adds; /* the product adds to what the step has left in dstate               */
};

static bool is_padding(const backward *f, int64_t b, int64_t t)
{
    return is_masked_f32(&f->r, f->mask, b, t);
}

/* ---- a row of units ------------------------------------------------------------------------------ */

INLINE void simple_units(int cell, int64_t n, const float *restrict dh, const float *restrict y,
                         float *restrict da)
{
    for (int64_t j = 0; j < n; j++) da[j] = dh[j] * cell_slope_f32(cell, y[j]);
}

static void simple_pull(const backward *f, int64_t b, int64_t t, const float *before, float *da)
{
    (void)before;
    const int64_t units = f->r.units, row = (b * f->r.time + t) * units;
    const float *dh = f->dstate + b * units, *y = f->y + row;
    if (f->r.cell == KERNEL_CELL_TANH)
        simple_units(KERNEL_CELL_TANH, units, dh, y, da);
    else
        simple_units(f->r.cell, units, dh, y, da);
}

INLINE void lstm_units(int cell, int gate, int64_t n, const float *restrict gates,
                       const float *restrict c, const float *restrict before,
                       const float *restrict dh, float *restrict dc, float *restrict da)
{
    for (int64_t j = 0; j < n; j++) {
        const float i = gates[j], forget = gates[n + j];
        const float g = gates[2 * n + j], o = gates[3 * n + j];
        const float u = cell_function_f32(cell, c[j]);
        const float d_c = dc[j] + dh[j] * o * cell_slope_f32(cell, u);
        da[j] = d_c * g * gate_slope_f32(gate, i);
        da[n + j] = d_c * before[j] * gate_slope_f32(gate, forget);
        da[2 * n + j] = d_c * i * cell_slope_f32(cell, g);
        da[3 * n + j] = dh[j] * u * gate_slope_f32(gate, o);
        dc[j] = d_c * forget;
    }
}

/* The cell before the step that reads time t. */
static const float *memory_before(const backward *f, int64_t b, int64_t t)
{
    const int64_t step = kernel_step_time(&f->r, t); /* its own inverse */
    return state_before_f32(&f->r, f->kept_cells, f->memory, f->r.units, b, step);
}

static void lstm_pull(const backward *f, int64_t b, int64_t t, const float *before, float *da)
{
    (void)before;
    const int64_t units = f->r.units, row = b * f->r.time + t;
    const float *gates = f->kept_gates + row * 4 * units, *c = f->kept_cells + row * units;
    const float *old = memory_before(f, b, t), *dh = f->dstate + b * units;
    float *dc = f->dmemory + b * units;
    if (f->r.cell == KERNEL_CELL_TANH && f->r.gate == KERNEL_GATE_SIGMOID)
        lstm_units(KERNEL_CELL_TANH, KERNEL_GATE_SIGMOID, units, gates, c, old, dh, dc, da);
    else
        lstm_units(f->r.cell, f->r.gate, units, gates, c, old, dh, dc, da);
}

/* gates z, r, n, q; dx gets da_z, da_r, da_n, da the same with dq in place of da_n. */
INLINE void gru_units(int cell, int gate, int64_t n, const float *restrict gates,
                      const float *restrict before, float *restrict dh, float *restrict dx,
                      float *restrict da)
{
    for (int64_t j = 0; j < n; j++) {
        const float z = gates[j], reset = gates[n + j];
        const float new = gates[2 * n + j], q = gates[3 * n + j];
        const float d_z = dh[j] * (before[j] - new) * gate_slope_f32(gate, z);
        const float d_n = dh[j] * (1 - z) * cell_slope_f32(cell, new);
        const float d_r = d_n * q * gate_slope_f32(gate, reset);
        dh[j] *= z;
        dx[j] = da[j] = d_z;
        dx[n + j] = da[n + j] = d_r;
        dx[2 * n + j] = d_n;
        da[2 * n + j] = d_n * reset;
    }
}

static void gru_pull(const backward *f, int64_t b, int64_t t, const float *before, float *da)
{
    const int64_t units = f->r.units, row = b * f->r.time + t;
    const float *gates = f->kept_gates + row * 4 * units;
    float *dh = f->dstate + b * units;
    float *dx = f->dx + row * 3 * units;
    if (f->r.cell == KERNEL_CELL_TANH && f->r.gate == KERNEL_GATE_SIGMOID)
        gru_units(KERNEL_CELL_TANH, KERNEL_GATE_SIGMOID, units, gates, before, dh, dx, da);
    else
        gru_units(f->r.cell, f->r.gate, units, gates, before, dh, dx, da);
}

/* ---- a step -------------------------------------------------------------------------------------- */

static void keep_state(const backward *f, int64_t b, const float *before, float *kept)
{
    const int64_t width = f->r.width;
    if (!f->scale) {
        memcpy(kept, before, (size_t)width * sizeof *kept);
        return;
    }
    const float *scale = f->scale + b * width;
    for (int64_t k = 0; k < width; k++) kept[k] = before[k] * scale[k];
}

static void pull_row_at(const backward *f, int64_t step, int64_t b)
{
    const int64_t width = f->r.width, t = kernel_step_time(&f->r, step), row = b * f->r.time + t;
    const int64_t columns = f->gates * f->r.units;
    const float *before = state_before_f32(&f->r, f->y, f->state, width, b, step);
    const float *dy = f->dy ? f->dy + row * width : NULL;
    float *dh = f->dstate + b * width;
    for (int64_t k = 0; dy && k < width; k++) dh[k] += dy[k];
    keep_state(f, b, before, f->states + row * width);
    const size_t bytes = (size_t)columns * sizeof(float);
    float *now = f->now + b * columns;
    if (is_padding(f, b, t)) {
        memset(now, 0, bytes);
        memset(f->dx + row * columns, 0, bytes);
    } else {
        f->pull(f, b, t, before, now);
    }
    memcpy(f->da + row * columns, now, bytes);
}

/* What a row's n entries of the state receive from the product. */
INLINE void receive(const backward *f, int64_t b, int64_t step, int64_t k, int64_t n,
                    const float *restrict pulled)
{
    const int64_t width = f->r.width;
    float *restrict dh = f->dstate + b * width + k;
    const float *scale = f->scale ? f->scale + b * width + k : NULL;
    if (is_padding(f, b, kernel_step_time(&f->r, step))) return;
    if (f->dscale) {
        const float *before = state_before_f32(&f->r, f->y, f->state, width, b, step) + k;
        float *dscale = f->dscale + b * width + k;
        for (int64_t j = 0; j < n; j++) dscale[j] += pulled[j] * before[j];
    }
    for (int64_t j = 0; j < n; j++) {
        const float pull = scale ? pulled[j] * scale[j] : pulled[j];
        dh[j] = f->adds ? dh[j] + pull : pull;
    }
}

INLINE void product_tile(const int rows, const int vectors, const backward *f, int64_t step,
                         int64_t b, int64_t k)
{
    const int64_t columns = f->gates * f->r.units, width = f->r.width;
    const int64_t rest = width - k,
                  n = rest < vectors * VECTOR_LENGTH ? rest : vectors * VECTOR_LENGTH;
    vector sum[RECURRENT_MOST_ROWS][FM_RECURRENT_VECTORS];
    _Alignas(64) float pulled[FM_RECURRENT_VECTORS * VECTOR_LENGTH];
    FOR_ROWS FOR_VECTORS sum[r][v] = (vector){0};
    recurrent_sums(rows, vectors, columns, f->now + b * columns, columns, f->panels + k * columns,
                   sum);
    for (int r = 0; r < rows; r++) {
        FOR_VECTORS store(pulled + v * VECTOR_LENGTH, sum[r][v]);
        receive(f, b + r, step, k, n, pulled);
    }
}

INLINE void product_block(const int vectors, const backward *f, int64_t step, int64_t first,
                          int64_t end, int64_t k)
{
    const int most = recurrent_rows(INT32_MAX, vectors);
    for (int64_t b = first; b < end;) {
        const int rows = recurrent_rows(end - b, vectors);
        WITH_ROWS(rows, most, product_tile, vectors, f, step, b, k)
        b += rows;
    }
}

/* dh_{t-1} = da R^T */
static void product_step(const backward *f, int64_t step, int64_t first, int64_t end)
{
    enum { WHOLE = FM_RECURRENT_VECTORS * VECTOR_LENGTH };
    for (int64_t k = 0; k < f->r.width; k += WHOLE) {
        const int64_t left = f->r.width - k;
        WITH_VECTORS(left, product_block, f, step, first, end, k)
    }
}

static void run_rows(const void *argument, int64_t first, int64_t end)
{
    const backward *f = argument;
    const int64_t width = f->r.width, units = f->r.units;
    const size_t rows = (size_t)(end - first);
    begin_with_f32((int64_t)rows * width, f->dlast ? f->dlast + first * width : NULL,
                   f->dstate + first * width);
    if (f->dmemory) {
        begin_with_f32((int64_t)rows * units,
                       f->dlast_memory ? f->dlast_memory + first * units : NULL,
                       f->dmemory + first * units);
    }
    if (f->dscale) begin_with_f32((int64_t)rows * width, NULL, f->dscale + first * width);
    for (int64_t step = f->r.time - 1; step >= 0; step--) {
        for (int64_t b = first; b < end; b++) pull_row_at(f, step, b);
        product_step(f, step, first, end);
    }
}

/* ---- kernels ------------------------------------------------------------------------------------- */

typedef struct recurrent_grad_state {
    fm_recurrent_matrix matrix; /* the transposed kernel             */
    fm_gemm product;            /* dR = states^T da, without pointers */
    int threads;
    size_t panel_floats, states_floats, da_floats, now_floats, product_floats;
} recurrent_grad_state;

static int gates_of(const fm_op *op)
{
    return op == &fm_op_lstm_grad ? 4 : op == &fm_op_gru_grad ? 3 : 1;
}

static const char *match_recurrent_grad(const fm_site *site)
{
    const fm_recurrent_attributes *a = site->attributes;
    if (site->inputs[0].dtype != FM_F32) return "f32 only";
    if (site->outputs[0].count == 0) return "there are no elements";
    if (a->has[FM_RECURRENT_PEEPHOLE]) return "peepholes";
    if (a->has[FM_RECURRENT_PROJECTION]) return "a projection";
    if (a->has[FM_RECURRENT_DGATES] || a->has[FM_RECURRENT_DCELLS]) {
        return "gradients of gates and cells";
    }
    if (site->op == &fm_op_gru_grad && !a->reset_after) {
        return "the state is reset before the product";
    }
    return NULL;
}

static fm_status prepare_recurrent_grad(const fm_site *site, fm_need *need)
{
    const fm_shape dx = site->outputs[0].shape, kernel = site->inputs[0].shape;
    const int64_t steps = dx.dims[0] * dx.dims[1], width = kernel.dims[0], columns = kernel.dims[1];
    recurrent_grad_state *state = fm_allocate(site->context, sizeof *state);
    if (!state) return FM_ERROR_MEMORY;
    *state = (recurrent_grad_state){
        .matrix = {.gates = 1,
                   .columns = width,
                   .depth = columns,
                   .depth_stride = 1,
                   .column_stride = columns},
        .product = {.rows = (size_t)width,
                    .columns = (size_t)columns,
                    .depth = (size_t)steps,
                    .a_row_stride = 1,
                    .a_depth_stride = width,
                    .b_depth_stride = columns,
                    .b_column_stride = 1,
                    .c_row_stride = columns},
        .threads = (double)steps * (double)(width * columns) < PARALLEL_PRODUCT ? 1 : site->threads,
        .states_floats = in_lines((size_t)(steps * width)),
        .now_floats = in_lines((size_t)(dx.dims[0] * columns))};
    state->panel_floats = in_lines(fm_recurrent_panels_floats(&state->matrix, VECTOR_LENGTH));
    if (site->op == &fm_op_gru_grad) state->da_floats = in_lines((size_t)(steps * columns));
    state->product_floats = fm_gemm_scratch_floats(ISA, &state->product) * (size_t)state->threads;
    need->scratch_bytes = (state->panel_floats + state->states_floats + state->now_floats +
                           state->da_floats + state->product_floats) *
                          sizeof(float);
    need->state = state;
    return FM_OK;
}

static void release_recurrent_grad(fm_context *context, void *state)
{
    fm_release(context, state);
}

/* What all cells have; `fixed` operands are always there, y is operand `y`. */
static backward describe(const fm_call *call, int y, int fixed, row_step *pull)
{
    const recurrent_grad_state *state = call->state;
    float *panels = call->scratch;
    fm_recurrent_pack(&state->matrix, VECTOR_LENGTH, call->inputs[0].data, panels);
    return (backward){.r = fm_recurrence_of(call),
                      .gates = gates_of(call->op),
                      .pull = pull,
                      .panels = panels,
                      .state = call->inputs[1].data,
                      .y = call->inputs[y].data,
                      .mask = fm_recurrent_data(call, fixed, FM_RECURRENT_MASK),
                      .scale = fm_recurrent_data(call, fixed, FM_RECURRENT_SCALE),
                      .dy = fm_recurrent_data(call, fixed, FM_RECURRENT_DY),
                      .dlast = fm_recurrent_data(call, fixed, FM_RECURRENT_DLAST),
                      .dlast_memory = fm_recurrent_data(call, fixed, FM_RECURRENT_DLAST_CELL),
                      .dx = call->outputs[0].data,
                      .da = call->outputs[0].data,
                      .dstate = call->outputs[2].data,
                      .dscale = fm_recurrent_result(call, call->op->outputs - 1),
                      .states = panels + state->panel_floats,
                      .now = panels + state->panel_floats + state->states_floats};
}

/* dbias: the sums of da over all steps, or NULL. */
static void run_recurrent_grad(const fm_call *call, const backward *f, float *dbias)
{
    const recurrent_grad_state *state = call->state;
    const fm_ranges ranges = {f->r.batch, 1, run_rows, f};
    const int64_t parts = state->threads < f->r.batch ? state->threads : f->r.batch;
    fm_in_parts((int)parts, fm_run_range, &ranges);
    fm_gemm product = state->product;
    product.a = f->states;
    product.b = f->da;
    product.c = call->outputs[1].data;
    product.b_sums = dbias;
    fm_gemm_run(ISA, &product, (unsigned)state->threads,
                f->now + state->now_floats + state->da_floats);
}

static void run_simple_grad(const fm_call *call)
{
    const backward f = describe(call, 2, 3, simple_pull);
    run_recurrent_grad(call, &f, NULL);
}

static void run_lstm_grad(const fm_call *call)
{
    backward f = describe(call, 3, 6, lstm_pull);
    f.memory = call->inputs[2].data;
    f.kept_gates = call->inputs[4].data;
    f.kept_cells = call->inputs[5].data;
    f.dmemory = call->outputs[3].data;
    run_recurrent_grad(call, &f, NULL);
}

static void run_gru_grad(const fm_call *call)
{
    const recurrent_grad_state *state = call->state;
    backward f = describe(call, 2, 4, gru_pull);
    f.kept_gates = call->inputs[3].data;
    f.da = f.now + state->now_floats;
    f.adds = true;
    run_recurrent_grad(call, &f, fm_recurrent_result(call, 3));
}

#define GRAD_KERNEL(op_, run_)                                                                     \
    {                                                                                              \
        .name = KERNEL_NAME(#op_), .op = &fm_op_##op_, .match = match_recurrent_grad,              \
        .prepare = prepare_recurrent_grad, .run = run_, .release = release_recurrent_grad          \
    }
static const fm_kernel kernels[] = {
    GRAD_KERNEL(simple_rnn_grad, run_simple_grad),
    GRAD_KERNEL(lstm_grad, run_lstm_grad),
    GRAD_KERNEL(gru_grad, run_gru_grad),
};

const fm_kernel_family FM_ISA_SYMBOL(fm_cpu_recurrent_grad) = FAMILY(kernels);
