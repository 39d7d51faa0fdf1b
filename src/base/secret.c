#define _GNU_SOURCE
#include "base/secret.h"
#include "base/context.h"

#include <unistd.h>

fm_status fm_secret_draw(fm_context *context, fm_secret *secret)
{
    if (getentropy(secret->key, sizeof secret->key) == 0) return FM_OK;
    return fm_fail(context, FM_ERROR_IO, "the system gave no random numbers for a secret key");
}

fm_secret fm_secret_of_seed(uint64_t seed)
{
    return (fm_secret){{(uint32_t)seed, (uint32_t)(seed >> 32)}};
}

/* The nonces of noise (kernel/secret_normal.h) begin with the number of a node. */
enum { COINS = UINT32_MAX };

fm_secret_coins fm_secret_coins_begin(const fm_secret *secret, uint64_t number, double rate)
{
    return (fm_secret_coins){.secret = secret,
                             .nonce = {COINS, (uint32_t)number, (uint32_t)(number >> 32)},
                             .below = (uint64_t)(rate * 0x1p53)};
}

bool fm_secret_coin(fm_secret_coins *coins)
{
    if (coins->left == 0) {
        fm_chacha_block(coins->secret->key, coins->counter++, coins->nonce, coins->words);
        coins->left = FM_CHACHA_BLOCK;
    }
    uint64_t high = coins->words[--coins->left], low = coins->words[--coins->left];
    return (high << 32 | low) >> 11 < coins->below;
}
