/* `fathom explain --method attention`: what each head looked at. */
#ifndef FM_CLI_EXPLAIN_ATTENTION_H
#define FM_CLI_EXPLAIN_ATTENTION_H

#include "cli/explain_views.h"

/* tokens: of a text, NULL for other samples; written: what those stand for that are unknown, or
 * NULL. Positions from `first` on, `count` of them, are no padding: they alone are shown. */
typedef struct attended {
    char title[256];
    const void *x; /* the prepared sample */
    const int32_t *tokens;
    const fm_written *written;
    int64_t length, first, count;
    const fm_attention_map *maps;
    int map_count;
} attended;

typedef struct attention_view {
    const invocation *s;
    const saved_model *saved;
    const attended *samples;
    int64_t count;
} attention_view;

/* Explains the inputs' samples, and --text of a model that goes on with a text. */
fm_status explain_by_attention(invocation *s, saved_model *saved, const predict_input *inputs,
                               int input_count);

/* A name for position i of a map's keys, in the buffer: the token, or its number. */
const char *attended_name(const attention_view *view, const attended *a, int64_t i,
                          char buffer[32]);
/* The mean weight that key i has from the queries that are shown. */
double attended_received(const attended *a, const fm_attention_map *map, int64_t head, int64_t i);
/* What a map shows: all of it where its positions are not the tokens'. */
void attended_range(const attended *a, const fm_attention_map *map, int64_t *first, int64_t *count);

/* Matrices side by side, a row a layer: heads to the right. */
fm_status attention_sheet_write(const attention_view *view, const char *path);
/* A page: the text in the colors of what each head looks at, and the matrices. */
fm_status attention_page_write(const attention_view *view, const char *title, const char *path);

#endif
