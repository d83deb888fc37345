"""The Dockerfile agrees with what it is built from: versions, user, folders; and both targets hold the same code."""

import importlib.util
import pathlib
import re

import pytest
import yaml

from pipeline import config as pipeline_config
from pipeline.kfp.target import Target

_ROOT = pathlib.Path(__file__).parents[1]
_TEXT = (_ROOT / "Dockerfile").read_text().replace("\\\n", " ")
_COMPILED = _ROOT / "tests" / "pipeline" / "golden" / "pipeline.yaml"
_PYTHON_OF_DEBIAN = {"trixie": (3, 13)}


def _instructions() -> list[tuple[str, str]]:
    lines = [line for line in _TEXT.splitlines() if line and not line.lstrip().startswith("#")]
    return [(word, " ".join(rest.split())) for word, _, rest in (line.partition(" ") for line in lines)]


def _stages() -> dict[str, list[tuple[str, str]]]:
    """Instructions by stage, each stage beginning with its FROM."""
    stages = {}
    for instruction in _instructions():
        if instruction[0] == "FROM":
            current = stages.setdefault(instruction[1].split(" AS ")[1], [])
        elif not stages:
            continue
        current.append(instruction)
    return stages


def _arguments() -> dict[str, str]:
    return dict(rest.split("=", 1) for word, rest in _instructions() if word == "ARG")


def _environment() -> dict[str, str]:
    return dict(pair.split("=", 1) for word, rest in _stages()["runtime"] if word == "ENV" for pair in rest.split())


def _pins(lock: str) -> dict[str, str]:
    lines = (_ROOT / "requirements" / lock).read_text().splitlines()
    return dict(line.partition(" ;")[0].split("==") for line in lines if "==" in line)


@pytest.fixture(scope="module")
def installer():
    spec = importlib.util.spec_from_file_location("install", _ROOT / "requirements" / "install.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_base_has_a_python_and_a_libc_of_the_current_set(installer):
    release = re.fullmatch(r"debian:([a-z]+)-slim", _arguments()["BASE"])[1]
    python = _PYTHON_OF_DEBIAN[release]
    current = installer.SETS[0]
    assert current.lock == "current.lock" and python in current.pythons
    assert set(re.findall(r"python3\.(\d+)", _TEXT)) == {str(python[1])}


def test_packages_are_the_locked_ones(installer):
    assert _arguments()["UV"] == installer._UV
    copied = [rest.split()[0] for word, rest in _stages()["packages"] if word == "COPY"]
    assert copied == ["requirements/current.lock"]
    left_out = re.search(r"\^\(([a-z|]+)\)==", _TEXT)[1].split("|")
    development = (_ROOT / "requirements" / "current.in").read_text().partition("# Development\n")[2].split()
    assert left_out == development


def test_gpu_target_adds_the_libraries_of_the_same_tensorflow():
    current, gpu = _pins("current.lock"), _pins("gpu.lock")
    cuda = {name for name in gpu if name.startswith("nvidia-")}
    assert {"nvidia-cudnn-cu12", "nvidia-cublas-cu12", "nvidia-nccl-cu12"} <= cuda
    assert gpu["tensorflow"] == current["tensorflow"]
    assert {name: gpu[name] for name in gpu.keys() - cuda} == {name: current[name] for name in gpu.keys() - cuda}


def test_both_targets_hold_the_same_and_gpu_also_cuda():
    stages = _stages()
    cpu, gpu = stages["cpu"], stages["gpu"]
    assert cpu[0] == ("FROM", "runtime AS cpu") and gpu[0] == ("FROM", "runtime AS gpu")
    added, check = [step for step in gpu[1:] if step not in cpu]
    assert added == ("COPY", "--from=cuda /opt/cuda /opt/venv/lib/python3.13/site-packages")
    assert "ctypes.CDLL" in check[1] and "cudnn/lib/libcudnn.so.9" in check[1]
    assert [step for step in gpu[1:] if step in cpu] == cpu[1:]
    assert ("COPY", "--from=code /opt/simclr /opt/simclr") in cpu


def test_the_tests_run_in_the_cpu_target():
    steps = _stages()["test"]
    assert steps[0] == ("FROM", "cpu AS test")
    added = [rest for word, rest in steps if word == "COPY"]
    assert added == [f"--from=developer {folder} {folder}" for folder in ("/opt/developer", "/opt/kfp")]
    assert not [rest for word, rest in steps if word == "RUN"]


def test_nobody_is_root_after_the_last_installation():
    users = {name: [rest for word, rest in steps if word == "USER"] for name, steps in _stages().items()}
    user = Target.__pydantic_fields__["run_as_user"].default
    assert users.pop("runtime") == [f"{user}:{user}"]
    assert users == {name: [] for name in ("packages", "code", "cpu", "cuda", "gpu", "developer", "test")}


def test_folders_are_those_that_a_compiled_pipeline_names():
    environment = _environment()
    compiled = next(yaml.safe_load_all(_COMPILED.read_text()))["deploymentSpec"]["executors"]["exec-gate"]["container"]
    given = {variable["name"]: variable["value"] for variable in compiled["env"]}
    assert {name: environment[name] for name in ("PYTHONPATH", "HOME")} == {
        name: given[name] for name in ("PYTHONPATH", "HOME")
    }
    installing = " ".join(rest for word, rest in _stages()["code"] if word == "RUN")
    folder = re.search(r"--target (\S+) /source && cd (\S+) && mkdir (\S+)", installing)
    assert folder[1] == folder[2] == environment["PYTHONPATH"]
    assert f"{folder[2]}/{folder[3]}" == Target.__pydantic_fields__["graph_folder"].default
    assert f'--config "${{config}}" --graph {folder[3]} ' in installing


def test_every_named_config_has_a_graph_of_its_own():
    names = [pipeline_config.load(name).pipeline_name for name in pipeline_config.named_configs()]
    assert len(names) == len(set(names))


def test_the_build_is_sent_nothing_but_what_it_copies():
    lines = [line for line in (_ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    assert lines[0] == "*"
    sent = {line[1:] for line in lines if line.startswith("!")}
    sources = {
        source
        for steps in _stages().values()
        for word, rest in steps
        if word == "COPY" and not rest.startswith("--from")
        for source in rest.split()[:-1]
    }
    assert {re.sub(r"/\w+\.lock", "/*.lock", source) for source in sources} == sent
    assert "**/__pycache__" in lines
