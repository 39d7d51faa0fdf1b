/* How far the first two processors are from each other: nanoseconds that a line of memory takes
 * there and back again. One JSON line.
 *
 *     round_trip
 *
 * Processors that share a last-level cache take some 50. A virtual machine's may move: while its
 * host has them on two dies, the same line takes six times as long, and threads that hand each
 * other what they have computed are slower by half. */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

enum { TRIPS = 20000, FIRST_TRIPS = 2000 };

typedef struct player {
    _Alignas(128) _Atomic long ball; /* even: the first one's turn */
    cpu_set_t own;
} player;

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static void wait_for(player *p, long turn)
{
    while (atomic_load_explicit(&p->ball, memory_order_acquire) != turn) {
    }
}

static void *send_back(void *argument)
{
    player *p = argument;
    pthread_setaffinity_np(pthread_self(), sizeof p->own, &p->own);
    for (long i = 0; i < TRIPS; i++) {
        wait_for(p, 2 * i + 1);
        atomic_store_explicit(&p->ball, 2 * i + 2, memory_order_release);
    }
    return NULL;
}

static double seconds_of_trips(player *p)
{
    double start = now();
    for (long i = 0; i < TRIPS; i++) {
        if (i == FIRST_TRIPS) start = now();
        atomic_store_explicit(&p->ball, 2 * i + 1, memory_order_release);
        wait_for(p, 2 * i + 2);
    }
    return now() - start;
}

/* The processors that this process may use, one in each set; how many of the two there are. */
static int first_two(cpu_set_t sets[2])
{
    cpu_set_t all;
    int found = 0;
    if (sched_getaffinity(0, sizeof all, &all) != 0) return 0;
    for (int cpu = 0; cpu < CPU_SETSIZE && found < 2; cpu++) {
        if (!CPU_ISSET(cpu, &all)) continue;
        CPU_ZERO(&sets[found]);
        CPU_SET(cpu, &sets[found++]);
    }
    return found;
}

int main(void)
{
    static player other;
    cpu_set_t sets[2];
    pthread_t thread;
    if (first_two(sets) < 2) {
        fprintf(stderr, "round_trip: there are no two processors\n");
        return 2;
    }
    other.own = sets[1];
    if (pthread_create(&thread, NULL, send_back, &other) != 0) return 2;
    pthread_setaffinity_np(pthread_self(), sizeof sets[0], &sets[0]);
    printf("{\"round_trip_ns\": %.1f}\n", seconds_of_trips(&other) / (TRIPS - FIRST_TRIPS) * 1e9);
    pthread_join(thread, NULL);
    return 0;
}
