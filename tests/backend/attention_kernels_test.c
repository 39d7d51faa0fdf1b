/* The kernels of attention against the portable ones: lengths around the sizes of tiles, panels and
 * blocks, odd heads, masks, positions, dropout; by one, two and three threads, whose bits are the
 * same. With operands rounded to bf16 as well: weights that differ in a last bit may be rounded to
 * neighbours, 2^-8 apart; few are, so the mean difference stays small. Unrounded operands would be
 * off by a thousandth in the mean. */
#include "support/kernel_check.h"
#include "op/attention_attributes.h"
#include "op/op_table.h"

#if FATHOM_HAVE_FAST

static const double near = 2e-6; /* of the largest result */
static const double rounded_near = 1e-3, rounded_mean = 4e-6;

enum { NONE = -1000 };

/* mask: how many dimensions; position: what it says, or NONE. */
typedef struct sizes {
    int batch, queries, keys, heads, key_heads, key_dim, value_dim;
    bool causal;
    int mask;
    double position, rate;
} sizes;

static int add_others(const sizes *s, char *text, size_t room)
{
    int at = 0;
    if (s->mask == 2) at += snprintf(text, room, " f(%d,%d)", s->batch, s->keys);
    if (s->mask == 3) at += snprintf(text, room, " f(%d,%d,%d)", s->batch, s->queries, s->keys);
    if (s->position != NONE) at += snprintf(text + at, room - (size_t)at, " f()");
    return at;
}

static void check_text(fixture *f, const fm_op *op, const fm_attention_attributes *a,
                       const char *text, double position)
{
    op_case parsed = op_case_parse(text);
    op_job job = op_job_make(f, op, a, &parsed);
    for (int i = 0; i < parsed.count; i++) {
        if (parsed.inputs[i].shape.rank == 0) job.values[i][0] = position;
    }
    check_kernels(f, &job, near);
    job.precision = FM_PRECISION_BF16;
    check_kernels_in_mean(f, &job, rounded_near, rounded_mean);
    op_job_release(f, &job);
}

static void check_separate(fixture *f, const sizes *s, const fm_attention_attributes *a)
{
    char text[512];
    int at = snprintf(text, sizeof text, "f(%d,%d,%d,%d) f(%d,%d,%d,%d) f(%d,%d,%d,%d)", s->batch,
                      s->queries, s->heads, s->key_dim, s->batch, s->keys, s->key_heads, s->key_dim,
                      s->batch, s->keys, s->key_heads, s->value_dim);
    at += add_others(s, text + at, sizeof text - (size_t)at);
    check_text(f, &fm_op_attention, a, text, s->position);
    snprintf(text + at, sizeof text - (size_t)at, " f(%d,%d,%d,%d) p(%d,%d,%d) f(%d,%d,%d,%d)",
             s->batch, s->queries, s->heads, s->value_dim, s->batch, s->heads, s->queries, s->batch,
             s->queries, s->heads, s->value_dim);
    check_text(f, &fm_op_attention_grad, a, text, s->position);
}

static void check_packed(fixture *f, const sizes *s, const fm_attention_attributes *a)
{
    char text[512];
    int at = snprintf(text, sizeof text, "f(%d,%d,%d,%d)", s->batch, s->queries,
                      s->heads + 2 * s->key_heads, s->key_dim);
    at += add_others(s, text + at, sizeof text - (size_t)at);
    check_text(f, &fm_op_packed_attention, a, text, s->position);
    snprintf(text + at, sizeof text - (size_t)at, " f(%d,%d,%d,%d) p(%d,%d,%d) f(%d,%d,%d,%d)",
             s->batch, s->queries, s->heads, s->key_dim, s->batch, s->heads, s->queries, s->batch,
             s->queries, s->heads, s->key_dim);
    check_text(f, &fm_op_packed_attention_grad, a, text, s->position);
}

static void check(fixture *f, const sizes *s)
{
    fm_attention_attributes a = {.causal = s->causal,
                                 .mask = s->mask != 0,
                                 .position = s->position != NONE,
                                 .rate = s->rate,
                                 .stream = 3};
    check_separate(f, s, &a);
    if (s->queries != s->keys || s->key_dim != s->value_dim) return;
    a.heads = s->heads;
    check_packed(f, s, &a);
}

static void lengths(void **state)
{
    static const int lengths[] = {1, 2, 4, 7, 12, 13, 31, 33, 48, 49, 127, 128, 129};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        for (int causal = 0; causal < 2; causal++) {
            check(*state, &(sizes){1, lengths[i], lengths[i], 2, 2, 16, 16, causal, 0, NONE, 0});
        }
        check(*state, &(sizes){1, 5, lengths[i], 1, 1, 8, 8, false, 0, NONE, 0});
        check(*state, &(sizes){1, lengths[i], 9, 1, 1, 8, 8, true, 0, NONE, 0});
    }
}

static void long_sequences(void **state)
{
    const int most = fixture_is_watched() ? 300 : 1000; /* seven blocks of queries, three of keys */
    check(*state, &(sizes){1, most, most, 1, 1, 16, 16, true, 0, NONE, 0});
    check(*state, &(sizes){1, 300, most, 2, 1, 8, 5, false, 2, NONE, 0});
}

static void heads_and_dims(void **state)
{
    static const int dims[][2] = {{1, 1}, {3, 5}, {16, 7}, {31, 33}, {32, 32}, {40, 64}, {65, 20}};
    for (size_t i = 0; i < sizeof dims / sizeof *dims; i++) {
        check(*state, &(sizes){2, 14, 14, 3, 3, dims[i][0], dims[i][1], true, 0, NONE, 0});
    }
    check(*state, &(sizes){3, 20, 20, 4, 2, 8, 8, true, 0, NONE, 0});
    check(*state, &(sizes){2, 60, 60, 6, 1, 16, 16, true, 0, NONE, 0});
    check(*state, &(sizes){5, 33, 33, 4, 4, 16, 16, true, 0, NONE, 0});
}

static void masks_positions_and_dropout(void **state)
{
    for (int mask = 2; mask <= 3; mask++) {
        check(*state, &(sizes){2, 17, 17, 2, 1, 8, 8, false, mask, NONE, 0});
        check(*state, &(sizes){2, 50, 50, 2, 2, 16, 16, true, mask, NONE, 0.25});
        check(*state, &(sizes){2, 1, 37, 2, 2, 16, 16, false, mask, NONE, 0});
    }
    for (int position = 0; position < 140; position += 46) {
        check(*state, &(sizes){2, 1, 130, 2, 1, 16, 16, true, 0, position, 0});
        check(*state, &(sizes){1, 5, 130, 2, 2, 16, 16, true, 2, position, 0});
    }
    /* tiles, then a block that sees no key */
    check(*state, &(sizes){1, 70, 70, 2, 1, 8, 8, true, 0, -14, 0});
    check(*state, &(sizes){1, 70, 70, 2, 2, 16, 16, true, 2, -60, 0});
    check(*state, &(sizes){2, 131, 131, 2, 2, 8, 8, true, 0, NONE, 0.1});
    check(*state, &(sizes){2, 3, 7, 1, 1, 8, 8, false, 0, NONE, 0.5});
}

int main(void)
{
    const struct CMUnitTest tests[] = {fixture_test(lengths), fixture_test(heads_and_dims),
                                       fixture_test(masks_positions_and_dropout),
                                       fixture_test(long_sequences)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void)
{
    return 0;
}

#endif
