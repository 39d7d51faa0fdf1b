/* Files: read whole under a limit; written to a temporary, synced, renamed, never half. */
#ifndef FM_BASE_FILE_H
#define FM_BASE_FILE_H

#include "base/text.h"

#include <stdio.h>

/* "PATH: cannot open: No such file or directory", from errno: FM_ERROR_NOT_FOUND or FM_ERROR_IO. */
fm_status fm_fail_system(fm_context *context, const char *path, const char *what);

/* The whole file, with a '\0' behind it (not counted). FM_ERROR_NOT_FOUND, FM_ERROR_IO, or
 * FM_ERROR_LIMIT when it holds more than `limit` bytes. The caller releases *bytes. */
fm_status fm_file_read(fm_context *context, const char *path, size_t limit, char **bytes,
                       size_t *size);

/* A file that appears under its name only when it is complete. */
typedef struct fm_file_writer {
    fm_context *context;
    char *path, *target, *temporary; /* target: where the path's symbolic links end */
    FILE *stream; /* write here with fwrite or fprintf; errors are found by commit */
} fm_file_writer;

/* FM_ERROR_IO where the name is a folder's, a device's or a pipe's, or a file's that may not be
 * written. A file that is there keeps its permissions. */
fm_status fm_file_writer_open(fm_context *context, const char *path, fm_file_writer *writer);
/* Flushes, syncs, renames over the old file, syncs the folder. Closes the writer either way. */
fm_status fm_file_writer_commit(fm_file_writer *writer);
/* Removes the temporary; for error paths. Harmless after a commit. */
void fm_file_writer_abandon(fm_file_writer *writer);

/* Whether a file could be written now, as fm_file_writer_open tells it. Nothing is left behind. */
fm_status fm_file_check_writable(fm_context *context, const char *path);

/* The whole of a text as a file; a failed allocation of the text is told here, too. */
fm_status fm_file_write_text(const fm_text *text, const char *path);

bool fm_file_exists(const char *path);
/* Whether two names are one file's, which need not be there yet. */
bool fm_file_same(const char *a, const char *b);

#endif
