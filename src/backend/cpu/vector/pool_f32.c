/* Pooling, vectors along the channels. Forward a row of windows at a time: all windows of a row
 * that lie inside of x read it at the same offsets. Backward a row of x at a time, each element
 * gathering from the windows that see it in their order: the textbook's additions in the textbook's
 * order. */
#include "backend/cpu/vector/kernels.h"
#include "base/memory.h"
#include "op/op_table.h"
#include "op/op_tools.h"
#include "op/window_rules.h"

#include <string.h>

enum { V = VECTOR_LENGTH, WIDE = 4, SPATIAL = KERNEL_SPATIAL, MOST = KERNEL_MAX_PLACES };

#define NANOSECONDS 0.05 /* a vector's element at one place of a window, roughly */

/* Along one dimension: where a window lies, and its places [first, end) that lie in x. */
typedef struct inside {
    kernel_span span;
    int64_t first, end;
} inside;

/* A window along one dimension that sees a position, the position's place in it, the window's size
 * and how much of that counts in an average. */
typedef struct seen_by {
    int64_t window, place, size, counted;
} seen_by;

typedef struct pooling {
    kernel_window window;
    int64_t images, channels;
    bool count_padding;
    inside *inside[SPATIAL]; /* of each window along each dimension */
    /* Backward alone: position p of dimension d is seen by seen[d][first[d][p]] to
     * seen[d][first[d][p + 1]]. */
    int64_t *first[SPATIAL];
    seen_by *seen[SPATIAL];
} pooling;

INLINE vector take(const float *from, size_t count)
{
    return count == V ? load(from) : load_first(from, count);
}

INLINE void put(float *to, vector value, size_t count)
{
    if (count == V) {
        store(to, value);
    } else {
        store_first(to, value, count);
    }
}

INLINE lanes take_numbers(const uint8_t *from, size_t count)
{
    uint8_t some[V] = {0};
    if (count == V) return load_bytes(from);
    memcpy(some, from, count);
    return load_bytes(some);
}

INLINE void put_numbers(uint8_t *to, lanes numbers, size_t count)
{
    uint8_t some[V];
    if (count == V) {
        store_bytes(to, numbers);
    } else {
        store_bytes(some, numbers);
        memcpy(to, some, count);
    }
}

/* body(c, vectors, count): the channels from c on, `vectors` vectors of `count` lanes. */
#define EACH_CHUNK(channels, body, ...)                                                            \
    do {                                                                                           \
        int64_t c = 0;                                                                             \
        for (; c + WIDE * V <= (channels); c += WIDE * V) body(__VA_ARGS__, c, WIDE, V);           \
        for (; c + V <= (channels); c += V) body(__VA_ARGS__, c, 1, V);                            \
        if (c < (channels)) body(__VA_ARGS__, c, 1, (size_t)((channels)-c));                       \
    } while (0)

/* ---- forward --------------------------------------------------------------------------------- */

/* The places of one window that lie in x, in order: their numbers, and how far (in elements) from
 * `base` they are. */
typedef struct place_list {
    const float *base;
    int64_t count, offsets[MOST];
    int32_t numbers[MOST];
} place_list;

static void list_places(const pooling *p, const inside at[SPATIAL], place_list *list)
{
    const kernel_window *w = &p->window;
    list->count = 0;
    for (int64_t i = at[0].first; i < at[0].end; i++) {
        for (int64_t j = at[1].first; j < at[1].end; j++) {
            const int64_t row = i * at[0].span.step * w->x[1] + j * at[1].span.step;
            const int64_t number = (i * at[1].span.size + j) * at[2].span.size;
            for (int64_t k = at[2].first; k < at[2].end; k++) {
                list->offsets[list->count] = (row * w->x[2] + k * at[2].span.step) * p->channels;
                list->numbers[list->count++] = (int32_t)(number + k);
            }
        }
    }
}

typedef struct forward_call {
    const pooling *p;
    const float *x;
    float *y;
    uint8_t *winner;
} forward_call;

INLINE vector select_where(lanes condition, vector yes, vector no)
{
    return (vector)(((lanes)yes & condition) | ((lanes)no & ~condition));
}

