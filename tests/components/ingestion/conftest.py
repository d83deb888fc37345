import hashlib
import pathlib

import numpy as np
import pytest
from PIL import Image


def photo(seed, size=(24, 20), gray=False, cells=3):
    """A picture of its own for each seed, smooth between cells x cells points: (h, w, 3) or (h, w) uint8."""
    generator = np.random.default_rng(int.from_bytes(hashlib.sha256(str(seed).encode()).digest()[:4], "big"))
    small = generator.integers(0, 256, (cells, cells) if gray else (cells, cells, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(small).resize((size[1], size[0]), Image.Resampling.BICUBIC))


@pytest.fixture
def make_photo():
    return photo


def write_files(root, files, **settings):
    for name, seed in files.items():
        path = root / pathlib.PurePosixPath(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(photo(seed, **settings)).save(path, "PNG")
    root.mkdir(exist_ok=True)
    return root


@pytest.fixture
def make_files(tmp_path):
    """Writes PNG files {relative path: seed} below a folder and returns the folder."""
    return lambda files, folder="data", **settings: write_files(tmp_path / folder, files, **settings)


@pytest.fixture(scope="module")
def make_shared_files(tmp_path_factory):
    """The same, for all tests of a module."""
    return lambda files: write_files(tmp_path_factory.mktemp("shared") / "data", files)
