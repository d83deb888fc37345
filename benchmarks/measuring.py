"""Measures the time of several sides that take turns, and the peak memory of a function in its own process.

A shared machine is slow for seconds at a time. Sides that alternate meet the same slow seconds, and the best of several
turns is the least disturbed one. CPU time is measured too, for machines that are never quiet.
"""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

ROOT = pathlib.Path(__file__).resolve().parents[1]
KILLED = -signal.SIGKILL  # return code


class Timing(NamedTuple):
    """Seconds of one side."""

    best: float  # wall
    spread: float  # slowest turn divided by best
    cpus: list[float]  # of each turn

    @property
    def cpu(self) -> float:
        """The best turn."""
        return min(self.cpus)


def alternate(sides: Mapping[str, Callable[[], object]], turns: int) -> dict[str, Timing]:
    """Let the sides take turns, after one turn each that does not count.

    Args:
        sides: the function of one turn, by name of the side.
        turns: number per side, >= 1.
    """
    for side in sides.values():
        side()
    walls: dict[str, list[float]] = {name: [] for name in sides}
    cpus: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(turns):
        for name, side in sides.items():
            wall, cpu = time.perf_counter(), time.process_time()
            side()
            walls[name].append(time.perf_counter() - wall)
            cpus[name].append(time.process_time() - cpu)
    return {name: Timing(min(walls[name]), max(walls[name]) / min(walls[name]), cpus[name]) for name in sides}


def pin_to_one_core() -> None:
    """Keep this process on one core, so that views per second are per core."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def peak_mib() -> float:
    """Largest resident memory of this process since ``forget_peak``."""
    status = pathlib.Path("/proc/self/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1024


def forget_peak() -> None:
    """Let ``peak_mib`` start anew from what is resident now."""
    pathlib.Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def available_mib() -> float:
    """Memory that this process can still allocate: of the machine, or of the container if its limit is lower."""
    lines = pathlib.Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    free = next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable")) / 1024
    group = pathlib.Path("/sys/fs/cgroup")
    limit, used = group / "memory.max", group / "memory.current"
    if not limit.exists() or limit.read_text(encoding="ascii").strip() == "max":
        return free
    return min(free, (int(limit.read_text(encoding="ascii")) - int(used.read_text(encoding="ascii"))) / 2**20)


def be_the_first_to_go() -> None:
    """Ask the system to kill this process first if memory runs out; its return code is then ``KILLED``."""
    pathlib.Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")


def in_own_process(module: str, *arguments: str) -> dict[str, float]:
    """Run ``python -m module arguments`` and read the JSON object on its last line.

    Raises:
        subprocess.CalledProcessError: it failed; its errors are on stderr.
    """
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.strip().splitlines()[-1])
