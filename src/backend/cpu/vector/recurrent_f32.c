/* Recurrent cells over sequences. Each thread takes rows of the batch through all steps, band by
 * band, so threads never wait for each other; a step goes block by block through the recurrent
 * kernel's panels, and what a band's sums become is computed while they are in the first cache. Of
 * fewer rows than threads each thread takes units instead, and its part of a large kernel stays in
 * its second cache; then they wait for each other after each step. */
#include "backend/cpu/vector/kernels.h"
#include "backend/cpu/vector/recurrent_lanes.h"
#include "backend/cpu/vector/recurrent_product.h"
#include "base/memory.h"
#include "op/op_table.h"
#include "op/recurrent_cells.h"

#include <string.h>

typedef struct forward forward;

/* Rows and units of one step. */
typedef void band_step(const forward *f, const band *at);

enum { SUMS = FM_RECURRENT_VECTORS * VECTOR_LENGTH };

/* A run; NULL: not there. Shapes as in kernel/recurrent_lstm.h and recurrent_gru.h. */
struct forward {
    kernel_recurrence r;
    bool is_usual;
    int64_t band;
    int gates, saved; /* blocks of x and of kept_gates */
    band_step *step;
    const recurrent_reader *reader;
    const float *panels, *apart_panels, *projection_panels;
    const float *x, *state, *memory, *bias, *peephole, *mask, *scale;
    float *y, *last, *last_memory, *kept_gates, *kept_cells;
    float *entering; /* (batch, width): the state as it enters the product. Rows of y may lie a
                        power of two apart, where caches hold but a few of them */
    float *inner;    /* (batch, units): what enters the step's second product, m or r h */
    float *words;    /* (batch, word_row): what the reader makes of either */
    int64_t word_row;
    float *sums; /* (batch, SUMS) of a block */
};

static int64_t row_of(const forward *f, const band *at, int64_t b)
{
    return b * f->r.time + at->time;
}

/* h_{t-1} of a row, as it is. */
static const float *row_before(const forward *f, const band *at, int64_t b)
{
    return state_before_f32(&f->r, f->y, f->state, f->r.width, b, at->step);
}

INLINE bool is_padding(const forward *f, const band *at, int64_t b)
{
    return is_masked_f32(&f->r, f->mask, b, at->time);
}

/* The band's rows of a (batch, n) times `panels` into f->sums. */
static recurrent_product product_of(const forward *f, const band *at, const float *a, int64_t n,
                                    const float *panels)
{
    const int64_t rows = at->end - at->first;
    return (recurrent_product){
        .rows = rows,
        .depth = fm_recurrent_depth(f->reader->words, n),
        .a = f->reader->enter(a + at->first * n, rows, n, f->words + at->first * f->word_row),
        .panels = panels,
        .c = f->sums + at->first * SUMS,
        .c_row = SUMS,
        .ahead = at->ahead};
}

/* The block of `vectors` that begins behind so many columns. */
static void sum_block(const forward *f, const recurrent_product *p, int64_t columns, int vectors)
{
    recurrent_product block = *p;
    block.panels += columns * p->depth;
    f->reader->block(&block, vectors, vectors * VECTOR_LENGTH);
}

/* Blocks [first, first + count) of what is kept of a row's gates. */
INLINE void keep_gates(const forward *f, int64_t row, int64_t unit, size_t n, const int first,
                       const int count, const vector *gates)
{
    const int64_t units = f->r.units;
    if (!f->kept_gates) return;
    float *to = f->kept_gates + (row * f->saved + first) * units + unit;
    UNROLL for (int g = 0; g < count; g++) store_up_to(to + g * units, gates[g], n);
}

/* Block g of a row's n numbers of x from `unit` on. */
INLINE vector input_of(const forward *f, int64_t row, int64_t unit, size_t n, int g)
{
    return load_up_to(f->x + (row * f->gates + g) * f->r.units + unit, n);
}

/* ---- lstm ------------------------------------------------------------------------------------ */

