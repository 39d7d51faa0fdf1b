"""What the PyTorch scripts share: settings, processes, measuring. Each of them gives a Side.

samples_per_second is the median of the rounds during which others left the cores alone; with one
thread samples_per_cpu_second holds on a busy machine too; peak_bytes is the largest resident size of
the process; parameters, sample (height, width, channels) and outputs are what run_bench.py holds against
our side's. Needs torch 2.13.0 (the CPU build) and a C++ compiler for the compiled settings. The data
lie in memory as f32, batches are consecutive slices: no loader, no conversion, no shuffling is
measured. Modes:
eager        the usual loop with the optimiser's defaults
compile      the same with torch.compile(model)
best         each of the side's settings in a process of its own, then the fastest of them again
expert       the same for its expert settings: code of one's own around an op that is not public
setting      the one of --setting, by name

What a setting's keys mean:
compile      what torch.compile sees: the model and loss, the optimiser's step too, or one function of
             the whole step (gradients by torch.func); freezing, autotune, wrapper: its options
spin         OpenMP threads that wait without sleeping
keep         malloc gives nothing back to the system, as large buffers come and go with every step
flush        subnormal numbers count as zeros
foreach, fused  how the optimiser works
channels_last   images and kernels in that memory format
onednn       (mlp) hidden layers in PyTorch's mkldnn layout, or by oneDNN's matmul on plain tensors.
             That matters where the processor is not Intel's: PyTorch's f32 products are MKL's, which
             leaves AVX-512 unused there
reduced      f32 tensors, bf16 products; --precision bfloat16 only
"""

import argparse
import dataclasses
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from typing import Callable

import machine_load


@dataclasses.dataclass
class Side:
    """A script's workloads (name to a dict with batch, optimizer, rate), its settings and expert
    settings by phase, and how a model and a list of batches (x, y) are made."""
    workloads: dict
    settings: dict
    expert: dict
    make_model: Callable
    make_data: Callable


def parse(side):
    parser = argparse.ArgumentParser(description="one JSON line with PyTorch's samples per second")
    parser.add_argument("--workload", choices=side.workloads, required=True)
    parser.add_argument("--phase", choices=side.settings, default="train")
    parser.add_argument("--mode", default="eager",
                        choices=["eager", "compile", "best", "expert", "setting"])
    parser.add_argument("--setting", default="eager")
    parser.add_argument("--precision", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, help="default: the workload's")
    parser.add_argument("--seconds", type=float, default=1, help="of a round, about; one step at least")
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


def compiler(torch, setting):
    inductor = torch._inductor.config
    inductor.freezing = bool(setting.get("freezing"))
    inductor.cpp_wrapper = bool(setting.get("wrapper"))
    mode = "max-autotune-no-cudagraphs" if setting.get("autotune") else "default"
    return lambda f: torch.compile(f, mode=mode, dynamic=False)


def total_loss(loss_of, output, y):
    """Auxiliary heads, behind the output, count 0.3 each (Szegedy et al. 2014)."""
    if not isinstance(output, tuple):
        return loss_of(output, y)
    return loss_of(output[0], y) + 0.3 * sum(loss_of(head, y) for head in output[1:])


def whole_step(torch, model, workload):
    """Forward, gradients and update as one function: what torch.compile can see at most."""
    rate, parameters = workload["rate"], {k: v.detach() for k, v in model.named_parameters()}
    cross_entropy = torch.nn.functional.cross_entropy

    def loss_of(p, x, y):
        return total_loss(cross_entropy, torch.func.functional_call(model, p, (x,)), y)

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


def model_of(torch, side, workload, setting):
    model = side.make_model(torch, workload, setting)
    if setting.get("channels_last"):
        model = model.to(memory_format=torch.channels_last)
    return model


def train_step(torch, model, workload, setting, precision):
    wrap, compiles = compiler(torch, setting), setting.get("compile")
    if compiles == "whole":
        return wrap(whole_step(torch, model, workload))
    options = {k: True for k in ("foreach", "fused") if setting.get(k)}
    if workload.get("momentum"):
        options["momentum"] = workload["momentum"]
    make = getattr(torch.optim, workload["optimizer"])
    optimizer = make(model.parameters(), lr=workload["rate"], **options)
    forward = wrap(model) if compiles == "model" else model
    cross_entropy = torch.nn.functional.cross_entropy
    narrow = precision == "bfloat16" and not setting.get("reduced")

    def loss_of(x, y):
        with torch.autocast("cpu", torch.bfloat16, enabled=narrow):
            return total_loss(cross_entropy, forward(x), y)

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


def predict_step(torch, model, workload, setting, precision):
    model = model.eval()
    if precision == "bfloat16":
        model = model.to(torch.bfloat16)
    forward = compiler(torch, setting)(model) if setting.get("compile") else model
    narrow = precision == "bfloat16"

    def step(x, y):
        with torch.inference_mode():
            return forward(x.to(torch.bfloat16) if narrow else x)
    return step


