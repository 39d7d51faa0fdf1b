"""Speed of Fathom, held against a peer and against the machine.

Our side is a C program that works on data in memory (bench/fathom_*.c); the peer's side is a script
that does the same with the same network on the same shapes (bench/peers/). Each prints one JSON line:

    {"workload": "mlp", "samples_per_second": 101000.0, "flops_per_sample": 2407424, ...}

First the peer tries all of its settings; the fastest of them is what we meet. Then both sides run in
turn, round after round, so that a change of the machine's speed meets both, and each waits until
others leave the cores alone. Both must have as many parameters, read samples of the same shape and
make as many numbers of one; otherwise the figures would compare different work, and are not kept.

Both also wait until the processors are near each other: where a host has a virtual machine's on two dies,
threads that hand each other data are half as slow again, and efficient programs lose most.

What is printed: the median and the spread (lowest to highest) of each side over the quiet rounds, the
ratio of the medians, the share of the peak of fp32 multiply-adds that was measured in the same rounds,
and what takes the time. With bfloat16 on our side the peer may use either precision, whichever is
faster. The JSON of it all is kept in bench/results/: WORKLOAD.json, of predictions
WORKLOAD-predict-BATCH.json, with -bfloat16, with -1-thread or the like where not all processors work, and
with -jax where that was the peer; the machine's own figures, the time to start and the library's size in
machine.json. At the end
bench/write_performance.py makes docs/performance.md of them.

FATHOM_BENCH_PYTHON names the Python that has the peer (torch, or jax); without it `python3` is tried.
"""
import argparse
import dataclasses
import datetime
import itertools
import json
import os
import pathlib
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "bench" / "peers"))
import machine_load  # noqa: E402  (its folder is known only here)

NEAR = 2  # times the shortest round trip between processors: a host may move a virtual machine's apart
PROGRAMS = ROOT / "build" / "release" / "bench"
RESULTS = ROOT / "bench" / "results"
MACHINE = RESULTS / "machine.json"
PROCESSORS = len(os.sched_getaffinity(0))

# workload: our program, the peer's script for each peer
STEPS = {"ours": "fathom_steps", "pytorch": "pytorch_vision.py"}
SEQUENCES = {"ours": "fathom_sequences", "pytorch": "pytorch_sequences.py"}
BOTH_SEQUENCES = dict(SEQUENCES, jax="jax_sequences.py")
WORKLOADS = {
    "mlp": dict(STEPS, pytorch="pytorch_mlp.py", jax="jax_mlp.py"),
    "mlp-dropout": dict(STEPS, pytorch="pytorch_mlp.py", jax="jax_mlp.py"),
    "mnist-cnn": dict(STEPS, jax="jax_vision.py"),
    "lenet5": STEPS,
    "resnet20": dict(STEPS, jax="jax_vision.py"),
    "resnet18@32": STEPS,
    "alexnet": STEPS,
    "vgg16": STEPS,
    "googlenet": STEPS,
    "resnet50": STEPS,
    "resnet152": STEPS,
    "mobilenet": STEPS,
    "mnist-lstm": BOTH_SEQUENCES,
    "mnist-gru": BOTH_SEQUENCES,
    "shakespeare-lstm": BOTH_SEQUENCES,
    "gpt-small": BOTH_SEQUENCES,
    "shakespeare-gpt": SEQUENCES,
}
TABLE = [name for name in WORKLOADS if name != "shakespeare-gpt"]  # what is measured unasked
PREDICTED = [1, 32, 128]  # batches
PEAKS = {"float32": "fma_gflops", "bfloat16": "bf16_gflops"}  # of machine_peak, by our precision
SAME_WORK = ["batch", "parameters", "sample", "outputs"]
PEER_MODULES = {"pytorch": "torch", "jax": "jax"}
PROFILED_SECONDS = 1


class Broken(Exception):
    """A job that cannot be measured; the others can."""


def fail(words):
    sys.exit(f"run_bench: {words}")