/* The gates and the cell of n units from `unit` on; o in the place of the first sums. */
INLINE void lstm_cell_row(const int cell, const int gate, const float *peephole, const forward *f,
                          const band *at, int64_t b, int64_t unit, size_t n)
{
    const int64_t units = f->r.units, row = row_of(f, at, b);
    float *c = f->last_memory + b * units + unit, *sums = f->sums + b * SUMS;
    vector a[4], now = load_up_to(c, n);
    UNROLL for (int g = 0; g < 4; g++)
    {
        a[g] = input_of(f, row, unit, n, g) + load(sums + g * VECTOR_LENGTH);
    }
    if (is_padding(f, at, b)) {
        UNROLL for (int g = 0; g < 4; g++) a[g] = (vector){0};
    } else {
        if (peephole) a[0] += load_up_to(peephole, n) * now;
        if (peephole) a[1] += load_up_to(peephole + units, n) * now;
        UNROLL for (int g = 0; g < 2; g++) a[g] = gate_lanes(gate, a[g]);
        a[2] = cell_lanes(cell, a[2]);
        now = a[1] * now + a[0] * a[2];
        if (peephole) a[3] += load_up_to(peephole + 2 * units, n) * now;
        a[3] = gate_lanes(gate, a[3]);
        store_up_to(c, now, n);
    }
    store(sums, a[3]);
    keep_gates(f, row, unit, n, 0, 4, a);
    if (f->kept_cells) store_up_to(f->kept_cells + row * units + unit, now, n);
}

/* m of the same, which is y or goes into the projection. Behind that padding keeps the state. */
INLINE void lstm_output_row(const int cell, const forward *f, const band *at, int64_t b,
                            int64_t unit, size_t n)
{
    const int64_t units = f->r.units, row = row_of(f, at, b);
    const bool projects = f->projection_panels;
    float *to = projects ? f->inner + b * units : f->y + row * units;
    vector m = load(f->sums + b * SUMS) *
               cell_lanes(cell, load_up_to(f->last_memory + b * units + unit, n));
    if (!projects && is_padding(f, at, b)) m = load_up_to(row_before(f, at, b) + unit, n);
    store_up_to(to + unit, m, n);
}

/* One function after the other for all rows: their chains of operations overlap. */
INLINE void lstm_rows(const int cell, const int gate, const float *peephole, const forward *f,
                      const band *at, int64_t unit, size_t n)
{
    for (int64_t b = at->first; b < at->end; b++) {
        lstm_cell_row(cell, gate, peephole, f, at, b, unit, n);
    }
    for (int64_t b = at->first; b < at->end; b++) lstm_output_row(cell, f, at, b, unit, n);
}

/* h = m P, or in padding the state as it was. */
static void project(const forward *f, const band *at)
{
    const int64_t width = f->r.width;
    const ptrdiff_t y_row = (ptrdiff_t)(f->r.time * width);
    float *y = f->y + at->time * width;
    recurrent_product p = product_of(f, at, f->inner, f->r.units, f->projection_panels);
    p.c = y + at->first * y_row, p.c_row = y_row, p.ahead = NULL;
    recurrent_columns(f->reader, &p, width);
    for (int64_t b = at->first; f->mask && b < at->end; b++) {
        if (!is_padding(f, at, b)) continue;
        memcpy(y + b * y_row, row_before(f, at, b), (size_t)width * sizeof *y);
    }
}

static void lstm_step(const forward *f, const band *at)
{
    const int64_t units = f->r.units;
    const recurrent_product p = product_of(f, at, f->entering, f->r.width, f->panels);
    for (int64_t unit = at->unit; unit < at->unit_end; unit += VECTOR_LENGTH) {
        const size_t n = recurrent_units_at(units, unit);
        sum_block(f, &p, 4 * unit, 4);
        if (f->is_usual && !f->peephole && n == VECTOR_LENGTH)
            lstm_rows(KERNEL_CELL_TANH, KERNEL_GATE_SIGMOID, NULL, f, at, unit, VECTOR_LENGTH);
        else
            lstm_rows(f->r.cell, f->r.gate, f->peephole ? f->peephole + unit : NULL, f, at, unit,
                      n);
    }
    if (f->projection_panels) project(f, at);
}

/* ---- gru, reset behind the product ----------------------------------------------------------- */

