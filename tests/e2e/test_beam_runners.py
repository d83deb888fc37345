"""Ingestion and ViewGen with Beam workers in other processes write the same bytes as in this process."""

import pathlib
import shutil
import subprocess
import sys
import time

import apache_beam as beam
import numpy as np
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability import local_job_service, stager
from PIL import Image
from tfx.dsl.components.base import base_beam_executor
from tfx.types import artifact_utils, standard_artifacts

from components.augmentation import executor, view_records
from components.augmentation.config import ViewsConfig
from components.contracts import artifact_files, records
from components.contracts.configuration import to_json
from components.contracts.images import ImageConfig
from components.ingestion.beam import decoding
from components.ingestion.config import IngestionConfig
from components.ingestion.ingest import ingest

pytestmark = pytest.mark.e2e
ROOT = pathlib.Path(__file__).resolve().parents[2]
IN_PROCESS = ["--runner=FnApiRunner"]
TWO_PROCESSES = ["--runner=FnApiRunner", "--direct_running_mode=multi_processing", "--direct_num_workers=2"]
IMAGE_CONFIG = ImageConfig(size_px=16)
SECONDS_TO_START = 120  # the job service, on a busy machine


def make_images(root):
    """Write 120 images of two classes, six of them twice, and a text file with an image's name."""
    generator = np.random.default_rng(0)
    for number in range(120):
        pixels = generator.integers(0, 256, (6, 6, 3), dtype=np.uint8)
        folder = root / "ab"[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).resize((40, 30)).save(folder / f"{number}.png")
        if number < 6:
            Image.fromarray(pixels).resize((40, 30)).save(folder / f"{number}-again.png")
    (root / "a/text.jpg").write_text("text")


def run(root, output, beam_args):
    """Run ingestion and then ViewGen on its output; returns the bytes of every file except those that hold times."""
    config = IngestionConfig(stored_short_side_px=24)
    summary = ingest(str(root), str(output / "examples"), config, IMAGE_CONFIG, lambda: beam.Pipeline(argv=beam_args))
    assert summary.refused == {"unknown_format": 1, "duplicate": 6}
    examples, views = standard_artifacts.Examples(), standard_artifacts.Examples()
    examples.uri, views.uri = str(output / "examples"), str(output / "views")
    examples.split_names = artifact_utils.encode_split_names([records.TRAIN, records.TEST])
    context = base_beam_executor.BaseBeamExecutor.Context(
        # An image is named only so that TFX does not pack itself up for remote workers, which takes seconds.
        beam_pipeline_args=[*beam_args, "--sdk_container_image=none"],
        tmp_dir=str(output / "tmp"),
        unique_id="1",
    )
    parameters = {
        artifact_files.CONFIG: to_json(ViewsConfig(views_per_image=2, eval_fraction=0.2)),
        artifact_files.IMAGE_CONFIG: to_json(IMAGE_CONFIG),
    }
    executor.Executor(context).Do({executor.EXAMPLES: [examples]}, {executor.VIEWS_OUTPUT: [views]}, parameters)
    return {
        str(path.relative_to(output)): path.read_bytes()
        for path in output.rglob("*")
        if path.is_file() and path.name != artifact_files.INGESTION_SUMMARY_FILE
    }


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    root = tmp_path_factory.mktemp("images")
    make_images(root)
    return root


@pytest.fixture(scope="module")
def expected(images, tmp_path_factory):
    return run(images, tmp_path_factory.mktemp("in_process"), IN_PROCESS)


@pytest.fixture
def elsewhere_only(monkeypatch):
    """Lets workers import the code, and makes the steps fail in this process, apart from ViewGen's sample."""

    def refuse(*_, **__):
        raise AssertionError("the process of the test does a worker's work")

    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setattr(decoding, "decode_image_bytes", refuse)
    monkeypatch.setattr(view_records, "train_records", refuse)


@pytest.fixture
def installed(tmp_path, elsewhere_only, monkeypatch):
    """The package that Beam makes by the set-up file, installed as on a remote worker; workers import from there."""
    source, staged, target = tmp_path / "source", tmp_path / "staged", tmp_path / "installed"
    for package in ("components", "pipeline"):
        shutil.copytree(ROOT / package, source / package, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.py", "pyproject.toml"):
        shutil.copy(ROOT / name, source)
    staged.mkdir()
    stager.Stager.create_job_resources(PipelineOptions([f"--setup_file={source}/setup.py"]), str(staged))
    [package] = staged.glob("*.tar.gz")
    install = ["install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--no-compile"]
    subprocess.run([sys.executable, "-m", "pip", *install, f"--target={target}", package], check=True)
    monkeypatch.setenv("PYTHONPATH", str(target))
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)  # importing must leave a trace
    return target


@pytest.fixture
def job_service(tmp_path, installed):
    """Address of Beam's local job service, in a process of its own."""
    port_file = tmp_path / "port"
    command = [sys.executable, "-m", "apache_beam.runners.portability.local_job_service_main"]
    with subprocess.Popen([*command, "--port=0", f"--port_file={port_file}"], cwd=tmp_path) as service:
        try:
            deadline = time.monotonic() + SECONDS_TO_START
            while not (port_file.exists() and port_file.read_text()):
                assert service.poll() is None, "the job service ended"
                assert time.monotonic() < deadline, "the job service did not start"
                time.sleep(0.1)
            yield f"localhost:{port_file.read_text().strip()}"
        finally:
            service.kill()


def test_two_processes(images, expected, elsewhere_only, tmp_path, monkeypatch):
    started = []
    start = local_job_service.SubprocessSdkWorker.run
    monkeypatch.setattr(
        local_job_service.SubprocessSdkWorker, "run", lambda worker: (started.append(worker), start(worker))[1]
    )
    assert run(images, tmp_path / "out", TWO_PROCESSES) == expected
    assert len(started) == 2 * 2  # for ingestion and for ViewGen


def test_job_service_and_set_up_file(images, expected, installed, job_service, tmp_path):
    worker = f"{sys.executable} -m apache_beam.runners.worker.sdk_worker_main"
    portable = [
        "--runner=PortableRunner",
        "--job_server_timeout=600",  # the default of a minute is too short on a busy machine
        f"--job_endpoint={job_service}",
        "--environment_type=beam:env:harness_subprocess_python:v1",
        f"--environment_config={worker}",
    ]
    assert not list(installed.rglob("__pycache__"))
    assert run(images, tmp_path / "out", portable) == expected
    for room in ("ingestion", "augmentation"):
        assert list((installed / "components" / room).glob("__pycache__/*.pyc"))
