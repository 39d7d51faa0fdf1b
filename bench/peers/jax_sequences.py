"""Networks over sequences in JAX: one JSON line with the samples (sequences) per second.

    python jax_sequences.py --workload gpt-small --threads 2 --mode best

gpt-small        tokens of 65, context 128: embedding and learned positions of 128, 4 blocks (norm first,
                 4 heads, causal; 512 wide with GELU), norm, 65 logits; Adam rate 0.001, batch 64
mnist-lstm       the 28 rows of a digit: LSTM 64, LSTM 64, dense 10; Adam rate 0.001, batch 128
mnist-gru        the same with GRU
shakespeare-lstm tokens of 65, 64 steps: embedding of 256, LSTM 256, LSTM 256, 65 logits; Adam, batch 64
"""

import jax_side
import peer_side
import peer_workloads

WORKLOADS = {name: peer_workloads.SEQUENCES[name]
             for name in ("mnist-lstm", "mnist-gru", "shakespeare-lstm", "gpt-small")}

SETTINGS = {
    "train": {
        "jit": {},
        "jit-donate": dict(donate=True),
        "jit-donate-fast": dict(donate=True, fast=True),
        "jit-donate-unroll": dict(donate=True, fast=True, unroll=4),
        "jit-donate-attention": dict(donate=True, fast=True, attention="fused"),
    },
    "predict": {
        "jit": {},
        "jit-fast": dict(fast=True),
        "jit-unroll": dict(fast=True, unroll=4),
        "jit-attention": dict(fast=True, attention="fused"),
    },
}


# ---- recurrent layers -------------------------------------------------------------------------------


def lstm(layers, p, gates, state):
    """gates: the input's part of all four. Hochreiter, Schmidhuber 1997."""
    sigmoid, tanh, split = layers.jax.nn.sigmoid, layers.np.tanh, layers.np.split
    h, c = state
    i, f, g, o = split(gates + layers.product("bu,ug->bg", h, p["recurrent"]), 4, 1)
    c = sigmoid(f) * c + sigmoid(i) * tanh(g)
    h = sigmoid(o) * tanh(c)
    return (h, c), h


def gru(layers, p, gates, state):
    """Cho et al. 2014, in the form that applies the reset gate behind the product."""
    sigmoid, tanh, split = layers.jax.nn.sigmoid, layers.np.tanh, layers.np.split
    h, = state
    r, z, n = split(gates, 3, 1)
    of_r, of_z, of_n = split(layers.product("bu,ug->bg", h, p["recurrent"]) + p["recurrent_bias"], 3, 1)
    z = sigmoid(z + of_z)
    h = (1 - z) * tanh(n + sigmoid(r + of_r) * of_n) + z * h
    return (h,), h


# cell: its step, gates, states, whether the recurrent product has a bias of its own
CELLS = {"LSTM": (lstm, 4, 2, False), "GRU": (gru, 3, 1, True)}


def new_recurrent(layers, cell, inputs, units):
    gates, bias = CELLS[cell][1], CELLS[cell][3]
    p = dict(layers.new_dense(inputs, gates * units), recurrent=layers.normal(units, gates * units, fan=units))
    return dict(p, recurrent_bias=layers.np.zeros(gates * units)) if bias else p


def recurrent(layers, cell, p, x):
    """(batch, time, channels) to (batch, time, units); the input's products are one."""
    step, _, states, _ = CELLS[cell]
    first = (layers.np.zeros((x.shape[0], p["recurrent"].shape[0])),) * states
    _, y = layers.lax.scan(lambda state, gates: step(layers, p, gates, state), first,
                           layers.np.swapaxes(layers.dense(p, x), 0, 1),
                           unroll=layers.setting.get("unroll", 1))
    return layers.np.swapaxes(y, 0, 1)


