/* Back through recurrent cells. Each thread takes rows of the batch, band by band, from the last
 * step to the first: the gradients da of what goes into the gates, row by row, then their product
 * with the transposed kernel, which is what the step before receives. The kernel's own gradient is
 * products of all steps behind that: (all states)^T (all da). */
#include "backend/cpu/vector/kernels.h"
#include "backend/cpu/vector/recurrent_lanes.h"
#include "backend/cpu/vector/recurrent_product.h"
#include "base/memory.h"
#include "op/op_table.h"
#include "op/recurrent_cells.h"

#include <string.h>

typedef struct backward backward;

/* The da of a band, from what has reached its states, and what the step before receives of them. */
typedef void band_step(const backward *f, const band *at);

/* A run; NULL: not there. Shapes as in kernel/recurrent_lstm.h and recurrent_gru.h. */
struct backward {
    kernel_recurrence r;
    bool is_usual;
    int64_t band;
    int gates, saved; /* blocks of dx and of kept_gates */
    band_step *step;
    const recurrent_reader *reader;
    const float *panels, *apart_panels, *projection_panels; /* of transposed matrices */
    const float *state, *memory, *y, *kept_gates, *kept_cells, *peephole, *mask, *scale;
    const float *dy, *dlast, *dlast_memory;
    float *dx, *dstate, *dmemory, *dscale;
    /* (batch, time, ...): what entered the first product, and the operands of the second: of a gru
     * the gradients dq, or, reset in front of it, r times the states; of a projection m and dh */
    float *states, *second, *outputs;
    float *peepholes; /* (batch, 3 units): each row's share of their gradient */
    /* A step's rows of da: (batch, gates units), and (batch, units) of the gate apart. In dx they
     * may lie a power of two apart, where caches hold but a few of them */
    float *now, *now_apart;
    float *pulled, *dm; /* (batch, width), (batch, units): products on their way */
    float *words;       /* (batch, word_row): what the reader makes of what is multiplied */
    int64_t word_row;
};

static int64_t row_of(const backward *f, const band *at, int64_t b)
{
    return b * f->r.time + at->time;
}

static bool is_padding(const backward *f, const band *at, int64_t b)
{
    return is_masked_f32(&f->r, f->mask, b, at->time);
}

static const float *state_of(const backward *f, const band *at, int64_t b)
{
    return state_before_f32(&f->r, f->y, f->state, f->r.width, b, at->step);
}

/* Block g of n gates of a row from `unit` on. */
INLINE vector gate_of(const backward *f, int64_t row, int64_t unit, size_t n, int g)
{
    return load_up_to(f->kept_gates + (row * f->saved + g) * f->r.units + unit, n);
}

/* to (batch, columns): the band's rows of a (batch, n) times a matrix. */
static void multiply(const backward *f, const band *at, const float *a, int64_t n,
                     const float *panels, float *to, int64_t columns, bool adds)
{
    const int64_t rows = at->end - at->first;
    float *words_of_band = f->words + at->first * f->word_row;
    recurrent_columns(
        f->reader,
        &(recurrent_product){.rows = rows,
                             .depth = fm_recurrent_depth(f->reader->words, n),
                             .a = f->reader->enter(a + at->first * n, rows, n, words_of_band),
                             .panels = panels,
                             .c = to + at->first * columns,
                             .c_row = (ptrdiff_t)columns,
                             .adds = adds,
                             .ahead = at->ahead},
        columns);
}

/* A row of `pulled` reaches the state as it is through the scale; factor (width) or NULL: r. */
static void receive_row(const backward *f, const band *at, int64_t b, const float *factor)
{
    const int64_t width = f->r.width;
    const float *before = state_of(f, at, b);
    for (int64_t k = 0; k < width; k += VECTOR_LENGTH) {
        const size_t n = recurrent_units_at(width, k);
        float *dh = f->dstate + b * width + k;
        vector pull = load_up_to(f->pulled + b * width + k, n);
        if (factor) pull *= load_up_to(factor + k, n);
        if (f->dscale) {
            float *dscale = f->dscale + b * width + k;
            store_up_to(dscale, load_up_to(dscale, n) + pull * load_up_to(before + k, n), n);
        }
        if (f->scale) pull *= load_up_to(f->scale + b * width + k, n);
        store_up_to(dh, load_up_to(dh, n) + pull, n);
    }
}

