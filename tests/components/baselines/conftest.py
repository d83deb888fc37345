"""Images whose class is visible, as ingestion stores them, and settings of trainings that take seconds."""

import hashlib
import pathlib

import numpy as np
import pytest
import tensorflow as tf

from components.baselines import images
from components.contracts import records
from components.contracts.configuration import from_mapping
from components.contracts.images import Color, ImageConfig
from components.pretraining.config import PretrainingConfig
from tests.components.tf_examples import make_example, write_examples

SIZE_PX = 16
IMAGE_CONFIG = ImageConfig(size_px=SIZE_PX, color=Color.GRAY, center_crop_fraction=1.0)
CLASSES = ("left", "right", "top")


def draw_image(label: str, rng: np.random.Generator, strength: float = 90) -> np.ndarray:
    """(18, 17, 1) uint8: noise, brighter on the side that the class names."""
    pixels = rng.uniform(0, 140, (18, 17, 1))
    bright = {"left": np.s_[:, :6], "right": np.s_[:, -6:], "top": np.s_[:6, :]}[label]
    pixels[bright] += strength
    return pixels.astype(np.uint8)


def image_record(pixels: np.ndarray, label: str | None, group: str | None = None) -> tf.train.Example:
    return make_example(
        {
            records.IMAGE: tf.io.encode_png(pixels).numpy(),
            records.DIGEST: hashlib.sha256(pixels.tobytes()).hexdigest().encode(),
            records.LABEL: label and label.encode(),
            records.GROUP: group and group.encode(),
        }
    )


def write_split(folder: pathlib.Path, per_class: int, seed: int, strength: float = 90) -> list[str]:
    """Two files of images of all classes."""
    rng = np.random.default_rng(seed)
    written = [image_record(draw_image(label, rng, strength), label) for label in CLASSES for _ in range(per_class)]
    return [write_examples(folder / f"data-{shard}.gz", written[shard::2]) for shard in range(2)]


def pretraining_settings(**changes) -> PretrainingConfig:
    settings = {
        "encoder": {"architecture": "small_cnn", "width_multiplier": 0.25},
        "projection_head": {"layers": 2, "hidden_width": 16, "output_width": 8},
        "schedule": {"warmup_epochs": 1},
        "epochs": 4,
        "global_batch_size": 16,
        "augmentation": {"brightness": 0.3, "noise_probability": 0.5},
        "crop": {"area_min": 0.8},
        "deterministic": True,
        **changes,
    }
    return from_mapping(PretrainingConfig, settings, "test")


@pytest.fixture(scope="session")
def train_images(tmp_path_factory) -> images.LabelledImages:
    root = tmp_path_factory.mktemp("labelled")
    return images.store(write_split(root / "records", 20, seed=1), str(root / "train"), "train")
