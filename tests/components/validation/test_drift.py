"""A span held against the one before it: statistics to distances to a stopped run, with TFX's own step in between."""

import pathlib

import numpy as np
import pandas as pd
import pytest
import tensorflow_data_validation as tfdv
from tfx.types import Channel, standard_artifacts
from tfx.types.artifact_utils import encode_split_names

from components.contracts import artifact_files, artifacts, configuration, records
from components.contracts.drift_record import DriftRecord
from components.contracts.record_files import read_record
from components.validation import anomaly_gate_executor, drift_executor, statistics_resolver
from components.validation.component import DistributionValidator
from components.validation.config import ValidationConfig

CONFIG = ValidationConfig(max_label_drift=0.2, max_image_drift=0.2, min_drift_images=150)


def make_frame(images, seed, cats=0.5, brightness=120.0, labelled=True):
    """Light features of gray images of one size."""
    rng = np.random.default_rng(seed)
    sizes = {name: [32] * images for name in (records.HEIGHT, records.WIDTH)}
    frame = pd.DataFrame({**sizes, records.CHANNELS: [1] * images})
    frame[records.ENCODED_BYTES] = rng.integers(900, 1100, images)
    frame[records.PIXEL_MEAN] = rng.normal(brightness, 10, images).astype(np.float32)
    frame[records.PIXEL_STD] = rng.normal(40, 5, images).astype(np.float32)
    if labelled:
        frame[records.LABEL] = np.where(np.arange(images) < images * cats, "cat", "dog")
    return frame


def make_statistics(folder, span, frames):
    statistics = standard_artifacts.ExampleStatistics()
    statistics.uri = str(folder)
    statistics.split_names = encode_split_names(list(frames))
    artifacts.set_data_span(statistics, span)
    statistics.set_string_custom_property(artifact_files.CONTENT_DIGEST, f"content {span}")
    for split, frame in frames.items():
        path = pathlib.Path(folder) / f"Split-{split}" / "FeatureStats.pb"
        path.parent.mkdir(parents=True)
        path.write_bytes(tfdv.generate_statistics_from_dataframe(frame).SerializeToString())
    return statistics


@pytest.fixture(scope="module")
def spans(tmp_path_factory):
    """Statistics of spans by name; ``same`` differs from ``first`` by chance alone."""
    folder = tmp_path_factory.mktemp("statistics")
    made = {
        "first": (1, {"train": make_frame(400, 0), "test": make_frame(40, 1)}),
        "same": (2, {"train": make_frame(300, 2), "test": make_frame(40, 3)}),
        "labels": (2, {"train": make_frame(300, 4, cats=0.8), "test": make_frame(40, 5)}),
        "dark": (2, {"train": make_frame(300, 6, brightness=80.0), "test": make_frame(40, 7)}),
        "unlabeled": (1, {"train": make_frame(300, 8), "unlabeled": make_frame(300, 9, labelled=False)}),
        "unlabeled dark": (2, {"train": make_frame(300, 10), "unlabeled": make_frame(300, 11, 0.5, 80.0, False)}),
    }
    return {name: make_statistics(folder / name, *content) for name, content in made.items()}


def compare(folder, current, before=None, accepted=None, config=CONFIG):
    """What DistributionValidator gives, and its record."""
    found = standard_artifacts.ExampleAnomalies()
    found.uri = str(folder)
    folder.mkdir()
    inputs = {"statistics": [current], "baseline_statistics": [before] if before else []}
    inputs["accepted_statistics"] = [accepted] if accepted else []
    drift_executor.Executor().Do(inputs, {"anomalies": [found]}, {artifact_files.CONFIG: configuration.to_json(config)})
    return found, read_record(DriftRecord, str(folder / artifact_files.DRIFT_FILE))


def judge(folder, statistics, drift):
    """The clearance of a span without anomalies."""
    anomalies, clearance = standard_artifacts.ExampleAnomalies(), artifacts.AnomalyClearance()
    anomalies.uri, anomalies.split_names = str(folder), encode_split_names([])
    inputs = {"statistics": [statistics], "anomalies": [anomalies], "drift": [drift]}
    anomaly_gate_executor.Executor().Do(inputs, {"clearance": [clearance]}, {})
    return clearance


def by_feature(record, split="train"):
    return {comparison.feature: comparison for comparison in record.comparisons if comparison.split == split}


def test_the_first_span_passes_and_says_that_nothing_was_compared(spans, tmp_path):
    found, record = compare(tmp_path / "drift", spans["first"])
    assert record.notes == ("span 1 has no span before it, so there is nothing to compare with",)
    assert (record.baseline_span, record.comparisons) == (None, ())
    clearance = judge(tmp_path, spans["first"], found)
    assert artifacts.data_span(clearance) == 1
    assert clearance.get_string_custom_property(artifact_files.CONTENT_DIGEST) == "content 1"


def test_a_span_like_the_one_before_passes(spans, tmp_path):
    found, record = compare(tmp_path / "drift", spans["same"], spans["first"])
    compared = by_feature(record)
    assert set(compared) == set(records.STATISTICS_FEATURES)
    assert not any(comparison.has_drifted for comparison in compared.values())
    assert compared[records.HEIGHT].distance == 0
    assert 0 < compared[records.PIXEL_MEAN].distance < 0.1
    judge(tmp_path, spans["same"], found)


