"""Encoders: standardised pixels in, representations out. They are plain Keras models without custom objects.

The small CNN and the MLP are here, for images of about 20 to 40 pixels on a CPU. ResNets and vision transformers have
modules of their own.
"""

import hashlib
import itertools

import keras
import numpy as np
from keras import layers

from components.simclr.config import Architecture, EncoderConfig
from components.simclr.encoders.building_blocks import Blocks, scaled_width
from components.simclr.encoders.resnet import STAGE_DEPTHS, chosen_stem, resnet
from components.simclr.encoders.vision_transformer import vision_transformer

_SMALL_CNN_STAGES = ((32, 2), (64, 2), (128, 1))  # channels and stride of its convolutions
_SMALL_CNN_GRID = 3  # the representation keeps about 3 places per side, because digits are not shifted far
_MLP_WIDTHS = (1024, 512)


def build_encoder(
    config: EncoderConfig,
    size_px: int,
    channels: int,
    seed: int = 0,
    dtype_policy: str = "float32",
    is_synchronized: bool = False,
) -> keras.Model:
    """Build a new encoder; the same arguments give the same weights.

    Args:
        config: architecture and width; ``initial_weights`` are not loaded here.
        size_px: side of the images.
        channels: 1 or 3.
        seed: of the initial weights.
        dtype_policy: of the arithmetic, for example ``"mixed_bfloat16"``; weights are float32.
        is_synchronized: BatchNorm takes its statistics over all replicas.

    Returns:
        A model (n, size_px, size_px, channels) float32 -> (n, d), d = ``encoder.output_shape[1]``.

    Raises:
        ValueError: a vision transformer cannot cut images of this size into patches.

    Source: He et al. 2016 for ResNets (``resnet``), Dosovitskiy et al. 2020 for vision transformers; the small CNN and
    the MLP are this project's.
    """
    blocks = Blocks(seed, dtype_policy, is_synchronized)
    pixels = keras.Input((size_px, size_px, channels), name="pixels", dtype="float32")
    if config.architecture is Architecture.SMALL_CNN:
        representation = _small_cnn(blocks, pixels, config.width_multiplier)
    elif config.architecture is Architecture.MLP:
        representation = _mlp(blocks, pixels, config.width_multiplier)
    elif config.architecture in (Architecture.VIT_TINY, Architecture.VIT_SMALL):
        representation = vision_transformer(blocks, pixels, config)
    else:
        representation = resnet(blocks, pixels, config)
    return keras.Model(pixels, representation, name=_name(config, size_px))


def _name(config: EncoderConfig, size_px: int) -> str:
    """The name of the architecture and, for a ResNet, of its stem."""
    if config.architecture not in STAGE_DEPTHS:
        return config.architecture.value
    return f"{config.architecture.value}_{chosen_stem(config, size_px).value}_stem"


def num_parameters(model: keras.Model) -> int:
    """The number of trainable parameters; moving statistics of BatchNorm do not count."""
    return int(sum(np.prod(variable.shape) for variable in model.trainable_variables))


def weights_digest(*models: keras.Model) -> str:
    """SHA-256 of shape, type and bytes of every weight and BatchNorm statistic, in the order of the layers."""
    hasher = hashlib.sha256()
    for weight in itertools.chain.from_iterable(model.get_weights() for model in models):
        hasher.update(f"{weight.dtype.str}{weight.shape}".encode())
        hasher.update(np.ascontiguousarray(weight).tobytes())
    return hasher.hexdigest()


def _small_cnn(blocks: Blocks, pixels: keras.KerasTensor, multiplier: float) -> keras.KerasTensor:
    """Three convolutions, averaged over a coarse grid of places: (n, places * channels)."""
    features = pixels
    for channels, stride in _SMALL_CNN_STAGES:
        features = blocks.convolve(features, scaled_width(channels, multiplier), 3, stride)
        features = blocks.activate(blocks.normalise(features))
    pool = max(1, features.shape[1] // _SMALL_CNN_GRID)
    features = layers.AveragePooling2D(pool, dtype=blocks.dtype_policy)(features)
    return layers.Flatten(dtype=blocks.dtype_policy)(features)


def _mlp(blocks: Blocks, pixels: keras.KerasTensor, multiplier: float) -> keras.KerasTensor:
    """Two dense layers with LayerNorm, so that no image depends on its batch."""
    features = layers.Flatten(dtype=blocks.dtype_policy)(pixels)
    for width in _MLP_WIDTHS:
        features = blocks.connect(features, scaled_width(width, multiplier), has_bias=False)
        features = blocks.activate(blocks.normalise_each(features))
    return features
