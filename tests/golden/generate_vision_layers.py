"""Golden values of the layers over space: Keras where it has the layer, else PyTorch."""

import numpy as np

from framework_f64 import BOTH, keras, torch
from golden_writer import Header, Name

ABOUT = """
`golden_vision_layers`: `layer` is an entry of a recipe's model, `shape` the input's with the
batch. x and the trainable variables one behind the other in the layer's order (`variables`;
Keras's order and element order too) give y; the gradient of sum(y dy) with respect to x is dx.
Layers that normalise over the batch are run in training.

Convolutions, pooling, normalisation, up-sampling: Keras. Reflection, replication, adaptive
pooling, instance normalisation, local response, explicit padding: PyTorch; its
local_response_norm gets alpha size for our alpha.

`golden_batch_x`: GOLDEN_BATCH_STEPS batches of GOLDEN_BATCH_ROWS x 2 x GOLDEN_BATCH_CHANNELS.
After each of them Keras's moving mean and variance (which follows the biased one) lie in
`golden_batch_mean` and `golden_batch_variance`; momentum 0.8, epsilon 0.01.
"""

STRUCT = """
struct golden_vision_layer {
    const char *layer;
    int rank, shape[5], y_count, variable_count;
    const double *x, *variables, *y, *dy, *dx;
};
"""

L = keras.layers
T = torch.nn.functional
random = np.random.default_rng(7)


def first(x):
    """Channels first."""
    return torch.movedim(x, -1, 1)


def last(x):
    return torch.movedim(x, 1, -1)


def of_torch(function):
    return lambda x: last(function(first(x)))


def excite(x, layers):
    a, b, c, d = layers
    mean = x.mean(dim=tuple(range(1, x.dim() - 1)), keepdim=True)
    return x * torch.sigmoid(torch.relu(mean @ a + b) @ c + d)


