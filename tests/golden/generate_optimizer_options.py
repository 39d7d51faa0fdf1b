"""Golden trajectories of what is wrapped around an update rule: decay, clipping, averaging, accumulation.

Each case is run by its framework and, as a check of the words in the header, by the formula written here.
"""

import numpy as np

import optimizer_problem as problem
from framework_f64 import BOTH, keras, torch
from golden_writer import Header
from optimizer_problem import GRADIENTS, STEPS

ABOUT = """
The problem is that of optimizers_golden.h: 12 parameters and 10 gradients, in two tensors: the
first 8 (2 x 4) and the last 4. The boundary matters to clip_norm only. `trajectory` is `steps` x
12: the parameters after each update; with ema_decay, the averages after each update. Fields that
a case lacks are 0. Rules as in optimizers_golden.h; the formulas around them, in this order:

accumulate n          g = mean of n consecutive gradients (PyTorch: the loss divided by n; Keras:
                      gradient_accumulation_steps); one update for n gradients
clip_value c          g = min(max(g, -c), c)
clip_norm c           for each tensor: g = g c / max(|g|, c)
clip_global_norm c    the same with |g| over all tensors. This is Keras's; PyTorch multiplies by
                      min(1, c / (|g| + 1e-6)): cases with pytorch_clip = 1
coupled_l2 w          g = g + w p        (PyTorch's weight_decay, before the slots)
coupled_l1 w          g = g + w sign(p), sign(0) = 0
l1_l2_regularizer     Keras's l1 sum |p| + l2 sum p^2 is coupled_l1 = l1, coupled_l2 = 2 l2
decoupled_l2 w        p = p - rate w p   (Keras's weight_decay, PyTorch's AdamW), then the rule
ema_decay d           after the update: average = p after the first, then d average + (1-d) p
                      (PyTorch AveragedModel, get_ema_multi_avg_fn; Keras use_ema is the same)
No framework has a decoupled L1 of its own, so there is no golden value for one.
"""

STRUCT = """
struct golden_optimizer_option {
    const char *name;   /* of the case */
    const char *rule;   /* as in optimizers_golden.h */
    const char *source; /* framework and class */
    double learning_rate, momentum, beta_1, beta_2, epsilon;
    double clip_value, clip_norm, clip_global_norm;
    double coupled_l1, coupled_l2, decoupled_l2, ema_decay;
    int accumulate, pytorch_clip;
    int steps;
    const double *trajectory; /* steps x 12 */
};
"""

ADAM = dict(beta_1=0.9, beta_2=0.999, epsilon=1e-8)
LION = dict(beta_1=0.9, beta_2=0.99)
SGD, KERAS_SGD = torch.optim.SGD, keras.optimizers.SGD


def clip_global(c):
    return lambda parameters: torch.nn.utils.clip_grad_norm_(parameters, c)


def add_l1(w):
    def change(parameters):
        for p in parameters:
            p.grad += w * torch.sign(p.detach())
    return change


def run_regularizer(l1, l2):
    """SGD on the given gradients plus the gradient of Keras's penalty, by autograd."""
    penalty = keras.regularizers.L1L2(l1=l1, l2=l2)

    def change(parameters):
        for p in parameters:
            p.grad += torch.autograd.grad(penalty(p), p)[0]
    return problem.run_torch(lambda p: SGD(p, lr=0.1), before_step=change)


def run_torch_ema(decay):
    parameters = problem.torch_parameters()
    holder = torch.nn.ParameterList(parameters)
    averages = torch.optim.swa_utils.AveragedModel(
        holder, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(decay))
    optimizer, rows = SGD(parameters, lr=0.1), []
    for t in range(STEPS):
        problem.set_torch_gradients(parameters, GRADIENTS[t])
        optimizer.step()
        averages.update_parameters(holder)
        rows.append(problem.torch_vector(list(averages.module)))
    return np.array(rows)


def run_torch_accumulation(make_optimizer, n):
    """The framework's way: backward of loss / n, n times, then one step."""
    parameters = problem.torch_parameters()
    optimizer, rows = make_optimizer(parameters), []
    for t in range(STEPS):
        loss = sum((p * torch.tensor(g)).sum() for p, g in zip(parameters, problem.split(GRADIENTS[t])))
        (loss / n).backward()
        if (t + 1) % n == 0:
            optimizer.step()
            optimizer.zero_grad()
            rows.append(problem.torch_vector(parameters))
    return np.array(rows)


