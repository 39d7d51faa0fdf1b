"""docs/performance.md and its pictures, from bench/results/*.json.

    python3 bench/write_performance.py

Every figure of the page stands in a result; what has none is listed as missing. The page's last line
holds the checksums by which scripts/check_performance.sh sees that page and results belong together.
"""
import hashlib
import html
import itertools
import json
import math
import pathlib

import run_bench

ROOT = run_bench.ROOT
PAGE = ROOT / "docs" / "performance.md"
PEER = "pytorch"
NONE = "–"
DEAREST = 6  # rows of a table of what takes the time
ROOFS = [("copy_l2_gbs", "L2"), ("copy_l3_gbs", "L3"), ("copy_memory_gbs", "memory")]


def load_results():
    """The machine's record and those of workloads."""
    records = [json.loads(path.read_text(encoding="utf-8"))
               for path in sorted(run_bench.RESULTS.glob("*.json"))]
    machine = next((record for record in records if "workload" not in record), None)
    order = list(run_bench.WORKLOADS)
    records = [record for record in records if record.get("workload") in order]
    return machine, sorted(records, key=lambda record: (order.index(record["workload"]),
                                                        record["batch"]))


def chosen(records, phase, threads, batch=None, precision="float32"):
    return [record for record in records
            if record["phase"] == phase and record["threads"] == threads
            and record.get("precision", "float32") == precision and batch in (None, record["batch"])]


# ---- figures in words -------------------------------------------------------------------------------


def figure(value):
    """Three digits at least, thousands apart."""
    if value is None:
        return NONE
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def mebibytes(side):
    return NONE if not side else figure(side["rounds"][0]["peak_bytes"] / 2**20)


def setting_of(side):
    if not side:
        return NONE
    first = side["rounds"][0]
    return first.get("setting", NONE) + (" (bf16)" if first.get("precision") == "bfloat16" else "")


def table(head, rows):
    """The first column to the left, the others to the right."""
    lines = ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


# ---- parts of the page ------------------------------------------------------------------------------


def about_machine(machine):
    if not machine:
        return "Its own figures are missing: `./run bench` measures them.\n"
    names = {1: "1 thread"}
    rows = []
    for peak in machine["peaks"]:
        rows.append([names.get(peak["threads"], f"{peak['threads']} threads"),
                     figure(peak["fma_gflops"]), figure(peak["bf16_gflops"] or None)]
                    + [figure(peak[key]) for key, _ in ROOFS])
    bf16 = machine["bf16_isa"] or "none"
    head = ["", "fp32 GFLOP/s", "bf16 GFLOP/s"] + [f"copy in {name}, GB/s" for _, name in ROOFS]
    return (f"{machine['processor']}, {machine['processors']} processors, L2 "
            f"{machine['l2_bytes'] / 2**20:.0f} MiB each, L3 {machine['l3_bytes'] / 2**20:.0f} MiB, "
            f"memory {machine['memory_bytes'] / 2**30:.0f} GiB; Linux {machine['system']}, "
            f"{machine['compiler']}; measured {machine['date']}. Multiply-adds in registers by "
            f"{machine['isa']}, of bf16 by {bf16}; copies count what is read and written.\n\n"
            + table(head, rows) + "\n")


def about_start(machine):
    if not machine:
        return "Not measured.\n"
    rows = [[what, *(f"{machine[key][one]:.1f}" for one in ("median", "lowest", "highest"))]
            for what, key in (("`fathom predict` of one image, 784-512-256-10", "predict_ms"),
                              ("`fathom --version`", "version_ms"))]
    size = machine["library_bytes"]
    return (table(["whole process", "ms, median", "lowest", "highest"], rows)
            + f"\n\n`libfathom.so`, stripped, without what it depends on: {size / 2**20:.2f} MiB.\n")


def about_speed(records):
    rows = []
    for record in records:
        ours, theirs = record["fathom"], record.get(PEER)
        noisy = "" if all(side["quiet_rounds"] for side in (ours, theirs) if side) else " (noisy)"
        rows.append([record["workload"] + noisy, str(record["batch"]), figure(ours["median"]),
                     f"{figure(ours['lowest'])} to {figure(ours['highest'])}",
                     figure(theirs and theirs["median"]), figure(record.get("ratio")),
                     figure(record.get("gflops")), figure(record["peak_gflops"]),
                     figure(record.get("share_of_peak")),
                     mebibytes(ours), mebibytes(theirs), setting_of(theirs), record["date"]])
    return table(["workload", "batch", "samples/s", "lowest to highest", "PyTorch", "ratio", "GFLOP/s", "peak",
                  "of peak", "MiB", "PyTorch MiB", "its setting", "date"], rows) + "\n"


