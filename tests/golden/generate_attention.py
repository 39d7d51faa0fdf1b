"""Golden values and gradients of attention and of transformer blocks: PyTorch in f64.

nn.MultiheadAttention, nn.TransformerEncoderLayer, nn.TransformerDecoderLayer where they know the case;
grouped queries and unequal head sizes by F.scaled_dot_product_attention between products; rotary
positions by the formula, in NumPy's words below.
"""

import numpy as np
import torch
import torch.nn.functional as F

from golden_writer import Header, Name

torch.set_default_dtype(torch.float64)

ABOUT = """
Element i of the tensor with the number `salt` is ((37 i + 101 salt) mod 199 - 99) / 128, as
golden_element says. Inputs have the salts 1, 2, 3, the gradient that flows in 9, the trainable
variables in the order of their making 10, 11, ... `real` (batch, keys) is the mask of the value,
`seen` (batch, queries, keys) the fourth input. `dinputs` and `dvariables` hold the gradients one
behind the other.

Compare with 1e-12 max(1, |golden|) in f64 and 1e-5 in f32.
"""

STRUCTS = """
#include "fathom/tensor.h"

static inline double golden_element(int64_t i, int salt)
{
    return (double)((37 * i + 101 * salt) % 199 - 99) / 128;
}

struct golden_attention {
    const char *name;
    int kind; /* 0: multi_head_attention, 1: transformer_encoder, 2: transformer_decoder */
    int heads, key_heads, key_dim, value_dim, causal, rotary, intermediate, gelu;
    int normalize_first;
    int inputs;
    fm_shape shapes[3], result;
    const double *real, *seen, *y, *dinputs, *dvariables;
    int variables;
};

struct golden_rotary {
    int heads;
    double base, first;
    fm_shape shape;
    const double *y, *dx;
};
"""


def element(shape, salt):
    count = int(np.prod(shape))
    i = np.arange(count)
    values = ((37 * i + 101 * salt) % 199 - 99) / 128
    return torch.tensor(values.reshape(shape), requires_grad=True)


def c_shape(shape):
    return Name("{%d, {%s}}" % (len(shape), ", ".join(str(n) for n in shape)))


def turn(x, base, first):
    """x (batch, time, heads, n): the pair (i, i + n / 2) at position p turned by p base^(-2i / n)."""
    half = x.shape[3] // 2
    position = torch.arange(x.shape[1], dtype=torch.float64) + first
    angle = position[:, None] * base ** (-torch.arange(half, dtype=torch.float64) / half)
    c, s = torch.cos(angle)[None, :, None], torch.sin(angle)[None, :, None]
    a, b = x[..., :half], x[..., half:]
    return torch.cat([a * c - b * s, a * s + b * c], -1)


class Variables:
    """The trainable variables in the order in which the layer makes them."""

    def __init__(self):
        self.all = []

    def make(self, *shape):
        self.all.append(element(shape, 10 + len(self.all)))
        return self.all[-1]


def causal_mask(queries, keys):
    return torch.ones(queries, keys, dtype=torch.bool).tril()


