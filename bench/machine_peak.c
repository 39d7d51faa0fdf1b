/* What the machine can do, for figures to be held against: multiply-adds in registers, fp32 and
 * bf16 with fp32 sums, and copying between arrays that fit the second-level cache, the last-level
 * cache, or neither.
 *
 *     machine_peak [THREADS...]        default: 1 2
 *
 * Prints one JSON line. Each figure is the best of several runs with all threads starting together:
 * the ceiling, not the average. bf16 is 0 where the processor has no instruction for it. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <immintrin.h>
#include <sys/syscall.h>
#endif

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

/* Each sum takes two products of bf16. */
__attribute__((target("avx512f,avx512bf16"))) static float chains_bf16(long turns)
{
    __m512 sum[CHAINS];
    const __m512bh factor = (__m512bh)_mm512_set1_epi32(0x3f7f3f7f); /* just below 1 */
    for (int chain = 0; chain < CHAINS; chain++) sum[chain] = _mm512_set1_ps((float)chain);
    for (long turn = 0; turn < turns; turn++) {
        _Pragma("GCC unroll 12") for (int chain = 0; chain < CHAINS; chain++)
        {
            sum[chain] = _mm512_dpbf16_ps(sum[chain], factor, factor);
        }
    }
    float total = 0;
    for (int chain = 0; chain < CHAINS; chain++) total += _mm512_cvtss_f32(sum[chain]);
    return total;
}

enum { TILE_ROWS = 16, TILE_BYTES = 64, TILE_CHAINS = 4 };

/* Four tiles of 16 by 16 sums, each of 16 by 32 times 32 by 16 products of bf16, all zeros: the
 * time does not depend on the numbers. */
__attribute__((target("amx-tile,amx-bf16"))) static float tiles_bf16(long turns)
{
    struct {
        uint8_t palette, start_row, reserved[14];
        uint16_t row_bytes[16];
        uint8_t rows[16];
    } form = {.palette = 1};
    float sums[TILE_ROWS * TILE_BYTES / sizeof(float)];
    for (int i = 0; i < 8; i++) {
        form.row_bytes[i] = TILE_BYTES;
        form.rows[i] = TILE_ROWS;
    }
    _tile_loadconfig(&form);
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    _tile_zero(4);
    _tile_zero(5);
    _tile_zero(6);
    _tile_zero(7);
    for (long turn = 0; turn < turns; turn++) {
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
    }
    _tile_stored(0, sums, TILE_BYTES);
    _tile_release();
    return sums[0];
}

/* Linux hands out the tiles' registers on request. */
static int has_tiles(void)
{
    enum { REQUEST = 0x1023, TILE_DATA = 18 };
    return __builtin_cpu_supports("amx-bf16") && syscall(SYS_arch_prctl, REQUEST, TILE_DATA) == 0;
}
#endif
DEFINE_CHAINS(chains_4, 4, )

/* A loop of multiply-adds. */
typedef struct arithmetic {
    const char *name;
    double flops; /* of a turn */
    float (*turns)(long turns);
} arithmetic;

static arithmetic best_fp32(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f"))
        return (arithmetic){"avx512", 2.0 * CHAINS * 16, chains_16};
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return (arithmetic){"avx2", 2.0 * CHAINS * 8, chains_8};
#endif
    return (arithmetic){"128 bit", 2.0 * CHAINS * 4, chains_4};
}

/* Without a name where there is none. */
static arithmetic best_bf16(void)
{
#if defined(__x86_64__)
    if (has_tiles()) {
        return (arithmetic){"amx", 2.0 * TILE_CHAINS * TILE_ROWS * 16 * 32, tiles_bf16};
    }
    if (__builtin_cpu_supports("avx512bf16"))
        return (arithmetic){"avx512_bf16", 2.0 * CHAINS * 32, chains_bf16};
#endif
    return (arithmetic){0};
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
    const arithmetic *loop; /* multiply-adds, or */
    size_t copy_bytes;      /* a copy of so many */
    long turns;
    double seconds[RUNS];
    float result; /* keeps the work from being dropped */
} worker;

static void run_once(worker *w, char *from, char *to)
{
    if (w->loop) {
        w->result += w->loop->turns(w->turns);
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
static double best_seconds(int threads, const arithmetic *loop, size_t copy_bytes, long turns)
{
    static worker workers[MAX_THREADS];
    pthread_barrier_t barrier;
    pthread_barrier_init(&barrier, NULL, (unsigned)threads);
    for (int i = 0; i < threads; i++) {
        workers[i] =
            (worker){.barrier = &barrier, .loop = loop, .copy_bytes = copy_bytes, .turns = turns};
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

/* 0 for a loop that there is not. */
static double multiply_adds(int threads, arithmetic loop)
{
    if (!loop.name) return 0;
    const long turns = (long)(4e9 / loop.flops) + 1;
    return loop.flops * (double)turns * threads / best_seconds(threads, &loop, 0, turns) * 1e-9;
}

/* Bytes read and written, of two arrays of each thread that hold `bytes` together. */
static double copied(int threads, size_t bytes)
{
    const size_t each = bytes / 2;
    const long turns = (long)(((size_t)1 << 30) / (bytes * (size_t)threads)) + 1;
    double seconds = best_seconds(threads, NULL, each, turns);
    return 2.0 * (double)each * (double)turns * threads / seconds * 1e-9;
}

/* Of a processor core's second-level cache, and the last one that cores share. */
typedef struct caches {
    size_t second, last;
} caches;

/* As Linux tells it; the C library's figure is many times too large on some processors. */
static size_t cache_size(int level, size_t usual)
{
    char path[96];
    size_t kibibytes = 0;
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%d/size", level);
    FILE *file = fopen(path, "r");
    if (!file) return usual;
    const int found = fscanf(file, "%zuK", &kibibytes);
    fclose(file);
    return found == 1 && kibibytes > 0 ? kibibytes << 10 : usual;
}

static caches find_caches(void)
{
    return (caches){cache_size(2, (size_t)1 << 20), cache_size(3, (size_t)16 << 20)};
}

static void print_peaks(int threads, caches cache)
{
    const size_t last = cache.last / 2 / (size_t)threads,
                 neither = 8 * cache.last / (size_t)threads;
    printf("{\"threads\": %d, \"fma_gflops\": %.1f, \"bf16_gflops\": %.1f, \"copy_l2_gbs\": %.1f, "
           "\"copy_l3_gbs\": %.1f, \"copy_memory_gbs\": %.1f}",
           threads, multiply_adds(threads, best_fp32()), multiply_adds(threads, best_bf16()),
           copied(threads, cache.second / 2), copied(threads, last), copied(threads, neither));
}

int main(int count, char **arguments)
{
    int defaults[] = {1, 2}, tried = count > 1 ? count - 1 : 2;
    const caches cache = find_caches();
    const char *bf16 = best_bf16().name;
    printf("{\"isa\": \"%s\", \"bf16_isa\": \"%s\", \"l2_bytes\": %zu, \"l3_bytes\": %zu, "
           "\"peaks\": [",
           best_fp32().name, bf16 ? bf16 : "", cache.second, cache.last);
    for (int i = 0; i < tried; i++) {
        int threads = count > 1 ? atoi(arguments[i + 1]) : defaults[i];
        if (threads < 1 || threads > MAX_THREADS) {
            fprintf(stderr, "machine_peak: threads must lie between 1 and %d\n", MAX_THREADS);
            return 2;
        }
        printf("%s", i ? ", " : "");
        print_peaks(threads, cache);
    }
    printf("]}\n");
    return 0;
}
