/* What the machine can do, for figures to be held against: fp32 multiply-adds in registers, and
 * copying between arrays that fit the second-level cache, the last-level cache, or neither.
 *
 *     machine_peak [THREADS...]        default: 1 2
 *
 * Prints one JSON line. Each figure is the best of several runs with all threads starting together:
 * the ceiling, not the average. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_THREADS = 256, RUNS = 7, CHAINS = 12 };

/* CHAINS independent multiply-adds hide the latency; the loop stays in registers. The file is
 * compiled with contraction on, so that a * b + c is one instruction. */
#define DEFINE_CHAINS(name, width, target)                                                         \
    target static float name(long turns)                                                           \
    {                                                                                              \
        typedef float vector __attribute__((vector_size(4 * (width))));                            \
        vector sum[CHAINS], factor, term;                                                          \
        for (int i = 0; i < (width); i++) {                                                        \
            factor[i] = 0.999f;                                                                    \
            term[i] = 0.001f;                                                                      \
            for (int chain = 0; chain < CHAINS; chain++) sum[chain][i] = (float)chain;             \
        }                                                                                          \
        for (long turn = 0; turn < turns; turn++) {                                                \
            _Pragma("GCC unroll 12") for (int chain = 0; chain < CHAINS; chain++)                  \
            {                                                                                      \
                sum[chain] = sum[chain] * factor + term;                                           \
            }                                                                                      \
        }                                                                                          \
        float total = 0;                                                                           \
        for (int chain = 0; chain < CHAINS; chain++) total += sum[chain][0];                       \
        return total;                                                                              \
    }

#if defined(__x86_64__)
DEFINE_CHAINS(chains_16, 16, __attribute__((target("avx512f,prefer-vector-width=512"))))
DEFINE_CHAINS(chains_8, 8, __attribute__((target("avx2,fma"))))
#endif
DEFINE_CHAINS(chains_4, 4, )

static const struct isa {
    const char *name;
    int width;
    float (*chains)(long turns);
} isas[] = {
#if defined(__x86_64__)
    {"avx512", 16, chains_16},
    {"avx2", 8, chains_8},
#endif
    {"128 bit", 4, chains_4},
};

static const struct isa *best_isa(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f")) return &isas[0];
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return &isas[1];
    return &isas[2];
#else
    return &isas[0];
#endif
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

typedef struct worker {
    pthread_t thread;
    pthread_barrier_t *barrier;
    const struct isa *isa; /* multiply-adds, or */
    size_t copy_bytes;     /* a copy of so many */
    long turns;
    double seconds[RUNS];
    float result; /* keeps the work from being dropped */
} worker;

static void run_once(worker *w, char *from, char *to)
{
    if (w->isa) {
        w->result += w->isa->chains(w->turns);
        return;
    }
    for (long turn = 0; turn < w->turns; turn++) {
        memcpy(to, from, w->copy_bytes);
        __asm__ volatile("" ::"r"(to), "r"(from) : "memory");
    }
}

static void *work(void *argument)
{
    worker *w = argument;
    char *from = NULL, *to = NULL;
    if (w->copy_bytes) {
        from = aligned_alloc(4096, w->copy_bytes);
        to = aligned_alloc(4096, w->copy_bytes);
        if (!from || !to) exit(2);
        memset(from, 1, w->copy_bytes);
        memset(to, 2, w->copy_bytes);
    }
    for (int run = 0; run < RUNS; run++) {
        pthread_barrier_wait(w->barrier);
        double start = now();
        run_once(w, from, to);
        pthread_barrier_wait(w->barrier);
        w->seconds[run] = now() - start;
    }
    free(from);
    free(to);
    return NULL;
}

/* Seconds of the best run; each thread does the same work. */
static double best_seconds(int threads, const struct isa *isa, size_t copy_bytes, long turns)
{
    static worker workers[MAX_THREADS];
    pthread_barrier_t barrier;
    pthread_barrier_init(&barrier, NULL, (unsigned)threads);
    for (int i = 0; i < threads; i++) {
        workers[i] =
            (worker){.barrier = &barrier, .isa = isa, .copy_bytes = copy_bytes, .turns = turns};
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0) exit(2);
    }
    for (int i = 0; i < threads; i++) pthread_join(workers[i].thread, NULL);
    pthread_barrier_destroy(&barrier);
    double best = workers[0].seconds[0];
    for (int run = 1; run < RUNS; run++) {
        if (workers[0].seconds[run] < best) best = workers[0].seconds[run];
    }
    return best;
}

static double multiply_adds(int threads)
{
    const struct isa *isa = best_isa();
    long turns = 10 * 1000 * 1000;
    double seconds = best_seconds(threads, isa, 0, turns);
    return 2.0 * CHAINS * isa->width * (double)turns * threads / seconds * 1e-9;
}

/* Bytes read and written, of arrays that hold `bytes` together. */
static double copied(int threads, size_t bytes)
{
    size_t each = bytes / 2 / (size_t)threads;
    long turns = (long)((size_t)1 << 30) / (long)bytes + 1;
    double seconds = best_seconds(threads, NULL, each, turns);
    return 2.0 * (double)each * (double)turns * threads / seconds * 1e-9;
}

int main(int count, char **arguments)
{
    int defaults[] = {1, 2}, tried = count > 1 ? count - 1 : 2;
    printf("{\"isa\": \"%s\", \"peaks\": [", best_isa()->name);
    for (int i = 0; i < tried; i++) {
        int threads = count > 1 ? atoi(arguments[i + 1]) : defaults[i];
        if (threads < 1 || threads > MAX_THREADS) {
            fprintf(stderr, "machine_peak: threads must lie between 1 and %d\n", MAX_THREADS);
            return 2;
        }
        printf("%s{\"threads\": %d, \"fma_gflops\": %.1f, \"copy_1mib_gbs\": %.1f, "
               "\"copy_16mib_gbs\": %.1f, \"copy_256mib_gbs\": %.1f}",
               i ? ", " : "", threads, multiply_adds(threads), copied(threads, (size_t)1 << 20),
               copied(threads, (size_t)1 << 24), copied(threads, (size_t)1 << 28));
    }
    printf("]}\n");
    return 0;
}
