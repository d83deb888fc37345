"""Many small images as one picture, so that a page with hundreds of thumbnails stays small."""

import base64
import dataclasses
import io
import math

import numpy as np
from PIL import Image

_SMOOTH_PX = 40  # smaller images are enlarged with sharp pixels, larger ones smoothly


@dataclasses.dataclass(frozen=True)
class Sheet:
    """A picture of equal square cells."""

    name: str  # CSS class
    data_uri: str
    columns: int
    rows: int
    cell_px: int  # side of a cell in the picture

    def cell(self, index: int) -> str:
        """CSS variables that choose cell ``index``; the page's rule ``.thumb`` shows it at any size."""
        row, column = divmod(index, self.columns)
        return f"--column:{column};--row:{row}"

    @property
    def css(self) -> str:
        """The rule for elements that show a cell."""
        sharp = "image-rendering:pixelated;" if self.cell_px < _SMOOTH_PX else ""
        return (
            f".{self.name}{{--columns:{self.columns};--rows:{self.rows};{sharp}"
            f'background-image:url("{self.data_uri}")}}'
        )


def sprite_sheet(name: str, images: np.ndarray) -> Sheet:
    """Lay ``images`` out in one picture.

    Args:
        name: CSS class of the cells.
        images: (n, s, s, c) uint8, n >= 1, c 1 or 3.
    """
    count, side, _, channels = images.shape
    columns = math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    canvas = np.zeros((rows * side, columns * side, channels), np.uint8)
    for index, image in enumerate(images):
        row, column = divmod(index, columns)
        canvas[row * side : (row + 1) * side, column * side : (column + 1) * side] = image
    picture = Image.fromarray(canvas[:, :, 0] if channels == 1 else canvas)
    return Sheet(name, data_uri(_encoded(picture, side)), columns, rows, side)


def _encoded(picture: Image.Image, side: int) -> tuple[str, bytes]:
    """PNG for tiny images, so that their pixels stay exact; JPEG for larger ones, so that the page stays small."""
    stream = io.BytesIO()
    if side <= 32:
        picture.save(stream, "PNG", optimize=True)
        return "image/png", stream.getvalue()
    picture.save(stream, "JPEG", quality=85)
    return "image/jpeg", stream.getvalue()


def data_uri(content: tuple[str, bytes]) -> str:
    """A media type and bytes as a ``data:`` address."""
    media_type, encoded = content
    return f"data:{media_type};base64,{base64.b64encode(encoded).decode('ascii')}"