/* z and r of a row, in the place of their sums. */
INLINE void gru_gates_row(const int gate, const forward *f, const band *at, int64_t b, int64_t unit,
                          size_t n, const vector *bias)
{
    float *sums = f->sums + b * SUMS;
    UNROLL for (int g = 0; g < 2; g++)
    {
        const vector x = input_of(f, row_of(f, at, b), unit, n, g) + bias[g];
        store(sums + g * VECTOR_LENGTH, gate_lanes(gate, x + load(sums + g * VECTOR_LENGTH)));
    }
}

INLINE void gru_row(const int cell, const forward *f, const band *at, int64_t b, int64_t unit,
                    size_t n, const vector *bias)
{
    const int64_t units = f->r.units, row = row_of(f, at, b);
    const float *sums = f->sums + b * SUMS;
    const vector h = load_up_to(row_before(f, at, b) + unit, n);
    vector a[4], y = h; /* a: z, r, n, q */
    UNROLL for (int g = 0; g < 2; g++) a[g] = load(sums + g * VECTOR_LENGTH);
    a[3] = load(sums + 2 * VECTOR_LENGTH) + bias[2];
    a[2] = cell_lanes(cell, input_of(f, row, unit, n, 2) + a[1] * a[3]);
    if (is_padding(f, at, b)) {
        UNROLL for (int g = 0; g < 4; g++) a[g] = (vector){0};
    } else {
        y = a[0] * h + (1 - a[0]) * a[2];
    }
    store_up_to(f->y + row * units + unit, y, n);
    keep_gates(f, row, unit, n, 0, 4, a);
}

/* As lstm_rows. */
INLINE void gru_rows(const int cell, const int gate, const forward *f, const band *at, int64_t unit,
                     size_t n, const vector *bias)
{
    for (int64_t b = at->first; b < at->end; b++) gru_gates_row(gate, f, at, b, unit, n, bias);
    for (int64_t b = at->first; b < at->end; b++) gru_row(cell, f, at, b, unit, n, bias);
}

static void gru_step(const forward *f, const band *at)
{
    const int64_t units = f->r.units;
    const recurrent_product p = product_of(f, at, f->entering, units, f->panels);
    for (int64_t unit = at->unit; unit < at->unit_end; unit += VECTOR_LENGTH) {
        const size_t n = recurrent_units_at(units, unit);
        vector bias[3] = {{0}, {0}, {0}};
        for (int g = 0; f->bias && g < 3; g++) {
            bias[g] = load_up_to(f->bias + g * units + unit, n);
        }
        sum_block(f, &p, 3 * unit, 3);
        if (f->is_usual && n == VECTOR_LENGTH)
            gru_rows(KERNEL_CELL_TANH, KERNEL_GATE_SIGMOID, f, at, unit, VECTOR_LENGTH, bias);
        else
            gru_rows(f->r.cell, f->r.gate, f, at, unit, n, bias);
    }
}

/* ---- one block of gates: simple_rnn, and the candidate of a gru that resets in front --------- */

/* Block `gate` of x and the sums; with gates, y is z until the candidate is there. */
static void candidate_row(const forward *f, const band *at, int64_t b, int64_t unit, size_t n,
                          const float *sums)
{
    const int gate = f->gates - 1;
    const int64_t row = row_of(f, at, b);
    const vector h = load_up_to(row_before(f, at, b) + unit, n);
    float *to = f->y + row * f->r.units + unit;
    vector new = cell_lanes(f->r.cell, input_of(f, row, unit, n, gate) + load(sums)), y = new;
    if (gate > 0) {
        const vector z = load_up_to(to, n);
        y = z * h + (1 - z) * new;
    }
    if (is_padding(f, at, b)) y = h, new = (vector){0};
    store_up_to(to, y, n);
    keep_gates(f, row, unit, n, gate, 1, &new);
}

