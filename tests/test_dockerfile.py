"""The Dockerfile fits the lock files, and its two targets hold the same code.

Here is only what a build does not notice: it also succeeds with other versions, with developers' tools in the image,
with more code in one target than in the other, and with the whole folder sent to the builder. `make test-image` tests
the rest in the image itself.
"""

import importlib.util
import json
import pathlib
import re
import subprocess

import pytest

_ROOT = pathlib.Path(__file__).parents[1]
_TEXT = (_ROOT / "Dockerfile").read_text().replace("\\\n", " ")
_PYTHON_OF_DEBIAN = {"trixie": (3, 13)}


def _instructions() -> list[tuple[str, str]]:
    lines = [line for line in _TEXT.splitlines() if line and not line.lstrip().startswith("#")]
    return [(word, " ".join(rest.split())) for word, _, rest in (line.partition(" ") for line in lines)]


def _stage(name: str) -> list[tuple[str, str]]:
    """The instructions of a stage, without its FROM."""
    instructions = _instructions()
    starts = [at for at, (word, _) in enumerate(instructions) if word == "FROM"]
    [start] = [at for at in starts if instructions[at][1].endswith(f" AS {name}")]
    return instructions[start + 1 : min((at for at in starts if at > start), default=None)]


def _arguments() -> dict[str, str]:
    return dict(rest.split("=", 1) for word, rest in _instructions() if word == "ARG")


def _pins(lock: str) -> dict[str, str]:
    lines = (_ROOT / "requirements" / lock).read_text().splitlines()
    return dict(line.partition(" ;")[0].split("==") for line in lines if "==" in line)


@pytest.fixture(scope="module")
def installer():
    spec = importlib.util.spec_from_file_location("install", _ROOT / "requirements" / "install.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_base_has_a_python_of_the_current_set(installer):
    python = _PYTHON_OF_DEBIAN[re.fullmatch(r"debian:([a-z]+)-slim", _arguments()["BASE"])[1]]
    current = installer.SETS[0]
    assert current.lock == "current.lock" and python in current.pythons
    assert set(re.findall(r"python3\.(\d+)", _TEXT)) == {str(python[1])}


def test_packages_are_the_locked_ones_without_the_tools_of_developers(installer):
    assert _arguments()["UV"] == installer._UV
    left_out = re.search(r"\^\(([a-z|-]+)\)==", _TEXT)[1].split("|")
    assert left_out == (_ROOT / "requirements" / "current.in").read_text().partition("# Development\n")[2].split()


def test_the_gpu_target_adds_the_libraries_of_the_same_tensorflow():
    current, gpu = _pins("current.lock"), _pins("gpu.lock")
    shared = {name for name in gpu if not name.startswith("nvidia-")}
    assert "tensorflow" in shared
    assert {name: gpu[name] for name in shared} == {name: current[name] for name in shared}


def test_the_gpu_target_holds_all_that_the_cpu_target_holds():
    cpu, gpu = _stage("cpu"), _stage("gpu")
    assert ("COPY", "--from=code /opt/simclr /opt/simclr") in cpu
    assert [step for step in gpu if step in cpu] == cpu


@pytest.mark.parametrize(
    ("words", "started"),
    [
        (["run", "--config", "digits"], "simclr run --config digits"),
        (["--help"], "simclr --help"),
        ([], "simclr"),
        (["python", "-m", "pipeline.run_node", "--node", "a b"], "python -m pipeline.run_node --node a b"),
    ],
)
def test_the_first_word_decides_what_a_container_runs(tmp_path, words, started):
    [entry] = [rest for word, rest in _stage("runtime") if word == "ENTRYPOINT"]
    for name in ("simclr", "python"):
        (tmp_path / name).write_text(f'#!/bin/sh\necho {name} "$@"\n')
        (tmp_path / name).chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    finished = subprocess.run([*json.loads(entry), *words], env=environment, capture_output=True, text=True)
    assert (finished.stdout.strip(), finished.stderr) == (started, "")


def test_the_builder_is_sent_nothing_but_what_it_copies():
    lines = [line for line in (_ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    assert lines[0] == "*" and "**/__pycache__" in lines
    copied = (rest.split()[:-1] for word, rest in _instructions() if word == "COPY" and not rest.startswith("--from"))
    sources = {re.sub(r"/\w+\.lock", "/*.lock", source) for names in copied for source in names}
    assert sources == {line[1:] for line in lines if line.startswith("!")}
