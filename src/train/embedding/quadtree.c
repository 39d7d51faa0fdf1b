#include "train/embedding/quadtree.h"

#include <math.h>
#include <string.h>

enum { LEVELS = 31 }; /* halvings of the square: two bits of a code each */

fm_status fm_quadtree_open(fm_arena *arena, uint32_t count, fm_quadtree *tree)
{
    size_t n = count;
    *tree = (fm_quadtree){.count = count,
                          .order = fm_arena_allocate(arena, n * sizeof *tree->order),
                          .codes = fm_arena_allocate(arena, n * sizeof *tree->codes),
                          .cells = fm_arena_allocate(arena, 2 * n * sizeof *tree->cells),
                          .spare_order = fm_arena_allocate(arena, n * sizeof *tree->order),
                          .spare_codes = fm_arena_allocate(arena, n * sizeof *tree->codes)};
    bool all = tree->order && tree->codes && tree->cells && tree->spare_order && tree->spare_codes;
    return all ? FM_OK : FM_ERROR_MEMORY;
}

/* ---- Morton's curve -------------------------------------------------------------------------- */

/* Bit i goes to bit 2 i. */
static uint64_t spread_bits(uint64_t v)
{
    v = (v | v << 16) & 0x0000ffff0000ffff;
    v = (v | v << 8) & 0x00ff00ff00ff00ff;
    v = (v | v << 4) & 0x0f0f0f0f0f0f0f0f;
    v = (v | v << 2) & 0x3333333333333333;
    return (v | v << 1) & 0x5555555555555555;
}

static uint64_t code_part(double offset, double side)
{
    const double steps = (double)(UINT64_C(1) << LEVELS);
    double step = side > 0 ? floor(offset / side * steps) : 0;
    return spread_bits((uint64_t)fmin(fmax(step, 0), steps - 1));
}

static void make_codes(fm_quadtree *tree)
{
    const double *y = tree->points;
    double low[2] = {y[0], y[1]}, high[2] = {y[0], y[1]};
    for (uint32_t i = 1; i < tree->count; i++) {
        for (int k = 0; k < 2; k++) {
            low[k] = fmin(low[k], y[2 * i + k]);
            high[k] = fmax(high[k], y[2 * i + k]);
        }
    }
    tree->side = fmax(high[0] - low[0], high[1] - low[1]);
    for (uint32_t i = 0; i < tree->count; i++) {
        tree->order[i] = i;
        tree->codes[i] = code_part(y[2 * i] - low[0], tree->side) << 1 |
                         code_part(y[2 * i + 1] - low[1], tree->side);
    }
}

/* By digits of 8 bits, the last first. */
static void sort_codes(fm_quadtree *tree)
{
    for (int shift = 0; shift < 2 * LEVELS; shift += 8) {
        uint32_t starts[257] = {0};
        for (uint32_t i = 0; i < tree->count; i++) starts[(tree->codes[i] >> shift & 255) + 1]++;
        for (int k = 0; k < 256; k++) starts[k + 1] += starts[k];
        for (uint32_t i = 0; i < tree->count; i++) {
            uint32_t to = starts[tree->codes[i] >> shift & 255]++;
            tree->spare_codes[to] = tree->codes[i];
            tree->spare_order[to] = tree->order[i];
        }
        uint64_t *codes = tree->codes;
        uint32_t *order = tree->order;
        tree->codes = tree->spare_codes;
        tree->order = tree->spare_order;
        tree->spare_codes = codes;
        tree->spare_order = order;
    }
}

/* ---- cells ----------------------------------------------------------------------------------- */

static void measure(fm_quadtree *tree, fm_quadtree_cell *cell, int level)
{
    double sum[2] = {0};
    for (uint32_t i = cell->first; i < cell->end; i++) {
        sum[0] += tree->points[2 * tree->order[i]];
        sum[1] += tree->points[2 * tree->order[i] + 1];
    }
    cell->count = cell->end - cell->first;
    cell->center[0] = sum[0] / cell->count;
    cell->center[1] = sum[1] / cell->count;
    cell->side2 = ldexp(tree->side, -level) * ldexp(tree->side, -level);
}

/* Where the quarter `digit` of a range ends, by halving. */
static uint32_t quarter_end(const fm_quadtree *tree, uint32_t first, uint32_t end, int shift,
                            unsigned digit)
{
    while (first < end) {
        uint32_t middle = first + (end - first) / 2;
        if ((tree->codes[middle] >> shift & 3) > digit) {
            end = middle;
        } else {
            first = middle + 1;
        }
    }
    return first;
}

/* At most LEVELS deep: each level fixes two bits of the codes at least. */
static void add_cell(fm_quadtree *tree, uint32_t first, uint32_t end)
{
    uint64_t differ = tree->codes[first] ^ tree->codes[end - 1];
    uint32_t own = tree->cell_count++;
    fm_quadtree_cell *cell = &tree->cells[own];
    *cell = (fm_quadtree_cell){.first = first, .end = end};
    int high = differ ? 63 - __builtin_clzll(differ) : 0;
    int shift = high & ~1; /* of the two bits in which its points differ first */
    measure(tree, cell, differ ? LEVELS - 1 - shift / 2 : LEVELS);
    for (unsigned digit = 0; differ && digit < 4; digit++) {
        uint32_t stop = quarter_end(tree, first, end, shift, digit);
        if (stop > first) add_cell(tree, first, stop);
        first = stop;
    }
    cell->next = tree->cell_count;
}

void fm_quadtree_build(fm_quadtree *tree, const double *points)
{
    tree->points = points;
    tree->cell_count = 0;
    make_codes(tree);
    sort_codes(tree);
    add_cell(tree, 0, tree->count);
}

/* ---- sums ------------------------------------------------------------------------------------ */

double fm_quadtree_repulsion(const fm_quadtree *tree, uint32_t i, double angle, double force[2])
{
    const double *y = tree->points, own[2] = {y[2 * i], y[2 * i + 1]}, angle2 = angle * angle;
    double total = 0;
    for (uint32_t k = 0; k < tree->cell_count;) {
        const fm_quadtree_cell *cell = &tree->cells[k];
        double dx = own[0] - cell->center[0], dy = own[1] - cell->center[1];
        double far2 = dx * dx + dy * dy;
        bool leaf = cell->next == k + 1;
        if (!leaf && !(cell->side2 < angle2 * far2)) {
            k++;
            continue;
        }
        k = cell->next;
        if (!leaf || cell->count == 1) {
            if (leaf && tree->order[cell->first] == i) continue;
            double w = 1 / (1 + far2);
            total += cell->count * w;
            force[0] += cell->count * w * w * dx;
            force[1] += cell->count * w * w * dy;
            continue;
        }
        for (uint32_t m = cell->first; m < cell->end; m++) { /* nearly on one place */
            uint32_t j = tree->order[m];
            if (j == i) continue;
            double ex = own[0] - y[2 * j], ey = own[1] - y[2 * j + 1];
            double w = 1 / (1 + ex * ex + ey * ey);
            total += w;
            force[0] += w * w * ex;
            force[1] += w * w * ey;
        }
    }
    return total;
}
