/* A timeline as a file of Chrome's trace event format,
 * which chrome://tracing and ui.perfetto.dev open. */
#ifndef FM_IO_TIMELINE_FILE_H
#define FM_IO_TIMELINE_FILE_H

#include "base/timeline.h"

/* Replaces the file. Nothing is recorded meanwhile. */
fm_status fm_timeline_write(fm_context *context, const fm_timeline *timeline, const char *path);

#endif
