"""The commands people type.

Commands import lazily: TFX takes ten seconds and more, while ``--help`` or a config error should take about one.
"""

import argparse
import os
import sys
from collections.abc import Sequence

from pipeline.commands import (
    check,
    clean,
    command_line,
    config,
    embedding,
    kubeflow,
    registry,
    report,
    run,
    runs,
    schema,
    transfer,
)

_GROUPS = (run, check, runs, clean, kubeflow, config, schema, report, registry, embedding, transfer)
_EXIT_FAILED = 1
_EXIT_USAGE = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: the words of the command line; by default those of this process.

    Returns:
        0 for success, 1 for a failed run or a refused request, 2 for wrong usage or a config that can't be used, 3 if
        ``--require-blessing`` was given and the model is not blessed.
    """
    parsed = command_line.parse(parser(), arguments)
    from components.contracts.configuration import ConfigError
    from components.contracts.plain_text import printable_lines
    from pipeline import error_messages

    # TensorFlow's C++ code reads this variable when it is loaded, before any Python setting could take effect.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        return parsed.command(parsed)
    except ConfigError as error:
        sys.stderr.write(f"{printable_lines(str(error), indent='')}\n")
        return _EXIT_USAGE
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted. Run the same command to continue from here.\n")
        return 130
    except Exception as error:
        sys.stderr.write(f"Error: {printable_lines(error_messages.sentence(error))}\n")
        return _EXIT_FAILED


def parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="simclr", description="Turn images with few labels into a registered image encoder."
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for group in _GROUPS:
        group.add(commands)
    return parser
