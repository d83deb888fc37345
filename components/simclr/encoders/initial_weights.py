"""Initial weights: a new encoder goes in and gets the weights of an earlier encoder, or those of ImageNet.

The earlier encoder must have the same layers as the new one. It may lack kept layers of the projection head, which then
keep their new weights.
"""

import dataclasses
import hashlib
import pathlib
import zipfile
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from components.contracts.images import MIN_CHANNEL_STD
from components.contracts.paths import is_uri
from components.simclr.config import IMAGENET, EncoderConfig
from components.simclr.encoders import keras_files

# The mean that the ImageNet weights of ``keras.applications`` were trained with: RGB, 0 to 255, without division.
_IMAGENET_MEAN = np.array([123.68, 116.779, 103.939])
_NO_PART_OF_AN_ARCHITECTURE = frozenset({"name", "dtype", "trainable", "synchronized", "momentum", "build_config"})


def with_digest(config: EncoderConfig) -> EncoderConfig:
    """Add the digest of the weights file to a config, so that equal configs have files of equal content.

    Args:
        config: its ``initial_weights`` is null, ``imagenet`` (Keras checks that download itself) or a ``.keras`` file.

    Raises:
        ValueError: the file is missing, or its digest is not ``initial_weights_digest``.
    """
    if config.initial_weights is None or config.initial_weights == IMAGENET:
        return config
    content = _read_checked(config.initial_weights, config.initial_weights_digest)
    return dataclasses.replace(config, initial_weights_digest=hashlib.sha256(content).hexdigest())


def load_initial_weights(
    config: EncoderConfig, encoder: keras.Model, own_layers: int, mean: np.ndarray, std: np.ndarray
) -> None:
    """Give a new encoder the weights that its config names; nothing happens if ``initial_weights`` is null.

    Args:
        config: the config that ``encoder`` was built from.
        encoder: changed in place; it may end with kept layers of a projection head.
        own_layers: the number of its layers before those of the head.
        mean: (c,) float32, 0 to 255; pixels are standardised with it.
        std: (c,) float32.

    Raises:
        ValueError: the file is missing, is no Keras model, has another digest than ``initial_weights_digest``, or holds
            an encoder with other layers. The message names the first difference.
        RuntimeError: ImageNet weights cannot be downloaded.
    """
    if config.initial_weights is None:
        return
    if config.initial_weights == IMAGENET:
        copy_keras_resnet50(_download_resnet50(), encoder, mean, std)
        return
    source_model = _read_model(config.initial_weights, config.initial_weights_digest)
    earlier, new = _layers(source_model.layers), _layers(encoder.layers)
    _require_equal(config.initial_weights, earlier, new, len(_layers(encoder.layers[:own_layers])))
    for source, target in zip(earlier, new, strict=False):
        target.set_weights(source.get_weights())


def _read_checked(path: str, expected_digest: str | None) -> bytes:
    content = _read(path)
    digest = hashlib.sha256(content).hexdigest()
    if expected_digest not in (None, digest):
        raise ValueError(
            f"encoder.initial_weights: {path} has SHA-256 {digest}, but initial_weights_digest is "
            f"{expected_digest}: the file was changed since"
        )
    return content


def _read(path: str) -> bytes:
    if is_uri(path):
        import tensorflow as tf

        with tf.io.gfile.GFile(path, "rb") as remote:
            return remote.read()
    file = pathlib.Path(path)
    if not file.is_file():
        raise ValueError(f"encoder.initial_weights: there is no file {path}")
    return file.read_bytes()


def _read_model(path: str, expected_digest: str | None) -> keras.Model:
    content = _read_checked(path, expected_digest)
    try:
        return keras_files.from_bytes(content)
    except (ValueError, TypeError, OSError, zipfile.BadZipFile) as error:
        raise ValueError(f"encoder.initial_weights: {path} is no Keras model: {error}") from None


def _layers(layers: Sequence[keras.layers.Layer]) -> list[keras.layers.Layer]:
    """The layers of an encoder in order, without inputs and without the standardisation of exported encoders."""
    found = []
    for layer in layers:
        if isinstance(layer, keras.Model):
            found += _layers(layer.layers)
        elif not isinstance(layer, (keras.layers.InputLayer, keras.layers.Normalization)):
            found.append(layer)
    return found


