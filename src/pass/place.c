#include "pass/place.h"

#include <string.h>

fm_tensor fm_place_operand(const fm_graph *graph, const fm_node *node, fm_val value)
{
    const fm_value *record = fm_value_of(graph, value);
    fm_tensor tensor = {.dtype = record->dtype, .shape = record->shape};
    if (record->layout.type && (node->op->flags & FM_OP_ANY_LAYOUT)) {
        size_t stored = fm_value_bytes(graph, value) / fm_dtype_size(record->dtype);
        tensor.shape = FM_SHAPE((int64_t)stored);
    }
    tensor.count = fm_shape_elements(tensor.shape);
    return tensor;
}

void fm_place_describe(const fm_graph *graph, const fm_node *node, fm_node_site *place)
{
    for (int k = 0; k < node->input_count; k++) {
        place->inputs[k] = fm_place_operand(graph, node, node->inputs[k]);
        const fm_value *input = fm_value_of(graph, node->inputs[k]);
        place->input_layouts[k] = input->layout;
        place->input_is_variable[k] = input->kind == FM_VARIABLE || input->steady;
        place->input_is_steady[k] = input->steady;
    }
    for (int k = 0; k < node->output_count; k++) {
        place->outputs[k] = fm_place_operand(graph, node, node->outputs[k]);
        place->output_layouts[k] = fm_value_of(graph, node->outputs[k])->layout;
    }
    place->site = (fm_site){.context = graph->context,
                            .op = node->op,
                            .attributes = node->attributes,
                            .inputs = place->inputs,
                            .outputs = place->outputs,
                            .input_count = node->input_count,
                            .output_count = node->output_count,
                            .threads = fm_context_threads(graph->context),
                            .precision = node->precision,
                            .input_is_variable = place->input_is_variable,
                            .input_is_steady = place->input_is_steady,
                            .input_layouts = place->input_layouts,
                            .output_layouts = place->output_layouts};
}

/* The i-th backend to ask, NULL at the end. */
static const fm_backend *backend_number(const char *const *backends, int i)
{
    if (!backends) return fm_backend_at(i);
    return backends[i] ? fm_backend_find(backends[i]) : NULL;
}

static fm_status check_backends(const fm_graph *graph, const char *const *backends)
{
    for (int i = 0; backends && backends[i]; i++) {
        if (fm_backend_find(backends[i])) continue;
        fm_text built = FM_TEXT(graph->context);
        for (int k = 0; fm_backend_at(k); k++) {
            fm_text_add(&built, "%s%s", k ? ", " : "", fm_backend_at(k)->name);
        }
        fm_status status =
            fm_fail(graph->context, FM_ERROR_NOT_FOUND, "there is no backend '%s'; built in: %s",
                    backends[i], fm_text_string(&built));
        fm_text_release(&built);
        return status;
    }
    return FM_OK;
}

/* NULL when the kernel can run the site, else the reason it cannot. */
static const char *refusal(const fm_kernel *kernel, const fm_site *site)
{
    if (kernel->precision == site->precision) return kernel->match(site);
    return site->precision == FM_PRECISION_BF16 ? "reads its operands as f32 only"
                                                : "is for operands read as bf16";
}

static const fm_kernel *choose(const fm_site *site, const char *const *backends)
{
    const fm_backend *backend;
    const fm_kernel *kernel;
    for (int i = 0; (backend = backend_number(backends, i)); i++) {
        for (int k = 0; (kernel = backend->kernel_at(k)); k++) {
            if (kernel->op == site->op && !refusal(kernel, site)) return kernel;
        }
    }
    return NULL;
}

bool fm_place_finds(const fm_site *site, const char *const *backends)
{
    return choose(site, backends) != NULL;
}

fm_status fm_place(const fm_graph *graph, const char *const *backends, fm_placement *placements)
{
    fm_status status = check_backends(graph, backends);
    for (size_t i = 0; status == FM_OK && i < graph->node_count; i++) {
        const fm_node *node = &graph->nodes[i];
        if (node->dead || (node->op->flags & FM_OP_VIEW)) continue;
        fm_node_site place;
        fm_place_describe(graph, node, &place);
        placements[i].kernel = choose(&place.site, backends);
    }
    return status;
}

fm_status fm_place_prepare(const fm_graph *graph, fm_placement *placements)
{
    for (size_t i = 0; i < graph->node_count; i++) {
        const fm_kernel *kernel = placements[i].kernel;
        if (!kernel || !kernel->prepare) continue;
        fm_node_site place;
        fm_place_describe(graph, &graph->nodes[i], &place);
        fm_status status = kernel->prepare(&place.site, &placements[i].need);
        if (status != FM_OK) return status;
    }
    return FM_OK;
}

void fm_place_release(fm_context *context, fm_placement *placements, size_t count)
{
    for (size_t i = 0; placements && i < count; i++) {
        const fm_kernel *kernel = placements[i].kernel;
        void *state = placements[i].need.state;
        if (kernel && kernel->release && state) kernel->release(context, state);
    }
    fm_release(context, placements);
}

void fm_place_explain(const fm_graph *graph, const fm_node *node, const char *const *backends,
                      fm_text *text)
{
    const fm_backend *backend;
    const fm_kernel *kernel;
    fm_node_site place;
    fm_place_describe(graph, node, &place);
    for (int i = 0; (backend = backend_number(backends, i)); i++) {
        for (int k = 0; (kernel = backend->kernel_at(k)); k++) {
            if (kernel->op != node->op) continue;
            const char *reason = refusal(kernel, &place.site);
            if (!reason) return;
            fm_text_add(text, "        not %s: %s\n", kernel->name, reason);
        }
    }
}

const char *fm_placement_name(const fm_placement *placement)
{
    return placement->kernel ? placement->kernel->name : "portable";
}
