#include "backend/onednn/onednn_weights.h"

#include <string.h>

enum { PANEL_WIDTH }; /* which of the parameters */
enum { ROWS = 16 };

static const struct {
    int64_t width;
    dnnl_format_tag_t tag;
} widths[] = {{16, dnnl_BA16a16b}, {32, dnnl_BA16a32b}, {48, dnnl_BA16a48b}, {64, dnnl_BA16a64b}};

enum { WIDTHS = sizeof widths / sizeof *widths };

dnnl_status_t fm_onednn_weights_describe(int64_t width, const dnnl_dims_t dims,
                                         dnnl_memory_desc_t *made)
{
    int i = 0;
    while (i < WIDTHS && widths[i].width != width) i++;
    if (i == WIDTHS) return dnnl_invalid_arguments;
    return dnnl_memory_desc_init_by_tag(made, 2, dims, dnnl_f32, widths[i].tag);
}

int64_t fm_onednn_weights_width(const dnnl_memory_desc_t *described)
{
    for (int i = 0; described->ndims == 2 && i < WIDTHS; i++) {
        dnnl_memory_desc_t panels;
        if (dnnl_memory_desc_init_by_tag(&panels, 2, described->dims, dnnl_f32, widths[i].tag) ==
                dnnl_success &&
            dnnl_memory_desc_equal(&panels, described)) {
            return widths[i].width;
        }
    }
    return 0;
}

/* ---- the layout ------------------------------------------------------------------------------ */

typedef struct panels {
    size_t rows, columns, width, panel; /* panel: its elements */
} panels;

static panels panels_of(const fm_layout *layout)
{
    const size_t rows = (size_t)layout->shape.dims[0];
    const size_t width = (size_t)layout->parameters[PANEL_WIDTH];
    return (panels){rows, (size_t)layout->shape.dims[1], width,
                    (rows + ROWS - 1) / ROWS * ROWS * width};
}

static size_t weights_bytes(const fm_layout *layout)
{
    const panels p = panels_of(layout);
    return (p.columns + p.width - 1) / p.width * p.panel * sizeof(float);
}

static void weights_pack(const fm_layout *layout, const void *plain, void *packed, int threads)
{
    (void)threads;
    const panels p = panels_of(layout);
    float *to = packed;
    memset(packed, 0, weights_bytes(layout));
    for (size_t j = 0; j < p.columns; j += p.width, to += p.panel) {
        const size_t width = p.columns - j < p.width ? p.columns - j : p.width;
        const float *from = (const float *)plain + j;
        for (size_t i = 0; i < p.rows; i++) {
            memcpy(to + i * p.width, from + i * p.columns, width * sizeof *to);
        }
    }
}

static void weights_unpack(const fm_layout *layout, const void *packed, void *plain, int threads)
{
    (void)threads;
    const panels p = panels_of(layout);
    const float *from = packed;
    for (size_t j = 0; j < p.columns; j += p.width, from += p.panel) {
        const size_t width = p.columns - j < p.width ? p.columns - j : p.width;
        float *to = (float *)plain + j;
        for (size_t i = 0; i < p.rows; i++) {
            memcpy(to + i * p.columns, from + i * p.width, width * sizeof *to);
        }
    }
}

const fm_layout_type fm_onednn_weights = {
    .name = "onednn", .bytes = weights_bytes, .pack = weights_pack, .unpack = weights_unpack};

fm_layout fm_onednn_weights_of(fm_shape shape, int64_t width)
{
    fm_layout layout = {.type = &fm_onednn_weights, .dtype = FM_F32, .shape = shape};
    layout.parameters[PANEL_WIDTH] = width;
    return layout;
}

int64_t fm_onednn_weights_panel(const fm_layout *layout)
{
    return layout->type == &fm_onednn_weights ? layout->parameters[PANEL_WIDTH] : 0;
}
