"""Golden trajectories of the optimisers' update rules.

Each case is run by its framework and, as a check of the words in the header, by the formula written here.
"""

import numpy as np

import optimizer_problem as problem
from framework_f64 import BOTH, keras, torch
from golden_writer import Header
from optimizer_problem import GRADIENTS, INITIAL, STEPS

ABOUT = """
The problem: 12 parameters `golden_optimizer_initial`, and for each of 10 steps a given gradient
`golden_optimizer_gradients` (10 x 12; it does not depend on the parameters). Column 4 is always
zero, 7 is constant, 9 is zero on two steps of three, 10 alternates, 3 and 8 are tiny.
`trajectory` of a case is 10 x 12, row-major: the parameters after step 1, 2, ... 10.
Fields that a rule does not have are 0. `rates` is NULL, or the learning rate of each step.

Formulas (p parameter, g gradient, t = 1, 2, ...; every slot starts at zero; e epsilon, a rate):
sgd       v = momentum v + g;  p -= a v            (no momentum: v = g; the rate is outside v)
          nesterov: p -= a (g + momentum v)
adagrad   s += g^2;  p -= a g / (sqrt(s) + e)
adadelta  s = rho s + (1-rho) g^2;  d = g sqrt(u + e) / sqrt(s + e);
          u = rho u + (1-rho) d^2;  p -= a d
rmsprop   s = rho s + (1-rho) g^2;  centered: m = rho m + (1-rho) g, else m = 0;
          r = g / (sqrt(s - m^2) + e);  b = momentum b + r;  p -= a b
adam      m = b1 m + (1-b1) g;  v = b2 v + (1-b2) g^2;
          p -= a / (1-b1^t) m / (sqrt(v) / sqrt(1-b2^t) + e)
          amsgrad: w = max(w, v) takes the place of v in the last line (before bias correction)
adamw     p -= a weight_decay p, then adam
adamax    m as adam;  u = max(b2 u, |g| + e);  p -= a / (1-b1^t) m / u
nadam     m, v as adam;  mu(t) = b1 (1 - 0.5 * 0.96^(t momentum_decay));  M(t) = mu(1) ... mu(t);
          p -= a (mu(t+1) m / (1-M(t+1)) + (1-mu(t)) g / (1-M(t))) / (sqrt(v / (1-b2^t)) + e)
lion      p -= a weight_decay p;  p -= a sign(b1 m + (1-b1) g);  m = b2 m + (1-b2) g;
          sign(0) = 0

Source of a case: field `source`. Where the two frameworks differ these are PyTorch's rules:
- momentum under a changing rate: Keras puts the rate inside v;
- the place of epsilon: Keras has sqrt(s + e) in adagrad and rmsprop, u + e in adamax, and in
  adam and amsgrad a sqrt(1-b2^t) / (1-b1^t) m / (sqrt(v) + e);
- the start of adagrad's s: 0.1 in Keras.
Nadam is in both: Keras fixes momentum_decay = 1, PyTorch's default is 4e-3 = 1/250 as in Dozat
(2016). Lion is Keras's.

Default hyper-parameters:    PyTorch                              Keras
  sgd       rate 1e-3                                rate 0.01
  adagrad   rate 0.01, e 1e-10                       rate 0.001, e 1e-7, s starts at 0.1
  adadelta  rate 1, rho 0.9, e 1e-6                  rate 0.001, rho 0.95, e 1e-7
  rmsprop   rate 0.01, rho 0.99, e 1e-8              rate 0.001, rho 0.9, e 1e-7
  adam      rate 0.001, 0.9, 0.999, e 1e-8           rate 0.001, 0.9, 0.999, e 1e-7
  adamax    rate 0.002, 0.9, 0.999, e 1e-8           rate 0.001, 0.9, 0.999, e 1e-7
  nadam     rate 0.002, 0.9, 0.999, e 1e-8           rate 0.001, 0.9, 0.999, e 1e-7
  adamw     rate 0.001, e 1e-8, decay 0.01           rate 0.001, e 1e-7, decay 0.004
  lion                                               rate 0.001, b1 0.9, b2 0.99
"""

STRUCT = """
struct golden_optimizer {
    const char *name;   /* of the case */
    const char *rule;   /* one of the formulas above */
    const char *source; /* framework and class */
    double learning_rate, momentum, rho, beta_1, beta_2, epsilon, weight_decay, momentum_decay;
    int nesterov, centered, amsgrad;
    const double *rates;      /* NULL or 10 */
    const double *trajectory; /* 10 x 12 */
};
"""

RATES = 0.1 * np.array([1, 1, 0.5, 0.5, 0.25, 0.25, 2, 1, 0.1, 0.1])


