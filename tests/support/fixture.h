/* What every test starts with: cmocka with its includes in the right order, and a context whose
 * allocator counts. A test that leaks fails in its teardown.
 *
 *     #include "support/fixture.h"
 *     #include "base/map.h"
 *
 *     static void map_keeps_order(void **state)
 *     {
 *         fixture *f = *state;
 *         fm_map map = {.context = f->context};
 *         assert_ok(f->context, fm_map_set(&map, "a", 1));
 *         ...
 *     }
 *
 *     int main(void)
 *     {
 *         const struct CMUnitTest tests[] = {fixture_test(map_keeps_order)};
 *         return cmocka_run_group_tests(tests, NULL, NULL);
 *     }
 */
#ifndef TESTS_SUPPORT_FIXTURE_H
#define TESTS_SUPPORT_FIXTURE_H

#include "fathom/base.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

typedef struct fixture {
    fm_context *context;
    atomic_long made;    /* allocations so far: unchanged means that nothing was allocated */
    atomic_long live;    /* allocations not released yet */
    atomic_long fail_at; /* the allocation with this number returns NULL; 0: none does */
    char folder[64];     /* of this test alone, removed at its end; made by the first path */
    char last_log[256];  /* the last line that was logged */
} fixture;

int fixture_open(void **state);
int fixture_close(void **state);
#define fixture_test(function)                                                                     \
    cmocka_unit_test_setup_teardown(function, fixture_open, fixture_close)

/* A second context on the counting allocator; the caller destroys it before the test ends. */
fm_context *fixture_context(fixture *f, int threads);

/* "FOLDER/name" in the test's folder; the words live as long as the test. */
const char *fixture_path(fixture *f, const char *name);
/* The same with a file of these bytes there. */
const char *fixture_file(fixture *f, const char *name, const void *bytes, size_t size);

/* Calls body(context, argument) with the first allocation failing, then the second, ... until it
 * succeeds with none of them failing. Every failure must be reported as FM_ERROR_MEMORY with words
 * and leave nothing allocated; so must the success: body releases what it makes. Returns how many
 * allocations body makes. */
int fail_each_allocation(fixture *f, fm_status (*body)(fm_context *context, void *argument),
                         void *argument);

/* Whether a sanitizer or valgrind watches, under which every step takes many times as long. */
bool fixture_is_watched(void);

/* How often to repeat a costly check: `full` in the plain build, an eighth of it (at least one)
 * where the test is watched. */
int fixture_rounds(int full);

/* Results must be the same for 1 thread and for this many, up to 3. Watched, the plain build's
 * check of the bits is not repeated for 2. */
int fixture_least_threads(void);

/* Evaluates to nothing; on failure the message shows the words that the context keeps. */
#define assert_ok(context, call) check_ok(context, call, #call, __FILE__, __LINE__)

/* The call must return `status`, keep it in the context, and its words must hold `words`. */
#define assert_fails(context, status, words, call)                                                 \
    check_fails(context, status, words, call, #call, __FILE__, __LINE__)

/* |actual - expected| <= tolerance * max(1, |expected|); NaN is near nothing but NaN. */
#define assert_near(actual, expected, tolerance)                                                   \
    check_near(actual, expected, tolerance, #actual, __FILE__, __LINE__)

void check_ok(const fm_context *context, fm_status received, const char *call, const char *file,
              int line);
void check_fails(const fm_context *context, fm_status expected, const char *words,
                 fm_status received, const char *call, const char *file, int line);
void check_near(double actual, double expected, double tolerance, const char *what,
                const char *file, int line);

#endif
