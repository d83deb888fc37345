"""A graph with a Tuner, run twice: what the search found is what the Trainer trained with, and all papers say so."""

import json
import pathlib

import pytest

from components.contracts import artifacts
from components.export import registry
from pipeline import config as pipeline_config
from pipeline import local_runner
from pipeline.places import Places

from . import tiny

pytestmark = pytest.mark.e2e

_TUNED = (
    *("tuning.enabled=true", "tuning.max_trials=3", "tuning.epochs=2"),
    # Without an augmentation there is no strength of it; two sizes of the batch spare compiling a third.
    *("tuning.augmentation_strength=null", "tuning.batch_size=[0.5, 1]"),
)


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A config file, a folder of images and a work directory."""
    root = tmp_path_factory.mktemp("tuner")
    tiny.write(root, images_per_class=30)
    return root


def _run(workplace):
    config = pipeline_config.load(str(workplace / "tiny.yaml"), _TUNED)
    places = Places(workplace / "work", str(workplace / "digits"))
    return local_runner.run(config, places, local_runner.RunnerKind.LOCAL)


def _read(finished, node, output, *names):
    [artifact] = finished.results[node].outputs[output]
    return json.loads(pathlib.Path(artifact.uri, *names).read_text())


def test_what_was_found_is_trained_with_and_recorded_everywhere(workplace):
    finished = _run(workplace)
    assert all(result.state == "COMPLETE" for result in finished.results.values())
    search = _read(finished, "Tuner", "tuner_results", artifacts.TUNING_FILE)
    assert len(search["trials"]) == 3
    values = search["trials"][search["best"] - 1]["values"]
    pretraining = _read(finished, "Trainer", "model", "Format-Serving", artifacts.PRETRAINING_FILE)
    assert pretraining["tuned"] == values
    assert pretraining["config"]["optimizer"]["learning_rate"] == values["learning_rate"]
    assert pretraining["config"]["epochs"] == 3
    assert "Trials of the Tuner" in pathlib.Path(finished.outcome.report).read_text()
    version = workplace / "work" / "registry" / "image-encoder" / "1"
    assert "chosen by the Tuner" in (version / registry.MODEL_CARD_FILE).read_text()
    assert not any((workplace / "work" / "pipeline_root" / "checkpoints").iterdir())


def test_the_second_run_takes_search_and_training_from_the_cache(workplace):
    finished = _run(workplace)
    assert finished.results["Tuner"].is_cached
    assert finished.results["Trainer"].is_cached
