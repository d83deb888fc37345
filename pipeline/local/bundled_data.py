"""Writes data of an installed package as image files, so that ingestion works on files as usual."""

import pathlib
import shutil

from PIL import Image

from components.contracts.paths import partial_path
from components.ingestion.reading.sources.digits import bundled_digits


def write_digits(folder: pathlib.Path) -> pathlib.Path:
    """Write scikit-learn's handwritten digits as ``<class>/<index>.png`` unless the folder exists.

    Args:
        folder: parent of the class folders; written whole or not at all.

    Returns:
        ``folder``.
    """
    if folder.is_dir():
        return folder
    partial = partial_path(folder)
    shutil.rmtree(partial, ignore_errors=True)
    for index, (image, label) in enumerate(zip(*bundled_digits(), strict=True)):
        path = partial / str(label) / f"{index:04d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    partial.rename(folder)
    return folder
