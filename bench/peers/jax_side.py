"""What the JAX scripts share: layers as plain functions, how a model is trained and asked.

Needs jax 0.10 (the CPU build). A model is a tree of parameters, a tree of state (running statistics) and
apply(parameters, state, x, training, key), which gives outputs and the next state. A step is one function
under jax.jit. XLA takes as many threads as the process may use processors: the others are taken away from it.
What a setting's keys mean:
donate       a step may overwrite the parameters, slots and state that it was given
fast         XLA may reorder sums and assume that there is no NaN
rbg          dropout draws by XLA's own generator in place of Threefry
unroll       steps of a recurrent layer that are compiled as one
attention    fused: jax.nn.dot_product_attention; else two products and a softmax

bfloat16: products read bf16, everything else is f32, as on our side.
"""

import os

import peer_side

MOMENTUM, STATISTICS, EPSILON = 0.9, 0.1, 1e-5


def environment(setting, threads):
    flags = os.environ.get("XLA_FLAGS", "")
    if setting.get("fast"):
        flags += " --xla_cpu_enable_fast_math=true"
    return dict(XLA_FLAGS=flags.strip(), JAX_PLATFORMS="cpu")


class Layers:
    """Shapes are (batch, ..., channels); kernels (in, out) and (height, width, in, out)."""

    def __init__(self, jax, narrow, setting):
        self.jax, self.np, self.lax = jax, jax.numpy, jax.lax
        self.narrow, self.setting, self.drawn = narrow, setting, 0

    def normal(self, *shape, fan):
        self.drawn += 1
        key = self.jax.random.key(self.drawn)
        return self.jax.random.normal(key, shape) * (2 / fan) ** 0.5

    def cast(self, *operands):
        return [x.astype(self.np.bfloat16) for x in operands] if self.narrow else operands

    def product(self, equation, a, b):
        return self.np.einsum(equation, *self.cast(a, b), preferred_element_type=self.np.float32)

    def new_dense(self, inputs, outputs):
        return dict(kernel=self.normal(inputs, outputs, fan=inputs), bias=self.np.zeros(outputs))

    def dense(self, p, x):
        return self.product("...i,io->...o", x, p["kernel"]) + p["bias"]

    def new_kernel(self, channels, filters, size):
        return self.normal(size, size, channels, filters, fan=size * size * channels)

    def convolve(self, kernel, x, stride=1, padding=0):
        x, kernel = self.cast(x, kernel)
        y = self.lax.conv_general_dilated(x, kernel, (stride, stride), [(padding, padding)] * 2,
                                          dimension_numbers=("NHWC", "HWIO", "NHWC"))
        return y.astype(self.np.float32)

    def max_pool(self, x, size):
        window = (1, size, size, 1)
        return self.lax.reduce_window(x, -self.np.inf, self.lax.max, window, window, "VALID")

    def new_norm(self, channels):
        return dict(gamma=self.np.ones(channels), beta=self.np.zeros(channels))

    def new_statistics(self, channels):
        return dict(mean=self.np.zeros(channels), variance=self.np.ones(channels))

    def batch_norm(self, p, s, x, training):
        if training:
            mean, variance = x.mean((0, 1, 2)), x.var((0, 1, 2))
            s = dict(mean=s["mean"] + STATISTICS * (mean - s["mean"]),
                     variance=s["variance"] + STATISTICS * (variance - s["variance"]))
        else:
            mean, variance = s["mean"], s["variance"]
        factor = p["gamma"] * self.lax.rsqrt(variance + EPSILON)
        return (x - mean) * factor + p["beta"], s

    def layer_norm(self, p, x):
        centred = x - x.mean(-1, keepdims=True)
        variance = (centred * centred).mean(-1, keepdims=True)
        return centred * self.lax.rsqrt(variance + EPSILON) * p["gamma"] + p["beta"]

    def dropout(self, x, rate, training, key):
        if not training or rate == 0:
            return x
        return self.np.where(self.jax.random.bernoulli(key, 1 - rate, x.shape), x / (1 - rate), 0)


