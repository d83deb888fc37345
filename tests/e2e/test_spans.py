"""Three spans of digits, as a team would take them in: a window of two, a drift that stops, and its acceptance.

Every test is one more run in the same work directory, in the order of the file.
"""

import csv
import json
import pathlib

import pytest
import tensorflow as tf
from PIL import Image

from components.contracts import artifact_files, drift_record, records, window_record
from components.contracts.evidence import SplitCounts
from pipeline import cli, local_runner
from pipeline import config as pipeline_config
from pipeline.workdir import Workdir

from . import tiny

pytestmark = pytest.mark.e2e

_RESOLVERS = {"SchemaInUse", "PreviousStatistics", "SpansInWindow", "BlessedBaseline"}
_SETTINGS = (
    "training_spans=2",
    "ingestion.source=manifest",
    "ingestion.span_pattern=span-{SPAN}",
    "validation.min_drift_images=100",
)


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A config file, a data root without spans yet, and a work directory."""
    root = tmp_path_factory.mktemp("spans")
    tiny.write(root, images_per_class=36)
    return root


def _write_span(workplace, span, train, test, brightness=1.0):
    """A manifest of the images at these positions of each class."""
    folder = workplace / "data" / f"span-{span}"
    folder.mkdir(parents=True)
    with (folder / "manifest.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label", "split"])
        for digit in sorted((workplace / "digits").iterdir()):
            paths = sorted(digit.iterdir())
            for position in (*train, *test):
                name = f"{digit.name}-{position}.png"
                with Image.open(paths[position]) as image:
                    image.point(lambda value: int(value * brightness)).save(folder / name)
                writer.writerow([name, digit.name, "test" if position in test else "train"])


def _run(workplace, runner="local"):
    config = pipeline_config.load(str(workplace / "tiny.yaml"), _SETTINGS)
    workdir = Workdir(workplace / "work", str(workplace / "data"))
    return local_runner.run(config, workdir, local_runner.RunnerKind(runner))


def _executed(finished):
    return {node_id for node_id, result in finished.results.items() if not result.is_cached} - _RESOLVERS


def _read(finished, node_id, key, name):
    [artifact] = finished.results[node_id].outputs[key]
    return json.loads(pathlib.Path(artifact.uri, name).read_text())


def _digests(finished, node_id, key, split, compression):
    [artifact] = finished.results[node_id].outputs[key]
    files = [str(path) for path in pathlib.Path(artifact.uri, f"Split-{split}").iterdir()]
    found = [
        tf.train.Example.FromString(serialized.numpy()).features.feature[records.DIGEST].bytes_list.value[0]
        for serialized in tf.data.TFRecordDataset(files, compression_type=compression)
    ]
    assert len(found) == len(set(found))
    return set(found)


def test_the_first_span_is_a_window_of_one_and_has_nothing_before_it(workplace):
    _write_span(workplace, 1, train=range(4, 20), test=range(4))
    finished = _run(workplace)
    assert len(finished.results) == 20
    window = _read(finished, "TrainingWindow", "window", artifact_files.WINDOW_FILE)
    assert window[window_record.RECORDS] == {"train": 160, "test": 40}
    drift = _read(finished, "DistributionValidator", "anomalies", artifact_files.DRIFT_FILE)
    assert drift[drift_record.NOTES] == ["span 1 has no span before it, so there is nothing to compare with"]
    assert "nothing to compare with" in pathlib.Path(finished.outcome.report).read_text()


def test_the_second_span_is_compared_and_trained_on_together_with_the_first(workplace):
    # Images 0 to 3 are in test in span 1 and in train here; 10 to 19 are in both spans.
    _write_span(workplace, 2, train=[*range(4), *range(10, 28)], test=range(28, 32))
    finished = _run(workplace, runner="beam")
    window = _read(finished, "TrainingWindow", "window", artifact_files.WINDOW_FILE)
    assert [span[window_record.SPAN] for span in window[window_record.SPANS]] == [2, 1]
    assert window[window_record.RECORDS] == {"train": 240, "test": 80}
    assert (window[window_record.ALSO_IN_TEST], window[window_record.DUPLICATES]) == (40, 100)
    train, test = (_digests(finished, "TrainingWindow", "window", split, "GZIP") for split in ("train", "test"))
    assert not train & test
    assert (len(train), len(test)) == (240, 80)
    views = [_digests(finished, "ViewGen", "views", split, "") for split in ("train", "eval")]
    assert views[0] | views[1] == train
    assert finished.outcome.probe.counts == SplitCounts(train=240, test=80)
    drift = _read(finished, "DistributionValidator", "anomalies", artifact_files.DRIFT_FILE)
    assert drift[drift_record.BASELINE_SPAN] == 1
    assert {comparison[drift_record.FEATURE] for comparison in drift[drift_record.COMPARISONS]} == set(
        records.STATISTICS_FEATURES
    )
    statistics = _read(finished, "ImageExampleGen", "examples", artifact_files.INGESTION_SUMMARY_FILE)
    assert statistics["records"] == {"train": 220, "test": 40}  # what StatisticsGen looks at: the new span alone


def test_without_a_new_span_everything_comes_from_the_cache(workplace):
    finished = _run(workplace)
    assert _executed(finished) == set()


def test_darker_images_stop_the_run_until_a_person_accepts_them(workplace, capfd):
    _write_span(workplace, 3, train=range(10, 30), test=range(30, 36), brightness=0.4)
    arguments = ["run", "--config", str(workplace / "tiny.yaml"), "--data", str(workplace / "data")]
    arguments += ["--workdir", str(workplace / "work")]
    for setting in _SETTINGS:
        arguments += ["--set", setting]
    assert cli.main(arguments) == 1
    error = capfd.readouterr().err
    assert "split train, feature pixel_mean drifted" in error
    assert "in span 3" in error and "in span 2" in error
    assert "] SpansInWindow …" not in error
    assert cli.main(["schema", "accept", "--workdir", str(workplace / "work")]) == 0
    assert "distributions of span 3" in capfd.readouterr().out
    finished = _run(workplace)
    drift = _read(finished, "DistributionValidator", "anomalies", artifact_files.DRIFT_FILE)
    assert drift[drift_record.ACCEPTED] and drift[drift_record.BASELINE_SPAN] == 2
    assert "drifted, accepted" in pathlib.Path(finished.outcome.report).read_text()
    window = _read(finished, "TrainingWindow", "window", artifact_files.WINDOW_FILE)
    assert [span[window_record.SPAN] for span in window[window_record.SPANS]] == [3, 2]
