"""Golden values and gradients of the vision ops: convolution, pooling, normalisation, resampling.

PyTorch in f64. Its layouts (channels first, filters first) are turned into ours.
"""

import itertools
import math

import numpy as np
import torch
import torch.nn.functional as F

from golden_writer import Header, Name

torch.set_default_dtype(torch.float64)

ABOUT = """
Element i of the tensor with the number `salt` is ((37 i + 101 salt) mod 199 - 99) / 64: exact in
f64 and all different up to 199 elements (golden_vision_input). Operands have the salts 1 (x),
2 (kernel, gamma), 3 (beta) and 9 (the gradient that flows in). Channels are last.

convolutions        y = convolve(x, kernel); `transposed`: y = convolve_transposed(x, kernel)
pools               max_pool or average_pool
normalizations      batch, layer, instance, group norm as in vision_ops.h; batch norm in training
local responses     y = x / (k + alpha / size window_sum(x^2))^beta, with PyTorch's window:
                    size / 2 before, (size - 1) / 2 after
resizes             linear (bi-, trilinear; half pixels, no antialiasing) and nearest

Compare with 1e-12 max(1, |golden|).
"""

STRUCTS = """
#include "fathom/vision_ops.h"

static inline double golden_vision_input(int64_t i, int salt)
{
    return (double)((37 * i + 101 * salt) % 199 - 99) / 64;
}

struct golden_convolution {
    const char *name;
    int transposed;
    fm_shape x, kernel, y;
    fm_window window;
    const double *value, *dx, *dkernel;
};

struct golden_pool {
    const char *name;
    int average;
    fm_shape x, y;
    fm_pool pool;
    const double *value, *dx;
};

struct golden_normalization {
    const char *name;
    fm_shape x, gamma;
    fm_ints axes;
    double epsilon;
    const double *value, *dx, *dgamma, *dbeta;
};

struct golden_local_response {
    const char *name;
    fm_shape x;
    int size;
    double alpha, beta, k;
    const double *value, *dx;
};

struct golden_resize {
    const char *name;
    int nearest;
    fm_shape x, y;
    const double *value, *dx;
};
"""


def values(shape, salt):
    i = np.arange(math.prod(shape))
    return torch.tensor((((37 * i + 101 * salt) % 199 - 99) / 64).reshape(shape))


def ints(numbers):
    return Name("{%d, {%s}}" % (len(numbers), ", ".join(str(n) for n in numbers)))


def first(x):
    """(n, spatial..., c) -> (n, c, spatial...)"""
    return x.movedim(-1, 1)


def last(x):
    return x.movedim(1, -1)


def padding(begin, end):
    """As F.pad wants it: the last dimension first."""
    return [n for pair in reversed(list(zip(begin, end))) for n in pair]


def gradients(y, operands):
    return torch.autograd.grad(y, operands, values(y.shape, 9))


def fields(begin, end, strides, dilations):
    out = ["strides", "dilations", "padding_begin", "padding_end"]
    lists = [ints(v) for v in (strides, dilations, begin, end)]
    return [".%s = %s" % pair for pair in zip(out, lists)]


# ---- convolution --------------------------------------------------------------------------------


def convolve(x, kernel, begin, end, strides, dilations, groups):
    weight = kernel.movedim((-1, -2), (0, 1))
    run = [F.conv1d, F.conv2d, F.conv3d][len(begin) - 1]
    padded = F.pad(first(x), padding(begin, end))
    return last(run(padded, weight, None, strides, 0, dilations, groups))


def transpose(x, kernel, begin, end, strides, dilations, groups, extra):
    """PyTorch's own padding where it is even, else a cut-out of the transposition without padding."""
    weight = kernel.movedim((-1, -2), (0, 1))
    run = [F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d][len(begin) - 1]
    if begin == end:
        return last(run(first(x), weight, None, strides, begin, extra, groups, dilations))
    y = run(first(x), weight, None, strides, 0, extra, groups, dilations)
    for d, (b, e) in enumerate(zip(begin, end)):
        y = y.narrow(d + 2, b, y.shape[d + 2] - b - e)
    return last(y)


