"""``simclr schema``: shows what the data should look like, or accepts new data as normal."""

import argparse
import pathlib
import sys
from typing import TYPE_CHECKING

from pipeline.commands import command_line

if TYPE_CHECKING:
    from pipeline.metadata import schema_review


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
    from pipeline.metadata import schema_review

    sys.stdout.write(schema_review.show(_reviewed_runs(arguments)))
    return 0


def _accept(arguments: argparse.Namespace) -> int:
    from pipeline.metadata import schema_review

    sys.stdout.write(f"{schema_review.accept(_reviewed_runs(arguments))}\n")
    return 0


def _reviewed_runs(arguments: argparse.Namespace) -> "schema_review.Runs":
    from pipeline.metadata import schema_review

    if arguments.pipeline is not None:
        return schema_review.cluster_runs(arguments.pipeline)
    return schema_review.local_runs(arguments.workdir.resolve())
