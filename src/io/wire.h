/* Protocol buffers' wire format (protobuf.dev, "Encoding"), written by hand: a message is bytes in
 * a text; one in another is written to a text of its own and put in with its length. */
#ifndef FM_IO_WIRE_H
#define FM_IO_WIRE_H

#include "base/text.h"

void fm_wire_int(fm_text *message, int field, int64_t value);
void fm_wire_double(fm_text *message, int field, double value);
void fm_wire_float(fm_text *message, int field, float value);
void fm_wire_bytes(fm_text *message, int field, const void *bytes, size_t size);
void fm_wire_string(fm_text *message, int field, const char *string);
/* Packed. */
void fm_wire_doubles(fm_text *message, int field, const double *values, size_t count);
/* Releases the inner message; a failure of it becomes the outer one's. */
void fm_wire_message(fm_text *message, int field, fm_text *inner);

/* A number's bytes, the lowest first. */
void fm_wire_fixed(fm_text *bytes, uint64_t value, int size);

/* CRC-32C (Castagnoli 1993) of the bytes, rotated and offset as TFRecords have it. */
uint32_t fm_masked_crc32c(const void *bytes, size_t size);

/* A PNG image of bytes, channels 1 or 3, appended to `png`; through zlib. */
fm_status fm_png_bytes(fm_context *context, int64_t height, int64_t width, int64_t channels,
                       const uint8_t *pixels, fm_text *png);

#endif
