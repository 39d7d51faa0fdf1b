"""The workloads mlp and mlp-dropout in PyTorch: one JSON line with the samples per second.

    python pytorch_mlp.py --workload mlp --threads 2 --mode best
    python pytorch_mlp.py --workload mlp-dropout --threads 1 --mode eager --phase predict

mlp          784-512-256-10, ReLU, cross-entropy, SGD rate 0.01, batch 128
mlp-dropout  784-128-10, ReLU, dropout 0.2, cross-entropy, Adam rate 0.001, batch 32
"""

import peer_side
import peer_workloads
import pytorch_side

WORKLOADS = peer_workloads.MLPS
SAMPLES = 60000

SETTINGS = {
    "train": {
        "eager": {},
        "eager-foreach": dict(foreach=True, flush=True),
        "eager-fused": dict(fused=True, flush=True),
        "eager-fused-spin": dict(fused=True, flush=True, keep=True, spin=True),
        "eager-onednn": dict(onednn="layout", fused=True, flush=True),
        "eager-onednn-keep": dict(onednn="layout", fused=True, flush=True, keep=True),
        "eager-onednn-spin": dict(onednn="layout", fused=True, flush=True, keep=True, spin=True),
        "eager-reduced": dict(reduced=True, fused=True, flush=True),
        "compile": dict(compile="model"),
        "compile-fused": dict(compile="loss", fused=True, flush=True),
        "compile-fused-spin": dict(compile="loss", fused=True, flush=True, spin=True),
        "compile-step": dict(compile="loss+step", foreach=True, flush=True),
        "compile-whole": dict(compile="whole", flush=True),
        "compile-whole-spin": dict(compile="whole", flush=True, spin=True),
        "compile-whole-keep-spin": dict(compile="whole", flush=True, keep=True, spin=True),
        "compile-autotune-fused": dict(compile="loss", autotune=True, fused=True, flush=True),
        "compile-autotune-whole": dict(compile="whole", autotune=True, flush=True),
        "compile-wrapper-whole": dict(compile="whole", wrapper=True, flush=True),
        "compile-wrapper-whole-spin": dict(compile="whole", wrapper=True, flush=True, spin=True),
    },
    "predict": {
        "eager": {},
        "eager-flush": dict(flush=True),
        "eager-spin": dict(flush=True, spin=True),
        "eager-onednn": dict(onednn="layout", flush=True),
        "eager-onednn-spin": dict(onednn="layout", flush=True, keep=True, spin=True),
        "compile": dict(compile="model"),
        "compile-freezing": dict(compile="model", freezing=True, flush=True),
        "compile-freezing-spin": dict(compile="model", freezing=True, flush=True, spin=True),
        "compile-freezing-autotune": dict(compile="model", freezing=True, autotune=True, flush=True),
        "compile-freezing-wrapper": dict(compile="model", freezing=True, wrapper=True, flush=True),
    },
}
EXPERT = {
    "train": {
        "matmul-onednn": dict(onednn="matmul", fused=True, flush=True),
        "matmul-onednn-spin": dict(onednn="matmul", fused=True, flush=True, spin=True),
        "matmul-onednn-keep-spin": dict(onednn="matmul", fused=True, flush=True, keep=True, spin=True),
    },
    "predict": {
        "matmul-onednn": dict(onednn="matmul", flush=True),
        "matmul-onednn-spin": dict(onednn="matmul", flush=True, spin=True),
    },
}


def onednn_linear(torch):
    """A linear layer by oneDNN's matmul on plain tensors, with its gradient."""
    matmul = torch.ops.mkldnn._linear_pointwise

    class Product(torch.autograd.Function):
        @staticmethod
        def forward(context, x, weight, bias):
            context.save_for_backward(x, weight)
            return matmul(x, weight, bias, "none", [], "")

        @staticmethod
        @torch.autograd.function.once_differentiable
        def backward(context, g):
            x, weight = context.saved_tensors
            to_x = None
            if context.needs_input_grad[0]:
                to_x = matmul(g, weight.t(), None, "none", [], "")
            return to_x, matmul(g.t(), x.t(), None, "none", [], ""), g.sum(0)

    class Linear(torch.nn.Linear):
        def forward(self, x):
            return Product.apply(x, self.weight, self.bias)
    return Linear


def make_model(torch, workload, setting):
    onednn = setting.get("onednn")

    class Layout(torch.nn.Module):
        def __init__(self, change):
            super().__init__()
            self.change = change

        def forward(self, x):
            return self.change(x)

    hidden = onednn_linear(torch) if onednn == "matmul" else torch.nn.Linear
    sizes = workload["sizes"]
    layers = [Layout(lambda x: x.to_mkldnn())] if onednn == "layout" else []
    for a, b in zip(sizes, sizes[1:-1]):
        layers += [hidden(a, b), torch.nn.ReLU()]
    if onednn == "layout":
        layers.append(Layout(lambda x: x.to_dense()))
    if workload["dropout"]:
        layers.append(torch.nn.Dropout(workload["dropout"]))
    return torch.nn.Sequential(*layers, torch.nn.Linear(sizes[-2], sizes[-1]))


def make_data(torch, workload, batch, setting):
    x = torch.rand(SAMPLES, 784)
    y = torch.randint(0, 10, (SAMPLES,))
    count = SAMPLES // batch
    return [(x[i * batch:(i + 1) * batch], y[i * batch:(i + 1) * batch]) for i in range(count)]


pytorch_side.main(peer_side.Side(WORKLOADS, SETTINGS, EXPERT, make_model, make_data))
