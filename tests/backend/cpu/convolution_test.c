#include "support/fixture.h"
#include "backend/cpu/gemm.h"
#include "backend/cpu/windows.h"
#include "base/memory.h"

#include <math.h>
#include <string.h>

/* Convolutions by windows.h and both gradients, on every instruction set, against sums in double by
 * the definition; with kernels plain and in panels, by one, two and three threads. */
#define TOLERANCE 2e-7 /* of a sum's magnitude, for each of its terms */

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

enum { BIAS = 1, RESIDUAL = 2, RELU = 4, MASK = 8, DOUBLE = 16, CEILING = 32 };
#define LIMIT 0.5f

typedef struct problem {
    fm_convolution c;
    int epilogue;
    int64_t x_count, y_count, kernel_rows, kernel_count;
    float *x, *dy, *kernel, *bias, *residual, *mask;
} problem;

typedef struct results {
    float *y, *dx, *dkernel, *sums;
} results;

static problem new_problem(fixture *f, source *s, const fm_convolution *c, int epilogue)
{
    problem p = {.c = *c, .epilogue = epilogue};
    p.x_count = c->images * c->x[0] * c->x[1] * c->channels;
    p.y_count = c->images * c->y[0] * c->y[1] * c->filters;
    p.kernel_rows = c->kernel[0] * c->kernel[1] * c->channels / c->groups;
    p.kernel_count = p.kernel_rows * c->filters;
    p.x = new_numbers(f, s, p.x_count);
    p.dy = new_numbers(f, s, p.y_count);
    p.kernel = new_numbers(f, s, p.kernel_count);
    p.bias = new_numbers(f, s, c->filters);
    p.residual = new_numbers(f, s, p.y_count);
    p.mask = new_numbers(f, s, p.x_count);
    return p;
}

static void free_problem(fixture *f, problem *p)
{
    float *all[] = {p->x, p->dy, p->kernel, p->bias, p->residual, p->mask};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) fm_release(f->context, all[i]);
}

static results new_results(fixture *f, source *s, const problem *p)
{
    return (results){new_numbers(f, s, p->y_count), new_numbers(f, s, p->x_count),
                     new_numbers(f, s, p->kernel_count), new_numbers(f, s, p->c.filters)};
}

static void free_results(fixture *f, results *r)
{
    float *all[] = {r->y, r->dx, r->dkernel, r->sums};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) fm_release(f->context, all[i]);
}

/* ---- the definition -------------------------------------------------------------------------- */

typedef struct definition {
    double *y, *dx, *dkernel, *sums;
} definition;

static void define_pixel(const problem *p, definition *d, const int64_t at[3], const int64_t tap[2])
{
    const fm_convolution *c = &p->c;
    const int64_t channels = c->channels / c->groups, filters = c->filters / c->groups;
    int64_t place[2];
    for (int i = 0; i < 2; i++) {
        place[i] = at[1 + i] * c->strides[i] + tap[i] * c->dilations[i] - c->padding[i];
        if (place[i] < 0 || place[i] >= c->x[i]) return;
    }
    const int64_t x = ((at[0] * c->x[0] + place[0]) * c->x[1] + place[1]) * c->channels;
    const int64_t y = ((at[0] * c->y[0] + at[1]) * c->y[1] + at[2]) * c->filters;
    for (int64_t f = 0; f < c->filters; f++) {
        for (int64_t i = 0; i < channels; i++) {
            const int64_t from = x + f / filters * channels + i;
            const int64_t k = ((tap[0] * c->kernel[1] + tap[1]) * channels + i) * c->filters + f;
            d->y[y + f] += (double)p->x[from] * (double)p->kernel[k];
            d->dx[from] += (double)p->dy[y + f] * (double)p->kernel[k];
            d->dkernel[k] += (double)p->x[from] * (double)p->dy[y + f];
        }
    }
}

static void define(const problem *p, definition *d)
{
    const fm_convolution *c = &p->c;
    const int64_t pixels = c->images * c->y[0] * c->y[1], taps = c->kernel[0] * c->kernel[1];
    for (int64_t i = 0; i < pixels * taps; i++) {
        const int64_t pixel = i / taps, row = pixel / c->y[1], tap = i % taps;
        define_pixel(p, d, (int64_t[]){row / c->y[0], row % c->y[0], pixel % c->y[1]},
                     (int64_t[]){tap / c->kernel[1], tap % c->kernel[1]});
    }
    for (int64_t i = 0; i < p->y_count; i++) {
        d->sums[i % c->filters] += (double)p->dy[i];
        if (p->epilogue & BIAS) d->y[i] += (double)p->bias[i % c->filters];
        if (p->epilogue & RESIDUAL) d->y[i] += (double)p->residual[i];
        if (p->epilogue & RELU && d->y[i] < 0) d->y[i] = 0;
        if (p->epilogue & CEILING && d->y[i] > LIMIT) d->y[i] = LIMIT;
        if (p->epilogue & DOUBLE) d->y[i] *= 2;
    }
    for (int64_t i = 0; p->epilogue & MASK && i < p->x_count; i++) {
        if (!(p->mask[i] > 0)) d->dx[i] = 0;
    }
}

