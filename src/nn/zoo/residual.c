#include "nn/zoo/residual.h"

fm_val fm_residual_last_norm(fm_graph *g, fm_val x, const char *name, bool zero_init)
{
    fm_normalization_options options = {.name = name, .momentum = 0.9, .epsilon = 1e-5};
    if (zero_init) options.gamma_initializer = fm_zeros();
    return fm_batch_normalization_with(g, x, &options);
}

static fm_val basic(fm_graph *g, fm_val x, const fm_residual_level *level, int64_t stride)
{
    const fm_zoo_conv one = {.name = "conv1",
                             .filters = level->filters,
                             .size = 3,
                             .stride = stride,
                             .dilation = level->dilation};
    const fm_zoo_conv two = {
        .name = "conv2", .filters = level->filters, .size = 3, .dilation = level->dilation};
    x = fm_zoo_convolve(g, fm_zoo_convolve_relu(g, x, &one, "bn1"), &two);
    return fm_residual_last_norm(g, x, "bn2", level->zero_init);
}

static fm_val bottleneck(fm_graph *g, fm_val x, const fm_residual_level *level, int64_t stride)
{
    const fm_zoo_conv one = {.name = "conv1", .filters = level->filters, .size = 1};
    const fm_zoo_conv two = {.name = "conv2",
                             .filters = level->filters,
                             .size = 3,
                             .stride = stride,
                             .dilation = level->dilation};
    const fm_zoo_conv three = {.name = "conv3", .filters = 4 * level->filters, .size = 1};
    x = fm_zoo_convolve_relu(g, x, &one, "bn1");
    x = fm_zoo_convolve(g, fm_zoo_convolve_relu(g, x, &two, "bn2"), &three);
    return fm_residual_last_norm(g, x, "bn3", level->zero_init);
}

/* x itself, or with a 1 x 1 convolution where the shape changes (option B). */
static fm_val shortcut(fm_graph *g, fm_val x, const fm_residual_level *level, int64_t stride)
{
    int64_t filters = level->filters * (level->bottleneck ? 4 : 1);
    if (stride == 1 && fm_zoo_channels(g, x) == filters) return x;
    const fm_zoo_conv conv = {.name = "conv", .filters = filters, .size = 1, .stride = stride};
    fm_scope_enter(g, "downsample");
    x = fm_zoo_normalize(g, fm_zoo_convolve(g, x, &conv), "norm");
    fm_scope_leave(g);
    return x;
}

static fm_val block(fm_graph *g, fm_val x, const fm_residual_level *level, int index)
{
    int64_t stride = index == 0 && level->stride ? level->stride : 1;
    fm_val y = level->bottleneck ? bottleneck(g, x, level, stride) : basic(g, x, level, stride);
    if (level->plain) return fm_zoo_relu(g, y);
    fm_val sum[2] = {y, shortcut(g, x, level, stride)};
    return fm_zoo_relu(g, fm_merge(g, FM_MERGE_ADD, sum, 2));
}

fm_val fm_residual_build(fm_graph *g, fm_val x, const fm_residual_level *level)
{
    fm_zoo_enter(g, "layer", level->number);
    for (int i = 0; i < level->blocks && x.id; i++) {
        fm_zoo_enter(g, "", level->first + i);
        x = block(g, x, level, i);
        fm_scope_leave(g);
    }
    fm_scope_leave(g);
    return x;
}
