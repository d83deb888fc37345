"""Images for the tests of the augmentations, and the two engines behind one signature."""

import cv2
import numpy as np
import pytest

from benchmarks import development_data
from benchmarks.table import SkippedError
from components.simclr.augmentation import draws


def _textured_image(number, size_px):
    """(s, s, 3) uint8: waves, edges and grain at several scales, as natural images have them."""
    rng = np.random.default_rng(number)
    image = np.zeros((size_px, size_px, 3), np.float32)
    for cells in (2, 4, 8, 16):
        noise = rng.normal(0, 110 / cells**0.7, (cells, cells, 3)).astype(np.float32)
        image += cv2.resize(noise, (size_px, size_px), interpolation=cv2.INTER_CUBIC)
    gray = image.mean(axis=2, keepdims=True)
    image = 128 + gray + 0.5 * (image - gray)  # photographs are less colourful than noise
    for _ in range(4):
        corners = rng.integers(0, size_px, (3, 2)).astype(np.int32)
        cv2.fillPoly(image, [corners], [float(value) for value in rng.integers(0, 256, 3)], lineType=cv2.LINE_AA)
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def textured_images():
    """Function (count, size_px) to (count, s, s, 3) uint8."""
    return lambda count, size_px: np.stack([_textured_image(number, size_px) for number in range(count)])


@pytest.fixture(scope="session")
def photographs():
    """Function like ``textured_images``, of real photographs; a test is skipped where there are none."""

    def load(count, size_px):
        try:
            return development_data.photographs(count, size_px)
        except SkippedError as missing:
            pytest.skip(f"{missing}: `make test {development_data.VARIABLE}=FOLDER`")

    return load


@pytest.fixture(scope="session")
def view_keys():
    """Function from a count to as many keys."""
    return lambda count, seed=0: draws.view_keys(seed, np.arange(count, dtype=np.uint64), 0, 0)


def _run_tensor_engine(images, drawn, policy):
    from components.simclr.augmentation import tensor_engine

    return np.asarray(tensor_engine.apply_online(images, drawn, policy))


def _run_uint8_engine(images, drawn, policy):
    from components.simclr.augmentation import uint8_engine

    rows = [{name: values[row] for name, values in drawn.items()} for row in range(len(images))]
    views = [uint8_engine.apply_online_uint8(image, row, policy) for image, row in zip(images, rows, strict=True)]
    assert all(view.dtype == np.uint8 for view in views)
    return np.stack(views).astype(np.float32)


@pytest.fixture(scope="session")
def run_tensor_engine():
    return _run_tensor_engine


@pytest.fixture(scope="session")
def run_uint8_engine():
    return _run_uint8_engine


@pytest.fixture(params=["tensor_engine", "uint8_engine"])
def run_engine(request):
    """Each engine in turn: (n, s, s, c) uint8, draws, policy to (n, s, s, c) float32."""
    return {"tensor_engine": _run_tensor_engine, "uint8_engine": _run_uint8_engine}[request.param]
