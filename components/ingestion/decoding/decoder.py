"""Bytes of an image file in, 8-bit upright pixels out, or a refusal with its reason.

The one decoder of the project: ingestion runs it on every file, and consumers of a pushed model run it on theirs, so
that both see the same pixels. Formats are recognised by content, never by name.

Rules: EXIF orientation is applied; the first frame of an animation is taken, and the first page of a TIFF that is no
small copy of another; transparency is laid on ``alpha_background``; CMYK becomes RGB without a colour profile; 1-bit
becomes 0 and 255; of 16 bits ``white_level`` becomes 255, and fewer bits that a file declares use their whole range;
signed and 32-bit integers, floats, and more bands than colours have are refused; colour profiles are ignored, and
damage outside the pixels too; images are shrunk, never enlarged, with an antialiased bicubic filter.
"""

import dataclasses
import functools
import io
import struct

import numpy as np
from PIL import Image, ImageFile, UnidentifiedImageError

from components.contracts.images import Color, ImageConfig
from components.ingestion.config import IngestionConfig
from components.ingestion.decoding import deep_pixels, jpeg_scans, other_kinds, plain_png, tiff_header
from components.ingestion.decoding.refusals import Reason, RefusedImage
from components.ingestion.decoding.white_level import WHITE_OF_16_BITS, to_8_bit

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM")  # JPEG includes MPO, which phones write

_GRAY_MODES = frozenset(("1", "L", "LA", "La", "I", "I;16", "I;16L", "I;16B", "I;16N"))
_ORIENTATION_TAG = 0x0112
_TURNS = {  # EXIF 2.3, tag Orientation
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# A JPEG is decoded at 1/2, 1/4 or 1/8 size if that is at least this many times the stored size.
_DRAFT_GAP = 2


@dataclasses.dataclass(frozen=True)
class DecodingRules:
    """What decides the pixels; travels with a model, so that its consumers decode as it was trained."""

    color: Color
    short_side_px: int
    max_pixels: int
    min_side_px: int
    max_aspect_ratio: float
    alpha_background: tuple[int, int, int]
    white_level: int = WHITE_OF_16_BITS  # value of 16 bits that becomes 255


def decoding_rules(config: IngestionConfig, image_config: ImageConfig) -> DecodingRules:
    """The part of the two configs that decides the pixels."""
    return DecodingRules(
        color=image_config.color,
        short_side_px=config.stored_short_side_px,
        max_pixels=config.max_pixels,
        min_side_px=config.min_side_px,
        max_aspect_ratio=config.max_aspect_ratio,
        alpha_background=config.alpha_background,
        white_level=config.white_level if isinstance(config.white_level, int) else WHITE_OF_16_BITS,
    )


@dataclasses.dataclass(frozen=True)
class Decoded:
    """An upright 8-bit image."""

    image: Image.Image  # mode RGB or L
    source_channels: int  # 1 if the source is gray (with or without alpha), else 3
    jpeg: bytes | None = None  # the file, if it is a JPEG of exactly these pixels
    largest: int | None = None  # value of a source of 16 bits; None if it has fewer, or says which value is white

    @functools.cached_property
    def pixels(self) -> np.ndarray:
        """(height, width, channels) uint8, channels 3 or 1."""
        width, height = self.image.size
        return np.frombuffer(self.image.tobytes(), np.uint8).reshape(height, width, -1)


def decode_image_bytes(encoded: bytes, rules: DecodingRules) -> Decoded:
    """Decode one image file.

    Args:
        encoded: the whole file.
        rules: limits, colours and size of the result.

    Returns:
        The image, upright, in ``rules.color``, its short side at most ``rules.short_side_px``.

    Raises:
        RefusedImage: the file is no image of one of ``FORMATS``, is damaged, or breaks a limit. No bytes make it raise
            anything else.
    """
    if not encoded:
        raise RefusedImage(Reason.EMPTY_FILE, "the file is empty")
    try:
        _check_webp_header(encoded, rules)
        plain = plain_png.only_pixels(encoded) if encoded.startswith(plain_png.SIGNATURE) else encoded
        with _open(plain, rules) as image:
            return _decode(plain, image, rules)
    except RefusedImage:
        raise
    except Exception as error:  # Pillow's plugins raise nearly anything on damaged files
        raise _refusal(error, encoded) from error


def decode_pixels(pixels: np.ndarray, rules: DecodingRules) -> Decoded:
    """Treat the pixels of a source that stores arrays like those of a decoded file.

    Args:
        pixels: (h, w) or (h, w, 1) gray, or (h, w, 3) RGB; uint8, or uint16 for gray.
        rules: as in ``decode_image_bytes``.

    Raises:
        RefusedImage: another shape or type, or a limit is broken.
    """
    gray = pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] == 1)
    if not (gray or (pixels.ndim == 3 and pixels.shape[2] == 3)) or pixels.dtype not in (np.uint8, np.uint16):
        raise RefusedImage(
            Reason.UNSUPPORTED_PIXELS,
            f"uint8 or uint16 array (h, w), (h, w, 1) or (h, w, 3) expected, found {pixels.dtype} {pixels.shape}",
        )
    height, width = pixels.shape[:2]
    _check_size(width, height, rules)
    largest = None
    if pixels.dtype == np.uint16:
        largest = int(pixels.max())
        pixels = to_8_bit(pixels, rules.white_level)
    image = Image.fromarray(pixels.reshape(height, width) if gray else pixels)
    shrunk = _shrink(_convert(image, rules), (width, height), None, rules)
    return _decoded(shrunk, 1 if gray else 3, largest=largest)


