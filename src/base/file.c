#define _GNU_SOURCE
#include "base/file.h"
#include "base/memory.h"
#include "base/random.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

fm_status fm_fail_system(fm_context *context, const char *path, const char *what)
{
    char words[128];
    const char *reason = strerror_r(errno, words, sizeof words);
    fm_status status = errno == ENOENT || errno == ENOTDIR ? FM_ERROR_NOT_FOUND : FM_ERROR_IO;
    return fm_fail(context, status, "%s: cannot %s: %s", path, what, reason);
}

static fm_status read_stream(fm_context *context, const char *path, FILE *stream, size_t limit,
                             char **bytes, size_t *size)
{
    size_t capacity = 0;
    for (;;) {
        if (*size > limit) {
            return fm_fail(context, FM_ERROR_LIMIT, "%s: larger than the %zu bytes accepted here",
                           path, limit);
        }
        fm_status status = fm_grow(context, bytes, &capacity, *size + 64 * 1024, 1);
        if (status != FM_OK) return status;
        size_t got = fread(*bytes + *size, 1, capacity - 1 - *size, stream);
        *size += got;
        if (got == 0) break;
    }
    if (ferror(stream)) return fm_fail_system(context, path, "read");
    (*bytes)[*size] = '\0';
    return FM_OK;
}

fm_status fm_file_read(fm_context *context, const char *path, size_t limit, char **bytes,
                       size_t *size)
{
    *bytes = NULL;
    *size = 0;
    FILE *stream = fopen(path, "rbe");
    if (!stream) return fm_fail_system(context, path, "open");
    struct stat about;
    fm_status status = FM_OK;
    if (fstat(fileno(stream), &about) == 0 && S_ISDIR(about.st_mode)) {
        status = fm_fail(context, FM_ERROR_IO, "%s: is a folder, a file was expected", path);
    } else {
        status = read_stream(context, path, stream, limit, bytes, size);
    }
    fclose(stream);
    if (status != FM_OK) {
        fm_release(context, *bytes);
        *bytes = NULL;
        *size = 0;
    }
    return status;
}

static void tell_temporary(const fm_file_writer *writer, const char *path)
{
    const fm_context_options *hooks = &writer->context->options;
    if (hooks->temporary) hooks->temporary(hooks->temporary_user, path);
}

/* Creates "TARGET.NUMBER.tmp" under a number that nobody uses. Not mkstemp: its files are private
 * to the user whatever the umask says. */
static fm_status create_temporary(fm_context *context, fm_file_writer *writer)
{
    fm_random random = fm_random_at((uint64_t)getpid(), 0, fm_stream_of(writer->target));
    for (int attempt = 0; attempt < 100; attempt++) {
        fm_text name = FM_TEXT(context);
        fm_text_add(&name, "%s.%08x.tmp", writer->target, fm_random_word(&random));
        fm_release(context, writer->temporary);
        writer->temporary = name.bytes;
        if (fm_text_status(&name) != FM_OK) return FM_ERROR_MEMORY;
        int descriptor = open(writer->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (descriptor < 0 && errno == EEXIST) continue;
        if (descriptor < 0) break;
        tell_temporary(writer, writer->temporary);
        writer->stream = fdopen(descriptor, "wb");
        if (writer->stream) return FM_OK;
        close(descriptor);
        unlink(writer->temporary);
        tell_temporary(writer, NULL);
        return fm_fail(context, FM_ERROR_MEMORY, "%s: no stream could be made", writer->path);
    }
    return fm_fail_system(context, writer->path, "create");
}

enum { LONGEST_PATH = 4096, MOST_LINKS = 40 };

/* The folder of "a/b" is "a/.", that of "b" is ".". False where the path is too long. */
static bool folder_of(const char *path, char folder[LONGEST_PATH])
{
    const char *slash = strrchr(path, '/');
    size_t length = slash ? (size_t)(slash - path) + 1 : 0;
    if (length + 2 > LONGEST_PATH) return false;
    memcpy(folder, path, length);
    memcpy(folder + length, ".", 2);
    return true;
}

/* Where symbolic links end, also at a file that is not there yet: links stay, what they name is
 * written. */
static fm_status follow_links(fm_context *context, const char *path, char target[LONGEST_PATH])
{
    char link[LONGEST_PATH];
    errno = ENAMETOOLONG;
    if (strlen(path) >= LONGEST_PATH) return fm_fail_system(context, path, "create");
    memcpy(target, path, strlen(path) + 1);
    for (int links = 0; links < MOST_LINKS; links++) {
        ssize_t size = readlink(target, link, sizeof link - 1);
        if (size < 0) return FM_OK;
        char *slash = link[0] == '/' ? NULL : strrchr(target, '/');
        size_t kept = slash ? (size_t)(slash - target) + 1 : 0;
        if (kept + (size_t)size >= LONGEST_PATH) break;
        memcpy(target + kept, link, (size_t)size);
        target[kept + (size_t)size] = '\0';
    }
    errno = ELOOP;
    return fm_fail_system(context, path, "create");
}

/* Renaming over a device would replace it, over a folder it fails, after all the work; over a file
 * that is protected it succeeds. */
static fm_status check_replaceable(fm_context *context, const char *path, const char *target,
                                   struct stat *about)
{
    if (stat(target, about) != 0) {
        about->st_mode = 0;
        return FM_OK;
    }
    if (!S_ISREG(about->st_mode)) {
        return fm_fail(context, FM_ERROR_IO, "%s: is %s, the name of a file was expected", path,
                       S_ISDIR(about->st_mode) ? "a folder" : "no ordinary file");
    }
    bool writable = faccessat(AT_FDCWD, target, W_OK, AT_EACCESS) == 0;
    return writable ? FM_OK : fm_fail_system(context, path, "write");
}

fm_status fm_file_writer_open(fm_context *context, const char *path, fm_file_writer *writer)
{
    *writer = (fm_file_writer){.context = context};
    char target[LONGEST_PATH];
    struct stat about;
    fm_status status = follow_links(context, path, target);
    if (status == FM_OK) status = check_replaceable(context, path, target, &about);
    if (status != FM_OK) return status;
    writer->path = fm_copy_string(context, path);
    writer->target = writer->path ? fm_copy_string(context, target) : NULL;
    status = writer->target ? create_temporary(context, writer) : FM_ERROR_MEMORY;
    if (status == FM_OK && about.st_mode) fchmod(fileno(writer->stream), about.st_mode & 0777);
    if (status != FM_OK) fm_file_writer_abandon(writer);
    return status;
}

static void sync_folder_of(const char *path)
{
    char folder[LONGEST_PATH];
    if (!folder_of(path, folder)) return;
    int descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0) return;
    fsync(descriptor);
    close(descriptor);
}

