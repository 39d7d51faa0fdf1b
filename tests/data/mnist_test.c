#include "data/file_bytes.h"
#include "base/file.h"
#include "base/memory.h"
#include "fathom/data_files.h"
#include "support/loopback.h"

#include <sys/stat.h>

static const char *const names[] = {"train-images-idx3-ubyte", "train-labels-idx1-ubyte",
                                    "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"};

/* Where the machine has the real set: $FATHOM_DATA or beside the project. */
static const char *real_folder(void)
{
    return getenv("FATHOM_DATA") ? getenv("FATHOM_DATA") : "../shared/data";
}

static void check_real(fm_context *context, const fm_data_places *places)
{
    fm_dataset *train, *test;
    fm_status status = fm_dataset_mnist(context, places, &train, &test);
    if (status == FM_ERROR_NOT_FOUND) skip();
    assert_ok(context, status);
    assert_int_equal(fm_dataset_about(train)->count, 60000);
    assert_int_equal(fm_dataset_about(test)->count, 10000);
    assert_int_equal(fm_dataset_classes(test, NULL), 10);
    unsigned char labels[5];
    fm_data_request request = {.count = 5, .fields = {NULL, labels}};
    assert_ok(context, fm_dataset_read(context, train, &request));
    assert_memory_equal(labels, ((unsigned char[]){5, 0, 4, 1, 9}), 5);
    fm_dataset_destroy(train);
    fm_dataset_destroy(test);
}

static void the_real_set_opens(void **state)
{
    fixture *f = *state;
    const char *folders[] = {real_folder(), NULL};
    check_real(f->context, &(fm_data_places){.folders = folders});
}

/* ---- Small files of the same names ---- */

static void write_set(fixture *f, const char *folder, const char *ending, unsigned char mark)
{
    const unsigned char images[] = {0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, mark};
    const unsigned char labels[] = {0, 0, 8, 1, 0, 0, 0, 1, 3};
    bool packed = strcmp(ending, ".gz") == 0;
    mkdir(fixture_path(f, folder), 0755);
    for (int i = 0; i < 4; i++) {
        char name[64];
        const unsigned char *bytes = i % 2 ? labels : images;
        size_t size = i % 2 ? sizeof labels : sizeof images, packed_size;
        unsigned char *gz = gzip_bytes(bytes, size, &packed_size);
        snprintf(name, sizeof name, "%s/%s%s", folder, names[i], ending);
        fixture_file(f, name, packed ? gz : bytes, packed ? packed_size : size);
        free(gz);
    }
}

static void check_mark(fixture *f, const fm_data_places *places, unsigned char mark)
{
    fm_dataset *train;
    assert_ok(f->context, fm_dataset_mnist(f->context, places, &train, NULL));
    unsigned char pixel;
    fm_data_request request = {.count = 1, .fields = {&pixel}};
    assert_ok(f->context, fm_dataset_read(f->context, train, &request));
    assert_int_equal(pixel, mark);
    fm_dataset_destroy(train);
}

static void places_are_tried_in_order(void **state)
{
    fixture *f = *state;
    mkdir(fixture_path(f, "b"), 0755);
    write_set(f, "a", "", 1);
    write_set(f, "b/mnist", ".gz", 2);
    write_set(f, "cache", ".gz", 3);
    const char *a = fixture_path(f, "a"), *b = fixture_path(f, "b"), *c = fixture_path(f, "cache");
    check_mark(f, &(fm_data_places){.folders = (const char *const[]){a, b, NULL}}, 1);
    check_mark(f, &(fm_data_places){.folders = (const char *const[]){b, a, NULL}}, 2);
    check_mark(f, &(fm_data_places){.folders = (const char *const[]){"/nowhere", NULL}, .cache = c},
               3);
    remove(fixture_path(f, "a/t10k-labels-idx1-ubyte")); /* no longer whole */
    check_mark(f, &(fm_data_places){.folders = (const char *const[]){a, b, NULL}}, 2);
}

static void absence_says_what_to_do(void **state)
{
    fixture *f = *state;
    fm_dataset *train, *test;
    assert_fails(f->context, FM_ERROR_NOT_FOUND, "any folder: none was named",
                 fm_dataset_mnist(f->context, NULL, &train, &test));
    fixture_path(f, "x");
    const char *folders[] = {"/nowhere", f->folder, NULL};
    fm_data_places places = {.folders = folders};
    assert_fails(f->context, FM_ERROR_NOT_FOUND, "use the built-in set 'strokes'",
                 fm_dataset_mnist(f->context, &places, &train, &test));
    assert_non_null(strstr(fm_error_message(f->context), "/nowhere"));
    assert_null(train);
    assert_null(test);
}

