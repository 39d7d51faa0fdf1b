/* fathom/schema.h: options described as data.
 *
 * One table of fields describes an options struct once: the recipe reader fills it, `fathom show`
 * prints it, graphs print and compare it, errors quote it. Ops' attributes, layers, losses,
 * optimisers and schedules all use it.
 *
 * Zero means "the default" in every options struct. Where zero itself is wanted and the default is
 * another number, write FM_ZERO (negative zero); integers and enums whose zero differs from the
 * default do not exist: their zero is the default.
 *
 * May be NULL: texts and choices of a field that has none.
 */
#ifndef FATHOM_SCHEMA_H
#define FATHOM_SCHEMA_H

#include "fathom/base.h"

#ifdef __cplusplus
extern "C" {
#endif

#define FM_ZERO (-0.0)

enum { FM_MAX_LIST = 8 };

/* A short list of integers: axes, a kernel size, a permutation. */
typedef struct fm_ints {
    int count;
    int64_t at[FM_MAX_LIST];
} fm_ints;

/* A short list of numbers: a range, the means of channels. */
typedef struct fm_reals {
    int count;
    double at[FM_MAX_LIST];
} fm_reals;

typedef enum fm_field_type {
    FM_FIELD_INT,    /* int64_t */
    FM_FIELD_REAL,   /* double */
    FM_FIELD_BOOL,   /* bool */
    FM_FIELD_NOT,    /* bool stored inverted: `use_bias: false` sets `.no_bias` */
    FM_FIELD_ENUM,   /* int, an index into choices; 0 is the default */
    FM_FIELD_STRING, /* const char * */
    FM_FIELD_INTS,   /* fm_ints */
    FM_FIELD_REALS   /* fm_reals */
} fm_field_type;

/* A table of fields ends with one whose name is NULL. */
typedef struct fm_field {
    const char *name;
    const char *doc; /* one line without a full stop */
    size_t offset;
    fm_field_type type;
    bool required;
    double default_value;       /* what zero stands for */
    double minimum, maximum;    /* inclusive; both 0: any value */
    const char *const *choices; /* FM_FIELD_ENUM: ends with NULL */
} fm_field;

#ifdef __cplusplus
}
#endif
#endif
