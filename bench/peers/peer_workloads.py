"""The work that the peers share, in one place: what is compared must have the same shapes on each side."""

MLPS = {
    "mlp": dict(sizes=[784, 512, 256, 10], dropout=0.0, batch=128, optimizer="SGD", rate=0.01),
    "mlp-dropout": dict(sizes=[784, 128, 10], dropout=0.2, batch=32, optimizer="Adam", rate=0.001),
}

GPT = dict(kind="gpt", vocabulary=65, context=128, width=128, heads=4, blocks=4, hidden=512, batch=64,
           rate=0.001)
DIGITS = dict(kind="digits", rows=28, units=64, classes=10, batch=128, rate=0.001,
              optimizer="Adam")
SEQUENCES = {
    "mnist-lstm": dict(DIGITS, cell="LSTM"),
    "mnist-gru": dict(DIGITS, cell="GRU"),
    "shakespeare-lstm": dict(kind="characters", vocabulary=65, context=64, width=256, batch=64,
                             rate=0.001, optimizer="Adam"),
    "gpt-small": dict(GPT, dropout=0.0, optimizer="Adam"),
    "shakespeare-gpt": dict(GPT, dropout=0.1, optimizer="AdamW"),
}
