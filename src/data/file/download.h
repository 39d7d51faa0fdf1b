/* One file from the network: resumed where it stopped, checked, and only then under its name. */
#ifndef FM_DATA_DOWNLOAD_H
#define FM_DATA_DOWNLOAD_H

#include "fathom/data.h"

typedef struct fm_download {
    const char *url;
    const char *path; /* where it goes; PATH.part until it is whole. Its folder is made */
    const char *md5;  /* of the content, inflated if it is gzip: 32 hexadecimal digits */
    int64_t limit;    /* bytes that are accepted */
    const fm_data_places *places; /* progress */
} fm_download;

/* FM_OK also when the file is there already. FM_ERROR_IO: the network or the disk; FM_ERROR_FORMAT:
 * what came is not the file that was promised; FM_ERROR_CANCELLED: progress said so. */
fm_status fm_download_file(fm_context *context, const fm_download *request);

#endif