def test_another_mixture_of_classes_stops_the_run(spans, tmp_path):
    found, record = compare(tmp_path / "drift", spans["labels"], spans["first"])
    labels = by_feature(record)[records.LABEL]
    assert labels.distance == pytest.approx(0.3)
    assert [name for name, comparison in by_feature(record).items() if comparison.has_drifted] == ["label"]
    message = (
        r"1 anomaly .* feature label drifted: class (cat 80.0%|dog 20.0%) in span 2, class (cat|dog) 50.0% in span 1 "
        r".*0\.300, validation\.max_label_drift is 0\.2\).*simclr schema accept"
    )
    with pytest.raises(anomaly_gate_executor.AnomaliesFoundError, match=message):
        judge(tmp_path, spans["labels"], found)
    assert "feature label drifted" in (tmp_path / artifact_files.ANOMALIES_PAGE).read_text()


def test_darker_images_stop_the_run_labelled_or_not(spans, tmp_path):
    found, record = compare(tmp_path / "drift", spans["dark"], spans["first"])
    assert by_feature(record)[records.PIXEL_MEAN].distance > 0.5
    with pytest.raises(
        anomaly_gate_executor.AnomaliesFoundError, match=r"pixel_mean drifted: 79.96 ± 10 in span 2, 119.6"
    ):
        judge(tmp_path, spans["dark"], found)
    found, record = compare(tmp_path / "unlabeled", spans["unlabeled dark"], spans["unlabeled"])
    assert set(by_feature(record, "unlabeled")) == set(records.STATISTICS_FEATURES) - {records.LABEL}
    with pytest.raises(anomaly_gate_executor.AnomaliesFoundError, match="split unlabeled, feature pixel_mean drifted"):
        judge(tmp_path, spans["unlabeled dark"], found)


def test_splits_too_small_to_tell_are_named_and_not_compared(spans, tmp_path):
    _, record = compare(tmp_path / "drift", spans["same"], spans["first"])
    assert {comparison.split for comparison in record.comparisons} == {"train"}
    [note] = record.notes
    assert note.startswith("split test is not compared: 40 images before and 40 now")
    few = ValidationConfig(min_drift_images=1000)
    _, record = compare(tmp_path / "none", spans["dark"], spans["first"], config=few)
    assert (len(record.notes), record.comparisons) == (2, ())


def test_limits_can_be_moved_and_switched_off(spans, tmp_path):
    wide = ValidationConfig(max_label_drift=0.35, max_image_drift=None, min_drift_images=150)
    found, record = compare(tmp_path / "drift", spans["labels"], spans["first"], config=wide)
    assert list(by_feature(record)) == [records.LABEL]
    judge(tmp_path, spans["labels"], found)
    neither = ValidationConfig(max_label_drift=None, max_image_drift=None, min_drift_images=150)
    assert compare(tmp_path / "none", spans["dark"], spans["first"], config=neither)[1].comparisons == ()


def test_a_drift_that_a_person_accepted_is_shown_and_passes(spans, tmp_path):
    found, record = compare(tmp_path / "drift", spans["dark"], spans["first"], accepted=spans["dark"])
    assert record.is_accepted
    assert by_feature(record)[records.PIXEL_MEAN].has_drifted
    judge(tmp_path, spans["dark"], found)


def test_the_step_needs_no_baseline():
    statistics, before, accepted = (Channel(type=standard_artifacts.ExampleStatistics) for _ in range(3))
    step = DistributionValidator(statistics, before, accepted, CONFIG)
    assert step.spec.INPUTS["baseline_statistics"].optional
    assert step.exec_properties[artifact_files.CONFIG] == configuration.to_json(CONFIG)


@pytest.fixture
def resolve(make_series):
    """A series of statistics, and what a run with ``current`` is given: content of the baseline and of the accepted."""
    series = make_series(standard_artifacts.ExampleStatistics)

    def resolved(current):
        found = statistics_resolver.PreviousStatistics().resolve_artifacts(
            series.store,
            {
                "statistics": [current],
                "baseline_statistics": list(series.given),
                "accepted_statistics": list(series.given),
                "clearance": list(series.clearances),
            },
        )
        assert found["statistics"] == [current]
        return tuple(
            chosen[0].get_string_custom_property(artifact_files.CONTENT_DIGEST) if chosen else None
            for chosen in (found["baseline_statistics"], found["accepted_statistics"])
        )

    return series, resolved


def test_the_baseline_is_the_last_span_before_that_passed(resolve):
    series, resolved = resolve
    first = series.add(1, "one")
    assert resolved(first) == (None, None)
    series.add(3, "three, refused", cleared=False)
    series.add(5, "five, of another source", series="b")
    assert resolved(series.add(7, "seven")) == ("one", None)
    assert resolved(series.add(5, "five")) == ("one", None)  # not a later one
    assert resolved(series.add(8, "eight")) == ("seven", None)


def test_of_a_span_ingested_again_the_one_given_out_last_counts(resolve):
    series, resolved = resolve
    old = series.add(1, "one")
    series.add(1, "one, mended")
    current = series.add(2, "two")
    assert resolved(current) == ("one, mended", None)
    series.give_out(old)  # the files were put back, so it came from the cache
    assert resolved(current) == ("one", None)


def test_what_was_accepted_is_known_by_its_content(resolve):
    series, resolved = resolve
    series.add(1, "one")
    refused = series.add(2, "two", cleared=False)
    refused.set_int_custom_property(artifact_files.ACCEPTED_AT, 1)
    assert resolved(refused) == ("one", "two")
    assert resolved(series.add(2, "two")) == ("one", "two")  # counted anew
    assert resolved(series.add(2, "other images")) == ("one", None)
    assert statistics_resolver.PreviousStatistics().resolve_artifacts(series.store, {"statistics": []}) is None
