"""The common problem of the optimiser goldens: 12 parameters in two tensors and 10 given gradients."""

import numpy as np

from framework_f64 import keras, torch

STEPS, SIZE, SPLIT = 10, 12, 8
INITIAL = np.array([0.5, -1.25, 2.0, -0.75, 0.1, 3.0, -2.5, 0.0, 1.5, -0.2, 0.05, -1.0])


def make_gradients():
    scales = np.array([1, 0.1, 10, 1e-4, 0, 1, 0.5, 0, 1e-6, 1, 0.3, 2])
    g = np.random.default_rng(20).standard_normal((STEPS, SIZE)) * scales
    g[:, 7] = 1.0                               # constant
    g[np.arange(STEPS) % 3 != 0, 9] = 0.0       # sparse
    g[:, 10] = 0.3 * (-1.0) ** np.arange(STEPS) # alternating
    return np.array([[float("%.6g" % v) for v in row] for row in g])


GRADIENTS = make_gradients()


def split(vector):
    """The two tensors of the problem: 2 x 4 and 4. Only clipping by norm sees the boundary."""
    return [vector[:SPLIT].reshape(2, 4), vector[SPLIT:]]


def torch_parameters():
    return [torch.nn.Parameter(torch.tensor(p, dtype=torch.float64)) for p in split(INITIAL)]


def torch_vector(parameters):
    return np.concatenate([p.detach().numpy().reshape(-1) for p in parameters])


def set_torch_gradients(parameters, gradient):
    for p, g in zip(parameters, split(gradient)):
        p.grad = torch.tensor(g, dtype=torch.float64)


def run_torch(make_optimizer, rates=None, before_step=None):
    """Rows: the parameters after each step."""
    parameters = torch_parameters()
    optimizer = make_optimizer(parameters)
    rows = []
    for t in range(STEPS):
        set_torch_gradients(parameters, GRADIENTS[t])
        if rates is not None:
            optimizer.param_groups[0]["lr"] = rates[t]
        if before_step is not None:
            before_step(parameters)
        optimizer.step()
        rows.append(torch_vector(parameters))
    return np.array(rows)


def run_keras(optimizer, after_step=None):
    variables = [keras.Variable(p, dtype="float64") for p in split(INITIAL)]
    optimizer.build(variables)
    rows = []
    for t in range(STEPS):
        gradients = [torch.tensor(g, dtype=torch.float64) for g in split(GRADIENTS[t])]
        optimizer.apply(gradients, variables)
        shown = variables if after_step is None else after_step(optimizer, variables)
        rows.append(np.concatenate([keras.ops.convert_to_numpy(v).reshape(-1) for v in shown]))
    return np.array(rows)


def run_formula(rule, rates, **options):
    """Replays the formula that the header documents, as a check of its words."""
    state, p, rows = {}, INITIAL.copy(), []
    for t in range(STEPS):
        p = rule(p, GRADIENTS[t], rates[t], t + 1, state, **options)
        rows.append(p.copy())
    return np.array(rows)


def require_equal(name, golden, formula):
    worst = np.max(np.abs(golden - formula) / np.maximum(1e-3, np.abs(golden)))
    if worst > 1e-11:
        raise AssertionError("{}: framework and documented formula differ by {:g}".format(name, worst))
