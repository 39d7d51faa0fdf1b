"""Golden learning rates of the schedules, for steps 0 to 60, and of reduce on plateau."""

import types

import numpy as np

from framework_f64 import BOTH, keras, torch
from golden_writer import Header

ABOUT = """
`golden_schedules`: `rates` holds the learning rate of steps 0, 1, ... 60 (before the update of
that step), a the base rate, n decay_steps, s the step. Fields that a case lacks are 0.

constant         a
step             a decay_rate^floor(s / n)
exponential      a decay_rate^(s / n), staircase: floor(s / n)
piecewise        a decay_rate^k, k the number of boundaries <= s (PyTorch MultiStepLR; Keras's
                 PiecewiseConstantDecay changes one step later, at s > boundary)
polynomial       s = min(s, n): (a - end) (1 - s / n)^power + end;
                 cycle: n is multiplied by max(1, ceil(s / n)) instead
cosine           s = min(s, n): a ((1 - alpha) (1 + cos(pi s / n)) / 2 + alpha)
cosine_restarts  the same in periods of n, n t_mul, n t_mul^2, ... steps; the height of the i-th,
                 i = 0, 1, ..., is m_mul^i: a ((1 - alpha) m_mul^i (1 + cos(pi f)) / 2 + alpha)
one_cycle        n the number of steps, u = warmup_fraction n - 1: cosine from a / div_factor at
                 0 to a at u, then cosine to a / div_factor / final_div_factor at n - 1

warmup_steps w: over the first w steps the rate climbs linearly from warmup_start a at step 0 to
a at step w, where the schedule begins with s = 0.

`golden_plateaus`: after each of 61 epochs the rate that Keras's ReduceLROnPlateau leaves for the
next one, having watched `golden_plateau_losses` (or, with maximize, their negatives). PyTorch's
callback of the same name waits for patience + 1 epochs and takes its threshold as relative.
"""

STRUCT = """
struct golden_schedule {
    const char *name;   /* of the case */
    const char *kind;   /* one of the formulas above */
    const char *source; /* framework and class */
    double learning_rate, decay_steps, decay_rate;
    int staircase, cycle;
    double power, end_learning_rate, alpha, t_mul, m_mul;
    double warmup_fraction, div_factor, final_div_factor;
    double warmup_steps, warmup_start;
    int boundary_count;
    const int *boundaries;
    const double *rates; /* [61] */
};

struct golden_plateau {
    const char *name;
    double learning_rate, factor;
    int patience, cooldown, maximize;
    double min_delta, minimum_rate;
    const double *rates; /* [61], after each epoch */
};
"""

COUNT = 61
RATE = 0.1
BOUNDARIES = [10, 25, 40]
S = torch.optim.lr_scheduler
K = keras.optimizers.schedules


def pytorch(make):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=RATE)
    schedule, rates = make(optimizer), []
    for step in range(COUNT):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if step + 1 < COUNT:
            schedule.step()
    return np.array(rates, dtype=float)


def from_keras(schedule):
    return np.array([float(schedule(step)) for step in range(COUNT)])


def warm(rest, start=0.1, steps=10):
    return lambda o: S.SequentialLR(
        o, [S.LinearLR(o, start_factor=start, total_iters=steps), rest(o)], milestones=[steps])


