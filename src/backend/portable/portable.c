/* The backend that refuses nothing. It needs no kernels of its own: where no backend offers one, a
 * node runs its op's portable kernel, also for ops from outside the library. Slow, correct, and
 * what the others are judged against. */
#include "backend/backends.h"

static const fm_kernel *portable_kernel_at(int index)
{
    (void)index;
    return NULL;
}

const fm_backend fm_portable_backend = {.name = "portable", .kernel_at = portable_kernel_at};
