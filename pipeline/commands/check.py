"""``simclr check``: says before a run what its data, its minimums, its machine and its time are."""

import argparse
import sys

from pipeline.commands import command_line

_EXIT_PROBLEM = 1


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    text = "Look at data, minimums, GPUs, disk and time before a run, without decoding all images."
    command_line.add_run_arguments(command_line.add_command(commands, "check", _check, text))


def _check(arguments: argparse.Namespace) -> int:
    from components.contracts.configuration import ConfigError
    from pipeline import config as pipeline_config

    config = pipeline_config.load(arguments.config, tuple(arguments.overrides))
    if config.ingestion.span_pattern:
        raise ConfigError(
            f"simclr check --config {arguments.config}: ingestion.span_pattern is {config.ingestion.span_pattern}, but "
            "the check looks at one folder: name that of a span with --data, and --set ingestion.span_pattern='' --set "
            "training_spans=1"
        )
    workdir = command_line.workdir_of_run(arguments, has_bundled_data=config.bundled_data is not None)
    command_line.silence_libraries()
    from pipeline.check import findings
    from pipeline.local import bundled_data
    from pipeline.node import process

    process.open_filesystems(config.beam.pipeline_args)
    if arguments.data is None:
        bundled_data.write_digits(workdir.bundled_data)
    found = findings.check(config, workdir)
    sys.stdout.write(f"{found.text()}\n")
    return _EXIT_PROBLEM if found.problems else 0