# name, kind, source, options, rates
CASES = [
    ("constant", "constant", "PyTorch ConstantLR", {},
     lambda: pytorch(lambda o: S.ConstantLR(o, factor=1.0))),
    ("step", "step", "PyTorch StepLR", dict(decay_steps=10.0, decay_rate=0.5),
     lambda: pytorch(lambda o: S.StepLR(o, 10, 0.5))),
    ("piecewise", "piecewise", "PyTorch MultiStepLR", dict(decay_rate=0.2, boundary_count=3),
     lambda: pytorch(lambda o: S.MultiStepLR(o, BOUNDARIES, 0.2))),
    ("exponential", "exponential", "Keras ExponentialDecay", dict(decay_steps=20.0, decay_rate=0.5),
     lambda: from_keras(K.ExponentialDecay(RATE, 20, 0.5))),
    ("exponential_staircase", "exponential", "Keras ExponentialDecay",
     dict(decay_steps=20.0, decay_rate=0.5, staircase=1),
     lambda: from_keras(K.ExponentialDecay(RATE, 20, 0.5, staircase=True))),
    ("exponential_each_step", "exponential", "PyTorch ExponentialLR",
     dict(decay_steps=1.0, decay_rate=0.95), lambda: pytorch(lambda o: S.ExponentialLR(o, 0.95))),
    ("polynomial_linear", "polynomial", "Keras PolynomialDecay",
     dict(decay_steps=40.0, power=1.0, end_learning_rate=0.001),
     lambda: from_keras(K.PolynomialDecay(RATE, 40, 0.001, 1.0))),
    ("polynomial_quadratic", "polynomial", "Keras PolynomialDecay",
     dict(decay_steps=40.0, power=2.0, end_learning_rate=0.01),
     lambda: from_keras(K.PolynomialDecay(RATE, 40, 0.01, 2.0))),
    ("polynomial_cycle", "polynomial", "Keras PolynomialDecay",
     dict(decay_steps=15.0, power=2.0, end_learning_rate=0.01, cycle=1),
     lambda: from_keras(K.PolynomialDecay(RATE, 15, 0.01, 2.0, cycle=True))),
    ("cosine", "cosine", "Keras CosineDecay", dict(decay_steps=40.0),
     lambda: from_keras(K.CosineDecay(RATE, 40))),
    ("cosine_alpha", "cosine", "Keras CosineDecay", dict(decay_steps=40.0, alpha=0.1),
     lambda: from_keras(K.CosineDecay(RATE, 40, alpha=0.1))),
    ("cosine_restarts", "cosine_restarts", "Keras CosineDecayRestarts",
     dict(decay_steps=8.0, t_mul=2.0, m_mul=0.8, alpha=0.1),
     lambda: from_keras(K.CosineDecayRestarts(RATE, 8, t_mul=2.0, m_mul=0.8, alpha=0.1))),
    ("cosine_restarts_equal", "cosine_restarts", "Keras CosineDecayRestarts",
     dict(decay_steps=15.0, t_mul=1.0, m_mul=1.0),
     lambda: from_keras(K.CosineDecayRestarts(RATE, 15, t_mul=1.0))),
    ("cosine_restarts_pytorch", "cosine_restarts", "PyTorch CosineAnnealingWarmRestarts",
     dict(decay_steps=10.0, t_mul=2.0, m_mul=1.0, alpha=0.1),
     lambda: pytorch(lambda o: S.CosineAnnealingWarmRestarts(o, 10, 2, eta_min=0.1 * RATE))),
    ("one_cycle", "one_cycle", "PyTorch OneCycleLR",
     dict(decay_steps=61.0, warmup_fraction=0.3, div_factor=25.0, final_div_factor=1e4),
     lambda: pytorch(lambda o: S.OneCycleLR(o, RATE, COUNT, cycle_momentum=False))),
    ("one_cycle_early", "one_cycle", "PyTorch OneCycleLR",
     dict(decay_steps=61.0, warmup_fraction=0.1, div_factor=10.0, final_div_factor=100.0),
     lambda: pytorch(lambda o: S.OneCycleLR(o, RATE, COUNT, pct_start=0.1, div_factor=10,
                                            final_div_factor=100, cycle_momentum=False))),
    ("warmup", "constant", "PyTorch LinearLR", dict(warmup_steps=10.0, warmup_start=0.1),
     lambda: pytorch(lambda o: S.LinearLR(o, start_factor=0.1, total_iters=10))),
    ("warmup_exponential", "exponential", "PyTorch SequentialLR of LinearLR and ExponentialLR",
     dict(decay_steps=1.0, decay_rate=0.95, warmup_steps=10.0, warmup_start=0.1),
     lambda: pytorch(warm(lambda o: S.ExponentialLR(o, 0.95)))),
    ("warmup_cosine", "cosine", "Keras CosineDecay",
     dict(decay_steps=40.0, alpha=0.1, warmup_steps=10.0, warmup_start=0.2),
     lambda: from_keras(K.CosineDecay(0.2 * RATE, 40, alpha=0.1, warmup_target=RATE,
                                      warmup_steps=10))),
    ("warmup_cosine_from_zero", "cosine", "Keras CosineDecay",
     dict(decay_steps=40.0, warmup_steps=5.0),
     lambda: from_keras(K.CosineDecay(0.0, 40, warmup_target=RATE, warmup_steps=5))),
]

# name, factor, patience, cooldown, min_delta, minimum_rate, maximize
PLATEAUS = [
    ("patience_3", 0.5, 3, 0, 1e-4, 0.0, 0),
    ("cooldown", 0.5, 3, 2, 1e-4, 0.0, 0),
    ("floor", 0.1, 2, 0, 1e-4, 5e-4, 0),
    ("min_delta", 0.2, 4, 1, 0.045, 0.0, 0),
    ("maximize", 0.5, 3, 2, 0.015, 0.0, 1),
]


