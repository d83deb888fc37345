"""Set up a virtual environment from the lock file that fits this host; needs only a Python.

``install.py FOLDER`` creates the project's environment, ``install.py FOLDER kubeflow`` the one in which kfp compiles.
There are two version sets (requirements/*.in). The host's glibc and Pythons decide which one is used: the wheels of
ml-metadata and TFDV in the current set need glibc 2.39. If no Python of the host fits, uv installs one of its own.

This file looks for Pythons itself, because uv 0.13.9 does not look into pyenv's folder of versions, and stops at a shim
of pyenv that refuses to start.
"""

import os
import pathlib
import platform
import shutil
import subprocess
import sys
import tempfile
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


def managed_python(version: Tuple[int, int], folder: pathlib.Path) -> Optional[str]:
    """Let uv install a Python of its own.

    Args:
        version: of the Python; uv takes the newest release of it.
        folder: where uv keeps its Pythons, unless UV_PYTHON_INSTALL_DIR names another place.

    Returns:
        Path of the interpreter; None if uv could not be had, or could not install it, which it has said by then.
    """
    name = "{}.{}".format(*version)
    variables = {"UV_PYTHON_INSTALL_DIR": str(folder), **os.environ}
    with tempfile.TemporaryDirectory() as temporary:
        uv = _uv_anywhere(pathlib.Path(temporary))
        if uv is None or subprocess.run([*uv, "python", "install", "--no-bin", name], env=variables).returncode:
            return None
        # Without --system, uv prefers an environment: the active one, or .venv in the current folder.
        find = [*uv, "python", "find", "--managed-python", "--system", name]
        found = subprocess.run(find, env=variables, stdout=subprocess.PIPE)
    return found.stdout.decode().strip() or None


def _uv_anywhere(temporary: pathlib.Path) -> Optional[List[str]]:
    """The command of uv: this Python's, or else one installed into ``temporary``, which takes any Python with venv."""
    own = [sys.executable, "-m", "uv"]
    if subprocess.run([*own, "--version"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0:
        return own
    if subprocess.run([sys.executable, "-m", "venv", str(temporary)]).returncode:
        return None
    python = str(temporary / "bin" / "python")
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", _UV]
    return [python, "-m", "uv"] if subprocess.run(pip).returncode == 0 else None


def choose_or_install(
    glibc: Tuple[int, int], pythons: "dict[Tuple[int, int], str]", folder: pathlib.Path
) -> Tuple[str, str]:
    """As ``choose``; if the host has no Python that fits, uv installs one into ``folder``.

    Raises:
        UnsupportedHostError: the host's glibc is too old for both sets, or uv could not install a Python.
    """
    try:
        return choose(glibc, pythons)
    except UnsupportedHostError as refusal:
        fitting = [version_set for version_set in SETS if glibc >= version_set.min_glibc]
        if not fitting:
            raise
        version = fitting[0].pythons[0]
        return fitting[0].lock, _managed_or_refused(version, folder, str(refusal))


def _managed_or_refused(version: Tuple[int, int], folder: pathlib.Path, refusal: str) -> str:
    name = "{}.{}".format(*version)
    sys.stderr.write(
        "This host has no Python that fits, so uv installs its own Python {} into {}\n".format(name, folder)
    )
    interpreter = managed_python(version, folder)
    if interpreter is None:
        raise UnsupportedHostError(
            "{} uv could not install its own Python {} either (see above): it needs python3-venv on Debian and Ubuntu, "
            "and the network, or a mirror that UV_PYTHON_INSTALL_MIRROR names.".format(refusal, name)
        )
    return interpreter


def install(environment: pathlib.Path) -> None:
    """Create ``environment`` and install the locked packages and this project (editable) into it."""
    lock, interpreter = choose_or_install(host_glibc(), host_pythons(), _pythons_folder(environment))
    uv = _create(environment, interpreter, lock)
    # Write the byte code now: a user who may not write it would compile again at every start.
    _run(*uv, "--compile-bytecode", "--requirement", str(_HERE / lock))
    _run(*uv, "--no-build-isolation", "--editable", str(_HERE.parent))


def install_kubeflow(environment: pathlib.Path) -> None:
    """Create ``environment`` with kfp alone, with the newest of the supported Pythons, or one that uv installs.

    Raises:
        UnsupportedHostError: the host has none of them, and uv could not install one.
    """
    supported = {version for version_set in SETS for version in version_set.pythons}
    pythons = {version: path for version, path in host_pythons().items() if version in supported}
    if pythons:
        interpreter = pythons[max(pythons)]
    else:
        refusal = "kfp needs Python 3.10, 3.11, 3.12 or 3.13; found none of them."
        interpreter = _managed_or_refused(max(supported), _pythons_folder(environment), refusal)
    _run(*_create(environment, interpreter, _KUBEFLOW_LOCK), "--requirement", str(_HERE / _KUBEFLOW_LOCK))


def _pythons_folder(environment: pathlib.Path) -> pathlib.Path:
    """Where uv keeps the Pythons that it installs for the environments of this project."""
    return environment.resolve().with_name(".venv-pythons")


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
