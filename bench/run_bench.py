"""Training speed of Fathom, held against a peer and against the machine.

Our side is a C program that trains on data in memory (bench/fathom_*.c); the peer's side is a
script that trains the same network on the same shapes (bench/peers/). Each prints one JSON line:

    {"workload": "mlp", "samples_per_second": 101000.0, "flops_per_sample": 3400000, ...}

They run in turn, round after round, so that a change of the machine's speed meets both. What is
printed: the median and the spread (lowest to highest) of each side over the rounds, the ratio of the
medians with the lowest and highest ratio of a round, and the share of the peak of fp32 multiply-adds
that was measured in the same run. The JSON of it all is kept in bench/results/WORKLOAD.json.

FATHOM_BENCH_PYTHON names the Python that has the peer; without it `python3` is tried.
"""
import argparse
import datetime
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROGRAMS = ROOT / "build" / "release" / "bench"
RESULTS = ROOT / "bench" / "results"

# workload: our program, the peer's script for each peer
WORKLOADS = {
    "mlp": {"ours": "fathom_mlp", "pytorch": "pytorch_mlp.py"},
    "mlp-dropout": {"ours": "fathom_mlp", "pytorch": "pytorch_mlp.py"},
}
PEERS = ["pytorch", "none"]
PEER_MODULES = {"pytorch": "torch"}


def fail(words):
    sys.exit(f"run_bench: {words}")


def last_json(command, environment=None):
    """Runs a command and returns the JSON object on its last line of output."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True,
                          cwd=ROOT, env=environment, check=False)
    if done.returncode != 0:
        fail(f"{command[0]} ended with status {done.returncode}:\n{done.stderr[-2000:]}")
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if not lines:
        fail(f"{command[0]} printed no JSON line")
    return json.loads(lines[-1])


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
    speeds = [one["samples_per_second"] for one in rounds]
    return {"median": statistics.median(speeds), "lowest": min(speeds), "highest": max(speeds)}


def spread(side):
    return f"{side['median']:>10,.0f} samples/s  ({side['lowest']:,.0f} to {side['highest']:,.0f})"


def measure(name, peer, python, options):
    """All rounds of one workload; returns the record that is kept."""
    programs = WORKLOADS[name]
    arguments = [name, "--threads", options.threads, "--seconds", options.seconds]
    ours = [PROGRAMS / programs["ours"]] + arguments
    theirs = [python, ROOT / "bench" / "peers" / programs[peer]] + arguments if python else None
    environment = dict(os.environ, OMP_NUM_THREADS=str(options.threads))
    our_rounds, their_rounds, peaks = [], [], []
    for _ in range(options.rounds):
        peaks.append(last_json([PROGRAMS / "machine_peak", options.threads])["peaks"][0])
        our_rounds.append(last_json(ours))
        if theirs:
            their_rounds.append(last_json(theirs, environment))

    record = {
        "workload": name, "date": datetime.date.today().isoformat(), "commit": commit(),
        "processor": processor(), "threads": options.threads, "machine_peaks": peaks,
        "peak_gflops": statistics.median(one["fma_gflops"] for one in peaks),
        "fathom": summary(our_rounds), "fathom_rounds": our_rounds,
    }
    flops = our_rounds[0].get("flops_per_sample")
    if flops:
        record["gflops"] = record["fathom"]["median"] * flops * 1e-9
        record["share_of_peak"] = record["gflops"] / record["peak_gflops"]
    if their_rounds:
        record[peer] = summary(their_rounds)
        record[peer + "_rounds"] = their_rounds
        ratios = [a["samples_per_second"] / b["samples_per_second"]
                  for a, b in zip(our_rounds, their_rounds)]
        record["ratio"] = record["fathom"]["median"] / record[peer]["median"]
        record["ratio_lowest"], record["ratio_highest"] = min(ratios), max(ratios)
    return record


def show(record, peer):
    print(f"{record['workload']}, {record['threads']} threads, {record['processor']}")
    print(f"  fathom   {spread(record['fathom'])}")
    if peer in record:
        setting = record[peer + "_rounds"][0].get("setting", "")
        print(f"  {peer:<8} {spread(record[peer])}  {setting}")
        print(f"  ratio    {record['ratio']:10.2f}  "
              f"({record['ratio_lowest']:.2f} to {record['ratio_highest']:.2f} in a round)")
    if "share_of_peak" in record:
        print(f"  {record['gflops']:.0f} GFLOP/s: {record['share_of_peak']:.2f} of the measured "
              f"peak of {record['peak_gflops']:.0f} GFLOP/s")


def main():
    parser = argparse.ArgumentParser(prog="./run bench")
    parser.add_argument("workload", nargs="*", help="; ".join(WORKLOADS) + " (default: all)")
    parser.add_argument("--against", choices=PEERS,
                        help="the peer; default: pytorch where a Python has it, else none")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--seconds", type=float, default=4, help="of training in a round")
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
        (RESULTS / f"{name}.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