def cosine(f):
    return (1 + np.cos(np.pi * f)) / 2


def restarts(s, n, o):
    i, height = 0, 1.0
    while s >= n:
        s, n, height, i = s - n, n * o["t_mul"], height * o["m_mul"], i + 1
    return height * cosine(s / n)


def formula(kind, s, o):
    a, n, w = RATE, o.get("decay_steps", 1.0), o.get("warmup_steps", 0)
    start, alpha = o.get("warmup_start", 0.0), o.get("alpha", 0.0)
    if s < w:
        return a * (start + (1 - start) * s / w)
    s = s - w
    if kind == "constant":
        return a
    if kind in ("step", "exponential"):
        whole = kind == "step" or o.get("staircase")
        return a * o["decay_rate"] ** (np.floor(s / n) if whole else s / n)
    if kind == "piecewise":
        return a * o["decay_rate"] ** sum(b <= s for b in BOUNDARIES)
    if kind == "polynomial":
        n, s = (n * max(1, np.ceil(s / n)), s) if o.get("cycle") else (n, min(s, n))
        return (a - o["end_learning_rate"]) * (1 - s / n) ** o["power"] + o["end_learning_rate"]
    if kind == "cosine":
        return a * ((1 - alpha) * cosine(min(s, n) / n) + alpha)
    if kind == "cosine_restarts":
        return a * ((1 - alpha) * restarts(s, n, o) + alpha)
    first, last = a / o["div_factor"], a / o["div_factor"] / o["final_div_factor"]
    u = o["warmup_fraction"] * n - 1
    if s <= u:
        return a + (first - a) * cosine(s / u)
    return last + (a - last) * cosine((s - u) / (n - 1 - u))


def plateau_losses():
    """Falls, stalls, falls by little, stalls again, falls, rises."""
    falls = [2 - 0.15 * k for k in range(10)] + [0.65] * 9 + [0.65 - 0.02 * k for k in range(1, 8)]
    stalls = [0.51 + 0.01 * (k % 3) for k in range(14)] + [0.4 - 0.01 * k for k in range(6)]
    rest = [0.45 + 0.02 * k for k in range(COUNT - len(falls) - len(stalls))]
    return np.round(falls + stalls + rest, 4)


def run_plateau(losses, factor, patience, cooldown, min_delta, minimum_rate, maximize):
    callback = keras.callbacks.ReduceLROnPlateau(
        monitor="loss", mode="max" if maximize else "min", factor=factor, patience=patience,
        cooldown=cooldown, min_delta=min_delta, min_lr=minimum_rate)
    model = types.SimpleNamespace(optimizer=keras.optimizers.SGD(RATE))
    callback.set_model(model)
    callback.on_train_begin()
    rates = []
    for epoch, loss in enumerate(losses):
        callback.on_epoch_end(epoch, {"loss": -loss if maximize else loss})
        rates.append(float(model.optimizer.learning_rate))
    return np.array(rates)


def main():
    header = Header("schedules_golden.h", "Schedules: the learning rate of steps 0 to 60.", BOTH, ABOUT)
    header.define("GOLDEN_SCHEDULE_STEPS", COUNT)
    header.text(STRUCT)
    boundaries = header.array("golden_schedule_boundaries", BOUNDARIES, ctype="int")
    records = []
    for name, kind, source, options, run in CASES:
        rates = run()
        replay = np.array([formula(kind, s, options) for s in range(COUNT)])
        if not np.allclose(rates, replay, rtol=1e-12, atol=1e-15):
            raise AssertionError("{}: {} is not {}".format(name, rates, replay))
        records.append(dict(name=name, kind=kind, source=source, learning_rate=RATE, **options,
                            boundaries=boundaries if kind == "piecewise" else None,
                            rates=header.array("golden_schedule_" + name, rates)))
    header.table("golden_schedule", "golden_schedules", records)

    losses = plateau_losses()
    header.array("golden_plateau_losses", losses)
    fields = ("factor", "patience", "cooldown", "min_delta", "minimum_rate", "maximize")
    header.table("golden_plateau", "golden_plateaus", [
        dict(name=name, learning_rate=RATE, **dict(zip(fields, options)),
             rates=header.array("golden_plateau_" + name, run_plateau(losses, *options)))
        for name, *options in PLATEAUS])
    header.write()


main()
