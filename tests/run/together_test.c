/* Small updates of one rule run as one step, and have the bits of programs with one update each:
 * every rule, random sets of tensors, one to three threads. */
#include "support/fixture.h"

#include "base/memory.h"
#include "base/random.h"
#include "fathom/optimizer.h"
#include "fathom/program.h"
#include "ir/ir.h"
#include "op/op_table.h"
#include "op/optimizer_ops.h"

enum { MOST_TENSORS = 80, LARGE = 40000 };

typedef struct set {
    const fm_op *rule;
    fm_update_attributes attributes;
    int count;
    int64_t sizes[MOST_TENSORS];
} set;

static const fm_op *const rules[] = {
#define ROW(name) &fm_op_##name,
    FM_UPDATE_RULES(ROW)
#undef ROW
};

static fm_status fill_positive(fm_context *context, const fm_initializer *self, fm_dtype dtype,
                               fm_shape shape, uint64_t seed, uint32_t stream, void *elements)
{
    (void)context, (void)self, (void)dtype;
    fm_random random = fm_random_at(seed, 0, stream);
    for (int64_t i = 0; i < fm_shape_elements(shape); i++) {
        ((float *)elements)[i] = (float)fm_random_range(&random, 0.01, 0.5);
    }
    return FM_OK;
}

static const char *name_of(char kind, int i)
{
    static char names[4][16];
    static int next;
    char *name = names[next++ % 4];
    snprintf(name, sizeof names[0], "%c%d", kind, i);
    return name;
}

static void add_update(fm_graph *g, const set *s, int i, fm_val rate, fm_val iteration,
                       fm_val product)
{
    const fm_variable_options options = {.initializer = {.name = "test", .fill = fill_positive}};
    const fm_shape shape = FM_SHAPE(s->sizes[i]);
    const int slots = s->rule->outputs - 1;
    fm_val inputs[FM_MAX_INPUTS], outputs[FM_MAX_OUTPUTS];
    inputs[FM_UPDATE_PARAMETER] = fm_variable(g, name_of('p', i), FM_F32, shape, &options);
    inputs[FM_UPDATE_GRADIENT] = fm_input(g, name_of('g', i), FM_F32, shape);
    inputs[FM_UPDATE_RATE] = rate;
    inputs[FM_UPDATE_ITERATION] = iteration;
    for (int k = 0; k < slots; k++) {
        inputs[FM_UPDATE_SLOTS + k] =
            fm_variable(g, name_of((char)('a' + k), i), FM_F32, shape, &options);
    }
    int count = FM_UPDATE_SLOTS + slots;
    if (product.id) inputs[count++] = product;
    g->role = FM_UPDATE;
    fm_node_add(g, s->rule, inputs, count, &s->attributes, outputs);
    g->role = FM_FORWARD;
    for (int k = 0; k <= slots; k++) {
        fm_update(g, inputs[k ? FM_UPDATE_SLOTS + k - 1 : 0], outputs[k]);
    }
}

/* Two steps of tensors [begin, end) of the set, on the store; the plan in words if wanted. */
static void train(fm_context *context, fm_store *store, const set *s, int begin, int end,
                  char **plan)
{
    fm_graph *g;
    fm_program *program;
    fm_val product = {0};
    assert_ok(context, fm_graph_create(context, &(fm_graph_options){.mode = FM_TRAIN}, &g));
    fm_val rate = fm_input(g, "rate", FM_F32, FM_SHAPE());
    fm_val iteration = fm_input(g, "iteration", FM_F64, FM_SHAPE());
    if (s->rule == &fm_op_nadam) product = fm_input(g, "product", FM_F64, FM_SHAPE());
    for (int i = begin; i < end; i++) add_update(g, s, i, rate, iteration, product);
    assert_ok(context, fm_graph_status(g));
    assert_ok(context, fm_program_create(store, g, NULL, &program));
    *(float *)fm_program_input(program, "rate") = 0.01f;
    if (product.id) *(double *)fm_program_input(program, "product") = 0.4;
    for (int i = begin; i < end; i++) {
        fm_random random = fm_random_at(9, 0, (uint32_t)i);
        float *gradient = fm_program_input(program, name_of('g', i));
        for (int64_t k = 0; k < s->sizes[i]; k++) {
            gradient[k] = (float)fm_random_range(&random, -1, 1);
        }
    }
    for (int t = 0; t < 3; t++) {
        *(double *)fm_program_input(program, "iteration") = t;
        assert_ok(context, fm_program_run(program));
    }
    if (plan) assert_ok(context, fm_program_print(program, false, plan));
    fm_program_destroy(program);
    fm_graph_destroy(g);
}

