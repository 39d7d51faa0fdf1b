#include "support/fixture.h"
#include "backend/cpu/winograd.h"
#include "base/memory.h"
#include "op/op_table.h"
#include "op/vision_attributes.h"
#include "support/op_job.h"

#include <math.h>
#include <string.h>

/* The three convolutions are compared with sums in double by the definition. Differences are
 * counted against the sum of magnitudes of the largest result's terms, about sqrt(terms) of it. */
#define TOLERANCE 1e-6

typedef struct source {
    uint64_t state;
} source;

static int64_t draw(source *s, int64_t least, int64_t most)
{
    s->state = s->state * 6364136223846793005u + 1442695040888963407u;
    return least + (int64_t)(s->state >> 33) % (most - least + 1);
}

static float *new_numbers(fixture *f, source *s, int64_t count)
{
    float *numbers = fm_allocate_array(f->context, (size_t)count, sizeof *numbers);
    assert_non_null(numbers);
    for (int64_t i = 0; i < count; i++) numbers[i] = (float)draw(s, -1000, 1000) / 1000;
    return numbers;
}

typedef struct problem {
    fm_winograd w;
    int64_t x_count, y_count, kernel_count;
    float *x, *y, *dy, *kernel, *bias, *residual, *mask;
    float *dx, *dkernel, *dbias; /* and y: the results */
} problem;

static problem new_problem(fixture *f, source *s, const fm_winograd *w)
{
    problem p = {.w = *w};
    p.x_count = w->images * w->height * w->width * w->channels;
    p.y_count = w->images * w->out_height * w->out_width * w->filters;
    p.kernel_count = 9 * w->channels * w->filters;
    p.x = new_numbers(f, s, p.x_count);
    p.kernel = new_numbers(f, s, p.kernel_count);
    p.dy = new_numbers(f, s, p.y_count);
    p.bias = new_numbers(f, s, w->filters);
    p.residual = new_numbers(f, s, p.y_count);
    p.mask = new_numbers(f, s, p.x_count);
    p.y = new_numbers(f, s, p.y_count);
    p.dx = new_numbers(f, s, p.x_count);
    p.dkernel = new_numbers(f, s, p.kernel_count);
    p.dbias = new_numbers(f, s, w->filters);
    return p;
}

static void free_problem(fixture *f, problem *p)
{
    float *all[] = {p->x,    p->kernel, p->dy, p->bias,    p->residual,
                    p->mask, p->y,      p->dx, p->dkernel, p->dbias};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) fm_release(f->context, all[i]);
}

/* The same convolution seen from dy: its result is dx. */
static fm_winograd turned(const fm_winograd *w)
{
    return (fm_winograd){.images = w->images,
                         .height = w->out_height,
                         .width = w->out_width,
                         .channels = w->filters,
                         .out_height = w->height,
                         .out_width = w->width,
                         .filters = w->channels,
                         .pad_top = 2 - w->pad_top,
                         .pad_left = 2 - w->pad_left};
}

static void run(fixture *f, const fm_winograd_isa *isa, problem *p,
                const fm_winograd_epilogue *epilogue, int threads)
{
    const fm_winograd back = turned(&p->w);
    size_t floats = isa->scratch_floats(&p->w, threads);
    const size_t others[] = {isa->scratch_floats(&back, threads),
                             isa->kernel_grad_scratch_floats(&p->w, threads)};
    for (int i = 0; i < 2; i++) floats = floats > others[i] ? floats : others[i];
    float *scratch = fm_allocate_array(f->context, floats, sizeof *scratch);
    assert_non_null(scratch);
    isa->convolve(&p->w, p->x, p->kernel, false, epilogue, p->y, threads, scratch);
    const fm_winograd_epilogue masked = {.mask = p->mask};
    isa->convolve(&back, p->dy, p->kernel, true, &masked, p->dx, threads, scratch);
    isa->kernel_grad(&p->w, p->x, p->dy, p->dkernel, p->dbias, threads, scratch);
    fm_release(f->context, scratch);
}