# name, x, kernel, begin, end, strides, dilations, groups, and of a transposed one what is added behind
CONVOLUTIONS = [
    ("1d_same", (2, 6, 2), (3, 2, 3), (1,), (1,), (1,), (1,), 1, None),
    ("1d_causal_dilated", (2, 7, 2), (3, 2, 2), (4,), (0,), (1,), (2,), 1, None),
    ("2d_valid", (2, 4, 5, 2), (2, 3, 2, 2), (0, 0), (0, 0), (1, 1), (1, 1), 1, None),
    ("2d_stride_2", (1, 6, 5, 2), (3, 3, 2, 3), (1, 1), (1, 1), (2, 2), (1, 1), 1, None),
    ("2d_uneven_padding", (1, 4, 5, 2), (3, 2, 2, 2), (0, 1), (2, 0), (2, 1), (1, 1), 1, None),
    ("2d_dilated", (1, 6, 6, 1), (3, 3, 1, 2), (2, 1), (2, 1), (1, 1), (2, 2), 1, None),
    ("2d_groups", (1, 4, 4, 4), (3, 3, 2, 6), (1, 1), (1, 1), (1, 1), (1, 1), 2, None),
    ("2d_depthwise", (2, 4, 4, 3), (3, 3, 1, 3), (1, 1), (1, 1), (2, 1), (1, 1), 3, None),
    ("2d_depth_multiplier", (1, 4, 4, 3), (2, 2, 1, 6), (0, 0), (1, 1), (1, 1), (1, 1), 3, None),
    ("2d_pointwise_stride_2", (2, 4, 4, 3), (1, 1, 3, 4), (0, 0), (0, 0), (2, 2), (1, 1), 1, None),
    ("3d", (1, 3, 4, 3, 2), (2, 3, 2, 2, 2), (1, 1, 0), (0, 1, 1), (1, 2, 1), (1, 1, 1), 1, None),
    ("3d_depthwise", (1, 3, 3, 4, 2), (3, 2, 3, 1, 2), (1, 0, 1), (1, 0, 1), (1, 1, 2), (1, 1, 1), 2,
     None),
    ("1d_transposed", (2, 3, 2), (4, 3, 2), (1,), (1,), (2,), (1,), 1, (0,)),
    ("2d_transposed", (1, 3, 3, 3), (2, 2, 2, 3), (0, 0), (0, 0), (2, 2), (1, 1), 1, (0, 0)),
    ("2d_transposed_longer", (1, 3, 2, 2), (3, 3, 2, 2), (1, 1), (1, 1), (2, 2), (1, 1), 1, (1, 1)),
    ("2d_transposed_uneven", (1, 3, 3, 4), (3, 3, 1, 4), (0, 1), (1, 0), (2, 1), (1, 2), 2, (0, 0)),
    ("3d_transposed", (1, 2, 2, 2, 2), (2, 2, 3, 2, 2), (0, 0, 1), (0, 0, 1), (2, 1, 2), (1, 1, 1), 1,
     (0, 0, 0)),
]


def write_convolutions(header):
    rows = []
    for name, xs, ks, begin, end, strides, dilations, groups, extra in CONVOLUTIONS:
        x, kernel = values(xs, 1).requires_grad_(), values(ks, 2).requires_grad_()
        window = (begin, end, strides, dilations, groups)
        y = convolve(x, kernel, *window) if extra is None else transpose(x, kernel, *window, extra)
        dx, dkernel = gradients(y, (x, kernel))
        stem = "golden_convolve_" + name
        lists = fields(begin, end, strides, dilations) + [".groups = %d" % groups]
        rows.append({
            "name": name, "transposed": extra is not None, "x": ints(xs), "kernel": ints(ks),
            "y": ints(y.shape),
            **{"window" + item.split(" = ")[0]: Name(item.split(" = ")[1]) for item in lists},
            "value": header.array(stem + "_y", y.detach()), "dx": header.array(stem + "_dx", dx),
            "dkernel": header.array(stem + "_dkernel", dkernel)})
    header.table("golden_convolution", "golden_convolutions", rows)


# ---- pooling ------------------------------------------------------------------------------------


def pool(x, average, size, begin, end, strides, dilations, counted):
    run = [F.max_pool1d, F.max_pool2d, F.max_pool3d][len(size) - 1]
    if not average:
        return last(run(F.pad(first(x), padding(begin, end), value=-math.inf), size, strides, 0,
                        dilations))
    mean = [F.avg_pool1d, F.avg_pool2d, F.avg_pool3d][len(size) - 1]
    if begin == end:
        return last(mean(first(x), size, strides, begin, False, counted))
    share = mean(F.pad(torch.ones_like(first(x)), padding(begin, end)), size, strides)
    y = mean(F.pad(first(x), padding(begin, end)), size, strides)
    return last(y if counted else y / share)


