/* Recurrent cells over sequences. Each thread takes rows of the batch through all steps, so threads never
 * wait for each other; a step goes block by block through the recurrent kernel's panels, and what the
 * sums become is computed while they are in the first cache. */
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

typedef struct forward forward;

/* Steps one block of units for `rows` rows from `first` on. */
typedef void block_step(const forward *f, int64_t step, int64_t first, int64_t end);

/* A run; NULL: not there. Shapes as in kernel/recurrent_lstm.h. */
struct forward {
    kernel_recurrence r;
    int gates;
    block_step *step;
    const float *x, *panels, *state, *memory, *bias, *mask, *scale;
    float *y, *last, *last_memory, *kept_gates, *kept_cells;
    float
        *entering; /* (batch, width): the state as it enters the product. Rows of y may lie a power
                        of two apart, where caches hold but a few of them                        */
};

/* Rows of a matrix that lie apart. */
typedef struct rows_at {
    const float *at;
    ptrdiff_t row;
} rows_at;

/* h_{t-1} of the rows, as it is. */
static rows_at state_before(const forward *f, int64_t step)
{
    const int64_t width = f->r.width;
    if (step == 0) return (rows_at){f->state, (ptrdiff_t)width};
    return (rows_at){f->y + kernel_step_time(&f->r, step - 1) * width,
                     (ptrdiff_t)(f->r.time * width)};
}

static bool is_padding(const forward *f, int64_t b, int64_t t)
{
    return is_masked_f32(&f->r, f->mask, b, t);
}

/* The first n of a block's vector of sums; vectors of `to` may go on behind them. */
INLINE void keep_block(float *to, const float *a, int64_t n)
{
    if (n == VECTOR_LENGTH)
        store(to, load(a));
    else
        store_first(to, load(a), (size_t)n);
}

static int64_t in_block(int64_t units, int64_t first, int64_t most)
{
    return units - first < most ? units - first : most;
}

/* ---- simple_rnn ---------------------------------------------------------------------------------- */

INLINE void simple_units(int cell, int64_t n, const float *restrict a, float *restrict y)
{
    for (int64_t j = 0; j < n; j++) y[j] = cell_function_f32(cell, a[j]);
}

static void simple_row(const forward *f, int64_t n, const float *a, const float *h, float *y,
                       bool masked)
{
    if (masked)
        memcpy(y, h, (size_t)n * sizeof *y);
    else if (f->r.cell == KERNEL_CELL_TANH)
        simple_units(KERNEL_CELL_TANH, n, a, y);
    else
        simple_units(f->r.cell, n, a, y);
}

INLINE void simple_tile(const int rows, const int vectors, const forward *f, int64_t step,
                        int64_t b, int64_t unit)
{
    const int64_t units = f->r.units, t = kernel_step_time(&f->r, step), time = f->r.time;
    const int64_t n = in_block(units, unit, vectors * VECTOR_LENGTH);
    const rows_at before = state_before(f, step);
    vector sum[RECURRENT_MOST_ROWS][FM_RECURRENT_VECTORS];
    _Alignas(64) float a[FM_RECURRENT_VECTORS * VECTOR_LENGTH];
    FOR_ROWS FOR_VECTORS
    {
        const float *x = f->x + ((b + r) * time + t) * units + unit + v * VECTOR_LENGTH;
        const int64_t some = n - v * VECTOR_LENGTH;
        sum[r][v] = load_up_to(x, (size_t)some);
    }
    recurrent_sums(rows, vectors, units, f->entering + b * units, units, f->panels + unit * units,
                   sum);
    for (int r = 0; r < rows; r++) {
        FOR_VECTORS store(a + v * VECTOR_LENGTH, sum[r][v]);
        simple_row(f, n, a, before.at + (b + r) * before.row + unit,
                   f->y + ((b + r) * time + t) * units + unit, is_padding(f, b + r, t));
    }
}