def sgd(p, g, a, t, s, momentum=0, nesterov=0):
    s["v"] = momentum * s.get("v", 0) + g
    return p - a * (g + momentum * s["v"] if nesterov else s["v"])


def adagrad(p, g, a, t, s, epsilon):
    s["s"] = s.get("s", 0) + g * g
    return p - a * g / (np.sqrt(s["s"]) + epsilon)


def adadelta(p, g, a, t, s, rho, epsilon):
    s["s"] = rho * s.get("s", 0) + (1 - rho) * g * g
    d = g * np.sqrt(s.get("u", 0) + epsilon) / np.sqrt(s["s"] + epsilon)
    s["u"] = rho * s.get("u", 0) + (1 - rho) * d * d
    return p - a * d


def rmsprop(p, g, a, t, s, rho, epsilon, momentum=0, centered=0):
    s["s"] = rho * s.get("s", 0) + (1 - rho) * g * g
    s["m"] = rho * s.get("m", 0) + (1 - rho) * g if centered else 0
    s["b"] = momentum * s.get("b", 0) + g / (np.sqrt(s["s"] - s["m"] ** 2) + epsilon)
    return p - a * s["b"]


def moments(g, s, beta_1, beta_2):
    s["m"] = beta_1 * s.get("m", 0) + (1 - beta_1) * g
    s["v"] = beta_2 * s.get("v", 0) + (1 - beta_2) * g * g


def adam(p, g, a, t, s, beta_1, beta_2, epsilon, amsgrad=0):
    moments(g, s, beta_1, beta_2)
    s["w"] = np.maximum(s.get("w", 0), s["v"]) if amsgrad else s["v"]
    root = np.sqrt(s["w"]) / np.sqrt(1 - beta_2**t)
    return p - a / (1 - beta_1**t) * s["m"] / (root + epsilon)


def adamw(p, g, a, t, s, weight_decay, **options):
    return adam(p - a * weight_decay * p, g, a, t, s, **options)


def adamax(p, g, a, t, s, beta_1, beta_2, epsilon):
    s["m"] = beta_1 * s.get("m", 0) + (1 - beta_1) * g
    s["u"] = np.maximum(beta_2 * s.get("u", 0), np.abs(g) + epsilon)
    return p - a / (1 - beta_1**t) * s["m"] / s["u"]


def nadam(p, g, a, t, s, beta_1, beta_2, epsilon, momentum_decay):
    moments(g, s, beta_1, beta_2)
    mu = [beta_1 * (1 - 0.5 * 0.96 ** (k * momentum_decay)) for k in range(1, t + 2)]
    now, later = np.prod(mu[:t]), np.prod(mu)
    step = mu[t] * s["m"] / (1 - later) + (1 - mu[t - 1]) * g / (1 - now)
    return p - a * step / (np.sqrt(s["v"] / (1 - beta_2**t)) + epsilon)


def lion(p, g, a, t, s, beta_1, beta_2, weight_decay=0):
    m = s.get("m", 0)
    s["m"] = beta_2 * m + (1 - beta_2) * g
    return p - a * weight_decay * p - a * np.sign(beta_1 * m + (1 - beta_1) * g)


RULES = dict(sgd=sgd, adagrad=adagrad, adadelta=adadelta, rmsprop=rmsprop, adam=adam, adamw=adamw,
             adamax=adamax, nadam=nadam, lion=lion)
TORCH = dict(sgd=torch.optim.SGD, adagrad=torch.optim.Adagrad, adadelta=torch.optim.Adadelta,
             rmsprop=torch.optim.RMSprop, adam=torch.optim.Adam, adamw=torch.optim.AdamW,
             adamax=torch.optim.Adamax, nadam=torch.optim.NAdam)
KERAS = dict(nadam=keras.optimizers.Nadam, lion=keras.optimizers.Lion)
BETAS = dict(beta_1=0.9, beta_2=0.999, epsilon=1e-8)
LOOSE = dict(beta_1=0.8, beta_2=0.95, epsilon=1e-3)

