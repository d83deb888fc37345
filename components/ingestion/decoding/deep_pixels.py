"""Images of more than 8 bits: all their bits, of which Pillow keeps only the upper ones of colours.

Pillow decodes 16-bit colours to their high bytes. Decoded as if the file had the other byte order, the same file gives
the low bytes. Both together are the values.
"""

import io
import sys
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageFile

from components.ingestion.decoding.refusals import Reason, RefusedImage
from components.ingestion.decoding.white_level import WHITE_OF_16_BITS, to_8_bit

_NATIVE, _OTHER = ("L", "B") if sys.byteorder == "little" else ("B", "L")
_LOW_BYTES = {"B": "L", "L": "B", "N": _OTHER}  # last letter of a raw mode -> that which takes the other byte
_COLOURS = ("RGB;16", "RGBA;16", "RGBX;16")
_GRAY_AND_ALPHA = "LA;16B"  # Pillow decodes it to RGBA
_ROWS_AT_ONCE = 256


class Shortened(NamedTuple):
    """An image in 8 bits."""

    image: Image.Image  # mode L, LA, RGB or RGBA
    largest: int | None  # value of its colours; None if the file says which value is white


def is_deep(image: ImageFile.ImageFile) -> bool:
    """Whether ``image``, which is not loaded yet, has more than 8 bits."""
    raw_mode = _raw_mode(image)
    return image.mode.startswith("I") or raw_mode.startswith((*_COLOURS, _GRAY_AND_ALPHA)) or _is_planar(image)


def is_gray_and_alpha(image: ImageFile.ImageFile) -> bool:
    """Whether ``image`` is gray although its mode says otherwise."""
    return _raw_mode(image) == _GRAY_AND_ALPHA


def shorten(image: ImageFile.ImageFile, encoded: bytes, again: ImageFile.ImageFile, white: int) -> Shortened:
    """Decode ``image`` to 8 bits.

    Args:
        image: opened, not loaded, ``is_deep``.
        encoded: the file.
        again: the same, opened once more.
        white: value that becomes 255, if the file does not say so itself.
    """
    if image.mode.startswith("I"):
        return _gray(image, white)
    if _is_planar(image):
        blocks, size = _planes(image, encoded), image._tile_size  # type: ignore[attr-defined]  # as stored
    else:
        blocks, size = _gray_and_alpha(image) if is_gray_and_alpha(image) else _colors(image, again), image.size
    return _assemble(blocks, size, image.info.get("transparency"), white)


def _assemble(
    blocks: Iterator[np.ndarray], size: tuple[int, int], key: tuple[int, ...] | None, white: int
) -> Shortened:
    """Shorten blocks of rows, (rows, w, channels) uint16 with 1 to 4 channels; there is never more in 16 bits.

    Args:
        blocks: from top to bottom; a second or fourth channel is alpha.
        size: width and height.
        key: colour that is transparent.
        white: value that becomes 255.
    """
    found: np.ndarray | None = None
    largest = top = 0
    for block in blocks:
        colors = block[..., :1] if block.shape[2] < 3 else block[..., :3]
        alpha = to_8_bit(block[..., -1:], WHITE_OF_16_BITS) if block.shape[2] in (2, 4) else None
        if key is not None:
            alpha = np.where((colors == np.asarray(key, np.uint16)).all(axis=-1, keepdims=True), 0, 255)
        channels = colors.shape[2] + (alpha is not None)
        found = np.empty((size[1], size[0], channels), np.uint8) if found is None else found
        rows = found[top : top + len(block)]
        rows[..., : colors.shape[2]] = to_8_bit(colors, white)
        if alpha is not None:
            rows[..., -1:] = alpha
        largest, top = max(largest, int(colors.max(initial=0))), top + len(block)
    if found is None:
        raise RefusedImage(Reason.CORRUPT, "no pixels")
    return Shortened(Image.fromarray(found), largest)


def _raw_mode(image: ImageFile.ImageFile) -> str:
    found = _arguments(image.tile[0])[0] if image.tile else ""
    return found if isinstance(found, str) else ""


