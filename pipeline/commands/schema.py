"""``simclr schema``: shows what the data should look like, or accepts new data as normal."""

import argparse
import contextlib
import pathlib
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from pipeline.commands import command_line

if TYPE_CHECKING:
    from pipeline.metadata import schema_review

_STANDARD_ERROR = 2  # of the process; in a notebook or a test, sys.stderr has no descriptor


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the group."""
    parser = commands.add_parser("schema", help="Show what the data should look like, or accept new data as normal.")
    actions = parser.add_subparsers(title="actions", required=True, metavar="ACTION")
    for name, command, text in (
        ("show", _show, "Print the schema in use."),
        ("accept", _accept, "Accept the schema of the latest run's data; look at its anomalies first."),
    ):
        where = command_line.add_command(actions, name, command, text).add_mutually_exclusive_group(required=True)
        where.add_argument("--workdir", type=pathlib.Path, help="work directory of local runs, such as runs/digits")
        where.add_argument(
            "--pipeline", help="name of a pipeline on a cluster; SIMCLR_METADATA_CONNECTION names its ML Metadata"
        )


def _show(arguments: argparse.Namespace) -> int:
    command_line.silence_libraries()
    from pipeline.metadata import schema_review

    with _reviewed_runs(arguments) as runs:
        sys.stdout.write(schema_review.show(runs))
    return 0


def _accept(arguments: argparse.Namespace) -> int:
    from components.contracts.plain_text import printable

    command_line.silence_libraries()
    from pipeline.metadata import schema_review

    with _reviewed_runs(arguments) as runs:
        sys.stdout.write(f"{printable(schema_review.accept(runs))}\n")
    return 0


@contextlib.contextmanager
def _reviewed_runs(arguments: argparse.Namespace) -> "Iterator[schema_review.Runs]":
    """The runs to look at; within the context, a person is told if their database is locked."""
    from pipeline.metadata import lock_watch, schema_review
    from pipeline.workdir import Workdir

    if arguments.pipeline is not None:
        yield schema_review.cluster_runs(arguments.pipeline)
        return
    workdir = arguments.workdir.resolve()
    database = pathlib.Path(Workdir(workdir, "").metadata_path)
    with lock_watch.say_when_waiting(database, _STANDARD_ERROR):
        yield schema_review.local_runs(workdir)