INLINE void simple_block(const int vectors, const forward *f, int64_t step, int64_t first,
                         int64_t end, int64_t unit)
{
    const int most = recurrent_rows(INT32_MAX, vectors);
    for (int64_t b = first; b < end;) {
        const int rows = recurrent_rows(end - b, vectors);
        WITH_ROWS(rows, most, simple_tile, vectors, f, step, b, unit)
        b += rows;
    }
}

static void simple_step(const forward *f, int64_t step, int64_t first, int64_t end)
{
    enum { WHOLE = FM_RECURRENT_VECTORS * VECTOR_LENGTH };
    const int64_t units = f->r.units;
    for (int64_t unit = 0; unit < units; unit += WHOLE) {
        const int64_t left = units - unit;
        WITH_VECTORS(left, simple_block, f, step, first, end, unit)
    }
}

/* The four blocks of a row's gates. */
INLINE void keep_gates(const forward *f, int64_t n, int64_t row, int64_t unit, const float *a)
{
    const int64_t units = f->r.units;
    float *to = f->kept_gates + row * 4 * units + unit;
    for (int g = 0; f->kept_gates && g < 4; g++)
        keep_block(to + g * units, a + g * VECTOR_LENGTH, n);
}

/* ---- lstm ---------------------------------------------------------------------------------------- */

/* One row's block of n units: a (4, VECTOR_LENGTH) sums of the gates, which become their values. */
INLINE void lstm_units(int cell, int gate, int64_t n, float *restrict a, float *restrict c,
                       float *restrict y)
{
    for (int64_t j = 0; j < n; j++) {
        const float i = gate_function_f32(gate, a[j]);
        const float forget = gate_function_f32(gate, a[VECTOR_LENGTH + j]);
        const float g = cell_function_f32(cell, a[2 * VECTOR_LENGTH + j]);
        const float o = gate_function_f32(gate, a[3 * VECTOR_LENGTH + j]);
        c[j] = forget * c[j] + i * g;
        y[j] = o * cell_function_f32(cell, c[j]);
        a[j] = i, a[VECTOR_LENGTH + j] = forget;
        a[2 * VECTOR_LENGTH + j] = g, a[3 * VECTOR_LENGTH + j] = o;
    }
}

/* For activations and ends of rows that are rare. */
static __attribute__((noinline)) void lstm_units_any(const forward *f, int64_t n, float *a,
                                                     float *c, float *y)
{
    if (f->r.cell == KERNEL_CELL_TANH && f->r.gate == KERNEL_GATE_SIGMOID)
        lstm_units(KERNEL_CELL_TANH, KERNEL_GATE_SIGMOID, n, a, c, y);
    else
        lstm_units(f->r.cell, f->r.gate, n, a, c, y);
}

static void lstm_row(const forward *f, int64_t n, int64_t b, int64_t t, int64_t unit, float *a,
                     const float *h)
{
    const int64_t units = f->r.units, row = b * f->r.time + t;
    float *c = f->last_memory + b * units + unit, *y = f->y + row * units + unit;
    if (is_padding(f, b, t)) {
        memset(a, 0, 4 * VECTOR_LENGTH * sizeof *a);
        memcpy(y, h, (size_t)n * sizeof *y);
    } else if (n == VECTOR_LENGTH && f->r.cell == KERNEL_CELL_TANH &&
               f->r.gate == KERNEL_GATE_SIGMOID) {
        lstm_units(KERNEL_CELL_TANH, KERNEL_GATE_SIGMOID, VECTOR_LENGTH, a, c, y);
    } else {
        lstm_units_any(f, n, a, c, y);
    }
    keep_gates(f, n, row, unit, a);
    for (int64_t j = 0; f->kept_cells && j < n; j++) f->kept_cells[row * units + unit + j] = c[j];
}

