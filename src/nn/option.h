/* Effective values of options, and tables of fields in short. */
#ifndef FM_NN_OPTION_H
#define FM_NN_OPTION_H

#include "base/fields.h"
#include "fathom/graph.h"

#include <stddef.h>
#include <string.h>

/* The number that the field called `name` has in `options`, its default filled in; 0 when the table
 * has no such field. */
static inline double fm_option_real(const fm_field *fields, const char *name, const void *options)
{
    const fm_field *field = fm_field_find(fields, name);
    return field ? fm_field_real(field, options) : 0;
}

static inline int64_t fm_option_int(const fm_field *fields, const char *name, const void *options)
{
    const fm_field *field = fm_field_find(fields, name);
    return field ? fm_field_int(field, options) : 0;
}

/* A row of a table: type_ is the options struct, member_ its member and the field's name. */
#define FM_FIELD(type_, member_, kind_, doc_, ...)                                                 \
    {                                                                                              \
        .name = #member_, .doc = (doc_), .offset = offsetof(type_, member_), .type = (kind_),      \
        __VA_ARGS__                                                                                \
    }
#define FM_NAME_FIELD(type_)                                                                       \
    FM_FIELD(type_, name, FM_FIELD_STRING, "what the layer's variables are found under")

/* Is `name` a record's name or one of its (two) aliases? */
static inline bool fm_named(const char *name, const char *own, const char *const *aliases)
{
    return strcmp(name, own) == 0 || (aliases[0] && strcmp(name, aliases[0]) == 0) ||
           (aliases[1] && strcmp(name, aliases[1]) == 0);
}

/* Fails the graph with the words that the context just received. */
static inline fm_val fm_graph_fail_context(fm_graph *g)
{
    fm_context *context = fm_graph_context(g);
    return fm_graph_fail(g, fm_error_status(context), "%s", fm_error_message(context));
}

#endif
