/* libcurl, loaded when a download begins and not with the program: with the thirty libraries that
 * it needs in turn, starting took three times as long, and few runs download anything. */
#ifndef FM_DATA_FILE_CURL_LIBRARY_H
#define FM_DATA_FILE_CURL_LIBRARY_H

#include "fathom/base.h"

#include <curl/curl.h>

typedef struct fm_curl {
    void *library;
    __typeof__(curl_easy_init) *init;
    __typeof__(curl_easy_setopt) *set;
    __typeof__(curl_easy_perform) *perform;
    __typeof__(curl_easy_strerror) *words;
    __typeof__(curl_easy_cleanup) *cleanup;
} fm_curl;

/* What the library is called by whose header this was compiled with. */
#define FM_CURL_NAME "libcurl.so.4"

/* FM_ERROR_UNSUPPORTED with the loader's reason. Once loaded it stays until the process ends: what
 * it has set up cannot be undone. */
fm_status fm_curl_open(fm_context *context, const char *name, fm_curl *curl);
void fm_curl_close(fm_curl *curl);

#endif
