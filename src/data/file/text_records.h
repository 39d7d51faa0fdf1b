/* The records of sets of text from files: rows of the table in data/dataset_records.c. */
#ifndef FM_DATA_TEXT_RECORDS_H
#define FM_DATA_TEXT_RECORDS_H

#include "fathom/text_data.h"

typedef fm_status fm_open_text_record(fm_context *context, const void *options,
                                      const fm_data_places *places, fm_dataset **train,
                                      fm_dataset **test);

extern const fm_field fm_text_file_fields[], fm_text_classes_fields[];
fm_open_text_record fm_open_text_file_record, fm_open_text_classes_record;

#define FM_TEXT_RECORD                                                                             \
    {                                                                                              \
        "text", "a running text: windows of it, and the token behind each of theirs", NULL,        \
            fm_text_file_fields, sizeof(fm_text_file_options), fm_open_text_file_record            \
    }
#define FM_TEXT_CLASSES_RECORD                                                                     \
    {                                                                                              \
        "text_classes", "texts with a class each, of a table or a folder for each class", NULL,    \
            fm_text_classes_fields, sizeof(fm_text_classes_options), fm_open_text_classes_record   \
    }

/* A whole file, expanded when it is gzip or xz, without a byte order mark; fm_release frees it. */
fm_status fm_text_file_read(fm_context *context, const char *path, int64_t limit, char **bytes,
                            size_t *size);

/* Labelled texts of CLASS/NAME.txt in a folder or an archive. */
fm_status fm_text_folder_open(fm_context *context, const char *folder,
                              const fm_text_classes_options *options, fm_dataset **train,
                              fm_dataset **test);

#endif
