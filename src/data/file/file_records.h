/* The records of sets that come from files: rows of the table in data/dataset_records.c. */
#ifndef FM_DATA_FILE_RECORDS_H
#define FM_DATA_FILE_RECORDS_H

#include "fathom/data_files.h"

#define FM_FILE_RECORDS

#endif
