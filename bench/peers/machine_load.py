"""How busy others keep the cores: a second thread on a shared core makes OpenMP ten times slower."""

import os
import time

TICK = os.sysconf("SC_CLK_TCK")
QUIET = 0.2  # cores that others may keep busy during a round that counts


def busy_seconds():
    """Of all cores, without idle and waiting for disks."""
    with open("/proc/stat") as file:
        fields = [int(v) for v in file.readline().split()[1:]]
    return (sum(fields[:8]) - fields[3] - fields[4]) / TICK


def own_seconds():
    times = os.times()
    return times.user + times.system


class LoadMeter:
    """cores(): how many cores others have kept busy since the meter was made."""

    def __init__(self):
        self.start, self.busy, self.own = time.perf_counter(), busy_seconds(), own_seconds()

    def cores(self):
        seconds = max(time.perf_counter() - self.start, 1e-9)
        others = (busy_seconds() - self.busy) - (own_seconds() - self.own)
        return max(0.0, others / seconds)


def wait_until_quiet(limit_seconds, cores=0.1):
    deadline = time.perf_counter() + limit_seconds
    while time.perf_counter() < deadline:
        meter = LoadMeter()
        time.sleep(0.3)
        if meter.cores() < cores:
            return