INLINE void lstm_tile(const int rows, const forward *f, int64_t step, int64_t b, int64_t unit)
{
    enum { vectors = 4 };
    const int64_t units = f->r.units, t = kernel_step_time(&f->r, step), time = f->r.time;
    const int64_t n = in_block(units, unit, VECTOR_LENGTH);
    const rows_at before = state_before(f, step);
    vector sum[RECURRENT_MOST_ROWS][FM_RECURRENT_VECTORS];
    _Alignas(64) float a[4 * VECTOR_LENGTH];
    FOR_ROWS FOR_VECTORS
    {
        const float *x = f->x + (((b + r) * time + t) * 4 + v) * units + unit;
        sum[r][v] = load_up_to(x, (size_t)n);
    }
    recurrent_sums(rows, vectors, units, f->entering + b * units, units,
                   f->panels + unit * 4 * units, sum);
    for (int r = 0; r < rows; r++) {
        FOR_VECTORS store(a + v * VECTOR_LENGTH, sum[r][v]);
        lstm_row(f, n, b + r, t, unit, a, before.at + (b + r) * before.row + unit);
    }
}

static void lstm_step(const forward *f, int64_t step, int64_t first, int64_t end)
{
    const int most = recurrent_rows(INT32_MAX, 4);
    for (int64_t unit = 0; unit < f->r.units; unit += VECTOR_LENGTH) {
        for (int64_t b = first; b < end;) {
            const int rows = recurrent_rows(end - b, 4);
            WITH_ROWS(rows, most, lstm_tile, f, step, b, unit)
            b += rows;
        }
    }
}

/* ---- gru ----------------------------------------------------------------------------------------- */

/* a: the sums z, r, q, which become z, r, n, and q behind them; x: of n units of z, the other gates'
 * `units` further on. */
INLINE void gru_units(int cell, int gate, int64_t n, int64_t units, const float *restrict x,
                      float *restrict a, const float *restrict h, float *restrict y)
{
    for (int64_t j = 0; j < n; j++) {
        const float z = gate_function_f32(gate, x[j] + a[j]);
        const float reset = gate_function_f32(gate, x[units + j] + a[VECTOR_LENGTH + j]);
        const float q = a[2 * VECTOR_LENGTH + j];
        const float new = cell_function_f32(cell, x[2 * units + j] + reset * q);
        y[j] = z * h[j] + (1 - z) * new;
        a[j] = z, a[VECTOR_LENGTH + j] = reset;
        a[2 * VECTOR_LENGTH + j] = new, a[3 * VECTOR_LENGTH + j] = q;
    }
}

static __attribute__((noinline)) void gru_units_any(const forward *f, int64_t n, const float *x,
                                                    float *a, const float *h, float *y)
{
    if (f->r.cell == KERNEL_CELL_TANH && f->r.gate == KERNEL_GATE_SIGMOID)
        gru_units(KERNEL_CELL_TANH, KERNEL_GATE_SIGMOID, n, f->r.units, x, a, h, y);
    else
        gru_units(f->r.cell, f->r.gate, n, f->r.units, x, a, h, y);
}

static void gru_row(const forward *f, int64_t n, int64_t b, int64_t t, int64_t unit, float *a,
                    const float *h)
{
    const int64_t units = f->r.units, row = b * f->r.time + t;
    const float *x = f->x + row * 3 * units + unit;
    float *y = f->y + row * units + unit;
    if (is_padding(f, b, t)) {
        memset(a, 0, 4 * VECTOR_LENGTH * sizeof *a);
        memcpy(y, h, (size_t)n * sizeof *y);
    } else if (n == VECTOR_LENGTH && f->r.cell == KERNEL_CELL_TANH &&
               f->r.gate == KERNEL_GATE_SIGMOID) {
        gru_units(KERNEL_CELL_TANH, KERNEL_GATE_SIGMOID, VECTOR_LENGTH, units, x, a, h, y);
    } else {
        gru_units_any(f, n, x, a, h, y);
    }
    keep_gates(f, n, row, unit, a);
}