def cases():
    yield "conv1d: {filters: 3, kernel_size: 3, padding: causal, dilation_rate: 2}", (2, 7, 2), \
        L.Conv1D(3, 3, padding="causal", dilation_rate=2)
    yield "conv2d: {filters: 4, kernel_size: 3, padding: same, strides: 2}", (2, 6, 5, 3), \
        L.Conv2D(4, 3, padding="same", strides=2)
    yield "conv2d: {filters: 4, kernel_size: [4, 2], padding: same, strides: [3, 2]}", \
        (1, 7, 6, 2), L.Conv2D(4, (4, 2), padding="same", strides=(3, 2))
    yield "conv2d: {filters: 6, kernel_size: 3, groups: 2, activation: tanh}", (1, 5, 4, 4), \
        L.Conv2D(6, 3, groups=2, activation="tanh")
    yield "conv2d: {filters: 2, kernel_size: 3, padding: same, dilation_rate: 2}", (1, 6, 6, 2), \
        L.Conv2D(2, 3, padding="same", dilation_rate=2)
    yield "conv3d: {filters: 2, kernel_size: 2, padding: same, strides: 2, use_bias: false}", \
        (1, 3, 4, 3, 2), L.Conv3D(2, 2, padding="same", strides=2, use_bias=False)
    yield "depthwise_conv1d: {kernel_size: 3, depth_multiplier: 2}", (2, 5, 2), \
        L.DepthwiseConv1D(3, depth_multiplier=2)
    yield "depthwise_conv2d: {kernel_size: 3, padding: same, strides: 2, depth_multiplier: 2}", \
        (1, 5, 6, 3), L.DepthwiseConv2D(3, padding="same", strides=2, depth_multiplier=2)
    yield "separable_conv1d: {filters: 4, kernel_size: 2}", (2, 5, 3), L.SeparableConv1D(4, 2)
    yield "separable_conv2d: {filters: 4, kernel_size: 3, padding: same, depth_multiplier: 2}", \
        (1, 4, 5, 2), L.SeparableConv2D(4, 3, padding="same", depth_multiplier=2)
    yield "conv1d_transpose: {filters: 2, kernel_size: 3, strides: 2}", (2, 4, 3), \
        L.Conv1DTranspose(2, 3, strides=2)
    yield "conv2d_transpose: {filters: 2, kernel_size: 2, strides: 2}", (1, 3, 4, 3), \
        L.Conv2DTranspose(2, 2, strides=2)
    yield "conv2d_transpose: {filters: 2, kernel_size: 3, strides: 2, padding: same}", \
        (1, 3, 4, 3), L.Conv2DTranspose(2, 3, strides=2, padding="same")
    yield "conv2d_transpose: {filters: 2, kernel_size: 2, strides: 3}", (1, 3, 2, 2), \
        L.Conv2DTranspose(2, 2, strides=3)
    yield "max_pooling1d: {pool_size: 3, strides: 2, padding: same}", (2, 6, 2), \
        L.MaxPooling1D(3, strides=2, padding="same")
    yield "max_pooling2d", (1, 5, 4, 3), L.MaxPooling2D()
    yield "max_pooling2d: {pool_size: [3, 2], strides: 1, padding: same}", (1, 4, 5, 2), \
        L.MaxPooling2D((3, 2), strides=1, padding="same")
    yield "average_pooling2d: {pool_size: 3, strides: 2}", (1, 7, 5, 2), \
        L.AveragePooling2D(3, strides=2)
    yield "average_pooling3d: 2", (1, 4, 2, 5, 2), L.AveragePooling3D(2)
    yield "average_pooling2d: {pool_size: 3, strides: 2, pad: 1, count_padding: true}", \
        (1, 6, 5, 2), of_torch(lambda x: T.avg_pool2d(x, 3, 2, 1))
    yield "average_pooling2d: {pool_size: 3, strides: 2, pad: 1}", (1, 6, 5, 2), \
        of_torch(lambda x: T.avg_pool2d(x, 3, 2, 1, count_include_pad=False))
    yield "global_average_pooling2d", (2, 3, 4, 3), L.GlobalAveragePooling2D()
    yield "global_max_pooling: {keep_dims: true}", (2, 3, 4, 3), L.GlobalMaxPooling2D(keepdims=True)
    yield "adaptive_average_pooling: [3, 2]", (1, 7, 5, 2), \
        of_torch(lambda x: T.adaptive_avg_pool2d(x, (3, 2)))
    yield "adaptive_max_pooling: 2", (1, 5, 6, 2), of_torch(lambda x: T.adaptive_max_pool2d(x, 2))
    yield "batch_normalization: {epsilon: 0.01}", (4, 2, 3, 3), L.BatchNormalization(epsilon=0.01)
    yield "batch_normalization: {center: false, scale: false}", (6, 3), \
        L.BatchNormalization(center=False, scale=False)
    yield "layer_normalization", (2, 3, 5), L.LayerNormalization()
    yield "layer_normalization: {axis: [1, 2], epsilon: 0.1}", (2, 3, 5), \
        L.LayerNormalization(axis=[1, 2], epsilon=0.1)
    yield "group_normalization: 3", (2, 3, 2, 6), L.GroupNormalization(3)
    yield "instance_normalization: {epsilon: 0.002, center: false, scale: false}", (2, 3, 3, 2), \
        of_torch(lambda x: T.instance_norm(x, eps=0.002))
    yield "rms_normalization: {epsilon: 0.01}", (2, 3, 4), L.RMSNormalization(epsilon=0.01)
    yield "local_response_normalization: {alpha: 0.3}", (2, 2, 2, 8), \
        of_torch(lambda x: T.local_response_norm(x, 5, 1.5, 0.75, 2.0))
    yield "local_response_normalization: {size: 3, alpha: 0.5, beta: 0.5, k: 1}", (1, 3, 5), \
        of_torch(lambda x: T.local_response_norm(x, 3, 1.5, 0.5, 1.0))
    yield "zero_padding2d: [1, 2, 0, 3]", (1, 2, 3, 2), L.ZeroPadding2D(((1, 2), (0, 3)))
    yield "zero_padding: [1, 2]", (1, 2, 3, 2), L.ZeroPadding2D((1, 2))
    yield "reflect_padding: [2, 1, 0, 3]", (1, 3, 4, 2), \
        of_torch(lambda x: T.pad(x, (0, 3, 2, 1), mode="reflect"))
    yield "replicate_padding: 2", (1, 3, 4, 2), \
        of_torch(lambda x: T.pad(x, (2, 2, 2, 2), mode="replicate"))
    yield "cropping2d: [1, 0, 2, 1]", (1, 4, 5, 2), L.Cropping2D(((1, 0), (2, 1)))
    yield "up_sampling2d: [2, 3]", (1, 2, 3, 2), L.UpSampling2D((2, 3))
    yield "up_sampling: {size: 2, interpolation: bilinear}", (1, 3, 4, 2), \
        L.UpSampling2D(2, interpolation="bilinear")
    sizes = [(6, 2), (2,), (2, 6), (6,)]
    layers = [torch.tensor(random.normal(size=size)) for size in sizes]
    yield "squeeze_excite: 3", (2, 3, 2, 6), (lambda x: excite(x, layers), layers)
    kernel, bias = torch.tensor(random.normal(size=(3, 3, 2, 4))), torch.tensor(random.normal(size=4))
    yield "conv2d: {filters: 4, kernel_size: 3, strides: 2, pad: [1, 0, 2, 1]}", (1, 4, 5, 2), \
        (of_torch(lambda x: T.conv2d(T.pad(x, (2, 1, 1, 0)), kernel.permute(3, 2, 0, 1), bias, 2)),
         [kernel, bias])
    up = torch.tensor(random.normal(size=(3, 3, 2, 3)))
    yield "conv2d_transpose: {filters: 2, kernel_size: 3, strides: 2, pad: 1, output_padding: 1, " \
        "use_bias: false}", (1, 3, 4, 3), \
        (of_torch(lambda x: T.conv_transpose2d(x, up.permute(3, 2, 0, 1), stride=2, padding=1,
                                               output_padding=1)), [up])


