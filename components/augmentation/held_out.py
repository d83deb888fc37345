"""Which labelled train images are held out for watching: an image in, a yes or no out.

The choice follows from the group of the image, or where it has none from its digest, and from nothing else: so it is
the same for every seed, order, runner and span, and images of one group are not on both sides: those of a held-out
group that can't be held out themselves, because they have no label, are left out.
"""

import hashlib
from collections.abc import Sequence

import numpy as np

from components.augmentation.stored_image import StoredImage
from components.simclr.augmentation import draws
from components.simclr.augmentation.slots import Slot


def held_out_ranks(images: Sequence[StoredImage]) -> np.ndarray:
    """(n,) float64, uniform on [0, 1): images are held out in the order of their ranks, which those of a group share.

    Mixed anew from the digest, of image or group, because ingestion already split train from test by it.
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
    """Whether an image that can't be held out is of a group that is; arguments as of ``is_held_out``.

    Also where none of the group's images has a label, because to know that every worker would have to know all groups.
    """
    return bool(image.group and is_held_out(rank, eval_fraction, smallest_rank))
