/* The store's inside: programs point at its memory. */
#ifndef FM_RUN_STORE_H
#define FM_RUN_STORE_H

#include "base/map.h"
#include "fathom/backend.h"
#include "fathom/program.h"

typedef struct fm_stored_variable {
    char *path;
    fm_dtype dtype;
    fm_shape shape;
    bool trainable;
    int users;        /* programs that point at `data`: its layout cannot change any more */
    fm_layout layout; /* of `data` */
    void *data;
    size_t bytes;
} fm_stored_variable;

struct fm_store {
    fm_context *context;
    uint64_t seed, step;
    uint64_t changes; /* grows whenever a variable may have changed */
    char *workspace;  /* the arena of programs that share one */
    size_t workspace_bytes;
    fm_stored_variable *variables;
    size_t count, capacity;
    fm_map by_path;
};

/* The variable of that path, created by its initialiser when absent; fails with both shapes when it
 * exists with another. `required` may be a layout for its memory; it is kept when a program already
 * uses the variable in another. */
fm_status fm_store_require(fm_store *store, const char *path, fm_dtype dtype, fm_shape shape,
                           const fm_variable_options *options, uint32_t *index);

/* The workspace has at least this size. It moves when it grows, so programs look where it is before
 * they run; what lay in it is lost. */
fm_status fm_store_reserve(fm_store *store, size_t bytes);

/* Moves a variable that no program uses into another layout. */
fm_status fm_store_relayout(fm_store *store, uint32_t index, const fm_layout *layout);

#endif
