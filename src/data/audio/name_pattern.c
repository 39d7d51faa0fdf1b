#include "data/audio/name_pattern.h"
#include "base/pattern.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* ---- reading ---- */

static bool is_field_letter(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

static fm_status fail(fm_context *context, const char *owner, const char *words, const char *why)
{
    return fm_fail(context, FM_ERROR_ARGUMENT, "%s '%s': %s", owner, words, why);
}

/* The field that begins at *at, behind it *at afterwards; NULL or what is wrong. */
static const char *read_field(const char **at, fm_name_piece *piece)
{
    if (**at == '*') {
        strcpy(piece->field, "*");
        (*at)++;
        return NULL;
    }
    const char *first = *at + 1, *last = first;
    while (is_field_letter(*last)) last++;
    if (*last != '}' || last == first) {
        return "a field is a word of letters, digits and '_' in braces";
    }
    if (last - first >= FM_MOST_FIELD_NAME) return "a field's name is too long";
    memcpy(piece->field, first, (size_t)(last - first));
    *at = last + 1;
    return NULL;
}

fm_status fm_name_pattern_read(fm_context *context, const char *owner, const char *words,
                               fm_name_pattern *pattern)
{
    *pattern = (fm_name_pattern){.words = words, .count = 1};
    int size = 0;
    if (strlen(words) >= FM_MOST_PATTERN) return fail(context, owner, words, "it is too long");
    for (const char *at = words; *at;) {
        fm_name_piece *piece = &pattern->pieces[pattern->count - 1];
        if (*at != '{' && *at != '*') {
            if (*at == '}') return fail(context, owner, words, "a '}' without its '{'");
            pattern->slashes += *at == '/';
            piece->text[size++] = *at++;
            continue;
        }
        if (size == 0 && pattern->count > 1) {
            return fail(context, owner, words, "two fields need a text between them");
        }
        if (pattern->count > FM_MOST_NAME_FIELDS) {
            return fail(context, owner, words, "it has more than 8 fields");
        }
        const char *why = read_field(&at, piece);
        if (why) return fail(context, owner, words, why);
        pattern->count++;
        size = 0;
    }
    return FM_OK;
}

int fm_name_pattern_field(const fm_name_pattern *pattern, const char *field)
{
    for (int i = 0; i < pattern->count - 1; i++) {
        if (strcmp(pattern->pieces[i].field, field) == 0) return i;
    }
    return -1;
}

/* ---- matching ---- */

/* Where `text` begins in [at, end), or NULL. */
static const char *find(const char *at, const char *end, const char *text, size_t size)
{
    for (; (size_t)(end - at) >= size; at++) {
        if (memcmp(at, text, size) == 0) return at;
    }
    return NULL;
}

/* The last `slashes` folders and the name, or NULL when there are fewer. */
static const char *tail_of(const char *name, const char *end, int slashes)
{
    const char *at = end;
    for (; at > name; at--) {
        if (at[-1] == '/' && slashes-- == 0) return at;
    }
    return slashes <= 0 ? name : NULL;
}

bool fm_name_pattern_match(const fm_name_pattern *pattern, const char *name, int size,
                           fm_name_fields *fields)
{
    const char *end = name + size, *at = tail_of(name, end, pattern->slashes);
    if (!at) return false;
    size_t lead = strlen(pattern->pieces[0].text);
    if ((size_t)(end - at) < lead || memcmp(at, pattern->pieces[0].text, lead) != 0) return false;
    at += lead;
    for (int i = 0; i < pattern->count - 1; i++) {
        const char *text = pattern->pieces[i + 1].text;
        size_t length = strlen(text);
        const char *stop;
        if (at == end) return false; /* a field has at least one character */
        if (i + 2 == pattern->count) {
            stop = end - length;
            if ((size_t)(end - at) <= length || memcmp(stop, text, length) != 0) return false;
        } else {
            stop = find(at + 1, end, text, length);
            if (!stop) return false;
        }
        if (memchr(at, '/', (size_t)(stop - at))) return false;
        fields->at[i] = at;
        fields->size[i] = (int)(stop - at);
        at = stop + length;
    }
    return at == end;
}

/* ---- conditions ---- */

fm_status fm_name_condition_read(fm_context *context, const char *owner, const char *words,
                                 fm_name_condition *condition)
{
    *condition = (fm_name_condition){0};
    if (!words) return FM_OK;
    const char *equals = strchr(words, '=');
    size_t size = equals ? (size_t)(equals - words) : 0;
    while (size > 0 && words[size - 1] == ' ') size--;
    if (size == 0 || size >= FM_MOST_FIELD_NAME || !equals[1]) {
        return fail(context, owner, words, "a field and its values are wanted, like index=0-4");
    }
    memcpy(condition->field, words, size);
    condition->values = equals + 1;
    return FM_OK;
}

/* A whole text of digits as a number; false: it is none. */
static bool read_number(const char *text, int size, int64_t *number)
{
    *number = 0;
    for (int i = 0; i < size; i++) {
        if (!isdigit((unsigned char)text[i]) || i == 18) return false;
        *number = *number * 10 + (text[i] - '0');
    }
    return size > 0;
}

static bool is_between(fm_pattern range, const char *value)
{
    const char *dash = memchr(range.text, '-', (size_t)range.size);
    int64_t first, last, number;
    if (!dash) return false;
    int head = (int)(dash - range.text);
    return read_number(range.text, head, &first) &&
           read_number(dash + 1, range.size - head - 1, &last) &&
           read_number(value, (int)strlen(value), &number) && number >= first && number <= last;
}

bool fm_name_condition_met(const fm_name_condition *condition, const char *value)
{
    if (!condition->values) return true;
    const char *list = condition->values;
    for (fm_pattern one; fm_pattern_next(&list, &one);) {
        if (fm_pattern_matches(one, value) || is_between(one, value)) return true;
    }
    return false;
}
