"""The host's glibc and Pythons choose the version set."""

import importlib.util
import pathlib

import pytest

_PATH = pathlib.Path(__file__).parents[2] / "requirements" / "install.py"
_SPEC = importlib.util.spec_from_file_location("install", _PATH)
install = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(install)


@pytest.mark.parametrize(
    ("glibc", "pythons", "expected"),
    [
        ((2, 41), [(3, 13)], ("current.lock", "/3.13")),
        ((2, 39), [(3, 10), (3, 12)], ("current.lock", "/3.12")),
        ((2, 39), [(3, 10)], ("compatible.lock", "/3.10")),
        ((2, 36), [(3, 10), (3, 13)], ("compatible.lock", "/3.10")),
    ],
)
def test_choose_takes_the_newest_set_that_fits(glibc, pythons, expected):
    found = {version: "/{}.{}".format(*version) for version in pythons}
    assert install.choose(glibc, found) == expected


@pytest.mark.parametrize(("glibc", "pythons"), [((2, 36), [(3, 11)]), ((2, 17), [(3, 10)]), ((2, 41), [(3, 14)])])
def test_choose_says_what_would_fit(glibc, pythons):
    with pytest.raises(install.UnsupportedHostError, match=r"needs glibc 2\.39 or newer with Python 3\.11"):
        install.choose(glibc, {version: "python" for version in pythons})


def test_pyenv_versions_are_found_behind_a_shim_that_refuses(tmp_path, monkeypatch):
    shims = tmp_path / "shims"
    real = tmp_path / "versions" / "3.10.99" / "bin"
    for folder in (shims, real):
        folder.mkdir(parents=True)
    _script(shims / "python3.10", "exit 127")
    _script(real / "python", "echo 3 10")
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    monkeypatch.setenv("PATH", f"{shims}:/usr/bin:/bin")
    monkeypatch.setattr(install.sys, "executable", str(shims / "python3.10"))
    assert install.host_pythons()[3, 10] == str(real / "python")


def test_lock_files_pin_every_package():
    for lock, packages in (*((version_set.lock, 100) for version_set in install.SETS), ("kubeflow.lock", 30)):
        lines = (_PATH.parent / lock).read_text().splitlines()
        assert len(lines) > packages
        assert all("==" in line.partition(";")[0] for line in lines if line and not line.startswith("#"))


def _script(path, body):
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