/* The first of the largest; the first NaN is larger than any number. */
INLINE void largest_of_window(const place_list *at, float *y, uint8_t *winner, int64_t c,
                              int vectors, size_t count)
{
    vector best[WIDE];
    lanes number[WIDE];
    for (int v = 0; v < vectors; v++) {
        best[v] = take(at->base + at->offsets[0] + c + v * V, count);
        number[v] = (lanes){0} + at->numbers[0];
    }
    for (int64_t i = 1; i < at->count; i++) {
        const float *x = at->base + at->offsets[i] + c;
        for (int v = 0; v < vectors; v++) {
            const vector value = take(x + v * V, count);
            const lanes wins = ~(lanes)(value <= best[v]) & (lanes)(best[v] == best[v]);
            best[v] = select_where(wins, value, best[v]);
            number[v] = (at->numbers[i] & wins) | (number[v] & ~wins);
        }
    }
    for (int v = 0; v < vectors; v++) {
        put(y + c + v * V, best[v], count);
        put_numbers(winner + c + v * V, number[v], count);
    }
}

INLINE void average_of_window(const place_list *at, float divisor, float *y, int64_t c, int vectors,
                              size_t count)
{
    vector sum[WIDE] = {0};
    for (int64_t i = 0; i < at->count; i++) {
        const float *x = at->base + at->offsets[i] + c;
        for (int v = 0; v < vectors; v++) sum[v] += take(x + v * V, count);
    }
    for (int v = 0; v < vectors; v++) put(y + c + v * V, sum[v] / broadcast(divisor), count);
}

static void pool_window(const forward_call *f, const inside at[SPATIAL], const place_list *list,
                        int64_t window)
{
    const int64_t channels = f->p->channels;
    float *y = f->y + window * channels;
    if (f->winner) {
        uint8_t *winner = f->winner + window * channels;
        EACH_CHUNK(channels, largest_of_window, list, y, winner);
        return;
    }
    const int64_t all = at[0].span.size * at[1].span.size * at[2].span.size;
    const float divisor = (float)(f->p->count_padding ? all : list->count);
    EACH_CHUNK(channels, average_of_window, list, divisor, y);
}

/* Rows of windows, counted over all images. */
static void pool_rows(const void *argument, int64_t begin, int64_t end)
{
    const forward_call *f = argument;
    const pooling *p = f->p;
    const kernel_window *w = &p->window;
    for (int64_t row = begin; row < end; row++) {
        const int64_t image = row / w->y[1] / w->y[0];
        inside at[SPATIAL] = {
            p->inside[0][row / w->y[1] % w->y[0]], p->inside[1][row % w->y[1]], {.first = -1}};
        const int64_t line = (image * w->x[0] + at[0].span.begin) * w->x[1] + at[1].span.begin;
        place_list list = {.count = 0};
        for (int64_t o = 0; o < w->y[2]; o++) {
            const inside i = p->inside[2][o];
            const bool alike =
                i.first == at[2].first && i.end == at[2].end && i.span.size == at[2].span.size;
            at[2] = i;
            if (!alike) list_places(p, at, &list);
            list.base = f->x + (line * w->x[2] + i.span.begin) * p->channels;
            pool_window(f, at, &list, row * w->y[2] + o);
        }
    }
}

/* ---- backward -------------------------------------------------------------------------------- */

typedef struct backward_call {
    const pooling *p;
    const float *dy;
    const uint8_t *winner;
    float *dx;
} backward_call;

/* Of the windows that see a row of x, those of one row of windows: where its dy begins, and what a
 * place along the last dimension adds to for its number and its size. */
typedef struct window_row {
    int64_t offset, number, counted;
} window_row;

typedef struct seen_range {
    const seen_by *begin, *end;
} seen_range;

/* What one position gathers from. */
typedef struct viewers {
    const pooling *p;
    const window_row *rows;
    int64_t row_count;
    seen_range at;
} viewers;

INLINE void gather_winners(const viewers *view, const float *dy, const uint8_t *winner, float *dx,
                           int64_t c, int vectors, size_t count)
{
    const int64_t channels = view->p->channels;
    vector sum[WIDE] = {0};
    for (int64_t i = 0; i < view->row_count; i++) {
        for (const seen_by *k = view->at.begin; k < view->at.end; k++) {
            const int64_t from = (view->rows[i].offset + k->window) * channels + c;
            const lanes number = (lanes){0} + (int32_t)(view->rows[i].number * k->size + k->place);
            for (int v = 0; v < vectors; v++) {
                const lanes winners = take_numbers(winner + from + v * V, count);
                sum[v] += keep_where(take(dy + from + v * V, count), winners == number);
            }
        }
    }
    for (int v = 0; v < vectors; v++) put(dx + c + v * V, sum[v], count);
}

