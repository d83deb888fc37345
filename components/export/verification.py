"""Checks that a version in the registry is still what was pushed: its files, and the vectors that it computes here.

A version carries a few images with the model's answers when it was exported. Needs TensorFlow, nothing of TFX.
"""

import dataclasses
import pathlib

import numpy as np

from components.contracts import signatures
from components.export import registry, tflite
from components.export.golden import read_golden, relative_difference

# Another machine or TensorFlow adds in another order; a wrong preparation or weight is far off.
MAX_RELATIVE_DIFFERENCE = 1e-2


@dataclasses.dataclass(frozen=True)
class Verification:
    """The result of a check that passed."""

    version: str  # number, or "candidate"
    num_images: int
    max_difference: float  # of representations, as a part of the largest number among the stored ones
    max_score_difference: float
    max_tflite_difference: float | None  # of the TFLite file's representations; None without one


def verify(root: pathlib.Path, model_name: str, name: str = registry.BLESSED) -> Verification:
    """Compare the files with what was pushed, and the model's answers with those stored at export.

    Args:
        root: the registry's folder.
        model_name: folder of the model in it.
        name: number or alias of the version.

    Raises:
        RegistryError: there is no such version, its files changed, or its answers, or those of its TFLite file, differ
            by more than is allowed.
    """
    version = registry.find_version(root, model_name, name)
    folder = registry.version_folder(root, model_name, version)
    if not registry.is_intact(root, model_name, version):
        raise registry.RegistryError(f"{folder} is missing or no longer holds the files that were pushed")
    stored = read_golden(folder)
    found = _answers(folder, stored.images)
    difference = relative_difference(found[signatures.REPRESENTATION], stored.representations)
    score_difference = relative_difference(found[signatures.SCORES], stored.scores)
    tflite_difference = _tflite_difference(folder)
    for what, value, allowed in (
        ("representations", difference, MAX_RELATIVE_DIFFERENCE),
        ("scores", score_difference, MAX_RELATIVE_DIFFERENCE),
        ("TFLite representations", tflite_difference, tflite.MAX_RELATIVE_DIFFERENCE),
    ):
        if value is not None and not value <= allowed:  # NaN is no pass
            raise registry.RegistryError(
                f"{folder}: {what} of the {len(stored.images)} stored images differ from those at export by "
                f"{value:.3g} of their largest value, allowed is {allowed:g}"
            )
    return Verification(version.name, len(stored.images), difference, score_difference, tflite_difference)


def _tflite_difference(folder: pathlib.Path) -> float | None:
    return tflite.golden_difference(folder) if (folder / signatures.TFLITE_FILE).is_file() else None


def _answers(folder: pathlib.Path, images: list[bytes]) -> dict[str, np.ndarray]:
    import tensorflow as tf

    model = tf.saved_model.load(str(folder))
    inputs = {signatures.IMAGE_INPUT: tf.constant(images)}
    answers = model.signatures[signatures.EMBED](**inputs) | model.signatures[signatures.CLASSIFY](**inputs)
    return {name: value.numpy() for name, value in answers.items()}
