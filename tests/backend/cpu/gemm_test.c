#include "support/fixture.h"
#include "backend/cpu/gemm.h"
#include "base/memory.h"
#include "kernel/bfloat16.h"

/* Every product is compared with a sum in double, computed here from the plain matrices; those of
 * bf16 with the sum of rounded numbers. */

enum { GUARD = 16 };
static const float guard[GUARD] = {1, 2, 3, 4}; /* after C: nobody may touch it */

typedef struct source {
    uint64_t state;
} source;

static uint32_t draw(source *s, uint32_t below)
{
    s->state = s->state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(s->state >> 33) % below;
}

static float draw_number(source *s)
{
    return (float)draw(s, 2001) / 1000 - 1;
}

static size_t draw_size(source *s)
{
    static const size_t edges[] = {1,  2,  3,  4,  5,  7,  8,  9,   11,  12,  13,  15,  16,  17, 24,
                                   31, 32, 33, 47, 64, 65, 97, 127, 128, 129, 255, 257, 383, 385};
    return draw(s, 4) == 0 ? 1 + draw(s, 60) : edges[draw(s, sizeof edges / sizeof *edges)];
}

/* A matrix and the memory it is in. */
typedef struct operand {
    float *data;
    ptrdiff_t row_stride, column_stride;
} operand;

static float *new_numbers(fixture *f, source *s, size_t count)
{
    float *numbers = fm_allocate_array(f->context, count + GUARD, sizeof *numbers);
    assert_non_null(numbers);
    for (size_t i = 0; i < count + GUARD; i++) numbers[i] = draw_number(s);
    return numbers;
}

enum { ROWS_CONTIGUOUS, COLUMNS_CONTIGUOUS, NEITHER, STRIDE_KINDS };

static operand new_operand(fixture *f, source *s, size_t rows, size_t columns, int kind)
{
    const size_t pad = draw(s, 3);
    operand o = {.row_stride = (ptrdiff_t)(columns + pad), .column_stride = 1};
    if (kind == ROWS_CONTIGUOUS) o = (operand){NULL, 1, (ptrdiff_t)(rows + pad)};
    if (kind == NEITHER) o = (operand){NULL, (ptrdiff_t)(3 * columns), 3};
    o.data = new_numbers(f, s, 3 * (rows + pad) * (columns + pad));
    return o;
}

static float at(const operand *o, size_t row, size_t column)
{
    return o->data[(ptrdiff_t)row * o->row_stride + (ptrdiff_t)column * o->column_stride];
}

/* A case: the product, its operands as plain as can be, and what C must become. */
typedef struct product {
    const fm_gemm_isa *isa;
    bool bf16;
    fm_gemm gemm;
    operand a, b;              /* b without panels */
    operand c, mask, residual; /* c as it was before, plain */
    float *packed_b, *bias, *sums;
    double *expected, *tolerance;
    bool in_function;
} product;

/* The function of the tile: 2 * value + 1, and where C has no memory, what the tile holds. */
typedef struct doubling {
    float *panels;
} doubling;

static void double_tile(void *argument, const fm_gemm_tile *tile)
{
    doubling *d = argument;
    for (size_t r = 0; r < tile->rows; r++) {
        for (size_t i = 0; i < tile->columns; i++) {
            float *value = tile->values + r * tile->stride + i;
            *value = 2 * *value + 1;
            if (d->panels) d->panels[tile->offset + r * tile->columns + i] = *value;
        }
    }
}

static void expect(product *p)
{
    const fm_gemm *g = &p->gemm;
    for (size_t i = 0; i < g->rows; i++) {
        for (size_t j = 0; j < g->columns; j++) {
            double value = 0, size = 1;
            for (size_t d = 0; d < g->depth; d++) {
                const double term = (double)kernel_read_f32(at(&p->a, i, d), p->bf16) *
                                    (double)kernel_read_f32(at(&p->b, d, j), p->bf16);
                value += term;
                size += fabs(term);
            }
            if (g->bias) value += (double)g->bias[j];
            if (g->residual) value += (double)at(&p->residual, i, j);
            if (g->relu && value < 0) value = 0;
            if (g->mask && !(at(&p->mask, i, j) > 0)) value = 0;
            if (g->accumulate) value = (double)at(&p->c, i, j) + (double)g->scale * value;
            if (p->in_function) value = 2 * value + 1;
            p->expected[i * g->columns + j] = value;
            p->tolerance[i * g->columns + j] = 4e-6 * size;
        }
    }
}