def adaptive(x, average, size):
    most = [F.adaptive_max_pool1d, F.adaptive_max_pool2d, F.adaptive_max_pool3d]
    mean = [F.adaptive_avg_pool1d, F.adaptive_avg_pool2d, F.adaptive_avg_pool3d]
    return last((mean if average else most)[len(size) - 1](first(x), size))


# name, x, average, kernel size, begin, end, strides, dilations, padding counted
POOLS = [
    ("max_1d", (2, 9, 2), 0, (3,), (1,), (1,), (2,), (1,), 0),
    ("max_2d", (2, 4, 6, 2), 0, (2, 2), (0, 0), (0, 0), (2, 2), (1, 1), 0),
    ("max_2d_overlap", (1, 7, 7, 2), 0, (3, 3), (1, 1), (1, 1), (2, 2), (1, 1), 0),
    ("max_2d_uneven", (1, 6, 5, 2), 0, (3, 2), (0, 1), (1, 0), (2, 1), (1, 2), 0),
    ("max_3d", (1, 4, 4, 4, 2), 0, (2, 2, 2), (0, 0, 0), (0, 0, 0), (2, 1, 2), (1, 1, 1), 0),
    ("average_1d", (2, 9, 2), 1, (3,), (1,), (1,), (2,), (1,), 0),
    ("average_2d", (2, 4, 6, 2), 1, (2, 2), (0, 0), (0, 0), (2, 2), (1, 1), 0),
    ("average_2d_same", (1, 7, 7, 2), 1, (3, 3), (1, 1), (1, 1), (2, 2), (1, 1), 0),
    ("average_2d_counted", (1, 7, 7, 2), 1, (3, 3), (1, 1), (1, 1), (2, 2), (1, 1), 1),
    ("average_2d_uneven", (1, 6, 5, 2), 1, (3, 2), (0, 1), (1, 0), (2, 1), (1, 1), 0),
    ("average_3d", (1, 4, 4, 4, 2), 1, (2, 3, 2), (0, 1, 0), (0, 1, 0), (2, 1, 2), (1, 1, 1), 1),
]
ADAPTIVE = [
    ("adaptive_max_1d", (1, 7, 2), 0, (3,)),
    ("adaptive_max_2d", (1, 8, 5, 2), 0, (3, 2)),
    ("adaptive_average_2d", (2, 7, 5, 2), 1, (3, 2)),
    ("adaptive_average_2d_more", (1, 3, 4, 2), 1, (5, 4)),
    ("adaptive_average_3d", (1, 3, 4, 5, 2), 1, (2, 2, 3)),
    ("global_average", (2, 3, 4, 5), 1, (1, 1)),
]


def pool_row(header, name, average, x, y, lists):
    dx, = gradients(y, (x,))
    stem = "golden_pool_" + name
    return {"name": name, "average": average, "x": ints(x.shape), "y": ints(y.shape),
            **{"pool." + key: value for key, value in lists.items()},
            "value": header.array(stem + "_y", y.detach()), "dx": header.array(stem + "_dx", dx)}


def write_pools(header):
    rows = []
    for name, xs, average, size, begin, end, strides, dilations, counted in POOLS:
        x = values(xs, 1).requires_grad_()
        y = pool(x, average, size, begin, end, strides, dilations, bool(counted))
        lists = {"kernel_size": ints(size), "window.strides": ints(strides),
                 "window.dilations": ints(dilations), "window.padding_begin": ints(begin),
                 "window.padding_end": ints(end), "count_padding": counted}
        rows.append(pool_row(header, name, average, x, y, lists))
    for name, xs, average, size in ADAPTIVE:
        x = values(xs, 1).requires_grad_()
        rows.append(pool_row(header, name, average, x, adaptive(x, average, size),
                             {"output_size": ints(size)}))
    header.table("golden_pool", "golden_pools", rows)


# ---- normalisation ------------------------------------------------------------------------------


def batch(x, gamma, beta, epsilon):
    return last(F.batch_norm(first(x), None, None, gamma, beta, True, 0.1, epsilon))


def layer(x, gamma, beta, epsilon):
    return F.layer_norm(x, gamma.shape, gamma, beta, epsilon)


def instance(x, gamma, beta, epsilon):
    return last(F.instance_norm(first(x), None, None, gamma, beta, True, 0.1, epsilon))


