#include "support/fixture.h"
#include "base/random.h"

/* Random123's published known answers, file kat_vectors, philox4x32 with 10 rounds: counter, key,
 * result (Salmon, Moraes, Dror, Shaw, SC 2011). */
static const struct {
    uint32_t counter[4], key[2], words[4];
} known_answers[] = {
    {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
    {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
     {0xffffffff, 0xffffffff},
     {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
    {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
     {0xa4093822, 0x299f31d0},
     {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
};

static void philox_gives_the_published_answers(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof known_answers / sizeof *known_answers; i++) {
        const uint32_t *counter = known_answers[i].counter, *key = known_answers[i].key;
        uint32_t words[4];
        fm_philox((fm_random_key){.seed = (uint64_t)key[1] << 32 | key[0],
                                  .step = counter[3],
                                  .stream = counter[2]},
                  (uint64_t)counter[1] << 32 | counter[0], words);
        assert_memory_equal(words, known_answers[i].words, sizeof words);
    }
}

static void uniform_numbers_stay_below_one(void **state)
{
    (void)state;
    assert_true(fm_uniform_f32(0) == 0.0f);
    assert_true(fm_uniform_f32(UINT32_MAX) == 1.0f - 0x1p-24f);
    assert_true(fm_uniform_f64(0, 0) == 0.0);
    assert_true(fm_uniform_f64(UINT32_MAX, UINT32_MAX) == 1.0 - 0x1p-53);
}

static void words_are_those_of_consecutive_counters(void **state)
{
    (void)state;
    fm_random random = fm_random_at(12, 34, 56);
    for (uint64_t index = 0; index < 20; index++) {
        uint32_t words[4];
        fm_philox((fm_random_key){12, 34, 56}, index, words);
        for (int i = 0; i < 4; i++) assert_int_equal(fm_random_word(&random), words[i]);
    }
}

static void another_key_gives_other_words(void **state)
{
    (void)state;
    fm_random at[] = {fm_random_at(1, 2, 3), fm_random_at(2, 2, 3), fm_random_at(1, 3, 3),
                      fm_random_at(1, 2, 4), fm_random_at(1 + (1ull << 32), 2, 3)};
    uint32_t first[5];
    for (int i = 0; i < 5; i++) {
        first[i] = fm_random_word(&at[i]);
        for (int j = 0; j < i; j++) assert_int_not_equal(first[i], first[j]);
    }
}

/* Bounds of five standard errors: sqrt(1/12/n) for the mean of the uniform, 1/sqrt(n) and
 * sqrt(2/n) for the mean and the variance of the normal distribution. The draws are fixed. */
static void moments_are_right(void **state)
{
    (void)state;
    enum { COUNT = 100000 };
    fm_random random = fm_random_at(1, 0, 0);
    double uniform = 0, normal = 0, square = 0, cube = 0;
    for (int i = 0; i < COUNT; i++) {
        double u = fm_random_range(&random, -2, 6), z = fm_random_normal(&random);
        assert_true(u >= -2 && u < 6);
        uniform += u;
        normal += z;
        square += z * z;
        cube += z * z * z;
    }
    assert_near(uniform / COUNT, 2, 5 * 8 * sqrt(1.0 / 12 / COUNT) / 2);
    assert_near(normal / COUNT, 0, 5 / sqrt(COUNT));
    assert_near(square / COUNT, 1, 5 * sqrt(2.0 / COUNT));
    assert_near(cube / COUNT, 0, 5 * sqrt(15.0 / COUNT));
}

static void numbers_below_a_limit_are_unbiased(void **state)
{
    (void)state;
    enum { COUNT = 70000, LIMIT = 7 };
    fm_random random = fm_random_at(3, 0, 0);
    double expected = (double)COUNT / LIMIT, chi_square = 0;
    int seen[LIMIT] = {0};
    for (int i = 0; i < COUNT; i++) {
        uint64_t drawn = fm_random_below(&random, LIMIT);
        assert_true(drawn < LIMIT);
        seen[drawn]++;
    }
    for (int i = 0; i < LIMIT; i++) {
        chi_square += (seen[i] - expected) * (seen[i] - expected) / expected;
    }
    assert_true(chi_square < 22.46); /* six degrees of freedom, one in a thousand */
    assert_int_equal(fm_random_below(&random, 1), 0);
    for (int i = 0; i < 100; i++) { /* half of the draws are rejected */
        assert_true(fm_random_below(&random, (1ull << 63) + 1) <= 1ull << 63);
    }
}

static void shuffle_permutes_evenly(void **state)
{
    (void)state;
    fm_random random = fm_random_at(5, 0, 0);
    int at_first[5] = {0};
    for (int round = 0; round < 10000; round++) {
        uint32_t items[5] = {0, 1, 2, 3, 4}, seen = 0;
        fm_random_shuffle(&random, items, 5);
        for (int i = 0; i < 5; i++) seen |= 1u << items[i];
        assert_int_equal(seen, 31);
        at_first[items[0]]++;
    }
    for (int i = 0; i < 5; i++) assert_in_range(at_first[i], 1800, 2200);
    fm_random_shuffle(&random, NULL, 0);
}

/* Fowler, Noll, Vo: the published 32-bit FNV-1a hashes. */
static void streams_are_fnv_1a(void **state)
{
    (void)state;
    assert_int_equal(fm_stream_of(""), 0x811c9dc5);
    assert_int_equal(fm_stream_of("a"), 0xe40c292c);
    assert_int_equal(fm_stream_of("foobar"), 0xbf9cf968);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(philox_gives_the_published_answers),
        fixture_test(uniform_numbers_stay_below_one),
        fixture_test(words_are_those_of_consecutive_counters),
        fixture_test(another_key_gives_other_words),
        fixture_test(moments_are_right),
        fixture_test(numbers_below_a_limit_are_unbiased),
        fixture_test(shuffle_permutes_evenly),
        fixture_test(streams_are_fnv_1a),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