def drawn_images(jax, count, batch, shape, classes):
    import numpy

    random = numpy.random.default_rng(1)
    return [(jax.device_put(random.random((batch, *shape), dtype=numpy.float32)),
             jax.device_put(random.integers(0, classes, batch, dtype=numpy.int32)))
            for _ in range(count)]


# ---- steps ------------------------------------------------------------------------------------------


def sgd(jax, rate):
    def update(p, slots, g, count):
        return jax.tree.map(lambda p, g: p - rate * g, p, g), slots
    return lambda p: (), update


def momentum(jax, rate):
    def update(p, slots, g, count):
        slots = jax.tree.map(lambda v, g: MOMENTUM * v + g, slots, g)
        return jax.tree.map(lambda p, v: p - rate * v, p, slots), slots
    return lambda p: jax.tree.map(jax.numpy.zeros_like, p), update


def adam(jax, rate):
    def update(p, slots, g, count):
        fast, slow = 1 - 0.9 ** count, (1 - 0.999 ** count) ** 0.5
        m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, slots[0], g)
        v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, slots[1], g)
        p = jax.tree.map(lambda p, m, v: p - rate / fast * m / (v ** 0.5 / slow + 1e-8), p, m, v)
        return p, (m, v)

    def zeros(p):
        return jax.tree.map(jax.numpy.zeros_like, p)
    return lambda p: (zeros(p), zeros(p)), update


OPTIMIZERS = {"SGD": sgd, "momentum": momentum, "Adam": adam}


def train_step(jax, model, workload, setting):
    parameters, state, apply = model
    make_slots, update = OPTIMIZERS[workload["optimizer"]](jax, workload["rate"])
    key = jax.random.key(1, impl="rbg" if setting.get("rbg") else None)

    def loss_of(parameters, state, x, y, key):
        logits, state = apply(parameters, state, x, True, key)
        chosen = jax.numpy.take_along_axis(jax.nn.log_softmax(logits), y[:, None], 1)
        return -chosen.mean(), state

    def step(carried, x, y):
        parameters, state, slots, count = carried
        of_step = jax.random.fold_in(key, count)
        (loss, state), g = jax.value_and_grad(loss_of, has_aux=True)(parameters, state, x, y, of_step)
        parameters, slots = update(parameters, slots, g, (count + 1).astype(jax.numpy.float32))
        return (parameters, state, slots, count + 1), loss

    compiled = jax.jit(step, donate_argnums=(0,) if setting.get("donate") else ())
    carried = (parameters, state, make_slots(parameters), jax.numpy.zeros((), jax.numpy.int32))

    def run(x, y):
        nonlocal carried
        carried, loss = compiled(carried, x, y)
        return loss
    return run


def predict_step(jax, model, workload, setting):
    parameters, state, apply = model
    compiled = jax.jit(lambda parameters, state, x: apply(parameters, state, x, False, None)[0])
    return lambda x, y: compiled(parameters, state, x).block_until_ready()


def described(jax, model, x):
    """What our side must agree with."""
    parameters, state, apply = model
    outputs = jax.eval_shape(lambda x: apply(parameters, state, x, False, None)[0], x[:1])
    return dict(parameters=sum(p.size for p in jax.tree.leaves(parameters)), sample=list(x.shape[1:]),
                outputs=outputs.size, jax=jax.__version__)


def prepare(side, arguments, setting):
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:arguments.threads])
    import jax

    name, phase = arguments.workload, arguments.phase
    workload = dict(side.workloads[name], name=name, phase=phase)
    batches = side.make_data(jax, workload, arguments.batch or workload["batch"], setting)
    layers = Layers(jax, arguments.precision == "bfloat16", setting)
    model = side.make_model(layers, workload, setting)
    make = train_step if phase == "train" else predict_step
    step = make(jax, model, workload, setting)
    facts = described(jax, model, batches[0][0])
    return peer_side.Work(step, batches, facts, lambda result: float(result.mean()))


JAX = peer_side.Library("JAX", ["jit"], environment, lambda setting, precision: True, prepare)


def main(side):
    peer_side.main(side, JAX)
