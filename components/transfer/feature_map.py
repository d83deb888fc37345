"""Takes the last feature map out of an encoder: the features of each place, before they are pooled."""

import dataclasses
import math

import keras

from components.simclr.config import Architecture, EncoderConfig
from components.simclr.encoders.encoder import build_encoder
from components.simclr.encoders.resnet import STAGE_DEPTHS, chosen_stem

_POOLING = (keras.layers.AveragePooling2D, keras.layers.MaxPooling2D)


class NoFeatureMapError(ValueError):
    """The encoder has no feature map, or none for images of this size."""


def feature_map(encoder: keras.Model) -> keras.Model:
    """The part of an encoder that ends with its last feature map; its layers are shared.

    Args:
        encoder: (n, s, s, c) -> (n, d): ResNet, small CNN or vision transformer.

    Returns:
        A model (n, s, s, c) -> (n, h, w, d); the tokens of a vision transformer are laid out like its patches.

    Raises:
        NoFeatureMapError: the encoder has none; an MLP, for example.
    """
    for layer in reversed(encoder.layers):
        shape = layer.output.shape
        if len(shape) == 4 and shape[1] * shape[2] > 1 and not isinstance(layer, (keras.layers.InputLayer, *_POOLING)):
            return keras.Model(encoder.inputs, layer.output)
        if len(shape) == 3 and math.isqrt(shape[1]) ** 2 == shape[1] > 1:  # (n, t, d)
            side = math.isqrt(shape[1])
            return keras.Model(encoder.inputs, keras.layers.Reshape((side, side, shape[2]))(layer.output))
    raise NoFeatureMapError(
        f"the encoder {encoder.name} has no feature map, so nothing can be segmented with it; use a ResNet, small_cnn "
        "or a vision transformer"
    )


@dataclasses.dataclass(frozen=True)
class FeatureMaps:
    """Two models (n, size, size, c) standardised float32 -> (n, h, w, d) float32; they differ only in their weights."""

    pretrained: keras.Model
    random: keras.Model  # with the weights of a new encoder


def feature_maps(exported: keras.Model, config: EncoderConfig, size_px: int, seed: int) -> FeatureMaps:
    """The feature map of an exported encoder for images of another size, and the same with random weights.

    Args:
        exported: the result of ``pixel_encoder.with_standardisation``.
        config: of its encoder.
        size_px: side of the images; only convolutional encoders accept another one than they were built for.
        seed: of the random weights.

    Raises:
        NoFeatureMapError: the encoder has no feature map, or none for this size.
    """
    encoder = next(layer for layer in exported.layers if isinstance(layer, keras.Model))
    trained = feature_map(encoder)
    _, own_px, _, channels = encoder.input_shape
    if config.architecture in STAGE_DEPTHS:
        config = dataclasses.replace(config, stem=chosen_stem(config, own_px))
    if config.architecture in (Architecture.VIT_TINY, Architecture.VIT_SMALL) and size_px != own_px:
        raise NoFeatureMapError(f"a vision transformer sees images of its own size only: {own_px} px, not {size_px}")
    models = [feature_map(build_encoder(config, size_px, channels, seed)) for _ in range(2)]
    models[0].set_weights(trained.get_weights())
    return FeatureMaps(*models)
