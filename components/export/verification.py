"""Whether a version in the registry is still what was pushed: its files, and the vectors that it computes here.

A version carries a few images with the model's answers when it was exported. Needs TensorFlow, nothing of TFX.
"""

import dataclasses
import pathlib

import numpy as np

from components.contracts import signatures
from components.export import registry

# Another machine or TensorFlow adds in another order; a wrong preparation or weight is far off.
MAX_RELATIVE_DIFFERENCE = 1e-2


@dataclasses.dataclass(frozen=True)
class Verification:
    """What was found to be as it should."""

    version: int
    num_images: int
    max_difference: float  # of representations, as a part of the largest number among the stored ones
    max_score_difference: float


def verify(root: pathlib.Path, model_name: str, name: str = registry.BLESSED) -> Verification:
    """Compare the files with what was pushed, and the model's answers with those stored at export.

    Args:
        root: the registry's folder.
        model_name: folder of the model in it.
        name: number or alias of the version.

    Raises:
        RegistryError: there is no such version, its files changed, or its answers differ by more than
            ``MAX_RELATIVE_DIFFERENCE``.
    """
    version = registry.find_version(root, model_name, name)
    folder = root / model_name / str(version.number)
    if not registry.is_intact(root, model_name, version):
        raise registry.RegistryError(f"{folder} is missing or no longer holds the files that were pushed")
    with np.load(folder / signatures.GOLDEN_FILE) as golden:
        images = _images(golden)
        found = _answers(folder, images)
        difference = _difference(found[signatures.REPRESENTATION], golden[signatures.GOLDEN_REPRESENTATIONS])
        score_difference = _difference(found[signatures.SCORES], golden[signatures.GOLDEN_SCORES])
    for what, value in (("representations", difference), ("scores", score_difference)):
        if not value <= MAX_RELATIVE_DIFFERENCE:  # also where it is not a number
            raise registry.RegistryError(
                f"{folder}: {what} of the {len(images)} stored images differ from those at export by {value:.3g} of "
                f"their largest value, allowed is {MAX_RELATIVE_DIFFERENCE:g}"
            )
    return Verification(version.number, len(images), difference, score_difference)


def _images(golden: np.lib.npyio.NpzFile) -> list[bytes]:
    ends = np.cumsum(golden[signatures.GOLDEN_IMAGE_LENGTHS])
    return [part.tobytes() for part in np.split(golden[signatures.GOLDEN_IMAGE_BYTES], ends[:-1])]


def _answers(folder: pathlib.Path, images: list[bytes]) -> dict[str, np.ndarray]:
    import tensorflow as tf

    model = tf.saved_model.load(str(folder))
    inputs = {signatures.IMAGE_INPUT: tf.constant(images)}
    answers = model.signatures[signatures.EMBED](**inputs) | model.signatures[signatures.CLASSIFY](**inputs)
    return {name: value.numpy() for name, value in answers.items()}


def _difference(found: np.ndarray, stored: np.ndarray) -> float:
    return float(np.abs(found - stored).max() / max(np.abs(stored).max(), 1e-6))
