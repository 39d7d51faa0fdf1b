/* Tar archives (POSIX.1-2001 ustar, with GNU's and pax' long names), whole in memory. */
#ifndef FM_DATA_ARCHIVE_H
#define FM_DATA_ARCHIVE_H

#include "base/memory.h"

typedef struct fm_archive fm_archive;

typedef struct fm_archive_file {
    const char *name; /* as it stands in the archive, without "./" in front */
    const uint8_t *bytes;
    size_t size;
} fm_archive_file;

/* Plain, gzip or xz. A damaged or hostile archive is an FM_ERROR_FORMAT or FM_ERROR_LIMIT. */
fm_status fm_archive_open(fm_context *context, const char *path, fm_archive **archive);
void fm_archive_close(fm_archive *archive);

/* Sorted by name. */
const fm_archive_file *fm_archive_files(const fm_archive *archive, size_t *count);
/* The file whose name ends with "/name" or is it; NULL when there is none. */
const fm_archive_file *fm_archive_find(const fm_archive *archive, const char *name);

/* ".tar", ".tar.gz", ".tgz", ".tar.xz", ".txz" */
bool fm_archive_is_named(const char *path);

#endif
