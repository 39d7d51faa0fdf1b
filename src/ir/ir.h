/* The graph's inside, for ops, passes and the planner.
 *
 * Values and nodes are arrays addressed by handles, so that a graph can be cloned, printed and
 * compared. A value's producer is an earlier node, except in a graph that a pass is editing; a
 * node's order in the array is a valid execution order of the built graph. */
#ifndef FM_IR_IR_H
#define FM_IR_IR_H

#include "base/map.h"
#include "base/memory.h"
#include "base/text.h"
#include "fathom/backend.h"
#include "fathom/graph.h"
#include "fathom/op.h"

typedef enum fm_value_kind { FM_TEMPORARY, FM_INPUT, FM_CONSTANT, FM_VARIABLE } fm_value_kind;

typedef enum fm_role { FM_FORWARD, FM_BACKWARD, FM_UPDATE } fm_role;

enum { FM_NO_NODE = UINT32_MAX };

typedef struct fm_value {
    fm_shape shape;
    fm_dtype dtype;
    fm_value_kind kind;
    uint32_t producer; /* node of a temporary, else FM_NO_NODE */
    uint32_t output;   /* which of its outputs */
    uint32_t variable; /* FM_VARIABLE: index into graph->variables */
    const char *name;  /* input name, variable path, else "" */
    const void *data;  /* FM_CONSTANT: the elements, in the arena */
    fm_layout layout;  /* type NULL: plain; set by the layout pass */
    fm_val mask;       /* of the steps of a sequence, {0} without one */
    bool steady;       /* computed once, or a variable that stays (pass/steady.h) */
} fm_value;

typedef struct fm_node {
    const fm_op *op;
    const void *attributes; /* the op's struct, in the arena */
    fm_val *inputs, *outputs;
    int input_count, output_count;
    uint32_t stream; /* FM_OP_RANDOM: who draws */
    fm_role role;
    fm_precision precision; /* set by the autocast pass */
    bool dead;
    const char *scope;
} fm_node;

typedef struct fm_graph_variable_record {
    fm_val value;
    fm_variable_options options;
    fm_val next; /* {0}: not updated */
    bool frozen;
} fm_graph_variable_record;

typedef struct fm_named_value {
    const char *name;
    fm_val value;
} fm_named_value;

/* A layer as it was built (nn/layer.c): what it added lies in these ranges. */
typedef struct fm_layer_note {
    const char *scope, *kind;
    size_t first_node, end_node, first_variable, end_variable;
    fm_val output;
} fm_layer_note;

/* The final states of a recurrent layer, for a later one to begin with; cell {0} without one. */
typedef struct fm_layer_state {
    const char *scope;
    fm_val state, cell;
} fm_layer_state;

/* What fm_add_auxiliary was given. */
typedef struct fm_auxiliary {
    fm_val prediction;
    double weight;
} fm_auxiliary;

struct fm_graph {
    fm_context *context;
    fm_graph_options options;
    fm_arena arena; /* names, attributes, constants, operand lists */
    fm_status status;

    fm_value *values; /* values[0] is the poisoned one */
    size_t value_count, value_capacity;
    fm_node *nodes;
    size_t node_count, node_capacity;

    fm_graph_variable_record *variables;
    size_t variable_count, variable_capacity;
    fm_named_value *inputs, *outputs;
    size_t input_count, input_capacity, output_count, output_capacity;

    fm_map variable_by_path; /* -> index into variables */
    fm_map fresh_names;      /* "scope/base" -> how often it was entered */
    const char **scopes;     /* the path of each level; scopes[0] is "" */
    size_t scope_count, scope_capacity;
    fm_layer_note *layers; /* the outermost ones */
    size_t layer_count, layer_capacity;
    int layer_depth; /* how many are being built */
    fm_layer_state *states;
    size_t state_count, state_capacity;
    fm_auxiliary *auxiliaries;
    size_t auxiliary_count, auxiliary_capacity;
    fm_val penalty; /* the sum of fm_add_penalty, {0} without */
    fm_role role;   /* of nodes added now */
    uint32_t next_stream;
};

static inline fm_value *fm_value_of(const fm_graph *graph, fm_val value)
{
    return &graph->values[value.id];
}

/* Bytes of the value as it is stored, layout included. */
size_t fm_value_bytes(const fm_graph *graph, fm_val value);

/* A fresh temporary without a producer, for passes; {0} on failure. */
fm_val fm_value_add(fm_graph *graph, const fm_value *value);

/* `value` becomes output k of `node`, whose list has room for it. */
void fm_node_take_output(fm_graph *graph, fm_node *node, int k, fm_val value);

/* A constant of a real dtype from what its elements are, in row-major order. */
typedef double fm_element_rule(const void *argument, int64_t i);
fm_val fm_constant_of(fm_graph *graph, fm_dtype dtype, fm_shape shape, fm_element_rule *element,
                      const void *argument);

/* Constants of a dtype other than the graph's. */
fm_val fm_full_as(fm_graph *graph, fm_dtype dtype, fm_shape shape, double number);
fm_val fm_scalar_as(fm_graph *graph, fm_dtype dtype, double number);

/* Enters a scope by its whole path, as nodes keep it. */
void fm_scope_enter_at(fm_graph *graph, const char *path);

/* A number for a random node; the same sequence in every graph built the same way. */
uint32_t fm_graph_next_stream(fm_graph *graph);

/* Is none of them poisoned? One that is, without an earlier mistake, is a mistake of `what`, and so
 * is one of another graph, where its number shows that. Builders outside fm_node_add use it. */
bool fm_all_valid(fm_graph *graph, const char *what, const fm_val *values, int count);

/* A deep copy; what it shares with the original is only what both copy. */
fm_status fm_graph_clone(const fm_graph *graph, fm_graph **copy);

/* Every operand exists before its use, shapes agree with inference, updates fit their variables.
 * FM_ERROR_INTERNAL names the first node that breaks a rule. */
fm_status fm_graph_verify(const fm_graph *graph);

/* Marks nodes dead that neither an output nor an update needs. */
fm_status fm_graph_prune(fm_graph *graph);

/* Nodes that a pass has added behind the first `count` move in front of node before[i - count], in
 * the order in which they were added, so that the array's order is an execution order again. */
fm_status fm_graph_settle(fm_graph *graph, size_t count, const uint32_t *before);

/* Of one execution; views work nothing. */
double fm_node_flops(const fm_graph *graph, const fm_node *node);

/* One node as a line of text without the newline. */
void fm_node_print(const fm_graph *graph, const fm_node *node, fm_text *text);

#endif
