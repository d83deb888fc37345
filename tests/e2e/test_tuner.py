"""A graph with a Tuner, killed in the search and run twice: the Trainer uses the settings that the search found."""

import json
import pathlib
import subprocess
import sys
import time

import pytest

from components.contracts import artifact_files
from components.export import registry
from pipeline import config as pipeline_config
from pipeline import local_runner
from pipeline.workdir import Workdir

from . import tiny

pytestmark = pytest.mark.e2e

# Without an augmentation there is no strength of it.
_TUNED = ("tuning.enabled=true", "tuning.max_trials=3", "tuning.epochs=2", "tuning.augmentation_strength=null")
_ROOT = pathlib.Path(__file__).parents[2]
_PATIENCE_SECONDS = 600


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A folder with a config file and a folder of images; the runs put their work directory there."""
    root = tmp_path_factory.mktemp("tuner")
    tiny.write(root, images_per_class=30)
    return root


def _run(workplace):
    config = pipeline_config.load(str(workplace / "tiny.yaml"), _TUNED)
    workdir = Workdir(workplace / "work", str(workplace / "digits"))
    return local_runner.run(config, workdir, local_runner.RunnerKind.LOCAL)


def _read(finished, node, output, *names):
    [artifact] = finished.results[node].outputs[output]
    return json.loads(pathlib.Path(artifact.uri, *names).read_text())


@pytest.fixture(scope="module")
def before_the_kill(workplace):
    """The records of the finished trials, by folder, at the moment when the run was killed."""
    command = [sys.executable, "-m", "pipeline", "run", "--config", str(workplace / "tiny.yaml")]
    command += ["--data", str(workplace / "digits"), "--workdir", str(workplace / "work")]
    command += [word for override in _TUNED for word in ("--set", override)]
    running = subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not (found := list((workplace / "work").glob("pipeline_root/checkpoints/*/trial.json"))):
        assert running.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    running.kill()
    running.wait()
    return {path.parent.name: json.loads(path.read_text()) for path in found}


@pytest.fixture(scope="module")
def finished(workplace, before_the_kill):
    """The next run in the same work directory."""
    return _run(workplace)


def test_the_settings_that_were_found_are_trained_with_and_recorded_everywhere(workplace, before_the_kill, finished):
    assert finished.results["Tuner"].state == "COMPLETE"
    search = _read(finished, "Tuner", "tuner_results", artifact_files.TUNING_FILE)
    assert len(search["trials"]) == 3
    by_folder = dict(zip(search["checkpoint_directories"], search["trials"], strict=True))
    for folder, result in before_the_kill.items():
        assert by_folder[folder]["seconds"] == result["seconds"]  # of the killed run: not trained again
    values = search["trials"][search["best"] - 1]["values"]
    pretraining = _read(finished, "Trainer", "model", "Format-Serving", artifact_files.PRETRAINING_FILE)
    assert pretraining["tuned"] == values
    assert pretraining["config"]["optimizer"]["learning_rate"] == values["learning_rate"]
    assert pretraining["config"]["epochs"] == 3
    assert "Trials of the Tuner" in pathlib.Path(finished.outcome.report).read_text()
    version = workplace / "work" / "registry" / "image-encoder" / "1"
    assert "chosen by the Tuner" in (version / registry.MODEL_CARD_FILE).read_text()
    assert not any((workplace / "work" / "pipeline_root" / "checkpoints").iterdir())


def test_the_second_run_takes_search_and_training_from_the_cache(workplace, finished):
    again = _run(workplace)
    assert again.results["Tuner"].is_cached
    assert again.results["Trainer"].is_cached
