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
import statistics

import run_bench

ROOT = run_bench.ROOT
PAGE = ROOT / "docs" / "performance.md"
PEER, OTHER = "pytorch", "jax"
NONE = "–"
DEAREST = 6  # rows of a table of what takes the time
ROOFS = [("copy_l2_gbs", "L2"), ("copy_l3_gbs", "L3"), ("copy_memory_gbs", "memory")]


def load_results():
    """The machine's record, those of workloads, and those beside the other peer."""
    records = [json.loads(path.read_text(encoding="utf-8"))
               for path in sorted(run_bench.RESULTS.glob("*.json"))]
    machine = next((record for record in records if "workload" not in record), None)
    order = list(run_bench.WORKLOADS)
    records = [record for record in records if record.get("workload") in order]
    records.sort(key=lambda record: (order.index(record["workload"]), record["batch"]))
    return (machine, [record for record in records if OTHER not in record],
            [record for record in records if OTHER in record])


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
            f"{machine['isa']}, of bf16 by {bf16}; copies count what is read and written. A line of memory "
            f"takes {figure(machine['round_trip_ns'])} ns to another processor and back.\n\n"
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


NAMES = {"pytorch": "PyTorch", "jax": "JAX"}


def noisy(record):
    sides = [record[side] for side in ("fathom", *NAMES) if side in record]
    return "" if all(side["quiet_rounds"] for side in sides) else " (noisy)"


def about_speed(records):
    """With the batch where it is not in the heading: a workload's own."""
    batch = "" if records[0]["phase"] != "train" else "batch"
    rows = []
    for record in records:
        ours, theirs = record["fathom"], record.get(PEER)
        rows.append([record["workload"] + noisy(record), *([str(record["batch"])] if batch else []),
                     figure(ours["median"]), f"{figure(ours['lowest'])} to {figure(ours['highest'])}",
                     figure(theirs and theirs["median"]), figure(record.get("ratio")),
                     figure(record.get("gflops")), figure(record.get("share_of_peak")),
                     mebibytes(ours), mebibytes(theirs), setting_of(theirs), record["date"]])
    return table(["workload", *([batch] if batch else []), "samples/s", "lowest to highest", "PyTorch",
                  "ratio", "GFLOP/s", "of peak", "MiB", "PyTorch MiB", "its setting", "date"], rows) + "\n"


PHASES = [("train", None, "training")] + [("predict", batch, f"predicting {batch}")
                                          for batch in run_bench.PREDICTED]


def about_ratios(records, threads, precision):
    """All workloads at a glance: a row each, a column for each kind of work."""
    rows = []
    for name in run_bench.TABLE:
        row = [name]
        for phase, batch, _ in PHASES:
            some = [record for record in chosen(records, phase, threads, batch, precision)
                    if record["workload"] == name and "ratio" in record]
            row.append(figure(some[0]["ratio"]) + noisy(some[0]) if some else NONE)
        if any(cell != NONE for cell in row[1:]):
            rows.append(row)
    return table(["workload", *(title for _, _, title in PHASES)], rows) + "\n" if rows else ""


def about_other(records):
    order = list(run_bench.WORKLOADS)
    rows = []
    for record in sorted(records, key=lambda record: (
            order.index(record["workload"]), record["phase"] != "train", record["batch"],
            -record["threads"], record["precision"] != "float32")):
        ours, theirs = record["fathom"], record[OTHER]
        kind = "training" if record["phase"] == "train" else "predicting"
        rows.append([record["workload"] + noisy(record), kind, str(record["batch"]), str(record["threads"]),
                     "bf16" if record["precision"] == "bfloat16" else "f32", figure(ours["median"]),
                     figure(theirs["median"]), figure(record["ratio"]), mebibytes(ours),
                     mebibytes(theirs), setting_of(theirs), record["date"]])
    return table(["workload", "work", "batch", "threads", "precision", "samples/s", NAMES[OTHER], "ratio",
                  "MiB", f"{NAMES[OTHER]} MiB", "its setting", "date"], rows) + "\n"


