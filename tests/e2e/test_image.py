"""The built image: what its user may do, the graphs in it, and a real node. `make test-image` builds and names it."""

import os
import pathlib
import subprocess

import pytest
from ml_metadata.proto import metadata_store_pb2

from pipeline import config as pipeline_config
from pipeline import ir_file, run_parameters
from pipeline.kfp import compilation
from pipeline.kfp.target import Target
from pipeline.local import bundled_data
from pipeline.metadata import connection as metadata_connection
from pipeline.metadata import states

_IMAGE = os.environ.get("SIMCLR_IMAGE")
pytestmark = [pytest.mark.e2e, pytest.mark.skipif(not _IMAGE, reason="needs an image: `make test-image`")]

_CONFIG = "digits"
_FOLDER = Target.__pydantic_fields__["graph_folder"].default
_RUN_ID = "in-a-container"
_IN_CONTAINER = "/runs"


def _run(*command: str, options: tuple[str, ...] = ()) -> subprocess.CompletedProcess:
    # As Kubeflow Pipelines runs it, and stricter: no capabilities, nothing to write to but /tmp, no network.
    confined = ("--rm", "--user=1000:1000", "--cap-drop=ALL", "--read-only", "--tmpfs=/tmp", "--network=none")
    return subprocess.run(["docker", "run", *confined, *options, _IMAGE, *command], capture_output=True, text=True)


@pytest.fixture(scope="module")
def graphs() -> dict[str, str]:
    """The graphs of the named configs, compiled here, by name of the pipeline."""
    configs = [pipeline_config.load(name) for name in pipeline_config.named_configs()]
    return {config.pipeline_name: compilation.compile_graph(config) for config in configs}


def test_user_is_not_root_and_can_write_to_tmp_only():
    script = "id -u; touch /tmp/x && echo tmp; for d in /opt/simclr /opt/venv /; do test -w $d && echo $d; done; true"
    finished = _run("sh", "-c", script)
    assert (finished.returncode, finished.stdout.split()) == (0, ["1000", "tmp"]), finished.stderr


def test_an_image_started_without_command_lists_the_commands():
    finished = _run()
    assert finished.returncode == 0 and "usage: simclr" in finished.stdout, finished.stderr


def test_the_image_is_the_command_for_people():
    finished = _run("config", "list")
    assert finished.returncode == 0 and "digits" in finished.stdout, finished.stderr


def test_graphs_in_the_image_are_those_compiled_here(graphs):
    finished = _run("sh", "-c", f"cd {_FOLDER} && sha256sum *.json")
    digests = dict(reversed(line.split()) for line in finished.stdout.splitlines())
    assert digests == {f"{name}.json": ir_file.digest(text) for name, text in graphs.items()}, finished.stderr


def test_a_node_completes(graphs, tmp_path):
    config = pipeline_config.load(_CONFIG)
    graph = graphs[config.pipeline_name]
    bundled_data.write_digits(tmp_path / "digits")
    tmp_path.chmod(0o777)
    finished = _run_node("ImageExampleGen", config, ir_file.digest(graph), tmp_path)
    assert finished.returncode == 0, finished.stderr[-2000:]
    result = states.node_results(_connection(tmp_path), config.pipeline_name, _RUN_ID)["ImageExampleGen"]
    assert result.state == "COMPLETE"
    assert list((tmp_path / "pipeline_root").glob("ImageExampleGen/examples/*/Split-train/*"))


def test_another_code_is_refused(graphs, tmp_path):
    config = pipeline_config.load(_CONFIG)
    finished = _run_node("ImageExampleGen", config, "0" * 64, tmp_path)
    assert finished.returncode == 2
    assert "the image and the pipeline do not belong together" in finished.stderr


def _run_node(node_id: str, config, digest: str, folder: pathlib.Path) -> subprocess.CompletedProcess:
    rooms = run_parameters.bindings(config, "", "")
    values = {
        "ir": f"{_FOLDER}/{config.pipeline_name}.json",
        "ir-digest": digest,
        "run-id": _RUN_ID,
        "node": node_id,
        "gpus": "0",
        "pipeline-root": f"{_IN_CONTAINER}/pipeline_root",
        "registry": f"{_IN_CONTAINER}/registry",
        "data-root": f"{_IN_CONTAINER}/digits",
        "span-range": run_parameters.LATEST,
        **{room.replace("_", "-"): rooms[room] for room in run_parameters.ROOMS},
    }
    database = f'{{"sqlite": {{"filename_uri": "{_IN_CONTAINER}/metadata.sqlite", "connection_mode": 3}}}}'
    options = (f"--volume={folder}:{_IN_CONTAINER}", f"--env={metadata_connection.VARIABLE}={database}")
    arguments = [word for name, value in values.items() for word in (f"--{name}", value)]
    return _run("python", "-m", "pipeline.run_node", *arguments, options=options)


def _connection(folder: pathlib.Path) -> metadata_store_pb2.ConnectionConfig:
    connection = metadata_store_pb2.ConnectionConfig()
    connection.sqlite.filename_uri = str(folder / "metadata.sqlite")
    connection.sqlite.connection_mode = 1  # read only
    return connection