def last_json(command):
    """Runs a command and returns the JSON object on its last line of output."""
    try:
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True,
                              cwd=ROOT, check=False)
    except FileNotFoundError:
        fail(f"{command[0]} does not exist: ./run bench builds it")
    if done.returncode != 0:
        raise Broken(f"{command[0]} ended with status {done.returncode}:\n{done.stderr[-2000:]}")
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if not lines:
        raise Broken(f"{command[0]} printed no JSON line")
    result = json.loads(lines[-1])
    if "failed" in result:
        raise Broken(f"{command[1]}: {result['failed']}")
    return result


def quiet_json(command, threads, patience):
    """The same when others leave the cores alone, and several threads' processors are near each other;
    "others" tells how many cores were busy meanwhile, "round_trip" how far apart they were, in shortest
    round trips."""
    machine_load.wait_until_quiet(patience)
    before = wait_until_near(patience) if threads > 1 else 1
    start, busy, own = time.perf_counter(), machine_load.busy_seconds(), children_seconds()
    result = last_json(command)
    others = machine_load.busy_seconds() - busy - (children_seconds() - own)
    result["others"] = round(max(0.0, others / (time.perf_counter() - start)), 2)
    result["round_trip"] = max(before, round_trips()) if threads > 1 else 1
    return result


def round_trip_ns():
    return last_json([PROGRAMS / "round_trip"])["round_trip_ns"]


def round_trips():
    """Between the first two processors, in shortest ones that the machine is known for."""
    shortest = json.loads(MACHINE.read_text(encoding="utf-8"))["round_trip_ns"]
    return round(round_trip_ns() / shortest, 2)


def wait_until_near(limit_seconds):
    deadline = time.perf_counter() + limit_seconds
    while (trips := round_trips()) > NEAR and time.perf_counter() < deadline:
        time.sleep(0.3)
    return trips


def children_seconds():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def peer_python(peer):
    """The Python that can import the peer, or None."""
    named = os.environ.get("FATHOM_BENCH_PYTHON")
    python = named or "python3"
    module = PEER_MODULES[peer]
    try:
        found = subprocess.run([python, "-c", f"import {module}"], capture_output=True, check=False)
    except FileNotFoundError:
        fail(f"FATHOM_BENCH_PYTHON: {python} does not exist")
    if found.returncode == 0:
        return python
    if named:
        fail(f"{python} cannot import {module}")
    return None


def processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def compiler():
    done = subprocess.run(["cc", "--version"], capture_output=True, text=True, check=False)
    return done.stdout.split("\n")[0]


def commit():
    done = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True,
                          text=True, cwd=ROOT, check=False)
    return done.stdout.strip() or "unknown"


def summary(rounds):
    quiet = [one for one in rounds if one["others"] < machine_load.QUIET and one["round_trip"] <= NEAR]
    speeds = [one["samples_per_second"] for one in quiet or rounds]
    return {"median": statistics.median(speeds), "lowest": min(speeds), "highest": max(speeds),
            "quiet_rounds": len(quiet), "rounds": rounds}


def check_same_work(name, ours, theirs):
    for key in SAME_WORK:
        if key in theirs and ours[key] != theirs[key]:
            raise Broken(f"{name}: the sides do different work: {key} is {ours[key]} here and "
                         f"{theirs[key]} on the peer's side")


def where_time_goes(command, samples_per_second, batch):
    """A row for each op and kernel of our side, the dearest first."""
    runs = min(max(round(PROFILED_SECONDS * samples_per_second / batch), 1), 200)
    kernels = {}
    for step in last_json(command + ["--costs", runs])["costs"]:
        row = kernels.setdefault((step["op"], step["kernel"]), dict(step, steps=0, seconds=0, flops=0,
                                                                     bytes=0))
        row["steps"] += 1
        for key in ("seconds", "flops", "bytes"):
            row[key] += step[key]
    return sorted(kernels.values(), key=lambda row: -row["seconds"])


