"""Golden values of the zoo: torchvision's networks with weights that both sides compute."""

import numpy as np
import torchvision

from framework_f64 import PYTORCH, torch
from golden_writer import Header, Name

CLASSES, SIZE, BATCH, PROBES = 10, 48, 2, 8

ABOUT = """
`golden_zoo`: networks with 10 classes on 2 images of 48 x 48 x 3, training (batch statistics),
without dropout and auxiliary heads. `loss` is the mean cross-entropy with the labels 3 and 7,
`logits` those of the first image, `norms` the gradients' norms for 8 of the n trainable
variables, in order of building: number i (n - 1) / 7, rounded down.

Elements, e counted in our layout: u(k, e) = 2 splitmix64(k 2^32 + e) / 2^64 - 1 (of its upper 53
bits), for variable k
    kernels       u sqrt(6 / fan_in), fan_in the product of all dimensions but the last
    gamma         1 + u / 2
    beta, bias    u / 10
and for the images k = 1,000,000.
"""

STRUCT = """
struct golden_network {
    const char *name;
    double loss, logits[10], norms[8];
};
"""

NETWORKS = {
    "squeezenet1_1": ("squeezenet1_1", {"dropout": 0}),
    "resnet18": ("resnet18", {}),
    "resnet50": ("resnet50", {}),
    "googlenet": ("googlenet", {"dropout": 0, "aux_logits": False, "init_weights": False}),
    "mobilenet_v2": ("mobilenet_v2", {"dropout": 0}),
    "densenet121": ("densenet121", {}),
}


def uniform(k, shape):
    z = (np.uint64(k) << np.uint64(32)) + np.arange(np.prod(shape), dtype=np.uint64)
    with np.errstate(over="ignore"):
        z = (z + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return ((z >> np.uint64(11)).astype(np.float64) * 2.0**-52 - 1).reshape(shape)


def fill(network):
    for k, (name, p) in enumerate(network.named_parameters()):
        if p.dim() == 4:
            out, inside, height, width = p.shape
            value = uniform(k, (height, width, inside, out)) * np.sqrt(6 / (height * width * inside))
            value = value.transpose(3, 2, 0, 1)
        elif p.dim() == 2:
            value = uniform(k, (p.shape[1], p.shape[0])).T * np.sqrt(6 / p.shape[1])
        else:
            scale = name.endswith("weight")
            value = 1 + uniform(k, p.shape) / 2 if scale else uniform(k, p.shape) / 10
        with torch.no_grad():
            p.copy_(torch.tensor(np.ascontiguousarray(value)))


def run(function, options):
    network = getattr(torchvision.models, function)(num_classes=CLASSES, **options)
    network = network.double().train()
    fill(network)
    x = torch.tensor(uniform(1000000, (BATCH, SIZE, SIZE, 3)).transpose(0, 3, 1, 2).copy())
    logits = network(x)
    loss = torch.nn.functional.cross_entropy(logits, torch.tensor([3, 7]))
    parameters = list(network.parameters())
    probes = [parameters[i * (len(parameters) - 1) // (PROBES - 1)] for i in range(PROBES)]
    norms = [g.norm().item() for g in torch.autograd.grad(loss, probes)]
    return loss.item(), logits[0].tolist(), norms



def lines(values):
    return Name("{\n            " + ",\n            ".join(repr(v) for v in values) + "}")


header = Header("zoo_golden.h", "The zoo: what torchvision's networks compute.",
                PYTORCH + " and torchvision " + torchvision.__version__.split("+")[0] + ", f64",
                ABOUT)
header.text(STRUCT)
records = []
for name, (function, options) in NETWORKS.items():
    loss, logits, norms = run(function, options)
    records.append({"name": name, "loss": loss, "logits": lines(logits), "norms": lines(norms)})
header.table("golden_network", "golden_zoo", records)
header.write()
