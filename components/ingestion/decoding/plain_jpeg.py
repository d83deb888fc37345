"""JPEG files without their metadata: the pixels stay encoded as they are."""

import re

_START, _END = b"\xff\xd8", b"\xff\xd9"
_SCAN = 0xDA
_JFIF = 0xE0
_JFIF_BYTES = 18  # of that segment where it has no thumbnail
# What a decoder needs: one frame of sequential Huffman coding, tables, the restart interval, and how colours are coded.
_NEEDED = frozenset((0xC0, 0xC1, 0xC4, 0xDB, 0xDD, _JFIF, 0xEE))
_METADATA = frozenset((0xFE, *range(0xE1, 0xEE), 0xEF))  # comments, EXIF, XMP, colour profiles and the like
_MARKER_AFTER_PIXELS = re.compile(rb"\xff[^\x00\xd0-\xd7]")  # between them are restart markers and escaped bytes


def without_metadata(jpeg: bytes) -> bytes | None:
    """Remove comments, EXIF, profiles, thumbnails and whatever follows the image.

    Args:
        jpeg: a file that a decoder has read to its end.

    Returns:
        A JPEG of the same pixels; None if the file has an unusual structure: it is progressive, has several scans, has
        a thumbnail in its first segment, or has bytes between segments.

    Source: ITU-T T.81, annex B.
    """
    parts, at = [_START], len(_START)
    while True:
        start = jpeg[at : at + 4]  # of a segment: its marker and its length, which counts itself
        if len(start) < 4 or start[0] != 0xFF:
            return None
        marker, end = start[1], at + 2 + int.from_bytes(start[2:], "big")
        if marker == _SCAN:
            after = _MARKER_AFTER_PIXELS.search(jpeg, end)
            return b"".join((*parts, jpeg[at : after.end()])) if after and after[0] == _END else None
        if marker in _NEEDED:
            if marker == _JFIF and end - at != _JFIF_BYTES:
                return None
            parts.append(jpeg[at:end])
        elif marker not in _METADATA:
            return None
        at = end