def about_costs(record):
    costs = record["costs"]
    total = sum(row["seconds"] for row in costs) or 1
    rows = [[f"{row['op']}, {row['kernel']}", str(row["steps"]), f"{1e3 * row['seconds']:.3f}",
             f"{100 * row['seconds'] / total:.1f} %", figure(row["flops"] / row["seconds"] * 1e-9),
             figure(row["bytes"] / row["seconds"] * 1e-9)]
            for row in costs[:DEAREST] if row["seconds"] > 0]
    rest = total - sum(row["seconds"] for row in costs[:DEAREST])
    if len(costs) > DEAREST:
        rows.append(["others", str(sum(row["steps"] for row in costs[DEAREST:])), f"{1e3 * rest:.3f}",
                     f"{100 * rest / total:.1f} %", NONE, NONE])
    return (f"### {title_of(record)}\n\n"
            + table(["op, kernel", "steps", "ms", "time", "GFLOP/s", "GB/s"], rows) + "\n")


def title_of(record):
    phase = {"train": "training", "predict": "predicting", "generate": "generating"}[record["phase"]]
    bf16 = ", bf16" if record.get("precision") == "bfloat16" else ""
    return f"{record['workload']}, {phase}, batch {record['batch']}, {record['threads']} threads{bf16}"


def missing_results(machine, records, all_threads):
    """A line for each kind of figure that the table of the bench has and the results lack."""
    lines = [] if machine else ["the machine's ceilings"]
    phases = [("train", None)] + [("predict", batch) for batch in run_bench.PREDICTED]
    for threads, precision in itertools.product(all_threads, run_bench.PEAKS):
        for phase, batch in phases:
            have = {record["workload"] for record in chosen(records, phase, threads, batch, precision)}
            absent = [name for name in run_bench.TABLE if name not in have]
            if absent:
                what = "training" if phase == "train" else f"predicting, batch {batch}"
                what += "" if precision == "float32" else ", bf16"
                lines.append(f"{what}, {threads} thread{'s' if threads > 1 else ''}: "
                             + (", ".join(absent) if len(absent) < len(run_bench.TABLE) else "all"))
    without = {"the peer's side": lambda record: PEER in record,
               "where the time goes": lambda record: "costs" in record,
               "a round in which others left the cores alone":
               lambda record: record["fathom"]["quiet_rounds"] > 0}
    for what, has in without.items():
        absent = [title_of(record) for record in records if not has(record)]
        if absent:
            lines.append(f"{what}: " + "; ".join(absent))
    return "".join(f"- {line}\n" for line in lines) or "Nothing.\n"


# ---- the picture ------------------------------------------------------------------------------------

WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 960, 560, 70, 20, 250, 60
STYLE = """
  svg { background: #ffffff; font: 13px system-ui, sans-serif; }
  text { fill: #1f2328; } .quiet { fill: #59636e; }
  .grid { stroke: #d1d9e0; stroke-width: 1; } .roof { stroke: #59636e; stroke-width: 2; fill: none; }
  .point { fill: #0969da; } .number { fill: #ffffff; font-size: 10px; text-anchor: middle; }
  @media (prefers-color-scheme: dark) {
    svg { background: #0d1117; }
    text { fill: #f0f6fc; } .quiet { fill: #9198a1; }
    .grid { stroke: #3d444d; } .roof { stroke: #9198a1; }
    .point { fill: #4493f8; } .number { fill: #0d1117; }
  }
"""