def _decoded(
    image: Image.Image, source_channels: int, jpeg: bytes | None = None, largest: int | None = None
) -> Decoded:
    image.info = {}  # comments, profiles and the like would be written into the stored image
    return Decoded(image, source_channels, jpeg, largest)


def _open(encoded: bytes, rules: DecodingRules) -> ImageFile.ImageFile:
    """The image with its header read and its limits checked, but no pixel decoded."""
    page = tiff_header.picture_page(encoded, rules.max_pixels) if tiff_header.is_tiff(encoded) else 0
    image = Image.open(io.BytesIO(encoded), formats=FORMATS)
    if page:
        image.seek(page)
    _check_size(*image.size, rules)
    if image.format in ("JPEG", "MPO"):
        jpeg_scans.check(encoded, *image.size)
    if image.mode == "F" or (image.mode == "I" and image.format not in ("PNG", "PPM")):
        raise RefusedImage(
            Reason.UNSUPPORTED_PIXELS,
            f"{image.format} with 32-bit pixels (mode {image.mode}); 8-bit or 16-bit expected",
        )
    return image


def _decode(encoded: bytes, image: ImageFile.ImageFile, rules: DecodingRules) -> Decoded:
    full_size, box = image.size, None
    channels = _source_channels(image)
    is_deep = deep_pixels.is_deep(image)
    if image.format in ("JPEG", "MPO"):
        width, height = _stored_size(full_size, rules)
        draft = image.draft(None, (width * _DRAFT_GAP, height * _DRAFT_GAP))
        box = draft[1] if draft else None
    loaded: Image.Image = image
    largest = None
    if is_deep:
        again = deep_pixels.open_again(encoded, image)
        loaded, largest = deep_pixels.shorten(image, encoded, again, rules.white_level)
        orientation = _orientation(image)
        image.close()  # frees its pixels
    else:
        image.load()
        orientation = _orientation(image)
    shrunk = _shrink(_convert(loaded, rules), full_size if box else loaded.size, box, rules)
    upright = shrunk.transpose(_TURNS[orientation]) if orientation in _TURNS else shrunk
    is_as_it_came = image.format == "JPEG" and upright is image and image.size == full_size
    return _decoded(upright, channels, encoded if is_as_it_came else None, largest)


def _check_size(width: int, height: int, rules: DecodingRules) -> None:
    if width * height > rules.max_pixels:
        raise RefusedImage(
            Reason.TOO_MANY_PIXELS, f"{width}x{height} pixels in the header, at most {rules.max_pixels} expected"
        )
    if min(width, height) < rules.min_side_px:
        raise RefusedImage(Reason.TOO_SMALL, f"{width}x{height} pixels, sides of {rules.min_side_px} or more expected")
    if max(width, height) > rules.max_aspect_ratio * min(width, height):
        raise RefusedImage(
            Reason.TOO_ELONGATED, f"{width}x{height} pixels, sides of at most 1:{rules.max_aspect_ratio:g} expected"
        )


