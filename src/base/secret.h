/* A sequence of words that stay secret with their key. */
#ifndef FM_BASE_SECRET_H
#define FM_BASE_SECRET_H

#include "base/chacha.h"
#include "fathom/base.h"

typedef struct fm_secret {
    uint32_t key[FM_CHACHA_KEY];
} fm_secret;

/* From the system's generator; FM_ERROR_IO when it gives nothing. */
fm_status fm_secret_draw(fm_context *context, fm_secret *secret);
/* Of a number that somebody may know: for runs that must be repeatable. */
fm_secret fm_secret_of_seed(uint64_t seed);

/* For each index in turn: true with probability `rate`, exact to 2^-53.
 * One nonce is one sequence. */
typedef struct fm_secret_coins {
    const fm_secret *secret;
    uint32_t nonce[FM_CHACHA_NONCE];
    uint32_t counter;
    int left; /* of the words, not used yet */
    uint32_t words[FM_CHACHA_BLOCK];
    uint64_t below; /* heads: 53 bits below this */
} fm_secret_coins;

fm_secret_coins fm_secret_coins_begin(const fm_secret *secret, uint64_t number, double rate);
bool fm_secret_coin(fm_secret_coins *coins);

#endif
