#include "data/file/curl_library.h"
#include "base/context.h"

#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

static const struct {
    const char *name;
    size_t offset; /* of the pointer in fm_curl */
} functions[] = {
    {"curl_easy_init", offsetof(fm_curl, init)},
    {"curl_easy_setopt", offsetof(fm_curl, set)},
    {"curl_easy_perform", offsetof(fm_curl, perform)},
    {"curl_easy_strerror", offsetof(fm_curl, words)},
    {"curl_easy_cleanup", offsetof(fm_curl, cleanup)},
};

static fm_status refuse(fm_context *context, const char *name)
{
    const char *reason = dlerror();
    return fm_fail(context, FM_ERROR_UNSUPPORTED, "%s, which downloads, cannot be loaded: %s", name,
                   reason ? reason : "no reason is known");
}

fm_status fm_curl_open(fm_context *context, const char *name, fm_curl *curl)
{
    *curl = (fm_curl){.library = dlopen(name, RTLD_LAZY | RTLD_LOCAL | RTLD_NODELETE)};
    if (!curl->library) return refuse(context, name);
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        void *found = dlsym(curl->library, functions[i].name);
        if (!found) {
            refuse(context, name);
            fm_curl_close(curl);
            return FM_ERROR_UNSUPPORTED;
        }
        memcpy((char *)curl + functions[i].offset, &found, sizeof found);
    }
    return FM_OK;
}

void fm_curl_close(fm_curl *curl)
{
    if (curl->library) dlclose(curl->library);
    *curl = (fm_curl){0};
}