class Roofline:
    """Williams, Waterman, Patterson 2009: what operations a byte allow, on logarithmic axes. Each
    workload is a point at the flops and bytes of its steps' operands."""

    def __init__(self, peak, records):
        self.peak = peak
        self.points = [point for point in map(self.point_of, records) if point]
        across = [x for _, x, _ in self.points] + [peak["fma_gflops"] / peak["copy_memory_gbs"]]
        self.x_range = (10 ** math.floor(math.log10(min(across) / 2)),
                        10 ** math.ceil(math.log10(max(across) * 2)))
        self.y_range = (10 ** math.floor(math.log10(min([y for _, _, y in self.points]
                                                        + [peak["fma_gflops"] / 8]) / 1.5)),
                        1.6 * max([peak["fma_gflops"]] + [y for _, _, y in self.points]))

    @staticmethod
    def point_of(record):
        moved = sum(row["bytes"] for row in record.get("costs", []))
        if not moved or "gflops" not in record:
            return None
        flops = record["fathom"]["rounds"][0]["flops_per_sample"] * record["batch"]
        return record, flops / moved, record["gflops"]

    def x(self, value):
        low, high = map(math.log, self.x_range)
        return LEFT + (math.log(value) - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    def y(self, value):
        low, high = map(math.log, self.y_range)
        return HEIGHT - BOTTOM - (math.log(value) - low) / (high - low) * (HEIGHT - TOP - BOTTOM)

    def line(self, kind, x1, y1, x2, y2):
        return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'

    @staticmethod
    def text(x, y, words, kind="", anchor="start"):
        return (f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">'
                f"{html.escape(words)}</text>")

    def axes(self):
        parts, (x_low, x_high), (y_low, y_high) = [], self.x_range, self.y_range
        for power in range(-3, 7):
            for digit in (1, 2, 5):
                value = digit * 10.0**power
                words = f"{value:,.0f}" if value >= 1 else f"{value:g}"
                if x_low <= value <= x_high:
                    at = self.x(value)
                    parts += [self.line("grid", at, TOP, at, HEIGHT - BOTTOM),
                              self.text(at, HEIGHT - BOTTOM + 20, words, "quiet", "middle")]
                if y_low <= value <= y_high:
                    at = self.y(value)
                    parts += [self.line("grid", LEFT, at, WIDTH - RIGHT, at),
                              self.text(LEFT - 8, at + 4, words, "quiet", "end")]
        middle = (LEFT + WIDTH - RIGHT) / 2
        parts.append(self.text(middle, HEIGHT - 14, "flops for each byte of the steps' operands", "",
                               "middle"))
        parts.append(f'<text transform="translate(16 {(TOP + HEIGHT - BOTTOM) / 2:.0f}) rotate(-90)" '
                     'text-anchor="middle">GFLOP/s</text>')
        return parts

    def roofs(self):
        top = self.peak["fma_gflops"]
        parts = [self.line("roof", self.x(min(self.x_range[1], max(
            self.x_range[0], top / self.peak["copy_l2_gbs"]))), self.y(top), WIDTH - RIGHT, self.y(top)),
                 self.text(WIDTH - RIGHT - 4, self.y(top) - 6, f"fp32 peak, {top:.0f} GFLOP/s", "quiet",
                           "end")]
        for key, name in ROOFS:
            speed = self.peak[key]
            low = max(self.x_range[0], self.y_range[0] / speed)
            high = min(self.x_range[1], top / speed)
            if low >= high:
                continue
            parts.append(self.line("roof", self.x(low), self.y(low * speed), self.x(high),
                                   self.y(high * speed)))
            middle = math.sqrt(low * high)
            rise = math.degrees(math.atan2(self.y(high * speed) - self.y(low * speed),
                                           self.x(high) - self.x(low)))
            parts.append(f'<text class="quiet" text-anchor="middle" transform="translate('
                         f'{self.x(middle):.1f} {self.y(middle * speed) - 6:.1f}) rotate({rise:.1f})">'
                         f"{name}, {speed:.0f} GB/s</text>")
        return parts

    def places(self):
        """Circles that would cover each other move apart, up and down."""
        places = []
        for record, x, y in sorted(self.points, key=lambda point: -point[2]):
            across, down = self.x(x), self.y(y)
            while any(math.hypot(across - a, down - d) < 19 for a, d in places):
                down += 4
            places.append((across, down))
        return places

    def marks(self):
        parts = []
        ordered = sorted(self.points, key=lambda point: -point[2])
        for number, ((record, _, y), (across, down)) in enumerate(zip(ordered, self.places()), 1):
            words = f"{record['workload']}: {y:.0f} GFLOP/s, {record['share_of_peak']:.2f} of the peak"
            parts.append(f'<circle class="point" cx="{across:.1f}" cy="{down:.1f}" r="9">'
                         f"<title>{html.escape(words)}</title></circle>"
                         f'<text class="number" x="{across:.1f}" y="{down + 3.5:.1f}">{number}</text>')
            at = TOP + 14 + 20 * (number - 1)
            parts.append(self.text(WIDTH - RIGHT + 20, at,
                                   f"{number}  {record['workload']}, {y:.0f} GFLOP/s"))
        return parts

    def picture(self, title):
        return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
                f'aria-label="{html.escape(title)}">\n<title>{html.escape(title)}</title>\n'
                f"<style>{STYLE}</style>\n"
                + "\n".join(self.axes() + self.roofs() + self.marks()) + "\n</svg>\n")


