"""Cells of a sheet hold the images they should."""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from components.report.sprites import Sheet, sprite_sheet


def cell(sheet: Sheet, index: int) -> np.ndarray:
    """The part of the picture that a browser shows for cell ``index``."""
    column, row = map(int, re.fullmatch(r"--column:(\d+);--row:(\d+)", sheet.cell(index)).groups())
    encoded = base64.b64decode(sheet.data_uri.split(",", 1)[1])
    pixels = np.asarray(Image.open(io.BytesIO(encoded)))
    side = sheet.cell_px
    return pixels[row * side : (row + 1) * side, column * side : (column + 1) * side]


@pytest.mark.parametrize("count", [1, 2, 7, 9])
@pytest.mark.parametrize("channels", [1, 3])
def test_small_images_keep_their_pixels(count, channels):
    images = np.random.default_rng(0).integers(0, 256, (count, 8, 8, channels), np.uint8)
    sheet = sprite_sheet("small", images)
    assert sheet.data_uri.startswith("data:image/png")
    for index, image in enumerate(images):
        np.testing.assert_array_equal(cell(sheet, index).reshape(image.shape), image)
    assert "image-rendering:pixelated" in sheet.css
    assert f"--columns:{sheet.columns};--rows:{sheet.rows}" in sheet.css


def test_larger_images_are_kept_small():
    shades = np.array([10, 120, 240], np.uint8)
    images = np.broadcast_to(shades[:, None, None, None], (3, 64, 64, 3))
    sheet = sprite_sheet("large", images)
    assert sheet.data_uri.startswith("data:image/jpeg")
    assert [round(cell(sheet, index).mean()) for index in range(3)] == pytest.approx([10, 120, 240], abs=2)
    assert "pixelated" not in sheet.css