/* dh_{t-1} += (a R^T) scale; rows of padding have zeros in a. */
static void pull_states(const backward *f, const band *at, const float *a, int64_t depth)
{
    const int64_t width = f->r.width;
    if (!f->scale) {
        multiply(f, at, a, depth, f->panels, f->dstate, width, true);
        return;
    }
    multiply(f, at, a, depth, f->panels, f->pulled, width, false);
    for (int64_t b = at->first; b < at->end; b++) receive_row(f, at, b, NULL);
}

/* dh += dy, and the state as it entered the product is kept. */
static void begin_row(const backward *f, const band *at, int64_t b)
{
    const int64_t width = f->r.width, row = row_of(f, at, b) * width;
    const float *before = state_of(f, at, b), *scale = f->scale ? f->scale + b * width : NULL;
    for (int64_t k = 0; k < width; k += VECTOR_LENGTH) {
        const size_t n = recurrent_units_at(width, k);
        float *dh = f->dstate + b * width + k;
        vector h = load_up_to(before + k, n);
        if (f->dy) {
            store_up_to(dh, load_up_to(dh, n) + load_up_to(f->dy + row + k, n), n);
        }
        if (scale) h *= load_up_to(scale + k, n);
        store_up_to(f->states + row + k, h, n);
    }
}

/* Nothing comes of padding: dh and dc stay as they are. */
static void pass_padding(const backward *f, const band *at, int64_t b)
{
    const int64_t columns = f->gates * f->r.units, row = row_of(f, at, b);
    memset(f->now + b * columns, 0, (size_t)columns * sizeof *f->now);
    memset(f->dx + row * columns, 0, (size_t)columns * sizeof *f->dx);
}

/* ---- simple_rnn ------------------------------------------------------------------------------ */

static void simple_row(const backward *f, const band *at, int64_t b)
{
    const int64_t units = f->r.units, row = row_of(f, at, b) * units;
    for (int64_t j = 0; j < units; j += VECTOR_LENGTH) {
        const size_t n = recurrent_units_at(units, j);
        float *dh = f->dstate + b * units + j;
        const vector da = load_up_to(dh, n) * cell_slopes(f->r.cell, load_up_to(f->y + row + j, n));
        store_up_to(dh, (vector){0}, n);
        store_up_to(f->now + b * units + j, da, n);
        store_up_to(f->dx + row + j, da, n);
    }
}

static void simple_step(const backward *f, const band *at)
{
    for (int64_t b = at->first; b < at->end; b++) {
        begin_row(f, at, b);
        if (is_padding(f, at, b))
            pass_padding(f, at, b);
        else
            simple_row(f, at, b);
    }
    pull_states(f, at, f->now, f->r.units);
}

/* ---- lstm ------------------------------------------------------------------------------------ */

/* d_c and the four da (i, f, g, o), with o's there. */
typedef struct lstm_pull {
    vector d_c, da[4];
} lstm_pull;

/* What the peepholes p (3, units) of a vector receive and pass on; old, c:
 * the cell before and behind. */
INLINE vector pull_peepholes(const backward *f, int64_t b, int64_t j, size_t n, vector old,
                             vector c, const vector *da)
{
    const int64_t units = f->r.units;
    const vector share[3] = {da[0] * old, da[1] * old, da[3] * c};
    float *sums = f->peepholes + b * 3 * units + j;
    for (int g = 0; g < 3; g++) {
        store_up_to(sums + g * units, load_up_to(sums + g * units, n) + share[g], n);
    }
    return load_up_to(f->peephole + j, n) * da[0] + load_up_to(f->peephole + units + j, n) * da[1];
}