def run_keras(make, **options):
    return problem.run_keras(make(learning_rate=0.1 if make is KERAS_SGD else 0.01, **options))


def keras_averages(optimizer, variables):
    return optimizer._model_variables_moving_average


def check_keras_agrees():
    ema = problem.run_keras(KERAS_SGD(learning_rate=0.1, use_ema=True, ema_momentum=0.9), keras_averages)
    problem.require_equal("Keras use_ema", ema, run_torch_ema(0.9))
    every = problem.run_keras(KERAS_SGD(learning_rate=0.1, gradient_accumulation_steps=2))
    problem.require_equal("Keras accumulation", every[1::2],
                          run_torch_accumulation(lambda p: SGD(p, lr=0.1), 2))


# name, source, rule, learning rate, options, run
CASES = [
    ("coupled_l2_sgd", "PyTorch SGD", "sgd", 0.1, dict(coupled_l2=0.1),
     lambda: problem.run_torch(lambda p: SGD(p, lr=0.1, weight_decay=0.1))),
    ("coupled_l2_momentum", "PyTorch SGD", "sgd", 0.1, dict(coupled_l2=0.1, momentum=0.9),
     lambda: problem.run_torch(lambda p: SGD(p, lr=0.1, weight_decay=0.1, momentum=0.9))),
    ("coupled_l2_adam", "PyTorch Adam", "adam", 0.01, dict(ADAM, coupled_l2=0.1),
     lambda: problem.run_torch(lambda p: torch.optim.Adam(p, lr=0.01, weight_decay=0.1))),
    ("coupled_l1_sgd", "PyTorch SGD", "sgd", 0.1, dict(coupled_l1=0.2),
     lambda: problem.run_torch(lambda p: SGD(p, lr=0.1), before_step=add_l1(0.2))),
    ("coupled_l1_adam", "PyTorch Adam", "adam", 0.01, dict(ADAM, coupled_l1=0.2),
     lambda: problem.run_torch(lambda p: torch.optim.Adam(p, lr=0.01), before_step=add_l1(0.2))),
    ("l1_l2_regularizer", "Keras L1L2, PyTorch SGD", "sgd", 0.1,
     dict(coupled_l1=0.2, coupled_l2=0.1), lambda: run_regularizer(0.2, 0.05)),
    ("decoupled_l2_sgd", "Keras SGD", "sgd", 0.1, dict(decoupled_l2=0.3),
     lambda: run_keras(KERAS_SGD, weight_decay=0.3)),
    ("decoupled_l2_momentum", "Keras SGD", "sgd", 0.1, dict(decoupled_l2=0.3, momentum=0.9),
     lambda: run_keras(KERAS_SGD, weight_decay=0.3, momentum=0.9)),
    ("decoupled_l2_lion", "Keras Lion", "lion", 0.01, dict(LION, decoupled_l2=0.3),
     lambda: run_keras(keras.optimizers.Lion, weight_decay=0.3)),
    ("clip_value", "Keras SGD", "sgd", 0.1, dict(clip_value=0.5),
     lambda: run_keras(KERAS_SGD, clipvalue=0.5)),
    ("clip_norm", "Keras SGD", "sgd", 0.1, dict(clip_norm=1.0),
     lambda: run_keras(KERAS_SGD, clipnorm=1.0)),
    ("clip_global_norm", "Keras SGD", "sgd", 0.1, dict(clip_global_norm=5.0),
     lambda: run_keras(KERAS_SGD, global_clipnorm=5.0)),
    ("clip_global_norm_unclipped", "Keras SGD", "sgd", 0.1, dict(clip_global_norm=100.0),
     lambda: run_keras(KERAS_SGD, global_clipnorm=100.0)),
    ("clip_global_norm_decoupled_l2", "Keras SGD", "sgd", 0.1,
     dict(clip_global_norm=5.0, decoupled_l2=0.3, momentum=0.9),
     lambda: run_keras(KERAS_SGD, global_clipnorm=5.0, weight_decay=0.3, momentum=0.9)),
    ("clip_global_norm_pytorch", "PyTorch SGD", "sgd", 0.1,
     dict(clip_global_norm=5.0, pytorch_clip=1),
     lambda: problem.run_torch(lambda p: SGD(p, lr=0.1), before_step=clip_global(5.0))),
    ("clip_global_norm_coupled_l2_pytorch", "PyTorch SGD", "sgd", 0.1,
     dict(clip_global_norm=5.0, pytorch_clip=1, coupled_l2=0.1),
     lambda: problem.run_torch(lambda p: SGD(p, lr=0.1, weight_decay=0.1),
                               before_step=clip_global(5.0))),
    ("ema", "PyTorch AveragedModel", "sgd", 0.1, dict(ema_decay=0.9), lambda: run_torch_ema(0.9)),
    ("accumulate_sgd", "PyTorch SGD", "sgd", 0.1, dict(accumulate=2),
     lambda: run_torch_accumulation(lambda p: SGD(p, lr=0.1), 2)),
    ("accumulate_adam", "PyTorch Adam", "adam", 0.01, dict(ADAM, accumulate=2),
     lambda: run_torch_accumulation(lambda p: torch.optim.Adam(p, lr=0.01), 2)),
]


