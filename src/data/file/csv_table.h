/* What the columns of a CSV file are: names, kinds, and which of them are "x" and "y". */
#ifndef FM_DATA_CSV_TABLE_H
#define FM_DATA_CSV_TABLE_H

#include "base/map.h"
#include "base/memory.h"
#include "data/file/csv_reader.h"
#include "fathom/data_files.h"

typedef enum fm_csv_role { FM_CSV_X, FM_CSV_Y, FM_CSV_DROPPED } fm_csv_role;

typedef struct fm_csv_column {
    const char *name;
    fm_csv_role role;
    int64_t place; /* among the columns of its role */
    fm_column_kind kind;
    int64_t numbers, words, missing; /* cells of each sort below the header */
    int64_t commas;                  /* words that are numbers but for their commas */
    fm_csv_cell first_word, first_missing;
    bool repeats;   /* the word of the first line occurs again */
    fm_map by_name; /* categories in order of appearance */
    uint32_t *rank; /* from that order to the sorted one */
} fm_csv_column;

typedef struct fm_csv_table {
    fm_context *context;
    fm_csv_options options;      /* completed */
    const fm_dataset_info *like; /* columns to follow, or NULL */
    fm_csv_reader reader;
    fm_arena words;
    fm_text scratch;
    const char **missing_words; /* ends with NULL */
    fm_csv_column *columns;
    size_t column_count;
    bool has_header;
    int64_t rows, x_count, y_count;
} fm_csv_table;

/* Reads the file's bytes once: names of columns and what is in them. Roles and kinds stay zero. */
fm_status fm_csv_table_survey(fm_csv_table *table, fm_context *context, const char *name,
                              const char *bytes, size_t size, const fm_csv_options *options,
                              const fm_dataset_info *like);
/* The same, and decides everything above but categories. */
fm_status fm_csv_table_open(fm_csv_table *table, fm_context *context, const char *name,
                            const char *bytes, size_t size, const fm_csv_options *options,
                            const fm_dataset_info *like);
void fm_csv_table_close(fm_csv_table *table);

/* By fm_csv_separator; 0: auto. */
extern const char fm_csv_separators[];

bool fm_csv_is_missing(const fm_csv_table *table, const fm_csv_cell *cell);

/* For qsort of pointers to entries of a map: numbers by value, then words by their bytes. */
int fm_csv_compare_categories(const void *a, const void *b);

/* Places the reader behind the header. */
fm_status fm_csv_table_rewind(fm_csv_table *table);

#endif
