"""Golden values of recurrent layers: PyTorch's modules; what PyTorch has not, step by step in it."""

import numpy as np
import torch
from golden_writer import Header, Name

ABOUT = """
`golden_recurrent`: a layer of `kind` with `options` reads x (batch, time, features), with a mask
(batch, time) where there is one, from `state` and `cell` (zeros without), and gives y and the
final states. `variables` lie one behind the other in the layer's order. d... are gradients of
    sum(y dy) + sum(last dlast) + sum(last_cell dlast_cell),
dvariables in the order of `variables`. States of both directions: forward columns first.

`source` is "torch" where torch.nn.RNN, LSTM or GRU has computed all of it (padded sequences: by
pack_padded_sequence): weights transposed, b_ih + b_hh as one bias, a GRU's blocks r, z, n put in
the order z, r, n and its two biases kept as rows. "steps" is this script's own loop over the
steps with PyTorch's autograd, and is held against torch's modules before it is used:
peepholes, the reset gate before the product, masks with holes, layer normalisation.
"""

STRUCT = """
#include "fathom/nn_recurrent.h"

struct golden_recurrent {
    const char *kind, *source;
    fm_recurrent_options options;
    int batch, time, features, y_count, variable_count, state_count, cell_count;
    const double *x, *mask, *state, *cell, *variables, *y, *last, *last_cell;
    const double *dy, *dlast, *dlast_cell, *dx, *dstate, *dcell, *dvariables;
};
"""

torch.set_default_dtype(torch.float64)
random = np.random.default_rng(11)
GATES = {"simple_rnn": 1, "lstm": 4, "gru": 3}


def draw(*shape):
    return torch.tensor(random.uniform(-1, 1, shape), requires_grad=True)


# ---- step by step ------------------------------------------------------------------------------


def normalized(x, norm):
    return x if norm is None else torch.nn.functional.layer_norm(x, x.shape[-1:], *norm, eps=1e-5)


def step(kind, o, w, x, h, c):
    """x is the step's input product with its bias."""
    act = {"relu": torch.relu, "softsign": torch.nn.functional.softsign}.get(
        o.get("activation"), torch.tanh)
    hard = lambda v: torch.clamp(v + 3, 0, 6) / 6  # hardsigmoid's gradient has a 1 / 6 of f32
    gate = hard if o.get("recurrent_activation") else torch.sigmoid
    units, r = o["units"], w["recurrent_kernel"]
    if kind == "simple_rnn":
        return act(x + h @ r), c
    if kind == "lstm":
        i, f, g, out = torch.split(x + normalized(h @ r, w.get("recurrent_norm")), units, -1)
        p = w.get("peephole", torch.zeros(3, units))
        c = gate(f + p[1] * c) * c + gate(i + p[0] * c) * act(g)
        h = gate(out + p[2] * c) * act(normalized(c, w.get("cell_norm")))
        return (h @ w["projection_kernel"] if "projection_kernel" in w else h), c
    xz, xr, xn = torch.split(x, units, -1)
    rz, rr, rn = torch.split(r, units, -1)
    if o.get("reset_before"):
        z, reset = gate(xz + h @ rz), gate(xr + h @ rr)
        n = act(xn + (reset * h) @ rn)
    else:
        bz, br, bn = torch.split(w["bias"][1], units, -1)
        z, reset = gate(xz + h @ rz + bz), gate(xr + h @ rr + br)
        n = act(xn + reset * (h @ rn + bn))
    return z * h + (1 - z) * n, c


def unroll(kind, o, w, x, mask, h, c, backward):
    bias = w["bias"][0] if w["bias"].dim() == 2 else w["bias"]
    x = normalized(x @ w["kernel"], w.get("input_norm")) + bias
    times = range(x.shape[1])
    y = [None] * x.shape[1]
    for t in reversed(times) if backward else times:
        h_new, c_new = step(kind, o, w, x[:, t], h, c)
        keep = mask[:, t, None] if mask is not None else torch.ones(x.shape[0], 1)
        h, c = torch.where(keep > 0.5, h_new, h), torch.where(keep > 0.5, c_new, c)
        y[t] = h
    return torch.stack(y, 1), h, c


def weights(kind, o, features):
    """In the layer's order of creation."""
    columns, units = GATES[kind] * o["units"], o["units"]
    width = o.get("projection", units)
    w = {"kernel": draw(features, columns), "recurrent_kernel": draw(width, columns)}
    if "projection" in o:
        w["projection_kernel"] = draw(units, width)
    if "peepholes" in o:
        w["peephole"] = draw(3, units)
    if "layer_normalization" in o:
        for name, n in ("recurrent_norm", columns), ("cell_norm", units), ("input_norm", columns):
            w[name] = (draw(n), draw(n))
    two = kind == "gru" and not o.get("reset_before")
    w["bias"] = draw(2, columns) if two else draw(columns)
    return w


