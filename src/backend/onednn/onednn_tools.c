#include "backend/onednn/onednn_tools.h"
#include "op/fused_ops.h"

/* Elements for which a second thread pays. */
enum { PARALLEL_ELEMENTS = 1 << 14 };

/* softplus: oneDNN's is off by 2e-6, with the wrong sign at -20. */
static const dnnl_alg_kind_t activations[FM_FUSED_ACTIVATION_COUNT] = {
    [FM_FUSED_SIGMOID] = dnnl_eltwise_logistic, [FM_FUSED_TANH] = dnnl_eltwise_tanh,
    [FM_FUSED_GELU] = dnnl_eltwise_gelu_erf,    [FM_FUSED_GELU_TANH] = dnnl_eltwise_gelu_tanh,
    [FM_FUSED_SILU] = dnnl_eltwise_swish,       [FM_FUSED_HARD_SWISH] = dnnl_eltwise_hardswish,
};

dnnl_alg_kind_t fm_onednn_activation(int activation)
{
    return activations[activation];
}

int fm_onednn_parts(int threads, int64_t elements)
{
    return elements < PARALLEL_ELEMENTS ? 1 : threads;
}

static void add_residual(const float *residual, float *y, int64_t begin, int64_t end)
{
    for (int64_t i = begin; i < end; i++) y[i] += residual[i];
}

static void apply_relu(float *y, int64_t begin, int64_t end)
{
    for (int64_t i = begin; i < end; i++) y[i] = y[i] < 0 ? 0 : y[i];
}

static void apply_mask(const float *mask, float *y, int64_t begin, int64_t end)
{
    for (int64_t i = begin; i < end; i++) y[i] = mask[i] > 0 ? y[i] : 0;
}

void fm_onednn_finish(int threads, int64_t count, const float *residual, bool relu,
                      const float *mask, float *y)
{
    const int parts = fm_onednn_parts(threads, count);
#ifdef _OPENMP
#pragma omp parallel for num_threads(parts) schedule(static, 1) if (parts > 1)
#endif
    for (int part = 0; part < parts; part++) {
        const int64_t begin = count * part / parts, end = count * (part + 1) / parts;
        if (residual) add_residual(residual, y, begin, end);
        if (relu) apply_relu(y, begin, end);
        if (mask) apply_mask(mask, y, begin, end);
    }
}
