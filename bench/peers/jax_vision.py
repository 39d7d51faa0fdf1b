"""Convolutional networks in JAX: one JSON line with the samples per second.

    python jax_vision.py --workload resnet20 --threads 2 --mode best

mnist-cnn    28x28x1: conv 32 3x3, conv 64 3x3, ReLU, max-pool 2, dropout .25, dense 128, dropout .5,
             dense 10; Adam rate 0.001, batch 128
resnet20     32x32x3: He et al. 2015, section 4.2, shortcuts of kind A; momentum 0.9, batch 128
"""

import jax_side
import peer_side

WORKLOADS = {
    "mnist-cnn": dict(image=(28, 28, 1), batch=128, optimizer="Adam", rate=0.001),
    "resnet20": dict(image=(32, 32, 3), batch=128, optimizer="momentum", rate=0.1),
}
CLASSES = 10

SETTINGS = {
    "train": {
        "jit": {},
        "jit-donate": dict(donate=True),
        "jit-donate-fast": dict(donate=True, fast=True),
        "jit-donate-fast-rbg": dict(donate=True, fast=True, rbg=True),
    },
    "predict": {"jit": {}, "jit-fast": dict(fast=True)},
}


def mnist_cnn(layers):
    np, relu = layers.np, layers.jax.nn.relu
    parameters = dict(first=layers.new_kernel(1, 32, 3), first_bias=np.zeros(32),
                      second=layers.new_kernel(32, 64, 3), second_bias=np.zeros(64),
                      hidden=layers.new_dense(64 * 12 * 12, 128), head=layers.new_dense(128, CLASSES))

    def apply(p, state, x, training, key):
        keys = layers.jax.random.split(key) if training else (None, None)
        x = relu(layers.convolve(p["first"], x) + p["first_bias"])
        x = relu(layers.convolve(p["second"], x) + p["second_bias"])
        x = layers.dropout(layers.max_pool(x, 2), 0.25, training, keys[0])
        x = relu(layers.dense(p["hidden"], x.reshape(x.shape[0], -1)))
        return layers.dense(p["head"], layers.dropout(x, 0.5, training, keys[1])), state
    return parameters, (), apply


def resnet20(layers):
    np, relu = layers.np, layers.jax.nn.relu
    parameters, state, strides, channels = [], [], [], 3
    for filters, stride in [(16, 1)] * 7 + [(32, 2)] + [(32, 1)] * 5 + [(64, 2)] + [(64, 1)] * 5:
        parameters.append(dict(kernel=layers.new_kernel(channels, filters, 3),
                               norm=layers.new_norm(filters)))
        state.append(layers.new_statistics(filters))
        strides.append(stride)
        channels = filters

    def convolution(p, state, i, x, training):
        y = layers.convolve(p[i]["kernel"], x, strides[i], 1)
        return layers.batch_norm(p[i]["norm"], state[i], y, training)

    def apply(p, state, x, training, key):
        body, head = p
        made = [None] * len(state)
        y, made[0] = convolution(body, state, 0, x, training)
        x = relu(y)
        for i in range(1, len(body), 2):
            y, made[i] = convolution(body, state, i, x, training)
            y, made[i + 1] = convolution(body, state, i + 1, relu(y), training)
            if strides[i] == 2:  # every second pixel, zeros for the new channels
                x = np.pad(x[:, ::2, ::2], [(0, 0)] * 3 + [(0, x.shape[3])])
            x = relu(x + y)
        return layers.dense(head, x.mean((1, 2))), made
    return (parameters, layers.new_dense(channels, CLASSES)), state, apply


MODELS = {"mnist-cnn": mnist_cnn, "resnet20": resnet20}


def make_model(layers, workload, setting):
    return MODELS[workload["name"]](layers)


def make_data(jax, workload, batch, setting):
    return jax_side.drawn_images(jax, max(2, 2048 // batch), batch, workload["image"], CLASSES)


jax_side.main(peer_side.Side(WORKLOADS, SETTINGS, {}, make_model, make_data))
