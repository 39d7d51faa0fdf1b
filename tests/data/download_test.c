#include "data/file_bytes.h"
#include "data/file/curl_library.h"
#include "data/file/download.h"
#include "data/file/md5.h"
#include "support/loopback.h"

#include <sys/stat.h>

enum { SIZE = 50000 };

/* What the server holds: a pattern, and the same with one byte changed. */
typedef struct scene {
    fixture *f;
    loopback server;
    unsigned char bytes[SIZE], other[SIZE];
    char md5[33];
    loopback_file files[3];
    int reports;
    int64_t reported;
} scene;

static scene *open_scene(fixture *f)
{
    scene *s = calloc(1, sizeof *s);
    assert_non_null(s);
    s->f = f;
    for (uint32_t i = 0; i < SIZE; i++) s->bytes[i] = (unsigned char)(i * 2654435761u >> 13);
    memcpy(s->other, s->bytes, SIZE);
    s->other[SIZE / 2] ^= 1;
    fm_md5 md5;
    fm_md5_begin(&md5);
    fm_md5_add(&md5, s->bytes, SIZE);
    fm_md5_end(&md5, s->md5);
    s->files[0] = (loopback_file){"/good", s->bytes, SIZE};
    s->files[1] = (loopback_file){"/other", s->other, SIZE};
    s->server.files = s->files;
    loopback_start(&s->server);
    return s;
}

static void close_scene(scene *s)
{
    loopback_stop(&s->server);
    free(s);
}

static fm_status get(scene *s, const char *path, const fm_data_places *places)
{
    fm_download request = {.url = loopback_url(&s->server, path),
                           .path = fixture_path(s->f, "deep/er/file"),
                           .md5 = s->md5,
                           .limit = SIZE,
                           .places = places};
    return fm_download_file(s->f->context, &request);
}

/* -1 when it does not exist. */
static int64_t size_of(fixture *f, const char *name)
{
    struct stat about;
    return stat(fixture_path(f, name), &about) == 0 ? (int64_t)about.st_size : -1;
}

static void check_arrived(scene *s)
{
    static unsigned char received[SIZE + 1];
    FILE *stream = fopen(fixture_path(s->f, "deep/er/file"), "rb");
    assert_non_null(stream);
    assert_int_equal(fread(received, 1, sizeof received, stream), SIZE);
    fclose(stream);
    assert_memory_equal(received, s->bytes, SIZE);
    assert_int_equal(size_of(s->f, "deep/er/file.part"), -1);
}

static bool count_reports(void *user, const char *file, int64_t received, int64_t total)
{
    scene *s = user;
    assert_string_equal(file, "file");
    assert_true(total == -1 || total == SIZE);
    assert_true(received >= 0 && received <= SIZE);
    s->reports++;
    s->reported = received;
    return true;
}

static void a_file_arrives_once(void **state)
{
    scene *s = open_scene(*state);
    fm_data_places places = {.progress = count_reports, .progress_user = s};
    assert_ok(s->f->context, get(s, "/good", &places));
    check_arrived(s);
    assert_true(s->reports > 0);
    assert_int_equal(s->reported, SIZE);
    assert_ok(s->f->context, get(s, "/good", NULL));
    assert_int_equal(atomic_load(&s->server.requests), 1);
    close_scene(s);
}

static void an_interrupted_download_goes_on(void **state)
{
    scene *s = open_scene(*state);
    fm_data_places places = {.progress = count_reports, .progress_user = s};
    atomic_store(&s->server.cut_at, 1000);
    assert_fails(s->f->context, FM_ERROR_IO, "/good: ", get(s, "/good", NULL));
    assert_int_equal(size_of(s->f, "deep/er/file.part"), 1000);
    assert_int_equal(size_of(s->f, "deep/er/file"), -1);
    atomic_store(&s->server.cut_at, 500);
    assert_fails(s->f->context, FM_ERROR_IO, "/good: ", get(s, "/good", NULL));
    assert_int_equal(size_of(s->f, "deep/er/file.part"), 1500);
    assert_ok(s->f->context, get(s, "/good", &places));
    assert_int_equal(atomic_load(&s->server.last_start), 1500);
    assert_int_equal(s->reported, SIZE);
    check_arrived(s);
    close_scene(s);
}

static void a_server_without_ranges_begins_again(void **state)
{
    scene *s = open_scene(*state);
    atomic_store(&s->server.cut_at, 1000);
    assert_fails(s->f->context, FM_ERROR_IO, "/good: ", get(s, "/good", NULL));
    atomic_store(&s->server.no_ranges, true);
    assert_ok(s->f->context, get(s, "/good", NULL));
    check_arrived(s);
    close_scene(s);
}

static void leave_part(scene *s, const void *bytes, size_t size)
{
    fixture_path(s->f, "x"); /* makes the folder */
    mkdir(fixture_path(s->f, "deep"), 0755);
    mkdir(fixture_path(s->f, "deep/er"), 0755);
    fixture_file(s->f, "deep/er/file.part", bytes, size);
}

