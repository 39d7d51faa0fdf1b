#define _GNU_SOURCE
#include "data/file/download.h"
#include "base/file.h"
#include "base/text.h"
#include "data/file/array_file.h"
#include "data/file/byte_stream.h"
#include "data/file/curl_library.h"
#include "data/file/md5.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CONNECT_SECONDS = 20, STALLED_SECONDS = 30, MOST_REDIRECTS = 5 };

typedef struct transfer {
    fm_context *context;
    const fm_download *request;
    fm_text part;   /* path of the unfinished file */
    FILE *stream;   /* open on it and locked */
    int64_t before; /* bytes that were there */
    bool write_failed, cancelled;
} transfer;

/* ---- The unfinished file ---- */

static fm_status make_folders(fm_context *context, const char *path)
{
    char *folder = fm_copy_string(context, path);
    if (!folder) return FM_ERROR_MEMORY;
    fm_status status = FM_OK;
    for (char *slash = strchr(folder + 1, '/'); slash && status == FM_OK;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(folder, 0755) != 0 && errno != EEXIST) {
            status = fm_fail_system(context, folder, "make the folder");
        }
        *slash = '/';
    }
    fm_release(context, folder);
    return status;
}

/* Another process may have finished or removed the file while we waited for its lock. */
static bool still_named(FILE *stream, const char *path)
{
    struct stat ours, named;
    return fstat(fileno(stream), &ours) == 0 && stat(path, &named) == 0 &&
           ours.st_ino == named.st_ino && ours.st_dev == named.st_dev;
}

static fm_status open_part(transfer *t)
{
    const char *path = fm_text_string(&t->part);
    for (;;) {
        int file = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
        t->stream = file < 0 ? NULL : fdopen(file, "ab");
        if (!t->stream) {
            fm_status status = fm_fail_system(t->context, path, "create");
            if (file >= 0) close(file);
            return status;
        }
        if (flock(file, LOCK_EX) != 0) return fm_fail_system(t->context, path, "lock");
        const bool named = still_named(t->stream, path);
        const bool arrived = fm_file_exists(t->request->path);
        if (named && !arrived) return FM_OK;
        if (named) unlink(path); /* made by us after the other's was renamed */
        fclose(t->stream);
        t->stream = NULL;
        if (arrived) return FM_OK;
    }
}

static fm_status restart(transfer *t)
{
    if (fflush(t->stream) == 0 && ftruncate(fileno(t->stream), 0) == 0) return FM_OK;
    return fm_fail_system(t->context, fm_text_string(&t->part), "empty");
}

/* ---- curl ---- */

static size_t take(char *bytes, size_t size, size_t count, void *user)
{
    transfer *t = user;
    size_t written = fwrite(bytes, size, count, t->stream);
    t->write_failed = written != count;
    return written * size;
}

static int report(void *user, curl_off_t total, curl_off_t received, curl_off_t sending,
                  curl_off_t sent)
{
    (void)sending;
    (void)sent;
    transfer *t = user;
    const fm_data_places *places = t->request->places;
    if (!places || !places->progress) return 0;
    bool on = places->progress(places->progress_user, fm_file_name(t->request->path),
                               t->before + received, total > 0 ? t->before + total : -1);
    t->cancelled = !on;
    return !on;
}

