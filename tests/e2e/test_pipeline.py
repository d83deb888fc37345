"""Whole runs of a tiny config: run, run again, edit the code, ask too much, come with something worse, or a new span.

All tests but the first go on from the same first run, on span 1; what they change is undone after each.
"""

import csv
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from apache_beam.runners.portability import prism_runner
from PIL import Image

from components.contracts import artifact_files, records
from components.contracts.baseline_record import BaselinesReport, ClassifierKind
from components.contracts.drift_record import DriftRecord
from components.contracts.evidence import FeatureKind, SplitCounts, Verdict
from components.contracts.ingestion_record import IngestionSummary
from components.contracts.window_record import WindowRecord
from components.export import registry
from pipeline import cli, local_runner
from pipeline import config as pipeline_config
from pipeline.workdir import Workdir

from .workplace import RESOLVERS, Workplace, executed, read

pytestmark = pytest.mark.e2e

_ROOT = pathlib.Path(__file__).parents[2]
# An evaluation that keeps a third of each image's side leaves too little to recognise a digit.
_WORSE = ("image.center_crop_fraction=0.3", "gate.min_accuracy=0.1")


@pytest.fixture(scope="module", autouse=True)
def no_prism():
    """Beam's default local runner would download Prism; nothing here may so much as construct its runner."""

    def refuse(*_, **__):
        raise AssertionError("a Beam pipeline asks for Prism")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prism_runner.PrismRunner, "__init__", refuse)
        yield


@pytest.fixture(scope="module")
def first(no_prism, tmp_path_factory):
    """A place in which span 1 was trained on, and that run."""
    place = Workplace(tmp_path_factory.mktemp("e2e"))
    place.write_span(1, train=range(4, 20), test=range(4))
    finished = place.run()
    place.keep()
    return place, finished


@pytest.fixture
def workplace(first):
    """The place as the first run left it."""
    place, _ = first
    yield place
    place.restore()


@pytest.fixture(scope="module")
def worse_and_better(first):
    """Two first runs in another work directory: one that recognises little, and by the other runner one like ours."""
    place, _ = first
    return place.run(*_WORSE, workdir="second"), place.run(workdir="second", runner="beam")


def _nodes_that_ran(told):
    """Nodes that the console says took some seconds, in its lines '[ 3/15] Node …' and '✓ 1.0 s'."""
    ran, node_id = set(), None
    for line in told.splitlines():
        if line.startswith("["):
            node_id = line.split()[-2]
        elif "✓" in line and line.endswith(" s"):
            ran.add(node_id)
    return ran


def _digests(finished, node_id, key, split, compression):
    [artifact] = finished.results[node_id].outputs[key]
    files = [str(path) for path in pathlib.Path(artifact.uri, f"Split-{split}").iterdir()]
    found = [
        tf.train.Example.FromString(serialized.numpy()).features.feature[records.DIGEST].bytes_list.value[0]
        for serialized in tf.data.TFRecordDataset(files, compression_type=compression)
    ]
    assert len(found) == len(set(found))
    return set(found)


def test_the_first_run_executes_every_node_and_pushes(first):
    workplace, finished = first
    assert executed(finished) == finished.results.keys() - RESOLVERS
    assert all(result.state == "COMPLETE" for result in finished.results.values())
    assert finished.outcome.verdict == Verdict.BLESSED
    assert finished.outcome.probe.encoder.accuracy > 0.3
    assert workplace.versions() == [1]
    page = pathlib.Path(finished.outcome.report).read_text()
    for step in ("ImageExampleGen", "StatisticsGen", "Transform", "ViewGen", "Trainer", "LinearProbe", "Evaluator"):
        assert f'<th scope="row">{step}</th><td class="number">' in page, step  # in the table of the cost
    assert not workplace.checkpoints()


def test_the_first_span_is_a_window_of_one_and_has_nothing_before_it(first):
    _, finished = first
    window = read(WindowRecord, finished, "TrainingWindow", "window", artifact_files.WINDOW_FILE)
    assert window.images == {"train": 160, "test": 40}
    drift = read(DriftRecord, finished, "DistributionValidator", "anomalies", artifact_files.DRIFT_FILE)
    assert drift.notes == ("span 1 has no span before it, so there is nothing to compare with",)
    assert "nothing to compare with" in pathlib.Path(finished.outcome.report).read_text()


@pytest.mark.parametrize("runner", ["local", "beam"])
def test_the_second_run_comes_from_the_cache_and_pushes_nothing(first, workplace, runner):
    finished = workplace.run(runner=runner)
    assert executed(finished) == set()
    assert finished.results.keys() == first[1].results.keys()
    assert finished.outcome.verdict == Verdict.UNCHANGED
    assert finished.outcome.reason == "this model is in use"
    assert workplace.versions() == [1]


