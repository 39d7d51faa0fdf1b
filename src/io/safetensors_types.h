/* The format's element types and ours. */
#ifndef FM_IO_SAFETENSORS_TYPES_H
#define FM_IO_SAFETENSORS_TYPES_H

#include "fathom/tensor.h"

#include <string.h>

/* Elements are kept as they lie in memory. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "safetensors files are little-endian");

typedef struct safetensors_type {
    const char *name;
    size_t bits;
    bool readable;
    fm_dtype dtype;
} safetensors_type;

static const safetensors_type safetensors_types[] = {
    {"F32", 32, true, FM_F32}, {"F64", 64, true, FM_F64}, {"I32", 32, true, FM_I32},
    {"I64", 64, true, FM_I64}, {"U8", 8, true, FM_U8},    {"BOOL", 8, true, FM_BOOL},
    {"F16", 16, false, 0},     {"BF16", 16, false, 0},    {"I8", 8, false, 0},
    {"I16", 16, false, 0},     {"U16", 16, false, 0},     {"U32", 32, false, 0},
    {"U64", 64, false, 0},     {"C64", 64, false, 0},     {"F8_E4M3", 8, false, 0},
    {"F8_E5M2", 8, false, 0},  {"F8_E8M0", 8, false, 0},  {"F6_E2M3", 6, false, 0},
    {"F6_E3M2", 6, false, 0},  {"F4", 4, false, 0},
};

enum { SAFETENSORS_TYPES = sizeof safetensors_types / sizeof safetensors_types[0] };

static inline const safetensors_type *safetensors_type_find(const char *name)
{
    for (int i = 0; i < SAFETENSORS_TYPES; i++) {
        if (strcmp(safetensors_types[i].name, name) == 0) return &safetensors_types[i];
    }
    return NULL;
}

static inline const safetensors_type *safetensors_type_of(fm_dtype dtype)
{
    for (int i = 0; i < SAFETENSORS_TYPES; i++) {
        if (safetensors_types[i].readable && safetensors_types[i].dtype == dtype) {
            return &safetensors_types[i];
        }
    }
    return NULL;
}

#endif
