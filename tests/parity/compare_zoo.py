"""Whole networks of the zoo against PyTorch: one forward and backward pass with the same weights.

    cmake --build build/release --target zoo_gradients
    python3 tests/parity/compare_zoo.py [--program build/release/tests/zoo_gradients] [--dtype f32]
        [--backend all] [--height 224] [--classes 1000] [--batch 2] [--images 1000] [NETWORK ...]

PyTorch computes in the same precision, and in f64 to judge both. Printed for each network:

  loss, logits   the largest difference, relative to the largest element
  gradient       all gradients as one vector: the Euclidean norm of the difference over that of the
                 gradient. This is what is judged: above 1e-3 (f64: 1e-9) the script fails
  tensor         the same for each variable, the worst of them
  element        the largest difference of an element, relative to its variable's largest, the worst

Where the gradient is zero by nature (a bias that batch normalisation takes away again), it is relative
to the largest element of all gradients.

Why not the worst element: ReLU and max pooling have kinks. Of the 27 million numbers of VGG-16 some lie
within rounding of one; they fall on one side of it in one f32 program and on the other in another, and
each changes the gradient of a whole filter by a part in the square root of its positions, wherever the
images come from. PyTorch's own f32 differs from its f64 that way, as its line tells, so no f32 program
can be held to it by element. As a part of the gradient these changes are small, and in f64 all networks
agree in every element.

A batch of one makes batch normalisation's gradients cancel where the slope is equal at all positions, as
behind a mean over space: nothing is left to compare.
"""

import argparse
import json
import math
import pathlib
import subprocess
import sys
import tempfile

import torch

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "golden"))
from zoo_networks import solve  # noqa: E402

NETWORKS = ["alexnet", "vgg16", "googlenet", "googlenet_2014", "resnet152"]
GRADIENT = 2  # its place in what compare() returns
LIMITS = {"f32": 1e-3, "f64": 1e-9}


def load_file(path):
    """A safetensors file: the length of the header, the header (JSON), the elements."""
    data = pathlib.Path(path).read_bytes()
    begin = 8 + int.from_bytes(data[:8], "little")
    dtypes = {"F32": torch.float32, "F64": torch.float64}
    tensors = {}
    for name, entry in json.loads(data[8:begin]).items():
        if name == "__metadata__":
            continue
        first, last = (begin + offset for offset in entry["data_offsets"])
        elements = torch.frombuffer(bytearray(data[first:last]), dtype=dtypes[entry["dtype"]])
        tensors[name] = elements.reshape(entry["shape"])
    return tensors


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


def by_norm(ours, grads, scales):
    """By path: the Euclidean norm of the difference over that of the gradient."""
    ratios = {}
    for path, grad in grads.items():
        off, norm = (ours[path].double() - grad.double()).norm().item(), grad.double().norm().item()
        ratios[path] = off / max(norm, scales[path])
    return ratios


def compare(ours, theirs, scales):
    loss, logits, grads = theirs
    if set(ours) - {"loss", "logits"} != set(grads):
        raise ValueError("variables differ: %s" % sorted(set(ours) ^ set(grads)))
    errors = {path: relative(ours[path], grads[path], scales[path]) for path in grads}
    worst = max(errors, key=errors.get)
    norms = by_norm(ours, grads, scales)
    tensor = max(norms, key=norms.get)
    return (relative(ours["loss"], loss, largest(loss)),
            relative(ours["logits"], logits, largest(logits)), together(ours, grads),
            norms[tensor], tensor, errors[worst], worst,
            sum(error > 1e-3 for error in errors.values()), len(errors))


def report(words, result):
    print("  %-28s loss %.2e  logits %.2e  gradient %.2e  tensor %.2e (%s)  "
          "element %.2e (%s), %d of %d above 1e-3" % ((words,) + result), flush=True)


def main():
    """Returns the networks that differ by more than the limit."""
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
    dtypes, failed = {"f32": torch.float32, "f64": torch.float64}, []
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
        result = compare(ours, exact, scales)
        report("Fathom against PyTorch f64", result)
        if not result[GRADIENT] <= LIMITS[a.dtype]:
            failed.append(name)
        if a.dtype == "f32":
            single = solve(*problem, dtypes[a.dtype], a.images)
            report("Fathom against PyTorch f32", compare(ours, single, scales))
            theirs = dict(single[2], loss=single[0], logits=single[1])
            report("PyTorch f32 against its f64", compare(theirs, exact, scales))
    return failed


differing = main()
if differing:
    sys.exit("gradients differ by more than the limit: " + ", ".join(differing))
