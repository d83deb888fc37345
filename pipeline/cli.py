"""The commands people type. Imports lazily: TFX takes ten seconds and more, ``--help`` and a config error about one."""

import argparse
import os
import pathlib
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline import (
    command_line,
    embedding_command,
    kubeflow_commands,
    registry_commands,
    report_command,
    transfer_command,
)

if TYPE_CHECKING:
    from pipeline import schema_review

_EXIT_FAILED = 1
_EXIT_USAGE = 2
_EXIT_NOT_BLESSED = 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: of the command line; by default those of the process.

    Returns:
        0 for success, 1 for a failed run or a refused request, 2 for wrong usage or a config that can't be used, 3 for
        a run without a blessing where ``--require-blessing`` asks for one.
    """
    parsed = _parser().parse_args(arguments)
    from components.contracts.configuration import ConfigError

    # TensorFlow's C++ log starts before any Python setting of ours could be read.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        return parsed.command(parsed)
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return _EXIT_USAGE
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted. The same command goes on from where this one stopped.\n")
        return 130
    except Exception as error:
        sys.stderr.write(f"Error: {_cause(error)}\n")
        return _EXIT_FAILED


def _cause(error: BaseException) -> str:
    """The innermost message; Beam wraps what a step raised, and adds where it was."""
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error).partition(" [while running ")[0] or type(error).__name__


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="simclr", description="Turn images with few labels into a registered image encoder."
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_run(commands)
    _add_kubeflow(commands)
    _add_config(commands)
    _add_schema(commands)
    report_command.add(commands)
    registry_commands.add(commands)
    embedding_command.add(commands)
    transfer_command.add(commands)
    return parser


# -- run ---------------------------------------------------------------------------------------------------------------


def _add_run(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = command_line.add_command(commands, "run", _run, "Run the whole pipeline on this machine.")
    command_line.add_config_arguments(parser)
    parser.add_argument(
        "--workdir", type=pathlib.Path, help="holds all runs of one pipeline (default: runs/<name of the config>)"
    )
    parser.add_argument("--data", help="folder (or URI) of the images; by default the config's bundled data")
    parser.add_argument("--runner", choices=("local", "beam"), default="local", help="LocalDagRunner or BeamDagRunner")
    parser.add_argument("--require-blessing", action="store_true", help="exit with 3 when the model is not blessed")


def _run(arguments: argparse.Namespace) -> int:
    from pipeline import config as pipeline_config
    from pipeline import local_runner
    from pipeline.places import Places

    config = pipeline_config.load(arguments.config, tuple(arguments.overrides))
    workdir = (arguments.workdir or command_line.workdir_of(arguments.config)).resolve()
    data_root = _data_root(arguments, has_bundled_data=config.bundled_data is not None)
    places = Places(workdir=workdir, data_root=data_root or str(Places(workdir, "").bundled_data))
    finished = local_runner.run(config, places, local_runner.RunnerKind(arguments.runner))
    sys.stdout.write(f"{finished.outcome.text()}\nLog        {places.log(finished.run_id)}\n")
    if arguments.require_blessing and not finished.outcome.is_blessed:
        return _EXIT_NOT_BLESSED
    return 0


def _data_root(arguments: argparse.Namespace, has_bundled_data: bool) -> str | None:
    """The folder or URI of the images; None for the config's own."""
    from components.contracts.configuration import ConfigError

    if arguments.data is None:
        if not has_bundled_data:
            raise ConfigError(f"--config {arguments.config} brings no data: name a folder of images with --data")
        return None
    if "://" in arguments.data:
        return arguments.data
    folder = pathlib.Path(arguments.data).resolve()
    if not folder.is_dir():
        raise ConfigError(f"--data {arguments.data}: expected a folder of images, found none at {folder}")
    return str(folder)


# -- kubeflow ----------------------------------------------------------------------------------------------------------


def _add_kubeflow(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    here = kubeflow_commands
    for name, command, add_arguments, text in (
        ("compile", here.compile_pipeline, here.add_compile_arguments, "Write the graph and its Kubeflow pipeline."),
        ("submit", here.submit, here.add_submit_arguments, "Start a run on Kubeflow Pipelines."),
        ("schedule", here.schedule, here.add_schedule_arguments, "Start runs again and again, never two at once."),
        ("backfill", here.backfill, here.add_backfill_arguments, "Run past spans in order, one at a time."),
        ("status", here.status, here.add_status_arguments, "List the latest runs on Kubeflow Pipelines."),
    ):
        parser = command_line.add_command(commands, name, command, text)
        command_line.add_config_arguments(parser)
        add_arguments(parser)


# -- config ------------------------------------------------------------------------------------------------------------


def _add_config(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("config", help="Look at settings.", description="Look at settings.")
    actions = parser.add_subparsers(title="actions", required=True, metavar="ACTION")
    for name, command, text in (
        ("show", _config_show, "Print the resolved config, every default written out."),
        ("describe", _config_describe, "Print every setting with its value and what it means."),
    ):
        command_line.add_config_arguments(command_line.add_command(actions, name, command, text))


def _config_show(arguments: argparse.Namespace) -> int:
    from pipeline import config as pipeline_config

    sys.stdout.write(pipeline_config.to_yaml(pipeline_config.load(arguments.config, tuple(arguments.overrides))))
    return 0


def _config_describe(arguments: argparse.Namespace) -> int:
    from pipeline import config as pipeline_config

    config = pipeline_config.load(arguments.config, tuple(arguments.overrides))
    for key, value, description in pipeline_config.describe(config):
        sys.stdout.write(f"{key} = {value}\n    {description}\n")
    return 0


# -- schema ------------------------------------------------------------------------------------------------------------


def _add_schema(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("schema", help="Look at or accept what data should look like.")
    actions = parser.add_subparsers(title="actions", required=True, metavar="ACTION")
    for name, command, text in (
        ("show", _schema_show, "Print the schema in use."),
        ("accept", _schema_accept, "Take over the schema of the latest run's data, after a look at its anomalies."),
    ):
        where = command_line.add_command(actions, name, command, text).add_mutually_exclusive_group(required=True)
        where.add_argument("--workdir", type=pathlib.Path, help="of local runs, such as runs/digits")
        where.add_argument(
            "--pipeline", help="name of a pipeline on a cluster; SIMCLR_METADATA_CONNECTION says where ML Metadata is"
        )


def _schema_show(arguments: argparse.Namespace) -> int:
    from pipeline import schema_review

    sys.stdout.write(schema_review.show(_reviewed_runs(arguments)))
    return 0


def _schema_accept(arguments: argparse.Namespace) -> int:
    from pipeline import schema_review

    sys.stdout.write(f"{schema_review.accept(_reviewed_runs(arguments))}\n")
    return 0


def _reviewed_runs(arguments: argparse.Namespace) -> "schema_review.Runs":
    from pipeline import schema_review

    if arguments.pipeline is not None:
        return schema_review.cluster_runs(arguments.pipeline)
    return schema_review.local_runs(arguments.workdir.resolve())
