/* Drawing tokens: against sorting everything, at every place of [0, 1). */
#include "support/fixture.h"
#include "train/sampling.h"
#include "base/random.h"

enum { MOST = 40 };

/* By the definition: sort, cut, normalise, walk. */
static int32_t by_definition(const double *logits, int32_t first, int32_t end, fm_sampling how,
                             double uniform)
{
    int32_t order[MOST];
    double weights[MOST], sum = 0;
    int32_t count = end - first;
    for (int32_t i = 0; i < count; i++) order[i] = first + i;
    bool cut = (how.top_k > 0 && how.top_k < count) || (how.top_p > 0 && how.top_p < 1);
    for (int32_t i = 1; cut && i < count; i++) { /* stable: ties stay in order */
        for (int32_t k = i; k > 0 && logits[order[k]] > logits[order[k - 1]]; k--) {
            int32_t swapped = order[k];
            order[k] = order[k - 1];
            order[k - 1] = swapped;
        }
    }
    if (how.top_k > 0 && how.top_k < count) count = (int32_t)how.top_k;
    for (int32_t i = 0; i < count; i++) {
        weights[i] = exp(logits[order[i]] / how.temperature);
        sum += weights[i];
    }
    if (how.top_p > 0 && how.top_p < 1) {
        double kept = 0;
        int32_t i = 0;
        while (i < count && (i == 0 || kept < how.top_p * sum)) kept += weights[i++];
        count = i;
        sum = kept;
    }
    double left = uniform * sum;
    /* without a cut, tokens stand in their order, the last one first in the sampler's walk */
    for (int32_t i = 0; i < count; i++) {
        int32_t at = cut ? i : count - 1 - i;
        left -= weights[at];
        if (left < 0) return order[at];
    }
    return order[cut ? count - 1 : 0];
}

static void draws_are_those_of_the_definition(void **state)
{
    fixture *f = *state;
    static const fm_sampling cases[] = {{1, 0, 0},   {0.5, 0, 0},   {2, 5, 0},   {1, 1, 0},
                                        {1, 0, 0.9}, {0.7, 0, 0.3}, {1, 7, 0.8}, {1, 0, 1e-9},
                                        {1, 100, 1}, {3, 2, 0.999}};
    fm_random random = fm_random_at(1, 0, 0);
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        double logits[MOST];
        for (int i = 0; i < MOST; i++) logits[i] = 2 * fm_random_normal(&random);
        logits[7] = logits[11] = logits[30]; /* ties */
        fm_sampler sampler;
        assert_ok(f->context, fm_sampler_open(f->context, 2, MOST, &sampler));
        int different = 0;
        for (int i = 0; i < 500; i++) {
            double uniform = (i + 0.5) / 500;
            assert_int_equal(fm_sampler_load(&sampler, logits, FM_F64, false), FM_OK);
            int32_t token = fm_sample(&sampler, &cases[c], uniform);
            assert_true(token >= 2 && token < MOST);
            different += token != by_definition(logits, 2, MOST, cases[c], uniform);
        }
        assert_true(different <= 2); /* where rounding decides at a border */
        fm_sampler_close(&sampler);
    }
}

static void cold_takes_the_most_probable(void **state)
{
    fixture *f = *state;
    const float row[6] = {9, 9, 0.5f, 3, -1, 3};
    fm_sampler sampler;
    assert_ok(f->context, fm_sampler_open(f->context, 2, 6, &sampler));
    for (int i = 0; i < 10; i++) {
        assert_int_equal(fm_sampler_load(&sampler, row, FM_F32, false), FM_OK);
        assert_int_equal(fm_sample(&sampler, &(fm_sampling){.top_k = 2}, i / 10.0), 3);
    }
    fm_sampler_close(&sampler);
}

static void probabilities_are_drawn_as_they_are(void **state)
{
    fixture *f = *state;
    const double row[4] = {0.5, 0.25, 0, 0.25};
    int counts[4] = {0};
    fm_sampler sampler;
    assert_ok(f->context, fm_sampler_open(f->context, 0, 4, &sampler));
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(fm_sampler_load(&sampler, row, FM_F64, true), FM_OK);
        counts[fm_sample(&sampler, &(fm_sampling){.temperature = 1}, (i + 0.5) / 1000)]++;
    }
    assert_int_equal(counts[0], 500);
    assert_int_equal(counts[1], 250);
    assert_int_equal(counts[2], 0);
    fm_sampler_close(&sampler);
}

static void what_is_no_number_is_told(void **state)
{
    fixture *f = *state;
    const float nan_row[2] = {1, NAN}, infinite[2] = {INFINITY, 0},
                none[2] = {-INFINITY, -INFINITY};
    fm_sampler sampler;
    assert_ok(f->context, fm_sampler_open(f->context, 0, 2, &sampler));
    assert_int_equal(fm_sampler_load(&sampler, nan_row, FM_F32, false), FM_ERROR_NONFINITE);
    assert_int_equal(fm_sampler_load(&sampler, infinite, FM_F32, false), FM_OK);
    assert_int_equal(fm_sample(&sampler, &(fm_sampling){.temperature = 1}, 0.99), 0);
    assert_int_equal(fm_sampler_load(&sampler, none, FM_F32, false), FM_OK);
    int32_t token = fm_sample(&sampler, &(fm_sampling){.temperature = 1}, 0.1);
    assert_true(token == 0 || token == 1);
    fm_sampler_close(&sampler);
    assert_fails(f->context, FM_ERROR_ARGUMENT, "the vocabulary is empty",
                 fm_sampler_open(f->context, 2, 2, &sampler));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(draws_are_those_of_the_definition),
        fixture_test(cold_takes_the_most_probable),
        fixture_test(probabilities_are_drawn_as_they_are),
        fixture_test(what_is_no_number_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