def described(torch, model, x, phase):
    """What our side must agree with. PyTorch's LSTM has the gates' bias twice; it counts once."""
    twice = sum(p.numel() for module in model.modules() if isinstance(module, torch.nn.LSTM)
                for name, p in module.named_parameters() if name.startswith("bias_hh"))
    sample = x.permute(0, 2, 3, 1) if x.ndim == 4 else x
    facts = dict(parameters=sum(p.numel() for p in model.parameters()) - twice,
                 sample=list(sample.shape[1:]))
    if phase != "generate":
        with torch.inference_mode():
            facts["outputs"] = model.eval()(x[:1]).numel()
        model.train()
    return facts


def steps_of(step, batches, seconds):
    """As many as take about so long, told by the steps that warm up."""
    step(*batches[0])  # compiles
    start, count = time.perf_counter(), 0
    while count < 2 or time.perf_counter() - start < seconds / 3:
        step(*batches[count % len(batches)])
        count += 1
    return max(1, round(count * seconds / (time.perf_counter() - start)))


def measure(side, arguments, setting):
    import torch

    torch.manual_seed(1)
    torch.set_num_threads(arguments.threads)
    torch.set_num_interop_threads(1)
    torch.set_flush_denormal(bool(setting.get("flush")))
    if setting.get("reduced"):
        torch.backends.mkldnn.matmul.fp32_precision = "bf16"
    name, phase = arguments.workload, arguments.phase
    workload = dict(side.workloads[name], name=name, phase=phase)
    batch = arguments.batch or workload["batch"]
    batches = side.make_data(torch, workload, batch, setting)
    model = model_of(torch, side, workload, setting)
    facts = described(torch, model, batches[0][0], phase)
    make = train_step if phase == "train" else predict_step
    step = make(torch, model, workload, setting, arguments.precision)
    steps = steps_of(step, batches, arguments.seconds)
    rounds, seconds = [], []
    for n in range(arguments.rounds):
        machine_load.wait_until_quiet(arguments.patience)
        meter, start, used = machine_load.LoadMeter(), time.perf_counter(), time.process_time()
        for i in range(n * steps, (n + 1) * steps):
            result = step(*batches[i % len(batches)])
        rate = steps * batch / (time.perf_counter() - start)
        seconds.append(time.process_time() - used)
        rounds.append((rate, meter.cores()))
    rates = [rate for rate, _ in rounds]
    quiet = [rate for rate, others in rounds if others < 0.2] or rates
    per_cpu_second = steps * batch / statistics.median(seconds)
    return dict(facts, samples_per_second=round(statistics.median(quiet), 3),
                fastest_round=round(max(rates), 3), slowest_round=round(min(rates), 3),
                quiet_rounds=sum(others < 0.2 for _, others in rounds), rounds=len(rounds),
                samples_per_cpu_second=round(per_cpu_second, 3), batch=batch,
                last_loss=round(result.float().mean().item(), 6), pytorch=torch.__version__,
                peak_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)


def in_process(side, arguments, name, rounds):
    """A setting in a fresh process, as OpenMP's and the compiler's settings outlive a run."""
    own = ("mode", "setting", "rounds", "inside")
    options = {k: v for k, v in vars(arguments).items() if k not in own}
    command = [sys.executable, sys.argv[0], "--mode", "setting", "--setting", name, "--inside",
               "--rounds", str(rounds)]
    for key, value in options.items():
        if value is not None:
            command += ["--" + key, str(value)]
    setting = find(side, arguments.phase, name)
    done = subprocess.run(command, env=environment(setting, arguments.threads), text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    lines = done.stdout.strip().split("\n")
    if done.returncode != 0 or not lines[-1].startswith("{"):
        return dict(failed=(done.stderr.strip() or "no output").split("\n")[-1])
    return json.loads(lines[-1])


def find(side, phase, name):
    return {**side.settings[phase], **side.expert.get(phase, {})}[name]


def fits(setting, precision):
    only_f32 = setting.get("compile") == "whole" or setting.get("onednn")
    return not (setting.get("reduced") if precision == "float32" else only_f32)


def measure_best(side, arguments, settings):
    tried = {}
    for name, setting in settings.items():
        if not fits(setting, arguments.precision):
            continue
        result = in_process(side, arguments, name, 3)
        tried[name] = result.get("samples_per_second", result.get("failed"))
    speeds = {name: speed for name, speed in tried.items() if not isinstance(speed, str)}
    if not speeds:
        raise SystemExit("no setting ran: " + json.dumps(tried))
    fastest = max(speeds, key=speeds.get)
    return dict(in_process(side, arguments, fastest, arguments.rounds), setting=fastest, tried=tried)


def main(side):
    arguments = parse(side)
    head = {k: getattr(arguments, k) for k in ("workload", "phase", "mode", "precision", "threads")}
    head["setting"] = arguments.setting if arguments.mode == "setting" else arguments.mode
    if arguments.mode in ("best", "expert"):
        settings = side.settings if arguments.mode == "best" else side.expert
        result = measure_best(side, arguments, settings[arguments.phase])
    elif arguments.inside:
        result = measure(side, arguments, find(side, arguments.phase, arguments.setting))
    else:
        result = in_process(side, arguments, head["setting"], arguments.rounds)
    print(json.dumps({**head, **result, "mode": arguments.mode}))
