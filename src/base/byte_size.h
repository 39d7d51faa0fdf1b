/* Sizes of memory as people write them. */
#ifndef FM_BASE_BYTE_SIZE_H
#define FM_BASE_BYTE_SIZE_H

#include <stdbool.h>
#include <stddef.h>

/* "4GiB", "512 MiB", "1.5 GB", "800M" (MiB), "65536": KiB, MiB, GiB, TiB are powers of 1024, KB,
 * MB, GB, TB of 1000. false for anything else, and for what size_t does not hold. */
bool fm_bytes_read(const char *text, size_t *bytes);

enum { FM_BYTES_TEXT = 32 };

/* "812 B", "3.2 MiB"; into the buffer, which is returned. */
const char *fm_bytes_text(double bytes, char buffer[FM_BYTES_TEXT]);

#endif
