/* Names by pattern: '*' stands for any characters, '/' among them, '?' for one. A list of patterns
 * is one text with commas between them, as a recipe's list arrives. */
#ifndef FM_BASE_PATTERN_H
#define FM_BASE_PATTERN_H

#include "base/context.h"

/* One pattern of a list, without the blanks around it. */
typedef struct fm_pattern {
    const char *text;
    int size;
} fm_pattern;

/* The next pattern of *list, which moves on; false at the end. Empty ones are left out. */
bool fm_pattern_next(const char **list, fm_pattern *pattern);
bool fm_pattern_matches(fm_pattern pattern, const char *name);
/* Does any pattern of the list (NULL: an empty one) match? */
bool fm_patterns_match(const char *list, const char *name);

/* Every pattern must match a name; next as for fm_nearest. FM_ERROR_ARGUMENT names the first that
 * matches none, `what` the names are ("variable"), and the nearest name or "scope/" with a star. */
fm_status fm_patterns_check(fm_context *context, const char *list, const char *owner,
                            const char *what, const char *(*next)(const void *names, int index),
                            const void *names);

#endif
