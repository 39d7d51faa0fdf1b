"""Networks over sequences in PyTorch: one JSON line with the samples (sequences) per second.

    python pytorch_sequences.py --workload gpt-small --threads 2 --mode best
    python pytorch_sequences.py --workload shakespeare-gpt --phase predict --mode best
    python pytorch_sequences.py --workload gpt-small --phase generate --batch 1 --mode best

gpt-small        tokens of 65, context 128: embedding and learned positions of 128, 4 blocks (norm first,
                 4 heads, causal; 512 wide with GELU), norm, 65 logits; Adam rate 0.001, batch 64
shakespeare-gpt  the same with dropout 0.1 (of the embedding, the attention and both branches), AdamW
mnist-lstm       the 28 rows of a digit: LSTM 64, LSTM 64, dense 10; Adam rate 0.001, batch 128
mnist-gru        the same with GRU
shakespeare-lstm tokens of 65, 64 steps: embedding of 256, LSTM 256, LSTM 256, 65 logits; Adam, batch 64

In the phase generate a sample is a sequence of `context` tokens that are made one after the other, each
the most probable one, with the keys and values of those before kept (in place, in the model's layout).
"""

import peer_side
import peer_workloads
import pytorch_side

WORKLOADS = peer_workloads.SEQUENCES

# attention: by scaled_dot_product_attention, or by two products and a softmax
SETTINGS = {
    "train": {
        "eager": {},
        "eager-keep": dict(flush=True, keep=True),
        "eager-products-keep": dict(attention="products", flush=True, keep=True),
        "eager-fused-keep": dict(fused=True, flush=True, keep=True),
        "eager-fused-spin": dict(fused=True, flush=True, keep=True, spin=True),
        "compile-keep": dict(compile="loss", fused=True, flush=True, keep=True),
        "compile-products-keep": dict(compile="loss", attention="products", fused=True, flush=True,
                                      keep=True),
        "compile-spin": dict(compile="loss", fused=True, flush=True, keep=True, spin=True),
    },
    "predict": {
        "eager": dict(flush=True),
        "eager-keep": dict(flush=True, keep=True),
        "compile": dict(compile="model", flush=True, keep=True),
        "compile-freezing": dict(compile="model", freezing=True, flush=True, keep=True),
        "compile-freezing-spin": dict(compile="model", freezing=True, flush=True, keep=True,
                                      spin=True),
    },
    # compiled, a step sees all of the cache through a mask: its shapes do not change
    "generate": {
        "eager": dict(generate=True, flush=True),
        "eager-spin": dict(generate=True, flush=True, keep=True, spin=True),
        "compile-step": dict(generate=True, step="compiled", flush=True, keep=True),
        "compile-step-spin": dict(generate=True, step="compiled", flush=True, keep=True, spin=True),
    },
}


def gpt(torch, workload, setting):
    nn, functional = torch.nn, torch.nn.functional
    width, heads, rate = workload["width"], workload["heads"], workload["dropout"]

    class Attention(nn.Module):
        def __init__(self):
            super().__init__()
            self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)

        def forward(self, x):
            b, t, _ = x.shape
            q, k, v = (part.view(b, t, heads, width // heads).transpose(1, 2)
                       for part in self.qkv(x).split(width, 2))
            drop = rate if self.training else 0.0
            if setting.get("attention") == "products":
                scores = q @ k.transpose(2, 3) * (width // heads) ** -0.5
                future = torch.ones(t, t, dtype=torch.bool).triu(1)
                weights = functional.softmax(scores.masked_fill(future, float("-inf")), -1)
                y = functional.dropout(weights, drop) @ v
            else:
                y = functional.scaled_dot_product_attention(q, k, v, is_causal=True, dropout_p=drop)
            return self.out(y.transpose(1, 2).reshape(b, t, width))

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)
            self.attention, self.drop = Attention(), nn.Dropout(rate)
            self.hidden = nn.Sequential(nn.Linear(width, workload["hidden"]), nn.GELU(),
                                        nn.Linear(workload["hidden"], width), nn.Dropout(rate))

        def forward(self, x):
            x = x + self.drop(self.attention(self.first(x)))
            return x + self.hidden(self.second(x))

    class Gpt(nn.Module):
        def __init__(self):
            super().__init__()
            self.tokens = nn.Embedding(workload["vocabulary"], width)
            self.positions = nn.Parameter(0.02 * torch.randn(workload["context"], width))
            self.drop = nn.Dropout(rate)
            self.blocks = nn.Sequential(*(Block() for _ in range(workload["blocks"])))
            self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, workload["vocabulary"])

        def forward(self, x):
            x = self.drop(self.tokens(x) + self.positions)
            return self.head(self.norm(self.blocks(x))).view(-1, workload["vocabulary"])
    return generator(torch, Gpt(), workload, setting) if setting.get("generate") else Gpt()


