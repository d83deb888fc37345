"""SimCLR in a notebook: the README's five lines as they stand, and what they promise."""

import dataclasses
import pathlib
import re
import subprocess
import sys

import keras
import numpy as np
import pytest

from components.simclr.config import Architecture, EncoderConfig, ProjectionHeadConfig, ScheduleConfig
from components.simclr.encoder import weights_digest
from components.simclr.in_memory import InMemoryConfig, pretrain

README = pathlib.Path(__file__).parents[3] / "README.md"
TINY = InMemoryConfig(
    encoder=EncoderConfig(architecture=Architecture.SMALL_CNN, width_multiplier=0.25),
    projection_head=ProjectionHeadConfig(layers=3, hidden_width=32, output_width=16, kept_layers=1),
    schedule=ScheduleConfig(warmup_epochs=1),
    epochs=3,
    batch_size=16,
)


def draw_images(count: int) -> tuple[np.ndarray, np.ndarray]:
    """(n, 16, 16, 3) uint8 stripes of four angles in varying colours, and the angle's number."""
    generator = np.random.default_rng(0)
    classes = np.arange(count) % 4
    rows, columns = np.mgrid[:16, :16]
    angle = (classes * np.pi / 4)[:, None, None]
    phase = (rows * np.cos(angle) + columns * np.sin(angle)) * 1.3 + generator.uniform(0, 6, (count, 1, 1))
    waves = np.sin(phase)[..., None] * generator.uniform(40, 90, (count, 1, 1, 3))
    return np.clip(128 + waves + generator.normal(0, 10, (count, 16, 16, 3)), 0, 255).astype(np.uint8), classes


def nearest_is_alike(vectors: np.ndarray, classes: np.ndarray) -> float:
    rows = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    similarity = rows @ rows.T - 2 * np.eye(len(rows))
    return float(np.mean(classes[similarity.argmax(axis=1)] == classes))


def test_the_five_lines_of_the_readme():
    block = re.search(r"In a notebook.*?```python\n(.*?)```", README.read_text(), re.DOTALL).group(1)
    assert len(block.strip().splitlines()) == 5
    images, classes = draw_images(128)
    names = {"images": images}
    exec(block, names)
    vectors, encoder = names["vectors"], names["encoder"]
    assert vectors.shape == (128, encoder.output_shape[1]) and vectors.dtype == np.float32
    assert np.isfinite(vectors).all()
    assert nearest_is_alike(vectors, classes) > max(0.9, nearest_is_alike(images.reshape(128, -1) - 128.0, classes))


def test_it_learns_and_repeats():
    images, _ = draw_images(40)
    results = [pretrain(images, dataclasses.replace(TINY, seed=seed)) for seed in (0, 0, 1)]
    assert results[0].losses[-1] < results[0].losses[0]
    assert len(results[0].losses) == 3
    np.testing.assert_allclose(results[0].losses, results[1].losses, rtol=1e-3)
    assert weights_digest(results[0].encoder) != weights_digest(results[2].encoder)
    assert results[0].encoder.output_shape == results[0].projection_head.input_shape == (None, 32)


def test_statistics_are_estimated_at_the_end():
    images, _ = draw_images(32)
    found = pretrain(images, TINY)
    outputs = found.encoder.layers[-1].layers[-2].output  # of the kept layer's BatchNorm
    inner = found.encoder.layers[-1]
    pixels = (images - images.mean(axis=(0, 1, 2))) / images.std(axis=(0, 1, 2))
    values = keras.Model(inner.input, outputs).predict(pixels.astype(np.float32), verbose=0)
    assert abs(values.std(axis=0).mean() - 1) < 0.3


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((20, 16, 16, 3), np.float32), r"found \(20, 16, 16, 3\) float32"),
        (np.zeros((20, 16, 12, 3), np.uint8), r"found \(20, 16, 12, 3\) uint8"),
        (np.zeros((20, 16, 16), np.uint8), r"found \(20, 16, 16\) uint8"),
        (np.zeros((8, 16, 16, 3), np.uint8), "batch_size is 16, but there are only 8 images"),
    ],
)
def test_arrays_that_cannot_be_used_are_refused(images, message):
    with pytest.raises(ValueError, match=message):
        pretrain(images, TINY)


def test_warm_up_must_end():
    with pytest.raises(ValueError, match=r"warmup_epochs \(10\) must be shorter than epochs \(5\)"):
        InMemoryConfig(epochs=5)


def test_a_notebook_needs_neither_tfx_nor_beam():
    code = (
        "import sys, components.simclr.in_memory; "
        "print([name for name in ('tfx', 'apache_beam', 'tensorflow_transform') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=README.parent, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
