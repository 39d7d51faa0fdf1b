#include "backend/backends.h"

#include <string.h>

/* Best first; the portable one, which runs everything, is last. */
static const fm_backend *const backends[] = {
#if FATHOM_HAVE_FAST
    &fm_cpu_backend,
#endif
#if FATHOM_HAVE_ONEDNN
    &fm_onednn_backend,
#endif
    &fm_portable_backend,
};

const fm_backend *fm_backend_at(int index)
{
    return index >= 0 && index < (int)(sizeof backends / sizeof backends[0]) ? backends[index]
                                                                             : NULL;
}

const fm_backend *fm_backend_find(const char *name)
{
    for (int i = 0; fm_backend_at(i); i++) {
        if (strcmp(backends[i]->name, name) == 0) return backends[i];
    }
#if FATHOM_HAVE_FAST
    for (int i = 0; fm_cpu_backend_at(i); i++) {
        if (strcmp(fm_cpu_backend_at(i)->name, name) == 0) return fm_cpu_backend_at(i);
    }
#endif
    return NULL;
}
