#include "train/tune/file/search_journal.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

struct fm_search_journal {
    fm_context *context;
    fm_arena words;
    const char *path;
    int descriptor;
    fm_journal_identity identity[FM_MAX_IDENTITY]; /* texts are digests */
    int identity_count;
    bool begun, maximize;
    fm_journal_record *records;
    size_t count, capacity;
    double elapsed;
};

enum { LARGEST_JOURNAL = 1 << 28 };
static const char format_name[] = "fathom.search";

/* 64 bits of FNV-1a: enough to tell an edited text from the one before. */
static const char *digest(fm_arena *words, const char *text)
{
    uint64_t hash = 14695981039346656037u;
    for (; *text; text++) hash = (hash ^ (unsigned char)*text) * 1099511628211u;
    return fm_arena_format(words, "%016llx", (unsigned long long)hash);
}

/* ---- reading --------------------------------------------------------------------------------- */

static fm_status fail_line(const fm_search_journal *journal, int line, const char *words)
{
    return fm_fail(journal->context, FM_ERROR_FORMAT,
                   "%s:%d: %s; remove the folder to begin the search anew", journal->path, line,
                   words);
}

static fm_status read_head(fm_search_journal *journal, const json_t *object)
{
    const char *format = json_string_value(json_object_get(object, "format"));
    if (!format || strcmp(format, format_name) != 0) {
        return fail_line(journal, 1, "this is not the journal of a search");
    }
    for (int i = 0; i < journal->identity_count; i++) {
        const fm_journal_identity *part = &journal->identity[i];
        const char *kept = json_string_value(json_object_get(object, part->what));
        if (kept && strcmp(kept, part->text) == 0) continue;
        return fm_fail(journal->context, FM_ERROR_ARGUMENT,
                       "%s: this search was begun with another %s; choose another folder with "
                       "--out, or --restart to begin it anew",
                       journal->path, part->what);
    }
    journal->maximize = json_is_true(json_object_get(object, "maximize"));
    journal->begun = true;
    return FM_OK;
}

static fm_status keep_record(fm_search_journal *journal, const fm_journal_record *record)
{
    fm_journal_record kept = *record;
    fm_status status = fm_grow(journal->context, &journal->records, &journal->capacity,
                               journal->count + 1, sizeof *journal->records);
    if (status != FM_OK) return status;
    if (kept.reason) {
        kept.reason = fm_arena_string(&journal->words, kept.reason);
        if (!kept.reason) return FM_ERROR_MEMORY;
    }
    journal->records[journal->count++] = kept;
    if (kept.elapsed > journal->elapsed) journal->elapsed = kept.elapsed;
    return FM_OK;
}

static double number_of(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return json_is_number(value) ? json_number_value(value) : (double)NAN;
}

static fm_status read_record(fm_search_journal *journal, const json_t *object, int line)
{
    double value = number_of(object, "value");
    const char *reason = json_string_value(json_object_get(object, "failed"));
    if (!json_is_integer(json_object_get(object, "trial")) ||
        !json_is_integer(json_object_get(object, "to")) || (isnan(value) && !reason)) {
        return fail_line(journal, line, "this is not a trial's record");
    }
    fm_journal_record record = {
        .trial = json_integer_value(json_object_get(object, "trial")),
        .to = json_integer_value(json_object_get(object, "to")),
        .value = value,
        .epoch = json_integer_value(json_object_get(object, "epoch")),
        .trained = json_integer_value(json_object_get(object, "trained")),
        .seconds = number_of(object, "seconds"),
        .elapsed = number_of(object, "elapsed"),
        .reason = reason,
    };
    return keep_record(journal, &record);
}

static fm_status read_line(fm_search_journal *journal, const char *bytes, size_t size, int line)
{
    json_error_t error;
    json_t *object = json_loadb(bytes, size, JSON_REJECT_DUPLICATES, &error);
    if (!object) return fail_line(journal, line, "this is not JSON");
    fm_status status = line == 1 ? read_head(journal, object) : read_record(journal, object, line);
    json_decref(object);
    return status;
}

/* *kept: bytes of whole lines. */
static fm_status read_lines(fm_search_journal *journal, const char *bytes, size_t size,
                            size_t *kept)
{
    int line = 1;
    *kept = 0;
    for (const char *end; (end = memchr(bytes + *kept, '\n', size - *kept)); line++) {
        size_t length = (size_t)(end - (bytes + *kept));
        fm_status status = read_line(journal, bytes + *kept, length, line);
        if (status != FM_OK) return status;
        *kept += length + 1;
    }
    return FM_OK;
}

static fm_status read_all(fm_search_journal *journal)
{
    char *bytes;
    size_t size, kept;
    fm_status status =
        fm_file_read(journal->context, journal->path, LARGEST_JOURNAL, &bytes, &size);
    if (status != FM_OK) return status;
    status = read_lines(journal, bytes, size, &kept);
    fm_release(journal->context, bytes);
    if (status == FM_OK && kept < size && ftruncate(journal->descriptor, (off_t)kept) != 0) {
        status = fm_fail_system(journal->context, journal->path, "shorten");
    }
    return status;
}

/* ---- opening --------------------------------------------------------------------------------- */

