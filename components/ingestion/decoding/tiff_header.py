"""What a TIFF file says about its pages, read without a library, so that a refusal can say what the file is.

Source: TIFF 6.0, and the BigTIFF, DNG 1.7 and TIFF/EP specifications for their tags.
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

from components.ingestion.decoding.refusals import Reason, RefusedImage

_MAX_PAGES = 64
_MAX_TAGS = 4096
_MAX_VALUES = 256
_TYPES = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q"}
_SUBFILE, _OLD_SUBFILE, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 254, 255, 256, 257, 258, 259, 262
_SAMPLES, _PLANAR, _TILE_WIDTH, _TILE_HEIGHT, _SUB_PAGES, _EXTRA, _FORMAT, _DNG = (
    277,
    284,
    322,
    323,
    330,
    338,
    339,
    50706,
)
_WANTED = frozenset((254, 255, 256, 257, 258, 259, 262, 277, 284, 322, 323, 330, 338, 339, 50706))
_REDUCED, _MASK = 1, 4  # bits of _SUBFILE
_SENSOR_DATA = (32803, 34892)
_COLORS = {0: 1, 1: 1, 2: 3, 3: 1, 5: 4, 6: 3, 8: 3}  # photometric interpretation -> bands of the colour
_KINDS = {1: "bits", 2: "bits with a sign", 3: "bits as floating-point numbers"}
_COMPRESSIONS = {
    34887: "LERC", 50000: "Zstandard", 50001: "WebP", 50002: "JPEG XL", 34925: "LZMA", 34712: "JPEG 2000",
    33003: "JPEG 2000", 33005: "JPEG 2000", 34676: "SGI LogLuv", 34661: "JBIG",
}  # fmt: skip
_COMMON_COMPRESSIONS = frozenset((1, 2, 3, 4, 5, 6, 7, 8, 32773, 32946))


class Page(NamedTuple):
    """A page, and the pages below it."""

    tags: dict[int, tuple[int, ...]]

    def first(self, tag: int, default: int) -> int:
        """The first value of a tag."""
        return (self.tags.get(tag) or (default,))[0]

    @property
    def bands(self) -> int:
        """Values of a pixel."""
        return self.first(_SAMPLES, 3 if self.first(_COMPRESSION, 1) in (6, 7) else 1)

    @property
    def is_reduced(self) -> bool:
        """Whether it is a small copy of another page."""
        return bool(self.first(_SUBFILE, 0) & _REDUCED) or self.first(_OLD_SUBFILE, 1) == 2

    @property
    def is_picture(self) -> bool:
        """Whether it is a page of its own, neither a small copy nor a mask."""
        return not self.is_reduced and not self.first(_SUBFILE, 0) & _MASK

    @property
    def has_sensor_data(self) -> bool:
        """Whether its values are those of a camera's sensor."""
        return self.first(_PHOTOMETRIC, 0) in _SENSOR_DATA

    def description(self) -> str:
        """For people: "a TIFF of 13 bands of 16 bits"."""
        bits = sorted(set(self.tags.get(_BITS, (1,))))
        bands = f"{self.bands} bands" if self.bands > 1 else "one band"
        kind = _KINDS.get(self.first(_FORMAT, 1), "bits of an unknown kind")
        found = f"a TIFF of {bands} of {', '.join(map(str, bits))} {kind}"
        compression = self.first(_COMPRESSION, 1)
        if compression not in _COMMON_COMPRESSIONS:
            found += f", compressed by {_COMPRESSIONS.get(compression, 'method')} ({compression})"
        return found