static void candidate_step(const forward *f, const band *at, const float *a, const float *panels)
{
    const int64_t units = f->r.units;
    const recurrent_product p = product_of(f, at, a, units, panels);
    for (int64_t first = at->unit; first < at->unit_end; first += SUMS) {
        const int64_t end = at->unit_end - first < SUMS ? at->unit_end : first + SUMS;
        const int vectors = (int)((end - first + VECTOR_LENGTH - 1) / VECTOR_LENGTH);
        sum_block(f, &p, first, vectors);
        for (int64_t b = at->first; b < at->end; b++) {
            for (int64_t unit = first; unit < end; unit += VECTOR_LENGTH) {
                candidate_row(f, at, b, unit, recurrent_units_at(units, unit),
                              f->sums + b * SUMS + unit - first);
            }
        }
    }
}

static void simple_step(const forward *f, const band *at)
{
    candidate_step(f, at, f->entering, f->panels);
}

/* z into y, r h as it enters the candidate's product into `inner`. */
static void reset_row(const forward *f, const band *at, int64_t b, int64_t unit, size_t n)
{
    const int64_t units = f->r.units, row = row_of(f, at, b);
    const float *sums = f->sums + b * SUMS;
    vector a[2];
    for (int g = 0; g < 2; g++) {
        a[g] = gate_lanes(f->r.gate, input_of(f, row, unit, n, g) + load(sums + g * VECTOR_LENGTH));
        if (is_padding(f, at, b)) a[g] = (vector){0};
    }
    store_up_to(f->y + row * units + unit, a[0], n);
    store_up_to(f->inner + b * units + unit, a[1] * load_up_to(f->entering + b * units + unit, n),
                n);
    keep_gates(f, row, unit, n, 0, 2, a);
}

static void gru_before_step(const forward *f, const band *at)
{
    const int64_t units = f->r.units;
    const recurrent_product p = product_of(f, at, f->entering, units, f->panels);
    for (int64_t unit = 0; unit < units; unit += VECTOR_LENGTH) {
        sum_block(f, &p, 2 * unit, 2);
        for (int64_t b = at->first; b < at->end; b++) {
            reset_row(f, at, b, unit, recurrent_units_at(units, unit));
        }
    }
    candidate_step(f, at, f->inner, f->apart_panels);
}

/* ---- a run ----------------------------------------------------------------------------------- */

static void enter_states(const forward *f, const band *at)
{
    const int64_t width = f->r.width;
    for (int64_t b = at->first; b < at->end; b++) {
        const float *h = row_before(f, at, b), *scale = f->scale ? f->scale + b * width : NULL;
        float *entering = f->entering + b * width;
        for (int64_t k = 0; k < width; k += VECTOR_LENGTH) {
            const size_t n = recurrent_units_at(width, k);
            vector now = load_up_to(h + k, n);
            if (scale) now *= load_up_to(scale + k, n);
            store_up_to(entering + k, now, n);
        }
    }
}

/* The operands of the step behind this one. */
static recurrent_ahead look_ahead(const forward *f, const band *at)
{
    const int64_t units = f->r.units, width = f->r.width;
    const int64_t t = kernel_step_time(&f->r, at->step + 1);
    const recurrent_use uses[] = {{f->x, f->gates * units, t, false},
                                  {f->kept_gates, f->saved * units, t, true},
                                  {f->kept_cells, units, t, true},
                                  {f->y, width, t, true}};
    const int64_t depth = fm_recurrent_depth(f->reader->words, width);
    return recurrent_look_ahead(at, f->r.time, uses, 4,
                                (at->end - at->first) * depth * f->gates * units);
}

/* The state behind the last step. */
static void keep_last(const forward *f, int64_t first, int64_t end)
{
    const int64_t width = f->r.width;
    const band at = {.step = f->r.time};
    for (int64_t b = first; b < end; b++) {
        memcpy(f->last + b * width, row_before(f, &at, b), (size_t)width * sizeof(float));
    }
}

static void enter_memory(const forward *f, int64_t first, int64_t end)
{
    const int64_t units = f->r.units;
    if (!f->memory) return;
    memcpy(f->last_memory + first * units, f->memory + first * units,
           (size_t)((end - first) * units) * sizeof(float));
}