def about_kernel(row):
    """cpu.avx512.winograd.convolve of the op convolve: what is left is where it runs."""
    place = row["kernel"].removesuffix("." + row["op"])
    return row["op"] if place == row["kernel"] == row["op"] else f"{row['op']} ({place})"


def about_costs(record):
    costs = record["costs"]
    total = sum(row["seconds"] for row in costs) or 1
    rows = [[about_kernel(row), str(row["steps"]), f"{1e3 * row['seconds']:.3f}",
             f"{100 * row['seconds'] / total:.1f} %", figure(row["flops"] / row["seconds"] * 1e-9),
             figure(row["bytes"] / row["seconds"] * 1e-9)]
            for row in costs[:DEAREST] if row["seconds"] > 0]
    rest = total - sum(row["seconds"] for row in costs[:DEAREST])
    if len(costs) > DEAREST:
        rows.append(["others", str(sum(row["steps"] for row in costs[DEAREST:])), f"{1e3 * rest:.3f}",
                     f"{100 * rest / total:.1f} %", NONE, NONE])
    what = "token behind all others" if record["phase"] == "generate" else "step"
    return (f"<details><summary>{title_of(record)}: {1e3 * total:.3g} ms a {what}</summary>\n\n"
            + table(["op (kernels)", "steps", "ms", "time", "GFLOP/s", "GB/s"], rows)
            + "\n\n</details>\n")


WINOGRAD = 4  # times fewer products in F(4x4, 3x3): 36 instead of 144 for 16 results


def floor_of(row, record):
    """Seconds in which a group of steps cannot be beaten, and whether arithmetic takes them: its
    multiply-adds at the peak, or its operands copied by the smallest cache that holds a step's."""
    peak = {key: statistics.median(machine["peaks"][0][key] for machine in record["machine_peaks"])
            for key in ("fma_gflops", "bf16_gflops", *(key for key, _ in ROOFS))}
    machine, bytes_of_step = record["machine_peaks"][0], row["bytes"] / row["steps"]
    speed = ("copy_l2_gbs" if bytes_of_step <= machine["l2_bytes"] * record["threads"] else
             "copy_l3_gbs" if bytes_of_step <= machine["l3_bytes"] else "copy_memory_gbs")
    top = "bf16_gflops" if "_bf16." in row["kernel"] else "fma_gflops"
    arithmetic = row["flops"] / (WINOGRAD if "winograd" in row["kernel"] else 1) / peak[top]
    moving = row["bytes"] / peak[speed]
    return 1e-9 * max(arithmetic, moving), arithmetic >= moving


def about_floors(records):
    rows = []
    for record in records:
        floors = [floor_of(row, record) for row in record["costs"]]
        whole = sum(seconds for seconds, _ in floors)
        step = record["batch"] / record["fathom"]["median"]
        kernels = sum(row["seconds"] for row in record["costs"])
        arithmetic = sum(seconds for seconds, counts in floors if counts)
        words = record["workload"] + (" (bf16)" if record.get("precision") == "bfloat16" else "")
        ratio = record.get("ratio")
        rows.append([words, figure(1e3 * step), figure(1e3 * kernels), figure(1e3 * whole),
                     f"{100 * arithmetic / whole:.0f} %", figure(ratio),
                     figure(ratio and ratio * step / whole)])
    return table(["", "ms a step", "its kernels", "floor", "of it arithmetic", "ratio", "at the floor"],
                 rows) + "\n"


def title_of(record):
    phase = {"train": "training", "predict": "predicting", "generate": "generating"}[record["phase"]]
    return (f"{record['workload']}, {phase}, batch {record['batch']}, "
            + words_of(record["threads"], record.get("precision", "float32")))


def words_of(threads, precision):
    words = f"{threads} thread{'s' if threads > 1 else ''}"
    return words if precision == "float32" else words + ", bf16"