INLINE void gather_shares(const viewers *view, const float *dy, float *dx, int64_t c, int vectors,
                          size_t count)
{
    const int64_t channels = view->p->channels;
    vector sum[WIDE] = {0};
    for (int64_t i = 0; i < view->row_count; i++) {
        for (const seen_by *k = view->at.begin; k < view->at.end; k++) {
            const int64_t from = (view->rows[i].offset + k->window) * channels + c;
            const vector divisor = broadcast((float)(view->rows[i].counted * k->counted));
            for (int v = 0; v < vectors; v++) sum[v] += take(dy + from + v * V, count) / divisor;
        }
    }
    for (int v = 0; v < vectors; v++) put(dx + c + v * V, sum[v], count);
}

static seen_range seen_at(const pooling *p, int d, int64_t position)
{
    return (seen_range){p->seen[d] + p->first[d][position], p->seen[d] + p->first[d][position + 1]};
}

/* The rows of windows that see row number `row` of x, counted over all images. */
static int64_t list_rows(const pooling *p, int64_t row, window_row *rows)
{
    const kernel_window *w = &p->window;
    const int64_t image = row / w->x[1] / w->x[0];
    const seen_range outer = seen_at(p, 0, row / w->x[1] % w->x[0]);
    const seen_range inner = seen_at(p, 1, row % w->x[1]);
    int64_t count = 0;
    for (const seen_by *i = outer.begin; i < outer.end; i++) {
        for (const seen_by *j = inner.begin; j < inner.end; j++) {
            const int64_t line = (image * w->y[0] + i->window) * w->y[1] + j->window;
            rows[count++] = (window_row){line * w->y[2], i->place * j->size + j->place,
                                         i->counted * j->counted};
        }
    }
    return count;
}

static void unpool_rows(const void *argument, int64_t begin, int64_t end)
{
    const backward_call *b = argument;
    const pooling *p = b->p;
    window_row rows[MOST];
    viewers view = {.p = p, .rows = rows};
    for (int64_t row = begin; row < end; row++) {
        float *dx = b->dx + row * p->window.x[2] * p->channels;
        view.row_count = list_rows(p, row, rows);
        for (int64_t position = 0; position < p->window.x[2]; position++, dx += p->channels) {
            view.at = seen_at(p, 2, position);
            if (b->winner) {
                EACH_CHUNK(p->channels, gather_winners, &view, b->dy, b->winner, dx);
            } else {
                EACH_CHUNK(p->channels, gather_shares, &view, b->dy, dx);
            }
        }
    }
}

/* ---- preparing ------------------------------------------------------------------------------- */

static void release_pooling(fm_context *context, void *state)
{
    pooling *p = state;
    for (int d = 0; d < SPATIAL; d++) {
        fm_release(context, p->inside[d]);
        fm_release(context, p->first[d]);
        fm_release(context, p->seen[d]);
    }
    fm_release(context, p);
}

static inside inside_of(const kernel_window *w, int d, int64_t o)
{
    inside i = {.span = kernel_window_span(w, d, o)};
    i.first = kernel_first_window(-i.span.begin, i.span.step);
    const int64_t end = kernel_first_window(w->x[d] - i.span.begin, i.span.step);
    i.end = end < i.span.size ? end : i.span.size;
    return i;
}

static fm_status list_inside(fm_context *context, pooling *p, int d)
{
    const kernel_window *w = &p->window;
    p->inside[d] = fm_allocate_array(context, (size_t)w->y[d], sizeof *p->inside[d]);
    if (!p->inside[d]) return FM_ERROR_MEMORY;
    for (int64_t o = 0; o < w->y[d]; o++) p->inside[d][o] = inside_of(w, d, o);
    return FM_OK;
}

/* What sees each position of dimension d, in the order of the windows. Counting sort: counts move
 * to first[p + 2], then sums to first[p + 1], which walk on to the next one's beginning. */
static fm_status list_seen(fm_context *context, pooling *p, int d)
{
    const size_t positions = (size_t)p->window.x[d];
    size_t total = 0;
    for (int64_t o = 0; o < p->window.y[d]; o++) total += (size_t)p->inside[d][o].span.size;
    int64_t *first = p->first[d] =
        fm_allocate_zeroed(context, (positions + 2) * sizeof *p->first[d]);
    seen_by *seen = p->seen[d] = fm_allocate_array(context, total, sizeof *seen);
    if (!first || !seen) return FM_ERROR_MEMORY;
    for (int pass = 0; pass < 2; pass++) {
        for (int64_t o = 0; o < p->window.y[d]; o++) {
            const inside *i = &p->inside[d][o];
            const int64_t counted = p->count_padding ? i->span.size : i->end - i->first;
            for (int64_t k = i->first; k < i->end; k++) {
                int64_t *at = &first[i->span.begin + k * i->span.step + 2 - pass];
                if (pass) seen[*at] = (seen_by){o, k, i->span.size, counted};
                ++*at;
            }
        }
        for (size_t i = 2; pass == 0 && i < positions + 2; i++) first[i] += first[i - 1];
    }
    return FM_OK;
}