static void draw_b(fixture *f, source *s, product *p)
{
    fm_gemm *g = &p->gemm;
    const int kind = (int)draw(s, STRIDE_KINDS + (p->bf16 ? 3 : 2));
    const bool pairs = kind == STRIDE_KINDS + 2, transposed = kind == STRIDE_KINDS + 1;
    const bool panels = kind == STRIDE_KINDS || pairs;

    p->b = new_operand(f, s, g->depth, g->columns, panels || transposed ? 1 : kind);
    g->b = p->b.data;
    g->b_depth_stride = p->b.row_stride;
    g->b_column_stride = p->b.column_stride;
    if (!panels && !transposed) {
        if (draw(s, 2)) p->sums = new_numbers(f, s, g->columns);
        return;
    }
    const size_t rows = panels ? g->depth : g->columns, columns = panels ? g->columns : g->depth;
    float *plain = new_numbers(f, s, rows * columns);
    for (size_t i = 0; i < rows; i++) {
        for (size_t j = 0; j < columns; j++)
            plain[i * columns + j] = panels ? at(&p->b, i, j) : at(&p->b, j, i);
    }
    if (pairs) {
        p->packed_b = new_numbers(f, s, fm_gemm_pairs_words(p->isa, rows, columns));
        fm_gemm_pack_pairs(p->isa, rows, columns, plain, p->packed_b);
    } else {
        p->packed_b = new_numbers(f, s, fm_gemm_panels_floats(p->isa, rows, columns));
        fm_gemm_pack_panels(p->isa, rows, columns, plain, p->packed_b);
    }
    fm_release(f->context, plain);
    g->b = p->packed_b;
    g->b_layout = pairs ? FM_GEMM_PAIRS : panels ? FM_GEMM_PANELS : FM_GEMM_PANELS_TRANSPOSED;
}

static void draw_product(fixture *f, source *s, product *p)
{
    fm_gemm *g = &p->gemm;
    *g = (fm_gemm){.rows = draw_size(s), .columns = draw_size(s), .depth = draw_size(s)};
    if (draw(s, 40) == 0) g->depth = 0;
    if (draw(s, 12) == 0) g->depth = 400 + draw(s, 700); /* several blocks */
    p->a = new_operand(f, s, g->rows, g->depth, (int)draw(s, STRIDE_KINDS));
    g->a = p->a.data;
    g->a_row_stride = p->a.row_stride;
    g->a_depth_stride = p->a.column_stride;
    draw_b(f, s, p);

    p->c = new_operand(f, s, g->rows, g->columns, COLUMNS_CONTIGUOUS);
    g->c_row_stride = p->c.row_stride;
    g->c_layout = draw(s, 3) == 0 ? FM_GEMM_PANELS : FM_GEMM_STRIDED;
    if (g->c_layout == FM_GEMM_STRIDED) {
        p->mask = new_operand(f, s, g->rows, g->columns, COLUMNS_CONTIGUOUS);
        if (draw(s, 2)) g->bias = p->bias = new_numbers(f, s, g->columns);
        p->residual = new_operand(f, s, g->rows, g->columns, COLUMNS_CONTIGUOUS);
        if (draw(s, 3) == 0) g->mask = p->mask.data;
        if (draw(s, 3) == 0) g->residual = p->residual.data;
        g->residual_row_stride = p->residual.row_stride;
        g->mask_row_stride = p->mask.row_stride;
        g->relu = draw(s, 3) == 0;
    } else {
        g->accumulate = draw(s, 2);
        g->scale = draw_number(s);
    }
    p->in_function = !g->accumulate && draw(s, 3) == 0;
    p->expected = fm_allocate_array(f->context, g->rows * g->columns, sizeof(double));
    p->tolerance = fm_allocate_array(f->context, g->rows * g->columns, sizeof(double));
    assert_true(p->expected && p->tolerance);
    expect(p);
}