static void a_failed_download_says_what_to_do(void **state)
{
    fixture *f = *state;
    loopback server = {.files = (const loopback_file[]){{"/train-images-idx3-ubyte.gz", "abc", 3},
                                                        {NULL, NULL, 0}}};
    loopback_start(&server);
    fm_data_places places = {.cache = fixture_path(f, "cache"), .url = loopback_url(&server, "")};
    fm_dataset *train, *test;
    assert_fails(f->context, FM_ERROR_NOT_FOUND, "what came is another file",
                 fm_dataset_mnist(f->context, &places, &train, &test));
    loopback_stop(&server);
    assert_fails(f->context, FM_ERROR_NOT_FOUND, "and the download failed: http://127.0.0.1:",
                 fm_dataset_mnist(f->context, &places, &train, &test));
    assert_non_null(strstr(fm_error_message(f->context), "name the folder"));
    assert_non_null(strstr(fm_error_message(f->context), "strokes"));
}

/* The real files through a server of our own into a cache, then from the cache without it. */
static void the_real_set_is_downloaded(void **state)
{
    fixture *f = *state;
    char *bytes[4] = {0}, paths[4][64], path[512];
    loopback_file files[5] = {{0}};
    for (int i = 0; i < 4; i++) {
        size_t size;
        snprintf(path, sizeof path, "%s/mnist/%s.gz", real_folder(), names[i]);
        if (!fm_file_exists(path)) skip();
        assert_ok(f->context, fm_file_read(f->context, path, 1 << 25, &bytes[i], &size));
        snprintf(paths[i], sizeof paths[i], "/%s.gz", names[i]);
        files[i] = (loopback_file){paths[i], bytes[i], size};
    }
    loopback server = {.files = files};
    loopback_start(&server);
    fm_data_places places = {.cache = fixture_path(f, "new/cache"),
                             .url = loopback_url(&server, "")};
    check_real(f->context, &places);
    assert_int_equal(atomic_load(&server.requests), 4);
    loopback_stop(&server);
    check_real(f->context, &places);
    for (int i = 0; i < 4; i++) fm_release(f->context, bytes[i]);
}

static fm_status open_set(fm_context *context, void *folder)
{
    const char *folders[] = {folder, NULL};
    fm_dataset *train, *test;
    fm_status status =
        fm_dataset_mnist(context, &(fm_data_places){.folders = folders}, &train, &test);
    fm_dataset_destroy(train);
    fm_dataset_destroy(test);
    return status;
}

static void every_allocation_may_fail(void **state)
{
    fixture *f = *state;
    write_set(f, "a", ".gz", 1);
    char *folder = strdup(fixture_path(f, "a"));
    assert_true(fail_each_allocation(f, open_set, folder) >= 20);
    free(folder);
}

static void fashion_has_a_folder_and_names(void **state)
{
    fixture *f = *state;
    write_set(f, "fashion-mnist", ".gz", 77);
    const char *folders[] = {f->folder, NULL};
    fm_data_places places = {.folders = folders};
    fm_dataset *train, *test;
    const char *const *classes;
    assert_ok(f->context, fm_dataset_fashion_mnist(f->context, &places, &train, &test));
    assert_int_equal(fm_dataset_classes(train, &classes), 10);
    assert_string_equal(classes[3], "dress");
    unsigned char x, y;
    fm_data_request request = {.count = 1, .fields = {&x, &y}};
    assert_ok(f->context, fm_dataset_read(f->context, test, &request));
    assert_true(x == 77 && y == 3);
    fm_dataset_destroy(train);
    fm_dataset_destroy(test);
    folders[0] = "/nowhere";
    assert_fails(f->context, FM_ERROR_NOT_FOUND, "fashion_mnist: its four files",
                 fm_dataset_fashion_mnist(f->context, &places, &train, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(fashion_has_a_folder_and_names),    fixture_test(the_real_set_opens),
        fixture_test(places_are_tried_in_order),         fixture_test(absence_says_what_to_do),
        fixture_test(a_failed_download_says_what_to_do), fixture_test(the_real_set_is_downloaded),
        fixture_test(every_allocation_may_fail),
    };
    setenv("no_proxy", "127.0.0.1", 1); /* the server is here, whatever this machine uses */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
