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

/* Creates "PATH.NUMBER.tmp" under a number that nobody uses. Not mkstemp: its files are private to
 * the user whatever the umask says. */
static fm_status create_temporary(fm_context *context, fm_file_writer *writer)
{
    fm_random random = fm_random_at((uint64_t)getpid(), 0, fm_stream_of(writer->path));
    for (int attempt = 0; attempt < 100; attempt++) {
        fm_text name = FM_TEXT(context);
        fm_text_add(&name, "%s.%08x.tmp", writer->path, fm_random_word(&random));
        fm_release(context, writer->temporary);
        writer->temporary = name.bytes;
        if (fm_text_status(&name) != FM_OK) return FM_ERROR_MEMORY;
        int descriptor = open(writer->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (descriptor < 0 && errno == EEXIST) continue;
        if (descriptor < 0) break;
        writer->stream = fdopen(descriptor, "wb");
        if (writer->stream) return FM_OK;
        close(descriptor);
        unlink(writer->temporary);
        return fm_fail(context, FM_ERROR_MEMORY, "%s: no stream could be made", writer->path);
    }
    return fm_fail_system(context, writer->path, "create");
}

/* Renaming over a device would replace it, over a folder it fails, after all the work. */
static fm_status check_replaceable(fm_context *context, const char *path)
{
    struct stat about;
    if (stat(path, &about) != 0 || S_ISREG(about.st_mode)) return FM_OK;
    return fm_fail(context, FM_ERROR_IO, "%s: is %s, the name of a file was expected", path,
                   S_ISDIR(about.st_mode) ? "a folder" : "no ordinary file");
}

fm_status fm_file_writer_open(fm_context *context, const char *path, fm_file_writer *writer)
{
    *writer = (fm_file_writer){.context = context};
    fm_status status = check_replaceable(context, path);
    if (status != FM_OK) return status;
    writer->path = fm_copy_string(context, path);
    status = writer->path ? create_temporary(context, writer) : FM_ERROR_MEMORY;
    if (status != FM_OK) fm_file_writer_abandon(writer);
    return status;
}

static void sync_folder_of(const char *path)
{
    char folder[4096];
    const char *slash = strrchr(path, '/');
    size_t length = slash ? (size_t)(slash - path) + 1 : 0;
    if (length >= sizeof folder) return;
    memcpy(folder, path, length);
    memcpy(folder + length, ".", 2);
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
    written = written && rename(writer->temporary, writer->path) == 0;
    fm_status status = written ? FM_OK : fm_fail_system(writer->context, writer->path, "write");
    if (written) {
        sync_folder_of(writer->path);
    } else {
        unlink(writer->temporary);
    }
    fm_file_writer_abandon(writer);
    return status;
}

void fm_file_writer_abandon(fm_file_writer *writer)
{
    if (writer->stream) {
        fclose(writer->stream);
        unlink(writer->temporary);
    }
    fm_release(writer->context, writer->path);
    fm_release(writer->context, writer->temporary);
    *writer = (fm_file_writer){.context = writer->context};
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