INLINE void gru_tile(const int rows, const forward *f, int64_t step, int64_t b, int64_t unit)
{
    enum { vectors = 3 };
    const int64_t units = f->r.units, t = kernel_step_time(&f->r, step);
    const int64_t n = in_block(units, unit, VECTOR_LENGTH);
    const rows_at before = state_before(f, step);
    vector sum[RECURRENT_MOST_ROWS][FM_RECURRENT_VECTORS], bias[vectors];
    _Alignas(64) float a[4 * VECTOR_LENGTH];
    FOR_VECTORS
    {
        bias[v] = f->bias ? load_up_to(f->bias + v * units + unit, (size_t)n) : (vector){0};
    }
    FOR_ROWS FOR_VECTORS sum[r][v] = bias[v];
    recurrent_sums(rows, vectors, units, f->entering + b * units, units,
                   f->panels + unit * 3 * units, sum);
    for (int r = 0; r < rows; r++) {
        FOR_VECTORS store(a + v * VECTOR_LENGTH, sum[r][v]);
        gru_row(f, n, b + r, t, unit, a, before.at + (b + r) * before.row + unit);
    }
}

static void gru_step(const forward *f, int64_t step, int64_t first, int64_t end)
{
    const int most = recurrent_rows(INT32_MAX, 3);
    for (int64_t unit = 0; unit < f->r.units; unit += VECTOR_LENGTH) {
        for (int64_t b = first; b < end;) {
            const int rows = recurrent_rows(end - b, 3);
            WITH_ROWS(rows, most, gru_tile, f, step, b, unit)
            b += rows;
        }
    }
}

/* ---- a run --------------------------------------------------------------------------------------- */

static void enter_states(const forward *f, int64_t step, int64_t first, int64_t end)
{
    const rows_at before = state_before(f, step);
    const int64_t width = f->r.width;
    for (int64_t b = first; b < end; b++) {
        const float *h = before.at + b * before.row;
        const float *scale = f->scale ? f->scale + b * width : NULL;
        float *entering = f->entering + b * width;
        for (int64_t k = 0; k < width; k++) entering[k] = scale ? h[k] * scale[k] : h[k];
    }
}

static void run_rows(const void *argument, int64_t first, int64_t end)
{
    const forward *f = argument;
    const size_t state = (size_t)(end - first) * (size_t)f->r.width * sizeof(float);
    if (f->memory) {
        memcpy(f->last_memory + first * f->r.units, f->memory + first * f->r.units, state);
    }
    for (int64_t step = 0; step < f->r.time; step++) {
        enter_states(f, step, first, end);
        f->step(f, step, first, end);
    }
    const rows_at last = state_before(f, f->r.time);
    for (int64_t b = first; b < end; b++) {
        memcpy(f->last + b * f->r.width, last.at + b * last.row,
               (size_t)f->r.width * sizeof(float));
    }
}

/* ---- kernels ------------------------------------------------------------------------------------- */

typedef struct recurrent_state {
    fm_recurrent_matrix matrix; /* of the kernel; gates 0: it comes in panels */
    size_t panel_floats;
    int64_t threads;
} recurrent_state;

static int gates_of(const fm_site *site)
{
    return site->op == &fm_op_lstm ? 4 : site->op == &fm_op_gru ? 3 : 1;
}

static const char *match_recurrent(const fm_site *site)
{
    const fm_recurrent_attributes *a = site->attributes;
    if (site->inputs[0].dtype != FM_F32) return "f32 only";
    if (site->inputs[0].count == 0) return "there are no elements";
    if (a->has[FM_RECURRENT_PEEPHOLE]) return "peepholes";
    if (a->has[FM_RECURRENT_PROJECTION]) return "a projection";
    if (site->op == &fm_op_gru && !a->reset_after) return "the state is reset before the product";
    return NULL;
}

static void layouts_of_recurrent(const fm_site *site, fm_layout *inputs, fm_layout *outputs)
{
    (void)outputs;
    if (!site->input_is_steady[1]) return;
    inputs[1] = fm_recurrent_panels_of(site->inputs[1].shape, gates_of(site), VECTOR_LENGTH);
}

