"""The identity of a test split: two splits with the same images are the same split, and their numbers comparable."""

import numpy as np

from components.contracts import configuration


def digest(image_digests: np.ndarray) -> str:
    """SHA-256 over the set of test images, 64 hex characters.

    Args:
        image_digests: (m,) str digests of the pixels, in any order.
    """
    return configuration.digest(sorted(image_digests.tolist()))