/* n units from j on: dm is what has reached m. */
INLINE void lstm_units(const bool usual, const backward *f, const band *at, int64_t b, int64_t j,
                       size_t n, vector dm)
{
    const int cell = usual ? KERNEL_CELL_TANH : f->r.cell;
    const int gate = usual ? KERNEL_GATE_SIGMOID : f->r.gate;
    const int64_t units = f->r.units, row = row_of(f, at, b);
    const float *before = state_before_f32(&f->r, f->kept_cells, f->memory, units, b, at->step) + j;
    const vector c = load_up_to(f->kept_cells + row * units + j, n), old = load_up_to(before, n);
    float *dc = f->dmemory + b * units + j, *now = f->now + b * 4 * units + j;
    float *dx = f->dx + row * 4 * units + j;
    const bool peeps = !usual && f->peephole;
    vector a[4], da[4];
    UNROLL for (int g = 0; g < 4; g++) a[g] = gate_of(f, row, j, n, g);
    const vector u = cell_lanes(cell, c);
    vector d_c = load_up_to(dc, n) + dm * a[3] * cell_slopes(cell, u);
    da[3] = dm * u * gate_slopes(gate, a[3]);
    if (peeps) d_c += load_up_to(f->peephole + 2 * units + j, n) * da[3];
    da[0] = d_c * a[2] * gate_slopes(gate, a[0]);
    da[1] = d_c * old * gate_slopes(gate, a[1]);
    da[2] = d_c * a[0] * cell_slopes(cell, a[2]);
    d_c *= a[1];
    if (peeps) d_c += pull_peepholes(f, b, j, n, old, c, da);
    store_up_to(dc, d_c, n);
    if (!usual && f->outputs) store_up_to(f->second + row * units + j, a[3] * u, n);
    UNROLL for (int g = 0; g < 4; g++)
    {
        store_up_to(now + g * units, da[g], n);
        store_up_to(dx + g * units, da[g], n);
    }
}

/* dh goes into the units, through the projection where there is one,
 * which wants m and dh of all rows. */
static void lstm_row(const backward *f, const band *at, int64_t b)
{
    const int64_t units = f->r.units, width = f->r.width, row = row_of(f, at, b);
    float *dh = f->dstate + b * width;
    const float *dm = f->outputs ? f->dm + b * units : dh;
    const bool usual = f->is_usual && !f->peephole && !f->outputs;
    int64_t j = 0;
    for (; usual && j + VECTOR_LENGTH <= units; j += VECTOR_LENGTH) {
        lstm_units(true, f, at, b, j, VECTOR_LENGTH, load(dm + j));
    }
    for (; j < units; j += VECTOR_LENGTH) {
        const size_t n = recurrent_units_at(units, j);
        lstm_units(false, f, at, b, j, n, load_up_to(dm + j, n));
    }
    const size_t bytes = (size_t)width * sizeof *dh;
    if (f->outputs) memcpy(f->outputs + row * width, dh, bytes);
    memset(dh, 0, bytes);
}

static void lstm_step(const backward *f, const band *at)
{
    const int64_t units = f->r.units, width = f->r.width;
    for (int64_t b = at->first; b < at->end; b++) begin_row(f, at, b);
    if (f->outputs) {
        multiply(f, at, f->dstate, width, f->projection_panels, f->dm, units, false);
    }
    for (int64_t b = at->first; b < at->end; b++) {
        if (!is_padding(f, at, b)) {
            lstm_row(f, at, b);
            continue;
        }
        pass_padding(f, at, b);
        if (!f->outputs) continue;
        memset(f->second + row_of(f, at, b) * units, 0, (size_t)units * sizeof(float));
        memset(f->outputs + row_of(f, at, b) * width, 0, (size_t)width * sizeof(float));
    }
    pull_states(f, at, f->now, 4 * units);
}

/* ---- gru ------------------------------------------------------------------------------------- */

/* Reset behind the product: dx gets da_z, da_r, da_n,
 * and `now` the same with dq in place of da_n. */
