"""Reads the golden images of a model with its answers at export, and says how far other answers are from them."""

import dataclasses
import pathlib

import numpy as np

from components.contracts import signatures


@dataclasses.dataclass(frozen=True)
class Golden:
    """Content of ``signatures.GOLDEN_FILE``."""

    images: list[bytes]  # g, PNG or JPEG
    representations: np.ndarray  # (g, d) float32
    scores: np.ndarray  # (g, k) float32


def read_golden(folder: pathlib.Path) -> Golden:
    """Read the golden images and answers in the folder of a SavedModel."""
    with np.load(folder / signatures.GOLDEN_FILE) as arrays:
        ends = np.cumsum(arrays[signatures.GOLDEN_IMAGE_LENGTHS])
        parts = np.split(arrays[signatures.GOLDEN_IMAGE_BYTES], ends[:-1])
        return Golden(
            [part.tobytes() for part in parts],
            arrays[signatures.GOLDEN_REPRESENTATIONS],
            arrays[signatures.GOLDEN_SCORES],
        )


def relative_difference(found: np.ndarray, stored: np.ndarray) -> float:
    """The largest difference as a fraction of the largest stored number; NaN if a number is NaN."""
    return float(np.abs(found - stored).max() / max(np.abs(stored).max(), 1e-6))
