"""Images and keys for the tests of the augmentations."""

import cv2
import numpy as np
import pytest

from benchmarks import development_data
from benchmarks.table import SkippedError
from components.simclr.augmentation import draws


def _textured_image(number, size_px):
    """(s, s, 3) uint8: waves, edges and grain at several scales, as in natural images."""
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
    """Function like ``textured_images`` that returns real photographs; skips if there are none."""

    def load(count, size_px):
        try:
            return development_data.photographs(count, size_px)
        except SkippedError as missing:
            pytest.skip(f"{missing}: `make test {development_data.VARIABLE}=FOLDER`")

    return load


@pytest.fixture(scope="session")
def view_keys():
    """Function from a count to that many keys."""
    return lambda count, seed=0: draws.view_keys(seed, np.arange(count, dtype=np.uint64), 0, 0)


@pytest.fixture(scope="module", params=["textured_images", "photographs"])
def load_images(request):
    """Textured images always; photographs too where the development data is there."""
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module", params=[32, 96])
def images_of_each_kind(request, load_images):
    """(32, s, s, 3) uint8, in two sizes."""
    return load_images(32, request.param)