static void compare_stores(fixture *f, fm_store *a, fm_store *b)
{
    assert_int_equal(fm_store_count(a), fm_store_count(b));
    for (int i = 0; i < fm_store_count(a); i++) {
        const fm_variable_info info = fm_store_info(a, i);
        const size_t bytes = (size_t)fm_shape_bytes(info.shape, info.dtype);
        char *both = fm_allocate_array(f->context, bytes + 1, 2);
        assert_ok(f->context, fm_store_read(a, i, both));
        assert_ok(f->context, fm_store_read(b, fm_store_find(b, info.path), both + bytes));
        if (memcmp(both, both + bytes, bytes) != 0) fail_msg("%s differs", info.path);
        fm_release(f->context, both);
    }
}

static set draw(fm_random *random, int round)
{
    set s = {.rule = rules[(size_t)round % (sizeof rules / sizeof *rules)],
             .attributes = {.momentum = 0.9,
                            .rho = 0.9,
                            .beta_1 = 0.9,
                            .beta_2 = 0.99,
                            .epsilon = 1e-3,
                            .momentum_decay = 0.004,
                            .weight_decay = round % 3 == 0 ? 0.1 : 0,
                            .l2 = round % 4 ? 0 : 0.1}};
    s.count = 2 + (int)fm_random_range(random, 0, MOST_TENSORS - 2);
    for (int i = 0; i < s.count; i++) {
        const double size = fm_random_range(random, 0, 1);
        s.sizes[i] = 1 + (int64_t)(size * size * size * 3000);
    }
    return s;
}

static void bits_of_one_by_one(void **state)
{
    fixture *f = *state;
    fm_random random = fm_random_at(4, 0, 0);
    for (int round = fixture_rounds(24); round-- > 0;) {
        const set s = draw(&random, round);
        fm_store *single;
        assert_ok(f->context, fm_store_create(f->context, 5, &single));
        for (int i = 0; i < s.count; i++) train(f->context, single, &s, i, i + 1, NULL);
        for (int threads = 1; threads <= 3; threads++) {
            fm_context *context = fixture_context(f, threads);
            fm_store *store;
            assert_ok(context, fm_store_create(context, 5, &store));
            train(context, store, &s, 0, s.count, NULL);
            compare_stores(f, single, store);
            fm_store_destroy(store);
            fm_context_destroy(context);
        }
        fm_store_destroy(single);
    }
}

#if FATHOM_HAVE_FAST
/* One step for 64 at most; a large one, which does not wait, is the first of them here. */
static void the_plan_tells_of_it(void **state)
{
    fixture *f = *state;
    set s = {.rule = &fm_op_adam, .attributes = {.epsilon = 1e-3}, .count = 70};
    for (int i = 0; i < s.count; i++) s.sizes[i] = i == 10 ? LARGE : 100 + i;
    fm_store *store;
    char *text;
    assert_ok(f->context, fm_store_create(f->context, 5, &store));
    train(f->context, store, &s, 0, s.count, &text);
    if (!strstr(text, "as one with the 63 behind it") ||
        !strstr(text, "as one with the 5 behind it")) {
        fail_msg("%s", text);
    }
    fm_text_free(f->context, text);
    fm_store_destroy(store);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(bits_of_one_by_one),
#if FATHOM_HAVE_FAST
        fixture_test(the_plan_tells_of_it),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