/* y, dx and dkernel by the definition, one after the other in `sums`. */
static void define(const problem *p, double *y, double *dx, double *dkernel)
{
    const fm_winograd *w = &p->w;
    for (int64_t at = 0; at < p->y_count / w->filters * 9; at++) {
        const int64_t tap = at % 9, column = at / 9 % w->out_width;
        const int64_t row = at / 9 / w->out_width % w->out_height;
        const int64_t image = at / 9 / w->out_width / w->out_height;
        const int64_t h = row + tap / 3 - w->pad_top, v = column + tap % 3 - w->pad_left;
        if (h < 0 || v < 0 || h >= w->height || v >= w->width) continue;
        const int64_t x0 = ((image * w->height + h) * w->width + v) * w->channels;
        const int64_t y0 = at / 9 * w->filters;
        for (int64_t c = 0; c < w->channels; c++) {
            for (int64_t i = 0; i < w->filters; i++) {
                const int64_t k = (tap * w->channels + c) * w->filters + i;
                y[y0 + i] += (double)p->x[x0 + c] * (double)p->kernel[k];
                dx[x0 + c] += (double)p->dy[y0 + i] * (double)p->kernel[k];
                dkernel[k] += (double)p->x[x0 + c] * (double)p->dy[y0 + i];
            }
        }
    }
}

static void finish(const problem *p, const fm_winograd_epilogue *e, double *y, double *dx)
{
    for (int64_t i = 0; i < p->y_count; i++) {
        if (e->bias) y[i] += (double)e->bias[i % p->w.filters];
        if (e->residual) y[i] += (double)e->residual[i];
        if (e->relu && y[i] < 0) y[i] = 0;
    }
    for (int64_t i = 0; i < p->x_count; i++) {
        if (!(p->mask[i] > 0)) dx[i] = 0;
    }
}

/* terms: summands of a result, of magnitude 1 at most. */
static void assert_close(const float *got, const double *wanted, int64_t count, int64_t terms)
{
    for (int64_t i = 0; i < count; i++) {
        if (fabs((double)got[i] - wanted[i]) > TOLERANCE * (double)(terms + 10)) {
            fail_msg("element %lld is %.9g, wanted %.9g", (long long)i, (double)got[i], wanted[i]);
        }
    }
}

/* A kernel that was transformed beforehand gives the same bits. */
static void check_ready(fixture *f, const fm_winograd_isa *isa, const problem *p,
                        const fm_winograd_epilogue *epilogue, source *s)
{
    fm_winograd w = p->w;
    float *u = new_numbers(f, s, (int64_t)isa->kernel_floats(w.channels, w.filters));
    float *y = new_numbers(f, s, p->y_count);
    isa->transform_kernel(w.channels, w.filters, p->kernel, u, 2);
    w.kernel_ready = true;
    float *scratch = new_numbers(f, s, (int64_t)isa->scratch_floats(&w, 1));
    isa->convolve(&w, p->x, u, false, epilogue, y, 1, scratch);
    assert_memory_equal(y, p->y, (size_t)p->y_count * sizeof *y);
    fm_release(f->context, scratch);
    fm_release(f->context, y);
    fm_release(f->context, u);
}

static void check(fixture *f, const fm_winograd *w, source *s)
{
    problem p = new_problem(f, s, w);
    const fm_winograd_epilogue e = {.bias = draw(s, 0, 1) ? p.bias : NULL,
                                    .residual = draw(s, 0, 1) ? p.residual : NULL,
                                    .relu = draw(s, 0, 1)};
    double *y = fm_allocate_zeroed(f->context, (size_t)p.y_count * sizeof *y);
    double *dx = fm_allocate_zeroed(f->context, (size_t)p.x_count * sizeof *dx);
    double *dkernel = fm_allocate_zeroed(f->context, (size_t)p.kernel_count * sizeof *dkernel);
    float *first = fm_allocate_array(f->context, (size_t)p.kernel_count, sizeof *first);
    double *dbias = fm_allocate_zeroed(f->context, (size_t)w->filters * sizeof *dbias);
    for (int64_t i = 0; i < p.y_count; i++) dbias[i % w->filters] += (double)p.dy[i];
    define(&p, y, dx, dkernel);
    finish(&p, &e, y, dx);
    const fm_winograd_isa *isa;
    for (int i = 0; (isa = fm_winograd_isa_at(i)); i++) {
        run(f, isa, &p, &e, 1);
        assert_close(p.y, y, p.y_count, 9 * w->channels);
        assert_close(p.dx, dx, p.x_count, 9 * w->filters);
        assert_close(p.dkernel, dkernel, p.kernel_count, p.y_count / w->filters);
        assert_close(p.dbias, dbias, w->filters, p.y_count / w->filters);
        check_ready(f, isa, &p, &e, s);
        problem again = p;
        again.y = new_numbers(f, s, p.y_count);
        again.dx = new_numbers(f, s, p.x_count);
        memcpy(first, p.dkernel, (size_t)p.kernel_count * sizeof *first);
        run(f, isa, &again, &e, 2);
        assert_memory_equal(again.y, p.y, (size_t)p.y_count * sizeof *p.y);
        assert_memory_equal(again.dx, p.dx, (size_t)p.x_count * sizeof *p.dx);
        assert_memory_equal(again.dkernel, first, (size_t)p.kernel_count * sizeof *first);
        fm_release(f->context, again.y);
        fm_release(f->context, again.dx);
    }
    fm_release(f->context, first);
    fm_release(f->context, dbias);
    fm_release(f->context, dkernel);
    fm_release(f->context, dx);
    fm_release(f->context, y);
    free_problem(f, &p);
}