/* ---- what is tested -------------------------------------------------------------------------- */

typedef struct setting {
    const fm_windows_isa *isa;
    const fm_gemm_isa *gemm; /* whose panels they are */
    bool panels;
    int threads;
} setting;

static void twice(int64_t count, float alpha, const float *x, float *y)
{
    (void)alpha;
    for (int64_t i = 0; i < count; i++) y[i] = 2 * x[i];
}

static void run_windows(fixture *f, const setting *s, const problem *p, const float *kernel,
                        bool adjoint, float *result)
{
    fm_window_plan plan;
    assert_int_equal(fm_window_plan_make(f->context, &p->c, adjoint, s->isa->minds_edges,
                                         s->threads, FM_WINDOW_PIXELS, &plan),
                     FM_OK);
    fm_windows w = {.plan = &plan,
                    .adjoint = adjoint,
                    .source = adjoint ? p->dy : p->x,
                    .kernel = {kernel, s->panels},
                    .result = result};
    if (adjoint) {
        w.mask = p->epilogue & MASK ? p->mask : NULL;
    } else {
        w.bias = p->epilogue & BIAS ? p->bias : NULL;
        w.residual = p->epilogue & RESIDUAL ? p->residual : NULL;
        w.relu = p->epilogue & RELU;
        w.ceiling = p->epilogue & CEILING ? LIMIT : 0;
        w.activation = p->epilogue & DOUBLE ? twice : NULL;
    }
    const size_t floats = s->isa->scratch_floats(&w, s->threads);
    float *scratch = fm_allocate_array(f->context, floats, sizeof *scratch);
    assert_non_null(scratch);
    s->isa->run(&w, s->threads, scratch);
    fm_release(f->context, scratch);
    fm_arena_release(&plan.arena);
}

static void run_gradient(fixture *f, const setting *s, const problem *p, float *dkernel,
                         float *sums)
{
    fm_window_plan plan;
    fm_kernel_gradient g;
    assert_int_equal(
        fm_window_plan_make(f->context, &p->c, false, false, 4, FM_GRADIENT_PIXELS, &plan), FM_OK);
    assert_int_equal(s->isa->make_gradient(&plan, &g), FM_OK);
    g.x = p->x;
    g.dy = p->dy;
    g.dkernel = dkernel;
    g.sums = sums;
    g.panels = s->panels;
    const size_t floats = s->isa->gradient_scratch_floats(&g, s->threads);
    float *scratch = fm_allocate_array(f->context, floats, sizeof *scratch);
    assert_non_null(scratch);
    s->isa->run_gradient(&g, s->threads, scratch);
    fm_release(f->context, scratch);
    fm_arena_release(&plan.arena);
}

static void run(fixture *f, const setting *s, const problem *p, results *r)
{
    const size_t rows = (size_t)p->kernel_rows, columns = (size_t)p->c.filters;
    const size_t floats = fm_gemm_panels_floats(s->gemm, rows, columns);
    float *panels = fm_allocate_array(f->context, floats, sizeof *panels);
    assert_non_null(panels);
    if (s->panels) fm_gemm_pack_panels(s->gemm, rows, columns, p->kernel, panels);
    run_windows(f, s, p, s->panels ? panels : p->kernel, false, r->y);
    run_windows(f, s, p, s->panels ? panels : p->kernel, true, r->dx);
    run_gradient(f, s, p, s->panels ? panels : r->dkernel, r->sums);
    if (s->panels) fm_gemm_unpack_panels(s->gemm, rows, columns, panels, r->dkernel);
    fm_release(f->context, panels);
}

static void assert_close(const char *what, const float *got, const double *wanted, int64_t count,
                         int64_t terms)
{
    for (int64_t i = 0; i < count; i++) {
        if (fabs((double)got[i] - wanted[i]) <= TOLERANCE * (double)(terms + 10)) continue;
        fail_msg("%s: element %lld is %.9g, wanted %.9g", what, (long long)i, (double)got[i],
                 wanted[i]);
    }
}

static void assert_right(const problem *p, const results *r, const definition *d)
{
    const int64_t positions = p->c.kernel[0] * p->c.kernel[1];
    assert_close("y", r->y, d->y, p->y_count, p->kernel_rows);
    assert_close("dx", r->dx, d->dx, p->x_count, positions * p->c.filters / p->c.groups);
    assert_close("dkernel", r->dkernel, d->dkernel, p->kernel_count, p->y_count / p->c.filters);
    assert_close("sums", r->sums, d->sums, p->c.filters, p->y_count / p->c.filters);
}