static void run_band(const forward *f, int64_t first, int64_t end)
{
    const int64_t time = f->r.time;
    recurrent_ahead ahead;
    band at = {.first = first, .end = end, .unit_end = f->r.units};
    for (int64_t step = 0; step < time; step++) {
        at.step = step, at.time = kernel_step_time(&f->r, step), at.ahead = NULL;
        if (step + 1 < time && end - first >= RECURRENT_FETCHED_ROWS) {
            ahead = look_ahead(f, &at);
            at.ahead = &ahead;
        }
        enter_states(f, &at);
        f->step(f, &at);
    }
    keep_last(f, first, end);
}

static void run_rows(const void *argument, int64_t first, int64_t end)
{
    const forward *f = argument;
    enter_memory(f, first, end);
    for (int64_t b = first; b < end; b += f->band) {
        run_band(f, b, end - b < f->band ? end : b + f->band);
    }
}

/* One step of all rows by all threads, each with scratch of its own. */
typedef struct shared_step {
    const forward *f;
    int64_t step;
} shared_step;

static void run_units(const void *argument, int part, int parts)
{
    const shared_step *shared = argument;
    forward f = *shared->f;
    const int64_t units = f.r.units, step = f.gates > 1 ? VECTOR_LENGTH : SUMS;
    f.entering += part * f.r.batch * f.r.width;
    f.words += part * f.r.batch * f.word_row;
    f.sums += part * f.r.batch * SUMS;
    const band at = {.step = shared->step,
                     .time = kernel_step_time(&f.r, shared->step),
                     .end = f.r.batch,
                     .unit = fm_range_bound(units, step, part, parts),
                     .unit_end = fm_range_bound(units, step, part + 1, parts)};
    enter_states(&f, &at);
    f.step(&f, &at);
}

static void run_shared(const forward *f, int parts)
{
    enter_memory(f, 0, f->r.batch);
    for (int64_t step = 0; step < f->r.time; step++) {
        fm_in_parts(parts, run_units, &(shared_step){f, step});
    }
    keep_last(f, 0, f->r.batch);
}

/* ---- kernels --------------------------------------------------------------------------------- */

/* Rooms of scratch. */
enum { PANELS, PROJECTION_PANELS, ENTERING, INNER, WORDS, BLOCK_SUMS, ROOMS };

typedef struct recurrent_state {
    const recurrent_reader *reader;
    fm_recurrent_kernel kernel, projection; /* projection: gates 0 without one */
    bool packs, packs_projection;           /* they do not come in panels */
    size_t room[ROOMS + 1];                 /* where each begins, in floats */
    int64_t threads;
    bool shares_steps; /* all threads work on each step */
} recurrent_state;

static int gates_of(const fm_site *site)
{
    return site->op == &fm_op_lstm ? 4 : site->op == &fm_op_gru ? 3 : 1;
}

static fm_recurrent_kernel kernel_of(const fm_site *site, fm_recurrent_words kind)
{
    const fm_recurrent_attributes *a = site->attributes;
    const fm_shape kernel = site->inputs[1].shape;
    const int64_t gates = gates_of(site);
    return (fm_recurrent_kernel){.width = kernel.dims[0],
                                 .units = kernel.dims[1] / gates,
                                 .gates = gates,
                                 .apart = site->op == &fm_op_gru && !a->reset_after,
                                 .words = kind};
}

/* The projection's operand, -1 without one. */
static int projection_at(const fm_site *site)
{
    return fm_recurrent_find(site->attributes, 4, FM_RECURRENT_PROJECTION);
}

static fm_recurrent_kernel projection_of(const fm_site *site, fm_recurrent_words kind)
{
    const int at = projection_at(site);
    if (at < 0) return (fm_recurrent_kernel){0};
    const int64_t *dims = site->inputs[at].shape.dims;
    return (fm_recurrent_kernel){.width = dims[0], .units = dims[1], .gates = 1, .words = kind};
}

static const char *match(const fm_site *site, const char *refusal)
{
    if (refusal) return refusal;
    if (site->inputs[0].dtype != FM_F32) return "f32 only";
    return site->inputs[0].count == 0 ? "there are no elements" : NULL;
}

