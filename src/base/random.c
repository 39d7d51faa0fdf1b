#include "base/random.h"

#include <math.h>

fm_random fm_random_at(uint64_t seed, uint32_t step, uint32_t stream)
{
    return (fm_random){.key = {.seed = seed, .step = step, .stream = stream}};
}

uint32_t fm_random_word(fm_random *random)
{
    if (random->left == 0) {
        fm_philox(random->key, random->index++, random->words);
        random->left = 4;
    }
    return random->words[4 - random->left--];
}

double fm_random_uniform(fm_random *random)
{
    uint32_t high = fm_random_word(random), low = fm_random_word(random);
    return fm_uniform_f64(high, low);
}

double fm_random_range(fm_random *random, double a, double b)
{
    return a + (b - a) * fm_random_uniform(random);
}

double fm_random_normal(fm_random *random)
{
    double u = 1.0 - fm_random_uniform(random); /* (0, 1]: its logarithm is finite */
    double v = fm_random_uniform(random);
    return sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v);
}

uint64_t fm_random_below(fm_random *random, uint64_t limit)
{
    uint64_t reject = -limit % limit; /* 2^64 mod limit */
    for (;;) {
        uint64_t high = fm_random_word(random);
        uint64_t bits = high << 32 | fm_random_word(random);
        if (bits >= reject) return bits % limit;
    }
}

void fm_random_shuffle(fm_random *random, uint32_t *items, size_t count)
{
    for (size_t i = count; i > 1; i--) {
        size_t j = (size_t)fm_random_below(random, i);
        uint32_t kept = items[i - 1];
        items[i - 1] = items[j];
        items[j] = kept;
    }
}

uint32_t fm_stream_of(const char *name)
{
    uint32_t hash = 2166136261u;
    for (; *name; name++) hash = (hash ^ (unsigned char)*name) * 16777619u;
    return hash;
}
