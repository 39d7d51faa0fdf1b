/* Graphs as text: a line for each input, variable, node, update and output. */
#include "ir/ir.h"
#include "base/fields.h"

#include <string.h>

/* "%12", or the name of an input or variable; small constants show their first element. */
static void print_operand(const fm_graph *graph, fm_val value, fm_text *text)
{
    const fm_value *record = fm_value_of(graph, value);
    if (*record->name) {
        fm_text_add(text, "%s", record->name);
    } else if (record->kind == FM_CONSTANT && fm_shape_elements(record->shape) == 1 &&
               fm_dtype_is_real(record->dtype)) {
        double number = record->dtype == FM_F64 ? *(const double *)record->data
                                                : (double)*(const float *)record->data;
        fm_text_add(text, "%.9g", number);
    } else {
        fm_text_add(text, "%%%u", value.id);
    }
}

static void print_type(const fm_graph *graph, fm_val value, fm_text *text)
{
    char shape[FM_SHAPE_TEXT];
    const fm_value *record = fm_value_of(graph, value);
    fm_text_add(text, "%s%s", fm_dtype_name(record->dtype), fm_shape_text(record->shape, shape));
    if (record->layout.type) fm_text_add(text, "@%s", record->layout.type->name);
}

void fm_node_print(const fm_graph *graph, const fm_node *node, fm_text *text)
{
    for (int i = 0; i < node->output_count; i++) {
        fm_text_add(text, "%s", i ? ", " : "");
        print_operand(graph, node->outputs[i], text);
    }
    bool reduced = node->precision != FM_PRECISION_F32;
    fm_text_add(text, " = %s%s%s(", node->op->name, reduced ? "." : "",
                reduced ? fm_precision_names[node->precision] : "");
    for (int i = 0; i < node->input_count; i++) {
        fm_text_add(text, "%s", i ? ", " : "");
        print_operand(graph, node->inputs[i], text);
    }
    fm_text attributes = FM_TEXT(graph->context);
    fm_fields_print(&attributes, node->op->attributes, node->attributes, false);
    if (attributes.size) fm_text_add(text, "; %s", fm_text_string(&attributes));
    text->failed = text->failed || attributes.failed;
    fm_text_release(&attributes);
    fm_text_add(text, ") : ");
    for (int i = 0; i < node->output_count; i++) {
        fm_text_add(text, "%s", i ? ", " : "");
        print_type(graph, node->outputs[i], text);
    }
    if (*node->scope) fm_text_add(text, "  # %s", node->scope);
}

static void print_declarations(const fm_graph *graph, fm_text *text)
{
    for (size_t i = 0; i < graph->input_count; i++) {
        fm_text_add(text, "input %s : ", graph->inputs[i].name);
        print_type(graph, graph->inputs[i].value, text);
        fm_text_add(text, "\n");
    }
    for (size_t i = 0; i < graph->variable_count; i++) {
        fm_val value = graph->variables[i].value;
        fm_text_add(text, "variable %s : ", fm_val_name(graph, value));
        print_type(graph, value, text);
        fm_text_add(text, "\n");
    }
    for (uint32_t i = 1; i < graph->value_count; i++) {
        const fm_value *value = &graph->values[i];
        if (value->kind != FM_CONSTANT || fm_shape_elements(value->shape) == 1) continue;
        fm_text_add(text, "constant %%%u : ", i);
        print_type(graph, (fm_val){i}, text);
        fm_text_add(text, "\n");
    }
}

fm_status fm_graph_print(const fm_graph *graph, char **result)
{
    static const char *const roles[] = {"forward", "backward", "update"};
    fm_text text = FM_TEXT(graph->context);
    *result = NULL;
    print_declarations(graph, &text);
    int role = -1;
    for (size_t i = 0; i < graph->node_count; i++) {
        const fm_node *node = &graph->nodes[i];
        if (node->dead) continue;
        if ((int)node->role != role) {
            role = (int)node->role;
            fm_text_add(&text, "%s:\n", roles[role]);
        }
        fm_text_add(&text, "  ");
        fm_node_print(graph, node, &text);
        fm_text_add(&text, "\n");
    }
    for (size_t i = 0; i < graph->variable_count; i++) {
        if (!graph->variables[i].next.id) continue;
        fm_text_add(&text, "update %s <- ", fm_val_name(graph, graph->variables[i].value));
        print_operand(graph, graph->variables[i].next, &text);
        fm_text_add(&text, "\n");
    }
    for (size_t i = 0; i < graph->output_count; i++) {
        fm_text_add(&text, "output %s = ", graph->outputs[i].name);
        print_operand(graph, graph->outputs[i].value, &text);
        fm_text_add(&text, "\n");
    }
    if (fm_text_status(&text) != FM_OK) {
        fm_text_release(&text);
        return FM_ERROR_MEMORY;
    }
    *result = text.bytes ? text.bytes : fm_copy_string(graph->context, "");
    return *result ? FM_OK : FM_ERROR_MEMORY;
}

void fm_text_free(fm_context *context, char *text)
{
    fm_release(context, text);
}
