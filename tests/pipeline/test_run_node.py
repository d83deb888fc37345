"""A node's process refuses wrong parameters before any work; tests/e2e/test_run_node.py tests the work itself."""

import json
import os

import pytest

from pipeline import config as pipeline_config
from pipeline import ir_file, run_node, run_parameters

_GRAPH = json.dumps({"pipelineInfo": {"id": "simclr"}, "nodes": []})


@pytest.fixture
def run(tmp_path, capsys, monkeypatch):
    """Run a node of a graph in a file; gives the exit code and the output."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    graph = tmp_path / "graph.json"
    graph.write_text(_GRAPH)

    def run(node="Trainer", overrides=(), **changes):
        config = pipeline_config.load("digits", overrides)
        rooms = run_parameters.bindings(config, "/data", "/registry")
        values = {
            "ir": str(graph),
            "ir-digest": ir_file.digest(_GRAPH),
            "run-id": "run",
            "node": node,
            "gpus": "0",
            "pipeline-root": str(tmp_path / "root"),
            "registry": str(tmp_path / "registry"),
            "data-root": str(tmp_path / "data"),
            "span-range": "latest",
            **{room.replace("_", "-"): rooms[room] for room in run_parameters.ROOMS},
            **changes,
        }
        arguments = [word for name, value in values.items() for word in (f"--{name}", value)]
        return run_node.main(arguments), capsys.readouterr().err

    return run


def test_another_graph_than_the_images_is_refused(run):
    code, error = run(**{"ir-digest": "0" * 64})
    assert code == 2
    assert "the image and the pipeline do not belong together" in error
    assert ir_file.digest(_GRAPH) in error and "0" * 64 in error


def test_an_image_without_the_graph_is_refused(run, tmp_path):
    code, error = run(ir=str(tmp_path / "none.json"))
    assert (code, error) == (
        2,
        f"no compiled graph in the image: {tmp_path / 'none.json'}: No such file or directory\n",
    )


def test_parameters_are_checked_before_any_work(run):
    code, error = run(gate='{"min_accuracy": 2.0}')
    assert code == 2
    assert "run parameters: gate.min_accuracy" in error
    code, error = run(**{"span-range": "[[ScheduledTime]]"})
    assert code == 2
    assert "the server did not fill in the macro" in error


def test_a_missing_parameter_is_wrong_usage(capsys):
    with pytest.raises(SystemExit) as error:
        run_node.main(["--node", "Trainer"])
    assert error.value.code == 2
    assert "--pretraining" in capsys.readouterr().err


@pytest.mark.parametrize("node", ["Trainer", "Tuner"])
@pytest.mark.parametrize(("gpus", "asked"), [("1", 0), ("0", 1)])
def test_what_trains_uses_the_gpus_it_is_given(run, node, gpus, asked):
    code, error = run(node=node, gpus=gpus, overrides=(f"pretraining.num_gpus={asked}",))
    assert code == 2
    assert f"pretraining.num_gpus is {asked}, but {node} runs with {gpus} GPUs" in error


def test_a_run_that_wants_another_graph_is_refused(run):
    code, error = run(node="ImageExampleGen", overrides=("tuning.enabled=true",))
    assert code == 2
    assert "tuning.enabled is true, but the compiled graph has no node Tuner: compile it again" in error


def test_baselines_use_the_gpus_they_are_given_whatever_the_trainer_had(run):
    code, error = run(node="Baselines", gpus="1", overrides=("pretraining.num_gpus=1",))
    assert code == 2
    assert "baselines.num_gpus is 0, but Baselines runs with 1 GPUs" in error


@pytest.mark.parametrize(
    ("given", "visible"), [({"gpus": "0"}, "-1"), ({"gpus": "1", "check": "answer"}, "-1"), ({"gpus": "1"}, "")]
)
def test_only_work_that_was_given_gpus_sees_them(run, given, visible):
    run(node="LinearProbe", **given, **{"ir-digest": "0" * 64})
    assert os.environ["CUDA_VISIBLE_DEVICES"] == visible


def test_gpus_that_tensorflow_does_not_see_stop_the_node(run):
    code, error = run(gpus="2", overrides=("pretraining.num_gpus=2",))
    assert code == 1
    assert "Trainer should have 2 GPUs, but TensorFlow sees 0: check the pod's limit" in error


@pytest.mark.parametrize("value", [None, "", "no JSON", "{}", '{"sqlite": {"password": "planted-secret"}}'])
def test_a_connection_that_cannot_be_used_is_told_without_its_content(run, monkeypatch, value):
    monkeypatch.delenv("SIMCLR_METADATA_CONNECTION", raising=False)
    if value is not None:
        monkeypatch.setenv("SIMCLR_METADATA_CONNECTION", value)
    code, error = run()
    assert code == 2
    assert "environment variable SIMCLR_METADATA_CONNECTION" in error
    assert "planted-secret" not in error