static void find_layouts(const fm_site *site, fm_recurrent_words kind, fm_layout *inputs)
{
    const fm_recurrent_kernel kernel = kernel_of(site, kind);
    const fm_recurrent_kernel projection = projection_of(site, kind);
    const int at = projection_at(site);
    if (site->input_is_steady[1]) inputs[1] = fm_recurrent_panels_of(&kernel, VECTOR_LENGTH);
    if (at >= 0 && site->input_is_steady[at]) {
        inputs[at] = fm_recurrent_panels_of(&projection, VECTOR_LENGTH);
    }
}

/* Multiply-adds of a step that are worth waiting for each other behind it:
 * half of them take longer. */
enum { SHARED_STEP = 150000 };

/* A step whose second product reads all of what its first one made is not shared. */
static bool shares_steps(const recurrent_state *state, int64_t batch)
{
    const fm_recurrent_kernel *kernel = &state->kernel;
    if (kernel->apart || state->projection.gates || batch >= state->threads) return false;
    return batch * kernel->gates * kernel->units * kernel->width >= SHARED_STEP;
}

/* Words of a row of the larger of what enters its products; none where the reader takes what is
 * there. */
static int64_t word_row(const recurrent_state *state)
{
    const fm_recurrent_kernel *kernel = &state->kernel;
    const int64_t most = kernel->units > kernel->width ? kernel->units : kernel->width;
    const fm_recurrent_words kind = state->reader->words;
    return kind == FM_RECURRENT_NUMBERS ? 0 : fm_recurrent_depth(kind, most);
}

static fm_status prepare(const fm_site *site, const recurrent_reader *reader, fm_need *need)
{
    const fm_shape y = site->outputs[0].shape;
    recurrent_state *state = fm_allocate(site->context, sizeof *state);
    if (!state) return FM_ERROR_MEMORY;
    *state = (recurrent_state){.reader = reader,
                               .kernel = kernel_of(site, reader->words),
                               .projection = projection_of(site, reader->words)};
    const fm_recurrent_kernel *kernel = &state->kernel;
    const int64_t batch = y.dims[0], units = kernel->units;
    state->packs = !site->input_layouts[1].type;
    state->packs_projection =
        state->projection.gates && !site->input_layouts[projection_at(site)].type;
    const double work =
        (double)(batch * y.dims[1]) * (double)(kernel->gates * units * kernel->width +
                                               state->projection.width * state->projection.units);
    state->threads = work < PARALLEL_PRODUCT ? 1 : site->threads;
    state->shares_steps = shares_steps(state, batch);
    const int64_t rows = state->shares_steps ? state->threads * batch : batch;
    const size_t floats[ROOMS] = {
        [PANELS] = state->packs ? fm_recurrent_kernel_floats(kernel, VECTOR_LENGTH) : 0,
        [PROJECTION_PANELS] = state->packs_projection
                                  ? fm_recurrent_kernel_floats(&state->projection, VECTOR_LENGTH)
                                  : 0,
        [ENTERING] = (size_t)(rows * kernel->width),
        [INNER] = kernel->apart || state->projection.gates ? (size_t)(batch * units) : 0,
        [WORDS] = (size_t)(rows * word_row(state)),
        [BLOCK_SUMS] = (size_t)rows * SUMS};
    for (int i = 0; i < ROOMS; i++) state->room[i + 1] = state->room[i] + in_lines(floats[i]);
    need->scratch_bytes = state->room[ROOMS] * sizeof(float);
    need->state = state;
    return FM_OK;
}

/* The panels of operand `at`: its own, or packed now. */
static const float *panels_of(const fm_call *call, int at, const fm_recurrent_kernel *kernel,
                              bool packs, float *room)
{
    if (!packs) return call->inputs[at].data;
    fm_recurrent_kernel_pack(kernel, VECTOR_LENGTH, call->inputs[at].data, room);
    return room;
}

