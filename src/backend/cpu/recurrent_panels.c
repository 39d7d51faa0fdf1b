#include "backend/cpu/recurrent_panels.h"
#include "kernel/bfloat16.h"

static int64_t vectors_of(int64_t columns, int64_t length)
{
    return (columns + length - 1) / length;
}

size_t fm_recurrent_panels_floats(const fm_recurrent_matrix *matrix, int64_t length)
{
    int64_t vectors = vectors_of(matrix->columns, length) * matrix->gates;
    return (size_t)(vectors * length * fm_recurrent_depth(matrix->words, matrix->depth));
}

/* One of a block's `vectors` vectors: `used` columns. */
typedef void pack_function(const fm_recurrent_matrix *matrix, int64_t length, const float *from,
                           int64_t used, int64_t vectors, float *to);

static void pack_vector(const fm_recurrent_matrix *matrix, int64_t length, const float *from,
                        int64_t used, int64_t vectors, float *to)
{
    const bool rounds = matrix->words == FM_RECURRENT_ROUNDED;
    for (int64_t d = 0; d < matrix->depth; d++, to += vectors * length) {
        const float *row = from + d * matrix->depth_stride;
        for (int64_t i = 0; i < used; i++) to[i] = row[i * matrix->column_stride];
        for (int64_t i = 0; rounds && i < used; i++) to[i] = kernel_bf16_f32(to[i]);
        for (int64_t i = used; i < length; i++) to[i] = 0;
    }
}

static void copy_strided(int64_t n, const float *from, int64_t stride, float *to)
{
    for (int64_t i = 0; i < n; i++) to[i] = from[i * stride];
}

static void pair_up(int64_t n, const float *restrict first, const float *restrict second,
                    uint32_t *restrict pairs)
{
    for (int64_t i = 0; i < n; i++) {
        pairs[i] = kernel_bf16_bits(first[i]) | (uint32_t)kernel_bf16_bits(second[i]) << 16;
    }
}

static void pack_pairs(const fm_recurrent_matrix *matrix, int64_t length, const float *from,
                       int64_t used, int64_t vectors, float *to)
{
    const int64_t depth = matrix->depth, row = matrix->depth_stride;
    float first[FM_RECURRENT_LENGTH] = {0}, second[FM_RECURRENT_LENGTH] = {0};
    uint32_t pairs[FM_RECURRENT_LENGTH];
    for (int64_t d = 0; d < depth; d += 2, to += vectors * length, from += 2 * row) {
        copy_strided(used, from, matrix->column_stride, first);
        if (d + 1 < depth)
            copy_strided(used, from + row, matrix->column_stride, second);
        else
            memset(second, 0, sizeof second);
        pair_up(length, first, second, pairs);
        memcpy(to, pairs, (size_t)length * sizeof *to);
    }
}

void fm_recurrent_pack(const fm_recurrent_matrix *matrix, int64_t length, const float *from,
                       float *panels)
{
    const int64_t all = vectors_of(matrix->columns, length), gates = matrix->gates;
    const int64_t in_block = gates > 1 ? 1 : FM_RECURRENT_VECTORS;
    pack_function *pack = matrix->words == FM_RECURRENT_PAIRS ? pack_pairs : pack_vector;
    for (int64_t first = 0; first < all; first += in_block) {
        const int64_t left = all - first, some = left < in_block ? left : in_block;
        const int64_t vectors = some * gates;
        for (int64_t v = 0; v < vectors; v++) {
            const int64_t column = (gates > 1 ? first : first + v) * length;
            const int64_t rest = matrix->columns - column, used = rest < length ? rest : length;
            const int64_t gate = gates > 1 ? v : 0;
            pack(matrix, length,
                 from + matrix->offset + (gate * matrix->columns + column) * matrix->column_stride,
                 used, vectors, panels + v * length);
        }
        panels += vectors * length * fm_recurrent_depth(matrix->words, matrix->depth);
    }
}

/* ---- the kernel of a cell -------------------------------------------------------------------- */

fm_recurrent_matrix fm_recurrent_matrix_of(const fm_recurrent_kernel *kernel, int which)
{
    const int64_t together = kernel->gates - kernel->apart;
    return (fm_recurrent_matrix){.gates = which ? 1 : together,
                                 .columns = kernel->units,
                                 .depth = kernel->width,
                                 .offset = which ? together * kernel->units : 0,
                                 .depth_stride = kernel->gates * kernel->units,
                                 .column_stride = 1,
                                 .words = kernel->words};
}

size_t fm_recurrent_kernel_floats(const fm_recurrent_kernel *kernel, int64_t length)
{
    size_t floats = 0;
    for (int i = 0; i <= kernel->apart; i++) {
        const fm_recurrent_matrix matrix = fm_recurrent_matrix_of(kernel, i);
        floats += fm_recurrent_panels_floats(&matrix, length);
    }
    return floats;
}

void fm_recurrent_kernel_pack(const fm_recurrent_kernel *kernel, int64_t length, const float *from,
                              float *panels)
{
    for (int i = 0; i <= kernel->apart; i++) {
        const fm_recurrent_matrix matrix = fm_recurrent_matrix_of(kernel, i);
        fm_recurrent_pack(&matrix, length, from, panels);
        panels += fm_recurrent_panels_floats(&matrix, length);
    }
}

fm_recurrent_matrix fm_recurrent_transposed(int64_t rows, int64_t columns, int64_t first,
                                            int64_t count, fm_recurrent_words kind)
{
    return (fm_recurrent_matrix){.gates = 1,
                                 .columns = rows,
                                 .depth = count,
                                 .offset = first,
                                 .depth_stride = 1,
                                 .column_stride = columns,
                                 .words = kind};
}

/* ---- as a layout ----------------------------------------------------------------------------- */

enum { GATES, APART, LENGTH, WORDS }; /* which of the parameters */

static fm_recurrent_kernel kernel_of(const fm_layout *layout)
{
    const int64_t *dims = layout->shape.dims, gates = layout->parameters[GATES];
    return (fm_recurrent_kernel){.width = dims[0],
                                 .units = dims[1] / gates,
                                 .gates = gates,
                                 .apart = layout->parameters[APART] != 0,
                                 .words = (fm_recurrent_words)layout->parameters[WORDS]};
}

static size_t panels_bytes(const fm_layout *layout)
{
    const fm_recurrent_kernel kernel = kernel_of(layout);
    return fm_recurrent_kernel_floats(&kernel, layout->parameters[LENGTH]) * sizeof(float);
}

static void panels_pack(const fm_layout *layout, const void *plain, void *packed, int threads)
{
    (void)threads;
    const fm_recurrent_kernel kernel = kernel_of(layout);
    fm_recurrent_kernel_pack(&kernel, layout->parameters[LENGTH], plain, packed);
}

const fm_layout_type fm_recurrent_panels = {
    .name = "recurrent", .bytes = panels_bytes, .pack = panels_pack};

fm_layout fm_recurrent_panels_of(const fm_recurrent_kernel *kernel, int64_t length)
{
    return (fm_layout){.type = &fm_recurrent_panels,
                       .dtype = FM_F32,
                       .shape = FM_SHAPE(kernel->width, kernel->gates * kernel->units),
                       .parameters = {kernel->gates, kernel->apart, length, kernel->words}};
}
