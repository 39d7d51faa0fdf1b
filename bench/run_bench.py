"""Training speed of Fathom, held against a peer and against the machine.

Our side is a C program that trains on data in memory (bench/fathom_*.c); the peer's side is a
script that trains the same network on the same shapes (bench/peers/). Each prints one JSON line:

    {"workload": "mlp", "samples_per_second": 101000.0, "flops_per_sample": 2407424, ...}

First the peer tries all of its settings; the fastest of them is what we meet. Then both sides run in
turn, round after round, so that a change of the machine's speed meets both, and each waits until
others leave the cores alone. What is printed: the median and the spread (lowest to highest) of each
side over the quiet rounds, the ratio of the medians, and the share of the peak of fp32
multiply-adds that was measured in the same rounds. The JSON of it all is kept in
bench/results/WORKLOAD.json,
of predictions in WORKLOAD-predict-BATCH.json.

FATHOM_BENCH_PYTHON names the Python that has the peer; without it `python3` is tried.
"""
import argparse
import datetime
import json
import os
import pathlib
import platform
import resource
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "bench" / "peers"))
import machine_load  # noqa: E402  (its folder is known only here)

QUIET = 0.2  # cores that others may keep busy during a round that counts
PROGRAMS = ROOT / "build" / "release" / "bench"
RESULTS = ROOT / "bench" / "results"

# workload: our program, the peer's script for each peer
WORKLOADS = {
    "mlp": {"ours": "fathom_steps", "pytorch": "pytorch_mlp.py"},
    "mlp-dropout": {"ours": "fathom_steps", "pytorch": "pytorch_mlp.py"},
    "mnist-cnn": {"ours": "fathom_steps", "pytorch": "pytorch_vision.py"},
    "resnet20": {"ours": "fathom_steps", "pytorch": "pytorch_vision.py"},
    "resnet50": {"ours": "fathom_steps", "pytorch": "pytorch_vision.py"},
    "gpt-small": {"ours": "fathom_sequences", "pytorch": "pytorch_sequences.py"},
    "shakespeare-gpt": {"ours": "fathom_sequences", "pytorch": "pytorch_sequences.py"},
    "mnist-lstm": {"ours": "fathom_sequences", "pytorch": "pytorch_sequences.py"},
    "mnist-gru": {"ours": "fathom_sequences", "pytorch": "pytorch_sequences.py"},
    "shakespeare-lstm": {"ours": "fathom_sequences", "pytorch": "pytorch_sequences.py"},
}
PEERS = ["pytorch", "none"]
PEER_MODULES = {"pytorch": "torch"}


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
        fail(f"{command[0]} ended with status {done.returncode}:\n{done.stderr[-2000:]}")
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if not lines:
        fail(f"{command[0]} printed no JSON line")
    return json.loads(lines[-1])


def quiet_json(command, patience):
    """The same when others leave the cores alone; "others" tells how many they used meanwhile."""
    machine_load.wait_until_quiet(patience)
    start, busy, own = time.perf_counter(), machine_load.busy_seconds(), children_seconds()
    result = last_json(command)
    others = machine_load.busy_seconds() - busy - (children_seconds() - own)
    result["others"] = round(max(0.0, others / (time.perf_counter() - start)), 2)
    return result


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


def commit():
    done = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True,
                          text=True, cwd=ROOT, check=False)
    return done.stdout.strip() or "unknown"


def summary(rounds):
    quiet = [one for one in rounds if one["others"] < QUIET] or rounds
    speeds = [one["samples_per_second"] for one in quiet]
    return {"median": statistics.median(speeds), "lowest": min(speeds), "highest": max(speeds),
            "quiet_rounds": sum(one["others"] < QUIET for one in rounds), "rounds": rounds}