def generator(torch, model, workload, setting):
    context, heads, width = workload["context"], workload["heads"], workload["width"]
    attention = torch.nn.functional.scaled_dot_product_attention
    masked = setting.get("step") == "compiled"

    class Generator(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model
            self.caches = [torch.zeros(2, 1, heads, context, width // heads)
                           for _ in model.blocks]
            self.masks = torch.ones(context, context, dtype=torch.bool).tril()
            self.step = torch.compile(self.token, dynamic=False) if masked else self.token

        def token(self, token, t, position, mask):
            x = model.tokens(token) + model.positions.index_select(0, position)[None]
            for block, cache in zip(model.blocks, self.caches):
                q, k, v = (part.view(1, 1, heads, width // heads).transpose(1, 2)
                           for part in block.attention.qkv(block.first(x)).split(width, 2))
                cache[0].index_copy_(2, position, k)
                cache[1].index_copy_(2, position, v)
                k, v = (cache[0], cache[1]) if masked else (cache[0, :, :, :t], cache[1, :, :, :t])
                y = attention(q, k, v, attn_mask=mask)
                x = x + block.attention.out(y.transpose(1, 2).reshape(1, 1, width))
                x = x + block.hidden(block.second(x))
            return model.head(model.norm(x))

        def forward(self, x):
            token, positions = x[:, :1], torch.arange(context)
            for i in range(context):
                mask = self.masks[i:i + 1] if masked else None
                logits = self.step(token, None if masked else i + 1, positions[i:i + 1], mask)
                token = logits.argmax(-1)
            return logits
    return Generator()


def digits(torch, workload, setting):
    nn, units = torch.nn, workload["units"]

    class Digits(nn.Module):
        def __init__(self):
            super().__init__()
            cell = getattr(nn, workload["cell"])
            self.cells = cell(workload["rows"], units, num_layers=2, batch_first=True)
            self.head = nn.Linear(units, workload["classes"])

        def forward(self, x):
            return self.head(self.cells(x)[0][:, -1])
    return Digits()


def characters(torch, workload, setting):
    nn, width = torch.nn, workload["width"]

    class Characters(nn.Module):
        def __init__(self):
            super().__init__()
            self.tokens = nn.Embedding(workload["vocabulary"], width)
            self.cells = nn.LSTM(width, width, num_layers=2, batch_first=True)
            self.head = nn.Linear(width, workload["vocabulary"])

        def forward(self, x):
            return self.head(self.cells(self.tokens(x))[0]).view(-1, workload["vocabulary"])
    return Characters()


MODELS = {"gpt": gpt, "digits": digits, "characters": characters}


def make_model(torch, workload, setting):
    return MODELS[workload["kind"]](torch, workload, setting)


def tokens(torch, workload, batch):
    """Sequences of tokens, and for each the next one."""
    text = torch.randint(0, workload["vocabulary"], (batch, workload["context"] + 1))
    return text[:, :-1].contiguous(), text[:, 1:].reshape(-1)


def images(torch, workload, batch):
    return (torch.rand(batch, workload["rows"], workload["rows"]),
            torch.randint(0, workload["classes"], (batch,)))


DATA = {"gpt": tokens, "digits": images, "characters": tokens}


def make_data(torch, workload, batch, setting):
    return [DATA[workload["kind"]](torch, workload, batch) for _ in range(max(2, 1024 // batch))]


pytorch_side.main(peer_side.Side(WORKLOADS, SETTINGS, {}, make_model, make_data))
