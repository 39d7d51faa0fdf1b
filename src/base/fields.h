/* Reading and writing options structs through their fields. */
#ifndef FM_BASE_FIELDS_H
#define FM_BASE_FIELDS_H

#include "base/context.h"
#include "base/text.h"
#include "fathom/schema.h"

#include <math.h>

/* The value or, where it is a plain zero, the default; FM_ZERO gives zero. */
static inline double fm_or(double value, double default_value)
{
    return value == 0.0 && !signbit(value) ? default_value : value;
}

static inline int64_t fm_or_int(int64_t value, int64_t default_value)
{
    return value == 0 ? default_value : value;
}

/* NULL when there is none of that name. */
const fm_field *fm_field_find(const fm_field *fields, const char *name);

/* Effective value of a REAL field (default filled in); and of INT, BOOL, NOT, ENUM as a number. */
double fm_field_real(const fm_field *field, const void *options);
int64_t fm_field_int(const fm_field *field, const void *options);

/* Sets a field of `options` from a value; fails in words when type, range or choice do not fit.
 * `owner` names what the options belong to ("dense"). Strings are not copied. */
fm_status fm_field_set_real(fm_context *context, const fm_field *field, void *options,
                            const char *owner, double value);
fm_status fm_field_set_int(fm_context *context, const fm_field *field, void *options,
                           const char *owner, int64_t value);
fm_status fm_field_set_bool(fm_context *context, const fm_field *field, void *options,
                            const char *owner, bool value);
fm_status fm_field_set_string(fm_context *context, const fm_field *field, void *options,
                              const char *owner, const char *value); /* also chooses an ENUM */
fm_status fm_field_set_ints(fm_context *context, const fm_field *field, void *options,
                            const char *owner, const fm_ints *value);
fm_status fm_field_set_reals(fm_context *context, const fm_field *field, void *options,
                             const char *owner, const fm_reals *value);

/* For options that came from C and not through the functions above: every zero becomes its default,
 * everything is checked as if it had been set. */
fm_status fm_fields_complete(fm_context *context, const fm_field *fields, void *options,
                             const char *owner);

/* "units=128, activation=relu": the fields that differ from their default, or all of them. */
void fm_fields_print(fm_text *text, const fm_field *fields, const void *options, bool all);

bool fm_fields_equal(const fm_field *fields, const void *a, const void *b);

/* The name that `word` has the initials of, or the nearest one (edit distance), or NULL when
 * nothing is near: "did you mean ...?". next(list, i) returns the i-th candidate, NULL at the
 * end. */
const char *fm_nearest(const char *word, const char *(*next)(const void *list, int index),
                       const void *list);
const char *fm_nearest_field(const char *word, const fm_field *fields);
const char *fm_nearest_string(const char *word, const char *const *strings); /* ends with NULL */

#endif
