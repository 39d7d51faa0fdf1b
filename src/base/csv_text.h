/* Text in files of CSV. */
#ifndef FM_BASE_CSV_TEXT_H
#define FM_BASE_CSV_TEXT_H

#include "base/text.h"

/* A cell, in quotes where it must be (RFC 4180). */
void fm_csv_add_cell(fm_text *to, const char *cell);

#endif
