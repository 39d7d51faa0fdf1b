"""Loss, logits and gradients of networks of the zoo, on weights and images that C makes alike."""

import torch

from golden_writer import Header, Name, number, wrap
from zoo_networks import solve, stream_of, values

ABOUT = """
One forward and backward pass in training mode; the problem is that of
tests/support/zoo_problem.h with the images' stream 1000.

logits      batch first, classes last
gradients   of each variable the projection on a random direction: the sum over its elements i of
            gradient[i] v(s(path) + 1, i), with v and s of zoo_problem.h

Compare projections with 1e-8 of the gradient's Euclidean norm, and where that is below 1e-10 of
the largest norm, being zero by nature, with 1e-10 of the largest.
"""

STRUCTS = """
struct golden_gradient {
    const char *path;
    double projection;
};

struct golden_network {
    const char *network;
    int height, classes, batch;
    double loss;
    const double *logits;
    int logits_count;
    const struct golden_gradient *gradients;
    int gradients_count;
};
"""

# network, height, classes, batch
NETWORKS = [
    ("lenet5", 28, 10, 2), ("resnet20", 32, 10, 2), ("squeezenet", 64, 10, 2), ("unet", 32, 2, 1),
    ("mobilenet", 64, 10, 2), ("mobilenet_v2", 64, 10, 2), ("googlenet", 64, 10, 2),
    ("googlenet_2014", 64, 10, 2), ("densenet121", 64, 10, 2), ("drn_c_26", 32, 10, 1),
    ("resnet50_v2", 64, 10, 2), ("alexnet", 64, 10, 2), ("vgg16", 32, 10, 1),
    ("resnet152", 64, 10, 2),
]


def projection(path, grad):
    direction = torch.tensor(values((stream_of(path) + 1) % 2**32, grad.numel()))
    return (grad.flatten() * direction).sum().item()


def main():
    header = Header("zoo_parity_golden.h", "Networks of the zoo: loss, logits, gradients.",
                    "PyTorch {}, f64".format(torch.__version__.split("+")[0]), ABOUT)
    header.text(STRUCTS)
    rows = []
    for name, height, classes, batch in NETWORKS:
        loss, logits, grads = solve(name, height, classes, batch, torch.float64)
        stem = "golden_" + name
        logits = logits.flatten()[:20]
        array = header.array(stem + "_logits", logits)
        items = ['{"%s", %s}' % (path, number(projection(path, grad))) for path, grad in grads.items()]
        header.text("static const struct golden_gradient %s_gradients[%d] = {\n%s\n};"
                    % (stem, len(items), wrap(items)))
        rows.append(dict(network=name, height=height, classes=classes, batch=batch, loss=loss.item(),
                         logits=array, logits_count=len(logits), gradients=Name(stem + "_gradients"),
                         gradients_count=len(grads)))
    header.table("golden_network", "golden_networks", rows)
    header.write()


main()