static void release_product(fixture *f, product *p)
{
    void *owned[] = {p->a.data,   p->b.data, p->c.data, p->mask.data, p->residual.data,
                     p->packed_b, p->bias,   p->sums,   p->expected,  p->tolerance};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) fm_release(f->context, owned[i]);
}

static size_t c_floats(const product *p)
{
    const fm_gemm *g = &p->gemm;
    if (g->c_layout == FM_GEMM_PANELS) return fm_gemm_panels_floats(p->isa, g->rows, g->columns);
    return g->rows * (size_t)g->c_row_stride;
}

/* Runs the product with `threads` threads on copies of C and of the sums, which it returns. */
static float *run_product(fixture *f, source *s, const product *p, unsigned threads, float **sums)
{
    fm_gemm g = p->gemm;
    const size_t count = c_floats(p);
    float *c = new_numbers(f, s, count);
    float *scratch = new_numbers(f, s, threads * fm_gemm_scratch_floats(p->isa, &g));
    doubling d = {0};

    if (g.c_layout == FM_GEMM_STRIDED) {
        memcpy(c, p->c.data, count * sizeof *c);
    } else {
        float *plain = new_numbers(f, s, g.rows * g.columns);
        for (size_t i = 0; i < g.rows * g.columns; i++)
            plain[i] = at(&p->c, i / g.columns, i % g.columns);
        fm_gemm_pack_panels(p->isa, g.rows, g.columns, plain, c);
        fm_release(f->context, plain);
    }
    memcpy(c + count, guard, sizeof guard);
    g.c = c;
    if (p->in_function) {
        g.function = double_tile;
        g.argument = &d;
        if (g.c_layout == FM_GEMM_PANELS && g.rows % 2) {
            g.c = NULL;
            d.panels = c;
        }
    }
    *sums = NULL;
    if (p->sums) {
        g.b_sums = *sums = new_numbers(f, s, g.columns);
        memcpy(*sums, p->sums, g.columns * sizeof **sums);
    }
    fm_gemm_run(p->isa, &g, threads, scratch);
    fm_release(f->context, scratch);
    return c;
}

static void check_sums(const product *p, const float *sums)
{
    const fm_gemm *g = &p->gemm;
    for (size_t j = 0; sums && j < g->columns; j++) {
        double sum = 0;
        for (size_t d = 0; d < g->depth; d++) sum += (double)at(&p->b, d, j);
        if (g->accumulate) sum = (double)p->sums[j] + (double)g->scale * sum;
        assert_near((double)sums[j], sum, 1e-4);
    }
}

static void check_product(fixture *f, source *s, const product *p, const float *c)
{
    const fm_gemm *g = &p->gemm;
    const size_t count = c_floats(p);
    operand result = {(float *)c, g->c_row_stride, 1};
    float *plain = NULL;

    if (g->c_layout == FM_GEMM_PANELS) {
        plain = new_numbers(f, s, g->rows * g->columns);
        fm_gemm_unpack_panels(p->isa, g->rows, g->columns, c, plain);
        result = (operand){plain, (ptrdiff_t)g->columns, 1};
    }
    for (size_t i = 0; i < g->rows; i++) {
        for (size_t j = 0; j < g->columns; j++) {
            const size_t k = i * g->columns + j;
            if (!(fabs((double)at(&result, i, j) - p->expected[k]) <= p->tolerance[k])) {
                fail_msg("%s %zux%zux%zu: C[%zu][%zu] is %g, expected %g", p->isa->name, g->rows,
                         g->columns, g->depth, i, j, (double)at(&result, i, j), p->expected[k]);
            }
        }
        for (size_t j = g->columns; !plain && j < (size_t)g->c_row_stride; j++)
            assert_true(at(&result, i, j) == at(&p->c, i, j));
    }
    assert_memory_equal(c + count, guard, sizeof guard);
    fm_release(f->context, plain);
}

