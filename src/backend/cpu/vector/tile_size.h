/* The size of a tile of results.
 *
 * A tile is up to TILE_ROWS rows by one or two vectors of C, held in registers while depth runs:
 * each step loads the vectors of B once and broadcasts one number of A for each row. The size is
 * what the registers hold: 12 x 2 sums of the 32 registers that AVX-512 has, 6 x 2 of the 16 of
 * AVX2, 4 x 2 where a product needs a register of its own. */
#ifndef FM_BACKEND_CPU_TILE_SIZE_H
#define FM_BACKEND_CPU_TILE_SIZE_H

#include "backend/cpu/vector/vector.h"

#if VECTOR_LENGTH == 16
#define TILE_ROWS    12
#define EACH_ROWS(f) f(1) f(2) f(3) f(4) f(5) f(6) f(7) f(8) f(9) f(10) f(11) f(12)
#elif VECTOR_LENGTH == 8
#define TILE_ROWS    6
#define EACH_ROWS(f) f(1) f(2) f(3) f(4) f(5) f(6)
#else
#define TILE_ROWS    4
#define EACH_ROWS(f) f(1) f(2) f(3) f(4)
#endif
#define PANEL_WIDTH (2 * VECTOR_LENGTH)
#define FETCH_STEP  4 /* steps of depth for each row of results that is fetched meanwhile */

#define FOR_ROWS    UNROLL for (int r = 0; r < rows; r++)
#define FOR_VECTORS UNROLL for (int v = 0; v < vectors; v++)

#endif
