"""A whole pretraining on small drawn images: what it writes, and that being killed changes nothing."""

import dataclasses
import hashlib
import json
import logging
import math
import os
import pathlib
import signal
import subprocess
import sys
import time
import zipfile

import cv2
import keras
import numpy as np
import pytest

from components.contracts import artifact_files, configuration
from components.contracts.images import Color, ImageConfig
from components.contracts.pretraining_record import PretrainingRecord
from components.contracts.record_files import read_record
from components.pretraining import checkpoints, devices, pretrain
from components.pretraining.config import PretrainingConfig
from components.simclr.encoders.encoder import weights_digest
from tests.components.example_records import VIEWS

from .tasks import task_of

IMAGE = ImageConfig(size_px=16, color=Color.GRAY, center_crop_fraction=1.0)
SCRIPT = pathlib.Path(__file__).with_name("train_in_process.py")


def config_of(settings: dict) -> PretrainingConfig:
    return configuration.from_mapping(PretrainingConfig, settings, "test")


@pytest.fixture(scope="module")
def finished(views, settings, tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    return folder, pretrain.pretrain(config_of(settings()), IMAGE, task_of(views, folder))


def load(folder: pathlib.Path, name: str) -> keras.Model:
    return keras.saving.load_model(folder / "model" / name, compile=False)


def test_describes_the_run(finished, settings):
    folder, description = finished
    assert read_record(PretrainingRecord, str(folder / "model" / artifact_files.PRETRAINING_FILE)) == description
    assert description.plan.total_steps == 8  # 40 images, batches of 16: two whole ones, four epochs
    assert description.plan.negatives_per_anchor == 30
    assert description.plan.chance_loss == pytest.approx(math.log(31))
    assert description.config == configuration.to_mapping(config_of(settings()))
    assert description.resumed_from_steps == ()
    assert [epoch.epoch for epoch in description.history] == [1, 2, 3, 4]
    assert [epoch.knn is not None for epoch in description.history] == [False, True, False, True]
    assert all(epoch.top5 >= epoch.top1 >= 0 and epoch.learning_rate > 0 for epoch in description.history)
    assert description.history[-1].loss < description.history[0].loss


def test_writes_models_of_the_promised_shapes(finished):
    folder, description = finished
    pixels = np.random.default_rng(0).normal(size=(3, 16, 16, 1)).astype(np.float32)
    encoder, initial, head = (
        load(folder, name)
        for name in (
            artifact_files.ENCODER_FILE,
            artifact_files.INITIAL_ENCODER_FILE,
            artifact_files.PROJECTION_HEAD_FILE,
        )
    )
    width = description.plan.representation_width
    representations = encoder.predict(pixels, verbose=0)
    assert representations.shape == initial.predict(pixels, verbose=0).shape == (3, width)
    assert head.predict(representations, verbose=0).shape == (3, 16)
    assert description.weights_digest == weights_digest(encoder, head)
    assert weights_digest(encoder) != weights_digest(initial)


def test_kept_head_layers_are_the_end_of_both_encoders(views, settings, tmp_path):
    head = {"layers": 3, "hidden_width": 32, "output_width": 16, "kept_layers": 1}
    config = config_of(settings(epochs=2, projection_head=head))
    description = pretrain.pretrain(config, IMAGE, task_of(views, tmp_path))
    assert description.plan.representation_width == 32
    encoder, initial, rest = (
        load(tmp_path, name)
        for name in (
            artifact_files.ENCODER_FILE,
            artifact_files.INITIAL_ENCODER_FILE,
            artifact_files.PROJECTION_HEAD_FILE,
        )
    )
    pixels = np.random.default_rng(0).normal(size=(3, 16, 16, 1)).astype(np.float32)
    for model in (encoder, initial):
        norm, activation = model.layers[-2:]
        assert isinstance(activation, keras.layers.ReLU)
        assert np.any(np.asarray(norm.moving_mean) != 0)
        assert np.asarray(model(pixels)).min() >= 0
        assert model.output_shape == rest.input_shape == (None, 32)
    assert rest.output_shape == (None, 16)


def test_batch_norm_statistics_are_estimated_everywhere(finished):
    folder, _ = finished
    for name in (artifact_files.ENCODER_FILE, artifact_files.INITIAL_ENCODER_FILE, artifact_files.PROJECTION_HEAD_FILE):
        norms = [layer for layer in load(folder, name).layers if isinstance(layer, keras.layers.BatchNormalization)]
        assert norms
        assert all(np.any(np.asarray(norm.moving_mean) != 0) for norm in norms)
        assert all(np.all(np.asarray(norm.moving_variance) != 1) for norm in norms)


def test_grid_shows_eight_images_in_six_views(finished):
    folder, _ = finished
    grid = cv2.imread(str(folder / "model" / artifact_files.VIEW_GRID_FILE), cv2.IMREAD_GRAYSCALE)
    assert grid.shape == (8 * 18, 6 * 18)
    assert grid.std() > 20


def test_the_encoder_file_names_no_class_of_this_project(finished):
    """So Keras alone loads it, as a process does in linear_evaluation/test_saved_model.py."""
    with zipfile.ZipFile(finished[0] / "model" / artifact_files.ENCODER_FILE) as archive:
        model = json.loads(archive.read("config.json"))
    classes = [model, *model["config"]["layers"]]
    assert len(classes) > 5
    assert {entry["module"].split(".")[0] for entry in classes} == {"keras"}
    assert {entry["registered_name"] for entry in classes} <= {None, "Functional"}


def test_finished_run_exports_again_without_training(finished, views, settings, caplog):
    """As after a kill between export and publication. The first line of the log says what the settings come to."""
    folder, description = finished
    with caplog.at_level(logging.INFO):
        again = pretrain.pretrain(config_of(settings()), IMAGE, task_of(views, folder))
    assert again.weights_digest == description.weights_digest
    assert again.resumed_from_steps == (8,)
    assert again.history == description.history
    first = next(record.getMessage() for record in caplog.records if record.name.startswith("components."))
    assert "peak learning rate" in first and "16 images and 32 views per step, 30 negatives" in first
    assert "8 steps" in first and "chance loss 3.434" in first


def test_checkpoint_directory_depends_on_all_that_decides(views, settings, tmp_path):
    task, summary = task_of(views, tmp_path), dataclasses.replace(VIEWS, content_digest="a")
    config = config_of(settings())
    first = pretrain.checkpoint_directory(config, task, summary)
    moved = task_of(views, tmp_path)
    assert first == pretrain.checkpoint_directory(config, moved, summary)
    others = [
        pretrain.checkpoint_directory(config_of(settings(seed=1)), task, summary),
        pretrain.checkpoint_directory(config, task, dataclasses.replace(VIEWS, content_digest="b")),
        pretrain.checkpoint_directory(config, pretrain.Task(**{**vars(task), "mean": np.array([1.0])}), summary),
        pretrain.checkpoint_directory(config, pretrain.Task(**{**vars(task), "code_digest": "other"}), summary),
    ]
    assert len({first, *others}) == 5
    for unimportant in (
        *({"input_threads": 7}, {"prefetch_batches": 9}, {"cache_megabytes": 1}),
        *({"checkpoint_every_steps": 3}, {"checkpoint_every_minutes": 0.5}, {"watch": {"chance_fraction": 1.0}}),
    ):
        assert first == pretrain.checkpoint_directory(config_of(settings(**unimportant)), task, summary)


def test_a_run_starts_from_an_earlier_encoder(finished, views, settings, tmp_path):
    path = finished[0] / "model" / artifact_files.ENCODER_FILE
    encoder = {"architecture": "small_cnn", "width_multiplier": 0.25, "initial_weights": str(path)}
    config = config_of(settings(epochs=2, encoder=encoder))
    description = pretrain.pretrain(config, IMAGE, task_of(views, tmp_path))
    assert description.config["encoder"]["initial_weights_digest"] == hashlib.sha256(path.read_bytes()).hexdigest()
    initial = load(tmp_path, artifact_files.INITIAL_ENCODER_FILE)
    earlier = load(finished[0], artifact_files.ENCODER_FILE)
    for found, expected in zip(initial.trainable_variables, earlier.trainable_variables, strict=True):
        np.testing.assert_array_equal(np.asarray(found), np.asarray(expected))
    assert description.initial_encoder_digest == weights_digest(initial)
    assert description.history[0].loss < finished[1].history[0].loss
    with pytest.raises(ValueError, match="the file was changed since"):
        stale = {**encoder, "initial_weights_digest": "0" * 64}
        pretrain.pretrain(config_of(settings(encoder=stale)), IMAGE, task_of(views, tmp_path))


def test_crops_in_training_where_images_are_stored_whole(uncropped_views, settings, tmp_path):
    crop = {"area_min": 0.5, "area_max": 1.0, "aspect_min": 0.9, "aspect_max": 1.1}
    config = config_of(settings(epochs=2, crop=crop))
    description = pretrain.pretrain(config, IMAGE, task_of(uncropped_views, tmp_path))
    assert len(description.history) == 2


def test_missing_gpu_is_said_at_once(views, settings, tmp_path):
    with pytest.raises(devices.MissingGpu, match=r"num_gpus is 1, but TensorFlow sees 0 GPUs"):
        pretrain.pretrain(config_of(settings(num_gpus=1)), IMAGE, task_of(views, tmp_path))


def test_views_of_another_size_are_refused(views, settings, tmp_path):
    with pytest.raises(
        ValueError, match=r"views have size and channels \(16, 1\), but the image config says \(32, 3\)"
    ):
        pretrain.pretrain(config_of(settings()), ImageConfig(size_px=32), task_of(views, tmp_path))


def start(views, settings: dict, folder: pathlib.Path) -> subprocess.Popen:
    asked = json.dumps({"settings": settings, "views": views.uri, "folder": str(folder)})
    return subprocess.Popen([sys.executable, SCRIPT, asked], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def result(process: subprocess.Popen) -> str:
    out, err = process.communicate(timeout=600)
    assert process.returncode == 0, err[-3000:]
    return out


def kill_in_the_middle(process: subprocess.Popen, folder: pathlib.Path, step: int) -> None:
    """SIGKILL as soon as a checkpoint of ``step`` or later exists."""
    deadline = time.monotonic() + 600
    while time.monotonic() < deadline:
        assert process.poll() is None, "the run ended before it could be killed"
        found = [path for path in folder.glob("checkpoints/*/checkpoint-*.npz") if int(path.name.split("-")[1]) >= step]
        if found:
            os.kill(process.pid, signal.SIGKILL)
            process.communicate()
            return
        time.sleep(0.01)
    raise AssertionError("no checkpoint in time")


def test_killed_and_resumed_equals_uninterrupted(views, settings, tmp_path):
    """Equal weights to the bit: compiled with XLA, deterministic operations, same machine.

    BYOL has a predictor and target weights to restore; ``test_training`` resumes MoCo with its queue.
    """
    run = settings(jit_compile=True, epochs=60, checkpoint_every_steps=7, method="byol")
    whole = start(views, run, tmp_path / "whole")
    killed = start(views, run, tmp_path / "killed")
    kill_in_the_middle(killed, tmp_path / "killed", step=14)
    digest = result(whole)
    assert killed.returncode == -signal.SIGKILL
    assert not (tmp_path / "killed" / "model" / artifact_files.PRETRAINING_FILE).exists()
    assert result(start(views, run, tmp_path / "killed")) == digest
    described = [
        read_record(PretrainingRecord, str(tmp_path / name / "model" / artifact_files.PRETRAINING_FILE))
        for name in ("whole", "killed")
    ]
    assert 14 <= described[1].resumed_from_steps[0] < 120
    assert described[0].history == described[1].history
    assert (
        checkpoints.load_latest(str(tmp_path / "killed" / "checkpoints" / described[1].checkpoint_directory)).step
        == 120
    )