def attend(case, v, query, value, key, real=None, seen=None):
    """Products around scaled_dot_product_attention; heads (batch, heads, time, dim)."""
    heads, groups = case["heads"], case.get("key_heads", case["heads"])
    width = query.shape[2]
    dim = case.get("key_dim", width // heads)
    value_dim = case.get("value_dim", dim)
    if query is value and value_dim == dim:
        kernel, bias = v.make(width, (heads + 2 * groups) * dim), v.make((heads + 2 * groups) * dim)
        q, k, w = (query @ kernel + bias).split([heads * dim, groups * dim, groups * dim], 2)
    else:
        q = query @ v.make(width, heads * dim) + v.make(heads * dim)
        k = key @ v.make(key.shape[2], groups * dim) + v.make(groups * dim)
        w = value @ v.make(value.shape[2], groups * value_dim) + v.make(groups * value_dim)
    b, t, s = query.shape[0], query.shape[1], key.shape[1]
    q, k, w = q.view(b, t, heads, dim), k.view(b, s, groups, dim), w.view(b, s, groups, value_dim)
    if case.get("rotary"):
        q, k = turn(q, 10000, 0), turn(k, 10000, 0)
    mask = causal_mask(t, s) if case.get("causal") else torch.ones(t, s, dtype=torch.bool)
    mask = mask.expand(b, 1, t, s)
    if real is not None:
        mask = mask & (real > 0.5)[:, None, None, :]
    if seen is not None:
        mask = mask & (seen > 0.5)[:, None]
    y = F.scaled_dot_product_attention(q.transpose(1, 2), k.transpose(1, 2), w.transpose(1, 2),
                                       attn_mask=mask, enable_gqa=groups != heads)
    y = y.transpose(1, 2).reshape(b, t, heads * value_dim)
    return y @ v.make(heads * value_dim, width) + v.make(width)


def check_module(case, v, y, inputs, real, seen):
    """Where nn.MultiheadAttention knows the case, it must agree."""
    query, value = inputs[0], inputs[1 if len(inputs) > 1 else 0]
    key = inputs[2] if len(inputs) > 2 else value
    if {"key_heads", "key_dim", "value_dim", "rotary"} & set(case):
        return
    width, own = query.shape[2], len(inputs) == 1
    module = torch.nn.MultiheadAttention(width, case["heads"], batch_first=True,
                                         **({} if own else dict(kdim=key.shape[2], vdim=value.shape[2])))
    with torch.no_grad():
        if own:
            module.in_proj_weight.copy_(v[0].T)
            module.in_proj_bias.copy_(v[1])
        else:
            if module.in_proj_weight is not None:
                module.in_proj_weight.copy_(torch.cat([v[0].T, v[2].T, v[4].T]))
            else:
                for name, i in (("q", 0), ("k", 2), ("v", 4)):
                    getattr(module, name + "_proj_weight").copy_(v[i].T)
            module.in_proj_bias.copy_(torch.cat([v[1], v[3], v[5]]))
        module.out_proj.weight.copy_(v[-2].T)
        module.out_proj.bias.copy_(v[-1])
    mask = None
    if case.get("causal"):
        mask = ~causal_mask(query.shape[1], key.shape[1])
    if seen is not None:
        mask = (seen < 0.5).repeat_interleave(case["heads"], 0)
    hidden = None if real is None else real < 0.5
    theirs = module(query, key, value, attn_mask=mask, key_padding_mask=hidden, need_weights=False)[0]
    assert (theirs - y).abs().max() < 1e-13


def block(case, inputs, real):
    """PyTorch's encoder or decoder layer with our variables in its places."""
    width, heads, hidden = inputs[0].shape[2], case["heads"], case["intermediate"]
    first, decoder = case.get("normalize_first", 0), case["kind"] == 2
    options = dict(dim_feedforward=hidden, dropout=0.0, batch_first=True, norm_first=bool(first),
                   activation="gelu" if case.get("gelu") else "relu")
    cross = len(inputs) > 1
    layer = (torch.nn.TransformerDecoderLayer if cross else
             torch.nn.TransformerEncoderLayer)(width, heads, **options)
    v, places = Variables(), []

    def place(parameter, *shape):
        """`shape` ours; a kernel is theirs transposed."""
        places.append((v.make(*shape), parameter))

    def norm(module):
        place(module.weight, width)
        place(module.bias, width)

    def out(module):
        place(module.weight, *reversed(module.weight.shape))
        place(module.bias, *module.bias.shape)

    def self_attention():
        place(layer.self_attn.in_proj_weight, width, 3 * width)
        place(layer.self_attn.in_proj_bias, 3 * width)
        out(layer.self_attn.out_proj)

    def cross_attention():
        for i in range(3):
            place((layer.multihead_attn.in_proj_weight, i), width, width)
            place((layer.multihead_attn.in_proj_bias, i), width)
        out(layer.multihead_attn.out_proj)

    def feedforward():
        out(layer.linear1)
        out(layer.linear2)

    branches = [(self_attention, layer.norm1)]
    if cross:
        branches.append((cross_attention, layer.norm2))
    branches.append((feedforward, layer.norm3 if cross else layer.norm2))
    for make, module in branches:
        if first:
            norm(module)
        make()
        if not first:
            norm(module)

    def slot(parameter):
        if isinstance(parameter, tuple):
            return parameter[0].data[parameter[1] * width:(parameter[1] + 1) * width]
        return parameter.data

    for ours, theirs in places:
        slot(theirs).copy_(ours.detach().T if ours.dim() == 2 else ours.detach())
    hidden_keys = None if real is None else real < 0.5
    mask = ~causal_mask(inputs[0].shape[1], inputs[0].shape[1]) if decoder or case.get("causal") else None
    if cross:
        y = layer(inputs[0], inputs[1], tgt_mask=mask, memory_key_padding_mask=hidden_keys)
    else:
        y = layer(inputs[0], src_mask=mask, src_key_padding_mask=hidden_keys)

    def gradients():
        for ours, theirs in places:
            whole = isinstance(theirs, tuple)
            g = theirs[0].grad[theirs[1] * width:(theirs[1] + 1) * width] if whole else theirs.grad
            ours.grad = g.T if ours.dim() == 2 else g
    return y, v.all, gradients


REAL = torch.tensor([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1.0]])
SEEN = torch.tensor((np.arange(2 * 3 * 5).reshape(2, 3, 5) % 3 != 1) * 1.0)
CASES = [
    dict(name="self", kind=0, heads=2, shapes=[(2, 5, 6)]),
    dict(name="causal", kind=0, heads=3, causal=1, shapes=[(1, 7, 6)]),
    dict(name="padding", kind=0, heads=2, shapes=[(2, 5, 4)], real=REAL),
    dict(name="cross", kind=0, heads=2, shapes=[(2, 3, 4), (2, 5, 6)], real=REAL),
    dict(name="three inputs", kind=0, heads=2, shapes=[(2, 3, 4), (2, 5, 6), (2, 5, 3)]),
    dict(name="a mask", kind=0, heads=2, shapes=[(2, 3, 4), (2, 5, 4), (2, 5, 4)], seen=SEEN),
    dict(name="grouped queries", kind=0, heads=4, key_heads=2, causal=1, shapes=[(2, 5, 8)]),
    dict(name="sizes of heads", kind=0, heads=2, key_dim=3, value_dim=5, shapes=[(1, 5, 4)]),
    dict(name="rotary", kind=0, heads=2, causal=1, rotary=1, shapes=[(1, 6, 8)]),
    dict(name="encoder", kind=1, heads=2, intermediate=7, shapes=[(2, 5, 4)], real=REAL),
    dict(name="encoder, norm first", kind=1, heads=1, intermediate=5, gelu=1, normalize_first=1,
         causal=1, shapes=[(1, 5, 4)]),
    dict(name="decoder alone", kind=2, heads=2, intermediate=6, normalize_first=1, gelu=1,
         shapes=[(2, 5, 4)]),
    dict(name="decoder", kind=2, heads=2, intermediate=6, shapes=[(2, 3, 4), (2, 5, 4)], real=REAL),
]


