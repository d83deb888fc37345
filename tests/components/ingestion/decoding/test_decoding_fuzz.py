"""Good files with flipped, cut and spliced bytes: each is loaded or refused, quickly and in little memory.

`make test` damages 1,000 files, `make test-fuzz` 10,000.
"""

import collections
import io
import json
import resource
import struct
import time
import warnings
import zlib

import apache_beam as beam
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from components.contracts import artifact_files, records
from components.contracts.files import read_records
from components.contracts.images import ImageConfig
from components.ingestion.config import IngestionConfig
from components.ingestion.decoding.decoder import decode_image_bytes, decoding_rules
from components.ingestion.decoding.refusals import RefusedImage
from components.ingestion.ingest import ingest

each_count = pytest.mark.parametrize("count", [1000, pytest.param(10_000, marks=pytest.mark.fuzz)])
KINDS = [  # (format, mode, settings)
    *[("JPEG", mode, settings) for mode in ("RGB", "L", "CMYK") for settings in ({}, {"progressive": True})],
    *[("PNG", mode, {}) for mode in ("RGB", "RGBA", "P", "1", "I;16")],
    *[("WEBP", "RGB", {}), ("WEBP", "RGBA", {"lossless": True}), ("WEBP", "RGB", {"save_all": True})],
    *[("GIF", "P", {}), ("GIF", "P", {"save_all": True})],
    *[("BMP", mode, {}) for mode in ("RGB", "P", "1")],
    *[("TIFF", "RGB", {"compression": name}) for name in ("raw", "tiff_lzw", "jpeg", "tiff_adobe_deflate")],
    *[("TIFF", "I;16", {"compression": name}) for name in ("raw", "tiff_lzw")],
    ("TIFF", "RGB", {"save_all": True}),
    *[("PPM", mode, {}) for mode in ("RGB", "L", "1")],
]
_KIB = 1024
MAX_GROWTH_KIB = 2**20  # above the start: 1 GiB
MAX_SECONDS = 30  # of a file


def deep_colors(values):
    """(h, w, 3) uint16 as PNG, and as TIFF with bands side by side, in planes and in tiles."""
    height, width = values.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    head = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    chunks = [
        struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        for name, content in ((b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    ]
    yield "PNG", b"\x89PNG\r\n\x1a\n" + b"".join(chunks)
    for planar, tiled, bits in ((1, False, 16), (2, False, 16), (1, True, 8)):
        yield "TIFF", tiff(values if bits == 16 else (values >> 8).astype(np.uint8), planar, tiled)


def tiff(values, planar, tiled):
    """An uncompressed TIFF in one strip (or one for each band), or in tiles of 16 x 16."""
    height, width, bands = values.shape
    parts = [values] if planar == 1 else list(np.moveaxis(values, 2, 0))
    if tiled:
        parts = [
            values[top : top + 16, left : left + 16] for top in range(0, height, 16) for left in range(0, width, 16)
        ]
    packed = [part.astype(values.dtype.newbyteorder("<")).tobytes() for part in parts]
    offsets = [8 + sum(map(len, packed[:at])) for at in range(len(packed))]
    sizes = [len(part) for part in packed]
    fields = {256: [width], 257: [height], 258: [values.dtype.itemsize * 8] * 3, 259: [1], 262: [2], 277: [bands]}
    fields |= {284: [planar]}
    fields |= {322: [16], 323: [16], 324: offsets, 325: sizes} if tiled else {273: offsets, 278: [height], 279: sizes}
    body, table, blob = b"".join(packed), [], b""
    for tag, found in sorted(fields.items()):
        content = struct.pack(f"<{len(found)}I", *found)
        if len(content) > 4:
            blob += content
            content = struct.pack("<I", 8 + len(body) + len(blob) - len(content))
        table.append(struct.pack("<HHI", tag, 4, len(found)) + content)
    directory = struct.pack("<H", len(table)) + b"".join(table) + bytes(4)
    return b"II*\0" + struct.pack("<I", 8 + len(body) + len(blob)) + body + blob + directory


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
        for image_format, content in deep_colors(generator.integers(0, 65536, (*size, 3), dtype=np.uint16)):
            good[image_format].append(content)
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


def make_cases(count):
    generator = np.random.default_rng(0)
    good = make_good(generator)
    formats = list(good)
    for case in range(count):
        content = good[formats[case % len(formats)]][generator.integers(len(good[formats[case % len(formats)]]))]
        other = good[formats[generator.integers(len(formats))]][0] if generator.random() < 0.5 else content
        yield damage(content, other, generator)


@each_count
def test_every_case_is_loaded_or_refused(count):
    rules = decoding_rules(IngestionConfig(), ImageConfig())
    outcomes, slowest = collections.Counter(), 0.0
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for case in make_cases(count):
            started = time.process_time()
            try:
                decoded = decode_image_bytes(case, rules)
            except RefusedImage as refused:
                outcomes[refused.reason.value] += 1
            else:
                outcomes["loaded"] += 1
                assert decoded.pixels.dtype == np.uint8
                assert decoded.pixels.shape[2] == 3
            slowest = max(slowest, time.process_time() - started)
    assert sum(outcomes.values()) == count
    assert outcomes["loaded"] > count / 20
    assert {"truncated", "corrupt", "unknown_format"} <= set(outcomes)
    assert slowest < MAX_SECONDS
    growth = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert growth < MAX_GROWTH_KIB
    print(f"{count} files: {dict(outcomes)}; {growth / _KIB:.0f} MiB above the start, {slowest:.2f} s the slowest")


@each_count
def test_every_case_goes_through_the_workers_or_into_quarantine(tmp_path, count):
    """A crash or an endless loop would end the run. The two lists show that no file is lost."""
    names = set()
    for number, case in enumerate(make_cases(count)):
        name = f"{'test' if number % 5 == 0 else 'train'}/{number % 2}/{number}"
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(case)
        names.add(name)
    config = IngestionConfig(max_undecodable_fraction=1.0)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    summary = ingest(
        str(tmp_path / "data"), str(tmp_path / "out"), config, ImageConfig(), lambda: beam.Pipeline("FnApiRunner")
    )
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MAX_GROWTH_KIB
    lines = (tmp_path / "out" / artifact_files.QUARANTINE_FILE).read_text().splitlines()
    quarantined = [json.loads(line) for line in lines]
    kept = set()
    for path in (tmp_path / "out").glob("Split-*/*"):
        for serialized in read_records(str(path)):
            features = tf.train.Example.FromString(serialized).features.feature
            kept.add(features[records.PATH].bytes_list.value[0].decode())
    assert sum(summary.records.values()) == len(kept) > count / 20
    assert len(quarantined) + len(kept) == count
    assert {entry["path"] for entry in quarantined} | kept == names
    assert all(entry["reason"] and entry["message"] for entry in quarantined)
    assert any(entry["error"] for entry in quarantined)
