"""The data sets used in development, if this machine has them."""

import os
import pathlib

import cv2
import numpy as np

from benchmarks.table import SkippedError

VARIABLE = "SIMCLR_DEVELOPMENT_DATA"


def folder(name: str) -> pathlib.Path:
    """Folder of a data set.

    Raises:
        SkippedError: this machine does not have it.
    """
    root = os.environ.get(VARIABLE)
    path = pathlib.Path(root or "", name)
    if not root or not path.is_dir():
        raise SkippedError(f"{VARIABLE} names no folder with {name}")
    return path


def photographs(count: int, size_px: int) -> np.ndarray:
    """Central squares of photographs, shrunk to (count, size_px, size_px, 3) uint8.

    Raises:
        SkippedError: this machine has no photographs.
    """
    paths = sorted(folder("imagenet5").rglob("*.jpg"))
    images = []
    for path in paths[:: max(1, len(paths) // count)][:count]:
        image = cv2.imread(str(path))[:, :, ::-1]
        height, width = image.shape[:2]
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        square = image[top : top + side, left : left + side]
        images.append(cv2.resize(square, (size_px, size_px), interpolation=cv2.INTER_AREA))
    return np.stack(images)
