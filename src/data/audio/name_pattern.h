/* Names of files that tell fields: "{class}_{speaker}_{index}", and conditions on a field. */
#ifndef FM_DATA_NAME_PATTERN_H
#define FM_DATA_NAME_PATTERN_H

#include "base/memory.h"

enum { FM_MOST_NAME_FIELDS = 8, FM_MOST_FIELD_NAME = 32, FM_MOST_PATTERN = 256 };

/* The text in front of a field and the field's name; the last part has no field. */
typedef struct fm_name_piece {
    char text[FM_MOST_PATTERN];
    char field[FM_MOST_FIELD_NAME]; /* "" without one, "*" without a name */
} fm_name_piece;

typedef struct fm_name_pattern {
    const char *words; /* as it was written */
    int slashes;
    int count;
    fm_name_piece pieces[FM_MOST_NAME_FIELDS + 1];
} fm_name_pattern;

/* What a name says: value i belongs to the pattern's field i. */
typedef struct fm_name_fields {
    const char *at[FM_MOST_NAME_FIELDS];
    int size[FM_MOST_NAME_FIELDS];
} fm_name_fields;

/* `words` is borrowed. `owner` is named in errors. */
fm_status fm_name_pattern_read(fm_context *context, const char *owner, const char *words,
                               fm_name_pattern *pattern);
/* The number of a field, or -1. */
int fm_name_pattern_field(const fm_name_pattern *pattern, const char *field);
/* `name` without its ending (size characters). */
bool fm_name_pattern_match(const fm_name_pattern *pattern, const char *name, int size,
                           fm_name_fields *fields);

/* "index=0-4,7" or "speaker=th*": numbers from one to another, and patterns with '*' and '?'. */
typedef struct fm_name_condition {
    char field[FM_MOST_FIELD_NAME];
    const char *values; /* NULL: always met */
} fm_name_condition;

fm_status fm_name_condition_read(fm_context *context, const char *owner, const char *words,
                                 fm_name_condition *condition);
bool fm_name_condition_met(const fm_name_condition *condition, const char *value);

#endif
