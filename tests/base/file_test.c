#define _GNU_SOURCE
#include "support/fixture.h"
#include "base/file.h"
#include "base/memory.h"

#include <dirent.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* The library's calls end here: the letters tell in which order they came. */
static char calls[16];

static void record(char letter)
{
    size_t used = strlen(calls);
    if (used + 1 < sizeof calls) calls[used] = letter;
}

int fsync(int descriptor)
{
    record('s');
    return (int)syscall(SYS_fsync, descriptor);
}

int rename(const char *from, const char *to)
{
    record('r');
    return renameat(AT_FDCWD, from, AT_FDCWD, to);
}

static int entries_of(const char *folder)
{
    int count = -2; /* "." and ".." */
    DIR *stream = opendir(folder);
    assert_non_null(stream);
    while (readdir(stream)) count++;
    closedir(stream);
    return count;
}

static fm_status write_file(fm_context *context, const char *path, const char *words)
{
    fm_file_writer writer;
    fm_status status = fm_file_writer_open(context, path, &writer);
    if (status != FM_OK) return status;
    fputs(words, writer.stream);
    return fm_file_writer_commit(&writer);
}

static void assert_content(fm_context *context, const char *path, const char *words)
{
    char *bytes;
    size_t size;
    assert_ok(context, fm_file_read(context, path, 1 << 20, &bytes, &size));
    assert_int_equal(size, strlen(words));
    assert_string_equal(bytes, words);
    fm_release(context, bytes);
}

static void file_is_read_whole(void **state)
{
    fixture *f = *state;
    size_t size = 300001, got;
    unsigned char *content = malloc(size);
    assert_non_null(content);
    for (size_t i = 0; i < size; i++) content[i] = (unsigned char)(i * i >> 3);
    const char *path = fixture_file(f, "large", content, size);
    char *bytes;
    assert_ok(f->context, fm_file_read(f->context, path, size, &bytes, &got));
    assert_int_equal(got, size);
    assert_memory_equal(bytes, content, size);
    assert_int_equal(bytes[size], 0);
    fm_release(f->context, bytes);
    free(content);
    assert_content(f->context, fixture_file(f, "empty", "", 0), "");
}

static void limit_is_respected(void **state)
{
    fixture *f = *state;
    const char *path = fixture_file(f, "ten", "0123456789", 10);
    char *bytes = calls;
    size_t size = 7;
    assert_fails(f->context, FM_ERROR_LIMIT, "larger than the 9 bytes accepted here",
                 fm_file_read(f->context, path, 9, &bytes, &size));
    assert_null(bytes);
    assert_int_equal(size, 0);
    assert_ok(f->context, fm_file_read(f->context, path, 10, &bytes, &size));
    fm_release(f->context, bytes);
}

static void missing_file_and_folder_are_told_apart(void **state)
{
    fixture *f = *state;
    char *bytes;
    size_t size;
    const char *path = fixture_path(f, "missing");
    assert_fails(f->context, FM_ERROR_NOT_FOUND, "missing: cannot open: No such file or directory",
                 fm_file_read(f->context, path, 10, &bytes, &size));
    assert_fails(f->context, FM_ERROR_IO, "is a folder",
                 fm_file_read(f->context, f->folder, 10, &bytes, &size));
    assert_false(fm_file_exists(path));
    assert_true(fm_file_exists(f->folder));
}

static void file_appears_at_commit(void **state)
{
    fixture *f = *state;
    const char *path = fixture_path(f, "model");
    fm_file_writer writer;
    assert_ok(f->context, fm_file_writer_open(f->context, path, &writer));
    fputs("content", writer.stream);
    assert_false(fm_file_exists(path));
    assert_ok(f->context, fm_file_writer_commit(&writer));
    assert_content(f->context, path, "content");
    assert_int_equal(entries_of(f->folder), 1);
    fm_file_writer_abandon(&writer);
    assert_content(f->context, path, "content");
}

