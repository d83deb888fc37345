"""``simclr runs``: lists the runs of a work directory. Imports lazily, as ``cli`` does."""

import argparse
import sys

from pipeline.commands import command_line


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    text = "List the runs of a work directory with verdict, accuracy, and what differs from the run before."
    command_line.add_workdir(command_line.add_command(commands, "runs", _runs, text))


def _runs(arguments: argparse.Namespace) -> int:
    from components.contracts.plain_text import printable
    from pipeline.local import journal
    from pipeline.workdir import Workdir

    workdir = Workdir(arguments.workdir.resolve(), "")
    found = list(journal.rows(workdir))
    if not found:
        raise FileNotFoundError(f"{arguments.workdir}: expected a work directory with runs, found none; name another")
    for row in found:
        sys.stdout.write(printable(f"{row.run:<23} {row.verdict:<11} {row.accuracy:<6} {row.changes}") + "\n")
    return 0
