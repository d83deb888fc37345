"""Runs this project's scripts in the Python environment that holds kfp.

kfp has an environment of its own, because the kfp that can be installed beside TFX's compatible set is too old. The
scripts take JSON on standard input and import nothing from the project.
"""

import json
import os
import pathlib
import subprocess
from typing import Any

PYTHON_VARIABLE = "SIMCLR_KFP_PYTHON"
_PYTHON = pathlib.Path(__file__).parents[2] / ".venv-kfp" / "bin" / "python"


class KfpMissingError(RuntimeError):
    """There is no environment with kfp."""


def python() -> pathlib.Path:
    """The interpreter of the environment that holds kfp.

    Raises:
        KfpMissingError: the interpreter does not exist.
    """
    interpreter = pathlib.Path(os.environ.get(PYTHON_VARIABLE) or _PYTHON)
    if not interpreter.is_file():
        raise KfpMissingError(f"no kfp at {interpreter}: `make install-kfp` sets it up, or {PYTHON_VARIABLE} names it")
    return interpreter


def complaint(finished: "subprocess.CompletedProcess[str]") -> str:
    """The last line that a failed script wrote, or its exit status if it wrote nothing, for example when killed."""
    return (finished.stderr.strip().splitlines() or [f"it ended with {finished.returncode} and no message"])[-1]


def run(script: str, given: dict[str, Any], *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run ``script``, a file beside this one, with ``given`` as JSON on standard input, and wait for its end.

    Raises:
        KfpMissingError: there is no environment with kfp.
    """
    path = pathlib.Path(__file__).with_name(script)
    # Isolated (-I), so that no module of this folder or of PYTHONPATH hides one that kfp imports.
    command = [str(python()), "-I", str(path), *arguments]
    return subprocess.run(command, input=json.dumps(given), text=True, capture_output=True)