def test_a_version_that_was_removed_is_pushed_again_and_a_damaged_one_is_named(workplace):
    version = workplace.root / "work" / "registry" / "image-encoder" / "1"
    (version / "saved_model.pb").write_bytes(b"another")
    with pytest.raises(
        registry.RegistryError, match="image-encoder/1, which is in use, no longer holds the files that were"
    ):
        workplace.run()
    shutil.rmtree(version)
    finished = workplace.run()
    assert executed(finished) == {"Pusher", "Report"}
    assert workplace.versions() == [2] and finished.outcome.model.endswith("/image-encoder/2")


def test_baselines_are_a_step_of_their_own_that_is_cached(first, workplace):
    asked = ("baselines.enabled=true", "baselines.methods=[from_scratch, frozen]", "baselines.max_image_passes=640")
    cheap = ("baselines.learning_rate_factors=[10.0]", "baselines.max_held_out_parts=1", "baselines.checks=3")
    finished = workplace.run(*asked, *cheap)
    assert executed(finished) == {"Baselines", "Pusher", "Report"}  # the latter two record every setting
    assert finished.results.keys() - first[1].results.keys() == {"Baselines"}
    assert workplace.versions() == [1]
    methods = read(BaselinesReport, finished, "Baselines", "baselines", artifact_files.BASELINES_FILE).methods
    probed = [ClassifierKind.LINEAR_PROBE, ClassifierKind.RANDOM_ENCODER, ClassifierKind.RAW_PIXELS]
    assert list(methods) == [*probed, ClassifierKind.FROM_SCRATCH, ClassifierKind.FROZEN]
    # Baselines counts LinearProbe's predictions again and must find LinearProbe's own numbers.
    for kind, features in zip(probed, FeatureKind, strict=True):
        stated = finished.outcome.probe.features[features].fractions
        assert [result.accuracies for result in methods[kind]] == [result.accuracies for result in stated]
    assert methods[ClassifierKind.FROM_SCRATCH][1].accuracy_mean > 0.3  # of ten classes
    assert "trained from scratch" in pathlib.Path(finished.outcome.report).read_text()
    assert not workplace.checkpoints()
    assert executed(workplace.run(*asked, *cheap)) == set()