static void assert_same_bits(const problem *p, const results *a, const results *b)
{
    assert_memory_equal(a->y, b->y, (size_t)p->y_count * sizeof(float));
    assert_memory_equal(a->dx, b->dx, (size_t)p->x_count * sizeof(float));
    assert_memory_equal(a->dkernel, b->dkernel, (size_t)p->kernel_count * sizeof(float));
    assert_memory_equal(a->sums, b->sums, (size_t)p->c.filters * sizeof(float));
}

static void check_isa(fixture *f, source *s, const problem *p, const definition *d, int index)
{
    setting how = {fm_windows_isa_at(index), fm_gemm_isa_at(index), false, 1};
    results first = new_results(f, s, p);
    run(f, &how, p, &first);
    assert_right(p, &first, d);
    for (int i = 0; i < (p->c.groups == 1 ? 6 : 3); i++) {
        results again = new_results(f, s, p);
        how.threads = 1 + i % 3;
        how.panels = i >= 3;
        run(f, &how, p, &again);
        assert_same_bits(p, &again, &first);
        free_results(f, &again);
    }
    free_results(f, &first);
}

static void check(fixture *f, source *s, const fm_convolution *c, int epilogue)
{
    problem p = new_problem(f, s, c, epilogue);
    definition d = {fm_allocate_zeroed(f->context, (size_t)p.y_count * sizeof(double)),
                    fm_allocate_zeroed(f->context, (size_t)p.x_count * sizeof(double)),
                    fm_allocate_zeroed(f->context, (size_t)p.kernel_count * sizeof(double)),
                    fm_allocate_zeroed(f->context, (size_t)c->filters * sizeof(double))};
    assert_true(d.y && d.dx && d.dkernel && d.sums);
    define(&p, &d);
    for (int i = 0; fm_windows_isa_at(i); i++) check_isa(f, s, &p, &d, i);
    double *all[] = {d.y, d.dx, d.dkernel, d.sums};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) fm_release(f->context, all[i]);
    free_problem(f, &p);
}

/* ---- tests ----------------------------------------------------------------------------------- */

/* x from its padding at the end, so that an end unlike the beginning is met, too. */
static void complete(fm_convolution *c, source *s)
{
    for (int d = 0; d < 2; d++) {
        const int64_t span = (c->kernel[d] - 1) * c->dilations[d] + 1;
        const int64_t end = s ? draw(s, 0, c->padding[d]) : c->padding[d];
        const int64_t least = span - c->padding[d] - end;
        if (c->x[d] < least) c->x[d] = least;
        c->y[d] = (c->x[d] + c->padding[d] + end - span) / c->strides[d] + 1;
    }
}

static void any_window_agrees_with_the_definition(void **state)
{
    source s = {7};
    for (int i = fixture_rounds(60); i > 0; i--) {
        const int64_t groups = draw(&s, 0, 3) ? 1 : draw(&s, 1, 4);
        const int64_t most = draw(&s, 0, 5) ? 12 : 70;
        fm_convolution c = {.images = draw(&s, 1, 4),
                            .groups = groups,
                            .channels = groups * draw(&s, 1, most / groups),
                            .filters = groups * draw(&s, 1, 2 * most / groups)};
        for (int d = 0; d < 2; d++) {
            c.x[d] = draw(&s, 1, 17);
            c.kernel[d] = draw(&s, 1, 5);
            c.strides[d] = draw(&s, 0, 2) ? 1 : draw(&s, 1, 4);
            c.dilations[d] = draw(&s, 0, 4) ? 1 : draw(&s, 1, 3);
            c.padding[d] = draw(&s, 0, c.kernel[d]);
        }
        complete(&c, &s);
        check(*state, &s, &c, (int)draw(&s, 0, 63));
    }
}

static void depthwise_rows_agree_with_the_definition(void **state)
{
    source s = {9};
    for (int i = fixture_rounds(80); i > 0; i--) {
        const int64_t channels = draw(&s, 0, 4) ? 16 * draw(&s, 1, 4) : draw(&s, 2, 50);
        fm_convolution c = {
            .images = draw(&s, 1, 4),
            .groups = channels,
            .channels = channels,
            .filters = channels,
            .x = {draw(&s, 1, 17), draw(&s, 0, 2) ? 7 * draw(&s, 1, 3) : draw(&s, 5, 33)},
            .kernel = {draw(&s, 1, 4), 3}};
        for (int d = 0; d < 2; d++) {
            c.strides[d] = draw(&s, 1, 5) > 3 ? 2 : 1;
            c.dilations[d] = draw(&s, 0, 5) ? 1 : 2;
            c.padding[d] = draw(&s, 0, 4) ? 1 : draw(&s, 0, 2);
        }
        complete(&c, draw(&s, 0, 2) ? NULL : &s);
        check(*state, &s, &c, (int)draw(&s, 0, 63));
    }
}

