/* Chains have the bits of their steps one by one: random graphs of elementwise ops, with operands
 * that stretch along any axes, values that others read in between, their gradients and variables
 * that they update; on every backend, in f32 and f64, by one to four threads, over several
 * steps. */
#include "support/fixture.h"

#include "backend/backends.h"
#include "base/random.h"
#include "fathom/ops.h"
#include "fathom/program.h"

enum { GRAPHS = 60, MOST_VALUES = 48, STEPS = 2, MOST_OUTPUTS = 8, MOST_BACKENDS = 8, THREADS = 4 };

typedef struct sample {
    fm_graph *graph;
    fm_random random;
    fm_val values[MOST_VALUES];
    int count, outputs;
} sample;

static int below(sample *s, int limit)
{
    return (int)fm_random_below(&s->random, (uint64_t)limit);
}

/* Most read what is new, so that chains are long. */
static fm_val any(sample *s)
{
    const int back = below(s, 2) ? below(s, 3) : below(s, s->count);
    return s->values[back < s->count ? s->count - 1 - back : 0];
}

static fm_val (*const unary[])(fm_graph *, fm_val) = {
    fm_neg,   fm_abs,      fm_sign,      fm_step,       fm_square,    fm_exp,   fm_sin,
    fm_erf,   fm_floor,    fm_tanh,      fm_sigmoid,    fm_relu,      fm_selu,  fm_gelu,
    fm_silu,  fm_mish,     fm_softplus,  fm_cos,        fm_sqrt,      fm_expm1, fm_log1p,
    fm_rsqrt, fm_softsign, fm_gelu_tanh, fm_hard_swish, fm_reciprocal};
static fm_val (*const binary[])(fm_graph *, fm_val, fm_val) = {
    fm_add,   fm_sub, fm_mul, fm_div,       fm_maximum,        fm_minimum,   fm_greater,  fm_less,
    fm_equal, fm_add, fm_mul, fm_relu_grad, fm_gelu_tanh_grad, fm_silu_grad, fm_gelu_grad};

#define ONE_OF(table) table[below(s, (int)(sizeof table / sizeof *(table)))]

static fm_val make(sample *s)
{
    fm_graph *g = s->graph;
    switch (below(s, 16)) {
    case 0:
        return fm_drop(g, any(s), 0.3);
    case 1:
        return fm_where(g, any(s), any(s), any(s));
    case 2:
        return fm_leaky_relu(g, any(s), 0.1);
    case 3:
        return fm_elu(g, any(s), 0.7);
    case 4:
        return fm_broadcast_to(g, any(s), fm_val_shape(g, s->values[0]));
    case 5:
        return fm_add_scalar(g, any(s), 0.25);
    case 6:
    case 7:
    case 8:
    case 9:
        return ONE_OF(unary)(g, any(s));
    default:
        return ONE_OF(binary)(g, any(s), any(s));
    }
}

static void give(sample *s, fm_val value)
{
    char name[16];
    snprintf(name, sizeof name, "y%d", s->outputs++);
    fm_output(s->graph, name, value);
}

static const fm_shape shapes[] = {
    {1, {1}},        {1, {17}},         {2, {3, 5}},        {2, {70, 64}},   {2, {130, 257}},
    {3, {9, 1, 31}}, {3, {5, 40, 33}},  {4, {2, 6, 7, 16}}, {2, {40, 1030}}, {2, {2100, 3}},
    {2, {1, 2049}},  {4, {3, 4, 5, 6}}, {2, {512, 48}},
};

/* The shape with some of its axes stretched, perhaps without the first ones. */
static fm_shape part_of(sample *s, fm_shape shape)
{
    const int left_out = below(s, shape.rank + 1);
    fm_shape part = {.rank = shape.rank - left_out};
    for (int i = 0; i < part.rank; i++) {
        part.dims[i] = below(s, 3) ? shape.dims[i + left_out] : 1;
    }
    return part;
}

/* A graph that is a function of the seed alone. */
static void build(sample *s, uint64_t seed, fm_dtype dtype)
{
    s->random = fm_random_at(seed, 0, 11);
    fm_shape shape = ONE_OF(shapes);
    fm_val variable = fm_variable(s->graph, "v", dtype, shape, NULL);
    s->values[s->count++] = variable;
    for (int i = 0; i < 5; i++) {
        char name[16];
        snprintf(name, sizeof name, "x%d", i);
        s->values[s->count++] = fm_input(s->graph, name, dtype, i < 2 ? shape : part_of(s, shape));
    }
    const int wanted = s->count + 3 + below(s, MOST_VALUES - s->count - 3);
    while (s->count < wanted) {
        const fm_val made = make(s);
        s->values[s->count++] = made;
    }
    const fm_val last = s->values[s->count - 1];
    give(s, last);
    for (int i = below(s, 3); i > 0; i--) give(s, any(s));
    if (below(s, 2)) {
        const fm_val loss = fm_sum(s->graph, fm_tanh(s->graph, last), (fm_ints){0}, false);
        fm_val grads[2];
        fm_grad(s->graph, loss, (fm_val[]){variable, s->values[1]}, 2, grads);
        for (int i = 0; i < 2; i++) give(s, grads[i]);
    }
    const fm_val step = fm_mul_scalar(s->graph, fm_tanh(s->graph, s->values[s->count / 2]), 0.1);
    const fm_val next = fm_add(s->graph, fm_mul_scalar(s->graph, variable, 0.9),
                               fm_broadcast_to(s->graph, step, shape));
    fm_update(s->graph, variable, next);
}

typedef struct outcome {
    fm_context *context;
    fm_store *store;
    fm_program *program;
} outcome;