INLINE void gru_units(const bool usual, const backward *f, const band *at, int64_t b, int64_t j,
                      size_t n)
{
    const int cell = usual ? KERNEL_CELL_TANH : f->r.cell;
    const int gate = usual ? KERNEL_GATE_SIGMOID : f->r.gate;
    const int64_t units = f->r.units, row = row_of(f, at, b);
    const vector h = load_up_to(state_of(f, at, b) + j, n);
    float *dstate = f->dstate + b * units + j, *now = f->now + b * 3 * units + j;
    float *dx = f->dx + row * 3 * units + j;
    const vector dh = load_up_to(dstate, n);
    vector a[4], da[3];
    UNROLL for (int g = 0; g < 4; g++) a[g] = gate_of(f, row, j, n, g);
    const vector z = a[0], reset = a[1], new = a[2], q = a[3];
    vector into[3]; /* the product */
    da[0] = dh * (h - new) * gate_slopes(gate, z);
    da[2] = dh * (1 - z) * cell_slopes(cell, new);
    da[1] = da[2] * q * gate_slopes(gate, reset);
    into[0] = da[0], into[1] = da[1], into[2] = da[2] * reset;
    store_up_to(dstate, dh * z, n);
    UNROLL for (int g = 0; g < 3; g++)
    {
        store_up_to(dx + g * units, da[g], n);
        store_up_to(now + g * units, into[g], n);
    }
    store_up_to(f->second + row * units + j, into[2], n);
}

static void gru_row(const backward *f, const band *at, int64_t b)
{
    const int64_t units = f->r.units;
    int64_t j = 0;
    for (; f->is_usual && j + VECTOR_LENGTH <= units; j += VECTOR_LENGTH) {
        gru_units(true, f, at, b, j, VECTOR_LENGTH);
    }
    for (; j < units; j += VECTOR_LENGTH) {
        gru_units(false, f, at, b, j, recurrent_units_at(units, j));
    }
}

static void gru_step(const backward *f, const band *at)
{
    const int64_t units = f->r.units;
    for (int64_t b = at->first; b < at->end; b++) {
        begin_row(f, at, b);
        if (is_padding(f, at, b)) {
            pass_padding(f, at, b);
            memset(f->second + row_of(f, at, b) * units, 0, (size_t)units * sizeof(float));
        } else {
            gru_row(f, at, b);
        }
    }
    pull_states(f, at, f->now, 3 * units);
}

/* ---- gru, reset in front of the product ------------------------------------------------------ */

/* da_z into now (batch, 2 units), da_n into now_apart (batch, units), dh z into dh. */
static void candidate_row(const backward *f, const band *at, int64_t b)
{
    const int64_t units = f->r.units, row = row_of(f, at, b);
    const float *before = state_of(f, at, b);
    const bool pads = is_padding(f, at, b);
    for (int64_t j = 0; j < units; j += VECTOR_LENGTH) {
        const size_t n = recurrent_units_at(units, j);
        float *dstate = f->dstate + b * units + j, *dx = f->dx + row * 3 * units + j;
        const vector z = gate_of(f, row, j, n, 0), new = gate_of(f, row, j, n, 2);
        const vector dh = load_up_to(dstate, n);
        vector d_z = dh * (load_up_to(before + j, n) - new) * gate_slopes(f->r.gate, z);
        vector d_n = dh * (1 - z) * cell_slopes(f->r.cell, new);
        if (pads)
            d_z = d_n = (vector){0};
        else
            store_up_to(dstate, dh * z, n);
        store_up_to(dx, d_z, n);
        store_up_to(dx + 2 * units, d_n, n);
        store_up_to(f->now + b * 2 * units + j, d_z, n);
        store_up_to(f->now_apart + b * units + j, d_n, n);
    }
}

/* From v = da_n R_n^T in `pulled`: da_r, what v r brings the state, and r times it for R_n's
 * gradient. In padding da_n and so v are zero. */
static void reset_row(const backward *f, const band *at, int64_t b)
{
    const int64_t units = f->r.units, row = row_of(f, at, b);
    for (int64_t j = 0; j < units; j += VECTOR_LENGTH) {
        const size_t n = recurrent_units_at(units, j);
        const vector reset = gate_of(f, row, j, n, 1);
        const vector x = load_up_to(f->states + row * units + j, n);
        const vector d_r =
            load_up_to(f->pulled + b * units + j, n) * x * gate_slopes(f->r.gate, reset);
        store_up_to(f->second + row * units + j, reset * x, n);
        store_up_to(f->dx + (row * 3 + 1) * units + j, d_r, n);
        store_up_to(f->now + (b * 2 + 1) * units + j, d_r, n);
    }
    receive_row(f, at, b, f->kept_gates + (row * 3 + 1) * units);
}