def _arguments(tile: ImageFile._Tile) -> tuple:
    """What the decoder of a tile takes: first the raw mode."""
    if isinstance(tile.args, str):
        return (tile.args,)
    return tile.args or ("",)


def _is_planar(image: ImageFile.ImageFile) -> bool:
    """Whether it is a TIFF with a plane of 16 bits for each colour, uncompressed, which Pillow takes for 8 bits."""
    if image.format != "TIFF" or _raw_mode(image) != "R":
        return False
    bits = image.tag_v2.get(258, (1,))  # type: ignore[attr-defined]
    return set(bits) == {16}


def _gray(image: ImageFile.ImageFile, white: int) -> Shortened:
    tags = getattr(image, "tag_v2", {}) if image.format == "TIFF" else {}
    bits = max(tags.get(258, (16,)))
    is_declared = bits < 16 or (image.format == "PPM" and image.tile[0][0] != "raw")  # Pillow scales PPM to 16 bits
    if is_declared:
        white = 2**bits - 1
    is_inverted = tags.get(262) == 0  # WhiteIsZero; Pillow inverts up to 8 bits
    image.load()
    loaded = np.asarray(image)
    values = loaded if loaded.dtype == np.uint16 else np.clip(loaded, 0, WHITE_OF_16_BITS).astype(np.uint16)
    pixels = to_8_bit(values, white)
    gray = Image.fromarray(255 - pixels if is_inverted else pixels)
    if "transparency" in image.info:
        gray.putalpha(Image.fromarray(np.where(values == image.info["transparency"], 0, 255).astype(np.uint8)))
    return Shortened(gray, None if is_declared else int(values.max(initial=0)))


def _gray_and_alpha(image: ImageFile.ImageFile) -> Iterator[np.ndarray]:
    """Blocks of gray and alpha: the four bytes of a pixel, decoded as if they were RGBA."""
    image.tile = [tile._replace(args="RGBA") for tile in image.tile]
    image.load()
    for block in _rows(image):
        yield block[..., ::2].astype(np.uint16) << 8 | block[..., 1::2]


def _colors(image: ImageFile.ImageFile, again: ImageFile.ImageFile) -> Iterator[np.ndarray]:
    """Blocks of colours, and alpha if there is one."""
    again.tile = [tile._replace(args=_of_low_bytes(_arguments(tile))) for tile in again.tile]
    image.load()
    again.load()
    for high, low in zip(_rows(image), _rows(again), strict=True):
        yield high.astype(np.uint16) << 8 | low
    again.close()


def _rows(image: Image.Image) -> Iterator[np.ndarray]:
    width, height = image.size
    for top in range(0, height, _ROWS_AT_ONCE):
        yield np.asarray(image.crop((0, top, width, min(top + _ROWS_AT_ONCE, height))))


def _of_low_bytes(arguments: tuple) -> str | tuple:
    raw_mode, *others = arguments
    swapped = raw_mode[:-1] + _LOW_BYTES[raw_mode[-1]]
    return (swapped, *others) if others else swapped


def _planes(image: ImageFile.ImageFile, encoded: bytes) -> Iterator[np.ndarray]:
    """All strips of a TIFF in one block, upright only if its orientation is."""
    width, height = image._tile_size  # type: ignore[attr-defined]  # ``size`` is that of the upright image
    order = "<" if encoded[:2] == b"II" else ">"
    values = np.zeros((height, width, 3), np.uint16)
    for tile in image.tile:
        left, top, right, bottom = tile.extents or (0, 0, 0, 0)
        band, stride, *_ = _arguments(tile)
        if stride:
            raise RefusedImage(Reason.UNSUPPORTED_PIXELS, "a TIFF with tiles of 16 bits for each colour")
        plane = np.frombuffer(encoded, f"{order}u2", (right - left) * (bottom - top), tile.offset)
        values[top:bottom, left:right, "RGB".index(band)] = plane.reshape(bottom - top, right - left)
    yield values


def open_again(encoded: bytes, image: ImageFile.ImageFile) -> ImageFile.ImageFile:
    """The same file and page as ``image``, not loaded."""
    again = Image.open(io.BytesIO(encoded), formats=(str(image.format),))
    again.seek(image.tell())
    return again
