"""From files to files: image records and the Trainer's encoders in, the features of every labelled image out.

The encoder's digest is taken before and after, which proves that nothing trained it.
"""

import dataclasses
from collections.abc import Mapping, Sequence

import keras
import tensorflow as tf

from components.contracts import artifact_files, configuration
from components.contracts.evidence import FeatureKind
from components.contracts.features_record import FeaturesSummary
from components.contracts.record_files import write_record
from components.features import extraction, stored
from components.features.config import FeaturesConfig
from components.simclr.encoders.encoder import weights_digest


@dataclasses.dataclass(frozen=True)
class FeatureInputs:
    """Paths and URIs of what is read."""

    files_of_splits: Mapping[str, Sequence[str]]  # split -> gzip TFRecord files of image records
    encoder_dir: str  # holds ENCODER_FILE and INITIAL_ENCODER_FILE of artifact_files
    transform_graph_dir: str
    record_counts: Mapping[str, int] = dataclasses.field(default_factory=dict)  # by split, if known; for the progress


@dataclasses.dataclass(frozen=True)
class Written:
    """Facts about the files that were written."""

    counts: dict[str, int]  # split -> labelled images
    bytes: int  # of the features
    encoder_digest: str


def extract(inputs: FeatureInputs, folder: str, config: FeaturesConfig) -> Written:
    """Put every labelled image through all encoders, once.

    Args:
        inputs: image records, encoders and transform graph.
        folder: the files of ``contracts.features_record`` are written there.
        config: which features to extract, and the batch size.

    Raises:
        ValueError: an encoder is missing, a split has no labels, or the encoder changed while it was used.
    """
    encoder = load_model(inputs.encoder_dir, artifact_files.ENCODER_FILE)
    digest_before = weights_digest(encoder)
    encoders = _encoders(encoder, inputs.encoder_dir, config)
    preparation = extraction.Preparation(inputs.transform_graph_dir)
    counts, dimensions, size = {}, {}, 0
    for split, record_files in inputs.files_of_splits.items():
        total = inputs.record_counts.get(split)
        found = extraction.extract_features(record_files, preparation, encoders, config.batch_size, split, total)
        size += stored.write(found, f"{folder}/{split}")
        counts[split] = len(found.digests)
        dimensions = {name: values.shape[1] for name, values in found.features.items()}
    _require_frozen(digest_before, weights_digest(encoder))
    summary = FeaturesSummary(
        encoder_digest=digest_before, dimensions=dimensions, counts=counts, config=configuration.to_mapping(config)
    )
    write_record(f"{folder}/{artifact_files.FEATURES_FILE}", summary)
    return Written(counts, size, digest_before)


def load_model(directory: str, name: str) -> keras.Model:
    """Load the model ``name`` of a Trainer's output folder.

    Raises:
        ValueError: there is no such model.
    """
    path = f"{directory}/{name}"
    if not tf.io.gfile.exists(path):
        raise ValueError(f"{path} is missing: the Trainer's model is expected to hold {name}")
    return keras.saving.load_model(path, compile=False)


def _encoders(encoder: keras.Model, directory: str, config: FeaturesConfig) -> dict[FeatureKind, extraction.Encoder]:
    encoders: dict[FeatureKind, extraction.Encoder] = {FeatureKind.ENCODER: _frozen(encoder)}
    if config.random_encoder:
        encoders[FeatureKind.RANDOM_ENCODER] = _frozen(load_model(directory, artifact_files.INITIAL_ENCODER_FILE))
    if config.raw_pixels:
        encoders[FeatureKind.RAW_PIXELS] = extraction.raw_pixels(config.raw_pixels_max_px)
    return encoders


def _frozen(encoder: keras.Model) -> extraction.Encoder:
    return lambda pixels: encoder(pixels, training=False)


def _require_frozen(before: str, after: str) -> None:
    if before != after:
        raise ValueError(f"the encoder changed while it was used: digest {before} before, {after} after")
