"""``simclr clean``: removes large files of old runs from a work directory. Imports lazily, as ``cli`` does."""

import argparse
import sys

from pipeline.commands import command_line

_MEBIBYTE = 2**20


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    text = "Remove image records, views and features that only old runs used; models, verdicts and reports stay."
    parser = command_line.add_command(commands, "clean", _clean, text)
    command_line.add_workdir(parser)
    parser.add_argument(
        "--keep-runs", type=_positive, required=True, metavar="N", help="how many of the newest runs keep everything"
    )
    parser.add_argument("--dry-run", action="store_true", help="only say what would be removed")


def _positive(text: str) -> int:
    number = int(text) if text.isdecimal() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, found {text!r}")
    return number


def _clean(arguments: argparse.Namespace) -> int:
    from pipeline import local_runner
    from pipeline.local import cleaning
    from pipeline.workdir import Workdir

    workdir = Workdir(arguments.workdir.resolve(), "")
    if not workdir.path.is_dir():
        raise FileNotFoundError(f"{arguments.workdir}: expected a work directory, found none")
    command_line.silence_libraries()
    with local_runner.sole_use(workdir.path):
        removed = cleaning.clean(workdir, arguments.keep_runs, arguments.dry_run)
    for one in removed:
        sys.stdout.write(f"{one.bytes / _MEBIBYTE:10,.1f} MiB  {one.path}\n")
    total = sum(one.bytes for one in removed) / _MEBIBYTE
    what = "would be removed" if arguments.dry_run else "removed"
    sys.stdout.write(f"{total:10,.1f} MiB {what}\n")
    return 0