static void gru_before_step(const backward *f, const band *at)
{
    const int64_t units = f->r.units;
    for (int64_t b = at->first; b < at->end; b++) {
        begin_row(f, at, b);
        candidate_row(f, at, b);
    }
    multiply(f, at, f->now_apart, units, f->apart_panels, f->pulled, units, false);
    for (int64_t b = at->first; b < at->end; b++) reset_row(f, at, b);
    pull_states(f, at, f->now, 2 * units);
}

/* ---- a run ----------------------------------------------------------------------------------- */

static void begin_rows(int64_t first, int64_t end, int64_t columns, const float *from, float *to)
{
    if (!to) return;
    begin_with_f32((end - first) * columns, from ? from + first * columns : NULL,
                   to + first * columns);
}

/* The operands of the step in front of this one, which is next;
 * y and cells are read a step earlier yet. */
static recurrent_ahead look_ahead(const backward *f, const band *at)
{
    const int64_t units = f->r.units, width = f->r.width, step = at->step - 1;
    const int64_t t = kernel_step_time(&f->r, step);
    const int64_t before = step > 0 ? kernel_step_time(&f->r, step - 1) : t;
    const recurrent_use uses[] = {{f->kept_gates, f->saved * units, t, false},
                                  {f->kept_cells, units, before, false},
                                  {f->y, width, before, false},
                                  {f->dy, width, t, false},
                                  {f->dx, f->gates * units, t, true},
                                  {f->states, width, t, true},
                                  {f->second, units, t, true},
                                  {f->outputs, width, t, true}};
    return recurrent_look_ahead(at, f->r.time, uses, RECURRENT_MOST_USES,
                                (at->end - at->first) * width *
                                    fm_recurrent_depth(f->reader->words, f->gates * units));
}

static void run_rows(const void *argument, int64_t first, int64_t end)
{
    const backward *f = argument;
    recurrent_ahead ahead;
    begin_rows(first, end, f->r.width, f->dlast, f->dstate);
    begin_rows(first, end, f->r.units, f->dlast_memory, f->dmemory);
    begin_rows(first, end, f->r.width, NULL, f->dscale);
    begin_rows(first, end, 3 * f->r.units, NULL, f->peepholes);
    for (int64_t b = first; b < end; b += f->band) {
        band at = {.first = b, .end = end - b < f->band ? end : b + f->band};
        for (at.step = f->r.time - 1; at.step >= 0; at.step--) {
            at.time = kernel_step_time(&f->r, at.step), at.ahead = NULL;
            if (at.step > 0 && at.end - b >= RECURRENT_FETCHED_ROWS) {
                ahead = look_ahead(f, &at);
                at.ahead = &ahead;
            }
            f->step(f, &at);
        }
    }
}

/* ---- kernels --------------------------------------------------------------------------------- */

/* Rooms of scratch. */
enum {
    PANELS,
    APART_PANELS,
    PROJECTION_PANELS,
    STATES,
    SECOND,
    OUTPUTS,
    PEEPHOLES,
    NOW,
    NOW_APART,
    PULLED,
    DM,
    WORDS,
    PRODUCT,
    ROOMS
};

typedef struct recurrent_grad_state {
    const recurrent_reader *reader;
    int64_t batch, steps, units, width, gates, saved; /* steps: of all rows */
    bool apart;                                       /* gru: reset in front */
    int projection, peephole;                         /* operands, or -1 */
    fm_recurrent_matrix matrices[3]; /* of the rooms of panels; depth 0: not there */
    fm_gemm products[2];             /* without pointers; rows 0: not there */
    size_t room[ROOMS + 1];          /* where each begins, in floats */
    int threads;
} recurrent_grad_state;

/* R, state, [cell], y, [gates, [cells]] */
static int fixed_operands(const fm_op *op)
{
    return op == &fm_op_lstm_grad ? 6 : op == &fm_op_gru_grad ? 4 : 3;
}

