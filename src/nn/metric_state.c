/* A metric's running numbers, out and in: checkpoints in the middle of an epoch keep them. */
#include "base/memory.h"
#include "nn/metric_kinds.h"

#include <string.h>

enum { HEAD = 3, PARTS = 4 }; /* sum, weight and row_count go first */

typedef struct part {
    double *numbers;
    size_t count;
} part;

_Static_assert(sizeof(fm_output_sums) == 3 * sizeof(double), "a part is made of doubles");

static void list_parts(const fm_metric *m, part parts[PARTS])
{
    size_t columns = (size_t)m->columns, second = fm_metric_by_column(m) ? 4 : columns;
    parts[0] = (part){m->counts, m->counts ? columns * second : 0};
    parts[1] = (part){(double *)m->outputs, m->outputs ? 3 * columns : 0};
    parts[2] = (part){m->scores, m->row_count * (columns + 2)};
    parts[3] = (part){m->targets, m->targets ? m->row_count * columns : 0};
}

size_t fm_metric_state(const fm_metric *m, double *numbers)
{
    part parts[PARTS];
    size_t count = HEAD;
    list_parts(m, parts);
    for (int i = 0; i < PARTS; i++) {
        if (numbers && parts[i].count) {
            memcpy(numbers + count, parts[i].numbers, parts[i].count * sizeof *numbers);
        }
        count += parts[i].count;
    }
    if (!numbers) return count;
    numbers[0] = m->sum;
    numbers[1] = m->weight;
    numbers[2] = (double)m->row_count;
    return count;
}

/* Room for as many rows as the state says it has; wrong ones are found before memory is taken. */
static fm_status make_rows(fm_metric *m, size_t rows, size_t numbers)
{
    size_t width = (size_t)m->columns;
    if (rows == 0) return FM_OK;
    if (rows > numbers || m->kind != fm_metric_kind_at(FM_AUC)) {
        return fm_fail(m->context, FM_ERROR_FORMAT, "%s: a state of %zu numbers has not %zu rows",
                       m->name, numbers, rows);
    }
    fm_status status =
        fm_grow(m->context, &m->scores, &m->score_capacity, rows * (width + 2), sizeof *m->scores);
    if (status == FM_OK && fm_metric_by_column(m)) {
        status =
            fm_grow(m->context, &m->targets, &m->target_capacity, rows * width, sizeof *m->targets);
    }
    if (status != FM_OK) return status;
    return fm_grow(m->context, &m->sorted, &m->sorted_capacity, rows, sizeof *m->sorted);
}

fm_status fm_metric_restore(fm_metric *m, const double *numbers, size_t count)
{
    fm_metric_reset(m);
    bool sane = count >= HEAD && numbers[2] >= 0 && numbers[2] <= (double)count;
    fm_status status = sane ? make_rows(m, (size_t)numbers[2], count) : FM_OK;
    if (status != FM_OK) return status;
    if (sane) m->row_count = (size_t)numbers[2];
    if (!sane || fm_metric_state(m, NULL) != count) {
        m->row_count = 0;
        return fm_fail(m->context, FM_ERROR_FORMAT,
                       "%s: a state of %zu numbers does not belong to it", m->name, count);
    }
    part parts[PARTS];
    list_parts(m, parts);
    m->sum = numbers[0];
    m->weight = numbers[1];
    numbers += HEAD;
    for (int i = 0; i < PARTS; i++) {
        if (parts[i].count) {
            memcpy(parts[i].numbers, numbers, parts[i].count * sizeof *numbers);
        }
        numbers += parts[i].count;
    }
    return FM_OK;
}