def clip(g, o):
    norms = [np.linalg.norm(part) for part in (g[:problem.SPLIT], g[problem.SPLIT:])]
    if "clip_value" in o:
        g = np.clip(g, -o["clip_value"], o["clip_value"])
    if "clip_norm" in o:
        c = o["clip_norm"]
        g = np.concatenate([part * c / max(n, c) for part, n in
                            zip((g[:problem.SPLIT], g[problem.SPLIT:]), norms)])
    if "clip_global_norm" in o:
        c, n = o["clip_global_norm"], np.linalg.norm(g)
        g = g * min(1, c / (n + 1e-6)) if o.get("pytorch_clip") else g * c / max(n, c)
    return g


def step(p, g, rate, t, slots, rule, o):
    p = p - rate * o.get("decoupled_l2", 0) * p
    if rule == "sgd":
        slots["v"] = o.get("momentum", 0) * slots.get("v", 0) + g
        return p - rate * slots["v"]
    m = slots.get("m", 0)
    if rule == "lion":
        slots["m"] = o["beta_2"] * m + (1 - o["beta_2"]) * g
        return p - rate * np.sign(o["beta_1"] * m + (1 - o["beta_1"]) * g)
    slots["m"] = o["beta_1"] * m + (1 - o["beta_1"]) * g
    slots["v"] = o["beta_2"] * slots.get("v", 0) + (1 - o["beta_2"]) * g * g
    root = np.sqrt(slots["v"] / (1 - o["beta_2"]**t)) + o["epsilon"]
    return p - rate * slots["m"] / (1 - o["beta_1"]**t) / root


def replay(rule, rate, o):
    n = o.get("accumulate", 1)
    p, average, slots, rows = problem.INITIAL.copy(), None, {}, []
    for t, g in enumerate(GRADIENTS.reshape(-1, n, problem.SIZE).mean(1), 1):
        g = clip(g, o) + o.get("coupled_l2", 0) * p + o.get("coupled_l1", 0) * np.sign(p)
        p = step(p, g, rate, t, slots, rule, o)
        if "ema_decay" in o:
            d = o["ema_decay"]
            average = p if average is None else d * average + (1 - d) * p
        rows.append(p if average is None else average)
    return np.array(rows)


def main():
    check_keras_agrees()
    header = Header("optimizer_options_golden.h",
                    "Optimiser options: weight decay, clipping, averaging, accumulation.", BOTH, ABOUT)
    header.text(STRUCT)
    records = []
    for name, source, rule, rate, options, run in CASES:
        rows = run()
        problem.require_equal(name, rows, replay(rule, rate, options))
        records.append(dict(name=name, rule=rule, source=source, learning_rate=rate, **options,
                            steps=len(rows),
                            trajectory=header.array("golden_option_" + name, rows)))
    header.table("golden_optimizer_option", "golden_optimizer_options", records)
    header.write()


main()
