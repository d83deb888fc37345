"""Encoder and heads as one SavedModel that plain TensorFlow loads; facts, golden vectors and a Keras encoder inside.

It prepares images with the functions that the transform graph was traced from, and with the graph's moments. The
export proves on golden images that evaluation saw the same pixels. The graph itself is not included: it would bring a
second Keras and the label vocabulary along.
"""

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from components.contracts import configuration, files, signatures
from components.contracts.images import ImageConfig
from components.contracts.model_facts import ModelFacts
from components.contracts.record_files import write_record
from components.linear_evaluation import batch_decoding
from components.linear_evaluation.logistic_regression import LinearHead
from components.preprocessing import image_preparation
from components.simclr.encoders import keras_files
from components.simclr.encoders.encoder import num_parameters, weights_digest
from components.simclr.encoders.pixel_encoder import with_standardisation

_DIGEST_VERSION = "3"  # raised when signatures change, so that no older model counts as the same


@dataclasses.dataclass(frozen=True)
class ServedParts:
    """The parts of a served model."""

    encoder: keras.Model
    projection_head: keras.Model
    head: LinearHead  # the linear classifier
    channel_mean: np.ndarray  # (c,) float32, 0 to 255
    channel_std: np.ndarray  # (c,) float32
    class_names: list[str]
    image_config: ImageConfig

    def content_digest(self) -> str:
        """SHA-256 over everything that decides the model's answers, independent of clock, place and file format.

        It covers weights, BatchNorm statistics, kinds of layers, heads, moments, class names and image config. It does
        not cover the bytes of ``saved_model.pb`` and ``encoder.keras``, which differ each time the same model is
        written.
        """
        hasher = hashlib.sha256(_DIGEST_VERSION.encode())
        facts = {
            "encoder_digest": weights_digest(self.encoder),
            "projection_head_digest": weights_digest(self.projection_head),
            "layers": [type(layer).__name__ for model in self._models for layer in model.layers],
            "class_names": self.class_names,
            "image": configuration.to_mapping(self.image_config),
        }
        hasher.update(json.dumps(facts, sort_keys=True).encode())
        for array in (self.head.kernel, self.head.bias, self.channel_mean, self.channel_std):
            hasher.update(f"{array.dtype.str}{array.shape}".encode() + np.ascontiguousarray(array).tobytes())
        return hasher.hexdigest()

    @property
    def _models(self) -> tuple[keras.Model, keras.Model]:
        return self.encoder, self.projection_head

    def facts(self) -> ModelFacts:
        """What a consumer may want to know."""
        return ModelFacts(
            content_digest=self.content_digest(),
            encoder_digest=weights_digest(self.encoder),
            class_names=tuple(self.class_names),
            dimensions=int(self.encoder.output_shape[-1]),
            projection_dimensions=int(self.projection_head.output_shape[-1]),
            architecture=self.encoder.name,
            parameters=num_parameters(self.encoder),
            image=self.image_config,
            channel_mean=tuple(self.channel_mean.tolist()),
            channel_std=tuple(self.channel_std.tolist()),
            signatures=(
                signatures.SERVING_DEFAULT,
                signatures.EMBED,
                signatures.PROJECT,
                signatures.CLASSIFY,
                signatures.EMBED_PIXELS,
            ),
        )


class _ServedModel(tf.Module):
    """The functions behind the signatures."""

    def __init__(self, parts: ServedParts):
        super().__init__()
        self._parts = parts
        # If a Keras model were an attribute here, TensorFlow Serving would restore copies that no signature reads.
        self._restored = [
            variable.value for model in (parts.encoder, parts.projection_head) for variable in model.variables
        ]
        self._kernel = tf.Variable(parts.head.kernel, trainable=False)
        self._bias = tf.Variable(parts.head.bias, trainable=False)
        self._mean = tf.constant(parts.channel_mean)
        self._std = tf.constant(parts.channel_std)
        self._class_names = tf.constant(parts.class_names)

    def signatures(self) -> dict[str, Any]:
        """Concrete functions by signature name."""
        encoded = tf.TensorSpec((None,), tf.string, name=signatures.IMAGE_INPUT)
        pixels = tf.TensorSpec(
            (None, None, None, self._parts.image_config.channels), tf.uint8, name=signatures.PIXELS_INPUT
        )
        embed = tf.function(self._embed, autograph=False).get_concrete_function(encoded)
        return {
            signatures.SERVING_DEFAULT: embed,
            signatures.EMBED: embed,
            signatures.PROJECT: tf.function(self._project, autograph=False).get_concrete_function(encoded),
            signatures.CLASSIFY: tf.function(self._classify, autograph=False).get_concrete_function(encoded),
            signatures.EMBED_PIXELS: tf.function(self._embed_pixels, autograph=False).get_concrete_function(pixels),
        }

    def prepare(self, encoded: tf.Tensor) -> tf.Tensor:
        """(n,) string -> (n, size_px, size_px, c) float32, standardised."""
        return image_preparation.standardise(self.decode(encoded), self._mean, self._std)

    def decode(self, encoded: tf.Tensor) -> tf.Tensor:
        """(n,) string -> (n, size_px, size_px, c) float32, 0 to 255."""
        channels = self._parts.image_config.channels
        return batch_decoding.decode_batch(
            encoded, lambda image: self._resize(image_preparation.decode_image(image, channels))
        )

    def _resize(self, pixels: tf.Tensor) -> tf.Tensor:
        config = self._parts.image_config
        return image_preparation.resize_and_crop(pixels, config.size_px, config.center_crop_fraction)

    def _represent(self, prepared: tf.Tensor) -> tf.Tensor:
        return tf.cast(self._parts.encoder(prepared, training=False), tf.float32)  # (n, d)

    def _embed(self, image: tf.Tensor) -> dict[str, tf.Tensor]:
        return {signatures.REPRESENTATION: self._represent(self.prepare(image))}

    def _project(self, image: tf.Tensor) -> dict[str, tf.Tensor]:
        projection = self._parts.projection_head(self._represent(self.prepare(image)), training=False)
        return {signatures.PROJECTION: tf.cast(projection, tf.float32)}

    def _classify(self, image: tf.Tensor) -> dict[str, tf.Tensor]:
        representation = self._represent(self.prepare(image))
        scores = tf.nn.softmax(tf.matmul(representation, self._kernel) + self._bias)  # (n, k)
        classes = tf.tile(self._class_names[tf.newaxis], (tf.shape(scores)[0], 1))  # (n, k)
        return {signatures.CLASSES: classes, signatures.SCORES: scores}

    def _embed_pixels(self, pixels: tf.Tensor) -> dict[str, tf.Tensor]:
        prepared = image_preparation.standardise(self._resize(pixels), self._mean, self._std)
        return {signatures.REPRESENTATION: self._represent(prepared)}


