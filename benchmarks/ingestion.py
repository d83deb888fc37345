"""Ingestion against a bare loop that reads, decodes, shrinks and encodes the same files with the same library."""

import io
import os
import pathlib
import tempfile

import apache_beam as beam
from PIL import Image

from benchmarks import beam_job, measuring
from benchmarks.development_data import folder
from benchmarks.table import Report
from components.contracts.images import ImageConfig
from components.ingestion.config import IngestionConfig
from components.ingestion.ingest import ingest

_SHRUNK_SIDE_PX = 128  # imagenet5 has short sides of 160 px, so by default nothing is shrunk


def measure(report: Report, turns: int) -> None:
    """Images per second of CPU time on one core: with the files as they are, and with all of them shrunk."""
    measuring.pin_to_one_core()
    root = folder("imagenet5")
    paths = sorted(path for path in root.rglob("*.jpg") if path.is_file())
    with tempfile.TemporaryDirectory() as half:
        for path in paths[::2]:
            link = pathlib.Path(half, path.relative_to(root))
            link.parent.mkdir(parents=True, exist_ok=True)
            os.symlink(path, link)
        for config in (IngestionConfig(), IngestionConfig(stored_short_side_px=_SHRUNK_SIDE_PX)):
            sides = {
                "all": lambda config=config: _ingest(str(root), config),
                "half": lambda config=config: _ingest(half, config),
                "bare": lambda config=config: [_bare(path, config) for path in paths],
            }
            case = f"{len(paths):,} files to {config.stored_short_side_px} px"
            made = {"all": len(paths), "half": len(paths[::2]), "bare": len(paths)}
            beam_job.compare(report, case, "images", 0.7, made, measuring.alternate(sides, turns))


def _ingest(root: str, config: IngestionConfig) -> None:
    with tempfile.TemporaryDirectory() as output:
        ingest(root, output, config, ImageConfig(), lambda: beam.Pipeline(argv=["--runner=FnApiRunner"]))


def _bare(path: pathlib.Path, config: IngestionConfig) -> bytes:
    image = Image.open(io.BytesIO(path.read_bytes())).convert("RGB")
    shrink = config.stored_short_side_px / min(image.size)
    if shrink < 1:
        image = image.resize([round(side * shrink) for side in image.size], Image.Resampling.BICUBIC)
    encoded = io.BytesIO()
    image.save(encoded, "JPEG", quality=config.jpeg_quality, subsampling="4:4:4")
    return encoded.getvalue()