static void any_shape_agrees_with_the_definition(void **state)
{
    source s = {1};
    for (int i = 0; i < 60; i++) {
        fm_winograd w = {.images = draw(&s, 1, 3),
                         .height = draw(&s, 1, 14),
                         .width = draw(&s, 1, 14),
                         .channels = draw(&s, 1, 40),
                         .filters = draw(&s, 1, 70),
                         .pad_top = draw(&s, 0, 2),
                         .pad_left = draw(&s, 0, 2)};
        w.out_height = draw(&s, 1, w.height + w.pad_top);
        w.out_width = draw(&s, 1, w.width + w.pad_left);
        check(*state, &w, &s);
    }
}

static void layers_of_networks_agree_with_the_definition(void **state)
{
    static const fm_winograd layers[] = {
        {4, 26, 26, 32, 24, 24, 64, 0, 0, false, false},   /* the second layer for MNIST */
        {2, 32, 32, 16, 32, 32, 16, 1, 1, false, false},   /* ResNet-20 */
        {8, 8, 8, 64, 8, 8, 64, 1, 1, false, false},       /* ResNet-20 */
        {1, 14, 14, 256, 14, 14, 256, 1, 1, false, false}, /* ResNet-50 */
    };
    source s = {2};
    for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) check(*state, &layers[i], &s);
}

/* The kernel of the cpu backend in a program, against the portable one in f64. */
static void check_op(fixture *f, const fm_op *op, const char *inputs, int64_t padding, fm_ints size,
                     int64_t terms)
{
    const fm_convolve_attributes attributes = {
        .window = {.strides = {2, {1, 1}},
                   .dilations = {2, {1, 1}},
                   .padding_begin = {2, {padding, padding}},
                   .padding_end = {2, {padding, padding}},
                   .groups = 1},
        .size = size,
    };
    op_case parsed = op_case_parse(inputs);
    op_job job = op_job_make(f, op, &attributes, &parsed);
    op_result wanted = op_job_run(f, &job, FM_F64, "portable", 1);
    op_result got = op_job_run(f, &job, FM_F32, "cpu", 2);
    assert_non_null(strstr(got.kernel, "winograd"));
    for (int64_t i = 0; i < wanted.elements[0]; i++) {
        const double error = fabs(got.values[0][i] - wanted.values[0][i]);
        assert_true(error <= 4 * TOLERANCE * (double)(terms + 10));
    }
    op_result_release(f, &got);
    op_result_release(f, &wanted);
    op_job_release(f, &job);
}

static void programs_use_it(void **state)
{
    const fm_ints none = {0}, x = {2, {13, 14}}, kernel = {2, {3, 3}};
    check_op(*state, &fm_op_convolve, "f(3,13,14,20) f(3,3,20,36)", 1, none, 9 * 20);
    check_op(*state, &fm_op_convolve, "f(3,13,14,20) f(3,3,20,36)", 0, none, 9 * 20);
    check_op(*state, &fm_op_convolve_transposed, "f(3,11,12,36) f(3,3,20,36)", 0, x, 9 * 36);
    check_op(*state, &fm_op_convolve_transposed, "f(3,15,16,36) f(3,3,20,36)", 2, x, 9 * 36);
    check_op(*state, &fm_op_convolve_kernel_grad, "f(3,13,14,20) f(3,13,14,36)", 1, kernel, 546);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(any_shape_agrees_with_the_definition),
        fixture_test(layers_of_networks_agree_with_the_definition),
        fixture_test(programs_use_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
