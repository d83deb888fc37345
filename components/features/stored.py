"""Features as files: a folder for each split, the arrays in NumPy's own format, so that any tool can read them."""

import numpy as np
import tensorflow as tf

from components.contracts import artifact_files, features_record, files
from components.contracts.evidence import FeatureKind
from components.contracts.record_files import read_record
from components.features.extraction import LabelledFeatures


def write(found: LabelledFeatures, folder: str) -> int:
    """Write the files of one split, see ``contracts.features_record``.

    Args:
        found: at least one image.
        folder: of the split; existing files are replaced.

    Returns:
        Bytes of the feature arrays.
    """
    files.write_arrays(
        f"{folder}/{features_record.IMAGES_FILE}",
        {
            features_record.DIGESTS: found.digests,
            features_record.LABELS: found.labels,
            features_record.GROUPS: found.groups,
        },
    )
    for kind, values in found.features.items():
        with tf.io.gfile.GFile(_array_file(folder, kind), "wb") as file:
            np.lib.format.write_array(file, values, allow_pickle=False)
    return sum(values.nbytes for values in found.features.values())


def read(root: str, split: str) -> LabelledFeatures:
    """Read one split of a Features artifact.

    Args:
        root: URI of the artifact.
        split: name of the split.

    Raises:
        ValueError: a file of the artifact is damaged, or an array has another shape than ``features.json`` says.
    """
    summary = read_record(features_record.FeaturesSummary, f"{root}/{artifact_files.FEATURES_FILE}")
    images = files.read_arrays(f"{root}/{split}/{features_record.IMAGES_FILE}")
    features = {}
    for kind, dimensions in summary.dimensions.items():
        path = _array_file(f"{root}/{split}", kind)
        with tf.io.gfile.GFile(path, "rb") as file:
            features[kind] = np.lib.format.read_array(file, allow_pickle=False)
        expected = (summary.counts[split], dimensions)
        if features[kind].shape != expected:
            raise ValueError(f"{path}: expected an array of {expected}, found {features[kind].shape}")
    return LabelledFeatures(
        images[features_record.DIGESTS], images[features_record.LABELS], images[features_record.GROUPS], features
    )


def _array_file(folder: str, kind: FeatureKind) -> str:
    return f"{folder}/{kind.value}.npy"
