"""Rows of a benchmark as text, under a line that says machine, versions and commit."""

import importlib.metadata
import os
import pathlib
import platform
import subprocess
from collections.abc import Callable
from typing import NamedTuple

_ROOT = pathlib.Path(__file__).resolve().parents[1]
_PACKAGES = ("tensorflow", "keras", "numpy", "scipy", "opencv-python-headless", "pillow", "scikit-learn", "apache-beam")


class Row(NamedTuple):
    """One line of the table."""

    case: str
    ours: str
    other: str = ""  # name and figure of what it is compared with
    ratio: float | None = None
    target: str = ""  # such as ">= 1.8"
    remark: str = ""


Report = Callable[[Row], None]


class SkippedError(Exception):
    """A subject that cannot be measured here; the message says why."""


def header() -> str:
    """Machine, load, versions and commit."""
    versions = ", ".join(f"{name} {_version(name)}" for name in _PACKAGES)
    cores = len(os.sched_getaffinity(0))
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return (
        f"machine   {_processor()}, {cores} cores, load {load}\n"
        f"versions  Python {platform.python_version()}, {versions}\n"
        f"commit    {_commit()}\n"
    )


def line(row: Row) -> str:
    """A row, with its ratio beside its target."""
    ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
    return f"{row.case:42.42} {row.ours:>24} {row.other:>34} {ratio:>7} {row.target:>8}  {row.remark}".rstrip()


def title(subject: str) -> str:
    """Column names of a subject."""
    return f"\n{subject}\n" + line(Row("case", "ours", "compared with", None, "target")).replace(
        "target", "ratio  target"
    )


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "-"


def _processor() -> str:
    for entry in pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if entry.startswith("model name"):
            return entry.split(":", 1)[1].strip()
    return platform.processor()


def _commit() -> str:
    described = ("git", "-C", str(_ROOT), "describe", "--always", "--dirty")
    done = subprocess.run(described, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
    return done.stdout.strip() or "unknown"
