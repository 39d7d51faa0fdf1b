/* The backends by name. Only backends.c knows which are built in. */
#ifndef FM_BACKENDS_H
#define FM_BACKENDS_H

#include "fathom/backend.h"

extern const fm_backend fm_portable_backend;

#endif