fm_status fm_file_writer_commit(fm_file_writer *writer)
{
    FILE *stream = writer->stream;
    writer->stream = NULL;
    bool written = !ferror(stream) && fflush(stream) == 0 && fsync(fileno(stream)) == 0;
    written = fclose(stream) == 0 && written;
    written = written && rename(writer->temporary, writer->target) == 0;
    fm_status status = written ? FM_OK : fm_fail_system(writer->context, writer->path, "write");
    if (written) {
        sync_folder_of(writer->target);
    } else {
        unlink(writer->temporary);
    }
    tell_temporary(writer, NULL);
    fm_file_writer_abandon(writer);
    return status;
}

void fm_file_writer_abandon(fm_file_writer *writer)
{
    if (writer->stream) {
        fclose(writer->stream);
        unlink(writer->temporary);
        tell_temporary(writer, NULL);
    }
    fm_release(writer->context, writer->path);
    fm_release(writer->context, writer->target);
    fm_release(writer->context, writer->temporary);
    *writer = (fm_file_writer){.context = writer->context};
}

fm_status fm_file_check_writable(fm_context *context, const char *path)
{
    fm_file_writer writer;
    fm_status status = fm_file_writer_open(context, path, &writer);
    if (status == FM_OK) fm_file_writer_abandon(&writer);
    return status;
}

fm_status fm_file_write_text(const fm_text *text, const char *path)
{
    fm_file_writer writer;
    fm_status status = fm_text_status(text);
    if (status == FM_OK) status = fm_file_writer_open(text->context, path, &writer);
    if (status != FM_OK) return status;
    fwrite(fm_text_string(text), 1, text->size, writer.stream);
    return fm_file_writer_commit(&writer);
}

bool fm_file_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

bool fm_file_same(const char *a, const char *b)
{
    char folder_a[LONGEST_PATH], folder_b[LONGEST_PATH];
    struct stat of_a, of_b;
    const bool there = stat(a, &of_a) == 0;
    if (there != (stat(b, &of_b) == 0)) return false;
    if (!there) {
        const char *slash_a = strrchr(a, '/'), *slash_b = strrchr(b, '/');
        if (strcmp(slash_a ? slash_a + 1 : a, slash_b ? slash_b + 1 : b) != 0) return false;
        if (!folder_of(a, folder_a) || !folder_of(b, folder_b)) return false;
        if (stat(folder_a, &of_a) != 0 || stat(folder_b, &of_b) != 0) return false;
    }
    return of_a.st_dev == of_b.st_dev && of_a.st_ino == of_b.st_ino;
}
