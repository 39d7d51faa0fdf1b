/* Reverse-mode differentiation, graph to graph.
 *
 * Only this driver accumulates: a rule (op->vjp) builds the gradients of its own inputs and nothing
 * else. A gradient that is {0} is zero and is never materialised on the way. Rules of broadcasting
 * ops sum back to their operands' shapes themselves, with fm_sum_to. */
#include "ir/ir.h"
#include "fathom/ops.h"

#include <string.h>

typedef struct gradient_walk {
    fm_graph *graph;
    fm_val *adjoint; /* by value id; {0}: zero so far */
    bool *reaches;   /* by value id: leads to a wrt value */
    size_t values, nodes;
} gradient_walk;

static void mark_reaching(gradient_walk *walk, const fm_val *wrt, int count)
{
    const fm_graph *graph = walk->graph;
    for (int i = 0; i < count; i++) walk->reaches[wrt[i].id] = true;
    for (size_t i = 0; i < walk->nodes; i++) {
        const fm_node *node = &graph->nodes[i];
        if (node->op->flags & FM_OP_NOT_DIFFERENTIABLE) continue;
        bool any = false;
        for (int k = 0; k < node->input_count; k++) any = any || walk->reaches[node->inputs[k].id];
        for (int k = 0; any && k < node->output_count; k++) {
            walk->reaches[node->outputs[k].id] = true;
        }
    }
}

/* The path of ops from the loss's end down to the one without a rule, for the message. */
static void print_path(const gradient_walk *walk, size_t from, fm_text *text)
{
    const fm_graph *graph = walk->graph;
    enum { LONGEST_PATH = 8 };
    fm_val value = graph->nodes[from].outputs[0];
    fm_text_add(text, "%s", graph->nodes[from].op->name);
    int length = 1;
    for (size_t i = from + 1; i < walk->nodes && length < LONGEST_PATH; i++) {
        const fm_node *node = &graph->nodes[i];
        for (int k = 0; k < node->input_count; k++) {
            if (node->inputs[k].id != value.id || !walk->adjoint[node->outputs[0].id].id) continue;
            fm_text_add(text, " -> %s%s%s", node->scope, *node->scope ? "/" : "", node->op->name);
            value = node->outputs[0];
            length++;
            break;
        }
    }
}

static void fail_missing_rule(const gradient_walk *walk, size_t index)
{
    const fm_node *node = &walk->graph->nodes[index];
    fm_text path = FM_TEXT(walk->graph->context);
    print_path(walk, index, &path);
    fm_graph_fail(walk->graph, FM_ERROR_UNSUPPORTED,
                  "%s%s%s has no gradient rule, and the loss depends on it: %s -> loss",
                  node->scope, *node->scope ? "/" : "", node->op->name, fm_text_string(&path));
    fm_text_release(&path);
}

static void accumulate(gradient_walk *walk, const fm_node *node, int input, fm_val gradient)
{
    fm_graph *graph = walk->graph;
    fm_val target = node->inputs[input];
    if (!gradient.id) return;
    fm_shape wanted = fm_val_shape(graph, target), received = fm_val_shape(graph, gradient);
    if (!fm_shape_equal(wanted, received)) {
        char first[FM_SHAPE_TEXT], second[FM_SHAPE_TEXT];
        fm_graph_fail(graph, FM_ERROR_INTERNAL,
                      "the gradient rule of %s gives input %d the shape %s instead of %s",
                      node->op->name, input, fm_shape_text(received, first),
                      fm_shape_text(wanted, second));
        return;
    }
    fm_val *adjoint = &walk->adjoint[target.id];
    *adjoint = adjoint->id ? fm_add(graph, *adjoint, gradient) : gradient;
}

static void visit(gradient_walk *walk, size_t index)
{
    fm_graph *graph = walk->graph;
    fm_node node = graph->nodes[index]; /* a copy: building moves the array */
    fm_val output_grads[FM_MAX_OUTPUTS] = {0}, input_grads[FM_MAX_INPUTS] = {0};
    bool wanted[FM_MAX_INPUTS] = {0}, any_in = false, any_out = false;
    for (int k = 0; k < node.output_count; k++) {
        output_grads[k] = walk->adjoint[node.outputs[k].id];
        any_out = any_out || output_grads[k].id;
    }
    for (int k = 0; k < node.input_count; k++) {
        wanted[k] = walk->reaches[node.inputs[k].id];
        any_in = any_in || wanted[k];
    }
    if (!any_out || !any_in || (node.op->flags & FM_OP_NOT_DIFFERENTIABLE)) return;
    if (!node.op->vjp) {
        fail_missing_rule(walk, index);
        return;
    }
    fm_vjp vjp = {.op = node.op,
                  .attributes = node.attributes,
                  .inputs = node.inputs,
                  .outputs = node.outputs,
                  .output_grads = output_grads,
                  .input_grads = input_grads,
                  .wanted = wanted,
                  .input_count = node.input_count};
    fm_scope_enter_at(graph, node.scope);
    node.op->vjp(graph, &vjp);
    for (int k = 0; k < node.input_count; k++) {
        if (wanted[k]) accumulate(walk, &node, k, input_grads[k]);
    }
    fm_scope_leave(graph);
}

static bool check_loss(fm_graph *graph, fm_val loss)
{
    fm_shape shape = fm_val_shape(graph, loss);
    if (shape.rank == 0 && fm_dtype_is_real(fm_val_dtype(graph, loss))) return true;
    char text[FM_SHAPE_TEXT];
    fm_graph_fail(graph, FM_ERROR_SHAPE, "the loss must be one real number, received %s %s",
                  fm_dtype_name(fm_val_dtype(graph, loss)), fm_shape_text(shape, text));
    return false;
}

void fm_grad(fm_graph *graph, fm_val loss, const fm_val *wrt, int count, fm_val *grads)
{
    for (int i = 0; i < count; i++) grads[i] = (fm_val){0};
    if (graph->status != FM_OK || !fm_all_valid(graph, "the loss", &loss, 1) ||
        !fm_all_valid(graph, "a gradient", wrt, count)) {
        return;
    }
    if (!check_loss(graph, loss)) return;

    gradient_walk walk = {.graph = graph, .values = graph->value_count, .nodes = graph->node_count};
    walk.adjoint = fm_allocate_zeroed(graph->context, walk.values * sizeof *walk.adjoint);
    walk.reaches = fm_allocate_zeroed(graph->context, walk.values);
    if (walk.adjoint && walk.reaches) {
        fm_role role = graph->role;
        graph->role = FM_BACKWARD;
        mark_reaching(&walk, wrt, count);
        walk.adjoint[loss.id] = fm_scalar_as(graph, fm_val_dtype(graph, loss), 1.0);
        for (size_t i = walk.nodes; i-- > 0 && graph->status == FM_OK;) visit(&walk, i);
        for (int i = 0; i < count && graph->status == FM_OK; i++) {
            grads[i] = walk.adjoint[wrt[i].id];
            if (grads[i].id) continue;
            grads[i] =
                fm_full_as(graph, fm_val_dtype(graph, wrt[i]), fm_val_shape(graph, wrt[i]), 0.0);
        }
        graph->role = role;
    } else {
        graph->status = FM_ERROR_MEMORY;
    }
    fm_release(graph->context, walk.adjoint);
    fm_release(graph->context, walk.reaches);
}