static void layers_of_networks_agree_with_the_definition(void **state)
{
#define LAYER(n, c, size, f, k, stride, pad)                                                       \
    {                                                                                              \
        n, 1, c, f, {size, size}, {0, 0}, {k, k}, {stride, stride}, {1, 1},                        \
        {                                                                                          \
            pad, pad                                                                               \
        }                                                                                          \
    }
    static const fm_convolution layers[] = {
        {3, 37, 37, 37, {12, 9}, {0, 0}, {5, 3}, {1, 1}, {1, 1}, {2, 1}}, /* depthwise */
        LAYER(5, 1, 28, 32, 3, 1, 0),  /* for MNIST: bands of several images */
        LAYER(3, 32, 26, 64, 3, 1, 0), /* the second: several slices */
        LAYER(2, 16, 32, 32, 3, 2, 1), /* ResNet-20 */
        LAYER(1, 3, 97, 64, 7, 2, 3),  /* ResNet's first: bands of rows */
        LAYER(1, 64, 28, 96, 1, 1, 0), /* its 1x1 */
        LAYER(2, 96, 14, 128, 1, 2, 0),
        LAYER(1, 128, 7, 160, 3, 1, 1),
        LAYER(1, 3, 67, 64, 11, 4, 2),                                     /* AlexNet */
        LAYER(2, 16, 15, 48, 5, 1, 2),                                     /* GoogLeNet */
        {1, 32, 32, 32, {14, 14}, {0, 0}, {3, 3}, {2, 2}, {1, 1}, {1, 1}}, /* depthwise */
        {1, 8, 32, 64, {14, 14}, {0, 0}, {3, 3}, {1, 1}, {1, 1}, {1, 1}},  /* ResNeXt */
        {1, 1, 32, 24, {28, 28}, {0, 0}, {3, 3}, {1, 1}, {4, 4}, {4, 4}},  /* DRN */
        {2, 1, 12, 20, {1, 400}, {0, 0}, {1, 9}, {1, 2}, {1, 1}, {0, 4}},  /* one dimension */
    };
    source s = {8};
    for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) {
        fm_convolution c = layers[i];
        complete(&c, NULL);
        check(*state, &s, &c, (int)i);
    }
}

/* Its images and all of them at once, with every instruction set. */
static void check_images(fixture *f, source *s, const fm_convolution *c)
{
    static const int epilogues[] = {BIAS | RESIDUAL | RELU, BIAS | CEILING};
    problem all = new_problem(f, s, c, 0);
    float *y = fm_allocate_zeroed(f->context, (size_t)all.y_count * sizeof *y);
    float *alone = fm_allocate_zeroed(f->context, (size_t)(all.y_count / c->images) * sizeof *y);
    assert_true(y && alone);
    for (int i = 0; fm_windows_isa_at(i); i++) {
        const setting how = {fm_windows_isa_at(i), fm_gemm_isa_at(i), false, 2};
        for (size_t k = 0; k < sizeof epilogues / sizeof *epilogues; k++) {
            all.epilogue = epilogues[k];
            run_windows(f, &how, &all, all.kernel, false, y);
            for (int64_t image = 0; image < c->images; image += c->images / 2) {
                problem one = all;
                one.c.images = 1;
                one.x += image * all.x_count / c->images;
                one.residual += image * all.y_count / c->images;
                run_windows(f, &how, &one, all.kernel, false, alone);
                assert_memory_equal(y + image * all.y_count / c->images, alone,
                                    (size_t)(all.y_count / c->images) * sizeof *y);
            }
        }
    }
    fm_release(f->context, y);
    fm_release(f->context, alone);
    free_problem(f, &all);
}

/* So large that they are written past the caches. */
static void large_results_have_the_bits_of_their_images(void **state)
{
    static const fm_convolution large[] = {
        {33, 1, 4, 64, {64, 64}, {0, 0}, {1, 1}, {1, 1}, {1, 1}, {0, 0}},
        {33, 64, 64, 64, {64, 64}, {0, 0}, {3, 3}, {1, 1}, {1, 1}, {1, 1}},
    };
    source s = {12};
    for (size_t i = 0; i < sizeof large / sizeof *large; i++) {
        fm_convolution c = large[i];
        complete(&c, NULL);
        check_images(*state, &s, &c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(any_window_agrees_with_the_definition),
        fixture_test(depthwise_rows_agree_with_the_definition),
        fixture_test(layers_of_networks_agree_with_the_definition),
        fixture_test(large_results_have_the_bits_of_their_images),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