static fm_status prepare_recurrent(const fm_site *site, fm_need *need)
{
    const fm_shape kernel = site->inputs[1].shape, y = site->outputs[0].shape;
    recurrent_state *state = fm_allocate(site->context, sizeof *state);
    if (!state) return FM_ERROR_MEMORY;
    const int64_t gates = gates_of(site);
    *state = (recurrent_state){0};
    if (!site->input_layouts[1].type) {
        state->matrix = (fm_recurrent_matrix){.gates = gates,
                                              .columns = kernel.dims[1] / gates,
                                              .depth = kernel.dims[0],
                                              .depth_stride = kernel.dims[1],
                                              .column_stride = 1};
        state->panel_floats = in_lines(fm_recurrent_panels_floats(&state->matrix, VECTOR_LENGTH));
    }
    const double work = (double)(y.dims[0] * y.dims[1]) * (double)(kernel.dims[0] * kernel.dims[1]);
    state->threads = work < PARALLEL_PRODUCT ? 1 : site->threads;
    need->scratch_bytes = (state->panel_floats + (size_t)(y.dims[0] * y.dims[2])) * sizeof(float);
    need->state = state;
    return FM_OK;
}

static void release_recurrent(fm_context *context, void *state)
{
    fm_release(context, state);
}

/* What all cells have; `fixed` operands are always there. */
static forward describe(const fm_call *call, int gates, int fixed, block_step *step)
{
    const recurrent_state *state = call->state;
    float *panels = call->scratch;
    if (state->panel_floats) {
        fm_recurrent_pack(&state->matrix, VECTOR_LENGTH, call->inputs[1].data, panels);
    }
    return (forward){.r = fm_recurrence_of(call),
                     .gates = gates,
                     .step = step,
                     .x = call->inputs[0].data,
                     .panels = state->panel_floats ? panels : call->inputs[1].data,
                     .state = call->inputs[2].data,
                     .mask = fm_recurrent_data(call, fixed, FM_RECURRENT_MASK),
                     .scale = fm_recurrent_data(call, fixed, FM_RECURRENT_SCALE),
                     .bias = fm_recurrent_data(call, fixed, FM_RECURRENT_BIAS),
                     .y = call->outputs[0].data,
                     .last = call->outputs[1].data,
                     .entering = panels + state->panel_floats};
}

static void run_recurrent(const fm_call *call, const forward *f)
{
    const recurrent_state *state = call->state;
    const fm_ranges ranges = {f->r.batch, 1, run_rows, f};
    const int64_t parts = state->threads < f->r.batch ? state->threads : f->r.batch;
    fm_in_parts((int)parts, fm_run_range, &ranges);
}

static void run_simple(const fm_call *call)
{
    const forward f = describe(call, 1, 3, simple_step);
    run_recurrent(call, &f);
}

static void run_lstm(const fm_call *call)
{
    forward f = describe(call, 4, 4, lstm_step);
    f.memory = call->inputs[3].data;
    f.last_memory = call->outputs[2].data;
    f.kept_gates = fm_recurrent_result(call, 3);
    f.kept_cells = fm_recurrent_result(call, 4);
    run_recurrent(call, &f);
}

static void run_gru(const fm_call *call)
{
    forward f = describe(call, 3, 3, gru_step);
    f.kept_gates = fm_recurrent_result(call, 2);
    run_recurrent(call, &f);
}

static const fm_kernel kernels[] = {
    {.name = KERNEL_NAME("simple_rnn"),
     .op = &fm_op_simple_rnn,
     .match = match_recurrent,
     .layouts = layouts_of_recurrent,
     .prepare = prepare_recurrent,
     .run = run_simple,
     .release = release_recurrent},
    {.name = KERNEL_NAME("lstm"),
     .op = &fm_op_lstm,
     .match = match_recurrent,
     .layouts = layouts_of_recurrent,
     .prepare = prepare_recurrent,
     .run = run_lstm,
     .release = release_recurrent},
    {.name = KERNEL_NAME("gru"),
     .op = &fm_op_gru,
     .match = match_recurrent,
     .layouts = layouts_of_recurrent,
     .prepare = prepare_recurrent,
     .run = run_gru,
     .release = release_recurrent},
};

const fm_kernel_family FM_ISA_SYMBOL(fm_cpu_recurrent) = FAMILY(kernels);
