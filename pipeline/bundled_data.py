"""Data that comes inside an installed package, written out as image files so that ingestion does its real work."""

import pathlib
import shutil

import numpy as np
from PIL import Image
from sklearn import datasets


def write_digits(folder: pathlib.Path) -> pathlib.Path:
    """Write scikit-learn's handwritten digits as ``<class>/<index>.png`` unless they are there already.

    The 1,797 images are 8 x 8 gray with 17 levels, which are spread over 0 to 255.

    Args:
        folder: where the class folders go; written whole or not at all.

    Returns:
        ``folder``.

    Source: UCI Optical Recognition of Handwritten Digits, test part, as scikit-learn bundles it.
    """
    if folder.is_dir():
        return folder
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    digits = datasets.load_digits()
    for index, (image, label) in enumerate(zip(digits.images, digits.target, strict=True)):
        path = partial / str(label) / f"{index:04d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.round(image * (255 / 16)).astype(np.uint8)).save(path)
    partial.rename(folder)
    return folder
