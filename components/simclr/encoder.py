"""Encoders: standardised pixels in, representations out. Plain Keras models without custom objects.

ResNets are v1.5 as in torchvision (stride in the 3x3 convolution, symmetric padding); the small CNN is for images of
some 20 to 40 pixels on a CPU.
"""

import hashlib
import itertools
from collections.abc import Callable

import keras
import numpy as np
from keras import layers

from components.simclr.config import Architecture, EncoderConfig, Stem

SMALL_IMAGE_PX = 64  # up to here a ResNet keeps its resolution in the stem
BATCH_NORM_MOMENTUM = 0.9  # Keras' 0.99 lags behind in short runs
BATCH_NORM_EPSILON = 1e-5  # as in the authors' code and in torchvision; Keras' default is 1e-3

_STAGE_DEPTHS = {
    Architecture.RESNET18: (2, 2, 2, 2),
    Architecture.RESNET34: (3, 4, 6, 3),
    Architecture.RESNET50: (3, 4, 6, 3),
}
_STAGE_WIDTHS = (64, 128, 256, 512)
_BOTTLENECK_EXPANSION = 4
_SMALL_CNN_STAGES = ((32, 2), (64, 2), (128, 1))  # channels and stride of its convolutions
_SMALL_CNN_GRID = 3  # the representation keeps about so many places per side: digits are not shifted far
_CHANNEL_STEP = 8  # widths are multiples of this, so that vector units stay full


def build_encoder(
    config: EncoderConfig,
    size_px: int,
    channels: int,
    seed: int = 0,
    dtype_policy: str = "float32",
    is_synchronized: bool = False,
) -> keras.Model:
    """A new encoder; the same arguments give the same weights.

    Args:
        config: architecture and width.
        size_px: side of the images.
        channels: 1 or 3.
        seed: of the initial weights.
        dtype_policy: of the arithmetic, such as ``"mixed_bfloat16"``; weights are float32.
        is_synchronized: BatchNorm takes its statistics over all replicas.

    Returns:
        A model (n, size_px, size_px, channels) float32 -> (n, d), d = ``encoder.output_shape[1]``.

    Source: He et al. 2015; Goyal et al. 2017 for the zero-initialised last gain of each block.
    """
    blocks = _Blocks(seed, dtype_policy, is_synchronized)
    pixels = keras.Input((size_px, size_px, channels), name="pixels", dtype="float32")
    if config.architecture is Architecture.SMALL_CNN:
        representation = _small_cnn(blocks, pixels, config.width_multiplier)
    else:
        representation = _resnet(blocks, pixels, config, size_px)
    return keras.Model(pixels, representation, name=config.architecture.value)


def chosen_stem(config: EncoderConfig, size_px: int) -> Stem:
    """The stem a ResNet gets: as configured, or by image size."""
    if config.stem is not Stem.AUTO:
        return config.stem
    return Stem.SMALL_IMAGE if size_px <= SMALL_IMAGE_PX else Stem.LARGE_IMAGE


def num_parameters(model: keras.Model) -> int:
    """Trainable parameters; BatchNorm's moving statistics do not count."""
    return int(sum(np.prod(variable.shape) for variable in model.trainable_variables))


def weights_digest(*models: keras.Model) -> str:
    """SHA-256 over shape, type and bytes of every weight and BatchNorm statistic, in the order of the layers."""
    hasher = hashlib.sha256()
    for weight in itertools.chain.from_iterable(model.get_weights() for model in models):
        hasher.update(f"{weight.dtype.str}{weight.shape}".encode())
        hasher.update(np.ascontiguousarray(weight).tobytes())
    return hasher.hexdigest()


def _width(channels: int, multiplier: float) -> int:
    return max(_CHANNEL_STEP, round(channels * multiplier / _CHANNEL_STEP) * _CHANNEL_STEP)