/* What multiplies numbers as they are, then what rounds them. */
static const fm_gemm_isa *multiplier(int index, bool *bf16)
{
    int count = 0;
    while (fm_gemm_isa_at(count)) count++;
    *bf16 = index >= count;
    return *bf16 ? fm_gemm_bf16_at(index - count) : fm_gemm_isa_at(index);
}

static void products_are_right_for_any_thread_count(void **state)
{
    fixture *f = *state;
    static const unsigned threads[] = {1, 3, 7, 2};
    const size_t counts = fixture_is_watched() ? 3 : 4;
    source s = {2024};
    const fm_gemm_isa *isa;
    bool bf16;

    for (int k = 0; (isa = multiplier(k, &bf16)); k++) {
        for (int i = 0; i < fixture_rounds(300); i++) {
            product p = {.isa = isa, .bf16 = bf16};
            float *first = NULL, *first_sums = NULL;
            draw_product(f, &s, &p);
            for (size_t t = 0; t < counts; t++) {
                float *sums, *c = run_product(f, &s, &p, threads[t], &sums);
                if (!first) {
                    check_product(f, &s, &p, c);
                    check_sums(&p, sums);
                    first = c;
                    first_sums = sums;
                    continue;
                }
                assert_memory_equal(c, first, c_floats(&p) * sizeof *c);
                if (sums) assert_memory_equal(sums, first_sums, p.gemm.columns * sizeof *sums);
                fm_release(f->context, c);
                fm_release(f->context, sums);
            }
            fm_release(f->context, first);
            fm_release(f->context, first_sums);
            release_product(f, &p);
        }
    }
}

/* Row 5 of a batch has the same bits alone, in 3 rows, and in 37; plain and in panels. */
static void a_row_does_not_depend_on_its_batch(void **state)
{
    fixture *f = *state;
    enum { ROWS = 37, COLUMNS = 150, DEPTH = 700 };
    source s = {7};
    const fm_gemm_isa *isa;
    bool bf16;

    for (int k = 0; (isa = multiplier(k, &bf16)); k++) {
        float *x = new_numbers(f, &s, ROWS * DEPTH), *w = new_numbers(f, &s, DEPTH * COLUMNS);
        float *panels = new_numbers(f, &s, fm_gemm_panels_floats(isa, DEPTH, COLUMNS));
        float *all = new_numbers(f, &s, ROWS * COLUMNS), *some = new_numbers(f, &s, 3 * COLUMNS);
        fm_gemm g = {.rows = ROWS, .columns = COLUMNS, .depth = DEPTH, .a = x, .b = w, .c = all};
        g.a_row_stride = DEPTH;
        g.b_depth_stride = g.c_row_stride = COLUMNS;
        g.a_depth_stride = g.b_column_stride = 1;
        float *scratch = new_numbers(f, &s, fm_gemm_scratch_floats(isa, &g));

        if (bf16) {
            fm_gemm_pack_pairs(isa, DEPTH, COLUMNS, w, panels);
        } else {
            fm_gemm_pack_panels(isa, DEPTH, COLUMNS, w, panels);
        }
        fm_gemm_run(isa, &g, 1, scratch);
        for (size_t rows = 1; rows <= 3; rows += 2) {
            for (int packed = 0; packed < 2; packed++) {
                g.rows = rows;
                g.a = x + 5 * DEPTH;
                g.c = some;
                g.b = packed ? panels : w;
                g.b_layout = !packed ? FM_GEMM_STRIDED : bf16 ? FM_GEMM_PAIRS : FM_GEMM_PANELS;
                float *room = new_numbers(f, &s, fm_gemm_scratch_floats(isa, &g));
                fm_gemm_run(isa, &g, 1, room);
                fm_release(f->context, room);
                assert_memory_equal(some, all + 5 * COLUMNS, COLUMNS * sizeof *some);
            }
        }
        float *owned[] = {x, w, panels, all, some, scratch};
        for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) fm_release(f->context, owned[i]);
    }
}

