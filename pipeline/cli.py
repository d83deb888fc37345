"""The commands people type. Imports lazily: TFX takes ten seconds and more, ``--help`` and a config error about one."""

import argparse
import os
import sys
from collections.abc import Sequence

from pipeline.commands import config, embedding, kubeflow, registry, report, run, schema, transfer

_GROUPS = (run, kubeflow, config, schema, report, registry, embedding, transfer)
_EXIT_FAILED = 1
_EXIT_USAGE = 2


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
    for group in _GROUPS:
        group.add(commands)
    return parser
