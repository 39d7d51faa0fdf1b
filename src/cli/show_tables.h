/* `fathom show layers` and its like: what can stand in a recipe, from the library's own tables. */
#ifndef FM_CLI_SHOW_TABLES_H
#define FM_CLI_SHOW_TABLES_H

#include <stdbool.h>

typedef struct show_table show_table;

const show_table *show_table_find(const char *name); /* NULL when there is none of that name */
/* The i-th table's name for suggestions; NULL at the end. `list` is not used. */
const char *show_table_name(const void *list, int index);
/* The entry with the most similar name, or NULL. */
const char *show_table_nearest(const show_table *table, const char *name);
/* All entries, or the one called `only`; false when there is none of that name. */
bool show_table_print(const show_table *table, const char *only, bool json);

#endif
