"""The workloads mlp and mlp-dropout in PyTorch: one JSON line with the samples per second.

    python pytorch_mlp.py --workload mlp --threads 2 --mode best
    python pytorch_mlp.py --workload mlp-dropout --threads 1 --mode eager --phase predict

mlp          784-512-256-10, ReLU, cross-entropy, SGD rate 0.01, batch 128
mlp-dropout  784-128-10, ReLU, dropout 0.2, cross-entropy, Adam rate 0.001, batch 32

Needs torch 2.13.0 (the CPU build) and a C++ compiler for the compiled settings. The data lie in
memory as f32, batches are consecutive slices: no loader, no conversion, no shuffling is measured.
samples_per_second is the median of the rounds during which others left the cores alone; with one
thread samples_per_cpu_second holds on a busy machine too. Modes:
eager        the usual loop with the optimiser's defaults
compile      the same with torch.compile(model)
best         each of the settings in SETTINGS in a process of its own, then the fastest of them again
expert       the same for the settings in EXPERT: code of one's own around an op that is not public
setting      the one of --setting, by name
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

import machine_load

WORKLOADS = {
    "mlp": dict(sizes=[784, 512, 256, 10], dropout=0.0, batch=128, optimizer="SGD", rate=0.01),
    "mlp-dropout": dict(sizes=[784, 128, 10], dropout=0.2, batch=32, optimizer="Adam", rate=0.001),
}
SAMPLES = 60000

# compile: what torch.compile sees: the model and loss, the optimiser's step too, or one function of the
# whole step (gradients by torch.func). spin: OpenMP threads that wait without sleeping. keep: malloc
# gives nothing back to the system, as large buffers come and go with every step. onednn: the
# hidden layers in PyTorch's mkldnn layout, or by oneDNN's matmul on plain tensors. That matters where
# the processor is not Intel's: PyTorch's f32 products are MKL's, which leaves AVX-512 unused there.
# reduced: f32 tensors, bf16 products; --precision bfloat16 only.
SETTINGS = {
    "train": {
        "eager": {},
        "eager-foreach": dict(foreach=True, flush=True),
        "eager-fused": dict(fused=True, flush=True),
        "eager-fused-spin": dict(fused=True, flush=True, keep=True, spin=True),
        "eager-onednn": dict(onednn="layout", fused=True, flush=True),
        "eager-onednn-keep": dict(onednn="layout", fused=True, flush=True, keep=True),
        "eager-onednn-spin": dict(onednn="layout", fused=True, flush=True, keep=True, spin=True),
        "eager-reduced": dict(reduced=True, fused=True, flush=True),
        "compile": dict(compile="model"),
        "compile-fused": dict(compile="loss", fused=True, flush=True),
        "compile-fused-spin": dict(compile="loss", fused=True, flush=True, spin=True),
        "compile-step": dict(compile="loss+step", foreach=True, flush=True),
        "compile-whole": dict(compile="whole", flush=True),
        "compile-whole-spin": dict(compile="whole", flush=True, spin=True),
        "compile-whole-keep-spin": dict(compile="whole", flush=True, keep=True, spin=True),
        "compile-autotune-fused": dict(compile="loss", autotune=True, fused=True, flush=True),
        "compile-autotune-whole": dict(compile="whole", autotune=True, flush=True),
        "compile-wrapper-whole": dict(compile="whole", wrapper=True, flush=True),
        "compile-wrapper-whole-spin": dict(compile="whole", wrapper=True, flush=True, spin=True),
    },
    "predict": {
        "eager": {},
        "eager-flush": dict(flush=True),
        "eager-spin": dict(flush=True, spin=True),
        "eager-onednn": dict(onednn="layout", flush=True),
        "eager-onednn-spin": dict(onednn="layout", flush=True, keep=True, spin=True),
        "compile": dict(compile="model"),
        "compile-freezing": dict(compile="model", freezing=True, flush=True),
        "compile-freezing-spin": dict(compile="model", freezing=True, flush=True, spin=True),
        "compile-freezing-autotune": dict(compile="model", freezing=True, autotune=True, flush=True),
        "compile-freezing-wrapper": dict(compile="model", freezing=True, wrapper=True, flush=True),
    },
}
EXPERT = {
    "train": {
        "matmul-onednn": dict(onednn="matmul", fused=True, flush=True),
        "matmul-onednn-spin": dict(onednn="matmul", fused=True, flush=True, spin=True),
        "matmul-onednn-keep-spin": dict(onednn="matmul", fused=True, flush=True, keep=True, spin=True),
    },
    "predict": {
        "matmul-onednn": dict(onednn="matmul", flush=True),
        "matmul-onednn-spin": dict(onednn="matmul", flush=True, spin=True),
    },
}


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--workload", choices=WORKLOADS, default="mlp")
    parser.add_argument("--phase", choices=SETTINGS, default="train")
    parser.add_argument("--mode", default="eager",
                        choices=["eager", "compile", "best", "expert", "setting"])
    parser.add_argument("--setting", default="eager")
    parser.add_argument("--precision", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, help="default: the workload's")
    parser.add_argument("--steps", type=int, default=300, help="steps of a round")
    parser.add_argument("--warmup", type=int, default=100, help="steps before the first round")
    parser.add_argument("--rounds", type=int, default=7, help="the median of the quiet ones is reported")
    parser.add_argument("--patience", type=float, default=20,
                        help="seconds to wait before a round while others keep the cores busy")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def environment(setting, threads):
    """What OpenMP and malloc read before PyTorch is loaded."""
    variables = dict(os.environ, OMP_NUM_THREADS=str(threads))
    if setting.get("spin"):
        variables["OMP_WAIT_POLICY"] = "ACTIVE"
    if setting.get("keep"):
        variables.update(MALLOC_MMAP_THRESHOLD_="1073741824", MALLOC_TOP_PAD_="268435456",
                         MALLOC_TRIM_THRESHOLD_="4294967296")
    return variables


def onednn_linear(torch):
    """A linear layer by oneDNN's matmul on plain tensors, with its gradient."""
    matmul = torch.ops.mkldnn._linear_pointwise

    class Product(torch.autograd.Function):
        @staticmethod
        def forward(context, x, weight, bias):
            context.save_for_backward(x, weight)
            return matmul(x, weight, bias, "none", [], "")

        @staticmethod
        @torch.autograd.function.once_differentiable
        def backward(context, g):
            x, weight = context.saved_tensors
            to_x = None
            if context.needs_input_grad[0]:
                to_x = matmul(g, weight.t(), None, "none", [], "")
            return to_x, matmul(g.t(), x.t(), None, "none", [], ""), g.sum(0)

    class Linear(torch.nn.Linear):
        def forward(self, x):
            return Product.apply(x, self.weight, self.bias)
    return Linear