static const char *match(const fm_site *site, const char *refusal)
{
    const fm_recurrent_attributes *a = site->attributes;
    if (refusal) return refusal;
    if (site->inputs[0].dtype != FM_F32) return "f32 only";
    if (site->outputs[0].count == 0) return "there are no elements";
    if (a->has[FM_RECURRENT_DGATES] || a->has[FM_RECURRENT_DCELLS]) {
        return "gradients of gates and cells";
    }
    return NULL;
}

static void find_sizes(const fm_site *site, recurrent_grad_state *s)
{
    const fm_recurrent_attributes *a = site->attributes;
    const fm_shape dx = site->outputs[0].shape, kernel = site->inputs[0].shape;
    const int fixed = fixed_operands(site->op);
    s->gates = site->op == &fm_op_lstm_grad ? 4 : site->op == &fm_op_gru_grad ? 3 : 1;
    s->batch = dx.dims[0], s->steps = dx.dims[0] * dx.dims[1];
    s->width = kernel.dims[0], s->units = kernel.dims[1] / s->gates;
    s->apart = site->op == &fm_op_gru_grad && !a->reset_after;
    s->saved = s->gates + (site->op == &fm_op_gru_grad && a->reset_after);
    s->projection = fm_recurrent_find(a, fixed, FM_RECURRENT_PROJECTION);
    s->peephole = fm_recurrent_find(a, fixed, FM_RECURRENT_PEEPHOLE);
}

/* a (steps, rows)^T b (steps, columns) -> c; in rows of so many floats. */
static fm_gemm product_over_steps(const recurrent_grad_state *s, int64_t rows, int64_t columns,
                                  int64_t b_row, int64_t c_row)
{
    return (fm_gemm){.rows = (size_t)rows,
                     .columns = (size_t)columns,
                     .depth = (size_t)s->steps,
                     .a_row_stride = 1,
                     .a_depth_stride = (ptrdiff_t)rows,
                     .b_depth_stride = (ptrdiff_t)b_row,
                     .b_column_stride = 1,
                     .c_row_stride = (ptrdiff_t)c_row};
}

/* A gru's second product is that of its last gate, whose operands are others. */
static void find_products(const fm_site *site, recurrent_grad_state *s)
{
    const int64_t columns = s->gates * s->units;
    const bool is_gru = site->op == &fm_op_gru_grad;
    const int64_t together = is_gru ? 2 * s->units : columns;
    const fm_recurrent_words kind = s->reader->words;
    s->products[0] = product_over_steps(s, s->width, together, columns, columns);
    s->matrices[0] =
        fm_recurrent_transposed(s->width, columns, 0, s->apart ? together : columns, kind);
    if (is_gru) {
        s->products[1] =
            product_over_steps(s, s->width, s->units, s->apart ? columns : s->units, columns);
    }
    if (s->apart) {
        s->matrices[1] = fm_recurrent_transposed(s->width, columns, together, s->units, kind);
    }
    if (s->projection >= 0) {
        s->products[1] = product_over_steps(s, s->units, s->width, s->width, s->width);
        s->matrices[2] = fm_recurrent_transposed(s->units, s->width, 0, s->width, kind);
    }
}

/* Words of a row of the largest of what enters its products; none where the reader takes what is
 * there. */
static int64_t word_row(const recurrent_grad_state *s)
{
    const int64_t columns = s->gates * s->units, most = columns > s->width ? columns : s->width;
    const fm_recurrent_words kind = s->reader->words;
    return kind == FM_RECURRENT_NUMBERS ? 0 : fm_recurrent_depth(kind, most);
}

