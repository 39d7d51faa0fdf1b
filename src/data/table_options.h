/* What options of tables share: how a user says a column,
 * and the words for header and separator. */
#ifndef FM_DATA_TABLE_OPTIONS_H
#define FM_DATA_TABLE_OPTIONS_H

#include "base/context.h"

extern const char *const fm_table_header_names[];    /* by fm_csv_header */
extern const char *const fm_table_separator_names[]; /* by fm_csv_separator */
extern const char *const fm_column_kind_names[];     /* by fm_column_kind */

/* Columns are said by name, or by number: 0 is the first, -1 the last. next(list, i) gives the i-th
 * one's name, NULL behind the last, as fm_nearest wants it. -1: there is no such column. */
int64_t fm_column_of_name(const char *word, const char *(*next)(const void *list, int index),
                          const void *list);
int64_t fm_column_of_number(const char *word, int64_t count);

/* FM_ERROR_NOT_FOUND: "FILE: target names the column 'Tmep'; ... among the 3;
 * did you mean 'Temp'?" */
fm_status fm_column_unknown(fm_context *context, const char *file, const char *option,
                            const char *word, const char *(*next)(const void *list, int index),
                            const void *list);

#endif