static outcome start(fixture *f, const fm_graph *graph, const char *backend, int threads,
                     bool chains)
{
    outcome o = {.context = fixture_context(f, threads)};
    fm_store *store;
    const fm_program_options options = {.backends = (const char *[]){backend, "portable", NULL},
                                        .no_fusion = !chains};
    assert_ok(o.context, fm_store_create(o.context, 3, &store));
    o.store = store;
    assert_ok(o.context, fm_program_create(store, graph, &options, &o.program));
    return o;
}

static void finish(outcome *o)
{
    fm_program_destroy(o->program);
    fm_store_destroy(o->store);
    fm_context_destroy(o->context);
}

static void feed(fm_graph *graph, outcome *o, uint64_t seed, int step)
{
    for (int i = 0; i < 5; i++) {
        char name[16];
        snprintf(name, sizeof name, "x%d", i);
        const fm_val input = fm_graph_input(graph, name);
        void *to = fm_program_input(o->program, name);
        fm_random random = fm_random_at(seed, (uint32_t)step, (uint32_t)i);
        for (int64_t k = 0; to && k < fm_shape_elements(fm_val_shape(graph, input)); k++) {
            const double number = fm_random_range(&random, -2, 2);
            if (fm_val_dtype(graph, input) == FM_F64)
                ((double *)to)[k] = number;
            else
                ((float *)to)[k] = (float)number;
        }
    }
    assert_ok(o->context, fm_program_run(o->program));
}

/* Of two NaN the bits may differ: which operand's they are is the compiler's choice. */
static bool same_bits(const void *a, const void *b, fm_dtype dtype, int64_t i)
{
    if (dtype == FM_F64) {
        const double *x = a, *y = b;
        return memcmp(&x[i], &y[i], sizeof *x) == 0 || (isnan(x[i]) && isnan(y[i]));
    }
    const float *x = a, *y = b;
    return memcmp(&x[i], &y[i], sizeof *x) == 0 || (isnan(x[i]) && isnan(y[i]));
}

static void compare(const fm_graph *graph, const outcome *one, const outcome *other, int outputs,
                    const char *what)
{
    for (int i = 0; i < outputs; i++) {
        char name[16];
        snprintf(name, sizeof name, "y%d", i);
        const fm_val value = fm_graph_output(graph, name);
        const void *a = fm_program_output(one->program, name);
        const void *b = fm_program_output(other->program, name);
        for (int64_t k = 0; k < fm_shape_elements(fm_val_shape(graph, value)); k++) {
            if (!same_bits(a, b, fm_val_dtype(graph, value), k)) {
                fail_msg("%s: output %s differs at %lld", what, name, (long long)k);
            }
        }
    }
}

static int count_words(const char *text, const char *words)
{
    int count = 0;
    while ((text = strstr(text, words))) {
        text += strlen(words);
        count++;
    }
    return count;
}

/* All of them by the backend's kernel, or by none. */
static int count_chains(const outcome *o, const char *backend, fm_dtype dtype)
{
    char *text, kernel[64];
    assert_ok(o->context, fm_program_print(o->program, false, &text));
    snprintf(kernel, sizeof kernel, "%s.chain ", backend);
    const int chains = count_words(text, "= chain("), fast = count_words(text, kernel);
    const bool portable = dtype == FM_F64 || strcmp(backend, "portable") == 0;
    assert_int_equal(fast, portable ? 0 : chains);
    fm_text_free(o->context, text);
    return chains;
}

static int check(fixture *f, uint64_t seed, fm_dtype dtype, const char *backend)
{
    sample s = {0};
    assert_ok(f->context,
              fm_graph_create(f->context, &(fm_graph_options){.mode = FM_TRAIN, .dtype = dtype},
                              &s.graph));
    build(&s, seed, dtype);
    assert_ok(f->context, fm_graph_status(s.graph));
    outcome apart = start(f, s.graph, backend, 1, false), together[2];
    const int threads[] = {1, 2 + (int)(seed % (THREADS - 1))};
    for (int i = 0; i < 2; i++) together[i] = start(f, s.graph, backend, threads[i], true);
    char what[128];
    const int chains = count_chains(&together[0], backend, dtype);
    for (int step = 0; step < STEPS; step++) {
        feed(s.graph, &apart, seed, step);
        for (int i = 0; i < 2; i++) {
            feed(s.graph, &together[i], seed, step);
            snprintf(what, sizeof what, "graph %d, %s, %s, %d threads, step %d", (int)seed, backend,
                     fm_dtype_name(dtype), threads[i], step);
            compare(s.graph, &apart, &together[i], s.outputs, what);
        }
    }
    finish(&apart);
    for (int i = 0; i < 2; i++) finish(&together[i]);
    fm_graph_destroy(s.graph);
    return chains;
}

static void chains_have_the_bits_of_their_steps(void **state)
{
    const char *backends[MOST_BACKENDS] = {"portable"};
    int count = 1, chains = 0;
#if FATHOM_HAVE_FAST
    for (int i = 0; fm_cpu_backend_at(i); i++) backends[count++] = fm_cpu_backend_at(i)->name;
#endif
    const int graphs = fixture_rounds(GRAPHS);
    for (int seed = 0; seed < graphs; seed++) {
        for (int k = 0; k < count; k++) {
            chains += check(*state, (uint64_t)seed, FM_F32, backends[k]);
        }
        chains += check(*state, (uint64_t)seed, FM_F64, backends[count - 1]);
    }
    print_message("%d graphs, %d chains\n", graphs, chains);
    assert_true(chains > 4 * graphs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {fixture_test(chains_have_the_bits_of_their_steps)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