def group(x, gamma, beta, epsilon):
    """x is (n, spatial..., groups, c / groups)."""
    y = last(F.group_norm(first(x.flatten(-2)), x.shape[-2], gamma.flatten(), beta.flatten(), epsilon))
    return y.reshape(x.shape)


# name, function, x, gamma, axes, epsilon
NORMALIZATIONS = [
    ("batch_dense", batch, (6, 5), (5,), (0,), 1e-5),
    ("batch_1d", batch, (3, 5, 3), (3,), (0, 1), 1e-5),
    ("batch_2d", batch, (2, 3, 4, 3), (3,), (0, 1, 2), 1e-3),
    ("batch_3d", batch, (2, 2, 3, 2, 3), (3,), (0, 1, 2, 3), 1e-5),
    ("layer", layer, (2, 3, 7), (7,), (2,), 1e-5),
    ("layer_two_axes", layer, (2, 3, 4, 3), (4, 3), (2, 3), 1e-6),
    ("instance", instance, (2, 3, 4, 3), (3,), (1, 2), 1e-5),
    ("group_2d", group, (2, 3, 2, 2, 3), (2, 3), (1, 2, 4), 1e-5),
    ("group_1d", group, (2, 4, 3, 2), (3, 2), (1, 3), 1e-3),
]


def write_normalizations(header):
    rows = []
    for name, function, xs, gs, axes, epsilon in NORMALIZATIONS:
        x, gamma, beta = (values(s, i + 1).requires_grad_() for i, s in enumerate((xs, gs, gs)))
        y = function(x, gamma, beta, epsilon)
        stem = "golden_normalize_" + name
        grads = gradients(y, (x, gamma, beta))
        rows.append({"name": name, "x": ints(xs), "gamma": ints(gs), "axes": ints(axes),
                     "epsilon": epsilon, "value": header.array(stem + "_y", y.detach()),
                     **{key: header.array("%s_%s" % (stem, key), grad)
                        for key, grad in zip(("dx", "dgamma", "dbeta"), grads)}})
    header.table("golden_normalization", "golden_normalizations", rows)


# name, x, size, alpha, beta, k
LOCAL_RESPONSES = [
    ("five", (2, 2, 2, 7), 5, 0.2, 0.75, 2.0),
    ("four", (1, 2, 3, 6), 4, 0.5, 0.5, 1.0),
]


def write_local_responses(header):
    rows = []
    for name, xs, size, alpha, beta, k in LOCAL_RESPONSES:
        x = values(xs, 1).requires_grad_()
        y = last(F.local_response_norm(first(x), size, alpha, beta, k))
        dx, = gradients(y, (x,))
        stem = "golden_local_response_" + name
        rows.append(dict(name=name, x=ints(xs), size=size, alpha=alpha, beta=beta, k=k,
                         value=header.array(stem + "_y", y.detach()),
                         dx=header.array(stem + "_dx", dx)))
    header.table("golden_local_response", "golden_local_responses", rows)


# ---- resampling ---------------------------------------------------------------------------------

# x, size
RESIZES = [
    ((1, 5, 2), (8,)),
    ((1, 7, 2), (3,)),
    ((1, 3, 4, 2), (6, 8)),
    ((1, 5, 4, 2), (3, 7)),
    ((1, 2, 3, 3, 2), (4, 3, 5)),
]


def write_resizes(header):
    rows = []
    for nearest, (xs, size) in itertools.product((False, True), RESIZES):
        x = values(xs, 1).requires_grad_()
        mode = "nearest" if nearest else ["linear", "bilinear", "trilinear"][len(size) - 1]
        name = "%s_%s_to_%s" % (mode, "x".join(map(str, xs[1:-1])), "x".join(map(str, size)))
        keywords = {} if nearest else {"align_corners": False}
        y = last(F.interpolate(first(x), size, mode=mode, **keywords))
        dx, = gradients(y, (x,))
        stem = "golden_resize_" + name
        rows.append(dict(name=name, nearest=nearest, x=ints(xs), y=ints(y.shape),
                         value=header.array(stem + "_y", y.detach()),
                         dx=header.array(stem + "_dx", dx)))
    header.table("golden_resize", "golden_resizes", rows)


def main():
    header = Header("vision_golden.h", "Vision ops: values and first gradients.",
                    "PyTorch {}, f64".format(torch.__version__.split("+")[0]), ABOUT)
    header.text(STRUCTS)
    write_convolutions(header)
    write_pools(header)
    write_normalizations(header)
    write_local_responses(header)
    write_resizes(header)
    header.write()


main()
