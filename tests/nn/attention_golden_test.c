/* Attention and blocks of transformers against PyTorch: values and all gradients with the same
 * weights, in f64 by the portable kernels and in f32 by the fast ones. */
#include "support/fixture.h"
#include "fathom/attention_ops.h"
#include "fathom/nn_attention.h"
#include "fathom/ops.h"
#include "fathom/program.h"
#include "golden/attention_golden.h"

enum { MOST_VARIABLES = 40, FIRST_SALT = 10, GRADIENT_SALT = 9 };

typedef struct problem {
    fixture *f;
    const char *name;
    fm_dtype dtype;
    fm_graph *graph;
    fm_store *store;
    fm_program *program;
} problem;

static problem open_problem(fixture *f, const char *name, fm_dtype dtype)
{
    problem p = {.f = f, .name = name, .dtype = dtype};
    fm_graph_options options = {.mode = FM_TRAIN, .dtype = dtype};
    assert_ok(f->context, fm_graph_create(f->context, &options, &p.graph));
    assert_ok(f->context, fm_store_create(f->context, 1, &p.store));
    return p;
}

static void compile(problem *p)
{
    static const char *const portable[] = {"portable", NULL};
    fm_program_options options = {.backends = p->dtype == FM_F64 ? portable : NULL};
    assert_ok(p->f->context, fm_graph_status(p->graph));
    assert_ok(p->f->context, fm_program_create(p->store, p->graph, &options, &p->program));
}

static void close_problem(problem *p)
{
    fm_program_destroy(p->program);
    fm_store_destroy(p->store);
    fm_graph_destroy(p->graph);
}

static void put(const problem *p, void *to, int64_t i, double value)
{
    if (p->dtype == FM_F64)
        ((double *)to)[i] = value;
    else
        ((float *)to)[i] = (float)value;
}

/* values NULL: the elements of the salt. */
static void feed(problem *p, const char *name, fm_shape shape, const double *values, int salt)
{
    void *input = fm_program_input(p->program, name);
    if (!input) fail_msg("%s: there is no input %s", p->name, name);
    for (int64_t i = 0; i < fm_shape_elements(shape); i++) {
        put(p, input, i, values ? values[i] : golden_element(i, salt));
    }
}

static void compare(problem *p, const char *output, const double *golden, int64_t count)
{
    const void *received = fm_program_output(p->program, output);
    const double tolerance = p->dtype == FM_F64 ? 1e-12 : 1e-5;
    if (!received) fail_msg("%s: there is no output %s", p->name, output);
    for (int64_t i = 0; i < count; i++) {
        const double value = p->dtype == FM_F64 ? ((const double *)received)[i]
                                                : (double)((const float *)received)[i];
        if (fabs(value - golden[i]) <= tolerance * fmax(1, fabs(golden[i]))) continue;
        fail_msg("%s: %s[%d] is %.17g, PyTorch has %.17g", p->name, output, (int)i, value,
                 golden[i]);
    }
}

/* The layer's variables get the elements of the salts 10, 11, ... */
static int put_variables(problem *p, fm_val *variables)
{
    double elements[1024];
    int count = 0;
    for (int i = 0; fm_graph_variable(p->graph, i).id; i++) {
        fm_val v = fm_graph_variable(p->graph, i);
        fm_shape shape = fm_val_shape(p->graph, v);
        for (int64_t k = 0; k < fm_shape_elements(shape); k++) {
            put(p, elements, k, golden_element(k, FIRST_SALT + count));
        }
        assert_ok(p->f->context, fm_store_put(p->store, fm_val_name(p->graph, v), p->dtype, shape,
                                              true, elements));
        variables[count++] = v;
    }
    return count;
}

static fm_val build(fm_graph *g, const struct golden_attention *c, const fm_val *inputs)
{
    if (c->kind == 0) {
        return fm_multi_head_attention(g, inputs, c->seen ? 4 : c->inputs, .num_heads = c->heads,
                                       .num_key_value_heads = c->key_heads, .key_dim = c->key_dim,
                                       .value_dim = c->value_dim, .causal = c->causal != 0,
                                       .rotary = c->rotary != 0);
    }
    const fm_transformer_options options = {.intermediate_dim = c->intermediate,
                                            .num_heads = c->heads,
                                            .activation = c->gelu ? FM_BLOCK_GELU : FM_BLOCK_RELU,
                                            .normalize_first = c->normalize_first != 0,
                                            .causal = c->causal != 0};
    return c->kind == 1 ? fm_transformer_encoder_with(g, inputs[0], &options)
                        : fm_transformer_decoder_with(g, inputs, c->inputs, &options);
}

