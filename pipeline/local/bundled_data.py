"""Data that comes inside an installed package, written out as image files so that ingestion does its real work."""

import pathlib
import shutil

from PIL import Image

from components.ingestion.reading.sources.digits import bundled_digits


def write_digits(folder: pathlib.Path) -> pathlib.Path:
    """Write scikit-learn's handwritten digits as ``<class>/<index>.png`` unless they are there already.

    Args:
        folder: where the class folders go; written whole or not at all.

    Returns:
        ``folder``.
    """
    if folder.is_dir():
        return folder
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    for index, (image, label) in enumerate(zip(*bundled_digits(), strict=True)):
        path = partial / str(label) / f"{index:04d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    partial.rename(folder)
    return folder