def _require_equal(path: str, earlier: list[keras.layers.Layer], new: list[keras.layers.Layer], required: int) -> None:
    start = f"encoder.initial_weights: the encoder in {path} differs from the encoder that this config describes"
    for number, (source, target) in enumerate(zip(earlier, new, strict=False), 1):
        difference = _difference(source, target)
        if difference:
            raise ValueError(f"{start}: layer {number} {difference}")
    if not required <= len(earlier) <= len(new):
        names = [type(layer).__name__ for layer in (earlier[len(new) :] or new[len(earlier) :])]
        verb = "also has" if len(earlier) > len(new) else "lacks"
        raise ValueError(f"{start}: it {verb} {', '.join(names)} (see projection_head.kept_layers)")


def _difference(source: keras.layers.Layer, target: keras.layers.Layer) -> str:
    """How two layers differ, in words; empty if they do not."""
    if type(source) is not type(target):
        return f"is {type(source).__name__} instead of {type(target).__name__}"
    found, expected = _settings(source), _settings(target)
    keys = sorted(key for key in found.keys() | expected.keys() if found.get(key) != expected.get(key))
    differing = [f"{key} {found.get(key)} instead of {expected.get(key)}" for key in keys]
    return f"({type(source).__name__}) has {', '.join(differing)}" if differing else ""


def _settings(layer: keras.layers.Layer) -> dict[str, Any]:
    kept = {
        key: value
        for key, value in layer.get_config().items()
        if key not in _NO_PART_OF_AN_ARCHITECTURE and not key.endswith("initializer")
    }
    return kept | {"weights": [tuple(weight.shape) for weight in layer.weights]}


def _download_resnet50() -> keras.Model:
    try:
        return keras.applications.ResNet50(include_top=False, weights="imagenet", input_shape=(224, 224, 3))
    except Exception as error:  # Keras raises a bare Exception for a failed download
        raise RuntimeError(
            "encoder.initial_weights: the ImageNet weights of Keras' ResNet-50 could not be downloaded "
            f"({error}): run on a host that can download them, or set initial_weights to null"
        ) from None


def copy_keras_resnet50(source: keras.Model, encoder: keras.Model, mean: np.ndarray, std: np.ndarray) -> None:
    """Give an encoder the weights of Keras' ResNet-50 (v1), so that both give the same answers.

    Keras' model has biases before BatchNorm; here they are subtracted from the moving means. It reads BGR pixels minus
    the mean of ImageNet; here the channels of the first kernel are reversed and scaled for RGB pixels that are
    standardised with ``mean`` and ``std``. The two agree up to rounding. If ``mean`` is not that of ImageNet, they
    differ at the border of images, because both pad with zeros.

    Args:
        source: ``keras.applications.ResNet50``, with or without its top.
        encoder: architecture ``resnet50_v1``, width 1, large stem; changed in place.
        mean: (3,) float32, 0 to 255.
        std: (3,) float32; below 1 it counts as 1.

    Raises:
        ValueError: the encoder is for gray images, or has other shapes.

    Source: ``keras.applications.ResNet50`` and ``keras.applications.resnet.preprocess_input``; He et al. 2016, table 1.
    """
    for layer in encoder.layers:
        if not isinstance(layer, keras.layers.Conv2D) or not layer.name.endswith("_conv"):
            continue
        kernel, bias = source.get_layer(layer.name).get_weights()
        if layer.name == "conv1_conv":
            kernel, bias = _for_standardised_rgb(kernel, bias, mean, std)
        if kernel.shape != tuple(layer.kernel.shape):
            raise ValueError(
                f"encoder.initial_weights: ImageNet weights have shape {kernel.shape} in {layer.name}, but this config "
                f"asks for {tuple(layer.kernel.shape)}: they need RGB images, width_multiplier 1 and stem large_image"
            )
        layer.set_weights([kernel])
        norm = layer.name.removesuffix("conv") + "bn"
        gain, shift, moving_mean, moving_variance = source.get_layer(norm).get_weights()
        encoder.get_layer(norm).set_weights([gain, shift, moving_mean - bias, moving_variance])


def _for_standardised_rgb(
    kernel: np.ndarray, bias: np.ndarray, mean: np.ndarray, std: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    if len(mean) != 3:
        raise ValueError("encoder.initial_weights: ImageNet weights are for RGB images: set image.color to rgb")
    turned = kernel[:, :, ::-1, :]
    shift = np.einsum("hwco,c->o", turned.astype(np.float64), np.asarray(mean, np.float64) - _IMAGENET_MEAN)
    return turned * np.maximum(std, MIN_CHANNEL_STD).astype(np.float32)[:, None], bias + shift.astype(np.float32)