static void find_rooms(const fm_site *site, recurrent_grad_state *s)
{
    const size_t steps = (size_t)s->steps, batch = (size_t)s->batch;
    const size_t units = (size_t)s->units, width = (size_t)s->width;
    const fm_recurrent_attributes *a = site->attributes;
    const bool projects = s->projection >= 0, is_gru = site->op == &fm_op_gru_grad;
    size_t product = 0;
    for (int i = 0; i < 2; i++) {
        const fm_gemm *g = &s->products[i];
        const size_t some = g->rows ? fm_gemm_scratch_floats(s->reader->isa, g) : 0;
        if (some > product) product = some;
    }
    const size_t floats[ROOMS] = {
        [PANELS] = fm_recurrent_panels_floats(&s->matrices[0], VECTOR_LENGTH),
        [APART_PANELS] = fm_recurrent_panels_floats(&s->matrices[1], VECTOR_LENGTH),
        [PROJECTION_PANELS] = fm_recurrent_panels_floats(&s->matrices[2], VECTOR_LENGTH),
        [STATES] = steps * width,
        [SECOND] = is_gru || projects ? steps * units : 0,
        [OUTPUTS] = projects ? steps * width : 0,
        [PEEPHOLES] = s->peephole >= 0 ? batch * 3 * units : 0,
        [NOW] = batch * (size_t)s->gates * units,
        [NOW_APART] = s->apart ? batch * units : 0,
        [PULLED] = s->apart || a->has[FM_RECURRENT_SCALE] ? batch * width : 0,
        [DM] = projects ? batch * units : 0,
        [WORDS] = batch * (size_t)word_row(s),
        [PRODUCT] = product * (size_t)s->threads};
    for (int i = 0; i < ROOMS; i++) s->room[i + 1] = s->room[i] + in_lines(floats[i]);
}

static fm_status prepare(const fm_site *site, const recurrent_reader *reader, fm_need *need)
{
    recurrent_grad_state *state = fm_allocate(site->context, sizeof *state);
    if (!state) return FM_ERROR_MEMORY;
    *state = (recurrent_grad_state){.reader = reader};
    find_sizes(site, state);
    find_products(site, state);
    const double multiplications =
        (double)state->steps * (double)(state->width * state->gates * state->units);
    state->threads = multiplications < PARALLEL_PRODUCT ? 1 : site->threads;
    find_rooms(site, state);
    need->scratch_bytes = state->room[ROOMS] * sizeof(float);
    need->state = state;
    return FM_OK;
}

/* A room of scratch, NULL where nothing is. */
static float *room_of(const fm_call *call, int which)
{
    const recurrent_grad_state *s = call->state;
    return s->room[which] < s->room[which + 1] ? (float *)call->scratch + s->room[which] : NULL;
}

static const float *pack(const fm_call *call, int operand, int which)
{
    const recurrent_grad_state *s = call->state;
    float *panels = room_of(call, which);
    if (panels) {
        fm_recurrent_pack(&s->matrices[which], VECTOR_LENGTH, call->inputs[operand].data, panels);
    }
    return panels;
}

/* What all cells have; y is operand `y`. */
static backward describe(const fm_call *call, int y, band_step *step)
{
    const recurrent_grad_state *s = call->state;
    const int fixed = fixed_operands(call->op);
    backward f = {.r = fm_recurrence_of(call),
                  .gates = (int)s->gates,
                  .saved = (int)s->saved,
                  .step = step,
                  .reader = s->reader,
                  .panels = pack(call, 0, PANELS),
                  .apart_panels = pack(call, 0, APART_PANELS),
                  .projection_panels = pack(call, s->projection, PROJECTION_PANELS),
                  .state = call->inputs[1].data,
                  .y = call->inputs[y].data,
                  .mask = fm_recurrent_data(call, fixed, FM_RECURRENT_MASK),
                  .scale = fm_recurrent_data(call, fixed, FM_RECURRENT_SCALE),
                  .dy = fm_recurrent_data(call, fixed, FM_RECURRENT_DY),
                  .dlast = fm_recurrent_data(call, fixed, FM_RECURRENT_DLAST),
                  .dlast_memory = fm_recurrent_data(call, fixed, FM_RECURRENT_DLAST_CELL),
                  .dx = call->outputs[0].data,
                  .dstate = call->outputs[2].data,
                  .dscale = fm_recurrent_result(call, call->op->outputs - 1),
                  .states = room_of(call, STATES),
                  .second = room_of(call, SECOND),
                  .outputs = room_of(call, OUTPUTS),
                  .peepholes = room_of(call, PEEPHOLES),
                  .now = room_of(call, NOW),
                  .now_apart = room_of(call, NOW_APART),
                  .pulled = room_of(call, PULLED),
                  .dm = room_of(call, DM),
                  .words = room_of(call, WORDS),
                  .word_row = word_row(s)};
    f.is_usual = is_usual_cell(&f.r);
    f.band = recurrent_band(f.r.batch, s->gates * s->units * s->width);
    return f;
}

