/* Option fields of the built-in sets, for their records. */
#ifndef FM_DATA_BUILT_IN_H
#define FM_DATA_BUILT_IN_H

#include "fathom/data.h"

extern const fm_field fm_strokes_fields[], fm_spirals_fields[], fm_moons_fields[], fm_sine_fields[],
    fm_grammar_fields[];

#endif
