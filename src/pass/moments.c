#include "pass/moments.h"
#include "op/fused_convolve.h"
#include "op/fused_normalize.h"
#include "op/op_table.h"
#include "op/op_tools.h"
#include "op/vision_attributes.h"
#include "pass/place.h"

#include <string.h>

enum { X, GAMMA, BETA, RESIDUAL }; /* of both normalisations */
enum { Y, MEAN, RSTD };
enum { MOMENTS = 3 }; /* convolve_moments' outputs */

/* A normalisation over all axes but the last as normalize_by_moments; false:
 * it is something else. */
static bool as_normalize(const fm_graph *graph, const fm_node *node,
                         fm_fused_normalize_attributes *attributes)
{
    if (node->op == &fm_op_fused_normalize) {
        *attributes = *(const fm_fused_normalize_attributes *)node->attributes;
        return true;
    }
    if (node->op != &fm_op_normalize) return false;
    const fm_normalize_attributes *a = node->attributes;
    *attributes = (fm_fused_normalize_attributes){.epsilon = a->epsilon};
    return fm_normalizes_channels(a, fm_val_shape(graph, node->inputs[X]),
                                  fm_val_shape(graph, node->inputs[GAMMA]));
}

/* The convolution that makes `value`, as a fused one. */
static fm_node *as_convolution(const fm_graph *graph, fm_val value,
                               fm_fused_convolve_attributes *attributes)
{
    const fm_value *record = fm_value_of(graph, value);
    if (record->kind != FM_TEMPORARY) return NULL;
    fm_node *node = &graph->nodes[record->producer];
    if (node->dead) return NULL;
    if (node->op == &fm_op_fused_convolve) {
        *attributes = *(const fm_fused_convolve_attributes *)node->attributes;
        return node;
    }
    if (node->op != &fm_op_convolve) return NULL;
    *attributes = (fm_fused_convolve_attributes){
        .convolve = *(const fm_convolve_attributes *)node->attributes};
    return node;
}

/* Whether a kernel makes the statistics, unless none makes the convolution either. */
static bool is_made(const fm_graph *graph, const fm_node *convolution,
                    const fm_fused_convolve_attributes *attributes, fm_shape statistics,
                    const char *const *backends)
{
    fm_node_site place;
    fm_place_describe(graph, convolution, &place);
    const bool before = fm_place_finds(&place.site, backends);
    place.site.op = &fm_op_convolve_moments;
    place.site.attributes = attributes;
    place.site.output_count = MOMENTS;
    for (int k = MEAN; k < MOMENTS; k++) {
        place.outputs[k] = (fm_tensor){.dtype = place.outputs[Y].dtype,
                                       .shape = statistics,
                                       .count = fm_shape_elements(statistics)};
    }
    return !before || fm_place_finds(&place.site, backends);
}

/* Both nodes change in their places: the mean comes from the convolution now,
 * the variance is new. */
static fm_status rewrite(fm_graph *graph, fm_node *convolution,
                         const fm_fused_convolve_attributes *convolve, fm_node *normalize,
                         const fm_fused_normalize_attributes *attributes)
{
    fm_arena *arena = &graph->arena;
    fm_value variance = *fm_value_of(graph, normalize->outputs[MEAN]);
    const fm_val made = fm_value_add(graph, &variance);
    fm_val *outputs = fm_arena_allocate(arena, MOMENTS * sizeof *outputs);
    fm_val *inputs = fm_arena_allocate(arena, FM_MAX_INPUTS * sizeof *inputs);
    fm_fused_convolve_attributes *of_convolution = fm_arena_allocate(arena, sizeof *convolve);
    fm_fused_normalize_attributes *of_normalize = fm_arena_allocate(arena, sizeof *attributes);
    if (!made.id || !outputs || !inputs || !of_convolution || !of_normalize) return FM_ERROR_MEMORY;
    *of_convolution = *convolve;
    *of_normalize = *attributes;
    const fm_val mean = normalize->outputs[MEAN], *old = normalize->inputs;
    const fm_val list[] = {
        old[X], old[GAMMA], old[BETA],
        mean,   made,       normalize->input_count > RESIDUAL ? old[RESIDUAL] : (fm_val){0}};
    memcpy(inputs, list, sizeof list);

    outputs[Y] = convolution->outputs[Y];
    convolution->op = &fm_op_convolve_moments;
    convolution->attributes = of_convolution;
    convolution->outputs = outputs;
    convolution->output_count = MOMENTS;
    fm_node_take_output(graph, convolution, 1, mean);
    fm_node_take_output(graph, convolution, 2, made);

    normalize->op = &fm_op_normalize_by_moments;
    normalize->attributes = of_normalize;
    normalize->inputs = inputs;
    normalize->input_count += 2;
    fm_node_take_output(graph, normalize, 1, normalize->outputs[RSTD]);
    normalize->output_count = 2;
    return FM_OK;
}

fm_status fm_moments(fm_graph *graph, const char *const *backends)
{
    fm_status status = FM_OK;
    for (size_t i = 0; status == FM_OK && i < graph->node_count; i++) {
        fm_node *node = &graph->nodes[i];
        fm_fused_normalize_attributes normalize;
        fm_fused_convolve_attributes convolve;
        if (node->dead || !as_normalize(graph, node, &normalize)) continue;
        fm_node *convolution = as_convolution(graph, node->inputs[X], &convolve);
        if (!convolution) continue;
        const fm_shape statistics = fm_val_shape(graph, node->outputs[MEAN]);
        if (!is_made(graph, convolution, &convolve, statistics, backends)) continue;
        status = rewrite(graph, convolution, &convolve, node, &normalize);
    }
    return status;
}
