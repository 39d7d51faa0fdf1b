"""The losses of the two MNIST recipes' first 100 steps in PyTorch, from weights and data that C can make.

Needs the four MNIST files of ../shared/data/mnist or of the folder given as argument.
"""

import gzip
import pathlib
import sys

import numpy as np
import torch

from golden_writer import FOLDER, Header

ABOUT = """
`golden_parities`: the loss of steps 0, 1, ... 99 (before the update of that step; the mean
over the batch of the sparse categorical cross-entropy of the logits), f32 and f64, for two data
sets.

recipe   mnist-mlp      dense {mlp_sizes}, ReLU after the first two; SGD, rate 0.01; batch 128
         mnist-dropout  dense {dropout_sizes}, ReLU and dropout 0.2 after the first; Adam, rate 0.001,
                        beta 0.9, 0.999, epsilon 1e-8 (PyTorch's); batch 32
weights  layer l = 1, 2, ...: kernel[row][column] (in x out, y = x kernel + bias) =
         (2 u - 1) limit[l-1] with u = golden_uniform(l, row * out + column), in f32; limit is
         (float)sqrt(6 / (in + out)) (Glorot); biases are 0
dropout  step s, row r, column c: keep = golden_uniform(200, (s * 32 + r) * 128 + c) >= 0.2f; the
         hidden value is multiplied by 1.25f where keep, else by 0
data     "mnist": batch s is samples s * batch, s * batch + 1, ... of the train set in its order,
         pixels (float)byte / 255.0f
         "made": sample i has label golden_hash(102, i) % 10, and pixel j =
         0.5f * (golden_uniform(100, label * 784 + j) + golden_uniform(101, i * 784 + j))

`norms`: the L2 norms after step 99, in f64: kernel 1, bias 1, kernel 2, ...
The f32 run is off the f64 run by at most {worst} relative, and one thread's differs from
two threads' by at most {threads}: compare f32 with 1e-4, f64 with 1e-9.
To check the data: the bytes of the first 12800 train images sum to {bytes}, the labels to
{labels}; the made labels of the first 12800 samples sum to {made}.
"""

CODE = """
#include <stdint.h>

/* C. Wellons's lowbias32 (2018), on a stream and an index. */
static inline uint32_t golden_mix(uint32_t x) {
    x ^= x >> 16;
    x *= 0x7feb352dU;
    x ^= x >> 15;
    x *= 0x846ca68bU;
    return x ^ (x >> 16);
}

static inline uint32_t golden_hash(uint32_t stream, uint32_t index) {
    return golden_mix(index ^ golden_mix(stream + 0x9e3779b9U));
}

/* In [0, 1), exact in f32. */
static inline float golden_uniform(uint32_t stream, uint32_t index) {
    return (float)(golden_hash(stream, index) >> 8) * 0x1p-24f;
}

struct golden_parity {
    const char *recipe, *data;
    int batch, layers;
    const int *sizes;     /* [layers + 1] */
    const float *limits;  /* [layers] */
    const double *losses; /* [100], f32 */
    const double *losses_f64;
    const double *norms; /* [2 * layers] */
};
"""

STEPS = 100
SIZES = {"mnist-mlp": [784, 512, 256, 10], "mnist-dropout": [784, 128, 10]}
BATCH = {"mnist-mlp": 128, "mnist-dropout": 32}
TEMPLATES, NOISE, LABELS, MASKS = 100, 101, 102, 200


def mix(x):
    x = x ^ (x >> np.uint32(16))
    x = x * np.uint32(0x7FEB352D)
    x = x ^ (x >> np.uint32(15))
    x = x * np.uint32(0x846CA68B)
    return x ^ (x >> np.uint32(16))


def hashed(stream, index):
    return mix(np.asarray(index, np.uint32) ^ mix(np.array([stream + 0x9E3779B9], np.uint32)))


def uniform(stream, index):
    return (hashed(stream, index) >> np.uint32(8)).astype(np.float32) * np.float32(2.0**-24)


def limits(sizes):
    return [np.float32(np.sqrt(6.0 / (a + b))) for a, b in zip(sizes, sizes[1:])]


def kernels(sizes):
    shapes = zip(sizes, sizes[1:])
    return [(np.float32(2) * uniform(i + 1, np.arange(a * b)) - np.float32(1)).reshape(a, b) * limit
            for i, ((a, b), limit) in enumerate(zip(shapes, limits(sizes)))]