static bool is_backward(const fm_op *op)
{
    return op == &fm_op_max_pool_grad || op == &fm_op_average_pool_grad;
}

static pooling describe(const fm_site *site)
{
    const fm_pool_attributes *a = site->attributes;
    const fm_shape in = site->inputs[0].shape, out = site->outputs[0].shape;
    const fm_shape x = is_backward(site->op) ? out : in, y = is_backward(site->op) ? in : out;
    kernel_window w =
        fm_kernel_window(&a->pool.window, fm_spatial_of(x), fm_spatial_of(y), a->pool.kernel_size);
    w.adaptive = a->pool.output_size.count > 0;
    return (pooling){.window = w,
                     .images = x.dims[0],
                     .channels = fm_shape_last(x),
                     .count_padding = a->pool.count_padding};
}

static int64_t most_places(const kernel_window *w, int d)
{
    int64_t most = 0;
    for (int64_t o = 0; o < w->y[d]; o++) {
        const int64_t size = kernel_window_span(w, d, o).size;
        most = size > most ? size : most;
    }
    return most;
}

static const char *match_pool(const fm_site *site)
{
    if (site->inputs[0].dtype != FM_F32) return "f32 only";
    if (site->inputs[0].count == 0 || site->outputs[0].count == 0) return "there are no elements";
    const pooling p = describe(site);
    int64_t places = 1;
    for (int d = 0; d < SPATIAL; d++) {
        if (p.window.adaptive && p.window.y[d] > p.window.x[d]) {
            return "windows of one position are many";
        }
        places *= most_places(&p.window, d);
    }
    return places > MOST ? "a window has more than 255 places" : NULL;
}

static fm_status prepare_pool(const fm_site *site, fm_need *need)
{
    pooling *p = fm_allocate_zeroed(site->context, sizeof *p);
    if (!p) return FM_ERROR_MEMORY;
    *p = describe(site);
    need->state = p;
    fm_status status = FM_OK;
    for (int d = 0; status == FM_OK && d < SPATIAL; d++) {
        status = list_inside(site->context, p, d);
        if (status == FM_OK && is_backward(site->op)) status = list_seen(site->context, p, d);
    }
    return status;
}

/* ---- kernels --------------------------------------------------------------------------------- */

static void in_rows(const fm_call *call, int64_t rows, fm_range_body *body, const void *argument)
{
    const int64_t more = call->inputs[0].count > call->outputs[0].count ? call->inputs[0].count
                                                                        : call->outputs[0].count;
    const double row = (double)more / (double)rows * NANOSECONDS;
    fm_in_ranges(call->threads, rows, 1, row, body, argument);
}

static void run_forward(const fm_call *call, uint8_t *winner)
{
    const pooling *p = call->state;
    const forward_call f = {p, call->inputs[0].data, call->outputs[0].data, winner};
    in_rows(call, p->images * p->window.y[0] * p->window.y[1], pool_rows, &f);
}

static void run_backward(const fm_call *call, const uint8_t *winner)
{
    const pooling *p = call->state;
    const backward_call b = {p, call->inputs[0].data, winner, call->outputs[0].data};
    in_rows(call, p->images * p->window.x[0] * p->window.x[1], unpool_rows, &b);
}

static void run_max_pool(const fm_call *call)
{
    run_forward(call, call->outputs[1].data);
}

static void run_average_pool(const fm_call *call)
{
    run_forward(call, NULL);
}

static void run_max_pool_grad(const fm_call *call)
{
    run_backward(call, call->inputs[1].data);
}

static void run_average_pool_grad(const fm_call *call)
{
    run_backward(call, NULL);
}

#define KERNEL_ROW(name_)                                                                          \
    {                                                                                              \
        .name = KERNEL_NAME(#name_), .op = &fm_op_##name_, .match = match_pool,                    \
        .prepare = prepare_pool, .run = run_##name_, .release = release_pooling                    \
    }
static const fm_kernel kernels[] = {
    KERNEL_ROW(max_pool),
    KERNEL_ROW(max_pool_grad),
    KERNEL_ROW(average_pool),
    KERNEL_ROW(average_pool_grad),
};

const fm_kernel_family FM_ISA_SYMBOL(fm_cpu_pool) = FAMILY(kernels);