static void file_is_synced_before_it_is_renamed_and_the_folder_after(void **state)
{
    fixture *f = *state;
    memset(calls, 0, sizeof calls);
    assert_ok(f->context, write_file(f->context, fixture_path(f, "model"), "content"));
    assert_string_equal(calls, "srs");
}

static void abandoned_file_leaves_nothing(void **state)
{
    fixture *f = *state;
    const char *path = fixture_file(f, "model", "old", 3);
    fm_file_writer writer;
    assert_ok(f->context, fm_file_writer_open(f->context, path, &writer));
    fputs("new", writer.stream);
    fm_file_writer_abandon(&writer);
    fm_file_writer_abandon(&writer);
    assert_content(f->context, path, "old");
    assert_int_equal(entries_of(f->folder), 1);
}

static void note_temporary(void *user, const char *path)
{
    snprintf(user, 512, "%s", path ? path : "none");
}

/* So that a program may remove it that is ended by a signal. */
static void a_temporary_file_is_told(void **state)
{
    fixture *f = *state;
    char told[512] = "";
    fm_context *context;
    const fm_context_options options = {.temporary = note_temporary, .temporary_user = told};
    assert_ok(f->context, fm_context_create(&options, &context));
    fm_file_writer writer;
    for (int i = 0; i < 2; i++) {
        const char *path = fixture_path(f, i ? "kept" : "abandoned");
        assert_ok(context, fm_file_writer_open(context, path, &writer));
        assert_true(fm_file_exists(told));
        assert_non_null(strstr(told, ".tmp"));
        if (i) {
            assert_ok(context, fm_file_writer_commit(&writer));
        } else {
            fm_file_writer_abandon(&writer);
        }
        assert_string_equal(told, "none");
    }
    told[0] = '\0';
    assert_ok(context, fm_file_check_writable(context, fixture_path(f, "kept")));
    assert_string_equal(told, "none");
    assert_content(context, fixture_path(f, "kept"), "");
    assert_fails(context, FM_ERROR_IO, "is a folder", fm_file_check_writable(context, f->folder));
    assert_int_equal(entries_of(f->folder), 1);
    fm_context_destroy(context);
}

static void permissions_follow_the_umask(void **state)
{
    fixture *f = *state;
    struct stat about;
    const char *path = fixture_path(f, "model");
    mode_t before = umask(027);
    fm_status status = write_file(f->context, path, "content");
    umask(before);
    assert_ok(f->context, status);
    assert_int_equal(stat(path, &about), 0);
    assert_int_equal(about.st_mode & 0777, 0640);
}

static void two_writers_of_one_name_do_not_mix(void **state)
{
    fixture *f = *state;
    const char *path = fixture_path(f, "model");
    fm_file_writer first, second;
    assert_ok(f->context, fm_file_writer_open(f->context, path, &first));
    assert_ok(f->context, fm_file_writer_open(f->context, path, &second));
    fputs("first", first.stream);
    fputs("second", second.stream);
    assert_ok(f->context, fm_file_writer_commit(&first));
    assert_content(f->context, path, "first");
    assert_ok(f->context, fm_file_writer_commit(&second));
    assert_content(f->context, path, "second");
    assert_int_equal(entries_of(f->folder), 1);
}

static void missing_folder_is_an_error(void **state)
{
    fixture *f = *state;
    fm_file_writer writer;
    assert_fails(f->context, FM_ERROR_NOT_FOUND, "no/model: cannot create: No such file",
                 fm_file_writer_open(f->context, fixture_path(f, "no/model"), &writer));
    assert_null(writer.stream);
    const char *path = fixture_file(f, "file", "", 0);
    assert_non_null(path);
    assert_fails(f->context, FM_ERROR_NOT_FOUND, "cannot create: Not a directory",
                 fm_file_writer_open(f->context, fixture_path(f, "file/model"), &writer));
}

