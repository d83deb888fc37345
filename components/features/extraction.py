"""Image records in, frozen features out: each batch goes through the transform graph and all encoders together.

The result is ordered by digest, so it does not depend on how the records were sharded.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import tensorflow as tf
import tensorflow_transform as tft

from components.contracts import records
from components.contracts.evidence import FeatureKind
from components.contracts.progress import report_progress

Encoder = Callable[[tf.Tensor], tf.Tensor]


class Preparation(tf.Module):
    """The transform graph as a function from encoded images to the encoder's input."""

    def __init__(self, transform_graph_dir: str):
        """Load the graph.

        Args:
            transform_graph_dir: URI of a TransformGraph artifact.
        """
        super().__init__()
        self._layer = tft.TFTransformOutput(transform_graph_dir).transform_features_layer()

    # AutoGraph would take seconds to rewrite the code behind the layer, and nothing in it needs rewriting.
    @tf.autograph.experimental.do_not_convert
    def __call__(self, encoded: tf.Tensor) -> tf.Tensor:
        """(n,) string, PNG or JPEG -> (n, size_px, size_px, channels) float32, standardised."""
        return self._layer({records.IMAGE: encoded})[records.PIXELS]


@dataclasses.dataclass(frozen=True)
class LabelledFeatures:
    """The labelled images of one split, in ascending order of digest."""

    digests: np.ndarray  # (n,) str
    labels: np.ndarray  # (n,) str, class names
    groups: np.ndarray  # (n,) str, equal where images belong together; the digest where an image has no group
    features: dict[FeatureKind, np.ndarray]  # (n, d) float32 each


def raw_pixels(max_px: int) -> Encoder:
    """An "encoder" that only flattens standardised pixels, averaged down to at most ``max_px`` a side."""

    def flatten(pixels: tf.Tensor) -> tf.Tensor:
        if pixels.shape[1] > max_px:
            pixels = tf.image.resize(pixels, (max_px, max_px), method="area")
        return tf.reshape(pixels, (tf.shape(pixels)[0], int(np.prod(pixels.shape[1:]))))

    return flatten


def extract_features(
    files: Sequence[str],
    preparation: Preparation,
    encoders: Mapping[FeatureKind, Encoder],
    batch_size: int,
    split: str,
    total: int | None = None,
) -> LabelledFeatures:
    """Run every labelled image of a split through all encoders, reading each record once.

    Args:
        files: gzip TFRecord files of image records.
        preparation: the transform graph.
        encoders: by the kind of their features: (n, size_px, size_px, channels) float32 -> (n, d).
        batch_size: images per call.
        split: named in progress and errors.
        total: image records in ``files``, for the progress; None, if unknown, reports none.

    Returns:
        Digests, labels, groups and features; images without a label are left out.

    Raises:
        ValueError: no image of the split has a label.
    """

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.string)], autograph=False)
    def encode(encoded: tf.Tensor) -> dict[FeatureKind, tf.Tensor]:
        pixels = preparation(encoded)
        return {kind: tf.cast(encoder(pixels), tf.float32) for kind, encoder in encoders.items()}

    read = 0
    digests, labels, groups, parts = [], [], [], []
    for batch in record_dataset(files).batch(batch_size).map(parse_records, num_parallel_calls=1).prefetch(1):
        read += len(batch[records.LABEL])
        is_labelled = batch[records.LABEL] != b""
        chosen = {name: tf.boolean_mask(values, is_labelled) for name, values in batch.items()}
        if not len(chosen[records.LABEL]):
            continue
        digests += [digest.decode() for digest in chosen[records.DIGEST].numpy()]
        labels += [label.decode() for label in chosen[records.LABEL].numpy()]
        groups += [group.decode() for group in chosen[records.GROUP].numpy()]
        parts.append({kind: values.numpy() for kind, values in encode(chosen[records.IMAGE]).items()})
        if total:
            report_progress(min(read, total), total, f"features of {split}")
    if not parts:
        raise ValueError(f"no image of split {split!r} has a label, so nothing can be measured; read {list(files)}")
    order = np.lexsort((labels, digests))
    features = {kind: np.concatenate([part[kind] for part in parts])[order] for kind in encoders}
    digests, labels, groups = (np.array(values)[order] for values in (digests, labels, groups))
    return LabelledFeatures(digests, labels, np.where(groups == "", digests, groups), features)


def record_dataset(files: Sequence[str]) -> tf.data.Dataset:
    """Serialised image records, the files in the order of their names."""
    return tf.data.TFRecordDataset(sorted(files), compression_type="GZIP")


def parse_records(serialized: tf.Tensor) -> dict[str, tf.Tensor]:
    """Image, digest, label and group of (n,) image records, (n,) strings each; empty for a missing label or group."""
    spec = {
        records.IMAGE: tf.io.FixedLenFeature((), tf.string),
        records.DIGEST: tf.io.FixedLenFeature((), tf.string),
        records.LABEL: tf.io.FixedLenFeature((), tf.string, default_value=""),
        records.GROUP: tf.io.FixedLenFeature((), tf.string, default_value=""),
    }
    return tf.io.parse_example(serialized, spec)
