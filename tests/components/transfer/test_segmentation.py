"""Digits on canvases: both heads learn, alike where the encoders are alike, and a worse encoder is seen to be worse."""

import dataclasses
import importlib.util
import pathlib

import keras
import numpy as np
import pytest

from components.contracts.images import Color, ImageConfig
from components.simclr.config import Architecture, EncoderConfig
from components.simclr.encoders.encoder import build_encoder
from components.simclr.encoders.pixel_encoder import with_standardisation
from components.transfer import segmentation
from components.transfer.config import SegmentationConfig

_SCRIPT = pathlib.Path(__file__).parents[2] / "data" / "digit_canvases.py"
MEAN, STD = np.array([30.0], np.float32), np.array([70.0], np.float32)
ENCODER = EncoderConfig(architecture=Architecture.SMALL_CNN, width_multiplier=0.25)
IMAGE = ImageConfig(size_px=24, color=Color.GRAY, center_crop_fraction=1.0)
CONFIG = SegmentationConfig(size_px=72, epochs=12, hidden_width=16, batch_size=8, bootstrap_resamples=200, seed=4)


@pytest.fixture(scope="module")
def canvases(tmp_path_factory):
    spec = importlib.util.spec_from_file_location("digit_canvases", _SCRIPT)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return script.write_canvases(tmp_path_factory.mktemp("canvases") / "data", train=24, test=8)


def pushed(encoder: keras.Model) -> segmentation.PushedEncoder:
    return segmentation.PushedEncoder(
        with_standardisation(encoder, MEAN, STD), ENCODER, IMAGE, MEAN, STD, prepare=lambda content: content
    )


@pytest.fixture(scope="module")
def same(canvases):
    """An encoder that is no other than the random one."""
    return segmentation.measure(pushed(build_encoder(ENCODER, 24, 1, seed=CONFIG.seed)), canvases, CONFIG)


def test_equal_encoders_are_measured_equal(same):
    assert same["encoder"] == same["random_encoder"]
    assert same["difference"] == {"mean_iou": 0.0, "interval": [0.0, 0.0]}
    assert (same["classes"], same["size_px"], same["feature_map"]) == (11, 72, [18, 18, 32])
    assert same["images"] == {"train": 24, "test": 8}


def test_the_head_learns(same):
    low, high = same["encoder"]["interval"]
    assert low < same["encoder"]["mean_iou"] < high
    assert same["encoder"]["class_iou"][0] > 0.8  # background
    assert same["encoder"]["mean_iou"] > 0.1  # background alone would be 0.09 at most


def test_an_encoder_that_sees_nothing_is_worse(canvases, same):
    blind = build_encoder(ENCODER, 24, 1)
    blind.set_weights([np.zeros_like(weight) for weight in blind.get_weights()])
    result = segmentation.measure(pushed(blind), canvases, CONFIG)
    assert result["random_encoder"] == same["random_encoder"]  # the same to the bit
    assert result["difference"]["mean_iou"] < 0 and result["difference"]["interval"][1] < 0
    assert result["encoder"]["class_iou"][1:] == [0.0] * 10
    lines = segmentation.text(result).splitlines()
    assert lines[0] == "8 test images, 24 train images, 11 classes, 72 px, feature map 18 x 18 x 32"
    assert f"{result['difference']['mean_iou']:.3f}" in lines[-1]


def test_ignored_pixels_are_neither_trained_on_nor_counted():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(6, 4, 4, 3)).astype(np.float32)
    masks = (features[..., 0] > 0).astype(np.uint8)
    heads, config = [], dataclasses.replace(CONFIG, epochs=200)
    for ids in (masks, np.where(features[..., 1] > 1, 255, masks).astype(np.uint8)):
        heads.append(segmentation.SegmentationHead(features, ids, 2, config).predict(features))
    assert (heads[1] == masks).mean() > 0.8
    assert not np.array_equal(*heads)  # fewer pixels, another head
