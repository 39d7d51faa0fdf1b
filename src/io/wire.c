#include "io/wire.h"

#include <string.h>

enum { VARINT = 0, FIXED_64 = 1, LENGTH = 2, FIXED_32 = 5 };

static void add_varint(fm_text *message, uint64_t value)
{
    unsigned char bytes[10];
    size_t size = 0;
    do {
        bytes[size] = (unsigned char)(value & 127);
        value >>= 7;
        if (value) bytes[size] |= 128;
        size++;
    } while (value);
    fm_text_add_bytes(message, bytes, size);
}

static void add_key(fm_text *message, int field, int type)
{
    add_varint(message, (uint64_t)field << 3 | (uint64_t)type);
}

void fm_wire_fixed(fm_text *bytes, uint64_t value, int size)
{
    unsigned char ordered[8];
    for (int i = 0; i < size; i++) ordered[i] = (unsigned char)(value >> 8 * i);
    fm_text_add_bytes(bytes, ordered, (size_t)size);
}

static void add_double(fm_text *message, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    fm_wire_fixed(message, bits, 8);
}

void fm_wire_int(fm_text *message, int field, int64_t value)
{
    add_key(message, field, VARINT);
    add_varint(message, (uint64_t)value);
}

void fm_wire_double(fm_text *message, int field, double value)
{
    add_key(message, field, FIXED_64);
    add_double(message, value);
}

void fm_wire_float(fm_text *message, int field, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    add_key(message, field, FIXED_32);
    fm_wire_fixed(message, bits, 4);
}

void fm_wire_bytes(fm_text *message, int field, const void *bytes, size_t size)
{
    add_key(message, field, LENGTH);
    add_varint(message, size);
    fm_text_add_bytes(message, bytes, size);
}

void fm_wire_string(fm_text *message, int field, const char *string)
{
    fm_wire_bytes(message, field, string, strlen(string));
}

void fm_wire_doubles(fm_text *message, int field, const double *values, size_t count)
{
    add_key(message, field, LENGTH);
    add_varint(message, 8 * count);
    for (size_t i = 0; i < count; i++) add_double(message, values[i]);
}

void fm_wire_message(fm_text *message, int field, fm_text *inner)
{
    fm_wire_bytes(message, field, fm_text_string(inner), inner->size);
    message->failed = message->failed || inner->failed;
    fm_text_release(inner);
}

/* The reflected polynomial 0x82F63B78, four bits at a time. */
uint32_t fm_masked_crc32c(const void *bytes, size_t size)
{
    static const uint32_t table[16] = {
        0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
        0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
        0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
    };
    uint32_t crc = ~0u;
    const unsigned char *at = bytes;
    for (size_t i = 0; i < size; i++) {
        crc ^= at[i];
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
    }
    crc = ~crc;
    return (crc >> 15 | crc << 17) + 0xa282ead8u;
}
