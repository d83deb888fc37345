"""Ingestion beside a bare loop that decodes, shrinks and encodes the same files with the same library."""

import io
import pathlib
import tempfile

import apache_beam as beam
from PIL import Image

from benchmarks import measuring
from benchmarks.development_data import folder
from benchmarks.table import Report, Row
from components.contracts.images import ImageConfig
from components.ingestion.config import IngestionConfig
from components.ingestion.ingest import ingest

_CONFIG, _IMAGE_CONFIG = IngestionConfig(), ImageConfig()


def measure(report: Report, turns: int) -> None:
    """Images per second per core by CPU time, Beam's fixed cost included."""
    root = folder("imagenet5")
    paths = sorted(path for path in root.rglob("*.jpg") if path.is_file())
    sides = {"ingestion": lambda: _ingest(str(root)), "bare": lambda: [_bare(path) for path in paths]}
    timings = measuring.alternate(sides, turns)
    ours, bare = (len(paths) / timings[name].cpu for name in ("ingestion", "bare"))
    report(
        Row(
            f"imagenet5, {len(paths):,} files",
            f"{ours:,.0f} images/s/core",
            f"bare loop {bare:,.0f}",
            ours / bare,
            ">= 0.7",
        )
    )


def _ingest(root: str) -> None:
    with tempfile.TemporaryDirectory() as output:
        ingest(root, output, _CONFIG, _IMAGE_CONFIG, lambda: beam.Pipeline(argv=["--runner=FnApiRunner"]))


def _bare(path: pathlib.Path) -> bytes:
    image = Image.open(io.BytesIO(path.read_bytes())).convert("RGB")
    shrink = _CONFIG.stored_short_side_px / min(image.size)
    if shrink < 1:
        image = image.resize([round(side * shrink) for side in image.size], Image.Resampling.BICUBIC)
    encoded = io.BytesIO()
    image.save(encoded, "JPEG", quality=95, subsampling="4:4:4")
    return encoded.getvalue()
