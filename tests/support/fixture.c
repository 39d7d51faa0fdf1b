#define _GNU_SOURCE
#include "support/fixture.h"

#include <ftw.h>
#include <unistd.h>

static void *count_allocate(void *user, size_t size)
{
    fixture *f = user;
    long number = atomic_fetch_add(&f->made, 1) + 1;
    if (number == atomic_load(&f->fail_at)) return NULL;
    void *pointer = malloc(size);
    if (pointer) atomic_fetch_add(&f->live, 1);
    return pointer;
}

static void count_release(void *user, void *pointer)
{
    fixture *f = user;
    atomic_fetch_sub(&f->live, 1);
    free(pointer);
}

static void keep_log(void *user, fm_log_level level, const char *message)
{
    fixture *f = user;
    (void)level;
    snprintf(f->last_log, sizeof f->last_log, "%s", message);
}

fm_context *fixture_context(fixture *f, int threads)
{
    fm_context_options options = {.allocate = count_allocate,
                                  .release = count_release,
                                  .allocator_user = f,
                                  .log = keep_log,
                                  .log_user = f,
                                  .threads = threads};
    fm_context *context;
    if (fm_context_create(&options, &context) != FM_OK) fail_msg("no context could be made");
    return context;
}

int fixture_open(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    if (!f) return -1;
    f->context = fixture_context(f, 2);
    *state = f;
    return 0;
}

static int remove_entry(const char *path, const struct stat *about, int type, struct FTW *place)
{
    (void)about;
    (void)type;
    (void)place;
    return remove(path);
}

int fixture_close(void **state)
{
    fixture *f = *state;
    if (f->folder[0]) nftw(f->folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    fm_context_destroy(f->context);
    long left = atomic_load(&f->live);
    free(f);
    if (left != 0) print_error("%ld allocations were not released\n", left);
    return left == 0 ? 0 : -1;
}

const char *fixture_path(fixture *f, const char *name)
{
    static _Thread_local char paths[8][512];
    static _Thread_local unsigned next;
    if (!f->folder[0]) {
        const char *parent = getenv("TMPDIR");
        int length = snprintf(f->folder, sizeof f->folder, "%s/fathom-test-XXXXXX",
                              parent && strlen(parent) < 40 ? parent : "/tmp");
        if (length < 0 || !mkdtemp(f->folder)) fail_msg("no folder could be made in %s", f->folder);
    }
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", f->folder, name);
    return path;
}

const char *fixture_file(fixture *f, const char *name, const void *bytes, size_t size)
{
    const char *path = fixture_path(f, name);
    FILE *stream = fopen(path, "wb");
    if (!stream) fail_msg("%s cannot be created", path);
    size_t written = size ? fwrite(bytes, 1, size, stream) : 0;
    if (fclose(stream) != 0 || written != size) fail_msg("%s cannot be written", path);
    return path;
}

int fail_each_allocation(fixture *f, fm_status (*body)(fm_context *context, void *argument),
                         void *argument)
{
    long live_before = atomic_load(&f->live);
    for (int n = 1;; n++) {
        fm_error_clear(f->context);
        long made_before = atomic_load(&f->made);
        atomic_store(&f->fail_at, made_before + n);
        fm_status status = body(f->context, argument);
        bool reached = atomic_load(&f->made) >= made_before + n;
        atomic_store(&f->fail_at, 0);
        long leaked = atomic_load(&f->live) - live_before;
        if (leaked != 0) fail_msg("allocation %d failed and %ld were not released", n, leaked);
        if (!reached) {
            if (status != FM_OK) fail_msg("failed by itself: %s", fm_error_message(f->context));
            return n - 1;
        }
        if (status != FM_ERROR_MEMORY || fm_error_status(f->context) != FM_ERROR_MEMORY) {
            fail_msg("allocation %d failed, but the call reported '%s': %s", n,
                     fm_status_name(status), fm_error_message(f->context));
        }
        if (!fm_error_message(f->context)[0]) fail_msg("allocation %d failed without words", n);
    }
}

bool fixture_is_watched(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return true;
#else
    return getenv("FATHOM_TEST_LESS") != NULL;
#endif
}

int fixture_rounds(int full)
{
    return !fixture_is_watched() ? full : full < 8 ? 1 : full / 8;
}

int fixture_least_threads(void)
{
    return fixture_is_watched() ? 3 : 2;
}

void check_ok(const fm_context *context, fm_status received, const char *call, const char *file,
              int line)
{
    if (received == FM_OK) return;
    print_error("%s: %s\n", fm_status_name(received), fm_error_message(context));
    print_error("%s\n", call);
    _fail(file, line);
}

void check_fails(const fm_context *context, fm_status expected, const char *words,
                 fm_status received, const char *call, const char *file, int line)
{
    const char *message = fm_error_message(context);
    if (received == expected && fm_error_status(context) == expected && strstr(message, words)) {
        return;
    }
    print_error("%s\n  expected %s: ...%s...\n  received %s: %s\n", call, fm_status_name(expected),
                words, fm_status_name(received), message);
    _fail(file, line);
}

void check_near(double actual, double expected, double tolerance, const char *what,
                const char *file, int line)
{
    double scale = fmax(1.0, fabs(expected));
    if (actual == expected || (isnan(actual) && isnan(expected)) ||
        fabs(actual - expected) <= tolerance * scale) {
        return;
    }
    print_error("%s: received %.17g, expected %.17g within %g\n", what, actual, expected,
                tolerance * scale);
    _fail(file, line);
}