def _check_webp_header(encoded: bytes, rules: DecodingRules) -> None:
    """Check the size of a WebP file, because Pillow allocates its canvas before it reports the size.

    Source: WebP container specification and RFC 6386 section 9.1, RFC 9649 section 3.4 for lossless.
    """
    if encoded[:4] != b"RIFF" or encoded[8:12] != b"WEBP" or len(encoded) < 30:
        return
    chunk = encoded[12:16]
    if chunk == b"VP8X":
        width, height = (int.from_bytes(encoded[at : at + 3], "little") + 1 for at in (24, 27))
    elif chunk == b"VP8L":
        bits = int.from_bytes(encoded[21:25], "little")
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    elif chunk == b"VP8 ":
        width, height = (value & 0x3FFF for value in struct.unpack_from("<HH", encoded, 26))
    else:
        return
    if width * height > rules.max_pixels:
        _check_size(width, height, rules)


def _source_channels(image: ImageFile.ImageFile) -> int:
    """Channels of the source, 1 or 3; ``image`` is not loaded yet."""
    if image.mode in _GRAY_MODES or deep_pixels.is_gray_and_alpha(image):
        return 1
    if image.mode in ("P", "PA") and image.palette is not None:
        palette = np.frombuffer(bytes(image.palette.getdata()[1]), np.uint8)
        colors = len(image.palette.mode)  # 3 or 4
        palette = palette[: len(palette) // colors * colors].reshape(-1, colors)[:, :3]
        return 1 if (palette == palette[:, :1]).all() else 3
    return 3


def _orientation(image: Image.Image) -> int:
    """EXIF orientation; 1 (upright) if there is none or the block is damaged.

    Called after the pixels are read: by then Pillow has turned a TIFF itself and has seen a PNG's trailing block.
    """
    if image.format == "JPEG" and "exif" not in image.info and "xmp" not in image.info:
        return 1  # looking for it costs time
    try:
        return int(image.getexif().get(_ORIENTATION_TAG, 1))
    except Exception:  # random bytes in the block make Pillow raise many things; the pixels are fine
        return 1


def _convert(image: Image.Image, rules: DecodingRules) -> Image.Image:
    """8-bit RGB or L, whatever the mode was."""
    if image.has_transparency_data or image.mode in ("La", "RGBa"):
        image = _lay_on_background(image, rules.alpha_background)
    mode = "L" if rules.color is Color.GRAY else "RGB"
    return image if image.mode == mode else image.convert(mode)  # which would copy


def _lay_on_background(image: Image.Image, color: tuple[int, int, int]) -> Image.Image:
    with_alpha = image if image.mode == "RGBA" else image.convert("RGBA")  # which would copy
    background = Image.new("RGB", with_alpha.size, color)
    background.paste(with_alpha, mask=with_alpha.getchannel("A"))
    return background


def _stored_size(size: tuple[int, int], rules: DecodingRules) -> tuple[int, int]:
    width, height = size
    short = min(width, height)
    if short <= rules.short_side_px:
        return size
    scale = rules.short_side_px / short
    return round(width * scale), round(height * scale)


def _shrink(
    image: Image.Image,
    full_size: tuple[int, int],
    box: tuple[float, float, float, float] | None,
    rules: DecodingRules,
) -> Image.Image:
    """Shrink to the stored size; ``box`` is the part that counts, if it was decoded at a fraction of ``full_size``."""
    target = _stored_size(full_size, rules)
    if image.size == target:
        return image
    return image.resize(target, Image.Resampling.BICUBIC, box=box)


def _refusal(error: Exception, encoded: bytes) -> RefusedImage:
    text = str(error) or type(error).__name__
    is_unknown = isinstance(error, UnidentifiedImageError)
    is_other_tiff = tiff_header.is_tiff(encoded) and (is_unknown or tiff_header.has_uncommon_compression(encoded))
    if is_other_tiff and (found := tiff_header.describe(encoded)):
        return RefusedImage(Reason.UNSUPPORTED_PIXELS, f"{found}, which cannot be read", error)
    if is_unknown:
        kind = other_kinds.kind_of(encoded)
        found = f"{kind}, " if kind else ""
        return RefusedImage(Reason.UNKNOWN_FORMAT, f"{found}not one of {', '.join(FORMATS)}", error)
    if isinstance(error, Image.DecompressionBombError):
        return RefusedImage(Reason.TOO_MANY_PIXELS, text, error)
    if isinstance(error, EOFError) or "truncated" in text.lower():
        return RefusedImage(Reason.TRUNCATED, text, error)
    return RefusedImage(Reason.CORRUPT, text, error)
