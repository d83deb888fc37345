"""Which labelled train images are held out for watching: a digest in, a yes or no out.

The choice follows from the digest alone, so it is the same for every seed, order, runner and span.
"""

import numpy as np

from components.simclr import draws
from components.simclr.slots import Slot


def held_out_ranks(digests: list[bytes]) -> np.ndarray:
    """(n,) float64, uniform on [0, 1): images are held out in the order of their ranks.

    Mixed anew from the digest, because ingestion already split train from test by it.
    """
    return draws.uniform(draws.image_keys(digests), Slot.HELD_OUT)


def is_held_out(rank: float, eval_fraction: float, smallest_rank: float) -> bool:
    """Whether a labelled image of this rank is held out.

    Args:
        rank: of the image.
        eval_fraction: part to hold out.
        smallest_rank: of all labelled train images; this one is held out in any case.
    """
    return rank < eval_fraction or rank <= smallest_rank