static CURL *prepare(const fm_curl *curl, transfer *t, char *words)
{
    CURL *handle = curl->init();
    if (!handle) return NULL;
    bool set = curl->set(handle, CURLOPT_URL, t->request->url) == CURLE_OK;
    curl->set(handle, CURLOPT_ERRORBUFFER, words);
    curl->set(handle, CURLOPT_NOSIGNAL, 1L);
    curl->set(handle, CURLOPT_FAILONERROR, 1L);
    curl->set(handle, CURLOPT_FOLLOWLOCATION, 1L);
    curl->set(handle, CURLOPT_MAXREDIRS, (long)MOST_REDIRECTS);
    set = set && curl->set(handle, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK;
    set = set && curl->set(handle, CURLOPT_USERAGENT, "fathom/" FM_VERSION) == CURLE_OK;
    curl->set(handle, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_SECONDS);
    curl->set(handle, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl->set(handle, CURLOPT_LOW_SPEED_TIME, (long)STALLED_SECONDS);
    curl->set(handle, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)t->request->limit);
    curl->set(handle, CURLOPT_RESUME_FROM_LARGE, (curl_off_t)t->before);
    curl->set(handle, CURLOPT_WRITEFUNCTION, take);
    curl->set(handle, CURLOPT_WRITEDATA, t);
    curl->set(handle, CURLOPT_NOPROGRESS, 0L);
    curl->set(handle, CURLOPT_XFERINFOFUNCTION, report);
    curl->set(handle, CURLOPT_XFERINFODATA, t);
    if (set) return handle;
    curl->cleanup(handle);
    return NULL;
}

static fm_status explain(const fm_curl *curl, transfer *t, CURLcode code, const char *words)
{
    const char *reason = *words ? words : curl->words(code);
    if (t->cancelled) {
        return fm_fail(t->context, FM_ERROR_CANCELLED, "the download of %s was stopped",
                       t->request->url);
    }
    if (t->write_failed) return fm_fail_system(t->context, fm_text_string(&t->part), "write");
    if (code == CURLE_FILESIZE_EXCEEDED) {
        return fm_fail(t->context, FM_ERROR_LIMIT, "%s: larger than the %lld bytes expected",
                       t->request->url, (long long)t->request->limit);
    }
    return fm_fail(t->context, FM_ERROR_IO, "%s: %s", t->request->url, reason);
}

/* Appends to the unfinished file what it lacks. *refused: the server knows no ranges. (To curl a
 * server that has nothing behind the part is a success.) */
static fm_status receive(const fm_curl *curl, transfer *t, bool *refused)
{
    char words[CURL_ERROR_SIZE] = "";
    struct stat about;
    *refused = false;
    if (fstat(fileno(t->stream), &about) != 0) {
        return fm_fail_system(t->context, fm_text_string(&t->part), "read");
    }
    t->before = about.st_size;
    CURL *handle = prepare(curl, t, words);
    if (!handle) return fm_fail(t->context, FM_ERROR_MEMORY, "out of memory: curl gave no handle");
    CURLcode code = curl->perform(handle);
    curl->cleanup(handle);
    if (fflush(t->stream) != 0) t->write_failed = true;
    if (code == CURLE_OK && !t->write_failed) return FM_OK;
    *refused = t->before > 0 && code == CURLE_RANGE_ERROR;
    return *refused ? FM_OK : explain(curl, t, code, words);
}

/* ---- Checking ---- */

static fm_status digest(fm_context *context, const char *path, char text[33])
{
    fm_byte_stream stream;
    fm_status status = fm_byte_stream_open(context, path, &stream);
    if (status != FM_OK) return status;
    fm_md5 md5;
    unsigned char chunk[16 * 1024];
    size_t got = 1;
    fm_md5_begin(&md5);
    while (status == FM_OK && got > 0) {
        status = fm_byte_stream_read(&stream, chunk, sizeof chunk, &got);
        if (status == FM_OK) fm_md5_add(&md5, chunk, got);
    }
    fm_byte_stream_close(&stream);
    if (status == FM_OK) fm_md5_end(&md5, text);
    return status;
}

static fm_status check(transfer *t)
{
    char text[33];
    fm_status status = digest(t->context, fm_text_string(&t->part), text);
    if (status == FM_ERROR_FORMAT) {
        return fm_fail(t->context, FM_ERROR_FORMAT, "%s: what came is damaged (%s)",
                       t->request->url, fm_error_message(t->context));
    }
    if (status != FM_OK || strcmp(text, t->request->md5) == 0) return status;
    return fm_fail(t->context, FM_ERROR_FORMAT,
                   "%s: what came is another file: its MD5 is %s, %s was expected", t->request->url,
                   text, t->request->md5);
}

/* What was resumed and is wrong is fetched once more from the beginning. */
static fm_status fetch(const fm_curl *curl, transfer *t)
{
    bool refused;
    fm_status status = receive(curl, t, &refused);
    if (status == FM_OK) status = check(t);
    bool again = t->before > 0 && (status == FM_ERROR_FORMAT || (refused && status != FM_OK));
    if (again) {
        status = restart(t);
        if (status == FM_OK) status = receive(curl, t, &refused);
        if (status == FM_OK) status = check(t);
    }
    if (status == FM_ERROR_FORMAT) unlink(fm_text_string(&t->part));
    return status;
}

fm_status fm_download_file(fm_context *context, const fm_download *request)
{
    if (fm_file_exists(request->path)) return FM_OK;
    fm_curl curl;
    fm_status status = fm_curl_open(context, FM_CURL_NAME, &curl);
    if (status != FM_OK) return fm_fail_prefix(context, "%s: ", request->url);
    transfer t = {.context = context, .request = request, .part = FM_TEXT(context)};
    fm_text_add(&t.part, "%s.part", request->path);
    status = fm_text_status(&t.part);
    if (status == FM_OK) status = make_folders(context, request->path);
    if (status == FM_OK) status = open_part(&t);
    if (status == FM_OK && t.stream) {
        status = fetch(&curl, &t);
        bool kept = status != FM_OK || (fsync(fileno(t.stream)) == 0 &&
                                        rename(fm_text_string(&t.part), request->path) == 0);
        if (!kept) status = fm_fail_system(context, request->path, "write");
    }
    if (t.stream) fclose(t.stream);
    fm_text_release(&t.part);
    fm_curl_close(&curl);
    return status;
}
