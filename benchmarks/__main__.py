"""`python -m benchmarks [subject …]`: all subjects, or those named; `--list` names them."""

import argparse
import importlib
import os
import sys

SUBJECTS = ("nt_xent", "augmentations", "albumentations_policy", "logistic_regression", "ingestion", "view_gen")


def main(arguments: list[str]) -> int:
    """Measure and write the table; 0 also where a subject was skipped."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "subjects", nargs="*", metavar="subject", help=f"of {', '.join(SUBJECTS)}; all where none is named"
    )
    parser.add_argument("--turns", type=int, default=7, help="of each side; the best counts")
    parsed = parser.parse_args(arguments)
    unknown = sorted(set(parsed.subjects) - set(SUBJECTS))
    if unknown:
        parser.error(f"no such subject: {', '.join(unknown)}; there are {', '.join(SUBJECTS)}")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from benchmarks import table

    sys.stdout.write(table.header())
    for subject in parsed.subjects or SUBJECTS:
        _write(table.title(subject))
        try:
            measure = importlib.import_module(f"benchmarks.{subject}").measure
            measure(lambda row: _write(table.line(row)), parsed.turns)
        except table.SkippedError as reason:
            _write(f"skipped: {reason}")
    return 0


def _write(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
