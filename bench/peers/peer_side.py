"""What the scripts of all peers share: their command line, settings in processes of their own, rounds.

samples_per_second is the median of the rounds during which others left the cores alone; with one
thread samples_per_cpu_second holds on a busy machine too; peak_bytes is the largest resident size of
the process; parameters, sample (height, width, channels) and outputs are what run_bench.py holds against
our side's. The data lie in memory as f32, batches are consecutive slices: no loader, no conversion, no
shuffling is measured. Modes:
best         each of the side's settings in a process of its own, then the fastest of them again
expert       the same for its expert settings: code of one's own around what is not public
setting      the one of --setting, by name
others       the setting of that name
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


@dataclasses.dataclass
class Work:
    """step(x, y), the batches that it takes in turn, what our side must agree with, and finish(result),
    which waits until a step is done and gives the mean of what it returned."""
    step: Callable
    batches: list
    facts: dict
    finish: Callable


@dataclasses.dataclass
class Library:
    """prepare(side, arguments, setting) gives Work; environment(setting, threads) is what a process needs
    before it loads the library; fits(setting, precision) tells whether a setting is for a precision."""
    name: str
    modes: list
    environment: Callable
    fits: Callable
    prepare: Callable


def parse(side, library):
    parser = argparse.ArgumentParser(description=f"one JSON line with {library.name}'s samples per second")
    parser.add_argument("--workload", choices=side.workloads, required=True)
    parser.add_argument("--phase", choices=side.settings, default="train")
    parser.add_argument("--mode", default=library.modes[0],
                        choices=library.modes + ["best", "expert", "setting"])
    parser.add_argument("--setting", default=library.modes[0])
    parser.add_argument("--precision", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, help="default: the workload's")
    parser.add_argument("--seconds", type=float, default=1, help="of a round, about; one step at least")
    parser.add_argument("--rounds", type=int, default=7, help="the median of the quiet ones is reported")
    parser.add_argument("--patience", type=float, default=20,
                        help="seconds to wait before a round while others keep the cores busy")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def steps_of(work, seconds):
    """As many as take about so long, told by the steps that warm up."""
    work.finish(work.step(*work.batches[0]))  # compiles
    start, count = time.perf_counter(), 0
    while count < 2 or time.perf_counter() - start < seconds / 3:
        work.finish(work.step(*work.batches[count % len(work.batches)]))
        count += 1
    return max(1, round(count * seconds / (time.perf_counter() - start)))


def measure(side, library, arguments, setting):
    work = library.prepare(side, arguments, setting)
    batch = arguments.batch or side.workloads[arguments.workload]["batch"]
    steps = steps_of(work, arguments.seconds)
    rounds, seconds = [], []
    for n in range(arguments.rounds):
        machine_load.wait_until_quiet(arguments.patience)
        meter, start, used = machine_load.LoadMeter(), time.perf_counter(), time.process_time()
        for i in range(n * steps, (n + 1) * steps):
            result = work.step(*work.batches[i % len(work.batches)])
        last = work.finish(result)
        rate = steps * batch / (time.perf_counter() - start)
        seconds.append(time.process_time() - used)
        rounds.append((rate, meter.cores()))
    rates = [rate for rate, _ in rounds]
    quiet = [rate for rate, others in rounds if others < machine_load.QUIET] or rates
    per_cpu_second = steps * batch / statistics.median(seconds)
    return dict(work.facts, samples_per_second=round(statistics.median(quiet), 3),
                fastest_round=round(max(rates), 3), slowest_round=round(min(rates), 3),
                quiet_rounds=sum(others < machine_load.QUIET for _, others in rounds),
                rounds=len(rounds),
                samples_per_cpu_second=round(per_cpu_second, 3), batch=batch, last_loss=round(last, 6),
                peak_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)


def in_process(side, library, arguments, name, rounds):
    """A setting in a fresh process, as settings of threads and compilers outlive a run."""
    own = ("mode", "setting", "rounds", "inside")
    options = {k: v for k, v in vars(arguments).items() if k not in own}
    command = [sys.executable, sys.argv[0], "--mode", "setting", "--setting", name, "--inside",
               "--rounds", str(rounds)]
    for key, value in options.items():
        if value is not None:
            command += ["--" + key, str(value)]
    setting = find(side, arguments.phase, name)
    environment = dict(os.environ, **library.environment(setting, arguments.threads))
    done = subprocess.run(command, env=environment, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE)
    lines = done.stdout.strip().split("\n")
    if done.returncode != 0 or not lines[-1].startswith("{"):
        return dict(failed=(done.stderr.strip() or "no output").split("\n")[-1])
    return json.loads(lines[-1])


def find(side, phase, name):
    settings = {**side.settings[phase], **side.expert.get(phase, {})}
    if name not in settings:
        raise SystemExit(f"{phase}: no setting '{name}'; there are: {', '.join(settings)}")
    return settings[name]


def measure_best(side, library, arguments, settings):
    tried = {}
    for name, setting in settings.items():
        if not library.fits(setting, arguments.precision):
            continue
        result = in_process(side, library, arguments, name, 3)
        tried[name] = result.get("samples_per_second", result.get("failed"))
    speeds = {name: speed for name, speed in tried.items() if not isinstance(speed, str)}
    if not speeds:
        raise SystemExit("no setting ran: " + json.dumps(tried))
    fastest = max(speeds, key=speeds.get)
    result = in_process(side, library, arguments, fastest, arguments.rounds)
    return dict(result, setting=fastest, tried=tried)


def main(side, library):
    arguments = parse(side, library)
    head = {k: getattr(arguments, k) for k in ("workload", "phase", "mode", "precision", "threads")}
    head["setting"] = arguments.setting if arguments.mode == "setting" else arguments.mode
    if arguments.mode in ("best", "expert"):
        settings = side.settings if arguments.mode == "best" else side.expert
        result = measure_best(side, library, arguments, settings[arguments.phase])
    elif arguments.inside:
        setting = find(side, arguments.phase, arguments.setting)
        result = measure(side, library, arguments, setting)
    else:
        result = in_process(side, library, arguments, head["setting"], arguments.rounds)
    print(json.dumps({**head, **result, "mode": arguments.mode}))