class _Blocks:
    """Convolutions and BatchNorms with this project's settings; each kernel gets a seed of its own."""

    def __init__(self, seed: int, dtype_policy: str, is_synchronized: bool):
        self._seeds = itertools.count(seed * 100_003)  # no two runs share a layer's seed by accident
        self.dtype_policy, self._is_synchronized = dtype_policy, is_synchronized

    def convolve(self, features: keras.KerasTensor, channels: int, kernel: int, stride: int = 1) -> keras.KerasTensor:
        """Convolution without bias; with a stride the padding is symmetric, unlike Keras' ``same``."""
        padding = "same"
        if stride > 1 and kernel > 1:
            features = layers.ZeroPadding2D(kernel // 2, dtype=self.dtype_policy)(features)
            padding = "valid"
        initializer = keras.initializers.VarianceScaling(
            2.0, "fan_out", "untruncated_normal", seed=next(self._seeds) % 2**31
        )
        return layers.Conv2D(
            channels,
            kernel,
            stride,
            padding,
            use_bias=False,
            kernel_initializer=initializer,
            dtype=self.dtype_policy,
        )(features)

    def normalise(self, features: keras.KerasTensor, is_last_of_block: bool = False) -> keras.KerasTensor:
        return layers.BatchNormalization(
            momentum=BATCH_NORM_MOMENTUM,
            epsilon=BATCH_NORM_EPSILON,
            gamma_initializer="zeros" if is_last_of_block else "ones",
            synchronized=self._is_synchronized,
            dtype=self.dtype_policy,
        )(features)

    def activate(self, features: keras.KerasTensor) -> keras.KerasTensor:
        return layers.ReLU(dtype=self.dtype_policy)(features)

    def max_pool(self, features: keras.KerasTensor) -> keras.KerasTensor:
        """3x3 max-pool with stride 2, as the maximum of shifted images, one axis after the other.

        The gradient of Keras' own layer has no deterministic form under XLA.
        """
        for axis, strides in ((0, (2, 1)), (1, (1, 2))):
            shifted = []
            for offset in range(3):
                crop = [(0, 0), (0, 0)]
                crop[axis] = (offset, 2 - offset)
                window = layers.Cropping2D(crop, dtype=self.dtype_policy)(features)
                shifted.append(layers.AveragePooling2D(1, strides, dtype=self.dtype_policy)(window))
            features = layers.Maximum(dtype=self.dtype_policy)(shifted)
        return features


def _small_cnn(blocks: _Blocks, pixels: keras.KerasTensor, multiplier: float) -> keras.KerasTensor:
    features = pixels
    for channels, stride in _SMALL_CNN_STAGES:
        features = blocks.convolve(features, _width(channels, multiplier), 3, stride)
        features = blocks.activate(blocks.normalise(features))
    pool = max(1, features.shape[1] // _SMALL_CNN_GRID)
    features = layers.AveragePooling2D(pool, dtype=blocks.dtype_policy)(features)
    return layers.Flatten(dtype=blocks.dtype_policy)(features)


def _resnet(blocks: _Blocks, pixels: keras.KerasTensor, config: EncoderConfig, size_px: int) -> keras.KerasTensor:
    width = _width(_STAGE_WIDTHS[0], config.width_multiplier)
    if chosen_stem(config, size_px) is Stem.SMALL_IMAGE:
        features = blocks.activate(blocks.normalise(blocks.convolve(pixels, width, 3)))
    else:
        features = blocks.activate(blocks.normalise(blocks.convolve(pixels, width, 7, 2)))
        # Zeros pad as well as minus infinity would: nothing is negative after the activation.
        features = layers.ZeroPadding2D(1, dtype=blocks.dtype_policy)(features)
        features = blocks.max_pool(features)
    is_bottleneck = config.architecture is Architecture.RESNET50
    block: Callable = _bottleneck if is_bottleneck else _basic_block
    for stage, depth in enumerate(_STAGE_DEPTHS[config.architecture]):
        width = _width(_STAGE_WIDTHS[stage], config.width_multiplier)
        for position in range(depth):
            features = block(blocks, features, width, 2 if stage > 0 and position == 0 else 1)
    return layers.GlobalAveragePooling2D(dtype=blocks.dtype_policy)(features)


def _basic_block(blocks: _Blocks, features: keras.KerasTensor, width: int, stride: int) -> keras.KerasTensor:
    branch = blocks.activate(blocks.normalise(blocks.convolve(features, width, 3, stride)))
    branch = blocks.normalise(blocks.convolve(branch, width, 3), is_last_of_block=True)
    return _join(blocks, features, branch, stride)


def _bottleneck(blocks: _Blocks, features: keras.KerasTensor, width: int, stride: int) -> keras.KerasTensor:
    branch = blocks.activate(blocks.normalise(blocks.convolve(features, width, 1)))
    branch = blocks.activate(blocks.normalise(blocks.convolve(branch, width, 3, stride)))
    branch = blocks.convolve(branch, width * _BOTTLENECK_EXPANSION, 1)
    return _join(blocks, features, blocks.normalise(branch, is_last_of_block=True), stride)


def _join(blocks: _Blocks, features: keras.KerasTensor, branch: keras.KerasTensor, stride: int) -> keras.KerasTensor:
    """Add the shortcut, projected where channels or resolution change."""
    if stride > 1 or features.shape[-1] != branch.shape[-1]:
        features = blocks.normalise(blocks.convolve(features, branch.shape[-1], 1, stride))
    return blocks.activate(layers.Add(dtype=blocks.dtype_policy)([features, branch]))
