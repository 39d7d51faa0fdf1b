/* NPZ: a zip of NPY files (PKWARE's APPNOTE.TXT: local headers, a central directory, its end). */
#ifndef FM_DATA_NPZ_H
#define FM_DATA_NPZ_H

#include "data/file/array_file.h"

typedef struct fm_npz fm_npz;

fm_status fm_npz_open(fm_context *context, const char *path, fm_npz **npz);
/* The bytes are borrowed until close. */
fm_status fm_npz_memory(fm_context *context, const char *name, const void *bytes, size_t size,
                        fm_npz **npz);
void fm_npz_close(fm_npz *npz);

/* Names without ".npy"; NULL at the end. */
const char *fm_npz_name(const fm_npz *npz, size_t i);
bool fm_npz_has(const fm_npz *npz, const char *name);

/* Inflates, compares the checksum, and reads the array. limit as in fm_array_read. */
fm_status fm_npz_read(fm_npz *npz, const char *name, int64_t limit, fm_array *array);

#endif