def run(layer, shape):
    x = torch.tensor(random.normal(size=shape), requires_grad=True)
    values = []
    if isinstance(layer, tuple):
        layer, values = layer
        y = layer(x)
    elif isinstance(layer, L.Layer):
        layer.build(shape)
        for variable in layer.trainable_weights:
            variable.assign(random.normal(size=variable.shape))
        values = [v.value for v in layer.trainable_weights]
        y = layer(x, training=True) if isinstance(layer, L.BatchNormalization) else layer(x)
    else:
        y = layer(x)
    dy = torch.tensor(random.normal(size=tuple(y.shape)))
    (dx,) = torch.autograd.grad((y * dy).sum(), x)
    flat = [np.asarray(v.detach()).reshape(-1) for v in values]
    return (x.detach().numpy(), np.concatenate(flat) if flat else np.zeros(0),
            y.detach().numpy(), dy.numpy(), dx.numpy())


def quoted(text):
    """In pieces, for the width of a line."""
    pieces = [text[i:i + 70] for i in range(0, len(text), 70)]
    return Name("".join('\n            "' + piece + '"' for piece in pieces))


def write_layers(header):
    header.text(STRUCT)
    records = []
    for i, (text, shape, layer) in enumerate(cases()):
        arrays = dict(zip(("x", "variables", "y", "dy", "dx"), run(layer, shape)))
        record = {"layer": quoted(text), "rank": len(shape),
                  "shape": Name("{" + ", ".join(map(str, shape)) + "}"),
                  "y_count": arrays["y"].size, "variable_count": arrays["variables"].size}
        for name, array in arrays.items():
            if array.size:
                record[name] = header.array("golden_layer_{}_{}".format(i, name), array)
        records.append(record)
    header.table("golden_vision_layer", "golden_vision_layers", records)


def write_batch(header):
    steps, rows, channels = 4, 5, 3
    layer = L.BatchNormalization(momentum=0.8, epsilon=0.01)
    layer.build((rows, 2, channels))
    means, variances = [], []
    x = random.normal(size=(steps, rows, 2, channels)) * [1, 2, 0.1] + [0, 3, -1]
    for step in range(steps):
        layer(torch.tensor(x[step]), training=True)
        means.append(layer.moving_mean.numpy().copy())
        variances.append(layer.moving_variance.numpy().copy())
    header.define("GOLDEN_BATCH_STEPS", steps)
    header.define("GOLDEN_BATCH_ROWS", rows)
    header.define("GOLDEN_BATCH_CHANNELS", channels)
    header.array("golden_batch_x", x)
    header.array("golden_batch_mean", means)
    header.array("golden_batch_variance", variances)


header = Header("vision_layers_golden.h", "Layers over space: values and gradients.", BOTH, ABOUT)
write_layers(header)
write_batch(header)
header.write()