def peer_command(job, peer, python, options):
    """How the peer runs at its fastest setting, and what the search for it saw. In a job of bfloat16 it
    may use either precision."""
    command = [python, ROOT / "bench" / "peers" / WORKLOADS[job.name][peer], "--workload", job.name,
               *job.words(), "--seconds", options.seconds / 3]
    precisions = options.peer_precision or dict.fromkeys(["float32", job.precision])
    precision, setting, tried = search(command, list(precisions), options.setting)
    return command + ["--precision", precision, "--mode", "setting", "--setting", setting, "--rounds", 3,
                      "--patience", options.patience], tried


def search(command, precisions, settings):
    """The precision and setting with which the peer is fastest, of all that its script has unless some
    are named; what each of them did, by precision, None where there was no choice."""
    if len(precisions) == 1 and settings and len(settings) == 1:
        return precisions[0], settings[0], None
    tried, best = {}, (0, None, None)
    for precision in precisions:
        tried[precision] = {}
        for setting in settings or [None]:
            mode = ["--mode", "setting", "--setting", setting] if setting else ["--mode", "best"]
            result = last_json(command + ["--precision", precision, *mode, "--rounds", 1])
            speed, name = result["samples_per_second"], result["setting"]
            tried[precision].update(result.get("tried", {name: speed}))
            best = max(best, (speed, precision, name))
    return best[1], best[2], tried


@dataclasses.dataclass
class Job:
    """A workload in one phase; batch None: the workload's own."""
    name: str
    phase: str
    batch: int
    threads: int
    precision: str
    peer: str

    def words(self):
        """Both sides understand them."""
        words = ["--phase", self.phase, "--threads", self.threads]
        return words + (["--batch", self.batch] if self.batch else [])

    def file(self, batch):
        kind = "" if self.phase == "train" else f"-{self.phase}-{batch}"
        if self.precision != "float32":
            kind += f"-{self.precision}"
        if self.threads != PROCESSORS:
            kind += f"-{self.threads}-thread" + ("s" if self.threads > 1 else "")
        if self.peer == "jax":
            kind += "-jax"
        return RESULTS / f"{self.name}{kind}.json"


def measure(job, python, options):
    """All rounds of one job; returns the record that is kept."""
    peer = job.peer
    program = [PROGRAMS / WORKLOADS[job.name]["ours"], job.name, *job.words(), "--precision",
               job.precision]
    ours, theirs, tried = program + ["--seconds", options.seconds], None, None
    if python:
        theirs, tried = peer_command(job, peer, python, options)
    our_rounds, their_rounds, peaks = [], [], []
    for _ in range(options.rounds):
        peaks.append(last_json([PROGRAMS / "machine_peak", job.threads]))
        our_rounds.append(quiet_json(ours, job.threads, options.patience))
        if theirs:
            their_rounds.append(quiet_json(theirs, job.threads, options.patience))
            check_same_work(job.name, our_rounds[-1], their_rounds[-1])

    peak = statistics.median(one["peaks"][0][PEAKS[job.precision]] for one in peaks)
    record = {
        "workload": job.name, "phase": job.phase, "batch": our_rounds[0]["batch"],
        "precision": job.precision, "date": datetime.date.today().isoformat(), "commit": commit(),
        "processor": processor(), "threads": job.threads, "peer": peer, "machine_peaks": peaks,
        "peak_gflops": peak, "fathom": summary(our_rounds),
    }
    flops = our_rounds[0].get("flops_per_sample")
    if flops and peak:
        record["gflops"] = record["fathom"]["median"] * flops * 1e-9
        record["share_of_peak"] = record["gflops"] / peak
    if their_rounds:
        record[peer] = summary(their_rounds)
        if tried:
            record[peer]["tried"] = tried
        record["ratio"] = record["fathom"]["median"] / record[peer]["median"]
        record["memory_ratio"] = (record["fathom"]["rounds"][0]["peak_bytes"] /
                                  record[peer]["rounds"][0]["peak_bytes"])
    record["costs"] = where_time_goes(program, record["fathom"]["median"], record["batch"])
    return record


