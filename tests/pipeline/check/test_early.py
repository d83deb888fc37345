"""What a run checks in its first seconds and after ingestion."""

import dataclasses
import os

import pytest
from PIL import Image

from components.contracts import artifact_files
from components.contracts.record_files import write_record
from components.contracts.window_record import SpanImages, WindowRecord
from components.ingestion.decoding.refusals import SourceError
from components.pretraining.devices import MissingGpu
from pipeline import cli
from pipeline import config as pipeline_config
from pipeline.check import early, machine
from pipeline.check.minimums import TooFewImagesError
from pipeline.workdir import Workdir
from tests.components.example_records import INGESTION

SUMMARY = dataclasses.replace(
    INGESTION,
    records={"train": 166, "test": 38, "unlabeled": 50},
    classes={"train": {"cat": 100, "dog": 66}, "test": {"cat": 20, "dog": 18}},
)


def test_a_gpu_that_is_not_there_is_told_before_any_step(capfd, tmp_path):
    arguments = ["run", "--workdir", str(tmp_path), "--set", "pretraining.num_gpus=16"]
    assert cli.main(arguments) == 1
    told = capfd.readouterr().err
    assert "Error: pretraining.num_gpus is 16, but TensorFlow sees" in told
    assert "ImageExampleGen" not in told
    assert not (tmp_path / "metadata.sqlite").exists() and not (tmp_path / "data").exists()


def later(root):
    """A work directory whose data the run has yet to write."""
    return Workdir(root, str(root / "later"))


def test_only_steps_that_a_run_has_ask_for_gpus(tmp_path):
    early.before_run(pipeline_config.load("digits", ("baselines.num_gpus=16",)), later(tmp_path), print)
    with pytest.raises(MissingGpu, match=r"baselines\.num_gpus is 16"):
        overrides = ("baselines.num_gpus=16", "baselines.enabled=true")
        early.before_run(pipeline_config.load("digits", overrides), later(tmp_path), print)


def test_the_list_of_files_stops_a_run_or_says_what_is_likely(tmp_path):
    config, said = pipeline_config.load("photos"), []
    (tmp_path / "data").mkdir()
    with pytest.raises(SourceError, match="no file in it"):
        early.before_run(config, Workdir(tmp_path / "work", str(tmp_path / "data")), said.append)
    for name in ("cat", "dog"):
        (tmp_path / "data" / name).mkdir()
        for index in range(100):
            Image.new("L", (20, 20), index).save(tmp_path / "data" / name / f"{index}.png")
    early.before_run(config, Workdir(tmp_path / "work", str(tmp_path / "data")), said.append)
    assert [sentence[:26] for sentence in said] == ["Note: About 40 test images"]
    with pytest.raises(TooFewImagesError, match=r"fewer than pretraining\.global_batch_size \(256\)"):
        early.before_run(
            pipeline_config.load("photos", ("pretraining.global_batch_size=256",)),
            Workdir(tmp_path / "work", str(tmp_path / "data")),
            said.append,
        )


def test_a_disk_that_is_too_small_is_told_in_the_first_seconds(tmp_path, monkeypatch):
    for name in ("cat", "dog"):
        (tmp_path / "data" / name).mkdir(parents=True)
        for index in range(200):
            Image.new("L", (20, 20), index).save(tmp_path / "data" / name / f"{index}.png")
    workdir, said = Workdir(tmp_path / "work", str(tmp_path / "data")), []
    early.before_run(pipeline_config.load("photos"), workdir, said.append)
    assert said == []
    monkeypatch.setattr(machine, "free_bytes", lambda folder: 1000)
    early.before_run(pipeline_config.load("photos"), workdir, said.append)
    [sentence] = said
    assert sentence.startswith(f"Note: {tmp_path}/work has 1 kB free, but images and views may take about ")
    assert sentence.endswith(" MB.")


def test_what_ingestion_counted_stops_a_run_before_it_trains(tmp_path):
    write_record(os.path.join(tmp_path, artifact_files.INGESTION_SUMMARY_FILE), SUMMARY)
    with pytest.raises(TooFewImagesError, match=r"38 test images are fewer than gate\.min_test_images"):
        early.after_ingestion(pipeline_config.load("photos"), early.INGESTION, str(tmp_path), print)
    said = []
    lenient = pipeline_config.load("photos", ("gate.stop_early=false",))
    early.after_ingestion(lenient, early.INGESTION, str(tmp_path), said.append)
    assert len(said) == 1 and "38 test images" in said[0]
    early.after_ingestion(pipeline_config.load("photos"), "StatisticsGen", "/nowhere", said.append)


def test_of_several_spans_the_window_counts(tmp_path):
    config = pipeline_config.load("photos", ("training_spans=2", "ingestion.span_pattern=span-{SPAN}"))
    early.after_ingestion(config, early.INGESTION, "/nowhere", print)
    for test, passes in ((80, True), (38, False)):
        images = {"train": 300, "test": test}
        record = WindowRecord(
            spans=(SpanImages(span=1, images=images),),
            images=images,
            also_in_test=0,
            group_in_test=0,
            duplicates=0,
            label_conflicts=0,
        )
        write_record(os.path.join(tmp_path, artifact_files.WINDOW_FILE), record)
        if passes:
            early.after_ingestion(config, early.WINDOW, str(tmp_path), print)
            continue
        with pytest.raises(TooFewImagesError, match="38 test images"):
            early.after_ingestion(config, early.WINDOW, str(tmp_path), print)
