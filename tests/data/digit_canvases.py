"""Canvases with handwritten digits on them and masks that say which digit is where, for ``simclr transfer``.

    python tests/data/digit_canvases.py FOLDER --train 300 --test 100

Writes ``train`` and ``test``, each with ``images`` and ``masks``: gray PNGs of 72 px with four digits on each. Class 0
is the background, class d + 1 the digit d. No digit is on both sides.
"""

import argparse
import pathlib

import numpy as np
from PIL import Image
from sklearn import datasets

SIDE_PX, DIGIT_PX = 72, 24
_PER_SIDE = 2  # digits; each has a cell of its own, somewhere in which it lies
_INK = 96  # from this brightness on, a pixel belongs to the digit


def write_canvases(folder: pathlib.Path, train: int, test: int, seed: int = 0) -> pathlib.Path:
    """Draw the canvases; a fifth of the digits is for ``test`` only."""
    digits = datasets.load_digits()
    images, labels = np.round(digits.images * (255 / 16)).astype(np.uint8), digits.target
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(images))
    cut = len(order) // 5
    for split, rows, count in (("test", order[:cut], test), ("train", order[cut:], train)):
        for kind in ("images", "masks"):
            (folder / split / kind).mkdir(parents=True)
        for index in range(count):
            chosen = rng.choice(rows, _PER_SIDE**2)
            canvas, mask = draw_canvas(images[chosen], labels[chosen], rng)
            Image.fromarray(canvas).save(folder / split / "images" / f"{index:04d}.png")
            Image.fromarray(mask).save(folder / split / "masks" / f"{index:04d}.png")
    return folder


def draw_canvas(digits: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """(4, 8, 8) uint8 digits and their classes -> canvas and mask, (72, 72) uint8."""
    canvas, mask = (np.zeros((SIDE_PX, SIDE_PX), np.uint8) for _ in range(2))
    cell = SIDE_PX // _PER_SIDE
    for place, (digit, label) in enumerate(zip(digits, labels, strict=True)):
        drawn = np.asarray(Image.fromarray(digit).resize((DIGIT_PX, DIGIT_PX), Image.Resampling.BICUBIC))
        top, left = np.array(divmod(place, _PER_SIDE)) * cell + rng.integers(0, cell - DIGIT_PX + 1, 2)
        window = slice(top, top + DIGIT_PX), slice(left, left + DIGIT_PX)
        canvas[window], mask[window] = drawn, np.where(drawn >= _INK, label + 1, 0)
    return canvas, mask


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--train", type=int, default=300)
    parser.add_argument("--test", type=int, default=100)
    parsed = parser.parse_args()
    write_canvases(parsed.folder, parsed.train, parsed.test)