def measure(name, peer, python, options):
    """All rounds of one workload; returns the record that is kept."""
    programs = WORKLOADS[name]
    both = ["--phase", options.phase] + (["--batch", options.batch] if options.batch else [])
    ours = [PROGRAMS / programs["ours"], name, "--threads", options.threads,
            "--seconds", options.seconds] + both
    theirs = None
    if python:
        theirs = [python, ROOT / "bench" / "peers" / programs[peer], "--workload", name,
                  "--threads", options.threads] + both
        setting = options.setting or last_json(theirs + ["--mode", "best"])["setting"]
        theirs += ["--mode", "setting", "--setting", setting, "--rounds", "3", "--patience",
                   options.patience]
    our_rounds, their_rounds, peaks = [], [], []
    for _ in range(options.rounds):
        peaks.append(quiet_json([PROGRAMS / "machine_peak", options.threads], options.patience))
        our_rounds.append(quiet_json(ours, options.patience))
        if theirs:
            their_rounds.append(quiet_json(theirs, options.patience))

    peak = statistics.median(one["peaks"][0]["fma_gflops"] for one in peaks)
    record = {
        "workload": name, "phase": options.phase, "batch": our_rounds[0]["batch"], "date": datetime.date.today().isoformat(), "commit": commit(),
        "processor": processor(), "threads": options.threads, "machine_peaks": peaks,
        "peak_gflops": peak, "fathom": summary(our_rounds),
    }
    flops = our_rounds[0].get("flops_per_sample")
    if flops:
        record["gflops"] = record["fathom"]["median"] * flops * 1e-9
        record["share_of_peak"] = record["gflops"] / peak
    if their_rounds:
        record[peer] = summary(their_rounds)
        record["ratio"] = record["fathom"]["median"] / record[peer]["median"]
        record["memory_ratio"] = (record["fathom"]["rounds"][0]["peak_bytes"] /
                                  record[peer]["rounds"][0]["peak_bytes"])
    return record


def show_side(name, side):
    setting = side["rounds"][0].get("setting", "")
    print(f"  {name:<8} {side['median']:>10,.0f} samples/s  ({side['lowest']:,.0f} to "
          f"{side['highest']:,.0f}; {side['quiet_rounds']} quiet rounds of {len(side['rounds'])})"
          f"  {setting}")


def show(record, peer):
    print(f"{record['workload']}, {record['phase']}, batch {record['batch']}, "
          f"{record['threads']} threads, {record['processor']}")
    if not all(record[side]["quiet_rounds"] for side in ("fathom", peer) if side in record):
        print("  others kept the cores busy in every round: these figures say little")
    show_side("fathom", record["fathom"])
    if peer in record:
        show_side(peer, record[peer])
        print(f"  ratio    {record['ratio']:10.2f}   peak memory of the process: "
              f"{record['memory_ratio']:.2f}")
    if "share_of_peak" in record:
        print(f"  {record['gflops']:.0f} GFLOP/s: {record['share_of_peak']:.2f} of the measured "
              f"peak of {record['peak_gflops']:.0f} GFLOP/s")


def main():
    parser = argparse.ArgumentParser(prog="./run bench")
    parser.add_argument("workload", nargs="*", help="; ".join(WORKLOADS) + " (default: all)")
    parser.add_argument("--against", choices=PEERS,
                        help="the peer; default: pytorch where a Python has it, else none")
    parser.add_argument("--phase", choices=["train", "predict", "generate"],
                        default="train")
    parser.add_argument("--batch", type=int, help="default: the workload's")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--seconds", type=float, default=4, help="of training in our round")
    parser.add_argument("--setting", help="the peer's setting; default: it tries all of them first")
    parser.add_argument("--patience", type=float, default=20,
                        help="seconds to wait before a round while others keep the cores busy")
    options = parser.parse_args()

    unknown = [name for name in options.workload if name not in WORKLOADS]
    if unknown:
        fail(f"no workload is called {unknown[0]}; there are: {', '.join(WORKLOADS)}")
    peer = options.against or "pytorch"
    python = peer_python(peer) if peer != "none" else None
    if options.against and peer != "none" and not python:
        fail(f"no Python with {PEER_MODULES[peer]}: name one in FATHOM_BENCH_PYTHON")
    if not python:
        print("without a peer: set FATHOM_BENCH_PYTHON to a Python that has one", file=sys.stderr)

    RESULTS.mkdir(parents=True, exist_ok=True)
    for name in options.workload or WORKLOADS:
        record = measure(name, peer, python, options)
        show(record, peer)
        kind = "" if options.phase == "train" else f"-{options.phase}-{record['batch']}"
        (RESULTS / f"{name}{kind}.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