/* What all cells have; `fixed` operands are always there. */
static forward describe(const fm_call *call, int fixed, band_step *step)
{
    const recurrent_state *state = call->state;
    const fm_recurrent_kernel *kernel = &state->kernel;
    float *scratch = call->scratch;
    forward f = {.r = fm_recurrence_of(call),
                 .gates = (int)kernel->gates,
                 .saved = (int)kernel->gates,
                 .step = step,
                 .reader = state->reader,
                 .panels = panels_of(call, 1, kernel, state->packs, scratch),
                 .x = call->inputs[0].data,
                 .state = call->inputs[2].data,
                 .mask = fm_recurrent_data(call, fixed, FM_RECURRENT_MASK),
                 .scale = fm_recurrent_data(call, fixed, FM_RECURRENT_SCALE),
                 .bias = fm_recurrent_data(call, fixed, FM_RECURRENT_BIAS),
                 .peephole = fm_recurrent_data(call, fixed, FM_RECURRENT_PEEPHOLE),
                 .y = call->outputs[0].data,
                 .last = call->outputs[1].data,
                 .entering = scratch + state->room[ENTERING],
                 .inner = scratch + state->room[INNER],
                 .words = scratch + state->room[WORDS],
                 .word_row = word_row(state),
                 .sums = scratch + state->room[BLOCK_SUMS]};
    f.is_usual = is_usual_cell(&f.r);
    return f;
}

static void run_recurrent(const fm_call *call, forward *f)
{
    const recurrent_state *state = call->state;
    if (state->shares_steps) {
        run_shared(f, (int)state->threads);
        return;
    }
    const int64_t parts = state->threads < f->r.batch ? state->threads : f->r.batch;
    const fm_ranges ranges = {f->r.batch, 1, run_rows, f};
    f->band = recurrent_band(f->r.batch, f->gates * f->r.units * f->r.width);
    fm_in_parts((int)parts, fm_run_range, &ranges);
}

static void run_simple(const fm_call *call)
{
    forward f = describe(call, 3, simple_step);
    run_recurrent(call, &f);
}

static void run_lstm(const fm_call *call)
{
    const recurrent_state *state = call->state;
    forward f = describe(call, 4, lstm_step);
    f.memory = call->inputs[3].data;
    f.last_memory = call->outputs[2].data;
    f.kept_gates = fm_recurrent_result(call, 3);
    f.kept_cells = fm_recurrent_result(call, 4);
    if (state->projection.gates) {
        const int at = fm_recurrent_find(call->attributes, 4, FM_RECURRENT_PROJECTION);
        f.projection_panels = panels_of(call, at, &state->projection, state->packs_projection,
                                        (float *)call->scratch + state->room[PROJECTION_PANELS]);
    }
    run_recurrent(call, &f);
}

static void run_gru(const fm_call *call)
{
    const recurrent_state *state = call->state;
    forward f = describe(call, 3, state->kernel.apart ? gru_before_step : gru_step);
    const fm_recurrent_matrix together = fm_recurrent_matrix_of(&state->kernel, 0);
    f.apart_panels = f.panels + fm_recurrent_panels_floats(&together, VECTOR_LENGTH);
    f.kept_gates = fm_recurrent_result(call, 2);
    f.saved = state->kernel.apart ? 3 : 4;
    run_recurrent(call, &f);
}

#define SET(set, reader, refusal, precision, prefix)                                               \
    static const char *match_##set(const fm_site *site)                                            \
    {                                                                                              \
        return match(site, refusal);                                                               \
    }                                                                                              \
    static void layouts_##set(const fm_site *site, fm_layout *inputs, fm_layout *outputs)          \
    {                                                                                              \
        (void)outputs;                                                                             \
        find_layouts(site, (reader).words, inputs);                                                \
    }                                                                                              \
    static fm_status prepare_##set(const fm_site *site, fm_need *need)                             \
    {                                                                                              \
        return prepare(site, &(reader), need);                                                     \
    }
RECURRENT_READERS(SET)

/* clang-format off */
#define ROW(set, precision, prefix, op_, run_)                                                     \
    {.layouts = layouts_##set, RECURRENT_KERNEL(set, precision, prefix, op_, run_)},
#define ROWS(set, reader, refusal, precision, prefix)                                              \
    ROW(set, precision, prefix, simple_rnn, run_simple)                                            \
    ROW(set, precision, prefix, lstm, run_lstm)                                                    \
    ROW(set, precision, prefix, gru, run_gru)
static const fm_kernel kernels[] = {
    RECURRENT_READERS(ROWS)
};
/* clang-format on */

const fm_kernel_family FM_ISA_SYMBOL(fm_cpu_recurrent) = FAMILY(kernels);
