"""Refuses JPEG files of very many scans: each passes over all pixels, so a small file would keep a decoder busy.

Source: ITU-T T.81, annexes B and G.
"""

from components.ingestion.decoding.refusals import Reason, RefusedImage

_SCAN = b"\xff\xda"
_FEW = 20  # usual progressive files have 10 or fewer
_MAX_SCANS = 1000
_MAX_PIXELS_OF_SCANS = 1_500_000_000  # 9 s, as noise takes 6 ns for each pixel and scan on a core of an EPYC


def check(jpeg: bytes, width: int, height: int) -> None:
    """Count the scans; the marker cannot be part of a scan's data, but may be part of a thumbnail.

    Raises:
        RefusedImage: there are too many for an image of ``width`` x ``height`` pixels.
    """
    scans = jpeg.count(_SCAN)
    if scans > _FEW and (scans > _MAX_SCANS or scans * width * height > _MAX_PIXELS_OF_SCANS):
        raise RefusedImage(Reason.TOO_COSTLY, f"a JPEG of {scans} scans of {width}x{height} pixels")
