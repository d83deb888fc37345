"""The identity of a test split: numbers are comparable, and a split is used up, where the images are the same."""

import numpy as np

from components.contracts import configuration


def digest(image_digests: np.ndarray) -> str:
    """SHA-256 over the set of test images, 64 hex characters.

    Args:
        image_digests: (m,) str digests of the pixels, in any order.
    """
    return configuration.digest(sorted(image_digests.tolist()))