IMAGE = bytes([0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 28, 0, 0, 0, 28]) + bytes(784)  # an IDX file
STARTS = 50


def measure_start():
    """Milliseconds of whole processes: `fathom predict` of one image by recipes/mnist-mlp.yaml's model,
    trained on a few drawn digits, and `fathom --version`."""
    program = ROOT / "build" / "release" / "fathom"
    recipe = (ROOT / "recipes" / "mnist-mlp.yaml").read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "image.idx").write_bytes(IMAGE)
        (folder / "recipe.yaml").write_text(recipe.replace(
            "set: mnist", "set: strokes\n  train_size: 200\n  test_size: 20"), encoding="utf-8")
        model = folder / "model.safetensors"
        subprocess.run([program, "train", folder / "recipe.yaml", "--epochs", "1", "--quiet", "--out",
                        model], check=True, capture_output=True)
        return {"predict_ms": process_times([program, "predict", model, folder / "image.idx"]),
                "version_ms": process_times([program, "--version"])}


def process_times(command):
    times = []
    for _ in range(STARTS):
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        times.append(1e3 * (time.perf_counter() - start))
    return {"median": round(statistics.median(times), 2), "lowest": round(min(times), 2),
            "highest": round(max(times), 2)}


def library_bytes():
    """Of libfathom.so without symbols and debugging information, and without what it depends on."""
    with tempfile.TemporaryDirectory() as name:
        stripped = pathlib.Path(name) / "libfathom.so"
        subprocess.run(["strip", "-o", stripped, ROOT / "build" / "release" / "libfathom.so"], check=True)
        return stripped.stat().st_size


def measure_machine(threads):
    """The machine's ceilings, for each number of threads the best of three."""
    tries = [last_json([PROGRAMS / "machine_peak", *threads]) for _ in range(3)]
    peaks = [{key: max(one["peaks"][i][key] for one in tries) for key in tries[0]["peaks"][i]}
             for i in range(len(threads))]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return dict(tries[0], peaks=peaks, processor=processor(), processors=PROCESSORS,
                round_trip_ns=min(round_trip_ns() for _ in range(20)) if PROCESSORS > 1 else None,
                memory_bytes=memory, system=platform.release(), compiler=compiler(),
                **measure_start(), library_bytes=library_bytes(), commit=commit(),
                date=datetime.date.today().isoformat())


def note_machine(threads):
    """Unless that was done today, of this processor and this version."""
    now = {"processor": processor(), "commit": commit(), "date": datetime.date.today().isoformat()}
    if MACHINE.exists():
        noted = json.loads(MACHINE.read_text(encoding="utf-8"))
        known = {peak["threads"] for peak in noted.get("peaks", [])}
        if known.issuperset(threads) and now.items() <= noted.items():
            return
    write_json(MACHINE, measure_machine(threads))


def show_side(name, side):
    setting = side["rounds"][0].get("setting", "")
    if side["rounds"][0].get("precision") == "bfloat16":
        setting += " (bfloat16)"
    print(f"  {name:<8} {side['median']:>10,.0f} samples/s  ({side['lowest']:,.0f} to "
          f"{side['highest']:,.0f}; {side['quiet_rounds']} quiet rounds of {len(side['rounds'])})"
          f"  {setting}")


def show(record, peer):
    print(f"{record['workload']}, {record['phase']}, batch {record['batch']}, {record['precision']}, "
          f"{record['threads']} threads, {record['processor']}")
    if not all(record[side]["quiet_rounds"] for side in ("fathom", peer) if side in record):
        print("  in every round others kept the cores busy, or those were far apart: these figures say little")
    show_side("fathom", record["fathom"])
    if peer in record:
        show_side(peer, record[peer])
        print(f"  ratio    {record['ratio']:10.2f}   peak memory of the process: "
              f"{record['memory_ratio']:.2f}")
    if "share_of_peak" in record:
        print(f"  {record['gflops']:.0f} GFLOP/s: {record['share_of_peak']:.2f} of the measured "
              f"peak of {record['peak_gflops']:.0f} GFLOP/s")
    show_costs(record.get("costs", []))