static void check_gradients(problem *p, const struct golden_attention *c, const char *const *names,
                            const fm_val *inputs, const fm_val *variables, int variable_count)
{
    const double *golden = c->dinputs;
    for (int i = 0; i < c->inputs; i++) {
        char name[16];
        const int64_t count = fm_shape_elements(fm_val_shape(p->graph, inputs[i]));
        snprintf(name, sizeof name, "d%s", names[i]);
        compare(p, name, golden, count);
        golden += count;
    }
    golden = c->dvariables;
    for (int i = 0; i < variable_count; i++) {
        char name[16];
        const int64_t count = fm_shape_elements(fm_val_shape(p->graph, variables[i]));
        snprintf(name, sizeof name, "dv%d", i);
        compare(p, name, golden, count);
        golden += count;
    }
    assert_int_equal(golden - c->dvariables, c->variables);
}

static void check_case(fixture *f, const struct golden_attention *c, fm_dtype dtype)
{
    static const char *const names[] = {"a", "b", "c"};
    problem p = open_problem(f, c->name, dtype);
    fm_graph *g = p.graph;
    fm_val inputs[4], variables[MOST_VARIABLES], wrt[MOST_VARIABLES + 3], grads[MOST_VARIABLES + 3];
    for (int i = 0; i < c->inputs; i++) inputs[i] = fm_input(g, names[i], dtype, c->shapes[i]);
    const fm_shape value = c->shapes[c->inputs > 1 ? 1 : 0];
    const fm_shape real = FM_SHAPE(value.dims[0], value.dims[1]);
    const fm_shape seen = FM_SHAPE(value.dims[0], c->shapes[0].dims[1], value.dims[1]);
    if (c->real) fm_mask_set(g, inputs[c->inputs > 1 ? 1 : 0], fm_input(g, "real", dtype, real));
    if (c->seen) inputs[3] = fm_input(g, "seen", dtype, seen);
    fm_val y = build(g, c, inputs);
    assert_ok(f->context, fm_graph_status(g));
    assert_true(fm_shape_equal(fm_val_shape(g, y), c->result));
    const int count = put_variables(&p, variables);
    memcpy(wrt, inputs, sizeof *wrt * (size_t)c->inputs);
    memcpy(wrt + c->inputs, variables, sizeof *wrt * (size_t)count);
    fm_val dy = fm_input(g, "dy", dtype, c->result);
    fm_grad(g, fm_sum(g, fm_mul(g, y, dy), (fm_ints){0}, false), wrt, c->inputs + count, grads);
    fm_output(g, "y", y);
    for (int i = 0; i < c->inputs + count; i++) {
        char name[16];
        snprintf(name, sizeof name, i < c->inputs ? "d%c" : "dv%d",
                 i < c->inputs ? 'a' + i : i - c->inputs);
        fm_output(g, name, grads[i]);
    }
    compile(&p);
    for (int i = 0; i < c->inputs; i++) feed(&p, names[i], c->shapes[i], NULL, 1 + i);
    if (c->real) feed(&p, "real", real, c->real, 0);
    if (c->seen) feed(&p, "seen", seen, c->seen, 0);
    feed(&p, "dy", c->result, NULL, GRADIENT_SALT);
    assert_ok(f->context, fm_program_run(p.program));
    compare(&p, "y", c->y, fm_shape_elements(c->result));
    check_gradients(&p, c, names, inputs, variables, count);
    close_problem(&p);
}

static void layers_agree_with_pytorch(void **state)
{
    for (int i = 0; i < GOLDEN_ATTENTIONS_COUNT; i++) {
        check_case(*state, &golden_attentions[i], FM_F64);
        check_case(*state, &golden_attentions[i], FM_F32);
    }
}

static void rotary_positions_turn_pairs(void **state)
{
    for (int i = 0; i < GOLDEN_ROTARIES_COUNT; i++) {
        const struct golden_rotary *c = &golden_rotaries[i];
        const int64_t count = fm_shape_elements(c->shape);
        problem p = open_problem(*state, "rotary", FM_F64);
        fm_graph *g = p.graph;
        fm_val x = fm_input(g, "x", FM_F64, c->shape), dx;
        fm_val dy = fm_input(g, "dy", FM_F64, c->shape);
        fm_val first = c->first != 0 ? fm_scalar(g, c->first) : (fm_val){0};
        fm_val y = fm_rotary(g, x, c->heads, c->base, first);
        fm_grad(g, fm_sum(g, fm_mul(g, y, dy), (fm_ints){0}, false), &x, 1, &dx);
        fm_output(g, "y", y);
        fm_output(g, "dx", dx);
        compile(&p);
        feed(&p, "x", c->shape, NULL, 1);
        feed(&p, "dy", c->shape, NULL, GRADIENT_SALT);
        assert_ok(p.f->context, fm_program_run(p.program));
        compare(&p, "y", c->y, count);
        compare(&p, "dx", c->dx, count);
        close_problem(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(layers_agree_with_pytorch),
        fixture_test(rotary_positions_turn_pairs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
