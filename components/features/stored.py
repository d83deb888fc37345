"""Features as files: one folder a split, the arrays in NumPy's own format, so that anything can read them."""

import numpy as np
import tensorflow as tf

from components.contracts import artifact_files, features_record, files
from components.features.extraction import LabelledFeatures


def write(found: LabelledFeatures, folder: str) -> int:
    """Write one split as ``contracts.features_record`` says.

    Args:
        found: at least one image.
        folder: of the split; what is there is replaced.

    Returns:
        Bytes of the features, without the names of the images.
    """
    files.write_arrays(
        f"{folder}/{features_record.IMAGES_FILE}",
        {
            features_record.DIGESTS: found.digests,
            features_record.LABELS: found.labels,
            features_record.GROUPS: found.groups,
        },
    )
    for name, values in found.features.items():
        with tf.io.gfile.GFile(_array_file(folder, name), "wb") as file:
            np.lib.format.write_array(file, values, allow_pickle=False)
    return sum(values.nbytes for values in found.features.values())


def read(root: str, split: str) -> LabelledFeatures:
    """Read one split of a Features artifact.

    Args:
        root: URI of the artifact.
        split: name of the split.

    Raises:
        ValueError: a file of the artifact is damaged, or does not hold what ``features.json`` says.
    """
    summary = files.read_json(f"{root}/{artifact_files.FEATURES_FILE}")
    images = files.read_arrays(f"{root}/{split}/{features_record.IMAGES_FILE}")
    features = {}
    for name, dimensions in summary[features_record.DIMENSIONS].items():
        path = _array_file(f"{root}/{split}", name)
        with tf.io.gfile.GFile(path, "rb") as file:
            features[name] = np.lib.format.read_array(file, allow_pickle=False)
        expected = (summary[features_record.COUNTS][split], dimensions)
        if features[name].shape != expected:
            raise ValueError(f"{path}: expected an array of {expected}, found {features[name].shape}")
    return LabelledFeatures(
        images[features_record.DIGESTS], images[features_record.LABELS], images[features_record.GROUPS], features
    )


def _array_file(folder: str, name: str) -> str:
    return f"{folder}/{name}.npy"