def missing_results(machine, records, all_threads):
    """A line for each kind of figure that the table of the bench has and the results lack."""
    lines, wholly = [] if machine else ["the machine's ceilings"], []
    for threads, precision in itertools.product(all_threads, run_bench.PEAKS):
        for phase, batch, title in PHASES:
            have = {record["workload"] for record in chosen(records, phase, threads, batch, precision)}
            absent = [name for name in run_bench.TABLE if name not in have]
            what = f"{title}, {words_of(threads, precision)}"
            if len(absent) == len(run_bench.TABLE):
                wholly.append(what)
            elif absent:
                lines.append(f"{what}: " + ", ".join(absent))
    if wholly:
        lines.append("all of: " + "; ".join(wholly))
    without = {"the peer's side": lambda record: PEER in record,
               "where the time goes": lambda record: "costs" in record,
               "a round in which others left the cores alone, and those were near each other":
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
  .name { paint-order: stroke; stroke: #ffffff; stroke-width: 4px; }
  @media (prefers-color-scheme: dark) {
    svg { background: #0d1117; } .name { stroke: #0d1117; }
    text { fill: #f0f6fc; } .quiet { fill: #9198a1; }
    .grid { stroke: #3d444d; } .roof { stroke: #9198a1; }
    .point { fill: #4493f8; } .number { fill: #0d1117; }
  }
"""


class Roofline:
    """Williams, Waterman, Patterson 2009: what operations a byte allow, on logarithmic axes. Each
    workload is a point at the flops and bytes of its steps' operands."""

    def __init__(self, peak, precision, records):
        self.peak, self.top = peak, peak[run_bench.PEAKS[precision]]
        self.top_name = "fp32" if precision == "float32" else "bf16"
        self.points = [point for point in map(self.point_of, records) if point]
        across = [x for _, x, _ in self.points] + [self.top / peak[key] for key, _ in ROOFS]
        up = [y for _, _, y in self.points] + [self.top / 8, self.top]
        self.x_range = (self.tick_beyond(min(across) / 4, -1), self.tick_beyond(max(across) * 1.2, 1))
        self.y_range = (self.tick_beyond(min(up) / 1.3, -1), 1.6 * max(up))

    @staticmethod
    def tick_beyond(value, way):
        """The next of 1, 2, 5, 10, ... below or above."""
        ticks = [digit * 10.0**power for power in range(-6, 9) for digit in (1, 2, 5)]
        return (min(tick for tick in ticks if tick >= value) if way > 0
                else max(tick for tick in ticks if tick <= value))

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
        top = self.top
        parts = [self.line("roof", self.x(min(self.x_range[1], max(
            self.x_range[0], top / self.peak["copy_l2_gbs"]))), self.y(top), WIDTH - RIGHT, self.y(top)),
                 self.text(WIDTH - RIGHT - 4, self.y(top) - 6, f"{self.top_name} peak, {top:.0f} GFLOP/s",
                           "quiet name", "end")]
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
            parts.append(f'<text class="quiet name" text-anchor="middle" transform="translate('
                         f'{self.x(middle):.1f} {self.y(middle * speed):.1f}) rotate({rise:.1f}) '
                         f'translate(0 {-6 if key == ROOFS[0][0] else 16})">{name}, {speed:.0f} GB/s</text>')
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
    made = []
    for precision, (name, title, phase, batch) in itertools.product(
            run_bench.PEAKS, (("roofline-training", "Training", "train", None),
                              ("roofline-predicting", "Predicting, batch 1", "predict", 1))):
        some = chosen(records, phase, threads, batch, precision)
        if not peak or not peak[run_bench.PEAKS[precision]] or not any(map(Roofline.point_of, some)):
            continue
        words = f"{title}, {words_of(threads, precision)}: speed over operations for each byte"
        name += ".svg" if precision == "float32" else "-bf16.svg"
        made.append((name, words, Roofline(peak, precision, some).picture(words)))
    return made


INTRODUCTION = """# Performance

Written by `bench/write_performance.py` from `bench/results/`, which `./run bench` fills: both sides take
turns in one session, on the same shapes and data in memory, with as many parameters and threads. Figures
are medians of the rounds in which other programs left the cores alone, and the host of a virtual machine had
its processors on one die. PyTorch is quoted at the fastest of its settings that were tried (eager, compiled,
channels last, fused optimisers, memory kept, subnormals as zeros).
*Of peak* is the share of the multiply-adds of the same precision that the machine reached in the same
rounds; GFLOP/s count the multiplications and additions of the definition, so Winograd's algorithm may go
beyond 1. *MiB* is the largest resident size of the process. Where our side computes in bf16, PyTorch may do
so or not, whichever is faster. *Noisy* are figures of which no round was free of other programs.
"""


def speeds_of(records, threads, precision):
    """The tables of one number of threads in one precision, the ratios of all first."""
    ratios, words = about_ratios(records, threads, precision), words_of(threads, precision)
    parts = [f"## {words[0].upper() + words[1:]}\n"]
    if ratios:
        parts += ["How many times as fast as PyTorch:\n", ratios]
    some = chosen(records, "train", threads, None, precision)
    if some:
        parts += [f"### Training, {words}\n", about_speed(some)]
    for phase, title in (("predict", "Predicting"), ("generate", "Generating")):
        some = chosen(records, phase, threads, None, precision)
        for batch in sorted({record["batch"] for record in some}):
            parts += [f"### {title}, batch {batch}, {words}\n",
                      about_speed([record for record in some if record["batch"] == batch])]
    return parts if len(parts) > 1 else []


ABOUT_OTHER = """JAX at the fastest of its settings that were tried (compiled as one function, with donated buffers,
fast mathematics, unrolled recurrences, its own generator of random numbers), our side measured anew in turn
with it.
"""


ABOUT_FLOORS = """*Its kernels* are the shortest times of a step's kernels, each timed alone and added up.
The *floor* is what these kernels would take without any loss: of each the multiply-adds at the peak of their
precision, a quarter of them where Winograd's algorithm is used, its transforms not counted; or, where that
takes longer, what it reads and writes, copied by the smallest cache that holds it. *At the floor* is the
ratio to PyTorch that a step of that length would have: a program of these kernels has none above it, but
for those that leave out products with padding, which count here (ResNet-18's last layers in bf16).
"""


def page_of(machine, records, others, drawn):
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
        parts += speeds_of(records, threads, precision)
    if others:
        parts += [f"## Beside {NAMES[OTHER]}\n", ABOUT_OTHER, about_other(others)]
    costly = [record for record in records if "costs" in record and record["threads"] == all_threads[0]]
    if costly:
        parts += ["## What the machine allows in training\n", ABOUT_FLOORS,
                  about_floors([record for record in costly if record["phase"] == "train"])]
        parts.append("## Where the time goes\n")
        parts += [about_costs(record) for record in costly if record["phase"] == "train"]
        parts += [about_costs(record) for record in costly
                  if record["phase"] != "train" and record["batch"] == 1]
    parts += ["## What is missing\n", missing_results(machine, records, all_threads)]
    return "\n".join(parts)


def checksum(paths):
    """Of the files' bytes, one behind the other: what sha256sum says of `cat`."""
    whole = hashlib.sha256()
    for path in paths:
        whole.update(path.read_bytes())
    return whole.hexdigest()


def main():
    machine, records, others = load_results()
    threads = max([record["threads"] for record in records] + [1])
    drawn = pictures(machine, records, threads)
    for old in PAGE.parent.glob("roofline-*.svg"):
        old.unlink()
    for name, _, picture in drawn:
        (PAGE.parent / name).write_text(picture, encoding="utf-8")
    sources = sorted(run_bench.RESULTS.glob("*.json")) + [pathlib.Path(__file__)]
    page = page_of(machine, records, others, drawn)
    page_sum = hashlib.sha256(page.encode())
    for path in sorted(PAGE.parent.glob("roofline-*.svg")):
        page_sum.update(path.read_bytes())
    PAGE.write_text(page + f"<!-- results {checksum(sources)} page {page_sum.hexdigest()} -->\n",
                    encoding="utf-8")
    print(f"{PAGE.relative_to(ROOT)}: {len(records) + len(others)} results")


if __name__ == "__main__":
    main()
