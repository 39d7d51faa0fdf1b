/* The cipher behind private noise, and coins made of it. */
#include "support/fixture.h"
#include "base/secret.h"

/* RFC 8439, section 2.3.2. */
static void a_block_is_that_of_the_rfc(void **state)
{
    static const uint32_t expected[FM_CHACHA_BLOCK] = {
        0xe4e7f110, 0x15593bd1, 0x1fdd0f50, 0xc47120a3, 0xc7f4d1c7, 0x0368c033,
        0x9aaa2204, 0x4e6cd4c3, 0x466482d2, 0x09aa9f07, 0x05d7c214, 0xa2028bd9,
        0xd19c12b5, 0xb94e16de, 0xe883d0cb, 0x4e3c50a2};
    uint32_t key[FM_CHACHA_KEY], words[FM_CHACHA_BLOCK];
    (void)state;
    for (uint32_t i = 0; i < FM_CHACHA_KEY; i++) key[i] = 0x03020100 + i * 0x04040404;
    fm_chacha_block(key, 1, (const uint32_t[]){0x09000000, 0x4a000000, 0}, words);
    assert_memory_equal(words, expected, sizeof expected);
}

static void the_system_gives_different_keys(void **state)
{
    fixture *f = *state;
    fm_secret first, second;
    assert_ok(f->context, fm_secret_draw(f->context, &first));
    assert_ok(f->context, fm_secret_draw(f->context, &second));
    assert_memory_not_equal(&first, &second, sizeof first);
}

/* Heads of 200000 coins within five deviations, none of rate 0, all of rate 1. */
static void coins_fall_as_often_as_they_should(void **state)
{
    enum { COINS = 200000 };
    static const double rates[] = {0, 0.01, 0.25, 0.9, 1};
    const fm_secret secret = fm_secret_of_seed(5);
    (void)state;
    for (int i = 0; i < 5; i++) {
        fm_secret_coins coins = fm_secret_coins_begin(&secret, 3, rates[i]);
        int heads = 0;
        for (int k = 0; k < COINS; k++) heads += fm_secret_coin(&coins);
        double deviation = sqrt(COINS * rates[i] * (1 - rates[i]));
        if (fabs(heads - COINS * rates[i]) <= 5 * deviation) continue;
        fail_msg("rate %g: %d of %d", rates[i], heads, COINS);
    }
}

static int same_coins(const fm_secret *a, uint64_t number, const fm_secret *b, uint64_t other)
{
    fm_secret_coins first = fm_secret_coins_begin(a, number, 0.5);
    fm_secret_coins second = fm_secret_coins_begin(b, other, 0.5);
    int same = 0;
    for (int i = 0; i < 1000; i++) same += fm_secret_coin(&first) == fm_secret_coin(&second);
    return same;
}

static void keys_and_numbers_make_other_coins(void **state)
{
    const fm_secret five = fm_secret_of_seed(5), six = fm_secret_of_seed(6);
    (void)state;
    assert_int_equal(same_coins(&five, 1, &five, 1), 1000);
    assert_in_range(same_coins(&five, 1, &six, 1), 420, 580);
    assert_in_range(same_coins(&five, 1, &five, 2), 420, 580);
    assert_in_range(same_coins(&five, 1, &five, 1ull << 40), 420, 580);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(a_block_is_that_of_the_rfc),
        fixture_test(the_system_gives_different_keys),
        fixture_test(coins_fall_as_often_as_they_should),
        fixture_test(keys_and_numbers_make_other_coins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