def made_samples(count):
    labels = hashed(LABELS, np.arange(count)) % 10
    columns = np.arange(784)
    template = uniform(TEMPLATES, labels[:, None].astype(np.int64) * 784 + columns)
    noise = uniform(NOISE, np.arange(count)[:, None] * 784 + columns)
    return np.float32(0.5) * (template + noise), labels.astype(np.int64)


def mnist_samples(folder, count):
    with gzip.open(folder / "train-images-idx3-ubyte.gz") as file:
        images = np.frombuffer(file.read(16 + count * 784)[16:], np.uint8).reshape(count, 784)
    with gzip.open(folder / "train-labels-idx1-ubyte.gz") as file:
        labels = np.frombuffer(file.read(8 + count)[8:], np.uint8).astype(np.int64)
    return images, labels


def train(recipe, images, labels, dtype):
    sizes, batch = SIZES[recipe], BATCH[recipe]
    weights = [torch.tensor(k, dtype=dtype).requires_grad_() for k in kernels(sizes)]
    biases = [torch.zeros(n, dtype=dtype, requires_grad=True) for n in sizes[1:]]
    parameters = [p for pair in zip(weights, biases) for p in pair]
    make = torch.optim.SGD if recipe == "mnist-mlp" else torch.optim.Adam
    optimizer = make(parameters, lr=0.01 if recipe == "mnist-mlp" else 0.001)
    losses = []
    for step in range(STEPS):
        rows = slice(step * batch, (step + 1) * batch)
        x = torch.tensor(images[rows], dtype=dtype)
        for i, (w, b) in enumerate(zip(weights, biases)):
            x = torch.addmm(b, x, w)
            if i + 1 < len(weights):
                x = torch.relu(x)
            if recipe == "mnist-dropout" and i == 0:
                index = np.arange(step * batch * 128, (step + 1) * batch * 128)
                keep = uniform(MASKS, index).reshape(batch, 128) >= np.float32(0.2)
                x = x * torch.tensor(keep * np.float32(1.25), dtype=dtype)
        loss = torch.nn.functional.cross_entropy(x, torch.tensor(labels[rows]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return np.array(losses), [p.detach().double().norm().item() for p in parameters]


def off(a, b):
    return np.max(np.abs(a - b) / np.abs(b))


def main():
    default = FOLDER.parents[1] / ".." / "shared" / "data" / "mnist"
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else default
    count = STEPS * max(BATCH.values())
    data = {"mnist": mnist_samples(folder, count), "made": made_samples(count)}
    sums = dict(bytes=data["mnist"][0].sum(dtype=np.int64), labels=data["mnist"][1].sum(),
                made=data["made"][1].sum())
    data["mnist"] = (data["mnist"][0].astype(np.float32) / np.float32(255), data["mnist"][1])

    runs, worst, threads = [], 0.0, 0.0
    for recipe in SIZES:
        for name, (images, labels) in data.items():
            torch.set_num_threads(2)
            two = train(recipe, images, labels, torch.float32)[0]
            torch.set_num_threads(1)
            one = train(recipe, images, labels, torch.float32)[0]
            exact, norms = train(recipe, images, labels, torch.float64)
            worst, threads = max(worst, off(one, exact)), max(threads, off(two, one))
            runs.append((recipe, name, one, exact, norms))
            print(recipe, name, exact[0], exact[-1])

    header = Header("mnist_parity_golden.h", "The first 100 losses of the two MNIST recipes.",
                    "PyTorch {}, f32 and f64".format(torch.__version__.split("+")[0]),
                    ABOUT.format(mlp_sizes="784-512-256-10", dropout_sizes="784-128-10",
                                 worst="%.1e" % worst, threads="%.1e" % threads, **sums))
    header.text(CODE)
    write_runs(header, runs)
    header.write()


def write_runs(header, runs):
    arrays = {}
    for recipe, sizes in SIZES.items():
        stem = "golden_" + recipe.replace("-", "_")
        arrays[recipe] = (header.array(stem + "_sizes", sizes, ctype="int"),
                          header.array(stem + "_limits", limits(sizes), ctype="float"))
    records = []
    for recipe, name, one, exact, norms in runs:
        stem = "golden_{}_{}_".format(recipe.replace("-", "_"), name)
        records.append(dict(
            recipe=recipe, data=name, batch=BATCH[recipe], layers=len(SIZES[recipe]) - 1,
            sizes=arrays[recipe][0], limits=arrays[recipe][1],
            losses=header.array(stem + "losses", [float("%.9g" % v) for v in one]),
            losses_f64=header.array(stem + "losses_f64", exact),
            norms=header.array(stem + "norms", norms)))
    header.table("golden_parity", "golden_parities", records)


main()
