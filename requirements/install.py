"""Set up a virtual environment from the lock file that fits this host; needs only a Python.

``install.py FOLDER`` creates the project's environment, ``install.py FOLDER kubeflow`` the one in which kfp compiles.
There are two version sets (requirements/*.in). The host's glibc and Pythons decide which one is used: the wheels of
ml-metadata and TFDV in the current set need glibc 2.39.
"""

import os
import pathlib
import platform
import shutil
import subprocess
import sys
from typing import List, NamedTuple, Optional, Tuple

_HERE = pathlib.Path(__file__).resolve().parent
_UV = "uv==0.13.9"
_KUBEFLOW_LOCK = "kubeflow.lock"


class VersionSet(NamedTuple):
    """A lock file, and the hosts that can install it."""

    lock: str
    pythons: Tuple[Tuple[int, int], ...]  # best first
    min_glibc: Tuple[int, int]


SETS = (
    VersionSet("current.lock", ((3, 13), (3, 12), (3, 11)), (2, 39)),
    VersionSet("compatible.lock", ((3, 10),), (2, 31)),
)


class UnsupportedHostError(SystemExit):
    """No version set fits this host."""


def choose(glibc: Tuple[int, int], pythons: "dict[Tuple[int, int], str]") -> Tuple[str, str]:
    """Choose lock file and interpreter.

    Args:
        glibc: version of the host's C library.
        pythons: paths of interpreters by version.

    Returns:
        Name of the lock file and path of the interpreter.

    Raises:
        UnsupportedHostError: no version set fits; the message says what a host needs.
    """
    for version_set in SETS:
        if glibc >= version_set.min_glibc:
            for version in version_set.pythons:
                if version in pythons:
                    return version_set.lock, pythons[version]
    found = ", ".join(sorted("{}.{}".format(*version) for version in pythons)) or "none"
    raise UnsupportedHostError(
        "This host fits neither version set: it has glibc {}.{} and Python {}. It needs glibc 2.39 or newer "
        "with Python 3.11, 3.12 or 3.13, or glibc 2.31 or newer with Python 3.10.".format(*glibc, found)
    )


def host_glibc() -> Tuple[int, int]:
    """The version of glibc.

    Raises:
        UnsupportedHostError: the host has another system or another C library.
    """
    library, version = platform.libc_ver()
    if sys.platform != "linux" or platform.machine() != "x86_64" or library != "glibc":
        raise UnsupportedHostError(
            "TFX has wheels only for Linux on x86_64 with glibc, but this is {} on {} with C library {}.".format(
                sys.platform, platform.machine(), library or "unknown"
            )
        )
    major, minor = version.split(".")[:2]
    return int(major), int(minor)


def host_pythons() -> "dict[Tuple[int, int], str]":
    """Find the interpreters that start, by version: this one, those on the PATH, and those in pyenv's versions folder.

    With pyenv, ``python3.10`` on the PATH may be a shim that refuses to start, so each interpreter is started once.
    """
    wanted = [version for version_set in SETS for version in version_set.pythons]
    candidates: List[Optional[str]] = [sys.executable]
    candidates += [shutil.which("python{}.{}".format(*version)) for version in wanted]
    pyenv = pathlib.Path(os.environ.get("PYENV_ROOT") or pathlib.Path.home() / ".pyenv") / "versions"
    for major, minor in wanted:
        candidates += [str(path) for path in sorted(pyenv.glob("{}.{}.*/bin/python".format(major, minor)))]
    found = {}
    for candidate in filter(None, candidates):
        version = _version_of(candidate)
        if version is not None:
            found.setdefault(version, candidate)
    return found


def _version_of(interpreter: str) -> Optional[Tuple[int, int]]:
    question = "import sys; sys.stdout.write('%d %d' % sys.version_info[:2])"
    try:
        answer = subprocess.run([interpreter, "-c", question], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        major, minor = answer.stdout.split()
        return int(major), int(minor)
    except (OSError, ValueError):
        return None


def install(environment: pathlib.Path) -> None:
    """Create ``environment`` and install the locked packages and this project (editable) into it."""
    lock, interpreter = choose(host_glibc(), host_pythons())
    uv = _create(environment, interpreter, lock)
    # Write the byte code now: a user who may not write it would compile again at every start.
    _run(*uv, "--compile-bytecode", "--requirement", str(_HERE / lock))
    _run(*uv, "--no-build-isolation", "--editable", str(_HERE.parent))


def install_kubeflow(environment: pathlib.Path) -> None:
    """Create ``environment`` with kfp alone, with the newest of the supported Pythons.

    Raises:
        UnsupportedHostError: the host has none of them.
    """
    pythons = host_pythons()
    if not pythons:
        raise UnsupportedHostError("kfp needs Python 3.10, 3.11, 3.12 or 3.13; found none of them.")
    _run(*_create(environment, pythons[max(pythons)], _KUBEFLOW_LOCK), "--requirement", str(_HERE / _KUBEFLOW_LOCK))


def _create(environment: pathlib.Path, interpreter: str, lock: str) -> List[str]:
    """Create an empty environment; returns the command that installs into it."""
    sys.stderr.write("Setting up {} with {} and {} (a few minutes, once)\n".format(environment, interpreter, lock))
    created = subprocess.run([interpreter, "-m", "venv", "--clear", str(environment)])
    if created.returncode:
        raise SystemExit(
            "{} could not create a virtual environment; on Debian and Ubuntu install python3-venv.".format(interpreter)
        )
    python = str(environment / "bin" / "python")
    _run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", _UV)
    return [python, "-m", "uv", "pip", "install", "--quiet", "--python", python, "--no-deps"]


def _run(*command: str) -> None:
    if subprocess.run(command).returncode:
        raise SystemExit("Set-up failed at: {}".format(" ".join(command)))


if __name__ == "__main__":
    (install_kubeflow if sys.argv[2:] == ["kubeflow"] else install)(pathlib.Path(sys.argv[1]))