def test_an_edited_room_runs_again_with_what_depends_on_it(workplace, tmp_path):
    for name in ("components", "pipeline"):
        shutil.copytree(_ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    with (tmp_path / "components" / "linear_evaluation" / "probe.py").open("a") as file:
        file.write("# edited\n")
    command = [sys.executable, "-m", "pipeline", *workplace.command()]
    finished = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr
    ran = _nodes_that_ran(finished.stderr)
    assert ran - RESOLVERS == {"LinearProbe", "Evaluator", "Gate", "Pusher", "Report"}
    assert "unchanged" in finished.stdout
    assert workplace.versions() == [1]


def test_too_few_test_images_stop_a_run_before_it_trains(workplace, capfd):
    """The first run had 4 test images of each of 10 classes."""
    assert cli.main(workplace.command("gate.min_test_images=41", "pretraining.epochs=2")) == 1
    told = capfd.readouterr().err
    assert "Error: 40 test images are fewer than gate.min_test_images (41), so no model can be blessed: " in told
    assert "TrainingWindow" in told and "ViewGen" not in told and "Trainer" not in told


def test_a_threshold_out_of_reach_ends_without_a_push(workplace, capfd):
    arguments = workplace.command("gate.min_accuracy=1.0")
    assert cli.main(arguments) == 0
    output = capfd.readouterr().out
    assert "not blessed: test accuracy 0." in output
    assert "below min_accuracy 1\n" in output
    assert cli.main([*arguments, "--require-blessing"]) == 3
    assert workplace.versions() == [1]


def test_a_better_model_is_pushed_and_a_worse_one_is_not(worse_and_better, workplace):
    worse, better = worse_and_better
    assert worse.outcome.verdict == better.outcome.verdict == Verdict.BLESSED
    assert better.outcome.test_split == "1 other model was blessed on these test images before"
    assert workplace.versions("second") == [1, 2]
    page = pathlib.Path(better.results["Report"].output("report").uri, artifact_files.REPORT_FILE).read_text()
    assert f"Compared with run <code>{worse.run_id}</code>" in page
    assert '<th scope="row">image.center_crop_fraction</th><td class="text">0.3</td>' in page
    comparison = workplace.root / "comparison.html"
    names = ["report", "--compare", worse.run_id, "blessed", *workplace.workdir("second")]
    assert cli.main([*names, "--output", str(comparison)]) == 0
    assert f"B: run <code>{better.run_id}</code>" in comparison.read_text()
    again = workplace.run(*_WORSE, workdir="second")
    assert again.outcome.verdict == Verdict.NOT_BLESSED
    assert "Trainer" not in executed(again)
    assert workplace.versions("second") == [1, 2]


def test_both_runners_end_in_the_same_model(worse_and_better, workplace):
    local = registry.find_version(workplace.root / "work" / "registry", "image-encoder", "1")
    beam = registry.find_version(workplace.root / "second" / "registry", "image-encoder", "2")
    assert local.content_digest == beam.content_digest


def test_states_come_from_the_database_when_a_node_fails(workplace, tmp_path):
    broken = tmp_path / "broken"
    shutil.copytree(workplace.digits, broken)
    for path in sorted(broken.rglob("*.png"))[:200]:
        path.write_bytes(b"no image")
    config = pipeline_config.load(str(workplace.config))
    directory = Workdir(tmp_path / "failing", str(broken))
    with pytest.raises(Exception, match="max_undecodable_fraction"):
        local_runner.run(config, directory, local_runner.RunnerKind.LOCAL)
    log = next((tmp_path / "failing" / "logs").iterdir()).read_text()
    assert "max_undecodable_fraction" in log


def test_the_second_span_is_compared_and_trained_on_together_with_the_first(workplace):
    # Images 0 to 3 are in test in span 1 and in train here; 10 to 19 are in both spans.
    workplace.write_span(2, train=[*range(4), *range(10, 28)], test=range(28, 32))
    finished = workplace.run(runner="beam")
    window = read(WindowRecord, finished, "TrainingWindow", "window", artifact_files.WINDOW_FILE)
    assert [span.span for span in window.spans] == [2, 1]
    assert window.images == {"train": 240, "test": 80}
    assert (window.also_in_test, window.duplicates) == (40, 100)
    train, test = (_digests(finished, "TrainingWindow", "window", split, "GZIP") for split in ("train", "test"))
    assert not train & test
    assert (len(train), len(test)) == (240, 80)
    views = [_digests(finished, "ViewGen", "views", split, "") for split in ("train", "eval")]
    assert views[0] | views[1] == train
    assert finished.outcome.probe.counts == SplitCounts(train=240, test=80)
    drift = read(DriftRecord, finished, "DistributionValidator", "anomalies", artifact_files.DRIFT_FILE)
    assert drift.baseline_span == 1
    assert {comparison.feature for comparison in drift.comparisons} == set(records.STATISTICS_FEATURES)
    statistics = read(IngestionSummary, finished, "ImageExampleGen", "examples", artifact_files.INGESTION_SUMMARY_FILE)
    assert statistics.records == {"train": 220, "test": 40}  # what StatisticsGen looks at: the new span alone
    assert executed(workplace.run()) == set()


def test_darker_images_and_a_new_class_stop_the_run_until_a_person_accepts_them(workplace, capfd):
    _add_noise(workplace.write_span(2, train=range(10, 30), test=range(30, 36), brightness=0.4))
    assert cli.main(workplace.command()) == 1
    error = capfd.readouterr().err
    assert "feature label" in error and "noise" in error
    assert "split train, feature pixel_mean drifted" in error
    assert "in span 2" in error and "in span 1" in error
    assert "] SpansInWindow …" not in error and "] Trainer …" not in error
    show = ["schema", "show", *workplace.workdir()]
    assert cli.main(show) == 0
    assert "noise" not in capfd.readouterr().out
    assert cli.main(["schema", "accept", *workplace.workdir()]) == 0
    assert "distributions of span 2" in capfd.readouterr().out
    assert cli.main(show) == 0
    assert "noise" in capfd.readouterr().out
    finished = workplace.run()
    drift = read(DriftRecord, finished, "DistributionValidator", "anomalies", artifact_files.DRIFT_FILE)
    assert drift.is_accepted and drift.baseline_span == 1
    assert "drifted, accepted" in pathlib.Path(finished.outcome.report).read_text()
    window = read(WindowRecord, finished, "TrainingWindow", "window", artifact_files.WINDOW_FILE)
    assert [span.span for span in window.spans] == [2, 1]
    assert finished.outcome.verdict == Verdict.BLESSED
    assert "the model in use has other classes" in finished.outcome.text()
    assert workplace.versions() == [1, 2]


def _add_noise(span):
    """A class of its own: 20 images to train on and 6 to test."""
    rng = np.random.default_rng(0)
    with (span / "manifest.csv").open("a", newline="") as file:
        for index in range(26):
            Image.fromarray(rng.integers(0, 256, (8, 8), dtype=np.uint8)).save(span / f"noise-{index}.png")
            csv.writer(file).writerow([f"noise-{index}.png", "noise", "train" if index < 20 else "test"])