def make_model(torch, workload, onednn=None):
    class Layout(torch.nn.Module):
        def __init__(self, change):
            super().__init__()
            self.change = change

        def forward(self, x):
            return self.change(x)

    hidden = onednn_linear(torch) if onednn == "matmul" else torch.nn.Linear
    sizes = workload["sizes"]
    layers = [Layout(lambda x: x.to_mkldnn())] if onednn == "layout" else []
    for a, b in zip(sizes, sizes[1:-1]):
        layers += [hidden(a, b), torch.nn.ReLU()]
    if onednn == "layout":
        layers.append(Layout(lambda x: x.to_dense()))
    if workload["dropout"]:
        layers.append(torch.nn.Dropout(workload["dropout"]))
    return torch.nn.Sequential(*layers, torch.nn.Linear(sizes[-2], sizes[-1]))


def make_data(torch, batch):
    x = torch.rand(SAMPLES, 784)
    y = torch.randint(0, 10, (SAMPLES,))
    count = SAMPLES // batch
    return [(x[i * batch:(i + 1) * batch], y[i * batch:(i + 1) * batch]) for i in range(count)]


def compiler(torch, setting):
    inductor = torch._inductor.config
    inductor.freezing = bool(setting.get("freezing"))
    inductor.cpp_wrapper = bool(setting.get("wrapper"))
    mode = "max-autotune-no-cudagraphs" if setting.get("autotune") else "default"
    return lambda f: torch.compile(f, mode=mode, dynamic=False)


def whole_step(torch, model, workload):
    """Forward, gradients and update as one function: what torch.compile can see at most."""
    rate, parameters = workload["rate"], {k: v.detach() for k, v in model.named_parameters()}
    cross_entropy = torch.nn.functional.cross_entropy

    def loss_of(p, x, y):
        return cross_entropy(torch.func.functional_call(model, p, (x,)), y)

    gradients = torch.func.grad_and_value(loss_of)
    if workload["optimizer"] == "SGD":
        def step(x, y):
            g, loss = gradients(parameters, x, y)
            for k, p in parameters.items():
                p.sub_(g[k], alpha=rate)
            return loss
        return step

    m = {k: torch.zeros_like(p) for k, p in parameters.items()}
    v = {k: torch.zeros_like(p) for k, p in parameters.items()}
    t = torch.zeros(())

    def step(x, y):
        g, loss = gradients(parameters, x, y)
        t.add_(1)
        fast, slow = 1 - 0.9**t, (1 - 0.999**t).sqrt()
        for k, p in parameters.items():
            m[k].lerp_(g[k], 0.1)
            v[k].mul_(0.999).addcmul_(g[k], g[k], value=0.001)
            p.sub_(rate / fast * m[k] / (v[k].sqrt() / slow + 1e-8))
        return loss
    return step