static fm_status open_file(fm_search_journal *journal)
{
    journal->descriptor = open(journal->path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (journal->descriptor < 0) return fm_fail_system(journal->context, journal->path, "open");
    if (flock(journal->descriptor, LOCK_EX | LOCK_NB) == 0) return read_all(journal);
    if (errno == EWOULDBLOCK) {
        return fm_fail(journal->context, FM_ERROR_ARGUMENT,
                       "%s: another process works on this search", journal->path);
    }
    return fm_fail_system(journal->context, journal->path, "lock");
}

static fm_status keep_identity(fm_search_journal *journal, const fm_journal_identity *identity,
                               int count)
{
    journal->identity_count = count;
    for (int i = 0; i < count; i++) {
        fm_journal_identity *kept = &journal->identity[i];
        kept->what = fm_arena_string(&journal->words, identity[i].what);
        kept->text = digest(&journal->words, identity[i].text);
        if (!kept->what || !kept->text) return FM_ERROR_MEMORY;
    }
    return FM_OK;
}

fm_status fm_journal_open(fm_context *context, const char *path,
                          const fm_journal_identity *identity, int identity_count,
                          fm_search_journal **journal)
{
    *journal = NULL;
    fm_search_journal *made = fm_allocate_zeroed(context, sizeof *made);
    if (!made) return FM_ERROR_MEMORY;
    made->context = made->words.context = context;
    made->descriptor = -1;
    made->path = fm_arena_string(&made->words, path);
    fm_status status = made->path ? keep_identity(made, identity, identity_count) : FM_ERROR_MEMORY;
    if (status == FM_OK) status = open_file(made);
    if (status != FM_OK) {
        fm_journal_close(made);
        return status;
    }
    *journal = made;
    return FM_OK;
}

void fm_journal_close(fm_search_journal *journal)
{
    if (!journal) return;
    if (journal->descriptor >= 0) close(journal->descriptor);
    fm_release(journal->context, journal->records);
    fm_arena_release(&journal->words);
    fm_release(journal->context, journal);
}

/* ---- asking ---------------------------------------------------------------------------------- */

bool fm_journal_begun(const fm_search_journal *journal, bool *maximize)
{
    *maximize = journal->maximize;
    return journal->begun;
}

const fm_journal_record *fm_journal_find(const fm_search_journal *journal, int64_t trial,
                                         int64_t to)
{
    for (size_t i = 0; i < journal->count; i++) {
        const fm_journal_record *record = &journal->records[i];
        if (record->trial == trial && record->to == to) return record;
    }
    return NULL;
}

double fm_journal_elapsed(const fm_search_journal *journal)
{
    return journal->elapsed;
}

int64_t fm_journal_count(const fm_search_journal *journal)
{
    return (int64_t)journal->count;
}

/* ---- writing --------------------------------------------------------------------------------- */

/* A line of JSON; a byte that is not ASCII is written as '?'. */
static void add_string(fm_text *text, const char *string)
{
    fm_text_add(text, "\"");
    for (const unsigned char *c = (const unsigned char *)string; *c; c++) {
        if (*c == '"' || *c == '\\') {
            fm_text_add(text, "\\%c", *c);
        } else if (*c < 32) {
            fm_text_add(text, "\\u%04x", *c);
        } else {
            fm_text_add(text, "%c", *c < 127 ? *c : '?');
        }
    }
    fm_text_add(text, "\"");
}

static bool write_all(int descriptor, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t written = write(descriptor, bytes, size);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return false;
        bytes += written;
        size -= (size_t)written;
    }
    return fsync(descriptor) == 0;
}

static fm_status write_line(fm_search_journal *journal, fm_text *line)
{
    fm_text_add(line, "}\n");
    fm_status status = fm_text_status(line);
    if (status == FM_OK && !write_all(journal->descriptor, line->bytes, line->size)) {
        status = fm_fail_system(journal->context, journal->path, "write");
    }
    fm_text_release(line);
    return status;
}

fm_status fm_journal_begin(fm_search_journal *journal, bool maximize)
{
    fm_text line = FM_TEXT(journal->context);
    fm_text_add(&line, "{\"format\":\"%s\",\"maximize\":%s", format_name,
                maximize ? "true" : "false");
    for (int i = 0; i < journal->identity_count; i++) {
        fm_text_add(&line, ",\"%s\":\"%s\"", journal->identity[i].what, journal->identity[i].text);
    }
    fm_status status = write_line(journal, &line);
    if (status != FM_OK) return status;
    journal->begun = true;
    journal->maximize = maximize;
    return FM_OK;
}

fm_status fm_journal_append(fm_search_journal *journal, const fm_journal_record *record)
{
    fm_text line = FM_TEXT(journal->context);
    fm_text_add(&line, "{\"trial\":%lld,\"to\":%lld", (long long)record->trial,
                (long long)record->to);
    if (record->reason) {
        fm_text_add(&line, ",\"failed\":");
        add_string(&line, record->reason);
    } else {
        fm_text_add(&line, ",\"value\":%.17g,\"epoch\":%lld", record->value,
                    (long long)record->epoch);
    }
    fm_text_add(&line, ",\"trained\":%lld,\"seconds\":%.3f,\"elapsed\":%.3f",
                (long long)record->trained, record->seconds, record->elapsed);
    fm_status status = write_line(journal, &line);
    return status == FM_OK ? keep_record(journal, record) : status;
}