# ---- the page ---------------------------------------------------------------------------------------


def pictures(machine, records, threads):
    """File name, title and picture of those that have points."""
    peak = machine and next((one for one in machine["peaks"] if one["threads"] == threads), None)
    if not peak:
        return []
    made = []
    for name, title, some in (
            ("roofline-training.svg", "Training", chosen(records, "train", threads)),
            ("roofline-predicting.svg", "Predicting, batch 1", chosen(records, "predict", threads, 1))):
        roofline = Roofline(peak, some)
        if roofline.points:
            words = f"{title}, {threads} threads: speed over operations for each byte"
            made.append((name, words, roofline.picture(words)))
    return made


INTRODUCTION = """# Performance

Written by `bench/write_performance.py` from `bench/results/`, which `./run bench` fills: both sides take
turns in one session, on the same shapes and data in memory, with as many parameters and threads. Figures
are medians of the rounds in which other programs left the cores alone. PyTorch is quoted at the fastest of
its settings that were tried (eager, compiled, channels last, fused optimisers, memory kept, subnormals as
zeros).
*Of peak* is the share of the multiply-adds of the same precision that the machine reached in the same
rounds; GFLOP/s count the multiplications and additions of the definition, so Winograd's algorithm may go
beyond 1. *MiB* is the largest resident size of the process. Where our side computes in bf16, PyTorch may do
so or not, whichever is faster.
"""


def page_of(machine, records, drawn):
    all_threads = sorted({record["threads"] for record in records} | {1, run_bench.PROCESSORS},
                         reverse=True)
    parts = [INTRODUCTION, "## The machine\n", about_machine(machine),
             "## Starting\n", about_start(machine)]
    for name, title, _ in drawn:
        parts.append(f"![{title}]({name})\n")
    if drawn:
        parts.append("A point lies at the flops for each byte of all operands of a step's kernels; what of "
                     "these bytes stays in which cache, the picture does not know.\n")
    for threads, precision in itertools.product(all_threads, run_bench.PEAKS):
        words = f"{threads} thread{'s' if threads > 1 else ''}"
        words += "" if precision == "float32" else ", bf16"
        some = chosen(records, "train", threads, None, precision)
        if some:
            parts += [f"## Training, {words}\n", about_speed(some)]
        for phase, title in (("predict", "Predicting"), ("generate", "Generating")):
            some = chosen(records, phase, threads, None, precision)
            for batch in sorted({record["batch"] for record in some}):
                parts += [f"## {title}, batch {batch}, {words}\n",
                          about_speed([record for record in some if record["batch"] == batch])]
    costly = [record for record in records if "costs" in record and record["threads"] == all_threads[0]]
    if costly:
        parts.append("## Where the time goes\n")
        parts += [about_costs(record) for record in costly if record["phase"] == "train"]
        parts += [about_costs(record) for record in costly
                  if record["phase"] == "predict" and record["batch"] == 1]
    parts += ["## What is missing\n", missing_results(machine, records, all_threads)]
    return "\n".join(parts)


def checksum(paths):
    """Of the files' bytes, one behind the other: what sha256sum says of `cat`."""
    whole = hashlib.sha256()
    for path in paths:
        whole.update(path.read_bytes())
    return whole.hexdigest()


def main():
    machine, records = load_results()
    threads = max([record["threads"] for record in records] + [1])
    drawn = pictures(machine, records, threads)
    for old in PAGE.parent.glob("roofline-*.svg"):
        old.unlink()
    for name, _, picture in drawn:
        (PAGE.parent / name).write_text(picture, encoding="utf-8")
    sources = sorted(run_bench.RESULTS.glob("*.json")) + [pathlib.Path(__file__)]
    page = page_of(machine, records, drawn)
    page_sum = hashlib.sha256(page.encode())
    for path in sorted(PAGE.parent.glob("roofline-*.svg")):
        page_sum.update(path.read_bytes())
    PAGE.write_text(page + f"<!-- results {checksum(sources)} page {page_sum.hexdigest()} -->\n",
                    encoding="utf-8")
    print(f"{PAGE.relative_to(ROOT)}: {len(records)} results")


if __name__ == "__main__":
    main()
