/* Bytes one after the other from a file or from memory,
 * expanded on the way when they are gzip or xz. */
#ifndef FM_DATA_BYTE_STREAM_H
#define FM_DATA_BYTE_STREAM_H

#include "base/memory.h"

#include <stdio.h>
#include <lzma.h>
#include <zlib.h>

typedef struct fm_byte_stream {
    fm_context *context;
    const char *name; /* for errors; borrowed */
    FILE *file;       /* NULL: memory */
    const unsigned char *memory;
    size_t memory_left;
    int64_t stored;        /* bytes as stored; -1: unknown (a pipe) */
    unsigned char *buffer; /* of the file's bytes */
    const unsigned char *input;
    size_t input_left;
    bool gzip, xz, ended;
    z_stream inflate;
    lzma_stream expand;
    lzma_allocator allocator; /* of expand; opaque is the context */
} fm_byte_stream;

/* Memory is borrowed until close. A failed open needs no close. */
fm_status fm_byte_stream_open(fm_context *context, const char *path, fm_byte_stream *stream);
fm_status fm_byte_stream_memory(fm_context *context, const char *name, const void *bytes,
                                size_t size, fm_byte_stream *stream);
void fm_byte_stream_close(fm_byte_stream *stream);

/* Up to `wanted` bytes; fewer only at the end. */
fm_status fm_byte_stream_read(fm_byte_stream *stream, void *to, size_t wanted, size_t *got);
/* Exactly `wanted` bytes, or FM_ERROR_FORMAT: the file ends within `what`. */
fm_status fm_byte_stream_need(fm_byte_stream *stream, void *to, size_t wanted, const char *what);
/* FM_ERROR_FORMAT when bytes are left. */
fm_status fm_byte_stream_expect_end(fm_byte_stream *stream);
/* All that is left, with a '\0' behind it (not counted); FM_ERROR_LIMIT beyond `limit`. The caller
 * releases *bytes. */
fm_status fm_byte_stream_read_all(fm_byte_stream *stream, size_t limit, char **bytes, size_t *size);
/* The same of a file, opened and closed. */
fm_status fm_byte_stream_read_file(fm_context *context, const char *path, size_t limit,
                                   char **bytes, size_t *size);
/* More bytes than this can never come out: what a size in a header is checked against. */
int64_t fm_byte_stream_most(const fm_byte_stream *stream);

/* zlib's memory through the context: z.zalloc, z.zfree, z.opaque. */
void fm_inflate_hooks(fm_context *context, z_stream *z);

#endif