def flat(w):
    for value in w.values():
        yield from value if isinstance(value, tuple) else (value,)


def by_steps(kind, o, w, x, mask, h, c):
    results = []
    for i, one in enumerate(w):
        width, units = o.get("projection", o["units"]), o["units"]
        results.append(unroll(kind, o, one, x, mask, h[:, i * width:(i + 1) * width],
                              c[:, i * units:(i + 1) * units], i == 1 or "go_backwards" in o))
    y, h, c = (torch.cat(parts, -1) for parts in zip(*results))
    if mask is not None and "zero_output_for_mask" in o:
        y = y * mask[..., None]
    return (y if "return_sequences" in o else h), h, c


# ---- PyTorch's modules -------------------------------------------------------------------------


def reordered(kind, w, axis=-1):
    """z, r, n <-> r, z, n."""
    if kind != "gru":
        return w
    z, r, n = torch.chunk(w, 3, axis)
    return torch.cat([r, z, n], axis)


def by_torch(kind, o, w, x, mask, h, c):
    module = {"simple_rnn": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[kind]
    extra = {"proj_size": o["projection"]} if "projection" in o else {}
    if o.get("activation") == "relu":
        extra["nonlinearity"] = "relu"
    net = module(x.shape[2], o["units"], batch_first=True, bidirectional=len(w) == 2, **extra)
    values = {}
    for one, suffix in zip(w, ("", "_reverse")):
        values["weight_ih_l0" + suffix] = reordered(kind, one["kernel"]).T
        values["weight_hh_l0" + suffix] = reordered(kind, one["recurrent_kernel"]).T
        bias = one["bias"]
        both = (bias[0], bias[1]) if bias.dim() == 2 else (bias, torch.zeros_like(bias))
        values["bias_ih_l0" + suffix] = reordered(kind, both[0])
        values["bias_hh_l0" + suffix] = reordered(kind, both[1])
        if "projection" in o:
            values["weight_hr_l0" + suffix] = one["projection_kernel"].T
    stack = lambda s: torch.stack(torch.chunk(s, len(w), -1))
    begin = (stack(h), stack(c)) if kind == "lstm" else stack(h)
    if mask is not None:
        x = torch.nn.utils.rnn.pack_padded_sequence(x, mask.sum(1).int(), True, False)
    y, last = torch.func.functional_call(net, values, (x, begin))
    if mask is not None:
        y, _ = torch.nn.utils.rnn.pad_packed_sequence(y, True, total_length=mask.shape[1])
    beside = lambda s: torch.cat(list(s), -1)
    h = beside(last[0] if kind == "lstm" else last)
    c = beside(last[1]) if kind == "lstm" else c
    return (y if "return_sequences" in o else h), h, c


# ---- cases -------------------------------------------------------------------------------------

ALL, STEPS = ("torch", "steps"), ("steps",)
LENGTHS = [[1, 1, 1, 1, 1, 1, 1], [1, 0, 0, 0, 0, 0, 0], [1, 1, 1, 1, 0, 0, 0]]
HOLES = [[0, 1, 0, 1, 1], [1, 1, 0, 0, 1]]

CASES = [
    ("simple_rnn", "units=3 return_sequences", (2, 5, 2), None, ALL),
    ("simple_rnn", "units=3 activation=relu", (2, 4, 2), None, ALL),
    ("simple_rnn", "units=2 return_sequences bidirectional zero_output_for_mask", (3, 7, 2),
     LENGTHS, ALL),
    ("lstm", "units=3 return_sequences", (2, 5, 2), None, ALL),
    ("lstm", "units=5", (1, 1, 3), None, ALL),
    ("lstm", "units=3 return_sequences bidirectional zero_output_for_mask", (3, 7, 2), LENGTHS,
     ALL),
    ("lstm", "units=4 projection=3 return_sequences bidirectional", (2, 3, 2), None, ALL),
    ("lstm", "units=3 peepholes return_sequences go_backwards", (2, 5, 2), HOLES, STEPS),
    ("lstm", "units=4 peepholes projection=2 bidirectional", (2, 5, 3), HOLES, STEPS),
    ("lstm", "units=3 recurrent_activation=hard_sigmoid return_sequences", (2, 4, 2), None, STEPS),
    ("lstm", "units=3 activation=softsign return_sequences", (2, 5, 2), HOLES, STEPS),
    ("lstm", "units=3 layer_normalization return_sequences", (2, 5, 2), HOLES, STEPS),
    ("lstm", "units=2 layer_normalization peepholes bidirectional", (2, 3, 2), None, STEPS),
    ("gru", "units=3 return_sequences", (2, 5, 2), None, ALL),
    ("gru", "units=3 return_sequences bidirectional zero_output_for_mask", (3, 7, 2), LENGTHS,
     ALL),
    ("gru", "units=5", (1, 1, 3), None, ALL),
    ("gru", "units=3 reset_before return_sequences", (2, 5, 2), None, STEPS),
    ("gru", "units=4 reset_before bidirectional", (2, 5, 3), HOLES, STEPS),
    ("gru", "units=3 activation=softsign go_backwards return_sequences", (2, 5, 2), HOLES, STEPS),
    ("gru", "units=3 activation=softsign reset_before", (2, 5, 2), None, STEPS),
]


def parse(text):
    o = {}
    for word in text.split():
        name, _, value = word.partition("=")
        o[name] = int(value) if value.isdigit() else (value or True)
    return o


def c_options(o):
    def value(v):
        return "true" if v is True else "FM_" + v.upper() if isinstance(v, str) else str(v)
    return Name("{" + ",\n            ".join("." + k + " = " + value(v) for k, v in o.items()) + "}")


def gradients(compute, leaves, weights_of_results):
    results = compute()
    total = sum((r * d).sum() for r, d in zip(results, weights_of_results))
    grads = torch.autograd.grad(total, leaves, allow_unused=True)
    return results, [torch.zeros_like(l) if g is None else g for l, g in zip(leaves, grads)]


def run(case):
    kind, text, (batch, time, features), mask, sources = case
    o = parse(text)
    directions = 2 if "bidirectional" in o else 1
    w = [weights(kind, o, features) for _ in range(directions)]
    x = draw(batch, time, features)
    h = draw(batch, directions * o.get("projection", o["units"]))
    c = draw(batch, directions * o["units"])
    mask = torch.tensor(mask, dtype=torch.float64) if mask else None
    leaves = [x, h, c] + [v for one in w for v in flat(one)]
    results, ways = None, {"torch": by_torch, "steps": by_steps}
    d = None
    for source in sources:
        compute = lambda: ways[source](kind, o, w, x, mask, h, c)
        if d is None:
            d = [torch.tensor(random.uniform(-1, 1, tuple(r.shape))) for r in compute()]
        found = gradients(compute, leaves, d)
        if results is None:
            results = found
        for a, b in zip((*results[0], *results[1]), (*found[0], *found[1])):
            assert torch.allclose(a, b, rtol=1e-12, atol=1e-13), (case, source)
    y, grads = results[0], results[1]
    if "go_backwards" in o and "return_sequences" in o:
        y, d = (torch.flip(y[0], (1,)),) + y[1:], [torch.flip(d[0], (1,))] + d[1:]
    return o, mask, w, (x, h, c), y, d, grads


def main():
    header = Header("recurrent_golden.h", "Recurrent layers: values and gradients",
                    "PyTorch " + torch.__version__.split("+")[0] + ", f64", ABOUT)
    header.text(STRUCT)
    records = []
    for i, case in enumerate(CASES):
        kind, _, (batch, time, features), _, sources = case
        o, mask, w, (x, h, c), (y, last, last_cell), (dy, dlast, dlast_cell), grads = run(case)
        join = lambda values: np.concatenate([v.detach().numpy().reshape(-1) for v in values])
        cells = kind == "lstm"
        arrays = {"x": x, "mask": mask, "state": h, "cell": c if cells else None,
                  "variables": join([v for one in w for v in flat(one)]), "y": y, "last": last,
                  "last_cell": last_cell if cells else None, "dy": dy, "dlast": dlast,
                  "dlast_cell": dlast_cell if cells else None, "dx": grads[0],
                  "dstate": grads[1], "dcell": grads[2] if cells else None,
                  "dvariables": join(grads[3:])}
        record = {"kind": kind, "source": sources[0], "options": c_options(o), "batch": batch,
                  "time": time, "features": features, "y_count": y.numel(),
                  "variable_count": arrays["variables"].size, "state_count": h.numel(),
                  "cell_count": c.numel() if cells else 0}
        for name, value in arrays.items():
            if value is None:
                continue
            value = value.detach().numpy() if isinstance(value, torch.Tensor) else value
            record[name] = header.array("golden_{}_{}".format(i, name), value)
        records.append(record)
    header.table("golden_recurrent", "golden_recurrent", records)
    header.write()


main()
