"""PNG files without the chunks that hold no pixels: profiles, texts and times, damaged or not, decide nothing.

Source: W3C PNG specification (third edition), sections 5 and 11.
"""

import zlib

from components.ingestion.decoding.refusals import Reason, RefusedImage

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PIXELS = frozenset((b"IHDR", b"PLTE", b"IDAT", b"tRNS"))
_ORIENTATION = b"eXIf"
_END = b"IEND"
_WHOLE_END = b"\0\0\0\0IEND\xaeB`\x82"
_MAX_CHUNKS = 1_000_000
_MAX_ORIENTATION_BYTES = 2**16


def only_pixels(png: bytes) -> bytes:
    """Keep header, palette, transparency, pixels and EXIF block; the end may be missing if the pixels are whole.

    Args:
        png: a file that begins with ``SIGNATURE``.

    Raises:
        RefusedImage: the file ends within pixels, or the checksum of a chunk that decides pixels is wrong.
    """
    parts, at = [SIGNATURE], len(SIGNATURE)
    for _ in range(_MAX_CHUNKS):
        head = png[at : at + 8]
        length, name = int.from_bytes(head[:4], "big"), head[4:]
        if len(head) < 8 or name == _END:
            break
        end = at + 12 + length
        if name == b"CgBI":
            raise RefusedImage(Reason.UNSUPPORTED_PIXELS, "a PNG as Apple's tools pack it for devices (CgBI)")
        if name in _PIXELS:
            _check(png, at, end, name)
            parts.append(png[at:end])
        elif name == _ORIENTATION and length <= _MAX_ORIENTATION_BYTES and _is_sound(png, at, end):
            parts.append(png[at:end])
        elif not name.isalpha():
            break  # no chunk; what came before may be whole
        at = end
    else:
        raise RefusedImage(Reason.TOO_COSTLY, f"a PNG of more than {_MAX_CHUNKS} chunks")
    return b"".join((*parts, _WHOLE_END))


def _check(png: bytes, at: int, end: int, name: bytes) -> None:
    if end > len(png):
        raise RefusedImage(Reason.TRUNCATED, f"the file is truncated: it ends within {name.decode()}")
    if not _is_sound(png, at, end):
        raise RefusedImage(Reason.CORRUPT, f"wrong checksum of {name.decode()}")


def _is_sound(png: bytes, at: int, end: int) -> bool:
    return zlib.crc32(png[at + 4 : end - 4]) == int.from_bytes(png[end - 4 : end], "big") and end <= len(png)
