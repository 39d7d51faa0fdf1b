"""Whole networks of the zoo against PyTorch: one forward and backward pass with the same weights.

    cmake --build build/release --target zoo_gradients
    python3 tests/parity/compare_zoo.py [--program build/release/tests/zoo_gradients] [--dtype f32]
        [--backend all] [--height 224] [--classes 1000] [--batch 2] [--images 1000] [NETWORK ...]

Prints, for each network, the largest difference of the loss, the logits and any gradient, relative to
the tensor's largest element; PyTorch computes in the same precision, and in f64 to judge both. Where
the gradient is zero by nature (a bias that batch normalisation takes away again), it is relative to
the largest gradient of all. `together` is the Euclidean norm of all differences over that of all
gradients.

A batch of one makes batch normalisation's gradients cancel where the slope is equal at all positions, as
behind a mean over space: nothing is left to compare.

ReLU and max pooling have kinks: a number within rounding of one falls on one side of it in one f32
program and on the other side in another, and the gradient of a whole filter changes by a part in the
square root of its positions. With other --images there may be none; `together` hardly sees them.
"""

import argparse
import math
import pathlib
import subprocess
import sys
import tempfile

import torch
from safetensors.torch import load_file

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "golden"))
from zoo_networks import solve  # noqa: E402

NETWORKS = ["alexnet", "vgg16", "googlenet", "googlenet_2014", "resnet152"]


def largest(tensor):
    return tensor.double().abs().max().item()


def relative(ours, theirs, scale):
    return largest(ours.double() - theirs.double()) / scale


def scales_of(grads):
    """By path, from the exact gradients."""
    top = max(largest(grad) for grad in grads.values())
    return {path: largest(grad) if largest(grad) > 1e-10 * top else top
            for path, grad in grads.items()}


def together(ours, grads):
    off = sum((ours[path].double() - grad.double()).square().sum().item()
              for path, grad in grads.items())
    return math.sqrt(off / sum(grad.double().square().sum().item() for grad in grads.values()))


def compare(ours, theirs, scales):
    loss, logits, grads = theirs
    if set(ours) - {"loss", "logits"} != set(grads):
        raise ValueError("variables differ: %s" % sorted(set(ours) ^ set(grads)))
    errors = {path: relative(ours[path], grads[path], scales[path]) for path in grads}
    worst = max(errors, key=errors.get)
    return (relative(ours["loss"], loss, largest(loss)),
            relative(ours["logits"], logits, largest(logits)), together(ours, grads), errors[worst],
            worst, sum(error > 1e-3 for error in errors.values()), len(errors))


def report(words, result):
    print("  %-28s loss %.2e  logits %.2e  gradients: together %.2e, worst %.2e (%s), %d of %d "
          "above 1e-3" % ((words,) + result), flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", default=ROOT / "build/release/tests/zoo_gradients")
    parser.add_argument("--dtype", default="f32")
    parser.add_argument("--backend", default="all")
    parser.add_argument("--height", type=int, default=224)
    parser.add_argument("--classes", type=int, default=1000)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--images", type=int, default=1000, help="stream of the random pixels")
    parser.add_argument("networks", nargs="*", default=NETWORKS)
    a = parser.parse_args()
    dtypes = {"f32": torch.float32, "f64": torch.float64}
    for name in a.networks:
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / "gradients.safetensors"
            subprocess.run([a.program, name, str(a.height), str(a.classes), str(a.batch),
                            str(a.images), a.dtype, a.backend, file], check=True)
            ours = load_file(file)
        problem = (name, a.height, a.classes, a.batch)
        exact = solve(*problem, torch.float64, a.images, dtypes[a.dtype])
        scales = scales_of(exact[2])
        print("%s, batch %d of %d x %d, %s, backend %s" % (name, a.batch, a.height, a.height, a.dtype,
                                                           a.backend))
        report("Fathom against PyTorch f64", compare(ours, exact, scales))
        if a.dtype == "f32":
            single = solve(*problem, dtypes[a.dtype], a.images)
            report("Fathom against PyTorch f32", compare(ours, single, scales))
            theirs = dict(single[2], loss=single[0], logits=single[1])
            report("PyTorch f32 against its f64", compare(theirs, exact, scales))


main()