# name, framework, rule, learning rate, options
CASES = [
    ("sgd", "PyTorch", "sgd", 0.1, {}),
    ("momentum", "PyTorch", "sgd", 0.1, dict(momentum=0.9)),
    ("nesterov", "PyTorch", "sgd", 0.1, dict(momentum=0.9, nesterov=1)),
    ("momentum_rates", "PyTorch", "sgd", RATES, dict(momentum=0.9)),
    ("nesterov_rates", "PyTorch", "sgd", RATES, dict(momentum=0.9, nesterov=1)),
    ("adagrad", "PyTorch", "adagrad", 0.1, dict(epsilon=1e-10)),
    ("adagrad_epsilon", "PyTorch", "adagrad", 0.1, dict(epsilon=1e-3)),
    ("adadelta", "PyTorch", "adadelta", 1.0, dict(rho=0.9, epsilon=1e-6)),
    ("adadelta_epsilon", "PyTorch", "adadelta", 0.5, dict(rho=0.95, epsilon=1e-3)),
    ("rmsprop", "PyTorch", "rmsprop", 0.01, dict(rho=0.99, epsilon=1e-8)),
    ("rmsprop_epsilon", "PyTorch", "rmsprop", 0.01, dict(rho=0.9, epsilon=1e-3)),
    ("rmsprop_centered", "PyTorch", "rmsprop", 0.01, dict(rho=0.9, epsilon=1e-8, centered=1)),
    ("rmsprop_momentum", "PyTorch", "rmsprop", 0.01, dict(rho=0.9, epsilon=1e-8, momentum=0.9)),
    ("rmsprop_centered_momentum", "PyTorch", "rmsprop", RATES / 10,
     dict(rho=0.9, epsilon=1e-3, momentum=0.9, centered=1)),
    ("adam", "PyTorch", "adam", 0.01, BETAS),
    ("adam_epsilon", "PyTorch", "adam", 0.01, LOOSE),
    ("adam_rates", "PyTorch", "adam", RATES / 10, BETAS),
    ("amsgrad", "PyTorch", "adam", 0.01, dict(BETAS, amsgrad=1)),
    ("amsgrad_epsilon", "PyTorch", "adam", 0.01, dict(LOOSE, amsgrad=1)),
    ("adamax", "PyTorch", "adamax", 0.01, BETAS),
    ("adamax_epsilon", "PyTorch", "adamax", 0.01, LOOSE),
    ("nadam", "PyTorch", "nadam", 0.01, dict(BETAS, momentum_decay=4e-3)),
    ("nadam_epsilon", "PyTorch", "nadam", 0.01, dict(LOOSE, momentum_decay=4e-3)),
    ("nadam_keras", "Keras", "nadam", 0.01, dict(BETAS, momentum_decay=1.0)),
    ("adamw", "PyTorch", "adamw", 0.01, dict(BETAS, weight_decay=0.01)),
    ("adamw_rates", "PyTorch", "adamw", RATES / 10, dict(LOOSE, weight_decay=0.2)),
    ("lion", "Keras", "lion", 0.01, dict(beta_1=0.9, beta_2=0.99)),
    ("lion_weight_decay", "Keras", "lion", 0.01, dict(beta_1=0.95, beta_2=0.98, weight_decay=0.1)),
]


def torch_options(options):
    renamed = {k: bool(v) if k in ("nesterov", "centered", "amsgrad") else v
               for k, v in options.items() if k not in ("beta_1", "beta_2", "epsilon")}
    if "beta_1" in options:
        renamed["betas"] = (options["beta_1"], options["beta_2"])
    if "epsilon" in options:
        renamed["eps"] = options["epsilon"]
    return renamed


def run_pytorch(rule, rate, options):
    options = torch_options(options)
    if rule == "rmsprop" and "rho" in options:
        options["alpha"] = options.pop("rho")
    rates = rate if np.ndim(rate) else np.full(STEPS, rate)
    return problem.run_torch(lambda p: TORCH[rule](p, lr=rates[0], **options), rates)


def run_keras(rule, rate, options):
    options = {k: v for k, v in options.items() if k != "momentum_decay"}
    return problem.run_keras(KERAS[rule](learning_rate=rate, **options))


def main():
    header = Header("optimizers_golden.h", "Optimisers: ten steps of every update rule.",
                    BOTH, ABOUT)
    header.text(STRUCT)
    header.array("golden_optimizer_initial", INITIAL)
    header.array("golden_optimizer_gradients", GRADIENTS)
    records = []
    for name, framework, rule, rate, options in CASES:
        rates = rate if np.ndim(rate) else np.full(STEPS, rate)
        run = run_pytorch if framework == "PyTorch" else run_keras
        rows = run(rule, rate, options)
        problem.require_equal(name, rows, problem.run_formula(RULES[rule], rates, **options))
        source = (TORCH if framework == "PyTorch" else KERAS)[rule].__name__
        record = dict(name=name, rule=rule, source=framework + " " + source)
        if np.ndim(rate):
            record["rates"] = header.array("golden_rates_" + name, rate)
        else:
            record["learning_rate"] = rate
        record.update(options)
        record["trajectory"] = header.array("golden_" + name, rows)
        records.append(record)
    header.table("golden_optimizer", "golden_optimizers", records)
    header.write()


main()