def train_step(torch, workload, setting, precision):
    model, compiles = make_model(torch, workload, setting.get("onednn")), setting.get("compile")
    wrap = compiler(torch, setting)
    if compiles == "whole":
        return wrap(whole_step(torch, model, workload))
    options = {k: True for k in ("foreach", "fused") if setting.get(k)}
    make = getattr(torch.optim, workload["optimizer"])
    optimizer = make(model.parameters(), lr=workload["rate"], **options)
    forward = wrap(model) if compiles == "model" else model
    cross_entropy = torch.nn.functional.cross_entropy
    narrow = precision == "bfloat16" and not setting.get("reduced")

    def loss_of(x, y):
        with torch.autocast("cpu", torch.bfloat16, enabled=narrow):
            return cross_entropy(forward(x), y)

    if compiles in ("loss", "loss+step"):
        loss_of = wrap(loss_of)
    update = wrap(optimizer.step) if compiles == "loss+step" else optimizer.step

    def step(x, y):
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of(x, y)
        loss.backward()
        update()
        return loss
    return step


def predict_step(torch, workload, setting, precision):
    model = make_model(torch, workload, setting.get("onednn")).eval()
    if precision == "bfloat16":
        model = model.to(torch.bfloat16)
    forward = compiler(torch, setting)(model) if setting.get("compile") else model
    narrow = precision == "bfloat16"

    def step(x, y):
        with torch.inference_mode():
            return forward(x.to(torch.bfloat16) if narrow else x)
    return step


def measure(arguments, setting):
    import torch

    torch.manual_seed(1)
    torch.set_num_threads(arguments.threads)
    torch.set_num_interop_threads(1)
    torch.set_flush_denormal(bool(setting.get("flush")))
    if setting.get("reduced"):
        torch.backends.mkldnn.matmul.fp32_precision = "bf16"
    workload = WORKLOADS[arguments.workload]
    batch = arguments.batch or workload["batch"]
    batches = make_data(torch, batch)
    make = train_step if arguments.phase == "train" else predict_step
    step = make(torch, workload, setting, arguments.precision)
    for i in range(arguments.warmup):
        step(*batches[i % len(batches)])
    rounds, seconds = [], []
    for n in range(arguments.rounds):
        machine_load.wait_until_quiet(arguments.patience)
        meter, start, used = machine_load.LoadMeter(), time.perf_counter(), time.process_time()
        for i in range(n * arguments.steps, (n + 1) * arguments.steps):
            result = step(*batches[i % len(batches)])
        rate = arguments.steps * batch / (time.perf_counter() - start)
        seconds.append(time.process_time() - used)
        rounds.append((rate, meter.cores()))
    rates = [rate for rate, _ in rounds]
    quiet = [rate for rate, others in rounds if others < 0.2] or rates
    per_cpu_second = arguments.steps * batch / statistics.median(seconds)
    return dict(samples_per_second=round(statistics.median(quiet), 1),
                fastest_round=round(max(rates), 1), slowest_round=round(min(rates), 1),
                quiet_rounds=sum(others < 0.2 for _, others in rounds), rounds=len(rounds),
                samples_per_cpu_second=round(per_cpu_second, 1), batch=batch,
                last_loss=round(result.float().mean().item(), 6), pytorch=torch.__version__)


def in_process(arguments, name, rounds):
    """A setting in a fresh process, as OpenMP's and the compiler's settings outlive a run."""
    own = ("mode", "setting", "rounds", "inside")
    options = {k: v for k, v in vars(arguments).items() if k not in own}
    command = [sys.executable, __file__, "--mode", "setting", "--setting", name, "--inside",
               "--rounds", str(rounds)]
    for key, value in options.items():
        if value is not None:
            command += ["--" + key, str(value)]
    setting = find(arguments.phase, name)
    done = subprocess.run(command, env=environment(setting, arguments.threads), text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    lines = done.stdout.strip().split("\n")
    if done.returncode != 0 or not lines[-1].startswith("{"):
        return dict(failed=(done.stderr.strip() or "no output").split("\n")[-1])
    return json.loads(lines[-1])


def find(phase, name):
    return {**SETTINGS[phase], **EXPERT[phase]}[name]


def fits(setting, precision):
    only_f32 = setting.get("compile") == "whole" or setting.get("onednn")
    return not (setting.get("reduced") if precision == "float32" else only_f32)


def measure_best(arguments, settings):
    tried = {}
    for name, setting in settings.items():
        if not fits(setting, arguments.precision):
            continue
        result = in_process(arguments, name, 3)
        tried[name] = result.get("samples_per_second", result.get("failed"))
    speeds = {name: speed for name, speed in tried.items() if not isinstance(speed, str)}
    if not speeds:
        raise SystemExit("no setting ran: " + json.dumps(tried))
    fastest = max(speeds, key=speeds.get)
    return dict(in_process(arguments, fastest, arguments.rounds), setting=fastest, tried=tried)


def main():
    arguments = parse()
    head = {k: getattr(arguments, k) for k in ("workload", "phase", "mode", "precision", "threads")}
    head["setting"] = arguments.setting if arguments.mode == "setting" else arguments.mode
    if arguments.mode in ("best", "expert"):
        settings = SETTINGS if arguments.mode == "best" else EXPERT
        result = measure_best(arguments, settings[arguments.phase])
    elif arguments.inside:
        result = measure(arguments, find(arguments.phase, arguments.setting))
    else:
        result = in_process(arguments, head["setting"], arguments.rounds)
    print(json.dumps({**head, **result, "mode": arguments.mode}))


main()
