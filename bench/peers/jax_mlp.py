"""The workloads mlp and mlp-dropout in JAX: one JSON line with the samples per second.

    python jax_mlp.py --workload mlp --threads 2 --mode best

mlp          784-512-256-10, ReLU, cross-entropy, SGD rate 0.01, batch 128
mlp-dropout  784-128-10, ReLU, dropout 0.2, cross-entropy, Adam rate 0.001, batch 32
"""

import jax_side
import peer_side
import peer_workloads

WORKLOADS = peer_workloads.MLPS
SAMPLES, MOST_BATCHES = 60000, 2048

SETTINGS = {
    "train": {
        "jit": {},
        "jit-donate": dict(donate=True),
        "jit-donate-fast": dict(donate=True, fast=True),
        "jit-donate-rbg": dict(donate=True, rbg=True),
        "jit-donate-fast-rbg": dict(donate=True, fast=True, rbg=True),
    },
    "predict": {"jit": {}, "jit-fast": dict(fast=True)},
}


def make_model(layers, workload, setting):
    sizes, rate = workload["sizes"], workload["dropout"]
    parameters = [layers.new_dense(a, b) for a, b in zip(sizes, sizes[1:])]

    def apply(parameters, state, x, training, key):
        for p in parameters[:-1]:
            x = layers.jax.nn.relu(layers.dense(p, x))
        x = layers.dropout(x, rate, training, key)
        return layers.dense(parameters[-1], x), state
    return parameters, (), apply


def make_data(jax, workload, batch, setting):
    return jax_side.drawn_images(jax, min(SAMPLES // batch, MOST_BATCHES), batch, (784,), 10)


jax_side.main(peer_side.Side(WORKLOADS, SETTINGS, {}, make_model, make_data))
