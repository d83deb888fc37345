"""Decides which labelled train images are held out for watching.

The choice depends only on the group of an image, or on its digest if it has no group. So it is the same for every seed,
order, runner and span, and no group is on both sides. Images of a held-out group that have no label cannot be held out
themselves; they are left out.
"""

import hashlib
from collections.abc import Sequence

import numpy as np

from components.augmentation.stored_image import StoredImage
from components.simclr.augmentation import draws
from components.simclr.augmentation.slots import Slot


def held_out_ranks(images: Sequence[StoredImage]) -> np.ndarray:
    """Ranks, (n,) float64, uniform on [0, 1), equal within a group; the images with the lowest ranks are held out.

    The rank is hashed anew from the digest of image or group, because ingestion split train from test by the digest.
    """
    digests = [hashlib.sha256(image.group).hexdigest() if image.group else image.digest for image in images]
    return draws.uniform(draws.image_keys(digests), Slot.HELD_OUT)


def is_held_out(rank: float, eval_fraction: float, smallest_rank: float) -> bool:
    """Whether a labelled train image of this rank is held out.

    Args:
        rank: of the image.
        eval_fraction: part to hold out.
        smallest_rank: of the labelled train images (``survey.smallest_rank``); held out in any case.
    """
    return rank < eval_fraction or rank == smallest_rank


def is_left_out(image: StoredImage, rank: float, eval_fraction: float, smallest_rank: float) -> bool:
    """Whether an image that cannot be held out belongs to a held-out group; arguments as of ``is_held_out``.

    This holds for groups without any label too: to know them, every worker would have to know all groups.
    """
    return bool(image.group and is_held_out(rank, eval_fraction, smallest_rank))