/* So large that it is written past the caches. Columns behind it are nobody's. */
static void a_large_result_has_the_bits_of_its_parts(void **state)
{
    fixture *f = *state;
    enum { ROWS = (8 << 20) / 64 + 7, COLUMNS = 64, STEP = 80, DEPTH = 5, SOME = 4096 };
    source s = {11};
    float *x = new_numbers(f, &s, (size_t)ROWS * DEPTH), *w = new_numbers(f, &s, DEPTH * COLUMNS);
    float *bias = new_numbers(f, &s, COLUMNS), *residual = new_numbers(f, &s, COLUMNS);
    float *all = fm_allocate_zeroed(f->context, (size_t)ROWS * STEP * sizeof *all);
    float *some = fm_allocate_zeroed(f->context, (size_t)SOME * STEP * sizeof *some);
    const fm_gemm_isa *isa;
    bool bf16;

    assert_true(all && some);
    for (int k = 0; (isa = multiplier(k, &bf16)); k++) {
        fm_gemm g = {.rows = ROWS, .columns = COLUMNS, .depth = DEPTH, .a = x, .b = w, .c = all};
        g.a_row_stride = DEPTH;
        g.b_depth_stride = COLUMNS;
        g.a_depth_stride = g.b_column_stride = 1;
        g.c_row_stride = STEP;
        g.bias = bias;
        g.residual = residual;
        g.relu = true;
        float *scratch = new_numbers(f, &s, 2 * fm_gemm_scratch_floats(isa, &g));
        fm_gemm_run(isa, &g, 2, scratch);
        for (size_t row = 0; row < ROWS; row += SOME) {
            g.rows = ROWS - row < SOME ? ROWS - row : SOME;
            g.a = x + row * DEPTH;
            g.c = some;
            fm_gemm_run(isa, &g, 1, scratch);
            assert_memory_equal(all + row * STEP, some, g.rows * STEP * sizeof *some);
        }
        fm_release(f->context, scratch);
    }
    float *owned[] = {x, w, bias, residual, all, some};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) fm_release(f->context, owned[i]);
}

static void relu_keeps_nan(void **state)
{
    const fm_gemm_isa *isa;
    bool bf16;
    (void)state;
    for (int k = 0; (isa = multiplier(k, &bf16)); k++) {
        _Alignas(64) float scratch[256];
        const float x[3] = {NAN, -2, 2}, w[1] = {1};
        float y[3] = {0};
        const fm_gemm g = {.rows = 3,
                           .columns = 1,
                           .depth = 1,
                           .a = x,
                           .b = w,
                           .c = y,
                           .a_row_stride = 1,
                           .a_depth_stride = 1,
                           .b_depth_stride = 1,
                           .b_column_stride = 1,
                           .c_row_stride = 1,
                           .relu = true};
        assert_true(fm_gemm_scratch_floats(isa, &g) <= 256);
        fm_gemm_run(isa, &g, 1, scratch);
        assert_true(isnan(y[0]) && y[1] == 0 && y[2] == 2);
    }
}

static void panels_come_back(void **state)
{
    fixture *f = *state;
    source s = {3};

    for (int k = 0; fm_gemm_isa_at(k); k++) {
        const fm_gemm_isa *isa = fm_gemm_isa_at(k);
        for (size_t columns = 1; columns < 70; columns++) {
            const size_t stored = fm_gemm_panels_floats(isa, 5, columns);
            float *plain = new_numbers(f, &s, 5 * columns), *back = new_numbers(f, &s, 5 * columns);
            float *panels = new_numbers(f, &s, stored);
            double sum = 0, packed_sum = 0;
            fm_gemm_pack_panels(isa, 5, columns, plain, panels);
            fm_gemm_unpack_panels(isa, 5, columns, panels, back);
            assert_memory_equal(plain, back, 5 * columns * sizeof *plain);
            for (size_t i = 0; i < 5 * columns; i++) sum += fabs((double)plain[i]);
            for (size_t i = 0; i < stored; i++) packed_sum += fabs((double)panels[i]);
            assert_near(packed_sum, sum, 1e-9); /* the padding is zero */
            fm_release(f->context, plain);
            fm_release(f->context, back);
            fm_release(f->context, panels);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(products_are_right_for_any_thread_count),
        fixture_test(a_row_does_not_depend_on_its_batch),
        fixture_test(a_large_result_has_the_bits_of_its_parts),
        fixture_test(relu_keeps_nan),
        fixture_test(panels_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
