"""The host's glibc and Pythons choose the version set."""

import hashlib
import importlib.util
import json
import pathlib
import platform
import shutil
import sys
import sysconfig
import tarfile

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


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    """A mirror of uv's Pythons that holds this one, as an archive of a script that starts it; gives its version."""
    version, full = sys.version_info[:2], platform.python_version()
    base = pathlib.Path(sys.base_prefix) / "bin" / "python{}.{}".format(*version)
    build = tmp_path / "build" / "python"
    library = build / "lib" / "python{}.{}".format(*version)
    for folder in (build / "bin", library):
        folder.mkdir(parents=True)
    # Named by its own path, so that it says that path to uv, as the interpreter of a real archive does.
    _script(build / "bin" / base.name, f'exec -a "$0" {base} "$@"', shell="/usr/bin/env bash")
    for file in pathlib.Path(sysconfig.get_path("stdlib")).glob("_sysconfigdata_*.py"):  # uv changes its paths
        shutil.copy(file, library)
    archive = tmp_path / "mirror" / "20260101" / "python.tar.gz"
    archive.parent.mkdir(parents=True)
    with tarfile.open(archive, "w:gz") as file:
        file.add(build, "python")
    name = f"cpython-{full}-linux-x86_64-gnu"
    releases = "https://github.com/astral-sh/python-build-standalone/releases/download"
    known = {
        "name": "cpython",
        "arch": {"family": "x86_64", "variant": None},
        "os": "linux",
        "libc": "gnu",
        "major": sys.version_info.major,
        "minor": sys.version_info.minor,
        "patch": sys.version_info.micro,
        "prerelease": "",
        "url": f"{releases}/20260101/python.tar.gz",
        "sha256": hashlib.sha256(archive.read_bytes()).hexdigest(),
        "variant": None,
        "build": "20260101",
    }
    (tmp_path / "downloads.json").write_text(json.dumps({name: known}))
    monkeypatch.setenv("UV_PYTHON_DOWNLOADS_JSON_URL", str(tmp_path / "downloads.json"))
    monkeypatch.setenv("UV_PYTHON_INSTALL_MIRROR", f"file://{tmp_path / 'mirror'}")
    monkeypatch.delenv("UV_PYTHON_INSTALL_DIR", raising=False)
    monkeypatch.setattr(install, "SETS", (install.VersionSet("compatible.lock", (version,), (2, 31)),))
    return version


def test_a_host_without_a_fitting_python_gets_one_from_uv(mirror, tmp_path, capfd):
    lock, interpreter = install.choose_or_install((2, 36), {(3, 99): "/3.99"}, tmp_path / "pythons")
    assert lock == "compatible.lock"
    assert pathlib.Path(interpreter).is_relative_to(tmp_path / "pythons")
    assert install._version_of(interpreter) == mirror
    assert "This host has no Python that fits, so uv installs its own" in capfd.readouterr().err


def test_the_sentence_comes_where_uv_cannot_install_either(mirror, tmp_path, monkeypatch):
    monkeypatch.setenv("UV_PYTHON_INSTALL_MIRROR", f"file://{tmp_path / 'nowhere'}")
    with pytest.raises(install.UnsupportedHostError, match=r"neither version set.*uv could not install its own"):
        install.choose_or_install((2, 36), {}, tmp_path / "pythons")


def test_no_python_helps_where_glibc_is_too_old(tmp_path, monkeypatch):
    monkeypatch.setattr(install, "managed_python", lambda version, folder: pytest.fail("uv was asked"))
    with pytest.raises(install.UnsupportedHostError, match=r"it has glibc 2\.28 and Python none"):
        install.choose_or_install((2, 28), {}, tmp_path)


def test_lock_files_pin_every_package():
    for lock, packages in (*((version_set.lock, 100) for version_set in install.SETS), ("kubeflow.lock", 30)):
        lines = (_PATH.parent / lock).read_text().splitlines()
        assert len(lines) > packages
        assert all("==" in line.partition(";")[0] for line in lines if line and not line.startswith("#"))


def _script(path, body, shell="/bin/sh"):
    path.write_text(f"#!{shell}\n{body}\n")
    path.chmod(0o755)
