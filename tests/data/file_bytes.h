/* Bytes of files that tests write. */
#ifndef TESTS_DATA_FILE_BYTES_H
#define TESTS_DATA_FILE_BYTES_H

#include "support/fixture.h"

#include <zlib.h>

/* gzip of bytes, in memory that the caller frees. */
static inline unsigned char *gzip_bytes(const void *bytes, size_t size, size_t *packed)
{
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    *packed = deflateBound(&z, size) + 32;
    unsigned char *made = malloc(*packed);
    assert_non_null(made);
    z.next_in = (z_const Bytef *)(uintptr_t)bytes;
    z.avail_in = (uInt)size;
    z.next_out = made;
    z.avail_out = (uInt)*packed;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    *packed = z.total_out;
    deflateEnd(&z);
    return made;
}

#endif