static void what_is_no_file_is_not_replaced(void **state)
{
    fixture *f = *state;
    char pipe[512];
    struct stat about;
    fm_file_writer writer;
    snprintf(pipe, sizeof pipe, "%s", fixture_path(f, "pipe"));
    assert_fails(f->context, FM_ERROR_IO, "is a folder, the name of a file was expected",
                 fm_file_writer_open(f->context, f->folder, &writer));
    assert_null(writer.stream);
    assert_int_equal(mkfifo(pipe, 0600), 0);
    assert_fails(f->context, FM_ERROR_IO, "pipe: is no ordinary file, the name of a file was",
                 fm_file_writer_open(f->context, pipe, &writer));
    assert_int_equal(stat(pipe, &about), 0);
    assert_true(S_ISFIFO(about.st_mode));
    assert_int_equal(entries_of(f->folder), 1);
}

static void links_stay_and_what_they_name_is_written(void **state)
{
    fixture *f = *state;
    char near[512], far[512], whole[512];
    struct stat about;
    assert_int_equal(mkdir(fixture_path(f, "disk"), 0755), 0);
    snprintf(near, sizeof near, "%s", fixture_path(f, "near"));
    snprintf(far, sizeof far, "%s", fixture_path(f, "disk/far"));
    snprintf(whole, sizeof whole, "%s", fixture_path(f, "disk/whole"));
    assert_int_equal(symlink("disk/far", near), 0);
    assert_int_equal(symlink(whole, far), 0);
    assert_ok(f->context, write_file(f->context, near, "not there before"));
    assert_content(f->context, whole, "not there before");
    assert_ok(f->context, write_file(f->context, near, "replaced"));
    assert_content(f->context, whole, "replaced");
    assert_int_equal(lstat(near, &about), 0);
    assert_true(S_ISLNK(about.st_mode));
    assert_int_equal(lstat(far, &about), 0);
    assert_true(S_ISLNK(about.st_mode));

    assert_int_equal(unlink(far), 0);
    assert_int_equal(symlink("../near", far), 0);
    assert_fails(f->context, FM_ERROR_IO, "near: cannot create: Too many levels of symbolic links",
                 write_file(f->context, near, "round and round"));
}

static void names_of_one_file_are_known(void **state)
{
    fixture *f = *state;
    char here[512], other[512];
    snprintf(here, sizeof here, "%s", fixture_path(f, "model"));
    snprintf(other, sizeof other, "%s", fixture_path(f, "./model"));
    assert_true(fm_file_same(here, other)); /* which is not there yet */
    assert_false(fm_file_same(here, fixture_path(f, "models")));
    assert_false(fm_file_same(here, "model"));
    fixture_file(f, "model", "", 0);
    assert_true(fm_file_same(here, other));
    snprintf(other, sizeof other, "%s", fixture_path(f, "link"));
    assert_false(fm_file_same(here, other));
    assert_int_equal(symlink("model", other), 0);
    assert_true(fm_file_same(here, other));
}

/* Of a user to whom not everything is writable, as it is to root. */
static fm_status write_as_nobody(fm_context *context, const char *path)
{
    bool root = geteuid() == 0;
    const struct passwd *nobody = root ? getpwnam("nobody") : NULL;
    if (root && (!nobody || seteuid(nobody->pw_uid) != 0)) skip();
    fm_status status = write_file(context, path, "new");
    if (root && seteuid(0) != 0) fail();
    return status;
}

static void unwritable_folder_is_an_error(void **state)
{
    fixture *f = *state;
    const char *path = fixture_file(f, "model", "old", 3);
    chmod(path, 0666);
    chmod(f->folder, 0555);
    fm_status status = write_as_nobody(f->context, path);
    chmod(f->folder, 0755);
    assert_fails(f->context, FM_ERROR_IO, "cannot create: Permission denied", status);
    assert_content(f->context, path, "old");
}

static void protected_file_is_not_replaced(void **state)
{
    fixture *f = *state;
    const char *path = fixture_file(f, "model", "old", 3);
    chmod(path, 0444);
    chmod(f->folder, 0777);
    fm_status status = write_as_nobody(f->context, path);
    assert_fails(f->context, FM_ERROR_IO, "cannot write: Permission denied", status);
    assert_content(f->context, path, "old");
}