static void what_is_left_from_before_may_be_anything(void **state)
{
    scene *s = open_scene(*state);
    leave_part(s, s->bytes, SIZE); /* whole already: the server has nothing more to send */
    assert_ok(s->f->context, get(s, "/good", NULL));
    check_arrived(s);
    remove(fixture_path(s->f, "deep/er/file"));
    leave_part(s, s->other, SIZE); /* whole, and wrong */
    assert_ok(s->f->context, get(s, "/good", NULL));
    check_arrived(s);
    remove(fixture_path(s->f, "deep/er/file"));
    leave_part(s, s->other, SIZE - 1); /* wrong, found out at the end */
    assert_ok(s->f->context, get(s, "/good", NULL));
    check_arrived(s);
    close_scene(s);
}

static void another_file_is_refused(void **state)
{
    scene *s = open_scene(*state);
    assert_fails(s->f->context, FM_ERROR_FORMAT, "what came is another file: its MD5 is",
                 get(s, "/other", NULL));
    assert_int_equal(size_of(s->f, "deep/er/file"), -1);
    assert_int_equal(size_of(s->f, "deep/er/file.part"), -1);
    static const unsigned char broken[] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0xff, 0xff};
    s->files[1] = (loopback_file){"/other", broken, sizeof broken};
    assert_fails(s->f->context, FM_ERROR_FORMAT, "what came is damaged", get(s, "/other", NULL));
    close_scene(s);
}

static bool refuse(void *user, const char *file, int64_t received, int64_t total)
{
    (void)user;
    (void)file;
    (void)received;
    (void)total;
    return false;
}

static void failures_are_told(void **state)
{
    scene *s = open_scene(*state);
    assert_fails(s->f->context, FM_ERROR_IO, "/none: The requested URL returned error: 404",
                 get(s, "/none", NULL));
    fm_data_places places = {.progress = refuse};
    assert_fails(s->f->context, FM_ERROR_CANCELLED, "was stopped", get(s, "/good", &places));
    fm_download request = {.url = loopback_url(&s->server, "/good"),
                           .path = fixture_path(s->f, "small"),
                           .md5 = s->md5,
                           .limit = SIZE - 1};
    assert_fails(s->f->context, FM_ERROR_LIMIT, "larger than the 49999 bytes expected",
                 fm_download_file(s->f->context, &request));
    s->server.redirect = "ftp://127.0.0.1:1/good";
    assert_fails(s->f->context, FM_ERROR_IO, "\"ftp\" not supported or disabled",
                 get(s, "/good", NULL));
    s->server.redirect = NULL;
    fixture_file(s->f, "flat", "", 0);
    request.path = fixture_path(s->f, "flat/file");
    assert_fails(s->f->context, FM_ERROR_NOT_FOUND, "cannot create",
                 fm_download_file(s->f->context, &request));
    request.path = fixture_path(s->f, "late");
    loopback_stop(&s->server);
    assert_fails(s->f->context, FM_ERROR_IO, "Failed to connect",
                 fm_download_file(s->f->context, &request));
    free(s);
}

typedef struct client {
    scene *s;
    fm_status status;
} client;

static void *get_alone(void *argument)
{
    client *c = argument;
    fm_context *context = fixture_context(c->s->f, 1);
    fm_download request = {.url = loopback_url(&c->s->server, "/good"),
                           .path = fixture_path(c->s->f, "deep/er/file"),
                           .md5 = c->s->md5,
                           .limit = SIZE};
    c->status = fm_download_file(context, &request);
    fm_context_destroy(context);
    return NULL;
}

/* Several programs that want the same file fetch it once. */
static void many_may_ask_at_once(void **state)
{
    scene *s = open_scene(*state);
    fixture_path(s->f, "x");
    enum { CLIENTS = 6 };
    pthread_t threads[CLIENTS];
    client clients[CLIENTS];
    for (int i = 0; i < CLIENTS; i++) {
        clients[i].s = s;
        assert_int_equal(pthread_create(&threads[i], NULL, get_alone, &clients[i]), 0);
    }
    for (int i = 0; i < CLIENTS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(clients[i].status, FM_OK);
    }
    assert_int_equal(atomic_load(&s->server.requests), 1);
    check_arrived(s);
    close_scene(s);
}

static void tells_why_the_library_cannot_be_loaded(void **state)
{
    fixture *f = *state;
    fm_curl curl;
    assert_fails(f->context, FM_ERROR_UNSUPPORTED,
                 "libnowhere.so.7, which downloads, cannot be loaded: libnowhere.so.7: cannot open",
                 fm_curl_open(f->context, "libnowhere.so.7", &curl));
    assert_fails(f->context, FM_ERROR_UNSUPPORTED, "undefined symbol: curl_easy_init",
                 fm_curl_open(f->context, "libm.so.6", &curl));
    assert_null(curl.library);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(tells_why_the_library_cannot_be_loaded),
        fixture_test(a_file_arrives_once),
        fixture_test(an_interrupted_download_goes_on),
        fixture_test(a_server_without_ranges_begins_again),
        fixture_test(what_is_left_from_before_may_be_anything),
        fixture_test(another_file_is_refused),
        fixture_test(failures_are_told),
        fixture_test(many_may_ask_at_once),
    };
    setenv("no_proxy", "127.0.0.1", 1); /* the server is here, whatever this machine uses */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
