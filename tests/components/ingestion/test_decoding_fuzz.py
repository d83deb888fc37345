"""Good files with flipped, cut and spliced bytes: each is loaded or refused, quickly and in little memory.

SIMCLR_FUZZ_CASES sets the number of cases.
"""

import collections
import io
import os
import resource
import time
import warnings

import numpy as np
from PIL import Image

from components.contracts.images import ImageConfig
from components.ingestion.config import IngestionConfig
from components.ingestion.decoding import decode_image_bytes, decoding_rules
from components.ingestion.refusals import RefusedImage

CASES = int(os.environ.get("SIMCLR_FUZZ_CASES", "10000"))
KINDS = [  # (format, mode, settings)
    *[("JPEG", mode, settings) for mode in ("RGB", "L", "CMYK") for settings in ({}, {"progressive": True})],
    *[("PNG", mode, {}) for mode in ("RGB", "RGBA", "P", "1", "I;16")],
    *[("WEBP", "RGB", {}), ("WEBP", "RGBA", {"lossless": True}), ("WEBP", "RGB", {"save_all": True})],
    *[("GIF", "P", {}), ("GIF", "P", {"save_all": True})],
    *[("BMP", mode, {}) for mode in ("RGB", "P", "1")],
    *[("TIFF", "RGB", {"compression": name}) for name in ("raw", "tiff_lzw", "jpeg", "tiff_adobe_deflate")],
]


def make_good(generator):
    """{format: [bytes]} in two sizes."""
    good = collections.defaultdict(list)
    for size in ((64, 48), (200, 150)):
        for image_format, mode, settings in KINDS:
            pixels = generator.integers(0, 256, (*size, 3), dtype=np.uint8) // 8
            wide = generator.integers(0, 65536, size, dtype=np.uint16)
            image = Image.fromarray(wide) if mode == "I;16" else Image.fromarray(pixels).convert(mode)
            buffer = io.BytesIO()
            frames = {"append_images": [image.rotate(90, expand=False)]} if "save_all" in settings else {}
            image.save(buffer, image_format, **settings, **frames)
            good[image_format].append(buffer.getvalue())
    return good


def damage(content, other, generator):
    """Flips (of the header more often than not), a cut, or a splice."""
    damaged = bytearray(content)
    kind = generator.integers(4)
    if kind in (0, 1):
        end = min(len(damaged), 200) if generator.random() < 0.6 else len(damaged)
        for at in generator.integers(0, end, generator.integers(1, 9)):
            damaged[at] = generator.integers(256)
    if kind in (1, 2):
        damaged = damaged[: generator.integers(1, len(damaged) + 1)]
    if kind == 3:
        start, end = sorted(generator.integers(0, len(damaged) + 1, 2))
        other_start, other_end = sorted(generator.integers(0, len(other) + 1, 2))
        damaged[start:end] = other[other_start:other_end]
    return bytes(damaged)


def test_every_case_is_loaded_or_refused():
    generator = np.random.default_rng(0)
    rules = decoding_rules(IngestionConfig(), ImageConfig())
    good = make_good(generator)
    formats = list(good)
    outcomes, slowest = collections.Counter(), 0.0
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for case in range(CASES):
            content = good[formats[case % len(formats)]][generator.integers(len(good[formats[case % len(formats)]]))]
            other = good[formats[generator.integers(len(formats))]][0] if generator.random() < 0.5 else content
            started = time.process_time()
            try:
                decoded = decode_image_bytes(damage(content, other, generator), rules)
            except RefusedImage as refused:
                outcomes[refused.reason.value] += 1
            else:
                outcomes["loaded"] += 1
                assert decoded.pixels.dtype == np.uint8
                assert decoded.pixels.shape[2] == 3
            slowest = max(slowest, time.process_time() - started)
    assert sum(outcomes.values()) == CASES
    assert outcomes["loaded"] > CASES / 20
    assert {"truncated", "corrupt", "unknown_format"} <= set(outcomes)
    assert slowest < 10
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 512 * 1024  # KiB