def show_costs(costs):
    total = sum(row["seconds"] for row in costs) or 1
    for row in costs[:5]:
        print(f"  {100 * row['seconds'] / total:5.1f} %  {row['steps']:3} x {row['op']}, {row['kernel']}")


def jobs_of(options, peer):
    """Unasked, all workloads that the peer has a script for."""
    workloads = options.workload or [name for name in TABLE if peer in WORKLOADS[name] or peer == "none"]
    for threads, precision, phase in itertools.product(options.threads, options.precision, options.phase):
        batches = options.batch or {"predict": PREDICTED, "generate": [1]}.get(phase, [None])
        for batch, name in itertools.product(batches, workloads):
            yield Job(name, phase, batch, threads, precision, peer)


def parse():
    parser = argparse.ArgumentParser(prog="./run bench")
    parser.add_argument("workload", nargs="*",
                        help="; ".join(WORKLOADS) + " (default: all but shakespeare-gpt)")
    parser.add_argument("--against", choices=[*PEER_MODULES, "none"],
                        help="the peer; default: pytorch where a Python has it, else none")
    parser.add_argument("--phase", choices=["train", "predict", "generate"], nargs="+",
                        default=["train"])
    parser.add_argument("--batch", type=int, nargs="+",
                        help="default: the workload's, for predict " + ", ".join(map(str, PREDICTED))
                             + ", for generate 1")
    parser.add_argument("--threads", type=int, nargs="+", default=[PROCESSORS])
    parser.add_argument("--precision", choices=PEAKS, nargs="+", default=["float32"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4, help="of work in a round of each side")
    parser.add_argument("--setting", nargs="+",
                        help="the peer's settings that are tried first; default: all")
    parser.add_argument("--peer-precision", choices=PEAKS, nargs="+",
                        help="that are tried likewise; default: float32 and ours")
    parser.add_argument("--missing", action="store_true", help="only what has no result yet")
    parser.add_argument("--patience", type=float, default=20,
                        help="seconds to wait before a round while others keep the cores busy")
    return parser.parse_args()


def main():
    options = parse()
    unknown = [name for name in options.workload if name not in WORKLOADS]
    if unknown:
        fail(f"no workload is called {unknown[0]}; there are: {', '.join(WORKLOADS)}")
    peer = options.against or "pytorch"
    python = peer_python(peer) if peer != "none" else None
    if options.against and peer != "none" and not python:
        fail(f"no Python with {PEER_MODULES[peer]}: name one in FATHOM_BENCH_PYTHON")
    if not python:
        print("without a peer: set FATHOM_BENCH_PYTHON to a Python that has one", file=sys.stderr)
        peer = "none"
    absent = [name for name in options.workload if python and peer not in WORKLOADS[name]]
    if absent:
        fail(f"{absent[0]} has no script for {peer}; there are: "
             + ", ".join(name for name in WORKLOADS if peer in WORKLOADS[name]))

    RESULTS.mkdir(parents=True, exist_ok=True)
    note_machine(sorted({1, PROCESSORS, *options.threads}))
    broken = 0
    for job in jobs_of(options, peer):
        if options.missing and job.file(job.batch).exists():
            continue
        try:
            record = measure(job, python, options)
        except Broken as reason:
            print(f"run_bench: {job}: {reason}", file=sys.stderr)
            broken += 1
            continue
        show(record, peer)
        write_json(job.file(record["batch"]), record)
    subprocess.run([sys.executable, ROOT / "bench" / "write_performance.py"], check=True)
    sys.exit(1 if broken else 0)


def write_json(path, record):
    path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
