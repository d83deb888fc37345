"""`python -m benchmarks [subject …]`: measure the named subjects, or all but the longest."""

import argparse
import importlib
import os
import sys

SUBJECTS = {
    "nt_xent": "nt_xent.measure",
    "augmentations": "augmentations.measure",
    "albumentations_policy": "albumentations_policy.measure",
    "logistic_regression": "logistic_regression.measure",
    "ingestion": "ingestion.measure",
    "view_gen": "view_gen.measure",
    "embed": "embed.measure",
    "memory": "memory.measure",
    "resnet18_32px": "training.resnet18_32px",
    "resnet50_32px": "training.resnet50_32px",
    "resnet50_224px": "training.resnet50_224px",
    "defaults_digits": "defaults.digits",
    "defaults_cifar10": "defaults.cifar10",
}
_ONLY_WHEN_NAMED = ("defaults_digits", "defaults_cifar10")  # they take half an hour and more


def main(arguments: list[str]) -> int:
    """Measure the subjects and write the table; returns 0, even if a subject was skipped."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "subjects",
        nargs="*",
        metavar="subject",
        help=f"one or more of {', '.join(SUBJECTS)}; without any, all but the last two",
    )
    parser.add_argument(
        "--turns",
        type=int,
        default=7,
        help="turns per side, the best one counts; for training: seconds per batch size",
    )
    parsed = parser.parse_args(arguments)
    unknown = sorted(set(parsed.subjects) - set(SUBJECTS))
    if unknown:
        parser.error(f"no such subject: {', '.join(unknown)}; there are {', '.join(SUBJECTS)}")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from benchmarks import table

    sys.stdout.write(table.header())
    cores = os.sched_getaffinity(0)
    for subject in parsed.subjects or [name for name in SUBJECTS if name not in _ONLY_WHEN_NAMED]:
        os.sched_setaffinity(0, cores)  # an earlier subject may have pinned the process to one core
        _write(table.title(subject))
        try:
            _measure(subject, parsed.turns)
        except table.SkippedError as reason:
            _write(f"skipped: {reason}")
    return 0


def _measure(subject: str, turns: int) -> None:
    from benchmarks import table

    module, function = SUBJECTS[subject].split(".")
    measure = getattr(importlib.import_module(f"benchmarks.{module}"), function)
    measure(lambda row: _write(table.line(row)), turns)


def _write(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