static void go_back(const fm_call *call, const backward *f)
{
    const recurrent_grad_state *s = call->state;
    const fm_ranges ranges = {f->r.batch, 1, run_rows, f};
    const int64_t parts = s->threads < f->r.batch ? s->threads : f->r.batch;
    fm_in_parts((int)parts, fm_run_range, &ranges);
}

/* b_sums: the sums of b over all steps, or NULL. */
static void sum_over_steps(const fm_call *call, int which, const float *a, const float *b, float *c,
                           float *b_sums)
{
    const recurrent_grad_state *s = call->state;
    fm_gemm product = s->products[which];
    product.a = a;
    product.b = b;
    product.c = c;
    product.b_sums = b_sums;
    fm_gemm_run(s->reader->isa, &product, (unsigned)s->threads, room_of(call, PRODUCT));
}

static void run_simple_grad(const fm_call *call)
{
    const backward f = describe(call, 2, simple_step);
    go_back(call, &f);
    sum_over_steps(call, 0, f.states, f.dx, call->outputs[1].data, NULL);
}

static void run_lstm_grad(const fm_call *call)
{
    const recurrent_grad_state *s = call->state;
    backward f = describe(call, 3, lstm_step);
    float *dpeephole = fm_recurrent_result(call, 4);
    f.memory = call->inputs[2].data;
    f.kept_gates = call->inputs[4].data;
    f.kept_cells = call->inputs[5].data;
    f.peephole = s->peephole < 0 ? NULL : call->inputs[s->peephole].data;
    f.dmemory = call->outputs[3].data;
    go_back(call, &f);
    sum_over_steps(call, 0, f.states, f.dx, call->outputs[1].data, NULL);
    if (f.outputs) sum_over_steps(call, 1, f.second, f.outputs, call->outputs[5].data, NULL);
    if (!dpeephole) return;
    begin_with_f32(3 * s->units, NULL, dpeephole);
    for (int64_t b = 0; b < s->batch; b++) {
        add_row_f32(3 * s->units, f.peepholes + b * 3 * s->units, dpeephole);
    }
}

static void run_gru_grad(const fm_call *call)
{
    const recurrent_grad_state *s = call->state;
    const int64_t last = 2 * s->units; /* column of the last gate */
    backward f = describe(call, 2, s->apart ? gru_before_step : gru_step);
    float *dR = call->outputs[1].data, *dbias = fm_recurrent_result(call, 3);
    f.kept_gates = call->inputs[3].data;
    go_back(call, &f);
    sum_over_steps(call, 0, f.states, f.dx, dR, dbias);
    if (s->apart)
        sum_over_steps(call, 1, f.second, f.dx + last, dR + last, NULL);
    else
        sum_over_steps(call, 1, f.states, f.second, dR + last, dbias ? dbias + last : NULL);
}

#define SET(set, reader, refusal, precision, prefix)                                               \
    static const char *match_##set(const fm_site *site)                                            \
    {                                                                                              \
        return match(site, refusal);                                                               \
    }                                                                                              \
    static fm_status prepare_##set(const fm_site *site, fm_need *need)                             \
    {                                                                                              \
        return prepare(site, &(reader), need);                                                     \
    }
RECURRENT_READERS(SET)

/* clang-format off */
#define ROW(set, precision, prefix, op_, run_)                                                     \
    {RECURRENT_KERNEL(set, precision, prefix, op_, run_)},
#define ROWS(set, reader, refusal, precision, prefix)                                              \
    ROW(set, precision, prefix, simple_rnn_grad, run_simple_grad)                                  \
    ROW(set, precision, prefix, lstm_grad, run_lstm_grad)                                          \
    ROW(set, precision, prefix, gru_grad, run_gru_grad)
static const fm_kernel kernels[] = {
    RECURRENT_READERS(ROWS)
};
/* clang-format on */

const fm_kernel_family FM_ISA_SYMBOL(fm_cpu_recurrent_grad) = FAMILY(kernels);