@dataclasses.dataclass(frozen=True)
class GoldenImages:
    """Images stored with the model, as linear evaluation prepared them, and their representations."""

    encoded: Sequence[bytes]
    prepared: np.ndarray  # (g, size_px, size_px, c) float32, output of the transform graph
    representations: np.ndarray  # (g, d) float32


def export(parts: ServedParts, golden: GoldenImages, directory: str) -> str:
    """Write the SavedModel, load it again and prove that it prepares images and answers as in linear evaluation.

    Args:
        parts: the parts to serve.
        golden: a few images outside test.
        directory: where to write; an existing directory is replaced.

    Returns:
        The content digest.

    Raises:
        ValueError: images are prepared differently than in evaluation, or the loaded SavedModel gives other vectors.
    """
    if tf.io.gfile.exists(directory):
        tf.io.gfile.rmtree(directory)
    served = _ServedModel(parts)
    # The tolerance allows for rounding in another order; pixels are in units of their standard deviation.
    prepared = served.prepare(tf.constant(list(golden.encoded))).numpy()
    _require_close("prepares images", prepared, golden.prepared, 1e-3)
    tf.saved_model.save(served, directory, signatures=served.signatures())
    loaded = tf.saved_model.load(directory)
    inputs = {signatures.IMAGE_INPUT: tf.constant(list(golden.encoded))}
    representations = loaded.signatures[signatures.EMBED](**inputs)[signatures.REPRESENTATION].numpy()
    _write_trainable_encoder(parts, served.decode(inputs[signatures.IMAGE_INPUT]), representations, directory)
    scores = loaded.signatures[signatures.CLASSIFY](**inputs)[signatures.SCORES].numpy()
    # The tolerance allows for batches of another size, which add up in another order, and for half precision.
    scale = max(1e-6, float(np.abs(golden.representations).max()))
    _require_close("answers", representations, golden.representations, 1e-2 * scale)
    files.write_arrays(
        f"{directory}/{signatures.GOLDEN_FILE}",
        {
            signatures.GOLDEN_IMAGE_BYTES: np.frombuffer(b"".join(golden.encoded), np.uint8),
            signatures.GOLDEN_IMAGE_LENGTHS: np.array([len(image) for image in golden.encoded]),
            signatures.GOLDEN_REPRESENTATIONS: representations,
            signatures.GOLDEN_SCORES: scores,
        },
    )
    facts = parts.facts()
    write_record(f"{directory}/{signatures.MODEL_FACTS_FILE}", facts)
    return facts.content_digest


def _write_trainable_encoder(
    parts: ServedParts, pixels: tf.Tensor, representations: np.ndarray, directory: str
) -> None:
    """Write ``ENCODER_FILE``, load it again and prove that it gives the served representations of ``pixels``."""
    content = keras_files.to_bytes(with_standardisation(parts.encoder, parts.channel_mean, parts.channel_std))
    loaded = keras.ops.convert_to_numpy(keras_files.from_bytes(content)(pixels, training=False))
    scale = max(1e-6, float(np.abs(representations).max()))
    _require_close("as a Keras model answers", loaded.astype(np.float32), representations, 1e-2 * scale)
    files.write_bytes(f"{directory}/{signatures.ENCODER_FILE}", content)


def _require_close(what: str, served: np.ndarray, measured: np.ndarray, tolerance: float) -> None:
    difference = float(np.abs(served - measured).max())
    if not difference <= tolerance:  # true for NaN too
        raise ValueError(
            f"the served model {what} differently than in evaluation: values differ by {difference:.3g}, limit "
            f"{tolerance:.3g}"
        )
