#include "cli/layer_table.h"
#include "cli/json_lines.h"

#include <string.h>

/* ---- totals ---------------------------------------------------------------------------------- */

int64_t layer_table_parameters(const layer_table *table)
{
    int64_t total = 0;
    for (int i = 0; i < table->count; i++) total += table->rows[i].parameters;
    return total;
}

double layer_table_flops(const layer_table *table)
{
    double total = 0;
    for (int i = 0; i < table->count; i++) total += table->rows[i].flops;
    return total;
}

double layer_table_macs(const layer_table *table)
{
    double total = 0;
    for (int i = 0; i < table->count; i++) total += table->rows[i].macs;
    return total;
}

/* ---- blocks ---------------------------------------------------------------------------------- */

/* The length of "body/layer1/0" in the names of a block's rows; 0: the row stands alone. */
static size_t block_prefix(const char *name)
{
    const char *end = name;
    for (int i = 0; i < 3; i++) {
        end = strchr(end, '/');
        if (!end) return 0;
        end++;
    }
    return (size_t)(end - name) - 1;
}

/* Rows from `first` on that are of one block. */
static int block_size(const layer_table *table, int first)
{
    const fm_layer_row *rows = table->rows;
    size_t prefix = block_prefix(rows[first].name);
    int size = 1;
    while (prefix && first + size < table->count &&
           block_prefix(rows[first + size].name) == prefix &&
           strncmp(rows[first + size].name, rows[first].name, prefix) == 0) {
        size++;
    }
    return size;
}

static bool same_row(const fm_layer_row *a, const fm_layer_row *b)
{
    return strcmp(a->type, b->type) == 0 && fm_shape_equal(a->output, b->output) &&
           a->parameters == b->parameters && a->flops == b->flops;
}

/* Is the block at `first` like the one in front of it? */
static bool repeats(const layer_table *table, int first, int size)
{
    if (first < size || !block_prefix(table->rows[first].name)) return false;
    if (block_size(table, first) != size || block_size(table, first - size) != size) return false;
    for (int i = 0; i < size; i++) {
        if (!same_row(&table->rows[first + i], &table->rows[first + i - size])) return false;
    }
    return true;
}

/* ---- printing -------------------------------------------------------------------------------- */

typedef struct widths {
    int name, type, output;
} widths;

static void widen(int *width, const char *text)
{
    if ((int)strlen(text) > *width) *width = (int)strlen(text);
}

static widths widths_of(const layer_table *table)
{
    char shape[FM_SHAPE_TEXT];
    widths w = {5, 4, 12};
    for (int i = 0; i < table->count; i++) {
        const fm_layer_row *row = &table->rows[i];
        widen(&w.name, row->name);
        widen(&w.type, row->type);
        widen(&w.output, fm_shape_text(row->output, shape));
    }
    return w;
}

static void print_row(const widths *w, const fm_layer_row *row)
{
    char shape[FM_SHAPE_TEXT], parameters[32], flops[32];
    printf("%-*s  %-*s  %-*s %13s %15s\n", w->name, row->name, w->type, row->type, w->output,
           fm_shape_text(row->output, shape), show_count((double)row->parameters, parameters),
           show_count(row->flops, flops));
}

/* `blocks` blocks of `size` rows from `first` on. */
static void print_repeated(const terminal *t, const widths *w, const layer_table *table, int first,
                           int size, int blocks)
{
    char words[160], parameters[32], flops[32];
    const fm_layer_row *row = &table->rows[first], *last = row + (blocks - 1) * size;
    double sum = 0, work = 0;
    for (int i = 0; i < blocks * size; i++) {
        sum += (double)row[i].parameters;
        work += row[i].flops;
    }
    int used = (int)block_prefix(row->name), end = (int)block_prefix(last->name);
    if (blocks > 1) {
        snprintf(words, sizeof words, "%.*s to %.*s: the same %d times", used, row->name, end,
                 last->name, blocks);
    } else {
        snprintf(words, sizeof words, "%.*s: the same", used, row->name);
    }
    printf("%s%-*s %13s %15s%s\n", terminal_dim(t), w->name + w->type + w->output + 4, words,
           show_count(sum, parameters), show_count(work, flops), terminal_plain(t));
}

void layer_table_print(const terminal *t, const layer_table *table)
{
    char shape[FM_SHAPE_TEXT], parameters[32], flops[32];
    widths w = widths_of(table);
    printf("%s%-*s  %-*s  %-*s %13s %15s%s\n", terminal_bold(t), w.name, "layer", w.type, "type",
           w.output, "output", "parameters", "FLOPs", terminal_plain(t));
    printf("%-*s  %-*s  %s\n", w.name, "input", w.type, "", fm_shape_text(table->input, shape));
    for (int i = 0; i < table->count;) {
        int size = block_size(table, i), blocks = 0;
        while (i + blocks * size < table->count && repeats(table, i + blocks * size, size))
            blocks++;
        if (blocks > 0) {
            print_repeated(t, &w, table, i, size, blocks);
            i += blocks * size;
            continue;
        }
        for (int end = i + size; i < end; i++) print_row(&w, &table->rows[i]);
    }
    printf("%-*s %13s %15s\n", w.name + w.type + w.output + 4, "total",
           show_count((double)layer_table_parameters(table), parameters),
           show_count(layer_table_flops(table), flops));
}

/* ---- JSON ------------------------------------------------------------------------------------ */

json_t *json_shape(fm_shape shape)
{
    json_t *list = json_array();
    for (int i = 0; i < shape.rank; i++) json_array_append_new(list, json_integer(shape.dims[i]));
    return list;
}

json_t *layer_table_json(const layer_table *table)
{
    json_t *list = json_array();
    for (int i = 0; i < table->count; i++) {
        const fm_layer_row *row = &table->rows[i];
        json_array_append_new(list,
                              json_pack("{s:s, s:s, s:o, s:I, s:o, s:o}", "name", row->name, "type",
                                        row->type, "output", json_shape(row->output), "parameters",
                                        (json_int_t)row->parameters, "flops",
                                        json_number(row->flops), "macs", json_number(row->macs)));
    }
    return list;
}
