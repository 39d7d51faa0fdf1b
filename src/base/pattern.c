#include "base/pattern.h"
#include "base/fields.h"

#include <stdio.h>
#include <string.h>

bool fm_pattern_next(const char **list, fm_pattern *pattern)
{
    const char *at = *list + strspn(*list, ", ");
    size_t size = strcspn(at, ",");
    *list = at + size;
    while (size && at[size - 1] == ' ') size--;
    *pattern = (fm_pattern){at, (int)size};
    return size > 0;
}

/* A star takes as little as it can and one more whenever what follows does not fit: linear in the
 * product of the lengths. */
bool fm_pattern_matches(fm_pattern pattern, const char *name)
{
    const char *p = pattern.text, *end = p + pattern.size, *star = NULL, *retry = NULL;
    while (*name) {
        if (p < end && *p == '*') {
            star = ++p;
            retry = name;
        } else if (p < end && (*p == '?' || *p == *name)) {
            p++;
            name++;
        } else if (star) {
            p = star;
            name = ++retry;
        } else {
            return false;
        }
    }
    while (p < end && *p == '*') p++;
    return p == end;
}

bool fm_patterns_match(const char *list, const char *name)
{
    fm_pattern pattern;
    while (list && fm_pattern_next(&list, &pattern)) {
        if (fm_pattern_matches(pattern, name)) return true;
    }
    return false;
}

/* ---- slips of the pen ------------------------------------------------------------------------ */

enum { LONGEST_SUGGESTION = 256 };

/* `best` becomes the candidate if that is nearer to the word. */
static void consider(const char *word, const char *candidate, char best[LONGEST_SUGGESTION])
{
    const char *const pair[] = {*best ? best : candidate, candidate, NULL};
    const char *near = fm_nearest_string(word, pair);
    if (near && near != best) snprintf(best, LONGEST_SUGGESTION, "%s", near);
}

/* The nearest name, or a name's scope with a star; "" when nothing is near. */
static void find_nearest(const char *word, const char *(*next)(const void *names, int index),
                         const void *names, char best[LONGEST_SUGGESTION])
{
    const char *name;
    best[0] = '\0';
    for (int i = 0; (name = next(names, i)); i++) {
        consider(word, name, best);
        for (const char *slash = strchr(name, '/'); slash; slash = strchr(slash + 1, '/')) {
            char scope[LONGEST_SUGGESTION];
            snprintf(scope, sizeof scope, "%.*s/*", (int)(slash - name), name);
            consider(word, scope, best);
        }
    }
}

fm_status fm_patterns_check(fm_context *context, const char *list, const char *owner,
                            const char *what, const char *(*next)(const void *names, int index),
                            const void *names)
{
    fm_pattern pattern;
    while (list && fm_pattern_next(&list, &pattern)) {
        const char *name;
        int i = 0;
        while ((name = next(names, i)) && !fm_pattern_matches(pattern, name)) i++;
        if (name) continue;
        char word[LONGEST_SUGGESTION], near[LONGEST_SUGGESTION];
        snprintf(word, sizeof word, "%.*s", pattern.size, pattern.text);
        find_nearest(word, next, names, near);
        return fm_fail(context, FM_ERROR_ARGUMENT, "%s: no %s matches '%s'%s%s%s", owner, what,
                       word, *near ? "; did you mean '" : "", near, *near ? "'?" : "");
    }
    return FM_OK;
}
