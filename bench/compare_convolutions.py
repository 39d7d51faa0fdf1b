"""Single convolutions, held against PyTorch's and against the machine's peak, in one run.

    python bench/compare_convolutions.py [--rounds 3] [--threads 2] [LAYER...]

For each layer of bench/fathom_convolutions.c: GFLOP/s of our forward convolution and of both gradients,
their share of the peak of multiply-adds, and how many times as fast as PyTorch they are, whose better
memory format counts (channels last or contiguous). The best of all rounds counts for each side; sides
take turns. Needs the release build with -DFATHOM_BENCH=ON, and torch.
"""
import argparse
import json
import pathlib
import subprocess
import time

import torch

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROGRAMS = ROOT / "build" / "release" / "bench"
PHASES = ["forward", "data", "kernel"]


def lines_of(command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def best_seconds(function):
    function()
    best, start, runs = float("inf"), time.perf_counter(), 0
    while runs < 3 or time.perf_counter() - start < 0.1:
        begin = time.perf_counter()
        function()
        best = min(best, time.perf_counter() - begin)
        runs += 1
    return best


def peer_seconds(layer):
    """By phase, the better of both memory formats."""
    best = {phase: float("inf") for phase in PHASES}
    for memory in (torch.channels_last, torch.contiguous_format):
        size, groups = layer["size"], layer["groups"]
        x = torch.randn(layer["batch"], layer["channels"], size, size)
        kernel = torch.randn(layer["filters"], layer["channels"] // groups, layer["kernel_size"],
                             layer["kernel_size"])
        x, kernel = x.to(memory_format=memory), kernel.to(memory_format=memory)
        stride, padding = [layer["stride"]] * 2, [layer["padding"]] * 2

        def forward():
            return torch.nn.functional.conv2d(x, kernel, None, stride, padding, groups=groups)

        dy = torch.randn_like(forward())

        def backward(data):
            return torch.ops.aten.convolution_backward(
                dy, x, kernel, None, stride, padding, [1, 1], False, [0, 0], groups,
                [data, not data, False])

        with torch.no_grad():
            best["forward"] = min(best["forward"], best_seconds(forward))
            best["data"] = min(best["data"], best_seconds(lambda: backward(True)))
            best["kernel"] = min(best["kernel"], best_seconds(lambda: backward(False)))
    return best


def compare(ours, rounds, threads, peak):
    best_ours, best_peer = {}, {phase: float("inf") for phase in PHASES}
    for _ in range(rounds):
        row = lines_of([PROGRAMS / "fathom_convolutions", "--threads", threads, ours["layer"]])[0]
        for phase, seconds in peer_seconds(ours).items():
            best_peer[phase] = min(best_peer[phase], seconds)
            if phase not in best_ours or row[phase]["ms"] < best_ours[phase]["ms"]:
                best_ours[phase] = row[phase]
    text = f"{ours['layer']:20}"
    for phase in PHASES:
        cell = best_ours[phase]
        text += (f" | {cell['gflops']:6.0f} {cell['gflops'] / peak:5.2f} "
                 f"{best_peer[phase] * 1e3 / cell['ms']:6.2f}x")
        text += " w" if "winograd" in cell["by"] else "  "
    print(text, flush=True)


def main():
    parser = argparse.ArgumentParser(description="our convolutions against PyTorch's")
    parser.add_argument("layers", nargs="*")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    peaks = lines_of([PROGRAMS / "machine_peak", options.threads])[0]["peaks"]
    peak = peaks[0]["fma_gflops"]
    rows = lines_of([PROGRAMS / "fathom_convolutions", "--runs", 1] + options.layers)
    print(f"peak {peak:.0f} GFLOP/s with {options.threads} threads; PyTorch {torch.__version__}; "
          "w: by Winograd's algorithm")
    print(f"{'GFLOP/s, share, ratio':20}" + "".join(f" | {phase:22}" for phase in PHASES))
    for row in rows:
        compare(row, options.rounds, options.threads, peak)


if __name__ == "__main__":
    main()