def flat(tensors):
    return np.concatenate([t.grad.detach().numpy().reshape(-1) for t in tensors])


def run(header, number, case):
    inputs = [element(s, 1 + i) for i, s in enumerate(case["shapes"])]
    real, seen = case.get("real"), case.get("seen")
    if case["kind"] == 0:
        v = Variables()
        value = inputs[1 if len(inputs) > 1 else 0]
        y = attend(case, v, inputs[0], value, inputs[2] if len(inputs) > 2 else value, real, seen)
        check_module(case, v.all, y, inputs, real, seen)
        variables, gradients = v.all, lambda: None
    else:
        y, variables, gradients = block(case, inputs, real)
    (y * element(y.shape, 9).detach()).sum().backward()
    gradients()
    base = "golden_attention_%d_" % number
    record = {k: x for k, x in case.items() if k not in ("shapes", "real", "seen")}
    shapes = "{%s}" % ", ".join(c_shape(s) for s in case["shapes"])
    record.update(inputs=len(inputs), shapes=Name(shapes), result=c_shape(y.shape))
    if real is not None:
        record["real"] = header.array(base + "real", real)
    if seen is not None:
        record["seen"] = header.array(base + "seen", seen)
    record.update(y=header.array(base + "y", y.detach()),
                  dinputs=header.array(base + "dinputs", flat(inputs)),
                  dvariables=header.array(base + "dvariables", flat(variables)),
                  variables=int(sum(t.numel() for t in variables)))
    return record


def run_rotary(header, number, shape, heads, base, first):
    x = element(shape, 1)
    y = torch.cat([turn(x[:, :, :heads], base, first), x[:, :, heads:]], 2)
    (y * element(shape, 9).detach()).sum().backward()
    name = "golden_rotary_%d_" % number
    return dict(heads=heads, base=float(base), first=float(first), shape=c_shape(shape),
                y=header.array(name + "y", y.detach()), dx=header.array(name + "dx", x.grad))


header = Header("attention_golden.h", "Attention and blocks of transformers.",
                "PyTorch " + torch.__version__.split("+")[0] + ", f64", ABOUT)
header.text(STRUCTS)
header.table("golden_attention", "golden_attentions",
             [run(header, i, case) for i, case in enumerate(CASES)])
header.table("golden_rotary", "golden_rotaries",
             [run_rotary(header, 0, (2, 3, 2, 4), 2, 10000, 0),
              run_rotary(header, 1, (1, 4, 3, 6), 2, 100, 7)])
header.write()