def digits(layers, workload):
    cell, units = workload["cell"], workload["units"]
    parameters = dict(first=new_recurrent(layers, cell, workload["rows"], units),
                      second=new_recurrent(layers, cell, units, units),
                      head=layers.new_dense(units, workload["classes"]))

    def apply(p, state, x, training, key):
        x = recurrent(layers, cell, p["second"], recurrent(layers, cell, p["first"], x))
        return layers.dense(p["head"], x[:, -1]), state
    return parameters, (), apply


def characters(layers, workload):
    width, vocabulary = workload["width"], workload["vocabulary"]
    parameters = dict(tokens=layers.normal(vocabulary, width, fan=2),
                      first=new_recurrent(layers, "LSTM", width, width),
                      second=new_recurrent(layers, "LSTM", width, width),
                      head=layers.new_dense(width, vocabulary))

    def apply(p, state, x, training, key):
        x = recurrent(layers, "LSTM", p["first"], p["tokens"][x])
        x = recurrent(layers, "LSTM", p["second"], x)
        return layers.dense(p["head"], x).reshape(-1, vocabulary), state
    return parameters, (), apply


# ---- attention --------------------------------------------------------------------------------------


def attention(layers, p, x, heads):
    np, (b, t, width) = layers.np, x.shape
    q, k, v = (part.reshape(b, t, heads, width // heads)
               for part in np.split(layers.dense(p["qkv"], x), 3, 2))
    if layers.setting.get("attention") == "fused":
        q, k, v = layers.cast(q, k, v)
        y = layers.jax.nn.dot_product_attention(q, k, v, is_causal=True).astype(np.float32)
    else:
        scores = layers.product("bqhd,bkhd->bhqk", q, k) * (width // heads) ** -0.5
        weights = layers.jax.nn.softmax(np.where(np.tri(t, dtype=bool), scores, -np.inf))
        y = layers.product("bhqk,bkhd->bqhd", weights, v)
    return layers.dense(p["out"], y.reshape(b, t, width))


def gpt(layers, workload):
    width, vocabulary, hidden = workload["width"], workload["vocabulary"], workload["hidden"]
    blocks = [dict(first=layers.new_norm(width), qkv=layers.new_dense(width, 3 * width),
                   out=layers.new_dense(width, width), second=layers.new_norm(width),
                   wide=layers.new_dense(width, hidden), narrow=layers.new_dense(hidden, width))
              for _ in range(workload["blocks"])]
    parameters = dict(tokens=layers.normal(vocabulary, width, fan=2),
                      positions=0.02 * layers.normal(workload["context"], width, fan=2), blocks=blocks,
                      norm=layers.new_norm(width), head=layers.new_dense(width, vocabulary))

    def apply(p, state, x, training, key):
        x = p["tokens"][x] + p["positions"]
        for block in p["blocks"]:
            x = x + attention(layers, block, layers.layer_norm(block["first"], x), workload["heads"])
            wide = layers.dense(block["wide"], layers.layer_norm(block["second"], x))
            x = x + layers.dense(block["narrow"], layers.jax.nn.gelu(wide, approximate=False))
        return layers.dense(p["head"], layers.layer_norm(p["norm"], x)).reshape(-1, vocabulary), state
    return parameters, (), apply


# ---- the side ---------------------------------------------------------------------------------------

MODELS = {"gpt": gpt, "digits": digits, "characters": characters}


def make_model(layers, workload, setting):
    return MODELS[workload["kind"]](layers, workload)


def make_data(jax, workload, batch, setting):
    count = max(2, 1024 // batch)
    if workload["kind"] == "digits":
        return jax_side.drawn_images(jax, count, batch, (workload["rows"], workload["rows"]),
                                     workload["classes"])
    made = []
    for i in range(count):  # sequences of tokens, and for each the next one
        text = jax.random.randint(jax.random.key(i), (batch, workload["context"] + 1), 0,
                                  workload["vocabulary"])
        made.append((text[:, :-1], text[:, 1:].reshape(-1)))
    return made


jax_side.main(peer_side.Side(WORKLOADS, SETTINGS, {}, make_model, make_data))
