"""Training images per second (one image is two views) by batch size, precision and compilation."""

import hashlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator

import cv2
import numpy as np

from benchmarks import measuring, views
from benchmarks.table import Report, Row
from benchmarks.timed_training import BATCHES, VIEWS_PER_IMAGE, Found
from components.augmentation.config import ViewsConfig
from components.augmentation.stored_image import StoredImage
from components.contracts.images import ImageConfig

_KINDS = (("float32", False), ("float32", True), ("bfloat16", False), ("bfloat16", True))


def resnet18_32px(report: Report, turns: int) -> None:
    """ResNet-18 on small images; each row is timed for ``turns`` seconds, and for at least one step."""
    _measure(report, turns, "resnet18", 32)


def resnet50_32px(report: Report, turns: int) -> None:
    """ResNet-50 on small images, likewise."""
    _measure(report, turns, "resnet50", 32)


def resnet50_224px(report: Report, turns: int) -> None:
    """ResNet-50 on large images, likewise."""
    _measure(report, turns, "resnet50", 224)


def _measure(report: Report, turns: int, architecture: str, size_px: int) -> None:
    plain: dict[int, float] = {}  # images per second in float32, not compiled
    with tempfile.TemporaryDirectory() as folder:
        _write_views(folder, size_px)
        for precision, is_compiled in _KINDS:
            case = {"architecture": architecture, "size_px": size_px, "precision": precision,
                    "jit_compile": is_compiled, "views_dir": folder, "seconds": turns}  # fmt: skip
            for found in _results(case):
                report(_row(f"batch {found['batch']}, {precision}{', XLA' * is_compiled}", found, plain))


def _row(case: str, found: Found, plain: dict[int, float]) -> Row:
    batch = found["batch"]
    if "seconds_per_step" not in found:
        return Row(case, "does not fit", remark=found["reason"])
    rate = batch / found["seconds_per_step"]
    remark = (
        f"{found['seconds_per_step']:.3g} s per step, {found['cpu_seconds_per_step']:.3g} s of CPU time, "
        f"{found['input_wait']:.1%} waiting for input, peak {found['peak_mib']:,.0f} MiB, steps {found['steps']}"
    )
    compared = f"float32 {plain[batch]:,.1f}" if batch in plain else ""
    ratio = rate / plain[batch] if batch in plain else None
    plain.setdefault(batch, rate)
    return Row(case, f"{rate:,.1f} images/s", compared, ratio, remark=remark)


def _results(case: dict[str, object]) -> Iterator[Found]:
    """For each batch size, what was measured or why nothing was.

    Raises:
        subprocess.CalledProcessError: the process failed for another reason than missing memory.
    """
    command = [sys.executable, "-m", "benchmarks.timed_training", json.dumps(case)]
    missing = list(BATCHES)
    with subprocess.Popen(command, cwd=measuring.ROOT, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout or ():
            missing.pop(0)
            yield json.loads(line)
    if process.returncode not in (0, measuring.KILLED):
        raise subprocess.CalledProcessError(process.returncode, command)
    for batch in missing:
        yield {"batch": batch, "reason": "the system killed the process because memory ran out"}


def _write_views(folder: str, size_px: int) -> None:
    """Write one shard of view records, as ViewGen does, with as many images as the largest batch."""
    generator = np.random.default_rng(0)
    source_px = size_px * 8 // 7
    stored = []
    for _ in range(max(BATCHES)):
        coarse = generator.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        pixels = cv2.resize(coarse, (source_px, source_px), interpolation=cv2.INTER_CUBIC)
        noise = generator.normal(0, 8, pixels.shape)
        encoded = cv2.imencode(".png", np.clip(pixels + noise, 0, 255).astype(np.uint8))[1].tobytes()
        stored.append(StoredImage(hashlib.sha256(encoded).hexdigest().encode(), encoded, source_px, source_px))
    config = ViewsConfig(views_per_image=VIEWS_PER_IMAGE)
    views.write(folder, stored, config, ImageConfig(size_px=size_px))
