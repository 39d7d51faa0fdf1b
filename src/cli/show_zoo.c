#include "cli/show_zoo.h"
#include "cli/exit_codes.h"
#include "cli/invocation.h"
#include "cli/json_lines.h"
#include "cli/layer_table.h"
#include "cli/show_tables.h"
#include "fathom/zoo.h"

#include <string.h>

const char *show_zoo_name(const char *argument)
{
    static const char front[] = "zoo/";
    size_t size = sizeof front - 1;
    return strncmp(argument, front, size) == 0 ? argument + size : NULL;
}

static fm_shape input_of(const fm_zoo_record *network)
{
    return FM_SHAPE(network->height, network->height, network->channels);
}

static json_t *network_object(const fm_zoo_record *network)
{
    json_t *object = json_pack("{s:s, s:s, s:s, s:i, s:o, s:I, s:I, s:o}", "name", network->name,
                               "doc", network->doc, "paper", network->paper, "year", network->year,
                               "input", json_shape(input_of(network)), "classes",
                               (json_int_t)network->classes, "parameters",
                               (json_int_t)network->parameters, "macs", json_number(network->macs));
    if (network->form) json_object_set_new(object, "form", json_string(network->form));
    return object;
}

void show_zoo_list(bool json)
{
    terminal t = terminal_of(stdout);
    const fm_zoo_record *network;
    if (json) {
        json_t *list = json_array();
        for (int i = 0; (network = fm_zoo_at(i)); i++) {
            json_array_append_new(list, network_object(network));
        }
        json_print(json_pack("{s:o}", "zoo", list));
        return;
    }
    printf("%s%-22s %4s  %-15s %13s %16s  %s%s\n", terminal_bold(&t), "network", "year", "input",
           "parameters", "MACs", "paper", terminal_plain(&t));
    for (int i = 0; (network = fm_zoo_at(i)); i++) {
        char shape[FM_SHAPE_TEXT], parameters[32], macs[32];
        printf("%-22s %4d  %-15s %13s %16s  %s\n", network->name, network->year,
               fm_shape_text(input_of(network), shape),
               show_count((double)network->parameters, parameters), show_count(network->macs, macs),
               network->paper);
    }
}

/* ---- one network ----------------------------------------------------------------------------- */

static fm_val build_network(fm_graph *g, fm_val x, void *network)
{
    return fm_zoo_with(g, ((const fm_zoo_record *)network)->name, x, NULL);
}

static void print_network(const terminal *t, const fm_zoo_record *network, const layer_table *table)
{
    char macs[32];
    layer_table_print(t, table);
    printf("\n%-12s %s\n", "network", network->doc);
    printf("%-12s %s, %d\n", "paper", network->paper, network->year);
    if (network->form) printf("%-12s %s\n", "form", network->form);
    printf("%-12s %s multiply-accumulates for a sample, in convolutions and dense layers\n", "work",
           show_count(layer_table_macs(table), macs));
    printf("%-12s model: {zoo: %s}; 'fathom show zoo %s' lists its options\n", "recipe",
           network->name, network->name);
}

static void print_network_json(const fm_zoo_record *network, const layer_table *table)
{
    json_t *object = network_object(network);
    json_object_set_new(object, "event", json_string("show"));
    json_object_set_new(object, "parameters", json_integer(layer_table_parameters(table)));
    json_object_set_new(object, "flops", json_number(layer_table_flops(table)));
    json_object_set_new(object, "macs", json_number(layer_table_macs(table)));
    json_object_set_new(object, "layers", layer_table_json(table));
    json_print(object);
}

int show_zoo_network(const arguments *given, const char *name)
{
    const fm_zoo_record *network = fm_zoo_find(name);
    if (!network) {
        const char *near = show_table_nearest(show_table_find("zoo"), name);
        fprintf(stderr, "fathom show: the zoo has no '%s'%s%s%s\n", name,
                near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
        return EXIT_USAGE;
    }
    invocation s = {0};
    if (!invocation_open(&s, given)) return EXIT_INTERNAL;
    layer_table table = {.input = input_of(network)};
    fm_layer_row *rows;
    fm_status status = fm_layers_describe(s.context, build_network, (void *)(uintptr_t)network,
                                          table.input, FM_F32, &rows, &table.count);
    if (status == FM_OK) {
        table.rows = rows;
        if (given->json) {
            print_network_json(network, &table);
        } else {
            print_network(&s.out, network, &table);
        }
        fm_layers_release(s.context, rows);
    }
    return invocation_close(&s, status);
}
