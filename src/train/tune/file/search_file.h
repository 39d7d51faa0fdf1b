/* Of a search's file, what its journal compares. */
#ifndef FM_TRAIN_TUNE_FILE_SEARCH_FILE_H
#define FM_TRAIN_TUNE_FILE_SEARCH_FILE_H

#include "fathom/tune.h"

/* A section as YAML on one line, "" without it; NULL without memory. It stays the file's. */
const char *fm_search_section(fm_search_file *file, const char *name);

#endif
