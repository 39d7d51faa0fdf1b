/* The table of a model's layers, of `fathom show RECIPE` and `fathom show zoo/NAME`. */
#ifndef FM_CLI_LAYER_TABLE_H
#define FM_CLI_LAYER_TABLE_H

#include "cli/terminal.h"
#include "fathom/nn.h"

#include <jansson.h>

typedef struct layer_table {
    const fm_layer_row *rows;
    int count;
    fm_shape input; /* of one sample */
} layer_table;

int64_t layer_table_parameters(const layer_table *table);
double layer_table_flops(const layer_table *table);
double layer_table_macs(const layer_table *table);

/* A row a layer; blocks that repeat the one before them are told in one line. */
void layer_table_print(const terminal *t, const layer_table *table);
/* An array of objects, all layers. */
json_t *layer_table_json(const layer_table *table);

json_t *json_shape(fm_shape shape);

#endif
