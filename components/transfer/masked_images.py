"""Finds the pairs of images and masks in folders, and reads the same square of both: pixels and class ids.

An image may have any format that ingestion accepts. Its mask is a PNG of the same size and, except for the ending, the
same name, with one channel or a palette; its values are class ids.
"""

import dataclasses
import hashlib
import pathlib
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf
from PIL import Image

from components.contracts.images import ImageConfig
from components.preprocessing import image_preparation

IMAGES, MASKS, TRAIN, TEST = "images", "masks", "train", "test"
_MOST_NAMED = 5
_MASK_MODES = frozenset(("1", "L", "P"))
_ORIENTATION_TAG = 0x0112
_TURNED = frozenset((5, 6, 7, 8))  # EXIF orientations that swap height and width


class MaskedImagesError(ValueError):
    """Images or masks that cannot be used; the message names the file and what was expected."""


@dataclasses.dataclass(frozen=True)
class Pair:
    """An image and its mask."""

    image: pathlib.Path
    mask: pathlib.Path


def find_pairs(root: pathlib.Path, test_fraction: float, seed: int) -> tuple[list[Pair], list[Pair]]:
    """Train and test pairs below ``root``, each sorted by name.

    Args:
        root: holds ``images`` and ``masks``, or ``train`` and ``test``, each with the two.
        test_fraction: in the first case, the part that becomes test; a digest of seed and name chooses it.
        seed: of that choice.

    Raises:
        MaskedImagesError: a folder, an image or a mask is missing, or one side is empty.
    """
    if (root / TRAIN).is_dir():
        return _pairs(root / TRAIN), _pairs(root / TEST)
    pairs = _pairs(root)
    if len(pairs) < 2:
        raise MaskedImagesError(f"{root}: at least two images are needed, to train and to test, found {len(pairs)}")
    shuffled = sorted(pairs, key=lambda pair: hashlib.sha256(f"{seed}/{pair.image.stem}".encode()).digest())
    count = min(len(pairs) - 1, max(1, round(test_fraction * len(pairs))))
    held_out = set(shuffled[:count])
    return [pair for pair in pairs if pair not in held_out], [pair for pair in pairs if pair in held_out]


def _pairs(folder: pathlib.Path) -> list[Pair]:
    images, masks = (_by_stem(folder / name) for name in (IMAGES, MASKS))
    for kind, there, missing in (("mask", images, images.keys() - masks), ("image", masks, masks.keys() - images)):
        if missing:
            names = ", ".join(str(there[stem]) for stem in sorted(missing)[:_MOST_NAMED])
            more = f" and {len(missing) - _MOST_NAMED} more" if len(missing) > _MOST_NAMED else ""
            raise MaskedImagesError(f"there is no {kind} of the same name for {names}{more}")
    return [Pair(images[stem], masks[stem]) for stem in sorted(images)]


def _by_stem(folder: pathlib.Path) -> dict[str, pathlib.Path]:
    if not folder.is_dir():
        raise MaskedImagesError(f"{folder}: expected a folder, with a file for each image")
    found: dict[str, pathlib.Path] = {}
    for path in sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")):
        if path.stem in found:
            raise MaskedImagesError(f"{found[path.stem]} and {path} have the same name but for the ending")
        found[path.stem] = path
    if not found:
        raise MaskedImagesError(f"{folder}: no file in it")
    return found


def read_pixels(pair: Pair, prepare: Callable[[bytes], bytes], image_config: ImageConfig, size_px: int) -> np.ndarray:
    """Read the square of an image that is segmented.

    Args:
        pair: image and mask; only the image is read.
        prepare: content of an image file -> PNG or JPEG bytes, as ingestion would have stored it.
        image_config: colour, and the part of the short side that is kept.
        size_px: side of the result.

    Returns:
        (size_px, size_px, c) float32, 0 to 255.

    Raises:
        MaskedImagesError: the image cannot be read.
    """
    try:
        encoded = prepare(pair.image.read_bytes())
    except (OSError, ValueError) as error:
        raise MaskedImagesError(f"{pair.image}: {error}") from error
    pixels = image_preparation.decode_image(tf.constant(encoded), image_config.channels)
    return image_preparation.resize_and_crop(pixels, size_px, image_config.center_crop_fraction).numpy()


def read_mask(pair: Pair, center_crop_fraction: float, size_px: int) -> np.ndarray:
    """Read the class ids of the same square; each pixel takes the id of the nearest pixel in the file.

    Returns:
        (size_px, size_px) uint8.

    Raises:
        MaskedImagesError: the mask is no image of class ids, or has another size than its image.
    """
    try:
        with Image.open(pair.mask) as mask, Image.open(pair.image) as image:
            if mask.format != "PNG" or mask.mode not in _MASK_MODES:
                raise MaskedImagesError(
                    f"{pair.mask}: expected a PNG with one 8-bit channel of class ids, found {mask.format} {mask.mode}"
                )
            is_turned = image.getexif().get(_ORIENTATION_TAG) in _TURNED
            size = image.size[::-1] if is_turned else image.size
            if mask.size != size:
                raise MaskedImagesError(
                    f"{pair.mask} is {mask.size[0]} x {mask.size[1]} px, but its image {pair.image} is {size[0]} x "
                    f"{size[1]} px"
                )
            ids = np.asarray(mask).astype(np.uint8)
    except OSError as error:
        raise MaskedImagesError(f"{pair.mask}: {error}") from error
    side = max(1, round(min(ids.shape) * center_crop_fraction))
    top, left = (ids.shape[0] - side) // 2, (ids.shape[1] - side) // 2
    nearest = (np.arange(size_px) * 2 + 1) * side // (2 * size_px)
    return ids[top + nearest[:, np.newaxis], left + nearest]


def number_of_classes(train: np.ndarray, classes: int | None, ignored_id: int | None) -> int:
    """``classes`` if it is set, otherwise the largest id in the train masks (n, s, s) uint8, plus one.

    Raises:
        MaskedImagesError: the train masks hold one class only.
    """
    if classes is not None:
        return classes
    found = np.setdiff1d(np.unique(train), [] if ignored_id is None else [ignored_id])
    if len(found) < 2:
        raise MaskedImagesError(
            f"the train masks hold one class only, {found.tolist()}: there is nothing to tell apart"
        )
    return int(found[-1]) + 1


def require_ids(pairs: Sequence[Pair], masks: np.ndarray, classes: int, ignored_id: int | None) -> None:
    """Refuse class ids that are out of range.

    Raises:
        MaskedImagesError: a mask has such an id; the message names the first one.
    """
    for pair, mask in zip(pairs, masks, strict=True):
        wrong = np.setdiff1d(mask[mask >= classes], [] if ignored_id is None else [ignored_id])
        if len(wrong):
            ignored = "" if ignored_id is None else f", or {ignored_id} for pixels that do not count"
            raise MaskedImagesError(
                f"{pair.mask}: class id {wrong[0]} is out of range, expected 0 to {classes - 1}{ignored}"
            )
