"""The environment that holds kfp, and the scripts of this project that run in it.

It is one of its own because the kfp that installs beside TFX's compatible set is too old. Scripts take JSON on standard
input and import nothing of the project.
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
        KfpMissingError: there is none.
    """
    interpreter = pathlib.Path(os.environ.get(PYTHON_VARIABLE) or _PYTHON)
    if not interpreter.is_file():
        raise KfpMissingError(f"no kfp at {interpreter}: `make install-kfp` sets it up, or {PYTHON_VARIABLE} names it")
    return interpreter


def complaint(finished: "subprocess.CompletedProcess[str]") -> str:
    """What a script that failed said last; one that was killed says nothing."""
    return (finished.stderr.strip().splitlines() or [f"it ended with {finished.returncode} and no message"])[-1]


def run(script: str, given: dict[str, Any], *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run ``script``, a file beside this one, with ``given`` on its standard input, to its end.

    Raises:
        KfpMissingError: there is no environment with kfp.
    """
    path = pathlib.Path(__file__).with_name(script)
    # Isolated, so that neither this folder nor the environment puts other modules in kfp's way.
    command = [str(python()), "-I", str(path), *arguments]
    return subprocess.run(command, input=json.dumps(given), text=True, capture_output=True)
