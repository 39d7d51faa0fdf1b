/* Records of a CSV file in memory (RFC 4180, Y. Shafranovich, 2005), one at a time. */
#ifndef FM_DATA_CSV_READER_H
#define FM_DATA_CSV_READER_H

#include "base/text.h"

typedef struct fm_csv_cell {
    const char *text; /* within the file: without quotes and outer spaces, "" not yet undone */
    size_t size;
    bool doubled;         /* holds quotes that are doubled */
    int64_t line, column; /* from 1; of its first character */
} fm_csv_cell;

typedef struct fm_csv_reader {
    fm_context *context;
    const char *name; /* of the file, for errors */
    const char *begin, *at, *end;
    const char *line_start;
    int64_t line;
    char separator; /* ' ': runs of spaces */
    bool plain;     /* quotes are characters like others */
    size_t max_columns, max_record;
    fm_csv_cell *cells; /* of the current record */
    size_t count, capacity;
} fm_csv_reader;

/* Skips a byte order mark; the bytes must stay. FM_ERROR_FORMAT for what is no text. */
fm_status fm_csv_open(fm_csv_reader *reader, fm_context *context, const char *name,
                      const char *bytes, size_t size);
void fm_csv_close(fm_csv_reader *reader);
void fm_csv_rewind(fm_csv_reader *reader);

/* The separator that the first record has most of, outside of quotes. */
char fm_csv_guess_separator(const fm_csv_reader *reader);

/* The next record that is not a blank line; count is 0 at the end. */
fm_status fm_csv_next(fm_csv_reader *reader);

/* "NAME:line:column: words". */
__attribute__((format(printf, 4, 5))) fm_status fm_csv_fail(const fm_csv_reader *reader,
                                                            const fm_csv_cell *cell,
                                                            fm_status status, const char *format,
                                                            ...);

/* How many bytes of a cell a message shows: for "%.*s". */
static inline int fm_csv_shown(const fm_csv_cell *cell)
{
    enum { MOST = 60 };
    return cell->size < MOST ? (int)cell->size : MOST;
}

/* The cell with doubled quotes undone, in `text` (cleared before). */
fm_status fm_csv_text(const fm_csv_cell *cell, fm_text *text);

/* A decimal number and nothing else; independent of the locale, rounded correctly. */
bool fm_csv_number(const fm_csv_cell *cell, double *value);

#endif
