"""The whole graph on a tiny config: run, run again, edit the code, ask too much, come with something worse.

Every test is one more run in the same work directory, in the order of the file, as a team would use it.
"""

import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest
from apache_beam.runners.portability import prism_runner
from PIL import Image

from components.contracts import artifact_files
from components.contracts.baseline_record import BaselinesReport, ClassifierKind
from components.contracts.evidence import FeatureKind, Verdict
from components.contracts.record_files import read_record
from components.export import registry
from pipeline import cli, local_runner
from pipeline import config as pipeline_config
from pipeline.workdir import Workdir

from . import tiny

pytestmark = pytest.mark.e2e

_ROOT = pathlib.Path(__file__).parents[2]
_RESOLVERS = {"SchemaInUse", "PreviousStatistics", "BlessedBaseline"}
_IMAGES_PER_CLASS = 40


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A config file, a folder of images and a work directory."""
    root = tmp_path_factory.mktemp("e2e")
    tiny.write(root, _IMAGES_PER_CLASS)
    return root


@pytest.fixture(autouse=True)
def no_prism(monkeypatch):
    """Beam's default local runner would download Prism; nothing here may so much as construct its runner."""

    def refuse(*_, **__):
        raise AssertionError("a Beam pipeline asks for Prism")

    monkeypatch.setattr(prism_runner.PrismRunner, "__init__", refuse)


def _run(workplace, *overrides, runner="local", workdir="work"):
    config = pipeline_config.load(str(workplace / "tiny.yaml"), overrides)
    directory = Workdir(workplace / workdir, str(workplace / "digits"))
    return local_runner.run(config, directory, local_runner.RunnerKind(runner))


def _executed(finished):
    return {node_id for node_id, result in finished.results.items() if not result.is_cached} - _RESOLVERS


def _nodes_that_ran(told):
    """Nodes that the console says took some seconds, in its lines '[ 3/15] Node …' and '✓ 1.0 s'."""
    ran, node_id = set(), None
    for line in told.splitlines():
        if line.startswith("["):
            node_id = line.split()[-2]
        elif "✓" in line and line.endswith(" s"):
            ran.add(node_id)
    return ran


def _versions(workplace, workdir="work"):
    folder = workplace / workdir / "registry" / "image-encoder"
    return sorted(int(path.name) for path in folder.iterdir() if path.name.isdecimal())


def test_the_first_run_executes_every_node_and_pushes(workplace):
    finished = _run(workplace)
    assert len(finished.results) == 18
    assert all(result.state == "COMPLETE" for result in finished.results.values())
    assert finished.outcome.verdict == Verdict.BLESSED
    assert finished.outcome.probe.encoder.accuracy > 0.3
    assert _versions(workplace) == [1]
    page = pathlib.Path(finished.outcome.report).read_text()
    for step in ("ImageExampleGen", "StatisticsGen", "Transform", "ViewGen", "Trainer", "LinearProbe", "Evaluator"):
        assert f'<th scope="row">{step}</th><td class="number">' in page, step  # in the table of the cost
    assert not any((workplace / "work" / "pipeline_root" / "checkpoints").glob("*/*"))


def test_the_second_run_comes_from_the_cache_and_pushes_nothing(workplace):
    finished = _run(workplace)
    assert _executed(finished) == set()
    assert finished.outcome.verdict == Verdict.UNCHANGED
    assert finished.outcome.reason == "this model is in use"
    assert _versions(workplace) == [1]


def test_baselines_are_a_step_of_their_own_that_is_cached(workplace):
    asked = ("baselines.enabled=true", "baselines.methods=[from_scratch, frozen]", "baselines.max_image_passes=640")
    cheap = ("baselines.learning_rate_factors=[10.0]", "baselines.max_held_out_parts=1", "baselines.checks=3")
    finished = _run(workplace, *asked, *cheap)
    assert _executed(finished) == {"Baselines", "Pusher", "Report"}  # the latter two record every setting
    assert _versions(workplace) == [1]
    assert len(finished.results) == 19
    (written,) = finished.results["Baselines"].outputs["baselines"]
    methods = read_record(BaselinesReport, f"{written.uri}/{artifact_files.BASELINES_FILE}").methods
    probed = [ClassifierKind.LINEAR_PROBE, ClassifierKind.RANDOM_ENCODER, ClassifierKind.RAW_PIXELS]
    assert list(methods) == [*probed, ClassifierKind.FROM_SCRATCH, ClassifierKind.FROZEN]
    # Baselines counts LinearProbe's predictions again and must find LinearProbe's own numbers.
    for kind, features in zip(probed, FeatureKind, strict=True):
        stated = finished.outcome.probe.features[features].fractions
        assert [result.accuracies for result in methods[kind]] == [result.accuracies for result in stated]
    assert methods[ClassifierKind.FROM_SCRATCH][1].accuracy_mean > 0.3  # of ten classes
    assert "trained from scratch" in pathlib.Path(finished.outcome.report).read_text()
    assert not any((workplace / "work" / "pipeline_root" / "checkpoints").glob("*/*"))
    assert _executed(_run(workplace, *asked, *cheap)) == set()