static void replaced_file_keeps_its_permissions(void **state)
{
    fixture *f = *state;
    struct stat about;
    const char *path = fixture_file(f, "model", "old", 3);
    chmod(path, 0600);
    assert_ok(f->context, write_file(f->context, path, "new"));
    assert_int_equal(stat(path, &about), 0);
    assert_int_equal(about.st_mode & 0777, 0600);
}

static void full_disk_keeps_the_old_file(void **state)
{
    fixture *f = *state;
    const char *path = fixture_file(f, "model", "old", 3);
    struct rlimit before, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = 10000;
    fm_file_writer writer;
    assert_ok(f->context, fm_file_writer_open(f->context, path, &writer));
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    for (int i = 0; i < 100000; i++) fputc('x', writer.stream);
    fm_status status = fm_file_writer_commit(&writer);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, SIG_DFL);
    assert_fails(f->context, FM_ERROR_IO, "model: cannot write: File too large", status);
    assert_content(f->context, path, "old");
    assert_int_equal(entries_of(f->folder), 1);
}

/* A child replaces the file again and again, generation g being g % 26 + 1 times a letter, until it
 * is killed: whenever that is, the file is one whole generation. */
static void write_generations(fm_context *context, const char *path)
{
    for (int generation = 1;; generation++) {
        fm_file_writer writer;
        if (fm_file_writer_open(context, path, &writer) != FM_OK) _exit(1);
        int letter = generation % 26;
        for (int i = 0; i < (letter + 1) * 10000; i++) fputc('a' + letter, writer.stream);
        if (fm_file_writer_commit(&writer) != FM_OK) _exit(1);
    }
}

static void killed_writer_leaves_a_whole_file(void **state)
{
    fixture *f = *state;
    const char *path = fixture_file(f, "model", "", 0);
    for (int round = 0; round < 25; round++) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) write_generations(f->context, path);
        usleep((useconds_t)(500 + 317 * round));
        assert_int_equal(kill(child, SIGKILL), 0);
        int how;
        assert_int_equal(waitpid(child, &how, 0), child);
        assert_true(WIFSIGNALED(how));

        char *bytes;
        size_t size;
        assert_ok(f->context, fm_file_read(f->context, path, 1 << 20, &bytes, &size));
        if (size) assert_int_equal(size, (bytes[0] - 'a' + 1) * 10000);
        for (size_t i = 0; i < size; i++) {
            if (bytes[i] != bytes[0]) fail_msg("byte %zu is of another generation", i);
        }
        fm_release(f->context, bytes);
    }
}

static fm_status write_and_read(fm_context *context, void *argument)
{
    char *bytes;
    size_t size;
    fm_status status = write_file(context, argument, "content");
    if (status == FM_OK) status = fm_file_read(context, argument, 1 << 20, &bytes, &size);
    if (status == FM_OK) fm_release(context, bytes);
    return status;
}

static void every_allocation_may_fail(void **state)
{
    fixture *f = *state;
    char path[512];
    snprintf(path, sizeof path, "%s", fixture_path(f, "model"));
    assert_in_range(fail_each_allocation(f, write_and_read, path), 3, 7);
    assert_int_equal(entries_of(f->folder), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(file_is_read_whole),
        fixture_test(limit_is_respected),
        fixture_test(missing_file_and_folder_are_told_apart),
        fixture_test(file_appears_at_commit),
        fixture_test(file_is_synced_before_it_is_renamed_and_the_folder_after),
        fixture_test(abandoned_file_leaves_nothing),
        fixture_test(a_temporary_file_is_told),
        fixture_test(permissions_follow_the_umask),
        fixture_test(two_writers_of_one_name_do_not_mix),
        fixture_test(missing_folder_is_an_error),
        fixture_test(what_is_no_file_is_not_replaced),
        fixture_test(links_stay_and_what_they_name_is_written),
        fixture_test(names_of_one_file_are_known),
        fixture_test(unwritable_folder_is_an_error),
        fixture_test(protected_file_is_not_replaced),
        fixture_test(replaced_file_keeps_its_permissions),
        fixture_test(full_disk_keeps_the_old_file),
        fixture_test(killed_writer_leaves_a_whole_file),
        fixture_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
