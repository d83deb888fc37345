"""`simclr transfer segmentation` on a pushed version, from the command line to the numbers."""

import dataclasses
import json

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from components.contracts import configuration, signatures
from components.contracts.images import Color, ImageConfig
from components.contracts.record_files import record_to_mapping
from components.export import publishing, registry
from components.export.image_files import decoding_settings
from components.ingestion.config import IngestionConfig
from components.linear_evaluation import saved_model
from components.linear_evaluation.logistic_regression import LinearHead
from components.preprocessing import image_preparation
from components.simclr.config import Architecture, EncoderConfig, ProjectionHeadConfig
from components.simclr.encoders.models import build_models
from pipeline import cli
from tests.components.example_records import version_record

IMAGE = ImageConfig(size_px=16, color=Color.GRAY, center_crop_fraction=1.0)
ENCODER = EncoderConfig(architecture=Architecture.SMALL_CNN, width_multiplier=0.25)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A registry with one version of an encoder with random weights."""
    mean, std = np.array([60], np.float32), np.array([50], np.float32)
    encoder, head = build_models(ENCODER, ProjectionHeadConfig(), 16, mean, std, seed=3)
    linear = LinearHead(np.ones((encoder.output_shape[1], 2), np.float32), np.zeros(2, np.float32))
    pixels = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 1), dtype=np.uint8)
    prepared = image_preparation.standardise(tf.cast(pixels, tf.float32), mean, std).numpy()
    golden = saved_model.GoldenImages(
        [tf.io.encode_png(image).numpy() for image in pixels], prepared, np.asarray(encoder(prepared, training=False))
    )
    root = tmp_path_factory.mktemp("registry")
    parts = saved_model.ServedParts(encoder, head, linear, mean, std, ["a", "b"], IMAGE)
    digest = saved_model.export(parts, golden, str(root / "exported"))
    settings = {"pretraining": {"encoder": configuration.to_mapping(ENCODER)}}
    record = record_to_mapping(dataclasses.replace(version_record("20260101-1"), settings=settings))
    publishing.push(
        root,
        "encoder",
        root / "exported",
        content_digest=digest,
        source="test",
        decoding=decoding_settings(IngestionConfig(), IMAGE, None),
        span=None,
        blessing=None,
        describe=lambda number: {
            registry.MODEL_CARD_FILE: "card",
            signatures.RECORD_FILE: json.dumps(record),
        },
        lock_timeout_seconds=5,
    )
    return root / "encoder"


@pytest.fixture
def data(tmp_path):
    """Bright squares on dark ground."""
    rng = np.random.default_rng(1)
    for kind in ("images", "masks"):
        (tmp_path / "data" / kind).mkdir(parents=True)
    for index in range(24):
        mask = np.zeros((32, 32), np.uint8)
        top, left = rng.integers(0, 16, 2)
        mask[top : top + 16, left : left + 16] = 1
        Image.fromarray((mask * 150 + rng.integers(0, 60, mask.shape)).astype(np.uint8)).save(
            tmp_path / "data" / "images" / f"{index}.png"
        )
        Image.fromarray(mask).save(tmp_path / "data" / "masks" / f"{index}.png")
    return tmp_path / "data"


def test_numbers_are_printed_and_written(model, data, tmp_path, capfd):
    output = tmp_path / "numbers.json"
    arguments = ["transfer", "segmentation", str(data), "--model", str(model), "--output", str(output)]
    assert cli.main([*arguments, "--set", "epochs=20", "--set", "bootstrap_resamples=100"]) == 0
    found = json.loads(output.read_text())
    assert found["images"] == {"train": 18, "test": 6} and found["version"] == "1" and found["classes"] == 2
    assert found["config"]["epochs"] == 20
    # Random weights are enough to tell bright from dark, in cells of 4 px.
    assert found["encoder"]["mean_iou"] > 0.6 and found["random_encoder"]["mean_iou"] > 0.6
    printed = capfd.readouterr().out
    assert f"{found['encoder']['mean_iou']:.3f}" in printed and "6 test images, 18 train images, 2 classes" in printed


def test_bad_input_is_one_clear_sentence(model, data, tmp_path, capfd):
    arguments = ["transfer", "segmentation", str(data), "--model", str(model)]
    assert cli.main([*arguments, "--set", "epoch=20"]) == 2
    assert "--set: epoch: unknown key" in capfd.readouterr().err
    assert cli.main([*arguments, "--set", "epochs"]) == 2
    assert "--set epochs: expected dotted.key=value" in capfd.readouterr().err
    (data / "masks" / "7.png").unlink()
    assert cli.main(arguments) == 1
    assert "there is no mask of the same name for" in capfd.readouterr().err