def test_the_other_runner_walks_the_same_graph(workplace):
    finished = _run(workplace, runner="beam")
    assert _executed(finished) == set()
    assert len(finished.results) == 18


def test_an_edited_room_runs_again_with_what_depends_on_it(workplace, tmp_path):
    for name in ("components", "pipeline"):
        shutil.copytree(_ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    with (tmp_path / "components" / "linear_evaluation" / "probe.py").open("a") as file:
        file.write("# edited\n")
    command = [sys.executable, "-m", "pipeline", "run", "--config", str(workplace / "tiny.yaml")]
    command += ["--data", str(workplace / "digits"), "--workdir", str(workplace / "work")]
    finished = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr
    ran = _nodes_that_ran(finished.stderr)
    assert ran - _RESOLVERS == {"LinearProbe", "Evaluator", "Gate", "Pusher", "Report"}
    assert "unchanged" in finished.stdout
    assert _versions(workplace) == [1]


def test_a_threshold_out_of_reach_ends_without_a_push(workplace, capfd):
    arguments = ["run", "--config", str(workplace / "tiny.yaml"), "--data", str(workplace / "digits")]
    arguments += ["--workdir", str(workplace / "work"), "--set", "gate.min_accuracy=1.0"]
    assert cli.main(arguments) == 0
    output = capfd.readouterr().out
    assert "not blessed" in output
    assert "1.0" in output
    assert cli.main([*arguments, "--require-blessing"]) == 3
    assert _versions(workplace) == [1]


def test_a_better_model_is_pushed_and_a_worse_one_is_not(workplace):
    # An evaluation that keeps a third of each image's side leaves too little to recognise a digit.
    worse = ("image.center_crop_fraction=0.3",)
    first = _run(workplace, *worse, workdir="second")
    assert first.outcome.verdict == Verdict.BLESSED
    better = _run(workplace, workdir="second", runner="beam")
    assert better.outcome.verdict == Verdict.BLESSED
    assert better.outcome.test_split == "1 other model was blessed on these test images before"
    assert _versions(workplace, "second") == [1, 2]
    page = pathlib.Path(better.outcome.report).read_text()
    assert f"Compared with run <code>{first.run_id}</code>" in page
    assert '<th scope="row">image.center_crop_fraction</th><td class="text">0.3</td>' in page
    comparison = workplace / "comparison.html"
    names = ["report", "--compare", first.run_id, "blessed", "--workdir", str(workplace / "second")]
    assert cli.main([*names, "--output", str(comparison)]) == 0
    assert f"B: run <code>{better.run_id}</code>" in comparison.read_text()
    again = _run(workplace, *worse, workdir="second")
    assert again.outcome.verdict == Verdict.NOT_BLESSED
    assert "Trainer" not in _executed(again)
    assert _versions(workplace, "second") == [1, 2]


def test_both_runners_end_in_the_same_model(workplace):
    local = registry.find_version(workplace / "work" / "registry", "image-encoder", "1")
    beam = registry.find_version(workplace / "second" / "registry", "image-encoder", "2")
    assert local.content_digest == beam.content_digest


def test_states_come_from_the_database_when_a_node_fails(workplace):
    broken = workplace / "broken"
    shutil.copytree(workplace / "digits", broken)
    for path in sorted(broken.rglob("*.png"))[:200]:
        path.write_bytes(b"no image")
    config = pipeline_config.load(str(workplace / "tiny.yaml"))
    directory = Workdir(workplace / "failing", str(broken))
    with pytest.raises(Exception, match="max_undecodable_fraction"):
        local_runner.run(config, directory, local_runner.RunnerKind.LOCAL)
    log = next((workplace / "failing" / "logs").iterdir()).read_text()
    assert "max_undecodable_fraction" in log


def test_a_new_class_stops_the_run_until_a_person_accepts_it(workplace, capfd):
    grown = workplace / "grown"
    shutil.copytree(workplace / "digits", grown)
    rng = np.random.default_rng(0)
    (grown / "noise").mkdir()
    for index in range(_IMAGES_PER_CLASS):
        Image.fromarray(rng.integers(0, 256, (8, 8), dtype=np.uint8)).save(grown / "noise" / f"{index}.png")
    arguments = ["run", "--config", str(workplace / "tiny.yaml"), "--data", str(grown)]
    arguments += ["--workdir", str(workplace / "work")]
    assert cli.main(arguments) == 1
    error = capfd.readouterr().err
    assert "feature label" in error
    assert "noise" in error
    assert "] Trainer …" not in error
    schema = ["schema", "show", "--workdir", str(workplace / "work")]
    assert cli.main(schema) == 0
    assert "noise" not in capfd.readouterr().out
    assert cli.main(["schema", "accept", "--workdir", str(workplace / "work")]) == 0
    assert cli.main(schema) == 0
    assert "noise" in capfd.readouterr().out
    assert cli.main(arguments) == 0
    told = capfd.readouterr().out
    assert "blessed" in told
    assert "the model in use has other classes" in told
    assert _versions(workplace) == [1, 2]