def is_tiff(encoded: bytes) -> bool:
    """Whether the file begins like a TIFF or BigTIFF."""
    return encoded[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def picture_page(encoded: bytes, max_pixels: int) -> int:
    """The number of the page that is the picture: the first that is no small copy of another.

    Args:
        encoded: a file that ``is_tiff``.
        max_pixels: of a tile.

    Raises:
        RefusedImage: it is a camera's raw file, has small copies only, or pixels that would be read as others.
    """
    pages, below = _pages(encoded)
    if not pages:
        return 0  # the decoder says what is wrong
    if _DNG in pages[0].tags or encoded[8:10] == b"CR" or any(page.has_sensor_data for page in (*pages, *below)):
        raise _unsupported("a camera's raw file; develop it into a TIFF or JPEG file")
    found = next((number for number, page in enumerate(pages) if page.is_picture), None)
    if found is None:
        raise _unsupported("a TIFF with small copies of a picture only, as a camera's raw files have them")
    _check_page(pages[found], max_pixels)
    return found


def describe(encoded: bytes) -> str:
    """What the file says about its first page; empty if it says nothing."""
    pages, _ = _pages(encoded)
    return pages[0].description() if pages else ""


def has_uncommon_compression(encoded: bytes) -> bool:
    """Whether not all TIFF readers can unpack it."""
    pages, _ = _pages(encoded)
    return bool(pages) and pages[0].first(_COMPRESSION, 1) not in _COMMON_COMPRESSIONS


def _check_page(page: Page, max_pixels: int) -> None:
    colors = _COLORS.get(page.first(_PHOTOMETRIC, 0))
    extra = len(page.tags.get(_EXTRA, ()))
    if colors is not None and page.bands > colors + max(extra, 1):
        raise _unsupported(f"{page.description()}; gray, colour, or one of them with transparency expected")
    if colors == 1 and page.bands > 1 + (page.tags.get(_EXTRA) in ((0,), (1,), (2,))):
        raise _unsupported(f"{page.description()}; gray, colour, or one of them with transparency expected")
    bits = set(page.tags.get(_BITS, (1,)))
    if page.first(_PLANAR, 1) == 2 and page.bands > 1 and bits == {16} and page.first(_COMPRESSION, 1) != 1:
        raise _unsupported(f"{page.description()}, compressed band by band; bands side by side expected")
    if page.first(_FORMAT, 1) != 1 and bits != {8}:
        raise _unsupported(f"{page.description()}; 8-bit or 16-bit expected, without a sign")
    tile = page.first(_TILE_WIDTH, 0) * page.first(_TILE_HEIGHT, 0)
    if tile > max_pixels:
        raise RefusedImage(Reason.TOO_MANY_PIXELS, f"a TIFF with tiles of {tile} pixels, at most {max_pixels} expected")


def _unsupported(message: str) -> RefusedImage:
    return RefusedImage(Reason.UNSUPPORTED_PIXELS, message)


def _pages(encoded: bytes) -> tuple[list[Page], list[Page]]:
    """The pages in their order, and the pages below them; those that can be read."""
    reader = _Reader(encoded)
    pages: list[Page] = []
    below: list[Page] = []
    try:
        for page in reader.chain(reader.first_offset()):
            pages.append(page)
            for offset in page.tags.get(_SUB_PAGES, ()):
                below += list(reader.chain(offset))
    except struct.error:
        pass  # cut; the decoder finds out whether pixels are missing
    return pages, below


class _Reader:
    def __init__(self, encoded: bytes):
        self._encoded = encoded
        self._order = "<" if encoded[:2] == b"II" else ">"
        self._is_big = 43 in encoded[2:4]
        self._seen: set[int] = set()

    def first_offset(self) -> int:
        return self._number("Q", 8) if self._is_big else self._number("I", 4)

    def chain(self, offset: int) -> Iterator[Page]:
        while offset and offset not in self._seen and len(self._seen) < _MAX_PAGES:
            self._seen.add(offset)
            number = self._number("Q" if self._is_big else "H", offset)
            offset += 8 if self._is_big else 2
            size = 20 if self._is_big else 12
            if number > _MAX_TAGS:
                return
            yield Page(dict(self._tag(offset + at * size) for at in range(number)))
            offset = self._number("Q" if self._is_big else "I", offset + number * size)

    def _tag(self, at: int) -> tuple[int, tuple[int, ...]]:
        tag, kind = struct.unpack_from(f"{self._order}HH", self._encoded, at)
        if tag not in _WANTED or kind not in _TYPES:
            return tag, ()
        count = min(self._number("Q" if self._is_big else "I", at + 4), _MAX_VALUES)
        form, place = f"{self._order}{count}{_TYPES[kind]}", at + (12 if self._is_big else 8)
        if struct.calcsize(form) > (8 if self._is_big else 4):
            place = self._number("Q" if self._is_big else "I", place)
        return tag, struct.unpack_from(form, self._encoded, place)

    def _number(self, form: str, at: int) -> int:
        if at > len(self._encoded):
            raise struct.error("behind the end of the file")
        return struct.unpack_from(self._order + form, self._encoded, at)[0]
